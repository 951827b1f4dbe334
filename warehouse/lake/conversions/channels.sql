SELECT
    code,
    label,
    marketplace,
    connection,
    connection_kind,
    retrieval AS is_retrieved,
    confirmation AS is_confirmed,
    acceptance,
    created_at,
    updated_at
FROM arrived

SELECT
    id,
    connection,
    kind,
    coalesce(from_json(channels, '["VARCHAR"]'), []) AS channels,
    since,
    until,
    started_at,
    finished_at,
    outcome,
    pages,
    orders_seen,
    orders_new,
    orders_skipped,
    error_code,
    error,
    coalesce(from_json(missing_data, '["VARCHAR"]'), []) AS missing_data
FROM arrived

SELECT
    id,
    scope,
    subject,
    stage,
    code,
    nullif(order_id, '') AS order_id,
    message,
    hint,
    details,
    first_seen_at,
    last_seen_at,
    occurrences,
    resolved_at,
    resolution,
    kind,
    cause
FROM arrived

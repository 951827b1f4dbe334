SELECT
    position,
    order_id,
    revision,
    status,
    marketplace_updated_at,
    recorded_at,
    raw_seq,
    coalesce(from_json(changed, '["VARCHAR"]'), []) AS changed,
    '{' || facts || '}' AS document
FROM arrived

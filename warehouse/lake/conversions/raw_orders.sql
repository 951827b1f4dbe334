SELECT
    seq,
    connection,
    channel,
    original_id,
    received_at,
    content_hash,
    pull_id,
    page,
    is_historical,
    payload
FROM arrived

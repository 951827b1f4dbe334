SELECT
    id,
    shipment_id,
    version,
    operation,
    started_at,
    finished_at,
    outcome,
    http_status,
    request_id,
    code,
    message,
    hint
FROM arrived

SELECT
    file_id,
    number,
    channel,
    order_id,
    shipment_id,
    outcome,
    code,
    column_name,
    message,
    recorded_at
FROM arrived

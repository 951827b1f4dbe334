SELECT shipment_id, line_id, quantity
FROM arrived

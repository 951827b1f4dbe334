SELECT shipment_id, line_id, quantity, may_have_left
FROM arrived

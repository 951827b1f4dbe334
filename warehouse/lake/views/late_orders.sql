CREATE OR REPLACE VIEW late_orders AS
SELECT
    order_id,
    channel,
    original_id,
    status,
    purchased_at,
    ship_by,
    date_diff('hour', ship_by, now()) AS hours_late,
    lines_to_ship,
    units_to_ship,
    has_cancellation_request
FROM orders_to_ship
WHERE is_late
ORDER BY ship_by;

COMMENT ON VIEW late_orders IS 'Orders to ship whose ship_by has passed, the longest overdue first: by ship_by, oldest first.';

-- order_id < orders_to_ship.order_id
-- channel < orders_to_ship.channel
-- original_id < orders_to_ship.original_id
-- status < orders_to_ship.status
-- purchased_at < orders_to_ship.purchased_at
-- ship_by < orders_to_ship.ship_by
-- hours_late BIGINT < orders_to_ship.ship_by: Hours since ship_by.
-- lines_to_ship < orders_to_ship.lines_to_ship
-- units_to_ship < orders_to_ship.units_to_ship
-- has_cancellation_request < orders_to_ship.has_cancellation_request

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

-- order_id: The order: orders.id.
-- channel: Channel code.
-- original_id: The marketplace's order id.
-- status: WAITING_FOR_SHIPMENT or PARTIALLY_SHIPPED.
-- purchased_at: When the buyer ordered.
-- ship_by: Latest moment to ship.
-- hours_late: Hours since ship_by.
-- lines_to_ship: Lines with units that are to be shipped.
-- units_to_ship: Units to be shipped, refunded ones left out; null when the marketplace does not say for a line.
-- has_cancellation_request: Whether a cancellation was asked for.

CREATE OR REPLACE VIEW orders_to_ship AS
SELECT
    orders.id AS order_id,
    orders.channel,
    orders.original_id,
    orders.status,
    orders.purchased_at,
    orders.ship_by,
    coalesce(orders.ship_by < now(), false) AS is_late,
    count(lines.id) AS lines_to_ship,
    CASE
        WHEN bool_and(lines.quantity_remaining_to_ship IS NOT NULL)
        THEN sum(lines.quantity_remaining_to_ship - coalesce(lines.quantity_refunded, 0))
    END::BIGINT AS units_to_ship,
    orders.total,
    orders.currency,
    orders.shipping_country_code,
    orders.confirmation_status,
    orders.has_cancellation_request,
    orders.has_errors
FROM orders
LEFT JOIN order_lines AS lines
    ON lines.order_id = orders.id
    AND lines.may_ship IS DISTINCT FROM false
    AND (lines.quantity_remaining_to_ship > coalesce(lines.quantity_refunded, 0) OR lines.quantity_remaining_to_ship IS NULL)
WHERE
    orders.fulfilled_by = 'merchant'
    AND orders.status IN ('WAITING_FOR_SHIPMENT', 'PARTIALLY_SHIPPED')
    AND orders.may_ship IS DISTINCT FROM false
    AND NOT orders.is_historical
    AND (lines.id IS NOT NULL OR orders.id NOT IN (SELECT order_id FROM order_lines))
GROUP BY ALL
ORDER BY is_late DESC, orders.ship_by ASC NULLS LAST, orders.purchased_at;

COMMENT ON VIEW orders_to_ship IS 'Orders the merchant still has to ship, late ones first, then by ship_by; without what the marketplace bars from being shipped.';

-- DuckLake keeps no comments on the columns of a view: the view `dictionary` tells them from here. A column without a text
-- means what the one does that it is made of.
-- order_id < orders.id: The order: orders.id.
-- channel < orders.channel
-- original_id < orders.original_id
-- status < orders.status: `WAITING_FOR_SHIPMENT` or `PARTIALLY_SHIPPED`.
-- purchased_at < orders.purchased_at
-- ship_by < orders.ship_by
-- is_late BOOLEAN < orders.ship_by: Whether ship_by has passed; false without a ship_by.
-- lines_to_ship BIGINT < order_lines.id, order_lines.quantity_remaining_to_ship, order_lines.quantity_refunded, order_lines.may_ship: Lines with units that are to be shipped.
-- units_to_ship < order_lines.quantity_remaining_to_ship, order_lines.quantity_refunded, order_lines.may_ship: Units to be shipped, refunded ones left out; null when the marketplace does not say for a line.
-- total < orders.total
-- currency < orders.currency
-- shipping_country_code < orders.shipping_country_code
-- confirmation_status < orders.confirmation_status
-- has_cancellation_request < orders.has_cancellation_request: Whether a cancellation was asked for: check before shipping.
-- has_errors < orders.has_errors

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

-- DuckLake keeps no comments on the columns of a view; the dictionary reads them here.
-- order_id: The order: orders.id.
-- channel: Channel code.
-- original_id: The marketplace's order id.
-- status: WAITING_FOR_SHIPMENT or PARTIALLY_SHIPPED.
-- purchased_at: When the buyer ordered.
-- ship_by: Latest moment to ship.
-- is_late: Whether ship_by has passed; false without a ship_by.
-- lines_to_ship: Lines with units that are to be shipped.
-- units_to_ship: Units to be shipped, refunded ones left out; null when the marketplace does not say for a line.
-- total: Order total with taxes and shipping, in currency.
-- currency: ISO 4217 code.
-- shipping_country_code: ISO 3166 alpha-2 country of the shipping address.
-- confirmation_status: How far the shipment confirmation has come.
-- has_cancellation_request: Whether a cancellation was asked for: check before shipping.
-- has_errors: Whether something about the order needs attention.

CREATE OR REPLACE VIEW revenue_by_day AS
SELECT
    CAST(orders.purchased_at AS DATE) AS day,
    orders.channel,
    orders.currency,
    count(*) AS orders,
    count(*) FILTER (orders.total IS NULL) AS orders_without_total,
    -- what is not of the lines, such as shipping, is kept; some marketplaces leave cancelled lines out of the total
    sum(
        orders.total
        - CASE
            WHEN goods.given_up IS NULL THEN 0
            WHEN orders.total >= goods.stated THEN goods.given_up
            ELSE goods.refunded
        END
    ) AS revenue,
    sum(orders.shipping_total) AS shipping,
    sum(orders.tax_total) AS taxes
FROM orders
LEFT JOIN (
    SELECT
        order_id,
        sum(coalesce(line_total, 0)) AS stated,
        sum(least(coalesce(refunded_total, 0), coalesce(kept_total, line_total, 0))) AS refunded,
        sum(
            coalesce(line_total - kept_total, 0)
            + least(coalesce(refunded_total, 0), coalesce(kept_total, line_total, 0))
        ) AS given_up
    FROM order_lines
    GROUP BY order_id
) AS goods ON goods.order_id = orders.id
WHERE orders.status NOT IN ('CANCELED', 'REFUSED')
GROUP BY ALL
ORDER BY day DESC, channel, currency;

COMMENT ON VIEW revenue_by_day IS 'Order totals per day, channel and currency, without cancelled and refused orders, cancelled units and refunds.';

-- day DATE < orders.purchased_at: Day of purchase, in the session's time zone.
-- channel < orders.channel
-- currency < orders.currency
-- orders BIGINT < orders.id: Number of orders.
-- orders_without_total BIGINT < orders.total: Of these, orders for which the marketplace gives no total: they add nothing to the revenue.
-- revenue DECIMAL(38,8) < orders.total, order_lines.line_total, order_lines.kept_total, order_lines.refunded_total: Sum of the totals with taxes and shipping, less cancelled units and refunds of goods; null when no order has one.
-- shipping DECIMAL(38,8) < orders.shipping_total: Sum of the shipping prices.
-- taxes DECIMAL(38,8) < orders.tax_total: Sum of the taxes.

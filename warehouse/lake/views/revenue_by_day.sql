CREATE OR REPLACE VIEW revenue_by_day AS
SELECT
    CAST(purchased_at AS DATE) AS day,
    channel,
    currency,
    count(*) AS orders,
    count(*) FILTER (total IS NULL) AS orders_without_total,
    sum(total) AS revenue,
    sum(shipping_total) AS shipping,
    sum(tax_total) AS taxes
FROM orders
WHERE status NOT IN ('CANCELED', 'REFUSED')
GROUP BY ALL
ORDER BY day DESC, channel, currency;

COMMENT ON VIEW revenue_by_day IS 'Order totals per day, channel and currency, without cancelled and refused orders.';

-- day: Day of purchase, in the session's time zone.
-- channel: Channel code.
-- currency: ISO 4217 code of the amounts.
-- orders: Number of orders.
-- orders_without_total: Of these, orders for which the marketplace gives no total: they add nothing to the revenue.
-- revenue: Sum of the totals with taxes and shipping; null when no order has one.
-- shipping: Sum of the shipping prices.
-- taxes: Sum of the taxes.

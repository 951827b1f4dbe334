CREATE OR REPLACE VIEW order_flow AS
SELECT
    orders.channel,
    CAST(orders.received_at AS DATE) AS day,
    count(*) AS received,
    count(*) FILTER (orders.status IN ('WAITING_FOR_SHIPMENT', 'PARTIALLY_SHIPPED')) AS waiting,
    count(*) FILTER (orders.status = 'SHIPPED') AS shipped,
    count(*) FILTER (orders.status IN ('CANCELED', 'REFUSED')) AS cancelled,
    count(*) FILTER (orders.status IN ('PENDING', 'UNKNOWN')) AS undecided,
    median(date_diff('second', first.marketplace_updated_at, orders.received_at)) FILTER (NOT orders.is_historical)
        AS median_lag_seconds
FROM orders
LEFT JOIN order_versions AS first ON first.order_id = orders.id AND first.revision = 1
GROUP BY ALL
ORDER BY day DESC, orders.channel;

COMMENT ON VIEW order_flow IS 'Per channel and day of arrival: how many orders came, and what has become of them.';

-- channel < orders.channel
-- day DATE < orders.received_at: Day the orders first reached us, in the session's time zone.
-- received BIGINT < orders.id: Orders that reached us that day.
-- waiting BIGINT < orders.status: Of these, still to be shipped, wholly or in part.
-- shipped BIGINT < orders.status: Of these, shipped.
-- cancelled BIGINT < orders.status: Of these, cancelled or refused.
-- undecided BIGINT < orders.status: Of these, pending, or in a status that is not known.
-- median_lag_seconds DOUBLE < order_versions.marketplace_updated_at, orders.received_at, orders.is_historical: Median seconds from the marketplace's change to our receiving it; orders loaded as history left out.

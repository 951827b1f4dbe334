CREATE OR REPLACE VIEW confirmation_latency AS
SELECT
    channel,
    CAST(reported_at AS DATE) AS day,
    count(*) AS shipments,
    count(*) FILTER (status IN ('queued', 'sending', 'in_doubt')) AS under_way,
    count(*) FILTER (status = 'sent') AS sent,
    count(*) FILTER (status = 'verified') AS verified,
    count(*) FILTER (status = 'rejected') AS rejected,
    count(*) FILTER (status = 'held') AS held,
    count(*) FILTER (status = 'none') AS skipped,
    median(date_diff('second', reported_at, sent_at)) FILTER (version = 1) AS median_seconds_to_sent,
    quantile_cont(date_diff('second', reported_at, sent_at), 0.95) FILTER (version = 1) AS p95_seconds_to_sent,
    median(date_diff('second', sent_at, verified_at)) AS median_seconds_to_verified,
    min(reported_at) FILTER (status IN ('queued', 'sending', 'in_doubt', 'rejected')) AS oldest_waiting_since
FROM shipments
GROUP BY ALL
ORDER BY day DESC, channel;

COMMENT ON VIEW confirmation_latency IS 'Per channel and day of reporting: how many shipments, how far they have come, and how long it took.';

-- channel < shipments.channel
-- day DATE < shipments.reported_at: Day the shipments were first reported, in the session's time zone.
-- shipments BIGINT < shipments.id: Shipments reported that day.
-- under_way BIGINT < shipments.status: Of these, to be sent, being sent, or in doubt.
-- sent BIGINT < shipments.status: Of these, taken by the marketplace and not shown by it yet.
-- verified BIGINT < shipments.status: Of these, shown by the marketplace.
-- rejected BIGINT < shipments.status: Of these, rejected by the marketplace.
-- held BIGINT < shipments.status: Of these, held because the channel does not confirm.
-- skipped BIGINT < shipments.status: Of these, never to be sent, by choice.
-- median_seconds_to_sent DOUBLE < shipments.reported_at, shipments.sent_at, shipments.version: Median seconds from reporting to the marketplace's taking it; packages that were told differently later are left out.
-- p95_seconds_to_sent DOUBLE < shipments.reported_at, shipments.sent_at, shipments.version: As above, the 95th percentile.
-- median_seconds_to_verified DOUBLE < shipments.sent_at, shipments.verified_at: Median seconds from there until reading the marketplace showed it.
-- oldest_waiting_since < shipments.reported_at, shipments.status: When the longest waiting of them was reported; rejected ones wait too.

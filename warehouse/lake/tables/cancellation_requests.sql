CREATE TABLE IF NOT EXISTS cancellation_requests (
    id VARCHAR NOT NULL,
    order_id VARCHAR NOT NULL,
    original_id VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    marketplace VARCHAR NOT NULL,
    requester VARCHAR NOT NULL,
    reason VARCHAR,
    lines VARCHAR NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    request_state VARCHAR NOT NULL,
    hold_until TIMESTAMPTZ,
    decided_by VARCHAR,
    decided_at TIMESTAMPTZ,
    decision_reason VARCHAR,
    told_at TIMESTAMPTZ,
    shipped_despite BOOLEAN NOT NULL,
    closed_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

COMMENT ON TABLE cancellation_requests IS 'Requests to cancel an order or some of its lines: one row per order and requester.';
COMMENT ON COLUMN cancellation_requests.id IS 'Id of the request, the same after every rebuild.';
COMMENT ON COLUMN cancellation_requests.order_id IS 'The order: orders.id.';
COMMENT ON COLUMN cancellation_requests.original_id IS 'The marketplace''s id of the order.';
COMMENT ON COLUMN cancellation_requests.channel IS 'Channel code.';
COMMENT ON COLUMN cancellation_requests.marketplace IS 'Label of the marketplace.';
COMMENT ON COLUMN cancellation_requests.requester IS 'Who asks, in the marketplace''s word; MERCHANT: the seller.';
COMMENT ON COLUMN cancellation_requests.reason IS 'Why, in the marketplace''s word.';
COMMENT ON COLUMN cancellation_requests.lines IS 'Lines with the units asked for, as JSON.';
COMMENT ON COLUMN cancellation_requests.requested_at IS 'When, by the marketplace''s clock.';
COMMENT ON COLUMN cancellation_requests.seen_at IS 'When it was first seen here.';
COMMENT ON COLUMN cancellation_requests.request_state IS 'open, accepted, declined, executed, withdrawn or expired.';
COMMENT ON COLUMN cancellation_requests.hold_until IS 'Until when the order is neither exported nor confirmed; null: it is not held.';
COMMENT ON COLUMN cancellation_requests.decided_by IS 'Who decided.';
COMMENT ON COLUMN cancellation_requests.decided_at IS 'When it was decided.';
COMMENT ON COLUMN cancellation_requests.decision_reason IS 'Why it was decided so.';
COMMENT ON COLUMN cancellation_requests.told_at IS 'When the marketplace took the acceptance.';
COMMENT ON COLUMN cancellation_requests.shipped_despite IS 'Whether units were shipped nevertheless.';
COMMENT ON COLUMN cancellation_requests.closed_at IS 'When it was over.';
COMMENT ON COLUMN cancellation_requests.updated_at IS 'When it last changed here.';

CREATE TABLE IF NOT EXISTS retired_orders (
    order_key BIGINT NOT NULL,
    order_id VARCHAR NOT NULL,
    raw_seq BIGINT NOT NULL,
    closed_at TIMESTAMPTZ NOT NULL,
    retired_at TIMESTAMPTZ NOT NULL,
    facts VARCHAR NOT NULL,
    payload VARCHAR NOT NULL
);

COMMENT ON TABLE retired_orders IS 'What orders that were retired have here alone; the tables orders and order_lines have all orders. No personal data.';
COMMENT ON COLUMN retired_orders.order_key IS 'By which the ledger finds it; grows with every new order.';
COMMENT ON COLUMN retired_orders.order_id IS 'The order: orders.id.';
COMMENT ON COLUMN retired_orders.raw_seq IS 'The payload it was read from: raw_orders.seq.';
COMMENT ON COLUMN retired_orders.closed_at IS 'When the marketplace closed it (marketplace''s clock).';
COMMENT ON COLUMN retired_orders.retired_at IS 'When it was retired (our clock).';
COMMENT ON COLUMN retired_orders.facts IS 'The marketplace''s facts of the order: members of a JSON object with the API''s names, without its braces.';
COMMENT ON COLUMN retired_orders.payload IS 'The payload as JSON; personal data is null.';

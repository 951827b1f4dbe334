CREATE TABLE IF NOT EXISTS raw_orders (
    seq BIGINT NOT NULL,
    connection VARCHAR NOT NULL,
    channel VARCHAR,
    original_id VARCHAR NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    content_hash VARCHAR NOT NULL,
    pull_id BIGINT NOT NULL,
    page INTEGER NOT NULL,
    is_historical BOOLEAN NOT NULL,
    payload VARCHAR NOT NULL
);

COMMENT ON TABLE raw_orders IS 'Every distinct payload as it came from the marketplace, without its personal data.';
COMMENT ON COLUMN raw_orders.seq IS 'Order of arrival.';
COMMENT ON COLUMN raw_orders.connection IS 'Connection (seller account) that it was pulled from.';
COMMENT ON COLUMN raw_orders.channel IS 'Channel code; null when the payload does not say.';
COMMENT ON COLUMN raw_orders.original_id IS 'The marketplace''s order id.';
COMMENT ON COLUMN raw_orders.received_at IS 'When it was stored (our clock).';
COMMENT ON COLUMN raw_orders.content_hash IS 'Hash of the exact payload, hexadecimal.';
COMMENT ON COLUMN raw_orders.pull_id IS 'The pull that brought it: pulls.id; 0: none, it was given to us.';
COMMENT ON COLUMN raw_orders.page IS 'Page of that pull.';
COMMENT ON COLUMN raw_orders.is_historical IS 'Whether it was loaded as history.';
COMMENT ON COLUMN raw_orders.payload IS 'The payload as JSON; personal data is null.';

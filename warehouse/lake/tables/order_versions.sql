CREATE TABLE IF NOT EXISTS order_versions (
    position BIGINT NOT NULL,
    order_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    marketplace_updated_at TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    raw_seq BIGINT NOT NULL,
    changed VARCHAR[] NOT NULL,
    document VARCHAR NOT NULL
);

COMMENT ON TABLE order_versions IS 'Every content version of every order; kept here after the ledger has let go of it. No personal data.';
COMMENT ON COLUMN order_versions.position IS 'Place of the change in the change feed of all orders.';
COMMENT ON COLUMN order_versions.order_id IS 'The order: orders.id.';
COMMENT ON COLUMN order_versions.revision IS 'Content version of the order, from 1.';
COMMENT ON COLUMN order_versions.status IS 'The status in this version.';
COMMENT ON COLUMN order_versions.marketplace_updated_at IS 'When the marketplace made the change (marketplace''s clock).';
COMMENT ON COLUMN order_versions.recorded_at IS 'When we recorded the change (our clock).';
COMMENT ON COLUMN order_versions.raw_seq IS 'The payload it was read from: raw_orders.seq.';
COMMENT ON COLUMN order_versions.changed IS 'Members that differ from the version before; empty for the first version.';
COMMENT ON COLUMN order_versions.document IS 'The marketplace''s facts of the order in this version, as JSON with the API''s names.';

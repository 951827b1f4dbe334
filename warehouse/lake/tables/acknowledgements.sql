CREATE TABLE IF NOT EXISTS acknowledgements (
    order_id VARCHAR NOT NULL,
    consumer VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    outcome VARCHAR NOT NULL,
    order_number VARCHAR,
    message VARCHAR,
    acknowledged_at TIMESTAMPTZ NOT NULL
);

COMMENT ON TABLE acknowledgements IS 'Which consumer has taken over which order: the latest word of each.';
COMMENT ON COLUMN acknowledgements.order_id IS 'The order: orders.id.';
COMMENT ON COLUMN acknowledgements.consumer IS 'Name of the consumer, e.g. the ERP.';
COMMENT ON COLUMN acknowledgements.revision IS 'Content version of the order that it took over.';
COMMENT ON COLUMN acknowledgements.outcome IS 'ok or error.';
COMMENT ON COLUMN acknowledgements.order_number IS 'The consumer''s own number for the order.';
COMMENT ON COLUMN acknowledgements.message IS 'What the consumer said.';
COMMENT ON COLUMN acknowledgements.acknowledged_at IS 'When it said so.';

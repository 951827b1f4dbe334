CREATE TABLE IF NOT EXISTS channels (
    code VARCHAR NOT NULL,
    label VARCHAR NOT NULL,
    marketplace VARCHAR NOT NULL,
    connection VARCHAR NOT NULL,
    connection_kind VARCHAR NOT NULL,
    is_retrieved BOOLEAN NOT NULL,
    is_confirmed BOOLEAN NOT NULL,
    acceptance VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

COMMENT ON TABLE channels IS 'The channels as they are configured now.';
COMMENT ON COLUMN channels.code IS 'Channel code, e.g. amazon_fr.';
COMMENT ON COLUMN channels.label IS 'What the merchant calls the channel.';
COMMENT ON COLUMN channels.marketplace IS 'Marketplace it sells on, e.g. Amazon FR.';
COMMENT ON COLUMN channels.connection IS 'Connection (seller account) that serves it.';
COMMENT ON COLUMN channels.connection_kind IS 'Kind of the connection: amazon, mirakl…';
COMMENT ON COLUMN channels.is_retrieved IS 'Whether its orders are retrieved.';
COMMENT ON COLUMN channels.is_confirmed IS 'Whether its shipments are confirmed to the marketplace.';
COMMENT ON COLUMN channels.acceptance IS 'Who accepts orders: manual, automatic or off.';
COMMENT ON COLUMN channels.created_at IS 'When the channel was set up.';
COMMENT ON COLUMN channels.updated_at IS 'When its configuration last changed.';

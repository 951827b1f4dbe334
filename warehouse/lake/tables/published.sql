CREATE TABLE IF NOT EXISTS published (
    name VARCHAR NOT NULL,
    through BIGINT NOT NULL,
    content_hash VARCHAR,
    published_at TIMESTAMPTZ
);

COMMENT ON TABLE published IS 'How far the lake has come; written in the same transaction as the rows.';
COMMENT ON COLUMN published.name IS 'What was published: a table, or definitions for the tables and views themselves.';
COMMENT ON COLUMN published.through IS 'Last position, sequence, id or time (microseconds) of the ledger that is here.';
COMMENT ON COLUMN published.content_hash IS 'Hash of what was published, where it is published as a whole.';
COMMENT ON COLUMN published.published_at IS 'When it last moved.';

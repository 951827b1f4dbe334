CREATE TABLE IF NOT EXISTS pulls (
    id BIGINT NOT NULL,
    connection VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    channels VARCHAR[] NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    outcome VARCHAR NOT NULL,
    pages INTEGER NOT NULL,
    orders_seen INTEGER NOT NULL,
    orders_new INTEGER NOT NULL,
    orders_skipped INTEGER NOT NULL,
    error_code VARCHAR,
    error VARCHAR,
    missing_data VARCHAR[] NOT NULL
);

COMMENT ON TABLE pulls IS 'Every finished attempt at one window of one connection; kept here after the ledger has let go of it.';
COMMENT ON COLUMN pulls.id IS 'Id of the pull.';
COMMENT ON COLUMN pulls.connection IS 'Connection (seller account).';
COMMENT ON COLUMN pulls.kind IS 'tick, backfill or sweep.';
COMMENT ON COLUMN pulls.channels IS 'Channels that the pull served.';
COMMENT ON COLUMN pulls.since IS 'Start of the window (marketplace''s clock).';
COMMENT ON COLUMN pulls.until IS 'End of the window (marketplace''s clock).';
COMMENT ON COLUMN pulls.started_at IS 'When it began (our clock).';
COMMENT ON COLUMN pulls.finished_at IS 'When it ended (our clock).';
COMMENT ON COLUMN pulls.outcome IS 'complete, failed or abandoned.';
COMMENT ON COLUMN pulls.pages IS 'Pages read.';
COMMENT ON COLUMN pulls.orders_seen IS 'Orders in those pages.';
COMMENT ON COLUMN pulls.orders_new IS 'Payloads stored, because they were new or had changed.';
COMMENT ON COLUMN pulls.orders_skipped IS 'Orders of channels that are not retrieved.';
COMMENT ON COLUMN pulls.error_code IS 'Why it failed: stable code.';
COMMENT ON COLUMN pulls.error IS 'Why it failed: plain sentence.';
COMMENT ON COLUMN pulls.missing_data IS 'Data sets that the marketplace refused to include.';

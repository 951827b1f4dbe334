CREATE TABLE IF NOT EXISTS confirmation_attempts (
    id BIGINT NOT NULL,
    shipment_id VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    operation VARCHAR,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    outcome VARCHAR NOT NULL,
    http_status INTEGER,
    request_id VARCHAR,
    code VARCHAR,
    message VARCHAR,
    hint VARCHAR
);

COMMENT ON TABLE confirmation_attempts IS 'Every attempt to tell a marketplace of a shipment.';
COMMENT ON COLUMN confirmation_attempts.id IS 'Id of the attempt.';
COMMENT ON COLUMN confirmation_attempts.shipment_id IS 'The package: shipments.id.';
COMMENT ON COLUMN confirmation_attempts.version IS 'The version of the shipment that was told.';
COMMENT ON COLUMN confirmation_attempts.operation IS 'The last call that was made, in the marketplace''s word.';
COMMENT ON COLUMN confirmation_attempts.started_at IS 'When it began.';
COMMENT ON COLUMN confirmation_attempts.finished_at IS 'When it ended; null while it runs.';
COMMENT ON COLUMN confirmation_attempts.outcome IS 'running, sent, rejected, in_doubt, retry (it is tried again) or refuted (in doubt, and had not arrived).';
COMMENT ON COLUMN confirmation_attempts.http_status IS 'HTTP status of the last call.';
COMMENT ON COLUMN confirmation_attempts.request_id IS 'The marketplace''s id of the call.';
COMMENT ON COLUMN confirmation_attempts.code IS 'Why it failed: stable code.';
COMMENT ON COLUMN confirmation_attempts.message IS 'Why it failed: the marketplace''s own message.';
COMMENT ON COLUMN confirmation_attempts.hint IS 'What to do.';

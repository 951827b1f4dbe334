CREATE TABLE IF NOT EXISTS incidents (
    id BIGINT NOT NULL,
    scope VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    stage VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    order_id VARCHAR,
    message VARCHAR NOT NULL,
    hint VARCHAR NOT NULL,
    details VARCHAR NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    occurrences BIGINT NOT NULL,
    resolved_at TIMESTAMPTZ,
    resolution VARCHAR,
    kind VARCHAR,
    cause VARCHAR
);

COMMENT ON TABLE incidents IS 'Problems, open and resolved: one row per problem while it lasts. No personal data.';
COMMENT ON COLUMN incidents.id IS 'Id of the incident.';
COMMENT ON COLUMN incidents.scope IS 'channel, connection or system.';
COMMENT ON COLUMN incidents.subject IS 'Code of the channel or connection, or the component.';
COMMENT ON COLUMN incidents.stage IS 'Where it happened: pull, normalise, publish…';
COMMENT ON COLUMN incidents.code IS 'Stable code of the problem.';
COMMENT ON COLUMN incidents.order_id IS 'The order it is about: orders.id; null when it is not about one.';
COMMENT ON COLUMN incidents.message IS 'The problem in a plain sentence.';
COMMENT ON COLUMN incidents.hint IS 'What to do; empty when nothing is known to help.';
COMMENT ON COLUMN incidents.details IS 'Technical details, as JSON.';
COMMENT ON COLUMN incidents.first_seen_at IS 'When it was first seen.';
COMMENT ON COLUMN incidents.last_seen_at IS 'When it was last seen.';
COMMENT ON COLUMN incidents.occurrences IS 'How often it happened.';
COMMENT ON COLUMN incidents.resolved_at IS 'When it ended; null while it is open.';
COMMENT ON COLUMN incidents.resolution IS 'How it ended.';
COMMENT ON COLUMN incidents.kind IS 'Whose business it is: retrieval, exchange, transmission, cancellation, connectivity…';
COMMENT ON COLUMN incidents.cause IS 'What usually lies behind it; empty when nothing is known.';

CREATE TABLE IF NOT EXISTS file_rows (
    file_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    channel VARCHAR NOT NULL,
    order_id VARCHAR,
    shipment_id VARCHAR,
    outcome VARCHAR NOT NULL,
    code VARCHAR,
    column_name VARCHAR,
    message VARCHAR,
    recorded_at TIMESTAMPTZ NOT NULL
);

COMMENT ON TABLE file_rows IS 'What became of each row of the shipment files. No personal data.';
COMMENT ON COLUMN file_rows.file_id IS 'The file: files.id.';
COMMENT ON COLUMN file_rows.number IS 'Number of the row, from 1, the header not counted.';
COMMENT ON COLUMN file_rows.channel IS 'Channel code.';
COMMENT ON COLUMN file_rows.order_id IS 'The order, when one was found: orders.id.';
COMMENT ON COLUMN file_rows.shipment_id IS 'Id of the shipment; null when the row was refused.';
COMMENT ON COLUMN file_rows.outcome IS 'applied, known or refused.';
COMMENT ON COLUMN file_rows.code IS 'Why it was refused, in one stable word.';
COMMENT ON COLUMN file_rows.column_name IS 'The column that the reason is about.';
COMMENT ON COLUMN file_rows.message IS 'The reason in a plain sentence.';
COMMENT ON COLUMN file_rows.recorded_at IS 'When it was recorded.';

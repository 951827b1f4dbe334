CREATE TABLE IF NOT EXISTS files (
    id BIGINT NOT NULL,
    direction VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    storage VARCHAR,
    folder VARCHAR NOT NULL,
    file_name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    sha256 VARCHAR,
    row_count BIGINT NOT NULL,
    order_count BIGINT NOT NULL,
    fulfilled_by VARCHAR,
    country_code VARCHAR,
    applied BIGINT NOT NULL,
    known BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    details VARCHAR NOT NULL,
    error_code VARCHAR,
    error VARCHAR,
    attempts BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

COMMENT ON TABLE files IS 'Files that were exchanged with other systems: order files that went out, shipment files that came in. No personal data.';
COMMENT ON COLUMN files.id IS 'Number of the file.';
COMMENT ON COLUMN files.direction IS 'export: an order file; import: a shipment file.';
COMMENT ON COLUMN files.channel IS 'Channel code.';
COMMENT ON COLUMN files.storage IS 'Code of the storage; null when it was handed over by hand.';
COMMENT ON COLUMN files.folder IS 'Folder at the storage.';
COMMENT ON COLUMN files.file_name IS 'Name of the file.';
COMMENT ON COLUMN files.status IS 'Order files: planned, uploaded. Shipment files: received, applied, refused as a whole, repeated (the same bytes were read before).';
COMMENT ON COLUMN files.size IS 'Bytes.';
COMMENT ON COLUMN files.sha256 IS 'SHA-256 of the bytes, in hex; null when they were never read.';
COMMENT ON COLUMN files.row_count IS 'Rows below the header.';
COMMENT ON COLUMN files.order_count IS 'Orders in it.';
COMMENT ON COLUMN files.fulfilled_by IS 'Who ships the orders of the file, when the export is split by it and it is known.';
COMMENT ON COLUMN files.country_code IS 'Shipping country of the orders of the file, when the export is split by it and it is known.';
COMMENT ON COLUMN files.applied IS 'Rows that became shipments, or changed one.';
COMMENT ON COLUMN files.known IS 'Rows that were known before.';
COMMENT ON COLUMN files.refused IS 'Rows that were refused.';
COMMENT ON COLUMN files.details IS 'More about how it was made or read, as JSON.';
COMMENT ON COLUMN files.error_code IS 'Why the whole file was refused, or what stands in its way.';
COMMENT ON COLUMN files.error IS 'The same in a plain sentence.';
COMMENT ON COLUMN files.attempts IS 'Uploads that were begun.';
COMMENT ON COLUMN files.created_at IS 'When it was made, or read.';
COMMENT ON COLUMN files.finished_at IS 'When it was uploaded, or answered and taken away from the storage; null while something remains to be done.';
COMMENT ON COLUMN files.updated_at IS 'When this row changed last.';

CREATE TABLE IF NOT EXISTS shipments (
    id VARCHAR NOT NULL,
    order_id VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    package_id VARCHAR NOT NULL,
    tracking_number VARCHAR,
    shipping_date TIMESTAMPTZ NOT NULL,
    carrier_code VARCHAR,
    carrier_name VARCHAR,
    tracking_url VARCHAR,
    shipping_method VARCHAR,
    ship_from VARCHAR,
    return_tracking_number VARCHAR,
    return_carrier VARCHAR,
    version INTEGER NOT NULL,
    sent_version INTEGER,
    status VARCHAR NOT NULL,
    held_reason VARCHAR,
    source VARCHAR NOT NULL,
    consumer VARCHAR NOT NULL,
    report_id VARCHAR NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    next_attempt_at TIMESTAMPTZ,
    attempt_count INTEGER NOT NULL,
    sent_at TIMESTAMPTZ,
    verified_at TIMESTAMPTZ,
    marketplace_package_id VARCHAR,
    told_carrier VARCHAR,
    code VARCHAR,
    message VARCHAR,
    hint VARCHAR,
    difference VARCHAR
);

COMMENT ON TABLE shipments IS 'Packages as they were reported, and how far telling the marketplace has come: one row each.';
COMMENT ON COLUMN shipments.id IS 'Id of the shipment: the same for good.';
COMMENT ON COLUMN shipments.order_id IS 'The order: orders.id.';
COMMENT ON COLUMN shipments.channel IS 'Channel code.';
COMMENT ON COLUMN shipments.package_id IS 'The ERP''s name of the package within its order.';
COMMENT ON COLUMN shipments.tracking_number IS 'The carrier''s number of the package.';
COMMENT ON COLUMN shipments.shipping_date IS 'When it left.';
COMMENT ON COLUMN shipments.carrier_code IS 'The ERP''s word for the carrier.';
COMMENT ON COLUMN shipments.carrier_name IS 'The carrier''s name, as reported.';
COMMENT ON COLUMN shipments.tracking_url IS 'Where the package is followed, as reported.';
COMMENT ON COLUMN shipments.shipping_method IS 'How it travels, in the ERP''s words.';
COMMENT ON COLUMN shipments.ship_from IS 'Where it left from, in the ERP''s words.';
COMMENT ON COLUMN shipments.return_tracking_number IS 'Number of the return label.';
COMMENT ON COLUMN shipments.return_carrier IS 'Carrier of the return label.';
COMMENT ON COLUMN shipments.version IS 'Grows whenever the package is told differently.';
COMMENT ON COLUMN shipments.sent_version IS 'The version that the marketplace has; null: none.';
COMMENT ON COLUMN shipments.status IS 'queued, sending, sent, verified, rejected, in_doubt, held, or none: skipped by choice.';
COMMENT ON COLUMN shipments.held_reason IS 'Why it is held, as a stable code.';
COMMENT ON COLUMN shipments.source IS 'By which way it was reported: api or file.';
COMMENT ON COLUMN shipments.consumer IS 'Who reported it last.';
COMMENT ON COLUMN shipments.report_id IS 'The request or file that reported it last.';
COMMENT ON COLUMN shipments.reported_at IS 'When it was first reported.';
COMMENT ON COLUMN shipments.updated_at IS 'When anything of it last changed.';
COMMENT ON COLUMN shipments.next_attempt_at IS 'When it is sent or read back at the earliest; null: it waits for nobody.';
COMMENT ON COLUMN shipments.attempt_count IS 'Attempts since it was last queued.';
COMMENT ON COLUMN shipments.sent_at IS 'When the marketplace took it.';
COMMENT ON COLUMN shipments.verified_at IS 'When reading the marketplace showed it.';
COMMENT ON COLUMN shipments.marketplace_package_id IS 'The marketplace''s own id of the package.';
COMMENT ON COLUMN shipments.told_carrier IS 'The carrier as the marketplace was told.';
COMMENT ON COLUMN shipments.code IS 'Why the last attempt failed: stable code.';
COMMENT ON COLUMN shipments.message IS 'Why the last attempt failed: the marketplace''s own message.';
COMMENT ON COLUMN shipments.hint IS 'What to do.';
COMMENT ON COLUMN shipments.difference IS 'What the marketplace shows differently, as JSON: member to [ours, theirs].';

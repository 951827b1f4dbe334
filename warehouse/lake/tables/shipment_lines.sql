CREATE TABLE IF NOT EXISTS shipment_lines (
    shipment_id VARCHAR NOT NULL,
    line_id VARCHAR NOT NULL,
    quantity INTEGER NOT NULL,
    may_have_left INTEGER
);

COMMENT ON TABLE shipment_lines IS 'What is in each package: one row per line of the order.';
COMMENT ON COLUMN shipment_lines.shipment_id IS 'The package: shipments.id.';
COMMENT ON COLUMN shipment_lines.line_id IS 'The line of the order: order_lines.id.';
COMMENT ON COLUMN shipment_lines.quantity IS 'Units in the package.';
COMMENT ON COLUMN shipment_lines.may_have_left IS 'Of these, units that the marketplace has cancelled all the same: they may have left.';

CREATE TABLE IF NOT EXISTS order_lines (
    id VARCHAR NOT NULL,
    order_id VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    original_id VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    sku VARCHAR,
    marketplace_sku VARCHAR,
    gtin VARCHAR,
    title VARCHAR,
    product_url VARCHAR,
    condition VARCHAR,
    quantity_ordered BIGINT,
    quantity_shipped BIGINT,
    quantity_cancelled BIGINT,
    quantity_remaining_to_ship BIGINT,
    quantity_refunded BIGINT,
    may_ship BOOLEAN,
    may_not_ship_reason VARCHAR,
    currency VARCHAR,
    unit_price DECIMAL(24, 8),
    source_unit_price DECIMAL(24, 8),
    line_total DECIMAL(24, 8),
    kept_total DECIMAL(24, 8),
    refunded_total DECIMAL(24, 8),
    taxes STRUCT(code VARCHAR, amount DECIMAL(24, 8), rate DECIMAL(24, 8))[],
    marketplace_status VARCHAR,
    cancellation_requested_by VARCHAR,
    cancellation_request_reason VARCHAR,
    cancellation_executed_by VARCHAR,
    cancellation_execution_reason VARCHAR,
    gift_wrap VARCHAR,
    is_gift BOOLEAN,
    is_customised BOOLEAN,
    ship_from VARCHAR,
    is_replacement BOOLEAN,
    purchased_at TIMESTAMPTZ NOT NULL,
    received_at TIMESTAMPTZ NOT NULL
);

COMMENT ON TABLE order_lines IS 'The lines of the current orders. No personal data.';
COMMENT ON COLUMN order_lines.id IS 'Internal line id: the same after every rebuild.';
COMMENT ON COLUMN order_lines.order_id IS 'The order: orders.id.';
COMMENT ON COLUMN order_lines.channel IS 'Channel code of the order.';
COMMENT ON COLUMN order_lines.original_id IS 'The marketplace''s line id.';
COMMENT ON COLUMN order_lines.number IS 'Place in the order, from 1.';
COMMENT ON COLUMN order_lines.sku IS 'The seller''s article number.';
COMMENT ON COLUMN order_lines.marketplace_sku IS 'The marketplace''s own article number (Amazon: the ASIN).';
COMMENT ON COLUMN order_lines.gtin IS 'GTIN (EAN, UPC): from the marketplace, else from the product.';
COMMENT ON COLUMN order_lines.title IS 'What the marketplace calls the article.';
COMMENT ON COLUMN order_lines.product_url IS 'Link to the product.';
COMMENT ON COLUMN order_lines.condition IS 'Condition of the article, in the marketplace''s word.';
COMMENT ON COLUMN order_lines.quantity_ordered IS 'Units ordered, cancelled ones included; null when the marketplace does not say.';
COMMENT ON COLUMN order_lines.quantity_shipped IS 'Units shipped.';
COMMENT ON COLUMN order_lines.quantity_cancelled IS 'Units cancelled.';
COMMENT ON COLUMN order_lines.quantity_remaining_to_ship IS 'Units still to ship: ordered - shipped - cancelled.';
COMMENT ON COLUMN order_lines.quantity_refunded IS 'Units refunded, or being refunded: as many of the remaining ones may not ship; null when the marketplace does not say.';
COMMENT ON COLUMN order_lines.may_ship IS 'Whether what remains of the line may be shipped.';
COMMENT ON COLUMN order_lines.may_not_ship_reason IS 'Why not; null when it may.';
COMMENT ON COLUMN order_lines.currency IS 'ISO 4217 code of the line''s amounts.';
COMMENT ON COLUMN order_lines.unit_price IS 'line_total by the units that it is for, in currency.';
COMMENT ON COLUMN order_lines.source_unit_price IS 'The marketplace''s own price of one unit, in currency.';
COMMENT ON COLUMN order_lines.line_total IS 'Price as the marketplace states it, with taxes, without shipping, in currency; null while there is none.';
COMMENT ON COLUMN order_lines.kept_total IS 'line_total without the units that are cancelled, in currency; null when that cannot be told.';
COMMENT ON COLUMN order_lines.refunded_total IS 'What of line_total was refunded, or is being refunded, in currency; null when the marketplace does not say.';
COMMENT ON COLUMN order_lines.taxes IS 'Taxes as the marketplace states them: code, amount in currency, rate in percent.';
COMMENT ON COLUMN order_lines.marketplace_status IS 'The marketplace''s own word for the line''s status.';
COMMENT ON COLUMN order_lines.cancellation_requested_by IS 'Who asked to cancel the line.';
COMMENT ON COLUMN order_lines.cancellation_request_reason IS 'Why the cancellation was asked for.';
COMMENT ON COLUMN order_lines.cancellation_executed_by IS 'Who cancelled the line.';
COMMENT ON COLUMN order_lines.cancellation_execution_reason IS 'Why the line was cancelled.';
COMMENT ON COLUMN order_lines.gift_wrap IS 'Kind of gift wrap, in the marketplace''s word.';
COMMENT ON COLUMN order_lines.is_gift IS 'Whether the line is to be packed as a gift.';
COMMENT ON COLUMN order_lines.is_customised IS 'Whether the article is made for the buyer.';
COMMENT ON COLUMN order_lines.ship_from IS 'The warehouse it is to be shipped from, in the marketplace''s word.';
COMMENT ON COLUMN order_lines.is_replacement IS 'Whether it replaces an article of the related order; null when the marketplace does not say.';
COMMENT ON COLUMN order_lines.purchased_at IS 'When the buyer ordered: orders.purchased_at.';
COMMENT ON COLUMN order_lines.received_at IS 'When the order first reached us: orders.received_at.';

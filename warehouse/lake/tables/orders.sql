CREATE TABLE IF NOT EXISTS orders (
    id VARCHAR NOT NULL,
    original_id VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    marketplace VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    marketplace_status VARCHAR,
    fulfilled_by VARCHAR,
    purchased_at TIMESTAMPTZ NOT NULL,
    marketplace_updated_at TIMESTAMPTZ NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    ship_by TIMESTAMPTZ,
    accept_by TIMESTAMPTZ,
    service_level VARCHAR,
    deliver_from TIMESTAMPTZ,
    deliver_until TIMESTAMPTZ,
    currency VARCHAR,
    total DECIMAL(24, 8),
    shipping_total DECIMAL(24, 8),
    tax_total DECIMAL(24, 8),
    charges STRUCT(code VARCHAR, "label" VARCHAR, amount DECIMAL(24,8), tax DECIMAL(24,8))[],
    payment_method VARCHAR,
    payment_workflow VARCHAR,
    payment_paid_at TIMESTAMPTZ,
    is_business BOOLEAN,
    programs VARCHAR[],
    shipping_country_code VARCHAR,
    cancellation_requested_by VARCHAR,
    cancellation_request_reason VARCHAR,
    cancellation_executed_by VARCHAR,
    cancellation_execution_reason VARCHAR,
    related_original_id VARCHAR,
    related_relation VARCHAR,
    may_ship BOOLEAN,
    may_not_ship_reason VARCHAR,
    split_of VARCHAR,
    confirmation_status VARCHAR NOT NULL,
    has_errors BOOLEAN NOT NULL,
    has_cancellation_request BOOLEAN NOT NULL,
    is_historical BOOLEAN NOT NULL,
    pii_state VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    position BIGINT NOT NULL,
    marketplace_data VARCHAR
);

COMMENT ON TABLE orders IS 'The current orders, one row each, as of the last publish. No personal data.';
COMMENT ON COLUMN orders.id IS 'Internal order id: the same after every rebuild.';
COMMENT ON COLUMN orders.original_id IS 'The marketplace''s order id.';
COMMENT ON COLUMN orders.channel IS 'Channel code, e.g. amazon_fr.';
COMMENT ON COLUMN orders.marketplace IS 'Marketplace the channel sells on, e.g. Amazon FR.';
COMMENT ON COLUMN orders.status IS 'PENDING, WAITING_FOR_SHIPMENT, PARTIALLY_SHIPPED, SHIPPED, REFUSED, CANCELED or UNKNOWN.';
COMMENT ON COLUMN orders.marketplace_status IS 'The marketplace''s own word for the status.';
COMMENT ON COLUMN orders.fulfilled_by IS 'Who ships: merchant or marketplace; null when the marketplace does not say.';
COMMENT ON COLUMN orders.purchased_at IS 'When the buyer ordered (marketplace''s clock).';
COMMENT ON COLUMN orders.marketplace_updated_at IS 'When the marketplace last changed the order (marketplace''s clock), as known at the last published change.';
COMMENT ON COLUMN orders.received_at IS 'When the order first reached us (our clock).';
COMMENT ON COLUMN orders.ship_by IS 'Latest moment to ship.';
COMMENT ON COLUMN orders.accept_by IS 'Latest moment to accept or refuse, of an order that waits for that where the channel says how long.';
COMMENT ON COLUMN orders.service_level IS 'Shipping speed or method that the buyer chose, in the marketplace''s word.';
COMMENT ON COLUMN orders.deliver_from IS 'Earliest moment at which it is promised to arrive.';
COMMENT ON COLUMN orders.deliver_until IS 'Latest moment at which it is promised to arrive.';
COMMENT ON COLUMN orders.currency IS 'ISO 4217 code of every amount of the order.';
COMMENT ON COLUMN orders.total IS 'Order total with taxes and shipping, in currency; null when the marketplace gives none.';
COMMENT ON COLUMN orders.shipping_total IS 'Shipping price after discounts and with taxes, in currency.';
COMMENT ON COLUMN orders.tax_total IS 'All taxes, in currency.';
COMMENT ON COLUMN orders.charges IS 'What else the buyer pays (gift wrap, cash on delivery, fees): code, label, amount with tax and the tax within it, in currency. Lines + shipping_total + charges = total.';
COMMENT ON COLUMN orders.payment_method IS 'How the buyer paid, in the marketplace''s word.';
COMMENT ON COLUMN orders.payment_workflow IS 'When the marketplace pays out, in the marketplace''s word.';
COMMENT ON COLUMN orders.payment_paid_at IS 'When the buyer paid.';
COMMENT ON COLUMN orders.is_business IS 'Whether the buyer is a business.';
COMMENT ON COLUMN orders.programs IS 'Marketplace programmes the order belongs to, e.g. prime.';
COMMENT ON COLUMN orders.shipping_country_code IS 'ISO 3166 alpha-2 country of the shipping address.';
COMMENT ON COLUMN orders.cancellation_requested_by IS 'Who asked to cancel the whole order.';
COMMENT ON COLUMN orders.cancellation_request_reason IS 'Why the cancellation was asked for.';
COMMENT ON COLUMN orders.cancellation_executed_by IS 'Who cancelled the whole order.';
COMMENT ON COLUMN orders.cancellation_execution_reason IS 'Why the order was cancelled.';
COMMENT ON COLUMN orders.related_original_id IS 'The marketplace''s id of the order that this one comes from.';
COMMENT ON COLUMN orders.related_relation IS 'How: replacement_of, exchange_of, or the marketplace''s own word.';
COMMENT ON COLUMN orders.may_ship IS 'Whether the marketplace lets ship it: false when nothing of it may leave.';
COMMENT ON COLUMN orders.may_not_ship_reason IS 'Why not; null when it may.';
COMMENT ON COLUMN orders.split_of IS 'Id of the other half when seller and marketplace each ship a part of one marketplace order.';
COMMENT ON COLUMN orders.confirmation_status IS 'How far the shipment confirmation has come: none, queued, sending, sent, verified, rejected, in_doubt or held.';
COMMENT ON COLUMN orders.has_errors IS 'Whether something about the order needed attention when it last changed; open incidents are in incidents.';
COMMENT ON COLUMN orders.has_cancellation_request IS 'Whether a cancellation of the order or of a line was asked for.';
COMMENT ON COLUMN orders.is_historical IS 'Whether the order was loaded as history, and is not to be processed.';
COMMENT ON COLUMN orders.pii_state IS 'What is known of the buyer: withheld (never sent), present (kept encrypted in the ledger) or expired (purged).';
COMMENT ON COLUMN orders.revision IS 'Content version of the order, from 1.';
COMMENT ON COLUMN orders.position IS 'Place of the last change in the change feed of all orders.';
COMMENT ON COLUMN orders.marketplace_data IS 'What the marketplace tells that no other column names, as JSON in its own shape.';

"""Tables of the order book: raw payloads, orders, what became of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from warehouse.ledger.base.schema.columns import (
    Instant,
    Packed,
    PackedText,
    Sequence,
    code,
    metadata,
    partial_index,
    where_true,
)

CONSERVATION = "quantity_ordered = quantity_shipped + quantity_cancelled + quantity_remaining"
"""Of every line at every instant; a part that is unknown is null, and then so is what remains."""

KIND = ("channel", "status", "has_errors", "has_cancellation_request", "fulfilled_by")
"""What lists ask for together: with a time behind it, an index finds the orders of a kind and nothing else."""

NOT_NEGATIVE = "quantity_shipped >= 0 AND quantity_cancelled >= 0 AND quantity_remaining >= 0"

TO_SHIP = "status IN ('WAITING_FOR_SHIPMENT', 'PARTIALLY_SHIPPED')"
UNSETTLED = "confirmation_status NOT IN ('none', 'verified')"
"""Confirmations that are on their way or in trouble: few at any time."""

TO_RETIRE = "facts <> '' AND closed_at IS NOT NULL"
"""Closed orders of which the ledger has everything."""

CLOSED_AT = "coalesce(closed_at, marketplace_updated_at)"
TIME_BEGAN = (
    "CASE WHEN status IN ('CANCELED', 'REFUSED', 'SHIPPED') "
    f"THEN CASE WHEN ship_by > {CLOSED_AT} THEN ship_by ELSE {CLOSED_AT} END END"
)
"""When the time of an order's personal data begins to run; null while it is open. An index holds it, word by word:
SQLAlchemy does not read that one back, so that a migration which rebuilds `orders` on SQLite has to make it anew."""

coverage = sa.Table(
    "coverage",
    metadata,
    sa.Column("channel", sa.ForeignKey("channels.code", ondelete="CASCADE"), primary_key=True),
    sa.Column("complete_from", Instant, nullable=False),
    sa.Column("complete_through", Instant, nullable=False, comment="the pull cursor: nothing up to here is missing"),
    sa.Column("updated_at", Instant, nullable=False),
)

pulls = sa.Table(
    "pulls",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    code("connection", nullable=False),
    code("kind", nullable=False, comment="tick, backfill or sweep"),
    sa.Column("channels", sa.JSON, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    code("outcome", nullable=False, comment="running, complete, failed or abandoned"),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("orders_seen", sa.Integer, nullable=False),
    sa.Column(
        "orders_new", sa.Integer, nullable=False, comment="raw payloads stored, because they were new or had changed"
    ),
    sa.Column("orders_skipped", sa.Integer, nullable=False, comment="of channels that are not retrieved"),
    code("error_code"),
    sa.Column("error", sa.Text),
    sa.Column("missing_data", sa.JSON, nullable=False, comment="data sets the marketplace refused to include"),
    sa.Index("ix_pulls_connection", "connection", "id"),
    sa.Index("ix_pulls_until", "until"),
)

pull_hints = sa.Table(
    "pull_hints",
    metadata,
    code("connection", primary_key=True),
    sa.Column("changed_at", Instant, primary_key=True, comment="when orders changed, rounded up to ten seconds"),
)

raw_orders = sa.Table(
    "raw_orders",
    metadata,
    sa.Column("seq", Sequence, primary_key=True, autoincrement=False, comment="order of arrival, in commit order"),
    code("connection", nullable=False),
    code("channel", comment="null: the payload does not say, or not readably"),
    sa.Column("original_id", sa.Text, nullable=False),
    sa.Column("content_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("pull_id", Sequence, nullable=False, comment="0: no pull has brought it, it was given to us"),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("is_historical", sa.Boolean, nullable=False),
    sa.Column("body", sa.LargeBinary, comment="the exact bytes, compressed and sealed; null after the purge"),
    sa.Column("payload", Packed, nullable=False, comment="the same JSON without personal data, compressed"),
    sa.Index("ix_raw_orders_original", "connection", "original_id", "seq"),
    partial_index("ix_raw_orders_sealed", "received_at", "seq", where="body IS NOT NULL"),
)

payload_dictionaries = sa.Table(
    "payload_dictionaries",
    metadata,
    sa.Column(
        "id", sa.BigInteger, primary_key=True, autoincrement=False, comment="what compressed payloads call it by"
    ),
    code("kind", nullable=False, comment="of the marketplaces whose payloads it is for"),
    sa.Column("content", sa.LargeBinary, nullable=False, comment="what payloads have in common, nothing personal"),
    sa.Column("made_at", Instant, nullable=False),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("connection", sa.String(64), primary_key=True),
    sa.Column("original_id", sa.Text, primary_key=True),
    sa.Column("raw_seq", Sequence, nullable=False),
    code("channel"),
    code("code", nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column(
        "key",
        Sequence,
        nullable=False,
        server_default="0",
        comment="grows with every new order: what belongs to an order is found by it, so that new rows lie together",
    ),
    sa.Column("original_id", sa.Text, nullable=False),
    code("channel", nullable=False),
    sa.Column("marketplace", sa.Text, nullable=False),
    sa.Column("status", sa.String(24), nullable=False),
    sa.Column("marketplace_status", sa.Text),
    sa.Column("fulfilled_by", sa.String(12)),
    sa.Column("purchased_at", Instant, nullable=False),
    sa.Column("marketplace_updated_at", Instant, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("ship_by", Instant),
    sa.Column(
        "closed_at", Instant, comment="the marketplace's time of the change that closed it; null while it is open"
    ),
    sa.Column("currency", sa.String(8)),
    sa.Column("total", sa.Text, comment="decimal text, exactly as carried"),
    sa.Column("shipping_country_code", sa.String(2)),
    sa.Column("has_problems", sa.Boolean, nullable=False, server_default=sa.false(), comment="the payload's own"),
    sa.Column("has_errors", sa.Boolean, nullable=False),
    sa.Column("has_cancellation_request", sa.Boolean, nullable=False),
    sa.Column("is_historical", sa.Boolean, nullable=False),
    code("confirmation_status", nullable=False),
    code("pii_state", nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column(
        "marketplace_change",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="number of the last change that came from the marketplace, in commit order: what file exports go by",
    ),
    sa.Column("content_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("raw_seq", Sequence, nullable=False),
    sa.Column(
        "facts", PackedText, nullable=False, comment="rendered JSON members of the document, without personal data"
    ),
    sa.Column("acknowledgements", sa.Text, nullable=False, comment="rendered JSON list"),
    sa.Column(
        "source_status",
        sa.String(24),
        comment="the marketplace's state in our words, of orders with shipments of ours, which raise `status`",
    ),
    sa.Column("may_not_ship_reason", sa.String(32), comment="why nothing of it may be shipped; null: it may"),
    sa.Index("ix_orders_original", "channel", "original_id", postgresql_ops={"original_id": "text_pattern_ops"}),
    sa.Index("ux_orders_position", "position", unique=True),
    sa.Index("ix_orders_marketplace_change", "channel", "marketplace_change"),
    sa.Index("ix_orders_purchased", "purchased_at", "id"),
    sa.Index("ix_orders_channel_purchased", "channel", "purchased_at", "id"),
    sa.Index("ix_orders_status_purchased", "status", "purchased_at", "id"),
    sa.Index("ix_orders_kind_purchased", *KIND, "purchased_at", "id", "received_at"),
    sa.Index("ix_orders_kind_received", *KIND, "received_at", "purchased_at", "id"),
    sa.Index("ix_orders_received", "received_at"),
    partial_index("ix_orders_ahead", "received_at", where="purchased_at > received_at"),
    sa.Index("ix_orders_updated", "marketplace_updated_at"),
    partial_index("ix_orders_changed_ahead", "marketplace_updated_at", where="purchased_at > marketplace_updated_at"),
    partial_index("ix_orders_purged", "purchased_at", "id", where="pii_state = 'expired'"),
    where_true("ix_orders_errors", "has_errors"),
    where_true("ix_orders_cancellation", "has_cancellation_request"),
    where_true("ix_orders_historical", "is_historical"),
    sa.Index("ix_orders_country", "shipping_country_code", "purchased_at", "id"),
    partial_index("ix_orders_ship_by", "status", "ship_by", "id", where=TO_SHIP),
    partial_index("ix_orders_confirmation", "confirmation_status", "id", where=UNSETTLED),
    partial_index("ix_orders_personal", "received_at", where="pii_state = 'present'"),
    partial_index("ix_orders_to_retire", "closed_at", "key", where=TO_RETIRE),
    partial_index("ix_orders_time_began", sa.text(f"({TIME_BEGAN})"), where="pii_state = 'present'"),
)


def _counted_by() -> tuple[sa.Column[Any], ...]:
    return (
        code("channel", primary_key=True),
        sa.Column("marketplace", sa.Text, primary_key=True),
        sa.Column("status", sa.String(24), primary_key=True),
        sa.Column("has_errors", sa.Boolean, primary_key=True),
        sa.Column("has_cancellation_request", sa.Boolean, primary_key=True),
        sa.Column("fulfilled_by", sa.String(12), primary_key=True, comment='"": the marketplace does not say'),
        sa.Column("may_ship", sa.Boolean, primary_key=True),
    )


order_counts = sa.Table(
    "order_counts",
    metadata,
    *_counted_by(),
    sa.Column("day", sa.Date, primary_key=True, comment="of arrival, in the zone of `order_counts_zone`"),
    sa.Column("orders", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
    comment="how many orders there are of each kind, written with the orders",
)

order_totals = sa.Table(
    "order_totals",
    metadata,
    *_counted_by(),
    sa.Column("orders", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
    comment="the same of all days, of which there are more and more",
)

order_months = sa.Table(
    "order_months",
    metadata,
    *_counted_by(),
    sa.Column("month", sa.Date, primary_key=True, comment="its first day"),
    sa.Column("orders", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
    comment="the same of a month's days, so that a long range does not add up each of its days",
)

order_counts_zone = sa.Table(
    "order_counts_zone",
    metadata,
    sa.Column("zone", sa.Text, primary_key=True),
    comment="one row: in whose days orders are counted; locked by who counts",
)

order_lines = sa.Table(
    "order_lines",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False),
    sa.Column("order_key", Sequence, nullable=False, server_default="0"),
    sa.Column("original_id", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("sku", sa.Text),
    sa.Column("gtin", sa.Text),
    sa.Column("quantity_ordered", sa.Integer),
    sa.Column(
        "quantity_shipped", sa.Integer, comment="by whomever, our shipments that the marketplace does not show yet too"
    ),
    sa.Column("quantity_cancelled", sa.Integer),
    sa.Column("quantity_remaining", sa.Integer),
    sa.Column("quantity_refunded", sa.Integer),
    sa.Column("marketplace_quantity_shipped", sa.Integer, comment="what the marketplace says was shipped"),
    sa.Column("bar", sa.String(32), comment="what the marketplace has against shipping this line; null: nothing"),
    sa.CheckConstraint(CONSERVATION, name="ck_order_lines_conservation"),
    sa.CheckConstraint(NOT_NEGATIVE, name="ck_order_lines_not_negative"),
    sa.Index("ix_order_lines_order", "order_key"),
    sa.Index("ix_order_lines_sku", "channel", "sku"),
    partial_index("ix_order_lines_gtin", "channel", "gtin", where="gtin IS NOT NULL"),
)

parties = sa.Table(
    "parties",
    metadata,
    sa.Column("order_key", Sequence, primary_key=True, autoincrement=False),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="buyer and addresses, encrypted"),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_parties_updated", "updated_at"),
)

account_deletions = sa.Table(
    "account_deletions",
    metadata,
    sa.Column(
        "id",
        sa.String(64),
        primary_key=True,
        comment="SHA-256 of connection and notice: one row however often it comes",
    ),
    code("connection", nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="the notice and its signature, encrypted"),
    sa.Index("ix_account_deletions_received", "received_at"),
)

order_versions = sa.Table(
    "order_versions",
    metadata,
    sa.Column("position", Sequence, primary_key=True, autoincrement=False),
    sa.Column("order_id", sa.String(36), nullable=False),
    sa.Column("order_key", Sequence, nullable=False, server_default="0"),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("status", sa.String(24), nullable=False),
    sa.Column("marketplace_updated_at", Instant, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Column("raw_seq", Sequence, nullable=False),
    sa.Column("changed", sa.Text, nullable=False, comment="JSON list of the members that changed; [] for the first"),
    sa.Column("facts", PackedText, comment="null: what the order says now"),
    sa.Index("ix_order_versions_order", "order_key", "revision"),
)

order_events = sa.Table(
    "order_events",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    sa.Column("order_id", sa.String(36), nullable=False),
    sa.Column("at", Instant, nullable=False),
    code("kind", nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("ix_order_events_order", "order_id", "id"),
)

acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("consumer", sa.ForeignKey("consumers.name"), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    code("outcome", nullable=False, comment="ok or error"),
    sa.Column("order_number", sa.Text, comment="the consumer's own number for the order"),
    sa.Column("message", sa.Text),
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_acknowledgements_at", "at"),
    sa.Index("ix_acknowledgements_number", "order_number"),
    sa.Index("ix_acknowledgements_consumer", "consumer", "outcome", "order_id"),
)

cancellation_requests = sa.Table(
    "cancellation_requests",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True, comment="made of the order and the requester"),
    sa.Column(
        "number", sa.BigInteger, nullable=False, comment="grows in commit order, also when it is asked for again"
    ),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False),
    sa.Column("original_id", sa.Text, nullable=False),
    code("channel", nullable=False),
    sa.Column("marketplace", sa.Text, nullable=False),
    sa.Column("requester", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column(
        "lines", sa.JSON, nullable=False, comment="id, original_id, quantity asked for, quantity shipped by then"
    ),
    sa.Column(
        "requested_at", Instant, nullable=False, comment="the marketplace's clock: the order's change that brought it"
    ),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("hold_until", Instant, comment="until when the order is held; null: it is not"),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", Instant),
    sa.Column("decision_reason", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, comment="when the marketplace is told of the acceptance next; null: not to be told"),
    sa.Column("claimed_until", Instant, comment="while the marketplace is being told: when that must be over"),
    sa.Column("told_at", Instant, comment="when the marketplace took the acceptance"),
    sa.Column("shipped_despite", sa.Boolean, nullable=False),
    sa.Column("closed_at", Instant),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ux_cancellation_requests_number", "number", unique=True),
    sa.Index("ix_cancellation_requests_order", "order_id"),
    sa.Index("ix_cancellation_requests_channel", "channel", "number"),
    sa.Index("ix_cancellation_requests_updated", "updated_at"),
    partial_index("ix_cancellation_requests_open", "hold_until", where="state IN ('open', 'accepted')"),
    partial_index("ix_cancellation_requests_due", "due_at", where="due_at IS NOT NULL"),
)

products = sa.Table(
    "products",
    metadata,
    code("channel", primary_key=True),
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("gtin", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_products_gtin", "channel", "gtin"),
)

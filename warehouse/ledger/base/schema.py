"""The ledger's tables, and the two column types they need. No queries here; how the tables came to be is in `migrations`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

metadata = sa.MetaData()

Sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A growing number; SQLite only makes it the row id when it is called INTEGER."""


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime: `timestamptz` on PostgreSQL, sortable ISO 8601 text on SQLite (which has no time type)."""

    impl = sa.String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Pick the column type of the database at hand."""
        return dialect.type_descriptor(sa.TIMESTAMP(timezone=True) if dialect.name == "postgresql" else sa.String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ANN401 - str or datetime, by dialect
        """Refuse naive datetimes: they would be somebody's local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime must not reach the ledger")
        if dialect.name == "postgresql":
            return value
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return utc.isoformat(timespec="microseconds")[:-6] + "Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401 - str or datetime
        """Always an aware UTC datetime."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return value.astimezone(UTC)  # type: ignore[no-any-return]
        return datetime.fromisoformat(value)


def _code(name: str, **options: Any) -> sa.Column[str]:  # noqa: ANN401 - passed on to Column
    return sa.Column(name, sa.String(64), **options)


def _where_true(name: str, column: str) -> sa.Index:
    """An index, by purchase date, of the few orders of which a boolean is true."""
    return sa.Index(name, "purchased_at", "id", sqlite_where=sa.text(f"{column} = 1"), postgresql_where=sa.text(column))


_HAS_ORDER = sa.text("order_id IS NOT NULL")
_IS_TROUBLE = sa.text("level <> 'info'")
_IS_UNSENT = sa.text("state IN ('pending', 'sending')")
_IS_LIVE = sa.text("state IN ('open', 'accepted')")
_IS_DUE = sa.text("due_at IS NOT NULL")
"""Conditions of indexes over the few rows that are asked for all the time."""

CONSERVATION = "quantity_ordered = quantity_shipped + quantity_cancelled + quantity_remaining"
"""Of every line at every instant; a part that is unknown is null, and then so is what remains."""

NOT_NEGATIVE = "quantity_shipped >= 0 AND quantity_cancelled >= 0 AND quantity_remaining >= 0"

connections = sa.Table(
    "connections",
    metadata,
    _code("code", primary_key=True),
    _code("kind", nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text),
    _code("region"),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("credentials", sa.JSON, nullable=False, comment="name → env:NAME, file:PATH, or sealed:BASE64"),
    sa.Column("state", sa.JSON, nullable=False, comment="what pulling learnt: clock skew, window length, abilities"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

marketplace_kinds = sa.Table(
    "marketplace_kinds",
    metadata,
    _code("kind", primary_key=True),
    sa.Column("data", sa.JSON, nullable=False, comment="as `warehouse.marketplace_kinds` describes a kind"),
    sa.Column("updated_at", Instant, nullable=False),
)

channels = sa.Table(
    "channels",
    metadata,
    _code("code", primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("marketplace", sa.Text, nullable=False),
    sa.Column("connection", sa.ForeignKey("connections.code"), nullable=False),
    sa.Column(
        "selector", sa.Text, comment="what picks its orders, in the marketplace's word; null: the whole connection"
    ),
    sa.Column("retrieval", sa.Boolean, nullable=False),
    sa.Column("confirmation", sa.Boolean, nullable=False),
    _code("acceptance", nullable=False, comment="manual, automatic or off"),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_channels_connection", "connection"),
)

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
    _code("connection", nullable=False),
    _code("kind", nullable=False, comment="tick, backfill or sweep"),
    sa.Column("channels", sa.JSON, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    _code("outcome", nullable=False, comment="running, complete, failed or abandoned"),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("orders_seen", sa.Integer, nullable=False),
    sa.Column(
        "orders_new", sa.Integer, nullable=False, comment="raw payloads stored, because they were new or had changed"
    ),
    sa.Column("orders_skipped", sa.Integer, nullable=False, comment="of channels that are not retrieved"),
    _code("error_code"),
    sa.Column("error", sa.Text),
    sa.Column("missing_data", sa.JSON, nullable=False, comment="data sets the marketplace refused to include"),
    sa.Index("ix_pulls_connection", "connection", "id"),
)

raw_orders = sa.Table(
    "raw_orders",
    metadata,
    sa.Column("seq", Sequence, primary_key=True, autoincrement=False, comment="order of arrival, in commit order"),
    _code("connection", nullable=False),
    _code("channel", comment="null: the payload does not say, or not readably"),
    sa.Column("original_id", sa.Text, nullable=False),
    sa.Column("content_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("pull_id", Sequence, nullable=False, comment="0: no pull has brought it, it was given to us"),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("is_historical", sa.Boolean, nullable=False),
    sa.Column("body", sa.LargeBinary, comment="the exact bytes, compressed and sealed; null after the purge"),
    sa.Column("payload", sa.Text, nullable=False, comment="the same JSON without personal data"),
    sa.Index("ix_raw_orders_original", "connection", "original_id", "seq"),
    sa.Index(
        "ix_raw_orders_sealed",
        "received_at",
        "seq",
        sqlite_where=sa.text("body IS NOT NULL"),
        postgresql_where=sa.text("body IS NOT NULL"),
    ),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("connection", sa.String(64), primary_key=True),
    sa.Column("original_id", sa.Text, primary_key=True),
    sa.Column("raw_seq", Sequence, nullable=False),
    _code("channel"),
    _code("code", nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("original_id", sa.Text, nullable=False),
    _code("channel", nullable=False),
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
    _code("confirmation_status", nullable=False),
    _code("pii_state", nullable=False),
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
    sa.Column("facts", sa.Text, nullable=False, comment="rendered JSON members of the document, without personal data"),
    sa.Column("acknowledgements", sa.Text, nullable=False, comment="rendered JSON list"),
    sa.Column(
        "source_status",
        sa.String(24),
        comment="the marketplace's state in our words, of orders with shipments of ours, which raise `status`",
    ),
    sa.Column("may_not_ship_reason", sa.String(32), comment="why nothing of it may be shipped; null: it may"),
    sa.Index("ix_orders_original", "channel", "original_id"),
    sa.Index("ux_orders_position", "position", unique=True),
    sa.Index("ix_orders_marketplace_change", "channel", "marketplace_change"),
    sa.Index("ix_orders_purchased", "purchased_at", "id"),
    sa.Index("ix_orders_channel_purchased", "channel", "purchased_at", "id"),
    sa.Index("ix_orders_status_purchased", "status", "purchased_at", "id"),
    sa.Index("ix_orders_received", "received_at", "id"),
    sa.Index("ix_orders_updated", "marketplace_updated_at", "id"),
    _where_true("ix_orders_errors", "has_errors"),
    _where_true("ix_orders_cancellation", "has_cancellation_request"),
    sa.Index(
        "ix_orders_personal",
        "received_at",
        "id",
        sqlite_where=sa.text("pii_state = 'present'"),
        postgresql_where=sa.text("pii_state = 'present'"),
    ),
)

order_lines = sa.Table(
    "order_lines",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False),
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
    sa.Index("ix_order_lines_order", "order_id"),
    sa.Index("ix_order_lines_sku", "channel", "sku"),
)

parties = sa.Table(
    "parties",
    metadata,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="buyer and addresses, encrypted"),
    sa.Column("updated_at", Instant, nullable=False),
)

order_versions = sa.Table(
    "order_versions",
    metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("order_id", sa.String(36), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("status", sa.String(24), nullable=False),
    sa.Column("marketplace_updated_at", Instant, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Column("raw_seq", Sequence, nullable=False),
    sa.Column("changed", sa.Text, nullable=False, comment="JSON list of the members that changed; [] for the first"),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Index("ix_order_versions_order", "order_id", "revision"),
)

order_events = sa.Table(
    "order_events",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    sa.Column("order_id", sa.String(36), nullable=False),
    sa.Column("at", Instant, nullable=False),
    _code("kind", nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("ix_order_events_order", "order_id", "id"),
)

shipments = sa.Table(
    "shipments",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False),
    _code("channel", nullable=False),
    sa.Column("package_id", sa.Text, nullable=False, comment="the ERP's name of the package"),
    sa.Column("reference", sa.Integer, nullable=False, comment="the package's number within its order, for good"),
    sa.Column("tracking_number", sa.Text),
    sa.Column("carrier_code", sa.Text, comment="the ERP's word"),
    sa.Column("carrier_name", sa.Text),
    sa.Column("tracking_url", sa.Text),
    sa.Column("shipping_method", sa.Text),
    sa.Column("ship_from", sa.Text),
    sa.Column("return_tracking_number", sa.Text),
    sa.Column("return_carrier", sa.Text),
    sa.Column("shipped_at", Instant, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, comment="grows with every change of what is told"),
    sa.Column("sent_version", sa.Integer, comment="the version that the marketplace has; null: none"),
    _code("status", nullable=False),
    _code("held_reason"),
    _code("source", nullable=False, comment="api or file"),
    _code("consumer", nullable=False, comment="who reported it last"),
    sa.Column("report_id", sa.String(36), nullable=False, comment="the request or file that reported it last"),
    sa.Column("reported_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("due_at", Instant, comment="when the pipeline may take it up; null: it waits for nobody"),
    sa.Column("attempts", sa.Integer, nullable=False, comment="since it was last queued"),
    sa.Column(
        "fence", sa.Integer, nullable=False, comment="grows with every claim; a result with an older one is refused"
    ),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claimed_until", Instant),
    sa.Column("sent_at", Instant),
    sa.Column("verified_at", Instant),
    sa.Column("marketplace_package_id", sa.Text, comment="the marketplace's own id of the package"),
    sa.Column("told_carrier", sa.Text, comment="the carrier as the marketplace was told"),
    _code("code", comment="of the last attempt that failed"),
    sa.Column("message", sa.Text),
    sa.Column("hint", sa.Text),
    sa.Column(
        "difference",
        sa.JSON(none_as_null=True),
        comment="member → [ours, theirs], where reading back showed something else",
    ),
    sa.UniqueConstraint("order_id", "package_id", name="ux_shipments_package"),
    sa.UniqueConstraint("order_id", "reference", name="ux_shipments_reference"),
    sa.Index("ix_shipments_due", "status", "due_at"),
    sa.Index("ix_shipments_channel_status", "channel", "status", "reported_at"),
    sa.Index("ix_shipments_reported", "reported_at", "id"),
    sa.Index("ix_shipments_report", "report_id"),
    sa.Index("ix_shipments_updated", "updated_at"),
    sa.Index("ix_shipments_tracking", "tracking_number"),
    sa.Index("ix_shipments_package", "package_id"),
)

shipment_lines = sa.Table(
    "shipment_lines",
    metadata,
    sa.Column("shipment_id", sa.ForeignKey("shipments.id"), primary_key=True),
    sa.Column("line_id", sa.String(36), primary_key=True),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column(
        "shipped_by_others",
        sa.Integer,
        nullable=False,
        comment="units of the line that the marketplace knew when it was reported and that were none of ours",
    ),
    sa.Column(
        "may_have_left",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="units of it that the marketplace shows as cancelled all the same",
    ),
    sa.CheckConstraint("may_have_left BETWEEN 0 AND quantity", name="ck_shipment_lines_may_have_left"),
    sa.Index(
        "ix_shipment_lines_left",
        "shipment_id",
        sqlite_where=sa.text("may_have_left > 0"),
        postgresql_where=sa.text("may_have_left > 0"),
    ),
)

confirmation_attempts = sa.Table(
    "confirmation_attempts",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    sa.Column("shipment_id", sa.ForeignKey("shipments.id"), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    _code("operation", comment="the last call that was made; null before the first one"),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    _code("outcome", nullable=False, comment="running, sent, rejected, in_doubt, retry or refuted"),
    sa.Column("http_status", sa.Integer),
    sa.Column("request_id", sa.Text, comment="the marketplace's id of the call"),
    _code("code"),
    sa.Column("message", sa.Text),
    sa.Column("hint", sa.Text),
    sa.Column(
        "content",
        sa.JSON(none_as_null=True),
        comment="reference, tracking number and units that were told, and the units that were shipped before; by line",
    ),
    sa.Index("ix_confirmation_attempts_shipment", "shipment_id", "id"),
    sa.Index("ix_confirmation_attempts_started", "started_at"),
    sa.Index("ix_confirmation_attempts_finished", "finished_at"),
)

acceptances = sa.Table(
    "acceptances",
    metadata,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    _code("channel", nullable=False),
    sa.Column("decisions", sa.JSON, nullable=False, comment="line id → whether it is accepted"),
    _code("status", nullable=False, comment="queued, sending, done or rejected"),
    _code("requested_by", nullable=False, comment="the consumer, or automatic"),
    sa.Column("requested_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("due_at", Instant),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claimed_until", Instant),
    _code("code"),
    sa.Column("message", sa.Text),
    sa.Column("hint", sa.Text),
    sa.Index("ix_acceptances_due", "status", "due_at"),
)

carriers = sa.Table(
    "carriers",
    metadata,
    _code("channel", primary_key=True),
    sa.Column("code", sa.Text, primary_key=True, comment="the ERP's word, in capitals"),
    sa.Column("carrier_code", sa.Text, comment="the marketplace's code; null: a carrier that goes by its name"),
    sa.Column("carrier_name", sa.Text),
    sa.Column("tracking_url", sa.Text, comment="with {tracking_number} where the number goes"),
    sa.Column("updated_at", Instant, nullable=False),
)

channel_requirements = sa.Table(
    "channel_requirements",
    metadata,
    sa.Column("channel", sa.ForeignKey("channels.code", ondelete="CASCADE"), primary_key=True),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    _code("consumer", primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("holder", sa.Text, comment="the process that works on it; null when it is answered"),
    sa.Column("status", sa.Integer),
    sa.Column("headers", sa.JSON),
    sa.Column("body", sa.LargeBinary),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_idempotency_keys_created", "created_at"),
)

consumers = sa.Table(
    "consumers",
    metadata,
    _code("name", primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False, comment="last position it asked to read after"),
    sa.Column("read_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("consumer", sa.ForeignKey("consumers.name"), nullable=False),
    sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("channels", sa.JSON, comment="list of channel codes; null: all"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
    sa.Column("last_used_at", Instant),
    sa.Index("ix_tokens_consumer", "consumer"),
)

acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("consumer", sa.ForeignKey("consumers.name"), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    _code("outcome", nullable=False, comment="ok or error"),
    sa.Column("order_number", sa.Text, comment="the consumer's own number for the order"),
    sa.Column("message", sa.Text),
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_acknowledgements_at", "at"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    _code("scope", nullable=False, comment="channel, connection, or system"),
    _code("subject", nullable=False, comment="the channel's or connection's code, or the component"),
    _code("stage", nullable=False),
    _code("code", nullable=False),
    _code("kind", nullable=False, server_default="system", comment="whose business it is: warehouse.incidents.Kind"),
    sa.Column("order_id", sa.String(36), nullable=False, comment='"" when not about one order'),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False, server_default=""),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("run_id", sa.String(36), comment="Dagster's run in which it was seen last"),
    sa.Column("file_id", sa.String(36), nullable=False, server_default="", comment='"" when not about one file'),
    sa.Column("attempt_id", sa.String(36)),
    sa.Column("first_seen_at", Instant, nullable=False),
    sa.Column("last_seen_at", Instant, nullable=False),
    sa.Column("occurrences", sa.Integer, nullable=False),
    sa.Column("resolved_at", Instant),
    sa.Column("resolution", sa.Text),
    sa.Index(
        "ux_incidents_open",
        "scope",
        "subject",
        "stage",
        "code",
        "order_id",
        "file_id",
        unique=True,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    ),
    sa.Index("ix_incidents_order", "order_id"),
    sa.Index(
        "ix_incidents_newest_open",
        "id",
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    ),
    sa.Index("ix_incidents_resolved", "resolved_at"),
    sa.Index("ix_incidents_first_seen", "first_seen_at"),
)

log_entries = sa.Table(
    "log_entries",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("level", sa.String(8), nullable=False, comment="info, warning or error"),
    _code("stage", nullable=False),
    _code("kind", nullable=False, comment="what happened, in one word"),
    _code("channel"),
    _code("connection"),
    sa.Column("order_id", sa.String(36)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("ix_log_entries_at", "at"),
    sa.Index("ix_log_entries_order", "order_id", "id", sqlite_where=_HAS_ORDER, postgresql_where=_HAS_ORDER),
    sa.Index("ix_log_entries_channel", "channel", "id"),
    sa.Index("ix_log_entries_trouble", "id", sqlite_where=_IS_TROUBLE, postgresql_where=_IS_TROUBLE),
)

alert_recipients = sa.Table(
    "alert_recipients",
    metadata,
    _code("code", primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False, comment="email, or url for chat and webhooks"),
    sa.Column("address", sa.Text, nullable=False, comment="the e-mail address; env:NAME, file:PATH or sealed:BASE64"),
    sa.Column("channels", sa.JSON, nullable=False, comment="only of these; [] for all"),
    sa.Column("kinds", sa.JSON, nullable=False, comment="only of these kinds; [] for all"),
    sa.Column("summary", sa.Boolean, nullable=False, comment="whether the daily summary goes there"),
    sa.Column(
        "requests_through", sa.BigInteger, nullable=False, comment="number of the last cancellation request told"
    ),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

announced_troubles = sa.Table(
    "announced_troubles",
    metadata,
    sa.Column("recipient", sa.ForeignKey("alert_recipients.code", ondelete="CASCADE"), primary_key=True),
    _code("scope", primary_key=True),
    _code("subject", primary_key=True),
    _code("stage", primary_key=True),
    _code("code", primary_key=True),
    sa.Column("occurrences", sa.Integer, nullable=False, comment="as they were told last"),
    sa.Column("newest", sa.Integer, nullable=False, server_default="0", comment="id of the newest incident told"),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

alert_messages = sa.Table(
    "alert_messages",
    metadata,
    sa.Column(
        "id", sa.String(128), primary_key=True, comment="names its recipient, stream and time; also the Message-ID"
    ),
    sa.Column("recipient", sa.ForeignKey("alert_recipients.code", ondelete="CASCADE"), nullable=False),
    _code("stream", nullable=False, comment="problems, cancellations, summary or test"),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("state", sa.String(8), nullable=False, comment="pending, sending, sent or given_up"),
    sa.Column("due_at", Instant, nullable=False, comment="when to try next; while sending: when the claim ends"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("sent_at", Instant),
    _code("error_code"),
    sa.Index("ix_alert_messages_created", "created_at"),
    sa.Index("ix_alert_messages_sent", "sent_at"),
    sa.Index("ix_alert_messages_due", "due_at", sqlite_where=_IS_UNSENT, postgresql_where=_IS_UNSENT),
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
    _code("channel", nullable=False),
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
    sa.Index("ix_cancellation_requests_open", "hold_until", sqlite_where=_IS_LIVE, postgresql_where=_IS_LIVE),
    sa.Index("ix_cancellation_requests_due", "due_at", sqlite_where=_IS_DUE, postgresql_where=_IS_DUE),
)

quota_buckets = sa.Table(
    "quota_buckets",
    metadata,
    _code("connection", primary_key=True),
    _code("operation", primary_key=True),
    sa.Column("tokens", sa.Float, nullable=False),
    sa.Column("refilled_at", Instant, nullable=False),
    sa.Column("per_second", sa.Float, nullable=False),
    sa.Column("burst", sa.Integer, nullable=False),
    sa.Column("blocked_until", Instant, comment="set by a 429"),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column(
        "fence", sa.BigInteger, nullable=False, comment="grows with every holder; a write with an older one is refused"
    ),
    sa.Column("expires_at", Instant, nullable=False),
)

marks = sa.Table(
    "marks",
    metadata,
    _code("name", primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    comment="position, raw and normalised_through: counters and cursors that move in their stage's transaction",
)

counters = sa.Table(
    "counters",
    metadata,
    _code("name", primary_key=True),
    _code("subject", primary_key=True, comment="the channel or connection that it counts for"),
    sa.Column("bucket", sa.String(16), primary_key=True, comment='of a histogram: upper bound or sum; "" of a counter'),
    sa.Column("value", sa.Float, nullable=False),
)

products = sa.Table(
    "products",
    metadata,
    _code("channel", primary_key=True),
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("gtin", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_products_gtin", "channel", "gtin"),
)

storages = sa.Table(
    "storages",
    metadata,
    _code("code", primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    _code("kind", nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("credentials", sa.JSON, nullable=False, comment="name → env:NAME, file:PATH, or sealed:BASE64"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

file_jobs = sa.Table(
    "file_jobs",
    metadata,
    sa.Column("channel", sa.ForeignKey("channels.code", ondelete="CASCADE"), primary_key=True),
    _code("kind", primary_key=True, comment="export or import"),
    sa.Column("is_on", sa.Boolean, nullable=False),
    _code("frequency", nullable=False, comment="15m, 30m, 45m, hourly, daily or weekly"),
    sa.Column("at", sa.String(5), nullable=False, comment="time of day of a daily or weekly job, HH:MM"),
    _code("weekday", nullable=False, comment="day of a weekly job"),
    sa.Column("storage", sa.ForeignKey("storages.code"), nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False, comment="the settings of this kind of job"),
    sa.Column(
        "cursor",
        sa.BigInteger,
        nullable=False,
        comment="exports: the marketplace change up to which orders were exported",
    ),
    sa.Column("due_after", Instant, nullable=False, comment="the first of its times after this one is when it is due"),
    sa.Column("retry_at", Instant, comment="after a failure: due then, if that is sooner"),
    sa.Column("last_started_at", Instant),
    sa.Column("last_finished_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    _code("direction", nullable=False, comment="export or import"),
    _code("channel", nullable=False),
    _code("storage", nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    _code(
        "state",
        nullable=False,
        comment="export: preparing, planned, uploaded, given_up; import: waiting, received, applied, refused, repeated",
    ),
    sa.Column("size", sa.BigInteger, nullable=False, comment="bytes"),
    sa.Column("sha256", sa.String(64), comment="hex; null: the bytes were never fetched"),
    sa.Column("rows", sa.Integer, nullable=False, comment="rows below the header"),
    sa.Column("orders", sa.Integer, nullable=False),
    _code("fulfilled_by", comment="the group of a split export"),
    _code("country_code", comment="the group of a split export"),
    sa.Column("applied", sa.Integer, nullable=False),
    sa.Column("known", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("details", sa.JSON, nullable=False, comment="exports: the split; imports: encoding, unknown columns…"),
    _code("error_code"),
    sa.Column("error", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, comment="uploads that were begun"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, comment="uploaded, or done with"),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index(
        "ux_files_exported_name",
        "name",
        unique=True,
        sqlite_where=sa.text("direction = 'export'"),
        postgresql_where=sa.text("direction = 'export'"),
    ),
    sa.Index("ix_files_channel", "channel", "id"),
    sa.Index("ix_files_sha256", "sha256"),
    sa.Index(
        "ix_files_unfinished",
        "channel",
        "id",
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    ),
    sa.Index("ix_files_updated", "updated_at"),
)

file_members = sa.Table(
    "file_members",
    metadata,
    sa.Column("file_id", sa.ForeignKey("files.id"), primary_key=True),
    sa.Column("order_id", sa.String(36), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False, comment="where that revision stood in the change feed"),
    sa.Index("ix_file_members_order", "order_id"),
)

file_rows = sa.Table(
    "file_rows",
    metadata,
    sa.Column("file_id", sa.ForeignKey("files.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, comment="from 1, the header not counted"),
    _code("channel", nullable=False),
    sa.Column("order_id", sa.String(36)),
    sa.Column("shipment_id", sa.String(36)),
    _code("outcome", nullable=False, comment="applied, known or refused"),
    _code("code"),
    _code("column_name"),
    sa.Column("message", sa.Text),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Index("ix_file_rows_order", "order_id"),
    sa.Index("ix_file_rows_recorded", "recorded_at"),
)

sealing_keys = sa.Table(
    "sealing_keys",
    metadata,
    sa.Column(
        "id", sa.Text, primary_key=True, comment="a fingerprint, or an id given by hand: sealed data may name it"
    ),
    sa.Column("fingerprint", sa.String(16), nullable=False),
    sa.Column("check_value", sa.LargeBinary, nullable=False, comment="sealed: opens with the same key only"),
    sa.Column("created_at", Instant, nullable=False),
)

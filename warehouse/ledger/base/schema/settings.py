"""Tables of what operators configure."""

from __future__ import annotations

import sqlalchemy as sa

from warehouse.ledger.base.schema.columns import Instant, code, metadata

connections = sa.Table(
    "connections",
    metadata,
    code("code", primary_key=True),
    code("kind", nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text),
    code("region"),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("credentials", sa.JSON, nullable=False, comment="name → env:NAME, file:PATH, or sealed:BASE64"),
    sa.Column("state", sa.JSON, nullable=False, comment="what pulling learnt: clock skew, window length, abilities"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

marketplace_kinds = sa.Table(
    "marketplace_kinds",
    metadata,
    code("kind", primary_key=True),
    sa.Column("data", sa.JSON, nullable=False, comment="as `warehouse.marketplace_kinds` describes a kind"),
    sa.Column("updated_at", Instant, nullable=False),
)

channels = sa.Table(
    "channels",
    metadata,
    code("code", primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("marketplace", sa.Text, nullable=False),
    sa.Column("connection", sa.ForeignKey("connections.code"), nullable=False),
    sa.Column(
        "selector", sa.Text, comment="what picks its orders, in the marketplace's word; null: the whole connection"
    ),
    sa.Column("retrieval", sa.Boolean, nullable=False),
    sa.Column("confirmation", sa.Boolean, nullable=False),
    code("acceptance", nullable=False, comment="manual, automatic or off"),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_channels_connection", "connection"),
)

carriers = sa.Table(
    "carriers",
    metadata,
    code("channel", primary_key=True),
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

consumers = sa.Table(
    "consumers",
    metadata,
    code("name", primary_key=True),
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

alert_recipients = sa.Table(
    "alert_recipients",
    metadata,
    code("code", primary_key=True),
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

storages = sa.Table(
    "storages",
    metadata,
    code("code", primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    code("kind", nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("credentials", sa.JSON, nullable=False, comment="name → env:NAME, file:PATH, or sealed:BASE64"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

file_jobs = sa.Table(
    "file_jobs",
    metadata,
    sa.Column("channel", sa.ForeignKey("channels.code", ondelete="CASCADE"), primary_key=True),
    code("kind", primary_key=True, comment="export or import"),
    sa.Column("is_on", sa.Boolean, nullable=False),
    code("frequency", nullable=False, comment="15m, 30m, 45m, hourly, daily or weekly"),
    sa.Column("at", sa.String(5), nullable=False, comment="time of day of a daily or weekly job, HH:MM"),
    code("weekday", nullable=False, comment="day of a weekly job"),
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

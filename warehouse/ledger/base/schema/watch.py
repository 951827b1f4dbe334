"""Tables of what went wrong, and of who was told."""

from __future__ import annotations

import sqlalchemy as sa

from warehouse.ledger.base.schema.columns import Instant, Sequence, code, metadata, partial_index

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    code("scope", nullable=False, comment="channel, connection, or system"),
    code("subject", nullable=False, comment="the channel's or connection's code, or the component"),
    code("stage", nullable=False),
    code("code", nullable=False),
    code("kind", nullable=False, server_default="system", comment="whose business it is: warehouse.incidents.Kind"),
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
    code("acknowledged_by", comment="who has taken note of it"),
    sa.Column("acknowledged_until", Instant, comment="so long nobody is alerted of it"),
    partial_index(
        "ux_incidents_open",
        "scope",
        "subject",
        "stage",
        "code",
        "order_id",
        "file_id",
        unique=True,
        where="resolved_at IS NULL",
    ),
    sa.Index("ix_incidents_order", "order_id"),
    partial_index("ix_incidents_newest_open", "id", where="resolved_at IS NULL"),
    sa.Index("ix_incidents_resolved", "resolved_at"),
    sa.Index("ix_incidents_last_seen", "last_seen_at"),
    sa.Index("ix_incidents_first_seen", "first_seen_at"),
)

incident_days = sa.Table(
    "incident_days",
    metadata,
    sa.Column("incident", sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True, comment="of UTC"),
    sa.Column("occurrences", sa.Integer, nullable=False),
)

log_entries = sa.Table(
    "log_entries",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("level", sa.String(8), nullable=False, comment="info, warning or error"),
    code("stage", nullable=False),
    code("kind", nullable=False, comment="what happened, in one word"),
    code("channel"),
    code("connection"),
    sa.Column("order_id", sa.String(36)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("ix_log_entries_at", "at"),
    partial_index("ix_log_entries_order", "order_id", "id", where="order_id IS NOT NULL"),
    sa.Index("ix_log_entries_channel", "channel", "id"),
    partial_index("ix_log_entries_trouble", "id", where="level <> 'info'"),
)

api_requests = sa.Table(
    "api_requests",
    metadata,
    sa.Column("minute", Instant, primary_key=True),
    sa.Column("alike", sa.String(36), primary_key=True, comment="digest of what the requests have in common"),
    sa.Column("consumer", sa.String(64), nullable=False, comment='whose token; "": no token was accepted'),
    sa.Column("method", sa.String(8), nullable=False),
    sa.Column("route", sa.Text, nullable=False, comment='template of the path; "": no route takes it'),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("code", sa.String(64), nullable=False, comment='of the problem; "" where there was none'),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("milliseconds", sa.BigInteger, nullable=False, comment="all of them together"),
    sa.Column("slowest", sa.Integer, nullable=False, comment="in milliseconds"),
    sa.Column("last_at", Instant, nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False, comment="of the last"),
    sa.Index("ix_api_requests_consumer", "consumer", "minute"),
)

announced_troubles = sa.Table(
    "announced_troubles",
    metadata,
    sa.Column("recipient", sa.ForeignKey("alert_recipients.code", ondelete="CASCADE"), primary_key=True),
    code("scope", primary_key=True),
    code("subject", primary_key=True),
    code("stage", primary_key=True),
    code("code", primary_key=True),
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
    code("stream", nullable=False, comment="problems, cancellations, summary or test"),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("state", sa.String(8), nullable=False, comment="pending, sending, sent or given_up"),
    sa.Column("due_at", Instant, nullable=False, comment="when to try next; while sending: when the claim ends"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("sent_at", Instant),
    code("error_code"),
    sa.Index("ix_alert_messages_created", "created_at"),
    sa.Index("ix_alert_messages_sent", "sent_at"),
    partial_index("ix_alert_messages_due", "due_at", where="state IN ('pending', 'sending')"),
)

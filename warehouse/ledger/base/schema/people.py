"""Tables of the people who use the console, and of what they do and ask."""

from __future__ import annotations

import sqlalchemy as sa

from warehouse.ledger.base.schema.columns import Instant, Sequence, code, metadata, partial_index

operator_requests = sa.Table(
    "operator_requests",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    code("kind", nullable=False, comment="what is asked: warehouse.operator_requests.RequestKind"),
    sa.Column(
        "subject",
        sa.Text,
        nullable=False,
        comment="code of the connection, channel, storage or recipient",
    ),
    sa.Column("arguments", sa.Text, nullable=False, comment="JSON object, in its one form"),
    sa.Column("fingerprint", sa.LargeBinary(32), nullable=False, comment="SHA-256 of kind, subject and arguments"),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("claims", sa.Integer, nullable=False, comment="how often a process has taken it up"),
    sa.Column(
        "fruitful",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="how many of the claims, up to the last that brought it forward",
    ),
    sa.Column("claimed_at", Instant),
    sa.Column("claimed_until", Instant, comment="after it somebody else may take it up"),
    sa.Column("finished_at", Instant),
    code("outcome", comment="done, failed or expired; null: open"),
    sa.Column("result", sa.Text, comment="JSON object: what came of it"),
    partial_index("ux_operator_requests_open", "fingerprint", where="finished_at IS NULL", unique=True),
    sa.Index("ix_operator_requests_asked", "asked_at"),
)

users = sa.Table(
    "users",
    metadata,
    code("name", primary_key=True),
    code("role", nullable=False, comment="viewer, operator, configurator or admin"),
    sa.Column("may_see_personal_data", sa.Boolean, nullable=False),
    sa.Column("channels", sa.JSON(none_as_null=True), comment="list of channel codes; null: all"),
    sa.Column("password_hash", sa.Text, comment="Argon2id; null: a link alone lets them in"),
    sa.Column("subject", sa.Text, comment="who they are at the identity provider: its address and its id; null: local"),
    sa.Column("code_secret", sa.LargeBinary, comment="encrypted: of the codes of an authenticator; null: none"),
    sa.Column("code_step", sa.BigInteger, comment="the time step of the last code, which is good once"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ux_users_subject", "subject", unique=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("key", sa.LargeBinary(32), primary_key=True, comment="SHA-256 of what the browser keeps"),
    sa.Column("user", sa.ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    sa.Column("address", sa.Text, nullable=False, comment="where the log-in came from"),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("notice", sa.JSON(none_as_null=True), comment="what the next page says, once: tone and text"),
    sa.Column("reveals", sa.JSON, nullable=False, comment="order id → until when its personal data may be shown"),
    sa.Index("ix_sessions_user", "user"),
)

saved_views = sa.Table(
    "saved_views",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("query", sa.Text, nullable=False, comment="of the list's address: filters, sort, columns"),
    sa.Column("is_shared", sa.Boolean, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False, comment="whether the list opens with it"),
    sa.Column("place", sa.Integer, nullable=False, comment="among the owner's"),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ux_saved_views_name", "owner", "name", unique=True),
    partial_index("ux_saved_views_default", "owner", where="is_default", unique=True),
)

log_in_links = sa.Table(
    "log_in_links",
    metadata,
    sa.Column("key", sa.LargeBinary(32), primary_key=True, comment="SHA-256 of what is in the link"),
    sa.Column("user", sa.ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("id", Sequence, primary_key=True, autoincrement=False, comment="in commit order"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False, comment="console with the address, command, or api"),
    code("action", nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False, comment='"" when no request asked for it'),
    sa.Column("hash", sa.LargeBinary(32), nullable=False, comment="SHA-256 of the hash before it and of all this"),
    sa.Index("ix_audit_entries_subject", "subject", "id"),
)

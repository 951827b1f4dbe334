"""Tables of the files that were exchanged."""

from __future__ import annotations

import sqlalchemy as sa

from warehouse.ledger.base.schema.columns import Instant, Sequence, code, metadata, partial_index

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", Sequence, primary_key=True),
    code("direction", nullable=False, comment="export or import"),
    code("channel", nullable=False),
    code("storage", nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    code(
        "state",
        nullable=False,
        comment="export: preparing, planned, uploaded, given_up; import: waiting, received, applied, refused, repeated",
    ),
    sa.Column("size", sa.BigInteger, nullable=False, comment="bytes"),
    sa.Column("sha256", sa.String(64), comment="hex; null: the bytes were never fetched"),
    sa.Column("rows", sa.Integer, nullable=False, comment="rows below the header"),
    sa.Column("orders", sa.Integer, nullable=False),
    code("fulfilled_by", comment="the group of a split export"),
    code("country_code", comment="the group of a split export"),
    sa.Column("applied", sa.Integer, nullable=False),
    sa.Column("known", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("details", sa.JSON, nullable=False, comment="exports: the split; imports: encoding, unknown columns…"),
    code("error_code"),
    sa.Column("error", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, comment="uploads that were begun"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, comment="uploaded, or done with"),
    sa.Column("updated_at", Instant, nullable=False),
    partial_index("ux_files_exported_name", "name", unique=True, where="direction = 'export'"),
    sa.Index("ix_files_channel", "channel", "id"),
    sa.Index("ix_files_sha256", "sha256"),
    sa.Index("ix_files_name", "name"),
    partial_index("ix_files_unfinished", "channel", "id", where="finished_at IS NULL"),
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
    code("channel", nullable=False),
    sa.Column("order_id", sa.String(36)),
    sa.Column("shipment_id", sa.String(36)),
    code("outcome", nullable=False, comment="applied, known or refused"),
    code("code"),
    code("column_name"),
    sa.Column("message", sa.Text),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Index("ix_file_rows_order", "order_id"),
    sa.Index("ix_file_rows_recorded", "recorded_at"),
)

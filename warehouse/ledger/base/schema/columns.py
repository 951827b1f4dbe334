"""What the tables of all rooms are made of: column types, and the indexes that hold only some rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from warehouse.clock import iso
from warehouse.kept_documents import pack_text, unpack_text

if TYPE_CHECKING:
    from collections.abc import Callable

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
        return self.bind_processor(dialect)(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """The conversion alone: what SQLAlchemy puts around it takes longer, and every new order has several instants."""
        return _aware if dialect.name == "postgresql" else _text

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401 - str or datetime
        """Always an aware UTC datetime."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return value.astimezone(UTC)  # type: ignore[no-any-return]
        return datetime.fromisoformat(value)


def _aware(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise ValueError("a naive datetime must not reach the ledger")
    return value


def _text(value: datetime | None) -> str | None:
    if value is None:
        return None
    utc = value if value.tzinfo is UTC else _in_utc(value)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a naive datetime must not reach the ledger")
    return value.astimezone(UTC)


class WireInstant(sa.types.UserDefinedType[str]):
    """An `Instant` column read as the wire writes it: on SQLite a cut; two conversions cost a third of a page."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], str]:  # noqa: ARG002 - SQLAlchemy's
        """Text, as the wire has it."""
        return iso if dialect.name == "postgresql" else _cut


def _cut(stored: str) -> str:
    return stored[: len("2026-11-01T12:00:00.000")] + "Z"


class Packed(TypeDecorator[bytes]):
    """Bytes where earlier releases kept text: on SQLite both are in a column that says TEXT; read, both are bytes."""

    impl = sa.LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Pick the column type of the database at hand."""
        return dialect.type_descriptor(sa.LargeBinary() if dialect.name == "postgresql" else sa.Text())

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ANN401, ARG002 - str or bytes
        """Always bytes."""
        return value.encode() if isinstance(value, str) else value


class PackedText(TypeDecorator[str]):
    """A half of an order's document: packed on SQLite, and text of earlier releases beside it; PostgreSQL has text.

    Where SQL itself reads it, `UNPACK` makes UTF-8 of it.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401 - str or bytes, by dialect
        """Text, as PostgreSQL has it, or packed."""
        return value if value is None or dialect.name == "postgresql" else pack_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002 - str or bytes
        """Always text."""
        return unpack_text(value) if isinstance(value, bytes) else value


UNPACK = "unpack_document"
"""What SQLite calls our function that makes UTF-8 of it."""


def code(name: str, **options: Any) -> sa.Column[str]:  # noqa: ANN401 - passed on to Column
    """A column of a code of ours, or of a word."""
    return sa.Column(name, sa.String(64), **options)


def partial_index(name: str, *columns: str | sa.TextClause, where: str, unique: bool = False) -> sa.Index:
    """Make an index of the few rows for which a condition holds."""
    return sa.Index(name, *columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def where_true(name: str, column: str) -> sa.Index:
    """Make an index, by purchase date, of the few orders of which a boolean is true."""
    return sa.Index(name, "purchased_at", "id", sqlite_where=sa.text(f"{column} = 1"), postgresql_where=sa.text(column))

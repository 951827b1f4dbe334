"""Orders as the database writes them: `documents.opening` in SQL, so that a page of orders is read as finished texts.

Putting a text together from fourteen columns in Python takes three times as long as reading it. A test compares the two. Which
orders are read is decided by `order_queries`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from warehouse.ledger.base.schema import UNPACK, orders, parties
from warehouse.ledger.book.retired_orders import NO_FACTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler


class OrderText(NamedTuple):
    """An order as a text, and what lists go on from.

    Attributes:
        id: The internal id.
        position: Of its last change.
        purchased_at: As the database has it: SQLite as text.
        has_errors: Whether there are any.
        is_retired: Whether the facts are missing in the text: they are in the lake.
        text: The document, UTF-8: whole, or without its end where the personal data is put on to it.
        sealed: The encrypted personal data, where it was asked for and there is any.
    """

    id: str
    position: int
    purchased_at: datetime | str
    has_errors: bool
    is_retired: bool
    text: bytes
    sealed: bytes | None


class _Raw(sa.types.UserDefinedType[Any]):
    """A column as the driver gives it: without the conversions of its type, which take longer than reading it."""

    cache_ok = True


class _Utf8(sa.types.UserDefinedType[bytes]):
    """UTF-8; the driver of PostgreSQL has decoded it."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], bytes] | None:  # noqa: ARG002 - SQLAlchemy's
        return str.encode if dialect.name == "postgresql" else None


class _Opening(FunctionElement[bytes]):
    """The document without its end, as `documents.opening` has it."""

    name = "opening"
    inherit_cache = True
    type = _Utf8()


class _Redacted(FunctionElement[bytes]):
    """The document as a reader has it who may not see who bought: its end is `documents.redacted_end` around the id."""

    name = "redacted"
    inherit_cache = True
    type = _Utf8()


@compiles(_Opening)
@compiles(_Redacted)
def _written(element: FunctionElement[bytes], compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    return _WRITTEN[compiler.dialect.name](
        _TEMPLATE + "%s" * len(element.clauses), [compiler.process(each, **options) for each in element.clauses]
    )


def _on_sqlite(template: str, more: list[str]) -> str:
    facts = f"{UNPACK}(orders.facts)"
    arguments = _arguments("substr(orders.{0}, 1, 23) || 'Z'", "iif(orders.{0}, 'true', 'false')", facts)
    return f"CAST(printf('{template}', {', '.join([*arguments, *more])}) AS BLOB)"


def _on_postgresql(template: str, more: list[str]) -> str:
    instant = """to_char(orders.{0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
    arguments = _arguments(instant, "CASE WHEN orders.{0} THEN 'true' ELSE 'false' END", "orders.facts")
    return (
        f"format('{template.replace('%', '%%')}', {', '.join([*arguments, *more])})"  # doubled, as its driver wants it
    )


_WRITTEN = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}

_AS_IT_IS, _QUOTED, _INSTANT, _FLAG = range(4)
_HEAD = {
    **dict.fromkeys(("position", "revision"), _AS_IT_IS),
    "status": _QUOTED,
    **dict.fromkeys(("marketplace_updated_at", "received_at"), _INSTANT),
    "confirmation_status": _QUOTED,
    **dict.fromkeys(("has_errors", "has_cancellation_request", "is_historical"), _FLAG),
    "pii_state": _QUOTED,
    "acknowledgements": _AS_IT_IS,
}
_TEMPLATE = (
    "{"
    + "".join(f'"{name}":"%s",' if form in {_QUOTED, _INSTANT} else f'"{name}":%s,' for name, form in _HEAD.items())
    + "%s"
)
"""For one call of the database's own formatting: concatenating piece by piece takes twice as long."""


def _arguments(instant: str, flag: str, facts: str) -> list[str]:
    written = {_INSTANT: instant, _FLAG: flag}
    return [*(written.get(form, "orders.{0}").format(name) for name, form in _HEAD.items()), facts]


_SEALED = sa.select(parties.c.sealed).where(parties.c.order_key == orders.c.key).correlate(orders).scalar_subquery()
_KEYS: tuple[sa.ColumnElement[Any], ...] = (
    orders.c.id,
    orders.c.position,
    sa.type_coerce(orders.c.purchased_at, _Raw()).label("purchased_at"),
    sa.type_coerce(orders.c.has_errors, _Raw()).label("has_errors"),
    sa.type_coerce(orders.c.facts == NO_FACTS, _Raw()).label("is_retired"),
)
_END = [sa.bindparam(name, type_=sa.Text()) for name in ("text_before_id", "text_after_id")]
REDACTED = (*_KEYS, _Redacted(_END[0], orders.c.id, _END[1]).label("text"), sa.null().label("sealed"))
WITH_PARTIES = (*_KEYS, _Opening().label("text"), sa.type_coerce(_SEALED, _Raw()).label("sealed"))
"""As `OrderText` has them; the values of the first are those of `redacted_values`."""


def end_of(order_id: str, values: Mapping[str, object]) -> bytes:
    """What the database wrote behind the facts of an order, with these values of the shape."""
    return f"{values['text_before_id']}{order_id}{values['text_after_id']}".encode() if values else b""


def redacted_values(before_id: str, after_id: str) -> dict[str, object]:
    """How the text of an order ends for a reader who may not see who bought (`documents.redacted_end`)."""
    return {"text_before_id": before_id, "text_after_id": after_id}


def with_facts(row: OrderText, facts: str, end: bytes) -> OrderText:
    """A retired order's text with the facts that it lacks, between its opening and the `end` of it."""
    return row._replace(text=b"%b%b%b" % (row.text.removesuffix(end), facts.encode(), end))

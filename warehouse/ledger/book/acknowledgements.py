"""Which consumer has taken over which revision of an order. Writes only the `acknowledgements` table, the fragment rendered
from it in `orders`, and the order's events; never a revision or a position: a consumer must not wake itself up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.clock import iso
from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.schema import acknowledgements, orders
from warehouse.ledger.book import order_events
from warehouse.ledger.book.order_events import OrderEvent
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.watch import incidents
from warehouse.order_states import AcknowledgementOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


STAGE = "acknowledge"
REFUSED = "order_refused"
"""Of the incident about an order that a consumer could not take over."""


class AcknowledgementEffect(StrEnum):
    """What became of one acknowledgement."""

    ACKNOWLEDGED = "acknowledged"
    ALREADY_ACKNOWLEDGED = "already_acknowledged"
    STALE_REVISION = "stale_revision"
    UNKNOWN_REVISION = "unknown_revision"
    UNKNOWN_ORDER = "unknown_order"
    AMBIGUOUS_ORDER = "ambiguous_order"
    INVALID = "invalid"
    """It was not understood: whoever reads requests says so, nothing of it comes here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One order taken over, or refused, named by `id` or by `channel` and `original_id`.

    Attributes:
        id: Internal order id.
        channel: Channel code, with `original_id`.
        original_id: The marketplace's order id.
        revision: Which content was taken over; None for the present one.
        outcome: Whether it went well.
        order_number: The consumer's own number; None keeps the one that is known.
        message: Plain text, without personal data.
    """

    id: str | None = None
    channel: str | None = None
    original_id: str | None = None
    revision: int | None = None
    outcome: AcknowledgementOutcome
    order_number: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class AcknowledgementAnswer:
    """What became of one acknowledgement.

    Attributes:
        result: In one word.
        order_id: Internal id; None when the order was not found, or more than one was.
        revision: The revision that the consumer has acknowledged now; None when none.
        current_revision: The order's present revision; None without an order.
        candidates: Internal ids, when `original_id` names both halves of a split order.
    """

    result: AcknowledgementEffect
    order_id: str | None = None
    revision: int | None = None
    current_revision: int | None = None
    candidates: tuple[str, ...] = ()


def acknowledge(
    transaction: Transaction,
    consumer: str,
    visible_channels: tuple[str, ...] | None,
    given: Sequence[Acknowledgement],
    now: datetime,
) -> list[AcknowledgementAnswer]:
    """Record acknowledgements of one consumer, one after the other; the same one twice changes nothing.

    An acknowledgement of an older revision than the present one is recorded, unless the consumer has acknowledged a newer
    one already, and is told as `stale_revision`: the consumer has not seen the latest content.

    Args:
        transaction: A write transaction; this takes its lock, in the order in which the pipeline takes it.
        consumer: Who acknowledges.
        visible_channels: What the consumer may see; None for everything. Any other order is unknown to it.
        given: The acknowledgements.
        now: When they are recorded.
    """
    lock_book(transaction)
    found = _Orders(transaction, visible_channels, given)
    met = _meet_all(transaction, found, consumer, given, now)
    if met.rows:
        transaction.execute(upsert(transaction, acknowledgements, ("order_id", "consumer")), list(met.rows.values()))
        order_events.record(transaction, met.events, now)
        _render(transaction, sorted(met.rows))
        _tell(transaction, list(met.rows.values()), {row["id"]: row["channel"] for row in found.rows()}, now)
    return met.answers


def would_acknowledge(
    transaction: Transaction,
    consumer: str,
    visible_channels: tuple[str, ...] | None,
    given: Sequence[Acknowledgement],
    now: datetime,
) -> list[AcknowledgementAnswer]:
    """What `acknowledge` would answer; nothing is written."""
    return _meet_all(transaction, _Orders(transaction, visible_channels, given), consumer, given, now).answers


@dataclass(frozen=True, slots=True)
class _Met:
    """Acknowledgements that have met what is known: the answers, and by internal id the rows to write, with their events."""

    answers: list[AcknowledgementAnswer]
    rows: dict[str, dict[str, Any]]
    events: list[OrderEvent]


def _meet_all(
    transaction: Transaction, found: _Orders, consumer: str, given: Sequence[Acknowledgement], now: datetime
) -> _Met:
    known = _known(transaction, consumer, found.ids())
    met = _Met([], {}, [])
    for each in given:
        candidates = found.matching(each)
        if len(candidates) != 1:
            ids = tuple(sorted(row["id"] for row in candidates))
            met.answers.append(
                AcknowledgementAnswer(
                    AcknowledgementEffect.AMBIGUOUS_ORDER if ids else AcknowledgementEffect.UNKNOWN_ORDER,
                    candidates=ids,
                )
            )
            continue
        order = candidates[0]
        answer, row = _meet(each, order, known.get(order["id"]), consumer, now)
        met.answers.append(answer)
        if row is not None:
            known[order["id"]] = met.rows[order["id"]] = row
            met.events.append(OrderEvent(order["id"], "acknowledged", _public(row)))
    return met


def _tell(
    transaction: Transaction, rows: Sequence[Mapping[str, Any]], channels: Mapping[str, str], now: datetime
) -> None:
    """An order that a consumer refuses is an incident, until every consumer has taken it over."""
    for row in rows:
        if row["outcome"] == AcknowledgementOutcome.ERROR.value:
            problem = incidents.IncidentReport(
                scope="channel",
                subject=channels[row["order_id"]],
                stage=STAGE,
                code=REFUSED,
                message=f"{row['consumer']} could not take the order over",
                hint="see the acknowledgement's message with the order; correct it there, and acknowledge it again",
                order_id=row["order_id"],
                details={"consumer": row["consumer"], "revision": row["revision"]},
            )
            incidents.report(transaction, problem, now)
    accepted = [row["order_id"] for row in rows if row["outcome"] == AcknowledgementOutcome.OK.value]
    if accepted:
        refused = sa.select(acknowledgements.c.order_id).where(
            acknowledgements.c.order_id.in_(accepted), acknowledgements.c.outcome == AcknowledgementOutcome.ERROR.value
        )
        still = set(transaction.execute(refused).scalars())
        over = [each for each in accepted if each not in still]
        if over:
            incidents.resolve_order(transaction, over, STAGE, now, codes=[REFUSED])


def _meet(
    given: Acknowledgement, order: Mapping[str, Any], known: Mapping[str, Any] | None, consumer: str, now: datetime
) -> tuple[AcknowledgementAnswer, dict[str, Any] | None]:
    """The answer to one acknowledgement, and the row to write if there is one."""
    own_id, current = order["id"], order["revision"]
    revision = current if given.revision is None else given.revision
    before = None if known is None else known["revision"]
    if revision > current:
        return AcknowledgementAnswer(AcknowledgementEffect.UNKNOWN_REVISION, own_id, before, current), None
    number = given.order_number if given.order_number is not None or known is None else known["order_number"]
    row = {
        "order_id": own_id,
        "consumer": consumer,
        "revision": revision,
        "outcome": given.outcome.value,
        "order_number": number,
        "message": given.message,
        "at": now,
    }
    is_news = known is None or (revision >= known["revision"] and any(row[name] != known[name] for name in _CONTENT))
    result = AcknowledgementEffect.ACKNOWLEDGED if is_news else AcknowledgementEffect.ALREADY_ACKNOWLEDGED
    if revision < current:
        result = AcknowledgementEffect.STALE_REVISION
    return AcknowledgementAnswer(result, own_id, revision if is_news else before, current), row if is_news else None


_CONTENT = ("revision", "outcome", "order_number", "message")


class _Orders:
    """The orders that a batch names, read with two queries however many there are."""

    def __init__(
        self, transaction: Transaction, visible_channels: tuple[str, ...] | None, given: Sequence[Acknowledgement]
    ) -> None:
        columns = (orders.c.id, orders.c.channel, orders.c.original_id, orders.c.revision)
        ids = [each.id for each in given if each.id is not None]
        originals = [each.original_id for each in given if each.id is None]
        named = sa.select(*columns).where(
            sa.or_(orders.c.id.in_(ids), _of_channels(given) & orders.c.original_id.in_(originals))
        )
        rows = [
            dict(row)
            for row in transaction.execute(named).mappings()
            if visible_channels is None or row["channel"] in visible_channels
        ]
        self._by_id = {row["id"]: row for row in rows}
        self._by_original: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in rows:
            self._by_original.setdefault((row["channel"], row["original_id"]), []).append(row)

    def ids(self) -> list[str]:
        return list(self._by_id)

    def rows(self) -> list[dict[str, Any]]:
        return list(self._by_id.values())

    def matching(self, given: Acknowledgement) -> list[dict[str, Any]]:
        if given.id is not None:
            return [self._by_id[given.id]] if given.id in self._by_id else []
        return self._by_original.get((given.channel or "", given.original_id or ""), [])


def _of_channels(given: Iterable[Acknowledgement]) -> sa.ColumnElement[bool]:
    return orders.c.channel.in_(sorted({each.channel for each in given if each.channel is not None}))


def _known(transaction: Transaction, consumer: str, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    query = sa.select(acknowledgements).where(
        acknowledgements.c.consumer == consumer, acknowledgements.c.order_id.in_(ids)
    )
    return {row["order_id"]: dict(row) for row in transaction.execute(query).mappings()}


def _render(transaction: Transaction, ids: Sequence[str]) -> None:
    """Bring the fragment of each order in line with the table, all consumers in it."""
    query = (
        sa.select(acknowledgements)
        .where(acknowledgements.c.order_id.in_(ids))
        .order_by(acknowledgements.c.order_id, acknowledgements.c.consumer)
    )
    fragments: dict[str, list[dict[str, Any]]] = {}
    for row in transaction.execute(query).mappings():
        fragments.setdefault(row["order_id"], []).append(_public(dict(row)))
    update = (
        sa.update(orders).where(orders.c.id == sa.bindparam("own_id")).values(acknowledgements=sa.bindparam("fragment"))
    )
    transaction.execute(
        update, [{"own_id": own_id, "fragment": orjson.dumps(each).decode()} for own_id, each in fragments.items()]
    )


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "consumer": row["consumer"],
        "revision": row["revision"],
        "outcome": row["outcome"],
        "order_number": row["order_number"],
        "message": row["message"],
        "at": iso(row["at"]),
    }

"""Reading what waits for the seller's decision, and what was decided. Deciding is in `acceptances`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from warehouse.ledger.base.rows import Json, read_rows
from warehouse.ledger.base.schema import Instant, acceptances, channel_requirements, channels, orders
from warehouse.ledger.book.order_conditions import waits_for_seller
from warehouse.ledger.book.order_filter import UndecidedWord
from warehouse.ledger.shipping.acceptances import AcceptanceStatus

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

MANUAL = "manual"


class AcceptanceStage(StrEnum):
    """How far an order is on its way to being accepted or refused."""

    WAITING = "waiting"
    QUEUED = AcceptanceStatus.QUEUED.value
    SENDING = AcceptanceStatus.SENDING.value
    DONE = AcceptanceStatus.DONE.value


class _Row(NamedTuple):
    """The columns of `orders` and `acceptances` that are read; each says there what it means."""

    id: str
    original_id: str
    channel: str
    purchased_at: datetime
    facts: str
    decisions: Json | None
    status: str | None
    requested_by: str | None
    requested_at: datetime | None
    code: str | None
    message: str | None
    hint: str | None


_COLUMNS = (
    *(orders.c[name] for name in ("id", "original_id", "channel", "purchased_at", "facts")),
    *(
        acceptances.c[name]
        for name in ("decisions", "status", "requested_by", "requested_at", "code", "message", "hint")
    ),
)


@dataclass(frozen=True)
class OfferedLine:
    """A line that is accepted or refused; `is_accepted` is None while nobody has decided."""

    item_id: str
    item_original_id: str
    sku: str | None
    title: str | None
    quantity: int | None
    is_accepted: bool | None


@dataclass(frozen=True)
class AcceptanceRecord:
    """An order that waits, or one that was decided.

    Attributes:
        row: What is in the ledger of it.
        can_refuse: Whether the marketplace takes a refusal.
    """

    row: _Row
    can_refuse: bool

    @property
    def stage(self) -> AcceptanceStage:
        """How far it is; what the marketplace did not take waits for another decision."""
        status = self.row.status
        return AcceptanceStage.WAITING if status in {None, "rejected"} else AcceptanceStage(status)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        read: dict[str, Any] = orjson.loads(f"{{{self.row.facts}}}")
        return read

    @property
    def accept_by(self) -> datetime | None:
        """Until when the marketplace waits; None where it is not told."""
        text = self._facts.get("accept_by")
        return None if text is None else datetime.fromisoformat(text)

    @property
    def total(self) -> tuple[str | None, str | None]:
        """What it is about, with its currency."""
        return self._facts.get("total"), self._facts.get("currency")

    @property
    def lines(self) -> list[OfferedLine]:
        """Its lines, with the last decision about each."""
        decided = self.row.decisions or {}
        return [
            OfferedLine(
                item_id=each["id"],
                item_original_id=each["original_id"],
                sku=each["sku"],
                title=each["title"],
                quantity=each["quantity_ordered"],
                is_accepted=decided.get(each["id"]),
            )
            for each in self._facts["lines"]
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceFilter:
    """Which orders.

    Attributes:
        visible_channels: What the reader may see; None for everything.
        channels: Any of these; all of them when empty.
        stage: How far they are.
    """

    visible_channels: tuple[str, ...] | None = None
    channels: tuple[str, ...] = ()
    stage: AcceptanceStage = AcceptanceStage.WAITING


class AcceptancePlace(NamedTuple):
    """Where a page of the list ends: the time that it is sorted by, and the order."""

    at: datetime
    order_id: str


def find_acceptances(
    transaction: Transaction, wanted: AcceptanceFilter, after: AcceptancePlace | None = None, limit: int = 100
) -> list[AcceptanceRecord]:
    """Orders behind a place: those that wait, the longest waiting first; those that were decided, the latest first."""
    offers = _offers(transaction)
    if wanted.stage is AcceptanceStage.WAITING:
        conditions = _waiting(offers, wanted)
        query = sa.select(*_COLUMNS).select_from(orders.outerjoin(acceptances))
        keys = (orders.c.purchased_at, orders.c.id)
        ordered = [each.asc() for each in keys]
    else:
        conditions = [acceptances.c.status == wanted.stage.value, *_among(acceptances.c.channel, wanted)]
        query = sa.select(*_COLUMNS).select_from(acceptances.join(orders))
        keys = (acceptances.c.requested_at, acceptances.c.order_id)
        ordered = [each.desc() for each in keys]
    if after is not None:
        place = sa.tuple_(sa.literal(after.at, Instant), sa.literal(after.order_id))
        passed = sa.tuple_(*keys)
        conditions.append(passed > place if wanted.stage is AcceptanceStage.WAITING else passed < place)
    rows = read_rows(transaction, _Row, query.where(*conditions).order_by(*ordered).limit(limit))
    return [AcceptanceRecord(row, bool(offers.get(row.channel, {}).get("can_refuse"))) for row in rows]


def place_of(record: AcceptanceRecord) -> AcceptancePlace:
    """Where the list goes on behind an order."""
    row = record.row
    if record.stage is AcceptanceStage.WAITING:
        return AcceptancePlace(row.purchased_at, row.id)
    assert row.requested_at is not None
    return AcceptancePlace(row.requested_at, row.id)


def count_waiting(transaction: Transaction, visible_channels: tuple[str, ...] | None) -> int:
    """How many orders wait for a decision of the seller; two statements at most."""
    offers = _offers(transaction)
    if not offers:
        return 0
    conditions = _waiting(offers, AcceptanceFilter(visible_channels=visible_channels))
    query = sa.select(sa.func.count()).select_from(orders.outerjoin(acceptances)).where(*conditions)
    return int(transaction.execute(query).scalar_one())


def policies(transaction: Transaction, visible_channels: tuple[str, ...] | None) -> dict[str, str]:
    """Channels whose marketplace leaves acceptance to the seller → who decides: `manual`, `automatic` or `off`."""
    offers = _offers(transaction)
    return {
        code: needs["policy"]
        for code, needs in sorted(offers.items())
        if visible_channels is None or code in visible_channels
    }


def _offers(transaction: Transaction) -> dict[str, Json]:
    """Channels whose marketplace leaves acceptance to the seller → their requirements, and their policy as `policy`."""
    query = sa.select(channels.c.code, channels.c.acceptance, channel_requirements.c.data).join_from(
        channels, channel_requirements
    )
    rows = transaction.execute(query)
    return {row.code: {**row.data, "policy": row.acceptance} for row in rows if row.data.get("acceptance_state")}


def waiting_states(transaction: Transaction) -> tuple[UndecidedWord, ...]:
    """Where orders wait for the seller's decision."""
    return _states(_offers(transaction))


def _states(offers: dict[str, Json]) -> tuple[UndecidedWord, ...]:
    return tuple(
        UndecidedWord(code, needs["acceptance_state"], is_manual=needs["policy"] == MANUAL)
        for code, needs in sorted(offers.items())
    )


def _waiting(offers: dict[str, Json], wanted: AcceptanceFilter) -> list[sa.ColumnElement[bool]]:
    return [*waits_for_seller(_states(offers)), *_among(orders.c.channel, wanted)]


def _among(column: sa.ColumnElement[str], wanted: AcceptanceFilter) -> list[sa.ColumnElement[bool]]:
    sets = (wanted.visible_channels, wanted.channels or None)
    return [column.in_(each) for each in sets if each is not None]

"""Reading shipments: filtered pages by keyset, one with its attempts, and what is held. Nothing writes here.

What a reader may see is a part of the filter, so that the allow-list is applied in this one place. Taking shipments in is in
`shipments`, sending them in `confirmations`; how they look in an answer is the API's matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.rows import read_rows
from warehouse.ledger.base.schema import (
    Instant,
    channels,
    confirmation_attempts,
    order_lines,
    orders,
    shipment_lines,
    shipments,
)
from warehouse.ledger.book import holds
from warehouse.ledger.book.order_ids import order_keys, orders_named
from warehouse.ledger.shipping import claims
from warehouse.ledger.shipping.records import ATTEMPT_COLUMNS, SHIPMENT_COLUMNS, StoredAttempt, StoredShipment
from warehouse.order_states import ConfirmationStatus

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

ATTEMPTS_SHOWN = 1000
"""Of one shipment at most, the newest ones."""
RECENT = 2000
"""Shipments of all channels in which words for carriers are looked for."""

SORTED_AT_MOST = 2000
"""Shipments of a channel that are looked up and sorted; more are walked past."""

FEW = frozenset(
    {
        ConfirmationStatus.QUEUED.value,
        ConfirmationStatus.SENDING.value,
        ConfirmationStatus.IN_DOUBT.value,
        ConfirmationStatus.REJECTED.value,
    }
)
"""Statuses that a shipment does not stay in: looking these up is quicker than walking past all the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentFilter:
    """Which shipments; an empty tuple or None does not filter. Ranges are half open: `after` is included, `before` is not.

    Attributes:
        visible_channels: What the reader may see at all; None for everything.
        statuses: Any of these.
        channels: Any of these.
        order_id: Internal id of the order.
        original_id: The marketplace's id of the order.
        report_id: The request or file that reported it last.
        shipped_despite_cancellation: Only those with units that the marketplace has cancelled, or only the others.
    """

    visible_channels: tuple[str, ...] | None = None
    statuses: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    order_id: str | None = None
    original_id: str | None = None
    report_id: str | None = None
    tracking_number: str | None = None
    package_id: str | None = None
    shipped_despite_cancellation: bool | None = None
    reported_after: datetime | None = None
    reported_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether an index finds few shipments, which are then sorted."""
        named = (self.order_id, self.original_id, self.report_id, self.tracking_number, self.package_id)
        is_open = bool(self.statuses) and FEW.issuperset(self.statuses)
        is_open = is_open or self.shipped_despite_cancellation is True
        return is_open or self.updated_after is not None or any(each is not None for each in named)

    def fingerprint(self) -> str:
        """The same for the same question; a cursor of another one is refused."""
        asked = repr([getattr(self, name) for name in self.__slots__ if name != "visible_channels"])
        return hashlib.blake2b(f"shipments {asked}".encode(), digest_size=9).hexdigest()


@dataclass(frozen=True, slots=True)
class ShipmentPlace:
    """The place of a shipment in the list, which has the newest first."""

    reported_at: datetime
    id: str


class PackedUnits(NamedTuple):
    """What a package holds of a line; `may_have_left`: units of it that the marketplace shows as cancelled all the same."""

    line_id: str
    quantity: int
    may_have_left: int
    original_id: str | None
    sku: str | None


@dataclass(frozen=True, slots=True)
class ShipmentRecord:
    """A shipment, the marketplace's id of its order, what is in it, and (where it is read alone) the attempts to tell it."""

    shipment: StoredShipment
    original_id: str
    items: Sequence[PackedUnits]
    attempts: Sequence[StoredAttempt] = ()


@dataclass(frozen=True, slots=True)
class ShipmentRows:
    """Shipments, and where the next page begins; None on the last one."""

    rows: list[ShipmentRecord]
    next_place: ShipmentPlace | None


def page(transaction: Transaction, wanted: ShipmentFilter, after: ShipmentPlace | None, limit: int) -> ShipmentRows:
    """The `limit` shipments that follow `after`, the last reported first."""
    reported_at, own_id = shipments.c.reported_at, shipments.c.id
    query = _SHIPMENTS.where(*_conditions(wanted))
    if after is not None:
        place = sa.tuple_(sa.literal(after.reported_at, Instant()), sa.literal(after.id))
        query = query.where(sa.tuple_(reported_at, own_id) < place)
    order = (reported_at, own_id)
    of_few = [] if wanted.is_narrow else _few_of_channels(transaction, wanted)
    query = query.where(*of_few)
    if wanted.is_narrow or of_few:  # an expression that no index tempts with: few are found, and then sorted
        query = query.order_by(*(sa.func.coalesce(each, each).desc() for each in order))
    else:
        query = query.order_by(*(each.desc() for each in order))
    found = transaction.execute(query.limit(limit + 1)).all()
    rows = _with_items(transaction, found[:limit])
    last = rows[-1].shipment if len(found) > limit else None
    return ShipmentRows(rows, None if last is None else ShipmentPlace(last.reported_at, last.id))


def _few_of_channels(transaction: Transaction, wanted: ShipmentFilter) -> list[sa.ColumnElement[bool]]:
    """Where the channels asked for have few shipments: that it is one of these."""
    sets = [each for each in (wanted.channels or None, wanted.visible_channels) if each is not None]
    own = sa.select(shipments.c.id).where(*(shipments.c.channel.in_(each) for each in sets))
    found = sa.select(sa.func.count()).select_from(own.limit(SORTED_AT_MOST + 1).subquery())
    is_few = bool(sets) and transaction.execute(found).scalar_one() <= SORTED_AT_MOST
    return [shipments.c.id.in_(own)] if is_few else []


def by_id(
    transaction: Transaction, shipment_id: str, visible_channels: tuple[str, ...] | None
) -> ShipmentRecord | None:
    """One shipment with its attempts; None when there is none or the reader may not see it."""
    found = _with_items(transaction, transaction.execute(_SHIPMENTS.where(shipments.c.id == shipment_id)).all())
    if not found or (visible_channels is not None and found[0].shipment.channel not in visible_channels):
        return None
    query = (
        sa.select(*ATTEMPT_COLUMNS)
        .where(confirmation_attempts.c.shipment_id == shipment_id)
        .order_by(confirmation_attempts.c.id.desc())
        .limit(ATTEMPTS_SHOWN)
    )
    return replace(found[0], attempts=read_rows(transaction, StoredAttempt, query)[::-1])


def attempts_of(transaction: Transaction, shipment_ids: Sequence[str]) -> list[StoredAttempt]:
    """Every attempt to tell the marketplace of these shipments, the newest first."""
    query = (
        sa.select(*ATTEMPT_COLUMNS)
        .where(confirmation_attempts.c.shipment_id.in_(shipment_ids))
        .order_by(confirmation_attempts.c.id.desc())
        .limit(ATTEMPTS_SHOWN)
    )
    return read_rows(transaction, StoredAttempt, query)


def in_trouble(transaction: Transaction, order_ids: Sequence[str]) -> set[str]:
    """Of these orders those with shipments that are rejected or in doubt."""
    states = [ConfirmationStatus.REJECTED.value, ConfirmationStatus.IN_DOUBT.value]
    query = sa.select(shipments.c.order_id).where(shipments.c.order_id.in_(order_ids), shipments.c.status.in_(states))
    return set(transaction.execute(query).scalars())


def shipments_named(transaction: Transaction, name: str) -> list[str]:
    """The ids of the shipments that somebody knows by this name: an id, a tracking number, a package id, or any of an order.

    The first kind that fits decides.
    """
    for column in (shipments.c.id, shipments.c.tracking_number, shipments.c.package_id):
        found = transaction.execute(sa.select(shipments.c.id).where(column == name).order_by(shipments.c.id)).scalars()
        ids = list(found)
        if ids:
            return ids
    of_orders = shipments.c.order_id.in_(orders_named(transaction, name))
    return list(transaction.execute(sa.select(shipments.c.id).where(of_orders).order_by(shipments.c.id)).scalars())


def is_visible(transaction: Transaction, shipment_id: str, visible_channels: tuple[str, ...] | None) -> bool:
    """Whether there is such a shipment for this reader."""
    channel = transaction.execute(sa.select(shipments.c.channel).where(shipments.c.id == shipment_id)).scalar()
    return channel is not None and (visible_channels is None or channel in visible_channels)


def held_by_channel(transaction: Transaction) -> dict[str, int]:
    """How many shipments of each channel are held, of the channels that have any."""
    query = (
        sa.select(shipments.c.channel, sa.func.count())
        .where(shipments.c.status == ConfirmationStatus.HELD.value)
        .group_by(shipments.c.channel)
    )
    return {channel: int(count) for channel, count in transaction.execute(query)}


def carrier_words(transaction: Transaction, channel: str) -> list[str]:
    """The words for carriers that the ERP used lately for a channel's shipments, by the alphabet."""
    recent = (
        sa.select(shipments.c.channel, shipments.c.carrier_code)
        .order_by(shipments.c.reported_at.desc())
        .limit(RECENT)
        .subquery()
    )
    query = sa.select(recent.c.carrier_code).where(recent.c.channel == channel, recent.c.carrier_code.is_not(None))
    return list(transaction.execute(query.distinct().order_by(recent.c.carrier_code)).scalars())


@dataclass(frozen=True, slots=True)
class Unsent:
    """Shipments of one channel that its marketplace has not been told of: how many, and since when the first waits."""

    channel: str
    shipments: int
    since: datetime


def unsent(transaction: Transaction, before: datetime, now: datetime) -> dict[str, Unsent]:
    """Channel → its shipments that were reported before and are to be told; those that a request to cancel holds are none."""
    table = shipments.c
    waiting = (ConfirmationStatus.QUEUED.value, ConfirmationStatus.SENDING.value, ConfirmationStatus.IN_DOUBT.value)
    query = (
        sa.select(table.channel, sa.func.count(), sa.func.min(table.reported_at))
        .where(table.status.in_(waiting), table.reported_at < before, ~holds.is_held(table.order_id, now))
        .group_by(table.channel)
    )
    return {channel: Unsent(channel, int(count), since) for channel, count, since in transaction.execute(query)}


_HELD = (
    sa.select(shipments.c.channel, shipments.c.held_reason, sa.func.count())
    .where(shipments.c.status == ConfirmationStatus.HELD.value, shipments.c.updated_at < sa.bindparam("before"))
    .group_by(shipments.c.channel, shipments.c.held_reason)
    .order_by(shipments.c.channel, shipments.c.held_reason)
)


def held_by_reason(transaction: Transaction, before: datetime) -> dict[str, dict[str, int]]:
    """Channel → reason → how many of its shipments are held since before then."""
    found: dict[str, dict[str, int]] = {}
    for channel, reason, count in transaction.execute(_HELD, {"before": before}):
        found.setdefault(channel, {})[reason or "unknown"] = int(count)
    return found


def line_ids(transaction: Transaction, order_id: str) -> dict[str, str]:
    """The marketplace's line id → ours, of one order."""
    query = sa.select(order_lines.c.original_id, order_lines.c.id).where(
        order_lines.c.order_key.in_(order_keys([order_id]))
    )
    return {row.original_id: row.id for row in transaction.execute(query)}


_SHIPMENTS = sa.select(*SHIPMENT_COLUMNS, orders.c.original_id).join_from(shipments, orders)


def _conditions(wanted: ShipmentFilter) -> list[sa.ColumnElement[bool]]:
    return [*_sets(wanted), *_names(wanted), *_ranges(wanted), *_despite(wanted)]


def _despite(wanted: ShipmentFilter) -> list[sa.ColumnElement[bool]]:
    if wanted.shipped_despite_cancellation is None:
        return []
    parts = sa.select(shipment_lines.c.shipment_id).where(shipment_lines.c.may_have_left > 0)
    is_despite = shipments.c.id.in_(parts)
    return [is_despite if wanted.shipped_despite_cancellation else ~is_despite]


def _sets(wanted: ShipmentFilter) -> list[sa.ColumnElement[bool]]:
    """On a walk along the time of reporting they are put so that no other index serves them."""
    sets = (
        (shipments.c.status, wanted.statuses or None),
        (shipments.c.channel, wanted.channels or None),
        (shipments.c.channel, wanted.visible_channels),
    )
    return [
        (column if wanted.is_narrow else sa.func.coalesce(column, "")).in_(values)
        for column, values in sets
        if values is not None
    ]


def _names(wanted: ShipmentFilter) -> list[sa.ColumnElement[bool]]:
    named = (
        (shipments.c.order_id, wanted.order_id),
        (shipments.c.report_id, wanted.report_id),
        (shipments.c.tracking_number, wanted.tracking_number),
        (shipments.c.package_id, wanted.package_id),
    )
    conditions: list[sa.ColumnElement[bool]] = [column == value for column, value in named if value is not None]
    if wanted.original_id is not None:  # the index on original ids begins with the channel
        every = sa.select(channels.c.code)
        of_orders = sa.select(orders.c.id).where(
            orders.c.channel.in_(every), orders.c.original_id == wanted.original_id
        )
        conditions.append(shipments.c.order_id.in_(of_orders))
    return conditions


def _ranges(wanted: ShipmentFilter) -> list[sa.ColumnElement[bool]]:
    firsts = ((shipments.c.reported_at, wanted.reported_after), (shipments.c.updated_at, wanted.updated_after))
    ends = ((shipments.c.reported_at, wanted.reported_before), (shipments.c.updated_at, wanted.updated_before))
    return [
        *(column >= moment for column, moment in firsts if moment is not None),
        *(column < moment for column, moment in ends if moment is not None),
    ]


def _with_items(transaction: Transaction, found: Sequence[Sequence[Any]]) -> list[ShipmentRecord]:
    """Each shipment with what is in it, in the order of the order's lines."""
    rows = [(StoredShipment._make(members), original_id) for *members, original_id in found]
    query = (
        sa.select(
            shipment_lines.c.shipment_id,
            shipment_lines.c.line_id,
            shipment_lines.c.quantity,
            shipment_lines.c.may_have_left,
            order_lines.c.original_id,
            order_lines.c.sku,
        )
        .outerjoin_from(shipment_lines, order_lines, order_lines.c.id == shipment_lines.c.line_id)
        .where(shipment_lines.c.shipment_id.in_([row.id for row, _ in rows]))
        .order_by(order_lines.c.number)
    )
    items: dict[str, list[PackedUnits]] = {}
    for own_id, *line in transaction.execute(query).all():
        items.setdefault(own_id, []).append(PackedUnits._make(line))
    return [ShipmentRecord(row, original_id, items.get(row.id, [])) for row, original_id in rows]


def is_any_waiting(transaction: Transaction) -> bool:
    """Whether there is a shipment that is not settled: to be sent, read back or verified."""
    open_states = [each.value for each in _OPEN]
    query = sa.select(shipments.c.id).where(shipments.c.status.in_(open_states)).limit(1)
    return transaction.execute(query).first() is not None


def is_any_due(transaction: Transaction, now: datetime) -> bool:
    """Whether there is a shipment to be sent or read back now."""
    states = [ConfirmationStatus.QUEUED.value, ConfirmationStatus.IN_DOUBT.value]
    query = sa.select(shipments.c.id).where(shipments.c.status.in_(states), claims.is_due(now)).limit(1)
    return transaction.execute(query).first() is not None


_OPEN = (
    ConfirmationStatus.QUEUED,
    ConfirmationStatus.SENDING,
    ConfirmationStatus.IN_DOUBT,
    ConfirmationStatus.SENT,
)


def counts(transaction: Transaction) -> dict[str, dict[str, int]]:
    """Shipments by channel and status."""
    query = sa.select(shipments.c.channel, shipments.c.status, sa.func.count()).group_by(
        shipments.c.channel, shipments.c.status
    )
    found: dict[str, dict[str, int]] = {}
    for channel, status, count in transaction.execute(query):
        found.setdefault(channel, {})[status] = count
    return found


def oldest_waiting(transaction: Transaction) -> dict[str, datetime]:
    """When the longest waiting shipment of each channel was reported, of the channels where one waits."""
    under_way = [
        each.value for each in (ConfirmationStatus.QUEUED, ConfirmationStatus.SENDING, ConfirmationStatus.IN_DOUBT)
    ]
    query = (
        sa.select(shipments.c.channel, sa.func.min(shipments.c.reported_at).label("since"))
        .where(shipments.c.status.in_(under_way))
        .group_by(shipments.c.channel)
    )
    return {row.channel: row.since for row in transaction.execute(query)}

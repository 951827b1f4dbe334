"""The figures of the console's first page: what waits in each channel, and how orders and shipments went lately.

Each is a look into an index or a range of one: none is counted over the whole book. How a channel stands is in
`channel_status`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.cancellations import RequestState
from warehouse.ledger.base.schema import cancellation_requests, order_counts, order_totals, orders, shipments
from warehouse.order_states import ConfirmationStatus, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

WEEKS = 4
"""As many earlier weeks say what is usual."""
HOURS = 48
HOUR = "%Y-%m-%dT%H"
DAYS = 7
COUNTED_AT_MOST = 2_000
"""Rows of one figure, of all channels together: beyond them it is a lower bound, and says so."""
MOST_SHIPMENTS = 20_000
"""Of the last days: of more than these the newest are looked at."""
TALLIED = ("to_ship", "errors")
"""Figures that are kept with the orders, and so are exact."""
TO_SHIP = (Status.WAITING_FOR_SHIPMENT.value, Status.PARTIALLY_SHIPPED.value)
UNCONFIRMED = tuple(
    each.value for each in (ConfirmationStatus.QUEUED, ConfirmationStatus.SENDING, ConfirmationStatus.SENT)
)
IN_NEED = tuple(each.value for each in (ConfirmationStatus.REJECTED, ConfirmationStatus.IN_DOUBT))


@dataclass(slots=True)
class ChannelFigures:
    """What there is in a channel at this moment.

    Attributes:
        today: Orders that have come today.
        earlier: How many came on the same weekday, of each earlier week that the channel has seen.
        to_ship: Orders to be shipped.
        overdue: Of these, those whose time is over.
        errors: Orders with errors.
        unconfirmed: Shipments that the marketplace does not show yet.
        in_need: Shipments that it refused, or of which nobody knows.
        cancellations: Requests to cancel that are open.
        at_least: The names of figures that are lower bounds.
    """

    today: int = 0
    earlier: list[int] = field(default_factory=list)
    to_ship: int = 0
    overdue: int = 0
    errors: int = 0
    unconfirmed: int = 0
    in_need: int = 0
    cancellations: int = 0
    at_least: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DayOfShipments:
    """A day of reporting: seconds from each report to the marketplace's taking it, and how many were told too late."""

    day: datetime
    seconds: Sequence[float]
    late: int


def figures(
    transaction: Transaction,
    created: Mapping[str, datetime],
    visible_channels: tuple[str, ...] | None,
    day_began: datetime,
    now: datetime,
) -> dict[str, ChannelFigures]:
    """The figures of each channel that a reader may see; two statements.

    Args:
        transaction: A transaction.
        created: Channel → when it was created, of those that may be seen.
        visible_channels: What the reader may see; None for everything.
        day_began: When today began on the merchant's clocks.
        now: The present instant.
    """
    found = {code: ChannelFigures() for code in created}
    wholes: Counter[str] = Counter()
    for name, code, count in transaction.execute(sa.union_all(*_states(visible_channels, now))):
        wholes[name] += int(count)
        if code in found:
            setattr(found[code], name, int(count))
    at_least = frozenset(name for name, count in wholes.items() if count >= COUNTED_AT_MOST and name not in TALLIED)
    days = [day_began.date() - timedelta(weeks=week) for week in range(WEEKS + 1)]
    rows = transaction.execute(_arrivals(visible_channels, days))
    arrived = {(channel, day): int(count) for channel, day, count in rows}
    for code, each in found.items():
        each.at_least = at_least
        each.today = arrived.get((code, days[0]), 0)
        each.earlier = [
            arrived.get((code, day), 0)
            for week, day in enumerate(days)
            if week and created[code] <= day_began - timedelta(weeks=week)
        ]
    return found


def _states(visible: tuple[str, ...] | None, now: datetime) -> list[sa.Select[Any]]:
    to_ship, state = orders.c.status.in_(TO_SHIP), shipments.c.status
    return [
        _tallied("to_ship", visible, order_totals.c.status.in_(TO_SHIP)),
        _tallied("errors", visible, order_totals.c.has_errors == sa.true()),
        _counted("overdue", orders.c.channel, visible, to_ship, orders.c.ship_by < now),
        _counted("unconfirmed", shipments.c.channel, visible, state.in_(UNCONFIRMED)),
        _counted("in_need", shipments.c.channel, visible, state.in_(IN_NEED)),
        _counted(
            "cancellations",
            cancellation_requests.c.channel,
            visible,
            cancellation_requests.c.state == RequestState.OPEN.value,
        ),
    ]


def _arrivals(visible: tuple[str, ...] | None, days: Sequence[date]) -> sa.Select[Any]:
    """Orders that arrived on these days, as they are counted when they are written."""
    own = [] if visible is None else [order_counts.c.channel.in_(visible)]
    count = sa.func.sum(order_counts.c.orders).label("count")
    query = sa.select(order_counts.c.channel, order_counts.c.day, count).where(order_counts.c.day.in_(days), *own)
    return query.group_by(order_counts.c.channel, order_counts.c.day)


def _tallied(name: str, visible: tuple[str, ...] | None, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """What is counted as orders are written."""
    own = [] if visible is None else [order_totals.c.channel.in_(visible)]
    said, count = sa.literal(name).label("name"), sa.func.sum(order_totals.c.orders).label("count")
    query = sa.select(said, order_totals.c.channel, count).where(*conditions, *own)
    return query.group_by(order_totals.c.channel)


def _counted(
    name: str, channel: sa.Column[Any], visible: tuple[str, ...] | None, *conditions: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    own = [] if visible is None else [channel.in_(visible)]
    found = sa.select(channel.label("channel")).where(*conditions, *own).limit(COUNTED_AT_MOST).subquery()
    said, count = sa.literal(name).label("name"), sa.func.count().label("count")
    return sa.select(said, found.c.channel, count).group_by(found.c.channel)


def orders_by_hour(
    transaction: Transaction, visible_channels: tuple[str, ...] | None, now: datetime
) -> list[tuple[datetime, int]]:
    """Each of the last hours, the present one last, and how many orders came in it."""
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=HOURS - 1)
    own = [] if visible_channels is None else [orders.c.channel.in_(visible_channels)]
    hour = _hour(transaction).label("hour")
    query = sa.select(hour, sa.func.count()).where(
        orders.c.received_at >= first, orders.c.received_at <= now, orders.c.is_historical == sa.false(), *own
    )
    counts = {str(name): int(count) for name, count in transaction.execute(query.group_by("hour"))}
    hours = [first + timedelta(hours=number) for number in range(HOURS)]
    return [(each, counts.get(each.strftime(HOUR), 0)) for each in hours]


def _hour(transaction: Transaction) -> sa.ColumnElement[str]:
    """The hour of an arrival, as text in UTC."""
    if transaction.dialect.name == "postgresql":
        return sa.func.to_char(sa.func.timezone("UTC", orders.c.received_at), 'YYYY-MM-DD"T"HH24')
    return sa.func.substr(sa.type_coerce(orders.c.received_at, sa.String), 1, len("2026-11-01T12"))


def shipments_by_day(
    transaction: Transaction, visible_channels: tuple[str, ...] | None, day_began: datetime, now: datetime
) -> list[DayOfShipments]:
    """Each of the last days, today last: how long telling took, of packages that were told as first reported; how many late."""
    first = day_began - timedelta(days=DAYS - 1)
    own = [] if visible_channels is None else [shipments.c.channel.in_(visible_channels)]
    query = (
        sa.select(shipments.c.reported_at, shipments.c.sent_at, shipments.c.version, orders.c.ship_by)
        .join_from(shipments, orders)
        .where(shipments.c.reported_at >= first, shipments.c.reported_at <= now, shipments.c.sent_at.is_not(None), *own)
        .order_by(shipments.c.reported_at.desc())
        .limit(MOST_SHIPMENTS)
    )
    seconds: list[list[float]] = [[] for _ in range(DAYS)]
    late = [0] * DAYS
    for row in transaction.execute(query):
        number = (row.reported_at.astimezone(day_began.tzinfo).date() - first.date()).days
        if row.version == 1:
            seconds[number].append((row.sent_at - row.reported_at).total_seconds())
        late[number] += row.ship_by is not None and row.sent_at > row.ship_by
    return [
        DayOfShipments(first + timedelta(days=number), tuple(sorted(seconds[number])), late[number])
        for number in range(DAYS)
    ]

"""What must hold for coverage and the order book, as plain functions: each gives one verdict.

The verdicts of a tick look at what changed last or ask an index: their cost does not grow with the number of orders. None shows
personal data. What must hold of the order tables is in `warehouse.lake.soundness`; repairing is not here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse import display
from warehouse.ledger.base import schema
from warehouse.ledger.base.rows import Json, read_rows
from warehouse.ledger.book.versions import COLUMNS as VERSION_COLUMNS
from warehouse.ledger.shipping.verification import UNVERIFIED_AFTER
from warehouse.ledger.status.channel_status import LATE_AFTER_INTERVALS, late_before
from warehouse.ledger.watch import order_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

NEWEST_CHANGES = 1_000
"""How many of the newest changes of the order book a tick looks at."""


STUCK_AFTER = timedelta(hours=2)
"""Eight runs of the confirmation's schedule."""

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """What one check found.

    Attributes:
        expected: What should be, in words.
        offenders: What is not so; empty when all is well.
        examined: How many things were looked at.
    """

    expected: str
    offenders: Sequence[str] = field(default=())
    examined: int = 0


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that retrieves: what pulling has learnt of it, what its newest complete pull of a tick read, how far
    its channels are covered, and the codes of its open incidents of the pull. A pull of what is open at a moment reads no
    stretch of time that could join on to another.
    """

    code: str
    learnt: Json
    pulled_channels: Sequence[str]
    pulled_since: datetime | None
    covered: Mapping[str, datetime | None]
    incidents: Sequence[str] = ()


def connected(transaction: Transaction) -> list[Connected]:
    """Every connection that retrieves; one index lookup per connection."""
    newest = (
        sa.select(sa.func.max(schema.pulls.c.id))
        .where(
            schema.pulls.c.connection == schema.connections.c.code,
            schema.pulls.c.kind == "tick",
            schema.pulls.c.outcome == "complete",
        )
        .correlate(schema.connections)
        .scalar_subquery()
    )
    query = (
        sa.select(
            schema.connections.c.code,
            schema.connections.c.state,
            schema.channels.c.code.label("channel"),
            schema.coverage.c.complete_through,
            schema.pulls.c.channels.label("pulled_channels"),
            sa.case((schema.pulls.c.since < schema.pulls.c.until, schema.pulls.c.since)).label("since"),
        )
        .join_from(schema.connections, schema.channels, schema.channels.c.connection == schema.connections.c.code)
        .outerjoin(schema.coverage, schema.coverage.c.channel == schema.channels.c.code)
        .outerjoin(schema.pulls, schema.pulls.c.id == newest)
        .where(schema.channels.c.retrieval.is_(True))
        .order_by(schema.connections.c.code, schema.channels.c.code)
    )
    problems = _pull_problems(transaction)
    found: dict[str, Connected] = {}
    for row in transaction.execute(query).mappings():
        known = found.get(row.code)
        covered = {**(known.covered if known else {}), row.channel: row.complete_through}
        found[row.code] = Connected(
            row.code,
            row.state,
            row.pulled_channels or (),
            row.since,
            covered,
            problems.get(row.code, ()),
        )
    return list(found.values())


def _pull_problems(transaction: Transaction) -> dict[str, list[str]]:
    """Codes of the open incidents of pulling, per connection: a refused credential fails before there is a pull."""
    table = schema.incidents
    query = sa.select(table.c.subject, table.c.code).where(
        table.c.resolved_at.is_(None), table.c.scope == "connection", table.c.stage == "pull"
    )
    problems: dict[str, list[str]] = {}
    for row in transaction.execute(query):
        problems.setdefault(row.subject, []).append(row.code)
    return problems


def pulled(found: Sequence[Connected]) -> CheckVerdict:
    """Connections whose newest pull failed, or that were never pulled."""
    offenders = [
        f"{each.code} ({', '.join(each.covered)}): {', '.join(each.incidents) or 'never pulled'}"
        for each in found
        if each.incidents or each.pulled_since is None
    ]
    return CheckVerdict("the newest pull of every connection is complete", offenders, len(found))


def without_gaps(found: Sequence[Connected]) -> CheckVerdict:
    """Channels whose coverage ends before the newest complete pull began to read: between the two lies a gap."""
    offenders = [
        f"{channel}: covered through {through or 'never'}, pulled since {each.pulled_since}"
        for each in found
        for channel, through in each.covered.items()
        if each.pulled_since is not None
        and channel in each.pulled_channels
        and (through is None or through < each.pulled_since)
    ]
    return CheckVerdict(
        "the newest complete pull of every channel joins on to what is covered",
        offenders,
        sum(len(each.covered) for each in found),
    )


def up_to_date(found: Sequence[Connected], now: datetime) -> CheckVerdict:
    """Channels that are more than three intervals behind what their marketplace can tell by now."""
    offenders = []
    for each in found:
        oldest = late_before(now, each.learnt)
        offenders += [
            f"{channel}: covered through {through or 'never'}"
            for channel, through in each.covered.items()
            if through is None or through < oldest
        ]
    expected = f"every channel is covered to within {LATE_AFTER_INTERVALS} intervals of {display.moment(now, UTC)} UTC"
    return CheckVerdict(expected, offenders, sum(len(each.covered) for each in found))


class VersionRecord(NamedTuple):
    """A change of the book; each member is a column of `order_versions`."""

    position: int
    order_id: str
    revision: int
    facts: str | None


def newest_versions(transaction: Transaction, limit: int = NEWEST_CHANGES) -> list[VersionRecord]:
    """The newest changes of the book, in order of position."""
    wanted = [each for each in VERSION_COLUMNS if each.name in VersionRecord._fields]
    query = sa.select(*wanted).order_by(schema.order_versions.c.position.desc()).limit(limit)
    return read_rows(transaction, VersionRecord, query)[::-1]


def quarantine_empty(transaction: Transaction) -> CheckVerdict:
    """Orders in quarantine per channel and reason."""
    aside = schema.quarantine
    query = sa.select(
        sa.func.coalesce(aside.c.channel, aside.c.connection).label("owner"),
        aside.c.code,
        sa.func.count().label("orders"),
    ).group_by("owner", aside.c.code)
    rows = transaction.execute(query).all()
    offenders = [f"{row.owner}: {row.orders} of {row.code}" for row in rows]
    return CheckVerdict("no order is in quarantine", offenders, sum(row.orders for row in rows))


def unique(transaction: Transaction, versions: Sequence[VersionRecord]) -> CheckVerdict:
    """Orders that changed lately and are in the book twice."""
    book, twin = schema.orders, schema.orders.alias("twin")
    ids = _ids(versions)
    query = (
        sa.select(book.c.channel, book.c.original_id)
        .join(
            twin,
            sa.and_(twin.c.channel == book.c.channel, twin.c.original_id == book.c.original_id, twin.c.id != book.c.id),
        )
        .where(
            book.c.id.in_(ids),
            sa.func.coalesce(twin.c.fulfilled_by, "") == sa.func.coalesce(book.c.fulfilled_by, ""),
        )
        .distinct()
    )
    offenders = [f"{row.channel}: {row.original_id}" for row in transaction.execute(query)]
    return CheckVerdict("every order is in the book once", offenders, len(ids))


def in_order(transaction: Transaction, versions: Sequence[VersionRecord]) -> CheckVerdict:
    """Positions that are missing, revisions that jump, and orders whose row is not their newest version."""
    offenders = [
        f"positions {before.position} and {after.position} have a gap between them"
        for before, after in pairwise(versions)
        if after.position != before.position + 1
    ]
    last: dict[str, VersionRecord] = {}
    for row in versions:
        known = last.get(row.order_id)
        if known is not None and row.revision != known.revision + 1:
            offenders.append(f"order {row.order_id}: revision {row.revision} follows {known.revision}")
        last[row.order_id] = row
    book = schema.orders
    rows = transaction.execute(
        sa.select(book.c.id, book.c.revision, book.c.position).where(book.c.id.in_(list(last)))
    ).all()
    held = {row.id: (row.revision, row.position) for row in rows}
    offenders += [
        f"order {own_id}: the book does not hold its newest revision {row.revision}"
        for own_id, row in last.items()
        if held.get(own_id, (0, 0)) < (row.revision, row.position)
    ]
    return CheckVerdict(
        "positions and revisions follow one another, the newest is in the book", offenders, len(versions)
    )


def quantities_conserved(documents: Sequence[Json]) -> CheckVerdict:
    """Lines of which more is shipped and cancelled than was ordered; a line of unknown quantity is none."""
    offenders: list[str] = []
    examined = 0
    for document in documents:
        for line in document["lines"]:
            ordered, *parts = (
                line[f"quantity_{name}"] for name in ("ordered", "shipped", "cancelled", "remaining_to_ship")
            )
            if ordered is None or None in parts:
                continue
            examined += 1
            if ordered != sum(parts):
                shares = " + ".join(str(each) for each in parts)
                offenders.append(f"{_name(document)} line {line['number']}: {ordered} is not {shares}")
    return CheckVerdict("ordered = shipped + cancelled + remaining on every line", _distinct(offenders), examined)


def amounts_conserved(documents: Sequence[Json]) -> CheckVerdict:
    """Orders whose total is less than their lines and shipping; an order with an unknown amount is none.

    More is right: gift wrapping and fees are in the total and in no line.
    """
    offenders: list[str] = []
    examined = 0
    for document in documents:
        amounts = [each["line_total"] for each in document["lines"]]
        if document["total"] is None or document["shipping_total"] is None or None in amounts:
            continue
        examined += 1
        least = sum((Decimal(each) for each in amounts), Decimal(document["shipping_total"]))
        # Marketplaces round every line by itself.
        if Decimal(document["total"]) < least - CENT * (len(amounts) + 1):
            offenders.append(f"{_name(document)}: total {document['total']}, lines and shipping {least}")
    return CheckVerdict("total ≥ lines + shipping, within a cent a line", _distinct(offenders), examined)


def _name(document: Json) -> str:
    return f"{document['channel']} {document['original_id']}"


def _distinct(offenders: Sequence[str]) -> list[str]:
    """Each once: several versions of an order tell the same."""
    return list(dict.fromkeys(offenders))


def _ids(versions: Sequence[VersionRecord]) -> list[str]:
    return sorted({row.order_id for row in versions})


def nothing_stuck(transaction: Transaction, now: datetime) -> CheckVerdict:
    """Shipments that have waited too long, or are refused, counted by channel and state."""
    table = schema.shipments
    limits = {
        "queued": now - STUCK_AFTER,
        "sending": now - STUCK_AFTER,
        "in_doubt": now - STUCK_AFTER,
        "sent": now - UNVERIFIED_AFTER,
    }
    is_late = [sa.and_(table.c.status == status, table.c.reported_at < limit) for status, limit in limits.items()]
    query = (
        sa.select(table.c.channel, table.c.status, sa.func.count())
        .where(sa.or_(table.c.status == "rejected", *is_late))
        .group_by(table.c.channel, table.c.status)
        .order_by(table.c.channel, table.c.status)
    )
    rows = transaction.execute(query).all()
    offenders = [f"{channel}: {count} {status}" for channel, status, count in rows]
    return CheckVerdict("every shipment is sent within two hours and verified within a day", offenders, len(rows))


def nothing_over_shipped(transaction: Transaction) -> CheckVerdict:
    """Lines of the newest shipments of which ours together hold more than was ordered."""
    shipments, parts, lines = schema.shipments, schema.shipment_lines, schema.order_lines
    newest = sa.select(shipments.c.order_id).order_by(shipments.c.reported_at.desc()).limit(NEWEST_CHANGES)
    query = (
        sa.select(lines.c.id, lines.c.quantity_ordered, sa.func.sum(parts.c.quantity))
        .join_from(shipments, parts, parts.c.shipment_id == shipments.c.id)
        .join(lines, lines.c.id == parts.c.line_id)
        .where(shipments.c.order_id.in_(newest))
        .group_by(lines.c.id, lines.c.quantity_ordered)
    )
    rows = transaction.execute(query).all()
    offenders = [
        f"line {own}: {units} of {ordered}" for own, ordered, units in rows if ordered is not None and units > ordered
    ]
    return CheckVerdict("no line is shipped beyond what was ordered", offenders, len(rows))


def changed_after(transaction: Transaction, position: int) -> list[str]:
    """Ids of the orders that changed after a position."""
    book = schema.orders
    return list(transaction.execute(sa.select(book.c.id).where(book.c.position > position)).scalars())


def unchanged_since(transaction: Transaction, position: int) -> tuple[int, int]:
    """How many orders did not change after a position, and the sum of their positions; reads the whole book."""
    book = schema.orders
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(book.c.position), 0))
    number, positions = transaction.execute(query.where(book.c.position <= position)).one()
    return int(number), int(positions)


def counts_equal_book(ledger: Ledger) -> CheckVerdict:
    """Kinds of orders of which the counts said another number than there were; they are right again now."""
    offenders = order_counts.mend(ledger)
    with ledger.read() as transaction:
        examined = sum(order_counts.kept_counts(transaction).values())
    return CheckVerdict("of every kind there are as many orders as are counted", offenders, examined)


def recent_purchases(transaction: Transaction, now: datetime, length: timedelta, weeks: int) -> dict[str, list[int]]:
    """Channel → orders purchased in a time of this length that ends now, and in the same hours of each of the past weeks."""
    book = schema.orders.c
    windows = [
        sa.select(book.channel, sa.literal(week).label("week")).where(
            book.purchased_at > now - length - timedelta(weeks=week), book.purchased_at <= now - timedelta(weeks=week)
        )
        for week in range(weeks + 1)
    ]
    bought = sa.union_all(*windows).subquery()  # each along the index of purchases
    query = sa.select(bought.c.channel, bought.c.week, sa.func.count()).group_by(bought.c.channel, bought.c.week)
    found: dict[str, list[int]] = {}
    for channel, week, count in transaction.execute(query):
        found.setdefault(channel, [0] * (weeks + 1))[week] = count
    return found

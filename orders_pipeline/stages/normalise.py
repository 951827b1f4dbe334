"""From raw orders to the order book: putting aside what cannot be read, settling the rest.

The engine of the `orders` asset and of `orders replay`. Reading payloads is in `reading`; how an order meets the book is in
`warehouse.ledger.book.orders`.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.stages.reading import OrdersRead, link, payload_reader, read_parts
from orders_pipeline.stages.reading_processes import read_chunks
from warehouse.ledger.base import counters, heartbeat, leases
from warehouse.ledger.base.database import NORMALISED_THROUGH, PRODUCTS, RAW_SEQ, READ_AGAIN_THROUGH, mark, set_mark
from warehouse.ledger.book import raw_orders
from warehouse.ledger.book.orders import Change, compare, lock_book, settle
from warehouse.ledger.book.quarantine_queries import quarantined_for
from warehouse.ledger.book.retired_orders import RetiredOrdersUnreadable, retired_among
from warehouse.ledger.shipping.verification import are_awaited, observe
from warehouse.ledger.watch import incidents, order_counts
from warehouse.ledger.watch.incident_queries import open_of_stage
from warehouse.logs import Event
from warehouse.processes import heap_at_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from orders_pipeline.stages.reading import Part
    from warehouse.ledger.base.leases import Lease

logger = logging.getLogger("orders_pipeline.stages.normalise")

STAGE = "normalise"
LEASE = "normalise"
LAKE_UNREADABLE = "retired_order_unreadable"
"""Why a payload of a retired order waits in quarantine; it is read again by itself."""
CHUNKS_AGAIN = 20
"""Of open orders that an upgrade has read again, in one run: no tick becomes long by it."""


@dataclass(slots=True)
class Tally:
    """What normalising came to: orders `new`, `changed`, `unchanged`, `stale`, raw payloads `quarantined`."""

    counts: Counter[str] = field(default_factory=Counter)

    def __getitem__(self, outcome: str) -> int:
        return self.counts[outcome]


@dataclass(frozen=True, slots=True)
class ReadingDifference:
    """One order that a replay changes (or would change), with the names of the members that differ."""

    order_id: str
    channel: str
    original_id: str
    outcome: str
    changed: tuple[str, ...]


@heap_at_rest()
def normalise_pending(installation: Installation, progress: Callable[[int], None] | None = None) -> Tally:
    """Bring the order book up to the newest raw order, chunk by chunk; each chunk commits with its mark.

    Does nothing when another process is at it: that one looks once more before it ends, so nothing is left lying. `progress` is
    told the raw orders done after each chunk.
    """
    tally = Tally()
    lease = _acquire(installation)
    if lease is None:
        tally.counts["busy"] = 1
        return tally
    while lease is not None:
        with heartbeat.renewing(installation.ledger, lease, installation.clock):
            _normalise(installation, lease, tally, progress)
            _read_open_again(installation, lease, tally)
        _conclude(installation, lease)
        with installation.ledger.read() as transaction:
            through = mark(transaction, NORMALISED_THROUGH)
            came_meanwhile = bool(raw_orders.pending(transaction, through, 1))
        lease = _acquire(installation) if came_meanwhile else None
    if tally.counts:
        logger.info(Event.NORMALISE_FINISHED, extra=dict(tally.counts))
    return tally


def _normalise(installation: Installation, lease: Lease, tally: Tally, progress: Callable[[int], None] | None) -> None:
    order_counts.take_zone(installation.ledger, installation.settings.time_zone)
    _read_aside_again(installation, lease, tally)
    with installation.ledger.read() as transaction:
        through, waiting = mark(transaction, NORMALISED_THROUGH), backlog(transaction)
    with closing(read_chunks(installation, _pending(installation, through), waiting)) as chunks:
        for part in chain.from_iterable(chunks):
            _commit(installation, part, lease, tally)
            if progress is not None:
                progress(len(part.readings))


def _pending(installation: Installation, through: int) -> Iterator[list[int]]:
    """The seqs of raw orders behind one, chunk by chunk, as long as there are any."""
    while True:
        with installation.ledger.read() as transaction:
            seqs = raw_orders.pending(transaction, through, installation.settings.write_chunk)
        if not seqs:
            return
        yield seqs
        through = seqs[-1]


def _read_open_again(installation: Installation, lease: Lease, tally: Tally) -> None:
    """After an upgrade: read some more of the open orders again, as this release reads them. Mostly there is none."""
    most = CHUNKS_AGAIN * installation.settings.write_chunk
    with installation.ledger.read() as transaction:
        through = mark(transaction, READ_AGAIN_THROUGH)
        if through <= 0:
            return
        seqs = raw_orders.seqs_of_open_orders(transaction, through, most)
    is_rest = len(seqs) < most
    for some, transaction in _settled_again(installation, lease, seqs, tally):
        set_mark(transaction, READ_AGAIN_THROUGH, some[-1] - 1)
    if is_rest:
        with installation.ledger.write() as transaction:
            leases.hold(transaction, lease, installation.clock())
            set_mark(transaction, READ_AGAIN_THROUGH, 0)


def _read_aside_again(installation: Installation, lease: Lease, tally: Tally) -> None:
    """Read again what was put aside because the lake, where its order stands, could not be read. Mostly there is none."""
    with installation.ledger.read() as transaction:
        seqs = quarantined_for(transaction, LAKE_UNREADABLE, CHUNKS_AGAIN * installation.settings.write_chunk)
    for _ in _settled_again(installation, lease, seqs, tally):
        pass


def _settled_again(
    installation: Installation, lease: Lease, seqs: Sequence[int], tally: Tally
) -> Iterator[tuple[Sequence[int], Transaction]]:
    """Let raw orders meet the book once more, chunk by chunk; each is given with its transaction before that commits."""
    chunk = installation.settings.write_chunk
    reader = payload_reader(installation) if seqs else None
    for start in range(0, len(seqs), chunk):
        assert reader is not None
        some = seqs[start : start + chunk]
        parts = read_parts(installation, reader, some)
        with installation.ledger.write() as transaction:
            leases.hold(transaction, lease, installation.clock())
            for part in parts:
                changes = _settle(installation, transaction, part, tally)
                tally.counts.update(change.outcome for change in changes)
            yield some, transaction


def replay(
    installation: Installation,
    connection: str | None = None,
    original_ids: Sequence[str] | None = None,
    report: Callable[[ReadingDifference], None] | None = None,
) -> Tally:
    """Normalise the newest raw payload of every order again, write what changed, and report each difference."""
    return _replay(installation, connection, original_ids, report, _settle_part)


def preview_replay(
    installation: Installation,
    connection: str | None = None,
    original_ids: Sequence[str] | None = None,
    report: Callable[[ReadingDifference], None] | None = None,
) -> Tally:
    """What `replay` would do, without writing anything."""
    return _replay(installation, connection, original_ids, report, _compare_part)


@heap_at_rest()
def _replay(
    installation: Installation,
    connection: str | None,
    original_ids: Sequence[str] | None,
    report: Callable[[ReadingDifference], None] | None,
    treat: Callable[[Installation, Part, Tally], list[Change]],
) -> Tally:
    tally = Tally()
    with installation.ledger.read() as transaction:
        waiting = mark(transaction, RAW_SEQ) if original_ids is None else len(original_ids)
        found = raw_orders.newest(transaction, connection, original_ids, installation.settings.write_chunk)
        with closing(read_chunks(installation, found, waiting)) as chunks:
            for part in chain.from_iterable(chunks):
                names = {each.rendered.id: each.rendered for each in part.arrivals}
                for change in treat(installation, part, tally):
                    tally.counts[change.outcome] += 1
                    if report is not None and change.outcome in {"new", "changed"}:
                        order = names[change.order_id]
                        report(
                            ReadingDifference(
                                order.id, order.channel, order.original_id, change.outcome, change.changed
                            )
                        )
    return tally


def _settle_part(installation: Installation, part: Part, tally: Tally) -> list[Change]:
    with installation.ledger.write() as transaction:
        return _settle(installation, transaction, part, tally)


def _compare_part(installation: Installation, part: Part, tally: Tally) -> list[Change]:
    tally.counts["quarantined"] += sum(1 for each in part.readings if each.fault is not None)
    with installation.ledger.read() as transaction:
        return compare(transaction, installation.keys, part.arrivals).changes


def _commit(installation: Installation, part: Part, lease: Lease, tally: Tally) -> None:
    with installation.ledger.write() as transaction:
        leases.hold(transaction, lease, installation.clock())
        changes = _settle(installation, transaction, part, tally)
        _count_lag(transaction, part, changes, installation.clock())
        set_mark(transaction, NORMALISED_THROUGH, part.through)
    tally.counts.update(change.outcome for change in changes)


def _count_lag(transaction: Transaction, part: Part, changes: Sequence[Change], now: datetime) -> None:
    """How long after the marketplace's own change an order is in the book; imported history tells nothing of that."""
    arrived = {each.rendered.id: each for each in part.arrivals}
    seen = [arrived[each.order_id] for each in changes if each.outcome in {"new", "changed"}]
    lags = [
        (each.rendered.channel, (now - each.rendered.marketplace_updated_at).total_seconds())
        for each in seen
        if not each.is_historical
    ]
    counters.observe(transaction, counters.INGEST_LAG, lags)


def _settle(installation: Installation, transaction: Transaction, part: Part, tally: Tally) -> list[Change]:
    """Let a part meet the book, with the catalogue as it is now."""
    lock_book(transaction)
    is_current = mark(transaction, PRODUCTS) == part.products
    arrivals = part.arrivals if is_current else link(transaction, part.readings)
    readings = part.readings
    try:
        changes = settle(transaction, installation.keys, arrivals, installation.clock())
    except RetiredOrdersUnreadable as error:  # before anything was written: the other orders go on
        retired = retired_among(transaction, [each.rendered.id for each in arrivals])
        readings = [_without(retired, each, error) for each in readings]
        waiting = {each.raw.seq for each in readings if each.fault is not None}
        arrivals = [each for each in arrivals if each.raw_seq not in waiting]
        changes = settle(transaction, installation.keys, arrivals, installation.clock())
    stale = {each.order_id for each in changes if each.outcome == "stale"}
    shown = [each for each in arrivals if each.rendered.has_packages and each.rendered.id not in stale]
    if are_awaited(transaction, [each.rendered.id for each in shown]):
        observe(transaction, [each.order for each in shown], installation.clock())
    _put_aside(installation, transaction, readings, tally)
    return changes


def _without(retired: frozenset[str], reading: OrdersRead, error: RetiredOrdersUnreadable) -> OrdersRead:
    """The same reading, unless it is of an order that cannot be compared with what it said before."""
    if retired.isdisjoint(each.id for each in reading.orders):
        return reading
    return OrdersRead(reading.raw, fault=Unreadable(LAKE_UNREADABLE, "$", error.message))


def _put_aside(
    installation: Installation, transaction: Transaction, readings: Sequence[OrdersRead], tally: Tally
) -> None:
    """Quarantine what could not be read and release what can be read now; both are told through incidents."""
    now = installation.clock()
    for owner, own in _by_connection(readings).items():
        healed = [each.raw.original_id for each in own if each.fault is None]
        if healed:
            raw_orders.release_orders(transaction, owner, healed)
    faulty = [(each.raw, each.fault) for each in readings if each.fault is not None]
    for raw, fault in faulty:
        raw_orders.quarantine_order(transaction, raw, fault.code, fault.path, fault.reason, now)
        incidents.report(
            transaction,
            incidents.IncidentReport(
                scope="channel" if raw.channel else "connection",
                subject=raw.channel or raw.connection,
                stage=STAGE,
                code=fault.code,
                message=f"an order could not be read: {fault.path}: {fault.reason}",
                hint="see `orders quarantine`; after a fix `orders replay` brings the orders into the book",
                details={"original_id": raw.original_id, "path": fault.path, "raw_seq": raw.seq},
            ),
            now,
        )
    tally.counts["quarantined"] += len(faulty)


def _by_connection(part: Sequence[OrdersRead]) -> dict[str, list[OrdersRead]]:
    grouped: dict[str, list[OrdersRead]] = {}
    for each in part:
        grouped.setdefault(each.raw.connection, []).append(each)
    return grouped


def _acquire(installation: Installation) -> Lease | None:
    with installation.ledger.write() as transaction:
        return leases.acquire(transaction, LEASE, installation.clock())


def _conclude(installation: Installation, lease: Lease) -> None:
    """Give the lease back, and close the incidents of channels that have nothing in quarantine any more."""
    now = installation.clock()
    with installation.ledger.write() as transaction:
        leases.hold(transaction, lease, now)
        leases.release(transaction, lease, now)
        still = raw_orders.quarantine_reasons(transaction)
        for scope, subject, code in open_of_stage(transaction, STAGE):
            if (subject, code) not in still:
                incidents.resolve(transaction, scope, [subject], [STAGE], now, codes=[code])


def backlog(transaction: Transaction) -> int:
    """How many raw orders wait to be normalised; more than the number of rows when some were pruned."""
    return mark(transaction, RAW_SEQ) - mark(transaction, NORMALISED_THROUGH)

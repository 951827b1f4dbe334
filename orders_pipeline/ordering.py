"""From raw orders to the order book: reading each payload, putting aside what cannot be read, settling the rest.

The engine of the `orders` asset and of `orders replay`. What a payload means is each marketplace's knowledge; how an order
meets the book is in `warehouse.ledger.orders`.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.payloads import NotJson, parse
from orders_pipeline.marketplaces.protocol import ChannelContext, Unreadable
from orders_pipeline.marketplaces.registry import MARKETPLACES
from warehouse.ledger import channels, incidents, leases, products, raw_orders
from warehouse.ledger.database import NORMALISED_THROUGH, PRODUCTS, RAW_SEQ, mark, set_mark
from warehouse.ledger.orders import Arrival, Change, arrive, compare, lock_book, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from warehouse.ledger.leases import Lease
    from warehouse.ledger.raw_orders import Stored
    from warehouse.orders import Order

logger = logging.getLogger("orders_pipeline.ordering")

STAGE = "normalise"
LEASE = "normalise"
LEASE_LENGTH = timedelta(minutes=5)


@dataclass(slots=True)
class Tally:
    """What normalising came to: orders `new`, `changed`, `unchanged`, `stale`, raw payloads `quarantined`."""

    counts: Counter[str] = field(default_factory=Counter)

    def __getitem__(self, outcome: str) -> int:
        return self.counts[outcome]


@dataclass(frozen=True, slots=True)
class Reading:
    """One raw order read: its orders, or why there are none."""

    raw: Stored
    orders: Sequence[Order] = ()
    fault: Unreadable | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One order that a replay changes (or would change), with the names of the members that differ."""

    order_id: str
    channel: str
    original_id: str
    outcome: str
    changed: tuple[str, ...]


class Reader:
    """Reads raw orders of any connection; knows the channels as they were when it was made."""

    def __init__(self, installation: Installation) -> None:
        self._keys = installation.keys
        with installation.ledger.read() as transaction:
            self._kinds = {each.code: each.kind for each in channels.all_connections(transaction)}
            self._channels = {
                each.code: ChannelContext(each.code, each.marketplace, each.settings)
                for each in channels.all_channels(transaction)
            }

    def read(self, raw: Stored) -> Reading:
        """Normalise one payload; never raises for what a payload holds."""
        try:
            return Reading(raw, self._orders(raw))
        except Unreadable as fault:
            return Reading(raw, fault=fault)
        except NotJson as error:
            return Reading(raw, fault=Unreadable("not_json", "$", str(error)))
        except Exception as error:
            # A defect of ours must not lose the order nor stop the others: it is quarantined and heals by a replay.
            logger.exception("normalising raw order %s failed unexpectedly", raw.seq)
            return Reading(raw, fault=Unreadable("internal_error", "$", f"unexpected {type(error).__name__}"))

    def _orders(self, raw: Stored) -> Sequence[Order]:
        marketplace = MARKETPLACES.get(self._kinds.get(raw.connection, ""))
        if marketplace is None:
            raise Unreadable("unknown_connection", "$", f"there is no connection {raw.connection} any more")
        channel = self._channels.get(raw.channel or "")
        if channel is None:
            raise Unreadable("unknown_channel", "$", "the payload does not say which channel it belongs to")
        return marketplace.normalise(parse(raw.open(self._keys)), channel)


def normalise_pending(installation: Installation, progress: Callable[[int], None] | None = None) -> Tally:
    """Bring the order book up to the newest raw order, chunk by chunk; each chunk commits with its mark.

    Does nothing when another process is at it. `progress` is told the raw orders done after each chunk.
    """
    tally = Tally()
    lease = _acquire(installation)
    if lease is None:
        tally.counts["busy"] = 1
        return tally
    reader = Reader(installation)
    size = installation.settings.write_chunk
    with installation.ledger.read() as transaction:
        through = mark(transaction, NORMALISED_THROUGH)
    while True:
        with installation.ledger.read() as transaction:
            raws = raw_orders.pending(transaction, through, size)
        if not raws:
            break
        readings = [reader.read(each) for each in raws]
        for part in _distinct(readings):
            through = part[-1].raw.seq
            _commit(installation, part, through, lease, tally)
        if progress is not None:
            progress(len(raws))
    _conclude(installation, lease)
    return tally


def replay(
    installation: Installation,
    connection: str | None = None,
    original_ids: Sequence[str] | None = None,
    report: Callable[[Difference], None] | None = None,
) -> Tally:
    """Normalise the newest raw payload of every order again, write what changed, and report each difference."""
    return _replay(installation, connection, original_ids, report, _settle_part)


def preview_replay(
    installation: Installation,
    connection: str | None = None,
    original_ids: Sequence[str] | None = None,
    report: Callable[[Difference], None] | None = None,
) -> Tally:
    """What `replay` would do, without writing anything."""
    return _replay(installation, connection, original_ids, report, _compare_part)


def _replay(
    installation: Installation,
    connection: str | None,
    original_ids: Sequence[str] | None,
    report: Callable[[Difference], None] | None,
    treat: Callable[[Installation, Sequence[Reading], Tally], list[Change]],
) -> Tally:
    tally = Tally()
    reader = Reader(installation)
    with installation.ledger.read() as transaction:
        for raws in raw_orders.newest(transaction, connection, original_ids, installation.settings.write_chunk):
            for part in _distinct([reader.read(each) for each in raws]):
                names = {each.id: each for reading in part for each in reading.orders}
                for change in treat(installation, part, tally):
                    tally.counts[change.outcome] += 1
                    if report is not None and change.outcome in {"new", "changed"}:
                        order = names[change.order_id]
                        report(Difference(order.id, order.channel, order.original_id, change.outcome, change.changed))
    return tally


def _settle_part(installation: Installation, part: Sequence[Reading], tally: Tally) -> list[Change]:
    arrivals, generation = _arrivals(installation, part)
    with installation.ledger.write() as transaction:
        lock_book(transaction)
        if mark(transaction, PRODUCTS) != generation:
            arrivals = _link(transaction, part)
        changes = settle(transaction, installation.keys, arrivals, installation.clock())
        _put_aside(installation, transaction, part, tally)
    return changes


def _compare_part(installation: Installation, part: Sequence[Reading], tally: Tally) -> list[Change]:
    arrivals, _ = _arrivals(installation, part)
    tally.counts["quarantined"] += sum(1 for each in part if each.fault is not None)
    with installation.ledger.read() as transaction:
        return compare(transaction, installation.keys, arrivals)[0]


def _commit(installation: Installation, part: Sequence[Reading], through: int, lease: Lease, tally: Tally) -> None:
    arrivals, generation = _arrivals(installation, part)
    with installation.ledger.write() as transaction:
        lock_book(transaction)
        now = installation.clock()
        leases.hold(transaction, lease, now, LEASE_LENGTH)
        if mark(transaction, PRODUCTS) != generation:
            arrivals = _link(transaction, part)
        for change in settle(transaction, installation.keys, arrivals, now):
            tally.counts[change.outcome] += 1
        _put_aside(installation, transaction, part, tally)
        set_mark(transaction, NORMALISED_THROUGH, through)


def _arrivals(installation: Installation, part: Sequence[Reading]) -> tuple[list[Arrival], int]:
    """Render the orders of a part with their products, and tell which state of the products was used."""
    with installation.ledger.read() as transaction:
        return _link(transaction, part), mark(transaction, PRODUCTS)


def _link(transaction: Transaction, part: Sequence[Reading]) -> list[Arrival]:
    origins = [(reading.raw, order) for reading in part for order in reading.orders]
    linked = products.link(transaction, [order for _, order in origins])
    return [
        arrive(order, raw.seq, raw.received_at, is_historical=raw.is_historical)
        for (raw, _), order in zip(origins, linked, strict=True)
    ]


def _put_aside(installation: Installation, transaction: Transaction, part: Sequence[Reading], tally: Tally) -> None:
    """Quarantine what could not be read and release what can be read now; both are told through incidents."""
    now = installation.clock()
    for owner, readings in _by_connection(part).items():
        healed = [each.raw.original_id for each in readings if each.fault is None]
        if healed:
            raw_orders.release_orders(transaction, owner, healed)
    faulty = [(each.raw, each.fault) for each in part if each.fault is not None]
    for raw, fault in faulty:
        raw_orders.quarantine_order(transaction, raw, fault.code, fault.path, fault.reason, now)
        incidents.report(
            transaction,
            incidents.Report(
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


def _distinct(readings: Sequence[Reading]) -> Iterable[list[Reading]]:
    """Cut a chunk wherever an order comes a second time: within one commit each order is written once."""
    part: list[Reading] = []
    ids: set[str] = set()
    for reading in readings:
        own = {each.id for each in reading.orders}
        if ids & own:
            yield part
            part, ids = [], set()
        part.append(reading)
        ids |= own
    if part:
        yield part


def _by_connection(part: Sequence[Reading]) -> dict[str, list[Reading]]:
    grouped: dict[str, list[Reading]] = {}
    for each in part:
        grouped.setdefault(each.raw.connection, []).append(each)
    return grouped


def _acquire(installation: Installation) -> Lease | None:
    with installation.ledger.write() as transaction:
        return leases.acquire(transaction, LEASE, installation.clock(), LEASE_LENGTH)


def _conclude(installation: Installation, lease: Lease) -> None:
    """Give the lease back, and close the incidents of channels that have nothing in quarantine any more."""
    now = installation.clock()
    with installation.ledger.write() as transaction:
        leases.release(transaction, lease, now)
        rows = raw_orders.quarantined(transaction)
        still = {row["channel"] or row["connection"] for row in rows}
        for incident in incidents.listed(transaction, limit=1000):
            if incident["stage"] == STAGE and incident["subject"] not in still:
                incidents.resolve(transaction, incident["scope"], incident["subject"], STAGE, now)


def backlog(transaction: Transaction) -> int:
    """How many raw orders wait to be normalised; more than the number of rows when some were pruned."""
    return mark(transaction, RAW_SEQ) - mark(transaction, NORMALISED_THROUGH)

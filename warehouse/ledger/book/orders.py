"""The order book: how an arriving order meets the one that is already there.

The guards live here: an older state never overwrites a newer one, null never wipes a known party or amount, our own columns are
never touched, and a revision moves only when the content does. Reading a marketplace's payload is not here, nor
serving orders (`orders_api`) nor publishing them (`warehouse.lake`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from warehouse import documents
from warehouse.kept_documents import seal_parties
from warehouse.ledger.base.bulk import add_rows
from warehouse.ledger.base.database import MARKETPLACE_CHANGES, POSITION, next_values, upsert
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.rows import columns_of, read_rows
from warehouse.ledger.base.schema import marks, order_lines, order_versions, orders, parties
from warehouse.ledger.book import cancellations, shipped_despite
from warehouse.ledger.book.arrivals import Arrival
from warehouse.ledger.book.fulfilment import MarketplaceCounts, raised, reported_units
from warehouse.ledger.book.kept_members import KnownContent, KnownOrder, keep_known
from warehouse.ledger.book.retired_orders import NO_FACTS, facts_of
from warehouse.ledger.book.versions import keep_facts
from warehouse.ledger.watch import activity, incidents, order_counts
from warehouse.order_states import CLOSED_STATUSES, ConfirmationStatus, PiiState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.book.fulfilment import ReportedUnits
    from warehouse.privacy import KeyRing

MARKETPLACE_COLUMNS = (
    "original_id",
    "channel",
    "marketplace",
    "status",
    "marketplace_status",
    "fulfilled_by",
    "purchased_at",
    "marketplace_updated_at",
    "ship_by",
    "currency",
    "total",
    "shipping_country_code",
    "has_problems",
    "has_errors",
    "has_cancellation_request",
    "pii_state",
    "revision",
    "position",
    "marketplace_change",
    "content_hash",
    "raw_seq",
    "facts",
    "source_status",
    "may_not_ship_reason",
)
"""What a changed order overwrites. Everything else in the row is ours and has another writer."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one arrival: `new`, `changed`, `unchanged` or `stale` (older than what is known)."""

    order_id: str
    outcome: str
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What settling arrivals comes to.

    Attributes:
        changes: The change of each arrival.
        keys: Those of the orders that are known, by id.
        writes: (arrival, new revision, changed members) of those to write.
        unnoticed: Arrivals that tell something new, of which readers know already through our shipments.
        reworded: Arrivals that say the same otherwise: members in another order, or new ones that are null.
        seen_later: Arrivals that change nothing and are newer than what the book has.
    """

    changes: list[Change]
    keys: Mapping[str, int]
    writes: list[tuple[Arrival, int, tuple[str, ...]]]
    unnoticed: list[Arrival]
    reworded: list[Arrival]
    seen_later: list[Arrival]


_LOCK = sa.select(marks.c.value).where(marks.c.name == POSITION).with_for_update()


def lock_book(transaction: Transaction) -> None:
    """Make this transaction the only one that changes the book until it ends (SQLite's write lock does so already)."""
    transaction.execute(_LOCK)


def settle(transaction: Transaction, keys: KeyRing, arrivals: Sequence[Arrival], now: datetime) -> list[Change]:
    """Let arrivals meet the book and write what changed, each order at most once per call.

    Args:
        transaction: A write transaction that holds `lock_book`.
        keys: Seals the parties.
        arrivals: Distinct orders.
        now: When the change is recorded.
    """
    found = compare(transaction, keys, arrivals)
    changes = found.changes
    count = len(found.writes) + len(found.unnoticed)
    first_change = next_values(transaction, MARKETPLACE_CHANGES, count) if count else 0
    if found.writes:
        first_position = next_values(transaction, POSITION, len(found.writes))
        _write(transaction, keys, found, first_position, first_change, now)
    if found.seen_later:
        _touch(transaction, found.seen_later)
    if found.unnoticed:
        _take_over(transaction, found, first_change + len(found.writes))
    if found.reworded:
        _reword(transaction, found.reworded)
    _follow_up(transaction, found, changes, now)
    return changes


def compare(transaction: Transaction, keys: KeyRing, arrivals: Sequence[Arrival]) -> Comparison:
    """What `settle` would do."""
    ids = [each.rendered.id for each in arrivals]
    known = _known(transaction, ids)
    reported = reported_units(transaction, list(known)) if known else {}
    apart = [own_id for each in arrivals if (own_id := each.rendered.id) in known and not _is_same(each, known[own_id])]
    contents = _contents(transaction, list({*apart, *reported})) if apart or reported else {}
    changes: list[Change] = []
    writes: list[tuple[Arrival, int, tuple[str, ...]]] = []
    unnoticed: list[Arrival] = []
    reworded: list[Arrival] = []
    seen_later: list[Arrival] = []
    for arrival in arrivals:
        own_id = arrival.rendered.id
        row = known.get(own_id)
        if row is None:
            changes.append(Change(own_id, "new"))
            writes.append((arrival, 1, ()))
            continue
        if row.marketplace_updated_at > arrival.rendered.marketplace_updated_at:
            changes.append(Change(own_id, "stale"))
            continue
        content = contents.get(own_id)
        kept = arrival if content is None or _is_same(arrival, row) else keep_known(keys, arrival, row, content)
        if own_id in reported:
            kept = _raise(kept, reported[own_id])
        members = _changed_members(kept, row, content)
        if members:
            changes.append(Change(own_id, "changed", members))
            writes.append((kept, row.revision + 1, members))
        else:
            changes.append(Change(own_id, "unchanged"))
            if row.marketplace_updated_at < arrival.rendered.marketplace_updated_at:
                seen_later.append(arrival)
            if row.content_hash != kept.rendered.content_hash:
                (reworded if kept.raised is None else unnoticed).append(kept)
    own_keys = {each.id: each.key for each in known.values()}
    return Comparison(changes, own_keys, writes, unnoticed, reworded, seen_later)


def _raise(arrival: Arrival, reported: Mapping[str, ReportedUnits]) -> Arrival:
    """The same arrival with our shipments taken into account; its content hash stays that of what the marketplace said."""
    order = arrival.rendered
    counts = {each.id: MarketplaceCounts(each.quantity_shipped, each.bar) for each in order.lines}
    return replace(arrival, raised=raised(arrival.rendered.facts, order.status, order.whole_bar, counts, reported))


_KNOWN = Prepared(
    sa.select(*columns_of(KnownOrder, orders)).where(orders.c.id.in_(sa.bindparam("ids", expanding=True)))
)


def _known(transaction: Transaction, ids: Sequence[str]) -> dict[str, KnownOrder]:
    return {row.id: row for row in read_rows(transaction, KnownOrder, _KNOWN, {"ids": ids})}


def _is_same(arrival: Arrival, row: KnownOrder) -> bool:
    """Whether the marketplace says what it said, and the book has all of it."""
    return row.content_hash == arrival.rendered.content_hash and row.pii_state != PiiState.EXPIRED


def _contents(transaction: Transaction, ids: Sequence[str]) -> dict[str, KnownContent]:
    query = sa.select(orders.c.id, orders.c.facts, parties.c.sealed)
    query = query.outerjoin_from(orders, parties, parties.c.order_key == orders.c.key)
    rows = transaction.execute(query.where(orders.c.id.in_(ids))).all()
    retired = facts_of(transaction, [own_id for own_id, facts, _ in rows if facts == NO_FACTS])
    return {own_id: KnownContent(facts or retired[own_id], sealed) for own_id, facts, sealed in rows}


def _changed_members(arrival: Arrival, row: KnownOrder, content: KnownContent | None) -> tuple[str, ...]:
    """Names of the members that differ; an order whose content is the same has none, and needs no `content`."""
    status = ("status",) if row.status != arrival.status else ()
    is_raised = arrival.raised is not None
    if row.content_hash == arrival.rendered.content_hash and not is_raised:
        return status
    half = documents.HASH_BYTES
    parties_changed = ("parties",) if row.content_hash[half:] != arrival.rendered.content_hash[half:] else ()
    if row.content_hash[:half] == arrival.rendered.content_hash[:half] and not is_raised:
        return status + parties_changed
    assert content is not None
    before, after = orjson.loads("{" + content.facts + "}"), orjson.loads("{" + arrival.seen_facts + "}")
    return (
        status
        + parties_changed
        + tuple(
            name
            for name in after
            if before.get(name) != after[name] and _present(before.get(name)) != _present(after[name])
        )
    )


def _present(value: Any) -> Any:  # noqa: ANN401 - JSON
    """What a member tells: in records one that is null tells as much as one that is not there."""
    if isinstance(value, dict):
        return {name: _present(each) for name, each in value.items() if each is not None}
    return [_present(each) for each in value] if isinstance(value, list) else value


class _OrderRows(NamedTuple):
    """What is written of one order: a row of each table, the lines apart; without personal data no party."""

    order: dict[str, Any]
    lines: list[dict[str, Any]]
    party: dict[str, Any] | None
    version: dict[str, Any]


def _write(
    transaction: Transaction,
    keys: KeyRing,
    found: Comparison,
    first_position: int,
    first_change: int,
    now: datetime,
) -> None:
    new: list[_OrderRows] = []
    known: list[_OrderRows] = []
    for number, (arrival, revision, members) in enumerate(found.writes):
        position = first_position + number
        key = found.keys.get(arrival.rendered.id, position)
        order = _order_row(arrival, key, revision, position, first_change + number)
        rows = _OrderRows(
            order,
            _line_rows(arrival, key),
            _party_row(keys, arrival, key, now),
            _version_row(arrival, order, members, now),
        )
        (new if revision == 1 else known).append(rows)
    known_ids = [each.order["id"] for each in known]
    order_counts.before_writing(transaction, known_ids, [each.order["id"] for each in new])
    add_rows(transaction, orders, [each.order for each in new])
    add_rows(transaction, order_lines, [line for each in new for line in each.lines])
    add_rows(transaction, parties, [each.party for each in new if each.party is not None])
    if known:
        _overwrite(transaction, known, known_ids)
    add_rows(transaction, order_versions, [each.version for each in (*new, *known)])


def _overwrite(transaction: Transaction, known: Sequence[_OrderRows], ids: Sequence[str]) -> None:
    """Write over what is in the book of orders; lines and parties that they do not have any more go."""
    keep_facts(transaction, ids)
    transaction.execute(upsert(transaction, orders, ("id",), MARKETPLACE_COLUMNS), [each.order for each in known])
    _note_closing(transaction, ids)
    incidents.mark_troubled(transaction, ids)
    lines = [line for each in known for line in each.lines]
    kept = [line["id"] for line in lines]
    own = [each.order["key"] for each in known]
    transaction.execute(sa.delete(order_lines).where(order_lines.c.order_key.in_(own), order_lines.c.id.not_in(kept)))
    if lines:
        transaction.execute(upsert(transaction, order_lines, ("id",)), lines)
    bare = [each.order["key"] for each in known if each.party is None]
    if bare:
        transaction.execute(sa.delete(parties).where(parties.c.order_key.in_(bare)))
    party_rows = [each.party for each in known if each.party is not None]
    if party_rows:
        transaction.execute(upsert(transaction, parties, ("order_key",)), party_rows)


def _note_closing(transaction: Transaction, order_ids: Sequence[str]) -> None:
    """Remember when orders were closed first, whatever changes about them later; opened again, they have no such time."""
    is_closed = orders.c.status.in_(sorted(CLOSED_STATUSES))
    written = orders.c.id.in_(order_ids)
    first = sa.update(orders).where(written, is_closed, orders.c.closed_at.is_(None))
    transaction.execute(first.values(closed_at=orders.c.marketplace_updated_at))
    transaction.execute(
        sa.update(orders).where(written, ~is_closed, orders.c.closed_at.is_not(None)).values(closed_at=None)
    )


def _order_row(arrival: Arrival, key: int, revision: int, position: int, change: int) -> dict[str, Any]:
    order = arrival.rendered
    return {
        "id": order.id,
        "key": key,
        "original_id": order.original_id,
        "channel": order.channel,
        "marketplace": order.marketplace,
        "status": arrival.status.value,
        "marketplace_status": order.marketplace_status,
        "fulfilled_by": order.fulfilled_by.value if order.fulfilled_by else None,
        "purchased_at": order.purchased_at,
        "marketplace_updated_at": order.marketplace_updated_at,
        "closed_at": order.marketplace_updated_at if arrival.status in CLOSED_STATUSES else None,
        "received_at": arrival.received_at,
        "ship_by": order.ship_by,
        "currency": order.currency,
        "total": order.total,
        "shipping_country_code": order.shipping_country_code,
        "has_problems": order.has_problems,
        "has_errors": order.has_problems,
        "has_cancellation_request": order.has_cancellation_request,
        "is_historical": arrival.is_historical,
        "confirmation_status": ConfirmationStatus.NONE.value,
        "pii_state": arrival.rendered.pii_state,
        "revision": revision,
        "position": position,
        "marketplace_change": change,
        "content_hash": arrival.rendered.content_hash,
        "raw_seq": arrival.raw_seq,
        "facts": arrival.seen_facts,
        "source_status": _source(arrival),
        "may_not_ship_reason": order.may_not_ship_reason if arrival.raised is None else arrival.raised.bar,
        "acknowledgements": "[]",
    }


def _follow_up(transaction: Transaction, found: Comparison, changes: Sequence[Change], now: datetime) -> None:
    """What follows from orders that are in the book now: their cancellation requests, and the log."""
    written = {arrival.rendered.id: arrival for arrival, _, _ in found.writes}
    cancellations.observe(transaction, [*written.values(), *found.unnoticed], now)
    seen = [each for each in (*written.values(), *found.unnoticed) if each.raised is not None]
    shipped_despite.note(
        transaction, {each.rendered.id: each.raised.may_have_left for each in seen if each.raised is not None}, now
    )
    entries = [_entry(written[each.order_id], each) for each in changes if each.order_id in written]
    activity.record(transaction, entries, now)


def _entry(arrival: Arrival, change: Change) -> activity.ActivityEntry:
    order, is_new = arrival.rendered, change.outcome == "new"
    return activity.ActivityEntry(
        stage="normalise",
        kind="order_received" if is_new else "order_changed",
        text=f"Received from {order.marketplace} as {arrival.status}"
        if is_new
        else f"Changed: {', '.join(change.changed)}",
        level=activity.Level.WARNING if order.has_problems else activity.Level.INFO,
        channel=order.channel,
        order_id=order.id,
        data={"original_id": order.original_id, "status": arrival.status.value, "members": change.changed},
    )


def _line_rows(arrival: Arrival, key: int) -> list[dict[str, Any]]:
    order, own_id = arrival.rendered, arrival.rendered.id
    seen = {} if arrival.raised is None else arrival.raised.lines
    rows = []
    for line in order.lines:
        shipped, remaining = seen.get(line.id, (line.quantity_shipped, line.quantity_remaining_to_ship))
        rows.append(
            {
                "id": line.id,
                "order_id": own_id,
                "order_key": key,
                "original_id": line.original_id,
                "number": line.number,
                "channel": order.channel,
                "sku": line.sku,
                "gtin": line.gtin,
                "quantity_ordered": line.quantity_ordered,
                "quantity_shipped": shipped,
                "quantity_cancelled": line.quantity_cancelled,
                "quantity_remaining": remaining,
                "quantity_refunded": line.quantity_refunded,
                "marketplace_quantity_shipped": line.quantity_shipped,
                "bar": line.bar,
            }
        )
    return rows


def _party_row(keys: KeyRing, arrival: Arrival, key: int, now: datetime) -> dict[str, Any] | None:
    if arrival.rendered.pii_state != PiiState.PRESENT:
        return None
    own_id = arrival.rendered.id
    return {
        "order_key": key,
        "order_id": own_id,
        "sealed": seal_parties(keys, own_id, arrival.rendered.parties),
        "updated_at": now,
    }


def _version_row(arrival: Arrival, order: Mapping[str, Any], members: tuple[str, ...], now: datetime) -> dict[str, Any]:
    return {
        "position": order["position"],
        "order_id": order["id"],
        "order_key": order["key"],
        "revision": order["revision"],
        "status": order["status"],
        "marketplace_updated_at": order["marketplace_updated_at"],
        "recorded_at": now,
        "raw_seq": arrival.raw_seq,
        "changed": orjson.dumps(members).decode(),
    }


def _source(arrival: Arrival) -> str | None:
    """The marketplace's own state in our words, once shipments of ours have raised the order's."""
    return None if arrival.raised is None else arrival.rendered.status.value


def _take_over(transaction: Transaction, found: Comparison, first_change: int) -> None:
    """Keep what the marketplace says now, where nothing that a reader sees has changed."""
    update = (
        sa.update(orders)
        .where(orders.c.id == sa.bindparam("own_id"))
        .values(
            content_hash=sa.bindparam("digest"),
            source_status=sa.bindparam("source"),
            marketplace_change=sa.bindparam("change"),
        )
    )
    rows = [
        {"own_id": each.rendered.id, "digest": each.rendered.content_hash, "source": _source(each), "change": change}
        for change, each in enumerate(found.unnoticed, first_change)
    ]
    transaction.execute(update, rows)
    lines = [line for each in found.unnoticed for line in _line_rows(each, found.keys[each.rendered.id])]
    if lines:
        transaction.execute(upsert(transaction, order_lines, ("id",)), lines)


def _reword(transaction: Transaction, reworded: Sequence[Arrival]) -> None:
    """Keep the new wording of what stays the same: nobody is told, and no file is written for it."""
    update = (
        sa.update(orders)
        .where(orders.c.id == sa.bindparam("own_id"))
        .values(content_hash=sa.bindparam("digest"), facts=sa.bindparam("rendered"))
    )
    rows = [
        {"own_id": each.rendered.id, "digest": each.rendered.content_hash, "rendered": each.rendered.facts}
        for each in reworded
    ]
    keep_facts(transaction, [each.rendered.id for each in reworded])
    transaction.execute(update, rows)


def _touch(transaction: Transaction, seen_later: Sequence[Arrival]) -> None:
    """Remember the newest time seen of orders whose content stayed the same, so that the stale guard knows it."""
    newer = (
        sa.update(orders)
        .where(orders.c.id == sa.bindparam("own_id"))
        .values(marketplace_updated_at=sa.bindparam("seen"), raw_seq=sa.bindparam("seq"))
    )
    rows = [
        {"own_id": each.rendered.id, "seen": each.rendered.marketplace_updated_at, "seq": each.raw_seq}
        for each in seen_later
    ]
    transaction.execute(newer, rows)

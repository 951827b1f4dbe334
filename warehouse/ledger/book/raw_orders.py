"""Raw orders and the pulls that brought them: payloads as they came, and the record of what was asked and covered.

One transaction holds a page's raw orders and, with the last page, the cursor (`coverage`). Asking a marketplace is in
`orders_pipeline.stages.pull`; interpreting a payload is in `orders_pipeline.stages.normalise`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.bulk import add_rows
from warehouse.ledger.base.database import RAW_SEQ, next_values, upsert
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.schema import coverage, orders, pulls, quarantine, raw_orders
from warehouse.ledger.book.payload_dictionaries import as_json, named_by
from warehouse.ledger.book.retired_orders import NO_PAYLOAD, payloads_of
from warehouse.ledger.watch import activity
from warehouse.order_states import CLOSED_STATUSES, Status
from warehouse.packing import dictionary_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.packing import Dictionary
    from warehouse.privacy import KeyRing

IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Payload:
    """One raw order ready to be kept: encrypted and redacted outside of any transaction.

    Attributes:
        original_id: The marketplace's order id.
        channel: Our channel's code; None when the payload does not say readably.
        content_hash: 32 bytes; equal for payloads that differ only in the order of keys or in blanks.
        body: The exact bytes, compressed and sealed.
        payload: The JSON without personal data, compressed with the same dictionary.
    """

    original_id: str
    channel: str | None
    content_hash: bytes
    body: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A raw order as the ledger keeps it.

    Attributes:
        body: The exact bytes, compressed and sealed; None after the purge.
        payload: The JSON without personal data, compressed.
        dictionary: What both are compressed with; None: without one.
    """

    seq: int
    connection: str
    channel: str | None
    original_id: str
    received_at: datetime
    is_historical: bool
    body: bytes | None
    payload: bytes
    dictionary: Dictionary | None

    def open(self, keys: KeyRing) -> bytes:
        """The exact bytes, or after the purge the redacted JSON."""
        if self.body is not None:
            return keys.open_compressed(self.body, bound_to(self.connection, self.original_id), self.dictionary)
        return self.redacted

    @property
    def redacted(self) -> bytes:
        """The JSON without personal data."""
        return as_json(self.payload, self.dictionary)


_STORED = tuple(raw_orders.c[name] for name in Stored.__slots__[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStart:
    """What a pull sets out to read; `kind` is `tick`, `backfill` or `sweep`."""

    connection: str
    kind: str
    channels: Sequence[str]
    since: datetime
    until: datetime
    started_at: datetime


def bound_to(connection: str, original_id: str) -> str:
    """What a raw body is sealed for."""
    return f"raw:{connection}:{original_id}"


_LOGGED = (pulls.c.connection, pulls.c.kind, pulls.c.orders_seen, pulls.c.orders_new, pulls.c.error_code)
_ABANDON = (
    sa.update(pulls)
    .where(pulls.c.connection == sa.bindparam("owner"), pulls.c.outcome == "running")
    .values(outcome="abandoned", finished_at=sa.bindparam("over_at"))
)
_BEGIN = sa.insert(pulls).returning(pulls.c.id)
_KEPT = (
    sa.update(pulls)
    .where(pulls.c.id == sa.bindparam("pull"))
    .values(
        pages=pulls.c.pages + 1,
        orders_seen=pulls.c.orders_seen + sa.bindparam("seen"),
        orders_new=pulls.c.orders_new + sa.bindparam("new"),
        orders_skipped=pulls.c.orders_skipped + sa.bindparam("skipped"),
    )
    .returning(pulls.c.pages)
)
_NEWEST = (
    sa.select(raw_orders.c.original_id, raw_orders.c.content_hash)
    .where(
        raw_orders.c.connection == sa.bindparam("owner"),
        raw_orders.c.original_id.in_(sa.bindparam("ids", expanding=True)),
    )
    .order_by(raw_orders.c.seq)
)
_FINISH = (
    sa.update(pulls)
    .where(pulls.c.id == sa.bindparam("pull"))
    .values({name: sa.bindparam(name) for name in ("outcome", "finished_at", "error_code", "error", "missing_data")})
    .returning(*_LOGGED)
)
_COVERED = sa.select(coverage).where(coverage.c.channel.in_(sa.bindparam("codes", expanding=True)))
_PENDING = (
    sa.select(raw_orders.c.seq)
    .where(raw_orders.c.seq > sa.bindparam("after"))
    .order_by(raw_orders.c.seq)
    .limit(sa.bindparam("at_most"))
)
_RELEASE = sa.delete(quarantine).where(
    quarantine.c.connection == sa.bindparam("owner"),
    quarantine.c.original_id.in_(sa.bindparam("ids", expanding=True)),
)
_ANY_QUARANTINED = Prepared(
    sa.select(quarantine.c.original_id).where(quarantine.c.connection == sa.bindparam("owner")).limit(1)
)
_QUARANTINED = sa.select(
    sa.func.coalesce(sa.func.nullif(quarantine.c.channel, ""), quarantine.c.connection), quarantine.c.code
).distinct()
"""Built once: each is asked in every run, and building one takes as long as running it."""


def begin_pull(transaction: Transaction, start: PullStart) -> int:
    """Record that a pull began. Pulls of the same connection still said to be running were killed: they are abandoned."""
    transaction.execute(_ABANDON, {"owner": start.connection, "over_at": start.started_at})
    row = {
        "connection": start.connection,
        "kind": start.kind,
        "channels": list(start.channels),
        "since": start.since,
        "until": start.until,
        "started_at": start.started_at,
        "outcome": "running",
        "pages": 0,
        "orders_seen": 0,
        "orders_new": 0,
        "orders_skipped": 0,
        "missing_data": [],
    }
    return int(transaction.execute(_BEGIN, row).scalar_one())


def keep_page(
    transaction: Transaction,
    owner: str,
    pull_id: int,
    payloads: Sequence[Payload],
    skipped: int,
    now: datetime,
    *,
    is_historical: bool,
) -> list[str]:
    """Keep one page: payloads whose content is not the latest known are stored. Returns their original ids."""
    known = latest_hashes(transaction, owner, [each.original_id for each in payloads])
    fresh = [each for each in payloads if known.get(each.original_id) != each.content_hash]
    counts = {"pull": pull_id, "seen": len(payloads) + skipped, "new": len(fresh), "skipped": skipped}
    page = transaction.execute(_KEPT, counts).scalar_one()
    if fresh:
        _insert(transaction, owner, fresh, (pull_id, page), now, is_historical=is_historical)
    return [each.original_id for each in fresh]


NO_PULL = 0
"""Instead of a pull's id, of what no pull has brought: it was given to us."""


def keep_given(transaction: Transaction, owner: str, payload: Payload, now: datetime) -> int:
    """Keep an order that was given to us; returns its place in the order of arrival."""
    return _insert(transaction, owner, [payload], (NO_PULL, 1), now, is_historical=False)


def _insert(
    transaction: Transaction,
    owner: str,
    payloads: Sequence[Payload],
    page: tuple[int, int],
    now: datetime,
    *,
    is_historical: bool,
) -> int:
    first = next_values(transaction, RAW_SEQ, len(payloads))
    rows = [
        {
            "seq": seq,
            "connection": owner,
            "channel": each.channel,
            "original_id": each.original_id,
            "content_hash": each.content_hash,
            "pull_id": page[0],
            "page": page[1],
            "received_at": now,
            "is_historical": is_historical,
            "body": each.body,
            "payload": each.payload,
        }
        for seq, each in enumerate(payloads, first)
    ]
    add_rows(transaction, raw_orders, rows)
    return first


def newest_given(transaction: Transaction, owner: str, channel: str, original_id: str) -> tuple[Stored, bytes] | None:
    """The last payload of an order that was given to a channel, and its content hash; None when none is kept."""
    query = (
        sa.select(*_STORED, raw_orders.c.content_hash)
        .where(
            raw_orders.c.connection == owner,
            raw_orders.c.original_id == original_id,
            raw_orders.c.channel == channel,
        )
        .order_by(raw_orders.c.seq.desc())
        .limit(1)
    )
    for *members, digest in transaction.execute(query):
        return _stored(transaction, [members])[0], bytes(digest)
    return None


def latest_hashes(transaction: Transaction, owner: str, original_ids: Sequence[str]) -> dict[str, bytes]:
    """The content hash of the newest raw payload of each order that has one."""
    found: dict[str, bytes] = {}
    for start in range(0, len(original_ids), IDS_PER_QUERY):
        chunk = original_ids[start : start + IDS_PER_QUERY]
        rows = transaction.execute(_NEWEST, {"owner": owner, "ids": chunk})
        found |= {original_id: bytes(digest) for original_id, digest in rows}
    return found


def finish_pull(
    transaction: Transaction,
    pull_id: int,
    outcome: str,
    now: datetime,
    *,
    error_code: str | None = None,
    error: str | None = None,
    missing_data: Sequence[str] = (),
) -> None:
    """Record how a pull ended: `complete` or `failed`."""
    values = {
        "pull": pull_id,
        "outcome": outcome,
        "finished_at": now,
        "error_code": error_code,
        "error": error,
        "missing_data": list(missing_data),
    }
    pull = transaction.execute(_FINISH, values).one()
    if outcome != "complete" or pull.orders_new:
        activity.record(transaction, [_finished(pull, outcome, error)], now)


def _finished(pull: Any, outcome: str, error: str | None) -> activity.ActivityEntry:  # noqa: ANN401 - a row
    """How a pull ended. One that was complete and brought nothing is not told: there are hundreds a day."""
    is_complete = outcome == "complete"
    text = (
        f"Pulled {pull.orders_new} new or changed orders of {pull.orders_seen}"
        if is_complete
        else f"Pull failed: {error}"
    )
    return activity.ActivityEntry(
        stage="sweep" if pull.kind == "sweep" else "pull",
        kind="pull_complete" if is_complete else "pull_failed",
        level=activity.Level.INFO if is_complete else activity.Level.ERROR,
        text=text,
        connection=pull.connection,
        data={"kind": pull.kind, "seen": pull.orders_seen, "new": pull.orders_new, "error_code": pull.error_code},
    )


def covered(transaction: Transaction, codes: Sequence[str]) -> dict[str, tuple[datetime, datetime]]:
    """(complete_from, complete_through) of each channel that was ever covered."""
    rows = transaction.execute(_COVERED, {"codes": list(codes)}).mappings()
    return {row["channel"]: (row["complete_from"], row["complete_through"]) for row in rows}


def cover(transaction: Transaction, codes: Sequence[str], since: datetime, until: datetime, now: datetime) -> None:
    """Extend the proven coverage of channels by a complete window; a window that leaves a gap proves nothing and is ignored."""
    known = covered(transaction, codes)
    rows = []
    for code in codes:
        start, end = known.get(code, (since, until))
        if since <= end and until >= start:
            rows.append(
                {
                    "channel": code,
                    "complete_from": min(start, since),
                    "complete_through": max(end, until),
                    "updated_at": now,
                }
            )
    if rows:
        transaction.execute(upsert(transaction, coverage, ("channel",)), rows)


def cover_moment(transaction: Transaction, codes: Sequence[str], moment: datetime, now: datetime) -> None:
    """Note that all orders of channels that were open at a moment were listed; nothing is proven of the time before."""
    rows = [{"channel": code, "complete_from": moment, "complete_through": moment, "updated_at": now} for code in codes]
    if rows:
        transaction.execute(upsert(transaction, coverage, ("channel",)), rows)


def pending(transaction: Transaction, after_seq: int, limit: int) -> list[int]:
    """The seqs of the next raw orders."""
    return list(transaction.execute(_PENDING, {"after": after_seq, "at_most": limit}).scalars())


def newest(
    transaction: Transaction, owner: str | None, original_ids: Sequence[str] | None, chunk: int
) -> Iterator[list[int]]:
    """The seqs of the newest raw payload of every order, or of the named ones, in chunks: what a replay reads."""
    later = raw_orders.alias("later")
    is_newest = ~sa.exists().where(
        later.c.connection == raw_orders.c.connection,
        later.c.original_id == raw_orders.c.original_id,
        later.c.seq > raw_orders.c.seq,
        sa.or_(later.c.channel == raw_orders.c.channel, later.c.channel.is_(None), raw_orders.c.channel.is_(None)),
    )
    after = 0
    while True:
        query = (
            sa.select(raw_orders.c.seq)
            .where(raw_orders.c.seq > after, is_newest)
            .order_by(raw_orders.c.seq)
            .limit(chunk)
        )
        if owner is not None:
            query = query.where(raw_orders.c.connection == owner)
        if original_ids is not None:
            query = query.where(raw_orders.c.original_id.in_(original_ids))
        seqs = list(transaction.execute(query).scalars())
        if not seqs:
            return
        yield seqs
        after = seqs[-1]


def seqs_of_open_orders(transaction: Transaction, through: int, limit: int) -> list[int]:
    """What open orders were last read from, up to a seq: the newest first."""
    is_open = orders.c.status.in_(sorted(set(Status) - CLOSED_STATUSES))
    query = sa.select(orders.c.raw_seq).where(is_open, orders.c.raw_seq <= through).distinct()
    return list(transaction.execute(query.order_by(orders.c.raw_seq.desc()).limit(limit)).scalars())


def by_seqs(transaction: Transaction, seqs: Sequence[int]) -> list[Stored]:
    """Raw orders by seq; those that are not kept any more are left out."""
    query = sa.select(*_STORED).where(raw_orders.c.seq.in_(seqs)).order_by(raw_orders.c.seq)
    return _stored(transaction, transaction.execute(query).all())


def of_order(transaction: Transaction, order_id: str) -> Stored | None:
    """The payload that an order was last read from; None when it is not kept any more."""
    query = sa.select(*_STORED).join_from(orders, raw_orders, raw_orders.c.seq == orders.c.raw_seq)
    return next(iter(_stored(transaction, transaction.execute(query.where(orders.c.id == order_id)).all())), None)


def quarantine_order(transaction: Transaction, raw: Stored, code: str, path: str, reason: str, now: datetime) -> None:
    """Put an order aside that gives no order, with the JSON path and the reason."""
    row = {
        "connection": raw.connection,
        "original_id": raw.original_id,
        "raw_seq": raw.seq,
        "channel": raw.channel,
        "code": code,
        "path": path,
        "reason": reason,
        "since": now,
    }
    keys = ("connection", "original_id")
    transaction.execute(upsert(transaction, quarantine, keys, ("raw_seq", "channel", "code", "path", "reason")), [row])


def release_orders(transaction: Transaction, owner: str, original_ids: Sequence[str]) -> int:
    """Take orders out of quarantine that can be read now. Returns how many were in it."""
    if not _ANY_QUARANTINED.rows(transaction, {"owner": owner}):  # nearly always: it spares naming every order
        return 0
    return int(transaction.execute(_RELEASE, {"owner": owner, "ids": original_ids}).rowcount)


def count_quarantined(transaction: Transaction) -> int:
    """How many orders are in quarantine."""
    return int(transaction.execute(sa.select(sa.func.count()).select_from(quarantine)).scalar_one())


def quarantine_reasons(transaction: Transaction) -> frozenset[tuple[str, str]]:
    """(channel, or connection where no channel is known; code) of everything in quarantine."""
    return frozenset((row[0], row[1]) for row in transaction.execute(_QUARANTINED))


def _stored(transaction: Transaction, rows: Sequence[Sequence[Any]]) -> list[Stored]:
    known = named_by(transaction, [row[-1] for row in rows])
    found = [Stored(*(*row, known.get(dictionary_of(row[-1])))) for row in rows]
    retired = payloads_of(transaction, [each.seq for each in found if each.payload == NO_PAYLOAD])
    return [replace(each, payload=retired[each.seq]) if each.seq in retired else each for each in found]

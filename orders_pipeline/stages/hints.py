"""Hints: listening to marketplaces that tell of changes, and pulling as soon as what they tell of can be read.

A hint brings a pull forward and does nothing else: ticks pull as ever, and what an order is comes from the pull alone. It is
written down before its message is discarded, so that a crash loses none, and it is gone once the time it is about is covered.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.hints import HintFate
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.stages.connection import hearing, serving, work_at, work_at_each
from orders_pipeline.stages.pull import PULL, asked_selectors, pull_connection
from orders_pipeline.stages.windows import CLOSING_MARGIN
from warehouse.clock import iso
from warehouse.ledger.base import quotas
from warehouse.ledger.book import pull_hints, raw_orders
from warehouse.ledger.settings import channels
from warehouse.ledger.status.channel_status import PULL_INTERVAL, next_tick
from warehouse.ledger.watch import incidents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from orders_pipeline.marketplaces.hints import Hint
    from orders_pipeline.stages.pull_result import PullResult
    from warehouse.ledger.settings.channels import Connection

HINTS = "hints"
"""Stage of incidents."""
UNREADABLE = "hint_unreadable"
AGAIN_AT = "hints_again_at"
"""What a connection remembers after a failure: when it is listened to again."""
REST = timedelta(minutes=5)
LISTEN_SECONDS = 10.0
"""How long one look goes on receiving: a sensor that takes a minute is ended by Dagster."""

SETTLING = timedelta(seconds=5)
"""Marketplaces tell their clock in whole seconds: a pull at the very second might end just before the change."""
APART = timedelta(minutes=1)
"""Between the begin of the last pull and one that a hint asks for: one that failed is not tried again at once."""
RESERVE = 0.5
"""The share of the listing's burst that is left to the ticks, however much sooner than the next one a pull would be."""


def look(installation: Installation) -> bool:
    """Write down what marketplaces tell, let go of what has been read, and tell whether a pull is due."""
    listening = _listening(installation)
    now = installation.clock()
    awake = {each.code: each for each in listening if each.state.get(AGAIN_AT, "") <= iso(now)}
    work_at_each(installation, list(awake), HINTS, lambda here, code: _hear(here, awake[code]))
    _forget_read(installation, {each.code for each in listening})
    return bool(due_connections(installation))


def pull_hinted(installation: Installation, codes: Sequence[str] | None = None) -> list[PullResult]:
    """Pull the connections whose hints are due now, of the given ones or of all."""
    due = due_connections(installation)
    chosen = [each for each in due if codes is None or each in codes]
    return work_at_each(installation, chosen, PULL, pull_connection)


def due_connections(installation: Installation) -> list[str]:
    """The connections with a change that can be read by now and has not been read, where the quota has room for a pull."""
    now = installation.clock()
    with installation.ledger.read() as transaction:
        waiting = pull_hints.waiting(transaction)
        if not waiting:
            return []
        connections = [each for each in channels.all_connections(transaction) if each.code in waiting]
        through = _covered_through(transaction)
        pulled = pull_hints.last_pulls(transaction, waiting)
        left = quotas.shares_left(transaction, now)
    return [
        each.code
        for each in connections
        if each.code in through
        and any(through[each.code] < moment <= _readable_through(each, now) for moment in waiting[each.code])
        and pulled.get(each.code, now - APART) <= now - APART
        and _has_room(each, left, now)
    ]


def _listening(installation: Installation) -> list[Connection]:
    """The connections that are told of changes, and of which a channel is retrieved."""
    with installation.ledger.read() as transaction:
        connections = [each for each in channels.all_connections(transaction) if _is_heard(each)]
        if not connections:
            return []
        retrieved = {each.connection for each in channels.all_channels(transaction) if each.retrieval}
    return [each for each in connections if each.code in retrieved]


def _is_heard(connection: Connection) -> bool:
    marketplace = MARKETPLACES.get(connection.kind)
    return marketplace is not None and marketplace.hints is not None and marketplace.hints.is_on(connection.settings)


def _hear(installation: Installation, connection: Connection) -> None:
    """Listen to one connection; after a failure not again for a while, so that a queue that is gone holds up nothing."""
    code, was_failing = connection.code, bool(connection.state.get(AGAIN_AT))
    fates: Counter[HintFate] = Counter()

    def receive() -> Sequence[str]:
        _receive(installation, code, fates)
        is_news = was_failing or bool(fates)
        return (HINTS,) if is_news and not fates[HintFate.UNREADABLE] else ()

    error = work_at(installation, code, HINTS, receive)
    if error is not None or was_failing:
        again_at = "" if error is None else iso(installation.clock() + REST)
        with installation.ledger.write() as transaction:
            channels.remember(transaction, code, {AGAIN_AT: again_at})


def _receive(installation: Installation, code: str, fates: Counter[HintFate]) -> None:
    connection, served = serving(installation, code)
    selectors = asked_selectors([each for each in served if each.retrieval])
    ends_at = time.monotonic() + LISTEN_SECONDS
    with hearing(installation, connection, selectors) as reader:
        while time.monotonic() < ends_at:
            hints = reader.receive()
            if not hints:
                return
            fates.update(each.fate for each in hints)
            _keep(installation, connection, hints)
            reader.discard([each.receipt for each in hints])


def _keep(installation: Installation, connection: Connection, hints: Sequence[Hint]) -> None:
    """Write down what was told; a change in the future, which nobody can know of, happened now."""
    now = installation.clock()
    present = _now_there(connection, now)
    changes = [min(each.changed_at or present, present) for each in hints if each.fate is HintFate.KEPT]
    fates = Counter(each.fate.value for each in hints)
    with installation.ledger.write() as transaction:
        pull_hints.keep(transaction, connection.code, changes, fates)
        if fates[HintFate.UNREADABLE]:
            _report_unreadable(transaction, connection.code, fates[HintFate.UNREADABLE], now)


def _report_unreadable(transaction: Transaction, code: str, count: int, now: datetime) -> None:
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="connection",
            subject=code,
            stage=HINTS,
            code=UNREADABLE,
            message="the marketplace told of something that could not be read; no order is lost, the ticks read all",
            hint="does anything else write into the queue? Give the notifications a queue of their own",
            occurrences=count,
        ),
        now,
    )


def _forget_read(installation: Installation, listening: set[str]) -> None:
    """Let go of hints whose time is covered, and of those of connections that are not listened to any more."""
    with installation.ledger.read() as transaction:
        waiting = pull_hints.waiting(transaction)
        through = _covered_through(transaction) if waiting else {}
    over = {
        code: [each for each in moments if code not in listening or (code in through and each <= through[code])]
        for code, moments in waiting.items()
    }
    if any(over.values()):
        with installation.ledger.write() as transaction:
            for code, moments in over.items():
                pull_hints.forget(transaction, code, moments)


def _covered_through(transaction: Transaction) -> dict[str, datetime]:
    """Connection → up to when all of its channels that are retrieved are covered; without those of which one never was."""
    retrieved = [each for each in channels.all_channels(transaction) if each.retrieval]
    covered = raw_orders.covered(transaction, [each.code for each in retrieved])
    lacking = {each.connection for each in retrieved if each.code not in covered}
    found: dict[str, datetime] = {}
    for each in retrieved:
        if each.connection not in lacking:
            end = covered[each.code][1]
            found[each.connection] = min(found.get(each.connection, end), end)
    return found


def _readable_through(connection: Connection, now: datetime) -> datetime:
    """The newest moment that a pull would cover if it began now."""
    return _now_there(connection, now) - MARKETPLACES[connection.kind].lag - CLOSING_MARGIN - SETTLING


def _now_there(connection: Connection, now: datetime) -> datetime:
    """The marketplace's present, as far as the last pull has learnt it."""
    return now + timedelta(seconds=float(connection.state.get("clock_skew_seconds", 0.0)))


def _has_room(connection: Connection, left: Mapping[tuple[str, ...], float], now: datetime) -> bool:
    """Whether enough of the listing's quota is saved up: the more, the sooner the next tick reads the same.

    At twenty orders an hour, spending it on whatever comes first makes the slowest of a hundred a minute and a half slower.
    """
    hints = MARKETPLACES[connection.kind].hints
    gain = (next_tick(now) - now) / PULL_INTERVAL
    return hints is not None and left.get((connection.code, hints.listing), 1.0) > 1.0 - (1.0 - RESERVE) * gain

"""Accepting and refusing orders where the marketplace leaves that to the seller: decisions as rows for the pipeline.

An order is decided once, all its lines together. Sending a decision is in `orders_pipeline.stages.accept`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.database import has_come, upsert
from warehouse.ledger.base.schema import acceptances, channels, order_lines, orders
from warehouse.ledger.book import order_events
from warehouse.ledger.book.order_events import OrderEvent
from warehouse.ledger.book.order_ids import order_keys
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings.carriers import requirements_of
from warehouse.ledger.watch import incidents
from warehouse.order_states import Status
from warehouse.processes import is_gone, this_process
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.shipments import Requirements

STAGE = "accept"
AUTOMATIC = "automatic"
OFF = "off"
CLAIM_LENGTH = timedelta(minutes=5)
PAUSE = timedelta(minutes=2)
MOST_ATTEMPTS = 24


class AcceptanceStatus(StrEnum):
    """How far a decision has come; one that may have arrived is queued again until the order has been read."""

    QUEUED = "queued"
    SENDING = "sending"
    DONE = "done"
    REJECTED = "rejected"


class NotAcceptable(Exception):
    """An order that cannot be decided like this; `code`, `field` and `message` say why."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceDecision:
    """A decision about an order: line id → whether it is accepted, and how far it has come.

    Attributes:
        order_id: Internal id.
        decisions: Line id → whether it is accepted.
        status: How far it has come.
        channel: The order's.
        is_news: Whether it was not known before.
        fence: How often the order's decision was taken up to be sent.
    """

    order_id: str
    decisions: Mapping[str, bool]
    status: AcceptanceStatus
    channel: str
    is_news: bool = field(compare=False)
    fence: int

    @property
    def counts(self) -> dict[str, Any]:
        """How many lines are accepted, and how many refused."""
        accepted = sum(self.decisions.values())
        return {"accepted": accepted, "refused": len(self.decisions) - accepted}


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDecision:
    """A decision that this process may send: `decisions` by the marketplace's line id."""

    order_id: str
    channel: str
    original_id: str
    decisions: Mapping[str, bool]
    fence: int
    attempts: int


def decide(
    transaction: Transaction,
    order_id: str,
    decisions: Mapping[str, bool],
    by: str,
    now: datetime,
) -> AcceptanceDecision:
    """Record what the seller decides about an order that waits for it; the same decision again changes nothing.

    Args:
        transaction: A write transaction.
        order_id: Internal id of an order that exists.
        decisions: Our line id → whether it is accepted, every line.
        by: The consumer, or `automatic`.
        now: When it is recorded.

    Raises:
        NotAcceptable: `not_waiting_for_acceptance`, `acceptance_not_offered`, `acceptance_off`, `refusal_not_offered`,
            `unknown_line`, `line_undecided`, `already_decided`.
    """
    verdict = decide_many(transaction, {order_id: decisions}, by, now)[order_id]
    if isinstance(verdict, NotAcceptable):
        raise verdict
    return verdict


def decide_many(
    transaction: Transaction, wanted: Mapping[str, Mapping[str, bool]], by: str, now: datetime
) -> dict[str, AcceptanceDecision | NotAcceptable]:
    """The same for many orders at once, with as many statements as for one; what cannot be decided stops no other."""
    lock_book(transaction)
    verdicts = judge(transaction, wanted)
    fresh = [each for each in verdicts.values() if isinstance(each, AcceptanceDecision) and each.is_news]
    if not fresh:
        return verdicts
    rows = [
        {
            "order_id": each.order_id,
            "channel": each.channel,
            "decisions": dict(each.decisions),
            "status": AcceptanceStatus.QUEUED.value,
            "requested_by": by,
            "requested_at": now,
            "updated_at": now,
            "due_at": now,
            "attempts": 0,
            "claimed_by": None,
            "claimed_until": None,
            "code": None,
            "message": None,
            "hint": None,
            "fence": each.fence,
        }
        for each in fresh
    ]
    transaction.execute(upsert(transaction, acceptances, ("order_id",)), rows)
    events = [OrderEvent(each.order_id, "acceptance_requested", each.counts | {"by": by}) for each in fresh]
    order_events.record(transaction, events, now)
    return verdicts


def judge(
    transaction: Transaction, wanted: Mapping[str, Mapping[str, bool]]
) -> dict[str, AcceptanceDecision | NotAcceptable]:
    """What `decide_many` would answer; nothing is written.

    Args:
        transaction: A transaction.
        wanted: Internal id of an order that exists → our line id → whether it is accepted.
    """
    ids = list(wanted)
    columns = (orders.c.id, orders.c.channel, orders.c.marketplace_status)
    found = transaction.execute(sa.select(*columns).where(orders.c.id.in_(ids))).all()
    lines = _lines(transaction, ids)
    known = {row.order_id: row for row in transaction.execute(sa.select(acceptances).where(_about(ids)))}
    codes = sorted({row.channel for row in found})
    needs = requirements_of(transaction, codes)
    policies = sa.select(channels.c.code, channels.c.acceptance).where(channels.c.code.in_(codes))
    policy = {row.code: row.acceptance for row in transaction.execute(policies)}
    verdicts: dict[str, AcceptanceDecision | NotAcceptable] = {}
    for row in found:
        try:
            decisions = _whole(lines.get(row.id, []), wanted[row.id])
            verdicts[row.id] = _verdict(row, decisions, known.get(row.id), needs.get(row.channel), policy[row.channel])
        except NotAcceptable as error:
            verdicts[row.id] = error
    return verdicts


def _verdict(
    order: sa.Row[Any, Any, Any],
    decisions: Mapping[str, bool],
    known: sa.Row[Any] | None,
    needs: Requirements | None,
    policy: str,
) -> AcceptanceDecision:
    if known is None or known.status == AcceptanceStatus.REJECTED.value:
        _check_waiting(needs, policy, order.marketplace_status, is_refusal=not all(decisions.values()))
        status, is_news = AcceptanceStatus.QUEUED, True
    elif dict(known.decisions) == decisions:
        status, is_news = AcceptanceStatus(known.status), False
    else:
        raise NotAcceptable("already_decided", "", Sentence("The order was decided otherwise already."))
    return AcceptanceDecision(
        order_id=order.id,
        decisions=decisions,
        status=status,
        channel=order.channel,
        is_news=is_news,
        fence=0 if known is None else known.fence,
    )


def for_every_line(transaction: Transaction, order_id: str, *, is_accepted: bool) -> dict[str, bool]:
    """One decision for all lines of an order."""
    return for_every_line_of(transaction, [order_id], is_accepted=is_accepted)[order_id]


def for_every_line_of(
    transaction: Transaction, order_ids: Sequence[str], *, is_accepted: bool
) -> dict[str, dict[str, bool]]:
    """One decision for all lines of these orders."""
    lines = _lines(transaction, order_ids)
    return {each: dict.fromkeys(lines.get(each, ()), is_accepted) for each in order_ids}


def _about(order_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    return acceptances.c.order_id.in_(order_ids)


def _lines(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, list[str]]:
    query = sa.select(order_lines.c.order_id, order_lines.c.id).where(
        order_lines.c.order_key.in_(order_keys(order_ids))
    )
    found: dict[str, list[str]] = {}
    for order_id, line in transaction.execute(query.order_by(order_lines.c.order_id, order_lines.c.number)):
        found.setdefault(order_id, []).append(line)
    return found


def _whole(lines: Sequence[str], decisions: Mapping[str, bool]) -> dict[str, bool]:
    unknown = sorted(set(decisions) - set(lines))
    if unknown:
        raise NotAcceptable("unknown_line", "lines", Sentence("The order has no line %(line)s.", line=unknown[0]))
    missing = [each for each in lines if each not in decisions]
    if missing:
        raise NotAcceptable(
            "line_undecided", "lines", Sentence("Every line must be decided; %(line)s is not.", line=missing[0])
        )
    return {each: decisions[each] for each in lines}


def _check_waiting(
    needs: Requirements | None, policy: str, marketplace_status: str | None, *, is_refusal: bool
) -> None:
    if needs is None or needs.acceptance_state is None:
        raise NotAcceptable(
            "acceptance_not_offered", "", Sentence("Orders of this channel are not accepted by the seller.")
        )
    if policy == OFF:
        raise NotAcceptable(
            "acceptance_off", "", Sentence("The channel's acceptance is off: orders are decided at the marketplace.")
        )
    if marketplace_status != needs.acceptance_state:
        said = Sentence(
            "The order is %(status)s at the marketplace and waits for no decision.",
            status=marketplace_status,
        )
        raise NotAcceptable("not_waiting_for_acceptance", "", said)
    if is_refusal and not needs.can_refuse:
        said = Sentence("The marketplace takes no refusal: accept the order, and cancel it if it must be.")
        raise NotAcceptable("refusal_not_offered", "", said)


def undecided(transaction: Transaction, channel: str, acceptance_state: str, limit: int) -> list[str]:
    """Orders of a channel that wait for a decision and have none, the oldest first."""
    query = (
        sa.select(orders.c.id)
        .outerjoin(acceptances, acceptances.c.order_id == orders.c.id)
        .where(
            orders.c.status == Status.PENDING.value,
            orders.c.channel == channel,
            orders.c.marketplace_status == acceptance_state,
            acceptances.c.order_id.is_(None),
        )
        .order_by(orders.c.purchased_at, orders.c.id)
        .limit(limit)
    )
    return list(transaction.execute(query).scalars())


def is_any_due(transaction: Transaction, now: datetime) -> bool:
    """Whether some decision waits to be sent, or its sender may have ended."""
    waiting = sa.or_(
        sa.and_(acceptances.c.status == AcceptanceStatus.QUEUED.value, has_come(acceptances.c.due_at, now)),
        acceptances.c.status == AcceptanceStatus.SENDING.value,
    )
    return transaction.execute(sa.select(acceptances.c.order_id).where(waiting).limit(1)).first() is not None


def is_any_open(transaction: Transaction, codes: Sequence[str]) -> bool:
    """Whether some decision of these channels is still to arrive, now or later."""
    unsent = [AcceptanceStatus.QUEUED.value, AcceptanceStatus.SENDING.value]
    query = sa.select(acceptances.c.order_id).where(acceptances.c.channel.in_(codes), acceptances.c.status.in_(unsent))
    return transaction.execute(query.limit(1)).first() is not None


def claim(transaction: Transaction, codes: Sequence[str], limit: int, now: datetime) -> list[DueDecision]:
    """Take up decisions that are due: queued ones, and those whose sender has ended; the longest waiting first."""
    lock_book(transaction)
    query = (
        sa.select(acceptances, orders.c.original_id)
        .join_from(acceptances, orders)
        .where(
            acceptances.c.channel.in_(codes),
            sa.or_(
                sa.and_(acceptances.c.status == AcceptanceStatus.QUEUED.value, has_come(acceptances.c.due_at, now)),
                acceptances.c.status == AcceptanceStatus.SENDING.value,
            ),
        )
        .order_by(acceptances.c.requested_at, acceptances.c.order_id)
        .limit(limit)
    )
    rows = [
        row
        for row in transaction.execute(query).mappings()
        if row["status"] == AcceptanceStatus.QUEUED.value or row["claimed_until"] <= now or is_gone(row["claimed_by"])
    ]
    if not rows:
        return []
    transaction.execute(
        sa.update(acceptances)
        .where(acceptances.c.order_id.in_([row["order_id"] for row in rows]))
        .values(
            status=AcceptanceStatus.SENDING.value,
            fence=acceptances.c.fence + 1,
            attempts=acceptances.c.attempts + 1,
            claimed_by=this_process(),
            claimed_until=now + CLAIM_LENGTH,
            updated_at=now,
        )
    )
    names = _original_ids(transaction, [row["order_id"] for row in rows])
    return [
        DueDecision(
            order_id=row["order_id"],
            channel=row["channel"],
            original_id=row["original_id"],
            decisions={names[each]: accepted for each, accepted in row["decisions"].items() if each in names},
            fence=row["fence"] + 1,
            attempts=row["attempts"] + 1,
        )
        for row in rows
    ]


def keep(transaction: Transaction, due: DueDecision, now: datetime) -> bool:
    """Extend a claim right before a call; False when somebody else has taken the decision over."""
    kept = transaction.execute(
        sa.update(acceptances)
        .where(
            acceptances.c.order_id == due.order_id,
            acceptances.c.fence == due.fence,
            acceptances.c.status == AcceptanceStatus.SENDING.value,
        )
        .values(claimed_until=now + CLAIM_LENGTH)
    )
    return kept.rowcount == 1


def _original_ids(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, str]:
    query = sa.select(order_lines.c.id, order_lines.c.original_id).where(
        order_lines.c.order_key.in_(order_keys(order_ids))
    )
    return {row.id: row.original_id for row in transaction.execute(query)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What came of sending a decision; `wait` before the next attempt of one that is queued again.

    What is wrong with the connection is no fault of the decision: such an attempt `is_counted` as none.
    """

    status: AcceptanceStatus
    code: str = ""
    message: str = ""
    hint: str = ""
    wait: timedelta = PAUSE
    is_counted: bool = True


def conclude(transaction: Transaction, due: DueDecision, ending: Ending, now: datetime) -> None:
    """Write down what came of a decision; nothing when somebody else has taken it over."""
    lock_book(transaction)
    status = ending.status
    if status is AcceptanceStatus.QUEUED and ending.is_counted and due.attempts >= MOST_ATTEMPTS:
        status = AcceptanceStatus.REJECTED
    changed = transaction.execute(
        sa.update(acceptances)
        .where(acceptances.c.order_id == due.order_id, acceptances.c.fence == due.fence)
        .values(
            status=status.value,
            attempts=due.attempts if ending.is_counted else due.attempts - 1,
            claimed_by=None,
            claimed_until=None,
            due_at=now + ending.wait if status is AcceptanceStatus.QUEUED else None,
            code=ending.code or None,
            message=ending.message or None,
            hint=ending.hint or None,
            updated_at=now,
        )
    )
    if changed.rowcount != 1:
        return
    data: dict[str, Any] = {"code": ending.code, "message": ending.message} if ending.code else {}
    match status:
        case AcceptanceStatus.DONE:
            incidents.resolve_order(transaction, [due.order_id], STAGE, now, codes=["acceptance_rejected"])
            _note(transaction, due.order_id, "acceptance_done", data, now)
        case AcceptanceStatus.REJECTED:
            _note(transaction, due.order_id, "acceptance_rejected", data, now)
            incidents.report(
                transaction,
                incidents.IncidentReport(
                    scope="channel",
                    subject=due.channel,
                    stage=STAGE,
                    code="acceptance_rejected",
                    message=f"the decision about an order did not arrive: {ending.message}",
                    hint=ending.hint,
                    order_id=due.order_id,
                    details={"original_id": due.original_id, "reason": ending.code},
                ),
                now,
            )
        case AcceptanceStatus.QUEUED | AcceptanceStatus.SENDING:
            return


def _note(transaction: Transaction, order_id: str, kind: str, data: Mapping[str, Any], now: datetime) -> None:
    order_events.record(transaction, [OrderEvent(order_id, kind, data)], now)

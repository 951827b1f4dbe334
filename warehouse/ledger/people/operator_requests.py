"""Requests of operators: asked here by console, API and command line, taken up by the pipeline, and what came of them.

While one is open, asking the same again gives the open one. A process that dies with a request loses its claim; after
`MOST_CLAIMS` of them that brought it nowhere the request fails. Nothing here talks to anybody.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.database import insert_into, mark, set_mark
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import leases, operator_requests
from warehouse.operator_requests import EXPIRES_AFTER, RULES, OperatorRequest, RequestKind, RequestProgress

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Row

    from warehouse.operator_requests import SubjectKind

PIPELINE_SEEN = "pipeline_seen"
"""Mark: when a pipeline has last looked for requests, in seconds since 1970; 0: never."""
SEEN_EVERY = timedelta(seconds=30)
"""How often a pipeline that looks writes so."""
GONE_AFTER = timedelta(seconds=60)
"""A pipeline that was not seen for longer does not run."""

MOST_CLAIMS = 2
KEPT_FOR = timedelta(days=30)

_IS_OPEN = operator_requests.c.finished_at.is_(None)
OF_REQUESTS = "request:"
"""How the names of the leases begin that long requests are held by; the request's id follows."""
_MAY_BE_CLAIMED = operator_requests.c.claims < operator_requests.c.fruitful + MOST_CLAIMS


def ask(
    transaction: Transaction,
    kind: RequestKind,
    subject: str,
    arguments: Json,
    asked_by: str,
    now: datetime,
    own_id: str | None = None,
) -> OperatorRequest:
    """Ask for something; the same request is not opened twice.

    Args:
        transaction: A writing transaction.
        kind: What is asked.
        subject: The code that it is about; the caller has seen that it exists.
        arguments: As `checked_arguments` gives them.
        asked_by: Who asks.
        now: The time.
        own_id: The id that it is to have; None for a new one.
    """
    said = json.dumps(arguments, sort_keys=True)
    fingerprint = hashlib.sha256(f"{kind}\n{subject}\n{said}".encode()).digest()
    row = {
        "id": own_id or str(uuid.uuid4()),
        "kind": kind,
        "subject": subject,
        "arguments": said,
        "fingerprint": fingerprint,
        "asked_by": asked_by,
        "asked_at": now,
        "claims": 0,
        "fruitful": 0,
    }
    transaction.execute(insert_into(transaction, operator_requests).values(row).on_conflict_do_nothing())
    found = transaction.execute(
        sa.select(operator_requests).where(operator_requests.c.fingerprint == fingerprint, _IS_OPEN)
    ).one()
    return _request(found)


def find(transaction: Transaction, request_id: str) -> OperatorRequest | None:
    """One request; None when there is none, or it is forgotten."""
    row = transaction.execute(sa.select(operator_requests).where(operator_requests.c.id == request_id)).one_or_none()
    return None if row is None else _request(row)


def newest(
    transaction: Transaction, limit: int, visible: Mapping[SubjectKind, Collection[str]] | None = None
) -> list[OperatorRequest]:
    """The newest requests about what may be seen; None for all."""
    query = sa.select(operator_requests).order_by(operator_requests.c.asked_at.desc(), operator_requests.c.id)
    if visible is not None:
        query = query.where(
            sa.or_(
                *(
                    sa.and_(
                        operator_requests.c.kind.in_([each for each, rule in RULES.items() if rule.subject is subject]),
                        operator_requests.c.subject.in_(codes),
                    )
                    for subject, codes in visible.items()
                )
            )
        )
    return [_request(each) for each in transaction.execute(query.limit(limit))]


def is_any_due(transaction: Transaction, kinds: Sequence[RequestKind], now: datetime) -> bool:
    """Whether a request of these kinds waits for somebody to take it up."""
    return transaction.execute(sa.select(sa.exists(_due(kinds, now)))).scalar_one()


def claim(
    transaction: Transaction, kinds: Sequence[RequestKind], now: datetime, length: timedelta
) -> OperatorRequest | None:
    """Take up the oldest request of these kinds that waits, or whose holder has not ended it in time; what was taken up before
    comes after what was not.

    Args:
        transaction: A writing transaction.
        kinds: What the caller can do.
        now: The time.
        length: For how long it is the caller's.

    Returns:
        The request; None when nothing waits, or somebody else has been quicker.
    """
    query = _due(kinds, now).order_by(*(operator_requests.c[name] for name in ("claims", "asked_at", "id"))).limit(1)
    row = transaction.execute(query.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return None
    taken = row.claims + 1
    transaction.execute(
        sa.update(operator_requests)
        .where(operator_requests.c.id == row.id)
        .values(claims=taken, claimed_at=now, claimed_until=now + length)
    )
    return _request(transaction.execute(sa.select(operator_requests).where(operator_requests.c.id == row.id)).one())


def bring_forward(
    transaction: Transaction, request: OperatorRequest, result: Json, now: datetime, length: timedelta
) -> None:
    """Write down how far a request has come that takes many steps, and keep it for so long."""
    values = {"result": json.dumps(result), "fruitful": operator_requests.c.claims, "claimed_until": now + length}
    transaction.execute(
        sa.update(operator_requests).where(operator_requests.c.id == request.id, _IS_OPEN).values(**values)
    )


def hand_back(transaction: Transaction, request: OperatorRequest) -> None:
    """Let a request that is not at its end be taken up again at once, after what was asked meanwhile."""
    mine = sa.and_(operator_requests.c.id == request.id, operator_requests.c.claims == request.claims)
    transaction.execute(sa.update(operator_requests).where(mine, _IS_OPEN).values(claimed_until=None))


def finish(
    transaction: Transaction, request: OperatorRequest, state: RequestProgress, result: Json, now: datetime
) -> bool:
    """Write down what came of a request; False when another process has taken it over meanwhile."""
    ended = transaction.execute(
        sa.update(operator_requests)
        .where(operator_requests.c.id == request.id, operator_requests.c.claims == request.claims, _IS_OPEN)
        .values(finished_at=now, outcome=state, result=json.dumps(result))
    )
    return ended.rowcount == 1


def tidy(transaction: Transaction, now: datetime) -> None:
    """End what nobody has taken up in time and what has brought down `MOST_CLAIMS` processes; forget what is old."""
    ending = sa.update(operator_requests).where(_IS_OPEN)
    transaction.execute(
        ending.where(operator_requests.c.claims == 0, operator_requests.c.asked_at < now - EXPIRES_AFTER).values(
            finished_at=now,
            outcome=RequestProgress.EXPIRED,
            result=_failure("not_taken_up", "no pipeline has taken it up in time", "start the pipeline, and ask again"),
        )
    )
    transaction.execute(
        ending.where(~_MAY_BE_CLAIMED, operator_requests.c.claimed_until < now, ~_is_held(now)).values(
            finished_at=now,
            outcome=RequestProgress.FAILED,
            result=_failure(
                "never_ended", "the process that did it has not come to an end, twice", "look at the pipeline's log"
            ),
        )
    )
    transaction.execute(sa.delete(operator_requests).where(operator_requests.c.finished_at < now - KEPT_FOR))


def pipeline_seen_at(transaction: Transaction) -> datetime | None:
    """When a pipeline has last looked for requests; None: never."""
    seconds = mark(transaction, PIPELINE_SEEN)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def note_pipeline(transaction: Transaction, now: datetime) -> None:
    """Write down that a pipeline looks for requests."""
    set_mark(transaction, PIPELINE_SEEN, int(now.timestamp()))


def _due(kinds: Sequence[RequestKind], now: datetime) -> sa.Select[Any]:
    is_over = sa.and_(operator_requests.c.claimed_until < now, ~_is_held(now))
    free = sa.or_(operator_requests.c.claimed_until.is_(None), is_over)
    return sa.select(operator_requests).where(_IS_OPEN, operator_requests.c.kind.in_(kinds), _MAY_BE_CLAIMED, free)


def _is_held(now: datetime) -> sa.ColumnElement[bool]:
    """Whether somebody renews the lease of a request: it takes longer than its claim, and goes on."""
    return sa.exists().where(leases.c.name == OF_REQUESTS + operator_requests.c.id, leases.c.expires_at > now)


def _failure(code: str, message: str, hint: str) -> str:
    return json.dumps({"code": code, "message": message, "hint": hint})


def _request(row: Row[Any]) -> OperatorRequest:
    is_open = RequestProgress.RUNNING if row.claims else RequestProgress.ASKED
    return OperatorRequest(
        id=row.id,
        kind=RequestKind(row.kind),
        subject=row.subject,
        arguments=json.loads(row.arguments),
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        state=RequestProgress(row.outcome) if row.outcome else is_open,
        claims=row.claims,
        claimed_at=row.claimed_at,
        finished_at=row.finished_at,
        result=json.loads(row.result) if row.result else {},
    )

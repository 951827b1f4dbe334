"""Acceptance: what the seller decided about orders is told to the marketplace, and the orders are read again.

The engine of the `acceptances` asset. Decisions are made over the API, or by the channel's policy, and kept in
`warehouse.ledger.shipping.acceptances`; confirming shipments is in `confirm`.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Refused, Throttled
from orders_pipeline.stages.connection import (
    ClaimsLost,
    connections_serving,
    defect,
    opened,
    serving,
    work_at,
    work_at_each,
)
from orders_pipeline.stages.pull import refetch
from orders_pipeline.stages.read_back import read_back
from warehouse.ledger.settings.carriers import requirements_of
from warehouse.ledger.shipping import acceptances
from warehouse.ledger.shipping.acceptances import AUTOMATIC, AcceptanceStatus, DueDecision, Ending, NotAcceptable
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.installation import Installation
    from orders_pipeline.stages.connection import Session
    from warehouse.ledger.settings.channels import ConfiguredChannel

logger = logging.getLogger("orders_pipeline.stages.accept")

AT_ONCE = 50
DECIDED_AT_ONCE = 500
"""Orders that one run accepts by policy; the next run takes the rest."""


@dataclass(slots=True)
class AcceptResult:
    """What one connection's run came to: decisions `done`, `rejected`, `queued` (to be tried again)."""

    connection: str
    counts: Counter[str] = field(default_factory=Counter)
    error: MarketplaceError | None = None


def accept_all(installation: Installation, codes: Sequence[str] | None = None) -> list[AcceptResult]:
    """Send every decision that is due, at every connection or at the given ones; most runs find none and cost a query."""
    return work_at_each(installation, connections_serving(installation, codes), acceptances.STAGE, accept_connection)


def accept_connection(installation: Installation, code: str) -> AcceptResult:
    """Decide by policy, send what is due, and read the orders again that were decided."""
    result = AcceptResult(code)
    decided: list[str] = []
    work = partial(_decide_and_send, installation, result, decided)
    result.error = work_at(installation, code, acceptances.STAGE, work)
    if decided:
        refetch(installation, code, decided)
    return result


def _decide_and_send(installation: Installation, result: AcceptResult, decided: list[str]) -> Sequence[str]:
    connection, owned = serving(installation, result.connection)
    _decide_by_policy(installation, owned)
    while due := _claim(installation, owned):
        waiting = deque(due)
        try:
            with opened(
                installation, connection, owned, before_call=partial(_keep_first, installation, waiting)
            ) as session:
                while waiting:
                    ending = _ending(session, waiting[0], result)
                    first = waiting.popleft()
                    if ending is not None:
                        _write_down(installation, first, ending, result, decided)
        except MarketplaceError as error:
            for each in waiting:
                _write_down(installation, each, replace(_waiting(error), is_counted=False), result, decided)
            raise
    if result.error is not None:
        raise result.error
    with installation.ledger.read() as transaction:
        is_open = acceptances.is_any_open(transaction, [each.code for each in owned])
    return () if is_open and not result.counts else (acceptances.STAGE,)


def _write_down(
    installation: Installation, due: DueDecision, ending: Ending, result: AcceptResult, decided: list[str]
) -> None:
    with installation.ledger.write() as transaction:
        acceptances.conclude(transaction, due, ending, installation.clock())
    result.counts[ending.status.value] += 1
    if ending.status is AcceptanceStatus.DONE:
        decided.append(due.original_id)


def _claim(installation: Installation, owned: Sequence[ConfiguredChannel]) -> list[DueDecision]:
    with installation.ledger.read() as transaction:
        if not acceptances.is_any_due(transaction, installation.clock()):
            return []
    with installation.ledger.write() as transaction:
        return acceptances.claim(transaction, [each.code for each in owned], AT_ONCE, installation.clock())


def _keep_first(installation: Installation, waiting: Sequence[DueDecision]) -> None:
    """The last thing before each call: the decision that it is about is still ours to send, and stays so."""
    with installation.ledger.write() as transaction:
        if not acceptances.keep(transaction, waiting[0], installation.clock()):
            raise ClaimsLost


def _decide_by_policy(installation: Installation, serving: Sequence[ConfiguredChannel]) -> None:
    automatic = [each.code for each in serving if each.acceptance == AUTOMATIC]
    if not automatic:
        return
    with installation.ledger.read() as transaction:
        states = {code: needs.acceptance_state for code, needs in requirements_of(transaction, automatic).items()}
        waiting = [
            order_id
            for code, state in states.items()
            if state is not None
            for order_id in acceptances.undecided(transaction, code, state, DECIDED_AT_ONCE)
        ]
    for start in range(0, len(waiting), AT_ONCE):
        chosen = waiting[start : start + AT_ONCE]
        with installation.ledger.write() as transaction:
            wanted = acceptances.for_every_line_of(transaction, chosen, is_accepted=True)
            verdicts = acceptances.decide_many(transaction, wanted, AUTOMATIC, installation.clock())
        for order_id, verdict in verdicts.items():
            if isinstance(verdict, NotAcceptable):  # it has moved on since it was found
                logger.info(Event.ACCEPTANCE_OVERTAKEN, extra={"order_id": order_id, "code": verdict.code})


def _ending(session: Session, due: DueDecision, result: AcceptResult) -> Ending | None:
    """What came of one decision, None when somebody else has taken it over; a defect is remembered, and the others are sent."""
    try:
        return _tell(session, due)
    except ClaimsLost:
        logger.warning(Event.CLAIMS_LOST, extra={"order_id": due.order_id})
        return None
    except MarketplaceError:
        raise
    except Exception as error:  # noqa: BLE001 - it may have arrived: then the next attempt finds the order decided
        result.error = defect(error)
        return _waiting(result.error)


def _tell(session: Session, due: DueDecision) -> Ending:
    """Send one decision.

    Raises:
        MarketplaceError: Something is wrong with the connection: this decision waits, and so do those after it.
    """
    try:
        session.client.accept(due.original_id, due.decisions)
    except InDoubt as doubt:
        return _look(session, due, doubt)
    except Refused as refusal:
        return replace(_waiting(refusal), status=AcceptanceStatus.REJECTED)
    return Ending(status=AcceptanceStatus.DONE)


def _look(session: Session, due: DueDecision, doubt: InDoubt) -> Ending:
    """Whether an order still waits for its decision: the only thing that tells whether one has arrived."""
    shown = list(read_back(session, [due.original_id]))
    state = session.marketplace.requirements.acceptance_state
    orders = [order for _, found in shown for order in found or ()]
    if orders and all(each.marketplace_status != state for each in orders):
        return Ending(status=AcceptanceStatus.DONE)
    return _waiting(doubt)


def _waiting(error: MarketplaceError) -> Ending:
    wait = timedelta(seconds=error.retry_after) if isinstance(error, Throttled) else acceptances.PAUSE
    return Ending(status=AcceptanceStatus.QUEUED, code=error.code, message=error.message, hint=error.hint, wait=wait)

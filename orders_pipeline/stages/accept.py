"""Acceptance: what the seller decided about orders is told to the marketplace, and the orders are read again.

The engine of the `acceptances` asset. Decisions are made over the API, or by the channel's policy, and kept in
`warehouse.ledger.shipping.acceptances`; confirming shipments is in `confirm`.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Permanent, Throttled
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.stages.pull import client_for, refetch
from orders_pipeline.stages.read_back import read_back
from warehouse.ledger.settings import channels
from warehouse.ledger.settings.carriers import requirements_of
from warehouse.ledger.shipping import acceptances
from warehouse.ledger.shipping.acceptances import AUTOMATIC, AcceptanceStatus, DueDecision, Ending, Undecidable
from warehouse.ledger.watch import incidents
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.installation import Installation
    from orders_pipeline.marketplaces.protocol import Client, Marketplace
    from warehouse.ledger.settings.channels import Channel

logger = logging.getLogger("orders_pipeline.stages.accept")

AT_ONCE = 50
DECIDED_AT_ONCE = 500
"""Orders that one run accepts by policy; the next run takes the rest."""


@dataclass(frozen=True, slots=True)
class AcceptResult:
    """What one connection's run came to: decisions `done`, `rejected`, `queued` (to be tried again)."""

    connection: str
    counts: Counter[str] = field(default_factory=Counter)
    error: MarketplaceError | None = None


def accept_all(installation: Installation, codes: Sequence[str] | None = None) -> list[AcceptResult]:
    """Send every decision that is due, at every connection or at the given ones; most runs find none and cost a query."""
    with installation.ledger.read() as transaction:
        serving = channels.all_channels(transaction)
    by_connection: dict[str, list[Channel]] = {}
    for each in serving:
        if codes is None or each.connection in codes:
            by_connection.setdefault(each.connection, []).append(each)
    return [accept_connection(installation, code, own) for code, own in sorted(by_connection.items())]


@dataclass(frozen=True, slots=True)
class _Session:
    """One connection while decisions are sent."""

    installation: Installation
    channels: Sequence[Channel]
    marketplace: Marketplace
    client: Client


def accept_connection(installation: Installation, code: str, serving: Sequence[Channel]) -> AcceptResult:
    """Decide by policy, send what is due, and read the orders again that were decided."""
    _decide_by_policy(installation, serving)
    result = AcceptResult(code)
    decided: list[str] = []
    while due := _claim(installation, serving):
        try:
            error = _send_at(installation, code, serving, due, result.counts, decided)
        except MarketplaceError as failure:
            error = failure
        if error is not None:
            result = replace(result, error=error)
            break
    _conclude(installation, result)
    if decided:
        refetch(installation, code, decided)
    return result


def _claim(installation: Installation, serving: Sequence[Channel]) -> list[DueDecision]:
    with installation.ledger.read() as transaction:
        if not acceptances.is_any_due(transaction, installation.clock()):
            return []
    with installation.ledger.write() as transaction:
        return acceptances.claim(transaction, [each.code for each in serving], AT_ONCE, installation.clock())


def _send_at(
    installation: Installation,
    code: str,
    serving: Sequence[Channel],
    due: Sequence[DueDecision],
    counts: Counter[str],
    decided: list[str],
) -> MarketplaceError | None:
    with installation.ledger.read() as transaction:
        connection = channels.find_connection(transaction, code)
    if connection is None:
        raise Permanent("unknown_connection", f"there is no connection {code} any more")
    client = client_for(installation, connection, [each.selector for each in serving if each.selector is not None])
    try:
        session = _Session(installation, serving, MARKETPLACES[connection.kind], client)
        return _send(session, due, counts, decided)
    finally:
        client.close()


def _conclude(installation: Installation, result: AcceptResult) -> None:
    if result.error is None and not result.counts:
        return
    with installation.ledger.write() as transaction:
        now = installation.clock()
        if result.error is None:
            incidents.resolve(transaction, "connection", result.connection, acceptances.STAGE, now)
            return
        incidents.report(
            transaction,
            incidents.Report(
                scope="connection",
                subject=result.connection,
                stage=acceptances.STAGE,
                code=result.error.code,
                message=result.error.message,
                hint=result.error.hint,
            ),
            now,
        )


def _decide_by_policy(installation: Installation, serving: Sequence[Channel]) -> None:
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
        with installation.ledger.write() as transaction:
            for order_id in waiting[start : start + AT_ONCE]:
                decisions = acceptances.for_every_line(transaction, order_id, is_accepted=True)
                try:
                    acceptances.decide(transaction, order_id, decisions, AUTOMATIC, installation.clock())
                except Undecidable as undecidable:  # it has moved on since it was found
                    about = {"order_id": order_id, "code": undecidable.code}
                    logger.info(Event.ACCEPTANCE_OVERTAKEN, extra=about)


def _send(
    session: _Session, due: Sequence[DueDecision], counts: Counter[str], decided: list[str]
) -> MarketplaceError | None:
    """Send decisions one by one; returns what is wrong with the connection, if something is: the rest waits then."""
    error: MarketplaceError | None = None
    for each in due:
        if error is None:
            ending, error = _tell(session, each)
        else:
            ending = _waiting(error)
        with session.installation.ledger.write() as transaction:
            acceptances.conclude(transaction, each, ending, session.installation.clock())
        counts[ending.status.value] += 1
        if ending.status is AcceptanceStatus.DONE:
            decided.append(each.original_id)
    return error


def _tell(session: _Session, due: DueDecision) -> tuple[Ending, MarketplaceError | None]:
    try:
        session.client.accept(due.original_id, due.decisions)
    except InDoubt as doubt:
        return _look(session, due, doubt)
    except Permanent as refusal:
        return replace(_waiting(refusal), status=AcceptanceStatus.REJECTED), None
    except MarketplaceError as failure:
        return _waiting(failure), failure
    return Ending(status=AcceptanceStatus.DONE), None


def _look(session: _Session, due: DueDecision, doubt: InDoubt) -> tuple[Ending, MarketplaceError | None]:
    """Whether an order still waits for its decision: the only thing that tells whether one has arrived."""
    try:
        shown = list(read_back(session.client, session.marketplace, session.channels, [due.original_id]))
    except MarketplaceError as failure:
        return _waiting(failure), failure
    state = session.marketplace.requirements.acceptance_state
    orders = [order for _, found in shown for order in found or ()]
    if orders and all(each.marketplace_status != state for each in orders):
        return Ending(status=AcceptanceStatus.DONE), None
    return _waiting(doubt), None


def _waiting(error: MarketplaceError) -> Ending:
    wait = timedelta(seconds=error.retry_after) if isinstance(error, Throttled) else acceptances.PAUSE
    return Ending(status=AcceptanceStatus.QUEUED, code=error.code, message=error.message, hint=error.hint, wait=wait)

"""Cancellations that the seller has decided, told to the marketplaces where their API takes that.

The engine of a step of the job `follow_up`; knows neither Dagster nor any marketplace. What was decided, and what comes of it,
is in `warehouse.ledger.book.cancellations`. Nothing is sent twice by itself: the second call might cancel more than was meant.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Refused, Throttled
from orders_pipeline.stages.connection import ClaimsLost, defect, opened, serving, takes_orders, work_at, work_at_each
from warehouse.cancellations import MERCHANT, RequestState
from warehouse.given_orders import UnfitDocument
from warehouse.ledger.book import cancellation_queue, order_intake
from warehouse.ledger.book.cancellation_queries import CancellationRecord
from warehouse.ledger.book.cancellation_queue import Due
from warehouse.ledger.book.cancellations import STAGE
from warehouse.ledger.book.order_intake import OrderNotTaken
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.watch import incidents
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from orders_pipeline.stages.connection import Session
    from warehouse.ledger.settings.channels import ConfiguredChannel

logger = logging.getLogger("orders_pipeline.stages.cancel")

FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=1)
AT_ONCE = 100
"""Requests told in one pass at most; the next one goes on."""

LOST = "the process that told the marketplace has ended without a word"
LOOK = "compare the order at the marketplace; accept the request again to send it once more"


def is_due(installation: Installation) -> bool:
    """Whether a marketplace is to be told of a cancellation now; reads only."""
    with installation.ledger.read() as transaction:
        return bool(cancellation_queue.due_connections(transaction, installation.clock()))


def carry_out(installation: Installation) -> Counter[str]:
    """Tell the marketplaces what is due: how many were `told`, `refused`, `in_doubt`, or `put_back` to be tried again."""
    counts: Counter[str] = Counter()
    now = installation.clock()
    with installation.ledger.write() as transaction:
        for row in cancellation_queue.lost_claims(transaction, now):
            _report(transaction, row, InDoubt("cancellation_in_doubt", LOST, LOOK), installation)
            counts["in_doubt"] += 1
        cancellation_queue.end_idle_incidents(transaction, now)
    with installation.ledger.read() as transaction:
        owners = cancellation_queue.due_connections(transaction, now)
    for each in work_at_each(installation, owners, STAGE, _tell_connection):
        counts.update(each)
    return counts


def _tell_connection(installation: Installation, code: str) -> Counter[str]:
    """Every due request of a connection; one that cannot be reached is left for the next pass."""
    counts: Counter[str] = Counter()
    work_at(installation, code, STAGE, partial(_tell_all, installation, code, counts))
    return counts


def _tell_all(installation: Installation, code: str, counts: Counter[str]) -> Sequence[str]:
    connection, owned = serving(installation, code)
    if takes_orders(connection):
        return _cancel_here(installation, code, owned, counts)
    held: list[Due] = []
    with ExitStack() as stack:
        session: Session | None = None
        for _ in range(AT_ONCE):
            with installation.ledger.write() as transaction:
                due = cancellation_queue.claim(transaction, code, installation.clock())
            if due is None:
                break
            held[:] = [due]
            try:
                keep = partial(_keep, installation, held)
                session = session or stack.enter_context(opened(installation, connection, owned, before_call=keep))
                error = _tell(session, due)
            except ClaimsLost:
                logger.warning(Event.CLAIMS_LOST, extra={"order_id": due.request.order_id})
                continue
            except Exception as fault:  # nothing was sent: the request waits for the connection
                wait = _pause(due, fault)
                with installation.ledger.write() as transaction:
                    cancellation_queue.put_back(transaction, due, wait, installation.clock())
                counts["put_back"] += 1
                raise
            if error is None:
                with installation.ledger.write() as transaction:
                    cancellation_queue.conclude(transaction, due, installation.clock())
                counts["told"] += 1
            else:
                _give_up(installation, due, error)
                counts["in_doubt" if isinstance(error, InDoubt) else "refused"] += 1
    return (STAGE,)


def _keep(installation: Installation, held: Sequence[Due]) -> None:
    """The last thing before each call: nobody has put the request in doubt meanwhile, so that it might be told again."""
    with installation.ledger.write() as transaction:
        if not all(cancellation_queue.keep(transaction, each, installation.clock()) for each in held):
            raise ClaimsLost


def _cancel_here(
    installation: Installation, code: str, owned: Sequence[ConfiguredChannel], counts: Counter[str]
) -> Sequence[str]:
    """Carry out every due request where there is no marketplace: the order changes here, in the same transaction."""
    by_code = {each.code: each for each in owned}
    for _ in range(AT_ONCE):
        now = installation.clock()
        with installation.ledger.write() as transaction:
            lock_book(transaction)
            due = cancellation_queue.claim(transaction, code, now)
            if due is None:
                break
            row = due.request
            channel, units = by_code[row.channel], _quantities(due)
            try:
                order_intake.cancel(transaction, installation.keys, channel, row.original_id, units, now)
            except (UnfitDocument, OrderNotTaken) as error:
                cancellation_queue.put_back(transaction, due, None, now)
                _report(transaction, row, Refused("cancellation_refused", f"{error}", LOOK), installation)
                counts["refused"] += 1
            else:
                incidents.resolve_order(transaction, [row.order_id], STAGE, now)
                counts["told"] += 1
    return (STAGE,)


def _tell(session: Session, due: Due) -> InDoubt | Refused | None:
    """Send one request; returns why a person must look at it: it may have arrived, or will be refused again.

    Raises:
        MarketplaceError: Something is wrong with the connection: certainly nothing has arrived.
    """
    try:
        row, client = due.request, session.client
        is_accepted = row.state == RequestState.ACCEPTED
        is_asked = row.requester != MERCHANT and session.marketplace.requirements.decides_cancellations
        if is_asked or not is_accepted:  # what was declined is never cancelled, whatever the kind says of itself by now
            client.decide_cancellation(row.original_id, row.requester, is_accepted, row.decision_reason)
        else:
            client.cancel(row.original_id, _quantities(due), row.reason)
    except (InDoubt, Refused) as error:
        return error
    except (MarketplaceError, ClaimsLost):
        raise
    except Exception as error:  # noqa: BLE001 - nobody knows how far it has come
        return InDoubt("cancellation_in_doubt", defect(error).message, LOOK)
    return None


def _quantities(due: Due) -> dict[str, int]:
    return {each["original_id"]: each["quantity"] for each in due.request.lines if each["quantity"]}


def _give_up(installation: Installation, due: Due, error: MarketplaceError) -> None:
    with installation.ledger.write() as transaction:
        cancellation_queue.put_back(transaction, due, None, installation.clock())
        _report(transaction, due.request, error, installation)


def _pause(due: Due, error: Exception) -> timedelta:
    asked = timedelta(seconds=error.retry_after) if isinstance(error, Throttled) else timedelta()
    return max(asked, min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(due.attempt - 1, 5))))


def _report(
    transaction: Transaction, row: CancellationRecord, error: MarketplaceError, installation: Installation
) -> None:
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="channel",
            subject=row.channel,
            stage=STAGE,
            code=error.code,
            message=f"the decision about cancelling order {row.original_id} was not carried out: {error.message}",
            hint=error.hint,
            order_id=row.order_id,
            details={"request": row.id},
        ),
        installation.clock(),
    )

"""Cancellations that the seller has accepted, told to the marketplaces where their API takes that.

The engine of a step of the job `follow_up`; knows neither Dagster nor any marketplace. What was decided, and what comes of it,
is in `warehouse.ledger.book.cancellations`. Nothing is sent twice by itself: the second call might cancel more than was meant.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Permanent, Throttled
from orders_pipeline.stages.pull import client_for
from warehouse.ledger.book import cancellations
from warehouse.ledger.book.cancellations import STAGE, Due
from warehouse.ledger.settings import channels
from warehouse.ledger.watch import incidents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from orders_pipeline.marketplaces.protocol import Client

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
        return bool(cancellations.due_connections(transaction, installation.clock()))


def carry_out(installation: Installation) -> Counter[str]:
    """Tell the marketplaces what is due: how many were `told`, `refused`, `in_doubt`, or `put_back` to be tried again."""
    counts: Counter[str] = Counter()
    now = installation.clock()
    with installation.ledger.write() as transaction:
        for row in cancellations.lost_claims(transaction, now):
            _report(transaction, row, InDoubt("cancellation_in_doubt", LOST, LOOK), installation)
            counts["in_doubt"] += 1
    with installation.ledger.read() as transaction:
        owners = cancellations.due_connections(transaction, now)
    for owner in owners:
        _tell_all(installation, owner, counts)
    return counts


def _tell_all(installation: Installation, owner: str, counts: Counter[str]) -> None:
    """Every due request of a connection; a connection that cannot be reached is left for the next pass."""
    client: Client | None = None
    try:
        for _ in range(AT_ONCE):
            with installation.ledger.write() as transaction:
                due = cancellations.claim(transaction, owner, installation.clock())
            if due is None:
                return
            try:
                client = client or _client(installation, owner)
                client.cancel(due.request["original_id"], _quantities(due), due.request["reason"])
            except MarketplaceError as error:
                counts[_failed(installation, due, error)] += 1
                if not isinstance(error, InDoubt | Permanent):
                    return
            else:
                with installation.ledger.write() as transaction:
                    cancellations.told(transaction, due, installation.clock())
                counts["told"] += 1
    finally:
        if client is not None:
            client.close()


def _client(installation: Installation, owner: str) -> Client:
    with installation.ledger.read() as transaction:
        connection = channels.find_connection(transaction, owner)
        selectors = [each.selector for each in channels.all_channels(transaction, owner) if each.selector is not None]
    if connection is None:
        raise Permanent("unknown_connection", f"there is no connection {owner} any more")
    return client_for(installation, connection, selectors)


def _quantities(due: Due) -> dict[str, int]:
    return {each["original_id"]: each["quantity"] for each in due.request["lines"] if each["quantity"]}


def _failed(installation: Installation, due: Due, error: MarketplaceError) -> str:
    """Remember a failure, and tell it; what may have arrived or will be refused again waits for a person."""
    is_final = isinstance(error, InDoubt | Permanent)
    wait = None if is_final else _pause(due, error)
    with installation.ledger.write() as transaction:
        cancellations.put_back(transaction, due, wait, installation.clock())
        _report(transaction, due.request, error, installation)
    if not is_final:
        return "put_back"
    return "in_doubt" if isinstance(error, InDoubt) else "refused"


def _pause(due: Due, error: MarketplaceError) -> timedelta:
    asked = timedelta(seconds=error.retry_after) if isinstance(error, Throttled) else timedelta()
    return max(asked, min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(due.attempt - 1, 5))))


def _report(
    transaction: Transaction, row: Mapping[str, object], error: MarketplaceError, installation: Installation
) -> None:
    incidents.report(
        transaction,
        incidents.Report(
            scope="channel",
            subject=str(row["channel"]),
            stage=STAGE,
            code=error.code,
            message=f"the cancellation of order {row['original_id']} was not carried out: {error.message}",
            hint=error.hint,
            order_id=str(row["order_id"]),
            details={"request": row["id"]},
        ),
        installation.clock(),
    )

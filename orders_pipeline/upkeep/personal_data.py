"""Purging personal data when its time is over: the engine of `orders purge` and of the daily job.

What is due and how it goes is in `warehouse.ledger.book.personal_data`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orders_pipeline.stages.account_deletions import carry_out
from warehouse.archive import shelf_of
from warehouse.ledger.book import personal_data
from warehouse.ledger.watch import incidents
from warehouse.logs import Event

if TYPE_CHECKING:
    from orders_pipeline.installation import Installation
    from warehouse.ledger.book.personal_data import Purge

logger = logging.getLogger("orders_pipeline.upkeep.personal_data")

STAGE = "purge"
SUBJECT = "ledger"


def due(installation: Installation) -> Purge:
    """What a purge would take out now."""
    return personal_data.due(installation.ledger, shelf_of(installation.settings), _before(installation))


def purge(installation: Installation) -> Purge:
    """Take out what is due, and what notices of deleted accounts are about.

    Traces that could not be overwritten are an incident, which the next purge closes.

    Raises:
        TracesRemain: Everything is deleted, but could not be overwritten on the disk.
    """
    of_deleted_accounts = carry_out(installation)
    now = installation.clock()
    try:
        gone = personal_data.purge(installation.ledger, shelf_of(installation.settings), _before(installation), now)
    except personal_data.TracesRemain as error:
        problem = incidents.IncidentReport(
            scope="system",
            subject=SUBJECT,
            stage=STAGE,
            code="traces_remain",
            message=f"personal data was deleted, but its encrypted bytes may still be on the disk: {error}",
            hint="see that the disk has as much room as the ledger is large, then `orders purge --yes`",
        )
        with installation.ledger.write() as transaction:
            incidents.report(transaction, problem, now)
        raise
    with installation.ledger.write() as transaction:
        incidents.resolve(transaction, "system", [SUBJECT], [STAGE], now)
    gone = replace(gone, orders=gone.orders + of_deleted_accounts)
    counts = {name: getattr(gone, name) for name in gone.__slots__}
    logger.info(Event.PERSONAL_DATA_PURGED, extra=counts)
    return gone


def _before(installation: Installation) -> datetime:
    return installation.clock() - timedelta(days=installation.settings.pii_retention_days)

"""What shipments need at a connection, asked once a day and kept in the ledger, where intake and API read it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import MarketplaceError
from warehouse.ledger.settings.carriers import fresh_requirements, requirements_of, save_requirements
from warehouse.logs import Event

if TYPE_CHECKING:
    from orders_pipeline.stages.connection import Session

logger = logging.getLogger("orders_pipeline.stages.requirements")

ASKED_AGAIN = timedelta(days=1)


def keep_needs(session: Session) -> None:
    """Ask for the channels of a connection of which it is not known, or not lately; never raises for the marketplace."""
    installation, codes = session.installation, session.codes
    now = installation.clock()
    with installation.ledger.read() as transaction:
        fresh = fresh_requirements(transaction, codes, now - ASKED_AGAIN)
        if fresh >= set(codes):
            return
        known = requirements_of(transaction, codes)
    stale = [each for each in codes if each not in fresh]
    try:
        needs = session.client.requirements()
    except MarketplaceError as error:
        # No reason to fail what else was done; what was known before, or is known without asking, holds on.
        logger.warning(Event.REQUIREMENTS_NOT_ASKED, extra={"code": error.code})
        stale = [each for each in stale if each not in known]
        needs = session.marketplace.requirements
    with installation.ledger.write() as transaction:
        for each in stale:
            save_requirements(transaction, each, needs, now)

"""Which kinds of marketplaces exist: our own, and those of packages that are installed beside us.

The only place that names a kind. One of our own is a package beside this and a line here; somebody else's is an entry point of
the group `orders.marketplaces` that leads to a `Marketplace`. One that cannot be loaded stops no other.
"""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from orders_pipeline.marketplaces import amazon, ebay, manual, mirakl, otto, target_plus, walmart
from orders_pipeline.marketplaces.protocol import Marketplace
from warehouse.logs import Event, place_of

logger = logging.getLogger("orders_pipeline.marketplaces.registry")

GROUP = "orders.marketplaces"

MARKETPLACES: dict[str, Marketplace] = {
    each.MARKETPLACE.kind: each.MARKETPLACE for each in (amazon, mirakl, walmart, ebay, otto, target_plus, manual)
}

NOT_LOADED: dict[str, str] = {}
"""Entry points that gave no kind, and why."""


def _load_installed() -> None:
    for entry in entry_points(group=GROUP):
        try:
            found = entry.load()
        except Exception as error:  # noqa: BLE001 - somebody else's code must not stop ours
            logger.error(Event.UNEXPECTED_ERROR, extra={"exception": place_of(error)})  # noqa: TRY400 - it is named there
            NOT_LOADED[entry.name] = f"{entry.value} could not be loaded: {type(error).__name__}"
            continue
        if not isinstance(found, Marketplace):
            NOT_LOADED[entry.name] = f"{entry.value} is no Marketplace"
        elif found.kind in MARKETPLACES:
            NOT_LOADED[entry.name] = f"{entry.value} names its kind {found.kind!r}, which there is already"
        else:
            MARKETPLACES[found.kind] = found


_load_installed()

KINDS = {kind: each.describe() for kind, each in MARKETPLACES.items()}
"""What of them is data, which goes to the ledger."""

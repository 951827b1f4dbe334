"""Which marketplaces exist. Adding one is a module beside this and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces import amazon, mirakl

if TYPE_CHECKING:
    from orders_pipeline.marketplaces.protocol import Marketplace

MARKETPLACES: dict[str, Marketplace] = {each.kind: each for each in (amazon.MARKETPLACE, mirakl.MARKETPLACE)}

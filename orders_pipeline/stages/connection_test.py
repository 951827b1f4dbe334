"""Trying a connection: the client's own test, for the command line and for requests of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.protocol import Finding
from orders_pipeline.stages.connection import opened, serving, takes_orders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.installation import Installation

NOTHING_TO_ASK = "there is no marketplace to ask: its channels' orders are given by POST /v1/orders and `orders add`"


def try_connection(installation: Installation, code: str) -> Sequence[Finding]:
    """Try a connection and name what is wrong: credential, role, endpoint, region, marketplace id.

    Raises:
        MarketplaceError: It could not be tried; `unknown_connection` where there is none of this code.
    """
    connection, channels = serving(installation, code)
    if takes_orders(connection):
        return [Finding("endpoint", is_ok=True, message=NOTHING_TO_ASK)]
    with opened(installation, connection, channels) as session:
        return session.client.test()

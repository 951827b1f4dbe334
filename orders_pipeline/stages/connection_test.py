"""Trying a connection: the client's own test and that of its hints, for the command line and for requests of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.marketplaces.protocol import Finding
from orders_pipeline.stages.connection import hearing, opened, serving, takes_orders
from orders_pipeline.stages.pull import asked_selectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.installation import Installation
    from warehouse.ledger.settings.channels import ConfiguredChannel, Connection

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
        findings = session.client.test()
    hints = session.marketplace.hints
    if hints is None or not hints.is_on(connection.settings):
        return findings
    return [*findings, _hints_finding(installation, connection, session.channels)]


def _hints_finding(
    installation: Installation, connection: Connection, channels: Sequence[ConfiguredChannel]
) -> Finding:
    try:
        with hearing(installation, connection, asked_selectors(channels)) as reader:
            return reader.test()
    except MarketplaceError as error:
        return Finding("hints", is_ok=False, message=error.message, hint=error.hint)

"""A Mirakl sandbox in a process of its own, and installations that are connected to it: for what is measured over HTTP."""

from __future__ import annotations

import math
from collections.abc import Generator

from orders_pipeline.installation import Installation
from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.mirakl import state as mirakl
from warehouse.ledger.settings import channels

SETTLED_SECONDS = 900.0
"""Made-up orders are at least this old, so that the marketplace's own lag hides none."""

GENEROUS = 1e9
"""Our own quota is multiplied by it: what is measured is work, not waiting."""

SHOP = "2001"
API_KEY_VARIABLE = "BENCHMARK_MIRAKL_API_KEY"
CREDENTIALS = {API_KEY_VARIABLE: mirakl.API_KEY}


def serve_mirakl(orders: int, is_multi_shipment: bool) -> Generator[object, None, None]:  # noqa: FBT001 - passed as JSON
    """Task: serve so many orders without rate limits and tell the URL; then, at each step, the calls answered so far."""
    features = mirakl.Features(multi_shipment=is_multi_shipment)
    sandbox = mirakl.MiraklSandbox(rate_factor=math.inf, features=features)
    if orders:
        sandbox.generate(GenerateRequest(orders, days=0.9, account=SHOP, newest_seconds=SETTLED_SECONDS))
    with server.running(create_app(sandbox)) as url:
        yield {"url": url, "orders": len(sandbox.order_ids())}
        while True:
            yield len(sandbox.journal)


def connect(installation: Installation, url: str, count: int, prefix: str = "shop") -> None:
    """Connect an installation that many times; each connection has one channel of the same code."""
    now = installation.clock()
    with installation.ledger.write() as transaction:
        for number in range(1, count + 1):
            code = f"{prefix}_{number:03d}"
            connection = channels.Connection(
                code=code,
                kind="mirakl",
                label=code,
                endpoint=url,
                settings={"rate_factor": GENEROUS},
                credentials={"api_key": f"env:{API_KEY_VARIABLE}"},
            )
            channels.save_connection(transaction, connection, now)
            channel = channels.ConfiguredChannel(code=code, label=code, marketplace="Mirakl", connection=code)
            channels.save_channel(transaction, channel, now)

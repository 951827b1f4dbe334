"""A backlog of confirmations on both marketplaces at their real quotas: how long it takes against the quota's own limit.

Marketplaces and pipeline run on one clock that only waiting moves, so that hours of quota pass in minutes. Measured is how
much of the quota is used, and that it is never exceeded. The work itself is measured by the machine's clock beside it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.amazon import state as amazon
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest, Sandbox
from orders_pipeline.sandbox.mirakl import state as mirakl
from orders_pipeline.stages import confirm, normalise
from tests.benchmarks.filling import RawOrder, installed, keep_raw, truth_as_raw
from tests.benchmarks.measuring import Figure, Target, Workshop
from warehouse import shipment_reports
from warehouse.ledger.book import order_filter, order_queries
from warehouse.ledger.settings import channels
from warehouse.ledger.shipping import shipments
from warehouse.ledger.shipping.shipment_queries import counts
from warehouse.shipment_reports import Sender, ShipmentReport, Source

USED = Target(">=", 0.95)
FRANCE = "A13V1IB3VIYZZH"
GENERATED_AT_ONCE = 2_000
REPORTED_AT_ONCE = 200
CREDENTIALS = {
    "BENCHMARK_CLIENT_ID": amazon.CLIENT_ID,
    "BENCHMARK_CLIENT_SECRET": amazon.CLIENT_SECRET,
    "BENCHMARK_REFRESH_TOKEN": amazon.REFRESH_TOKEN,
    "BENCHMARK_MIRAKL_API_KEY": mirakl.API_KEY,
}
SENDING = {"amazon": "confirmShipment", "mirakl": "ST01"}


@dataclass
class Clock:
    """Time that only waiting moves."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def measure(workshop: Workshop) -> list[Figure]:
    """One backlog at each marketplace."""
    os.environ.update(CREDENTIALS)
    return [figure for kind in ("amazon", "mirakl") for figure in _measure(workshop, kind)]


def _measure(workshop: Workshop, kind: str) -> list[Figure]:
    count = workshop.sizes.confirmed
    clock = Clock(datetime.now(UTC))
    sandbox: Sandbox = amazon.AmazonSandbox(clock=clock) if kind == "amazon" else mirakl.MiraklSandbox(clock=clock)
    app = create_app(sandbox)
    workshop.say(f"making {count:,} orders that wait at {kind}")
    raws = _waiting(sandbox, count)
    with installed(workshop.fresh(kind)) as opened, server.running(app) as url:
        installation = Installation(opened.settings, opened.ledger, opened.keys, clock, clock.wait)
        keep_raw(installation, kind, raws)
        _connect(installation, kind, url)
        normalise.normalise_pending(installation)
        workshop.say(f"reporting {count:,} shipments")
        _report(installation, count)
        workshop.say("confirming at real quota on a clock of its own")
        began, worked = clock.now, time.perf_counter()
        ended = began
        while _left(installation):
            result = confirm.confirm_connection(installation, f"bench_{kind}")
            assert result.error is None, result.error
            ended = max((entry.at for entry in sandbox.journal if entry.operation == SENDING[kind]), default=began)
        seconds = time.perf_counter() - worked
    calls = [entry for entry in sandbox.journal if entry.operation == SENDING[kind]]
    refused = sum(entry.status == 429 for entry in calls)
    assert refused == 0, f"{refused} calls were over the quota"
    rate = MARKETPLACES[kind].rates[SENDING[kind]]
    limit = max(0.0, (len(calls) - rate.burst) / rate.per_second)
    took = (ended - began).total_seconds()
    size = f"{count:,} in {len(calls):,} calls"
    return [
        Figure(
            benchmark=f"confirming a backlog at {kind}, time at real quota",
            size=size,
            value=took,
            unit="s",
            reference=limit,
            against="the quota's own limit",
        ),
        Figure(
            benchmark=f"confirming a backlog at {kind}, share of the quota used",
            size=size,
            value=min(1.0, limit / took) if took else 1.0,
            unit="of 1",
            target=USED,
        ),
        Figure(benchmark=f"confirming a backlog at {kind}, work", size=size, value=seconds, unit="s of this machine"),
    ]


def _waiting(sandbox: Sandbox, count: int) -> list[RawOrder]:
    """Orders that can be shipped as a whole."""
    while True:
        channel = FRANCE if sandbox.kind == "amazon" else None
        sandbox.generate(GenerateRequest(GENERATED_AT_ONCE, days=0.9, channel=channel, newest_seconds=900))
        found = [
            each
            for each in sandbox.truth()
            if each["status"] in {"UNSHIPPED", "SHIPPING"}
            and each["fulfilled_by"] in {"MERCHANT", "DEFAULT"}
            and not each.get("shipments")
            and each["order"].get("can_shop_ship", True)
            and "FBM_SHIP_PLUS" not in each["order"].get("programs", ())
        ]
        if len(found) >= count:
            return [truth_as_raw(each) for each in found[:count]]


def _connect(installation: Installation, kind: str, url: str) -> None:
    names = {"amazon": ("client_id", "client_secret", "refresh_token"), "mirakl": ("api_key",)}[kind]
    prefix = "BENCHMARK_MIRAKL_" if kind == "mirakl" else "BENCHMARK_"
    connection = channels.Connection(
        code=f"bench_{kind}",
        kind=kind,
        label=kind,
        endpoint=url,
        region="eu" if kind == "amazon" else None,
        credentials={name: f"env:{prefix}{name.upper()}" for name in names},
    )
    channel = channels.ConfiguredChannel(
        code=f"bench_{kind}",
        label=kind,
        marketplace=kind,
        connection=connection.code,
        selector=FRANCE if kind == "amazon" else None,
        confirmation=True,
    )
    with installation.ledger.write() as transaction:
        channels.save_connection(transaction, connection, installation.clock())
        channels.save_channel(transaction, channel, installation.clock())


def _report(installation: Installation, count: int) -> None:
    sender = Sender(consumer="bench", source=Source.API, report_id="bench")
    everything = order_filter.OrderFilter(statuses=("WAITING_FOR_SHIPMENT",))
    ids = [
        row.id
        for rows in order_queries.scan(order_queries.MEMBERS, installation.ledger, everything, order_filter.Sort.NEWEST)
        for row in rows
    ]
    reports = [
        ShipmentReport(id=own_id, package_id="1", tracking_number=f"T-{number}", carrier_code="DHL")
        for number, own_id in enumerate(ids)
    ]
    accepted = 0
    for start in range(0, len(reports), REPORTED_AT_ONCE):
        with installation.ledger.write() as transaction:
            part = reports[start : start + REPORTED_AT_ONCE]
            answers = shipments.report(transaction, sender, part, installation.clock())
        accepted += sum(each.result is shipment_reports.ReportResult.ACCEPTED for each in answers)
    assert accepted >= count * 0.9, accepted


def _left(installation: Installation) -> int:
    with installation.ledger.read() as transaction:
        by_channel = counts(transaction)
    return sum(each.get(name, 0) for each in by_channel.values() for name in ("queued", "sending", "in_doubt"))

"""How many requests an order costs at each kind of marketplace: pulling it, and confirming a package of it.

Counted are the calls that the stand-ins have answered, tokens included, while the pipeline works as it does with each tick. The
reference is the least that the marketplace's API allows for the same: full pages, the second calls without which an order is
not known, and as many packages a call as it takes. No time is measured: everybody has a clock that only waiting moves.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.registry import KINDS, MARKETPLACES
from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest, HeldOrder, Sandbox
from orders_pipeline.sandbox.registry import SANDBOXES
from orders_pipeline.stages import accept, confirm, normalise, pull
from tests.benchmarks.confirmation_backlog import REPORTED_AT_ONCE, Clock
from tests.benchmarks.filling import installed
from tests.benchmarks.measuring import Figure, Workshop
from tests.benchmarks.sandboxes import SETTLED_SECONDS
from tests.simulation.world import Place, account_of, channel_entry, connection_entry, secrets_of
from warehouse.ledger.book import order_filter, order_queries
from warehouse.ledger.settings import configuration
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.shipping import shipments
from warehouse.ledger.shipping.shipment_queries import counts
from warehouse.shipment_reports import ReportResult, Sender, ShipmentReport, Source

PER = 1000
ROUNDS = 60
UNDER_WAY = ("queued", "sending", "in_doubt", "sent")


def _paged(size: int, listings: int = 1) -> Callable[[list[HeldOrder]], int]:
    """Full pages of one listing, and an answer for each further one, which may be empty."""
    return lambda held: math.ceil(len(held) / size) + listings - 1


LEAST: Mapping[str, Callable[[list[HeldOrder]], int]] = {
    "amazon": _paged(100),
    "mirakl": _paged(100),
    "walmart": _paged(200, listings=3),  # one for each kind of ship node
    # units that have left are told by a second call for each order
    "ebay": lambda held: math.ceil(len(held) / 200) + sum(any(line.shipped for line in each.lines) for each in held),
    "otto": _paged(128),
    # only the open ones are listed
    "target_plus": lambda held: math.ceil(sum(not each.is_hidden for each in held) / 100),
}
"""The fewest requests by which the orders that a stand-in holds can be known."""


def measure(workshop: Workshop) -> list[Figure]:
    """Two figures of each kind that is called."""
    return [figure for kind in SANDBOXES for figure in _measure(workshop, kind)]


def _measure(workshop: Workshop, kind: str) -> list[Figure]:
    count, clock = workshop.sizes.requested, Clock(datetime.now(UTC))
    sandbox = SANDBOXES[kind](rate_factor=math.inf, clock=clock)
    workshop.say(f"{count:,} orders of {kind}")
    selector = next(iter(sandbox.access().selectors), None)
    sandbox.generate(GenerateRequest(count, days=0.9, channel=selector, newest_seconds=SETTLED_SECONDS))
    with installed(workshop.fresh(kind)) as opened, server.running(create_app(sandbox)) as url:
        installation = Installation(opened.settings, opened.ledger, opened.keys, clock, clock.wait)
        _connect(installation, sandbox, url, selector)
        least_read = LEAST[kind](sandbox.held())
        result = pull.pull_connection(installation, account_of(kind))
        assert result.error is None, result.error
        read, seen = len(sandbox.journal), result.new
        normalise.normalise_pending(installation)
        accept.accept_all(installation)
        _tick(installation, clock)
        reported = _report(installation)
        told = 0
        for _ in range(ROUNDS):
            before = len(sandbox.journal)
            assert confirm.confirm_connection(installation, account_of(kind)).error is None
            told += len(sandbox.journal) - before
            if not _left(installation):
                break
            _tick(installation, clock)
        assert not _left(installation), f"{_left(installation)} packages at {kind} are not verified"
    return [
        Figure(
            benchmark=f"requests for {PER:,} orders pulled, {kind}",
            size=f"{seen:,}",
            value=read * PER / seen,
            unit="requests",
            reference=least_read * PER / seen,
            against="the least that its API allows",
        ),
        Figure(
            benchmark=f"requests for {PER:,} confirmations, {kind}",
            size=f"{reported:,}",
            value=told * PER / reported,
            unit="requests",
            reference=math.ceil(reported / MARKETPLACES[kind].parcels_per_call) * PER / reported,
            against="the least that its API allows",
        ),
    ]


def _connect(installation: Installation, sandbox: Sandbox, url: str, selector: str | None) -> None:
    os.environ.update(secrets_of([sandbox]))
    place = Place(sandbox.kind, sandbox.kind, selector, confirmation=True)
    document = {
        "connections": {account_of(sandbox.kind): connection_entry(sandbox, url)},
        "channels": {place.code: channel_entry(place, sandbox)},
    }
    with installation.ledger.write() as transaction:
        configuration.apply(transaction, read_document(json.dumps(document), KINDS), installation.clock())


def _tick(installation: Installation, clock: Clock) -> None:
    clock.wait(SETTLED_SECONDS)
    pull.pull_all(installation)
    normalise.normalise_pending(installation)


def _report(installation: Installation) -> int:
    """Report everything that may ship, each order in one package; returns how many were taken."""
    sender = Sender(consumer="bench", source=Source.API, report_id="bench")
    everything = order_filter.OrderFilter(statuses=("WAITING_FOR_SHIPMENT",))
    ids = [
        row.id
        for rows in order_queries.scan(order_queries.MEMBERS, installation.ledger, everything, order_filter.Sort.NEWEST)
        for row in rows
    ]
    reports = [
        ShipmentReport(
            id=own_id,
            package_id="1",
            tracking_number=f"1Z{number:08}",
            carrier_code="UPS",
            return_tracking_number=f"R{number:08}",
        )
        for number, own_id in enumerate(ids)
    ]
    taken = 0
    for start in range(0, len(reports), REPORTED_AT_ONCE):
        with installation.ledger.write() as transaction:
            part = reports[start : start + REPORTED_AT_ONCE]
            answers = shipments.report(transaction, sender, part, installation.clock())
        taken += sum(each.result is ReportResult.ACCEPTED for each in answers)
    return taken


def _left(installation: Installation) -> int:
    with installation.ledger.read() as transaction:
        by_channel = counts(transaction)
    return sum(each.get(name, 0) for each in by_channel.values() for name in UNDER_WAY)

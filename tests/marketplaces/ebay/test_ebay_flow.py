"""Orders of eBay through the pipeline: pulled, shipped, read back, and what becomes of doubts."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.registry import KINDS
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.ebay.orders import EbayDraft, make
from orders_pipeline.sandbox.ebay.state import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, EbayRecord, EbaySandbox
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.server import running
from orders_pipeline.stages import cancel, confirm, normalise, pull
from tests.pipeline.confirming_shop import ERP, whole
from warehouse.cancellations import Decision
from warehouse.ledger.base import schema
from warehouse.ledger.book import cancellation_queries, cancellations
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings import configuration
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.shipping import shipments
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import Item

FILE = """
connections:
  ebay:
    kind: ebay
    endpoint: {url}
    credentials: {{client_id: env:EBAY_ID, client_secret: env:EBAY_SECRET, refresh_token: env:EBAY_CONSENT}}
channels:
  ebay_us: {{connection: ebay, selector: EBAY_US, confirmation: true}}
"""


class Shop:
    """The stand-in, and an installation that is connected to it."""

    def __init__(self, installation, ebay):
        self.installation, self.ebay, self.clock = installation, ebay, installation.clock

    def order(self, units=2):
        """An order of one line that the seller ships within the country."""
        for seed in range(100):
            changed = self.clock() - timedelta(hours=1)
            order = make(Random(seed), EbayDraft(1, changed, changed, self.ebay.catalogue, "NOT_STARTED", "EBAY_US"))
            if len(order["lineItems"]) == 1 and "program" not in order:
                order["lineItems"][0]["quantity"] = units
                break
        record = EbayRecord(order, "seller", changed)
        self.ebay.records[record.id] = record
        return record

    def tick(self):
        self.clock.advance(minutes=5)
        (result,) = pull.pull_all(self.installation)
        normalise.normalise_pending(self.installation)
        assert result.error is None

    def row(self, record):
        with self.installation.ledger.read() as transaction:
            query = sa.select(schema.orders).where(schema.orders.c.original_id == record.id)
            return transaction.execute(query).mappings().one()

    def report(self, record, **changes):
        with self.installation.ledger.write() as transaction:
            return shipments.report(transaction, ERP, [whole(self.row(record)["id"], **changes)], self.clock())[0]

    def letter(self, record, package):
        """One unit without a tracking number."""
        item = Item(item_original_id=record.lines[0]["lineItemId"], item_quantity_shipped=1)
        return self.report(record, package_id=package, tracking_number=None, items=(item,))

    def confirm(self):
        (result,) = confirm.confirm_all(self.installation)
        assert result.error is None
        return result.counts

    def states(self):
        with self.installation.ledger.read() as transaction:
            query = sa.select(schema.shipments.c.status).order_by(schema.shipments.c.package_id)
            return transaction.execute(query).scalars().all()

    def settle(self):
        """Until nothing is in doubt or on its way any more."""
        for _ in range(12):
            self.clock.advance(minutes=20)
            self.tick()
            self.confirm()


@pytest.fixture
def shop(ledger, settings, clock, monkeypatch):
    for name, value in (("ID", CLIENT_ID), ("SECRET", CLIENT_SECRET), ("CONSENT", REFRESH_TOKEN)):
        monkeypatch.setenv(f"EBAY_{name}", value)
    ebay = EbaySandbox(rate_factor=math.inf, clock=clock)
    installation = Installation(
        settings, ledger, open_key_ring(settings), clock, lambda seconds: clock.advance(seconds=seconds)
    )
    with running(create_app(ebay)) as url:
        with ledger.write() as transaction:
            configuration.apply(transaction, read_document(FILE.format(url=url), KINDS), clock())
        yield Shop(installation, ebay)


def test_a_package_is_verified_though_its_number_lost_its_hyphen(shop):
    record = shop.order()
    shop.tick()
    assert shop.row(record)["status"] == "WAITING_FOR_SHIPMENT"
    shop.report(record, tracking_number="TRK-1")
    assert shop.confirm()["sent"] == 1
    assert record.packages[0]["shipmentTrackingNumber"] == "TRK1"
    shop.settle()
    assert (shop.row(record)["status"], shop.states()) == ("SHIPPED", ["verified"])


@pytest.mark.parametrize("kind", [FaultKind.DROPPED, FaultKind.DROPPED_BEFORE])
def test_letters_without_a_number_are_told_once_whatever_is_lost(shop, kind):
    record = shop.order(units=4)
    shop.tick()
    shop.letter(record, "A")
    assert shop.confirm()["sent"] == 1
    shop.tick()
    shop.letter(record, "B")
    shop.ebay.add_fault(Fault(kind, operation="createShippingFulfillment"))
    assert shop.confirm()["in_doubt"] == 1
    shop.settle()
    assert shop.states() == ["verified", "verified"]
    assert record.packed(record.lines[0]["lineItemId"]) == 2


def test_a_window_reaches_back_as_far_as_listings_are_late(shop):
    shop.tick()
    shop.tick()
    filters = [dict(entry.query)["filter"] for entry in shop.ebay.journal if entry.operation == "getOrders"]
    since, _, until = filters[-1].partition("[")[2].strip("]").partition("..")
    assert datetime.fromisoformat(until) - datetime.fromisoformat(since) >= timedelta(minutes=30)


@pytest.mark.parametrize(("decision", "state"), [(Decision.ACCEPT, "CANCELED"), (Decision.DECLINE, "NONE_REQUESTED")])
def test_a_buyers_request_is_answered_at_ebay(shop, decision, state):
    record = shop.order()
    shop.tick()
    shop.ebay.advance(AdvanceRequest("request_cancellation", (record.id,)))
    shop.tick()
    with shop.installation.ledger.write() as transaction:
        lock_book(transaction)
        (request,) = cancellation_queries.find_requests(transaction, RequestFilter())
        assert request.requester == "BUYER"
        cancellations.decide(transaction, request.id, decision, "erp", None, None, shop.clock())
    assert cancel.carry_out(shop.installation) == {"told": 1}
    assert record.cancel_state == state
    shop.tick()
    assert (shop.row(record)["status"] == "CANCELED") is (decision is Decision.ACCEPT)

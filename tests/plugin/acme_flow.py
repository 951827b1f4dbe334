"""Acme's orders through the pipeline, against its stand-in: each ability that it declares is used. Run by `test_plugin`."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa
from orders_acme.sandbox import KEY, SIGNER, AcmeSandbox

from orders_pipeline.alerts import conditions
from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.registry import KINDS, MARKETPLACES, NOT_LOADED
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.server import running
from orders_pipeline.stages import accept, cancel, confirm, hints, normalise, pull
from tests.pipeline.confirming_shop import ERP, whole
from warehouse.cancellations import Decision
from warehouse.ledger.base import schema
from warehouse.ledger.book import cancellation_queries, cancellations
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.book.cancellations import CancellationUndecidable, Refusal
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings import channels, configuration
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.shipping import acceptances, shipments
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import ReportResult

FILE = """
connections:
  acme:
    kind: acme
    endpoint: {url}
    settings:
      page_size: 10
      ship_from_places: {{main: {{city: Ulm, postal_code: "89073", country_code: DE}}}}
    credentials: {{api_key: env:ACME_KEY, signing_key: env:ACME_SIGNER}}
channels:
  north:
    connection: acme
    selector: north
    confirmation: true
    settings: {{ship_from: main, return_carrier: GLS, cancellation_hold_hours: 24}}
"""


class Shop:
    """The stand-in, and an installation that is connected to it."""

    def __init__(self, installation, acme):
        self.installation, self.acme, self.clock = installation, acme, installation.clock
        self.rng = Random(3)

    def order(self, state="OPEN", **age):
        return self.acme.make(self.rng, self.clock() - timedelta(**(age or {"hours": 1})), state)

    def tick(self):
        self.clock.advance(minutes=5)
        (result,) = pull.pull_all(self.installation)
        normalise.normalise_pending(self.installation)
        assert result.error is None
        return result

    def row(self, original_id):
        with self.installation.ledger.read() as transaction:
            query = sa.select(schema.orders).where(schema.orders.c.original_id == original_id)
            return transaction.execute(query).mappings().one()

    def facts(self, original_id):
        return json.loads("{" + self.row(original_id)["facts"] + "}")

    def report(self, original_id):
        with self.installation.ledger.write() as transaction:
            (answer,) = shipments.report(transaction, ERP, [whole(self.row(original_id)["id"], 1)], self.clock())
        assert answer.result is ReportResult.ACCEPTED

    def requests(self):
        with self.installation.ledger.read() as transaction:
            return cancellation_queries.find_requests(transaction, RequestFilter())

    def decide(self, decision):
        with self.installation.ledger.write() as transaction:
            lock_book(transaction)
            (request,) = self.requests()
            return cancellations.decide(transaction, request.id, decision, "erp", None, None, self.clock())


@pytest.fixture
def shop(ledger, settings, clock, monkeypatch):
    assert NOT_LOADED == {}
    monkeypatch.setenv("ACME_KEY", KEY)
    monkeypatch.setenv("ACME_SIGNER", SIGNER)
    acme = AcmeSandbox(rate_factor=math.inf, clock=clock)
    installation = Installation(
        settings, ledger, open_key_ring(settings), clock, lambda seconds: clock.advance(seconds=seconds)
    )
    with running(create_app(acme)) as url:
        document = read_document(FILE.format(url=url), KINDS)
        with ledger.write() as transaction:
            configuration.apply(transaction, document, clock())
        yield Shop(installation, acme)


def test_it_is_one_of_the_kinds_and_its_channel_accepts_by_itself(shop):
    assert "acme" in MARKETPLACES
    with shop.installation.ledger.read() as transaction:
        (channel,) = channels.all_channels(transaction)
    assert channel.acceptance == "automatic"


def test_an_order_goes_from_its_acceptance_to_a_confirmation_that_is_verified(shop):
    own_id = shop.order("NEW")
    shop.tick()
    assert shop.row(own_id)["status"] == "PENDING"
    told = shop.facts(own_id)
    assert datetime.fromisoformat(told["accept_by"]) == datetime.fromisoformat(told["purchased_at"]) + timedelta(
        hours=4
    )
    accept.accept_all(shop.installation)
    assert shop.acme.orders[own_id]["state"] == "OPEN"
    normalise.normalise_pending(shop.installation)
    assert shop.row(own_id)["status"] == "WAITING_FOR_SHIPMENT"
    shop.report(own_id)
    (result,) = confirm.confirm_all(shop.installation)
    assert (result.error, result.counts["sent"]) == (None, 1)
    (package,) = shop.acme.orders[own_id]["packages"]
    assert package["from"] == {"city": "Ulm", "postal_code": "89073", "country_code": "DE"}
    assert package["method"] == shop.acme.orders[own_id]["method"]
    assert (package["return_carrier"], package["override"]) == ("GLS", False)
    shop.tick()
    assert shop.row(own_id)["status"] == "SHIPPED"
    with shop.installation.ledger.read() as transaction:
        assert transaction.execute(sa.select(schema.shipments.c.status)).scalars().all() == ["verified"]
    assert all(call.headers["x-signed-by"] == SIGNER for call in shop.acme.asked)


def test_its_news_bring_a_pull_forward(shop):
    shop.tick()
    with shop.installation.ledger.write() as transaction:
        (connection,) = channels.all_connections(transaction)
        settings = {**connection.settings, **shop.acme.telling("").settings}
        channels.save_connection(transaction, replace(connection, settings=settings), shop.clock())
    own_id = shop.order(seconds=5)
    shop.acme.put_hint(own_id)
    assert not hints.look(shop.installation)
    assert shop.acme.news == {}
    shop.clock.advance(seconds=80)
    assert hints.look(shop.installation)
    (result,) = hints.pull_hinted(shop.installation)
    assert (result.outcome, result.new) == ("complete", 1)
    assert not hints.look(shop.installation)


def test_a_refusal_is_not_offered(shop):
    own_id = shop.order("NEW")
    shop.tick()
    order_id = shop.row(own_id)["id"]
    with shop.installation.ledger.write() as transaction:
        decisions = acceptances.for_every_line(transaction, order_id, is_accepted=False)
        with pytest.raises(acceptances.NotAcceptable) as refused:
            acceptances.decide(transaction, order_id, decisions, "erp", shop.clock())
    assert refused.value.code == "refusal_not_offered"


def test_an_older_order_whose_change_no_listing_shows_is_followed(shop):
    own_id = shop.order(days=2)
    shop.tick()
    for _ in range(3):
        shop.tick()
    shop.acme.advance(AdvanceRequest("ship", (own_id,)))
    shop.tick()
    assert shop.row(own_id)["status"] == "SHIPPED"


@pytest.mark.parametrize("decision", list(Decision))
def test_a_request_to_cancel_is_answered_and_shipping_despite_it_says_so(shop, decision):
    own_id = shop.order()
    shop.tick()
    shop.acme.advance(AdvanceRequest("request_cancellation", (own_id,), by="BUYER"))
    shop.tick()
    shop.report(own_id)
    shop.decide(decision)
    assert cancel.carry_out(shop.installation) == {"told": 1}
    assert shop.acme.orders[own_id]["request"]["accepted"] is (decision is Decision.ACCEPT)
    confirm.confirm_all(shop.installation)
    if decision is Decision.ACCEPT:
        assert shop.acme.orders[own_id]["packages"] == []
        shop.tick()
        assert shop.requests()[0].state == "executed"
    else:
        assert shop.acme.orders[own_id]["packages"][0]["override"] is True


def test_a_wish_of_the_seller_is_a_whole_order_for_one_of_the_reasons(shop):
    own_id = shop.order()
    shop.tick()
    row = shop.row(own_id)
    line = shop.facts(own_id)["lines"][0]
    with shop.installation.ledger.write() as transaction:
        lock_book(transaction)
        for wanted, reason, refusal in (
            ({line["id"]: line["quantity_ordered"]}, "STOCK", Refusal.WHOLE_ORDER_ONLY),
            (None, "MOOD", Refusal.UNKNOWN_REASON),
        ):
            with pytest.raises(CancellationUndecidable) as refused:
                cancellations.ask(transaction, row["id"], wanted, "erp", reason, shop.clock())
            assert refused.value.refusal is refusal
        cancellations.ask(transaction, row["id"], None, "erp", "STOCK", shop.clock())
    assert cancel.carry_out(shop.installation) == {"told": 1}
    assert shop.acme.orders[own_id]["state"] == "CANCELLED"


def test_what_its_headers_say_is_left_is_waited_for(shop):
    shop.acme.tokens_left = 0
    shop.tick()
    before = shop.clock()
    (result,) = pull.pull_all(shop.installation)
    assert result.error is None
    assert timedelta(seconds=29) <= shop.clock() - before <= timedelta(seconds=40)


def test_its_key_is_told_before_it_ends(shop):
    with shop.installation.ledger.write() as transaction:
        set_at = {"api_key": (shop.clock() - timedelta(days=70)).isoformat(), "signing_key": "2020-01-01"}
        channels.remember(transaction, "acme", {"secrets_set_at": set_at})
        connection = channels.find_connection(transaction, "acme")
    ends = conditions.expiry(connection, KINDS["acme"])
    assert ends == shop.clock() + timedelta(days=20)

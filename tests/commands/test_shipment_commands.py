"""`orders shipments …` and `orders carriers …` as a person uses them: what they print, what they change, their exit codes."""

from __future__ import annotations

import json

import pytest

from orders_pipeline.installation import opened
from warehouse.ledger.base import schema
from warehouse.ledger.book import acknowledgements, orders
from warehouse.ledger.book.acknowledgements import Acknowledgement
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.settings import carriers, tokens
from warehouse.ledger.shipping import held_shipments, shipment_queries
from warehouse.ledger.shipping.shipments import report
from warehouse.order_lines import Line
from warehouse.order_states import AcknowledgementOutcome, FulfilledBy, Status
from warehouse.orders import Order
from warehouse.shipment_reports import Sender, ShipmentReport, Source
from warehouse.shipments import Carrier, CarrierRule, Requirements

UNKNOWN = "00000000-0000-5000-8000-000000000000"


def an_order(number: int, now) -> Order:
    return Order(
        original_id=f"402-{number}",
        channel="fr",
        marketplace="Amazon FR",
        marketplace_status="UNSHIPPED",
        status=Status.WAITING_FOR_SHIPMENT,
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=now,
        marketplace_updated_at=now,
        lines=(
            Line(
                original_id="L1",
                number=1,
                sku="LAMP-12",
                quantity_ordered=2,
                quantity_shipped=0,
                quantity_cancelled=0,
            ),
        ),
    )


@pytest.fixture
def shipped(configured):
    """Ships orders of a channel that does not confirm yet; returns the shipments' ids."""

    def ship(count: int) -> list[str]:
        with opened() as installation:
            now = installation.clock()
            arrivals = [arrive(an_order(each, now), 1, now, is_historical=False) for each in range(count)]
            with installation.ledger.write() as transaction:
                orders.lock_book(transaction)
                orders.settle(transaction, installation.keys, arrivals, now)
                sender = Sender(consumer="erp", source=Source.API, report_id="r-1")
                given = [ShipmentReport(id=each.order.id, tracking_number=f"T{n}") for n, each in enumerate(arrivals)]
                return [each.shipment_id or "" for each in report(transaction, sender, given, now)]

    return ship


def names_of(configured, shipment: str) -> dict[str, str]:
    """Every name of the shipment's order, one of them the ERP's."""
    with opened() as installation:
        now = installation.clock()
        with installation.ledger.write() as transaction:
            own_id = shipment_queries.by_id(transaction, shipment, None).shipment.order_id
            given = Acknowledgement(id=own_id, outcome=AcknowledgementOutcome.OK, order_number="SO-10042")
            tokens.create(transaction, "erp", [tokens.Scope.ORDERS_READ], None, None, now)
            acknowledgements.acknowledge(transaction, "erp", None, [given], now)
    return {"internal": own_id, "marketplace": "402-0", "tracking": "T0", "shipment": shipment, "erp": "SO-10042"}


@pytest.mark.parametrize("kind", ["internal", "marketplace", "tracking", "shipment", "erp"])
def test_an_order_and_its_shipment_answer_to_every_name(configured, shipped, kind):
    [first, _] = shipped(2)
    names = names_of(configured, first)
    name = names[kind]
    assert json.loads(configured("show", name, "--json").stdout)["id"] == names["internal"]
    assert json.loads(configured("shipments", "show", name, "--json").stdout)["id"] == first
    assert [row["id"] for row in rows(configured("shipments", "list", "--order", name, "--json"))] == [first]
    assert {row["order_id"] for row in rows(configured("logs", "--order", name, "--json"))} == {names["internal"]}


def test_a_name_that_means_several_is_answered_by_all_of_them(configured, shipped):
    ids = shipped(2)
    with opened() as installation, installation.ledger.write() as transaction:
        transaction.execute(schema.shipments.update().values(tracking_number="TWO"))
    done = configured("shipments", "show", "TWO")
    assert (done.returncode, [each in done.stderr.replace("\n", "") for each in ids]) == (2, [True, True])


@pytest.mark.parametrize(
    "arguments", [("show", "T9"), ("logs", "--order", "T9"), ("shipments", "list", "--order", "T9")]
)
def test_a_name_of_no_order_is_told(configured, arguments):
    done = configured(*arguments)
    assert (done.returncode, "there is no order 'T9'" in done.stderr) == (2, True)


def rows(done) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shipments", "show", UNKNOWN), "there is no shipment"),
        (("shipments", "retry", UNKNOWN), "there is no shipment"),
        (("shipments", "release", "nowhere"), "there is no channel"),
        (("shipments", "skip", "nowhere"), "there is no channel"),
        (("shipments", "release", "fr"), "--confirmation"),
        (("carriers", "set", "nowhere", "X", "--carrier-code", "Y"), "there is no channel"),
        (("carriers", "remove", "fr", "X"), "no carrier"),
        (("carriers", "resolve", "nowhere", "X"), "there is no channel"),
    ],
)
def test_a_mistake_is_told_in_one_plain_sentence(configured, arguments, said):
    done = configured(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_shipments_are_listed_and_shown(configured, shipped):
    ids = shipped(2)
    listed = rows(configured("shipments", "list", "--status", "held", "--json"))
    assert {each["id"] for each in listed} == set(ids)
    assert rows(configured("shipments", "list", "--order", "402-1", "--json"))[0]["tracking_number"] == "T1"
    assert rows(configured("shipments", "list", "--channel", "shop", "--json")) == []
    shown = configured("shipments", "show", ids[0])
    assert "LAMP-12" in shown.stdout
    assert "confirmation_off" in shown.stdout
    assert rows(configured("shipments", "show", ids[0], "--json"))[0]["items"][0]["quantity"] == 2


def test_switching_confirmation_on_tells_of_what_is_held_and_releasing_sends_it(configured, shipped, monkeypatch):
    monkeypatch.setattr(held_shipments, "HELD_PER_COMMIT", 2)
    shipped(3)
    switched = configured("channels", "set", "fr", "--confirmation", "--acceptance", "automatic")
    assert "3 of its shipments are held" in switched.stderr
    assert "acceptance automatic" in switched.stderr
    assert len(rows(configured("shipments", "list", "--status", "held", "--json"))) == 3
    assert "3 held shipments are queued" in configured("shipments", "release", "fr").stderr
    assert len(rows(configured("shipments", "list", "--status", "queued", "--json"))) == 3
    assert "nothing is held" in configured("shipments", "release", "fr").stderr


def test_held_shipments_may_be_skipped_for_good(configured, shipped):
    (own_id,) = shipped(1)
    assert "1 held shipments are skipped" in configured("shipments", "skip", "fr").stderr
    done = configured("shipments", "retry", own_id)
    assert (done.returncode, "skipped" in done.stderr) == (1, True)
    assert "are held" not in configured("channels", "set", "fr", "--confirmation").stderr


def test_a_waiting_shipment_is_tried_again(configured, shipped):
    (own_id,) = shipped(1)
    configured("channels", "set", "fr", "--confirmation")
    configured("shipments", "release", "fr")
    assert configured("shipments", "retry", own_id).stdout == f"{own_id}: queued\n"


def test_a_carrier_is_mapped_resolved_and_removed(configured):
    assert configured("carriers", "set", "fr", "dpd01", "--carrier-code", "DPD").returncode == 0
    assert rows(configured("carriers", "list", "--json")) == [
        {"channel": "fr", "code": "DPD01", "carrier_code": "DPD", "carrier_name": None, "tracking_url": None}
    ]
    told = rows(configured("carriers", "resolve", "fr", "Dpd01", "--json"))[0]
    assert (told["told_code"], told["is_taken"], told["carrier_rule"]) == ("DPD", True, "not known yet")
    assert configured("carriers", "remove", "fr", "DPD01").returncode == 0
    assert rows(configured("carriers", "list", "--json")) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "carrier_code"),
        (("--carrier-code", "DPD", "--tracking-url", "dpd.example/{tracking_number}"), "tracking_url"),
        (("--carrier-code", "DPD", "--tracking-url", "https://dpd.example/"), "tracking_url"),
    ],
)
def test_a_carrier_that_says_nothing_is_refused(configured, options, said):
    done = configured("carriers", "set", "fr", "DPD01", *options)
    assert done.returncode == 4
    assert said in done.stderr


def test_a_word_that_the_marketplace_would_refuse_is_told(configured):
    needs = Requirements(
        needs_tracking_number=False,
        needs_carrier=True,
        carrier_rule=CarrierRule.LISTED,
        carriers=(Carrier(code="UPS", label="United Parcel"),),
    )
    with opened() as installation, installation.ledger.write() as transaction:
        carriers.save_requirements(transaction, "fr", needs, installation.clock())
    assert rows(configured("carriers", "resolve", "fr", "united parcel", "--json"))[0]["told_code"] == "UPS"
    refused = configured("carriers", "resolve", "fr", "WHO")
    assert (refused.returncode, "map the word" in refused.stderr) == (7, True)

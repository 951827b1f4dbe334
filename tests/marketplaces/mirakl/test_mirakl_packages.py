"""Confirming packages to a Mirakl instance over real HTTP, judged answer by answer; acceptance; and the packages shown."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from orders_pipeline.marketplaces.errors import InDoubt, Permanent, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.mirakl import MARKETPLACE
from orders_pipeline.marketplaces.mirakl.client import MiraklClient
from orders_pipeline.marketplaces.mirakl.refusals import judged, refused
from orders_pipeline.marketplaces.protocol import ChannelContext, ConnectionContext, Parcel
from orders_pipeline.marketplaces.rest import RestAnswer
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.mirakl.state import API_KEY, MiraklSandbox
from orders_pipeline.sandbox.server import running
from warehouse.order_parts import Package
from warehouse.shipments import AttemptOutcome, CarrierRule

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
CONTEXT = ChannelContext("garden_fr", "Garden FR")


class Shop:
    """A sandbox with orders, and clients of it."""

    def __init__(self, sandbox, url):
        self.sandbox = sandbox
        self.url = url
        self.taken = []
        self.opened = []

    def client(self, key=API_KEY, url=None, **settings):
        context = ConnectionContext("garden", url or self.url, None, settings, (), {"api_key": key})
        self.opened.append(MiraklClient(context, self.taken.append, 50, lambda: NOW))
        return self.opened[-1]

    def orders(self, state, number=1):
        """Plain orders of at least two lines and three units."""
        found = [
            record
            for record in self.sandbox.records.values()
            if record.state == state
            and record.center == "DEFAULT"
            and not record.shipment_ids
            and len(record.lines) > 1
            and record.lines[0]["quantity"] > 1
            and not any(line["cancelations"] for line in record.lines)
            and (state != "SHIPPING" or record.order["can_shop_ship"])
        ]
        assert len(found) >= number
        return found[:number]

    def fail(self, kind, operation, **more):
        self.sandbox.add_fault(Fault(kind, operation=operation, **more))

    def operations(self):
        return [entry.operation for entry in self.sandbox.journal]

    def confirmed(self, record, **changes):
        (receipt,) = self.client().confirm([parcel(record, **changes)])
        return receipt


@pytest.fixture(scope="module")
def stage():
    """One server for all tests, which hands over to whichever sandbox is on."""
    held = {}

    async def app(scope, receive, send):
        await held["app"](scope, receive, send)

    with running(app) as url:
        yield held, url


@pytest.fixture
def shop(stage):
    held, url = stage
    sandbox = MiraklSandbox(seed=7, rate_factor=math.inf, clock=lambda: NOW)
    sandbox.generate(GenerateRequest(orders=250, mixed_share=0))
    held["app"] = create_app(sandbox)
    made = Shop(sandbox, url)
    yield made
    for client in made.opened:
        client.close()


@pytest.fixture
def whole(shop):
    """The same, where an order takes one package."""
    shop.sandbox.configure({"multi_shipment": False})
    return shop


def parcel(record, **changes):
    values = {
        "shipment_id": f"s-{record.id}",
        "original_id": record.id,
        "selector": record.channel,
        "reference": 41,
        "package_id": "PACK/41",
        "marketplace_package_id": None,
        "is_update": False,
        "is_whole": True,
        "carrier_code": "DHL",
        "carrier_name": "dhl paket",
        "tracking_number": "TRACK-1",
        "tracking_url": None,
        "shipping_method": None,
        "ship_from": None,
        "return_tracking_number": None,
        "return_carrier": None,
        "shipped_at": NOW,
        "quantities": tuple((line["order_line_id"], line["quantity"]) for line in record.lines),
    }
    return Parcel(**{**values, **changes})


class TestShipments:
    """Several shipments per order: ST01, ST23, ST24."""

    def test_what_is_sent_and_what_is_known_afterwards(self, shop):
        (record,) = shop.orders("SHIPPING")
        receipt = shop.confirmed(record, ship_from="WH-1")
        (effect,) = shop.sandbox.journal.effects("ST01")[0].effect["shipments"]
        assert (effect["order_id"], effect["label"], effect["status"]) == (record.id, "PACK/41", "SHIPPED")
        assert effect["tracking"]["tracking_number"] == "TRACK-1"
        assert effect["quantities"] == dict(parcel(record).quantities)
        assert (receipt.marketplace_package_id, receipt.http_status) == (effect["shipment_id"], 201)
        shipment = shop.sandbox.shipments[receipt.marketplace_package_id]
        assert shipment["shipping_from"] == {"warehouse": {"code": "WH-1"}}

    def test_one_call_for_all_and_a_receipt_for_each(self, shop):
        good, shipped, other = shop.orders("SHIPPING", 3)
        shop.sandbox.advance(AdvanceRequest("ship", (shipped.id,)))
        line = other.lines[0]
        parcels = [
            parcel(good),
            parcel(shipped),
            parcel(other, quantities=((line["order_line_id"], line["quantity"] + 1),)),
            parcel(other, shipment_id="s-none", original_id="none"),
        ]
        told = {each.shipment_id: (each.outcome, each.code) for each in shop.client().confirm(parcels)}
        assert told == {
            f"s-{good.id}": (AttemptOutcome.SENT, ""),
            f"s-{shipped.id}": (AttemptOutcome.IN_DOUBT, "already_shipped"),
            f"s-{other.id}": (AttemptOutcome.REJECTED, "quantity_refused"),
            "s-none": (AttemptOutcome.REJECTED, "order_not_found"),
        }
        assert shop.operations() == ["PC01", "ST01"]

    def test_two_packages_of_one_order_are_no_batch(self, shop):
        (record,) = shop.orders("SHIPPING")
        with pytest.raises(Permanent) as refusal:
            shop.client().confirm([parcel(record), parcel(record, shipment_id="s-2")])
        assert refusal.value.code == "batch_invalid"
        assert shop.operations() == []

    @pytest.mark.parametrize(
        ("state", "outcome", "code"),
        [
            ("WAITING_DEBIT_PAYMENT", AttemptOutcome.RETRY, "order_not_ready"),
            ("WAITING_ACCEPTANCE", AttemptOutcome.RETRY, "order_not_ready"),
            ("CANCELED", AttemptOutcome.REJECTED, "order_canceled"),
            ("REFUSED", AttemptOutcome.REJECTED, "order_canceled"),
            ("RECEIVED", AttemptOutcome.IN_DOUBT, "already_shipped"),
        ],
    )
    @pytest.mark.parametrize("is_several", [True, False])
    def test_an_order_in_another_state(self, shop, is_several, state, outcome, code):
        shop.sandbox.configure({"multi_shipment": is_several})
        (record,) = shop.orders("SHIPPING")
        record.order["order_state"] = state
        receipt = shop.confirmed(record)
        assert (receipt.outcome, receipt.code) == (outcome, code)
        assert state in receipt.message

    @pytest.mark.parametrize("is_several", [True, False])
    def test_tracking_that_is_mandatory(self, shop, is_several):
        shop.sandbox.configure({"multi_shipment": is_several})
        (record,) = shop.orders("SHIPPING")
        record.order["shipping_type_code"] = "EXP"
        receipt = shop.confirmed(record, carrier_code=None, carrier_name=None, tracking_number=None)
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "tracking_missing")
        assert "mandatory" in receipt.message

    @pytest.mark.parametrize("is_several", [True, False])
    def test_an_order_that_the_operator_ships(self, shop, is_several):
        shop.sandbox.configure({"multi_shipment": is_several})
        (record,) = shop.orders("SHIPPING")
        record.order["can_shop_ship"] = False
        assert shop.confirmed(record).code == "not_shipped_by_shop"

    @pytest.mark.parametrize("is_several", [True, False])
    def test_a_code_that_is_not_registered_is_told_by_its_name(self, shop, is_several):
        shop.sandbox.configure({"multi_shipment": is_several})
        (record,) = shop.orders("SHIPPING")
        receipt = shop.confirmed(record, carrier_code="NOT-REGISTERED", carrier_name="Kurier Muster")
        assert receipt.outcome is AttemptOutcome.SENT
        (package,) = shown(shop, record)
        assert package.carriers == ("Kurier Muster",)

    @pytest.mark.parametrize("is_several", [True, False])
    def test_only_registered_carriers(self, shop, is_several):
        shop.sandbox.configure({"multi_shipment": is_several, "alternative_carriers": False})
        (record,) = shop.orders("SHIPPING")
        receipt = shop.confirmed(record, carrier_code="NOT-REGISTERED", carrier_name="Kurier Muster")
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "carrier_refused")
        assert shop.client().requirements().carrier_rule is CarrierRule.LISTED

    def test_an_update_changes_the_tracking_of_its_shipment(self, shop):
        (record,) = shop.orders("SHIPPING")
        first = shop.confirmed(record)
        receipt = shop.confirmed(
            record, is_update=True, marketplace_package_id=first.marketplace_package_id, tracking_number="NEW"
        )
        assert (receipt.outcome, receipt.operation, receipt.marketplace_package_id) == (
            AttemptOutcome.SENT,
            "ST23",
            first.marketplace_package_id,
        )
        assert [each.tracking_number for each in shown(shop, record)] == ["NEW"]

    def test_an_update_finds_its_shipment_by_our_name_of_the_package(self, shop):
        (record,) = shop.orders("SHIPPING")
        first = shop.confirmed(record)
        receipt = shop.confirmed(record, is_update=True, marketplace_package_id=None, tracking_number="NEW")
        assert (receipt.outcome, receipt.marketplace_package_id) == (AttemptOutcome.SENT, first.marketplace_package_id)

    def test_an_update_ships_what_was_only_created(self, shop):
        (record,) = shop.orders("SHIPPING")
        first = shop.confirmed(record)
        shop.sandbox.shipments[first.marketplace_package_id]["status"] = "SHIPPING"
        receipt = shop.confirmed(record, is_update=True, marketplace_package_id=first.marketplace_package_id)
        assert (receipt.outcome, receipt.operation) == (AttemptOutcome.SENT, "ST24")
        assert shop.sandbox.shipments[first.marketplace_package_id]["status"] == "SHIPPED"

    def test_an_update_of_a_canceled_shipment(self, shop):
        (record,) = shop.orders("SHIPPING")
        first = shop.confirmed(record)
        shop.sandbox.shipments[first.marketplace_package_id]["status"] = "CANCELED"
        receipt = shop.confirmed(record, is_update=True, marketplace_package_id=first.marketplace_package_id)
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "shipment_unknown")
        assert shop.operations().count("ST01") == 1

    def test_shipping_after_the_tracking_was_changed_fails_alone(self, shop):
        (record,) = shop.orders("SHIPPING")
        first = shop.confirmed(record)
        shop.sandbox.shipments[first.marketplace_package_id]["status"] = "SHIPPING"
        shop.fail(FaultKind.THROTTLED, "ST24")
        receipt = shop.confirmed(record, is_update=True, marketplace_package_id=first.marketplace_package_id)
        assert (receipt.outcome, receipt.operation, receipt.code) == (AttemptOutcome.RETRY, "ST24", "throttled")

    def test_new_packages_and_updates_together(self, shop):
        first, second = shop.orders("SHIPPING", 2)
        package_id = shop.confirmed(first).marketplace_package_id
        told = shop.client().confirm([parcel(first, is_update=True, marketplace_package_id=package_id), parcel(second)])
        assert {each.operation: each.outcome for each in told} == {
            "ST01": AttemptOutcome.SENT,
            "ST23": AttemptOutcome.SENT,
        }

    def test_once_the_instance_is_unwell_the_rest_waits(self, shop):
        first, second = shop.orders("SHIPPING", 2)
        package_id = shop.confirmed(first).marketplace_package_id
        shop.fail(FaultKind.ERROR_HTML, "ST01", after=0)
        told = shop.client().confirm([parcel(first, is_update=True, marketplace_package_id=package_id), parcel(second)])
        assert [(each.outcome, each.code) for each in told] == [
            (AttemptOutcome.IN_DOUBT, "marketplace_unavailable"),
            (AttemptOutcome.RETRY, "not_tried"),
        ]
        assert "ST23" not in shop.operations()


class TestAnswers:
    """Answers of ST01 that a sandbox does not give by itself."""

    @pytest.fixture
    def answering(self, stage, shop):
        """Let ST01 answer what a function makes of the request's shipments."""

        def answer_with(make):
            held, _ = stage
            app = held["app"]

            async def instead(scope, receive, send):
                if scope["type"] != "http" or scope["path"] != "/api/shipments":
                    await app(scope, receive, send)
                    return
                body = b""
                while True:
                    message = await receive()
                    body += message.get("body", b"")
                    if not message.get("more_body"):
                        break
                status, value = make(json.loads(body)["shipments"])
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": content})

            held["app"] = instead

        return answer_with

    def outcomes(self, shop, number=3):
        records = shop.orders("SHIPPING", number)
        return [(each.outcome, each.code) for each in shop.client().confirm([parcel(each) for each in records])]

    def test_an_order_in_neither_list(self, shop, answering):
        answering(lambda sent: (201, {"shipment_success": [{"id": "1", "order_id": sent[0]["order_id"]}]}))
        assert self.outcomes(shop) == [(AttemptOutcome.SENT, "")] + [(AttemptOutcome.IN_DOUBT, "no_receipt")] * 2

    def test_an_order_in_both_lists(self, shop, answering):
        def both(sent):
            entries = [{"id": "1", "order_id": each["order_id"], "message": "no"} for each in sent]
            return 201, {"shipment_success": entries, "shipment_errors": entries}

        answering(both)
        assert set(self.outcomes(shop)) == {(AttemptOutcome.IN_DOUBT, "no_receipt")}

    @pytest.mark.parametrize(
        "value",
        [{}, [], b"", b"<html>", {"shipment_success": None, "shipment_errors": "x"}],
    )
    def test_no_lists(self, shop, answering, value):
        answering(lambda _: (201, value))
        assert set(self.outcomes(shop)) == {(AttemptOutcome.IN_DOUBT, "unreadable_answer")}

    @pytest.mark.parametrize("entries", [[None, 7, {}, {"order_id": None}], [{"message": "no"}]])
    def test_entries_that_name_no_order(self, shop, answering, entries):
        answering(lambda _: (201, {"shipment_success": [], "shipment_errors": entries}))
        assert set(self.outcomes(shop)) == {(AttemptOutcome.IN_DOUBT, "no_receipt")}

    def test_one_package_that_spoils_the_call_is_found(self, shop, answering):
        bad = shop.orders("SHIPPING", 3)[1].id

        def judge(sent):
            if any(each["order_id"] == bad for each in sent):
                return 400, {"status": 400, "message": "shipments: a value is too long"}
            return 201, {"shipment_success": [{"id": "1", "order_id": each["order_id"]} for each in sent]}

        answering(judge)
        assert self.outcomes(shop) == [
            (AttemptOutcome.SENT, ""),
            (AttemptOutcome.REJECTED, "shipment_refused"),
            (AttemptOutcome.SENT, ""),
        ]

    def test_a_refusal_without_a_reason(self, shop, answering):
        answering(lambda _: (400, {"status": 400}))
        assert set(self.outcomes(shop)) == {(AttemptOutcome.IN_DOUBT, "refused_without_reason")}


class TestWholeOrders:
    """One package per order: OR23, then OR24."""

    def test_tracking_comes_before_shipping(self, whole):
        (record,) = whole.orders("SHIPPING")
        units = dict(parcel(record).quantities)
        receipt = whole.confirmed(record, carrier_code=None, carrier_name="Kurier", tracking_url="https://t.example/1")
        assert (receipt.outcome, receipt.operation, receipt.http_status) == (AttemptOutcome.SENT, "OR24", 204)
        assert whole.operations() == ["PC01", "OR11", "OR23", "OR24"]
        assert record.order["shipping_tracking_url"] == "https://t.example/1"
        (effect,) = [entry.effect for entry in whole.sandbox.journal.effects("OR24")]
        assert (effect["order_id"], effect["tracking"]["tracking_number"]) == (record.id, "TRACK-1")
        assert effect["quantities"] == units

    def test_a_part_is_refused_without_a_call(self, whole):
        (record,) = whole.orders("SHIPPING")
        assert whole.confirmed(record, is_whole=False).code == "partial_not_possible"
        assert whole.operations() == ["PC01"]

    def test_an_update_sets_the_tracking_only(self, whole):
        (record,) = whole.orders("SHIPPING")
        whole.confirmed(record)
        receipt = whole.confirmed(record, is_update=True, tracking_number="NEW")
        assert (receipt.outcome, receipt.operation) == (AttemptOutcome.SENT, "OR23")
        assert record.order["shipping_tracking"] == "NEW"
        assert whole.operations().count("OR24") == 1

    def test_an_update_that_comes_too_late(self, whole):
        (record,) = whole.orders("SHIPPING")
        whole.confirmed(record)
        record.order["order_state"] = "CLOSED"
        receipt = whole.confirmed(record, is_update=True, tracking_number="NEW")
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "tracking_refused")

    @pytest.mark.parametrize(
        ("kind", "outcome", "code"),
        [
            (FaultKind.ERROR_HTML, AttemptOutcome.RETRY, "marketplace_unavailable"),
            (FaultKind.DROPPED, AttemptOutcome.RETRY, "unanswered"),
            (FaultKind.OK_HTML, AttemptOutcome.RETRY, "unreadable_answer"),
        ],
    )
    def test_a_doubt_about_the_tracking_is_no_doubt_about_the_shipment(self, whole, kind, outcome, code):
        (record,) = whole.orders("SHIPPING")
        whole.fail(kind, "OR23")
        receipt = whole.confirmed(record)
        assert (receipt.outcome, receipt.operation, receipt.code) == (outcome, "OR23", code)
        assert record.state == "SHIPPING"
        assert whole.confirmed(record).outcome is AttemptOutcome.SENT

    def test_a_doubt_about_changed_tracking_is_one(self, whole):
        (record,) = whole.orders("SHIPPING")
        whole.confirmed(record)
        whole.fail(FaultKind.DROPPED, "OR23")
        receipt = whole.confirmed(record, is_update=True)
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.IN_DOUBT, "unanswered")

    @pytest.mark.parametrize(
        ("kind", "outcome", "code"),
        [
            (FaultKind.ERROR_HTML, AttemptOutcome.IN_DOUBT, "marketplace_unavailable"),
            (FaultKind.OK_EMPTY, AttemptOutcome.IN_DOUBT, "unreadable_answer"),
            (FaultKind.DROPPED, AttemptOutcome.IN_DOUBT, "unanswered"),
            (FaultKind.DROPPED_BEFORE, AttemptOutcome.IN_DOUBT, "unanswered"),
            (FaultKind.THROTTLED, AttemptOutcome.RETRY, "throttled"),
        ],
    )
    def test_tracking_arrived_and_shipping_did_not(self, whole, kind, outcome, code):
        (record,) = whole.orders("SHIPPING")
        whole.fail(kind, "OR24")
        receipt = whole.confirmed(record)
        assert (receipt.outcome, receipt.operation, receipt.code) == (outcome, "OR24", code)
        assert record.order["shipping_tracking"] == "TRACK-1"

    def test_a_refused_key_after_the_tracking_arrived(self, whole):
        (record,) = whole.orders("SHIPPING")
        whole.fail(FaultKind.ERROR_JSON, "OR24", status=401)
        receipt = whole.confirmed(record)
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.RETRY, "unauthorised")

    def test_once_the_instance_is_unwell_the_rest_waits(self, whole):
        records = whole.orders("SHIPPING", 3)
        whole.fail(FaultKind.DROPPED, "OR24")
        told = whole.client().confirm([parcel(each) for each in records])
        assert [(each.outcome, each.code) for each in told] == [
            (AttemptOutcome.IN_DOUBT, "unanswered"),
            (AttemptOutcome.RETRY, "not_tried"),
            (AttemptOutcome.RETRY, "not_tried"),
        ]
        assert [each.state for each in records] == ["SHIPPED", "SHIPPING", "SHIPPING"]

    def test_quota_that_runs_out_half_way_leaves_receipts(self, whole):
        records = whole.orders("SHIPPING", 3)
        whole.fail(FaultKind.THROTTLED, "OR23", after=1, count=None)
        told = whole.client().confirm([parcel(each) for each in records])
        assert [each.outcome for each in told] == [AttemptOutcome.SENT, AttemptOutcome.RETRY, AttemptOutcome.RETRY]
        assert {(each.code, each.is_its_turn) for each in told[1:]} == {("throttled", False)}


@pytest.mark.parametrize(("is_several", "operation"), [(True, "ST01"), (False, "OR23")])
@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        pytest.param(Fault(FaultKind.THROTTLED, seconds=7), Throttled, "throttled", id="429"),
        pytest.param(Fault(FaultKind.ERROR_JSON, status=401), Unauthorised, "unauthorised", id="401"),
        pytest.param(Fault(FaultKind.ERROR_HTML, status=403), Unauthorised, "unauthorised", id="403 html"),
        pytest.param(Fault(FaultKind.ERROR_EMPTY, status=302), Permanent, "redirected", id="302"),
    ],
)
def test_a_call_turned_away_at_the_door_has_not_arrived(shop, is_several, operation, fault, kind, code):
    shop.sandbox.configure({"multi_shipment": is_several})
    shop.sandbox.add_fault(replace(fault, operation=operation))
    (record,) = shop.orders("SHIPPING")
    with pytest.raises(kind) as refusal:
        shop.confirmed(record)
    assert refusal.value.code == code
    assert record.state == "SHIPPING"


def test_throttled_tells_how_long(shop):
    shop.fail(FaultKind.THROTTLED, "ST01", seconds=7)
    with pytest.raises(Throttled) as refusal:
        shop.confirmed(shop.orders("SHIPPING")[0])
    assert refusal.value.retry_after == 7


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.ERROR_HTML, "marketplace_unavailable"),
        (FaultKind.ERROR_EMPTY, "marketplace_unavailable"),
        (FaultKind.OK_HTML, "unreadable_answer"),
        (FaultKind.OK_EMPTY, "unreadable_answer"),
        (FaultKind.TRUNCATED, "unreadable_answer"),
        (FaultKind.DROPPED, "unanswered"),
        (FaultKind.DROPPED_BEFORE, "unanswered"),
    ],
)
def test_an_answer_that_tells_nothing_is_in_doubt(shop, kind, code):
    shop.fail(kind, "ST01")
    receipt = shop.confirmed(shop.orders("SHIPPING")[0])
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.IN_DOUBT, code)
    assert shop.operations().count("ST01") == 1


def test_an_answer_that_comes_too_late_is_in_doubt(shop):
    shop.fail(FaultKind.SLOW, "ST01", seconds=1.0)
    (record,) = shop.orders("SHIPPING")
    (receipt,) = shop.client(read_timeout_seconds=0.2).confirm([parcel(record)])
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.IN_DOUBT, "unanswered")
    assert record.state == "SHIPPED"


def test_an_answer_that_trickles_is_in_doubt(shop):
    client = shop.client(total_timeout_seconds=1e-9)
    with pytest.raises(InDoubt):
        client.accept("none", {"1": True})


def test_a_connection_that_was_never_there_leaves_no_doubt(shop):
    with pytest.raises(Transient):
        shop.client(url="http://127.0.0.1:9").accept("none", {"1": True})


def test_the_key_is_never_repeated(shop):
    shop.fail(FaultKind.DROPPED, "ST01")
    receipts = [shop.confirmed(record) for record in shop.orders("SHIPPING", 2)]
    assert API_KEY not in repr(receipts)


class TestWords:
    """Refusals that no sandbox words so."""

    @pytest.mark.parametrize(
        ("words", "outcome", "code"),
        [
            ("The order status must be 'SHIPPING' but it is 'TO_COLLECT'.", AttemptOutcome.IN_DOUBT, "already_shipped"),
            ("The order status must be 'SHIPPING' but it is 'SOMETHING_NEW'.", AttemptOutcome.IN_DOUBT, "order_state"),
            ("Shipment quantity is invalid.", AttemptOutcome.REJECTED, "quantity_refused"),
            ("Tracking details are mandatory for this shipping method", AttemptOutcome.REJECTED, "tracking_missing"),
            ("The shipment does not exist.", AttemptOutcome.REJECTED, "shipment_unknown"),
            ("The order line does not exist.", AttemptOutcome.REJECTED, "line_unknown"),
            ("The stars are not right.", AttemptOutcome.REJECTED, "shipment_refused"),
        ],
    )
    def test_shipment_errors(self, words, outcome, code):
        assert (refused(words).outcome, refused(words).code) == (outcome, code)

    @pytest.mark.parametrize(
        ("status", "value", "code", "said", "expected"),
        [
            (400, {}, "ORDER_INVALID_STATE", "", (AttemptOutcome.IN_DOUBT, "order_state")),
            (
                400,
                {},
                "ORDER_INVALID_STATE",
                "The order is CANCELED, not SHIPPING",
                (AttemptOutcome.REJECTED, "order_canceled"),
            ),
            (403, {}, "ORDER_FULFILLED_UNAUTHORIZED", "no", (AttemptOutcome.REJECTED, "not_shipped_by_shop")),
            (404, {}, "ORDER_NOT_FOUND", "", (AttemptOutcome.REJECTED, "order_not_found")),
            (400, {}, "", "", (AttemptOutcome.IN_DOUBT, "refused_without_reason")),
            (400, None, "", "", (AttemptOutcome.IN_DOUBT, "unreadable_answer")),
            (200, {}, "", "", (AttemptOutcome.IN_DOUBT, "unreadable_answer")),
            (502, None, "", "", (AttemptOutcome.IN_DOUBT, "marketplace_unavailable")),
        ],
    )
    def test_answers_of_order_calls(self, status, value, code, said, expected):
        told = judged(RestAnswer("OR24", status, value, b"", httpx.Headers(), code, said))
        assert (told.outcome, told.code) == expected


class TestAcceptance:
    """OR21."""

    def decisions(self, record, *, is_accepted=True):
        return {line["order_line_id"]: is_accepted for line in record.lines}

    def test_accepting_and_refusing(self, shop):
        first, second = shop.orders("WAITING_ACCEPTANCE", 2)
        shop.client().accept(first.id, self.decisions(first))
        shop.client().accept(second.id, self.decisions(second, is_accepted=False))
        assert (first.state, second.state) == ("WAITING_DEBIT_PAYMENT", "REFUSED")

    def test_an_order_that_is_decided_already(self, shop):
        (record,) = shop.orders("WAITING_ACCEPTANCE")
        shop.client().accept(record.id, self.decisions(record))
        with pytest.raises(InDoubt) as doubt:
            shop.client().accept(record.id, self.decisions(record))
        assert doubt.value.code == "order_state"

    def test_a_line_that_is_not_decided(self, shop):
        (record,) = shop.orders("WAITING_ACCEPTANCE")
        with pytest.raises(Permanent) as refusal:
            shop.client().accept(record.id, dict(list(self.decisions(record).items())[:1]))
        assert (refusal.value.code, bool(refusal.value.hint)) == ("decision_missing", True)

    def test_a_part_where_parts_are_not_accepted(self, shop):
        shop.sandbox.configure({"partial_acceptance": False})
        (record,) = shop.orders("WAITING_ACCEPTANCE")
        decisions = self.decisions(record)
        decisions[record.lines[0]["order_line_id"]] = False
        with pytest.raises(Permanent) as refusal:
            shop.client().accept(record.id, decisions)
        assert refusal.value.code == "partial_acceptance_disabled"

    def test_an_unknown_order(self, shop):
        with pytest.raises(Permanent) as refusal:
            shop.client().accept("none", {"1": True})
        assert refusal.value.code == "order_not_found"

    @pytest.mark.parametrize("kind", [FaultKind.DROPPED, FaultKind.ERROR_HTML, FaultKind.OK_EMPTY])
    def test_an_answer_that_tells_nothing(self, shop, kind):
        (record,) = shop.orders("WAITING_ACCEPTANCE")
        shop.fail(kind, "OR21")
        with pytest.raises(InDoubt):
            shop.client().accept(record.id, self.decisions(record))

    def test_over_quota(self, shop):
        (record,) = shop.orders("WAITING_ACCEPTANCE")
        shop.fail(FaultKind.THROTTLED, "OR21")
        with pytest.raises(Throttled):
            shop.client().accept(record.id, self.decisions(record))
        assert record.state == "WAITING_ACCEPTANCE"


class TestRequirements:
    """What an operator tells of itself."""

    def test_with_several_shipments(self, shop):
        needs = shop.client().requirements()
        assert (needs.takes_part, needs.takes_several_packages) == (True, True)
        assert needs.carrier_rule is CarrierRule.LISTED_OR_NAMED
        assert needs.carrier_aliases["LA POSTE COLISSIMO"] == "COLISSIMO"
        assert sorted(shop.operations()) == ["PC01", "SH21"]

    def test_without(self, whole):
        needs = whole.client().requirements()
        assert (needs.takes_part, needs.takes_several_packages) == (False, False)
        assert any("one package per order" in each for each in needs.notes)

    def test_a_list_that_is_none(self, shop):
        shop.fail(FaultKind.OK_HTML, "SH21")
        with pytest.raises(Transient):
            shop.client().requirements()


def shown(shop, record):
    """The packages of an order, as read back."""
    (page,) = shop.client().read_back([record.id])
    (order,) = MARKETPLACE.normalise(json.loads(page.orders[0].body), CONTEXT)
    return order.packages


class TestShown:
    """`Order.packages`."""

    def test_a_shipment_is_a_package(self, order_of, an_order, a_line, a_shipment):
        shipment = a_shipment(
            ("L1", 2), tracking={"carrier_code": "UPS", "carrier_name": "UPS", "tracking_number": "1Z"}
        )
        shipment["shipment_lines"][0]["package_reference"] = "PACK/41"
        order = order_of({"order": an_order(a_line(1)), "shipments": [shipment]})
        assert order.packages == (
            Package(
                reference=shipment["id"],
                label="PACK/41",
                carriers=("UPS",),
                tracking_number="1Z",
                quantities=(("L1", 2),),
            ),
        )

    @pytest.mark.parametrize(
        ("status", "is_shipped"), [("SHIPPING", [False]), ("SHIPPED", [True]), ("RECEIVED", [True]), ("CANCELED", [])]
    )
    def test_a_shipment_counts_by_its_status(self, order_of, an_order, a_shipment, status, is_shipped):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L1", 1), status=status)]})
        assert [each.is_shipped for each in order.packages] == is_shipped

    def test_lines_named_by_their_sku(self, order_of, an_order, a_line, a_shipment):
        shipment = a_shipment(("", 1))
        shipment["shipment_lines"][0].update(order_line_id=None, offer_sku="SPADE-2")
        order = order_of({"order": an_order(a_line(1), a_line(2)), "shipments": [shipment]})
        assert order.packages[0].quantities == (("L2", 1),)

    def test_a_sku_of_two_lines_does_not_tell(self, order_of, an_order, a_line, a_shipment):
        shipment = a_shipment(("", 1))
        shipment["shipment_lines"][0].update(order_line_id=None, offer_sku="SAME")
        order = order_of(
            {"order": an_order(a_line(1, offer_sku="SAME"), a_line(2, offer_sku="SAME")), "shipments": [shipment]}
        )
        assert order.packages[0].quantities == ()

    def test_lines_that_name_different_packages(self, order_of, an_order, a_line, a_shipment):
        shipment = a_shipment(("L1", 1), ("L2", 1))
        for number, line in enumerate(shipment["shipment_lines"]):
            line["package_reference"] = str(number)
        order = order_of({"order": an_order(a_line(1), a_line(2)), "shipments": [shipment]})
        assert order.packages[0].label is None

    def test_a_shipment_of_another_order_and_the_same_one_twice(self, order_of, an_order, a_shipment):
        mine = a_shipment(("L1", 1))
        order = order_of(
            {"order": an_order(), "shipments": [mine, mine, a_shipment(("L1", 1), id="x", order_id="other")]}
        )
        assert len(order.packages) == 1

    @pytest.fixture
    def shipped(self, an_order, a_line):
        line = a_line(1, order_line_state="SHIPPED")
        return lambda **changes: an_order(line, order_state="SHIPPED", **changes)

    def test_without_shipments_the_orders_own_members(self, order_of, shipped):
        order = order_of(
            {"order": shipped(shipping_company="DHL", shipping_tracking="T1"), "shipments": None},
        )
        assert order.packages == (Package(carriers=("DHL",), tracking_number="T1", quantities=(("L1", 2),)),)

    def test_shipped_and_nothing_told(self, order_of, shipped):
        assert order_of({"order": shipped(), "shipments": None}).packages is None

    def test_shipments_that_were_not_read(self, order_of, shipped):
        assert order_of({"order": shipped(shipping_tracking="T1")}).packages is None
        assert order_of(shipped(shipping_tracking="T1")).packages is None

    @pytest.mark.parametrize("more", [{}, {"shipments": None}, {"shipments": []}])
    def test_nothing_shipped(self, order_of, an_order, more):
        assert order_of({"order": an_order(shipping_tracking="T1"), **more}).packages == ()

    @pytest.mark.parametrize("tracking", [7, {"tracking_number": {}}, {"carrier_code": []}])
    def test_an_odd_package_does_not_cost_the_order(self, order_of, codes_of, an_order, a_shipment, tracking):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L1", 1), tracking=tracking)]})
        assert order.packages is None
        assert codes_of(order) == ["package_unreadable"]

    def test_halves_have_the_packages_of_their_lines(self, orders_of, an_order, a_line, a_shipment):
        ours, theirs = a_line(1), a_line(2, fulfillment={"center": {"code": "FC-7"}})
        shipments = [
            a_shipment(("L1", 1), id="mine"),
            a_shipment(("L2", 1), id="theirs"),
            a_shipment(("L1", 1), ("L2", 1), id="both"),
        ]
        halves = orders_of({"order": an_order(ours, theirs), "shipments": shipments})
        told = [[(each.reference, each.quantities) for each in half.packages] for half in halves]
        assert told == [
            [("mine", (("L1", 1),)), ("both", (("L1", 1),))],
            [("theirs", (("L2", 1),)), ("both", (("L2", 1),))],
        ]

"""Confirming packages to Amazon over real HTTP, judged answer by answer; and the packages that an order shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from orders_pipeline.marketplaces.amazon import MARKETPLACE
from orders_pipeline.marketplaces.amazon.confirmation import body, verdict
from orders_pipeline.marketplaces.errors import Permanent, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.protocol import Parcel
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from warehouse.order_parts import Package
from warehouse.shipments import AttemptOutcome

CONFIRM = "confirmShipment"
CLOSED = "http://127.0.0.1:9"
PACKAGE = {
    "packageReferenceId": "41",
    "carrier": "DHL",
    "trackingNumber": "T1",
    "packageStatus": {"status": "SHIPPED"},
    "packageItems": [{"orderItemId": "70010000000001", "quantity": 1}],
}


def waiting(shop):
    return next(
        each
        for each in shop.sandbox.records.values()
        if each.status == "UNSHIPPED"
        and each.fulfilled_by == "MERCHANT"
        and each.account == "default"
        and "FBM_SHIP_PLUS" not in each.order["programs"]
    )


def units(record):
    return tuple((item["orderItemId"], item["quantityOrdered"]) for item in record.order["orderItems"])


def parcel(record, **changes):
    values = {
        "shipment_id": "s-1",
        "original_id": record.id,
        "selector": record.marketplace_id,
        "reference": 41,
        "package_id": "PACK/41",
        "marketplace_package_id": None,
        "is_update": False,
        "is_whole": True,
        "carrier_code": "DHL",
        "carrier_name": None,
        "tracking_number": "TRACK-1",
        "tracking_url": None,
        "shipping_method": None,
        "ship_from": None,
        "return_tracking_number": None,
        "return_carrier": None,
        "shipped_at": datetime(2026, 11, 2, 11, 0, tzinfo=UTC),
        "quantities": units(record),
    }
    return Parcel(**{**values, **changes})


def confirmed(shop, record, settings=None, **changes):
    client = shop.client(settings=settings or {})
    (receipt,) = client.confirm([parcel(record, **changes)])
    return receipt


def applied(shop):
    return len(shop.sandbox.journal.effects(CONFIRM))


class TestRequest:
    """What is sent."""

    def test_reference_and_date_are_texts_and_lines_a_list(self, shop):
        record = waiting(shop)
        sent = body(parcel(record, shipping_method="Express", ship_from="WH-1", quantities=(("item-1", 2),)))
        assert json.loads(json.dumps(sent)) == {
            "marketplaceId": record.marketplace_id,
            "packageDetail": {
                "packageReferenceId": "41",
                "carrierCode": "DHL",
                "shippingMethod": "Express",
                "shipFromSupplySourceId": "WH-1",
                "trackingNumber": "TRACK-1",
                "shipDate": "2026-11-02T11:00:00.000Z",
                "orderItems": [{"orderItemId": "item-1", "quantity": 2}],
            },
        }

    def test_a_carrier_without_a_code_is_other_with_its_name(self, shop):
        sent = body(parcel(waiting(shop), carrier_code=None, carrier_name="Kurier Muster"))
        assert sent["packageDetail"]["carrierCode"] == "Other"
        assert sent["packageDetail"]["carrierName"] == "Kurier Muster"

    def test_a_listed_carrier_goes_without_a_name(self, shop):
        assert "carrierName" not in body(parcel(waiting(shop), carrier_name="dhl paket"))["packageDetail"]

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"tracking_number": None}, "tracking_missing"),
            ({"carrier_code": None}, "carrier_missing"),
            ({"carrier_code": "Other"}, "carrier_missing"),
        ],
    )
    def test_what_amazon_requires_is_missed_without_asking(self, shop, changes, code):
        receipt = confirmed(shop, waiting(shop), **changes)
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, code)
        assert shop.called(CONFIRM) == 0

    def test_a_channel_without_a_marketplace_id(self, shop):
        receipt = confirmed(shop, waiting(shop), selector=None)
        told = (receipt.outcome, receipt.code, receipt.is_its_turn)
        assert told == (AttemptOutcome.RETRY, "marketplace_id_missing", False)


DOUBTS = [
    pytest.param(Fault(FaultKind.ERROR_JSON, status=500), "marketplace_unavailable", 500, id="500 json"),
    pytest.param(Fault(FaultKind.ERROR_HTML, status=503), "marketplace_unavailable", 503, id="503 html"),
    pytest.param(Fault(FaultKind.ERROR_EMPTY, status=503), "marketplace_unavailable", 503, id="503 empty"),
    pytest.param(Fault(FaultKind.ERROR_EMPTY, status=408), "marketplace_unavailable", 408, id="408"),
    pytest.param(Fault(FaultKind.ERROR_HTML, status=404), "unreadable_answer", 404, id="404 html"),
    pytest.param(Fault(FaultKind.ERROR_EMPTY, status=400), "unreadable_answer", 400, id="400 empty"),
    pytest.param(Fault(FaultKind.OK_EMPTY), "unreadable_answer", 200, id="200 empty"),
    pytest.param(Fault(FaultKind.OK_HTML), "unreadable_answer", 200, id="200 html"),
    pytest.param(Fault(FaultKind.DROPPED), "unanswered", None, id="dropped after the work"),
    pytest.param(Fault(FaultKind.DROPPED_BEFORE), "unanswered", None, id="dropped before the work"),
]


@pytest.mark.parametrize(("fault", "code", "status"), DOUBTS)
def test_an_answer_that_tells_nothing_is_in_doubt(shop, fault, code, status):
    shop.sandbox.add_fault(Fault(**{**vars(fault), "operation": CONFIRM}))
    receipt = confirmed(shop, waiting(shop))
    assert (receipt.outcome, receipt.code, receipt.http_status) == (AttemptOutcome.IN_DOUBT, code, status)
    assert shop.called(CONFIRM) == 1


def test_an_answer_that_comes_too_late_is_in_doubt(shop):
    shop.sandbox.add_fault(Fault(FaultKind.SLOW, operation=CONFIRM, seconds=1.0))
    receipt = confirmed(shop, waiting(shop), settings={"read_timeout_seconds": 0.2})
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.IN_DOUBT, "unanswered")
    assert applied(shop) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        pytest.param(Fault(FaultKind.THROTTLED), Throttled, "throttled", id="429"),
        pytest.param(Fault(FaultKind.ERROR_EMPTY, status=429), Throttled, "throttled", id="429 empty"),
        pytest.param(Fault(FaultKind.ERROR_JSON, status=403, count=None), Unauthorised, "unauthorised", id="403"),
        pytest.param(Fault(FaultKind.ERROR_JSON, status=401, count=None), Unauthorised, "unauthorised", id="401"),
        pytest.param(Fault(FaultKind.REVOKE_TOKEN), Unauthorised, "invalid_grant", id="revoked"),
        pytest.param(Fault(FaultKind.ERROR_EMPTY, status=302), Permanent, "redirected", id="302"),
    ],
)
def test_a_call_turned_away_at_the_door_has_not_arrived(shop, fault, kind, code):
    record = waiting(shop)
    client = shop.client()
    list(client.fetch([record.id]))  # so that the access token is an old one
    shop.sandbox.add_fault(Fault(**{**vars(fault), "operation": CONFIRM}))
    with pytest.raises(kind) as refused:
        client.confirm([parcel(record)])
    assert refused.value.code == code
    assert applied(shop) == 0


def test_throttled_waits_for_a_token_of_the_known_rate(shop):
    shop.sandbox.add_fault(Fault(FaultKind.THROTTLED, operation=CONFIRM))
    with pytest.raises(Throttled) as refused:
        confirmed(shop, waiting(shop))
    assert refused.value.retry_after == pytest.approx(0.5)


def test_a_token_that_ended_early_is_fetched_anew_once(shop):
    record = waiting(shop)
    client = shop.client()
    list(client.fetch([record.id]))
    shop.sandbox.expire("default")
    (receipt,) = client.confirm([parcel(record)])
    assert receipt.outcome is AttemptOutcome.SENT
    assert (shop.called("token"), shop.called(CONFIRM), applied(shop)) == (2, 2, 1)


@pytest.mark.parametrize("kind", [FaultKind.DROPPED, FaultKind.ERROR_HTML, FaultKind.OK_HTML])
def test_a_failure_of_the_login_leaves_no_doubt_about_the_package(shop, kind):
    shop.sandbox.add_fault(Fault(kind, operation="token"))
    with pytest.raises(Transient):
        confirmed(shop, waiting(shop))
    assert shop.called(CONFIRM) == 0


def test_a_connection_that_was_never_there_leaves_no_doubt(shop):
    client = shop.client(endpoint=CLOSED, settings={"lwa_endpoint": shop.url})
    with pytest.raises(Transient) as failed:
        client.confirm([parcel(waiting(shop))])
    assert failed.value.code == "unreachable"


def test_the_request_id_is_kept(shop):
    receipt = confirmed(shop, waiting(shop))
    (entry,) = [each for each in shop.sandbox.journal if each.operation == CONFIRM]
    assert (receipt.request_id, receipt.http_status) == (entry.request_id, 204)


class TestRefusals:
    """What Amazon refuses for good, and what only looks so."""

    def test_an_order_shipped_otherwise(self, shop):
        record = waiting(shop)
        sent = parcel(record)
        shop.sandbox.advance(AdvanceRequest("ship", (record.id,)))
        (receipt,) = shop.client().confirm([sent])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.IN_DOUBT, "already_fulfilled")

    def test_a_canceled_order(self, shop):
        record = waiting(shop)
        shop.sandbox.advance(AdvanceRequest("cancel", (record.id,)))
        receipt = confirmed(shop, record)
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "order_canceled")
        assert "Failed to find order item" in receipt.message

    def test_ship_plus(self, shop):
        record = waiting(shop)
        record.order["programs"] = ["FBM_SHIP_PLUS"]
        assert confirmed(shop, record).code == "ship_plus"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"original_id": "999-0000000-0000000"}, "order_not_found"),
            ({"quantities": (("no-such-item", 1),)}, "line_unknown"),
            ({"reference": 0}, "reference_invalid"),
            ({"selector": "A1PA6795UKMFR9X"}, "marketplace_id_refused"),
        ],
    )
    def test_requests_that_are_wrong(self, shop, changes, code):
        receipt = confirmed(shop, waiting(shop), **changes)
        assert (receipt.outcome, receipt.code, bool(receipt.hint)) == (AttemptOutcome.REJECTED, code, True)

    def test_more_units_than_are_open(self, shop):
        record = waiting(shop)
        line, ordered = units(record)[0]
        assert confirmed(shop, record, quantities=((line, ordered + 1),)).code == "quantity_refused"

    def test_any_other_words_are_passed_on(self):
        sent = json.dumps({"errors": [{"code": "InvalidInput", "message": "The moon is in the wrong house."}]})
        told = verdict(400, sent.encode())
        assert (told.outcome, told.code) == (AttemptOutcome.REJECTED, "shipment_refused")
        assert "The moon is in the wrong house." in told.message


class TestReadBack:
    """Packages of an order."""

    def test_packages_are_asked_for_whatever_the_connection_leaves_out(self, shop):
        record = waiting(shop)
        client = shop.client(settings={"included_data": "FULFILLMENT,BUYER"})
        client.confirm([parcel(record)])
        (page,) = client.read_back([record.id, "999-0000000-0000000"])
        assert "packages" in json.loads(page.orders[0].body)

    def test_refused_packages_fail_instead_of_being_left_out(self, shop):
        shop.sandbox.add_fault(Fault(FaultKind.ERROR_JSON, operation="getOrder", status=400))
        with pytest.raises(Permanent):
            list(shop.client().read_back([waiting(shop).id]))


class TestShown:
    """`Order.packages`."""

    @pytest.fixture
    def shown(self, an_order, channel):
        def read(**changes):
            (order,) = MARKETPLACE.normalise(an_order(**changes), channel)
            return order

        return read

    def test_a_package(self, shown):
        assert shown(packages=[PACKAGE]).packages == (
            Package(label="41", carriers=("DHL",), tracking_number="T1", quantities=(("70010000000001", 1),)),
        )

    @pytest.mark.parametrize(
        ("status", "is_shipped"),
        [("PENDING", False), ("CANCELLED", False), ("IN_TRANSIT", True), ("DELIVERED", True), (None, True)],
    )
    def test_a_package_counts_by_its_status(self, shown, status, is_shipped):
        order = shown(packages=[{**PACKAGE, "packageStatus": {"status": status}}])
        assert [each.is_shipped for each in order.packages] == [is_shipped]

    def test_units_of_one_line_are_added_up(self, shown):
        items = PACKAGE["packageItems"] * 2
        assert shown(packages=[{**PACKAGE, "packageItems": items}]).packages[0].quantities == (("70010000000001", 2),)

    def test_nothing_shipped_and_no_packages(self, shown):
        assert shown().packages == ()

    def test_an_empty_list_is_told(self, shown):
        shipped = {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "MERCHANT"}
        assert shown(fulfillment=shipped, packages=[]).packages == ()

    @pytest.mark.parametrize("status", ["SHIPPED", "PARTIALLY_SHIPPED", "CANCELLED", None])
    def test_packages_that_were_not_asked_for_are_unknown(self, shown, an_item, status):
        item = an_item(fulfillment={"quantityFulfilled": 1, "quantityUnfulfilled": 1})
        assert shown(fulfillment={"fulfillmentStatus": status}, orderItems=[item]).packages is None

    def test_without_a_status_nothing_is_known(self, shown):
        assert shown(fulfillment=...).packages is None

    @pytest.mark.parametrize(
        ("odd", "path"),
        [
            ({"trackingNumber": {}}, "$.packages[0].trackingNumber"),
            ({"packageItems": [{"orderItemId": "1"}]}, "$.packages[0].packageItems[0].quantity"),
            ({"packageItems": ["x"]}, "$.packages[0].packageItems[0]"),
            ({"packageStatus": 7}, "$.packages[0].packageStatus"),
        ],
    )
    def test_an_odd_package_does_not_cost_the_order(self, shown, odd, path):
        order = shown(packages=[{**PACKAGE, **odd}])
        assert order.packages is None
        assert [(each.code, each.path) for each in order.problems] == [("package_unreadable", path)]

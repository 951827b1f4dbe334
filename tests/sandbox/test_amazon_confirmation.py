"""confirmShipment of the Amazon stand-in: what it accepts, what it refuses, and what the order shows afterwards."""

from __future__ import annotations

import pytest

from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest

FRANCE = "A13V1IB3VIYZZH"


@pytest.fixture
def record(amazon_state):
    """One merchant's order of three pieces of one article and one of another."""
    amazon_state.generate(GenerateRequest(orders=60, channel=FRANCE, mixed_share=0))
    return next(
        each
        for each in amazon_state.records.values()
        if each.status == "UNSHIPPED"
        and each.fulfilled_by == "MERCHANT"
        and "FBM_SHIP_PLUS" not in each.order["programs"]
        and sum(item["quantityOrdered"] for item in each.order["orderItems"]) > 2
        and len(each.order["orderItems"]) > 1
    )


def body_for(record, reference="1", quantities=None, **changes):
    quantities = quantities or {item["orderItemId"]: item["quantityOrdered"] for item in record.order["orderItems"]}
    package = {
        "packageReferenceId": reference,
        "carrierCode": "DHL",
        "trackingNumber": "TRACK-1",
        "shipDate": "2026-11-02T11:00:00Z",
        "orderItems": [{"orderItemId": key, "quantity": value} for key, value in quantities.items()],
        **changes,
    }
    return {
        "marketplaceId": FRANCE,
        "packageDetail": {name: value for name, value in package.items() if value is not None},
    }


def message_of(answer):
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (400, "InvalidInput")
    return error["message"]


def test_a_whole_order_is_shipped_with_204_and_no_body(seller, record):
    answer = seller.confirm(record.id, body_for(record))
    assert (answer.status_code, answer.content) == (204, b"")
    order = seller.order(record.id).json()["order"]
    assert order["fulfillment"]["fulfillmentStatus"] == "SHIPPED"
    assert [item["fulfillment"]["quantityUnfulfilled"] for item in order["orderItems"]] == [0] * len(
        order["orderItems"]
    )
    (package,) = order["packages"]
    assert (package["packageReferenceId"], package["carrier"], package["trackingNumber"]) == ("1", "DHL", "TRACK-1")


def test_a_part_leaves_the_order_partially_shipped(seller, record):
    first = record.order["orderItems"][0]["orderItemId"]
    assert seller.confirm(record.id, body_for(record, quantities={first: 1})).status_code == 204
    order = seller.order(record.id).json()["order"]
    assert order["fulfillment"]["fulfillmentStatus"] == "PARTIALLY_SHIPPED"
    assert order["orderItems"][0]["fulfillment"]["quantityFulfilled"] == 1


def test_a_confirmation_is_an_update(seller, record, clock):
    clock.tick(minutes=10)
    seller.confirm(record.id, body_for(record))
    clock.tick(minutes=2)
    found = seller.search(lastUpdatedAfter="2026-11-02T12:09:00Z").json()["orders"]
    assert [order["orderId"] for order in found] == [record.id]


def test_the_same_package_again_edits_it(seller, record):
    for _ in range(2):
        assert seller.confirm(record.id, body_for(record)).status_code == 204
    seller.confirm(record.id, body_for(record, trackingNumber="TRACK-2"))
    order = seller.order(record.id).json()["order"]
    assert [package["trackingNumber"] for package in order["packages"]] == ["TRACK-2"]
    ordered = [item["quantityOrdered"] for item in order["orderItems"]]
    assert [item["fulfillment"]["quantityFulfilled"] for item in order["orderItems"]] == ordered


def test_another_package_after_full_shipment_is_refused(seller, record):
    seller.confirm(record.id, body_for(record))
    assert "PackageToUpdateNotFound" in message_of(seller.confirm(record.id, body_for(record, reference="2")))


@pytest.mark.parametrize("reference", [1, "PKG-1", "0", "", None, "-1", "1.5"])
def test_package_references_are_texts_of_a_positive_number(seller, record, reference):
    assert "PackageReferenceId" in message_of(seller.confirm(record.id, body_for(record, reference=reference)))


@pytest.mark.parametrize(
    "changes",
    [
        {"carrierCode": None},
        {"carrierCode": "Other"},
        {"trackingNumber": None},
        {"trackingNumber": " "},
        {"shipDate": "02/21/2022"},
        {"shipDate": None},
        {"orderItems": []},
        {"orderItems": {"orderItemId": "1", "quantity": 1}},
        {"orderItems": [{"orderItemId": "1", "quantity": "1"}]},
        {"orderItems": [{"orderItemId": 1, "quantity": 1}]},
        {"orderItems": [{"orderItemId": "1", "quantity": 0}]},
        {"orderItems": [{"orderItemId": "1", "quantity": 1}, {"orderItemId": "1", "quantity": 1}]},
        {"orderItems": [{"orderItemId": "unknown", "quantity": 1}]},
        {"orderItems": ["1"]},
    ],
)
def test_bodies_that_break_a_rule_change_nothing(seller, record, changes):
    message_of(seller.confirm(record.id, body_for(record, **changes)))
    assert record.status == "UNSHIPPED"
    assert "packages" not in record.order


def test_bodies_that_are_no_object_are_refused(seller, record):
    message_of(seller.confirm(record.id, []))
    message_of(seller.confirm(record.id, {"marketplaceId": FRANCE}))


def test_an_unlisted_carrier_needs_and_shows_its_name(seller, record):
    body = body_for(record, carrierCode="Other", carrierName="Kurier Muster", shippingMethod="Express")
    assert seller.confirm(record.id, body).status_code == 204
    assert record.order["packages"][0]["carrier"] == "Kurier Muster"
    assert record.order["packages"][0]["shippingService"] == "Express"


def test_more_than_is_left_is_refused(seller, record):
    first = record.order["orderItems"][0]
    body = body_for(record, quantities={first["orderItemId"]: first["quantityOrdered"] + 1})
    assert "Quantity" in message_of(seller.confirm(record.id, body))


def test_the_marketplace_must_be_the_orders_own(seller, record):
    message_of(seller.confirm(record.id, {**body_for(record), "marketplaceId": "A1PA6795UKMFR9"}))


def test_cash_on_delivery_is_for_japan_only(seller, record):
    message_of(seller.confirm(record.id, {**body_for(record), "codCollectionMethod": "DirectPayment"}))
    message_of(seller.confirm(record.id, {**body_for(record), "codCollectionMethod": "Cheque"}))


def test_amazons_own_orders_are_refused(seller, record):
    record.order["fulfillment"]["fulfilledBy"] = "AMAZON"
    message_of(seller.confirm(record.id, body_for(record)))


def test_ship_plus_orders_are_refused(seller, record):
    record.order["programs"].append("FBM_SHIP_PLUS")
    message_of(seller.confirm(record.id, body_for(record)))


def test_pending_orders_are_refused(seller, record):
    record.order["fulfillment"]["fulfillmentStatus"] = "PENDING"
    message_of(seller.confirm(record.id, body_for(record)))


def test_cancelled_orders_have_no_items(seller, amazon_state, record):
    amazon_state.advance(AdvanceRequest("cancel", (record.id,)))
    assert "NonexistentOrderItem" in message_of(seller.confirm(record.id, body_for(record)))


def test_a_cancelled_line_cannot_be_shipped_but_the_rest_can(seller, amazon_state, record):
    first, *others = [item["orderItemId"] for item in record.order["orderItems"]]
    quantities = {item["orderItemId"]: item["quantityOrdered"] for item in record.order["orderItems"]}
    amazon_state.advance(AdvanceRequest("cancel", (record.id,), quantities={first: 1}))
    message_of(seller.confirm(record.id, body_for(record)))
    assert seller.confirm(record.id, body_for(record, quantities={key: quantities[key] for key in others})).is_success
    assert record.status == "SHIPPED"


def test_unknown_orders_are_not_found(seller, record):
    assert seller.confirm("111-1111111-1111111", body_for(record)).status_code == 404


def test_the_burst_is_ten(seller, record, clock):
    codes = [seller.confirm(record.id, body_for(record)).status_code for _ in range(11)]
    assert codes == [204] * 10 + [429]
    clock.tick(seconds=0.5)
    assert seller.confirm(record.id, body_for(record)).status_code == 204


def test_the_journal_holds_what_was_applied(seller, amazon_state, record):
    quantities = {item["orderItemId"]: item["quantityOrdered"] for item in record.order["orderItems"]}
    seller.confirm(record.id, body_for(record, reference="41"))
    seller.confirm(record.id, body_for(record, reference="42"))
    (entry,) = amazon_state.journal.effects("confirmShipment")
    assert entry.account == "default"
    assert entry.effect["order_id"] == record.id
    assert entry.effect["package_reference_id"] == "41"
    assert entry.effect["quantities"] == quantities
    assert [each.status for each in amazon_state.journal][-2:] == [204, 400]

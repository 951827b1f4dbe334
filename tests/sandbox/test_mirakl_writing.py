"""The write side of the Mirakl stand-in: OR21, OR23, OR24, ST01, ST23, ST24."""

from __future__ import annotations

import pytest

from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest


@pytest.fixture
def orders(mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=150, mixed_share=0))
    return mirakl_state.records


def first(records, state):
    """Return the first plain order in a state, with at least two lines and three pieces."""
    return next(
        record
        for record in records.values()
        if record.state == state
        and record.center == "DEFAULT"
        and not record.shipment_ids
        and len(record.lines) > 1
        and record.lines[0]["quantity"] > 1
        and all(not line["cancelations"] for line in record.lines)
        and (state != "SHIPPING" or record.order["can_shop_ship"])
    )


def accept(http, record, *decisions):
    ids = [line["order_line_id"] for line in record.lines]
    decisions = decisions or (True,) * len(ids)
    body = {"order_lines": [{"id": i, "accepted": d} for i, d in zip(ids, decisions, strict=False)]}
    return http.put(f"/api/orders/{record.id}/accept", json=body)


def shipment(record, quantities=None, **changes):
    quantities = quantities or {line["order_line_id"]: line["quantity"] for line in record.lines}
    return {
        "order_id": record.id,
        "shipment_lines": [{"order_line_id": key, "quantity": value} for key, value in quantities.items()],
        "tracking": {"carrier_code": "DHL", "tracking_number": "T1"},
        "shipped": True,
        **changes,
    }


def send(http, *shipments):
    answer = http.post("/api/shipments", json={"shipments": list(shipments)})
    assert answer.status_code == 201
    return answer.json()["shipment_success"], answer.json()["shipment_errors"]


def test_acceptance_leads_to_the_debit_not_to_shipping(mirakl_http, mirakl_state, orders):
    record = first(orders, "WAITING_ACCEPTANCE")
    assert (accept(mirakl_http, record).status_code, record.state) == (204, "WAITING_DEBIT_PAYMENT")
    mirakl_state.advance(AdvanceRequest("pay", (record.id,)))
    assert record.state == "SHIPPING"
    assert record.order["can_shop_ship"] is True


def test_the_debit_may_follow_by_itself(mirakl_http, mirakl_state, orders, clock):
    mirakl_state.configure({"debit_after_seconds": 60.0})
    record = first(orders, "WAITING_ACCEPTANCE")
    accept(mirakl_http, record)
    clock.tick(seconds=60)
    mirakl_http.get("/api/version")
    assert record.state == "SHIPPING"


def test_refusing_every_line_refuses_the_order(mirakl_http, orders):
    record = first(orders, "WAITING_ACCEPTANCE")
    accept(mirakl_http, record, *[False] * len(record.lines))
    assert record.state == "REFUSED"


def test_refusing_one_line_keeps_the_order(mirakl_http, mirakl_state, orders):
    record = first(orders, "WAITING_ACCEPTANCE")
    decisions = [False] + [True] * (len(record.lines) - 1)
    accept(mirakl_http, record, *decisions)
    assert (record.state, record.lines[0]["order_line_state"]) == ("WAITING_DEBIT_PAYMENT", "REFUSED")
    mirakl_state.advance(AdvanceRequest("pay", (record.id,)))
    assert record.lines[0]["order_line_state"] == "REFUSED"


def test_partial_acceptance_may_be_disabled(mirakl_http, mirakl_state, orders):
    mirakl_state.configure({"partial_acceptance": False})
    record = first(orders, "WAITING_ACCEPTANCE")
    answer = accept(mirakl_http, record, *[False] + [True] * (len(record.lines) - 1))
    assert answer.json()["code"] == "ORDER_PARTIAL_ACCEPTANCE_DISABLED"


def test_every_line_must_be_decided(mirakl_http, orders):
    record = first(orders, "WAITING_ACCEPTANCE")
    assert accept(mirakl_http, record, True).json()["code"] == "ORDER_LINE_ACCEPTANCE_DECISION_MISSING"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([{"id": "nope", "accepted": True}], "ORDER_LINE_NOT_FOUND"),
        ([{"id": "a", "accepted": True}, {"id": "a", "accepted": True}], "ORDER_LINE_DUPLICATE_ID"),
        ([None], "ORDER_LINE_NULL_ELEMENT"),
        ([{"id": "a", "accepted": "yes"}], "VALIDATION_ERROR"),
        ([], "VALIDATION_ERROR"),
    ],
)
def test_acceptance_errors_have_codes(mirakl_http, orders, lines, code):
    record = first(orders, "WAITING_ACCEPTANCE")
    answer = mirakl_http.put(f"/api/orders/{record.id}/accept", json={"order_lines": lines})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_acceptance_twice_is_an_invalid_state(mirakl_http, orders):
    record = first(orders, "WAITING_ACCEPTANCE")
    accept(mirakl_http, record)
    assert accept(mirakl_http, record).json()["code"] == "ORDER_INVALID_STATE"


def test_unknown_orders_are_not_found(mirakl_http, orders):
    assert mirakl_http.put("/api/orders/none/ship").status_code == 404


def test_tracking_then_ship(mirakl_http, mirakl_state, orders):
    mirakl_state.configure({"multi_shipment": False})
    record = first(orders, "SHIPPING")
    record.order["shipping_type_code"] = "EXP"
    refused = mirakl_http.put(f"/api/orders/{record.id}/ship")
    assert "Tracking details are mandatory" in refused.json()["message"]
    tracked = mirakl_http.put(
        f"/api/orders/{record.id}/tracking", json={"carrier_code": "UPS", "tracking_number": "1Z"}
    )
    assert tracked.status_code == 204
    assert record.order["shipping_tracking_url"].endswith("/1Z")
    assert mirakl_http.put(f"/api/orders/{record.id}/ship").status_code == 204
    assert {line["order_line_state"] for line in record.lines} == {"SHIPPED"}
    assert mirakl_http.put(f"/api/orders/{record.id}/ship").status_code == 400


@pytest.mark.parametrize("body", [{"carrier_code": "NONE"}, {"carrier_code": "DHL"}, {"tracking_number": "1"}, []])
def test_tracking_needs_a_registered_code_or_a_name(mirakl_http, orders, body):
    record = first(orders, "SHIPPING")
    assert mirakl_http.put(f"/api/orders/{record.id}/tracking", json=body).status_code == 400


def test_an_unregistered_carrier_by_name(mirakl_http, orders):
    record = first(orders, "SHIPPING")
    body = {"carrier_name": "Kurier Muster", "carrier_url": "https://track.example/1", "tracking_number": "1"}
    assert mirakl_http.put(f"/api/orders/{record.id}/tracking", json=body).status_code == 204
    assert record.order["shipping_company"] == "Kurier Muster"


def test_operators_own_orders_are_not_shipped_by_the_shop(mirakl_http, orders):
    record = first(orders, "SHIPPING")
    record.order["can_shop_ship"] = False
    assert mirakl_http.put(f"/api/orders/{record.id}/ship").json()["code"] == "ORDER_FULFILLED_UNAUTHORIZED"


def test_a_whole_shipment_ships_the_order(mirakl_http, orders):
    record = first(orders, "SHIPPING")
    (made,), errors = send(mirakl_http, shipment(record))
    assert (errors, made["status"], record.state) == ([], "SHIPPED", "SHIPPED")
    (listed,) = mirakl_http.get("/api/shipments", params={"order_id": record.id}).json()["data"]
    assert listed["tracking"]["tracking_number"] == "T1"


def test_two_part_shipments(mirakl_http, orders):
    record = first(orders, "SHIPPING")
    line = record.lines[0]
    send(mirakl_http, shipment(record, {line["order_line_id"]: 1}))
    assert (record.state, line["order_line_state"]) == ("SHIPPING", "SHIPPING")
    rest = {each["order_line_id"]: each["quantity"] for each in record.lines}
    rest[line["order_line_id"]] -= 1
    send(mirakl_http, shipment(record, rest))
    assert record.state == "SHIPPED"


def test_errors_come_with_201(mirakl_http, orders):
    good = first(orders, "SHIPPING")
    line = good.lines[0]
    too_many = shipment(good, {line["order_line_id"]: line["quantity"] + 1})
    successes, errors = send(mirakl_http, too_many, shipment(good), shipment(good))
    assert len(successes) == 1
    assert [error["message"] for error in errors] == [
        "Shipment quantity is invalid.",
        "The order status must be 'SHIPPING' but it is 'SHIPPED'.",
    ]


def test_a_created_shipment_waits_to_be_shipped(mirakl_http, orders):
    record = first(orders, "SHIPPING")
    (made,), _ = send(mirakl_http, shipment(record, shipped=False, tracking=None))
    assert (made["status"], record.state) == ("SHIPPING", "SHIPPING")
    tracking = {"carrier_name": "Kurier", "tracking_number": "9"}
    answer = mirakl_http.post("/api/shipments/tracking", json={"shipments": [{"id": made["id"], "tracking": tracking}]})
    assert answer.json() == {"shipment_success": [{"id": made["id"]}], "shipment_errors": []}
    answer = mirakl_http.put("/api/shipments/ship", json={"shipments": [{"id": made["id"]}, {"id": "none"}]})
    assert answer.json()["shipment_success"] == [{"id": made["id"]}]
    assert [error["id"] for error in answer.json()["shipment_errors"]] == ["none"]
    assert record.state == "SHIPPED"


def test_lines_may_be_named_by_sku(mirakl_http, orders):
    record = first(orders, "SHIPPING")
    lines = [
        {"offer_sku": line["offer_sku"], "quantity": line["quantity"], "package_reference": "p"}
        for line in record.lines
    ]
    (made,), _ = send(mirakl_http, shipment(record, shipment_lines=lines))
    assert {line["package_reference"] for line in made["shipment_lines"]} == {"p"}


def test_without_multi_shipment_there_is_no_st01(mirakl_http, mirakl_state, orders):
    mirakl_state.configure({"multi_shipment": False})
    record = first(orders, "SHIPPING")
    assert mirakl_http.post("/api/shipments", json={"shipments": [shipment(record)]}).status_code == 400


def test_cancelled_pieces_cannot_be_shipped(mirakl_http, mirakl_state, orders):
    record = first(orders, "SHIPPING")
    line = record.lines[0]
    mirakl_state.advance(AdvanceRequest("cancel", (record.id,), quantities={line["order_line_id"]: 1}))
    assert line["cancelations"][0]["quantity"] == 1
    _, errors = send(mirakl_http, shipment(record))
    assert errors[0]["message"] == "Shipment quantity is invalid."
    rest = {each["order_line_id"]: each["quantity"] for each in record.lines}
    rest[line["order_line_id"]] -= 1
    assert send(mirakl_http, shipment(record, rest))[1] == []
    assert record.state == "SHIPPED"


def test_cancelling_everything_cancels_the_order(mirakl_state, orders):
    record = first(orders, "SHIPPING")
    mirakl_state.advance(AdvanceRequest("cancel", (record.id,)))
    assert (record.state, record.lines[0]["order_line_state"]) == ("CANCELED", "CANCELED")


def test_refunds_and_receipt(mirakl_state, orders):
    record = first(orders, "SHIPPING")
    for action in ("ship", "receive", "refund", "close", "open_incident"):
        assert mirakl_state.advance(AdvanceRequest(action, (record.id,))).refused == {}
    assert record.state == "CLOSED"
    assert record.lines[0]["refunds"][0]["refund_state"] == "REFUNDED"
    assert record.order["fully_refunded"] is True


def test_the_journal_holds_the_shipments(mirakl_http, mirakl_state, orders):
    record = first(orders, "SHIPPING")
    send(mirakl_http, shipment(record))
    (entry,) = mirakl_state.journal.effects("ST01")
    assert entry.effect["shipments"][0]["quantities"] == {
        line["order_line_id"]: line["quantity"] for line in record.lines
    }


def test_the_journal_tells_what_became_of_each_package(mirakl_http, mirakl_state, orders):
    record = first(orders, "SHIPPING")
    lines = [
        {"order_line_id": line["order_line_id"], "quantity": line["quantity"], "package_reference": "P-1"}
        for line in record.lines
    ]
    (made,), _ = send(mirakl_http, shipment(record, shipment_lines=lines, shipped=False))
    tracking = {"carrier_code": "UPS", "tracking_number": "T2"}
    mirakl_http.post("/api/shipments/tracking", json={"shipments": [{"id": made["id"], "tracking": tracking}]})
    mirakl_http.put("/api/shipments/ship", json={"shipments": [{"id": made["id"]}]})
    effects = {entry.operation: entry.effect["shipments"] for entry in mirakl_state.journal.effects()}
    told = [
        (operation, each["order_id"], each["label"], each["tracking"]["tracking_number"], each["status"])
        for operation, applied in effects.items()
        for each in applied
    ]
    assert told == [
        ("ST01", record.id, "P-1", "T1", "SHIPPING"),
        ("ST23", record.id, "P-1", "T2", "SHIPPING"),
        ("ST24", record.id, "P-1", "T2", "SHIPPED"),
    ]
    quantities = {line["order_line_id"]: line["quantity"] for line in record.lines}
    assert all(each["quantities"] == quantities for applied in effects.values() for each in applied)


def test_the_journal_tells_a_whole_order(mirakl_http, mirakl_state, orders):
    record = first(orders, "SHIPPING")
    mirakl_http.put(f"/api/orders/{record.id}/tracking", json={"carrier_code": "UPS", "tracking_number": "1Z"})
    mirakl_http.put(f"/api/orders/{record.id}/ship")
    (entry,) = mirakl_state.journal.effects("OR24")
    assert entry.effect["shipment_id"] in record.shipment_ids
    assert entry.effect["tracking"]["tracking_number"] == "1Z"
    assert entry.effect["quantities"] == {line["order_line_id"]: line["quantity"] for line in record.lines}


def test_an_operator_may_take_registered_carriers_only(mirakl_http, mirakl_state, orders):
    mirakl_state.configure({"alternative_carriers": False})
    features = mirakl_http.get("/api/platform/configuration").json()["features"]
    assert features["disable_seller_alternative_carrier"] is True
    record = first(orders, "SHIPPING")
    _, errors = send(mirakl_http, shipment(record, tracking={"carrier_name": "Kurier", "tracking_number": "1"}))
    assert "only registered carriers" in errors[0]["message"]


def test_the_tracking_of_a_canceled_shipment_cannot_be_changed(mirakl_http, mirakl_state, orders):
    record = first(orders, "SHIPPING")
    (made,), _ = send(mirakl_http, shipment(record))
    mirakl_state.shipments[made["id"]]["status"] = "CANCELED"
    tracking = {"carrier_code": "UPS", "tracking_number": "T2"}
    answer = mirakl_http.post("/api/shipments/tracking", json={"shipments": [{"id": made["id"], "tracking": tracking}]})
    assert answer.json()["shipment_success"] == []

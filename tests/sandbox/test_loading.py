"""Genuine payloads: what is accepted, that it is served unchanged, and how misfits are named."""

from __future__ import annotations

import copy

import pytest

from orders_pipeline.sandbox.engine import AdvanceRequest

AMAZON_ORDER = {
    "orderId": "250-0000000-0000001",
    "createdTime": "2024-12-25T02:30:00Z",
    "lastUpdatedTime": "2024-12-25T06:45:00Z",
    "programs": ["SOMETHING_NEW"],
    "salesChannel": {"channelName": "AMAZON", "marketplaceId": "A1VC38T7YXB528"},
    "buyer": {"buyerName": "Muster Person"},
    "fulfillment": {"fulfillmentStatus": "NEVER_SEEN", "fulfilledBy": "AMAZON"},
    "extra": {"kept": [1, 2.5, None]},
    "orderItems": [{"orderItemId": "1", "quantityOrdered": 2, "product": {"title": "傘"}, "proceeds": {"x": "1"}}],
}
MIRAKL_ORDER = {
    "order_id": "R1-A",
    "order_state": "SHIPPING",
    "created_date": "2025-01-20T10:26:56Z",
    "last_updated_date": "2025-01-20T10:56:23Z",
    "channel": {"code": "otherStore", "label": "Other"},
    "customer": {"shipping_address": None},
    "unknown": "",
    "order_lines": [{"order_line_id": "l1", "quantity": 3, "order_line_state": "SHIPPING", "price": 39.9}],
}
SHIPMENT = {
    "id": "s1",
    "order_id": "R1-A",
    "status": "SHIPPED",
    "created_date": "2025-01-20T11:00:00Z",
    "last_updated_date": None,
    "shipment_lines": [{"order_line_id": "l1", "quantity": 1}],
}


def load(http, payload, name="file.json"):
    return http.post("/_sandbox/load", json={"name": name, "payload": payload})


@pytest.mark.parametrize(
    "wrap",
    [
        lambda order: order,
        lambda order: [order],
        lambda order: {"orders": [order]},
        lambda order: {"order": order},
        lambda order: {"request": {"parameters": {}}, "response": {"orders": [order]}},
        lambda order: {"response": {"order": order}},
        lambda order: {"response": [order]},
        lambda order: {"payload": {"orders": [order], "pagination": {"nextToken": "x"}}},
        lambda order: {"payload": order},
    ],
)
def test_amazon_payloads_in_every_wrapping(seller, amazon_http, wrap):
    assert load(amazon_http, wrap(AMAZON_ORDER)).json() == {
        "orders": 1,
        "shipments": 0,
        "ids": ["250-0000000-0000001"],
    }
    assert seller.order("250-0000000-0000001").json()["order"] == AMAZON_ORDER


def test_a_loaded_order_is_served_unchanged_to_the_next_pull(seller, amazon_http):
    load(amazon_http, AMAZON_ORDER)
    query = {"lastUpdatedAfter": "2026-11-02T11:50:00Z", "marketplaceIds": "A1VC38T7YXB528"}
    assert seller.search(**query).json()["orders"] == [AMAZON_ORDER]


def test_its_parts_are_filtered_like_any_others(seller, amazon_http):
    load(amazon_http, AMAZON_ORDER)
    order = seller.order(AMAZON_ORDER["orderId"], included=None).json()["order"]
    assert "fulfillment" not in order
    assert "buyer" not in order
    assert order["extra"] == AMAZON_ORDER["extra"]
    assert order["orderItems"] == [{"orderItemId": "1", "quantityOrdered": 2, "product": {"title": "傘"}}]


def test_a_marketplace_of_any_region_may_be_searched_once_it_holds_orders(seller, amazon_http):
    assert seller.search(marketplaceIds="A1VC38T7YXB528").status_code == 403
    load(amazon_http, AMAZON_ORDER)
    assert seller.search(marketplaceIds="A1VC38T7YXB528,A13V1IB3VIYZZH").status_code == 200


def test_loading_again_replaces(seller, amazon_http, amazon_state):
    load(amazon_http, AMAZON_ORDER)
    load(amazon_http, {**AMAZON_ORDER, "programs": []})
    assert amazon_state.order_ids() == [AMAZON_ORDER["orderId"]]
    assert seller.order(AMAZON_ORDER["orderId"]).json()["order"]["programs"] == []


def without(order, *path):
    broken = copy.deepcopy(order)
    holder = broken
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return broken


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (without(AMAZON_ORDER, "createdTime"), "$.createdTime"),
        ({"orders": [AMAZON_ORDER, without(AMAZON_ORDER, "orderId")]}, "$.orders[1].orderId"),
        ({"response": {"order": without(AMAZON_ORDER, "salesChannel")}}, "$.response.order.salesChannel"),
        ([{**AMAZON_ORDER, "lastUpdatedTime": "yesterday"}], "$[0].lastUpdatedTime"),
        ({"payload": without(AMAZON_ORDER, "orderItems", 0, "product")}, "$.payload.orderItems[0].product"),
        ({**AMAZON_ORDER, "orderItems": {}}, "$.orderItems"),
        (
            {**AMAZON_ORDER, "orderItems": [{"orderItemId": "1", "quantityOrdered": "2"}]},
            "$.orderItems[0].quantityOrdered",
        ),
        ({"orders": {}}, "$.orders"),
        ({"response": {"errors": []}}, "$.response"),
        ("text", "$"),
        ([1], "$[0]"),
        (None, "$"),
    ],
)
def test_misfits_are_named_and_nothing_is_loaded(amazon_http, amazon_state, payload, path):
    answer = load(amazon_http, payload, "orders.json")
    assert answer.status_code == 422
    assert (answer.json()["file"], answer.json()["path"]) == ("orders.json", path)
    assert amazon_state.order_ids() == []


@pytest.mark.parametrize(
    "wrap",
    [
        lambda order: order,
        lambda order: [order],
        lambda order: {"orders": [order], "total_count": 1},
        lambda order: {"request": None, "response": {"orders": [order], "total_count": 1}},
        lambda order: {"payload": order},
    ],
)
def test_mirakl_payloads_in_every_wrapping(mirakl_http, wrap):
    assert load(mirakl_http, wrap(MIRAKL_ORDER)).json()["ids"] == ["R1-A"]
    query = {"start_update_date": "2026-11-02T11:50:00Z"}
    assert mirakl_http.get("/api/orders", params=query).json()["orders"] == [MIRAKL_ORDER]


def test_loaded_channels_belong_to_the_shop(mirakl_http):
    load(mirakl_http, MIRAKL_ORDER)
    assert "otherStore" in mirakl_http.get("/api/account").json()["channels"]
    assert mirakl_http.get("/api/orders", params={"channel_codes": "otherStore"}).json()["total_count"] == 1


def test_loaded_shipments_are_attached_to_their_orders(mirakl_http, mirakl_state):
    load(mirakl_http, MIRAKL_ORDER)
    assert load(mirakl_http, {"response": {"data": [SHIPMENT]}}).json()["shipments"] == 1
    assert mirakl_http.get("/api/shipments", params={"order_id": "R1-A"}).json()["data"] == [SHIPMENT]
    mirakl_state.advance(AdvanceRequest("ship", ("R1-A",)))
    assert (
        sum(line["quantity"] for each in mirakl_state.truth()[0]["shipments"] for line in each["shipment_lines"]) == 3
    )


def test_shipments_of_unknown_orders_do_not_fit(mirakl_http, mirakl_state):
    answer = load(mirakl_http, {"data": [SHIPMENT]})
    assert (answer.status_code, answer.json()["path"]) == (422, "$.data[0].order_id")
    assert mirakl_state.shipments == {}


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (without(MIRAKL_ORDER, "order_state"), "$.order_state"),
        (
            {"orders": [without(MIRAKL_ORDER, "order_lines", 0, "order_line_id")]},
            "$.orders[0].order_lines[0].order_line_id",
        ),
        ({"data": [without(SHIPMENT, "status")]}, "$.data[0].status"),
        ({"orders": [{**MIRAKL_ORDER, "created_date": ""}]}, "$.orders[0].created_date"),
    ],
)
def test_mirakl_misfits_are_named(mirakl_http, payload, path):
    assert load(mirakl_http, payload).json()["path"] == path

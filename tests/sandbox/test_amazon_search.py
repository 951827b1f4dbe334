"""searchOrders and getOrder of the Amazon stand-in: windows, pages, parts, refusals."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

import pytest

from orders_pipeline.sandbox.amazon.state import PLANS
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest

FRANCE, GERMANY, JAPAN, USA = "A13V1IB3VIYZZH", "A1PA6795UKMFR9", "A1VC38T7YXB528", "ATVPDKIKX0DER"


def every_page(seller, **query):
    """Follow the tokens and return the order ids of every page."""
    pages, token = [], None
    while True:
        body = seller.search(**query, paginationToken=token).json()
        pages.append([order["orderId"] for order in body["orders"]])
        token = body.get("pagination", {}).get("nextToken")
        if token is None:
            return pages


def error_of(answer):
    (error,) = answer.json()["errors"]
    assert set(error) == {"code", "message", "details"}
    return error["code"]


def test_pages_hold_every_order_once(seller, amazon_state):
    made = amazon_state.generate(GenerateRequest(orders=250))
    pages = every_page(seller, maxResultsPerPage=100)
    assert [len(page) for page in pages] == [100, 100, 50]
    assert sorted(chain.from_iterable(pages)) == sorted(made)


def test_the_last_page_has_no_pagination_and_echoes_the_window(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=3))
    body = seller.search(lastUpdatedAfter="2026-10-01T00:00:00Z", lastUpdatedBefore="2026-11-02T11:57:00Z").json()
    assert set(body) == {"orders", "lastUpdatedBefore"}
    assert body["lastUpdatedBefore"] == "2026-11-02T11:57:00.000Z"


def test_without_an_end_the_effective_one_is_two_minutes_ago(seller):
    assert seller.search(createdAfter="2026-11-01T00:00:00Z").json() == {
        "orders": [],
        "createdBefore": "2026-11-02T11:58:00.000Z",
    }


def test_the_headers_of_an_answer(seller):
    headers = seller.search().headers
    assert headers["x-amzn-RateLimit-Limit"] == "0.0056"
    assert len(headers["x-amzn-RequestId"]) == 36
    assert headers["Date"] == "Mon, 02 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    "query",
    [
        {"createdAfter": "2026-10-01T00:00:00Z", "lastUpdatedAfter": "2026-10-01T00:00:00Z"},
        {"createdAfter": ""},
        {"lastUpdatedAfter": "2026-10-01"},
        {"lastUpdatedAfter": "2026-10-01 00:00:00+00:00"},
        {"lastUpdatedAfter": "yesterday"},
        {"lastUpdatedAfter": "2026-10-01T00:00:00Z", "lastUpdatedBefore": "2026-11-02T11:58:01Z"},
        {"lastUpdatedAfter": "2026-10-02T00:00:00Z", "lastUpdatedBefore": "2026-10-01T00:00:00Z"},
        {"lastUpdatedAfter": "2026-10-01T00:00:00Z", "createdBefore": "2026-10-02T00:00:00Z"},
        {"maxResultsPerPage": 0},
        {"maxResultsPerPage": 101},
        {"maxResultsPerPage": "ten"},
        {"includedData": "FULFILMENT"},
        {"fulfillmentStatuses": "Shipped"},
        {"fulfilledBy": "SELLER"},
        {"marketplaceIds": ",".join(f"M{number}" for number in range(51))},
        {"marketplaceIds": "NOTAMARKETPLACE"},
        {"paginationToken": "made-up"},
    ],
)
def test_invalid_requests_are_refused_as_invalid_input(seller, query):
    answer = seller.search(**query)
    assert (answer.status_code, error_of(answer)) == (400, "InvalidInput")


def test_no_window_at_all_is_refused(seller, amazon_http):
    assert amazon_http.get("/orders/2026-01-01/orders", headers=seller.headers).status_code == 400


def test_a_marketplace_of_another_region_is_forbidden(seller):
    answer = seller.search(marketplaceIds=f"{FRANCE},{USA}")
    assert (answer.status_code, error_of(answer)) == (403, "Unauthorized")


def test_calls_without_a_token_are_forbidden(amazon_http):
    answer = amazon_http.get("/orders/2026-01-01/orders")
    assert (answer.status_code, error_of(answer)) == (403, "MissingAuthenticationToken")
    assert "x-amzn-RateLimit-Limit" not in answer.headers


def test_calls_with_an_unknown_token_are_forbidden(amazon_http):
    answer = amazon_http.get("/orders/2026-01-01/orders", headers={"x-amz-access-token": "Atza|x"})
    assert (answer.status_code, error_of(answer)) == (403, "Unauthorized")


def test_an_access_token_expires_after_an_hour(seller, clock):
    clock.tick(seconds=3600)
    assert seller.search().status_code == 403
    seller.sign_in()
    assert seller.search().status_code == 200


def test_marketplace_ids_filter_a_comma_separated_list(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=200))
    orders = seller.search(marketplaceIds=f"{FRANCE},{GERMANY}").json()["orders"]
    assert {order["salesChannel"]["marketplaceId"] for order in orders} == {FRANCE, GERMANY}


def test_status_and_fulfiller_filters(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=200))
    orders = seller.search(fulfillmentStatuses="SHIPPED,CANCELLED", fulfilledBy="AMAZON").json()["orders"]
    shown = {(o["fulfillment"]["fulfillmentStatus"], o["fulfillment"]["fulfilledBy"]) for o in orders}
    assert shown == {("SHIPPED", "AMAZON"), ("CANCELLED", "AMAZON")}


def test_an_update_is_invisible_for_two_minutes(seller, amazon_state, clock):
    (order_id,) = amazon_state.generate(GenerateRequest(orders=1, days=1, newest_seconds=3600))
    amazon_state.advance(AdvanceRequest("touch", (order_id,)))
    clock.tick(seconds=119)
    assert seller.search().json()["orders"] == []
    clock.tick(seconds=1)
    assert [order["orderId"] for order in seller.search().json()["orders"]] == [order_id]


def test_both_ends_of_a_window_are_inclusive(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=5, mixed_share=0))
    for record in amazon_state.records.values():
        moment = record.order["lastUpdatedTime"]
        found = seller.search(lastUpdatedAfter=moment, lastUpdatedBefore=moment).json()["orders"]
        assert [order["orderId"] for order in found] == [record.id]


def test_a_token_wants_the_other_parameters_unchanged(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=3))
    token = seller.search(maxResultsPerPage=1, marketplaceIds=FRANCE + "," + GERMANY).json()
    token = seller.search(maxResultsPerPage=1).json()["pagination"]["nextToken"]
    assert seller.search(paginationToken=token, marketplaceIds=FRANCE).status_code == 400
    assert seller.search(paginationToken=token, lastUpdatedAfter="2026-09-01T00:00:00Z").status_code == 400
    assert seller.search(paginationToken=token, maxResultsPerPage=2, includedData="FULFILLMENT").status_code == 200


def test_a_page_token_expires_after_a_day(seller, amazon_state, clock):
    amazon_state.generate(GenerateRequest(orders=2))
    token = seller.search(maxResultsPerPage=1).json()["pagination"]["nextToken"]
    clock.tick(hours=24)
    seller.sign_in()
    assert seller.search(paginationToken=token).status_code == 200
    clock.tick(seconds=1)
    assert error_of(seller.search(paginationToken=token)) == "InvalidInput"


def test_an_order_that_moves_on_while_paging_leaves_the_window(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=4))
    first = seller.search(maxResultsPerPage=2).json()
    last = list(amazon_state.records)[-1]
    amazon_state.advance(AdvanceRequest("touch", (last,)))
    second = seller.search(maxResultsPerPage=2, paginationToken=first["pagination"]["nextToken"]).json()
    assert len(second["orders"]) == 1


def test_without_included_data_there_is_no_status(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=50))
    for order in seller.search(includedData=None).json()["orders"]:
        assert not {"fulfillment", "buyer", "recipient", "proceeds", "packages", "payment", "tax"} & set(order)
        assert not {"fulfillment", "proceeds", "cancellation"} & set(order["orderItems"][0])
        assert order["orderItems"][0]["product"]["sellerSku"]


def test_included_data_brings_its_parts_only(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=50))
    orders = seller.search(includedData="FULFILLMENT").json()["orders"]
    assert all("fulfillment" in order and "proceeds" not in order for order in orders)
    assert all("fulfillment" in item and "proceeds" not in item for order in orders for item in order["orderItems"])


def test_pending_orders_have_neither_prices_nor_people(seller, amazon_state):
    amazon_state.generate(GenerateRequest(orders=200))
    orders = seller.search(fulfillmentStatuses="PENDING").json()["orders"]
    assert orders
    for order in orders:
        assert not {"buyer", "recipient", "proceeds", "payment"} & set(order)
        assert all("proceeds" not in item and "price" not in item["product"] for item in order["orderItems"])


def test_paying_reveals_them(seller, amazon_state, clock):
    amazon_state.generate(GenerateRequest(orders=100))
    pending = [r.id for r in amazon_state.records.values() if (r.status, r.fulfilled_by) == ("PENDING", "MERCHANT")]
    amazon_state.advance(AdvanceRequest("pay", (pending[0],)))
    clock.tick(minutes=2)
    order = seller.order(pending[0]).json()["order"]
    assert order["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert order["recipient"]["deliveryAddress"]["addressLine1"]
    assert order["orderItems"][0]["product"]["price"]["unitPrice"]["amount"]


def test_without_the_role_people_are_absent(amazon_http, amazon_state, seller):
    amazon_state.generate(GenerateRequest(orders=50, account="no-pii"))
    poor = type(seller)(amazon_http, "Atzr|sandbox-no-pii")
    orders = poor.search().json()["orders"]
    assert len(orders) == 50
    assert not any({"buyer", "recipient"} & set(order) for order in orders)


def test_accounts_do_not_see_each_other(amazon_http, amazon_state, seller):
    (theirs,) = amazon_state.generate(GenerateRequest(orders=1, account="far-east"))
    assert seller.search().json()["orders"] == []
    assert seller.order(theirs).status_code == 404
    other = type(seller)(amazon_http, "Atzr|sandbox-fe")
    assert other.order(theirs).json()["order"]["orderId"] == theirs


def test_yen_has_no_decimals(amazon_http, amazon_state, seller):
    amazon_state.generate(GenerateRequest(orders=30, account="far-east", channel=JAPAN))
    japanese = type(seller)(amazon_http, "Atzr|sandbox-fe")
    totals = [o["proceeds"]["grandTotal"] for o in japanese.search().json()["orders"] if "proceeds" in o]
    assert totals
    assert all(total["currencyCode"] == "JPY" and total["amount"].isdigit() for total in totals)


def test_an_unknown_order_is_not_found(seller):
    answer = seller.order("123-1234567-1234567")
    assert (answer.status_code, error_of(answer)) == (404, "NotFound")


def test_the_burst_is_twenty_and_then_one_call_every_178_seconds(seller, clock):
    assert [seller.search().status_code for _ in range(21)] == [200] * 20 + [429]
    clock.tick(seconds=178)
    assert seller.search().status_code == 429
    clock.tick(seconds=1)
    assert seller.search().status_code == 200


def test_throttled_answers_are_quota_exceeded(seller, amazon_state):
    amazon_state.throttle.take("default", "searchOrders", PLANS["searchOrders"])
    for _ in range(19):
        seller.search()
    answer = seller.search()
    assert error_of(answer) == "QuotaExceeded"
    assert "Retry-After" not in answer.headers


def test_the_rate_factor_speeds_the_quota_up(seller, amazon_state, clock):
    amazon_state.throttle.rate_factor = 100
    assert seller.search().headers["x-amzn-RateLimit-Limit"] == "0.56"
    for _ in range(19):
        seller.search()
    assert seller.search().status_code == 429
    clock.tick(seconds=1.8)
    assert seller.search().status_code == 200


def test_refused_requests_cost_quota_too(seller):
    answers = [seller.search(maxResultsPerPage=0).status_code for _ in range(21)]
    assert answers == [400] * 20 + [429]


def test_the_token_endpoint_gives_bearer_tokens_for_an_hour(seller):
    answer = seller.token()
    assert answer.json()["token_type"] == "bearer"
    assert answer.json()["expires_in"] == timedelta(hours=1).total_seconds()


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"refresh_token": "Atzr|wrong"}, 400, "invalid_grant"),
        ({"refresh_token": ""}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_the_token_endpoint_refuses(seller, changes, status, code):
    answer = seller.token(**changes)
    assert (answer.status_code, answer.json()["error"]) == (status, code)

"""What goes wrong on purpose, and that it goes wrong exactly as asked."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.faults import Damage, Fault, FaultBook, FaultKind, spoil
from orders_pipeline.sandbox.mirakl import state as mirakl
from orders_pipeline.sandbox.server import running


def arm(http, kind, **values):
    answer = http.post("/_sandbox/faults", json={"kind": kind, **values})
    assert answer.status_code == 201, answer.text


def test_a_throttled_call(seller, amazon_http):
    arm(amazon_http, "throttled", operation="searchOrders")
    assert seller.search().json()["errors"][0]["code"] == "QuotaExceeded"
    assert seller.search().status_code == 200


def test_a_throttled_mirakl_call_says_when_to_retry(mirakl_http):
    arm(mirakl_http, "throttled", operation="OR11", seconds=30)
    answer = mirakl_http.get("/api/orders")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")


@pytest.mark.parametrize("status", [500, 503])
def test_server_errors_as_json(seller, amazon_http, status):
    arm(amazon_http, "error_json", status=status)
    answer = seller.search()
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, "InternalFailure")


def test_server_errors_as_html_and_empty(seller, amazon_http):
    arm(amazon_http, "error_html", status=502)
    answer = seller.search()
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")
    arm(amazon_http, "error_empty")
    answer = seller.search()
    assert (answer.status_code, answer.content) == (503, b"")


def test_success_that_is_html_or_empty(seller, amazon_http):
    arm(amazon_http, "ok_html")
    answer = seller.search()
    assert (answer.status_code, answer.content[:9]) == (200, b"<!doctype")
    arm(amazon_http, "ok_empty")
    assert (seller.search().content) == b""


def test_truncated_json_is_no_json(seller, amazon_http, amazon_state):
    amazon_state.generate(GenerateRequest(orders=5))
    arm(amazon_http, "truncated")
    answer = seller.search()
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_repeated_page(seller, amazon_http, amazon_state):
    amazon_state.generate(GenerateRequest(orders=6))
    first = seller.search(maxResultsPerPage=2).json()
    arm(amazon_http, "repeated_page", operation="searchOrders", count=2)
    token = first["pagination"]["nextToken"]
    pages = []
    for _ in range(3):
        body = seller.search(maxResultsPerPage=2, paginationToken=token).json()
        pages.append([order["orderId"] for order in body["orders"]])
        token = body["pagination"]["nextToken"]
    assert pages[0] == pages[1] == pages[2]


def test_repeated_pages_at_mirakl(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=30))
    first = mirakl_http.get("/api/orders").json()["orders"]
    arm(mirakl_http, "repeated_page", operation="OR11")
    assert mirakl_http.get("/api/orders", params={"offset": 10}).json()["orders"] == first


def test_a_missing_order_is_read_by_its_id(seller, amazon_http, amazon_state):
    made = amazon_state.generate(GenerateRequest(orders=5))
    arm(amazon_http, "missing_order", order_ids=made[:1])
    assert made[0] not in {order["orderId"] for order in seller.search().json()["orders"]}
    assert seller.order(made[0]).status_code == 200
    assert made[0] in {order["orderId"] for order in seller.search().json()["orders"]}


def test_a_missing_order_at_mirakl_is_read_by_its_id(mirakl_http, mirakl_state):
    made = mirakl_state.generate(GenerateRequest(orders=5))
    arm(mirakl_http, "missing_order", operation="OR11", order_ids=made[:1], count=2)
    assert mirakl_http.get("/api/orders").json()["total_count"] == 4
    assert mirakl_http.get("/api/orders", params={"order_ids": made[0]}).json()["total_count"] == 1


def test_a_late_update_appears_with_its_old_time(seller, amazon_http, amazon_state, clock):
    made = amazon_state.generate(GenerateRequest(orders=3))
    arm(amazon_http, "late_update", order_ids=made[1:2], seconds=900)
    before = {order["orderId"] for order in seller.search().json()["orders"]}
    clock.tick(seconds=900)
    after = seller.search().json()["orders"]
    assert {order["orderId"] for order in after} - before == {made[1]}
    late = next(order for order in after if order["orderId"] == made[1])
    assert late["lastUpdatedTime"] < "2026-11-02T12:00:00.000Z"


def test_a_step_may_carry_an_old_update_time(mirakl_http, mirakl_state):
    made = mirakl_state.generate(GenerateRequest(orders=3))
    body = {"action": "touch", "order_ids": made[:1], "backdate_seconds": 3600}
    mirakl_http.post("/_sandbox/advance", json=body)
    assert mirakl_state.records[made[0]].order["last_updated_date"] == "2026-11-02T11:00:00Z"


def test_a_malformed_order_spoils_the_answer_not_the_order(seller, amazon_http, amazon_state):
    made = amazon_state.generate(GenerateRequest(orders=3))
    arm(amazon_http, "malformed_order", order_ids=made[:1], field="orderItems.0.quantityOrdered", damage="wrong_type")
    order = next(order for order in seller.search().json()["orders"] if order["orderId"] == made[0])
    assert order["orderItems"][0]["quantityOrdered"] == {"unexpected": "object"}
    assert isinstance(amazon_state.records[made[0]].order["orderItems"][0]["quantityOrdered"], int)


def test_a_malformed_order_loses_its_id_by_default(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=3))
    arm(mirakl_http, "malformed_order")
    assert ["order_id" in order for order in mirakl_http.get("/api/orders").json()["orders"]] == [False, True, True]


def test_revoking_ends_both_tokens_until_cleared(seller, amazon_http):
    arm(amazon_http, "revoke_token", operation="searchOrders")
    assert seller.search().status_code == 403
    assert seller.token().json()["error"] == "invalid_grant"
    amazon_http.delete("/_sandbox/faults")
    seller.sign_in()
    assert seller.search().status_code == 200


def test_an_expired_access_token_can_be_renewed(seller, amazon_http):
    arm(amazon_http, "expire_token")
    assert seller.search().status_code == 403
    seller.sign_in()
    assert seller.search().status_code == 200


def test_a_revoked_key_is_unauthorised(mirakl_http):
    arm(mirakl_http, "revoke_token")
    assert mirakl_http.get("/api/account").status_code == 401
    assert mirakl_http.get("/api/account").status_code == 401
    mirakl_http.delete("/_sandbox/faults")
    assert mirakl_http.get("/api/account").status_code == 200


def test_a_dropped_answer_after_the_work_was_done(amazon_state):
    with running(create_app(amazon_state)) as url, httpx.Client(base_url=url) as http:
        arm(http, "dropped", operation="token")
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/auth/o2/token", data={"grant_type": "refresh_token"})
        (entry,) = amazon_state.journal
        assert (entry.status, entry.faults) == (None, ("dropped",))
        assert http.post("/auth/o2/token", data={}).status_code == 400


def test_a_dropped_shipment_has_been_made(mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=60))
    record = next(r for r in mirakl_state.records.values() if r.state == "WAITING_ACCEPTANCE")
    lines = [{"id": line["order_line_id"], "accepted": True} for line in record.lines]
    headers = {"Authorization": mirakl.API_KEY}
    with running(create_app(mirakl_state)) as url, httpx.Client(base_url=url, headers=headers) as http:
        arm(http, "dropped", operation="OR21")
        with pytest.raises(httpx.RemoteProtocolError):
            http.put(f"/api/orders/{record.id}/accept", json={"order_lines": lines})
    assert record.state == "WAITING_DEBIT_PAYMENT"


def test_a_slow_answer_comes_late(seller, amazon_http):
    arm(amazon_http, "slow", seconds=0.05)
    started = time.perf_counter()
    seller.search()
    assert time.perf_counter() - started >= 0.05


def test_counts_and_offsets():
    book = FaultBook(1)
    book.add(Fault(FaultKind.SLOW, operation="OR11", after=2, count=2))
    fired = [bool(book.fire("OR11", None).names()) for _ in range(6)]
    assert fired == [False, False, True, True, False, False]
    assert not book.fire("ST11", None).names()


def test_probability_is_repeatable():
    def run(seed):
        book = FaultBook(seed)
        book.add(Fault(FaultKind.SLOW, probability=0.3, count=None))
        return [bool(book.fire("x", None).names()) for _ in range(200)]

    assert run(5) == run(5) != run(6)
    assert 30 < sum(run(5)) < 90


def test_faults_of_one_account_spare_the_others(mirakl_http):
    arm(mirakl_http, "error_json", account="2002", count=None)
    assert mirakl_http.get("/api/account").status_code == 200
    assert mirakl_http.get("/api/account", headers={"Authorization": "sandbox-key-2"}).status_code == 503
    assert mirakl_http.get("/_sandbox/faults").json()[0]["fired"] == 1


@pytest.mark.parametrize("path", ["nothing", "lines.7.id", "lines.x", "id.deeper"])
def test_unknown_paths_spoil_nothing(path):
    order = {"id": "1", "lines": [{"id": "2"}]}
    assert spoil(order, path, Damage.REMOVED) == order

"""Asking the pipeline over the API, and following what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders_api.schemas.operator_requests import OperatorRequestList, OperatorRequestState
from tests.api.conftest import make_order
from warehouse.ledger.bulk import requests
from warehouse.ledger.people import operator_requests
from warehouse.ledger.settings.tokens import Scope
from warehouse.operator_requests import HEAVY, RequestProgress

PATH = "/v1/requests"
PULL = {"kind": "pull", "subject": "amazon_fr_seller"}


@pytest.fixture
def operator(as_token, issued, api_ledger, clock):
    scopes = (Scope.OPERATIONS_WRITE, Scope.ORDERS_READ, Scope.SHIPMENTS_WRITE, Scope.ADMIN)
    return as_token(issued(api_ledger, clock(), "desk", *scopes))


@pytest.fixture
def limited(as_token, issued, api_ledger, clock):
    scopes = (Scope.OPERATIONS_WRITE, Scope.ORDERS_READ, Scope.SHIPMENTS_WRITE)
    return as_token(issued(api_ledger, clock(), "france", *scopes, channels=["amazon_fr"]))


def asked(response) -> OperatorRequestState:
    assert response.status_code == 202, response.text
    return OperatorRequestState.model_validate_json(response.content)


def test_a_request_is_followed_to_its_end(operator, api_ledger, clock):
    answer = operator.post(PATH, PULL)
    made = asked(answer)
    assert (made.state, made.asked_by, made.pipeline_seen_at) == (RequestProgress.ASKED, "desk", None)
    assert answer.headers["Location"].endswith(f"{PATH}/{made.id}")
    with api_ledger.write() as transaction:
        operator_requests.note_pipeline(transaction, clock())
        claimed = operator_requests.claim(transaction, HEAVY, clock(), timedelta(minutes=1))
        operator_requests.finish(transaction, claimed, RequestProgress.DONE, {"seen": 3}, clock())
    ended = OperatorRequestState.model_validate_json(operator.get(f"{PATH}/{made.id}").content)
    assert (ended.state, ended.result) == (RequestProgress.DONE, {"seen": 3})
    assert ended.pipeline_seen_at is not None
    listed = OperatorRequestList.model_validate_json(operator.get(PATH).content)
    assert listed.requests == [ended]


def test_asking_twice_is_asking_once(operator):
    assert asked(operator.post(PATH, PULL)).id == asked(operator.post(PATH, PULL)).id


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"kind": "dance", "subject": "amazon_fr_seller"}, "invalid_request", "/kind"),
        ({"kind": "pull", "subject": "nowhere"}, "unknown_subject", "/subject"),
        ({"kind": "export", "subject": "amazon_fr_seller"}, "unknown_subject", "/subject"),
        ({**PULL, "arguments": {"since": "soon"}}, "invalid_request", "/arguments/since"),
        ({**PULL, "arguments": {"folder": "x"}}, "invalid_request", "/arguments/folder"),
        ({"kind": "fetch", "subject": "amazon_fr_seller"}, "invalid_request", "/arguments/original_ids"),
    ],
)
def test_what_cannot_be_asked_is_named(operator, body, code, pointer):
    answer = operator.post(PATH, body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_token_of_a_channel_names_and_sees_what_is_its_own(limited, operator):
    foreign = asked(operator.post(PATH, {"kind": "pull", "subject": "mirakl_de_seller"}))
    assert asked(limited.post(PATH, {"kind": "export", "subject": "amazon_fr"})).subject == "amazon_fr"
    assert asked(limited.post(PATH, PULL)).subject == "amazon_fr_seller"
    for body in (
        {"kind": "pull", "subject": "mirakl_de_seller"},
        {"kind": "import", "subject": "mirakl_de"},
        {"kind": "browse", "subject": "share"},
    ):
        assert limited.post(PATH, body).json()["code"] == "unknown_subject"
    assert limited.get(f"{PATH}/{foreign.id}").status_code == 404
    assert {each["subject"] for each in limited.get(PATH).json()["requests"]} == {"amazon_fr", "amazon_fr_seller"}
    assert len(operator.get(PATH).json()["requests"]) == 3


def test_only_who_may_operate_asks(erp, stranger, operator):
    for path in (PATH, f"{PATH}/{asked(operator.post(PATH, PULL)).id}"):
        assert (stranger.get(path).status_code, erp.get(path).status_code) == (401, 403)
    assert (stranger.post(PATH, PULL).status_code, erp.post(PATH, PULL).status_code) == (401, 403)


def test_many_orders_are_chosen_by_filters_and_what_became_of_each_is_a_file(operator, erp, book, api_ledger, clock):
    assert erp.token
    book.put(*(make_order(number) for number in range(3)), make_order(3, channel="mirakl_de"))
    asking = {"action": "acknowledge", "consumer": "erp", "order_number_prefix": "SO-"}
    dry = operator.post("/v1/orders/bulk?channel=amazon_fr&dry_run=true", asking)
    assert (dry.status_code, dry.json()) == (200, {"orders": 3, "would_be_done": 3, "left_out": []})
    assert operator.get(PATH).json()["requests"] == []
    made = asked(operator.post("/v1/orders/bulk?channel=amazon_fr", asking))
    assert (made.kind, made.subject, made.arguments["orders"]) == ("bulk", "amazon_fr", 3)
    with api_ledger.write() as transaction:
        requests.do_next_chunk(transaction, operator_requests.find(transaction, made.id), clock(), timedelta(minutes=1))
    ended = operator.get(f"{PATH}/{made.id}").json()
    assert ended["result"] == {"orders": 3, "handled": 3, "done": 3, "left_out": {}}
    file = operator.get(f"{PATH}/{made.id}/orders").text.splitlines()
    assert (file[0], len(file)) == ("order,id,channel,fate,code,reason", 4)
    again = operator.post("/v1/orders/bulk?dry_run=true", {**asking, "ids": [file[1].split(",")[1]]}).json()
    left = [{"code": "already_acknowledged", "reason": "erp has it already", "orders": 1}]
    assert again == {"orders": 1, "would_be_done": 0, "left_out": left}


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("", {"action": "retry"}, 422, "nothing_chosen"),
        ("?status=SHIPPED", {"action": "retry"}, 422, "nothing_chosen"),
        ("?channel=nowhere", {"action": "retry"}, 404, "unknown_channel"),
        ("?status=SHIPPED", {"action": "resolve"}, 422, "invalid_request"),
        ("?status=SHIPPED", {"action": "acknowledge", "consumer": "nobody"}, 404, "unknown_consumer"),
    ],
)
def test_what_cannot_be_done_to_many_is_refused(operator, query, body, status, code):
    answer = operator.post(f"/v1/orders/bulk{query}", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_token_of_a_channel_acts_on_its_own_orders_and_sees_no_others(limited, operator, book):
    ids = [*book.put(make_order(0)), *book.put(make_order(1, channel="mirakl_de"))]
    body = {"action": "retry", "ids": ids}
    whole = asked(operator.post("/v1/orders/bulk", body))
    assert asked(limited.post("/v1/orders/bulk", body)).arguments["orders"] == 1
    assert limited.get(f"{PATH}/{whole.id}/orders").status_code == 404
    assert [each["subject"] for each in limited.get(PATH).json()["requests"]] == ["amazon_fr"]
    pull = asked(operator.post(PATH, PULL))
    assert operator.get(f"{PATH}/{pull.id}/orders").status_code == 404
    bulk = operator.post(PATH, {"kind": "bulk", "subject": "amazon_fr"})
    assert (bulk.status_code, bulk.json()["errors"][0]["pointer"]) == (422, "/kind")


def test_who_may_not_do_it_to_one_order_may_not_to_many(limited, operator, as_token, issued, api_ledger, clock):
    blind = as_token(issued(api_ledger, clock(), "blind", Scope.OPERATIONS_WRITE))
    bulk = "/v1/orders/bulk?status=SHIPPED"
    for client, body in (
        (blind, {"action": "fetch"}),
        (limited, {"action": "resolve", "reason": "x"}),
        (limited, {"action": "acknowledge", "consumer": "desk"}),
    ):
        assert (client.post(bulk, body).status_code, client.post(bulk, body).json()["code"]) == (403, "missing_scope")
    made = asked(operator.post(PATH, PULL))
    assert blind.get(f"{PATH}/{made.id}/orders").status_code == 403

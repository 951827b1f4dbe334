"""Asking the pipeline over the API, and following what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders_api.schemas.operator_requests import OperatorRequestList, OperatorRequestState
from warehouse.ledger.people import operator_requests
from warehouse.ledger.settings.tokens import Scope
from warehouse.operator_requests import HEAVY, RequestProgress

PATH = "/v1/requests"
PULL = {"kind": "pull", "subject": "amazon_fr_seller"}


@pytest.fixture
def operator(as_token, issued, api_ledger, clock):
    return as_token(issued(api_ledger, clock(), "desk", Scope.OPERATIONS_WRITE))


@pytest.fixture
def limited(as_token, issued, api_ledger, clock):
    return as_token(issued(api_ledger, clock(), "france", Scope.OPERATIONS_WRITE, channels=["amazon_fr"]))


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

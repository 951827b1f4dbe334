"""Requests to cancel over the API: read, accepted, declined, and cancelled as the seller."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from orders_api.schemas.cancellations import CancellationRequest, CancellationRequestPage
from warehouse.ledger.settings.tokens import Scope
from warehouse.order_parts import Cancellation
from warehouse.order_states import Status

PATH = "/v1/cancellation-requests"


@pytest.fixture
def shipper(as_token, issued, api_ledger, clock):
    return as_token(issued(api_ledger, clock(), "wms", Scope.SHIPMENTS_WRITE))


@pytest.fixture
def asked(book, order, cancellation):
    """Two orders with a request each, of two channels; answers their ids."""
    first, second = order(1), order(2, channel="mirakl_de", marketplace="Mirakl DE")
    lines = tuple(replace(line, cancellation=cancellation) for line in first.lines[:1])
    return book.put(replace(first, lines=(*lines, *first.lines[1:])), replace(second, cancellation=cancellation))


def listed(response) -> list[CancellationRequest]:
    assert response.status_code == 200, response.text
    return CancellationRequestPage.model_validate_json(response.content).cancellation_requests


def test_a_stranger_sees_and_decides_nothing(stranger, asked):
    assert {stranger.get(path).status_code for path in (PATH, f"{PATH}/{asked[0]}")} == {401}
    for path in (f"{PATH}/{asked[0]}/accept", f"{PATH}/{asked[0]}/decline", f"/v1/orders/{asked[0]}/cancellation"):
        assert stranger.post(path, {}).status_code == 401


def test_requests_are_listed_newest_first_with_their_lines(erp, asked):
    found = listed(erp.get(PATH))
    assert [each.order_id for each in found] == asked[::-1]
    assert [(each.item_original_id, each.quantity) for each in found[1].lines] == [("L1", 1)]
    assert (found[1].requester, found[1].reason, found[1].state) == ("BUYER", "ORDERED_BY_MISTAKE", "open")
    assert erp.get("/v1/orders?cancellation_requested=true&channel=amazon_fr").json()["orders"][0]["id"] == asked[0]


@pytest.mark.parametrize(
    ("query", "count"),
    [("state=open", 2), ("state=executed", 0), ("channel=amazon_fr", 1), ("shipped_despite=true", 0)],
)
def test_requests_are_filtered(erp, asked, query, count):
    assert len(listed(erp.get(f"{PATH}?{query}"))) == count


def test_requests_of_one_order(erp, asked):
    assert [each.order_id for each in listed(erp.get(PATH, order_id=asked[1]))] == [asked[1]]


def test_requests_come_in_pages(erp, asked):
    first = erp.get(PATH, limit=1)
    second = erp.request("GET", first.json()["next"])
    assert [each.order_id for each in listed(first) + listed(second)] == asked[::-1]
    assert second.json()["next"] is None


def test_who_sees_one_channel_sees_its_requests_only(german, erp, asked):
    assert [each.channel for each in listed(german.get(PATH))] == ["mirakl_de"]
    foreign = listed(erp.get(PATH, channel="amazon_fr"))[0].id
    assert german.get(f"{PATH}/{foreign}").json()["code"] == "unknown_cancellation_request"


def test_a_request_is_declined_and_the_timeline_says_by_whom(shipper, erp, asked):
    own_id = listed(erp.get(PATH, channel="amazon_fr"))[0].id
    response = shipper.post(f"{PATH}/{own_id}/decline", {"reason": "Packed already"})
    found = CancellationRequest.model_validate_json(response.content)
    assert (response.status_code, found.state, found.decided_by) == (200, "declined", "wms")
    assert erp.get(f"{PATH}/{own_id}").json()["decision_reason"] == "Packed already"
    events = erp.get(f"/v1/orders/{asked[0]}/events").json()["events"]
    assert [each["text"] for each in events if each["kind"].startswith("cancellation")] == [
        "Cancellation requested by BUYER",
        "Cancellation declined by wms",
    ]


def test_an_accepted_request_is_answered_202_and_again_the_same(shipper, erp, asked):
    own_id = listed(erp.get(PATH, channel="amazon_fr"))[0].id
    first = shipper.post(f"{PATH}/{own_id}/accept", {})
    again = shipper.post(f"{PATH}/{own_id}/accept", {})
    assert (first.status_code, first.json()["state"]) == (202, "accepted")
    assert again.json() == first.json()


def test_what_the_marketplace_has_closed_is_a_conflict(shipper, erp, book, order, asked):
    own_id = listed(erp.get(PATH, channel="amazon_fr"))[0].id
    later = order(1)
    book.put(
        replace(later, status=Status.CANCELED, marketplace_updated_at=later.marketplace_updated_at + timedelta(hours=1))
    )
    response = shipper.post(f"{PATH}/{own_id}/accept", {})
    assert (response.status_code, response.json()["code"]) == (409, "cancellation_request_closed")


@pytest.mark.parametrize("own_id", ["x", "0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"])
def test_a_request_that_is_not_there_is_404(shipper, erp, asked, own_id):
    assert erp.get(f"{PATH}/{own_id}").status_code == 404
    assert shipper.post(f"{PATH}/{own_id}/accept", {}).json()["code"] == "unknown_cancellation_request"


def test_deciding_needs_the_scope_and_a_sound_body(erp, shipper, asked):
    own_id = listed(erp.get(PATH))[0].id
    assert erp.post(f"{PATH}/{own_id}/accept", {}).json()["code"] == "missing_scope"
    assert shipper.post(f"{PATH}/{own_id}/accept", {"more": 1}).status_code == 422
    assert shipper.request("POST", f"{PATH}/{own_id}/accept", content=b"x").status_code == 415


def test_the_seller_cancels_what_remains(shipper, erp, book, order):
    (own_id,) = book.put(order(1))
    response = shipper.post(f"/v1/orders/{own_id}/cancellation", {"reason": "14"})
    found = CancellationRequest.model_validate_json(response.content)
    assert (response.status_code, found.requester, found.state) == (202, "MERCHANT", "accepted")
    assert response.headers["location"] == f"{PATH}/{found.id}"
    assert [(each.item_original_id, each.quantity) for each in found.lines] == [("L1", 1)]
    again = shipper.post(f"/v1/orders/{own_id}/cancellation", {})
    assert (again.status_code, again.json()["code"]) == (409, "cancellation_under_way")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([{"item_original_id": "nowhere"}], "unknown_line"),
        ([{"item_original_id": "L1", "quantity": 2}], "nothing_to_cancel"),
        ([{"item_original_id": "L2"}], "nothing_to_cancel"),
        ([{"item_original_id": "L1", "quantity": 0}], "invalid_request"),
        ([{"quantity": 1}], "invalid_request"),
        ([], "invalid_request"),
    ],
)
def test_what_cannot_be_cancelled_is_refused(shipper, book, order, lines, code):
    (own_id,) = book.put(order(1))
    response = shipper.post(f"/v1/orders/{own_id}/cancellation", {"lines": lines})
    assert (response.status_code, response.json()["code"]) == (422, code)


def test_a_request_shipped_nevertheless_is_counted(erp, book, order, asked):
    later = order(1)
    lines = (
        replace(later.lines[0], quantity_shipped=2, cancellation=Cancellation(requested_by="BUYER")),
        later.lines[1],
    )
    book.put(replace(later, lines=lines, marketplace_updated_at=later.marketplace_updated_at + timedelta(hours=1)))
    assert [each.order_id for each in listed(erp.get(PATH, shipped_despite=True))] == [asked[0]]

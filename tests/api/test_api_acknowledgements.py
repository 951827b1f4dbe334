"""Acknowledging orders: every result, idempotence, column ownership, and what a wrong body is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from orders_api.schemas.acknowledgements import AcknowledgementResults
from warehouse.ledger.base.schema import order_events
from warehouse.order_states import FulfilledBy, Status

PATH = "/v1/orders/acknowledgements"


def acknowledge(api, *items: dict):
    response = api.post(PATH, {"acknowledgements": list(items)})
    assert response.status_code == 200, response.text
    return AcknowledgementResults.model_validate_json(response.content).results


def fragment(api, own_id: str) -> list[dict]:
    return api.get(f"/v1/orders/{own_id}").json()["acknowledgements"]


def events(ledger) -> int:
    with ledger.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(order_events)).scalar_one()


@pytest.fixture
def changed(book, order):
    """An order at revision 2."""
    first = order(1)
    book.put(first)
    later = first.marketplace_updated_at + timedelta(hours=1)
    return book.put(replace(first, status=Status.SHIPPED, marketplace_updated_at=later))[0]


def test_a_stranger_acknowledges_nothing_and_his_body_is_not_looked_at(stranger):
    assert stranger.request("POST", PATH, content=b"{broken").status_code == 401


def test_an_order_is_acknowledged(erp, book, order, clock):
    (own_id,) = book.put(order(1))

    (result,) = acknowledge(
        erp, {"id": own_id, "revision": 1, "outcome": "ok", "order_number": "SO-1", "message": "done"}
    )

    assert (result.result, result.id, result.revision, result.current_revision) == ("acknowledged", own_id, 1, 1)
    assert fragment(erp, own_id) == [
        {
            "consumer": "erp",
            "revision": 1,
            "outcome": "ok",
            "order_number": "SO-1",
            "message": "done",
            "at": "2026-11-02T09:30:00.000Z",
        }
    ]


def test_an_order_is_acknowledged_by_the_marketplaces_id(erp, book, order):
    (own_id,) = book.put(order(1))

    (result,) = acknowledge(
        erp, {"channel": "amazon_fr", "original_id": "402-0000001", "outcome": "error", "message": "No SKU"}
    )

    assert (result.result, result.id) == ("acknowledged", own_id)
    assert fragment(erp, own_id)[0]["outcome"] == "error"


def test_the_same_again_changes_nothing(erp, book, order, api_ledger, clock):
    (own_id,) = book.put(order(1))
    item = {"id": own_id, "outcome": "ok", "order_number": "SO-1"}
    acknowledge(erp, item)
    before = fragment(erp, own_id)
    clock.advance(hours=1)

    (again,) = acknowledge(erp, item)

    assert again.result == "already_acknowledged"
    assert fragment(erp, own_id) == before
    assert events(api_ledger) == 1


def test_an_error_is_followed_by_success(erp, book, order, api_ledger):
    (own_id,) = book.put(order(1))
    acknowledge(erp, {"id": own_id, "outcome": "error", "order_number": "SO-1", "message": "No SKU"})

    (result,) = acknowledge(erp, {"id": own_id, "outcome": "ok"})

    assert result.result == "acknowledged"
    (known,) = fragment(erp, own_id)
    assert (known["outcome"], known["order_number"], known["message"]) == ("ok", "SO-1", None)
    assert events(api_ledger) == 2


def test_an_older_revision_is_recorded_and_called_stale(erp, changed):
    (result,) = acknowledge(erp, {"id": changed, "revision": 1, "outcome": "ok"})

    assert (result.result, result.revision, result.current_revision) == ("stale_revision", 1, 2)
    assert fragment(erp, changed)[0]["revision"] == 1


def test_an_older_acknowledgement_does_not_overwrite_a_newer_one(erp, changed):
    acknowledge(erp, {"id": changed, "revision": 2, "outcome": "ok"})

    (result,) = acknowledge(erp, {"id": changed, "revision": 1, "outcome": "error"})

    assert (result.result, result.revision) == ("stale_revision", 2)
    assert (fragment(erp, changed)[0]["revision"], fragment(erp, changed)[0]["outcome"]) == (2, "ok")


def test_a_revision_that_does_not_exist_yet_is_refused(erp, changed):
    (result,) = acknowledge(erp, {"id": changed, "revision": 3, "outcome": "ok"})

    assert (result.result, result.revision, result.current_revision) == ("unknown_revision", None, 2)
    assert fragment(erp, changed) == []


def test_half_of_a_split_order_has_to_be_named_by_its_own_id(erp, book, order):
    own = book.put(order(1, is_split=True), order(1, is_split=True, fulfilled_by=FulfilledBy.MARKETPLACE))

    (result,) = acknowledge(erp, {"channel": "amazon_fr", "original_id": "402-0000001", "outcome": "ok"})

    assert (result.result, result.id, sorted(result.candidates)) == ("ambiguous_order", None, sorted(own))


def test_one_unknown_order_stops_no_other(erp, book, order):
    own = book.put(order(1), order(2))

    results = acknowledge(
        erp,
        {"id": own[0], "outcome": "ok"},
        {"id": "00000000-0000-5000-8000-000000000000", "outcome": "ok"},
        {"id": own[1], "outcome": "ok"},
        {"id": own[1], "outcome": "ok"},
    )

    assert [each.result for each in results] == [
        "acknowledged",
        "unknown_order",
        "acknowledged",
        "already_acknowledged",
    ]
    assert [each.index for each in results] == [0, 1, 2, 3]


def test_consumers_do_not_touch_each_others(erp, support, book, order):
    (own_id,) = book.put(order(1))
    acknowledge(erp, {"id": own_id, "outcome": "ok", "order_number": "A"})
    acknowledge(support, {"id": own_id, "outcome": "error", "order_number": "B"})

    assert [(each["consumer"], each["order_number"]) for each in fragment(erp, own_id)] == [
        ("erp", "A"),
        ("support", "B"),
    ]


def test_acknowledging_moves_neither_position_nor_revision(erp, changed):
    before = erp.get(f"/v1/orders/{changed}").json()

    acknowledge(erp, {"id": changed, "outcome": "ok"})

    after = erp.get(f"/v1/orders/{changed}").json()
    assert after | {"acknowledgements": []} == before
    assert erp.get("/v1/orders/changes", after=before["position"]).json()["orders"] == []


def test_a_change_at_the_marketplace_leaves_the_acknowledgement(erp, book, order):
    first = order(1)
    (own_id,) = book.put(first)
    acknowledge(erp, {"id": own_id, "outcome": "ok", "order_number": "SO-1"})
    later = first.marketplace_updated_at + timedelta(hours=1)

    book.put(replace(first, status=Status.SHIPPED, marketplace_updated_at=later))

    (known,) = fragment(erp, own_id)
    assert (known["order_number"], known["revision"]) == ("SO-1", 1)


def test_a_thousand_are_acknowledged_at_once_and_no_more(erp, book, order):
    own = book.put(*(order(n) for n in range(1000)))

    results = acknowledge(erp, *({"id": each, "outcome": "ok"} for each in own))

    assert {each.result for each in results} == {"acknowledged"}
    too_many = [{"id": own[0], "outcome": "ok"}] * 1001
    assert erp.post(PATH, {"acknowledgements": too_many}).status_code == 422


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"acknowledgements": []}, "/acknowledgements"),
        ({}, "/acknowledgements"),
        ([], ""),
    ],
)
def test_a_wrong_body_is_told_where(erp, body, pointer):
    response = erp.post(PATH, body)

    assert response.status_code == 422
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]


WRONG = [
    ({"id": "x"}, "outcome"),
    ({"id": "x", "outcome": "fine"}, "outcome"),
    ({"id": "x", "outcome": "ok", "revision": 0}, "revision"),
    ({"id": "x", "outcome": "ok", "revision": 2**80}, "revision"),
    ({"id": "x", "outcome": "ok", "typo~/": 1}, "typo~0~1"),
    ({"id": "a\u0000", "outcome": "ok"}, "id"),
    ({"id": "x", "outcome": "ok", "message": "m" * 1001}, "message"),
    ({"outcome": "ok"}, ""),
    ({"outcome": "ok", "channel": "amazon_fr"}, ""),
    ({"outcome": "ok", "id": "x", "original_id": "y", "channel": "z"}, ""),
    ("what", ""),
    (None, ""),
]
"""Acknowledgements that are not as described, each with the member that is wrong."""


@pytest.mark.parametrize(("wrong", "field"), WRONG)
def test_a_request_of_nothing_but_wrong_ones_is_told_where(erp, wrong, field):
    response = erp.post(PATH, {"acknowledgements": [wrong]})

    assert response.status_code == 422
    assert [each["pointer"] for each in response.json()["errors"]] == [f"/acknowledgements/0/{field}".rstrip("/")]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
def test_a_wrong_one_refuses_itself_and_no_other(erp, book, order, wrong, field):
    first, second = book.put(order(1), order(2))
    good = [{"id": first, "outcome": "ok"}, {"id": second, "outcome": "ok"}]

    response = erp.post(PATH, {"acknowledgements": [good[0], wrong, good[1]]})

    assert response.status_code == 200
    results = AcknowledgementResults.model_validate(response.json()).results
    assert [each.result for each in results] == ["acknowledged", "invalid", "acknowledged"]
    assert [each.index for each in results] == [0, 1, 2]
    assert [each.field for each in results[1].errors] == [field]
    assert [each.id for each in results] == [first, None, second]


@pytest.mark.parametrize("content", [b"", b"{", b'{"acknowledgements": [\xff]}', b"[" * 100_000])
def test_what_is_not_json_is_refused(erp, content):
    response = erp.request("POST", PATH, content=content, headers={"Content-Type": "application/json"})

    assert response.status_code == 422
    assert response.json()["errors"] == [{"pointer": "", "message": "the body is not valid JSON"}]


def test_another_media_type_is_refused(erp):
    response = erp.request("POST", PATH, content=b"{}", headers={"Content-Type": "text/plain"})

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_what_was_sent_is_not_repeated_in_the_problem(erp):
    response = erp.post(PATH, {"acknowledgements": [{"id": "x", "outcome": "Zoë Canari", "message": 12345678}]})

    assert response.status_code == 422
    assert "Canari" not in response.text
    assert "12345678" not in response.text


def test_two_requests_at_once_lose_nothing(any_erp, any_book, order):
    own = any_book.put(*(order(n) for n in range(20)))

    def half(part: list[str]) -> set[str]:
        return {each.result for each in acknowledge(any_erp, *({"id": one, "outcome": "ok"} for one in part))}

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(half, [own, own[::-1], own[5:], own[:15]]))

    assert set.union(*outcomes) == {"acknowledged", "already_acknowledged"}
    assert all(len(each["acknowledgements"]) == 1 for each in any_erp.walk("/v1/orders?limit=1000"))

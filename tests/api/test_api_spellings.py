"""How clients write what they ask: tolerated where it can only mean one thing, else refused with the reason."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEARER"])
def test_the_scheme_of_the_token_is_taken_in_any_case(stranger, erp, scheme):
    assert stranger.request("GET", "/v1/orders", headers={"Authorization": f"{scheme} {erp.token}"}).status_code == 200


def told(answer) -> list[dict]:
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    return answer.json()["errors"]


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders/changes", "/v1/shipments", "/v1/incidents", "/v1/files"])
@pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", ""])
def test_a_limit_that_is_none_is_refused_by_name(erp, path, limit):
    (error,) = told(erp.get(path, limit=limit))
    assert error["parameter"] == "limit"
    assert "Input should be" in error["message"]


@pytest.mark.parametrize("name", ["purchased_after", "received_before", "updated_after"])
def test_a_plus_that_is_not_escaped_is_refused_with_how_to_write_it(erp, name):
    (error,) = told(erp.request("GET", f"/v1/orders?{name}=2026-11-01T00:00:00+01:00"))
    assert error["parameter"] == name
    assert "%2B" in error["message"]
    assert erp.request("GET", f"/v1/orders?{name}=2026-11-01T00:00:00%2B01:00").status_code == 200


@pytest.mark.parametrize("given", ["2026-11-01", "2026-11-01T00:00:00", "2026-11-01 00:00"])
def test_a_date_alone_is_refused_because_nobody_knows_where_its_day_begins(erp, given):
    (error,) = told(erp.get("/v1/orders", purchased_after=given))
    assert error == {"parameter": "purchased_after", "message": "needs an offset from UTC, or Z"}


@pytest.mark.parametrize(
    "asked",
    [
        "/v1/orders?status=SHIPPED,PENDING",
        "/v1/orders?channel=amazon_fr,mirakl_de",
        "/v1/orders?marketplace=Amazon%20FR,%20Mirakl%20DE",
        "/v1/orders/export?format=csv&column=channel,currency",
        "/v1/shipments?status=held,rejected",
        "/v1/incidents?kind=retrieval,exchange",
        "/v1/logs?level=warning,error",
        "/v1/files?channel=amazon_fr,mirakl_de",
    ],
)
def test_several_values_in_one_are_refused_with_how_to_write_them(erp, asked):
    (error,) = told(erp.request("GET", asked))
    assert error["parameter"] in asked
    assert "repeat the parameter" in error["message"]


def test_several_values_are_written_so(erp, book, order):
    book.put(order(1), order(2, marketplace="Shop, the new one"))
    assert len(erp.request("GET", "/v1/orders?status=SHIPPED&status=WAITING_FOR_SHIPMENT").json()["orders"]) == 2
    assert len(erp.get("/v1/orders", marketplace="Shop, the new one").json()["orders"]) == 1

"""The control endpoint: state, clock, accounts, truth, journal."""

from __future__ import annotations

import pytest


def test_it_tells_what_it_is(amazon_http):
    state = amazon_http.get("/_sandbox").json()
    assert state["kind"] == "amazon"
    assert state["now"] == "2026-11-02T12:00:00.000Z"
    assert "searchOrders" in state["operations"]


def test_every_control_route_is_documented(mirakl_http):
    paths = mirakl_http.get("/_sandbox/openapi.json").json()["paths"]
    control = {path: set(methods) for path, methods in paths.items() if path.startswith("/_sandbox")}
    assert control == {
        "/_sandbox": {"get"},
        "/_sandbox/settings": {"patch"},
        "/_sandbox/accounts": {"get", "post"},
        "/_sandbox/clock": {"get", "post"},
        "/_sandbox/generate": {"post"},
        "/_sandbox/advance": {"post"},
        "/_sandbox/load": {"post"},
        "/_sandbox/orders": {"get"},
        "/_sandbox/orders/ids": {"get"},
        "/_sandbox/catalogue.csv": {"get"},
        "/_sandbox/faults": {"get", "post", "delete"},
        "/_sandbox/journal": {"get"},
    }


def test_the_clock_moves(amazon_http, seller):
    assert amazon_http.post("/_sandbox/clock", json={"advance_seconds": 7200}).json()["offset_seconds"] == 7200
    assert seller.search().status_code == 403
    seller.sign_in()
    assert seller.search().headers["Date"] == "Mon, 02 Nov 2026 14:00:00 GMT"
    moved = amazon_http.post("/_sandbox/clock", json={"now": "2027-01-01T00:00:00Z"})
    assert moved.json()["now"] == "2027-01-01T00:00:00.000Z"
    assert amazon_http.post("/_sandbox/clock", json={"offset_seconds": 0}).json()["now"] == "2026-11-02T12:00:00.000Z"


def test_generate_advance_and_truth(amazon_http, seller):
    made = amazon_http.post("/_sandbox/generate", json={"orders": 40, "seed": 5, "days": 1}).json()
    assert made["orders"] == 40
    result = amazon_http.post("/_sandbox/advance", json={"action": "ship", "count": 3}).json()
    assert len(result["advanced"]) == 3
    truth = amazon_http.get("/_sandbox/orders", params={"limit": 10}).json()
    assert (truth["total"], len(truth["orders"])) == (40, 10)
    assert amazon_http.get("/_sandbox/orders/ids").json() == made["ids"]


def test_steps_that_do_not_fit_are_refused_by_name(amazon_http):
    (order_id,) = amazon_http.post("/_sandbox/generate", json={"orders": 1}).json()["ids"]
    amazon_http.post("/_sandbox/advance", json={"action": "cancel", "order_ids": [order_id]})
    body = {"action": "pay", "order_ids": [order_id, "unknown"]}
    refused = amazon_http.post("/_sandbox/advance", json=body).json()["refused"]
    assert set(refused) == {order_id, "unknown"}


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("advance", {"action": "explode"}),
        ("generate", {"orders": 1, "account": "nobody"}),
        ("generate", {"orders": 1, "channel": "NOWHERE"}),
        ("accounts", {"name": "incomplete"}),
    ],
)
def test_nonsense_is_a_bad_request(amazon_http, mirakl_http, route, body):
    assert amazon_http.post(f"/_sandbox/{route}", json=body).status_code == 400
    assert mirakl_http.post(f"/_sandbox/{route}", json=body).status_code == 400


def test_another_account(amazon_http, seller):
    account = {
        "name": "second",
        "refresh_token": "Atzr|second",
        "region": "EU",
        "marketplace_ids": ["A1RKKUPIHCS9HS"],
    }
    assert amazon_http.post("/_sandbox/accounts", json=account).status_code == 201
    amazon_http.post("/_sandbox/generate", json={"orders": 4, "account": "second"})
    second = type(seller)(amazon_http, "Atzr|second")
    assert len(second.search().json()["orders"]) == 4
    assert {each["name"] for each in amazon_http.get("/_sandbox/accounts").json()} >= {"default", "second"}


def test_another_shop(mirakl_http):
    shop = {
        "shop_id": 9,
        "name": "Nine",
        "api_key": "nine",
        "channels": [{"code": "N", "label": "N", "country": "SE"}],
    }
    assert mirakl_http.post("/_sandbox/accounts", json=shop).status_code == 201
    assert mirakl_http.get("/api/account", headers={"Authorization": "nine"}).json()["channels"] == ["N"]


def test_settings(mirakl_http, amazon_http):
    body = {"rate_factor": 10, "multi_shipment": False}
    state = mirakl_http.patch("/_sandbox/settings", json=body).json()
    assert (state["rate_factor"], state["settings"]["multi_shipment"]) == (10, False)
    assert mirakl_http.patch("/_sandbox/settings", json={"nothing": 1}).status_code == 400
    assert amazon_http.patch("/_sandbox/settings", json={"lag_seconds": 0}).json()["settings"] == {"lag_seconds": 0.0}
    assert amazon_http.patch("/_sandbox/settings", json={"nothing": 1}).status_code == 400


def test_the_journal_tells_calls_without_secrets(amazon_http, seller):
    seller.search(maxResultsPerPage=5)
    page = amazon_http.get("/_sandbox/journal", params={"operation": "searchOrders"}).json()
    (entry,) = page["entries"]
    assert (entry["account"], entry["status"], entry["operation"]) == ("default", 200, "searchOrders")
    assert ["maxResultsPerPage", "5"] in entry["query"]
    assert "Atza" not in str(page)
    assert "Atzr" not in amazon_http.get("/_sandbox/journal").text
    assert amazon_http.get("/_sandbox/journal", params={"after": page["total"]}).json()["entries"] == []


def test_request_ids_of_the_journal_are_those_of_the_answers(amazon_http, seller, amazon_state):
    answer = seller.search()
    assert list(amazon_state.journal)[-1].request_id == answer.headers["x-amzn-RequestId"]


def test_the_catalogue_as_csv(mirakl_http):
    answer = mirakl_http.get("/_sandbox/catalogue.csv")
    assert answer.text.splitlines()[0] == "sku,gtin,title,url"
    assert len(answer.text.splitlines()) == 401


def test_unknown_paths_answer_in_each_form(amazon_http, mirakl_http):
    assert amazon_http.get("/orders/v9").json()["errors"][0]["code"] == "NotFound"
    assert mirakl_http.get("/api/nothing").json()["status"] == 404
    assert amazon_http.get("/_sandbox/nothing").status_code == 404

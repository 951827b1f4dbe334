"""Who may see what: a matrix over every route of the application, scopes, channels, revocation, personal data, rate limit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders_api.app import create_app
from warehouse.ledger.base.schema import parties
from warehouse.ledger.book import acknowledgements
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping.shipments import report
from warehouse.ledger.watch import incidents
from warehouse.shipment_reports import Sender, ShipmentReport, Source

DELETIONS = "/v1/account-deletions/{connection}"
OPEN_PATHS = {"/healthz", "/readyz", "/openapi.json", "/docs", DELETIONS}
GERMAN_SECRETS = ("402-0000077", "mirakl_de", "Mirakl DE", "BULB-GERMAN", "T-GERMAN")


def routes(app) -> list[tuple[str, str]]:
    """Every operation of the application's own description."""
    return [(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item]


def protected(app) -> list[tuple[str, str]]:
    return [each for each in routes(app) if each[1] not in OPEN_PATHS]


def ask(api, method: str, path: str, own_id: str):
    """A sound request to a route."""
    body = next((each for end, each in BODIES.items() if path.endswith(end)), None)
    query = "?format=ndjson" if path.endswith("/export") else "?state=all" if path.endswith("/incidents") else ""
    filled = path.replace("{id}", own_id).replace("{code}", "amazon_fr") + query
    return api.request(method, filled, json=body and body(own_id) if method == "POST" else None)


BODIES = {
    "/acknowledgements": lambda own_id: {"acknowledgements": [{"id": own_id, "outcome": "ok"}]},
    "/shipments": lambda own_id: {"shipments": [{"id": own_id}]},
    "/acceptance": lambda _own_id: {"accepted": True},
}


def test_the_matrix_covers_every_route(app):
    assert len(protected(app)) == 49
    assert {path for _, path in routes(app)} - {path for _, path in protected(app)} == {
        "/healthz",
        "/readyz",
        DELETIONS,
    }


def test_a_stranger_is_turned_away_everywhere(app, stranger, book, order):
    (own_id,) = book.put(order(1))
    for method, path in protected(app):
        response = ask(stranger, method, path, own_id)
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated"), path
        assert response.headers["content-type"] == "application/problem+json"


def test_nothing_is_judged_before_it_is_known_who_asks(app, stranger, as_token, issued, api_ledger, clock):
    other = as_token(issued(api_ledger, clock(), "other", Scope.METRICS_READ))
    for method, path in protected(app):
        filled = path.replace("{id}", "no id of ours").replace("{code}", "nowhere") + "?surprise=1&limit=-1"
        wrong = {"content": b"\xff", "headers": {"Content-Type": "text/plain"}} if method == "POST" else {}
        assert stranger.request(method, filled, **wrong).json()["code"] == "unauthenticated", path
        if "metrics:read" not in scopes_of(app, method, path):
            assert other.request(method, filled, **wrong).json()["code"] == "missing_scope", path


def test_a_parameter_that_a_route_does_not_know_is_refused_before_the_body_is_looked_at(
    app, as_token, issued, api_ledger, clock
):
    anyone = as_token(issued(api_ledger, clock(), "anyone", *Scope))
    for method, path in routes(app):
        filled = path.replace("{id}", "no id of ours").replace("{code}", "nowhere") + "?surprise=1"
        response = anyone.request(method, filled, **({"content": b"\xff"} if method == "POST" else {}))
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request"), path
        assert "surprise" in {each["parameter"] for each in response.json()["errors"]}, path


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "not-a-token",
        "orders_000000000000_" + "a" * 43,
        "orders_000000000000_" + "a" * 42,
        "orders_' OR 1=1 --_" + "a" * 43,
        "x" * 10_000,
    ],
)
def test_a_made_up_token_is_turned_away(as_token, presented):
    response = as_token(presented).get("/v1/orders")

    assert response.status_code == 401
    assert presented == "" or presented not in response.text


def test_a_token_with_another_secret_is_turned_away(as_token, erp):
    head, secret = erp.token.rsplit("_", 1)
    other = secret[:-1] + ("a" if secret[-1] != "a" else "b")

    assert as_token(f"{head}_{other}").get("/v1/orders").status_code == 401


def test_another_kind_of_authorization_is_turned_away(erp, as_token):
    response = as_token(None).request("GET", "/v1/orders", headers={"Authorization": f"Basic {erp.token}"})

    assert response.status_code == 401


def test_a_revoked_token_is_turned_away_on_the_next_call(erp, api_ledger, clock):
    assert erp.get("/v1/orders").status_code == 200
    with api_ledger.write() as connection:
        tokens.revoke(connection, erp.token.split("_")[1], clock())

    response = erp.get("/v1/orders")

    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


def test_an_expired_token_is_turned_away(as_token, api_ledger, clock):
    with api_ledger.write() as connection:
        ends = clock() + timedelta(hours=1)
        _, plain = tokens.create(connection, "short", [Scope.ORDERS_READ], None, ends, clock())
    assert as_token(plain).get("/v1/orders").status_code == 200

    clock.advance(hours=1)

    assert as_token(plain).get("/v1/orders").status_code == 401


@pytest.mark.parametrize("given", ["shipments:write", "orders:read", "metrics:read"])
def test_a_missing_scope_is_named(app, as_token, issued, api_ledger, clock, given):
    own_id = "00000000-0000-5000-8000-000000000000"
    api = as_token(issued(api_ledger, clock(), "other", Scope(given)))
    asked = 0
    for method, path in protected(app):
        needed = scopes_of(app, method, path)
        if given in needed:
            continue
        asked += 1
        response = ask(api, method, path, own_id)
        assert (response.status_code, response.json()["code"]) == (403, "missing_scope"), path
        assert any(each in response.json()["detail"] for each in needed)
    assert asked >= 3


def scopes_of(app, method: str, path: str) -> set[str]:
    """The scopes of which one is needed, by the application's own description."""
    described = app.openapi()["paths"][path][method.lower()]
    return {scope for each in described["security"] for names in each.values() for scope in names}


@pytest.fixture
def two_worlds(book, order, api_ledger, clock, cancellation):
    """An order and troubles in each channel; the ids of both orders."""
    line = order(1).lines[0]
    german = order(77, channel="mirakl_de", marketplace="Mirakl DE", cancellation=cancellation)
    french_id, german_id = book.put(order(1), german)
    assert line.sku == "LAMP-12"
    with api_ledger.write() as connection:
        for scope, subject, own_id in (
            ("channel", "amazon_fr", french_id),
            ("channel", "mirakl_de", german_id),
            ("connection", "mirakl_de_seller", ""),
            ("system", "api", ""),
        ):
            trouble = incidents.IncidentReport(
                scope=scope, subject=subject, stage="pull", code="broken", message=f"About {subject}", order_id=own_id
            )
            incidents.report(connection, trouble, clock())
        sender = Sender(consumer="somebody", source=Source.API, report_id="r")
        (shipped,) = report(connection, sender, [ShipmentReport(id=german_id, tracking_number="T-GERMAN")], clock())
        assert shipped.result == "accepted"
    return french_id, german_id


def test_nothing_of_another_channel_is_seen_anywhere(app, two_worlds, as_token, issued, api_ledger, clock):
    french_id, german_id = two_worlds
    scopes = (Scope.ORDERS_READ_PII, Scope.SHIPMENTS_WRITE)
    french = as_token(issued(api_ledger, clock(), "french", *scopes, channels=["amazon_fr"]))
    for method, path in protected(app):
        for own_id in (french_id, german_id):
            text = ask(french, method, path, own_id).text
            for secret in GERMAN_SECRETS:
                assert secret not in text, (path, secret)
            assert german_id not in text, path
            assert "About api" not in text, path
    own = ask(french, "GET", "/v1/orders", french_id).json()["orders"]
    assert [each["id"] for each in own] == [french_id]


def test_an_order_of_another_channel_is_not_found_rather_than_forbidden(app, two_worlds, german):
    french_id, german_id = two_worlds
    for path in ("/v1/orders/{id}", "/v1/orders/{id}/events"):
        foreign, made_up = (
            ask(german, "GET", path, own) for own in (french_id, "00000000-0000-5000-8000-000000000000")
        )
        assert foreign.status_code == made_up.status_code == 404
        assert foreign.json() | {"request_id": ""} == made_up.json() | {"request_id": ""}
        assert ask(german, "GET", path, german_id).status_code == 200


def test_a_foreign_order_cannot_be_acknowledged(two_worlds, german, erp):
    french_id, _ = two_worlds
    for item in ({"id": french_id}, {"channel": "amazon_fr", "original_id": "402-0000001"}):
        response = german.post("/v1/orders/acknowledgements", {"acknowledgements": [{**item, "outcome": "ok"}]})
        assert response.json()["results"][0]["result"] == acknowledgements.AcknowledgementEffect.UNKNOWN_ORDER
    assert erp.get(f"/v1/orders/{french_id}").json()["acknowledgements"] == []


@pytest.mark.parametrize("channel", ["amazon_fr", "no_such_channel"])
@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders/export?format=csv", "/v1/incidents"])
def test_a_channel_out_of_reach_is_not_found_and_named(german, two_worlds, path, channel):
    response = german.get(f"{path}{'&' if '?' in path else '?'}channel={channel}&channel=mirakl_de")

    assert (response.status_code, response.json()["code"]) == (404, "unknown_channel")
    assert response.json()["errors"][0]["parameter"] == "channel"


def test_personal_data_is_only_there_with_its_scope(app, erp, support, book, order, canary):
    (own_id,) = book.put(order(1))
    paths = [
        *("/v1/orders", "/v1/orders/changes", f"/v1/orders/{own_id}", f"/v1/orders/{own_id}/events"),
        *("/v1/orders/export?format=csv", "/v1/orders/export?format=ndjson"),
    ]
    for path in paths:
        without, having = erp.get(path), support.get(path)
        assert canary not in without.text, path
        assert "+33100000000" not in without.text, path
        assert (canary in having.text) == (not path.endswith("/events")), path
        if canary in having.text:
            assert having.headers["cache-control"] == "no-store", path
    assert erp.get(f"/v1/orders/{own_id}").json()["redacted"] is True
    document = support.get(f"/v1/orders/{own_id}").json()
    assert document["redacted"] is False
    assert document["shipping_address"]["city"] == "Nantes"


def test_an_administrator_does_not_read_personal_data_without_that_scope(
    as_token, issued, api_ledger, clock, book, order
):
    (own_id,) = book.put(order(1))
    admin = as_token(issued(api_ledger, clock(), "boss", Scope.ADMIN))

    assert admin.get(f"/v1/orders/{own_id}").json()["redacted"] is True


def test_purged_personal_data_is_null_and_not_an_error(support, book, order, api_ledger):
    (own_id,) = book.put(order(1))
    with api_ledger.write() as connection:
        connection.execute(parties.delete())

    document = support.get(f"/v1/orders/{own_id}").json()

    assert (document["redacted"], document["customer"]) == (False, None)


def test_a_token_that_asks_too_often_is_told_when_to_come_back(settings, api_ledger, as_token, issued, clock):
    limited = create_app(settings.model_copy(update={"api_requests_per_minute": 2}), clock)
    erp, other = (as_token(issued(api_ledger, clock(), name, Scope.ORDERS_READ)) for name in ("busy", "calm"))
    erp.app = other.app = limited

    answers = [erp.get("/v1/channels") for _ in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"token";q=2;w=60'
    assert answers[1].headers["ratelimit"].startswith('"token";r=0;')
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    assert answers[2].json()["code"] == "too_many_requests"
    assert other.get("/v1/channels").status_code == 200
    limited.state.installation.ledger.close()


def test_the_use_of_a_token_is_remembered_once_a_minute(erp, api_ledger, clock):
    def last_used():
        with api_ledger.read() as connection:
            return tokens.found(connection, erp.token.split("_")[1]).last_used_at

    first = clock()
    erp.get("/v1/channels")
    clock.advance(seconds=59)
    erp.get("/v1/channels")
    assert last_used() == first
    clock.advance(seconds=1)
    erp.get("/v1/channels")
    assert last_used() == clock()

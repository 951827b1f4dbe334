"""Tokens over the API: made, replaced and ended, and never more than the asking token may."""

from __future__ import annotations

import pytest

from orders_api.schemas.tokens import IssuedToken, TokenList
from warehouse.ledger.settings.tokens import Scope

PATH = "/v1/tokens"


@pytest.fixture
def admin(as_token, issued, api_ledger, clock):
    return as_token(issued(api_ledger, clock(), "admin", Scope.ADMIN))


@pytest.fixture
def french(as_token, issued, api_ledger, clock):
    return as_token(issued(api_ledger, clock(), "france", Scope.ADMIN, channels=["amazon_fr"]))


def made(answer) -> IssuedToken:
    assert answer.status_code == 201, answer.text
    return IssuedToken.model_validate_json(answer.content)


def consumers(client) -> list[str]:
    return [each.consumer for each in TokenList.model_validate_json(client.get(PATH).content).tokens]


def test_a_token_is_made_replaced_and_ended(admin, as_token):
    first = made(admin.post(PATH, {"consumer": "reader", "scopes": ["orders:read"], "channels": ["amazon_fr"]}))
    assert (first.token.scopes, first.token.channels) == (["orders:read"], ["amazon_fr"])
    assert as_token(first.secret).get("/v1/orders").status_code == 200
    second = made(admin.post(f"{PATH}/{first.token.id}/rotate", {"grace_hours": 0}))
    assert (second.token.scopes, second.token.channels) == (first.token.scopes, first.token.channels)
    assert as_token(first.secret).get("/v1/orders").status_code == 401
    assert as_token(second.secret).get("/v1/orders").status_code == 200
    assert admin.request("DELETE", f"{PATH}/{second.token.id}").status_code == 204
    assert as_token(second.secret).get("/v1/orders").status_code == 401
    listed = admin.get(PATH)
    assert first.secret not in listed.text
    assert second.secret.rpartition("_")[2] not in listed.text


def test_nobody_gives_away_what_they_lack(admin, french, as_token, issued, api_ledger, clock):
    assert admin.post(PATH, {"consumer": "x", "scopes": ["orders:read:pii"]}).json()["code"] == "scope_not_yours"
    for channels in (["mirakl_de"], ["amazon_fr", "mirakl_de"]):
        answer = french.post(PATH, {"consumer": "x", "scopes": ["orders:read"], "channels": channels})
        assert (answer.status_code, answer.json()["code"]) == (403, "channel_not_yours")
    assert made(french.post(PATH, {"consumer": "x", "scopes": ["orders:read"]})).token.channels == ["amazon_fr"]
    personal = made(
        as_token(issued(api_ledger, clock(), "both", Scope.ADMIN, Scope.ORDERS_READ_PII)).post(
            PATH, {"consumer": "support", "scopes": ["orders:read:pii"]}
        )
    )
    rotated = admin.post(f"{PATH}/{personal.token.id}/rotate", {})
    assert (rotated.status_code, rotated.json()["code"]) == (403, "scope_not_yours")


def test_a_token_of_a_channel_sees_and_ends_those_within_it(admin, french):
    everywhere = made(admin.post(PATH, {"consumer": "everywhere", "scopes": ["orders:read"]}))
    assert {"admin", "everywhere", "france"} <= set(consumers(admin))
    assert consumers(french) == ["france"]
    assert french.request("DELETE", f"{PATH}/{everywhere.token.id}").status_code == 404
    assert french.post(f"{PATH}/{everywhere.token.id}/rotate", {}).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"consumer": "a b", "scopes": ["orders:read"]}, 422, "invalid_consumer"),
        ({"consumer": "a", "scopes": ["orders:read"], "channels": ["nowhere"]}, 422, "unknown_channel"),
        ({"consumer": "a", "scopes": ["orders:read"], "channels": []}, 422, "no_channel"),
        ({"consumer": "a", "scopes": ["orders:read"], "expires_at": "2020-01-01T00:00:00Z"}, 422, "expired"),
        ({"consumer": "a", "scopes": ["everything"]}, 422, "invalid_request"),
        ({"consumer": "a", "scopes": []}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_made_is_named(admin, body, status, code):
    answer = admin.post(PATH, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_third_live_token_is_refused(admin):
    body = {"consumer": "reader", "scopes": ["orders:read"]}
    made(admin.post(PATH, body))
    made(admin.post(PATH, body))
    assert (admin.post(PATH, body).status_code, admin.post(PATH, body).json()["code"]) == (409, "too_many_tokens")


def test_only_an_administrator_asks(stranger, erp):
    for method, path in (("GET", PATH), ("POST", PATH), ("POST", f"{PATH}/x/rotate"), ("DELETE", f"{PATH}/x")):
        assert stranger.request(method, path, json={} if method == "POST" else None).status_code == 401
        assert erp.request(method, path, json={} if method == "POST" else None).status_code == 403

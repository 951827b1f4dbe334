"""What surrounds every answer: problems, request ids, headers, health, the size of a body, and what an accident shows."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import sqlalchemy as sa

from orders_api.schemas.problems import ProblemDocument
from warehouse.ledger.book import order_queries
from warehouse.privacy import new_key, parse_key_ring

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/orders/", 404, "not_found"),
        ("DELETE", "/v1/orders", 405, "method_not_allowed"),
        ("GET", "/v1/orders?x=1", 422, "invalid_request"),
        ("GET", "/v1/orders?cursor=x", 400, "unknown_cursor"),
        ("GET", "/v1/orders/x", 404, "unknown_order"),
        ("GET", "/healthz?x=1", 422, "invalid_request"),
        ("GET", "/readyz?x=1", 422, "invalid_request"),
    ],
)
def test_every_error_is_a_problem(erp, method, path, status, code):
    response = erp.request(method, path)

    problem = ProblemDocument.model_validate_json(response.content)
    assert (response.status_code, problem.status, problem.code) == (status, status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem.request_id == response.headers["x-request-id"]
    assert problem.type == f"urn:orders-syndication:problem:{code}"


def test_a_method_that_is_not_allowed_names_those_that_are(erp):
    assert erp.request("DELETE", "/v1/orders").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("path", ["/v1/orders", "/nowhere", "/healthz", "/readyz", "/openapi.json"])
def test_every_answer_has_the_security_headers(erp, path):
    headers = erp.get(path).headers

    assert SECURITY_HEADERS.items() <= dict(headers).items()


def test_a_request_keeps_the_id_it_came_with(erp):
    assert erp.request("GET", "/healthz", headers={"X-Request-Id": "erp-42.a"}).headers["x-request-id"] == "erp-42.a"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>"])
def test_an_unsound_request_id_is_replaced(erp, given):
    answered = erp.request("GET", "/healthz", headers={"X-Request-Id": given}).headers["x-request-id"]

    assert answered != given
    assert len(answered) == 16


def test_health_needs_no_token(stranger):
    assert stranger.get("/healthz").json() == {"status": "ok"}
    assert stranger.get("/readyz").json() == {"status": "ready", "checks": ["ledger", "schema", "keys", "disk"]}


def test_a_schema_of_another_release_is_not_ready(stranger, api_ledger):
    with api_ledger.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    response = stranger.get("/readyz")

    assert (response.status_code, response.json()["code"]) == (503, "schema_check_failed")


def test_a_ledger_that_is_gone_is_not_ready_and_no_accident(stranger, erp, api_ledger):
    with api_ledger.write() as connection:
        for name in ("tokens", "alembic_version"):
            connection.execute(sa.text(f"DROP TABLE {name}"))

    assert stranger.get("/healthz").status_code == 200
    assert stranger.get("/readyz").status_code == 503
    response = erp.get("/v1/orders")
    assert (response.status_code, response.json()["code"]) == (503, "ledger_unavailable")
    assert "tokens" not in response.text


def test_a_body_that_is_too_large_is_refused(erp, settings):
    for content in (b"x" * (settings.api_max_body_bytes + 1), _pieces(settings.api_max_body_bytes)):
        response = erp.request(
            "POST", "/v1/orders/acknowledgements", content=content, headers={"Content-Type": "application/json"}
        )
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def _pieces(size: int):
    """A body whose length is not told beforehand."""
    for _ in range(size // 500_000 + 1):
        yield b"x" * 500_000


def test_an_accident_tells_nothing_and_is_logged_without_personal_data(
    erp, support, book, order, canary, monkeypatch, caplog
):
    book.put(order(1))

    def broken(*_):
        raise RuntimeError(f"cannot handle {canary}")

    monkeypatch.setattr(order_queries, "page", broken)
    with caplog.at_level(logging.ERROR, logger="orders_api"):
        response = support.get("/v1/orders")

    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert SECURITY_HEADERS.items() <= dict(response.headers).items()
    assert canary not in response.text
    assert "RuntimeError" not in response.text
    (entry,) = caplog.records
    assert (entry.message, entry.error, entry.route) == ("unexpected_error", "RuntimeError", "/v1/orders")
    assert entry.request_id == response.headers["x-request-id"]
    assert "test_api_envelope.py" in entry.at
    assert canary not in str(vars(entry))


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_a_download_that_breaks_is_cut_off(live, erp, book, order, monkeypatch, form):
    """Half an export must not look like a whole one."""
    import httpx  # noqa: PLC0415 - only here is the application behind a real server

    book.put(*(order(n) for n in range(10)))
    monkeypatch.setattr(order_queries, "CHUNK", 4)
    whole = order_queries.page
    calls = []

    def breaking(*asked):
        calls.append(asked)
        if len(calls) > 1:
            raise RuntimeError("broken")
        return whole(*asked)

    monkeypatch.setattr(order_queries, "page", breaking)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{live}/v1/orders/export?format={form}", headers={"Authorization": f"Bearer {erp.token}"})


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/shipments", "GET, HEAD, POST"),
        ("/v1/orders/acknowledgements", "POST"),
        ("/v1/shipments/00000000-0000-5000-8000-000000000000", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
    ],
)
def test_another_method_is_told_all_that_the_path_answers_to(stranger, path, methods):
    response = stranger.request("DELETE", path)

    assert response.status_code == 405
    assert sorted(response.headers["allow"].split(", ")) == methods.split(", ")


def test_a_key_ring_that_opens_nothing_is_not_ready(app, stranger):
    app.state.installation = replace(app.state.installation, keys=parse_key_ring(new_key()))
    response = stranger.get("/readyz")
    assert (response.status_code, response.json()["code"]) == (503, "keys_check_failed")

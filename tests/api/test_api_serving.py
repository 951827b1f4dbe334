"""The server itself: half-open requests end, idle connections stay, clients leave, and HEAD is answered."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from starlette.responses import Response

from orders_api.app import create_app
from orders_api.kit.auth import may
from orders_api.kit.routes import READS_AT_ONCE, resource
from orders_api.serving import server_config
from warehouse.ledger.settings.tokens import Scope

PATIENCE = 20.0
"""So long a test waits for the server before it fails."""


@contextmanager
def served(settings, clock):
    app = create_app(settings.model_copy(update={"api_port": 0}), clock)
    server = uvicorn.Server(server_config(app, app.state.installation.settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(timeout=0.02)
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def hasty(settings, api_ledger, clock):
    """A server that waits for a tenth of a second."""
    with served(settings.model_copy(update={"api_request_seconds": 0.1}), clock) as address:
        yield address


@pytest.fixture
def patient(settings, api_ledger, clock):
    with served(settings, clock) as address:
        yield address


@pytest.fixture
def writer(api_ledger, issued, clock):
    return issued(api_ledger, clock(), "erp", Scope.SHIPMENTS_WRITE)


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"\r\n"])
def test_a_head_that_does_not_arrive_ends_the_connection(hasty, sent):
    with socket.create_connection(hasty, timeout=PATIENCE) as connection:
        connection.sendall(sent)
        assert until_closed(connection) == b""


def test_a_second_head_that_does_not_arrive_ends_the_connection(hasty):
    with socket.create_connection(hasty, timeout=PATIENCE) as connection:
        connection.sendall(WHOLE)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /he")
        until_closed(connection)


def post(token: str, length: int) -> bytes:
    lines = (
        "POST /v1/shipments HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
    )
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


def test_a_body_that_does_not_arrive_is_told_and_ends_the_connection(hasty, writer):
    with socket.create_connection(hasty, timeout=PATIENCE) as connection:
        connection.sendall(post(writer, 1000) + b"{")
        received = until_closed(connection)
    assert received.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in received


def test_a_client_that_leaves_in_the_middle_is_no_defect(patient, writer, caplog):
    with caplog.at_level(logging.DEBUG, "orders_api"):
        with socket.create_connection(patient, timeout=PATIENCE) as connection:
            connection.sendall(post(writer, 1000) + b"{")
        ended = threading.Event()
        for _ in range(200):
            if any(getattr(each, "status", None) == 499 for each in caplog.records):
                break
            ended.wait(0.05)
    statuses = [each.status for each in caplog.records if hasattr(each, "status")]
    assert statuses == [499]
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


def test_an_idle_connection_is_kept_longer_than_proxies_keep_theirs(settings, app):
    assert server_config(app, settings).timeout_keep_alive > 75


def test_how_long_it_is_kept_can_be_set(settings, api_ledger, clock):
    hurried = settings.model_copy(update={"api_keep_alive_seconds": 1})
    with served(hurried, clock) as address, socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(WHOLE)
        assert until_closed(connection).startswith(b"HTTP/1.1 200")


def test_beyond_the_connections_it_is_said(settings, api_ledger, clock):
    with served(settings.model_copy(update={"api_max_connections": 10}), clock) as address:
        idle = [socket.create_connection(address, timeout=PATIENCE) for _ in range(12)]
        for each in idle:
            each.sendall(WHOLE)
        answers = [each.recv(65536)[:12] for each in idle]
        for each in idle:
            each.close()
    assert b"HTTP/1.1 503" in answers


@pytest.mark.parametrize("path", ["/healthz", "/v1/orders", "/v1/orders/export?format=csv", "/v1/orders/nowhere"])
def test_where_there_is_get_there_is_head(erp, path):
    got, head = erp.get(path), erp.request("HEAD", path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.headers.get("content-length") == got.headers.get("content-length")


def test_reads_wait_for_each_other_and_no_write_waits_for_them(app, erp, as_token, writer):
    running, most, go_on = set(), [], threading.Event()
    router = resource("Slow")

    @router.get("/v1/slow", dependencies=[may(Scope.ORDERS_READ)])
    def slow() -> Response:
        running.add(threading.get_ident())
        most.append(len(running))
        assert go_on.wait(PATIENCE)
        running.discard(threading.get_ident())
        return Response()

    app.include_router(router)

    async def ask(api, method, path, **options):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            return await client.request(method, path, headers={"Authorization": f"Bearer {api.token}"}, **options)

    async def together():
        reads = [asyncio.create_task(ask(erp, "GET", "/v1/slow")) for _ in range(12)]
        unknown = {"shipments": [{"id": "00000000-0000-5000-8000-000000000000"}]}
        try:
            written = await asyncio.wait_for(ask(as_token(writer), "POST", "/v1/shipments", json=unknown), PATIENCE)
        finally:
            go_on.set()
        return written, await asyncio.gather(*reads)

    written, answers = asyncio.run(together())

    assert written.json()["code"] == "all_refused"
    assert [each.status_code for each in answers] == [200] * 12
    assert max(most) <= READS_AT_ONCE

"""API and console as two processes at one address: whose requests go where, on connections that stay open."""

from __future__ import annotations

import contextlib
import socket
import threading

import httpx
import pytest

from orders_api.app import create_app
from orders_api.handover import Shared, Side, side_server

PATIENCE = 20.0
LOG_IN = b"GET /console/log-in HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def named(app, name):
    """The application, saying in each answer who gives it."""

    async def answer(scope, receive, send):
        async def say(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-part", name.encode())]
            await send(message)

        await app(scope, receive, say)

    return answer


@contextlib.contextmanager
def running(settings, clock, side, partner):
    own = settings.model_copy(update={each.value: each is side for each in Side})
    server = side_server(named(create_app(own, clock), side), own, Shared(side, partner))
    thread = threading.Thread(target=server.run, kwargs={"sockets": None if side is Side.API else []})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(timeout=0.02)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def own(settings, api_ledger):
    return settings.model_copy(update={"api_port": 0, "api_path_prefix": "/hub", "api_request_seconds": 1.0})


@pytest.fixture
def pair():
    ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, other:
        yield ours, other


@pytest.fixture
def address(own, pair, clock):
    with running(own, clock, Side.API, pair[0]) as api, running(own, clock, Side.CONSOLE, pair[1]):
        yield api.servers[0].sockets[0].getsockname()


def test_each_request_of_a_connection_goes_to_whom_it_belongs(address):
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=PATIENCE) as client:
        asked = [
            "/healthz",
            "/console/log-in",
            "/console/log-in?next=/v1",
            "/v1/orders",
            "/hub/console/log-in",
            "/docs",
            "/console",
        ]
        answers = [client.get(path) for path in asked]
    assert [each.headers["x-part"] for each in answers] == [
        "api",
        "console",
        "console",
        "api",
        "console",
        "api",
        "console",
    ]
    assert [each.status_code for each in answers] == [200, 200, 200, 401, 200, 200, 307]


def test_a_form_that_comes_in_pieces_arrives_whole(address):
    body = b"name=anna&password=" + b"x" * 100_000
    head = b"POST /console/log-in HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n"
    head += b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (head[:3], head[3:9], head[9:40], head[40:], body[:50_000], body[50_000:]):
            connection.sendall(piece)
        answer = head_of_answer(connection)
    assert b"x-part: console" in answer
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 3"))


def test_requests_sent_at_once_are_all_answered(address):
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(HEALTH + HEALTH + HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("sent", [b"G", b"GET /con", LOG_IN[:-2]])
def test_a_request_that_does_not_arrive_ends_the_connection(address, sent):
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(HEALTH)
        assert head_of_answer(connection).startswith(b"HTTP/1.1 200")
        connection.sendall(sent)
        while connection.recv(65536):
            pass


def test_without_its_partner_a_process_says_so_and_answers_its_own(own, pair, clock):
    pair[1].close()
    with running(own, clock, Side.API, pair[0]) as api:
        host, port = api.servers[0].sockets[0].getsockname()
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=PATIENCE) as client:
            answers = [client.get(path) for path in ("/healthz", "/console/log-in", "/healthz")]
    assert [each.status_code for each in answers] == [200, 503, 200]
    assert answers[1].headers["retry-after"] == "5"


def head_of_answer(connection: socket.socket) -> bytes:
    """What comes until the head of an answer is whole."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    return received

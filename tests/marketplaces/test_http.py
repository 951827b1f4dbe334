"""HTTP as every kind has it: answers that trickle, swell or are broken end, and nothing follows a redirect."""

from __future__ import annotations

import gzip
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from orders_pipeline.marketplaces import http
from orders_pipeline.marketplaces.errors import InDoubt, Permanent, Transient, judge_unanswered
from orders_pipeline.marketplaces.settings import HttpSettings


@contextmanager
def server(answer):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def plain(status: int, body: bytes, **headers: str):
    def answer(handler):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def asked(url: str, **settings: float) -> httpx.Response:
    with http.BoundedClient(HttpSettings(**settings), url) as client, http.reading("asking"):
        return client.get("/")


def trickle(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"x")
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("answer", "settings", "code"),
    [
        (trickle, {"total_timeout_seconds": 0.05}, "timeout"),
        (lambda _handler: time.sleep(0.5), {"read_timeout_seconds": 0.05}, "timeout"),
        (plain(200, b"no gzip", Content_Encoding="gzip"), {}, "unreadable_answer"),
        (plain(200, b"short", Content_Length="50"), {}, "unreachable"),
    ],
)
def test_an_answer_that_is_none_is_a_failure_that_may_pass(answer, settings, code):
    with server(answer) as url, pytest.raises(Transient) as failed:
        asked(url, **settings)
    assert failed.value.code == code


def test_an_answer_that_swells_when_unpacked_is_cut_off(monkeypatch):
    monkeypatch.setattr(http, "BODY_BYTES", 100_000)
    packed = gzip.compress(bytes(1_000_000))
    assert len(packed) < 100_000
    with server(plain(200, packed, Content_Encoding="gzip")) as url, pytest.raises(Transient) as failed:
        asked(url)
    assert failed.value.code == "unreadable_answer"


def test_a_good_answer_is_whole_and_unpacked():
    with server(plain(200, gzip.compress(b"{}"), Content_Encoding="gzip", X_Kept="yes")) as url:
        response = asked(url)
    assert (response.status_code, response.content, response.headers["x-kept"]) == (200, b"{}", "yes")


def test_a_redirect_is_an_answer():
    with server(plain(302, b"", Location="/elsewhere")) as url:
        assert asked(url).status_code == 302


def test_an_address_that_is_none_cannot_be_sent_to():
    with pytest.raises(Permanent) as failed:
        asked("nowhere")
    assert failed.value.code == "request_invalid"


@pytest.mark.parametrize("error", [httpx.ReadTimeout("trickles"), httpx.DecodingError("too large")])
def test_a_change_whose_answer_is_cut_off_is_in_doubt(error):
    assert isinstance(judge_unanswered(error, "telling"), InDoubt)

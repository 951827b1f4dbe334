"""Judging Amazon's answers: odd headers, odd shapes, and listings that no honest server would send."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from orders_pipeline.marketplaces.amazon import MARKETPLACE
from orders_pipeline.marketplaces.amazon.answers import (
    failure,
    read_access_token,
    read_listing,
    read_single,
)
from orders_pipeline.marketplaces.errors import Permanent, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.http import http_date
from orders_pipeline.marketplaces.protocol import ConnectionContext, Window


def answer(status, body=b"", **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(
        status, content=content, headers={key.replace("_", "-"): value for key, value in headers.items()}
    )


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_is_no_failure(status):
    assert failure(answer(status), "getOrder", 0.5) is None


@pytest.mark.parametrize(
    ("response", "kind", "code", "said"),
    [
        (
            answer(400, {"errors": [{"code": "InvalidInput", "message": "No."}]}),
            Permanent,
            "request_refused",
            "InvalidInput No.",
        ),
        (answer(401), Unauthorised, "unauthorised", "401"),
        (answer(403, {"message": "Forbidden"}), Unauthorised, "unauthorised", "Forbidden"),
        (answer(403, {"errors": [{"message": "not valid for region EU"}]}), Permanent, "wrong_region", "region EU"),
        (answer(404, b"<html>"), Permanent, "request_refused", "404"),
        (answer(408), Transient, "marketplace_unavailable", "408"),
        (answer(302, location="https://elsewhere.example"), Permanent, "redirected", "302"),
        (answer(500, {"errors": "odd"}), Transient, "marketplace_unavailable", "500"),
        (answer(503, [1]), Transient, "marketplace_unavailable", "503"),
        (answer(504, {"errors": [{"code": 5, "message": "x" * 1000}]}), Transient, "marketplace_unavailable", "xxx"),
    ],
)
def test_a_failure_is_told_by_status_and_body(response, kind, code, said):
    error = failure(response, "searchOrders", 0.0056)
    assert (type(error), error.code) == (kind, code)
    assert said in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 2.0),
        ({"x_amzn_RateLimit_Limit": "0.01"}, 100.0),
        ({"x_amzn_RateLimit_Limit": "string"}, 2.0),
        ({"x_amzn_RateLimit_Limit": "0"}, 2.0),
        ({"x_amzn_RateLimit_Limit": "-1"}, 2.0),
        ({"x_amzn_RateLimit_Limit": "nan"}, 2.0),
        ({"retry_after": "300"}, 300.0),
        ({"retry_after": "1"}, 2.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 2.0),
    ],
)
def test_throttled_waits_for_the_longer_of_rate_and_retry_after(headers, seconds):
    error = failure(answer(429, **headers), "getOrder", 0.5)
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"<html></html>",
        b'{"orders":[{"orderId":"1"}',
        b"[]",
        b"null",
        b"{}",
        b'{"orders":null}',
        b'{"orders":{}}',
        b'{"orders":[],"errors":[{"code":"InternalFailure"}]}',
        b'{"orders":[],"pagination":{"nextToken":5}}',
        b'{"orders":[],"pagination":["token"]}',
        b'{"payload":{"orders":[]}}',
    ],
)
def test_a_listing_that_is_not_the_documented_shape_fails(body):
    with pytest.raises(Transient) as raised:
        read_listing(body, 1)
    assert raised.value.code == "unreadable_answer"


@pytest.mark.parametrize(
    "pagination", [b"", b',"pagination":null', b',"pagination":{}', b',"pagination":{"nextToken":""}']
)
def test_the_last_page_has_no_token(pagination):
    listing = read_listing(b'{"orders":[{"orderId": "1"},7]%b}' % pagination, 41)
    assert listing.next_token is None
    assert [(order.original_id, order.body) for order in listing.orders] == [("1", b'{"orderId": "1"}'), ("?42", b"7")]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"order":null}', b'{"order":[]}', b'{"orders":[]}', b'{"errors":[1]}']
)
def test_a_single_order_that_is_not_there_fails(body):
    with pytest.raises(Transient):
        read_single(body, 1)


@pytest.mark.parametrize(
    ("response", "kind", "code"),
    [
        (answer(200), Transient, "unreadable_answer"),
        (answer(200, []), Transient, "unreadable_answer"),
        (answer(200, {"access_token": None}), Transient, "unreadable_answer"),
        (answer(200, {"access_token": "clé"}), Transient, "unreadable_answer"),
        (answer(200, {"access_token": "a\nb"}), Transient, "unreadable_answer"),
        (answer(204), Transient, "unreadable_answer"),
        (answer(400, {"error": "invalid_grant", "error_description": "Atzr|secret"}), Unauthorised, "invalid_grant"),
        (answer(400, {"error": "unauthorized_client"}), Unauthorised, "invalid_client"),
        (answer(401, {"error": "invalid_client"}), Unauthorised, "invalid_client"),
        (answer(400, {"error": "invalid_request"}), Permanent, "request_refused"),
        (answer(400, b"<html>"), Permanent, "request_refused"),
        (answer(503, b"<html>"), Transient, "marketplace_unavailable"),
    ],
)
def test_an_answer_without_an_access_token_is_told(response, kind, code):
    with pytest.raises(kind) as raised:
        read_access_token(response)
    assert raised.value.code == code
    assert "Atzr" not in raised.value.message


@pytest.mark.parametrize(
    ("sent", "seconds"), [(1800, 1800), (None, 3600), ("3600", 3600), (-5, 3600), (True, 3600), (10**9, 3600)]
)
def test_an_absurd_lifetime_counts_as_an_hour(sent, seconds):
    assert read_access_token(answer(200, {"access_token": "Atza|1", "expires_in": sent})).expires_in_seconds == seconds


def test_an_access_token_is_never_shown():
    assert "Atza|1" not in repr(read_access_token(answer(200, {"access_token": "Atza|1"})))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("soon", None),
        ("Sun, 99 Nov 2026 09:30:00 GMT", None),
        ("Mon, 02 Nov 2026 09:30:00 GMT", datetime(2026, 11, 2, 9, 30, tzinfo=UTC)),
        ("Mon, 02 Nov 2026 10:30:00 +0100", datetime(2026, 11, 2, 9, 30, tzinfo=UTC)),
    ],
)
def test_the_date_header_is_read_or_ignored(header, expected):
    assert http_date(header) == expected


@contextmanager
def serving(pages):
    """A server that answers listings with the given pages in turn, whatever it is asked; yields its address."""
    remaining = iter(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.reply(b'{"access_token":"Atza|1","expires_in":3600}')

        def do_GET(self):
            self.reply(next(remaining))

        def reply(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(token, *ids):
    orders = [{"orderId": each} for each in ids]
    return json.dumps({"orders": orders, "pagination": {"nextToken": token}} if token else {"orders": orders}).encode()


@pytest.mark.parametrize(
    ("pages", "ids", "code"),
    [
        pytest.param(
            [page("a", "1"), page("a", "2"), page("a", "3")], ["1", "2"], "repeated_page", id="a token twice in a row"
        ),
        pytest.param(
            [page("a", "1"), page("b", "2"), page("a", "3")], ["1", "2", "3"], "repeated_page", id="tokens in a circle"
        ),
        pytest.param(
            [page("a", "1", "2"), page("b", "1", "2")], ["1", "2"], "repeated_page", id="orders twice in a row"
        ),
        pytest.param([page("a"), page("b"), page("", "1")], ["1"], None, id="empty pages in between are fine"),
        pytest.param(
            [page("a", "1"), page("b", "2"), page("", "1")], ["1", "2", "1"], None, id="an order that moved on"
        ),
        pytest.param(
            [page(str(n), str(n)) for n in range(1, 9)], list("12345"), "truncated", id="no end within five pages"
        ),
    ],
)
def test_a_listing_that_goes_in_circles_fails(pages, ids, code):
    credentials = {"client_id": "id", "client_secret": "secret", "refresh_token": "Atzr|1"}
    got, failed_with = [], None
    with serving(pages) as url:
        context = ConnectionContext("amazon", url, "eu", {}, ["A13V1IB3VIYZZH"], credentials)
        client = MARKETPLACE.connect(context, str, 5)
        now = datetime.now(UTC)
        listing = client.pull(Window(now - timedelta(days=1), now))
        try:
            got.extend(order.original_id for each in listing for order in each.orders)
        except Transient as error:
            failed_with = error.code
        client.close()
    assert (got, failed_with) == (ids, code)

"""Behind a reverse proxy that serves the API below a path prefix, and takes the prefix off or leaves it: every address that
the API tells leads back through the proxy.
"""

from __future__ import annotations

import http.client
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import uvicorn
from pydantic import ValidationError

from orders_api.app import create_app
from orders_api.serving import server_config
from warehouse.ledger.settings.tokens import Scope
from warehouse.settings import Settings

PREFIX = "/orders-hub/api"
HOP_BY_HOP = {"connection", "transfer-encoding", "date"}


class Proxy(BaseHTTPRequestHandler):
    """Passes on what is below the prefix."""

    protocol_version = "HTTP/1.1"
    behind: str
    is_stripping: bool

    def log_message(self, *_about):
        """Say nothing."""

    def _pass_on(self):
        if not self.path.startswith(f"{PREFIX}/"):
            self.send_error(404)
            return
        path = self.path.removeprefix(PREFIX) if self.is_stripping else self.path
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        connection = http.client.HTTPConnection(self.behind, timeout=20)
        connection.request(self.command, path, body or None, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_GET = do_POST = _pass_on  # noqa: N815 - http.server's names


@contextmanager
def _running(start, stop):
    thread = threading.Thread(target=start)
    thread.start()
    try:
        yield thread
    finally:
        stop()
        thread.join()


@contextmanager
def proxied(app, *, is_stripping: bool):
    """The URL of the API behind a proxy."""
    server = uvicorn.Server(server_config(app, app.state.installation.settings))

    def stop():
        server.should_exit = True

    with _running(server.run, stop) as thread:
        while not server.started:
            assert thread.is_alive()
            thread.join(timeout=0.02)
        host, port = server.servers[0].sockets[0].getsockname()
        handler = type("Handler", (Proxy,), {"behind": f"{host}:{port}", "is_stripping": is_stripping})
        with (
            ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy,
            _running(lambda: proxy.serve_forever(0.02), proxy.shutdown),
        ):
            yield f"http://127.0.0.1:{proxy.server_address[1]}{PREFIX}"


@pytest.fixture(params=["stripped", "kept"])
def front(request, settings, book, clock):
    """The URL of the API at a proxy, and the application behind."""
    app = create_app(settings.model_copy(update={"api_port": 0, "api_path_prefix": PREFIX}), clock)
    with proxied(app, is_stripping=request.param == "stripped") as url:
        yield url


@pytest.fixture
def client(front, api_ledger, issued, clock):
    token = issued(api_ledger, clock(), "erp", Scope.ORDERS_READ, Scope.SHIPMENTS_WRITE)
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=20) as opened:
        yield opened


def test_the_pages_of_a_list_are_found_through_the_proxy(client, front, book, order):
    made = book.put(*(order(n) for n in range(1, 6)))
    seen: list[str] = []
    url: str | None = f"{front}/v1/orders?limit=2"
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += [each["id"] for each in page["orders"]]
        following = page["next"]
        assert answer.links.get("next", {}).get("url") == following
        assert following is None or urlsplit(following).path == f"{PREFIX}/v1/orders"
        url = following and urljoin(url, following)
    assert sorted(seen) == sorted(made)


def test_an_order_names_where_its_payload_is(client, front, book, order):
    (order_id,) = book.put(order(1))
    for found in (
        client.get(f"{front}/v1/orders").json()["orders"][0],
        client.get(f"{front}/v1/orders/{order_id}").json(),
    ):
        assert found["payload_url"] == f"{PREFIX}/v1/orders/{order_id}/payload"
    told = client.get(urljoin(front, found["payload_url"]))
    assert told.json()["code"] == "payload_not_kept", "the book of this test has orders without payloads"


def test_what_was_accepted_is_found_through_the_proxy_also_when_it_is_told_again(client, front, book, order):
    (order_id,) = book.put(order(1))
    sent = {"shipments": [{"id": order_id, "tracking_number": "T1", "carrier_code": "DPD"}]}
    for _ in range(2):
        answer = client.post(f"{front}/v1/shipments", json=sent, headers={"Idempotency-Key": "one"})
        assert answer.status_code == 202, answer.text
        found = client.get(urljoin(front, answer.headers["location"]))
        assert (found.status_code, found.json()["tracking_number"]) == (200, "T1")
    assert answer.headers["idempotent-replayed"] == "true"


def test_the_description_and_its_page_lead_through_the_proxy(client, front):
    assert client.get(f"{front}/openapi.json").json()["servers"] == [{"url": PREFIX}]
    page = client.get(f"{front}/docs")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("docs/swagger-ui.css", "docs/reference.js", "openapi.json"):
        assert client.get(urljoin(f"{front}/docs", name)).status_code == 200


def test_what_is_wrong_is_told_through_the_proxy_too(client, front):
    assert client.get(f"{front}/nowhere").json()["code"] == "not_found"
    refused = client.post(f"{front}/v1/channels", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_without_a_prefix_the_paths_are_the_plain_ones(erp, book, order):
    book.put(order(1), order(2))
    assert erp.get("/v1/orders", limit="1").json()["next"].startswith("/v1/orders?")
    assert "servers" not in erp.get("/openapi.json").json()


@pytest.mark.parametrize("name", ["X-Forwarded-Prefix", "X-Forwarded-Host", "Forwarded", "X-Original-URI"])
def test_no_header_of_a_request_moves_the_addresses(erp, book, order, name):
    book.put(order(1), order(2))
    answer = erp.request("GET", "/v1/orders?limit=1", headers={name: "/evil"})
    assert "evil" not in answer.text + answer.headers["link"]


@pytest.mark.parametrize("prefix", ["hub", "/hub//x", "/v1", "/docs/x", "/a b", "/a?b", "//evil.example"])
def test_a_prefix_that_is_none_is_refused(tmp_path, prefix):
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, api_path_prefix=prefix)


def test_a_slash_at_the_end_of_the_prefix_means_nothing(tmp_path):
    assert Settings(home=tmp_path, api_path_prefix="/hub/").api_path_prefix == "/hub"
    assert Settings(home=tmp_path, api_path_prefix="/").api_path_prefix == ""


def test_the_console_is_there_with_all_that_it_loads(front):
    page = httpx.get(f"{front}/console/log-in", timeout=20)
    assert page.status_code == 200
    loaded = re.findall(rf'(?:href|src)="({PREFIX}/console/static/[^"]+)"', page.text)
    assert loaded
    for path in loaded:
        assert httpx.get(f"{front.removesuffix(PREFIX)}{path}", timeout=20).status_code == 200

"""Compressed answers: the same bytes when unpacked, small ones as they are, downloads still a piece at a time."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import httpx
import pytest

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


def raw(api, path: str, method: str = "GET", **headers: str) -> tuple[httpx.Response, bytes]:
    """An answer and its body as it is on the wire."""

    async def send() -> tuple[httpx.Response, bytes]:
        transport = httpx.ASGITransport(app=api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            sent = {"Authorization": f"Bearer {api.token}", **headers}
            async with client.stream(method, path, headers=sent) as answer:
                return answer, b"".join([piece async for piece in answer.aiter_raw()])

    return asyncio.run(send())


@pytest.fixture
def filled(book, order):
    book.put(*(order(n) for n in range(1, 40)))


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders/export?format=csv", "/v1/orders/export?format=ndjson"])
def test_who_takes_gzip_gets_the_same_in_less(filled, erp, path):
    plain, whole = raw(erp, path, **PLAIN)
    packed, small = raw(erp, path, **GZIP)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(small) == whole
    assert len(small) < len(whole) / 4
    assert "accept-encoding" in packed.headers["vary"].lower()
    assert packed.headers.get("content-length", str(len(small))) == str(len(small))


@pytest.mark.parametrize("given", ["gzip;q=0", "deflate, gzip; q=0.0, br", "GZIP;q=0", "br", "identity"])
def test_who_takes_no_gzip_gets_none(filled, erp, given):
    answer, body = raw(erp, "/v1/orders", **{"Accept-Encoding": given})
    assert ("content-encoding" in answer.headers, body[:1]) == (False, b"{")


@pytest.mark.parametrize("given", ["gzip", "br, gzip;q=0.5", "gzip;q=1.0, *;q=0"])
def test_who_takes_it_besides_others_gets_it(filled, erp, given):
    assert raw(erp, "/v1/orders", **{"Accept-Encoding": given})[0].headers["content-encoding"] == "gzip"


def test_a_small_answer_is_sent_as_it_is(erp):
    answer, body = raw(erp, "/healthz", **GZIP)
    assert ("content-encoding" in answer.headers, body) == (False, b'{"status":"ok"}')


def test_parquet_is_compressed_already(filled, erp):
    answer, body = raw(erp, "/v1/orders/export?format=parquet", **GZIP)
    assert ("content-encoding" in answer.headers, body[:4]) == (False, b"PAR1")


def test_an_answer_that_the_client_has_is_not_sent_again_packed_or_not(filled, erp):
    plain, _ = raw(erp, "/v1/orders", **PLAIN)
    packed, _ = raw(erp, "/v1/orders", **GZIP)
    assert plain.headers["etag"] == packed.headers["etag"]
    assert packed.headers["etag"].startswith('W/"')  # a strong one would promise the same bytes
    for encoding in (PLAIN, GZIP):
        again, body = raw(erp, "/v1/orders", **encoding, **{"If-None-Match": packed.headers["etag"]})
        assert (again.status_code, body, again.headers["etag"]) == (304, b"", packed.headers["etag"])


def test_head_tells_of_the_packed_answer(filled, erp):
    got, body = raw(erp, "/v1/orders", **GZIP)
    head, nothing = raw(erp, "/v1/orders", "HEAD", **GZIP)
    assert nothing == b""
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(body))
    assert head.headers["content-encoding"] == "gzip"


def test_a_download_is_packed_piece_by_piece(filled, erp, monkeypatch):
    """Each piece can be unpacked when it arrives: nothing waits for the end of the download."""
    monkeypatch.setattr("warehouse.ledger.book.order_queries.CHUNK", 10)
    pieces: list[bytes] = []

    async def download() -> None:
        asked = {"type": "http.request", "body": b"", "more_body": False}
        waiting = asyncio.Event()

        async def receive():
            if asked:
                taken = dict(asked)
                asked.clear()
                return taken
            await waiting.wait()
            return None

        async def send(message):
            if message["type"] == "http.response.body":
                pieces.append(message.get("body", b""))

        headers = [(b"authorization", f"Bearer {erp.token}".encode()), (b"accept-encoding", b"gzip")]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/orders/export",
            "query_string": b"format=ndjson",
            "headers": headers,
        }
        await erp.app(scope, receive, send)

    asyncio.run(download())
    unpacking = zlib.decompressobj(31)
    lines = [unpacking.decompress(piece).count(b"\n") for piece in pieces if piece]
    assert sum(lines) == 39
    assert len([each for each in lines if each]) == 4
    assert max(lines) == 10

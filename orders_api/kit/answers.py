"""Answers: bytes out, with a validator so that an unchanged answer is not sent twice."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from orders_api.kit.bodies import JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

REVALIDATE = "private, no-cache"
NO_STORE = "no-store"
TAG_BYTES = 16


def json_answer(
    request: Request, body: bytes, *, holds_pii: bool, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON document, or 304 when the client has it already."""
    tag = tag_of(body)
    sent = {
        "ETag": tag,
        "Cache-Control": NO_STORE if holds_pii else REVALIDATE,
        "Vary": "Authorization, Accept-Encoding",
        **(headers or {}),
    }
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=sent)
    return Response(body, headers=sent, media_type=JSON)


def fresh_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that nobody keeps: what a write came to, or how things stand at this moment."""
    return Response(render(value), status, {"Cache-Control": NO_STORE, **(headers or {})}, JSON)


def tag_of(body: bytes) -> str:
    """The validator of a document; weak, since it is the same for the compressed answer."""
    return f'W/"{hashlib.blake2b(body, digest_size=TAG_BYTES).hexdigest()}"'


def render(value: object) -> bytes:
    """A value of ours as JSON text; times in UTC."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def matches(asked: str | None, tag: str) -> bool:
    """RFC 9110's weak comparison."""
    if asked is None:
        return False
    tags = {each.strip().removeprefix("W/") for each in asked.split(",")}
    return tag.removeprefix("W/") in tags or "*" in tags

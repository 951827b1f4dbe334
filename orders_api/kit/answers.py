"""Answers: documents of a shape, and their bytes with a validator, so that an unchanged answer is not sent twice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from orders_api.kit.bodies import JSON
from warehouse.clock import iso

if TYPE_CHECKING:
    from pydantic import BaseModel
    from starlette.requests import Request

REVALIDATE = "private, no-cache"
NO_STORE = "no-store"
TAG_CHARACTERS = 32


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
    return f'W/"{hashlib.sha256(body).hexdigest()[:TAG_CHARACTERS]}"'


def render(value: object) -> bytes:
    """A value of ours as JSON text; times in UTC."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def fill(shape: type[BaseModel], row: object, **own: object) -> dict[str, Any]:
    """A document of this shape.

    Args:
        shape: Says which members there are.
        row: Has those that are called the same; a mapping or a record.
        own: The other members.
    """
    found = {name: own[name] if name in own else _member(row, name) for name in shape.model_fields}
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in found.items()}


def _member(row: object, name: str) -> object:
    return row[name] if isinstance(row, Mapping) else getattr(row, name)


def matches(asked: str | None, tag: str) -> bool:
    """RFC 9110's weak comparison."""
    if asked is None:
        return False
    tags = {each.strip().removeprefix("W/") for each in asked.split(",")}
    return tag.removeprefix("W/") in tags or "*" in tags

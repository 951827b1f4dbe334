"""Reading a request's body: no more of it than the settings allow, and only when it is JSON. What it must hold is said by the
models in `schemas`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_api.errors import Problem
from orders_api.installation import installation_of

if TYPE_CHECKING:
    from starlette.requests import Request

JSON = "application/json"


def require_json(request: Request) -> None:
    """Refuse another media type.

    Raises:
        Problem: 415.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise Problem(415, "unsupported_media_type", f"Send the body as {JSON}.")


async def read_body(request: Request) -> bytes:
    """The whole body, told its size beforehand or not.

    Raises:
        Problem: 413, as soon as it is known to be too large.
    """
    limit = installation_of(request).settings.api_max_body_bytes
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"The body may have {limit} bytes; send fewer items at a time.")

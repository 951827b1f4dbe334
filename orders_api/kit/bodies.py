"""Reading a request's body: no more of it than the settings allow, and only when it is JSON of the shape that is asked for."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import TYPE_CHECKING

import anyio
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from orders_api.kit.errors import Problem, from_validation
from orders_api.kit.installation import installation_of

if TYPE_CHECKING:
    from pydantic import BaseModel

JSON = "application/json"


class _ReadRequest(Request):
    """A request whose body is read: FastAPI gets the model where it asks for JSON."""

    def __init__(self, request: Request, body: bytes, model: BaseModel) -> None:
        super().__init__(request.scope, request.receive)
        self._body = body
        self._model = model

    async def json(self) -> BaseModel:
        return self._model


async def with_body(request: Request, shape: type[BaseModel]) -> Request:
    """The request with its body, which was read and found to be of this shape.

    Raises:
        Problem: 408, 413, 415; 422, naming what is not as described.
    """
    _require_json(request)
    body = await _read(request)
    return _ReadRequest(request, body, await run_in_threadpool(_parse, shape, body))


def _parse(shape: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise from_validation("body", error.errors(include_input=False, include_url=False)) from None


def _require_json(request: Request) -> None:
    """Refuse another media type.

    Raises:
        Problem: 415.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise Problem(415, "unsupported_media_type", f"Send the body as {JSON}.")


async def _read(request: Request) -> bytes:
    """The whole body, told its size beforehand or not.

    Raises:
        Problem: 413, as soon as it is known to be too large; 408 when it takes too long; 422 when it is no UTF-8 by its mark.
        ClientDisconnect: The client left in the middle.
    """
    settings = installation_of(request).settings
    limit = settings.api_max_body_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        with anyio.fail_after(settings.api_request_seconds):
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        detail = f"The body did not arrive within {settings.api_request_seconds:g} seconds; nothing was recorded."
        raise Problem(408, "request_timeout", detail, headers={"Connection": "close"}) from None
    return _without_mark(bytes(body))


def _without_mark(body: bytes) -> bytes:
    """The body without a byte order mark, which may be skipped (RFC 8259, 8.1).

    Raises:
        Problem: 422, when the mark is another encoding's.
    """
    while body.startswith(BOM_UTF8):
        body = body.removeprefix(BOM_UTF8)
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        errors = [{"pointer": "", "message": "the body is encoded in UTF-16: send UTF-8"}]
        raise Problem(422, "invalid_request", "The body must be encoded in UTF-8.", errors=errors)
    return body


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"The body may have {limit} bytes; send fewer items at a time.")

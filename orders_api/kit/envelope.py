"""What surrounds every answer: a request id, security headers, the rate limit's headers, its time, its log line, and the
last resort for an error that nobody expected. Which errors are expected is in `errors`.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
import traceback
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from structlog.contextvars import bound_contextvars

from orders_api.kit.addresses import own_path
from orders_api.kit.errors import internal_error, problem_response
from orders_api.kit.request_tally import Alike
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from orders_api.kit.latencies import Latencies
    from orders_api.kit.request_tally import RequestTally

LOG = logging.getLogger("orders_api")
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
LOGGED_FRAMES = 12
Headers = tuple[tuple[bytes, bytes], ...]
FIRST_FAILURE = 400
OF_THE_API = "/v1/"
CLIENT_LEFT = 499
"""In log and metrics, where a request ended because its client went away."""

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
PAGE_SOURCES = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action %s; frame-ancestors 'none'"
)


def _headers(sources: bytes, referrer: bytes) -> Headers:
    return (*ALWAYS, (b"content-security-policy", sources), (b"referrer-policy", referrer))


CLOSED = _headers(b"default-src 'none'; frame-ancestors 'none'", b"no-referrer")
REFERENCE = _headers(PAGE_SOURCES % b"'none'", b"no-referrer")
"""Of answers for programs, and of the API's reference."""


def console_headers(reports: str) -> Headers:
    """Of the console.

    Args:
        reports: Path to which browsers report what they have refused to load.
    """
    return (
        # without a referrer a form would not say where it comes from
        *_headers(PAGE_SOURCES % b"'self'" + b"; report-uri " + reports.encode(), b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    )


class Envelope:
    """ASGI middleware, the outermost one.

    Args:
        app: What it surrounds.
        path_prefix: Below which a proxy serves us.
        headers: First part of a path → the security headers of its answers; `CLOSED` for any other.
        latencies: Where times are counted.
        tally: Where the API's requests are.
    """

    def __init__(
        self,
        app: ASGIApp,
        path_prefix: str,
        headers: Mapping[str, Headers],
        latencies: Latencies,
        tally: RequestTally,
    ) -> None:
        self._app = app
        self._path_prefix = path_prefix
        self._headers = headers
        self._latencies = latencies
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and put its answer into the envelope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "root_path": self._path_prefix, "path": own_path(scope["path"], self._path_prefix)}
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        first = f"/{scope['path'].split('/')[1]}"
        added = [(b"x-request-id", request_id.encode()), *self._headers.get(first, CLOSED)]
        status = 0

        async def send_enveloped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *added, *state.get("limit_headers", ())]
            elif scope["method"] == "HEAD":
                message["body"] = b""
            await send(message)

        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        began = time.perf_counter()
        with bound_contextvars(request_id=request_id):
            try:
                await self._app(asked, receive, send_enveloped)
            except ClientDisconnect:  # nobody is there to be answered, and nothing is wrong with us
                status = CLIENT_LEFT
            except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, the client is told and the log says where
                _log(error, scope, request_id)
                state["problem"] = "internal_error"
                if not status:  # else the connection is cut, so that nobody takes half an answer for a whole one
                    await problem_response(internal_error(), request_id)(scope, receive, send_enveloped)
            self._tell({**asked, "method": scope["method"]}, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        """Count the answer, and log it: what changed something or failed at `info`, plain reads at `debug`."""
        route = getattr(scope.get("route"), "path", None)
        self._latencies.observe(scope["method"], route, status, seconds)
        if scope["path"].startswith(OF_THE_API):
            state = scope["state"]
            kind = Alike(state.get("consumer", ""), scope["method"], route or "", status, state.get("problem", ""))
            self._tally.count(kind, seconds, state["request_id"])
        is_plain = scope["method"] in {"GET", "HEAD"} and status < FIRST_FAILURE
        about = {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 6)}
        LOG.log(logging.DEBUG if is_plain else logging.INFO, Event.REQUEST_SERVED, extra=about)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return secrets.token_hex(8)


def _log(error: BaseException, scope: Scope, request_id: str) -> None:
    """Where it happened and what kind of error it is; not its message, which may quote an order or a statement."""
    frames = traceback.extract_tb(error.__traceback__)[-LOGGED_FRAMES:]
    about = {
        "request_id": request_id,
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", None),
        "error": type(error).__qualname__,
        "at": " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames),
    }
    LOG.error(Event.UNEXPECTED_ERROR, extra=about)

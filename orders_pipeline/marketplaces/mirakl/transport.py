"""One call to a Mirakl instance: the key, the limits of a call, and what its answer is worth.

What lives here: how a call is sent and judged. What does not: which calls there are and how they follow each other,
which is `client` and `confirmation`. An answer counts by its status *and* its body: a sign-in page with status 200 is a
failure, never "no orders", and a call that changes something without an answer has neither succeeded nor failed.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.errors import (
    Permanent,
    Transient,
    Unauthorised,
    judge_status,
    judge_unanswered,
)
from orders_pipeline.marketplaces.http import BoundedClient, http_date, quoted, reading, retry_after
from orders_pipeline.marketplaces.payloads import NotJson, parse
from warehouse.clock import utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from orders_pipeline.marketplaces.mirakl.settings import MiraklSettings
    from orders_pipeline.marketplaces.protocol import ConnectionContext, Quota
    from warehouse.clock import Clock

Parameters = list[tuple[str, str | int | float | bool | None]]

_ENDPOINT_HINT = "set the connection's endpoint to the operator's address, https://<operator>.mirakl.net"
_KEY_HINT = "create an API key in the operator's seller portal (My user settings, API key) and store it as api_key"


class Answer(NamedTuple):
    """A successful answer: the parsed JSON and the exact bytes it was parsed from."""

    value: Any
    body: bytes


class Reply(NamedTuple):
    """The answer to a call that changes something, whatever its status but for a refused key and an exceeded quota.

    Attributes:
        operation: What was called.
        status: HTTP status.
        value: The parsed JSON, None when the body is no JSON.
        code: The instance's own code ("ORDER_INVALID_STATE"), or "".
        said: The instance's own words without the key, or "".
        request_id: The call's id, where the instance or a gateway before it tells one.
    """

    operation: str
    status: int
    value: Any
    code: str
    said: str
    request_id: str | None


class Transport:
    """Calls one instance with one key. Thread-confined; nothing is opened before the first call."""

    def __init__(self, context: ConnectionContext, settings: MiraklSettings, take: Quota, now: Clock = utc_now) -> None:
        self._context = context
        self._settings = settings
        self._take = take
        self._now = now
        self._session: httpx.Client | None = None
        self.server_time: datetime | None = None

    def get(self, operation: str, path: str, parameters: Parameters) -> Answer:
        """Take quota, ask, and judge the answer.

        Args:
            operation: The API's code ("OR11"), which is also the quota's name.
            path: Path below the instance's address.
            parameters: Query parameters; a name may occur several times.

        Raises:
            Throttled: HTTP 429, with the seconds to wait; or `take` says so.
            Transient: Timeout, lost connection, 5xx, or an answer that is not JSON.
            Unauthorised: No key, or a key that is refused.
            Permanent: The endpoint cannot be used, or the request is refused.
        """
        session = self._open()
        self._take(operation)
        with reading(operation):
            response = session.get(path, params=self._with_shop(parameters))
        return self._judged(operation, response)

    def send(self, operation: str, method: str, path: str, body: object = None) -> Reply:
        """Take quota, and send what changes something, once.

        Args:
            operation: The API's code ("ST01"), which is also the quota's name.
            method: PUT or POST.
            path: Path below the instance's address.
            body: What is sent as JSON; None sends no body.

        Raises:
            Throttled, Unauthorised, Permanent, Transient: It has certainly not arrived, or was turned away at the door.
            InDoubt: It may have arrived: there was no answer, or only a part of one.
        """
        session = self._open()
        self._take(operation)
        try:
            response = session.request(method, path, params=self._with_shop([]), json=body)
        except httpx.RequestError as error:
            raise judge_unanswered(error, operation) from error
        return self._reply(operation, response)

    def _with_shop(self, parameters: Parameters) -> httpx.QueryParams:
        shop_id = self._settings.shop_id
        return httpx.QueryParams([*parameters, ("shop_id", str(shop_id))] if shop_id else parameters)

    def _reply(self, operation: str, response: httpx.Response) -> Reply:
        self._note_time(response)
        try:
            value = parse(response.content)
        except NotJson:
            value = None
        code, said = self._refusal(value)
        error = judge_status(response.status_code, operation, said, retry_after(response, self._now()))
        if error is not None and self._is_at_the_door(response.status_code, code):
            raise error
        return Reply(operation, response.status_code, value, code, said, response.headers.get("x-request-id"))

    def _is_at_the_door(self, status: int, code: str) -> bool:
        """Whether a call was turned away before anything looked at the order; an order's own codes come after that."""
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.TOO_MANY_REQUESTS:
            return True
        return status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and not code.startswith("ORDER_")

    def _refusal(self, value: object) -> tuple[str, str]:
        """Code and message of a refusal: at the top, or in the first of a list of errors."""
        errors = value.get("errors") if isinstance(value, dict) else None
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else value
        code = first.get("code") if isinstance(first, dict) else None
        return code if isinstance(code, str) else "", self._said(first)

    def close(self) -> None:
        """Let go of sockets."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open(self) -> httpx.Client:
        if self._session is None:
            # No "Bearer": Mirakl takes the bare key.
            headers = {"Authorization": api_key(self._context), "Accept": "application/json"}
            self._session = BoundedClient(self._settings, base_url(self._context), headers)
        return self._session

    def _judged(self, operation: str, response: httpx.Response) -> Answer:
        self._note_time(response)
        body = response.content
        try:
            value = parse(body)
        except NotJson:
            value, is_json = None, False
        else:
            is_json = True
        error = judge_status(response.status_code, operation, self._said(value), retry_after(response, self._now()))
        if error is not None:
            raise error
        if not is_json:
            kind = "an empty body" if not body.strip() else "HTML" if body.lstrip()[:1] == b"<" else "broken JSON"
            raise unreadable(operation, f"answered HTTP {response.status_code} with {kind} instead of JSON")
        return Answer(value, body)

    def _said(self, value: object) -> str:
        """The instance's own words, without the key, should it repeat it."""
        return quoted(value.get("message") if isinstance(value, dict) else None, [api_key(self._context)])

    def _note_time(self, response: httpx.Response) -> None:
        date = http_date(response.headers.get("date"))
        if date is not None:
            self.server_time = date


def unreadable(operation: str, what: str) -> Transient:
    """The error for an answer that is not the documented shape: perhaps a gateway in between, so it may pass."""
    return Transient("unreadable_answer", f"{operation} {what}", "check that the endpoint is the instance itself")


def base_url(context: ConnectionContext) -> str:
    """The instance's address, checked.

    Raises:
        Permanent: There is none, it is no web address, or the key would travel unencrypted.
    """
    if not context.endpoint or not context.endpoint.strip():
        raise Permanent("endpoint_missing", "the connection has no endpoint", _ENDPOINT_HINT)
    return tls.secure(context.endpoint, _ENDPOINT_HINT).removesuffix("/api")


def api_key(context: ConnectionContext) -> str:
    """The key as it is sent.

    Raises:
        Unauthorised: There is none, or it holds what no key holds.
    """
    key = context.credentials.get("api_key", "").strip()
    if not key:
        raise Unauthorised("credential_missing", "the connection has no api_key", _KEY_HINT)
    if not key.isascii() or not key.isprintable():
        raise Unauthorised("credential_malformed", "the api_key holds characters that no key has", _KEY_HINT)
    return key

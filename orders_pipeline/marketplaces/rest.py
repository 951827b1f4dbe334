"""One call to a marketplace that speaks JSON over REST: quota, access token, limits, and what its answer is worth.

What is a marketplace's own (headers, how it refuses a token, words of a refusal, what it tells of its quota) is its `Dialect`.
An answer counts by its status and its body: a sign-in page with status 200 is a failure, never "no orders", and a call that
changes something without an answer has neither succeeded nor failed.
"""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import httpx

from orders_pipeline.marketplaces.errors import Transient, judge_status, judge_unanswered
from orders_pipeline.marketplaces.http import BoundedClient, Parameters, http_date, quoted, reading, retry_after
from orders_pipeline.marketplaces.payloads import NotJson, parse
from warehouse.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from orders_pipeline.marketplaces.protocol import Quota
    from orders_pipeline.marketplaces.settings import HttpSettings
    from warehouse.clock import Clock

    SendCall = Callable[[Mapping[str, str]], httpx.Response]
    Sign = Callable[[httpx.Request], Mapping[str, str]]


class RestAnswer(NamedTuple):
    """What a marketplace answered.

    Attributes:
        operation: What was called.
        status: HTTP status.
        value: The parsed JSON, None when the body is no JSON.
        body: The exact bytes that it was parsed from.
        headers: Of the answer.
        code: The marketplace's own code of a refusal, or "".
        said: Its own words without secrets, or "".
    """

    operation: str
    status: int
    value: Any
    body: bytes
    headers: httpx.Headers
    code: str
    said: str

    @property
    def is_success(self) -> bool:
        """Whether its status is one of success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class QuotaNotice(NamedTuple):
    """What an answer tells of a quota: calls left, and when there are more."""

    tokens: float
    refill_at: datetime | None


class Dialect(Protocol):
    """What one marketplace does in its own way; what most of them do alike is here."""

    @property
    def address(self) -> str:
        """The base of every path; raises where the connection's endpoint cannot be used."""
        ...

    def headers(self, session: httpx.Client) -> Mapping[str, str]:
        """What goes with a call, its token among it; a new token is asked for over the session."""
        ...

    def forget_token(self) -> None:
        """The token that `headers` gave was refused; where there is one key and no other, that changes nothing."""
        return

    def is_token_refused(self, status: int, code: str) -> bool:  # noqa: ARG002 - as above
        """Whether an answer means that the token is good no more, and another one would do."""
        return False

    def is_at_the_door(self, status: int, code: str) -> bool:  # noqa: ARG002 - few have codes of their own
        """Whether a call that changes something was turned away before anything looked at the order."""
        return status in _AT_THE_DOOR or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST

    def refusal(self, value: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON value
        """Code and words of a refusal, "" for what there is not."""
        ...

    def quota_notice(self, headers: httpx.Headers) -> QuotaNotice | None:  # noqa: ARG002 - most tell nothing
        """What an answer tells of the quota."""
        return None

    def secrets(self) -> Sequence[str]:
        """What may never be repeated."""
        ...


_AT_THE_DOOR = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses that mean, with all redirections, that nothing has looked at an order."""


class Rest:
    """Calls one marketplace for one connection. Thread-confined; nothing is opened before the first call."""

    def __init__(
        self,
        dialect: Dialect,
        settings: HttpSettings,
        take: Quota,
        now: Clock = utc_now,
        common: Parameters | None = None,
    ) -> None:
        """Nothing is checked or opened before the first call.

        Args:
            dialect: The marketplace's.
            settings: The connection's.
            take: The quota.
            now: The present instant.
            common: Query parameters that go with every call.
        """
        self._dialect = dialect
        self._settings = settings
        self._common = common
        self._take = take
        self._now = now
        self._session: httpx.Client | None = None
        self.server_time: datetime | None = None

    def read(
        self,
        operation: str,
        path: str,
        parameters: Parameters | None = None,
        tolerated: Collection[int] = (),
    ) -> RestAnswer:
        """Ask for something.

        Args:
            operation: Its name in the quota and in messages.
            path: Below the address, or a whole address of the same host as the marketplace sent it.
            parameters: Query parameters; a name may occur several times. None leaves the path's query as it is.
            tolerated: Statuses that are an answer too.

        Raises:
            Throttled: HTTP 429, with the seconds to wait; or the quota says so.
            Transient: Timeout, lost connection, 5xx, or an answer that is not JSON.
            Unauthorised: The credential is refused, a new token too.
            Permanent: The endpoint cannot be used, or the request is refused.
        """
        answer, error = self._with_token(operation, lambda headers: self._asked(operation, path, parameters, headers))
        if answer.status in tolerated:
            return answer
        if error is not None:
            raise error
        if answer.value is None:
            raise unreadable(operation, f"answered HTTP {answer.status} with {_kind(answer.body)} instead of JSON")
        return answer

    def send(self, operation: str, method: str, path: str, body: object = None, sign: Sign | None = None) -> RestAnswer:
        """Send what changes something, once; a call whose token was refused has changed nothing, and is sent with a new one.

        Args:
            operation: Its name in the quota and in messages.
            method: PUT or POST.
            path: Below the address.
            body: What is sent as JSON; None sends no body.
            sign: Gives the headers that sign a call, where the marketplace wants it signed.

        Raises:
            Throttled, Unauthorised, Permanent, Transient: It has certainly not arrived, or was turned away at the door.
            InDoubt: It may have arrived: there was no answer, or only a part of one.
        """
        answer, error = self._with_token(
            operation, lambda headers: self._sent(operation, method, path, body, headers, sign)
        )
        if error is not None and self._dialect.is_at_the_door(answer.status, answer.code):
            raise error
        return answer

    def close(self) -> None:
        """Let go of sockets."""
        if self._session is not None:
            self._session.close()
            self._session = None

    # -- one call

    def _with_token(self, operation: str, call: SendCall) -> tuple[RestAnswer, Exception | None]:
        answer, error = self._called(operation, call)
        if self._dialect.is_token_refused(answer.status, answer.code):
            self._dialect.forget_token()
            answer, error = self._called(operation, call)
        return answer, error

    def _called(self, operation: str, call: SendCall) -> tuple[RestAnswer, Exception | None]:
        headers = self._dialect.headers(self._open())
        self._take(operation)
        response = call(headers)
        return self._judged(operation, response)

    def _asked(
        self, operation: str, path: str, parameters: Parameters | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        query = None if parameters is None else httpx.QueryParams(parameters)
        with reading(operation):
            url = self._open().base_url.join(path) if path.startswith(("http", "//")) else httpx.URL(path)
            if url.is_absolute_url and (url.scheme, url.netloc) != (
                self._open().base_url.scheme,
                self._open().base_url.netloc,
            ):
                raise unreadable(operation, "leads to another host")  # a token must not go there
            return self._open().get(url, params=query, headers=dict(headers))

    def _sent(
        self,
        operation: str,
        method: str,
        path: str,
        body: object,
        headers: Mapping[str, str],
        sign: Sign | None,
    ) -> httpx.Response:
        try:
            request = self._open().build_request(method, path, json=body, headers=dict(headers))
            if sign is not None:
                request.headers.update(sign(request))
            return self._open().send(request)
        except httpx.RequestError as error:
            raise judge_unanswered(error, operation) from error

    def _judged(self, operation: str, response: httpx.Response) -> tuple[RestAnswer, Exception | None]:
        self.server_time = http_date(response.headers.get("date")) or self.server_time
        notice = self._dialect.quota_notice(response.headers)
        if notice is not None:
            self._take.learn(operation, notice.tokens, notice.refill_at)
        try:
            value = parse(response.content)
        except NotJson:
            value = None
        code, words = self._dialect.refusal(value)
        said = quoted(words, self._dialect.secrets())
        answer = RestAnswer(operation, response.status_code, value, response.content, response.headers, code, said)
        wait = retry_after(response, self._now())
        if wait is None and notice is not None and notice.refill_at is not None:
            wait = max(0.0, (notice.refill_at - self._now()).total_seconds())
        return answer, judge_status(response.status_code, operation, said or code, wait)

    def _open(self) -> httpx.Client:
        if self._session is None:
            headers = {"Accept": "application/json"}
            self._session = BoundedClient(self._settings, self._dialect.address, headers, self._common)
        return self._session


class RestClient:
    """What every session over REST has; the rest of `orders_pipeline.marketplaces.protocol.Client` is its marketplace's."""

    _rest: Rest

    @property
    def degraded(self) -> Sequence[str]:
        """Nothing: an order is sent whole or not at all."""
        return ()

    def server_time(self) -> datetime | None:
        """The marketplace's clock as last told in a Date header."""
        return self._rest.server_time

    def close(self) -> None:
        """Let go of sockets."""
        self._rest.close()


def unreadable(operation: str, what: str) -> Transient:
    """The error for an answer that is not the documented shape: perhaps a gateway in between, so it may pass."""
    return Transient("unreadable_answer", f"{operation} {what}", "check the connection's endpoint")


def _kind(body: bytes) -> str:
    if not body.strip():
        return "an empty body"
    return "HTML" if body.lstrip()[:1] == b"<" else "broken JSON"

"""What can go wrong at a marketplace, in the only words the pipeline knows, and the one place that judges an HTTP answer."""

from __future__ import annotations

from http import HTTPStatus

import httpx

_NOT_SENDABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class MarketplaceError(Exception):
    """Base of every failure at a marketplace.

    Attributes:
        code: Stable snake_case word, the incident's code.
        message: Plain sentence, free of secrets and personal data.
        hint: What a person should do, or "".
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class Transient(MarketplaceError):
    """May pass by itself: 5xx, 408, timeouts, unreadable answers. The next tick tries again."""


class Permanent(MarketplaceError):
    """Will fail again the same way until somebody changes something."""


class Refused(Permanent):
    """What was asked about one order is refused, or is not offered; the connection itself is well."""


class Unauthorised(MarketplaceError):
    """The credential is refused: a connection-level incident, never one per order."""


class InDoubt(MarketplaceError):
    """It is unknown whether the marketplace carried it out: read back before anything else."""


class Throttled(MarketplaceError):
    """Over the marketplace's quota; `retry_after` is seconds to wait, from the answer or the known rate."""

    def __init__(self, code: str, message: str, retry_after: float, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.retry_after = retry_after


def judge_status(status: int, operation: str, detail: str, retry_after: float | None = None) -> MarketplaceError | None:
    """The error for an HTTP status, None for a success (2xx).

    Args:
        status: HTTP status code.
        operation: What was called ("searchOrders"), for the message.
        detail: The marketplace's own words, already free of personal data, or "".
        retry_after: Seconds from a Retry-After header, or None.
    """
    said = f"{operation} answered HTTP {status}" + (f": {detail[:300]}" if detail else "")
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled("throttled", said, retry_after if retry_after is not None else 60.0)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Unauthorised("unauthorised", said, "check the credential and the roles granted to it")
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Transient("marketplace_unavailable", said)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Permanent("redirected", said, "check the connection's endpoint")
    return Permanent("request_refused", said)


def judge_unanswered(error: httpx.RequestError, operation: str) -> MarketplaceError:
    """The error for a call that changes something and got no answer: certainly not sent, or in doubt.

    Only a connection that was never there is certain: a request cut off half way may have arrived whole.

    >>> type(judge_unanswered(httpx.ConnectTimeout(""), "ST01")).__name__
    'Transient'
    >>> type(judge_unanswered(httpx.WriteTimeout(""), "ST01")).__name__
    'InDoubt'
    """
    said = f"{operation} ({type(error).__name__})"
    if isinstance(error, _NOT_SENDABLE):
        return Permanent("request_invalid", f"could not be sent: {said}", "check the connection's endpoint")
    if isinstance(error, _NEVER_SENT):
        return Transient("unreachable", f"no connection for {said}", "check the endpoint's name and the network")
    return InDoubt("unanswered", f"no answer to {said}", "the order is read back before anything is sent again")

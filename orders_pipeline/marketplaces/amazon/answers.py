"""Amazon's answers, judged: which failure an answer is, and the parts of a good one.

Every answer that is not exactly the documented shape is a failure: an outage page must never look like "no orders".
Nothing is sent from here; what an order says is read in `normalise`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.amazon.documents import SHAPE
from orders_pipeline.marketplaces.errors import (
    MarketplaceError,
    Permanent,
    Throttled,
    Transient,
    Unauthorised,
    judge_status,
)
from orders_pipeline.marketplaces.http import DETAIL_LENGTH, retry_after
from orders_pipeline.marketplaces.payloads import NotJson, elements, member, parse
from warehouse.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from orders_pipeline.marketplaces.protocol import RawOrder

DEFAULT_TOKEN_SECONDS = 3600
LONGEST_TOKEN_SECONDS = 86_400

_AUTHORISE_HINT = "authorise the application again for this seller account and store the new refresh token"
_SECRET_HINT = "check both; Amazon lets a client secret expire after 180 days"  # noqa: S105 - advice, not a secret


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A short-lived key to the API."""

    value: str = field(repr=False)
    expires_in_seconds: float


def read_access_token(response: httpx.Response) -> AccessToken:
    """The access token out of an answer of Login with Amazon.

    Raises:
        Unauthorised: The refresh token, or the client id or secret, is refused.
        Transient: 5xx, or an answer that is not a token.
        Throttled, Permanent: Any other refusal.
    """
    sent = _object(response.content)
    if response.status_code != 200:  # noqa: PLR2004
        raise _refused_token(response, sent)
    token = sent.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise Transient("unreadable_answer", "Login with Amazon answered 200, but with no access token")
    seconds = sent.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_TOKEN_SECONDS:
        seconds = DEFAULT_TOKEN_SECONDS
    return AccessToken(token, seconds)


def _refused_token(response: httpx.Response, sent: dict[str, Any]) -> MarketplaceError:
    word = sent.get("error")
    if word == "invalid_grant":
        return Unauthorised("invalid_grant", "Amazon refuses the refresh token (invalid_grant)", _AUTHORISE_HINT)
    if word in {"invalid_client", "unauthorized_client"}:
        return Unauthorised(
            "invalid_client", f"Amazon refuses the client id or the client secret ({word})", _SECRET_HINT
        )
    detail = word[:DETAIL_LENGTH] if isinstance(word, str) else ""
    return _judged(response.status_code, "Login with Amazon", detail, retry_after(response, utc_now()))


def failure(response: httpx.Response, operation: str, per_second: float) -> MarketplaceError | None:
    """What went wrong by an answer's status and error list; None for 2xx.

    Args:
        response: The answer, read.
        operation: What was called.
        per_second: The operation's known rate; the rate in the answer's header counts where it is told.
    """
    if response.is_success:
        return None
    detail = _detail(_object(response.content))
    if response.status_code == 429:  # noqa: PLR2004
        wait = max(retry_after(response, utc_now()) or 0.0, 1.0 / _rate(response, per_second))
        return Throttled("throttled", f"{operation} answered HTTP 429" + (f": {detail}" if detail else ""), wait)
    if response.status_code == 403 and "region" in detail.lower():  # noqa: PLR2004
        said = f"{operation} answered HTTP 403: {detail}"
        return Permanent("wrong_region", said, "check the connection's region and its channels' marketplace ids")
    return _judged(response.status_code, operation, detail, None)


def _judged(status: int, operation: str, detail: str, seconds: float | None) -> MarketplaceError:
    error = judge_status(status, operation, detail, seconds)
    return error or Transient("unreadable_answer", f"{operation} answered HTTP {status}, which is not documented")


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of `searchOrders`: its orders with their exact bytes, and the next page's token, if any."""

    orders: Sequence[RawOrder]
    next_token: str | None


def read_listing(body: bytes, first_place: int) -> Listing:
    """A page out of a 200 answer of `searchOrders`; `first_place` numbers its first order within the listing, from 1.

    Raises:
        Transient: HTML, nothing, truncated JSON, an error list, no list of orders, a page token that is no text.
    """
    sent = _documented(body, "searchOrders")
    found = elements(body, ("orders",))
    if found is None:
        raise Transient("unreadable_answer", "searchOrders answered 200, but without a list of orders")
    pagination = sent.get("pagination") or {}
    token = pagination.get("nextToken") if isinstance(pagination, dict) else pagination
    if token is not None and not isinstance(token, str):
        raise Transient("unreadable_answer", "searchOrders answered 200, but with a page token that is no text")
    orders = [SHAPE.raw_order(value, exact, place) for place, (value, exact) in enumerate(found, start=first_place)]
    return Listing(orders, token or None)


def read_single(body: bytes, place: int) -> RawOrder:
    """The order out of a 200 answer of `getOrder`; raises `Transient` like `read_listing`."""
    _documented(body, "getOrder")
    found = member(body, ("order",))
    if found is None or not isinstance(found[0], dict):
        raise Transient("unreadable_answer", "getOrder answered 200, but without an order")
    return SHAPE.raw_order(*found, place)


def said(body: bytes) -> str | None:
    """Amazon's own words in a refusal, None when the body is not Amazon's list of errors."""
    sent = _object(body)
    errors = sent.get("errors")
    return _detail(sent) if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None


def _rate(response: httpx.Response, per_second: float) -> float:
    return _positive(response.headers.get("x-amzn-ratelimit-limit")) or per_second


def _positive(word: str | None) -> float | None:
    try:
        value = float(word or "")
    except ValueError:
        return None
    return value if 0.0 < value < float("inf") else None


def _documented(body: bytes, operation: str) -> dict[str, Any]:
    """The JSON object of a 200 answer; an error list in it is a failure whatever the status says."""
    try:
        sent = parse(body)
    except NotJson as error:
        said = "nothing" if not body.strip() else f"what is not JSON ({error})"
        raise Transient("unreadable_answer", f"{operation} answered 200, but sent {said}") from None
    if not isinstance(sent, dict):
        raise Transient("unreadable_answer", f"{operation} answered 200, but sent no JSON object")
    if sent.get("errors"):
        raise Transient("unreadable_answer", f"{operation} answered 200 with errors: {_detail(sent)}")
    return sent


def _object(body: bytes) -> dict[str, Any]:
    try:
        sent = parse(body)
    except NotJson:
        return {}
    return sent if isinstance(sent, dict) else {}


def _detail(sent: dict[str, Any]) -> str:
    """Amazon's own words: code and message of the first error, or the gateway's bare message."""
    errors = sent.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else sent
    words = (first.get(key) for key in ("code", "message", "details"))
    return " ".join(word.strip() for word in words if isinstance(word, str) and word.strip())[:DETAIL_LENGTH]

"""HTTP for every kind that speaks it over httpx: how a client is opened, how long an answer may be and take, what a failure is.

Addresses are https (`tls.secure`) and certificates verified; redirects are never followed, since they could carry a secret
elsewhere; the environment's proxies count unless the connection names its own. What a status means is judged in `errors`, what
an answer says is each kind's own.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.errors import Permanent, Transient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orders_pipeline.marketplaces.settings import HttpSettings

BODY_BYTES = 64 * 1024 * 1024
RETRY_AFTER_LIMIT_SECONDS = 86_400.0
DETAIL_LENGTH = 300

_ENDPOINT_HINT = "check the connection's endpoint"
_NETWORK_HINT = "check the endpoint's name and the network"
_NOT_SENDABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL)
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


Parameters = list[tuple[str, str | int | float | bool | None]]
"""Of a query; a name may occur several times."""


class BoundedClient(httpx.Client):
    """A client whose answers are read whole, within a time and a size: httpx limits each read only, and a server that trickles
    would hold us for hours.
    """

    def __init__(
        self,
        settings: HttpSettings,
        address: str = "",
        headers: Mapping[str, str] | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        """Nothing is opened before the first call.

        Args:
            settings: The connection's.
            address: The base of every path; checked by whoever names it.
            headers: Sent with every call.
            parameters: Of the query of every call.
        """
        super().__init__(
            base_url=address,
            headers=headers,
            params=parameters,
            timeout=httpx.Timeout(settings.read_timeout_seconds, connect=settings.connect_timeout_seconds),
            proxy=None if settings.proxy is None else str(settings.proxy),
            verify=tls.verified(),
            follow_redirects=False,
        )
        self._longest_seconds = settings.total_timeout_seconds

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Send a request and read its answer, whatever is asked for.

        Raises:
            httpx.ReadTimeout: The whole answer takes too long.
            httpx.DecodingError: It is too large, or its compression is broken.
        """
        response = super().send(request, **{**options, "stream": True})
        try:
            body = self._body(request, response)
        finally:
            response.close()
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_THE_WIRE]
        return httpx.Response(response.status_code, headers=headers, content=body, request=request)

    def _body(self, request: httpx.Request, response: httpx.Response) -> bytes:
        ends_at = time.monotonic() + self._longest_seconds
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_BYTES:
                raise httpx.DecodingError(f"larger than {BODY_BYTES} bytes", request=request)
            if time.monotonic() > ends_at:
                raise httpx.ReadTimeout("the answer trickles", request=request)
        return b"".join(chunks)


@contextmanager
def reading(operation: str) -> Iterator[None]:
    """A call that changes nothing: what keeps it from being answered, in our words. One that does change something is judged by
    `errors.judge_unanswered`.

    Raises:
        Transient: No connection, no answer in time, or one that cannot be read.
        Permanent: It cannot be sent.
    """
    try:
        yield
    except httpx.TimeoutException as error:
        raise Transient("timeout", f"{operation} was not answered in time ({type(error).__name__})") from error
    except httpx.DecodingError as error:
        said = f"{operation}: the answer is broken or too large"
        raise Transient("unreadable_answer", said) from error
    except _NOT_SENDABLE as error:
        said = f"{operation} could not be sent ({type(error).__name__})"
        raise Permanent("request_invalid", said, _ENDPOINT_HINT) from error
    except (httpx.RequestError, httpx.StreamError) as error:
        said = f"{operation} could not be reached ({type(error).__name__})"
        raise Transient("unreachable", said, _NETWORK_HINT) from error


def http_date(text: str | None) -> datetime | None:
    """The instant of a header such as Date (RFC 9110), None when there is none or it is malformed.

    >>> http_date("Mon, 02 Nov 2026 10:30:00 +0100").isoformat(), http_date("soon")
    ('2026-11-02T09:30:00+00:00', None)
    """
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds of a Retry-After header, a number or a date; a date counts by the server's own clock, where it tells one."""
    sent = response.headers.get("retry-after", "").strip()
    if sent.isascii() and sent.isdigit():
        return min(float(sent[:9]), RETRY_AFTER_LIMIT_SECONDS)
    moment = http_date(sent)
    if moment is None:
        return None
    present = http_date(response.headers.get("date")) or now
    return min(max((moment - present).total_seconds(), 0.0), RETRY_AFTER_LIMIT_SECONDS)


def quoted(text: object, secrets: Iterable[str]) -> str:
    """A marketplace's own words as they may be repeated: without secrets, should it repeat them, and not too many.

    >>> quoted("key sesame is wrong", ["sesame"]), quoted(None, [])
    ('key *** is wrong', '')
    """
    if not isinstance(text, str):
        return ""
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    return text.strip()[:DETAIL_LENGTH]

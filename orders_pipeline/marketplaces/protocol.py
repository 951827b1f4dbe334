"""What every marketplace module offers the pipeline, written once: the `Marketplace` protocol and the types that cross it.

Marketplace modules implement this; the pull engine (`orders_pipeline.pulling`) and the normaliser (`orders_pipeline.ordering`)
use it. Nothing here talks to a marketplace or to storage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from warehouse.orders import Order
    from warehouse.privacy import PathStep


@dataclass(frozen=True, slots=True)
class Window:
    """A closed interval of the marketplace's last-updated time; aware UTC, both ends included."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class RawOrder:
    """One order as the marketplace sent it, before anything interprets it.

    Attributes:
        original_id: The marketplace's order id; when even that is unreadable, "?" plus the page's place.
        selector: Which of the connection's channels it belongs to (Amazon: marketplace id, Mirakl: channel code), or None.
        body: The exact bytes of the order's JSON (for Mirakl: an envelope of the exact order and its shipments).
    """

    original_id: str
    selector: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: the orders in the order sent, and the marketplace's own clock when it answered, if told."""

    orders: Sequence[RawOrder]
    server_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of a connection test. `part` is credential, role, endpoint, region, marketplace_id, channel or clock."""

    part: str
    is_ok: bool
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket's rule: `per_second` tokens come back, at most `burst` are kept."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What the normaliser must know of the channel an order belongs to."""

    code: str
    marketplace: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What a marketplace client must know of its connection; `credentials` are resolved secrets and never shown.

    Attributes:
        code: The connection's code.
        endpoint: Base URL override, or None for the marketplace's own.
        region: Amazon's region word (eu, na, fe), else None.
        settings: Marketplace-specific, non-secret settings.
        selectors: The selectors of the channels to be pulled.
        credentials: Names and values of secrets.
    """

    code: str
    endpoint: str | None
    region: str | None
    settings: Mapping[str, Any]
    selectors: Sequence[str]
    credentials: Mapping[str, str] = field(repr=False)


class Normaliser(Protocol):
    """Pure reading of one raw payload."""

    def __call__(self, payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
        """Read one payload (parsed JSON; floats are `decimal.Decimal` or float, both are accepted).

        Returns one order, or two that point at each other for mixed fulfilment.

        Raises:
            Unreadable: The payload is no order of this marketplace; it names the JSON path and why.
        """
        ...


class Unreadable(Exception):
    """A payload that gives no order, and is quarantined.

    Attributes:
        code: Stable snake_case word.
        path: JSON path of what is wrong ("$.orderItems[1].quantityOrdered").
        reason: Plain sentence without personal data.
    """

    def __init__(self, code: str, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.code = code
        self.path = path
        self.reason = reason


class Client(Protocol):
    """A session with one connection. Thread-confined: one client per connection and pull. Close it after use.

    Every call takes quota first through the `take` it was built with; every failure is a `MarketplaceError`.
    """

    @property
    def degraded(self) -> Sequence[str]:
        """Data sets that the marketplace refused to include in the last listing; () when nothing is missing."""
        ...

    def pull(self, window: Window) -> Iterator[Page]:
        """Every order updated in the window, page by page, after which the listing is known to be complete.

        Raises:
            Throttled, Transient, Permanent, Unauthorised: The window failed; pages already yielded stay valid.
            Transient: Also for a repeated page token or page, an answer that is not the documented shape, or a page limit
                reached: truncated is failed.
        """
        ...

    def fetch(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders, read one by one or in batches; an id the marketplace does not know is left out."""
        ...

    def test(self) -> Sequence[Finding]:
        """What works and what does not: never raises for a wrong credential, role, endpoint, region or marketplace id."""
        ...

    def server_time(self) -> datetime | None:
        """The marketplace's clock as last told in a Date header, or None before the first answer."""
        ...

    def close(self) -> None:
        """Let go of sockets."""
        ...


@dataclass(frozen=True, slots=True)
class Marketplace:
    """One kind of marketplace: its connector and its knowledge.

    Attributes:
        kind: The word in configuration ("amazon", "mirakl").
        connect: Opens a client. `take(operation)` blocks or raises `Throttled` until quota allows one call;
            `max_pages` bounds a listing.
        normalise: Reads a payload.
        pii_paths: JSON paths of personal data in a raw order. An object that holds people is named with the members that
            may stay, so that a member nobody knows yet is removed too.
        documents: Every raw order in one payload file (search page, single order, list, recorded exchange).
        rates: Token bucket per operation.
        lag: How old the newest readable data is; a window must end at least this long ago.
        credential_names: The secrets a connection needs.
        name_of: The marketplace's name for people, by selector ("Amazon FR"), where no channel says one.
    """

    kind: str
    connect: Callable[[ConnectionContext, Callable[[str], None], int], Client]
    normalise: Normaliser
    pii_paths: Sequence[tuple[PathStep, ...]]
    documents: Callable[[bytes], list[RawOrder]]
    rates: Mapping[str, Rate]
    lag: timedelta
    credential_names: Sequence[str]
    name_of: Callable[[str | None], str]

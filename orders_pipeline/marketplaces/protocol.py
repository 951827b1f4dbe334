"""What every marketplace module offers the pipeline, written once: the `Marketplace` protocol and the types that cross it.

Marketplace modules implement this; the pull engine (`orders_pipeline.stages.pull`) and the normaliser
(`orders_pipeline.stages.normalise`) use it. Nothing here talks to a marketplace or to storage.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from orders_pipeline.marketplaces.settings import ChannelSettings
from warehouse.marketplace_kinds import MarketplaceKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from orders_pipeline.marketplaces.hints import Hints
    from orders_pipeline.marketplaces.settings import ConnectionSettings, ShipFromPlace
    from warehouse.marketplace_kinds import Credential, DeletionNotices, EndpointRule, Selectors
    from warehouse.orders import Order
    from warehouse.privacy import PathStep
    from warehouse.shipments import Receipt, Requirements


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
        selector: Which of the connection's channels it belongs to (a site's id, a channel's code), or None.
        body: The exact bytes of the order's JSON (or an envelope of the exact order and what belongs to it).
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
    """One answer of a connection test. `part`: credential, role, endpoint, region, marketplace_id, channel, clock or hints."""

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
        region: The region, where the kind has any, else None.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One package on its way to the marketplace: what a confirmation is made of.

    Attributes:
        shipment_id: Our id of the shipment.
        original_id: The marketplace's order id.
        selector: The channel's selector.
        reference: Positive whole number, the same for good for this package of this order.
        package_id: The ERP's own name of the package.
        marketplace_package_id: The marketplace's id of the package from an earlier confirmation; None when it told none.
        is_update: An earlier confirmation of this package has arrived: only what is told about it changes.
        is_whole: With this package nothing of the order remains to be shipped.
        carrier_code, carrier_name: In the marketplace's words; a name alone for a carrier that it has no code for.
        tracking_number, tracking_url, return_tracking_number: As reported.
        shipping_method, ship_from, return_carrier: As reported, else as the channel's settings have them.
        ship_from_place: What the connection's settings say of the place `ship_from`; None when they do not know it.
        ordered_method: How the buyer wants it sent, as the order told.
        overrides_cancellation: Somebody has asked to cancel the order, and the seller ships it nevertheless.
        shipped_at: When it left.
        quantities: Units by the marketplace's line id; never empty.
    """

    shipment_id: str
    original_id: str
    selector: str | None
    reference: int
    package_id: str
    marketplace_package_id: str | None
    is_update: bool
    is_whole: bool
    carrier_code: str | None
    carrier_name: str | None
    tracking_number: str | None
    tracking_url: str | None
    shipping_method: str | None
    ship_from: str | None
    ship_from_place: ShipFromPlace | None = None
    ordered_method: str | None = None
    overrides_cancellation: bool = False
    return_tracking_number: str | None
    return_carrier: str | None
    shipped_at: datetime
    quantities: tuple[tuple[str, int], ...]


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


class Quota(Protocol):
    """The calls that a connection may make."""

    def __call__(self, operation: str) -> None:
        """Wait until one call of an operation may be made.

        Raises:
            Throttled: That would take too long.
        """
        ...

    def learn(self, operation: str, tokens: float, refill_at: datetime | None) -> None:
        """Take over what the marketplace says: how many calls are left, and when there are more."""
        ...


class Client(Protocol):
    """A session with one connection. Thread-confined: one client per connection and pull. Close it after use.

    Every call takes quota first through the `Quota` it was built with; every failure is a `MarketplaceError`.
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

    def confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        """Tell the marketplace of packages, at most `Marketplace.parcels_per_call` and no two of one order; one receipt each.

        Sends each package once: trying again is the caller's, after reading back where the outcome is in doubt.

        Raises:
            Throttled, Unauthorised, Transient, Permanent: Certainly nothing of this call has arrived.
            InDoubt: The whole call may have arrived, and no receipt could tell more of it.
        """
        ...

    def read_back(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders as `fetch` gives them, with everything that their packages are known by."""
        ...

    def requirements(self) -> Requirements:
        """What a shipment needs at this connection, asked of the marketplace where it tells.

        Raises:
            MarketplaceError: It could not be asked.
        """
        ...

    def accept(self, original_id: str, decisions: Mapping[str, bool]) -> None:
        """Accept or refuse an order, every line by the marketplace's id. A marketplace without acceptance refuses this.

        Raises:
            InDoubt: It may have arrived, or the order is not waiting for a decision any more: read the order again.
            Refused: The marketplace will not, however often it is asked.
            Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived; the connection is not well.
        """
        ...

    def cancel(self, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:
        """Cancel units of an order as the seller, by the marketplace's line ids. A marketplace without such a call refuses.

        Args:
            original_id: The marketplace's order id.
            quantities: Units by line id; never empty.
            reason: The marketplace's reason code, where it wants one.

        Raises:
            InDoubt: It may have arrived: sending it again may cancel more than was meant.
            Refused: The marketplace will not, however often it is asked.
            Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived; the connection is not well.
        """
        ...

    def decide_cancellation(self, original_id: str, requester: str, is_accepted: bool, reason: str | None) -> None:  # noqa: FBT001 - the decision
        """Answer a buyer's request to cancel; asked only where `Requirements.decides_cancellations`.

        Args:
            original_id: The marketplace's order id.
            requester: Who asks, in the marketplace's word; with the order it names the request.
            is_accepted: Whether the seller agrees.
            reason: Plain text, where somebody gave any.

        Raises:
            InDoubt, Refused, Throttled, Unauthorised, Transient, Permanent: As for `cancel`.
        """
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person's consent is kept as: a secret under a credential's name, good until an end."""

    credential: str
    secret: str = field(repr=False)
    ends_at: datetime


class Consenting(Protocol):
    """A consent that a person gives in a browser."""

    @property
    def address(self) -> str:
        """The page where it is given."""
        ...

    def redeem(self, answer: str) -> Consent:
        """What comes of it.

        Args:
            answer: The address that the browser was sent to after it, or the code in that address.

        Raises:
            MarketplaceError: The marketplace refuses it, or cannot be asked.
        """
        ...


class NotAuthentic(Exception):
    """A notice that the marketplace has not sent, or that tells of nothing that we act on; the message says why."""


class DeletionReader(Protocol):
    """Reads what a marketplace tells of deleted accounts."""

    def buyers(self, body: bytes, signature: str) -> frozenset[str]:
        """The names by which the orders of the deleted account may know its buyer.

        Args:
            body: The notice's exact bytes.
            signature: What stood in its header.

        Raises:
            NotAuthentic: The marketplace has not signed it.
            MarketplaceError: It could not be asked for its key.
        """
        ...

    def buyer_of(self, data: Mapping[str, Any]) -> str | None:
        """The buyer's name in what no member of an order names."""
        ...

    def close(self) -> None:
        """Let go of sockets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Marketplace:
    """One kind of marketplace: its connector, its knowledge, and everything that is said of it anywhere.

    Attributes:
        kind: The word in configuration.
        name: Its name for people.
        description: What orders there are, in a sentence; of the lineage's node too.
        help: How a connection of it is made, in a few sentences.
        node_kinds: Dagster's words for the technologies of the lineage's node.
        connect: Opens a client with its quota; the number bounds the pages of a listing. None: there is no marketplace to be
            called, its channels' orders are given to us (`warehouse.given_orders`), and nobody is told of anything.
        normalise: Reads a payload.
        pii_paths: JSON paths of personal data in a raw order. An object that holds people is named with the members that
            may stay, so that a member nobody knows yet is removed too.
        documents: Every raw order in one payload file (search page, single order, list, recorded exchange).
        rates: Token bucket per operation.
        parcels_per_call: How many packages one `confirm` takes.
        orders_per_read_back: How many orders one call of `read_back` reads.
        requirements: What a shipment needs and what else may be done, as far as is known without asking.
        lag: How old the newest readable data is; a window must end at least this long ago.
        shown_within: How long it may take until an order shows a package that was told: a doubt waits so long.
        overlap: How far a window reaches back at least into the one before, for a listing that shows changes late.
        consenting: How a person consents to a connection, where that is done in a browser.
        endpoint: Whether a connection names the address that is called.
        regions: The regions that a connection may name one of.
        selectors: What picks a channel's orders out of a connection's.
        credentials: The secrets of a connection.
        settings, channel_settings: What connections and channels of it may say.
        acceptance: Who accepts orders of a channel that does not say.
        follows_open_orders: Its listing shows no change of an older order: the open ones are read by their ids with each tick.
        lists_open_orders_only: Its listing shows the orders that are open at a moment, whatever changed when: an order that is
            opened and closed between two of them is never seen, and no time is covered.
        deletion_notices: How it tells of deleted accounts; None when it does not.
        deletions: Opens what reads such notices.
        hints: How it tells that orders have changed; None when it does not.
        sandbox: Where its stand-in is, `module:class`, a `orders_pipeline.sandbox.engine.Sandbox`; None when it has none.
    """

    kind: str
    name: str
    description: str
    help: str
    node_kinds: frozenset[str] = frozenset({"http"})
    connect: Callable[[ConnectionContext, Quota, int], Client] | None
    normalise: Normaliser
    pii_paths: Sequence[tuple[PathStep, ...]]
    documents: Callable[[bytes], list[RawOrder]]
    rates: Mapping[str, Rate]
    parcels_per_call: int
    orders_per_read_back: int
    requirements: Requirements
    lag: timedelta
    shown_within: timedelta = field(default_factory=timedelta)
    endpoint: EndpointRule
    regions: tuple[str, ...] = ()
    selectors: Selectors
    credentials: tuple[Credential, ...]
    settings: type[ConnectionSettings]
    channel_settings: type[ChannelSettings] = ChannelSettings
    acceptance: str = "manual"
    overlap: timedelta = timedelta(0)
    consenting: Callable[[ConnectionContext], Consenting] | None = None
    follows_open_orders: bool = False
    lists_open_orders_only: bool = False
    deletion_notices: DeletionNotices | None = None
    deletions: Callable[[ConnectionContext, Quota], DeletionReader] | None = None
    hints: Hints | None = None
    sandbox: str | None = None

    @property
    def takes_orders(self) -> bool:
        """Whether the orders of its channels are given to us."""
        return self.connect is None

    @property
    def reads(self) -> Mapping[str, tuple[str, ...]]:
        """Member of an order → the payload's members that it is read from, as `reads.json` beside its normaliser has them."""
        if self.takes_orders:
            from warehouse.given_orders import member_paths  # noqa: PLC0415 - few kinds need it, and it takes long to load

            return {path: (path,) for path in member_paths()}
        package = self.normalise.__module__.rpartition(".")[0]
        listing = files(package) / "reads.json" if package else None
        found = orjson.loads(listing.read_bytes()) if listing is not None and listing.is_file() else {}
        return {path: tuple(read) for path, read in found.items()}

    def describe(self) -> MarketplaceKind:
        """All of it that is data, for those who check and show and import no kind."""
        return MarketplaceKind(
            **{each.name: getattr(self, each.name) for each in fields(MarketplaceKind) if each.name not in _SCHEMAS},
            **{name: getattr(self, name).model_json_schema() for name in _SCHEMAS},
        )


_SCHEMAS = ("settings", "channel_settings")

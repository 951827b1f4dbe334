"""One session with one seller account in one region: orders fetched, and packages confirmed.

What lives here: windows, pages, the fallback to fewer data sets, single orders, the call that confirms a package, the
connection test. What does not: the library (`session`), the meaning of answers (`answers`, `confirmation`), reading an
order (`normalise`), waiting for quota.
"""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.amazon.answers import failure, read_listing, read_single
from orders_pipeline.marketplaces.amazon.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.amazon.confirmation import CONFIRM, body, judged, missing
from orders_pipeline.marketplaces.amazon.diagnosis import (
    clock_finding,
    credential_finding,
    marketplace_findings,
    refusal_finding,
    region_finding,
    role_finding,
)
from orders_pipeline.marketplaces.amazon.settings import CREDENTIALS, AmazonSettings
from orders_pipeline.marketplaces.amazon.sites import ENDPOINTS, LWA_ENDPOINT
from orders_pipeline.marketplaces.errors import (
    MarketplaceError,
    Permanent,
    Refused,
    Transient,
    Unauthorised,
    judge_unanswered,
)
from orders_pipeline.marketplaces.http import BoundedClient, http_date, reading
from orders_pipeline.marketplaces.protocol import Finding, Page, Rate
from orders_pipeline.marketplaces.receipts import Turn, in_turn
from orders_pipeline.marketplaces.settings import read_settings
from warehouse.clock import Clock, iso, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from orders_pipeline.marketplaces.amazon.answers import Listing
    from orders_pipeline.marketplaces.amazon.session import AccessTokens, ConfirmationSession, OrdersSession
    from orders_pipeline.marketplaces.protocol import ConnectionContext, Parcel, Quota, Window
    from warehouse.shipments import Receipt, Requirements

    _Send = Callable[[OrdersSession, Sequence[str]], httpx.Response]

SEARCH = "searchOrders"
GET = "getOrder"
RATES = {SEARCH: Rate(0.0056, 20), GET: Rate(0.5, 30), CONFIRM: Rate(2.0, 10)}
"""Amazon's default usage plans (https://developer-docs.amazon.com/sp-api/docs/orders-api-rate-limits)."""

LAG = timedelta(minutes=2)
MAX_MARKETPLACES = 50
PROBE_REACH = timedelta(days=30)
PROBE_ORDERS = 20

ROLE_DATA = frozenset({"TAX"})
"""What only some roles may see, as a business buyer's tax numbers. Orders are whole without it: it is the first to be left out,
and no loss to tell of."""

MINIMAL_DATA = ("FULFILLMENT", "BUYER", "RECIPIENT", "PROCEEDS", "CANCELLATION")
LAST_RESORT_DATA = ("FULFILLMENT",)
_READ_BACK_DATA = ("FULFILLMENT", "PACKAGES")

_READ_AT_IMPORT = ("SP_API_DEFAULT_MARKETPLACE", "AWS_ENV")
_IMPORTING = threading.Lock()
_REFUSED = 400
_ENDED = (401, 403)
_UNKNOWN = 404


class _Opened(NamedTuple):
    """The library's sessions; they share the access token and the sockets."""

    orders: OrdersSession
    confirmations: ConfirmationSession
    tokens: AccessTokens


class AmazonClient:
    """A session with one seller account; see `protocol.Client` for the contract.

    Attributes:
        degraded: Data sets that Amazon refused to send and the orders since then lack; empty when all is well.
    """

    def __init__(self, context: ConnectionContext, take: Quota, max_pages: int, clock: Clock = utc_now) -> None:
        self._context = context
        self._settings = read_settings(AmazonSettings, context.settings)
        self._take = take
        self._max_pages = max_pages
        self._clock = clock
        self._http: httpx.Client | None = None
        self._opened: _Opened | None = None
        self._server_time: datetime | None = None
        self._data_sets = _data_sets(self._settings.data_sets)
        self._fallback = 0

    @property
    def degraded(self) -> Sequence[str]:
        """Data sets that were wanted and are no longer asked for, but for those that the account's role may not see."""
        asked = {*self._data_sets[self._fallback], *ROLE_DATA}
        return tuple(word for word in self._settings.data_sets if word not in asked)

    def pull(self, window: Window) -> Iterator[Page]:
        """Every order updated in the window; one `searchOrders` call per page of up to 100 orders."""
        parameters = {
            "lastUpdatedAfter": iso(window.since),
            "lastUpdatedBefore": iso(window.until),
            "marketplaceIds": self._marketplace_ids(),
            "maxResultsPerPage": self._settings.page_size,
        }
        response = self._call_with_fallback(SEARCH, _searcher(parameters))
        seen_tokens: set[str] = set()
        ids_before: list[str] = []
        orders_before = 0
        for _ in range(self._max_pages):
            listing = read_listing(self._good(response, SEARCH), orders_before + 1)
            ids = [order.original_id for order in listing.orders]
            if ids and ids == ids_before:
                raise Transient("repeated_page", f"searchOrders sent the same {len(ids)} orders twice in a row")
            yield Page(listing.orders, self._server_time)
            if listing.next_token is None:
                return
            if listing.next_token in seen_tokens:
                raise Transient("repeated_page", "searchOrders sent the same page token twice")
            seen_tokens.add(listing.next_token)
            ids_before, orders_before = ids, orders_before + len(ids)
            if len(seen_tokens) < self._max_pages:
                following = _searcher({**parameters, "paginationToken": listing.next_token})
                response = self._call(SEARCH, following, self._data_sets[self._fallback])
        raise Transient("truncated", f"the listing is longer than {self._max_pages} pages", "pull shorter windows")

    def fetch(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders, one `getOrder` call each."""
        return self._single(original_ids, lambda original_id: self._call_with_fallback(GET, _getter(original_id)))

    def read_back(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders with their packages: without these it fails, where `fetch` would ask for less."""
        wanted = (*self._settings.data_sets, *_READ_BACK_DATA)
        data = tuple(dict.fromkeys(word for word in wanted if word not in ROLE_DATA))
        return self._single(original_ids, lambda original_id: self._call(GET, _getter(original_id), data))

    def confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        """Tell of packages, one `confirmShipment` call each."""
        return in_turn([Turn(CONFIRM, [parcel], self._confirm) for parcel in parcels])

    def requirements(self) -> Requirements:
        """The same for every connection: Amazon has no call that tells it."""
        return REQUIREMENTS

    def accept(self, original_id: str, decisions: Mapping[str, bool]) -> None:  # noqa: ARG002 - the contract's names
        """Refused: Amazon's orders need no acceptance."""
        raise Refused("acceptance_not_offered", "Amazon's orders are not accepted or refused by the seller")

    def cancel(self, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:  # noqa: ARG002 - as above
        """Refused: Amazon's Orders API has no call by which a seller cancels."""
        raise Refused(
            "cancellation_not_offered",
            "Amazon's Orders API has no call by which a seller cancels an order",
            "cancel the order in Seller Central; this ends when Amazon shows it as cancelled",
        )

    def decide_cancellation(self, original_id: str, requester: str, is_accepted: bool, reason: str | None) -> None:  # noqa: ARG002, FBT001 - the contract's names
        """Refused: Amazon is told nothing of a decision."""
        raise Refused("cancellation_not_offered", "Amazon takes no answer to a request to cancel")

    def test(self) -> Sequence[Finding]:
        """Set-up first, then the credential, then one page of the seller's orders that should carry personal data."""
        context = self._context
        findings = [region_finding(context.region, context.endpoint)]
        findings += marketplace_findings(context.selectors, context.region)
        try:
            with reading("Login with Amazon"):
                self._open().tokens.get_auth()
        except MarketplaceError as error:
            return [*findings, credential_finding(error)]
        findings.append(credential_finding(None))
        if not context.selectors:
            return findings
        try:
            listing = self._probe()
        except MarketplaceError as error:
            return [*findings, refusal_finding(error), clock_finding(self._server_time, self._clock())]
        findings.append(Finding("endpoint", is_ok=True, message="answers as documented"))
        findings.append(role_finding(listing.orders, self.degraded))
        return [*findings, clock_finding(self._server_time, self._clock())]

    def server_time(self) -> datetime | None:
        """Amazon's clock as of the last answer."""
        return self._server_time

    def close(self) -> None:
        """Let go of sockets."""
        if self._http is not None:
            self._http.close()

    def _single(self, original_ids: Sequence[str], ask: Callable[[str], httpx.Response]) -> Iterator[Page]:
        for place, original_id in enumerate(original_ids, start=1):
            response = ask(original_id)
            if response.status_code != _UNKNOWN:
                yield Page([read_single(self._good(response, GET), place)], self._server_time)

    def _probe(self) -> Listing:
        parameters = {
            # No lastUpdatedBefore: with a wrong clock here it would lie in Amazon's future, and the page be refused.
            "lastUpdatedAfter": iso(self._clock() - PROBE_REACH),
            "marketplaceIds": self._marketplace_ids(),
            "fulfilledBy": ["MERCHANT"],
            "fulfillmentStatuses": ["UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"],
            "maxResultsPerPage": PROBE_ORDERS,
        }
        return read_listing(self._good(self._call_with_fallback(SEARCH, _searcher(parameters)), SEARCH), 1)

    def _call_with_fallback(self, operation: str, send: _Send) -> httpx.Response:
        """Call with all data sets wanted; when Amazon refuses the request, with fewer: one data set can fail by itself.

        What was learnt holds for the calls that follow, unless all sets are refused: then it was something else.
        """
        first = self._fallback
        for fallback in range(first, len(self._data_sets)):
            response = self._call(operation, send, self._data_sets[fallback])
            if response.status_code != _REFUSED:
                self._fallback = fallback
                break
        return response

    def _call(self, operation: str, send: _Send, data: Sequence[str]) -> httpx.Response:
        return self._authorised(lambda: self._ask(operation, send, data))

    def _authorised(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """One call; a token that ended early is fetched anew, and the call made once more."""
        tokens = self._open().tokens
        was_warm = tokens.is_warm
        response = send()
        if response.status_code in _ENDED and was_warm:
            tokens.forget()
            response = send()
        self._server_time = http_date(response.headers.get("date")) or self._server_time
        return response

    def _ask(self, operation: str, send: _Send, data: Sequence[str]) -> httpx.Response:
        self._take(operation)
        with reading(operation):
            return send(self._open().orders, data)

    def _confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        (parcel,) = parcels
        refusal = missing(parcel)
        if refusal is not None:
            return [refusal]
        request = body(parcel)
        response = self._authorised(lambda: self._tell(parcel.original_id, request))
        return [judged(parcel, response, RATES[CONFIRM].per_second)]

    def _tell(self, original_id: str, request: Mapping[str, Any]) -> httpx.Response:
        opened = self._open()
        # The token comes first and apart: a failure of Login with Amazon leaves no doubt about the package.
        with reading("Login with Amazon"):
            opened.tokens.get_auth()
        self._take(CONFIRM)
        try:
            response: httpx.Response = opened.confirmations.confirm_shipment(original_id, **request)
        except httpx.RequestError as error:
            raise judge_unanswered(error, CONFIRM) from error
        return response

    def _good(self, response: httpx.Response, operation: str) -> bytes:
        error = failure(response, operation, RATES[operation].per_second)
        if error is not None:
            raise error
        return response.content

    def _marketplace_ids(self) -> list[str]:
        ids = list(dict.fromkeys(self._context.selectors))
        if not 0 < len(ids) <= MAX_MARKETPLACES:
            said = f"{len(ids)} marketplace ids; Amazon takes 1 to {MAX_MARKETPLACES}"
            raise Permanent("marketplace_ids", said, "check the channels of the connection")
        return ids

    def _open(self) -> _Opened:
        if self._opened is None:
            endpoint = self._endpoint()
            credentials = self._credentials()
            self._http = BoundedClient(self._settings)
            library = _library()
            tokens = library.AccessTokens(self._lwa_endpoint(), credentials, self._http, self._clock)
            self._opened = _Opened(
                library.OrdersSession(endpoint, tokens, self._http),
                library.ConfirmationSession(endpoint, tokens, self._http),
                tokens,
            )
        return self._opened

    def _endpoint(self) -> str:
        endpoint = self._context.endpoint or ENDPOINTS.get(self._context.region or "")
        if endpoint is None:
            raise Permanent(
                "region_unknown",
                "no endpoint: the connection has no region of Amazon's",
                f"use one of {', '.join(ENDPOINTS)}",
            )
        return tls.secure(endpoint)

    def _lwa_endpoint(self) -> str:
        return tls.secure(str(self._settings.lwa_endpoint or self._context.endpoint or LWA_ENDPOINT))

    def _credentials(self) -> dict[str, str]:
        found = {
            name: self._context.credentials.get(name, "").strip()
            for name in (each.name for each in CREDENTIALS if each.is_required)
        }
        missing = [name for name, value in found.items() if not value]
        if missing:
            raise Unauthorised("credential_missing", f"not set: {', '.join(missing)}", "set the connection's secrets")
        return found


def _searcher(parameters: Mapping[str, Any]) -> _Send:
    return lambda session, data: session.search_orders(**parameters, includedData=list(data))


def _getter(original_id: str) -> _Send:
    return lambda session, data: session.get_order(original_id, includedData=list(data))


def _data_sets(wanted: Sequence[str]) -> list[Sequence[str]]:
    """What to ask for, best first: all wanted, all but what needs a role, what an order needs, what its status needs."""
    fewer = [[word for word in wanted if word not in ROLE_DATA]]
    fewer += [[word for word in wanted if word in kept] for kept in (MINIMAL_DATA, LAST_RESORT_DATA)]
    steps: list[Sequence[str]] = [wanted]
    steps += [step for step in fewer if step and step != list(steps[-1])]
    return steps


def _library() -> Any:  # noqa: ANN401 - a module
    """The module around python-amazon-sp-api, which reads its environment at import and fails on values it dislikes."""
    with _IMPORTING:
        set_aside = {key: os.environ.pop(key) for key in _READ_AT_IMPORT if key in os.environ}
        try:
            return import_module(f"{__package__}.session")
        finally:
            os.environ.update(set_aside)

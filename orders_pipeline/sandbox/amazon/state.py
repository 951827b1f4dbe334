"""The state behind the Amazon stand-in: accounts, orders, page tokens, and what the operations do to them.

What lives here: authorisation, searching, reading and confirming. What does not: HTTP (``engine``, ``amazon``), made-up
orders (``orders``), the check of a confirmation's body (``confirmation``).

Where the public documentation is silent, the choice made here is said in the method's docstring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from orders_pipeline.sandbox.amazon import orders as amazon_orders
from orders_pipeline.sandbox.amazon import payloads
from orders_pipeline.sandbox.amazon.confirmation import Confirmation, InvalidConfirmationError, parse_confirmation
from orders_pipeline.sandbox.amazon.notifications import AWS_KEY, AWS_SECRET, PATH, REGION, ChangeQueue
from orders_pipeline.sandbox.amazon.orders import region_of
from orders_pipeline.sandbox.clock import Clock, iso_millis, parse_iso, to_millis, utc_now
from orders_pipeline.sandbox.engine import (
    Access,
    AdvanceRequest,
    AdvanceResult,
    Call,
    DemoShare,
    GenerateRequest,
    HeldLine,
    HeldOrder,
    HeldPackage,
    HintAccess,
    Operation,
    RefusalError,
    RefusedActionError,
    Sandbox,
    SandboxAnswer,
)
from orders_pipeline.sandbox.faults import FaultKind
from orders_pipeline.sandbox.generator import Times, chance, moments, without_collection
from orders_pipeline.sandbox.json_values import JsonObject, JsonValue
from orders_pipeline.sandbox.throttle import Plan

CLIENT_ID = "amzn1.application-oa2-client.sandbox"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - public by design
REFRESH_TOKEN = "Atzr|sandbox"  # noqa: S105 - public by design

SELLER = "A1SANDBOXSELLER"
"""Of the default account, in notifications."""

ACCESS_TOKEN_SECONDS = 3600
PAGE_TOKEN_HOURS = 24
VISIBILITY_LAG_SECONDS = 120
LOADED_AGE = timedelta(minutes=5)
MAX_MARKETPLACES = 50
MAX_PAGE = 100
JAPAN = "A1VC38T7YXB528"

SEARCH = "searchOrders"
GET = "getOrder"
CONFIRM = "confirmShipment"
QUEUE = "orderChanges"
TOKEN = "token"  # noqa: S105 - an operation's name

PLANS = {SEARCH: Plan(0.0056, 20), GET: Plan(0.5, 30), CONFIRM: Plan(2.0, 10)}

ORDER_PARTS = {
    "buyer": "BUYER",
    "recipient": "RECIPIENT",
    "proceeds": "PROCEEDS",
    "payment": "PAYMENT",
    "tax": "TAX",
    "fulfillment": "FULFILLMENT",
    "packages": "PACKAGES",
    "fulfillmentOrders": "FULFILLMENT_ORDERS",
}
ITEM_PARTS = {
    "proceeds": "PROCEEDS",
    "expense": "EXPENSE",
    "promotion": "PROMOTION",
    "cancellation": "CANCELLATION",
    "fulfillment": "FULFILLMENT",
    "tax": "TAX",
}
INCLUDED_DATA = frozenset({*ORDER_PARTS.values(), *ITEM_PARTS.values()})
STATUSES = frozenset(
    {
        "PENDING_AVAILABILITY",
        "PENDING",
        "UNSHIPPED",
        "PARTIALLY_SHIPPED",
        "SHIPPED",
        "CANCELLED",
        "UNFULFILLABLE",
    }
)
FULFILLERS = frozenset({"MERCHANT", "AMAZON"})
PENDING = frozenset({"PENDING", "PENDING_AVAILABILITY"})
SHIPPABLE = frozenset({"UNSHIPPED", "PARTIALLY_SHIPPED"})
WITH_PII = frozenset({"UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"})
_PII_PARTS = frozenset({"buyer", "recipient"})
_UNTIL_PAID = frozenset({"buyer", "recipient", "proceeds", "payment", "tax"})
_UNCHANGED_WITH_TOKEN = (
    "createdAfter",
    "createdBefore",
    "lastUpdatedAfter",
    "lastUpdatedBefore",
    "fulfillmentStatuses",
    "marketplaceIds",
    "fulfilledBy",
)


@dataclass
class AmazonAccount:
    """One seller account in one region, as one application sees it."""

    name: str
    refresh_token: str
    region: str
    marketplace_ids: tuple[str, ...]
    has_pii_role: bool = True
    is_revoked: bool = False
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET


DEFAULT_ACCOUNTS = (
    AmazonAccount(
        "default",
        REFRESH_TOKEN,
        "EU",
        ("A13V1IB3VIYZZH", "A1PA6795UKMFR9", "A1RKKUPIHCS9HS", "APJ6JRA9NG5V4", "A1F83G8C2ARO7P", "A2NODRKZP88ZB9"),
    ),
    AmazonAccount("north-america", "Atzr|sandbox-na", "NA", ("ATVPDKIKX0DER", "A2EUQ1WTGCTBG2")),
    AmazonAccount("far-east", "Atzr|sandbox-fe", "FE", ("A1VC38T7YXB528", "A39IBJ37TRP1C6")),
    AmazonAccount("no-pii", "Atzr|sandbox-no-pii", "EU", ("A13V1IB3VIYZZH", "A1PA6795UKMFR9"), has_pii_role=False),
)


@dataclass
class AmazonRecord:
    """One order as held: its complete JSON, and what the listings know about it."""

    order: JsonObject
    account: str
    marketplace_id: str | None
    created: datetime
    updated: datetime
    is_loaded: bool = False
    hidden_until: datetime | None = None

    @property
    def id(self) -> str:
        """The order's id."""
        return str(self.order["orderId"])

    @property
    def status(self) -> str:
        """The fulfilment status; empty when a loaded order has none."""
        return str(self.order.get("fulfillment", {}).get("fulfillmentStatus", ""))

    @property
    def fulfilled_by(self) -> str:
        """Who fulfils; empty when a loaded order does not say."""
        return str(self.order.get("fulfillment", {}).get("fulfilledBy", ""))


@dataclass(frozen=True)
class _AccessToken:
    account: str
    expires_at: datetime


@dataclass(frozen=True)
class _Window:
    is_by_update: bool
    after: datetime
    before: datetime


@dataclass(frozen=True)
class _Page:
    """Where a listing goes on: the ids found when it began, and the parameters it must be asked with again."""

    account: str
    parameters: Mapping[str, frozenset[str]]
    window: _Window
    ids: Sequence[str]
    offset: int
    issued_at: datetime


@dataclass
class _Tokens:
    access: dict[str, _AccessToken] = field(default_factory=dict)
    pages: dict[str, _Page] = field(default_factory=dict)
    issued: int = 0


class AmazonSandbox(Sandbox):
    """Accounts and orders of a stand-in of the SP-API."""

    kind = "amazon"
    title = "Amazon SP-API"
    port = 9100
    listing = SEARCH
    quantity_field = "orderItems.0.quantityOrdered"
    not_found, invalid = "NotFound", "InvalidInput"
    confirming = CONFIRM
    read = staticmethod(payloads.read)
    demo = DemoShare(
        "amazon_eu",
        "Amazon Europe (sandbox)",
        {
            "amazon_fr": ("Amazon FR", "A13V1IB3VIYZZH"),
            "amazon_de": ("Amazon DE", "A1PA6795UKMFR9"),
            "amazon_es": ("Amazon ES", "A1RKKUPIHCS9HS"),
            "amazon_it": ("Amazon IT", "APJ6JRA9NG5V4"),
            "amazon_uk": ("Amazon UK", "A1F83G8C2ARO7P"),
        },
    )
    operations = (
        Operation(TOKEN, "POST", "/auth/o2/token"),
        Operation(SEARCH, "GET", "/orders/2026-01-01/orders"),
        Operation(GET, "GET", "/orders/2026-01-01/orders/{orderId}"),
        Operation(CONFIRM, "POST", "/orders/v0/orders/{orderId}/shipmentConfirmation"),
        Operation(QUEUE, "POST", "/"),
    )
    actions = ("pay", "ship", "deliver", "cancel", "request_cancellation", "touch")

    def __init__(
        self,
        seed: int = 1,
        rate_factor: float = 1.0,
        clock: Clock = utc_now,
        lag_seconds: float = VISIBILITY_LAG_SECONDS,
    ) -> None:
        """Start with the default accounts and no orders."""
        super().__init__(seed, rate_factor, clock)
        self.lag_seconds = lag_seconds
        self.accounts: dict[str, AmazonAccount] = {}
        self.records: dict[str, AmazonRecord] = {}
        self._tokens = _Tokens()
        self._numbers = 0
        self.changes: ChangeQueue | None = None
        for account in DEFAULT_ACCOUNTS:
            self.add_account(AmazonAccount(**asdict(account)))

    # --- accounts -----------------------------------------------------------------------------------------------

    def add_account(self, account: AmazonAccount) -> None:
        """Add a seller account, or replace the one of the same name."""
        self.accounts[account.name] = account

    def accounts_json(self) -> list[dict[str, Any]]:
        """Return the accounts, with their (public) credentials."""
        return [asdict(account) for account in self.accounts.values()]

    def add_account_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Add an account: name, refresh_token, region and marketplace_ids are due."""
        try:
            account = AmazonAccount(**{**values, "marketplace_ids": tuple(values.get("marketplace_ids", ()))})
        except TypeError as error:
            raise ValueError(str(error)) from error
        self.add_account(account)
        return asdict(account)

    def configure(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change ``lag_seconds``."""
        unknown = set(values) - {"lag_seconds"}
        if unknown:
            msg = f"unknown settings: {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        self.lag_seconds = float(values.get("lag_seconds", self.lag_seconds))
        return {"lag_seconds": self.lag_seconds}

    def revoke(self, account: str) -> None:
        """Withdraw the seller's authorisation: no new access token, and the present ones end."""
        self.accounts[account].is_revoked = True
        self.expire(account)

    def expire(self, account: str) -> None:
        """Let the account's access tokens expire now."""
        for token, held in self._tokens.access.items():
            if held.account == account:
                self._tokens.access[token] = _AccessToken(account, self.now)

    def restore(self) -> None:
        """Authorise every account again."""
        for account in self.accounts.values():
            account.is_revoked = False

    def account_of(self, call: Call) -> str | None:
        """Return the account of the access token, or of the refresh token at the token endpoint."""
        if call.operation.name == TOKEN:
            given = _form(call).get("refresh_token", "")
            return next((name for name, account in self.accounts.items() if account.refresh_token == given), None)
        held = self._tokens.access.get(call.headers.get("x-amz-access-token", ""))
        return held.account if held else None

    # --- answering ----------------------------------------------------------------------------------------------

    def handle(self, call: Call) -> SandboxAnswer:
        """Work a call off."""
        handlers: dict[str, Callable[[Call, AmazonAccount], SandboxAnswer]] = {
            SEARCH: self._search,
            GET: self._get,
            CONFIRM: self._confirm,
        }
        name = call.operation.name
        if name == TOKEN:
            return self._token(call)
        if name == QUEUE:
            return self._queue(call)
        rate = {"x-amzn-RateLimit-Limit": f"{self.throttle.shown_rate(PLANS[name]):g}"}
        try:
            account = self._authorised(call)
            self.spend(account.name, name, PLANS[name])
            answer = handlers[name](call, account)
        except RefusalError as refusal:
            answer = refusal.answer
        # The models list the rate header for 200, 204, 400 and 404 only.
        shown = rate if answer.status in (200, 204, 400, 404) else {}
        answer.headers = {"x-amzn-RequestId": call.request_id, **shown, **answer.headers}
        return answer

    def error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> SandboxAnswer:
        """Return an error list."""
        body = {"errors": [{"code": code, "message": message, "details": ""}]}
        return SandboxAnswer(status, body, dict(headers or {}), code=code)

    def throttled(self, retry_after: float) -> SandboxAnswer:  # noqa: ARG002 - Amazon documents no Retry-After
        """Return the answer to a call beyond the usage plan."""
        return self.error(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")

    def _token(self, call: Call) -> SandboxAnswer:
        form = _form(call)
        for name in ("grant_type", "client_id", "client_secret"):
            if not form.get(name):
                return _oauth_error(400, "invalid_request", f"The request is missing the parameter {name}.")
        if form["grant_type"] != "refresh_token":
            return _oauth_error(400, "unsupported_grant_type", "This grant type is not offered here.")
        account = self.accounts.get(self.account_of(call) or "")
        known = account or next(iter(self.accounts.values()))
        if (form["client_id"], form["client_secret"]) != (known.client_id, known.client_secret):
            return _oauth_error(401, "invalid_client", "Client authentication failed.")
        if account is None or account.is_revoked:
            return _oauth_error(400, "invalid_grant", "The request has an invalid grant parameter: refresh_token.")
        body = {
            "access_token": self._new_access_token(account),
            "refresh_token": account.refresh_token,
            "token_type": "bearer",
            "expires_in": ACCESS_TOKEN_SECONDS,
        }
        return SandboxAnswer(200, body)

    def _new_access_token(self, account: AmazonAccount) -> str:
        token = f"Atza|{self._secret('access')}"
        self._tokens.access[token] = _AccessToken(account.name, self.now + timedelta(seconds=ACCESS_TOKEN_SECONDS))
        return token

    def _secret(self, purpose: str) -> str:
        self._tokens.issued += 1
        return hashlib.sha256(f"{self.seed}:{purpose}:{self._tokens.issued}".encode()).hexdigest()

    def _authorised(self, call: Call) -> AmazonAccount:
        given = call.headers.get("x-amz-access-token")
        if not given:
            self.refuse(403, "MissingAuthenticationToken", "The request has no access token.")
        held = self._tokens.access.get(given)
        if held is None:
            self.refuse(403, "Unauthorized", "Access to requested resource is denied.")
        if held.expires_at <= self.now:
            self.refuse(403, "Unauthorized", "The access token you provided has expired.")
        return self.accounts[held.account]

    # --- notifications ------------------------------------------------------------------------------------------

    def telling(self, address: str) -> HintAccess:
        """Begin to put ORDER_CHANGE notifications into a queue."""
        self.changes = self.changes or ChangeQueue(self.clock)
        settings = {
            "notifications_queue": f"{address}{PATH}",
            "notifications_region": REGION,
            "notifications_seller_id": SELLER,
        }
        return HintAccess(settings, {"aws_access_key_id": AWS_KEY, "aws_secret_access_key": AWS_SECRET})

    def put_hint(self, body: str) -> None:
        """Put a message into the queue."""
        assert self.changes is not None
        self.changes.put(body)

    def _tell(self, record: AmazonRecord) -> None:
        if self.changes is not None and record.account == "default":
            self.changes.tell(SELLER, record.order)

    def _queue(self, call: Call) -> SandboxAnswer:
        if self.changes is None:
            self.refuse(404, self.not_found, "There is no such operation.")
        return self.changes.handle(call)

    # --- searchOrders -------------------------------------------------------------------------------------------

    def _search(self, call: Call, account: AmazonAccount) -> SandboxAnswer:
        size = self._page_size(call)
        included = self._included(call)
        parameters = {name: _values(call, name) for name in _UNCHANGED_WITH_TOKEN}
        token = call.parameter("paginationToken")
        page = (
            self._first_page(call, account, parameters)
            if token is None
            else self._next_page(account, parameters, token)
        )
        ids = self.without_missing(list(page.ids[page.offset : page.offset + size]), call)
        found = (self.records[order_id] for order_id in ids if order_id in self.records)
        # An order that moved on while the caller was paging is no longer in the window; the next window has it.
        shown = [record for record in found if record.updated <= page.window.before or not page.window.is_by_update]
        orders = [render(record, included, account) for record in shown]
        body: dict[str, Any] = {"orders": self.with_malformed(orders, call, "orderId")}
        following = self._following(page, size, call)
        if following is not None:
            body["pagination"] = {"nextToken": following}
        body["lastUpdatedBefore" if page.window.is_by_update else "createdBefore"] = iso_millis(page.window.before)
        return SandboxAnswer(200, body, orders=[record.id for record in shown])

    def _following(self, page: _Page, size: int, call: Call) -> str | None:
        offset = page.offset + size
        if call.faults.get(FaultKind.REPEATED_PAGE):
            offset = page.offset
        elif offset >= len(page.ids):
            return None
        token = self._secret("page")
        self._tokens.pages[token] = _Page(**{**page.__dict__, "offset": offset, "issued_at": self.now})
        return token

    def _next_page(self, account: AmazonAccount, parameters: Mapping[str, frozenset[str]], token: str) -> _Page:
        page = self._tokens.pages.get(token)
        if page is None or page.account != account.name:
            self.refuse(400, "InvalidInput", "The paginationToken is not valid.")
        if self.now - page.issued_at > timedelta(hours=PAGE_TOKEN_HOURS):
            self.refuse(400, "InvalidInput", "The paginationToken has expired.")
        changed = [name for name in _UNCHANGED_WITH_TOKEN if parameters[name] != page.parameters[name]]
        if changed:
            self.refuse(400, "InvalidInput", f"With a paginationToken {changed[0]} must be repeated unchanged.")
        return page

    def _first_page(self, call: Call, account: AmazonAccount, parameters: Mapping[str, frozenset[str]]) -> _Page:
        window = self._window(call)
        marketplaces = self._marketplaces(account, parameters["marketplaceIds"])
        statuses = self._allowed("fulfillmentStatuses", parameters["fulfillmentStatuses"], STATUSES)
        fulfillers = self._allowed("fulfilledBy", parameters["fulfilledBy"], FULFILLERS)
        found = [
            record
            for record in self.records.values()
            if record.account == account.name
            and self._is_in(window, record)
            and (not marketplaces or record.marketplace_id is None or record.marketplace_id in marketplaces)
            and (not statuses or record.status in statuses)
            and (not fulfillers or record.fulfilled_by in fulfillers)
        ]
        found.sort(key=(lambda r: (r.updated, r.id)) if window.is_by_update else (lambda r: (r.created, r.id)))
        return _Page(account.name, parameters, window, [record.id for record in found], 0, self.now)

    def _is_in(self, window: _Window, record: AmazonRecord) -> bool:
        moment = record.updated if window.is_by_update else record.created
        is_hidden = record.hidden_until is not None and record.hidden_until > self.now
        return window.after <= moment <= window.before and not is_hidden

    def _window(self, call: Call) -> _Window:
        after = [name for name in ("createdAfter", "lastUpdatedAfter") if call.parameter(name) is not None]
        if len(after) != 1:
            self.refuse(400, "InvalidInput", "Exactly one of createdAfter and lastUpdatedAfter must be given.")
        is_by_update = after[0] == "lastUpdatedAfter"
        before_name, other = (
            ("lastUpdatedBefore", "createdBefore") if is_by_update else ("createdBefore", "lastUpdatedBefore")
        )
        if call.parameter(other) is not None:
            self.refuse(400, "InvalidInput", f"{other} cannot be combined with {after[0]}.")
        latest = self.now - timedelta(seconds=self.lag_seconds)
        start = self._moment(call, after[0])
        end = latest if call.parameter(before_name) is None else self._moment(call, before_name)
        if end > latest:
            self.refuse(400, "InvalidInput", f"{before_name} must be at least 2 minutes before the present time.")
        if call.parameter(before_name) is not None and end < start:
            self.refuse(400, "InvalidInput", f"{before_name} must not be before {after[0]}.")
        return _Window(is_by_update, start, end)

    def _moment(self, call: Call, name: str) -> datetime:
        moment = parse_iso(call.parameter(name) or "")
        if moment is None:
            self.refuse(400, "InvalidInput", f"{name} must be an ISO 8601 date-time.")
        return moment

    def _page_size(self, call: Call) -> int:
        text = call.parameter("maxResultsPerPage")
        if text is None:
            return MAX_PAGE
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_PAGE:
            self.refuse(400, "InvalidInput", f"maxResultsPerPage must be a whole number from 1 to {MAX_PAGE}.")
        return int(text)

    def _included(self, call: Call) -> frozenset[str]:
        return self._allowed("includedData", _values(call, "includedData"), INCLUDED_DATA)

    def _allowed(self, name: str, values: frozenset[str], allowed: frozenset[str]) -> frozenset[str]:
        unknown = sorted(values - allowed)
        if unknown:
            self.refuse(400, "InvalidInput", f"{name} has a value that is not known: {unknown[0]}.")
        return values

    def _marketplaces(self, account: AmazonAccount, ids: frozenset[str]) -> frozenset[str]:
        """Check the marketplaces; without any, every marketplace of the account is searched (as the model has it)."""
        if len(ids) > MAX_MARKETPLACES:
            self.refuse(400, "InvalidInput", f"marketplaceIds may hold at most {MAX_MARKETPLACES} values.")
        for marketplace_id in sorted(ids - set(account.marketplace_ids)):
            region = region_of(marketplace_id)
            if region is None:
                self.refuse(400, "InvalidInput", f"marketplaceIds has a value that is not known: {marketplace_id}.")
            if region != account.region:
                self.refuse(
                    403, "Unauthorized", f"The marketplaces you provided are not valid for region {account.region}."
                )
        return ids

    # --- getOrder -----------------------------------------------------------------------------------------------

    def _get(self, call: Call, account: AmazonAccount) -> SandboxAnswer:
        included = self._included(call)
        record = self._own(call.path_parameters["orderId"], account)
        order = self.with_malformed([render(record, included, account)], call, "orderId")[0]
        return SandboxAnswer(200, {"order": order}, orders=[record.id])

    def _own(self, order_id: str, account: AmazonAccount) -> AmazonRecord:
        record = self.records.get(order_id)
        if record is None or record.account != account.name:
            self.refuse(404, "NotFound", "The requested resource doesn't exist.")
        return record

    # --- confirmShipment ----------------------------------------------------------------------------------------

    def _confirm(self, call: Call, account: AmazonAccount) -> SandboxAnswer:
        try:
            confirmation = parse_confirmation(call.body)
        except InvalidConfirmationError as error:
            self.refuse(400, "InvalidInput", str(error))
        record = self._own(call.path_parameters["orderId"], account)
        self._check_confirmable(record, confirmation)
        effect = self._apply(record, confirmation)
        return SandboxAnswer(204, orders=[record.id], effect=effect)

    def _check_confirmable(self, record: AmazonRecord, confirmation: Confirmation) -> None:
        is_known_package = self._package(record, confirmation.package_reference_id) is not None
        problem = None
        if record.marketplace_id not in (None, confirmation.marketplace_id):
            problem = "MarketplaceId: is not the marketplace of the order."
        elif confirmation.cod_collection_method and confirmation.marketplace_id != JAPAN:
            problem = "codCollectionMethod: is only supported in the JP marketplace."
        elif record.fulfilled_by == "AMAZON":
            problem = "The order is not fulfilled by the merchant."
        elif "FBM_SHIP_PLUS" in record.order.get("programs", ()):
            problem = "Shipments of FBM Ship+ orders are confirmed by the carrier's label, not by this operation."
        elif record.status == "CANCELLED":
            problem = "NonexistentOrderItem: Failed to find order item list by order ID."
        elif record.status == "SHIPPED" and not is_known_package:
            problem = "PackageToUpdateNotFound: the order is already fulfilled and has no such package."
        elif record.status not in SHIPPABLE | {"SHIPPED"}:
            problem = f"The order cannot be shipped while it is {record.status}."
        if problem:
            self.refuse(400, "InvalidInput", problem)

    def _apply(self, record: AmazonRecord, confirmation: Confirmation) -> dict[str, Any]:
        """Write the package; the same reference again edits it, as Amazon does."""
        items = {item["orderItemId"]: item for item in record.order["orderItems"]}
        known = self._package(record, confirmation.package_reference_id)
        before = _quantities(known) if known else {}
        self._check_quantities(items, confirmation, before)
        for item_id, quantity in before.items():
            amazon_orders.move_quantity(items[item_id], -quantity)
        for item_id, quantity in confirmation.quantities.items():
            amazon_orders.move_quantity(items[item_id], quantity)
        package = known if known is not None else {}
        package.update(confirmation.as_package(iso_millis(self.now)))
        if known is None:
            record.order.setdefault("packages", []).append(package)
        fulfillment = record.order.setdefault("fulfillment", {})
        fulfillment["fulfillmentStatus"] = (
            "PARTIALLY_SHIPPED" if amazon_orders.open_quantities(record.order) else "SHIPPED"
        )
        self._touch(record)
        return {
            "order_id": record.id,
            "package_reference_id": confirmation.package_reference_id,
            "carrier": package["carrier"],
            "tracking_number": confirmation.tracking_number,
            "quantities": dict(confirmation.quantities),
            "is_edit": known is not None,
            "order_status": record.status,
        }

    def _check_quantities(
        self, items: Mapping[str, JsonObject], confirmation: Confirmation, before: Mapping[str, int]
    ) -> None:
        for item_id, quantity in confirmation.quantities.items():
            item = items.get(item_id)
            if item is None:
                self.refuse(400, "InvalidInput", f"OrderItemId is invalid: {item_id}.")
            is_cancelled = "cancellationExecution" in item.get("cancellation", {})
            if is_cancelled and item_id not in before:
                self.refuse(400, "InvalidInput", f"NonexistentOrderItem: {item_id} was cancelled.")
            left = item.get("fulfillment", {}).get("quantityUnfulfilled", item["quantityOrdered"])
            if quantity > left + before.get(item_id, 0):
                self.refuse(400, "InvalidInput", f"Quantity: {quantity} is more than can be shipped of {item_id}.")

    @staticmethod
    def _package(record: AmazonRecord, reference: str) -> JsonObject | None:
        return next(
            (each for each in record.order.get("packages") or () if each.get("packageReferenceId") == reference), None
        )

    # --- the control endpoint's side -----------------------------------------------------------------------------

    @without_collection()
    def generate(self, request: GenerateRequest) -> list[str]:
        """Make orders up for an account; ``channel`` is one marketplace id, else they go round the account's own."""
        account = self.accounts.get(request.account or "default")
        if account is None:
            msg = f"no such account: {request.account}"
            raise ValueError(msg)
        ids = [request.channel] if request.channel else list(account.marketplace_ids)
        sites = [amazon_orders.MARKETPLACES[each] for each in ids if each in amazon_orders.MARKETPLACES]
        if not sites:
            msg = f"no orders can be made up for the marketplaces {ids}"
            raise ValueError(msg)
        seed = self.seed if request.seed is None else request.seed
        rng = Random(f"amazon:{account.name}:{seed}:{self._numbers}")
        newest = self.now - timedelta(seconds=request.newest_seconds)
        made: list[str] = []
        for updated in moments(rng, request.orders, newest, request.days):
            left = request.orders - len(made)
            if not left:
                break
            times = Times(to_millis(updated - timedelta(seconds=rng.random() * 36 * 3600)), updated)
            site = rng.choice(sites)
            for order in self._make(rng, site, times, is_mixed=chance(rng, request.mixed_share) and left > 1):
                self._hold(AmazonRecord(order, account.name, site.id, times.created, times.updated))
                made.append(order["orderId"])
        return made

    def _make(
        self, rng: Random, site: amazon_orders.AmazonMarketplace, times: Times, *, is_mixed: bool
    ) -> list[JsonObject]:
        self._numbers += 1
        if not is_mixed:
            return [amazon_orders.make_order(rng, self.catalogue, site, times, self._numbers)]
        self._numbers += 1
        return amazon_orders.make_mixed_pair(rng, self.catalogue, site, times, (self._numbers - 1, self._numbers))

    def _hold(self, record: AmazonRecord) -> None:
        self.records[record.id] = record
        self._tell(record)

    def advance(self, request: AdvanceRequest) -> AdvanceResult:
        """Move orders on: see ``actions``."""
        if request.action not in self.actions:
            msg = f"unknown action {request.action}; known: {', '.join(self.actions)}"
            raise ValueError(msg)
        advanced: list[str] = []
        refused: dict[str, str] = {}
        for order_id in request.order_ids or tuple(self.records):
            if request.count is not None and len(advanced) >= request.count:
                break
            record = self.records.get(order_id)
            try:
                self._advance_one(record, request)
            except RefusedActionError as error:
                refused[order_id] = str(error)
                continue
            advanced.append(order_id)
        return AdvanceResult(advanced, refused if request.order_ids else {})

    def _advance_one(self, record: AmazonRecord | None, request: AdvanceRequest) -> None:
        if record is None:
            msg = "no such order"
            raise RefusedActionError(msg)
        steps: dict[str, Callable[[AmazonRecord, AdvanceRequest], None]] = {
            "pay": self._step_pay,
            "ship": self._step_ship,
            "deliver": self._step_deliver,
            "cancel": self._step_cancel,
            "request_cancellation": self._step_request_cancellation,
            "touch": lambda _record, _request: None,
        }
        steps[request.action](record, request)
        self._touch(record, timedelta(seconds=request.backdate_seconds))

    def _touch(self, record: AmazonRecord, age: timedelta = timedelta()) -> None:
        record.updated = to_millis(self.now - age)
        record.order["lastUpdatedTime"] = iso_millis(record.updated)
        self._tell(record)

    @staticmethod
    def _step_pay(record: AmazonRecord, _request: AdvanceRequest) -> None:
        _require(record, PENDING)
        record.order["fulfillment"]["fulfillmentStatus"] = "UNSHIPPED"

    def _step_ship(self, record: AmazonRecord, request: AdvanceRequest) -> None:
        _require(record, SHIPPABLE)
        left = amazon_orders.open_quantities(record.order)
        wanted = dict(request.quantities) or left
        if not wanted or any(quantity > left.get(item_id, 0) for item_id, quantity in wanted.items()):
            msg = f"only {left} can be shipped"
            raise RefusedActionError(msg)
        rng = Random(f"ship:{self.seed}:{record.id}:{len(record.order.get('packages') or ())}")
        amazon_orders.ship_items(record.order, wanted, self.now, rng)

    @staticmethod
    def _step_deliver(record: AmazonRecord, _request: AdvanceRequest) -> None:
        packages = record.order.get("packages")
        if not packages:
            msg = "the order has no packages"
            raise RefusedActionError(msg)
        for package in packages:
            package["packageStatus"] = {"status": "DELIVERED"}

    @staticmethod
    def _step_cancel(record: AmazonRecord, request: AdvanceRequest) -> None:
        _require(record, PENDING | SHIPPABLE)
        chosen = set(request.quantities) or {item["orderItemId"] for item in record.order["orderItems"]}
        left = amazon_orders.open_quantities(record.order)
        for item in record.order["orderItems"]:
            if item["orderItemId"] in chosen & set(left):
                amazon_orders.cancel_item(item, request.by, request.reason or "BUYER_CANCELED")
        if not amazon_orders.open_quantities(record.order):
            is_shipped = any(
                item.get("fulfillment", {}).get("quantityFulfilled") for item in record.order["orderItems"]
            )
            record.order["fulfillment"]["fulfillmentStatus"] = "SHIPPED" if is_shipped else "CANCELLED"

    @staticmethod
    def _step_request_cancellation(record: AmazonRecord, request: AdvanceRequest) -> None:
        _require(record, PENDING | SHIPPABLE)
        chosen = set(request.quantities) or {item["orderItemId"] for item in record.order["orderItems"]}
        for item in record.order["orderItems"]:
            if item["orderItemId"] in chosen:
                amazon_orders.request_cancellation(item, request.reason or "Ordered by mistake")

    def load(self, payload: JsonValue, name: str, account: str | None = None) -> dict[str, Any]:
        """Take genuine orders in; their JSON stays as it is, and the next pull sees them as just updated."""
        orders = payloads.read(payload, name).orders
        owner = self.accounts[account or "default"]
        listed_as_updated = self.now - LOADED_AGE
        for order in orders:
            marketplace_id = order["salesChannel"].get("marketplaceId")
            created = parse_iso(order["createdTime"]) or listed_as_updated
            self._hold(AmazonRecord(order, owner.name, marketplace_id, created, listed_as_updated, is_loaded=True))
            if marketplace_id and marketplace_id not in owner.marketplace_ids:
                owner.marketplace_ids = (*owner.marketplace_ids, marketplace_id)
        return {"orders": len(orders), "shipments": 0, "ids": [order["orderId"] for order in orders]}

    def hide(self, order_ids: Sequence[str], until: datetime) -> list[str]:
        """Keep orders (the newest when none is named) out of every listing until a moment."""
        newest = max(self.records.values(), key=lambda record: record.updated, default=None)
        chosen = order_ids or ([newest.id] if newest else [])
        for order_id in chosen:
            self.records[order_id].hidden_until = until
        return list(chosen)

    def order_ids(self) -> list[str]:
        """Return the ids of every order held."""
        return list(self.records)

    def held(self, order_ids: Sequence[str] = ()) -> list[HeldOrder]:
        """Return orders in the words that every marketplace shares; all when none is named."""
        return [self._held(self.records[order_id]) for order_id in order_ids or self.records]

    def _held(self, record: AmazonRecord) -> HeldOrder:
        packages = record.order.get("packages") or ()
        return HeldOrder(
            id=record.id,
            account=record.account,
            selector=record.marketplace_id,
            updated=record.updated,
            is_hidden=record.hidden_until is not None and record.hidden_until > self.now,
            is_open_to_us=record.status in SHIPPABLE
            and record.fulfilled_by == "MERCHANT"
            and "FBM_SHIP_PLUS" not in record.order.get("programs", ()),
            lines=[_held_line(item, record.status) for item in record.order["orderItems"]],
            packages=[
                HeldPackage(str(each["packageReferenceId"]), each.get("trackingNumber"), _quantities(each))
                for each in packages
            ],
        )

    def accesses(self) -> list[Access]:
        """Return how an installation is connected to each account, the default one first."""
        return [
            Access(
                each.name,
                each.region.lower(),
                {name: getattr(each, name) for name in ("client_id", "client_secret", "refresh_token")},
                each.marketplace_ids,
            )
            for each in self.accounts.values()
        ]

    def truth(self) -> list[dict[str, Any]]:
        """Return every order held, hidden or not, complete."""
        return [
            {
                "id": record.id,
                "account": record.account,
                "channel": record.marketplace_id,
                "status": record.status,
                "fulfilled_by": record.fulfilled_by,
                "created_at": iso_millis(record.created),
                "listed_as_updated_at": iso_millis(record.updated),
                "is_loaded": record.is_loaded,
                "order": record.order,
            }
            for record in self.records.values()
        ]


def render(record: AmazonRecord, included: Iterable[str], account: AmazonAccount) -> JsonObject:
    """Return what this account may see of an order with these data sets."""
    parts = set(included)
    hidden = {name for name, part in ORDER_PARTS.items() if part not in parts}
    hidden_in_items = {name for name, part in ITEM_PARTS.items() if part not in parts}
    is_priceless = not record.is_loaded and record.status in PENDING
    if not account.has_pii_role or (not record.is_loaded and record.status not in WITH_PII):
        hidden |= _PII_PARTS
    if is_priceless:
        hidden |= _UNTIL_PAID
        hidden_in_items |= {"proceeds", "promotion", "tax"}
    order = {name: value for name, value in record.order.items() if name not in hidden}
    order["orderItems"] = [
        {
            name: _priceless(value) if is_priceless and name == "product" else value
            for name, value in item.items()
            if name not in hidden_in_items
        }
        for item in record.order["orderItems"]
    ]
    return order


def _priceless(product: JsonObject) -> JsonObject:
    return {name: value for name, value in product.items() if name != "price"}


def _held_line(item: JsonObject, status: str) -> HeldLine:
    """A line's units; what is neither shipped nor open any more was cancelled."""
    ordered = item["quantityOrdered"]
    fulfillment = item.get("fulfillment", {})
    shipped = fulfillment.get("quantityFulfilled", 0)
    left = 0 if status == "CANCELLED" else fulfillment.get("quantityUnfulfilled", ordered - shipped)
    return HeldLine(item["orderItemId"], ordered, shipped, ordered - shipped - left)


def _quantities(package: JsonObject) -> dict[str, int]:
    return {each["orderItemId"]: each["quantity"] for each in package.get("packageItems") or ()}


def _require(record: AmazonRecord, statuses: Iterable[str]) -> None:
    if record.status not in set(statuses):
        msg = f"the order is {record.status or 'without a status'}"
        raise RefusedActionError(msg)


def _form(call: Call) -> dict[str, str]:
    return dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))


def _values(call: Call, name: str) -> frozenset[str]:
    """Return the values of a comma-separated parameter; a repeated one counts too, as gateways tend to accept it."""
    return frozenset(value for text in call.parameters(name) for value in text.split(",") if value)


def _oauth_error(status: int, code: str, description: str) -> SandboxAnswer:
    return SandboxAnswer(status, {"error": code, "error_description": description}, code=code)

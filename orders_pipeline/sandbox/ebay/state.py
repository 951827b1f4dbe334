"""The state behind the eBay stand-in: sellers, their consent, orders, and what the operations do to them.

What lives here: authorisation, listings, packages, cancellations. What does not: HTTP (``engine``) and made-up orders
(``orders``). Where the public description is silent, the choice made here is said in the method's docstring.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from orders_pipeline.sandbox.clock import Clock, iso_millis, parse_iso, utc_now
from orders_pipeline.sandbox.ebay import notices, payloads
from orders_pipeline.sandbox.ebay import orders as ebay_orders
from orders_pipeline.sandbox.ebay.orders import EbayDraft
from orders_pipeline.sandbox.engine import (
    Access,
    AdvanceRequest,
    Call,
    DemoShare,
    GenerateRequest,
    HeldLine,
    HeldOrder,
    HeldPackage,
    Operation,
    RefusedActionError,
    SandboxAnswer,
)
from orders_pipeline.sandbox.faults import FaultKind
from orders_pipeline.sandbox.generator import moments, without_collection
from orders_pipeline.sandbox.json_values import JsonObject
from orders_pipeline.sandbox.sellers import (
    KeyedSeller,
    SandboxToken,
    SellerSandbox,
    SellersOrder,
    basic_keys,
)
from orders_pipeline.sandbox.throttle import Plan

CLIENT_ID, CLIENT_SECRET = "ebay-sandbox-client", "ebay-sandbox-secret"
REFRESH_TOKEN = "ebay-sandbox-consent"  # noqa: S105 - public
CONSENT_CODE = "ebay-sandbox-code"
SELL_PLAN = Plan(100_000 / 86_400, 5_000)
POST_ORDER_PLAN = Plan(5_000 / 86_400, 500)
DEFAULT_PAGE, MAX_PAGE = 50, 200
REACH = timedelta(days=90)
MOST_TRACKINGS = 50
UNTRACKED = "999"
REASONS = frozenset({"BUYER_ASKED_CANCEL", "OUT_OF_STOCK_OR_CANNOT_FULFILL", "ADDRESS_ISSUES"})

_SELL = "/sell/fulfillment/v1/order"
_POST_ORDER = "/post-order/v2/cancellation"


@dataclass
class EbaySeller(KeyedSeller):
    """A seller's keyset and consent."""

    refresh_token: str


@dataclass(frozen=True)
class EbayQuirks:
    """What eBay does in its own way, each to be switched.

    Attributes:
        token_seconds: How long an access token is good.
        consent_seconds: How long a consent is good from its making; told with it.
        lists_cancel_requests: Listings have requests to cancel, which genuine ones never do.
        cancels_at_once: A cancellation is carried out with its call, not later.
        needs_signature: Cancelling wants a signature, as of sellers in the EU and the UK.
        errors_within_success: A refused cancellation is answered with 200.
        has_scope: The consent covers orders.
        next_host: The host of the address of the next page; "" is the one that was called.
        is_post_order_gone: The Post-Order API is out of service.
        notice_address: Where it tells of deleted accounts; "" is nowhere.
    """

    token_seconds: int = 7200
    consent_seconds: int = 47_304_000
    lists_cancel_requests: bool = False
    cancels_at_once: bool = True
    needs_signature: bool = False
    errors_within_success: bool = True
    has_scope: bool = True
    next_host: str = ""
    is_post_order_gone: bool = False
    notice_address: str = ""


@dataclass
class EbayRecord(SellersOrder):
    """One order as held: its complete JSON, its packages, and what listings know about it."""

    packages: list[JsonObject] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The order's id."""
        return str(self.order["orderId"])

    @property
    def lines(self) -> list[JsonObject]:
        """Its lines."""
        return list(self.order["lineItems"])

    @property
    def cancel_state(self) -> str:
        """Where its cancellation stands."""
        return str((self.order.get("cancelStatus") or {}).get("cancelState", "NONE_REQUESTED"))

    @property
    def is_ebays(self) -> bool:
        """Whether eBay ships it."""
        start = (self.order.get("fulfillmentStartInstructions") or [{}])[0]
        return bool(start.get("fulfillmentInstructionsType") == "FULFILLED_BY_EBAY")

    def packed(self, line_id: str) -> int:
        """Units of a line in packages."""
        return sum(
            each["quantity"] for one in self.packages for each in one["lineItems"] if each["lineItemId"] == line_id
        )

    def shipped(self, line: Mapping[str, Any]) -> int:
        """Units of a line that left."""
        if line.get("lineItemFulfillmentStatus") == "FULFILLED":
            return int(line["quantity"])
        return min(int(line["quantity"]), self.packed(line["lineItemId"]))


class EbaySandbox(SellerSandbox[EbaySeller, EbayRecord, EbayQuirks, SandboxToken]):
    """Sellers and orders of a stand-in of eBay."""

    kind = "ebay"
    title = "eBay"
    port = 9500
    listing = "getOrders"
    quantity_field = "lineItems.0.quantity"
    confirming = "createShippingFulfillment"
    read = staticmethod(payloads.read)
    demo = DemoShare(
        "ebay",
        "eBay (sandbox)",
        {"ebay_de": ("eBay Germany", "EBAY_DE"), "ebay_us": ("eBay United States", "EBAY_US")},
    )
    order_id = "orderId"
    actions = ("pay", "ship", "refund", "cancel", "request_cancellation", "touch", "delete_account")
    operations = (
        Operation("token", "POST", "/identity/v1/oauth2/token"),
        Operation("getOrders", "GET", _SELL),
        Operation("getOrder", "GET", f"{_SELL}/{{order_id}}"),
        Operation("getShippingFulfillments", "GET", f"{_SELL}/{{order_id}}/shipping_fulfillment"),
        Operation("createShippingFulfillment", "POST", f"{_SELL}/{{order_id}}/shipping_fulfillment"),
        Operation("searchCancellations", "GET", f"{_POST_ORDER}/search"),
        Operation("createCancellation", "POST", _POST_ORDER),
        Operation("approveCancellation", "POST", f"{_POST_ORDER}/{{cancel_id}}/approve"),
        Operation("rejectCancellation", "POST", f"{_POST_ORDER}/{{cancel_id}}/reject"),
        Operation("getPublicKey", "GET", f"{notices.PUBLIC_KEY}/{{key_id}}"),
    )

    def __init__(self, seed: int = 1, rate_factor: float = 1.0, clock: Clock = utc_now) -> None:
        """Start with one seller and no orders."""
        super().__init__(
            EbaySeller("seller", CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN), EbayQuirks(), seed, rate_factor, clock
        )
        self.signing_key = notices.SigningKey(seed)

    # --- sellers ------------------------------------------------------------------------------------------------

    def accesses(self) -> list[Access]:
        """Return how an installation is connected to each seller."""
        names = ("client_id", "client_secret", "refresh_token")
        return [
            Access(each.name, None, {name: getattr(each, name) for name in names}, ("EBAY_DE", "EBAY_US"))
            for each in self.sellers.values()
        ]

    def account_of(self, call: Call) -> str | None:
        """Return the seller whose token, or whose keyset, a call has; each API has a scheme of its own."""
        if call.operation.name == "token":
            seller = self._seller_of_keys(call)
            return seller.name if seller is not None else None
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        is_post_order = call.path.startswith(_POST_ORDER)
        return self._holder(token) if scheme == ("IAF" if is_post_order else "Bearer") else None

    def _seller_of_keys(self, call: Call) -> EbaySeller | None:
        fits = (each for each in self.sellers.values() if (each.client_id, each.client_secret) == basic_keys(call))
        return next(fits, None)

    # --- answering ----------------------------------------------------------------------------------------------

    def handle(self, call: Call) -> SandboxAnswer:
        """Work a call off."""
        name = call.operation.name
        if name == "token":
            return self._issue(call)
        account = self.account_of(call)
        if account is None:
            self.refuse(401, "1001", "Invalid access token")
        is_post_order = call.path.startswith(_POST_ORDER)
        if is_post_order and self.quirks.is_post_order_gone:
            return SandboxAnswer(404)
        if name == "getPublicKey":
            return self._public_key(call)
        self.spend(account, name, POST_ORDER_PLAN if is_post_order else SELL_PLAN)
        if not self.quirks.has_scope:
            self.refuse(403, "1100", "Access denied: insufficient permissions to fulfill the request")
        if name == "getOrders":
            return self._list(call, account)
        return self._cancellation(call, account) if is_post_order else self._of_one(call, account)

    def error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> SandboxAnswer:
        """Return an error as the Sell APIs write it."""
        category = "APPLICATION" if status >= 500 else "REQUEST"  # noqa: PLR2004 - HTTP
        error = {"errorId": int(code) if code.isdigit() else 30500, "domain": "API_FULFILLMENT", "category": category}
        return SandboxAnswer(status, {"errors": [{**error, "message": message}]}, dict(headers or {}), code=code)

    def throttled(self, retry_after: float) -> SandboxAnswer:
        """Return 429, which tells nothing of when to come again."""
        del retry_after
        return self.error(429, "2001", "The request limit has been reached for the resource")

    def _issue(self, call: Call) -> SandboxAnswer:
        seller = self._seller_of_keys(call)
        if seller is None:
            return SandboxAnswer(401, {"error": "invalid_client", "error_description": "client authentication failed"})
        form = dict(parse_qsl(call.body.decode()))
        is_consent = form.get("grant_type") == "authorization_code" and form.get("code") == CONSENT_CODE
        is_renewal = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == seller.refresh_token
        is_application = form.get("grant_type") == "client_credentials"
        if not is_application and (seller.is_revoked or not (is_consent or is_renewal)):
            said = "the provided authorization refresh token is invalid or was issued to another client"
            return SandboxAnswer(400, {"error": "invalid_grant", "error_description": said})
        token = hashlib.sha256(f"{self.seed}:{call.request_id}".encode()).hexdigest()
        self._tokens[token] = SandboxToken(seller.name, self.now + timedelta(seconds=self.quirks.token_seconds))
        consent = {"refresh_token": seller.refresh_token, "refresh_token_expires_in": self.quirks.consent_seconds}
        body = {"access_token": token, "token_type": "User Access Token", "expires_in": self.quirks.token_seconds}
        return SandboxAnswer(200, {**body, **(consent if is_consent else {})})

    def _public_key(self, call: Call) -> SandboxAnswer:
        if call.path_parameters["key_id"] != self.signing_key.id:
            self.refuse(404, "195001", "The specified key id is invalid.")
        return SandboxAnswer(200, self.signing_key.public_json())

    # --- listings -----------------------------------------------------------------------------------------------

    def _list(self, call: Call, account: str) -> SandboxAnswer:
        """List orders by creation. A date of creation hides the filter for changes, and 90 days back is as far as one sees."""
        size, offset = self._number(call, "limit", DEFAULT_PAGE), self._number(call, "offset", 0)
        if not 1 <= size <= MAX_PAGE:
            self.refuse(400, "30830", f"Invalid limit: it must be from 1 to {MAX_PAGE}")
        found = self.without_missing(self._found(call, account), call)
        shown = found[offset : offset + size]
        following = offset + len(shown)
        body: JsonObject = {
            "href": self._address(call, offset, size),
            "total": len(found),
            "limit": size,
            "offset": offset,
        }
        if following < len(found):
            is_repeated = call.faults.get(FaultKind.REPEATED_PAGE) is not None
            body["next"] = self._address(call, offset if is_repeated else following, size)
        rows = [self._shown(self.records[each], in_listing=True) for each in shown]
        body["orders"] = self.with_malformed(rows, call, "orderId")
        return SandboxAnswer(200, body, orders=shown)

    def _address(self, call: Call, offset: int, size: int) -> str:
        host = self.quirks.next_host or f"http://{call.headers.get('host', 'localhost')}"
        kept = [(name, value) for name, value in call.query if name not in {"limit", "offset"}]
        query = "&".join(
            f"{name}={_coded(value)}" for name, value in [*kept, ("limit", str(size)), ("offset", str(offset))]
        )
        return f"{host}{_SELL}?{query}"

    def _number(self, call: Call, name: str, default: int) -> int:
        sent = call.parameter(name)
        if sent is None:
            return default
        if not sent.isdigit():
            self.refuse(400, "30820" if name == "offset" else "30830", f"Invalid {name}")
        return int(sent)

    def _found(self, call: Call, account: str) -> list[str]:
        since, until, by_creation = self._filter(call.parameter("filter") or "")
        fitting = [
            record
            for record in self.records.values()
            if record.seller == account
            and (moment := self._created(record) if by_creation else record.updated) >= since
            and moment <= until
            and self._created(record) >= self.now - REACH
            and not record.is_hidden(self.now)
        ]
        return [record.id for record in sorted(fitting, key=lambda record: (record.order["creationDate"], record.id))]

    def _filter(self, sent: str) -> tuple[datetime, datetime, bool]:
        each_part = (each.partition(":") for each in sent.replace("],", "]\n").splitlines())
        parts = {name: value for name, _, value in each_part}
        if sent and not parts.keys() <= {"lastmodifieddate", "creationdate", "orderfulfillmentstatus"}:
            self.refuse(400, "30700", "Invalid filter")
        name = "creationdate" if "creationdate" in parts else "lastmodifieddate"
        if name not in parts:
            return self.now - REACH, self.now, True
        start, _, end = parts[name].strip("[]").partition("..")
        since, until = parse_iso(start), parse_iso(end) if end else self.now
        if since is None or until is None or since > until:
            self.refuse(400, "30800", "The date range of the filter is not valid")
        return since, until, name == "creationdate"

    @staticmethod
    def _created(record: EbayRecord) -> datetime:
        created = parse_iso(str(record.order["creationDate"]))
        return record.updated if created is None else created

    def _shown(self, record: EbayRecord, *, in_listing: bool) -> JsonObject:
        shown = copy.deepcopy(record.order)
        if in_listing and not self.quirks.lists_cancel_requests and isinstance(shown.get("cancelStatus"), dict):
            shown["cancelStatus"]["cancelRequests"] = []
        return shown

    # --- one order ----------------------------------------------------------------------------------------------

    def _of_one(self, call: Call, account: str) -> SandboxAnswer:
        record = self.records.get(call.path_parameters["order_id"])
        if record is None or record.seller != account:
            self.refuse(404, "32100", "Invalid order ID")
        if call.operation.name == "createShippingFulfillment":
            return self._ship(call, record)
        if call.operation.name == "getShippingFulfillments":
            body = {"fulfillments": copy.deepcopy(record.packages), "total": len(record.packages)}
            return SandboxAnswer(200, body, orders=[record.id])
        (shown,) = self.with_malformed([self._shown(record, in_listing=False)], call, "orderId")
        return SandboxAnswer(200, shown, orders=[record.id])

    def _ship(self, call: Call, record: EbayRecord) -> SandboxAnswer:
        """Units beyond what remains are refused; a package of the same number is another one."""
        try:
            body = call.json_body()
            sent = [(str(each["lineItemId"]), int(each.get("quantity", 1))) for each in body["lineItems"]]
        except (KeyError, TypeError, AttributeError, ValueError):
            self.refuse(400, "32600", "Invalid input")
        number, carrier = body.get("trackingNumber"), body.get("shippingCarrierCode")
        if (number is None) != (carrier is None) or (number is not None and not str(number).isalnum()):
            self.refuse(400, "32300", "Invalid tracking number or carrier")
        if body.get("shippedDate") is not None and parse_iso(str(body["shippedDate"])) is None:
            self.refuse(400, "32500", "Invalid shipped date")
        if (
            record.cancel_state == "CANCELED"
            or record.is_ebays
            or record.order["orderPaymentStatus"]
            not in {
                "PAID",
                "PARTIALLY_REFUNDED",
            }
        ):
            self.refuse(400, "32600", "The order cannot be shipped")
        if len(record.packages) >= MOST_TRACKINGS:
            self.refuse(400, "34100", "Maximum number of tracking numbers exceeded")
        if len({line_id for line_id, _ in sent}) < len(sent):
            self.refuse(400, "32210", "Duplicate line item")
        lines = {line["lineItemId"]: line for line in record.lines}
        for line_id, units in sent:
            if line_id not in lines:
                self.refuse(400, "32200", "Invalid line item ID")
            if units < 1 or record.shipped(lines[line_id]) + units > lines[line_id]["quantity"]:
                self.refuse(400, "32600", "Invalid quantity")
        package = self._pack(record, sent, None if number is None else str(number), carrier)
        record.updated = self.now
        record.order["lastModifiedDate"] = iso_millis(self.now)
        address = f"http://{call.headers.get('host', 'localhost')}{call.path}/{package['fulfillmentId']}"
        effect = {"order": record.id, "shipment": package["fulfillmentId"]}
        return SandboxAnswer(201, headers={"Location": address}, content=b"", orders=[record.id], effect=effect)

    def _pack(
        self, record: EbayRecord, sent: Sequence[tuple[str, int]], number: str | None, carrier: str | None
    ) -> JsonObject:
        package: JsonObject = {
            "fulfillmentId": number or UNTRACKED,
            "shippedDate": iso_millis(self.now),
            "lineItems": [{"lineItemId": line_id, "quantity": units} for line_id, units in sent],
        }
        if number is not None:
            package |= {"shipmentTrackingNumber": number, "shippingCarrierCode": carrier}
        record.packages.append(package)
        for line in record.lines:
            units = record.packed(line["lineItemId"])
            if units:
                line["lineItemFulfillmentStatus"] = "FULFILLED" if units >= line["quantity"] else "IN_PROGRESS"
        is_done = all(line["lineItemFulfillmentStatus"] == "FULFILLED" for line in record.lines)
        record.order["orderFulfillmentStatus"] = "FULFILLED" if is_done else "IN_PROGRESS"
        return package

    # --- cancellations ------------------------------------------------------------------------------------------

    def _cancellation(self, call: Call, account: str) -> SandboxAnswer:
        if call.operation.name == "searchCancellations":
            return self._search(call, account)
        if self.quirks.needs_signature and call.operation.name != "rejectCancellation":
            self._check_signature(call)
        if call.operation.name == "createCancellation":
            return self._create_cancellation(call, account)
        record, request = self._request_of(call.path_parameters["cancel_id"], account)
        if request["cancelRequestState"] != "REQUESTED":
            return self._barred("The cancellation is not open any more")
        if call.operation.name == "rejectCancellation":
            if not call.body.strip():
                self.refuse(400, "1616", "A body is due")
            request["cancelRequestState"] = "REJECTED"
            record.order["cancelStatus"]["cancelState"] = "NONE_REQUESTED"
        else:
            self._end(record, request)
        self._touch(record, self.now)
        return SandboxAnswer(200, content=b"", orders=[record.id], effect={"order": record.id})

    def _check_signature(self, call: Call) -> None:
        """Only that one is there: whether it is right is for whoever holds the public key."""
        names = ["x-ebay-signature-key", "signature-input", "signature", *(["content-digest"] if call.body else [])]
        if not all(call.headers.get(name) for name in names):
            self.refuse(403, "215001", "Missing x-ebay-signature-key header")

    def _search(self, call: Call, account: str) -> SandboxAnswer:
        wanted = call.parameter("legacy_order_id")
        found = [
            {
                "cancelId": request["cancelRequestId"],
                "cancelState": "APPROVAL_PENDING" if request["cancelRequestState"] == "REQUESTED" else "CLOSED",
                "cancelStatus": "CANCEL_REQUESTED" if request["cancelRequestState"] == "REQUESTED" else "CANCEL_CLOSED",
                "legacyOrderId": record.order.get("legacyOrderId", record.id),
            }
            for record in self.records.values()
            if record.seller == account and wanted in {None, record.id, record.order.get("legacyOrderId")}
            for request in record.order["cancelStatus"]["cancelRequests"]
        ]
        return SandboxAnswer(200, {"cancellations": found, "total": len(found)})

    def _create_cancellation(self, call: Call, account: str) -> SandboxAnswer:
        try:
            body = call.json_body()
            wanted, reason = str(body["legacyOrderId"]), body["cancelReason"]
        except (KeyError, TypeError, ValueError):
            self.refuse(400, "1616", "legacyOrderId and cancelReason are due")
        mine = (each for each in self.records.values() if each.seller == account)
        record = next((each for each in mine if wanted in {each.id, each.order.get("legacyOrderId")}), None)
        if record is None or reason not in REASONS:
            self.refuse(400, "1616", "The order or the reason is not valid")
        is_open = record.order["orderFulfillmentStatus"] == "NOT_STARTED" and record.cancel_state == "NONE_REQUESTED"
        if not is_open:
            return self._barred("The order cannot be cancelled")
        request = self._ask(record, "Seller", reason)
        if self.quirks.cancels_at_once:
            self._end(record, request)
        self._touch(record, self.now)
        return SandboxAnswer(
            200, {"cancelId": request["cancelRequestId"]}, orders=[record.id], effect={"order": record.id}
        )

    def _barred(self, message: str) -> SandboxAnswer:
        status = 200 if self.quirks.errors_within_success else 400
        error = {"error": [{"errorId": 1617, "domain": "post-order", "message": {"content": message}}]}
        return SandboxAnswer(status, error, code="1617")

    def _request_of(self, cancel_id: str, account: str) -> tuple[EbayRecord, JsonObject]:
        requests = (
            (record, request)
            for record in self.records.values()
            for request in (record.order.get("cancelStatus") or {}).get("cancelRequests", ())
            if record.seller == account and request["cancelRequestId"] == cancel_id
        )
        found = next(requests, None)
        if found is None:
            self.refuse(404, "1609", "There is no such cancellation")
        return found

    def _ask(self, record: EbayRecord, initiator: str, reason: str) -> JsonObject:
        self._numbers += 1
        request: JsonObject = {
            "cancelRequestId": f"50{self._numbers:08}",
            "cancelRequestState": "REQUESTED",
            "cancelInitiator": initiator,
            "cancelReason": reason,
            "cancelRequestedDate": iso_millis(self.now),
        }
        status = record.order["cancelStatus"]
        status["cancelState"] = "IN_PROGRESS"
        status["cancelRequests"] = [*status["cancelRequests"], request]
        return request

    def _end(self, record: EbayRecord, request: JsonObject) -> None:
        request["cancelRequestState"] = "COMPLETED"
        record.order["cancelStatus"] |= {"cancelState": "CANCELED", "cancelledDate": iso_millis(self.now)}

    def _touch(self, record: EbayRecord, moment: datetime) -> None:
        record.updated = moment
        record.order["lastModifiedDate"] = iso_millis(moment)

    def _hold(self, order: JsonObject, seller: str, updated: datetime) -> EbayRecord:
        order.setdefault("cancelStatus", {"cancelState": "NONE_REQUESTED", "cancelRequests": []})
        return EbayRecord(order, seller, updated)

    # --- control ------------------------------------------------------------------------------------------------

    def generate(self, request: GenerateRequest) -> list[str]:
        """Make orders up and return their ids."""
        rng = Random(f"ebay:{self.seed if request.seed is None else request.seed}:{self._numbers}")
        newest = self.now - timedelta(seconds=request.newest_seconds)
        ids = []
        with without_collection():
            for moment in moments(rng, request.orders, newest, request.days):
                self._numbers += 1
                created = moment - timedelta(minutes=rng.randrange(1, 600))
                order = ebay_orders.make(
                    rng, EbayDraft(self._numbers, created, moment, self.catalogue, site=request.channel)
                )
                record = EbayRecord(order, request.account or "seller", moment)
                if order["orderFulfillmentStatus"] == "FULFILLED":
                    units = [(line["lineItemId"], line["quantity"]) for line in record.lines]
                    self._pack(record, units, f"0034{self._numbers:08}", "DHL")
                self.records[record.id] = record
                ids.append(record.id)
        return ids

    def _steps(self) -> Mapping[str, Callable[[EbayRecord, AdvanceRequest], None]]:
        return {
            "pay": self._step_pay,
            "ship": self._step_ship,
            "refund": lambda record, _: record.order.update(orderPaymentStatus="FULLY_REFUNDED"),
            "cancel": self._step_cancel,
            "request_cancellation": self._step_ask,
            "touch": lambda _record, _: None,
            "delete_account": self._step_delete_account,
        }

    def _step_pay(self, record: EbayRecord, _: AdvanceRequest) -> None:
        if record.order["orderPaymentStatus"] != "PENDING":
            raise RefusedActionError("it is not pending")
        record.order["orderPaymentStatus"] = "PAID"

    def _step_ship(self, record: EbayRecord, request: AdvanceRequest) -> None:
        if not self._is_open(record):
            raise RefusedActionError("nothing of it is open")
        self._numbers += 1
        units = []
        for line in record.lines:
            left = int(line["quantity"]) - record.shipped(line)
            wanted = min(left, request.quantities.get(line["lineItemId"], 0) if request.quantities else left)
            if wanted:
                units.append((line["lineItemId"], wanted))
        if not units:
            raise RefusedActionError("nothing of it is left")
        self._pack(record, units, f"0034{self._numbers:08}", "DHL")

    def _step_cancel(self, record: EbayRecord, request: AdvanceRequest) -> None:
        if record.order["orderFulfillmentStatus"] != "NOT_STARTED" or record.cancel_state == "CANCELED":
            raise RefusedActionError("it is shipped or cancelled")
        self._end(record, self._ask(record, "Seller", request.reason or "OUT_OF_STOCK_OR_CANNOT_FULFILL"))

    def _step_ask(self, record: EbayRecord, request: AdvanceRequest) -> None:
        if not self._is_open(record) or record.cancel_state != "NONE_REQUESTED":
            raise RefusedActionError("nothing of it is open, or it is asked for already")
        self._ask(record, "Buyer", request.reason or "ORDER_MISTAKE")

    def _step_delete_account(self, record: EbayRecord, _: AdvanceRequest) -> None:
        if not self.quirks.notice_address:
            raise RefusedActionError("there is no notice_address")
        notice = self.deletion_notice(str(record.order["buyer"]["username"]))
        status = notice.sent_to(self.quirks.notice_address)
        if status >= 300:  # noqa: PLR2004 - HTTP
            raise RefusedActionError(f"the notice was answered with {status}")

    def deletion_notice(self, username: str) -> notices.SignedNotice:
        """Return a notice that an account was deleted, as it is sent."""
        self._numbers += 1
        return self.signing_key.notice(username, self._numbers, self.now)

    def _is_open(self, record: EbayRecord) -> bool:
        is_left = record.order["orderFulfillmentStatus"] in {"NOT_STARTED", "IN_PROGRESS"}
        is_paid = record.order["orderPaymentStatus"] in {"PAID", "PARTIALLY_REFUNDED"}
        return is_left and is_paid and record.cancel_state != "CANCELED"

    def _held(self, record: EbayRecord) -> HeldOrder:
        is_refunded = record.order.get("orderPaymentStatus") == "FULLY_REFUNDED"
        is_cancelled = record.cancel_state == "CANCELED" or (is_refunded and not record.packages)
        lines = [
            HeldLine(
                line["lineItemId"],
                int(line["quantity"]),
                record.shipped(line),
                int(line["quantity"]) - record.shipped(line) if is_cancelled else 0,
            )
            for line in record.lines
        ]
        packages = [
            HeldPackage(
                each["fulfillmentId"],
                each.get("shipmentTrackingNumber"),
                {one["lineItemId"]: one["quantity"] for one in each["lineItems"]},
            )
            for each in record.packages
        ]
        return HeldOrder(
            id=record.id,
            account=record.seller,
            selector=record.lines[0].get("listingMarketplaceId") if record.lines else None,
            updated=record.updated,
            is_hidden=record.is_hidden(self.now),
            is_open_to_us=self._is_open(record) and not record.is_ebays,
            lines=lines,
            packages=packages,
        )


def _coded(value: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_." else f"%{ord(sign):02X}" for sign in value)

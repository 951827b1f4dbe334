"""The state behind the Walmart stand-in: sellers, tokens, purchase orders, and what the operations do to them.

What lives here: authorisation, searches, acknowledging, shipping updates, cancellations. What does not: HTTP (``engine``) and
made-up orders (``orders``). Where the public description is silent, the choice made here is said in the method's docstring.
"""

from __future__ import annotations

import base64
import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from random import Random
from typing import Any

from orders_pipeline.sandbox.clock import Clock, parse_iso, utc_now
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
from orders_pipeline.sandbox.json_values import JsonObject, JsonValue
from orders_pipeline.sandbox.sellers import (
    KeyedSeller,
    SandboxToken,
    SellerSandbox,
    SellersOrder,
    basic_keys,
)
from orders_pipeline.sandbox.throttle import Plan
from orders_pipeline.sandbox.walmart import orders as walmart_orders
from orders_pipeline.sandbox.walmart import payloads
from orders_pipeline.sandbox.walmart.orders import LEFT, OPEN, Draft, millis, quantity

CLIENT_ID, CLIENT_SECRET = "walmart-sandbox-client", "walmart-sandbox-secret"
ORDER_PLAN = Plan(200 / 60, 200)
WRITE_PLAN = Plan(1.0, 60)
DEFAULT_PAGE, MAX_PAGE = 100, 200
WEEK = timedelta(days=7)
REACH = timedelta(days=180)
REASONS = frozenset(
    {
        "CUSTOMER_REQUESTED_SELLER_TO_CANCEL",
        "SELLER_CANCEL_PRICING_ERROR",
        "SELLER_CANCEL_OUT_OF_STOCK",
        "SELLER_CANCEL_FRAUD_STOP_SHIPMENT",
        "SELLER_CANCEL_ADDRESS_NOT_SERVICEABLE",
    }
)


@dataclass(frozen=True)
class Quirks:
    """What Walmart does in its own way, each to be switched.

    Attributes:
        token_seconds: How long a token is good.
        stale_token_status: 401, or the gateway's 400 ``INVALID_TOKEN``.
        most_orders: A search with more is refused.
        cancels_late_orders: Open lines are cancelled by Walmart once their date of shipping has passed.
    """

    token_seconds: int = 900
    stale_token_status: int = 401
    most_orders: int = 20_000
    cancels_late_orders: bool = False


@dataclass
class Record(SellersOrder):
    """One order as held: its complete JSON, and what the searches know about it."""

    labels: dict[str, str] = field(default_factory=dict)
    """What the seller calls a package, by its tracking number; the order shows the last one of a line."""

    @property
    def id(self) -> str:
        """The purchase order's id."""
        return str(self.order["purchaseOrderId"])

    @property
    def lines(self) -> list[JsonObject]:
        """Its lines."""
        return list(self.order["orderLines"]["orderLine"])

    @property
    def ship_node(self) -> str:
        """Whose warehouse ships."""
        return str((self.order.get("shipNode") or {}).get("type") or "SellerFulfilled")

    def states(self) -> list[str]:
        """The states of all units."""
        return [each["status"] for line in self.lines for each in statuses(line)]


class WalmartSandbox(SellerSandbox[KeyedSeller, Record, Quirks, SandboxToken]):
    """Sellers and purchase orders of a stand-in of Walmart Marketplace US."""

    kind = "walmart"
    title = "Walmart US"
    port = 9400
    listing = "orders"
    quantity_field = "orderLines.orderLine.0.orderLineQuantity.amount"
    confirming = "shipping"
    read = staticmethod(payloads.read)
    demo = DemoShare("walmart_us", "Walmart US (sandbox)", {"walmart_us": ("Walmart US", None)})
    order_id = "purchaseOrderId"
    actions = ("acknowledge", "ship", "deliver", "refund", "cancel", "request_cancellation", "touch")
    operations = (
        Operation("token", "POST", "/v3/token"),
        Operation("orders", "GET", "/v3/orders"),
        Operation("order", "GET", "/v3/orders/{purchase_order_id}"),
        Operation("acknowledge", "POST", "/v3/orders/{purchase_order_id}/acknowledge"),
        Operation("shipping", "POST", "/v3/orders/{purchase_order_id}/shipping"),
        Operation("cancel", "POST", "/v3/orders/{purchase_order_id}/cancel"),
    )

    def __init__(self, seed: int = 1, rate_factor: float = 1.0, clock: Clock = utc_now) -> None:
        """Start with one seller and no orders."""
        super().__init__(KeyedSeller("seller", CLIENT_ID, CLIENT_SECRET), Quirks(), seed, rate_factor, clock)
        self._searches: dict[str, tuple[tuple[tuple[str, str], ...], int]] = {}

    # --- sellers ------------------------------------------------------------------------------------------------

    def accesses(self) -> list[Access]:
        """Return how an installation is connected to each seller."""
        return [
            Access(each.name, None, {"client_id": each.client_id, "client_secret": each.client_secret}, ())
            for each in self.sellers.values()
        ]

    def account_of(self, call: Call) -> str | None:
        """Return the seller whose token, or whose keys, a call has."""
        if call.operation.name == "token":
            seller = self._seller_of_keys(call)
            return seller.name if seller is not None else None
        return self._holder(call.headers.get("wm_sec.access_token", ""))

    def _seller_of_keys(self, call: Call) -> KeyedSeller | None:
        fits = (each for each in self.sellers.values() if (each.client_id, each.client_secret) == basic_keys(call))
        return next((each for each in fits if not each.is_revoked), None)

    # --- answering ----------------------------------------------------------------------------------------------

    def handle(self, call: Call) -> SandboxAnswer:
        """Work a call off."""
        if not call.headers.get("wm_qos.correlation_id") or not call.headers.get("wm_svc.name"):
            self.refuse(400, "INVALID_REQUEST_HEADER.GMP_GATEWAY_API", "A required header is missing")
        if call.operation.name == "token":
            return self._issue(call)
        account = self.account_of(call)
        if account is None:
            status = self.quirks.stale_token_status
            code = (
                "INVALID_TOKEN.GMP_GATEWAY_API" if status == HTTPStatus.BAD_REQUEST else "UNAUTHORIZED.GMP_GATEWAY_API"
            )
            self.refuse(status, code, "Invalid token")
        is_read = call.operation.method == "GET"
        plan = ORDER_PLAN if is_read else WRITE_PLAN
        self.spend(account, call.operation.name, plan)
        if self.quirks.cancels_late_orders:
            self._cancel_late()
        answer = self._search(call, account) if call.operation.name == "orders" else self._of_one(call, account)
        left = self.throttle.left(account, call.operation.name, plan)
        if left is not None:
            answer.headers["x-current-token-count"] = str(int(left))
            answer.headers["x-next-replenishment-time"] = str(millis(self.now + timedelta(seconds=1)))
        return answer

    def error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> SandboxAnswer:
        """Return an error in one of the forms that Walmart has for them."""
        error = {"code": code, "description": message, "severity": "ERROR", "category": "DATA"}
        forms: dict[int, JsonValue] = {
            400: {"errors": {"error": [error]}},
            401: {"errors": [error]},
            404: {"error": [error]},
        }
        body = forms.get(status, {"errors": {"error": error}})
        return SandboxAnswer(status, body, dict(headers or {}), code=code)

    def throttled(self, retry_after: float) -> SandboxAnswer:
        """Return 429; when to come again is told in a header of Walmart's own."""
        at = str(millis(self.now + timedelta(seconds=retry_after)))
        headers = {"x-current-token-count": "0", "x-next-replenishment-time": at}
        return self.error(429, "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API", "Too many requests", headers)

    def _issue(self, call: Call) -> SandboxAnswer:
        seller = self._seller_of_keys(call)
        if seller is None:
            self.refuse(401, "UNAUTHORIZED.GMP_GATEWAY_API", "The keys are not good")
        if b"grant_type=client_credentials" not in call.body:
            self.refuse(400, "INVALID_REQUEST_PARAM.GMP_GATEWAY_API", "grant_type must be client_credentials")
        token = hashlib.sha256(f"{self.seed}:{call.request_id}".encode()).hexdigest()
        self._tokens[token] = SandboxToken(seller.name, self.now + timedelta(seconds=self.quirks.token_seconds))
        body = {"access_token": token, "token_type": "Bearer", "expires_in": self.quirks.token_seconds}
        return SandboxAnswer(200, body)

    # --- searches -----------------------------------------------------------------------------------------------

    def _search(self, call: Call, account: str) -> SandboxAnswer:
        """List orders by creation; what follows a page is only known by its cursor."""
        filters, offset = self._cursor(call)
        given = dict(filters)
        size = self._size(given.get("limit"))
        found = self.without_missing(self._found(given, account), call)
        if len(found) > self.quirks.most_orders:
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "More than 20000 orders: narrow the search")
        if not found:
            self.refuse(404, "CONTENT_NOT_FOUND.GMP_ORDER_API", "No orders found for the search")
        shown = found[offset : offset + size]
        following = offset + len(shown)
        meta: JsonObject = {"totalCount": len(found), "limit": size}
        if following < len(found):
            is_repeated = call.faults.get(FaultKind.REPEATED_PAGE) is not None
            meta["nextCursor"] = self._next(filters, offset if is_repeated else following, size)
        rows = [copy.deepcopy(self.records[each].order) for each in shown]
        body = {"list": {"meta": meta, "elements": {"order": self.with_malformed(rows, call, "purchaseOrderId")}}}
        return SandboxAnswer(200, body, orders=shown)

    def _next(self, filters: tuple[tuple[str, str], ...], offset: int, size: int) -> str:
        digest = hashlib.sha256(repr((filters, offset)).encode()).digest()
        mark = base64.b64encode(digest[:12]).decode()  # with "+" and "/", so that writing it anew breaks it
        self._searches[mark] = (filters, offset)
        coded = mark.replace("+", "%2B").replace("/", "%2F")
        return f"?limit={size}&hasMoreElements=true&soIndex={coded}&poIndex={offset}&partnerId=10000000000"

    def _cursor(self, call: Call) -> tuple[tuple[tuple[str, str], ...], int]:
        mark = call.parameter("soIndex")
        if mark is None:
            return tuple(call.query), 0
        known = self._searches.get(mark)
        if known is None or set(dict(call.query)) != {"limit", "hasMoreElements", "soIndex", "poIndex", "partnerId"}:
            self.refuse(400, "INVALID_REQUEST_PARAM.GMP_ORDER_API", "The cursor is not valid")
        return known

    def _size(self, given: str | None) -> int:
        if given is None:
            return DEFAULT_PAGE
        if not given.isdigit() or not 1 <= int(given) <= MAX_PAGE:
            self.refuse(400, "INVALID_REQUEST_PARAM.GMP_ORDER_API", f"limit must be from 1 to {MAX_PAGE}")
        return int(given)

    def _found(self, given: Mapping[str, str], account: str) -> list[str]:
        """Without a date of creation only the last seven days are searched, and never more than 180."""
        created_from = self._moment(given, "createdStartDate") or self.now - WEEK
        created_to = self._moment(given, "createdEndDate") or self.now
        since, until = self._moment(given, "lastModifiedStartDate"), self._moment(given, "lastModifiedEndDate")
        ship_node, state = given.get("shipNodeType", "SellerFulfilled"), given.get("status")
        created_from = max(created_from, self.now - REACH)
        fitting = [
            record
            for record in self.records.values()
            if record.seller == account
            and record.ship_node == ship_node
            and millis(created_from) <= record.order["orderDate"] <= millis(created_to)
            and (since is None or since <= record.updated)
            and (until is None or record.updated <= until)
            and not record.is_hidden(self.now)
            and (state is None or state in record.states())
        ]
        return [record.id for record in sorted(fitting, key=lambda record: (record.order["orderDate"], record.id))]

    def _moment(self, given: Mapping[str, str], name: str) -> datetime | None:
        sent = given.get(name)
        moment = parse_iso(sent) if sent else None
        if sent and moment is None:
            self.refuse(400, "INVALID_REQUEST_PARAM.GMP_ORDER_API", f"{name} must be an ISO 8601 time")
        return moment

    # --- one order ----------------------------------------------------------------------------------------------

    def _of_one(self, call: Call, account: str) -> SandboxAnswer:
        record = self.records.get(call.path_parameters["purchase_order_id"])
        if record is None or record.seller != account:
            self.refuse(404, "CONTENT_NOT_FOUND.GMP_ORDER_API", "There is no such purchase order")
        effect: dict[str, Any] | None = None
        if call.operation.name == "acknowledge":
            self._acknowledge(record)
        elif call.operation.name in {"shipping", "cancel"}:
            effect = {"order": record.id, **self._changed(call, record)}
        (shown,) = self.with_malformed([copy.deepcopy(record.order)], call, "purchaseOrderId")
        return SandboxAnswer(200, {"order": shown}, orders=[record.id], effect=effect)

    def _acknowledge(self, record: Record) -> None:
        """Acknowledging again is no harm; what is cancelled as a whole cannot be."""
        if set(record.states()) == {"Cancelled"}:
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "The order is cancelled")
        for line in record.lines:
            for each in statuses(line):
                if each["status"] == "Created":
                    each["status"] = "Acknowledged"
                    self._touch_line(record, line)

    def _changed(self, call: Call, record: Record) -> dict[str, Any]:
        """All of a call is checked before any of it is done."""
        try:
            body = call.json_body()
            name = "orderShipment" if call.operation.name == "shipping" else "orderCancellation"
            wanted = [(self._line_of(record, each), each) for each in body[name]["orderLines"]["orderLine"]]
            work = [
                (line, each, sent) for line, each in wanted for sent in each["orderLineStatuses"]["orderLineStatus"]
            ]
            is_update = body[name].get("processMode") == "PARTIAL_UPDATE"
            before = copy.deepcopy(record.order["orderLines"])
            done = self._ship if call.operation.name == "shipping" else self._cancel
            try:
                for line, each, sent in work:
                    done(record, line, each, sent, is_update)
            except Exception:
                record.order["orderLines"] = before
                raise
        except (KeyError, TypeError, AttributeError, ValueError):
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "The body is not as it should be")
        reference = next((str(each.get("sellerOrderId")) for _, each in wanted if each.get("sellerOrderId")), None)
        return {"shipment": reference} if reference is not None else {}

    def _line_of(self, record: Record, sent: Mapping[str, Any]) -> JsonObject:
        found = next((line for line in record.lines if line["lineNumber"] == sent["lineNumber"]), None)
        if found is None:
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", f"Line {sent['lineNumber']} does not exist")
        return found

    def _ship(
        self,
        record: Record,
        line: JsonObject,
        whole: Mapping[str, Any],
        sent: Mapping[str, Any],
        is_update: bool,  # noqa: FBT001
    ) -> None:
        info, units = dict(sent["trackingInfo"]), int(sent["statusQuantity"]["amount"])
        self._check_tracking(record, info)
        if sent["status"] != "Shipped" or units < 1:
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "The status must be Shipped, of a unit at least")
        if line.get("intentToCancel") and not whole.get("intentToCancelOverride"):
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "The customer wants to cancel this line")
        if is_update:
            current = sent["currentTrackingInfo"]["trackingNumber"]
            left = [each for each in statuses(line) if (each["trackingInfo"] or {}).get("trackingNumber") == current]
            if not left:
                self.refuse(
                    400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "Nothing of this line has that tracking number"
                )
            before = left[-1]["trackingInfo"]["trackingNumber"]
            if before in record.labels:
                record.labels[info["trackingNumber"]] = record.labels.pop(before)
            left[-1]["trackingInfo"] = info
        else:
            self._take(line, "Acknowledged", units, "Shipped", info)
            record.labels[info["trackingNumber"]] = str(whole.get("sellerOrderId") or "")
        line["sellerOrderId"] = whole.get("sellerOrderId")
        self._touch_line(record, line)

    def _check_tracking(self, record: Record, info: Mapping[str, Any]) -> None:
        carrier = info["carrierName"]
        names = [carrier.get("carrier"), carrier.get("otherCarrier")]
        if sum(1 for each in names if each) != 1:
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "Name one of carrier and otherCarrier")
        if carrier.get("otherCarrier") and not info.get("trackingURL"):
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "Another carrier needs a trackingURL")
        if not info["trackingNumber"] or not isinstance(info["shipDateTime"], int):
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "trackingNumber and shipDateTime are due")
        if info["methodCode"] != record.order["shippingInfo"]["methodCode"]:
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "Method code is not supported")

    def _cancel(
        self,
        record: Record,
        line: JsonObject,
        _whole: Mapping[str, Any],
        sent: Mapping[str, Any],
        _is_update: bool,  # noqa: FBT001
    ) -> None:
        if sent["status"] != "Cancelled" or sent["cancellationReason"] not in REASONS:
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "The reason is not one of Walmart's")
        state = "Created" if any(each["status"] == "Created" for each in statuses(line)) else "Acknowledged"
        self._take(line, state, int(sent["statusQuantity"]["amount"]), "Cancelled", None)
        statuses(line)[-1]["cancellationReason"] = sent["cancellationReason"]
        self._touch_line(record, line)

    def _take(self, line: JsonObject, state: str, units: int, into: str, info: JsonObject | None) -> None:
        """Move units of a line from one state into another one."""
        held = next((each for each in statuses(line) if each["status"] == state), None)
        if held is None or units_of(held) < units:
            self.refuse(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", f"Not so many units are {state}")
        if units_of(held) == units:
            statuses(line).remove(held)
        else:
            held["statusQuantity"] = quantity(units_of(held) - units)
        moved = {"status": into, "statusQuantity": quantity(units), "cancellationReason": None, "trackingInfo": info}
        statuses(line).append(moved)

    def _touch_line(self, record: Record, line: JsonObject) -> None:
        line["statusDate"] = millis(self.now)
        record.updated = self.now

    def _touch(self, record: Record, moment: datetime) -> None:
        record.updated = moment
        for line in record.lines:
            line["statusDate"] = millis(moment)

    def _cancel_late(self) -> None:
        """Cancel what should have been shipped by now."""
        for record in self.records.values():
            if record.order["shippingInfo"]["estimatedShipDate"] < millis(self.now) and set(record.states()) & set(
                OPEN
            ):
                self._end(record, "AUTO_CANCELLED")

    def _end(self, record: Record, reason: str) -> None:
        for line in record.lines:
            for each in statuses(line):
                if each["status"] in OPEN:
                    each |= {"status": "Cancelled", "cancellationReason": reason}
                    self._touch_line(record, line)

    def _hold(self, order: JsonObject, seller: str, updated: datetime) -> Record:
        return Record(order, seller, updated)

    # --- control ------------------------------------------------------------------------------------------------

    def generate(self, request: GenerateRequest) -> list[str]:
        """Make orders up and return their ids."""
        rng = Random(f"walmart:{self.seed if request.seed is None else request.seed}:{self._numbers}")
        newest = self.now - timedelta(seconds=request.newest_seconds)
        ids = []
        with without_collection():
            for moment in moments(rng, request.orders, newest, request.days):
                self._numbers += 1
                created = moment - timedelta(minutes=rng.randrange(1, 600))
                order = walmart_orders.make(rng, Draft(self._numbers, created, moment, self.catalogue))
                self.records[order["purchaseOrderId"]] = Record(order, request.account or "seller", moment)
                ids.append(order["purchaseOrderId"])
        return ids

    def _steps(self) -> Mapping[str, Callable[[Record, AdvanceRequest], None]]:
        return {
            "acknowledge": lambda record, _: self._acknowledge(record),
            "ship": self._step_ship,
            "deliver": lambda record, _: self._step(record, "Shipped", "Delivered"),
            "refund": lambda record, _: self._step(record, "Delivered", "Refund"),
            "cancel": lambda record, asked: self._end(record, asked.reason or "CUSTOMER_CANCELLED"),
            "request_cancellation": self._step_ask,
            "touch": lambda record, _: self._touch_line(record, record.lines[0]),
        }

    def _step(self, record: Record, state: str, into: str) -> None:
        found = [each for line in record.lines for each in statuses(line) if each["status"] == state]
        if not found:
            raise RefusedActionError(f"nothing of it is {state}")
        for each in found:
            each["status"] = into

    def _step_ship(self, record: Record, request: AdvanceRequest) -> None:
        if "Acknowledged" not in record.states():
            raise RefusedActionError("nothing of it is Acknowledged")
        self._numbers += 1
        info = {
            "shipDateTime": millis(self.now),
            "carrierName": {"carrier": "USPS"},
            "methodCode": record.order["shippingInfo"]["methodCode"],
            "trackingNumber": f"94{self._numbers:010}",
            "trackingURL": f"https://tracking.example/94{self._numbers:010}",
        }
        for line in record.lines:
            left = sum(units_of(each) for each in statuses(line) if each["status"] == "Acknowledged")
            units = min(left, request.quantities.get(line["lineNumber"], left) if request.quantities else left)
            if units:
                self._take(line, "Acknowledged", units, "Shipped", info)

    def _step_ask(self, record: Record, request: AdvanceRequest) -> None:
        if not set(record.states()) & set(OPEN):
            raise RefusedActionError("nothing of it is open")
        for line in record.lines:
            line["intentToCancel"] = request.reason or "CUSTOMER_CHANGED_MIND"

    def _held(self, record: Record) -> HeldOrder:
        packages: dict[str, dict[str, int]] = {}
        for line in record.lines:
            for each in statuses(line):
                info = each.get("trackingInfo")
                if each["status"] in LEFT and info:
                    units = packages.setdefault(info["trackingNumber"], {})
                    units[line["lineNumber"]] = units.get(line["lineNumber"], 0) + units_of(each)
        states = set(record.states())
        return HeldOrder(
            id=record.id,
            account=record.seller,
            selector=None,
            updated=record.updated,
            is_hidden=record.is_hidden(self.now),
            is_open_to_us="Acknowledged" in states and "Created" not in states and record.ship_node != "WFSFulfilled",
            lines=[
                HeldLine(
                    line["lineNumber"],
                    int(line["orderLineQuantity"]["amount"]),
                    sum(units_of(each) for each in statuses(line) if each["status"] in LEFT),
                    sum(units_of(each) for each in statuses(line) if each["status"] == "Cancelled"),
                )
                for line in record.lines
            ],
            packages=[
                HeldPackage(record.labels.get(number) or number, number, units) for number, units in packages.items()
            ],
        )


def statuses(line: JsonObject) -> list[JsonObject]:
    """The states of a line, each with its units."""
    found: list[JsonObject] = line["orderLineStatuses"]["orderLineStatus"]
    return found


def units_of(status: Mapping[str, Any]) -> int:
    """Units in a state."""
    return int(status["statusQuantity"]["amount"])

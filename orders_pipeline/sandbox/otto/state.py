"""The state behind the OTTO stand-in: sellers, tokens, orders, shipments, and what the operations do to them.

What lives here: authorisation, listings, shipments, cancellations. What does not: HTTP (``engine``) and made-up orders
(``orders``). Where the public description is silent, the choice made here is said in the method's docstring.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qsl

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
from orders_pipeline.sandbox.json_values import JsonObject
from orders_pipeline.sandbox.otto import orders as otto_orders
from orders_pipeline.sandbox.otto import payloads
from orders_pipeline.sandbox.otto.orders import LEFT, OPEN, OttoDraft, stamp
from orders_pipeline.sandbox.sellers import (
    KeyedSeller,
    SandboxToken,
    SellerSandbox,
    SellersOrder,
)
from orders_pipeline.sandbox.throttle import Plan

CLIENT_ID, CLIENT_SECRET = "otto-sandbox-client", "otto-sandbox-secret"
PLAN = Plan(20.0, 40)
MAX_PAGE, SHIPMENTS_PAGE = 128, 25
SCOPES = {"orders": "orders", "order": "orders", "cancellation": "orders"}
"""What a token must be good for; everything else is of shipments."""
PARCEL_CARRIERS = frozenset({"DHL", "DHL_EXPRESS", "GLS", "HERMES", "DPD", "UPS"})
RETURN_CARRIERS = frozenset({"DHL", "GLS", "HERMES"})
USER_CLIENT = "token-otto-api"


@dataclass(frozen=True)
class OttoQuirks:
    """What OTTO does in its own way, each to be switched.

    Attributes:
        token_seconds: How long a token is good.
        tokens_are_used_up: A token is good for one call.
        link: How the next page is named: "relative" to the listing, by its "path", or by its whole "address".
        repeats_rows: Each page begins with the last order of the one before.
        sent_after_seconds: How long after a shipment was taken its units turn SENT.
        is_partial: What cannot be done of a call is told in a body with status 207, and the rest is done.
        scopes: What a token may be good for.
    """

    token_seconds: int = 1800
    tokens_are_used_up: bool = False
    link: str = "path"
    repeats_rows: bool = False
    sent_after_seconds: float = 0.0
    is_partial: bool = False
    scopes: tuple[str, ...] = ("orders", "shipments")


@dataclass
class OttoRecord(SellersOrder):
    """One order as held: its complete JSON, and what the listings know about it."""

    @property
    def id(self) -> str:
        """The sales order's id."""
        return str(self.order["salesOrderId"])

    @property
    def items(self) -> list[JsonObject]:
        """Its units."""
        return list(self.order["positionItems"])

    def states(self) -> set[str]:
        """The states of its units."""
        return {each["fulfillmentStatus"] for each in self.items}


@dataclass
class OttoGrant(SandboxToken):
    """A token, and what it is good for."""

    scopes: tuple[str, ...]


class OttoSandbox(SellerSandbox[KeyedSeller, OttoRecord, OttoQuirks, OttoGrant]):
    """Sellers, orders and shipments of a stand-in of OTTO Market."""

    kind = "otto"
    title = "OTTO Market"
    port = 9600
    listing = "orders"
    quantity_field = "positionItems.0.itemValueGrossPrice.amount"
    confirming = "shipment"
    read = staticmethod(payloads.read)
    demo = DemoShare("otto", "OTTO Market (sandbox)", {"otto": ("OTTO Market", None)})
    order_id = "salesOrderId"
    actions = ("release", "ship", "return", "cancel", "touch")
    operations = (
        Operation("token", "POST", "/oauth2/token"),
        Operation("user_token", "POST", "/v1/token"),
        Operation("orders", "GET", "/v4/orders"),
        Operation("order", "GET", "/v4/orders/{sales_order_id}"),
        Operation("cancellation", "POST", "/v4/orders/{sales_order_id}/positionItems/{item_ids}/cancellation"),
        Operation("shipment", "POST", "/v1/shipments"),
        Operation("shipments", "GET", "/v1/shipments"),
        Operation("shipment_by_number", "GET", "/v1/shipments/carriers/{carrier}/trackingnumbers/{number}"),
    )

    def __init__(self, seed: int = 1, rate_factor: float = 1.0, clock: Clock = utc_now) -> None:
        """Start with one seller and no orders."""
        super().__init__(KeyedSeller("seller", CLIENT_ID, CLIENT_SECRET), OttoQuirks(), seed, rate_factor, clock)
        self.shipments: dict[tuple[str, str], JsonObject] = {}
        self._cursors: dict[str, tuple[tuple[tuple[str, str], ...], int]] = {}
        self._turning: list[tuple[datetime, str, str, JsonObject]] = []

    # --- sellers ------------------------------------------------------------------------------------------------

    def accesses(self) -> list[Access]:
        """Return how an installation is connected to each seller."""
        return [
            Access(
                each.name,
                None,
                {"client_id": each.client_id, "client_secret": each.client_secret},
                (),
                {"ship_from_places": {"MAIN": {"city": "Dresden", "postal_code": "01067", "country_code": "DE"}}},
                {"ship_from": "MAIN", "return_carrier": "DHL"},
            )
            for each in self.sellers.values()
        ]

    def account_of(self, call: Call) -> str | None:
        """Return the seller whose token, or whose credentials, a call has."""
        if call.operation.name in {"token", "user_token"}:
            seller = self._seller_of(dict(parse_qsl(call.body.decode("latin-1"))))
            return seller.name if seller is not None else None
        grant = self._grant(call)
        return grant.seller if grant is not None else None

    def _grant(self, call: Call) -> OttoGrant | None:
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        grant = self._tokens.get(token) if kind == "Bearer" else None
        return grant if grant is not None and grant.until > self.now else None

    def _seller_of(self, form: Mapping[str, str]) -> KeyedSeller | None:
        if form.get("grant_type") == "password":
            pair = (form.get("username"), form.get("password"))
        else:
            pair = (form.get("client_id"), form.get("client_secret"))
        fits = (each for each in self.sellers.values() if (each.client_id, each.client_secret) == pair)
        return next((each for each in fits if not each.is_revoked), None)

    # --- answering ----------------------------------------------------------------------------------------------

    def handle(self, call: Call) -> SandboxAnswer:
        """Work a call off."""
        if call.operation.name in {"token", "user_token"}:
            return self._issue(call)
        grant = self._grant(call)
        if grant is None:
            self.refuse(401, "UNAUTHORIZED", "The token is not valid")
        if self.quirks.tokens_are_used_up:
            self.expire(grant.seller)
        if SCOPES.get(call.operation.name, "shipments") not in grant.scopes:
            self.refuse(403, "FORBIDDEN", "The token does not have the scope for this")
        self.spend(grant.seller, call.operation.name, PLAN)
        self._turn_sent()
        answers: dict[str, Callable[[Call, str], SandboxAnswer]] = {
            "orders": self._list,
            "order": self._order,
            "cancellation": self._cancel,
            "shipment": self._ship,
            "shipments": self._list_shipments,
            "shipment_by_number": self._shipment,
        }
        return answers[call.operation.name](call, grant.seller)

    def error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> SandboxAnswer:
        """Return an error in the form that OTTO has for them."""
        body = {"errors": [{"path": "/", "title": code, "detail": message, "jsonPath": "$"}]}
        return SandboxAnswer(status, body, dict(headers or {}), code=code)

    def throttled(self, retry_after: float) -> SandboxAnswer:
        """Return 429."""
        return self.error(429, "TOO_MANY_REQUESTS", "Too many requests", {"Retry-After": str(max(1, int(retry_after)))})

    def _issue(self, call: Call) -> SandboxAnswer:
        form = dict(parse_qsl(call.body.decode("latin-1")))
        is_user = call.operation.name == "user_token"
        fits = form.get("grant_type") == ("password" if is_user else "client_credentials")
        if not fits or (is_user and form.get("client_id") != USER_CLIENT):
            body = {"error": "invalid_request", "error_description": "The grant does not fit"}
            return SandboxAnswer(400, body, code="invalid_request")
        seller = self._seller_of(form)
        if seller is None:
            body = {"error": "invalid_client", "error_description": "The credentials are not good"}
            return SandboxAnswer(401, body, code="invalid_client")
        token = hashlib.sha256(f"{self.seed}:{call.request_id}".encode()).hexdigest()
        asked = ("orders", "shipments") if is_user else tuple(form.get("scope", "").split())
        scopes = tuple(each for each in asked if each in self.quirks.scopes)
        self._tokens[token] = OttoGrant(seller.name, self.now + timedelta(seconds=self.quirks.token_seconds), scopes)
        answer: JsonObject = {"access_token": token, "token_type": "Bearer", "expires_in": self.quirks.token_seconds}
        return SandboxAnswer(200, {**answer, "scope": " ".join(scopes)})

    # --- listings -----------------------------------------------------------------------------------------------

    def _list(self, call: Call, account: str) -> SandboxAnswer:
        """List orders by their last change; what follows a page is only known by its cursor."""
        filters, offset = self._cursor(call)
        given = dict(filters)
        size = self._size(call.parameter("limit"))
        found = self.without_missing(self._found(given, account), call)
        start = max(0, offset - 1) if self.quirks.repeats_rows else offset
        shown = found[start : offset + size]
        following = offset + len(found[offset : offset + size])
        links = []
        if following < len(found):
            is_repeated = call.faults.get(FaultKind.REPEATED_PAGE) is not None
            links = [{"rel": "next", "href": self._link(call, filters, offset if is_repeated else following, size)}]
        rows = [copy.deepcopy(self.records[each].order) for each in shown]
        body = {"resources": self.with_malformed(rows, call, "salesOrderId"), "links": links}
        return SandboxAnswer(200, body, orders=shown)

    def _link(self, call: Call, filters: tuple[tuple[str, str], ...], offset: int, size: int) -> str:
        mark = hashlib.sha256(repr((filters, offset)).encode()).hexdigest()[:24]
        self._cursors[mark] = (filters, offset)
        query = f"?nextcursor={mark}&limit={size}"
        if self.quirks.link == "address":
            return f"http://{call.headers['host']}/v4/orders{query}"
        return query if self.quirks.link == "relative" else f"/v4/orders{query}"

    def _cursor(self, call: Call) -> tuple[tuple[tuple[str, str], ...], int]:
        mark = call.parameter("nextcursor")
        if mark is None:
            return tuple(call.query), 0
        known = self._cursors.get(mark)
        if known is None:
            self.refuse(400, "BAD_REQUEST", "The cursor is not valid")
        return known

    def _size(self, given: str | None) -> int:
        if given is None:
            return MAX_PAGE
        if not given.isdigit() or not 1 <= int(given) <= MAX_PAGE:
            self.refuse(400, "BAD_REQUEST", f"limit must be from 1 to {MAX_PAGE}")
        return int(given)

    def _found(self, given: Mapping[str, str], account: str) -> list[str]:
        """Unknown filters are left aside, as the newest clients' are."""
        since = parse_iso(given["fromDate"]) if given.get("fromDate") else None
        if given.get("fromDate") and since is None:
            self.refuse(400, "BAD_REQUEST", "fromDate must be an ISO 8601 time")
        if given.get("mode", "BUCKET") not in {"BUCKET", "AT_LEAST_ONE"}:
            self.refuse(400, "BAD_REQUEST", "mode must be BUCKET or AT_LEAST_ONE")
        fitting = [
            record
            for record in self.records.values()
            if record.seller == account
            and (since is None or since <= record.updated)
            and not record.is_hidden(self.now)
        ]
        return [record.id for record in sorted(fitting, key=lambda record: (record.updated, record.id))]

    # --- one order ----------------------------------------------------------------------------------------------

    def _of(self, own_id: str, account: str) -> OttoRecord:
        record = self.records.get(own_id)
        if record is None or record.seller != account:
            self.refuse(404, "NOT_FOUND", "There is no such order")
        return record

    def _order(self, call: Call, account: str) -> SandboxAnswer:
        record = self._of(call.path_parameters["sales_order_id"], account)
        (shown,) = self.with_malformed([copy.deepcopy(record.order)], call, "salesOrderId")
        return SandboxAnswer(200, shown, orders=[record.id])

    def _cancel(self, call: Call, account: str) -> SandboxAnswer:
        """Only units that are PROCESSABLE can be cancelled: all of a call, or none of it."""
        record = self._of(call.path_parameters["sales_order_id"], account)
        wanted = call.path_parameters["item_ids"].split(",")
        units = {each["positionItemId"]: each for each in record.items}
        taken = [each for each in wanted if units.get(each, {}).get("fulfillmentStatus") == "PROCESSABLE"]
        if len(taken) < len(wanted) and not (self.quirks.is_partial and taken):
            self.refuse(409, "CONFLICT", "Only units that are PROCESSABLE can be cancelled")
        for each in taken:
            self._end(units[each], "CANCELLED_BY_PARTNER", "CANCELLED_ON_PARTNER_WISH")
        self._touch(record, self.now)
        if len(taken) < len(wanted):
            body = self.error(207, "CONFLICT", "Only units that are PROCESSABLE can be cancelled").body
            return SandboxAnswer(207, body, orders=[record.id], effect={"order": record.id})
        return SandboxAnswer(200, {}, orders=[record.id], effect={"order": record.id})

    def _end(self, item: JsonObject, state: str, reason: str) -> None:
        item |= {"fulfillmentStatus": state, "cancellationReason": reason, "cancellationDate": stamp(self.now)}

    def _touch(self, record: OttoRecord, moment: datetime) -> None:
        record.updated = moment
        record.order["lastModifiedDate"] = stamp(moment)
        record.order["orderLifecycleInformation"] = {"lifecycleChangeDate": stamp(moment)}

    # --- shipments ----------------------------------------------------------------------------------------------

    def _ship(self, call: Call, account: str) -> SandboxAnswer:
        """Take a shipment; all of a call is checked before any of it is done."""
        try:
            body = call.json_body()
            key = (str(body["trackingKey"]["carrier"]), str(body["trackingKey"]["trackingNumber"]))
            place = body["shipFromAddress"]
            wanted = [(str(each["salesOrderId"]), str(each["positionItemId"]), each) for each in body["positionItems"]]
            is_whole = all((*key, place["city"], place["zipCode"], wanted)) and parse_iso(body["shipDate"]) is not None
            is_whole = is_whole and len(place["countryCode"]) == len("DEU")
        except (KeyError, TypeError, AttributeError, ValueError):
            is_whole = False
        if not is_whole:
            self.refuse(400, "BAD_REQUEST", "The body is not as it should be")
        if key[0] in PARCEL_CARRIERS and not all(_has_label(each) for _, _, each in wanted):
            self.refuse(400, "BAD_REQUEST", "returnTrackingKey is required for parcels")
        if key in self.shipments:
            self.refuse(409, "CONFLICT", "There is a shipment with this tracking number")
        found = [(self._unit(own_id, item_id, account), own_id, item_id, each) for own_id, item_id, each in wanted]
        taken = [each for each in found if each[0] is not None]
        if len(taken) < len(found) and not (self.quirks.is_partial and taken):
            is_known = all(each[1] in self.records for each in found)
            code = 409 if is_known else 400
            self.refuse(code, "CONFLICT" if is_known else "BAD_REQUEST", "A unit cannot be sent")
        shipment_id = self._keep(key, body, [each[3] for each in taken])
        at = self.now + timedelta(seconds=self.quirks.sent_after_seconds)
        info = {"carrier": key[0], "carrierServiceCode": "DEFAULT", "trackingNumber": key[1]}
        self._turning += [(at, own_id, item_id, info) for _, own_id, item_id, _ in taken]
        self._turn_sent()
        orders = sorted({each[1] for each in taken})
        effect = {"order": orders[0], "shipment": shipment_id}
        if len(taken) < len(found):
            body = {**self.error(207, "CONFLICT", "A unit cannot be sent").body, "shipmentId": shipment_id}
            return SandboxAnswer(207, body, orders=orders, effect=effect)
        return SandboxAnswer(201, {"shipmentId": shipment_id}, orders=orders, effect=effect)

    def _keep(self, key: tuple[str, str], body: Mapping[str, Any], units: Sequence[JsonObject]) -> str:
        shipment_id = str(101_000_000_000 + len(self.shipments))
        self.shipments[key] = {
            "shipmentId": shipment_id,
            "creationDate": stamp(self.now),
            "trackingKey": dict(body["trackingKey"]),
            "shipDate": body["shipDate"],
            "shipFromAddress": dict(body["shipFromAddress"]),
            "positionItems": copy.deepcopy(list(units)),
            "states": [{"state": "SENT", "occurredOn": stamp(self.now)}],
        }
        return shipment_id

    def _unit(self, own_id: str, item_id: str, account: str) -> JsonObject | None:
        """A unit that may be sent: PROCESSABLE, and in no other shipment."""
        record = self.records.get(own_id)
        if record is None or record.seller != account:
            return None
        is_turning = any(each[2] == item_id for each in self._turning)
        fits = (
            each
            for each in record.items
            if each["positionItemId"] == item_id and each["fulfillmentStatus"] == "PROCESSABLE" and not is_turning
        )
        return next(fits, None)

    def _turn_sent(self) -> None:
        """Let units turn SENT whose time has come."""
        due = [each for each in self._turning if each[0] <= self.now]
        self._turning = [each for each in self._turning if each[0] > self.now]
        for _, own_id, item_id, info in due:
            record = self.records[own_id]
            for item in record.items:
                if item["positionItemId"] == item_id:
                    item |= {"fulfillmentStatus": "SENT", "sentDate": stamp(self.now), "trackingInfo": dict(info)}
            self._touch(record, self.now)

    def _list_shipments(self, call: Call, account: str) -> SandboxAnswer:  # noqa: ARG002 - as all answers
        """Return the oldest shipments, without their units; only the first page."""
        shown = ("shipmentId", "creationDate", "trackingKey", "states")
        rows = [{key: each[key] for key in shown} for each in list(self.shipments.values())[:SHIPMENTS_PAGE]]
        return SandboxAnswer(200, {"resources": rows, "links": []})

    def _shipment(self, call: Call, account: str) -> SandboxAnswer:  # noqa: ARG002 - as all answers
        found = self.shipments.get((call.path_parameters["carrier"], call.path_parameters["number"]))
        if found is None:
            self.refuse(404, "NOT_FOUND", "There is no such shipment")
        return SandboxAnswer(200, copy.deepcopy(found))

    def _hold(self, order: JsonObject, seller: str, updated: datetime) -> OttoRecord:
        return OttoRecord(order, seller, updated)

    # --- control ------------------------------------------------------------------------------------------------

    def generate(self, request: GenerateRequest) -> list[str]:
        """Make orders up and return their ids."""
        rng = Random(f"otto:{self.seed if request.seed is None else request.seed}:{self._numbers}")
        newest = self.now - timedelta(seconds=request.newest_seconds)
        ids = []
        with without_collection():
            for moment in moments(rng, request.orders, newest, request.days):
                self._numbers += 1
                created = moment - timedelta(minutes=rng.randrange(1, 600))
                order = otto_orders.make(rng, OttoDraft(self._numbers, created, moment, self.catalogue))
                self.records[order["salesOrderId"]] = OttoRecord(order, request.account or "seller", moment)
                ids.append(order["salesOrderId"])
        return ids

    def _steps(self) -> Mapping[str, Callable[[OttoRecord, AdvanceRequest], None]]:
        return {
            "release": lambda record, _: self._step(record, "ANNOUNCED", {"fulfillmentStatus": "PROCESSABLE"}),
            "ship": self._step_ship,
            "return": lambda record, _: self._step(record, "SENT", {"fulfillmentStatus": "RETURNED"}),
            "cancel": self._step_cancel,
            "touch": lambda _record, _: None,
        }

    def _step(self, record: OttoRecord, state: str, into: JsonObject) -> None:
        found = [each for each in record.items if each["fulfillmentStatus"] == state]
        if not found:
            raise RefusedActionError(f"nothing of it is {state}")
        for each in found:
            each.update(into)

    def _step_ship(self, record: OttoRecord, request: AdvanceRequest) -> None:
        chosen = [
            each
            for each in record.items
            if each["fulfillmentStatus"] == "PROCESSABLE"
            and (not request.quantities or request.quantities.get(each["positionItemId"]))
        ]
        if not chosen:
            raise RefusedActionError("nothing of it is PROCESSABLE")
        self._numbers += 1
        info = {"carrier": "HERMES", "carrierServiceCode": "DEFAULT", "trackingNumber": f"H{self._numbers:019}"}
        for each in chosen:
            each |= {"fulfillmentStatus": "SENT", "sentDate": stamp(self.now), "trackingInfo": info}

    def _step_cancel(self, record: OttoRecord, request: AdvanceRequest) -> None:
        """Cancel what is open, whoever asks; nothing is refused."""
        is_seller = request.by == "MERCHANT"
        for each in record.items:
            if each["fulfillmentStatus"] in OPEN:
                state = "CANCELLED_BY_PARTNER" if is_seller else "CANCELLED_BY_MARKETPLACE"
                self._end(each, state, request.reason or "CANCELLED_ON_CUSTOMER_WISH")

    def truth(self) -> list[dict[str, Any]]:
        """Return every order held, hidden or not, as it really is."""
        self._turn_sent()
        return super().truth()

    def held(self, order_ids: Sequence[str] = ()) -> list[HeldOrder]:
        """Return orders in the words that every marketplace shares."""
        self._turn_sent()
        return super().held(order_ids)

    def _held(self, record: OttoRecord) -> HeldOrder:
        packages: dict[tuple[str, str], dict[str, int]] = {}
        for item in record.items:
            info = item.get("trackingInfo")
            if item["fulfillmentStatus"] in LEFT and info:
                packages.setdefault((info["carrier"], info["trackingNumber"]), {})[item["positionItemId"]] = 1
        return HeldOrder(
            id=record.id,
            account=record.seller,
            selector=None,
            updated=record.updated,
            is_hidden=record.is_hidden(self.now),
            is_open_to_us="PROCESSABLE" in record.states() and "ANNOUNCED" not in record.states(),
            lines=[
                HeldLine(
                    item["positionItemId"],
                    1,
                    int(item["fulfillmentStatus"] in LEFT),
                    int(item["fulfillmentStatus"].startswith("CANCELLED")),
                )
                for item in record.items
            ],
            packages=[HeldPackage(number, number, units) for (_, number), units in packages.items()],
        )


def _has_label(unit: Mapping[str, Any]) -> bool:
    key = unit.get("returnTrackingKey")
    return isinstance(key, dict) and key.get("carrier") in RETURN_CARRIERS and bool(key.get("trackingNumber"))

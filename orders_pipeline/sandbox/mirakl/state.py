"""The state behind the Mirakl stand-in: shops, orders, shipments, and what the operations do to them.

What lives here: authorisation, listing, acceptance and shipping. What does not: HTTP (``engine``, ``mirakl``), made-up
orders (``orders``), the operator's own description (``platform``).

Where the public description is silent, the choice made here is said in the method's docstring.
"""

from __future__ import annotations

import copy
import hashlib
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar, NoReturn, Self

from orders_pipeline.sandbox import loading
from orders_pipeline.sandbox.clock import Clock, iso_millis, iso_seconds, parse_iso, to_millis, utc_now
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
    Operation,
    RefusalError,
    RefusedActionError,
    Sandbox,
    SandboxAnswer,
)
from orders_pipeline.sandbox.faults import FaultKind
from orders_pipeline.sandbox.generator import Times, chance, moments, without_collection
from orders_pipeline.sandbox.json_values import JsonObject, JsonValue
from orders_pipeline.sandbox.mirakl import orders as mirakl_orders
from orders_pipeline.sandbox.mirakl import payloads, platform
from orders_pipeline.sandbox.mirakl.orders import (
    BEFORE_DEBIT,
    CARRIERS,
    SHIPPED_OR_LATER,
    UNSHIPPED_SHIPMENT,
    MiraklChannel,
)
from orders_pipeline.sandbox.mirakl.platform import Features, MiraklShop
from orders_pipeline.sandbox.throttle import Plan

API_KEY = "sandbox-key"
ALL_SHOPS_KEY = "sandbox-key-all"

LOADED_AGE = timedelta(minutes=5)
DEFAULT_PAGE = 10
MAX_PAGE = 100
MAX_IDS = 100
MAX_SHIPMENTS = 1000
DEBIT_AFTER_SECONDS = 60.0

LISTING_PLAN = Plan(1 / 60, 10)
"""OR11 may be begun once a minute; the burst is this sandbox's choice, and so is that following pages cost nothing."""
GENERAL_PLAN = Plan(10.0, 200)
"""No operation's description names a limit per call; this one only stops a runaway loop."""

ORDER_STATES = frozenset({*BEFORE_DEBIT, "SHIPPING", *SHIPPED_OR_LATER, "REFUSED", "CANCELED"})
SHIPMENT_STATES = frozenset({*UNSHIPPED_SHIPMENT, *SHIPPED_OR_LATER, "CANCELED"})

DEFAULT_SHOPS = (
    MiraklShop(
        2001,
        "Sandbox Shop",
        API_KEY,
        (
            MiraklChannel("FR", "France", "FR"),
            MiraklChannel("ES", "España", "ES"),
            MiraklChannel("DE", "Deutschland", "DE"),
        ),
    ),
    MiraklShop(
        2002,
        "Sandbox Outlet",
        "sandbox-key-2",
        (MiraklChannel("IT", "Italia", "IT"), MiraklChannel("UK", "United Kingdom", "GB")),
        tax_mode="TAX_EXCLUDED",
    ),
)


@dataclass
class MiraklRecord:
    """One order as held: its complete JSON, and what the listings know about it."""

    order: JsonObject
    shop_id: int
    created: datetime
    updated: datetime
    is_loaded: bool = False
    hidden_until: datetime | None = None
    debit_at: datetime | None = None
    shipment_ids: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The order's id."""
        return str(self.order["order_id"])

    @property
    def state(self) -> str:
        """The order's state."""
        return str(self.order["order_state"])

    @property
    def channel(self) -> str | None:
        """The channel's code; None without a channel."""
        channel = self.order.get("channel")
        return channel.get("code") if isinstance(channel, dict) else None

    @property
    def center(self) -> str | None:
        """The fulfilment centre's code; None when a loaded order has none."""
        center = (self.order.get("fulfillment") or {}).get("center") or {}
        return center.get("code")

    @property
    def lines(self) -> list[JsonObject]:
        """The order's lines."""
        return list(self.order["order_lines"])


@dataclass
class _ListingCache:
    key: tuple[Any, ...] = ()
    ids: list[str] = field(default_factory=list)


class MiraklSandbox(Sandbox):
    """Shops, orders and shipments of a stand-in of a Mirakl operator instance."""

    kind = "mirakl"
    title = "Mirakl"
    port = 9200
    listing = "OR11"
    quantity_field = "order_lines.0.quantity"
    ways: ClassVar = {"whole-orders": {"multi_shipment": False}}
    read = staticmethod(payloads.read)
    demo = DemoShare(
        "mirakl_shop",
        "Mirakl operator (sandbox)",
        {f"mirakl_{code.lower()}": (f"Mirakl {code}", code) for code in ("FR", "ES", "DE")},
        file_channel="mirakl_es",
    )
    operations = (
        Operation("version", "GET", "/api/version"),
        Operation("A01", "GET", "/api/account"),
        Operation("PC01", "GET", "/api/platform/configuration"),
        Operation("OR11", "GET", "/api/orders"),
        Operation("OR21", "PUT", "/api/orders/{order_id}/accept"),
        Operation("OR29", "PUT", "/api/orders/{order_id}/cancel"),
        Operation("OR30", "PUT", "/api/orders/cancel"),
        Operation("OR23", "PUT", "/api/orders/{order_id}/tracking"),
        Operation("OR24", "PUT", "/api/orders/{order_id}/ship"),
        Operation("ST01", "POST", "/api/shipments"),
        Operation("ST11", "GET", "/api/shipments"),
        Operation("ST23", "POST", "/api/shipments/tracking"),
        Operation("ST24", "PUT", "/api/shipments/ship"),
        Operation("SH21", "GET", "/api/shipping/carriers"),
    )
    actions = (
        "submit",
        "accept",
        "refuse",
        "pay",
        "ship",
        "receive",
        "close",
        "cancel",
        "refund",
        "open_incident",
        "touch",
    )

    def __init__(
        self,
        seed: int = 1,
        rate_factor: float = 1.0,
        clock: Clock = utc_now,
        features: Features | None = None,
    ) -> None:
        """Start with the default shops and no orders."""
        super().__init__(seed, rate_factor, clock)
        self.features = features or Features()
        self.shops: dict[int, MiraklShop] = {}
        self.records: dict[str, MiraklRecord] = {}
        self.shipments: dict[str, JsonObject] = {}
        self._by_creation: list[tuple[datetime, str]] = []
        self._cache = _ListingCache()
        self._page_tokens: dict[str, int] = {}
        self._hidden: set[str] = set()
        self._to_debit: set[str] = set()
        self._version = 0
        self._numbers = 0
        for shop in DEFAULT_SHOPS:
            self.add_shop(replace(shop))

    # --- shops --------------------------------------------------------------------------------------------------

    def add_shop(self, shop: MiraklShop) -> None:
        """Add a shop, or replace the one of the same id."""
        self.shops[shop.shop_id] = shop

    def accounts_json(self) -> list[dict[str, Any]]:
        """Return the shops, with their (public) keys."""
        return [asdict(shop) for shop in self.shops.values()]

    def add_account_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Add a shop: shop_id, name, api_key and channels (code, label, country) are due."""
        try:
            channels = tuple(MiraklChannel(**channel) for channel in values.get("channels", ()))
            shop = MiraklShop(**{**values, "channels": channels})
        except TypeError as error:
            raise ValueError(str(error)) from error
        self.add_shop(shop)
        return asdict(shop)

    def configure(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change the operator's switches, see ``Features``."""
        try:
            self.features = replace(self.features, **values)
        except TypeError as error:
            raise ValueError(str(error)) from error
        return asdict(self.features)

    def revoke(self, account: str) -> None:
        """Let the shop's key stop working."""
        self.shops[int(account)].is_revoked = True

    def expire(self, account: str) -> None:
        """Do what revoking does: a Mirakl key has no other end."""
        self.revoke(account)

    def restore(self) -> None:
        """Let every key work again."""
        for shop in self.shops.values():
            shop.is_revoked = False

    def account_of(self, call: Call) -> str | None:
        """Return the shop id that a call's key and ``shop_id`` mean."""
        shops = self._reachable(call)
        wanted = call.parameter("shop_id")
        if wanted is None:
            return str(shops[0].shop_id) if shops else None
        return next((wanted for shop in shops if str(shop.shop_id) == wanted), None)

    def _reachable(self, call: Call) -> list[MiraklShop]:
        key = call.headers.get("authorization", "")
        return [shop for shop in self.shops.values() if key in (shop.api_key, ALL_SHOPS_KEY) and not shop.is_revoked]

    def _shop(self, call: Call) -> MiraklShop:
        if not self._reachable(call):
            self.refuse(401, "UNAUTHORIZED", "Unauthorized")
        account = self.account_of(call)
        if account is None:
            self.refuse(403, "FORBIDDEN", "The user has no access to this shop")
        return self.shops[int(account)]

    # --- answering ----------------------------------------------------------------------------------------------

    def handle(self, call: Call) -> SandboxAnswer:
        """Work a call off."""
        handlers: dict[str, Callable[[Call, MiraklShop], SandboxAnswer]] = {
            "version": lambda _call, _shop: SandboxAnswer(200, platform.version()),
            "A01": self._account,
            "PC01": lambda _call, shop: SandboxAnswer(200, platform.configuration(shop, self.features)),
            "SH21": lambda _call, _shop: SandboxAnswer(200, platform.carriers()),
            "OR11": self._list_orders,
            "OR21": self._accept,
            "OR29": self._cancel_order,
            "OR30": self._cancel_lines,
            "OR23": self._set_tracking,
            "OR24": self._ship_order,
            "ST01": self._create_shipments,
            "ST11": self._list_shipments,
            "ST23": self._update_tracking,
            "ST24": self._ship_shipments,
        }
        shop = self._shop(call)
        self.spend(str(shop.shop_id), "*", GENERAL_PLAN)
        self._debit_due()
        return handlers[call.operation.name](call, shop)

    def error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> SandboxAnswer:
        """Return an error as Mirakl words it: a message, the status, and a code where one is documented."""
        return SandboxAnswer(
            status, {"status": status, "code": code, "message": message}, dict(headers or {}), code=code
        )

    def throttled(self, retry_after: float) -> SandboxAnswer:
        """Return 429 with the seconds to wait."""
        seconds = max(1, int(retry_after + 0.999))
        return self.error(429, "TOO_MANY_REQUESTS", "Too many requests", {"Retry-After": str(seconds)})

    def _account(self, _call: Call, shop: MiraklShop) -> SandboxAnswer:
        orders = sum(record.shop_id == shop.shop_id for record in self.records.values())
        return SandboxAnswer(200, platform.account(shop, orders, self.now))

    # --- OR11 ---------------------------------------------------------------------------------------------------

    def _list_orders(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        size = self._number(call, "max", DEFAULT_PAGE, 0, MAX_PAGE)
        offset = self._number(call, "offset", 0, 0, None)
        if offset == 0 and call.parameter("order_ids") is None:
            self.spend(str(shop.shop_id), "OR11", LISTING_PLAN)
        if call.faults.get(FaultKind.REPEATED_PAGE):
            offset = 0
        ids = self._visible(self._found(call, shop))
        if call.parameter("order_ids") is None:
            ids = self.without_missing(ids, call)
        if call.parameter("order") == "desc":
            ids = ids[::-1]
        shown = [self.records[order_id] for order_id in ids[offset : offset + size]]
        orders = [self._rendered(record) for record in shown]
        body = {"orders": self.with_malformed(orders, call, "order_id"), "total_count": len(ids)}
        return SandboxAnswer(200, body, orders=[record.id for record in shown])

    def _found(self, call: Call, shop: MiraklShop) -> list[str]:
        """Return the ids that fit, by creation; kept for the pages that follow as long as nothing changes."""
        filters = tuple(pair for pair in call.query if pair[0] not in ("max", "offset", "order"))
        key = (shop.shop_id, self._version, filters)
        if self._cache.key != key:
            fits = self._order_filters(call)
            ids = [
                order_id
                for _, order_id in self._by_creation
                if self.records[order_id].shop_id == shop.shop_id and all(fit(self.records[order_id]) for fit in fits)
            ]
            self._cache = _ListingCache(key, ids)
        return self._cache.ids

    def _visible(self, ids: list[str]) -> list[str]:
        self._hidden = {order_id for order_id in self._hidden if self._is_hidden(order_id)}
        return [order_id for order_id in ids if order_id not in self._hidden] if self._hidden else ids

    def _is_hidden(self, order_id: str) -> bool:
        until = self.records[order_id].hidden_until
        return until is not None and until > self.now

    def _order_filters(self, call: Call) -> list[Callable[[MiraklRecord], bool]]:
        if call.parameter("sort") not in (None, "dateCreated"):
            self._invalid("sort", "only dateCreated is possible")
        if call.parameter("order") not in (None, "asc", "desc"):
            self._invalid("order", "must be asc or desc")
        return [*self._id_filters(call), *self._date_filters(call), *self._flag_filters(call)]

    def _id_filters(self, call: Call) -> list[Callable[[MiraklRecord], bool]]:
        fits: list[Callable[[MiraklRecord], bool]] = []
        ids = _comma_list(call, "order_ids")
        if len(ids) > MAX_IDS:
            self._invalid("order_ids", f"at most {MAX_IDS} values")
        states = _comma_list(call, "order_state_codes")
        if states - ORDER_STATES:
            self._invalid("order_state_codes", f"unknown value {min(states - ORDER_STATES)}")
        if ids:
            fits.append(lambda record: record.id in ids)
        if states:
            fits.append(lambda record: record.state in states)
        for whose in ("customer", "seller"):
            wanted = _comma_list(call, f"order_references_for_{whose}")
            if wanted:
                fits.append(_has_reference(f"order_reference_for_{whose}", wanted))
        return fits

    def _date_filters(self, call: Call) -> list[Callable[[MiraklRecord], bool]]:
        fits: list[Callable[[MiraklRecord], bool]] = []
        start, end = self._date(call, "start_date"), self._date(call, "end_date")
        start_update, end_update = self._date(call, "start_update_date"), self._date(call, "end_update_date")
        if start:
            fits.append(lambda record: record.created >= start)
        if end:
            fits.append(lambda record: record.created <= end)
        if start_update:
            earliest = start_update - timedelta(seconds=self.features.update_delta_seconds)
            fits.append(lambda record: record.updated >= earliest)
        if end_update:
            fits.append(lambda record: record.updated <= end_update)
        return fits

    def _flag_filters(self, call: Call) -> list[Callable[[MiraklRecord], bool]]:
        fits: list[Callable[[MiraklRecord], bool]] = []
        channels = _comma_list(call, "channel_codes")
        if self._flag(call, "only_null_channel"):
            fits.append(lambda record: record.channel is None)
        elif channels:
            fits.append(lambda record: record.channel in channels)
        debited, incident = self._flag(call, "customer_debited"), self._flag(call, "has_incident")
        if debited is not None:
            fits.append(lambda record: bool(record.order.get("customer_debited_date")) is debited)
        if incident is not None:
            fits.append(lambda record: bool(record.order.get("has_incident")) is incident)
        centers = frozenset(call.parameters("fulfillment_center_code"))
        if centers:
            fits.append(lambda record: record.center in centers)
        for name in ("payment_workflow", "order_tax_mode"):
            wanted = call.parameter(name)
            if wanted:
                fits.append(_has_value(name, wanted))
        return fits

    def _rendered(self, record: MiraklRecord) -> JsonObject:
        """Return an order as the shop sees it now; a loaded one is never touched."""
        if record.is_loaded:
            return record.order
        order = record.order
        if record.state in BEFORE_DEBIT and not self.features.addresses_before_acceptance:
            order = {**order, "customer": {**order["customer"], "billing_address": None, "shipping_address": None}}
        return _in_old_manner(order) if self.features.old_instance else order

    # --- OR21 ---------------------------------------------------------------------------------------------------

    def _accept(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        record = self._own(call, shop)
        decisions = self._decisions(call, record)
        if record.state != "WAITING_ACCEPTANCE":
            self.refuse(400, "ORDER_INVALID_STATE", f"The order is {record.state}, not WAITING_ACCEPTANCE")
        if len(set(decisions.values())) > 1 and not self.features.partial_acceptance:
            self.refuse(400, "ORDER_PARTIAL_ACCEPTANCE_DISABLED", "An order must be accepted or refused as a whole")
        self._decide(record, decisions)
        return SandboxAnswer(204, orders=[record.id], effect={"order_id": record.id, "accepted": decisions})

    def _decisions(self, call: Call, record: MiraklRecord) -> dict[str, bool]:
        given = self._object(call).get("order_lines")
        if not isinstance(given, list) or not given:
            self._invalid("order_lines", "must be a list that is not empty")
        if any(each is None for each in given):
            self.refuse(400, "ORDER_LINE_NULL_ELEMENT", "order_lines has a null element")
        decisions: dict[str, bool] = {}
        for each in given:
            if not isinstance(each, dict) or not isinstance(each.get("accepted"), bool) or not _is_text(each.get("id")):
                self._invalid("order_lines", "every element needs id and accepted")
            if each["id"] in decisions:
                self.refuse(400, "ORDER_LINE_DUPLICATE_ID", f"Line {each['id']} is listed twice")
            decisions[each["id"]] = each["accepted"]
        held = {line["order_line_id"] for line in record.lines}
        if set(decisions) - held:
            self.refuse(400, "ORDER_LINE_NOT_FOUND", f"The order has no line {min(set(decisions) - held)}")
        if held - set(decisions):
            self.refuse(400, "ORDER_LINE_ACCEPTANCE_DECISION_MISSING", "Every line of the order must be decided")
        return decisions

    # --- OR29, OR30 ---------------------------------------------------------------------------------------------

    def _cancel_order(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        record = self._own(call, shop)
        if not record.order.get("can_cancel"):
            self.refuse(400, "ORDER_INVALID_STATE", f"The order is {record.state} and cannot be cancelled")
        left = {line["order_line_id"]: self._left(line) for line in record.lines}
        self._cancel_units(record, left, "SELLER_REQUEST")
        return SandboxAnswer(204, orders=[record.id], effect={"order_id": record.id, "cancelled": left})

    def _cancel_lines(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        given = self._object(call).get("cancelations")
        if not isinstance(given, list) or not given:
            self._invalid("cancelations", "must be a list that is not empty")
        wanted: dict[str, dict[str, int]] = {}
        created = []
        for each in given:
            record, line = self._cancelled_line(each, shop)
            wanted.setdefault(record.id, {})[line["order_line_id"]] = each["quantity"]
            number = len(line["cancelations"]) + 1
            created.append({**each, "cancelation_id": f"CANCEL-{line['order_line_id']}-{number}"})
        for order_id, quantities in wanted.items():
            self._cancel_units(self.records[order_id], quantities, given[0]["reason_code"])
        return SandboxAnswer(
            200,
            {"cancelations": created, "order_tax_mode": "TAX_INCLUDED"},
            orders=list(wanted),
            effect={"cancelled": wanted},
        )

    def _cancelled_line(self, given: JsonValue, shop: MiraklShop) -> tuple[MiraklRecord, JsonObject]:
        """The line that one element cancels units of."""
        required = ("amount", "order_line_id", "quantity", "reason_code", "shipping_amount")
        if not isinstance(given, dict) or any(given.get(name) is None for name in required):
            self._invalid("cancelations", f"every element needs {', '.join(required)}")
        own = [record for record in self.records.values() if record.shop_id == shop.shop_id]
        held = {line["order_line_id"]: (record, line) for record in own for line in record.lines}
        if given["order_line_id"] not in held:
            self.refuse(400, "ORDER_LINE_NOT_FOUND", f"There is no line {given['order_line_id']}")
        record, line = held[given["order_line_id"]]
        left = self._left(line)
        if line["order_line_state"] not in BEFORE_DEBIT | {"SHIPPING"}:
            self.refuse(400, "ORDER_INVALID_STATE", f"The line is {line['order_line_state']}")
        if not isinstance(given["quantity"], int) or not 0 < given["quantity"] <= left:
            self._invalid("cancelations", "quantity is more than what is open")
        return record, line

    def _cancel_units(self, record: MiraklRecord, quantities: Mapping[str, int], reason: str) -> None:
        request = AdvanceRequest(action="cancel", quantities=dict(quantities), reason=reason)
        self._step_cancel(record, request)
        self._touch(record)

    def _decide(self, record: MiraklRecord, decisions: Mapping[str, bool]) -> None:
        """Accepted lines wait for the debit; the order is refused when none is accepted."""
        for line in record.lines:
            line["order_line_state"] = "WAITING_DEBIT" if decisions[line["order_line_id"]] else "REFUSED"
        is_accepted = any(decisions.values())
        record.order["order_state"] = "WAITING_DEBIT_PAYMENT" if is_accepted else "REFUSED"
        for line in record.lines:
            if line["order_line_state"] == "WAITING_DEBIT":
                line["order_line_state"] = "WAITING_DEBIT_PAYMENT"
        record.order["acceptance_decision_date"] = iso_seconds(self.now)
        self._touch(record)
        if is_accepted and self.features.debit_after_seconds is not None:
            record.debit_at = self.now + timedelta(seconds=self.features.debit_after_seconds)
            self._to_debit.add(record.id)

    def _debit_due(self) -> None:
        for record in [self.records[order_id] for order_id in sorted(self._to_debit)]:
            if record.debit_at is not None and record.debit_at <= self.now:
                self._debit(record)

    def _debit(self, record: MiraklRecord) -> None:
        record.debit_at = None
        self._to_debit.discard(record.id)
        record.order["order_state"] = "SHIPPING"
        record.order["customer_debited_date"] = record.order["transaction_date"] = iso_millis(self.now)
        record.order["shipping_deadline"] = iso_millis(self.now + timedelta(days=2))
        record.order["can_shop_ship"] = record.center in (None, mirakl_orders.DEFAULT_CENTER)
        for line in record.lines:
            if line["order_line_state"] in BEFORE_DEBIT:
                line["order_line_state"] = "SHIPPING"
                line["debited_date"] = iso_seconds(self.now)
        self._touch(record)

    # --- OR23, OR24 ---------------------------------------------------------------------------------------------

    def _set_tracking(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        record = self._own(call, shop)
        if record.state not in {"SHIPPING", "SHIPPED", "TO_COLLECT"}:
            self.refuse(400, "ORDER_INVALID_STATE", f"Tracking cannot be set while the order is {record.state}")
        given = self._object(call)
        tracking = self._tracking(given, given.get("carrier_url"))
        record.order["shipping_carrier_code"] = tracking["carrier_code"]
        record.order["shipping_carrier_standard_code"] = tracking["carrier_standard_code"]
        record.order["shipping_company"] = tracking["carrier_name"]
        record.order["shipping_tracking"] = tracking["tracking_number"]
        record.order["shipping_tracking_url"] = tracking["tracking_url"]
        self._touch(record)
        return SandboxAnswer(204, orders=[record.id], effect={"order_id": record.id, "tracking": tracking})

    def _tracking(self, given: Mapping[str, Any], url: JsonValue) -> JsonObject:
        """Check a carrier: a registered one by its code, any other by its name."""
        code, name, number = given.get("carrier_code"), given.get("carrier_name"), given.get("tracking_number")
        if not all(value is None or isinstance(value, str) for value in (code, name, number, url)):
            self._invalid("tracking", "carrier and tracking must be texts")
        if code and code not in CARRIERS:
            self._invalid("carrier_code", f"{code} is not a registered carrier")
        if code and not number:
            self._invalid("tracking_number", "is mandatory for this carrier")
        if code:
            return mirakl_orders.make_tracking(str(code), str(number))
        if not name:
            self._invalid("carrier_name", "is mandatory for a carrier that is not registered")
        if not self.features.alternative_carriers:
            self._invalid("carrier_name", "only registered carriers are taken")
        return {
            "carrier_code": None,
            "carrier_name": name,
            "carrier_standard_code": given.get("carrier_standard_code"),
            "tracking_number": number,
            "tracking_url": url,
        }

    def _ship_order(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        """Ship a whole order; on a multi-shipment platform what is left becomes one shipment."""
        record = self._own(call, shop)
        if record.state != "SHIPPING":
            self.refuse(400, "ORDER_INVALID_STATE", "The order is not in the expected state")
        if record.order.get("can_shop_ship") is False:
            self.refuse(400, "ORDER_FULFILLED_UNAUTHORIZED", "This order is not shipped by the shop")
        is_tracked = bool(record.order.get("shipping_tracking") or record.order.get("shipping_company"))
        if record.order.get("shipping_type_code") in self.features.tracking_mandatory_types and not is_tracked:
            self.refuse(400, "VALIDATION_ERROR", "Tracking details are mandatory for this shipping method")
        quantities = self._open_quantities(record)
        effect: dict[str, Any] = {
            "order_id": record.id,
            "shipment_id": None,
            "label": None,
            "tracking": self._order_tracking(record),
            "quantities": quantities,
        }
        if self.features.multi_shipment and quantities:
            shipment = self._add_shipment(record, quantities, effect["tracking"], is_shipped=True)
            effect["shipment_id"] = shipment["id"]
        self._finish_shipping(record)
        return SandboxAnswer(204, orders=[record.id], effect=effect)

    @staticmethod
    def _order_tracking(record: MiraklRecord) -> JsonObject | None:
        if not record.order.get("shipping_company"):
            return None
        return {
            "carrier_code": record.order.get("shipping_carrier_code"),
            "carrier_name": record.order.get("shipping_company"),
            "carrier_standard_code": record.order.get("shipping_carrier_standard_code"),
            "tracking_number": record.order.get("shipping_tracking"),
            "tracking_url": record.order.get("shipping_tracking_url"),
        }

    def _finish_shipping(self, record: MiraklRecord) -> None:
        for line in record.lines:
            if line["order_line_state"] == "SHIPPING":
                line["order_line_state"] = "SHIPPED"
                line["shipped_date"] = iso_seconds(self.now)
        record.order["order_state"] = "SHIPPED"
        record.order["can_shop_ship"] = False
        record.order["can_cancel"] = False
        self._touch(record)

    # --- shipments ----------------------------------------------------------------------------------------------

    def _list_shipments(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        size = self._number(call, "limit", DEFAULT_PAGE, 1, MAX_PAGE)
        offset = self._seek(call)
        states = frozenset(call.parameters("shipment_state_code"))
        if states - SHIPMENT_STATES:
            self._invalid("shipment_state_code", f"unknown value {min(states - SHIPMENT_STATES)}")
        debits = frozenset(call.parameters("shipment_customer_debit_state_code"))
        start, end = self._date(call, "last_updated_from"), self._date(call, "last_updated_to")
        found = [
            shipment
            for shipment in self._shop_shipments(shop, frozenset(call.parameters("order_id")))
            if (not states or shipment["status"] in states)
            and (not debits or shipment.get("status_customer_debit") in debits)
            and _is_between(_updated(shipment), start, end)
        ]
        found.sort(key=lambda shipment: (shipment["created_date"], shipment["id"]))
        body: dict[str, Any] = {"data": found[offset : offset + size]}
        if call.faults.get(FaultKind.REPEATED_PAGE):
            body["next_page_token"] = self._page_token(offset)
        elif offset + size < len(found):
            body["next_page_token"] = self._page_token(offset + size)
        if offset:
            body["previous_page_token"] = self._page_token(max(0, offset - size))
        return SandboxAnswer(200, body, orders=sorted({each["order_id"] for each in body["data"]}))

    def _shop_shipments(self, shop: MiraklShop, order_ids: frozenset[str]) -> Iterable[JsonObject]:
        records = (
            (self.records[each] for each in order_ids if each in self.records) if order_ids else self.records.values()
        )
        for record in records:
            if record.shop_id == shop.shop_id:
                yield from (self.shipments[shipment_id] for shipment_id in record.shipment_ids)

    def _seek(self, call: Call) -> int:
        token = call.parameter("page_token")
        if token is None:
            return 0
        if token not in self._page_tokens:
            self._invalid("page_token", "is not valid")
        return self._page_tokens[token]

    def _page_token(self, offset: int) -> str:
        token = hashlib.sha256(f"{self.seed}:page:{len(self._page_tokens)}".encode()).hexdigest()[:32]
        self._page_tokens[token] = offset
        return token

    def _create_shipments(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        if not self.features.multi_shipment:
            self.refuse(400, "FEATURE_DISABLED", "Multi-shipment is not activated on this platform")
        successes: list[JsonObject] = []
        errors: list[JsonObject] = []
        for given in self._shipments_of(call):
            try:
                successes.append(self._create_shipment(given, shop))
            except RefusedActionError as error:
                errors.append({"order_id": given.get("order_id"), "message": str(error)})
        applied = [_applied(each) for each in successes]
        return SandboxAnswer(
            201,
            {"shipment_success": successes, "shipment_errors": errors},
            orders=[each["order_id"] for each in successes],
            effect={"shipments": applied, "errors": errors},
        )

    def _shipments_of(self, call: Call) -> list[JsonObject]:
        given = self._object(call).get("shipments")
        if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
            self._invalid("shipments", "must be a list of objects that is not empty")
        if len(given) > MAX_SHIPMENTS:
            self._invalid("shipments", f"at most {MAX_SHIPMENTS} shipments")
        return list(given)

    def _create_shipment(self, given: JsonObject, shop: MiraklShop) -> JsonObject:
        record = self.records.get(str(given.get("order_id")))
        if record is None or record.shop_id != shop.shop_id:
            raise RefusedActionError("The order does not exist.")
        if record.state != "SHIPPING":
            raise RefusedActionError(f"The order status must be 'SHIPPING' but it is '{record.state}'.")
        if record.order.get("can_shop_ship") is False:
            raise RefusedActionError("The order is not shipped by the shop.")
        quantities = self._wanted_quantities(given, record)
        is_shipped = given.get("shipped") is True
        tracking = self._optional_tracking(given.get("tracking"))
        is_mandatory = record.order.get("shipping_type_code") in self.features.tracking_mandatory_types
        if is_shipped and is_mandatory and tracking is None:
            raise RefusedActionError("Tracking details are mandatory for this shipping method.")
        shipment = self._add_shipment(record, quantities, tracking, is_shipped=is_shipped)
        shipment["invoice_reference"] = given.get("invoice_reference")
        shipment["shipping_from"] = given.get("shipping_from") or shipment["shipping_from"]
        references = {
            str(line.get("order_line_id") or line.get("offer_sku")): line.get("package_reference")
            for line in given["shipment_lines"]
        }
        for line in shipment["shipment_lines"]:
            line["package_reference"] = references.get(line["order_line_id"], references.get(line["offer_sku"]))
        self._settle_lines(record)
        return shipment

    def _optional_tracking(self, given: JsonValue) -> JsonObject | None:
        if not isinstance(given, dict) or not any(given.values()):
            return None
        try:
            return self._tracking(given, given.get("tracking_url"))
        except RefusalError as refusal:
            raise RefusedActionError(str(refusal.answer.body["message"])) from refusal

    def _wanted_quantities(self, given: JsonObject, record: MiraklRecord) -> dict[str, int]:
        lines = given.get("shipment_lines")
        if not isinstance(lines, list) or not lines:
            raise RefusedActionError("Shipment lines are missing.")
        by_sku = {line.get("offer_sku"): line["order_line_id"] for line in record.lines}
        left = self._open_quantities(record)
        wanted: dict[str, int] = {}
        for line in lines:
            if not isinstance(line, dict):
                raise RefusedActionError("Shipment lines are invalid.")
            line_id = str(line.get("order_line_id") or by_sku.get(str(line.get("offer_sku"))))
            quantity = line.get("quantity")
            if line_id not in {each["order_line_id"] for each in record.lines}:
                raise RefusedActionError("The order line does not exist.")
            if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
                raise RefusedActionError("Shipment quantity is invalid.")
            wanted[line_id] = wanted.get(line_id, 0) + quantity
        if any(quantity > left.get(line_id, 0) for line_id, quantity in wanted.items()):
            raise RefusedActionError("Shipment quantity is invalid.")
        return wanted

    def _add_shipment(
        self, record: MiraklRecord, quantities: Mapping[str, int], tracking: JsonObject | None, *, is_shipped: bool
    ) -> JsonObject:
        digits = hashlib.sha256(f"{self.seed}:shipment:{len(self.shipments)}".encode()).hexdigest()
        shipment_id = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
        shipment = mirakl_orders.make_shipment(
            shipment_id, record.order, quantities, self.now, tracking, is_shipped=is_shipped
        )
        self._attach(record, shipment)
        return shipment

    def _attach(self, record: MiraklRecord, shipment: JsonObject) -> None:
        if shipment["id"] not in record.shipment_ids:
            record.shipment_ids.append(shipment["id"])
        self.shipments[shipment["id"]] = shipment

    def _open_quantities(self, record: MiraklRecord) -> dict[str, int]:
        """Return what is neither in a shipment, nor cancelled, nor of a line in another state, per line id."""
        taken: dict[str, int] = {}
        for shipment_id in record.shipment_ids:
            if self.shipments[shipment_id]["status"] != "CANCELED":
                for line_id, quantity in _shipment_quantities(self.shipments[shipment_id]).items():
                    taken[line_id] = taken.get(line_id, 0) + quantity
        left = {}
        for line in record.lines:
            if line.get("order_line_state") == "SHIPPING":
                left[line["order_line_id"]] = self._left(line) - taken.get(line["order_line_id"], 0)
        return {line_id: quantity for line_id, quantity in left.items() if quantity > 0}

    def _settle_lines(self, record: MiraklRecord) -> None:
        """Lines whose whole quantity is in shipped shipments are shipped; the order when all its lines are."""
        is_pending = any(self.shipments[each]["status"] in UNSHIPPED_SHIPMENT for each in record.shipment_ids)
        left = self._open_quantities(record)
        waiting = {
            line_id
            for each in record.shipment_ids
            if self.shipments[each]["status"] in UNSHIPPED_SHIPMENT
            for line_id in _shipment_quantities(self.shipments[each])
        }
        for line in record.lines:
            line_id = line["order_line_id"]
            if line.get("order_line_state") == "SHIPPING" and line_id not in left and line_id not in waiting:
                line["order_line_state"] = "SHIPPED"
                line["shipped_date"] = iso_seconds(self.now)
        if not left and not is_pending:
            self._finish_shipping(record)
        self._touch(record)

    def _update_tracking(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        def update(shipment: JsonObject, given: JsonObject) -> None:
            if shipment["status"] == "CANCELED":
                raise RefusedActionError("The shipment status must not be 'CANCELED'.")
            tracking = self._optional_tracking(given.get("tracking"))
            if tracking is None:
                raise RefusedActionError("Tracking details are missing.")
            shipment["tracking"] = tracking

        return self._each_shipment(call, shop, update)

    def _ship_shipments(self, call: Call, shop: MiraklShop) -> SandboxAnswer:
        def ship(shipment: JsonObject, _given: JsonObject) -> None:
            if shipment["status"] not in UNSHIPPED_SHIPMENT:
                raise RefusedActionError(f"The shipment status must be 'SHIPPING' but it is '{shipment['status']}'.")
            shipment["status"] = "SHIPPED"
            shipment["shipped_date"] = iso_millis(self.now)

        return self._each_shipment(call, shop, ship)

    def _each_shipment(
        self, call: Call, shop: MiraklShop, change: Callable[[JsonObject, JsonObject], None]
    ) -> SandboxAnswer:
        successes: list[JsonObject] = []
        applied: list[JsonObject] = []
        errors: list[JsonObject] = []
        for given in self._shipments_of(call):
            try:
                shipment, record = self._own_shipment(given, shop)
                change(shipment, given)
            except RefusedActionError as error:
                errors.append({"id": given.get("id"), "message": str(error)})
                continue
            shipment["last_updated_date"] = iso_millis(self.now)
            self._settle_lines(record)
            successes.append({"id": shipment["id"]})
            applied.append(_applied(shipment))
        effect = {"shipments": applied, "errors": errors}
        orders = sorted({each["order_id"] for each in applied})
        return SandboxAnswer(
            200, {"shipment_success": successes, "shipment_errors": errors}, orders=orders, effect=effect
        )

    def _own_shipment(self, given: JsonObject, shop: MiraklShop) -> tuple[JsonObject, MiraklRecord]:
        shipment = self.shipments.get(str(given.get("id")))
        record = self.records.get(shipment["order_id"]) if shipment else None
        if shipment is None or record is None or record.shop_id != shop.shop_id:
            raise RefusedActionError("The shipment does not exist.")
        return shipment, record

    # --- shared by the handlers ----------------------------------------------------------------------------------

    def _own(self, call: Call, shop: MiraklShop) -> MiraklRecord:
        record = self.records.get(call.path_parameters["order_id"])
        if record is None or record.shop_id != shop.shop_id:
            self.refuse(404, "ORDER_NOT_FOUND", "The order does not exist")
        return record

    def _object(self, call: Call) -> dict[str, Any]:
        try:
            given = call.json_body()
        except ValueError:
            self.refuse(400, "VALIDATION_ERROR", "The body is not JSON")
        if not isinstance(given, dict):
            self.refuse(400, "VALIDATION_ERROR", "The body must be an object")
        return given

    def _invalid(self, name: str, message: str) -> NoReturn:
        self.refuse(400, "VALIDATION_ERROR", f"{name}: {message}")

    def _number(self, call: Call, name: str, default: int, lowest: int, highest: int | None) -> int:
        text = call.parameter(name)
        if text is None:
            return default
        is_number = text.isascii() and text.isdigit()
        if not is_number or int(text) < lowest or (highest is not None and int(text) > highest):
            self._invalid(name, f"must be a whole number from {lowest} to {highest or 'any'}")
        return int(text)

    def _date(self, call: Call, name: str) -> datetime | None:
        text = call.parameter(name)
        if text is None:
            return None
        moment = parse_iso(text)
        if moment is None:
            self._invalid(name, "must be an ISO 8601 date-time with its offset")
        return moment

    def _flag(self, call: Call, name: str) -> bool | None:
        text = call.parameter(name)
        if text not in (None, "true", "false"):
            self._invalid(name, "must be true or false")
        return None if text is None else text == "true"

    def _touch(self, record: MiraklRecord, age: timedelta = timedelta()) -> None:
        record.updated = to_millis(self.now - age)
        record.order["last_updated_date"] = iso_seconds(record.updated)
        self._version += 1

    # --- the control endpoint's side -----------------------------------------------------------------------------

    @without_collection()
    def generate(self, request: GenerateRequest) -> list[str]:
        """Make orders up for a shop; ``channel`` is one channel code, else they go round the shop's own."""
        try:
            shop = self.shops[int(request.account or DEFAULT_SHOPS[0].shop_id)]
        except (KeyError, ValueError) as error:
            raise ValueError(f"no such shop: {request.account}") from error
        traits = shop.traits(self.features)
        if request.channel:
            traits = replace(traits, channels=tuple(c for c in shop.channels if c.code == request.channel))
        if not traits.channels:
            raise ValueError(f"the shop has no such channel: {request.channel}")
        seed = self.seed if request.seed is None else request.seed
        rng = Random(f"mirakl:{shop.shop_id}:{seed}:{self._numbers}")
        newest = self.now - timedelta(seconds=request.newest_seconds)
        made: list[str] = []
        for updated in moments(rng, request.orders, newest, request.days):
            left = request.orders - len(made)
            if left <= 0:
                break
            self._numbers += 1
            orders = mirakl_orders.make_orders(
                rng,
                self.catalogue,
                traits,
                Times(updated - timedelta(seconds=rng.random() * 36 * 3600), updated),
                self._numbers,
                is_mixed=chance(rng, request.mixed_share) and left > 1,
                has_mixed_lines=chance(rng, request.mixed_lines_share),
            )
            for each in orders:
                self._hold_made(each, shop, updated)
            made += [each.order["order_id"] for each in orders]
        return made

    def _hold_made(self, made: mirakl_orders.Made, shop: MiraklShop, updated: datetime) -> None:
        created = parse_iso(made.order["created_date"]) or updated
        record = MiraklRecord(made.order, shop.shop_id, created, updated)
        self._hold(record)
        for shipment in made.shipments:
            self._attach(record, shipment)

    def _hold(self, record: MiraklRecord) -> None:
        held = self.records.get(record.id)
        if held is not None:
            self._by_creation.remove((held.created, held.id))
            record.shipment_ids = held.shipment_ids
        insort(self._by_creation, (record.created, record.id))
        self.records[record.id] = record
        self._version += 1

    def advance(self, request: AdvanceRequest) -> AdvanceResult:
        """Move orders on: see ``actions``."""
        if request.action not in self.actions:
            raise ValueError(f"unknown action {request.action}; known: {', '.join(self.actions)}")
        advanced: list[str] = []
        refused: dict[str, str] = {}
        for order_id in request.order_ids or tuple(self.records):
            if request.count is not None and len(advanced) >= request.count:
                break
            try:
                self._advance_one(self.records.get(order_id), request)
            except RefusedActionError as error:
                refused[order_id] = str(error)
                continue
            advanced.append(order_id)
        return AdvanceResult(advanced, refused if request.order_ids else {})

    def _advance_one(self, record: MiraklRecord | None, request: AdvanceRequest) -> None:
        if record is None:
            raise RefusedActionError("no such order")
        steps: dict[str, Callable[[MiraklRecord, AdvanceRequest], None]] = {
            "submit": lambda record, _request: self._move(record, {"STAGING"}, "WAITING_ACCEPTANCE"),
            "accept": self._step_accept,
            "refuse": self._step_refuse,
            "pay": self._step_pay,
            "ship": self._step_ship,
            "receive": self._step_receive,
            "close": lambda record, _request: self._move(record, {"RECEIVED"}, "CLOSED"),
            "cancel": self._step_cancel,
            "refund": self._step_refund,
            "open_incident": lambda record, _request: record.order.update(has_incident=True),
            "touch": lambda _record, _request: None,
        }
        steps[request.action](record, request)
        self._touch(record, timedelta(seconds=request.backdate_seconds))

    def _move(self, record: MiraklRecord, states: set[str], new_state: str) -> None:
        if record.state not in states:
            raise RefusedActionError(f"the order is {record.state}")
        record.order["order_state"] = new_state
        for line in record.lines:
            if line["order_line_state"] in states:
                line["order_line_state"] = new_state

    def _step_accept(self, record: MiraklRecord, _request: AdvanceRequest) -> None:
        _require(record, {"WAITING_ACCEPTANCE"})
        self._decide(record, {line["order_line_id"]: True for line in record.lines})

    def _step_refuse(self, record: MiraklRecord, _request: AdvanceRequest) -> None:
        _require(record, {"WAITING_ACCEPTANCE"})
        self._decide(record, {line["order_line_id"]: False for line in record.lines})

    def _step_pay(self, record: MiraklRecord, _request: AdvanceRequest) -> None:
        _require(record, {"WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"})
        self._debit(record)

    def _step_ship(self, record: MiraklRecord, request: AdvanceRequest) -> None:
        """Ship as the operator's other side would see it, whoever fulfils."""
        _require(record, {"SHIPPING"})
        left = self._open_quantities(record)
        wanted = dict(request.quantities) or left
        if any(quantity > left.get(line_id, 0) for line_id, quantity in wanted.items()):
            raise RefusedActionError(f"only {left} can be shipped")
        if not self.features.multi_shipment:
            if wanted != left:
                raise RefusedActionError("without multi-shipment only whole orders can be shipped")
            self._finish_shipping(record)
            return
        if wanted:
            number = f"TRK{Random(f'{self.seed}:{record.id}:{len(record.shipment_ids)}').randrange(10**10, 10**11)}"
            self._add_shipment(record, wanted, mirakl_orders.make_tracking("DHL", number), is_shipped=True)
        self._settle_lines(record)

    def _step_receive(self, record: MiraklRecord, _request: AdvanceRequest) -> None:
        self._move(record, {"SHIPPED", "TO_COLLECT"}, "RECEIVED")
        for line in record.lines:
            line["received_date"] = iso_seconds(self.now)
        for shipment_id in record.shipment_ids:
            self.shipments[shipment_id]["status"] = "RECEIVED"
            self.shipments[shipment_id]["last_updated_date"] = iso_millis(self.now)

    def _step_cancel(self, record: MiraklRecord, request: AdvanceRequest) -> None:
        _require(record, BEFORE_DEBIT | {"SHIPPING"})
        chosen = dict(request.quantities) or {line["order_line_id"]: self._left(line) for line in record.lines}
        for line in record.lines:
            quantity = chosen.get(line["order_line_id"], 0)
            if quantity > 0:
                self._cancel_line(line, quantity, request.reason or "CUSTOMER_REQUEST")
        mirakl_orders.sum_up(record.order)
        if all(line["order_line_state"] in ("CANCELED", "REFUSED") for line in record.lines):
            record.order["order_state"] = "CANCELED"
            record.order["can_cancel"] = record.order["can_shop_ship"] = False
        elif record.state == "SHIPPING":
            self._settle_lines(record)

    def _cancel_line(self, line: JsonObject, quantity: int, reason: str) -> None:
        left = self._left(line)
        mirakl_orders.cancel_line(line, quantity, self.now, reason, left)
        if self.features.lowers_quantity_on_cancellation:
            line["quantity"] -= quantity
        if left <= quantity:
            line["order_line_state"] = "CANCELED"

    def _left(self, line: JsonObject) -> int:
        """How many pieces of a line are not cancelled."""
        is_net = self.features.lowers_quantity_on_cancellation
        return int(line["quantity"]) - (0 if is_net else mirakl_orders.cancelled_quantity(line))

    def _step_refund(self, record: MiraklRecord, request: AdvanceRequest) -> None:
        _require(record, SHIPPED_OR_LATER)
        for line in record.lines:
            quantity = request.quantities.get(line["order_line_id"], 0 if request.quantities else line["quantity"])
            if quantity:
                reason = request.reason or "DAMAGED"
                mirakl_orders.refund_line(line, quantity, self.now, reason, len(line["refunds"]) + 1)
        record.order["fully_refunded"] = not request.quantities

    def load(self, payload: JsonValue, name: str, account: str | None = None) -> dict[str, Any]:
        """Take genuine orders or shipments in; their JSON stays as it is, and the next pull sees the orders."""
        loaded = payloads.read(payload, name)
        shop = self.shops[int(account or DEFAULT_SHOPS[0].shop_id)]
        for index, shipment in enumerate(loaded.shipments):
            if shipment["order_id"] not in self.records:
                reason = f"no order {shipment['order_id']} is held; load its order first"
                raise loading.PayloadError(name, f"$.data[{index}].order_id", reason)
        listed_as_updated = self.now - LOADED_AGE
        for order in loaded.orders:
            created = parse_iso(order["created_date"]) or listed_as_updated
            record = MiraklRecord(order, shop.shop_id, created, listed_as_updated, is_loaded=True)
            self._hold(record)
            self._register_channel(shop, record)
        for shipment in loaded.shipments:
            record = self.records[shipment["order_id"]]
            self._attach(record, shipment)
            # The order must be seen again: its shipped quantities are in its shipments.
            record.updated = max(record.updated, listed_as_updated)
            self._version += 1
        ids = [order["order_id"] for order in loaded.orders] or sorted({each["order_id"] for each in loaded.shipments})
        return {"orders": len(loaded.orders), "shipments": len(loaded.shipments), "ids": ids}

    @staticmethod
    def _register_channel(shop: MiraklShop, record: MiraklRecord) -> None:
        code = record.channel
        if code and code not in {channel.code for channel in shop.channels}:
            label = str(record.order["channel"].get("label") or code)
            shop.channels = (*shop.channels, MiraklChannel(code, label, "FR"))

    def hide(self, order_ids: Sequence[str], until: datetime) -> list[str]:
        """Keep orders (the newest when none is named) out of every listing until a moment."""
        newest = max(self.records.values(), key=lambda record: record.updated, default=None)
        chosen = list(order_ids) or ([newest.id] if newest else [])
        for order_id in chosen:
            self.records[order_id].hidden_until = until
        self._hidden.update(chosen)
        return chosen

    def order_ids(self) -> list[str]:
        """Return the ids of every order held."""
        return list(self.records)

    def held(self, order_ids: Sequence[str] = ()) -> list[HeldOrder]:
        """Return orders in the words that every marketplace shares; all when none is named."""
        return [self._held(self.records[order_id]) for order_id in order_ids or self.records]

    def _held(self, record: MiraklRecord) -> HeldOrder:
        shipments = [self.shipments[each] for each in record.shipment_ids]
        gone: dict[str, int] = {}
        for shipment in shipments:
            if shipment["status"] in SHIPPED_OR_LATER:
                for line_id, quantity in _shipment_quantities(shipment).items():
                    gone[line_id] = gone.get(line_id, 0) + quantity
        return HeldOrder(
            id=record.id,
            account=str(record.shop_id),
            selector=record.channel,
            updated=record.updated,
            is_hidden=self._is_hidden(record.id),
            is_open_to_us=record.state == "SHIPPING" and record.order.get("can_shop_ship") is not False,
            lines=[self._held_line(line, gone) for line in record.lines],
            packages=[_held_package(each) for each in shipments if each["status"] != "CANCELED"],
        )

    def _held_line(self, line: JsonObject, gone: Mapping[str, int]) -> HeldLine:
        cancelled = mirakl_orders.cancelled_quantity(line)
        ordered = line["quantity"] + (cancelled if self.features.lowers_quantity_on_cancellation else 0)
        state = line.get("order_line_state")
        if state in ("REFUSED", "CANCELED"):
            return HeldLine(line["order_line_id"], ordered, 0, ordered)
        shipped = gone.get(line["order_line_id"], 0)
        if state in SHIPPED_OR_LATER:  # an order may be shipped as a whole, without a shipment of its own
            shipped = ordered - cancelled
        return HeldLine(line["order_line_id"], ordered, shipped, cancelled)

    def accesses(self) -> list[Access]:
        """Return how an installation is connected to each shop, the default one first."""
        return [
            Access(str(shop.shop_id), None, {"api_key": shop.api_key}, [channel.code for channel in shop.channels])
            for shop in self.shops.values()
        ]

    @property
    def confirming(self) -> str:
        """The operation by which a package is told."""
        return "ST01" if self.features.multi_shipment else "OR24"

    @classmethod
    def in_foreground(cls, seed: int, rate_factor: float) -> Self:
        """Return one whose accepted orders are debited by the clock: nobody plays the customer's bank."""
        return cls(seed=seed, rate_factor=rate_factor, features=Features(debit_after_seconds=DEBIT_AFTER_SECONDS))

    def truth(self) -> list[dict[str, Any]]:
        """Return every order held, hidden or not, complete, with its shipments."""
        return [
            {
                "id": record.id,
                "account": str(record.shop_id),
                "channel": record.channel,
                "status": record.state,
                "fulfilled_by": record.center,
                "created_at": iso_millis(record.created),
                "listed_as_updated_at": iso_millis(record.updated),
                "is_loaded": record.is_loaded,
                "order": record.order,
                "shipments": [self.shipments[shipment_id] for shipment_id in record.shipment_ids],
            }
            for record in self.records.values()
        ]


def _require(record: MiraklRecord, states: Iterable[str]) -> None:
    if record.state not in set(states):
        raise RefusedActionError(f"the order is {record.state}")


def _has_reference(name: str, wanted: frozenset[str]) -> Callable[[MiraklRecord], bool]:
    return lambda record: (record.order.get("references") or {}).get(name) in wanted


def _has_value(name: str, wanted: str) -> Callable[[MiraklRecord], bool]:
    return lambda record: record.order.get(name) == wanted


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str) and bool(value)


def _comma_list(call: Call, name: str) -> frozenset[str]:
    return frozenset(value for value in (call.parameter(name) or "").split(",") if value)


def _updated(shipment: JsonObject) -> datetime | None:
    return parse_iso(str(shipment.get("last_updated_date") or shipment["created_date"]))


def _is_between(moment: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    if moment is None:
        return True
    return (start is None or moment >= start) and (end is None or moment <= end)


def _applied(shipment: JsonObject) -> JsonObject:
    """Return what the journal tells of a shipment: enough to count what was confirmed, package by package."""
    labels = {line.get("package_reference") for line in shipment["shipment_lines"]}
    return {
        "order_id": shipment["order_id"],
        "shipment_id": shipment["id"],
        "label": labels.pop() if len(labels) == 1 else None,
        "tracking": copy.deepcopy(shipment["tracking"]),
        "quantities": _shipment_quantities(shipment),
        "status": shipment["status"],
    }


def _held_package(shipment: JsonObject) -> HeldPackage:
    tracking = shipment["tracking"] or {}
    return HeldPackage(str(shipment["id"]), tracking.get("tracking_number"), _shipment_quantities(shipment))


def _shipment_quantities(shipment: JsonObject) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for line in shipment["shipment_lines"]:
        line_id = line.get("order_line_id") or line.get("offer_sku")
        quantities[line_id] = quantities.get(line_id, 0) + line["quantity"]
    return quantities


def _in_old_manner(order: JsonObject) -> JsonObject:
    """Return an order as old releases write it: no tax mode, no fulfilment, empty texts for nulls and some booleans."""
    old = {
        name: _empty_for_null(value) for name, value in order.items() if name not in ("order_tax_mode", "fulfillment")
    }
    for name in ("has_invoice", "fully_refunded", "customer_directly_pays_seller"):
        old[name] = old[name] or ""
    return old


def _empty_for_null(value: JsonValue) -> JsonValue:
    if value is None:
        return ""
    if isinstance(value, dict):
        return {name: _empty_for_null(each) for name, each in value.items()}
    return [_empty_for_null(each) for each in value] if isinstance(value, list) else value

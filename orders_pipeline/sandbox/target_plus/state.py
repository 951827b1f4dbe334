"""The state behind the Target Plus stand-in: sellers, orders, fulfilments, and what the operations do to them.

What lives here: authorisation, listings, acknowledgements, fulfilments. What does not: HTTP (``engine``) and made-up orders
(``orders``). Target's own description is not public: where third parties are silent, the choice made here is said.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from orders_pipeline.sandbox.json_values import JsonObject
from orders_pipeline.sandbox.sellers import (
    SandboxSeller,
    SandboxToken,
    SellerSandbox,
    SellersOrder,
)
from orders_pipeline.sandbox.target_plus import orders as target_orders
from orders_pipeline.sandbox.target_plus import payloads
from orders_pipeline.sandbox.target_plus.orders import WAITING, TargetDraft, stamp
from orders_pipeline.sandbox.throttle import Plan

API_KEY, SELLER_ID, SELLER_TOKEN = "target-sandbox-key", "seller-5d1", "target-sandbox-token"
PLAN = Plan(10.0, 20)
MAX_PAGE = 100
SHIPPABLE = ("ACKNOWLEDGED_BY_SELLER", "PARTIALLY_SHIPPED")
OPEN = (*WAITING, "PARTIALLY_SHIPPED")
METHODS = ("UPSGround", "UPSNextDayAir", "FedExGround", "USPSPriorityMail")


@dataclass
class TargetSeller(SandboxSeller):
    """A seller and its credentials."""

    api_key: str
    seller_id: str
    seller_token: str


@dataclass(frozen=True)
class TargetQuirks:
    """What third parties disagree about, each to be switched.

    Attributes:
        listing: "array": a bare one; "object": it is wrapped as `orders`.
        status_key: What the state of an order is called: "order_status" or "status".
        created: The status of an answer to fulfilments: 201 or 200.
        addresses: "embedded" in an order; "apart", to be asked for; "missing" at all.
        results: "items": one for each item; "none": the answer has none; "single": items that cannot be done are told
            there, and the others are done.
        shown_after_seconds: How long after a fulfilment was taken the order shows it.
        largest_page: A page has so many rows at most, whatever is asked for.
        ends: What stands beyond the last page: "empty", or "last": that page again.
    """

    listing: str = "array"
    status_key: str = "order_status"
    created: int = 201
    addresses: str = "embedded"
    results: str = "items"
    shown_after_seconds: float = 0.0
    largest_page: int = 100
    ends: str = "empty"


@dataclass
class TargetRecord(SellersOrder):
    """One order as held: its complete JSON, and its fulfilments."""

    fulfillments: list[tuple[datetime, JsonObject]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The order's id."""
        return str(self.order["id"])

    @property
    def state(self) -> str:
        """The order's state."""
        return str(self.order.get("order_status") or self.order.get("status"))

    @property
    def lines(self) -> list[JsonObject]:
        """Its lines."""
        return list(self.order["order_lines"])


class TargetSandbox(SellerSandbox[TargetSeller, TargetRecord, TargetQuirks, SandboxToken]):
    """Sellers, orders and fulfilments of a stand-in of Target Plus."""

    kind = "target_plus"
    title = "Target Plus"
    port = 9700
    listing = "orders"
    quantity_field = "order_lines.0.quantity"
    confirming = "fulfillment"
    read = staticmethod(payloads.read)
    demo = DemoShare("target_plus", "Target Plus (sandbox)", {"target_plus": ("Target Plus", None)})
    order_id = "id"
    actions = ("release", "acknowledge", "ship", "refund", "cancel", "touch")
    operations = (
        Operation("orders", "GET", "/seller_orders/v1/sellers/{seller_id}/orders"),
        Operation("order", "GET", "/seller_orders/v1/sellers/{seller_id}/orders/{order_id}"),
        Operation("addresses", "GET", "/seller_orders/v1/sellers/{seller_id}/order_addresses"),
        Operation("acknowledge", "PUT", "/seller_orders/v1/sellers/{seller_id}/order_statuses/{order_id}"),
        Operation("fulfillments", "GET", "/seller_orders/v1/sellers/{seller_id}/orders/{order_id}/fulfillments"),
        Operation(
            "fulfillment", "POST", "/seller_orders/v1/sellers/{seller_id}/orders/{order_id}/bulk_fulfillments_create"
        ),
        Operation("distribution_centers", "GET", "/sellers/v1/sellers/{seller_id}/distribution_centers"),
    )

    def __init__(self, seed: int = 1, rate_factor: float = 1.0, clock: Clock = utc_now) -> None:
        """Start with one seller and no orders."""
        super().__init__(
            TargetSeller("seller", API_KEY, SELLER_ID, SELLER_TOKEN), TargetQuirks(), seed, rate_factor, clock
        )

    # --- sellers ------------------------------------------------------------------------------------------------

    def accesses(self) -> list[Access]:
        """Return how an installation is connected to each seller."""
        names = ("api_key", "seller_id", "seller_token")
        return [
            Access(
                each.name,
                None,
                {name: getattr(each, name) for name in names},
                (),
                channel_settings={"shipping_method": METHODS[0]},
            )
            for each in self.sellers.values()
        ]

    def account_of(self, call: Call) -> str | None:
        """Return the seller whose three headers a call has."""
        given = tuple(call.headers.get(each) for each in ("x-api-key", "x-seller-id", "x-seller-token"))
        for each in self.sellers.values():
            if given == (each.api_key, each.seller_id, each.seller_token) and not each.is_revoked:
                return each.name
        return None

    # --- answering ----------------------------------------------------------------------------------------------

    def handle(self, call: Call) -> SandboxAnswer:
        """Work a call off."""
        account = self.account_of(call)
        if account is None:
            self.refuse(401, "UNAUTHORIZED", "The credentials are not good")
        if call.path_parameters["seller_id"] != self.sellers[account].seller_id:
            self.refuse(404, "NOT_FOUND", "There is no such seller")
        self.spend(account, call.operation.name, PLAN)
        answers: dict[str, Callable[[Call, str], SandboxAnswer]] = {
            "orders": self._list,
            "order": self._order,
            "addresses": self._addresses,
            "acknowledge": self._acknowledge,
            "fulfillments": self._fulfillments,
            "fulfillment": self._fulfill,
            "distribution_centers": self._centers,
        }
        return answers[call.operation.name](call, account)

    def error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> SandboxAnswer:
        """Return an error with its `message`; who is not let in gets a list of `errors` instead."""
        body: JsonObject = {"errors": [message]} if status in {401, 403} else {"code": code, "message": message}
        return SandboxAnswer(status, body, dict(headers or {}), code=code)

    def throttled(self, retry_after: float) -> SandboxAnswer:
        """Return 429."""
        return self.error(429, "TOO_MANY_REQUESTS", "Too many requests", {"Retry-After": str(max(1, int(retry_after)))})

    def _centers(self, call: Call, account: str) -> SandboxAnswer:  # noqa: ARG002 - as all answers
        return SandboxAnswer(200, [{"id": "DC-1", "name": "Sandbox warehouse"}])

    # --- reading ------------------------------------------------------------------------------------------------

    def _list(self, call: Call, account: str) -> SandboxAnswer:
        """List orders by state, the oldest first."""
        states = set(call.parameters("order_status"))
        fitting = [
            record
            for record in self.records.values()
            if record.seller == account and (not states or record.state in states) and not record.is_hidden(self.now)
        ]
        found = [each.id for each in sorted(fitting, key=lambda record: (record.order["order_date"], record.id))]
        shown = self._page(call, self.without_missing(found, call))
        rows = self.with_malformed([self._shown(self.records[each]) for each in shown], call, "id")
        return SandboxAnswer(200, rows if self.quirks.listing == "array" else {"orders": rows}, orders=shown)

    def _page(self, call: Call, found: Sequence[Any]) -> list[Any]:
        """A page of a listing; ten where nobody says how many."""
        number, size = call.parameter("page") or "1", call.parameter("per_page") or "10"
        if not (number.isdigit() and size.isdigit() and int(number) and 1 <= int(size) <= MAX_PAGE):
            self.refuse(400, "BAD_REQUEST", f"page is from 1, per_page from 1 to {MAX_PAGE}")
        at, rows = int(number) - 1, min(int(size), self.quirks.largest_page)
        if at and call.faults.get(FaultKind.REPEATED_PAGE) is not None:
            at -= 1
        if self.quirks.ends == "last":
            at = min(at, max(0, len(found) - 1) // rows)
        return list(found[at * rows : (at + 1) * rows])

    def _shown(self, record: TargetRecord) -> JsonObject:
        order = copy.deepcopy(record.order)
        if self.quirks.status_key != "order_status":
            order[self.quirks.status_key] = order.pop("order_status")
        if self.quirks.addresses != "embedded":
            order.pop("addresses", None)
        return order

    def _of(self, call: Call, account: str) -> TargetRecord:
        record = self.records.get(call.path_parameters["order_id"])
        if record is None or record.seller != account:
            self.refuse(404, "NOT_FOUND", "There is no such order")
        return record

    def _order(self, call: Call, account: str) -> SandboxAnswer:
        record = self._of(call, account)
        (shown,) = self.with_malformed([self._shown(record)], call, "id")
        return SandboxAnswer(200, shown, orders=[record.id])

    def _addresses(self, call: Call, account: str) -> SandboxAnswer:
        """Addresses by the ids of orders; how they are really asked for is not public."""
        if self.quirks.addresses == "missing":
            self.refuse(404, "NOT_FOUND", "There are no addresses")
        wanted = [self.records[each] for each in call.parameters("order_id") if each in self.records]
        mine = [each for each in wanted if each.seller == account]
        return SandboxAnswer(200, [{"order_id": each.id, **each.order.get("addresses", {})} for each in mine])

    def _fulfillments(self, call: Call, account: str) -> SandboxAnswer:
        record = self._of(call, account)
        shown = [each for at, each in record.fulfillments if at <= self.now]
        return SandboxAnswer(200, copy.deepcopy(self._page(call, shown)), orders=[record.id])

    # --- writing ------------------------------------------------------------------------------------------------

    def _acknowledge(self, call: Call, account: str) -> SandboxAnswer:
        """Only an order that is released can be acknowledged; to say so again is no harm."""
        record = self._of(call, account)
        if self._body(call).get("status") != "ACKNOWLEDGED_BY_SELLER":
            self.refuse(400, "BAD_REQUEST", "status must be ACKNOWLEDGED_BY_SELLER")
        if record.state not in {"RELEASED_FOR_SHIPMENT", "ACKNOWLEDGED_BY_SELLER"}:
            self.refuse(409, "CONFLICT", "The order is not released for shipment")
        if record.state == "RELEASED_FOR_SHIPMENT":
            self._settle(record, "ACKNOWLEDGED_BY_SELLER")
        return SandboxAnswer(200, self._shown(record), orders=[record.id], effect={"order": record.id})

    def _body(self, call: Call) -> JsonObject:
        try:
            body = call.json_body()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self.refuse(400, "BAD_REQUEST", "The body is not as it should be")
        return body

    def _fulfill(self, call: Call, account: str) -> SandboxAnswer:
        """Take the items of a call: all of them or none, unless the single ones have results of their own."""
        record = self._of(call, account)
        sent = self._body(call).get("items")
        items = sent if isinstance(sent, list) and sent else [None]
        faults = [self._fault(record, each, items[:at]) for at, each in enumerate(items)]
        failed = [each for each in faults if each]
        if failed and self.quirks.results != "single":
            self.refuse(400, "BAD_REQUEST", failed[0])
        results: list[JsonObject] = []
        shown_at = self.now + timedelta(seconds=self.quirks.shown_after_seconds)
        for item, fault in zip(items, faults, strict=True):
            if fault or not isinstance(item, dict):
                results.append({"errors": [{"code": "BAD_REQUEST", "message": fault or "no item"}]})
                continue
            self._numbers += 1
            made = {"id": f"F-{self._numbers}", "order_id": record.id, **item}
            record.fulfillments.append((shown_at, made))
            self._leave(record, str(item["order_line_number"]), int(item["quantity"]))
            results.append(made)
        body: JsonObject = {} if self.quirks.results == "none" else {"results": results}
        effect = (
            {"order": record.id, "shipment": str(results[0].get("tracking_number"))}
            if len(failed) < len(items)
            else None
        )
        return SandboxAnswer(self.quirks.created, body, orders=[record.id], effect=effect)

    def _fault(self, record: TargetRecord, item: object, before: Sequence[object]) -> str:
        """What is wrong with an item; "" for nothing."""
        try:
            assert isinstance(item, dict)
            line, units, method = str(item["order_line_number"]), item["quantity"], item["shipping_method"]
            is_whole = (
                isinstance(units, int) and units > 0 and item["tracking_number"] and parse_iso(item["shipped_date"])
            )
        except (KeyError, AssertionError, TypeError):
            is_whole = False
        if not is_whole:
            return "an item is not as it should be"
        if method not in METHODS:
            return "the shipping method is not known"
        if record.state not in SHIPPABLE:
            return f"the order is {record.state}"
        asked = sum(
            int(each["quantity"])
            for each in before
            if isinstance(each, dict) and str(each["order_line_number"]) == line
        )
        open_units = {each["order_line_number"]: _units_in(each, WAITING) for each in record.lines}.get(line, 0)
        return "" if asked + units <= open_units else "more units than are left to be shipped"

    def _leave(self, record: TargetRecord, line: str, units: int) -> None:
        for each in record.lines:
            if each["order_line_number"] == line:
                _turn(each, WAITING, "SHIPPED", units)
        self._settle(record, None)

    def _settle(self, record: TargetRecord, state: str | None) -> None:
        """Give an order its state: that one, with its units that wait; or what its units make of it."""
        if state is not None:
            for each in record.lines:
                _turn(each, WAITING, state, _units_in(each, WAITING))
            record.order["order_status"] = state
        else:
            left = sum(_units_in(each, WAITING) for each in record.lines)
            gone = sum(_units_in(each, ("SHIPPED",)) for each in record.lines)
            if gone:
                record.order["order_status"] = "PARTIALLY_SHIPPED" if left else "SHIPPED"
            elif not left:
                record.order["order_status"] = "CANCELED"
        self._touch(record, self.now)

    def _touch(self, record: TargetRecord, moment: datetime) -> None:
        record.updated = moment
        record.order["last_modified"] = stamp(moment)

    def _hold(self, order: JsonObject, seller: str, updated: datetime) -> TargetRecord:
        return TargetRecord(order, seller, updated)

    # --- control ------------------------------------------------------------------------------------------------

    def generate(self, request: GenerateRequest) -> list[str]:
        """Make orders up and return their ids."""
        rng = Random(f"target:{self.seed if request.seed is None else request.seed}:{self._numbers}")
        newest = self.now - timedelta(seconds=request.newest_seconds)
        account = request.account or "seller"
        ids = []
        with without_collection():
            for moment in moments(rng, request.orders, newest, request.days):
                self._numbers += 1
                created = moment - timedelta(minutes=rng.randrange(1, 600))
                order = target_orders.make(rng, TargetDraft(self._numbers, created, moment, self.catalogue))
                order["seller_id"] = self.sellers[account].seller_id
                record = TargetRecord(order, account, moment)
                self.records[record.id] = record
                for line in record.lines:
                    if _units_in(line, ("SHIPPED",)):
                        record.fulfillments.append((moment, self._made_up(record, line, _units_in(line, ("SHIPPED",)))))
                ids.append(record.id)
        return ids

    def _made_up(self, record: TargetRecord, line: JsonObject, units: int) -> JsonObject:
        self._numbers += 1
        return {
            "id": f"F-{self._numbers}",
            "order_id": record.id,
            "order_line_number": line["order_line_number"],
            "quantity": units,
            "shipping_method": "UPSGround",
            "tracking_number": f"1Z{self._numbers:010}",
            "shipped_date": stamp(self.now),
        }

    def _steps(self) -> Mapping[str, Callable[[TargetRecord, AdvanceRequest], None]]:
        return {
            "release": lambda record, _: self._step(record, "PENDING", "RELEASED_FOR_SHIPMENT"),
            "acknowledge": lambda record, _: self._step(record, "RELEASED_FOR_SHIPMENT", "ACKNOWLEDGED_BY_SELLER"),
            "ship": self._step_ship,
            "refund": self._step_refund,
            "cancel": self._step_cancel,
            "touch": lambda _record, _: None,
        }

    def _step(self, record: TargetRecord, before: str, after: str) -> None:
        if record.state != before:
            raise RefusedActionError(f"the order is {record.state}")
        self._settle(record, after)

    def _step_ship(self, record: TargetRecord, request: AdvanceRequest) -> None:
        chosen = {
            each["order_line_number"]: min(
                request.quantities.get(each["order_line_number"], 0)
                if request.quantities
                else _units_in(each, WAITING),
                _units_in(each, WAITING),
            )
            for each in record.lines
        }
        if record.state not in SHIPPABLE or not any(chosen.values()):
            raise RefusedActionError("nothing of it can be shipped")
        for line in record.lines:
            units = chosen[line["order_line_number"]]
            if units:
                record.fulfillments.append((self.now, self._made_up(record, line, units)))
                self._leave(record, line["order_line_number"], units)

    def _step_refund(self, record: TargetRecord, _request: AdvanceRequest) -> None:
        if record.state != "SHIPPED":
            raise RefusedActionError(f"the order is {record.state}")
        record.order["order_status"] = "REFUNDED"

    def _step_cancel(self, record: TargetRecord, request: AdvanceRequest) -> None:
        """Cancel what is open, or units of single lines."""
        done = 0
        for line in record.lines:
            left = _units_in(line, WAITING)
            units = min(request.quantities.get(line["order_line_number"], 0), left) if request.quantities else left
            if units:
                _turn(line, WAITING, "CANCELED", units)
                line["cancellation_reason"] = request.reason or (
                    "ITEM_NOT_AVAILABLE" if request.by == "MERCHANT" else "BUYER_CANCELED"
                )
                done += units
        if not done:
            raise RefusedActionError("nothing of it is open")
        self._settle(record, None)

    def _held(self, record: TargetRecord) -> HeldOrder:
        packages: dict[str, dict[str, int]] = {}
        for _, each in record.fulfillments:
            units = packages.setdefault(each["tracking_number"], {})
            line = str(each["order_line_number"])
            units[line] = units.get(line, 0) + each["quantity"]
        return HeldOrder(
            id=record.id,
            account=record.seller,
            selector=None,
            updated=record.updated,
            is_hidden=record.state not in OPEN or record.is_hidden(self.now),
            is_open_to_us=record.state in SHIPPABLE,
            lines=[
                HeldLine(
                    line["order_line_number"],
                    line["quantity"],
                    _units_in(line, ("SHIPPED",)),
                    _units_in(line, ("CANCELED",)),
                )
                for line in record.lines
            ],
            packages=[HeldPackage(number, number, units) for number, units in packages.items()],
        )


def _units_in(line: Mapping[str, Any], states: Sequence[str]) -> int:
    return sum(int(each["quantity"]) for each in line.get("order_line_statuses") or () if each["status"] in states)


def _turn(line: JsonObject, before: Sequence[str], after: str, units: int) -> None:
    """Let units of a line go from some states to another."""
    totals: dict[str, int] = {}
    left = units
    for each in line.get("order_line_statuses") or ():
        taken = min(left, int(each["quantity"])) if each["status"] in before else 0
        left -= taken
        totals[each["status"]] = totals.get(each["status"], 0) + int(each["quantity"]) - taken
    totals[after] = totals.get(after, 0) + units - left
    line["order_line_statuses"] = [{"status": state, "quantity": number} for state, number in totals.items() if number]

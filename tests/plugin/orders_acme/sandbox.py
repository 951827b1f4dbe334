"""The stand-in of Acme: what a test, the demo or a checker may do to it is the product's own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from orders_pipeline.sandbox.clock import Clock, iso_millis, parse_iso, utc_now
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
    Sandbox,
    SandboxAnswer,
    http_date,
)
from orders_pipeline.sandbox.generator import moments, person, place
from orders_pipeline.sandbox.loading import Loaded, PayloadError, listed, unwrapped

KEY, SIGNER = "acme-sandbox-key", "acme-signing-key"


class AcmeSandbox(Sandbox):
    """Orders of one seller at Acme."""

    kind = "acme"
    title = "Acme"
    port = 9300
    listing = "list"
    quantity_field = "lines.0.quantity"
    confirming = "ship"
    actions = ("ship", "cancel", "request_cancellation", "touch")
    operations = (
        Operation("list", "GET", "/orders"),
        Operation("get", "GET", "/orders/{id}"),
        Operation("accept", "POST", "/orders/{id}/accept"),
        Operation("ship", "POST", "/orders/{id}/shipments"),
        Operation("cancel", "POST", "/orders/{id}/cancel"),
        Operation("answer", "POST", "/orders/{id}/request"),
        Operation("news", "GET", "/news"),
        Operation("heard", "DELETE", "/news"),
    )
    demo = DemoShare("acme_shop", "Acme (sandbox)", {"acme_north": ("Acme North", "north")})

    def __init__(self, seed: int = 1, rate_factor: float = 1.0, clock: Clock = utc_now) -> None:
        super().__init__(seed, rate_factor, clock)
        self.orders: dict[str, dict[str, Any]] = {}
        self.hidden: dict[str, datetime] = {}
        self.is_revoked = False
        self.tokens_left: int | None = None
        self.asked: list[Call] = []
        self.news: dict[int, Any] = {}

    def account_of(self, call: Call) -> str | None:
        return "seller" if call.headers.get("x-api-key") == KEY and not self.is_revoked else None

    def error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> SandboxAnswer:
        return SandboxAnswer(status, {"error": f"{code}: {message}"}, dict(headers or {}), code=code)

    def throttled(self, retry_after: float) -> SandboxAnswer:
        return self.error(429, "SLOW_DOWN", "Too many calls", {"Retry-After": str(int(retry_after) + 1)})

    def handle(self, call: Call) -> SandboxAnswer:
        self.asked.append(call)
        if self.account_of(call) is None:
            self.refuse(401, "KEY", "The key is not good")
        if call.operation.name == "news":
            return SandboxAnswer(200, {"news": [{"id": number, "order": each} for number, each in self.news.items()]})
        if call.operation.name == "heard":
            for each in (call.parameter("ids") or "").split(","):
                self.news.pop(int(each), None)
            return SandboxAnswer(200, {})
        answer = self._listed(call) if call.operation.name == "list" else self._of_one(call)
        if self.tokens_left is not None:
            answer.headers["X-Tokens-Left"] = str(self.tokens_left)
            answer.headers["X-Refill-At"] = http_date(self.now + timedelta(seconds=30))
        return answer

    def _listed(self, call: Call) -> SandboxAnswer:
        """By the day orders were made: a change of an older one does not show."""
        since, until = parse_iso(call.parameter("since") or ""), parse_iso(call.parameter("until") or "")
        found = [
            each["id"]
            for each in self.orders.values()
            if self.hidden.get(each["id"], self.now) <= self.now
            and (since is None or since <= self._made(each))
            and (until is None or self._made(each) <= until)
        ]
        start, most = int(call.parameter("offset") or 0), int(call.parameter("limit") or 50)
        ids = self.without_missing(found[start : start + most], call)
        rows = self.with_malformed([copy.deepcopy(self.orders[each]) for each in ids], call, "id")
        return SandboxAnswer(200, {"orders": rows, "total": len(found)}, orders=ids)

    def _made(self, order: Mapping[str, Any]) -> datetime:
        moment = parse_iso(order["created"])
        assert moment is not None
        return moment

    def _of_one(self, call: Call) -> SandboxAnswer:
        order = self.orders.get(call.path_parameters["id"])
        if order is None:
            self.refuse(404, "UNKNOWN", "There is no such order")
        if call.operation.name == "get":
            return SandboxAnswer(200, copy.deepcopy(order), orders=[order["id"]])
        body = call.json_body()
        getattr(self, f"_{call.operation.name}")(order, body)
        self._touch(order)
        effect = {"order": order["id"], **({"shipment": str(body["reference"])} if "reference" in body else {})}
        return SandboxAnswer(201, {}, orders=[order["id"]], effect=effect)

    def _accept(self, order: dict[str, Any], _body: Mapping[str, Any]) -> None:
        if order["state"] != "NEW":
            self.refuse(409, "STATE", "The order is not waiting to be accepted")
        order["state"] = "OPEN"

    def _ship(self, order: dict[str, Any], body: Mapping[str, Any]) -> None:
        """A package by its reference: told again it is changed."""
        asked = order["request"]
        if asked is not None and asked["accepted"] is not False and not body["override"]:
            self.refuse(409, "ASKED", "The buyer wants to cancel")
        known = next((each for each in order["packages"] if each["reference"] == body["reference"]), None)
        if known is None and order["state"] != "OPEN":
            self.refuse(409, "STATE", "The order is not open")
        left = {each["id"]: each["quantity"] - each["shipped"] - each["cancelled"] for each in order["lines"]}
        for line, units in (known or {"lines": {}})["lines"].items():
            left[line] += units
        if any(units > left.get(line, 0) for line, units in body["lines"].items()):
            self.refuse(409, "QUANTITY", "More than is open")
        if known is not None:
            order["packages"].remove(known)
        order["packages"].append(dict(body))
        for line in order["lines"]:
            line["shipped"] = sum(each["lines"].get(line["id"], 0) for each in order["packages"])
        is_done = all(each["shipped"] + each["cancelled"] == each["quantity"] for each in order["lines"])
        order["state"] = "SHIPPED" if is_done else "OPEN"

    def _cancel(self, order: dict[str, Any], body: Mapping[str, Any]) -> None:
        is_part = set(body["lines"]) != {each["id"] for each in order["lines"]}
        if order["state"] not in {"NEW", "OPEN"} or is_part or body["reason"] != "STOCK":
            self.refuse(409, "STATE", "The order cannot be cancelled so")
        self._cancelled(order)

    def _answer(self, order: dict[str, Any], body: Mapping[str, Any]) -> None:
        if order["request"] is None or order["request"]["by"] != body["by"]:
            self.refuse(409, "REQUEST", "Nobody has asked")
        order["request"]["accepted"] = body["accepted"]
        if body["accepted"]:
            self._cancelled(order)

    def _cancelled(self, order: dict[str, Any]) -> None:
        order["state"] = "CANCELLED"
        for line in order["lines"]:
            line["cancelled"] = line["quantity"] - line["shipped"]

    def _touch(self, order: dict[str, Any]) -> None:
        order["updated"] = iso_millis(self.now)
        self.put_hint(order["id"])

    def telling(self, address: str) -> HintAccess:
        return HintAccess({"is_listening": True}, {})

    def put_hint(self, body: str) -> None:
        self.news[len(self.asked) * 1000 + len(self.news)] = None if body == "nonsense" else body

    def revoke(self, account: str) -> None:
        self.is_revoked = True

    def expire(self, account: str) -> None:
        """A key does not expire by itself."""

    def restore(self) -> None:
        self.is_revoked = False

    def generate(self, request: GenerateRequest) -> list[str]:
        rng = Random(f"acme:{self.seed}:{len(self.orders)}")
        newest = self.now - timedelta(seconds=request.newest_seconds)
        return [self.make(rng, moment) for moment in moments(rng, request.orders, newest, request.days)]

    def make(self, rng: Random, moment: datetime, state: str = "") -> str:
        """One order, made at a moment."""
        own_id, country = f"ACME-{len(self.orders) + 1:05}", rng.choice(("DE", "FR"))
        buyer, home = person(rng, country), place(rng, country)
        self.orders[own_id] = {
            "id": own_id,
            "site": "north",
            "state": state or rng.choices(("NEW", "OPEN"), (1, 4))[0],
            "created": iso_millis(moment),
            "updated": iso_millis(moment),
            "method": rng.choice(("Standard", "Express")),
            "buyer": {"name": buyer.name, "street": home.street, "city": home.city, "country": country},
            "lines": [
                {
                    "id": f"{own_id}-{number}",
                    "sku": f"SKU-{rng.randrange(400)}",
                    "title": "A thing",
                    "quantity": rng.randint(1, 4),
                    "shipped": 0,
                    "cancelled": 0,
                    "total": f"{rng.randrange(100, 9000) / 100:.2f}",
                }
                for number in range(1, rng.randint(2, 4))
            ],
            "request": None,
            "packages": [],
        }
        return own_id

    def advance(self, request: AdvanceRequest) -> AdvanceResult:
        if request.action not in self.actions:
            raise ValueError(f"unknown action {request.action}")
        ids = list(request.order_ids or self.orders)[: request.count]
        for each in ids:
            order = self.orders[each]
            if request.action == "cancel":
                self._cancelled(order)
            elif request.action == "request_cancellation":
                order["request"] = {"by": request.by, "reason": request.reason or "MIND", "accepted": None}
            elif request.action == "ship":
                order["state"] = "SHIPPED"
                for line in order["lines"]:
                    line["shipped"] = line["quantity"] - line["cancelled"]
            self._touch(order)
        return AdvanceResult(ids, {})

    @staticmethod
    def read(payload: Any, name: str) -> Loaded:
        content, path = unwrapped(payload, name, "$", ("orders", "id"))
        orders, _ = listed(content, name, path, "orders", "id")
        if not all(isinstance(each, dict) and "lines" in each for each in orders):
            raise PayloadError(name, path, "an order has lines")
        return Loaded(orders=orders)

    def load(self, payload: Any, name: str, account: str | None = None) -> dict[str, Any]:
        found = self.read(payload, name).orders
        self.orders |= {each["id"]: each for each in found}
        return {"orders": len(found), "shipments": 0}

    def truth(self) -> list[dict[str, Any]]:
        return copy.deepcopy(list(self.orders.values()))

    def held(self, order_ids: Sequence[str] = ()) -> list[HeldOrder]:
        return [self._held(self.orders[each]) for each in order_ids or self.orders]

    def _held(self, order: Mapping[str, Any]) -> HeldOrder:
        updated = parse_iso(order["updated"])
        assert updated is not None
        return HeldOrder(
            id=order["id"],
            account="seller",
            selector=order["site"],
            updated=updated,
            is_hidden=self.hidden.get(order["id"], self.now) > self.now,
            is_open_to_us=order["state"] == "OPEN",
            lines=[
                HeldLine(each["id"], each["quantity"], each["shipped"], each["cancelled"]) for each in order["lines"]
            ],
            packages=[
                HeldPackage(str(each["reference"]), each["tracking"], each["lines"]) for each in order["packages"]
            ],
        )

    def accesses(self) -> list[Access]:
        return [Access("seller", None, {"api_key": KEY, "signing_key": SIGNER}, ("north",))]

    def order_ids(self) -> list[str]:
        return list(self.orders)

    def accounts_json(self) -> list[dict[str, Any]]:
        return [{"name": "seller", "api_key": KEY}]

    def add_account_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        raise ValueError("Acme has one seller")

    def configure(self, values: Mapping[str, Any]) -> dict[str, Any]:
        raise ValueError("there is nothing to set")

    def hide(self, order_ids: Sequence[str], until: datetime) -> list[str]:
        chosen = list(order_ids) or list(self.orders)[-1:]
        self.hidden |= dict.fromkeys(chosen, until)
        return chosen

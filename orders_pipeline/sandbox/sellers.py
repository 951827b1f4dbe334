"""What the stand-ins share whose accounts are sellers: keeping sellers, their tokens and orders, and what a test does to them.

What lives here: the control of a stand-in, as ``engine.Sandbox`` wants it. What does not: any marketplace's own rules; each
brings its seller, its order as held, its quirks, and what happens to an order.
"""

from __future__ import annotations

import base64
import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from orders_pipeline.sandbox.clock import Clock, utc_now
from orders_pipeline.sandbox.engine import (
    AdvanceRequest,
    AdvanceResult,
    Call,
    HeldOrder,
    RefusedActionError,
    Sandbox,
)
from orders_pipeline.sandbox.json_values import JsonObject, JsonValue
from orders_pipeline.sandbox.loading import PayloadError

LOADED_BEFORE = timedelta(minutes=5)
"""Loaded orders changed so long ago."""


@dataclass
class SandboxSeller:
    """An account; its credentials are further members."""

    name: str
    is_revoked: bool = field(default=False, kw_only=True)


@dataclass
class KeyedSeller(SandboxSeller):
    """An account with the keys of an application, which may be a user's name and password too."""

    client_id: str
    client_secret: str


@dataclass
class SellersOrder:
    """One order as held: its complete JSON, whose it is, and what listings know about it."""

    order: JsonObject
    seller: str
    updated: datetime
    hidden_until: datetime | None = field(default=None, kw_only=True)

    def is_hidden(self, now: datetime) -> bool:
        """Whether listings leave it out."""
        return self.hidden_until is not None and self.hidden_until > now


@dataclass
class SandboxToken:
    """A token: whose it is, and until when."""

    seller: str
    until: datetime


Seller = TypeVar("Seller", bound=SandboxSeller)
Record = TypeVar("Record", bound=SellersOrder)
Quirks = TypeVar("Quirks")
Token = TypeVar("Token", bound=SandboxToken)


class SellerSandbox(Sandbox, Generic[Seller, Record, Quirks, Token]):
    """A stand-in of a marketplace whose accounts are sellers.

    Attributes:
        order_id: The member of an order that holds its id.
        sellers: By name; the first one is "seller".
        records: Orders by id.
        quirks: What the marketplace does in its own way, each to be switched.
    """

    order_id: ClassVar[str]

    def __init__(self, seller: Seller, quirks: Quirks, seed: int, rate_factor: float, clock: Clock = utc_now) -> None:
        """Start with one seller and no orders."""
        super().__init__(seed, rate_factor, clock)
        self.quirks = quirks
        self.sellers = {seller.name: seller}
        self.records: dict[str, Record] = {}
        self._tokens: dict[str, Token] = {}
        self._numbers = 0
        self._seller_type = type(seller)

    # --- what each brings ---------------------------------------------------------------------------------------

    @abstractmethod
    def _hold(self, order: JsonObject, seller: str, updated: datetime) -> Record:
        """Return an order as held."""

    @abstractmethod
    def _steps(self) -> Mapping[str, Callable[[Record, AdvanceRequest], None]]:
        """Return what happens to an order, by the name of the action."""

    @abstractmethod
    def _touch(self, record: Record, moment: datetime) -> None:
        """Let an order say that it changed at a moment."""

    @abstractmethod
    def _held(self, record: Record) -> HeldOrder:
        """Return an order in the words that every marketplace shares."""

    # --- sellers ------------------------------------------------------------------------------------------------

    def accounts_json(self) -> list[dict[str, Any]]:
        """Return the sellers, with their (public) credentials."""
        return [asdict(each) for each in self.sellers.values()]

    def add_account_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Add a seller: its name and every credential are due."""
        try:
            seller = self._seller_type(**values)
        except TypeError as error:
            raise ValueError(str(error)) from error
        self.sellers[seller.name] = seller
        return asdict(seller)

    def configure(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change what the marketplace does in its own way."""
        try:
            self.quirks = replace(self.quirks, **values)  # type: ignore[type-var]
        except TypeError as error:
            raise ValueError(str(error)) from error
        return asdict(self.quirks)  # type: ignore[call-overload, no-any-return]

    def revoke(self, account: str) -> None:
        """Let a seller's credentials and tokens stop working."""
        self.sellers[account].is_revoked = True
        self.expire(account)

    def expire(self, account: str) -> None:
        """Let a seller's tokens end now."""
        self._tokens = {token: each for token, each in self._tokens.items() if each.seller != account}

    def restore(self) -> None:
        """Let every credential work again."""
        for seller in self.sellers.values():
            seller.is_revoked = False

    def _holder(self, token: str) -> str | None:
        """Return whose a token is; None when it is not good."""
        known = self._tokens.get(token)
        return known.seller if known is not None and known.until > self.now else None

    # --- orders -------------------------------------------------------------------------------------------------

    def advance(self, request: AdvanceRequest) -> AdvanceResult:
        """Move orders on."""
        steps = self._steps()
        if request.action not in steps:
            raise ValueError(f"unknown action {request.action}")
        advanced: list[str] = []
        refused: dict[str, str] = {}
        for own_id in request.order_ids or tuple(self.records):
            if request.count is not None and len(advanced) >= request.count:
                break
            record = self.records[own_id]
            try:
                steps[request.action](record, request)
            except RefusedActionError as error:
                refused[own_id] = str(error)
                continue
            self._touch(record, self.now - timedelta(seconds=request.backdate_seconds))
            advanced.append(own_id)
        return AdvanceResult(advanced, refused if request.order_ids else {})

    def load(self, payload: JsonValue, name: str, account: str | None = None) -> dict[str, Any]:
        """Take in a genuine payload; served as it is."""
        found = self.read(payload, name).orders
        seller = account or next(iter(self.sellers))
        if seller not in self.sellers:
            raise KeyError(seller)
        for index, order in enumerate(found):
            if order[self.order_id] in self.records:
                raise PayloadError(name, f"$[{index}].{self.order_id}", "there is such an order already")
        for order in found:
            self.records[order[self.order_id]] = self._hold(order, seller, self.now - LOADED_BEFORE)
        return {"orders": len(found), "shipments": 0}

    def truth(self) -> list[dict[str, Any]]:
        """Return every order held, hidden or not, as it really is."""
        return [copy.deepcopy(record.order) for record in self.records.values()]

    def held(self, order_ids: Sequence[str] = ()) -> list[HeldOrder]:
        """Return orders in the words that every marketplace shares."""
        return [self._held(self.records[each]) for each in order_ids or tuple(self.records)]

    def order_ids(self) -> list[str]:
        """Return the ids of every order held."""
        return list(self.records)

    def hide(self, order_ids: Sequence[str], until: datetime) -> list[str]:
        """Keep orders (the newest when none is named) out of every listing until a moment."""
        chosen = list(order_ids) or list(self.records)[-1:]
        for each in chosen:
            self.records[each].hidden_until = until
        return chosen


def basic_keys(call: Call) -> tuple[str, str] | None:
    """The name and the secret of HTTP Basic; None when a call has none that can be read."""
    kind, _, coded = call.headers.get("authorization", "").partition(" ")
    try:
        name, _, secret = base64.b64decode(coded).decode().partition(":")
    except ValueError:
        return None
    return (name, secret) if kind == "Basic" else None

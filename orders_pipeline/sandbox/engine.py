"""What both stand-ins share: taking a call, its faults, its throttling, its answer and its journal entry.

What lives here: the base class of the sandboxes and the bridge to FastAPI. What does not: anything that only one
marketplace knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, NoReturn, Self
from urllib.parse import parse_qsl

import orjson
from fastapi import FastAPI, Request, Response

from orders_pipeline.sandbox.clock import Clock, MovableClock, utc_now
from orders_pipeline.sandbox.faults import Fault, FaultBook, FaultKind, Fired, spoil
from orders_pipeline.sandbox.generator import Catalogue
from orders_pipeline.sandbox.journal import Journal, JournalEntry
from orders_pipeline.sandbox.json_values import JsonValue
from orders_pipeline.sandbox.loading import Loaded
from orders_pipeline.sandbox.throttle import Plan, Throttle

DROP_CONNECTION = "sandbox.drop_connection"
"""Scope key under which the sandbox's server puts a function that cuts the connection."""

_HTML_ERROR = b"<html><head><title>Service unavailable</title></head><body><h1>Please try again</h1></body></html>"
_HTML_LOGIN = b"<!doctype html><html><head><title>Sign in</title></head><body><form>Sign in</form></body></html>"
_HTML_TYPE = "text/html; charset=utf-8"


class ConnectionDroppedError(ConnectionError):
    """Raised for a dropped answer when no real connection is there to cut (in-process clients)."""


class RefusedActionError(Exception):
    """An order cannot be advanced as asked; the message says why."""


@dataclass(frozen=True)
class Operation:
    """One marketplace operation that the sandbox answers."""

    name: str
    method: str
    path: str


@dataclass(frozen=True)
class Call:
    """One request, before anyone has judged it."""

    operation: Operation
    request_id: str
    at: datetime
    path: str
    path_parameters: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    faults: Fired = field(default_factory=Fired)

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        return dict(self.query).get(name)

    def parameters(self, name: str) -> list[str]:
        """Return all values of a repeated query parameter."""
        return [value for key, value in self.query if key == name]

    def json_body(self) -> JsonValue:
        """Return the parsed body; ValueError when it is not JSON."""
        return json.loads(self.body)


@dataclass
class SandboxAnswer:
    """One response, with what the journal should know about it."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    media_type: str = "application/json"
    code: str | None = None
    orders: Sequence[str] = ()
    effect: Mapping[str, Any] | None = None

    def rendered(self) -> bytes:
        """Return the bytes of the body."""
        if self.content is not None:
            return self.content
        return b"" if self.body is None else orjson.dumps(self.body)


class RefusalError(Exception):
    """Leaves a handler with an error answer."""

    def __init__(self, answer: SandboxAnswer) -> None:
        """Carry the answer to give."""
        super().__init__(f"{answer.status} {answer.code}")
        self.answer = answer


@dataclass(frozen=True)
class SandboxOutcome:
    """What the server has to do with a call that was worked off."""

    status: int
    content: bytes
    headers: Mapping[str, str]
    media_type: str
    delay_seconds: float
    is_dropped: bool


@dataclass(frozen=True)
class AdvanceRequest:
    """Which orders to advance, and how.

    Attributes:
        action: Name of a step, see each marketplace's ``actions``.
        order_ids: These orders; empty: every order that the step fits.
        count: At most this many of them.
        quantities: Quantity per line id, for partial steps; empty: everything that is left.
        by: Who cancels.
        reason: Free text that goes with cancellations.
        backdate_seconds: The step carries an update time this long ago.
    """

    action: str
    order_ids: tuple[str, ...] = ()
    count: int | None = None
    quantities: Mapping[str, int] = field(default_factory=dict)
    by: str = "MERCHANT"
    reason: str = ""
    backdate_seconds: float = 0.0


@dataclass(frozen=True)
class AdvanceResult:
    """What came of an advance."""

    advanced: list[str]
    refused: dict[str, str]


@dataclass(frozen=True)
class GenerateRequest:
    """How many orders to make up, over which time, for whom."""

    orders: int
    seed: int | None = None
    days: float = 7.0
    account: str | None = None
    channel: str | None = None
    newest_seconds: float = 180.0
    mixed_share: float = 0.05
    mixed_lines_share: float = 0.0


@dataclass(frozen=True)
class HeldLine:
    """One line of an order as the marketplace counts it, in units."""

    id: str
    ordered: int
    shipped: int
    cancelled: int


@dataclass(frozen=True)
class HeldPackage:
    """One package as the marketplace shows it: what it is called there, and the units of each line in it."""

    reference: str
    tracking_number: str | None
    units: Mapping[str, int]


@dataclass(frozen=True)
class HeldOrder:
    """One order in the words that every marketplace shares: what a checker compares the order book with.

    Attributes:
        id: The marketplace's id.
        account: Whose order it is.
        selector: What a channel is chosen by: marketplace id, channel code; None when the order does not say.
        updated: When the marketplace changed it last, as its listings say.
        is_hidden: Whether its listings leave it out at present.
        is_open_to_us: Whether the seller may ship it now.
        lines: Its lines.
        packages: Its packages, whoever made them.
    """

    id: str
    account: str
    selector: str | None
    updated: datetime
    is_hidden: bool
    is_open_to_us: bool
    lines: Sequence[HeldLine]
    packages: Sequence[HeldPackage]


@dataclass(frozen=True)
class Access:
    """How an installation is connected to an account of a stand-in.

    Attributes:
        account: Name of the account.
        region: Region of the connection, None where there are none.
        credentials: Names and (public) values.
        selectors: What its channels are chosen by.
        settings, channel_settings: Of the connection and of its channels, as far as shipments need them.
    """

    account: str
    region: str | None
    credentials: Mapping[str, str]
    selectors: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    channel_settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HintAccess:
    """How an installation hears of changes, beside its access to the account: settings and (public) credentials."""

    settings: Mapping[str, Any]
    credentials: Mapping[str, str]


@dataclass(frozen=True)
class DemoShare:
    """What of `orders demo` plays at a stand-in.

    Attributes:
        connection: Code of the connection.
        label: Its name for people.
        channels: Codes of its channels, each with its label and its selector.
        file_channel: The one whose ERP knows files only, if any.
    """

    connection: str
    label: str
    channels: Mapping[str, tuple[str, str | None]]
    file_channel: str | None = None


class Sandbox(ABC):
    """State and behaviour of one stand-in.

    The methods do not lock: a caller in another thread than the server's holds ``lock`` while it changes anything.

    Attributes:
        kind: The marketplace's kind.
        title: Its name for people.
        port: Where it listens when nothing else is said.
        operations: What it answers.
        actions: What may happen to its orders.
        listing: The operation that lists orders.
        quantity_field: Path of a quantity within a listed order: where one is spoilt on purpose.
        not_found, invalid: The marketplace's codes for a call that there is not.
        demo: Its part in `orders demo`; None when it has none.
        ways: Set-ups in which packages are told otherwise: what `configure` is given, by their names.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    port: ClassVar[int]
    operations: ClassVar[tuple[Operation, ...]]
    actions: ClassVar[tuple[str, ...]]
    listing: ClassVar[str]
    quantity_field: ClassVar[str]
    not_found: ClassVar[str] = "NOT_FOUND"
    invalid: ClassVar[str] = "INVALID"
    demo: ClassVar[DemoShare | None] = None
    ways: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, seed: int = 1, rate_factor: float = 1.0, clock: Clock = utc_now) -> None:
        """All that happens follows from the seed, the clock and the calls."""
        self.seed = seed
        self.clock = MovableClock(clock)
        self.throttle = Throttle(self.clock, rate_factor)
        self.faults = FaultBook(seed)
        self.journal = Journal()
        self.catalogue = Catalogue(seed)
        self.lock = threading.RLock()
        self._calls = 0

    @abstractmethod
    def account_of(self, call: Call) -> str | None:
        """Return the name of the account that a call's credentials belong to; None when they are not good."""

    @abstractmethod
    def handle(self, call: Call) -> SandboxAnswer:
        """Work a call off; may raise RefusalError."""

    @abstractmethod
    def error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> SandboxAnswer:
        """Return an error answer in the marketplace's own form."""

    @abstractmethod
    def throttled(self, retry_after: float) -> SandboxAnswer:
        """Return the answer to a call that came too soon."""

    @abstractmethod
    def revoke(self, account: str) -> None:
        """Take an account's credentials away, until ``restore``."""

    @abstractmethod
    def expire(self, account: str) -> None:
        """Let an account's access tokens expire now."""

    @abstractmethod
    def restore(self) -> None:
        """Give every account its credentials back."""

    @abstractmethod
    def generate(self, request: GenerateRequest) -> list[str]:
        """Make orders up and return their ids."""

    @abstractmethod
    def advance(self, request: AdvanceRequest) -> AdvanceResult:
        """Move orders on."""

    @abstractmethod
    def load(self, payload: JsonValue, name: str, account: str | None = None) -> dict[str, Any]:
        """Take in a genuine payload; raises ``loading.PayloadError`` and loads nothing when it does not fit."""

    @abstractmethod
    def truth(self) -> list[dict[str, Any]]:
        """Return every order held, hidden or not, as it really is."""

    @abstractmethod
    def held(self, order_ids: Sequence[str] = ()) -> list[HeldOrder]:
        """Return orders, hidden or not, in the words that every marketplace shares; all when none is named."""

    @property
    @abstractmethod
    def confirming(self) -> str:
        """The operation by which a package is told."""

    @staticmethod
    @abstractmethod
    def read(payload: JsonValue, name: str) -> Loaded:
        """Return what a genuine payload holds; raises ``loading.PayloadError``."""

    @abstractmethod
    def accesses(self) -> list[Access]:
        """Return how an installation is connected to each account, the default one first."""

    def access(self) -> Access:
        """Return how an installation is connected to the default account."""
        return self.accesses()[0]

    def telling(self, address: str) -> HintAccess | None:  # noqa: ARG002 - for those that do
        """Begin to tell of what changes of the default account's orders, and return how it is heard; None: it never tells.

        ``address`` is where this sandbox is served.
        """
        return None

    def put_hint(self, body: str) -> None:
        """Put a message of this content among those that tell of changes; only after ``telling``."""
        raise NotImplementedError

    @classmethod
    def in_foreground(cls, seed: int, rate_factor: float) -> Self:
        """Return a sandbox that nobody drives: what others would do to its orders happens by the clock."""
        return cls(seed=seed, rate_factor=rate_factor)

    @abstractmethod
    def order_ids(self) -> list[str]:
        """Return the ids of every order held."""

    @abstractmethod
    def accounts_json(self) -> list[dict[str, Any]]:
        """Return the accounts, with their (public) credentials."""

    @abstractmethod
    def add_account_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Add an account; raises ValueError when the description does not fit."""

    @abstractmethod
    def configure(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings of the marketplace and return them all; raises ValueError."""

    @abstractmethod
    def hide(self, order_ids: Sequence[str], until: datetime) -> list[str]:
        """Keep orders (the newest when none is named) out of every listing until a moment."""

    @property
    def now(self) -> datetime:
        """The sandbox's present time."""
        return self.clock()

    def refuse(self, status: int, code: str, message: str) -> NoReturn:
        """Leave the handler with an error answer."""
        raise RefusalError(self.error(status, code, message))

    def spend(self, account: str, operation: str, plan: Plan) -> None:
        """Take a token of the usage plan or leave with 429."""
        wait = self.throttle.take(account, operation, plan)
        if wait is not None:
            raise RefusalError(self.throttled(wait))

    def add_fault(self, fault: Fault) -> int:
        """Put a fault in force; a late update hides its orders at once."""
        if fault.kind is FaultKind.LATE_UPDATE:
            self.hide(fault.order_ids, self.now + timedelta(seconds=fault.seconds))
        return self.faults.add(fault)

    def clear_faults(self, kinds: Sequence[FaultKind] = ()) -> int:
        """Lift faults; credentials and hidden orders come back with the faults that took them away."""
        if not kinds or FaultKind.REVOKE_TOKEN in kinds:
            self.restore()
        if not kinds or FaultKind.LATE_UPDATE in kinds:
            self.hide(self.order_ids(), self.now)
        return self.faults.clear(kinds)

    def request_id(self) -> str:
        """Return the next request id, in the form of a UUID."""
        self._calls += 1
        digits = hashlib.sha256(f"{self.seed}:{self.kind}:{self._calls}".encode()).hexdigest()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))

    def take(self, call: Call) -> SandboxOutcome:
        """Work a call off with all that can go wrong on the way, and record it."""
        account = self.account_of(call)
        fired = self.faults.fire(call.operation.name, account)
        call = Call(**{**call.__dict__, "faults": fired})
        self._harm_credentials(account, fired)
        answer = self._early(fired) or self._handled(call)
        content = answer.rendered()
        if fired.get(FaultKind.TRUNCATED) and len(content) > 1:
            content = content[: max(1, len(content) * 2 // 3)]
        is_dropped = bool(fired.get(FaultKind.DROPPED) or fired.get(FaultKind.DROPPED_BEFORE))
        self._record(call, account, answer, is_dropped=is_dropped)
        slow = fired.get(FaultKind.SLOW)
        return SandboxOutcome(
            answer.status, content, answer.headers, answer.media_type, slow.seconds if slow else 0.0, is_dropped
        )

    def without_missing(self, orders: list[str], call: Call) -> list[str]:
        """Return the listed order ids without those that a fault hides (one from the middle when it names none)."""
        fault = call.faults.get(FaultKind.MISSING_ORDER)
        if fault is None or not orders:
            return orders
        hidden = set(fault.order_ids) or {orders[len(orders) // 2]}
        return [order_id for order_id in orders if order_id not in hidden]

    def with_malformed(self, orders: list[dict[str, Any]], call: Call, id_field: str) -> list[dict[str, Any]]:
        """Return the answer's orders, spoiled as a fault says (the first when it names none)."""
        fault = call.faults.get(FaultKind.MALFORMED_ORDER)
        if fault is None or not orders:
            return orders
        targets = set(fault.order_ids) or {orders[0][id_field]}
        path = fault.field or id_field
        return [spoil(order, path, fault.damage) if order[id_field] in targets else order for order in orders]

    def _harm_credentials(self, account: str | None, fired: Fired) -> None:
        if account is None:
            return
        if fired.get(FaultKind.REVOKE_TOKEN):
            self.revoke(account)
        if fired.get(FaultKind.EXPIRE_TOKEN):
            self.expire(account)

    def _early(self, fired: Fired) -> SandboxAnswer | None:
        for kind, build in self._early_answers().items():
            fault = fired.get(kind)
            if fault is not None:
                return build(fault)
        return None

    def _early_answers(self) -> dict[FaultKind, Callable[[Fault], SandboxAnswer]]:
        return {
            FaultKind.DROPPED_BEFORE: lambda _: SandboxAnswer(503),
            FaultKind.THROTTLED: lambda fault: self.throttled(fault.seconds),
            FaultKind.ERROR_JSON: lambda fault: self.error(fault.status, "InternalFailure", "The service is unwell."),
            FaultKind.ERROR_HTML: lambda fault: SandboxAnswer(fault.status, content=_HTML_ERROR, media_type=_HTML_TYPE),
            FaultKind.ERROR_EMPTY: lambda fault: SandboxAnswer(fault.status, content=b""),
            FaultKind.OK_HTML: lambda _: SandboxAnswer(200, content=_HTML_LOGIN, media_type=_HTML_TYPE),
            FaultKind.OK_EMPTY: lambda _: SandboxAnswer(200, content=b""),
        }

    def _handled(self, call: Call) -> SandboxAnswer:
        try:
            return self.handle(call)
        except RefusalError as refusal:
            return refusal.answer

    def _record(self, call: Call, account: str | None, answer: SandboxAnswer, *, is_dropped: bool) -> None:
        self.journal.append(
            JournalEntry(
                number=len(self.journal) + 1,
                at=call.at,
                request_id=call.request_id,
                operation=call.operation.name,
                account=account,
                method=call.operation.method,
                path=call.path,
                query=tuple(call.query),
                status=None if is_dropped else answer.status,
                code=answer.code,
                faults=call.faults.names(),
                orders=tuple(answer.orders),
                effect=answer.effect,
            )
        )


def http_date(moment: datetime) -> str:
    """Format as the Date header has it."""
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


def mount(app: FastAPI, sandbox: Sandbox) -> None:
    """Give a FastAPI application one route per operation of the sandbox."""
    for operation in sandbox.operations:
        app.add_api_route(
            operation.path,
            _endpoint(sandbox, operation),
            methods=[operation.method],
            name=operation.name,
            operation_id=operation.name,
            tags=["marketplace"],
        )


def _endpoint(sandbox: Sandbox, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = await request.body()
        with sandbox.lock:
            outcome = sandbox.take(_call(sandbox, operation, request, body))
        if outcome.delay_seconds:
            await asyncio.sleep(outcome.delay_seconds)
        if outcome.is_dropped:
            await _drop(request)
        headers = {"Date": http_date(sandbox.now), **outcome.headers}
        # A 204 must have neither body nor content type: strict clients (h11) refuse anything else.
        media_type = outcome.media_type if outcome.content else None
        return Response(outcome.content, status_code=outcome.status, headers=headers, media_type=media_type)

    return answer


def _call(sandbox: Sandbox, operation: Operation, request: Request, body: bytes) -> Call:
    return Call(
        operation=operation,
        request_id=sandbox.request_id(),
        at=sandbox.now,
        path=request.url.path,
        path_parameters=dict(request.path_params),
        query=tuple(parse_qsl(request.url.query, keep_blank_values=True)),
        headers=dict(request.headers),
        body=body,
    )


async def _drop(request: Request) -> None:
    cut = request.scope.get(DROP_CONNECTION)
    if cut is None:
        msg = "the sandbox dropped the connection"
        raise ConnectionDroppedError(msg)
    cut()
    # One turn of the loop lets the server notice the lost connection before this answer reaches it.
    await asyncio.sleep(0)

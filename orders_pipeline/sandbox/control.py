"""The control endpoint ``/_sandbox``: what a test, a demo or a checker may do to a sandbox.

What lives here: the routes and their bodies, the same for every marketplace, documented in OpenAPI. What does not: any
marketplace's own rules; they are methods of the sandboxes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Body, HTTPException, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orders_pipeline.sandbox.clock import iso_millis
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest, Sandbox
from orders_pipeline.sandbox.faults import Damage, Fault, FaultKind
from orders_pipeline.sandbox.loading import PayloadError

T = TypeVar("T")

MAX_GENERATED = 1_000_000


PATH = "/_sandbox"
"""Where it answers, below the address of the stand-in."""


class _ControlBody(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GenerateBody(_ControlBody):
    """Orders to make up."""

    orders: int = Field(ge=0, le=MAX_GENERATED, description="How many orders.")
    seed: int | None = Field(None, description="Seed; without one the sandbox's own.")
    days: float = Field(7.0, ge=0, description="Their update times are spread over so many days; 0: two minutes.")
    account: str | None = Field(None, description="An account or a shop; without one the default.")
    channel: str | None = Field(None, description="A selector of a channel; without one: all.")
    newest_seconds: float = Field(180.0, ge=0, description="Age of the newest update time.")
    mixed_share: float = Field(
        0.05, ge=0, le=1, description="Share of carts that become two orders, one per fulfilment."
    )
    mixed_lines_share: float = Field(
        0.0, ge=0, le=1, description="Share of orders whose single lines name different fulfilment centres."
    )


class AdvanceBody(_ControlBody):
    """A step of orders' lives."""

    action: str = Field(description="What happens; GET /_sandbox lists the actions.")
    order_ids: list[str] = Field([], description="These orders; empty: every order that the step fits.")
    count: int | None = Field(None, ge=0, description="At most this many.")
    quantities: dict[str, int] = Field({}, description="Quantity per line id, for partial steps.")
    by: str = Field("MERCHANT", description="Who cancels: BUYER, MERCHANT, or the marketplace's own word for itself.")
    reason: str = Field("", description="Reason of a cancellation or of its request.")
    backdate_seconds: float = Field(0.0, ge=0, description="The new update time is this old: a late update.")


class FaultBody(_ControlBody):
    """A fault to put in force."""

    kind: FaultKind
    operation: str = Field("*", description="Operation that it hits, * for all; GET /_sandbox lists them.")
    account: str | None = None
    count: int | None = Field(1, ge=1, description="How many calls it hits; null: all.")
    after: int = Field(0, ge=0, description="So many matching calls pass first.")
    probability: float = Field(1.0, ge=0, le=1, description="Chance per call, drawn from the seed.")
    status: int = Field(503, ge=400, le=599, description="HTTP status of the error answers.")
    seconds: float = Field(2.0, ge=0, description="Delay (slow), Retry-After (throttled), hiding time (late_update).")
    order_ids: list[str] = Field([], description="Orders meant by missing_order, late_update, malformed_order.")
    field: str = Field("", description="Dotted path that malformed_order spoils, such as orderItems.0.quantityOrdered.")
    damage: Damage = Damage.REMOVED


class ClockBody(_ControlBody):
    """One way to move the clock."""

    advance_seconds: float | None = None
    offset_seconds: float | None = None
    now: AwareDatetime | None = None


class LoadBody(_ControlBody):
    """A genuine payload."""

    name: str = Field("payload", description="File name, for error messages.")
    payload: Any
    account: str | None = None


class SettingsBody(BaseModel):
    """Settings; ``rate_factor`` for every marketplace, the rest as GET /_sandbox shows them."""

    model_config = ConfigDict(extra="allow")
    rate_factor: float | None = Field(None, gt=0)


def router(sandbox: Sandbox) -> APIRouter:
    """Return the control routes of a sandbox."""
    routes = APIRouter(prefix=PATH, tags=["sandbox control"])
    _add_state_routes(routes, sandbox)
    _add_clock_routes(routes, sandbox)
    _add_order_routes(routes, sandbox)
    _add_trouble_routes(routes, sandbox)
    return routes


def _add_state_routes(routes: APIRouter, sandbox: Sandbox) -> None:
    @routes.get("", summary="What this is and what it can do")
    async def state() -> dict[str, Any]:
        with sandbox.lock:
            return _state(sandbox)

    @routes.patch("/settings", summary="Change settings")
    async def configure(body: SettingsBody) -> dict[str, Any]:
        with sandbox.lock:
            if body.rate_factor is not None:
                sandbox.throttle.rate_factor = body.rate_factor
            _refusing_nonsense(lambda: sandbox.configure(body.model_extra or {}))
            return _state(sandbox)

    @routes.get("/accounts", summary="Accounts and their public credentials")
    async def accounts() -> list[dict[str, Any]]:
        with sandbox.lock:
            return sandbox.accounts_json()

    @routes.post("/accounts", status_code=201, summary="Add or replace an account")
    async def add_account(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        with sandbox.lock:
            return _refusing_nonsense(lambda: sandbox.add_account_json(body))


def _add_clock_routes(routes: APIRouter, sandbox: Sandbox) -> None:
    @routes.get("/clock", summary="The sandbox's time")
    async def clock() -> dict[str, Any]:
        return _clock(sandbox)

    @routes.post("/clock", summary="Move the clock")
    async def move_clock(body: ClockBody) -> dict[str, Any]:
        with sandbox.lock:
            if body.offset_seconds is not None:
                sandbox.clock.offset = timedelta(seconds=body.offset_seconds)
            if body.now is not None:
                sandbox.clock.set(body.now)
            if body.advance_seconds is not None:
                sandbox.clock.advance(timedelta(seconds=body.advance_seconds))
            return _clock(sandbox)


def _add_order_routes(routes: APIRouter, sandbox: Sandbox) -> None:
    @routes.post("/generate", status_code=201, summary="Make orders up")
    async def generate(body: GenerateBody) -> dict[str, Any]:
        with sandbox.lock:
            ids = _refusing_nonsense(lambda: sandbox.generate(GenerateRequest(**body.model_dump())))
        return {"orders": len(ids), "ids": ids}

    @routes.post("/advance", summary="Move orders on")
    async def advance(body: AdvanceBody) -> dict[str, Any]:
        values = {**body.model_dump(), "order_ids": tuple(body.order_ids)}
        with sandbox.lock:
            result = _refusing_nonsense(lambda: sandbox.advance(AdvanceRequest(**values)))
        return {"advanced": result.advanced, "refused": result.refused}

    @routes.post("/load", status_code=201, summary="Take a genuine payload in", responses={422: {}})
    async def load(body: LoadBody) -> Response:
        try:
            with sandbox.lock:
                return JSONResponse(sandbox.load(body.payload, body.name, body.account), status_code=201)
        except PayloadError as error:
            problem = {"file": error.name, "path": error.path, "message": error.message}
            return JSONResponse(problem, status_code=422)
        except (KeyError, ValueError) as error:
            raise HTTPException(400, detail=f"no such account: {error}") from error

    @routes.get("/orders", summary="The truth: every order held")
    async def orders(
        offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1)] = 1_000_000
    ) -> Response:
        with sandbox.lock:
            held = sandbox.truth()
            page = {"total": len(held), "orders": held[offset : offset + limit]}
            return Response(orjson.dumps(page), media_type="application/json")

    @routes.get("/orders/ids", summary="The ids of every order held")
    async def order_ids() -> list[str]:
        with sandbox.lock:
            return sandbox.order_ids()

    @routes.get("/catalogue.csv", summary="The products as CSV: sku, gtin, title, url", response_class=Response)
    async def catalogue() -> Response:
        text = io.StringIO()
        csv.writer(text).writerows(sandbox.catalogue.rows())
        return Response(text.getvalue(), media_type="text/csv; charset=utf-8")


def _add_trouble_routes(routes: APIRouter, sandbox: Sandbox) -> None:
    @routes.get("/faults", summary="The faults in force")
    async def faults() -> list[dict[str, Any]]:
        with sandbox.lock:
            return sandbox.faults.listing()

    @routes.post("/faults", status_code=201, summary="Put a fault in force")
    async def add_fault(body: FaultBody) -> dict[str, Any]:
        fault = Fault(**{**body.model_dump(), "order_ids": tuple(body.order_ids)})
        with sandbox.lock:
            return {"number": _refusing_nonsense(lambda: sandbox.add_fault(fault))}

    @routes.delete("/faults", summary="Lift faults (all, or of some kinds) and restore revoked credentials")
    async def clear_faults(kind: Annotated[list[FaultKind] | None, Query()] = None) -> dict[str, Any]:
        with sandbox.lock:
            return {"lifted": sandbox.clear_faults(kind or ())}

    @routes.get("/journal", summary="Every call and its answer, in order")
    async def journal(
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1)] = 1000,
        operation: str | None = None,
    ) -> Response:
        with sandbox.lock:
            entries = [entry.as_json() for entry in sandbox.journal.read(after, limit, operation)]
            page = {"total": len(sandbox.journal), "entries": entries}
        return Response(orjson.dumps(page), media_type="application/json")


def _state(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "kind": sandbox.kind,
        "seed": sandbox.seed,
        "now": iso_millis(sandbox.now),
        "orders": len(sandbox.order_ids()),
        "calls": len(sandbox.journal),
        "rate_factor": sandbox.throttle.rate_factor,
        "settings": sandbox.configure({}),
        "operations": [operation.name for operation in sandbox.operations],
        "actions": list(sandbox.actions),
        "faults": [kind.value for kind in FaultKind],
    }


def _clock(sandbox: Sandbox) -> dict[str, Any]:
    return {"now": iso_millis(sandbox.now), "offset_seconds": sandbox.clock.offset.total_seconds()}


def _refusing_nonsense(act: Callable[[], T]) -> T:
    try:
        return act()
    except (ValueError, KeyError) as error:
        raise HTTPException(400, detail=str(error)) from error

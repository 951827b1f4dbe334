"""The Orders API on one screen: what it is made of, and how it starts and stops. Each resource is a module of its own."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import FastAPI

from orders_api import health, metrics, reference_page
from orders_api.compression import Compression
from orders_api.kit import errors
from orders_api.kit.auth import SECURITY_SCHEME
from orders_api.kit.envelope import Envelope
from orders_api.kit.installation import Installation
from orders_api.kit.rate_limits import RateLimiter
from orders_api.reference_page import DOCS_PATH
from orders_api.schemas.acceptances import AcceptanceRequest
from orders_api.schemas.acknowledgements import AcknowledgementRequest
from orders_api.schemas.cancellations import CancellationDecision, OrderCancellation
from orders_api.schemas.incidents import IncidentResolution
from orders_api.schemas.problems import ProblemDocument
from orders_api.schemas.shipment_reports import ShipmentRequest
from orders_api.v1 import (
    acceptances,
    acknowledgements,
    cancellation_requests,
    channels,
    exports,
    files,
    incidents,
    logs,
    marketplace_kinds,
    orders,
    shipment_reports,
    status,
)
from orders_api.v1 import shipments as shipment_reading
from warehouse.clock import utc_now
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.exchange.numbering import open_numbering
from warehouse.ledger.status.keys import open_keys
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from warehouse.clock import Clock

OTHER_THREADS = 8
"""Acknowledgements, notes, pieces of downloads: at most so many at once. With the readers fewer than the ledger's pooled
connections, so that none waits for one."""

SHAPES_WITHOUT_A_ROUTE = (
    ProblemDocument,
    AcknowledgementRequest,
    ShipmentRequest,
    AcceptanceRequest,
    IncidentResolution,
    CancellationDecision,
    OrderCancellation,
)
"""Those that no route has as its answer."""

DESCRIPTION = """
Orders of every connected marketplace in one shape.

Send a token with every request: `Authorization: Bearer orders_…`. Errors are problem documents (RFC 9457) with a stable
`code`. Times are ISO 8601 in UTC, money is decimal text, and unknown is null. Unknown parameters are refused.
"""


def create_app(settings: Settings | None = None, clock: Clock = utc_now) -> FastAPI:
    """The application of one installation; opens its ledger and key ring, and brings the ledger's schema up to date.

    Args:
        settings: The process settings; read from the environment when not given.
        clock: Tells the present instant.

    Raises:
        KeyRingError: There is no key ring, or not the one that the ledger was sealed with.
        RestoreUnfinishedError: The installation is being restored.
        UnfitLedgerError: A newer release has written the ledger.
    """
    settings = settings or Settings()
    app = FastAPI(
        title="Orders API",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    limiter = RateLimiter(settings.api_requests_per_minute)
    ledger = open_ledger(settings)
    keys = open_keys(settings, ledger, clock())
    installation = Installation(settings, ledger, keys, clock, limiter, open_numbering(ledger))
    app.state.installation = installation
    errors.install(app)
    app.add_middleware(Compression)
    app.add_middleware(
        Envelope, path_prefix=settings.api_path_prefix, docs_path=DOCS_PATH, latencies=installation.latencies
    )
    for module in (
        exports,
        acknowledgements,
        acceptances,
        orders,
        shipment_reports,
        shipment_reading,
        cancellation_requests,
        channels,
        marketplace_kinds,
        incidents,
        logs,
        files,
        status,
        health,
        metrics,
        reference_page,
    ):  # the paths that are words before `/v1/orders/{id}`
        app.include_router(module.router)
    app.openapi = _described(app)  # type: ignore[method-assign] # FastAPI's documented way to extend the description
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = OTHER_THREADS
    gc.collect()
    gc.freeze()  # what is there now stays: looking through it again and again costs a sixth of a page
    yield
    gc.unfreeze()
    app.state.installation.ledger.close()


def _described(app: FastAPI) -> Any:  # noqa: ANN401 - FastAPI's own signature
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = original()
            components = described.setdefault("components", {})
            components["securitySchemes"] = {
                SECURITY_SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token made with `orders tokens create`.",
                }
            }
            for model in SHAPES_WITHOUT_A_ROUTE:
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                components["schemas"] |= schema.pop("$defs", {}) | {model.__name__: schema}
            _drop_defaults(components["schemas"])
        return app.openapi_schema or {}

    return openapi


def _drop_defaults(schema: Any) -> None:  # noqa: ANN401 - any JSON schema
    """What may be left out is optional and nothing else: for a default, generators demand or promise the member."""
    if isinstance(schema, list):
        for each in schema:
            _drop_defaults(each)
    elif isinstance(schema, dict):
        for each in schema.get("properties", {}).values():
            each.pop("default", None)
        for each in schema.values():
            _drop_defaults(each)

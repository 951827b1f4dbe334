"""The Orders API on one screen: what it is made of, and how it starts and stops. Each resource is a module of its own."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio.to_thread

from orders_api import health, metrics, reference_page
from orders_api.compression import Compression
from orders_api.description import DescribedApi
from orders_api.kit import errors
from orders_api.kit.envelope import REFERENCE, Envelope
from orders_api.kit.fast_lane import FastLanes
from orders_api.kit.installation import ApiInstallation
from orders_api.kit.rate_limits import OwnBuckets, RateLimiter
from orders_api.kit.request_tally import RequestTally
from orders_api.kit.shared_buckets import SharedBuckets
from orders_api.kit.siblings import shared_folder
from orders_api.reference_page import DOCS_PATH
from orders_api.serving import keep_freed_memory
from orders_api.v1 import (
    acceptances,
    account_deletions,
    acknowledgements,
    api_requests,
    bulk,
    cancellation_requests,
    channels,
    configuration,
    exports,
    files,
    incidents,
    logs,
    marketplace_kinds,
    operator_requests,
    order_intake,
    orders,
    shipment_reports,
    status,
    tokens,
)
from orders_api.v1 import shipments as shipment_reading
from warehouse.clock import utc_now
from warehouse.lake.retired_documents import LakeDocuments
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.exchange.numbering import open_numbering
from warehouse.ledger.status.keys import open_keys
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from warehouse.clock import Clock

THREADS = 8
"""Writes, notes, pieces of downloads, reads: at most so many at once. With those of the fast lane fewer than the ledger's
pooled connections, so that none waits for one."""

CACHE_KILOBYTES = 4_000
"""Of the ledger's pages, for each connection: more makes no answer faster, and a connection for each thread has its own."""

DESCRIPTION = """
Orders of every connected marketplace in one shape.

Send a token with every request: `Authorization: Bearer orders_…`. Errors are problem documents (RFC 9457) with a stable
`code`. Times are ISO 8601 in UTC, money is decimal text, and unknown is null. Unknown parameters are refused.
"""


RESOURCES = (
    exports.router,
    orders.fast,
    acknowledgements.router,
    acceptances.router,
    orders.router,
    order_intake.router,
    shipment_reports.router,
    shipment_reading.router,
    cancellation_requests.router,
    channels.router,
    marketplace_kinds.router,
    operator_requests.router,
    bulk.router,
    configuration.router,
    tokens.router,
    incidents.router,
    logs.router,
    api_requests.router,
    files.router,
    account_deletions.router,
    status.router,
)
"""The paths that are words before `/v1/orders/{id}`, and what is asked most before the rest."""


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
    app = DescribedApi(
        title="Orders API",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    folder = shared_folder()
    buckets = OwnBuckets() if folder is None else SharedBuckets.below(folder)
    limiter = RateLimiter(settings.api_requests_per_minute, buckets=buckets)
    ledger = open_ledger(settings, CACHE_KILOBYTES, LakeDocuments(settings))
    keys = open_keys(settings, ledger, clock())
    installation = ApiInstallation(settings, ledger, keys, clock, limiter, open_numbering(ledger))
    app.state.installation = installation
    app.state.tally = RequestTally(ledger, clock, is_kept=settings.api_request_retention_days > 0)
    errors.install(app)
    app.add_middleware(Compression)
    app.add_middleware(FastLanes, routes=orders.fast.routes if settings.api else ())
    for router in (*(RESOURCES if settings.api else ()), health.router, metrics.router, reference_page.router):
        app.include_router(router)
    headers = {DOCS_PATH: REFERENCE}
    if settings.console:
        from orders_api.console.app import mount_console  # noqa: PLC0415 - a third of the start of an API without it

        headers |= mount_console(app, installation)
    app.add_middleware(
        Envelope,
        path_prefix=settings.api_path_prefix,
        headers=headers,
        latencies=installation.latencies,
        tally=app.state.tally,
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    gc.freeze()  # what is there now stays: looking through it again and again costs a sixth of a page
    gc.enable()  # where it was not while all this was loaded
    keep_freed_memory()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app.state.tally.write_now_and_then)
        yield
        tasks.cancel_scope.cancel()
    gc.unfreeze()
    app.state.installation.ledger.close()

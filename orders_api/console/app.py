"""The console as one application, mounted at `/console` in the API's process: its routes, and what its errors look like."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.routing import Route

from orders_api.console import (
    acceptances,
    account,
    alerts,
    api_requests,
    audit,
    bulk,
    cancellations,
    channels,
    connections,
    content_reports,
    coverage,
    events,
    files,
    incidents,
    log_in,
    logs,
    order,
    order_export,
    order_views,
    orders,
    overview,
    quarantine,
    requests,
    set_up,
    shipments,
    single_sign_on,
    storages,
    tokens,
    users,
)
from orders_api.console.kit.assets import serve_asset
from orders_api.console.kit.entrances import LogInAttempts
from orders_api.console.kit.headlines import HeadlineCache
from orders_api.console.kit.rendering import frame_of, html
from orders_api.console.kit.texts import Speaking, _, gettext, read_languages
from orders_api.console.views.frame import ErrorPage
from orders_api.kit.addresses import CONSOLE_PATH
from orders_api.kit.envelope import console_headers
from orders_api.kit.errors import Problem, from_http_error, internal_error
from orders_api.kit.installation import installation_of
from warehouse.ledger.base.move_mark import is_refusal
from warehouse.ledger.book.retired_orders import RetiredOrdersUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from orders_api.kit.envelope import Headers
    from orders_api.kit.installation import ApiInstallation

NOUNS = (
    *(
        overview,
        orders,
        order_views,
        order_export,
        bulk,
        order,
        shipments,
        cancellations,
        acceptances,
        incidents,
        coverage,
        quarantine,
        files,
        api_requests,
        logs,
    ),
    *(channels, set_up, connections, storages, tokens, alerts, users, audit, requests),
)
"""The modules whose `pages` make up the console."""


def create_console(installation: ApiInstallation) -> Starlette:
    """The console of an installation."""
    routes = [
        Route("/static/{name}", serve_asset),
        *content_reports.routes,
        *events.routes,
        *log_in.routes,
        *single_sign_on.routes,
        *account.routes,
        *account.pages.routes,
        *(route for noun in NOUNS for route in noun.pages.routes),
    ]
    handlers = {
        Problem: _on_problem,
        HTTPException: _on_http_error,
        OperationalError: _on_ledger_trouble,
        PoolTimeout: _on_ledger_trouble,
        RetiredOrdersUnreadable: _on_lake_trouble,
        Exception: _on_defect,
    }
    languages = read_languages(installation.settings.home)
    speaking = Middleware(Speaking, languages=languages)
    app = Starlette(routes=routes, exception_handlers=handlers, middleware=[Middleware(WholePath), speaking])
    app.state.installation = installation
    app.state.headlines = HeadlineCache()
    app.state.listeners = events.Listeners()
    app.state.attempts = LogInAttempts.none_yet()
    app.state.provider = single_sign_on.provider_of(installation)
    return app


def mount_console(app: Starlette, installation: ApiInstallation) -> Mapping[str, Headers]:
    """Add the console to an application; gives the headers of its answers, by path."""
    app.add_route(CONSOLE_PATH, _to_console, include_in_schema=False)
    app.mount(CONSOLE_PATH, create_console(installation))
    reports = f"{installation.settings.api_path_prefix}{CONSOLE_PATH}{content_reports.PATH}"
    return {CONSOLE_PATH: console_headers(reports)}


class WholePath:
    """ASGI middleware: gives a path the prefix back that the envelope took off; what is mounted is found by its whole path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and not f"{scope['path']}/".startswith(f"{scope['root_path']}/"):
            scope = {**scope, "path": f"{scope['root_path'].removesuffix(CONSOLE_PATH)}{scope['path']}"}
        await self._app(scope, receive, send)


async def _to_console(request: Request) -> Response:
    """From `/console` to `/console/`."""
    return RedirectResponse(f"{request.scope['root_path']}{CONSOLE_PATH}/", 307)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, from_http_error(error))


async def _on_ledger_trouble(request: Request, error: Exception) -> Response:
    """The database is away, or what was asked for takes too long: the page that was asked for is worth another try."""
    assert isinstance(error, SQLAlchemyError)
    detail = _(
        "The ledger did not answer in time. It is busy or away, or the question is too broad: try again, or narrow it."
    )
    if is_refusal(error):
        detail = _("The ledger is being moved to another database, or was: nothing can be changed here.")
        return _answer(request, Problem(503, "ledger_moved", detail, headers={"Retry-After": "60"}))
    return _answer(request, Problem(503, "ledger_unavailable", detail, headers={"Retry-After": "5"}))


async def _on_lake_trouble(request: Request, _error: Exception) -> Response:
    detail = _(
        "Retired orders are among those that you asked for, and the order tables cannot be read now: try again later."
    )
    return _answer(request, Problem(503, "retired_orders_unreadable", detail, headers={"Retry-After": "60"}))


async def _on_defect(request: Request, _error: Exception) -> Response:
    return _answer(request, internal_error())


def _answer(request: Request, problem: Problem) -> Response:
    zone = installation_of(request).settings.time_zone
    frame = frame_of(request, zone, getattr(request.state, "visit", None))
    title = gettext(HTTPStatus(problem.status).phrase.capitalize())
    details = [each["message"] for each in problem.errors if each["message"] != problem.detail]
    retry = frame.path if request.method == "GET" and problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
    view = ErrorPage(title, gettext(problem.detail), problem.code, tuple(details), retry)
    return html("error.html", view, frame, problem.status, problem.headers)

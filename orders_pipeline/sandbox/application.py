"""A stand-in as a FastAPI application: the marketplace's operations, and the control endpoint under ``/_sandbox``.

What lives here: ``create_app``. What does not: the behaviour (each kind's ``state``) and the control routes (``control``).
"""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route

from orders_pipeline.sandbox import control
from orders_pipeline.sandbox.engine import Sandbox, mount

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


def create_app(state: Sandbox) -> FastAPI:
    """Serve a sandbox."""
    app = FastAPI(title=f"{state.title} sandbox", description="A local stand-in with made-up orders.")
    app.state.sandbox = state
    mount(app, state)
    app.router.routes.append(Route(f"{control.PATH}{{rest:path}}", _Control(state)))

    async def unknown_path(_request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = state.not_found if status == HTTPStatus.NOT_FOUND else state.invalid
        return JSONResponse(state.error(status, code, "There is no such operation.").body, status_code=status)

    app.add_exception_handler(HTTPException, unknown_path)
    return app


class _Control:
    """The control endpoint, made when it is first asked: most stand-ins of a test never are, and its shapes take time."""

    def __init__(self, state: Sandbox) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    @cached_property
    def _app(self) -> FastAPI:
        app = FastAPI(
            title=f"Control of the {self._state.title} sandbox",
            openapi_url=f"{control.PATH}/openapi.json",
            docs_url=f"{control.PATH}/docs",
            redoc_url=None,
        )
        app.include_router(control.router(self._state))
        return app

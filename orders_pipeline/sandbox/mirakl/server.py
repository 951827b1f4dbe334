"""The Mirakl stand-in as a FastAPI application.

What lives here: ``create_app``. What does not: the behaviour (``state``) and the control routes (``control``).
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orders_pipeline.sandbox import control
from orders_pipeline.sandbox.engine import mount
from orders_pipeline.sandbox.mirakl.platform import Features, MiraklShop
from orders_pipeline.sandbox.mirakl.state import ALL_SHOPS_KEY, API_KEY, MiraklSandbox

__all__ = ["ALL_SHOPS_KEY", "API_KEY", "Features", "MiraklSandbox", "MiraklShop", "create_app"]


def create_app(state: MiraklSandbox) -> FastAPI:
    """Serve a sandbox: the marketplace's operations, and the control endpoint under ``/_sandbox``."""
    app = FastAPI(title="Mirakl sandbox", description="A local stand-in with made-up orders.")
    app.state.sandbox = state
    mount(app, state)
    app.include_router(control.router(state))

    async def unknown_path(request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if request.url.path.startswith("/_sandbox"):
            detail = error.detail if isinstance(error, HTTPException) else "error"
            return JSONResponse({"detail": detail}, status_code=status)
        answer = state.error(
            status, "NOT_FOUND" if status == HTTPStatus.NOT_FOUND else "INVALID", "There is no such operation."
        )
        return JSONResponse(answer.body, status_code=status)

    app.add_exception_handler(HTTPException, unknown_path)
    return app

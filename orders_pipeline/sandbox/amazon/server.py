"""The Amazon stand-in as a FastAPI application.

What lives here: ``create_app``. What does not: the behaviour (``state``) and the control routes (``control``).
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orders_pipeline.sandbox import control
from orders_pipeline.sandbox.amazon.state import (
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    AmazonAccount,
    AmazonSandbox,
)
from orders_pipeline.sandbox.engine import mount

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "AmazonAccount", "AmazonSandbox", "create_app"]


def create_app(state: AmazonSandbox) -> FastAPI:
    """Serve a sandbox: the marketplace's operations, and the control endpoint under ``/_sandbox``."""
    app = FastAPI(title="Amazon SP-API sandbox", description="A local stand-in with made-up orders.")
    app.state.sandbox = state
    mount(app, state)
    app.include_router(control.router(state))

    async def unknown_path(request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if request.url.path.startswith("/_sandbox"):
            detail = error.detail if isinstance(error, HTTPException) else "error"
            return JSONResponse({"detail": detail}, status_code=status)
        answer = state.error(
            status, "NotFound" if status == HTTPStatus.NOT_FOUND else "InvalidInput", "There is no such operation."
        )
        return JSONResponse(answer.body, status_code=status)

    app.add_exception_handler(HTTPException, unknown_path)
    return app

"""A stand-in as a FastAPI application: the marketplace's operations, and the control endpoint under ``/_sandbox``.

What lives here: ``create_app``. What does not: the behaviour (each kind's ``state``) and the control routes (``control``).
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orders_pipeline.sandbox import control
from orders_pipeline.sandbox.engine import Sandbox, mount


def create_app(state: Sandbox) -> FastAPI:
    """Serve a sandbox."""
    app = FastAPI(title=f"{state.title} sandbox", description="A local stand-in with made-up orders.")
    app.state.sandbox = state
    mount(app, state)
    app.include_router(control.router(state))

    async def unknown_path(request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if request.url.path.startswith("/_sandbox"):
            detail = error.detail if isinstance(error, HTTPException) else "error"
            return JSONResponse({"detail": detail}, status_code=status)
        code = state.not_found if status == HTTPStatus.NOT_FOUND else state.invalid
        return JSONResponse(state.error(status, code, "There is no such operation.").body, status_code=status)

    app.add_exception_handler(HTTPException, unknown_path)
    return app

"""The page on which the API can be read about and tried: Swagger UI, served from our own files, so that no other host is asked.

Swagger UI is kept unmodified with its licence and version in `static/swagger-ui`. Its addresses are relative: they hold behind
a path prefix too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse

from orders_api.kit.answers import tag_of

DOCS_PATH = "/docs"
STATIC = Path(__file__).parent / "static"
FILES = {
    path.name: path
    for path in (
        STATIC / "reference.js",
        *(STATIC / "swagger-ui" / name for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")),
    )
}

router = APIRouter(include_in_schema=False)


@router.api_route(DOCS_PATH, methods=["GET", "HEAD"])
async def read_reference() -> FileResponse:
    """The page."""
    return _file(STATIC / "reference.html")


@router.api_route(f"{DOCS_PATH}/{{name}}", methods=["GET", "HEAD"])
async def read_reference_file(name: str) -> FileResponse:
    """What the page loads."""
    if name not in FILES:
        raise HTTPException(404)
    return _file(FILES[name])


def _file(path: Path) -> FileResponse:
    return FileResponse(path, headers={"ETag": _tag(path)})


@cache
def _tag(path: Path) -> str:
    """Weak: the same for the compressed answer."""
    return tag_of(path.read_bytes())

"""The files that pages load: style, script, htmx. Each has its content's hash in its address, and so is kept for good.

htmx is kept unmodified, with its licence and version, in `static/htmx`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

STATIC = Path(__file__).parents[1] / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = ("console.css", "console.js", "icon.svg", "htmx/htmx.min.js")
FOR_GOOD = "public, max-age=31536000, immutable"
DIGITS = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and the name by which pages load it."""

    name: str
    media_type: str
    content: bytes


@cache
def assets() -> dict[str, Asset]:
    """Every file, by its path in the folder."""
    return {path: _asset(STATIC / path) for path in FILES}


async def serve_asset(request: Request) -> Response:
    """A file by its name."""
    wanted = request.path_params["name"]
    found = next((each for each in assets().values() if each.name == wanted), None)
    if found is None:
        raise HTTPException(404)
    return Response(found.content, headers={"Cache-Control": FOR_GOOD}, media_type=found.media_type)


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    name = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:DIGITS]}{path.suffix}"
    return Asset(name, MEDIA_TYPES[path.suffix], content)

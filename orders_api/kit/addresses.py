"""Addresses of our own in answers: `next`, `Link` and `Location`. Without the host, which only a proxy may know, and behind
the path prefix under which a proxy serves the API (`ORDERS_API_PATH_PREFIX`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from starlette.requests import Request

CONSOLE_PATH = "/console"


def address(request: Request, path: str) -> str:
    """Where clients find a path of ours.

    Args:
        request: Whose answer names it.
        path: Such as `/v1/orders`, with or without a query.
    """
    return f"{request.scope['root_path']}{path}"


def next_path(request: Request, cursor: str) -> str:
    """The same question with another cursor."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name not in {"cursor", "count"}]
    return address(request, f"{request.scope['path']}?{urlencode([*asked, ('cursor', cursor)])}")


def next_link(following: str | None) -> dict[str, str] | None:
    """The header that names the next page (RFC 8288); None on the last one."""
    return {"Link": f'<{following}>; rel="next"'} if following else None


def own_path(path: str, prefix: str) -> str:
    """A path as it is without the prefix, whether the proxy has taken it off or not.

    >>> [own_path(each, "/hub") for each in ("/hub/v1/orders", "/v1/orders", "/hub", "/hubs")]
    ['/v1/orders', '/v1/orders', '/', '/hubs']
    """
    return path.removeprefix(prefix) or "/" if f"{path}/".startswith(f"{prefix}/") else path

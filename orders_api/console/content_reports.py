"""What browsers report that they have refused to load into a page: into the log, without the page's address.

Anybody can send such a report, so that little is read of it, and of few a minute (`report-uri` of CSP Level 3).
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
from starlette.responses import Response
from starlette.routing import Route

from orders_api.console.kit import visits
from orders_api.kit.rate_limits import RateLimiter
from warehouse.logs import Event

if TYPE_CHECKING:
    from starlette.requests import Request

LOG = logging.getLogger("orders_api")
PATH = "/csp"
PER_MINUTE = 10
LARGEST = 10_000
DIRECTIVE = re.compile(r"[a-z-]{1,40}")
reports = RateLimiter(PER_MINUTE)


async def take_report(request: Request) -> Response:
    """Log which rule has refused what kind of address; 204 whatever was sent."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            return Response(status_code=204)
    if reports.take(visits.address_of(request)).is_admitted:
        _log(bytes(body))
    return Response(status_code=204)


def _log(body: bytes) -> None:
    try:
        report = orjson.loads(body)["csp-report"]
        directive, blocked = str(report["violated-directive"]).split(" ")[0], str(report["blocked-uri"])
        host = urlsplit(blocked).hostname or blocked[:20]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return
    if DIRECTIVE.fullmatch(directive):
        LOG.warning(Event.CONTENT_REFUSED, extra={"directive": directive, "source": host[:100]})


routes = [Route(PATH, take_report, methods=["POST"])]

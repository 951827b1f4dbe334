"""Compressed answers: gzip for clients that take it, small answers and what is compressed already as they are.

Downloads are compressed a piece at a time. Answers hold nothing that a page of somebody else could have put beside a secret:
tokens come in a header that no browser adds by itself, so that sizes tell an attacker nothing (BREACH).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from orders_api.kit.answers import GZIP_LEVEL, WORTH_COMPRESSING, refuses_gzip
from orders_api.v1.exports import MEDIA_TYPES, ExportFormat

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

COMPRESSED_ALREADY = (*DEFAULT_EXCLUDED_CONTENT_TYPES, MEDIA_TYPES[ExportFormat.PARQUET])


class Compression:
    """ASGI middleware: Starlette's, for all but those who say that they do not take gzip (RFC 9110, 12.5.3)."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressing = GZipMiddleware(
            app, minimum_size=WORTH_COMPRESSING, compresslevel=GZIP_LEVEL, exclude_content_types=COMPRESSED_ALREADY
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its answer compressed or not."""
        is_refused = scope["type"] == "http" and refuses_gzip(Headers(scope=scope))
        await (self._plain if is_refused else self._compressing)(scope, receive, send)

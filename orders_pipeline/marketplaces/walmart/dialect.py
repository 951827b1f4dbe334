"""How Walmart is called: its token, its headers, the four forms in which it refuses, and what it tells of its quota."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.oauth import Token, TokenDialect, key_of, keyset, request_token
from orders_pipeline.marketplaces.rest import QuotaNotice
from orders_pipeline.marketplaces.walmart.settings import PRODUCTION, SANDBOX

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from orders_pipeline.marketplaces.protocol import ConnectionContext
    from orders_pipeline.marketplaces.walmart.settings import WalmartSettings
    from warehouse.clock import Clock

TOKEN_PATH = "/v3/token"  # noqa: S105 - a path
STALE_TOKEN = "INVALID_TOKEN"  # noqa: S105 - Walmart's word
LOCKED = frozenset({HTTPStatus.CONFLICT, HTTPStatus.LOCKED})

_KEY_HINT = "create API keys in Walmart's Developer Portal and store them as client_id and client_secret"
_ENDPOINT_HINT = "leave the connection's endpoint empty, or name an https address"
_LATEST_MILLISECONDS = 32_503_680_000_000


class WalmartDialect(TokenDialect):
    """What goes with a call to Walmart, and what its answers mean; see `orders_pipeline.marketplaces.rest.Dialect`."""

    def __init__(self, context: ConnectionContext, settings: WalmartSettings, now: Clock) -> None:
        super().__init__(context, now)
        self._settings = settings

    @property
    def address(self) -> str:
        """What is called: the connection's endpoint, else that of its environment.

        Raises:
            Permanent: The endpoint is no web address, or secrets would travel unencrypted.
        """
        own = SANDBOX if self._settings.environment == "sandbox" else PRODUCTION
        return tls.secure(self._context.endpoint or own, _ENDPOINT_HINT)

    def headers(self, session: httpx.Client) -> Mapping[str, str]:
        """Name, correlation id and token.

        Raises:
            MarketplaceError: There is no token to be had.
        """
        return {**self._common(), "WM_SEC.ACCESS_TOKEN": self.token(session)}

    def is_token_refused(self, status: int, code: str) -> bool:
        """HTTP 401, and the gateway's 400 for a token that has ended."""
        return super().is_token_refused(status, code) or (
            status == HTTPStatus.BAD_REQUEST and code.startswith(STALE_TOKEN)
        )

    def is_at_the_door(self, status: int, code: str) -> bool:
        """Whether nothing has looked at the order; so too while another call changes it."""
        return super().is_at_the_door(status, code) or status in LOCKED or self.is_token_refused(status, code)

    def refusal(self, value: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON value
        """Of the first error, wherever it stands: `errors`, `error`, or `errors.error`; one or a list of them.

        >>> WalmartDialect.refusal(None, {"errors": {"error": [{"code": "A.B", "description": "no"}]}})
        ('A.B', 'no')
        """
        found = value
        for key in ("errors", "error"):
            found = found.get(key, found) if isinstance(found, dict) else found
            found = found[0] if isinstance(found, list) and found else found
        if not isinstance(found, dict):
            return "", ""
        code = found.get("code")
        words = next(
            (each for key in ("description", "info", "message") if isinstance(each := found.get(key), str)), ""
        )
        return code if isinstance(code, str) else "", words

    def quota_notice(self, headers: httpx.Headers) -> QuotaNotice | None:
        """`x-current-token-count`, and the epoch milliseconds of `x-next-replenishment-time`."""
        left, refill = headers.get("x-current-token-count", ""), headers.get("x-next-replenishment-time", "")
        if not (left.isascii() and left.isdigit() and len(left) < len(str(_LATEST_MILLISECONDS))):
            return None
        is_moment = refill.isascii() and refill.isdigit() and 0 < int(refill[:20]) < _LATEST_MILLISECONDS
        return QuotaNotice(float(left), datetime.fromtimestamp(int(refill) / 1000, UTC) if is_moment else None)

    def _common(self) -> dict[str, str]:
        partner = self._settings.partner_id
        return {
            "WM_SVC.NAME": "Walmart Marketplace",
            "WM_QOS.CORRELATION_ID": str(uuid.uuid4()),
            **({"WM_PARTNER.ID": partner} if partner else {}),
        }

    def token_key(self) -> str:
        """One for each pair of keys."""
        return key_of("walmart", self.address, self._context.credentials)

    def fetch_token(self, session: httpx.Client) -> Token:
        """Of the keys, in the headers of every call."""
        name, secret = keyset(self._context, _KEY_HINT)
        token, _ = request_token(
            session,
            TOKEN_PATH,
            {"grant_type": "client_credentials"},
            now=self._now,
            secrets=[secret],
            headers=self._common(),
            basic=(name, secret),
        )
        return token

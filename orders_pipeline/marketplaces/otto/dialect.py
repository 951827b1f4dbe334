"""How OTTO is called: its two kinds of tokens, and the form of its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.oauth import Token, TokenDialect, key_of, keyset, request_token
from orders_pipeline.marketplaces.otto.settings import PRODUCTION, SANDBOX

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from orders_pipeline.marketplaces.otto.settings import OttoSettings
    from orders_pipeline.marketplaces.protocol import ConnectionContext
    from warehouse.clock import Clock

APP_TOKENS, USER_TOKENS = "/oauth2/token", "/v1/token"
USER_CLIENT = "token-otto-api"
"""The client that OTTO wants named when an API user asks."""

_KEY_HINT = "create credentials in OTTO Partner Connect and store them as client_id and client_secret"
_ENDPOINT_HINT = "leave the connection's endpoint empty, or name an https address"


class OttoDialect(TokenDialect):
    """What goes with a call to OTTO, and what its answers mean; see `orders_pipeline.marketplaces.rest.Dialect`."""

    def __init__(self, context: ConnectionContext, settings: OttoSettings, now: Clock) -> None:
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
        """The token.

        Raises:
            MarketplaceError: There is no token to be had.
        """
        return {"Authorization": f"Bearer {self.token(session)}"}

    def refusal(self, value: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON value
        """Of the first of the `errors`: its code or title, and its detail.

        >>> OttoDialect.refusal(None, {"errors": [{"title": "CONFLICT", "detail": "sent before"}]})
        ('CONFLICT', 'sent before')
        """
        found = value.get("errors") if isinstance(value, dict) else None
        found = found[0] if isinstance(found, list) and found else found
        if not isinstance(found, dict):
            return "", ""
        words = (found.get(key) for key in ("title", "detail"))
        title, detail = (each if isinstance(each, str) else "" for each in words)
        return title, detail or title

    def token_key(self) -> str:
        """One for each grant and its scopes."""
        scopes = " ".join(self._settings.scopes)
        return key_of(f"otto {self._settings.grant} {scopes}", self.address, self._context.credentials)

    def fetch_token(self, session: httpx.Client) -> Token:
        """Of an app, or of an API user."""
        name, secret = keyset(self._context, _KEY_HINT)
        if self._settings.grant == "password":
            path = USER_TOKENS
            form = {"grant_type": "password", "client_id": USER_CLIENT, "username": name, "password": secret}
        else:
            path = APP_TOKENS
            form = {
                "grant_type": "client_credentials",
                "client_id": name,
                "client_secret": secret,
                "scope": " ".join(self._settings.scopes),
            }
        token, _ = request_token(session, path, form, now=self._now, secrets=[secret])
        return token

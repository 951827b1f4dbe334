"""How OTTO is called: its two kinds of tokens, and the form of its refusals."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.errors import Unauthorised
from orders_pipeline.marketplaces.oauth import SHELF, Token, key_of, request_token
from orders_pipeline.marketplaces.otto.settings import PRODUCTION, SANDBOX
from orders_pipeline.marketplaces.rest import QuotaNotice, turned_away

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from orders_pipeline.marketplaces.otto.settings import OttoSettings
    from orders_pipeline.marketplaces.protocol import ConnectionContext
    from warehouse.clock import Clock

APP_TOKENS, USER_TOKENS = "/oauth2/token", "/v1/token"
USER_CLIENT = "token-otto-api"
"""The client that OTTO wants named when an API user asks."""

_KEY_HINT = "create credentials in OTTO Partner Connect and store them as client_id and client_secret"
_ENDPOINT_HINT = "leave the connection's endpoint empty, or name an https address"


class OttoDialect:
    """What goes with a call to OTTO, and what its answers mean; see `orders_pipeline.marketplaces.rest.Dialect`."""

    def __init__(self, context: ConnectionContext, settings: OttoSettings, now: Clock) -> None:
        self._context = context
        self._settings = settings
        self._now = now
        self._token = ""

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
        self._token = SHELF.get(self._key(), self._now, lambda: self._fetch(session))
        return {"Authorization": f"Bearer {self._token}"}

    def forget_token(self) -> None:
        """The token was refused."""
        SHELF.forget(self._key(), self._token)

    def is_token_refused(self, status: int, code: str) -> bool:  # noqa: ARG002 - the contract's names
        """HTTP 401."""
        return status == HTTPStatus.UNAUTHORIZED

    def is_at_the_door(self, status: int, code: str) -> bool:  # noqa: ARG002 - the contract's names
        """Whether nothing has looked at the order."""
        return turned_away(status)

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

    def quota_notice(self, headers: httpx.Headers) -> QuotaNotice | None:  # noqa: ARG002 - the contract's names
        """OTTO tells nothing of its quota."""
        return None

    def secrets(self) -> Sequence[str]:
        """The secret and the token."""
        return [self._context.credentials.get("client_secret", ""), self._token]

    def _key(self) -> str:
        scopes = " ".join(self._settings.scopes)
        return key_of(f"otto {self._settings.grant} {scopes}", self.address, self._context.credentials)

    def _fetch(self, session: httpx.Client) -> Token:
        name, secret = (self._context.credentials.get(each, "").strip() for each in ("client_id", "client_secret"))
        if not name or not secret:
            missing = "client_id" if not name else "client_secret"
            raise Unauthorised("credential_missing", f"the connection has no {missing}", _KEY_HINT)
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

"""How eBay is called: the user's token from the seller's consent, how it refuses, and where it is (OAuth 2.0).

The Post-Order API takes the same token under another scheme: `IAF`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.ebay.settings import API
from orders_pipeline.marketplaces.errors import Unauthorised
from orders_pipeline.marketplaces.oauth import Token, TokenDialect, key_of, keyset, request_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from orders_pipeline.marketplaces.ebay.settings import EbaySettings
    from orders_pipeline.marketplaces.protocol import ConnectionContext
    from warehouse.clock import Clock

TOKEN_PATH = "/identity/v1/oauth2/token"  # noqa: S105 - a path
BEARER, IAF = "Bearer", "IAF"
PUBLIC_SCOPE = "https://api.ebay.com/oauth/api_scope"

KEY_HINT = "create a keyset in eBay's Developer Program and store it as client_id and client_secret"
_CONSENT_HINT = "consent again: orders connections authorise"
_ENDPOINT_HINT = "leave the connection's endpoint empty, or name an https address"


def address_of(context: ConnectionContext, settings: EbaySettings, kinds: Mapping[str, str]) -> str:
    """What is called: the connection's endpoint, else that of its environment.

    Raises:
        Permanent: The endpoint is no web address, or secrets would travel unencrypted.
    """
    return tls.secure(context.endpoint or kinds[settings.environment], _ENDPOINT_HINT)


class EbayDialect(TokenDialect):
    """What goes with a call to eBay, and what its answers mean; see `orders_pipeline.marketplaces.rest.Dialect`."""

    def __init__(self, context: ConnectionContext, settings: EbaySettings, now: Clock, scheme: str = BEARER) -> None:
        super().__init__(context, now)
        self._settings = settings
        self._scheme = scheme

    @property
    def address(self) -> str:
        """Where the API of the connection's environment is.

        Raises:
            Permanent: The endpoint is no web address, or secrets would travel unencrypted.
        """
        return address_of(self._context, self._settings, API)

    def headers(self, session: httpx.Client) -> Mapping[str, str]:
        """The token, and the seller's site.

        Raises:
            MarketplaceError: There is no token to be had.
        """
        return {
            "Authorization": f"{self._scheme} {self.token(session)}",
            "X-EBAY-C-MARKETPLACE-ID": self._settings.site,
        }

    def refusal(self, value: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON value
        """Of the first error, in either form: `errors` of the Sell APIs, and the Post-Order API's `error` around them.

        >>> EbayDialect.refusal(None, {"errors": [{"errorId": 32100, "message": "Invalid order ID."}]})
        ('32100', 'Invalid order ID.')
        """
        found = value
        for key in ("error", "errors"):
            found = found.get(key, found) if isinstance(found, dict) else found
            found = found[0] if isinstance(found, list) and found else found
        if not isinstance(found, dict):
            return "", ""
        words = (found.get(key) for key in ("longMessage", "message", "error_description"))
        said = next((each.get("content") if isinstance(each, dict) else each for each in words if each), "")
        code = found.get("errorId")
        is_code = isinstance(code, int | str) and not isinstance(code, bool)
        return str(code)[:40] if is_code else "", said if isinstance(said, str) else ""

    def secrets(self) -> Sequence[str]:
        """The keyset's secret, the consent, the token and the signing key."""
        names = ("client_secret", "refresh_token", "signing_key", "signing_jwe")
        return [*(self._context.credentials.get(name, "") for name in names), self._token]

    def token_key(self) -> str:
        """One for each consent."""
        return key_of("ebay", self.address, self._context.credentials)

    def fetch_token(self, session: httpx.Client) -> Token:
        """By the seller's consent."""
        keys, consent = keyset(self._context, KEY_HINT), self._context.credentials.get("refresh_token", "").strip()
        if not consent:
            raise Unauthorised("credential_missing", "the connection has no refresh_token", _CONSENT_HINT)
        token, _ = request_token(
            session,
            TOKEN_PATH,
            {"grant_type": "refresh_token", "refresh_token": consent},
            now=self._now,
            secrets=[keys[1], consent],
            basic=keys,
            hint=_CONSENT_HINT,
        )
        return token


class EbayApplicationDialect(EbayDialect):
    """The same with the token of the application itself, which needs no seller's consent."""

    def token_key(self) -> str:
        """One for each keyset."""
        return key_of("ebay application", self.address, self._context.credentials)

    def fetch_token(self, session: httpx.Client) -> Token:
        """By the keyset alone."""
        keys = keyset(self._context, KEY_HINT)
        form = {"grant_type": "client_credentials", "scope": PUBLIC_SCOPE}
        token, _ = request_token(session, TOKEN_PATH, form, now=self._now, secrets=keys[1:], basic=keys)
        return token

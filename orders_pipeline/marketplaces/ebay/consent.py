"""The seller's consent to an eBay connection: the page where it is given, and what comes of it (OAuth 2.0)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from orders_pipeline.marketplaces.ebay.dialect import KEY_HINT, TOKEN_PATH, address_of
from orders_pipeline.marketplaces.ebay.settings import API, CONSENT, CONSENT_DAYS, EbaySettings
from orders_pipeline.marketplaces.errors import Permanent
from orders_pipeline.marketplaces.http import BoundedClient
from orders_pipeline.marketplaces.oauth import keyset, request_token
from orders_pipeline.marketplaces.protocol import Consent
from orders_pipeline.marketplaces.settings import read_settings
from warehouse.clock import utc_now

if TYPE_CHECKING:
    from orders_pipeline.marketplaces.protocol import ConnectionContext
    from warehouse.clock import Clock

CREDENTIAL = "refresh_token"
SCOPES = ("https://api.ebay.com/oauth/api_scope/sell.fulfillment",)

_REDIRECT_HINT = "set it to the RuName of the keyset's user token settings"
_AGAIN_HINT = "a code is good for five minutes and once: open the address again"


class EbayConsenting:
    """One consent on its way; see `orders_pipeline.marketplaces.protocol.Consenting`."""

    def __init__(self, context: ConnectionContext, now: Clock = utc_now) -> None:
        """Nothing is sent yet.

        Raises:
            Unauthorised: The keyset is missing.
            Permanent: The RuName is missing, or a setting is not valid.
        """
        self._context = context
        self._now = now
        self._settings = read_settings(EbaySettings, context.settings)
        self._keys = keyset(context, KEY_HINT)
        if self._settings.redirect_name is None:
            raise Permanent("setting_missing", "the connection has no redirect_name", _REDIRECT_HINT)
        self._redirect_name = self._settings.redirect_name

    @property
    def address(self) -> str:
        """Where the seller consents."""
        form = {
            "client_id": self._keys[0],
            "redirect_uri": self._redirect_name,
            "response_type": "code",
            "scope": " ".join(SCOPES),
        }
        return f"{address_of(self._context, self._settings, CONSENT)}/oauth2/authorize?{urlencode(form)}"

    def redeem(self, answer: str) -> Consent:
        """Change the code of a consent into a refresh token.

        Raises:
            Unauthorised: The keyset or the code is refused.
            Throttled, Transient, Permanent: As for every call.
        """
        code = code_of(answer)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_name}
        asked_at = self._now()
        with BoundedClient(self._settings, address_of(self._context, self._settings, API)) as session:
            _, said = request_token(
                session,
                TOKEN_PATH,
                form,
                now=self._now,
                secrets=[self._keys[1], code],
                basic=self._keys,
                hint=_AGAIN_HINT,
            )
        token, seconds = said.get("refresh_token"), said.get("refresh_token_expires_in")
        if not isinstance(token, str) or not token:
            raise Permanent("unreadable_answer", "eBay answered without a refresh token", _REDIRECT_HINT)
        is_known = isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < CONSENT_DAYS * 864_000
        life = timedelta(seconds=seconds) if is_known and seconds else timedelta(days=CONSENT_DAYS)
        return Consent(credential=CREDENTIAL, secret=token, ends_at=asked_at + life)


def code_of(answer: str) -> str:
    """The code in the address to which eBay sends the seller's browser back; or the code itself, as that address has it.

    >>> code_of("https://shop.example/back?code=v%5E1.1%23i&expires_in=299"), code_of("v%5E1.1%23i")
    ('v^1.1#i', 'v^1.1#i')
    """
    query = parse_qs(urlsplit(answer.strip()).query)
    return query["code"][0] if "code" in query else unquote(answer.strip())

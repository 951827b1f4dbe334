"""python-amazon-sp-api made safe: requests, parameters and headers are the library's, what it gets wrong is ours.

The library (2.1.35) takes a non-2xx answer without an `errors` list for an empty success, has 5-second timeouts, keeps
access tokens in a process-wide cache that a refused token never leaves, reads its target from the environment, and
writes tokens and personal data into its DEBUG log. Here it neither reads an answer nor keeps a token.

What an answer means is judged in `answers`. Importing this module imports the whole library (most of a second), so
`client` imports it when the first call is made.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sp_api.api.orders.orders_2026_01_01 import OrdersV20260101
from sp_api.api.orders.orders_v0 import OrdersV0
from sp_api.auth import AccessTokenClient, AccessTokenResponse
from sp_api.auth.credentials import Credentials
from sp_api.base import Client
from sp_api.base._transport_httpx import HttpxTransport

from orders_pipeline.marketplaces.amazon.answers import AccessToken, read_access_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from warehouse.clock import Clock

EXPIRY_MARGIN = timedelta(seconds=60)

_LEAKING_LOGGERS = ("sp_api.base.client", "sp_api.auth.access_token_client")


class AccessTokens(AccessTokenClient):  # type: ignore[misc] # the library has no types
    """The access token of one connection, kept by this client alone and fetched by one thread at a time."""

    path = ""  # the whole address is in `host`

    def __init__(self, lwa_endpoint: str, credentials: Mapping[str, str], http: httpx.Client, clock: Clock) -> None:
        self.scheme, separator, self.host = f"{lwa_endpoint}/auth/o2/token".partition("://")
        self.scheme += separator
        named = SimpleNamespace(
            lwa_app_id=credentials["client_id"],
            lwa_client_secret=credentials["client_secret"],
            refresh_token=credentials["refresh_token"],
        )
        self.cred = Credentials(None, named)
        self._transport = HttpxTransport(client=http)
        self._clock = clock
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._good_until: datetime | None = None

    def get_auth(self) -> AccessTokenResponse:
        """The access token, fetched when there is none or it is about to expire.

        Raises:
            Unauthorised: Amazon refuses the refresh token, the client id or the client secret; the message names it.
            Transient, Throttled, Permanent: Login with Amazon does not answer as documented.
        """
        with self._lock:
            if self._token is None or self._good_until is None or self._clock() >= self._good_until:
                response = self._transport.request(
                    "POST", self.scheme + self.host, data=self.data, headers=self.headers
                )
                self._token = read_access_token(response)
                self._good_until = self._clock() + timedelta(seconds=self._token.expires_in_seconds) - EXPIRY_MARGIN
            return AccessTokenResponse(access_token=self._token.value)

    @property
    def is_warm(self) -> bool:
        """Whether a token from an earlier call is at hand: only then can a refusal mean that it ended early."""
        return self._token is not None

    def forget(self) -> None:
        """Drop the token, so that the next call fetches a new one."""
        with self._lock:
            self._token = None


class _Session(Client):  # type: ignore[misc] # the library has no types
    """A client of the library that answers the HTTP response as it is, whatever its status."""

    def __init__(self, endpoint: str, tokens: AccessTokens, http: httpx.Client) -> None:
        # The library's own constructor is left out on purpose: it looks for credentials in the environment and in
        # files, and lets SP_API_DEFAULT_MARKETPLACE redirect the calls.
        self.endpoint = endpoint
        self.marketplace_id = None
        self.restricted_data_token = None
        self.version = None
        self._auth = tokens
        self._transport = HttpxTransport(client=http)
        for name in _LEAKING_LOGGERS:
            logging.getLogger(name).setLevel(logging.INFO)

    @property
    def headers(self) -> dict[str, str]:
        """The library's headers without its Host header, which is wrong for plain http; httpx sends the right one."""
        return {name: value for name, value in super().headers.items() if name != "host"}

    def _check_response(self, res: httpx.Response, *_: Any) -> httpx.Response:  # noqa: ANN401 - the library's flags
        return res


class OrdersSession(_Session, OrdersV20260101):  # type: ignore[misc] # the library has no types
    """`search_orders` and `get_order`."""


class ConfirmationSession(_Session, OrdersV0):  # type: ignore[misc] # the library has no types
    """`confirm_shipment`, which exists in Orders v0 only."""

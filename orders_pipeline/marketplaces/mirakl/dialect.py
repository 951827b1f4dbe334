"""How a Mirakl instance is called: the bare key, the instance's address, and the form of its refusals."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.errors import Permanent, Unauthorised
from orders_pipeline.marketplaces.rest import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from orders_pipeline.marketplaces.protocol import ConnectionContext

_ENDPOINT_HINT = "set the connection's endpoint to the operator's address, https://<operator>.mirakl.net"
_KEY_HINT = "create an API key in the operator's seller portal (My user settings, API key) and store it as api_key"


class MiraklDialect(Dialect):
    """What goes with a call to an instance, and what its answers mean; see `orders_pipeline.marketplaces.rest.Dialect`."""

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context

    @property
    def address(self) -> str:
        """The instance's address, checked.

        Raises:
            Permanent: There is none, it is no web address, or the key would travel unencrypted.
        """
        if not self._context.endpoint or not self._context.endpoint.strip():
            raise Permanent("endpoint_missing", "the connection has no endpoint", _ENDPOINT_HINT)
        return tls.secure(self._context.endpoint, _ENDPOINT_HINT).removesuffix("/api")

    def headers(self, session: httpx.Client) -> Mapping[str, str]:  # noqa: ARG002 - the contract's names
        """The bare key, without "Bearer".

        Raises:
            Unauthorised: There is none, or it holds what no key holds.
        """
        key = self._key
        if not key:
            raise Unauthorised("credential_missing", "the connection has no api_key", _KEY_HINT)
        if not key.isascii() or not key.isprintable():
            raise Unauthorised("credential_malformed", "the api_key holds characters that no key has", _KEY_HINT)
        return {"Authorization": key}

    def is_at_the_door(self, status: int, code: str) -> bool:
        """Whether nothing has looked at the order; an order's own codes come after that."""
        is_of_the_order = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and code.startswith("ORDER_")
        return super().is_at_the_door(status, code) and not is_of_the_order

    def refusal(self, value: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON value
        """Code and message at the top, or in the first of a list of errors."""
        errors = value.get("errors") if isinstance(value, dict) else None
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else value
        found = first if isinstance(first, dict) else {}
        code, message = (each if isinstance(each, str) else "" for each in (found.get("code"), found.get("message")))
        return code, message

    def secrets(self) -> Sequence[str]:
        """The key, should the instance repeat it."""
        return [self._key]

    @property
    def _key(self) -> str:
        return self._context.credentials.get("api_key", "").strip()

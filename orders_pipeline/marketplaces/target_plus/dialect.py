"""How Target is called: its three headers, and the form of its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.errors import Unauthorised
from orders_pipeline.marketplaces.rest import Dialect
from orders_pipeline.marketplaces.target_plus.settings import CREDENTIALS, PRODUCTION, STAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from orders_pipeline.marketplaces.protocol import ConnectionContext
    from orders_pipeline.marketplaces.target_plus.settings import TargetSettings

_KEY_HINT = "store the API key, seller id and seller token that Target gave as api_key, seller_id and seller_token"
_ENDPOINT_HINT = "leave the connection's endpoint empty, or name an https address"


class TargetDialect(Dialect):
    """What goes with a call to Target, and what its answers mean; see `orders_pipeline.marketplaces.rest.Dialect`."""

    def __init__(self, context: ConnectionContext, settings: TargetSettings) -> None:
        self._context = context
        self._settings = settings

    @property
    def address(self) -> str:
        """What is called: the connection's endpoint, else that of its environment.

        Raises:
            Permanent: The endpoint is no web address, or secrets would travel unencrypted.
        """
        own = STAGE if self._settings.environment == "stage" else PRODUCTION
        return tls.secure(self._context.endpoint or own, _ENDPOINT_HINT)

    @property
    def seller_id(self) -> str:
        """The seller whose orders these are.

        Raises:
            Unauthorised: The connection names none.
        """
        return self._credential("seller_id")

    def headers(self, session: httpx.Client) -> Mapping[str, str]:  # noqa: ARG002 - the contract's names
        """The three that say who asks; they are the same with every call.

        Raises:
            Unauthorised: One of them is not stored.
        """
        return {f"x-{each.name.replace('_', '-')}": self._credential(each.name) for each in CREDENTIALS}

    def refusal(self, value: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON value
        """Of `message`, else of the first of the `errors`, which is text or an object; else of the first refused item.

        >>> TargetDialect.refusal(None, {"errors": ["no such order"]})
        ('', 'no such order')
        >>> TargetDialect.refusal(None, {"results": [{"id": "F-1"}, {"errors": [{"code": "Q", "message": "too many"}]}]})
        ('Q', 'too many')
        """
        if not isinstance(value, dict):
            return "", ""
        if value.get("message") or value.get("errors") or value.get("error"):
            return _refusal_in(value)
        results = value.get("results")
        rows = results if isinstance(results, list) else []
        return next((said for each in rows if isinstance(each, dict) and any(said := _refusal_in(each))), ("", ""))

    def secrets(self) -> Sequence[str]:
        """The API key and the seller's token."""
        return [self._context.credentials.get(each, "") for each in ("api_key", "seller_token")]

    def _credential(self, name: str) -> str:
        found = self._context.credentials.get(name, "").strip()
        if not found:
            raise Unauthorised("credential_missing", f"the connection has no {name}", _KEY_HINT)
        return found


def _refusal_in(value: Mapping[str, Any]) -> tuple[str, str]:
    errors = value.get("errors") or value.get("error")
    first = errors[0] if isinstance(errors, list) and errors else errors
    inner = first if isinstance(first, dict) else {}
    code = _first_text((value.get("code"), inner.get("code")))
    return code, _first_text((value.get("message"), first, inner.get("message"))) or code


def _first_text(words: Sequence[object]) -> str:
    return next((each for each in words if isinstance(each, str) and each), "")

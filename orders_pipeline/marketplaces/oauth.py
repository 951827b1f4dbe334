"""Access tokens of marketplaces that want one (OAuth 2.0, RFC 6749): asked for once per process and life, and shared.

A token is known by what it was given for (endpoint and credentials, as a digest), renewed before its end, and forgotten when
the marketplace refuses it. It is kept in memory alone. How a marketplace's token call looks in detail is its own.
"""

from __future__ import annotations

import hashlib
import threading
from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from orders_pipeline.marketplaces.errors import Transient, Unauthorised, judge_status
from orders_pipeline.marketplaces.http import quoted, reading, retry_after
from orders_pipeline.marketplaces.payloads import NotJson, parse
from orders_pipeline.marketplaces.rest import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from orders_pipeline.marketplaces.protocol import ConnectionContext
    from warehouse.clock import Clock

EARLY = timedelta(seconds=60)
"""So long before its end a token is good no more: a call that is under way must not outlive it."""
SHORTEST_LIFE = timedelta(seconds=5)
LONGEST_LIFE = timedelta(days=1)

_KEYS_HINT = "check the credentials, and that they belong to this environment"
_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and when it ends by our clock."""

    text: str = field(repr=False)
    ends_at: datetime


class TokenShelf:
    """The tokens of a process. Safe to share between threads: one fetches, the others wait for it."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, now: Clock, fetch: Callable[[], Token]) -> str:
        """The token of a key; fetched when there is none, or when it is about to end.

        Raises:
            MarketplaceError: It could not be fetched.
        """
        with self._lock_of(key):
            token = self._tokens.get(key)
            if token is None or token.ends_at - EARLY <= now():
                token = self._tokens[key] = fetch()
            return token.text

    def forget(self, key: str, text: str) -> None:
        """Let go of a token that the marketplace refuses, unless another client has renewed it meanwhile."""
        with self._lock_of(key):
            if key in self._tokens and self._tokens[key].text == text:
                del self._tokens[key]

    def _lock_of(self, key: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())


SHELF = TokenShelf()


class TokenDialect(Dialect):
    """A dialect whose calls carry a token of the shelf."""

    def __init__(self, context: ConnectionContext, now: Clock) -> None:
        self._context = context
        self._now = now
        self._token = ""

    @abstractmethod
    def token_key(self) -> str:
        """What its token is known by."""

    @abstractmethod
    def fetch_token(self, session: httpx.Client) -> Token:
        """Ask for a new one; raises as `request_token` does."""

    def token(self, session: httpx.Client) -> str:
        """The token that goes with the next call."""
        self._token = SHELF.get(self.token_key(), self._now, lambda: self.fetch_token(session))
        return self._token

    def forget_token(self) -> None:
        """Another one is asked for with the next call."""
        SHELF.forget(self.token_key(), self._token)

    def is_token_refused(self, status: int, code: str) -> bool:  # noqa: ARG002 - the contract's names
        """HTTP 401."""
        return status == HTTPStatus.UNAUTHORIZED

    def secrets(self) -> Sequence[str]:
        """The client's secret and the token."""
        return [self._context.credentials.get("client_secret", ""), self._token]


def keyset(context: ConnectionContext, hint: str) -> tuple[str, str]:
    """The name and the secret of the client that asks.

    Raises:
        Unauthorised: One is missing.
    """
    name, secret = (context.credentials.get(each, "").strip() for each in ("client_id", "client_secret"))
    if not name or not secret:
        missing = "client_id" if not name else "client_secret"
        raise Unauthorised("credential_missing", f"the connection has no {missing}", hint)
    return name, secret


def key_of(kind: str, endpoint: str, credentials: Mapping[str, str]) -> str:
    """What a token is known by: other credentials, or another address, are another token."""
    parts = (kind, endpoint, *(f"{name}={value}" for name, value in sorted(credentials.items())))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def request_token(
    client: httpx.Client,
    path: str,
    form: Mapping[str, str],
    *,
    now: Clock,
    secrets: Sequence[str],
    headers: Mapping[str, str] | None = None,
    basic: tuple[str, str] | None = None,
    hint: str = "",
) -> tuple[Token, Mapping[str, Any]]:
    """Ask a token endpoint (RFC 6749, sections 4.4 and 6).

    Args:
        client: Knows the address.
        path: Below that address.
        form: The fields.
        now: Our clock.
        secrets: Never repeated in a message, should the answer repeat them.
        headers: What the marketplace wants besides.
        basic: Name and secret for HTTP Basic, where it wants these there.
        hint: What a person does when the grant itself is refused (`invalid_grant`): an ended consent, a used code.

    Returns:
        The token, and the whole answer for what it tells besides (a new refresh token).

    Raises:
        Unauthorised: The credentials are refused; the message has the marketplace's word for why.
        Throttled, Transient, Permanent: As for every call.
    """
    asked_at = now()
    with reading("token"):
        auth = httpx.BasicAuth(*basic) if basic is not None else httpx.USE_CLIENT_DEFAULT
        response = client.post(path, data=dict(form), headers=dict(headers or {}), auth=auth)
    try:
        value = parse(response.content)
    except NotJson:
        value = None
    said = _said(value, secrets)
    if response.status_code in _REFUSED:
        detail = f": {said}" if said else ""
        raise Unauthorised(
            "unauthorised",
            f"the token call answered HTTP {response.status_code}{detail}",
            hint if hint and said.startswith("invalid_grant") else _KEYS_HINT,
        )
    error = judge_status(response.status_code, "token", said, retry_after(response, asked_at))
    if error is not None:
        raise error
    answer = value if isinstance(value, dict) else {}
    text, seconds = answer.get("access_token"), _seconds(answer.get("expires_in"))
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable() or seconds is None:
        raise Transient("unreadable_answer", "the token call answered without a token", "check the endpoint")
    life = min(max(timedelta(seconds=seconds), SHORTEST_LIFE), LONGEST_LIFE)
    return Token(text, asked_at + life), answer


def _seconds(value: object) -> float | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return float(value[:9])
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _said(value: object, secrets: Sequence[str]) -> str:
    """The error's word and its description (RFC 6749, section 5.2)."""
    if not isinstance(value, dict):
        return ""
    words = (value.get("error"), value.get("error_description"))
    return quoted(": ".join(each for each in words if isinstance(each, str)), secrets)

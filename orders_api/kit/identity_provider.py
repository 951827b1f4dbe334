"""Logging in at the organisation's identity provider: OpenID Connect's code flow with PKCE, seen from our side.

OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, RFC 7636. Nothing is kept here but the provider's own description and keys.
What people may do afterwards is in `warehouse.ledger.people.grants`, the way back in `orders_api.console.single_sign_on`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

import httpx
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from warehouse.web_addresses import address_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warehouse.clock import Clock

SECONDS = 10.0
LARGEST = 500_000
FRESH_SECONDS = 3600
LEEWAY_SECONDS = 60
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signatures of a key pair: a secret that we share could be used to make tokens, and `none` is no signature."""
Claims = dict[str, Any]


class ProviderError(Exception):
    """The identity provider cannot be asked, or what it says cannot be trusted; the message holds no secret and no token."""


@dataclass(frozen=True, slots=True)
class LogInAttempt:
    """One log-in that is under way: all of it follows from a secret that only the browser keeps."""

    secret: str

    def part(self, name: str) -> str:
        """What is sent as `state`, `nonce` or `verifier`; none tells of another, nor of the secret.

        >>> LogInAttempt("a").part("state") == LogInAttempt("a").part("nonce")
        False
        """
        digest = hmac.new(self.secret.encode(), name.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(slots=True)
class IdentityProvider:
    """The provider of an installation. Safe to share between threads.

    Attributes:
        issuer: Its address, as its tokens say it.
        client_id: Ours there.
        client_secret: Ours there; None for a public client.
        redirect: Where it sends people back to.
        clock: Tells the present instant, by which tokens are judged.
    """

    issuer: str
    client_id: str
    client_secret: str | None
    redirect: str
    clock: Clock
    seconds: Callable[[], float] = time.monotonic
    _about: tuple[float, Mapping[str, str], KeySet] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def log_in_address(self, attempt: LogInAttempt) -> str:
        """Where to send somebody to.

        Raises:
            ProviderError: The provider does not describe itself.
        """
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.part("verifier").encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect,
            "scope": "openid profile email",
            "state": attempt.part("state"),
            "nonce": attempt.part("nonce"),
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        address = self._described()[0]["authorization_endpoint"]
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    def claims(self, code: str, attempt: LogInAttempt) -> Claims:
        """What the provider says of whoever came back with a code.

        Raises:
            ProviderError: It refuses the code, or its answer is not a token that it made for this attempt.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": attempt.part("verifier"),
        }
        address = self._described()[0]["token_endpoint"]
        with _client() as client:
            if self.client_secret is None:
                answer = _json(client, "POST", address, data={**form, "client_id": self.client_id})
            else:
                names = (quote_plus(self.client_id), quote_plus(self.client_secret))
                answer = _json(client, "POST", address, data=form, auth=httpx.BasicAuth(*names))
        return self._verified(str(answer.get("id_token", "")), attempt)

    def _verified(self, token: str, attempt: LogInAttempt) -> Claims:
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self.clock().timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.client_id},
            nonce={"essential": True, "value": attempt.part("nonce")},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims: Claims = self._decoded(token)
            registry.validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderError(f"its token cannot be trusted: {type(error).__name__}") from None
        if isinstance(claims["aud"], list) and claims.get("azp", self.client_id) != self.client_id:
            raise ProviderError("its token was made for another application")
        return claims

    def _decoded(self, token: str) -> Claims:
        """The claims of a token whose signature is right; with a key that we do not know the keys are fetched anew, once."""
        try:
            return jwt.decode(token, self._described()[1], algorithms=ALGORITHMS).claims
        except (JoseError, ValueError):
            self._forget()
            return jwt.decode(token, self._described()[1], algorithms=ALGORITHMS).claims

    def _forget(self) -> None:
        with self._lock:
            self._about = None

    def _described(self) -> tuple[Mapping[str, str], KeySet]:
        with self._lock:
            if self._about is None or self.seconds() - self._about[0] > FRESH_SECONDS:
                self._about = (self.seconds(), *self._fetched())
            return self._about[1:]

    def _fetched(self) -> tuple[Mapping[str, str], KeySet]:
        with _client() as client:
            about = _json(client, "GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if about.get("issuer") != self.issuer:
                raise ProviderError("it calls itself by another name than ORDERS_OIDC_ISSUER")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if address_fault(str(about.get(name, ""))) is not None and "?" not in str(about.get(name, "")):
                    raise ProviderError(f"its {name} is no address that a secret may be sent to")
            keys = _json(client, "GET", about["jwks_uri"])
        try:
            return about, KeySet.import_key_set(keys)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderError(f"its keys cannot be read: {type(error).__name__}") from None


def _client() -> httpx.Client:
    return httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False)


def _json(client: httpx.Client, method: str, address: str, **sent: Any) -> Claims:  # noqa: ANN401 - of httpx
    """An answer of the provider that is a JSON object.

    Raises:
        ProviderError: It is not there, refuses, or says something else or too much.
    """
    try:
        with client.stream(method, address, headers={"Accept": "application/json"}, **sent) as answer:
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > LARGEST:
                    raise ProviderError("it answers with too much")
    except httpx.HTTPError as error:
        raise ProviderError(f"it cannot be reached: {type(error).__name__}") from None
    if answer.status_code != httpx.codes.OK:
        raise ProviderError(f"it answers {answer.status_code}")
    try:
        found = orjson.loads(bytes(body))
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ProviderError("it answers with no JSON object")
    return found

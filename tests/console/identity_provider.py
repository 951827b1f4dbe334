"""An identity provider as organisations run one: it describes itself, gives a code out, and changes it for a signed token."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

CLIENT_ID = "orders"
CLIENT_SECRET = "between the two of us"


@dataclass
class Provider:
    """Whoever comes is let in as `claims` says, until a test says otherwise.

    Attributes:
        now: Seconds since 1970, of its tokens.
        claims: Of whoever logs in next; members that are None are left out.
        header: Of its tokens.
        secret: Signs its tokens, instead of its key, where it is set.
    """

    now: int
    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, str] = field(default_factory=lambda: {"alg": "RS256"})
    secret: Any = None
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first"}))
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.describe),
                Route("/keys", self.keys),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
            ]
        )

    async def describe(self, _request):
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        )

    async def keys(self, _request):
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def authorize(self, request):
        asked = dict(request.query_params)
        code = secrets.token_hex(8)
        self.asked[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def token(self, request):
        form = dict(parse_qsl((await request.body()).decode()))
        asked = self.asked.pop(form["code"], None)  # a code is good once
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '+')}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if (
            asked is None
            or request.headers.get("authorization") != f"Basic {basic}"
            or challenge.rstrip("=") != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = {
            "iss": self.url,
            "aud": asked["client_id"],
            "nonce": asked["nonce"],
            "iat": self.now,
            "exp": self.now + 300,
            **self.claims,
        }
        told = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(
            {"kid": self.key.kid, **self.header}, told, self.secret or self.key, algorithms=["RS256", "HS256", "none"]
        )
        return JSONResponse({"id_token": token, "access_token": "unused", "token_type": "Bearer"})


@contextmanager
def running(provider: Provider):
    """Serves a provider on a free port of this machine."""
    server = uvicorn.Server(uvicorn.Config(provider.app(), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(timeout=0.02)
    provider.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join()

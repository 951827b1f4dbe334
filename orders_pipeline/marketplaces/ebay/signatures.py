"""Signing calls for eBay (Digital Signatures for APIs; RFC 9421): Ed25519 over the headers that eBay names.

Sellers in the EU and the UK need it for what moves money; from others it is ignored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from orders_pipeline.marketplaces.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import httpx

_HINT = "store both as eBay's Key Management API gave them: privateKey as signing_key, jwe as signing_jwe"
_MARKERS = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----")


class EbaySigner:
    """Signs calls with a seller's key."""

    def __init__(self, key: str, jwe: str) -> None:
        """Read a key as eBay gives it: PKCS 8 in base64, with or without the lines of a PEM around it.

        Raises:
            Permanent: It is no Ed25519 key, or its JWE is missing.
        """
        for marker in _MARKERS:
            key = key.replace(marker, "")
        try:
            found = load_der_private_key(base64.b64decode("".join(key.split()), validate=True), password=None)
        except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
            raise Permanent("credential_invalid", "the signing_key cannot be read", _HINT) from None
        if not isinstance(found, Ed25519PrivateKey) or not jwe.strip().isascii() or not jwe.strip():
            raise Permanent("credential_invalid", "signing_key must be Ed25519 and have its signing_jwe", _HINT)
        self._key = found
        self._jwe = jwe.strip()

    def headers(self, request: httpx.Request, now: datetime) -> Mapping[str, str]:
        """What signs one call as it is sent: its method, host, path and body."""
        body, authority = request.content, request.url.netloc.decode("ascii")
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        covered = {
            **({"content-digest": digest} if body else {}),
            "x-ebay-signature-key": self._jwe,
            "@method": request.method,
            "@path": request.url.path,
            "@authority": authority,
        }
        names = " ".join(f'"{name}"' for name in covered)
        parameters = f"({names});created={int(now.timestamp())}"
        base = "\n".join(
            [*(f'"{name}": {value}' for name, value in covered.items()), f'"@signature-params": {parameters}']
        )
        signature = base64.b64encode(self._key.sign(base.encode())).decode()
        return {
            **({"Content-Digest": digest} if body else {}),
            "x-ebay-signature-key": self._jwe,
            "Signature-Input": f"sig1={parameters}",
            "Signature": f"sig1=:{signature}:",
        }

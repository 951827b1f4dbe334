"""Notices of the stand-in that an account was deleted: how they look, how they are signed, and sending one."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orders_pipeline.sandbox.clock import iso_millis
from orders_pipeline.sandbox.json_values import JsonObject

PUBLIC_KEY = "/commerce/notification/v1/public_key"


@dataclass(frozen=True)
class SignedNotice:
    """A notice and its signature."""

    body: bytes
    signature: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that it is sent with."""
        return {"Content-Type": "application/json", "X-EBAY-SIGNATURE": self.signature}

    def sent_to(self, address: str) -> int:
        """Send it and return the status of the answer."""
        return httpx.post(address, content=self.body, headers=self.headers).status_code


class SigningKey:
    """The key pair of a stand-in, which follows from its seed."""

    def __init__(self, seed: int) -> None:
        """Derive the pair."""
        digest = hashlib.sha256(f"ebay notices {seed}".encode()).hexdigest()
        self._key = ec.derive_private_key(int(digest[:60], 16), ec.SECP256R1())
        self.id = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"

    def public_json(self) -> JsonObject:
        """Return the public half as the Notification API tells it: a PEM on one line."""
        public = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return {"key": public.replace("\n", ""), "algorithm": "ECDSA", "digest": "SHA1"}

    def sign(self, body: bytes) -> str:
        """Return the header's value for a body."""
        signature = self._key.sign(body, ec.ECDSA(hashes.SHA1()))  # noqa: S303 - what eBay signs with
        content = {
            "alg": "ecdsa",
            "kid": self.id,
            "signature": base64.b64encode(signature).decode(),
            "digest": "SHA1",
        }
        return base64.b64encode(json.dumps(content).encode()).decode()

    def notice(self, username: str, number: int, now: datetime) -> SignedNotice:
        """Return the notice that an account was deleted."""
        moment = iso_millis(now)
        content = {
            "metadata": {"topic": "MARKETPLACE_ACCOUNT_DELETION", "schemaVersion": "1.0", "deprecated": False},
            "notification": {
                "notificationId": f"{number:08}_{self.id}",
                "eventDate": moment,
                "publishDate": moment,
                "publishAttemptCount": 1,
                "data": {"username": username, "userId": f"id{number:09}", "eiasToken": f"nY+sHZ{number:010}"},
            },
        }
        body = json.dumps(content, separators=(",", ":")).encode()
        return SignedNotice(body, self.sign(body))

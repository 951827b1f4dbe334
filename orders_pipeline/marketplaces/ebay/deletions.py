"""Notices of eBay that an account was deleted (Notification API): whether eBay signed one, and whose orders it is about.

eBay signs with a key that its Notification API tells by an id; the id comes with the notice. Orders know their buyer by
name, or, of buyers in the United States, by an id that eBay puts in the name's place.
"""

from __future__ import annotations

import base64
import binascii
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from orders_pipeline.marketplaces.ebay.dialect import EbayApplicationDialect
from orders_pipeline.marketplaces.ebay.settings import EbaySettings
from orders_pipeline.marketplaces.errors import Transient
from orders_pipeline.marketplaces.payloads import NotJson, parse
from orders_pipeline.marketplaces.protocol import NotAuthentic
from orders_pipeline.marketplaces.rest import Rest, unreadable
from orders_pipeline.marketplaces.settings import read_settings
from warehouse.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_pipeline.marketplaces.protocol import ConnectionContext, Quota
    from warehouse.clock import Clock

SIGNATURE_HEADER = "X-EBAY-SIGNATURE"
TOPIC = "MARKETPLACE_ACCOUNT_DELETION"
PUBLIC_KEY = "/commerce/notification/v1/public_key/"
MOST_KEYS = 40
"""EBay signs with one key at a time; a stranger may name as many as he likes."""

_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "SHA1": hashes.SHA1(),  # noqa: S303 - what eBay signs with
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
_UNKNOWN = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})

_Key = tuple[ec.EllipticCurvePublicKey, hashes.HashAlgorithm]


class EbayDeletions:
    """Reads notices; each key is asked for once. See `orders_pipeline.marketplaces.protocol.DeletionReader`."""

    def __init__(self, context: ConnectionContext, take: Quota, now: Clock = utc_now) -> None:
        settings = read_settings(EbaySettings, context.settings)
        dialect = EbayApplicationDialect(context, settings, now)
        self._rest = Rest(dialect, settings, take, now)
        self._keys: dict[str, _Key | None] = {}

    def buyers(self, body: bytes, signature: str) -> frozenset[str]:
        """The account's name and its id."""
        key_id, signed = _signature(signature)
        key = self._key(key_id)
        if key is None:
            raise NotAuthentic("eBay has no such key")
        try:
            key[0].verify(signed, body, ec.ECDSA(key[1]))
        except InvalidSignature:
            raise NotAuthentic("the signature is not of this notice") from None
        return _names(body)

    def buyer_of(self, data: Mapping[str, Any]) -> str | None:
        """`buyer.username`."""
        buyer = data.get("buyer")
        name = buyer.get("username") if isinstance(buyer, dict) else None
        return name if isinstance(name, str) else None

    def close(self) -> None:
        """Let go of sockets."""
        self._rest.close()

    def _key(self, key_id: str) -> _Key | None:
        if key_id not in self._keys:
            if len(self._keys) >= MOST_KEYS:
                raise Transient(
                    "too_many_keys", f"the notices name more than {MOST_KEYS} keys", "nothing: others follow"
                )
            self._keys[key_id] = self._asked(key_id)
        return self._keys[key_id]

    def _asked(self, key_id: str) -> _Key | None:
        answer = self._rest.read("getPublicKey", PUBLIC_KEY + key_id, None, _UNKNOWN)
        if answer.status in _UNKNOWN:
            return None
        sent = answer.value if isinstance(answer.value, dict) else {}
        text = (
            str(sent.get("key", "")).replace("-----BEGIN PUBLIC KEY-----", "").replace("-----END PUBLIC KEY-----", "")
        )
        try:
            key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
        except (ValueError, binascii.Error, UnsupportedAlgorithm):
            raise unreadable("getPublicKey", "answered without a key") from None
        digest = _DIGESTS.get(str(sent.get("digest", "")).upper().replace("-", ""))
        if not isinstance(key, ec.EllipticCurvePublicKey) or digest is None:
            raise unreadable("getPublicKey", "answered with a key of another kind")
        return key, digest


def _signature(header: str) -> tuple[str, bytes]:
    """The key's id, and the signature."""
    try:
        sent = parse(base64.b64decode(header, validate=True))
        if not isinstance(sent, dict) or not _KEY_ID.fullmatch(str(sent.get("kid", ""))):
            raise NotAuthentic("its signature names no key")
        return str(sent["kid"]), base64.b64decode(str(sent.get("signature", "")), validate=True)
    except (binascii.Error, ValueError, NotJson):
        raise NotAuthentic("its signature cannot be read") from None


def _names(body: bytes) -> frozenset[str]:
    """The name and the id of the account.

    Raises:
        NotAuthentic: It tells of something else, or names nobody.
    """
    try:
        sent = parse(body)
    except NotJson:
        raise NotAuthentic("it is no JSON") from None
    about, notice = (sent.get(part) if isinstance(sent, dict) else None for part in ("metadata", "notification"))
    if not isinstance(about, dict) or about.get("topic") != TOPIC:
        raise NotAuthentic("it is about something else than a deleted account")
    data = notice.get("data") if isinstance(notice, dict) else None
    names = (data.get(part) if isinstance(data, dict) else None for part in ("username", "userId"))
    found = frozenset(each for each in names if isinstance(each, str) and each)
    if not found:
        raise NotAuthentic("it names nobody")
    return found

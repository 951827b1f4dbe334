"""Keeping personal data and secrets unreadable at rest: the key ring, encryption, and removing PII from payloads.

Which JSON paths of a payload are personal is each marketplace's knowledge (`pii_paths`), not this module's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from warehouse.logs import REDACTOR
from warehouse.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from warehouse.packing import Dictionary
    from warehouse.settings import Settings

NONCE_BYTES = 12
KEY_BYTES = 32
FINGERPRINT_DIGITS = 16


class KeyRingError(Exception):
    """The key ring is missing, malformed, or lacks the key that something was encrypted with."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """AES-256-GCM keys by fingerprint. The first one given encrypts; every key decrypts, so that keys can be rotated.

    A sealed value is: one byte length of the key's id, the id, a 12-byte nonce, the ciphertext with its tag. The purpose
    and the row's identity are bound as associated data, so that a value moved to another row does not decrypt.

    Attributes:
        active: Fingerprint of the key that encrypts; it is the id in what is sealed.
        ciphers: By fingerprint.
        names: Id as written in the ring → fingerprint. Values that were sealed under a name stay readable.
    """

    active: str
    ciphers: Mapping[str, AESGCM] = field(repr=False)
    names: Mapping[str, str]

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """Encrypt `plain` so that it opens only for the same `bound_to`."""
        nonce = os.urandom(NONCE_BYTES)
        key_id = self.active.encode()
        return (
            bytes((len(key_id),)) + key_id + nonce + self.ciphers[self.active].encrypt(nonce, plain, bound_to.encode())
        )

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            KeyRingError: The key is not in the ring, or the value was altered or moved to another row.
        """
        cut = 1 + sealed[0]
        key_id = sealed[1:cut].decode(errors="replace")
        nonce, rest = sealed[cut : cut + NONCE_BYTES], sealed[cut + NONCE_BYTES :]
        meant = self.ciphers.get(key_id)
        for cipher in self._named_otherwise(key_id) if meant is None else (meant,):
            try:
                return cipher.decrypt(nonce, rest, bound_to.encode())
            except (InvalidTag, ValueError):  # ValueError: what is left is shorter than a nonce
                continue
        if key_id in self.ciphers or key_id in self.names:
            raise KeyRingError(
                f"a value sealed for {bound_to.partition(':')[0]} does not open: altered or moved, or the key"
                f" {key_id!r} is not the one that it was sealed with"
            )
        raise KeyRingError(f"the key ring has no key {key_id!r}: add it to ORDERS_KEYS or to the keys file")

    def _named_otherwise(self, name: str) -> Iterable[AESGCM]:
        """The key that a name means, and behind it every other one, because names were given by hand and may have changed."""
        meant = self.names.get(name)
        return [self.ciphers[each] for each in sorted(self.ciphers, key=lambda each: each != meant)]

    def seal_compressed(self, plain: bytes, bound_to: str, dictionary: Dictionary | None = None) -> bytes:
        """Compress, then encrypt: for payloads, which repeat themselves."""
        return self.seal(pack(plain, dictionary), bound_to)

    def open_compressed(self, sealed: bytes, bound_to: str, dictionary: Dictionary | None = None) -> bytes:
        """Reverse `seal_compressed`, of whatever release; raises `KeyRingError` like `open`."""
        return unpack(self.open(sealed, bound_to), dictionary)


def parse_key_ring(text: str) -> KeyRing:
    """Read `id:base64` pairs separated by commas or newlines.

    Raises:
        KeyRingError: No pair, a pair without an id, an id given twice, or a key that is not 32 bytes of base64.
    """
    ciphers: dict[str, AESGCM] = {}
    names: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        key_id, _, encoded = pair.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not key_id or len(key) != KEY_BYTES:
            raise KeyRingError("each key must be written id:base64 with a base64 key of 32 bytes")
        if key_id in names:
            raise KeyRingError(f"the key ring has the id {key_id!r} twice: each key needs its own")
        fingerprint = fingerprint_of(key)
        ciphers.setdefault(fingerprint, AESGCM(key))
        names[key_id] = fingerprint
        REDACTOR.hide([encoded])
    if not ciphers:
        raise KeyRingError("the key ring is empty")
    if pretended := [name for name, fingerprint in names.items() if name in ciphers and name != fingerprint]:
        raise KeyRingError(f"{pretended[0]!r} is another key's fingerprint: write each fingerprint before its own key")
    return KeyRing(next(iter(ciphers)), ciphers, names)


def fingerprint_of(key: bytes) -> str:
    """A key's id: 16 hexadecimal digits that tell nothing of the key."""
    return hashlib.sha256(b"orders-syndication key\0" + key).hexdigest()[:FINGERPRINT_DIGITS]


def new_key() -> str:
    """A fresh `id:base64` pair; the id is the key's fingerprint."""
    key = secrets.token_bytes(KEY_BYTES)
    return f"{fingerprint_of(key)}:{base64.b64encode(key).decode()}"


def open_key_ring(settings: Settings) -> KeyRing:
    """The key ring of this installation. Whether it is the one that the ledger was sealed with is seen in `ledger.keys`.

    Raises:
        KeyRingError: There is none, or it is malformed.
    """
    return parse_key_ring(key_ring_text(settings))


def key_ring_text(settings: Settings) -> str:
    """The key ring as it is written down: whoever has this text can read everything. Errors as in `open_key_ring`."""
    if settings.keys is not None:
        return settings.keys.get_secret_value()
    try:
        return key_file(settings).read_text()
    except FileNotFoundError:
        raise KeyRingError(f"no key ring: set ORDERS_KEYS, or write one to {key_file(settings)}") from None


def has_key_ring(settings: Settings) -> bool:
    """Whether a key ring is given, right or wrong."""
    return settings.keys is not None or key_file(settings).exists()


def key_file(settings: Settings) -> Path:
    """Where the key ring is written down unless ORDERS_KEYS holds it."""
    return settings.keys_file or settings.home / "keys"


def make_key_file(path: Path) -> None:
    """Write a new key ring that only its owner may read; when another process was first, its ring is the one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(new_key() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


PathStep = str | frozenset[str]
"""A member's name, `*` for every element of a list, or a set of names: every member but these."""


def without_pii(payload: Any, paths: Sequence[tuple[PathStep, ...]]) -> Any:  # noqa: ANN401 - any JSON value
    """The same JSON value with every value at the given paths replaced by null.

    >>> without_pii({"buyer": {"name": "A"}, "items": [{"gift": "B", "n": 1}]}, [("buyer", "name"), ("items", "*", "gift")])
    {'buyer': {'name': None}, 'items': [{'gift': None, 'n': 1}]}
    >>> without_pii({"address": {"city": "A", "street": "B", "new": "C"}}, [("address", frozenset({"city"}))])
    {'address': {'city': 'A', 'street': None, 'new': None}}
    """
    return _nulled(payload, tree_of(tuple(paths)))


@lru_cache
def tree_of(paths: tuple[tuple[PathStep, ...], ...]) -> dict[PathStep, Any]:
    """The paths as one tree, so that a payload is walked once; an empty branch is a value to remove."""
    tree: dict[PathStep, Any] = {}
    for *parents, last in sorted(paths, key=len, reverse=True):  # so that a whole object wins over parts of it
        branch = tree
        for step in parents:
            branch = branch.setdefault(step, {})
        branch[last] = {}
    return tree


def _nulled(value: Any, tree: Mapping[PathStep, Any]) -> Any:  # noqa: ANN401 - any JSON value
    if not tree:
        return None
    if isinstance(value, dict) and not ("*" in tree and len(tree) == 1):
        found: dict[str, Any] = {}
        for step, branch in tree.items():
            if isinstance(step, frozenset):
                found |= dict.fromkeys(value.keys() - step)
            elif (within := value.get(step)) is not None:
                found[step] = _nulled(within, branch) if branch else None
        return {**value, **found} if found else value
    if isinstance(value, list) and "*" in tree:
        return [_nulled(each, tree["*"]) for each in value]
    # Where a payload has another shape than the paths expect, what stands there may be personal: it goes as a whole.
    return value if value is None or isinstance(value, bool) else None

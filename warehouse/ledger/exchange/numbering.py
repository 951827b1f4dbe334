"""Ids for readers of what the ledger numbers through the whole book: files, incidents, log entries, attempts, payloads.

A reader of one channel would learn from the gaps in plain numbers how much goes on in the others. So the API shows an id: the
kind and the number, enciphered as one AES block with a key that the ledger keeps. The same number has the same id for every
reader and for good, a restored backup included; commands take both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from warehouse.ledger.base.database import insert_into
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import marks

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

SECRET = "numbering"  # noqa: S105 - the name of the mark
NUMBER_BYTES = 8
LARGEST = 2**63 - 1


class Numbered(StrEnum):
    """What is numbered."""

    FILE = "file"
    INCIDENT = "incident"
    ENTRY = "entry"
    ATTEMPT = "attempt"
    PAYLOAD = "payload"
    PLACE = "place"


MEMBERS = {
    "file": Numbered.FILE,
    "incident": Numbered.INCIDENT,
    "attempt": Numbered.ATTEMPT,
    "raw_seq": Numbered.PAYLOAD,
}
"""Names of technical details that hold such numbers."""

FORM = re.compile(r"([a-z]+)_([a-z2-7]{26})")


@dataclass(frozen=True, slots=True)
class Numbering:
    """Ids from numbers and back.

    >>> numbering = Numbering(b"k" * 16)
    >>> numbering.number(Numbered.FILE, numbering.id(Numbered.FILE, 12))
    12
    >>> numbering.number(Numbered.INCIDENT, numbering.id(Numbered.FILE, 12)) is None
    True
    """

    _key: bytes

    def id(self, kind: Numbered, number: int) -> str:
        """The id of a number."""
        block = self._cipher().encryptor().update(_head(kind) + number.to_bytes(NUMBER_BYTES))
        return f"{kind}_{base64.b32encode(block).decode().rstrip('=').lower()}"

    def number(self, kind: Numbered, own_id: str) -> int | None:
        """The number of an id; None when it is none of this kind."""
        form = FORM.fullmatch(own_id)
        if form is None or form[1] != kind:
            return None
        try:
            block = base64.b32decode(f"{form[2].upper()}======")
        except binascii.Error:
            return None
        plain = self._cipher().decryptor().update(block)
        number = int.from_bytes(plain[NUMBER_BYTES:])
        return (
            number if plain.startswith(_head(kind)) and number <= LARGEST and self.id(kind, number) == own_id else None
        )

    def with_ids(self, details: Json) -> Json:
        """Technical details for a reader: with ids in place of numbers."""
        return {
            name: self.id(MEMBERS[name], value) if name in MEMBERS and isinstance(value, int) else value
            for name, value in details.items()
        }

    def _cipher(self) -> Cipher[ECB]:
        return Cipher(AES(self._key), ECB())  # noqa: S305 - single blocks, each of them different


def open_numbering(ledger: Ledger) -> Numbering:
    """The ledger's own; its key is made with the first call."""
    with ledger.read() as transaction:
        found = numbering_of(transaction)
    if found is None:
        row = {"name": SECRET, "value": secrets.randbelow(LARGEST)}
        with ledger.write() as transaction:
            transaction.execute(insert_into(transaction, marks).on_conflict_do_nothing(), row)
            found = numbering_of(transaction)
    assert found is not None
    return found


def numbering_of(transaction: Transaction) -> Numbering | None:
    """The ledger's own; None when no id was ever given."""
    secret = transaction.execute(sa.select(marks.c.value).where(marks.c.name == SECRET)).scalar_one_or_none()
    if secret is None:
        return None
    return Numbering(
        hashlib.blake2b(secret.to_bytes(NUMBER_BYTES), digest_size=16, person=b"orders numbering").digest()
    )


def number_given(transaction: Transaction, kind: Numbered, given: str) -> int | None:
    """What an operator names by its number or by its id; None when it is neither."""
    if re.fullmatch(r"[0-9]{1,18}", given):
        return int(given)
    numbering = numbering_of(transaction)
    return None if numbering is None else numbering.number(kind, given)


def _head(kind: Numbered) -> bytes:
    return kind.value.encode().ljust(NUMBER_BYTES, b"\0")

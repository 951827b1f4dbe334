"""The two halves of an order's document as they are kept: facts packed, personal members packed and sealed.

Both are packed with one dictionary, which comes with the product, is the same in every installation, and never changes: what is
kept needs it. It was trained once on facts of orders of all stand-ins, and on their personal members with the texts left out.
Facts are packed on SQLite alone (`ledger.base.schema.columns`), for PostgreSQL compresses long values itself. What earlier
releases kept as plain text is read as it is. Payloads have dictionaries of their own (`ledger.book.payload_dictionaries`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.packing import MAGIC, Dictionary, pack

if TYPE_CHECKING:
    from warehouse.privacy import KeyRing

_DICTIONARY = Path(__file__).with_name("orders.zdict")


def pack_text(text: str) -> bytes | str:
    """Compress one half of a document; one that is empty stays so."""
    return pack(text.encode(), _dictionary()) if text else text


def unpack_text(kept: bytes | str) -> str:
    """Reverse `pack_text`; errors as in `unpack`."""
    return unpack(kept).decode()


def unpack(kept: bytes | str) -> bytes:
    """The UTF-8 of what `pack_text` has packed, or an earlier release has kept as it is.

    Raises:
        zstandard.ZstdError: It was altered, or is of a newer release.
    """
    if isinstance(kept, str):
        return kept.encode()
    return _dictionary().tools.unpack(kept) if kept.startswith(MAGIC) else kept


def seal_parties(keys: KeyRing, order_id: str, parties: str) -> bytes:
    """The personal members of an order, as `personal.parties` renders them, packed and encrypted for this order alone."""
    return keys.seal(pack(parties.encode(), _dictionary()), _bound_to(order_id))


def open_parties(keys: KeyRing, order_id: str, sealed: bytes) -> str:
    """Reverse `seal_parties`; raises `KeyRingError` like `KeyRing.open`."""
    return parties_utf8(keys, order_id, sealed).decode()


def parties_utf8(keys: KeyRing, order_id: str, sealed: bytes) -> bytes:
    """The same as it is written into a document; errors as in `open_parties`."""
    return unpack(keys.open(sealed, _bound_to(order_id)))


def _bound_to(order_id: str) -> str:
    return f"parties:{order_id}"


@cache
def _dictionary() -> Dictionary:
    return Dictionary(_DICTIONARY.read_bytes())

"""Compressing payloads, which repeat themselves: by zstd, with a dictionary of what payloads of one kind have in common.

A dictionary is data: what was packed with one opens with that one only, and names it in its first bytes. Where dictionaries
are kept is in `ledger.book.payload_dictionaries`.
"""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"\x28\xb5\x2f\xfd"
"""How what zstd has compressed begins (RFC 8878); zlib's begins otherwise (RFC 1950), and JSON does too."""

DICTIONARY_BYTES = 16 * 1024
"""Twice the size makes payloads shorter by a twentieth."""


class _Tools(threading.local):
    """What packs and unpacks, of each thread: making them takes as long as a payload does, and they do one thing at a time."""

    def __init__(self, content: zstandard.ZstdCompressionDict | None = None) -> None:
        self.pack = zstandard.ZstdCompressor(dict_data=content).compress
        self.unpack = zstandard.ZstdDecompressor(dict_data=content).decompress


class Dictionary:
    """What payloads have in common. Its id is made of its content, by zstd."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        known = zstandard.ZstdCompressionDict(content)
        self.id = known.dict_id()
        self.tools = _Tools(known)


_WITHOUT_DICTIONARY = _Tools()


def train(samples: Sequence[bytes]) -> Dictionary | None:
    """Make a dictionary of some hundreds of payloads without personal data: pieces of them are in it. None: too short."""
    try:
        return Dictionary(zstandard.train_dictionary(DICTIONARY_BYTES, list(samples)).as_bytes())
    except zstandard.ZstdError:
        return None


def pack(plain: bytes, dictionary: Dictionary | None = None) -> bytes:
    """Compress one payload."""
    return (_WITHOUT_DICTIONARY if dictionary is None else dictionary.tools).pack(plain)


def dictionary_of(packed: bytes) -> int:
    """The id of the dictionary that something was packed with; 0: none."""
    return zstandard.get_frame_parameters(packed).dict_id if packed.startswith(MAGIC) else 0


def unpack(packed: bytes, dictionary: Dictionary | None = None) -> bytes:
    """Reverse `pack`, of whatever release: the dictionary is only looked at where one is named.

    Raises:
        ValueError: It was packed with another dictionary.
    """
    if not packed.startswith(MAGIC):
        return zlib.decompress(packed)
    named = dictionary_of(packed)
    if not named:
        return _WITHOUT_DICTIONARY.unpack(packed)
    if dictionary is None or dictionary.id != named:
        raise ValueError(f"a payload was packed with the dictionary {named}, which is not here")
    return dictionary.tools.unpack(packed)

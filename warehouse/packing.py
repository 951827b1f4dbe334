"""Compressing payloads, which repeat themselves: by zstd, with a dictionary of what payloads of one kind have in common.

A dictionary is data: what was packed with one opens with that one only, and names it in its first bytes. Where dictionaries
are kept is in `ledger.book.payload_dictionaries`.
"""

from __future__ import annotations

import sys
import zlib
from functools import cached_property
from typing import TYPE_CHECKING

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"\x28\xb5\x2f\xfd"
"""How what zstd has compressed begins (RFC 8878); zlib's begins otherwise (RFC 1950), and JSON does too."""

DICTIONARY_BYTES = 16 * 1024
"""Twice the size makes payloads shorter by a twentieth."""

_WITHOUT_DICTIONARY = zstd.ZstdCompressor()
"""Kept, as `Dictionary.compressor` is."""


class Dictionary:
    """What payloads have in common. Its id is made of its content, by zstd."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._zstd = zstd.ZstdDict(content)

    @property
    def id(self) -> int:
        """What is packed with it names it so."""
        return self._zstd.dict_id

    @cached_property
    def compressor(self) -> zstd.ZstdCompressor:
        """Kept: making one takes as long as a payload does. It locks itself for each payload."""
        return zstd.ZstdCompressor(zstd_dict=self._zstd.as_digested_dict)

    def unpack(self, packed: bytes) -> bytes:
        """What was packed with this dictionary."""
        return zstd.decompress(packed, zstd_dict=self._zstd)


def train(samples: Sequence[bytes]) -> Dictionary | None:
    """Make a dictionary of some hundreds of payloads without personal data: pieces of them are in it. None: too short."""
    try:
        return Dictionary(zstd.train_dict(samples, DICTIONARY_BYTES).dict_content)
    except zstd.ZstdError:
        return None


def pack(plain: bytes, dictionary: Dictionary | None = None) -> bytes:
    """Compress one payload."""
    compressor = _WITHOUT_DICTIONARY if dictionary is None else dictionary.compressor
    return compressor.compress(plain, zstd.ZstdCompressor.FLUSH_FRAME)


def dictionary_of(packed: bytes) -> int:
    """The id of the dictionary that something was packed with; 0: none."""
    return zstd.get_frame_info(packed).dictionary_id if packed.startswith(MAGIC) else 0


def unpack(packed: bytes, dictionary: Dictionary | None = None) -> bytes:
    """Reverse `pack`, of whatever release: the dictionary is only looked at where one is named.

    Raises:
        ValueError: It was packed with another dictionary.
    """
    if not packed.startswith(MAGIC):
        return zlib.decompress(packed)
    named = dictionary_of(packed)
    if not named:
        return zstd.decompress(packed)
    if dictionary is None or dictionary.id != named:
        raise ValueError(f"a payload was packed with the dictionary {named}, which is not here")
    return dictionary.unpack(packed)

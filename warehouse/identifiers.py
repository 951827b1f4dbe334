"""Identifiers as people and programs write them down: order ids, line ids, package ids, tracking numbers, carrier codes.

One rule for every door. What a door answers to an identifier that breaks it is the door's own business.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = {
    "id": 36,
    "original_id": 200,
    "package_id": 100,
    "tracking_number": 200,
    "carrier_code": 100,
    "item_id": 36,
    "item_original_id": 200,
    "item_sku": 200,
}
"""Longest identifiers, in characters."""

UNSEEN = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
"""Control characters and line separators, as a class of a regular expression: no identifier holds one."""

_UNSEEN = frozenset({"Cc", "Zl", "Zp", "Cs"})


def cleaned(text: str) -> str:
    """An identifier without the format characters (Cf) that copying from pages, chats and PDFs brings along, and trimmed.

    >>> cleaned("\u202a 6A123\u200b456\u00ad\u202c\ufeff")
    '6A123456'
    """
    if text.isascii():
        return text.strip()
    return "".join(each for each in text if unicodedata.category(each) != "Cf").strip()


def has_unseen(text: str) -> bool:
    r"""Whether control characters, line separators or halves of characters are in it: they are refused, not taken out.

    >>> [has_unseen(each) for each in ("6A 1", "6A\t1", "6A\u0096", "6A\u2028", "Zoë – 1")]
    [False, True, True, True, False]
    """
    if text.isprintable():
        return False
    return any(unicodedata.category(each) in _UNSEEN for each in text)


_POWER = (
    r"[+-]?\d{1,3}(?:[.,]\d*)?\s*(?:[Ee]\s*\+|[*x×·]\s*10\s*\^?\s*\+?)\s*\d{1,3}"  # 4.02E+16, 4.02 x 10^16
    r"|[+-]?\d{1,3}[.,]\d+[Ee]-?\d{1,3}"  # 4.02E16, as Java writes it; without a fraction it could be an id
)
_FRACTION = r"[+-]?\d+[.,]0+|[+-]?\d{1,3}(?:[.,' \u00a0\u2009\u202f]\d{3})+[.,]0+"
_DIGITS_LOST = r"[1-9]\d{14}0{4,}"
"""A spreadsheet keeps fifteen digits. Four zeros behind them come about by chance in one number of ten thousand."""
_TOO_NARROW = r"#{3,}"
_ROUNDED = re.compile(f"{_POWER}|{_FRACTION}|{_DIGITS_LOST}|{_TOO_NARROW}")


def is_rounded(text: str) -> bool:
    """Whether a program has taken an identifier for a number, and written it as one: digits of it may be lost.

    >>> [is_rounded(each) for each in ("4,02E+16", "4.02E16", "403000000000000000000,00", "1234567890123450000", "#####")]
    [True, True, True, True, True]
    >>> [is_rounded(each) for each in ("402-0000001", "00340434161094042557", "12E45", "1Z999AA10123456784", "7.5", "100")]
    [False, False, False, False, False, False]
    """
    return _ROUNDED.fullmatch(text) is not None

"""Identifiers as people and programs write them down: order ids, line ids, package ids, tracking numbers, carrier codes.

One rule for every door. What a door answers to an identifier that breaks it is the door's own business.
"""

from __future__ import annotations

import re

_POWER = re.compile(
    r"[+-]?\d{1,3}(?:[.,]\d*)?\s*(?:[Ee]\s*\+|[*x×·]\s*10\s*\^?\s*\+?)\s*\d{1,3}"  # 4.02E+16, 4.02 x 10^16
    r"|[+-]?\d{1,3}[.,]\d+[Ee]-?\d{1,3}"  # 4.02E16, as Java writes it; without a fraction it could be an id
)
_FRACTION = re.compile(r"[+-]?\d+[.,]0+|[+-]?\d{1,3}(?:([.,' \u00a0\u2009\u202f])\d{3})+[.,]0+")
_DIGITS_LOST = re.compile(r"[1-9]\d{14}0{4,}")
"""A spreadsheet keeps fifteen digits. Four zeros behind them come about by chance in one number of ten thousand."""
_TOO_NARROW = re.compile(r"#{3,}")


def is_rounded(text: str) -> bool:
    """Whether a program has taken an identifier for a number, and written it as one: digits of it may be lost.

    >>> [is_rounded(each) for each in ("4,02E+16", "4.02E16", "403000000000000000000,00", "1234567890123450000", "#####")]
    [True, True, True, True, True]
    >>> [is_rounded(each) for each in ("402-0000001", "00340434161094042557", "12E45", "1Z999AA10123456784", "7.5", "100")]
    [False, False, False, False, False, False]
    """
    return any(pattern.fullmatch(text) for pattern in (_POWER, _FRACTION, _DIGITS_LOST, _TOO_NARROW))

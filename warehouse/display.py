"""Amounts, times and counts as people read them, by Unicode's rules for English. What programs read is written elsewhere.

An amount is never rounded: it has the digits that its currency usually has, and more where it was sent with more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.core import Locale
from babel.numbers import format_currency, format_decimal, parse_pattern

if TYPE_CHECKING:
    from datetime import datetime, tzinfo
    from decimal import Decimal

LOCALE = Locale.parse("en")
CODE_BEHIND = parse_pattern("#,##0.00\u00a0¤¤")


def money(amount: Decimal, currency: str | None) -> str:
    """An amount with the code of its currency."""
    if currency is None:
        return format_decimal(amount, locale=LOCALE, decimal_quantization=False)
    return format_currency(amount, currency, CODE_BEHIND, locale=LOCALE, decimal_quantization=False)


def number(count: int) -> str:
    """A count with its thousands apart.

    >>> number(1234567)
    '1,234,567'
    """
    return format_decimal(count, locale=LOCALE)


def moment(instant: datetime, zone: tzinfo) -> str:
    """Day and time, to the minute, on the clocks of a zone.

    >>> from datetime import UTC, datetime
    >>> moment(datetime(2026, 11, 1, 9, 5, 59, tzinfo=UTC), UTC)
    '2026-11-01 09:05'
    """
    return instant.astimezone(zone).replace(tzinfo=None).isoformat(" ", "minutes")

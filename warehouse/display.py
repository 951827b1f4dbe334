"""Amounts, times and counts as people read them, by Unicode's rules for English. What programs read is written elsewhere.

An amount is never rounded: it has the digits that its currency usually has, and more where it was sent with more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.dates import format_datetime
from babel.numbers import format_currency, format_decimal

if TYPE_CHECKING:
    from datetime import datetime, tzinfo
    from decimal import Decimal

LOCALE = "en"
CODE_BEHIND = "#,##0.00\u00a0¤¤"
DAY_AND_TIME = "yyyy-MM-dd HH:mm"


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
    """Day and time, to the minute, on the clocks of a zone."""
    return format_datetime(instant, DAY_AND_TIME, tzinfo=zone, locale=LOCALE)

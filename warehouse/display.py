"""Amounts, times and counts as people read them, by Unicode's rules for their language. Nothing here is for programs.

An amount is never rounded: it has the digits that its currency usually has, and more where it was sent with more.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

from babel.core import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal, format_percent, parse_pattern

if TYPE_CHECKING:
    from datetime import date, datetime, tzinfo
    from decimal import Decimal

ENGLISH = Locale.parse("en")
LOCALE = ContextVar("locale", default=ENGLISH)
"""Of whoever reads what is written in this context."""
CODE_BEHIND = parse_pattern("#,##0.00\u00a0¤¤")


def money(amount: Decimal, currency: str | None) -> str:
    """An amount with the code of its currency."""
    return _money(str(amount), currency, LOCALE.get())


@lru_cache(maxsize=5_000)
def _money(amount: str, currency: str | None, locale: Locale) -> str:
    """Kept, because prices come again and again, and an eighth of a page's time went into them."""
    if currency is None:
        return format_decimal(amount, locale=locale, decimal_quantization=False)
    return format_currency(amount, currency, CODE_BEHIND, locale=locale, decimal_quantization=False)


def number(count: int) -> str:
    """A count with its thousands apart.

    >>> number(1234567)
    '1,234,567'
    """
    return format_decimal(count, locale=LOCALE.get())


def decimal(value: float, digits: int = 1) -> str:
    """A figure that need not be whole, with so many digits behind the point at most.

    >>> decimal(2.55), decimal(12.0)
    ('2.5', '12')
    """
    return format_decimal(round(value, digits), locale=LOCALE.get())


def share(part: float) -> str:
    """A part of a whole.

    >>> share(0.25)
    '25%'
    """
    return format_percent(part, locale=LOCALE.get())


def day(of: date) -> str:
    """A day of this week or the last.

    >>> from datetime import date
    >>> day(date(2026, 11, 2))
    'Mon 02'
    """
    return format_date(of, "EEE dd", locale=LOCALE.get())


def hour(instant: datetime) -> str:
    """An hour of this week or the last, on the clocks of its own zone.

    >>> from datetime import UTC, datetime
    >>> hour(datetime(2026, 11, 2, 9, tzinfo=UTC))
    'Mon 09:00'
    """
    return format_datetime(instant.replace(tzinfo=None), "EEE HH:mm", locale=LOCALE.get())


def moment(instant: datetime, zone: tzinfo) -> str:
    """Day and time, to the minute, on the clocks of a zone. In English by ISO 8601: day and month are not taken for each other.

    >>> from datetime import UTC, datetime
    >>> moment(datetime(2026, 11, 1, 9, 5, 59, tzinfo=UTC), UTC)
    '2026-11-01 09:05'
    """
    here, locale = instant.astimezone(zone).replace(tzinfo=None), LOCALE.get()
    if locale.language == ENGLISH.language:
        return here.isoformat(" ", "minutes")
    return format_datetime(here, "short", locale=locale)

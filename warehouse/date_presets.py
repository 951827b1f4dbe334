"""Named ranges of days, as a filter offers them, on the clock of the merchant's time zone.

Pure: which date is filtered by them is the reader's matter.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class DatePreset(StrEnum):
    """A named range of days. A week begins on Monday; the last week is the seven days before today."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    THIS_WEEK = "this_week"
    LAST_WEEK = "last_week"
    THIS_MONTH = "this_month"
    LAST_MONTH = "last_month"


def bounds(preset: DatePreset, now: datetime, zone: str) -> tuple[datetime, datetime]:
    """When a range begins, and when it is over.

    Args:
        preset: The range.
        now: The present instant.
        zone: IANA name of the time zone whose days are meant; a day of 23 or 25 hours is one.

    >>> from datetime import UTC
    >>> first, end = bounds(DatePreset.LAST_WEEK, datetime(2026, 11, 5, 23, 30, tzinfo=UTC), "Europe/Paris")
    >>> first.isoformat(), end.isoformat()
    ('2026-10-30T00:00:00+01:00', '2026-11-06T00:00:00+01:00')
    """
    today = now.astimezone(ZoneInfo(zone)).date()
    first, end = _days(preset, today)
    return _midnight(first, zone), _midnight(end, zone)


def _days(preset: DatePreset, today: date) -> tuple[date, date]:
    """The first day of a range, and the first one after it."""
    day = timedelta(days=1)
    match preset:
        case DatePreset.TODAY:
            return today, today + day
        case DatePreset.YESTERDAY:
            return today - day, today
        case DatePreset.THIS_WEEK:
            monday = today - today.weekday() * day
            return monday, monday + 7 * day
        case DatePreset.LAST_WEEK:
            return today - 7 * day, today
        case DatePreset.THIS_MONTH:
            return today.replace(day=1), _next_month(today)
        case DatePreset.LAST_MONTH:
            this = today.replace(day=1)
            return (this - day).replace(day=1), this


def _next_month(today: date) -> date:
    return (today.replace(day=28) + timedelta(days=4)).replace(day=1)


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(zone))

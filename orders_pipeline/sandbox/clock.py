"""The sandbox's clock: injected, movable, always aware UTC.

What lives here: the clock and the two time formats the marketplaces use. What does not: any waiting.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_ISO_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})")


def utc_now() -> datetime:
    """Return the machine's present time as aware UTC."""
    return datetime.now(UTC)


class MovableClock:
    """A clock with an offset, so that a test or an operator can let hours pass at once."""

    def __init__(self, base: Clock = utc_now) -> None:
        """Start at ``base``'s own time, offset zero."""
        self._base = base
        self.offset = timedelta()

    def __call__(self) -> datetime:
        """Return the sandbox's present time."""
        return self._base() + self.offset

    def advance(self, delta: timedelta) -> None:
        """Move the clock by ``delta``; a negative one moves it back."""
        self.offset += delta

    def set(self, moment: datetime) -> None:
        """Move the clock so that it shows ``moment`` now."""
        self.offset = moment - self._base()


def to_millis(moment: datetime) -> datetime:
    """Cut a moment to what the marketplaces show, so that a shown time is exactly the time that is searched."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def iso_millis(moment: datetime) -> str:
    """Format as ISO 8601 UTC with milliseconds and a ``Z``."""
    return _in_utc(moment).isoformat(timespec="milliseconds")[:23] + "Z"


def iso_seconds(moment: datetime) -> str:
    """Format as ISO 8601 UTC with whole seconds and a ``Z``."""
    return _in_utc(moment).isoformat(timespec="seconds")[:19] + "Z"


def parse_iso(text: str) -> datetime | None:
    """Parse an ISO 8601 date-time that names its offset; None when it is not one."""
    if _ISO_DATE_TIME.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)

"""Time, injected: every function that needs "now" is given a `Clock`. Parsing a marketplace's time format is not here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present instant as an aware UTC datetime."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: the wire's only time format.

    >>> iso(datetime(2026, 11, 1, 12, tzinfo=UTC))
    '2026-11-01T12:00:00.000Z'
    """
    in_utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return f"{in_utc.isoformat(timespec='milliseconds')[:-6]}Z"

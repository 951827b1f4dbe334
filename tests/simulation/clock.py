"""The world's one clock: it stands still until something moves it.

The marketplaces live by `true`; our own machine by `ours`, which may be set wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


class WorldClock:
    """Time as the marketplaces tell it, and by how much our machine's clock is wrong."""

    def __init__(self) -> None:
        self._now = START
        self.error = timedelta()

    def true(self) -> datetime:
        """The present."""
        return self._now

    def ours(self) -> datetime:
        """The present as our machine has it."""
        return self._now + self.error

    def advance(self, amount: timedelta) -> None:
        """Let time pass."""
        self._now += amount

    def sleep(self, seconds: float) -> None:
        """What our machine does when it waits: time passes."""
        self.advance(timedelta(seconds=seconds))

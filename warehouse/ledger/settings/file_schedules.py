"""When a file job is due: a pure function of its frequency, the last time and the tenant's time zone. No queries here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Frequency(StrEnum):
    """How often a file job runs."""

    EVERY_15_MINUTES = "15m"
    EVERY_30_MINUTES = "30m"
    EVERY_45_MINUTES = "45m"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


class Weekday(StrEnum):
    """The day of a weekly job, in the order of `date.weekday()`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


INTERVALS = {
    Frequency.EVERY_15_MINUTES: timedelta(minutes=15),
    Frequency.EVERY_30_MINUTES: timedelta(minutes=30),
    Frequency.EVERY_45_MINUTES: timedelta(minutes=45),
    Frequency.HOURLY: timedelta(hours=1),
}
"""All of them divide a day, so that every day has the same times (in UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a job runs.

    Attributes:
        frequency: How often.
        at: The time of day of a daily or weekly job, on the tenant's clock.
        weekday: The day of a weekly job.
    """

    frequency: Frequency
    at: time = time(0, 0)
    weekday: Weekday = Weekday.MONDAY


def next_due(schedule: Schedule, last: datetime, zone: ZoneInfo) -> datetime:
    """The first time after `last` at which the job is due, in UTC.

    Short intervals are counted in elapsed time from midnight UTC and know no summer time. A daily or weekly time that the
    clock skips in spring is due as much later as the clock was put forward; of one that comes twice in autumn the first counts.

    >>> from zoneinfo import ZoneInfo
    >>> paris = ZoneInfo("Europe/Paris")
    >>> next_due(Schedule(frequency=Frequency.EVERY_45_MINUTES), datetime(2026, 11, 2, 9, 0, tzinfo=UTC), paris).isoformat()
    '2026-11-02T09:45:00+00:00'
    >>> next_due(Schedule(frequency=Frequency.DAILY, at=time(6, 30)), datetime(2026, 11, 2, 9, tzinfo=UTC), paris).isoformat()
    '2026-11-03T05:30:00+00:00'
    """
    interval = INTERVALS.get(schedule.frequency)
    if interval is not None:
        return EPOCH + ((last - EPOCH) // interval + 1) * interval
    day = last.astimezone(zone).date()
    step = 1
    if schedule.frequency is Frequency.WEEKLY:
        day += timedelta(days=(list(Weekday).index(schedule.weekday) - day.weekday()) % 7)
        step = 7
    while True:
        due = datetime.combine(day, schedule.at, zone).astimezone(UTC)
        if due > last:
            return due
        day += timedelta(days=step)

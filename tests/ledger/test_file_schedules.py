"""When a file job is due: short intervals, days and weeks on the tenant's clock, and the two nights of summer time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.ledger.settings.file_schedules import INTERVALS, Frequency, Schedule, Weekday, next_due

PARIS, KOLKATA = ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Kolkata")


def due(frequency: str, last: str, at: str = "00:00", weekday: str = "monday", zone: ZoneInfo = PARIS) -> str:
    schedule = Schedule(frequency=Frequency(frequency), at=time.fromisoformat(at), weekday=Weekday(weekday))
    return next_due(schedule, datetime.fromisoformat(last), zone).isoformat()[:16]


@pytest.mark.parametrize(
    ("frequency", "last", "expected"),
    [
        ("15m", "2026-11-02T09:00:00Z", "2026-11-02T09:15"),
        ("15m", "2026-11-02T09:14:59Z", "2026-11-02T09:15"),
        ("30m", "2026-11-02T09:15:00Z", "2026-11-02T09:30"),
        ("45m", "2026-11-02T09:00:00Z", "2026-11-02T09:45"),
        ("45m", "2026-11-02T09:45:00Z", "2026-11-02T10:30"),
        ("45m", "2026-11-02T23:15:00Z", "2026-11-03T00:00"),
        ("hourly", "2026-11-02T09:00:00Z", "2026-11-02T10:00"),
    ],
)
def test_short_intervals(frequency, last, expected):
    assert due(frequency, last) == expected


@pytest.mark.parametrize(
    ("last", "at", "expected"),
    [
        ("2026-11-02T04:00:00Z", "06:30", "2026-11-02T05:30"),
        ("2026-11-02T05:30:00Z", "06:30", "2026-11-03T05:30"),
        ("2026-07-02T04:30:00Z", "06:30", "2026-07-03T04:30"),
        # In the night to 29 March the clocks go from 2 to 3: half past two does not exist, and is half past three.
        ("2026-03-28T12:00:00Z", "02:30", "2026-03-29T01:30"),
        ("2026-03-29T01:30:00Z", "02:30", "2026-03-30T00:30"),
        # In the night to 25 October they go from 3 to 2: half past two comes twice, and the first time counts.
        ("2026-10-24T12:00:00Z", "02:30", "2026-10-25T00:30"),
        ("2026-10-25T00:30:00Z", "02:30", "2026-10-26T01:30"),
        ("2026-10-25T01:00:00Z", "02:30", "2026-10-26T01:30"),
    ],
)
def test_once_a_day_by_the_tenants_clock(last, at, expected):
    assert due("daily", last, at) == expected


@pytest.mark.parametrize(
    ("last", "weekday", "expected"),
    [
        ("2026-11-02T09:00:00Z", "monday", "2026-11-09T05:30"),
        ("2026-11-02T05:00:00Z", "monday", "2026-11-02T05:30"),
        ("2026-11-02T09:00:00Z", "sunday", "2026-11-08T05:30"),
        ("2026-10-19T09:00:00Z", "monday", "2026-10-26T05:30"),
    ],
)
def test_once_a_week(last, weekday, expected):
    assert due("weekly", last, "06:30", weekday) == expected


def test_other_time_zones_have_their_own_days():
    assert due("daily", "2026-11-02T09:00:00Z", "06:30", zone=KOLKATA) == "2026-11-03T01:00"


MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
SCHEDULES = st.builds(
    Schedule,
    frequency=st.sampled_from(Frequency),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    weekday=st.sampled_from(Weekday),
)


@given(schedule=SCHEDULES, last=MOMENTS, zone=st.sampled_from([PARIS, KOLKATA, ZoneInfo("America/St_Johns")]))
def test_the_next_time_lies_ahead_and_not_too_far(schedule, last, zone):
    found = next_due(schedule, last, zone)
    longest = {Frequency.DAILY: timedelta(hours=26), Frequency.WEEKLY: timedelta(days=7, hours=2)}
    assert last < found <= last + INTERVALS.get(schedule.frequency, longest.get(schedule.frequency))
    if schedule.frequency is Frequency.WEEKLY:
        assert list(Weekday)[found.astimezone(zone).weekday()] is schedule.weekday

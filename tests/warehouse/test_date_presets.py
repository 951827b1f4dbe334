"""Named ranges of days: where they begin and end, over the ends of weeks, months and years, and where the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.date_presets import DatePreset, bounds

PARIS = "Europe/Paris"


def days(preset, now, zone=PARIS):
    return tuple(each.date().isoformat() for each in bounds(preset, now, zone))


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        (DatePreset.TODAY, ("2026-03-01", "2026-03-02")),
        (DatePreset.YESTERDAY, ("2026-02-28", "2026-03-01")),
        (DatePreset.THIS_WEEK, ("2026-02-23", "2026-03-02")),
        (DatePreset.LAST_WEEK, ("2026-02-22", "2026-03-01")),
        (DatePreset.THIS_MONTH, ("2026-03-01", "2026-04-01")),
        (DatePreset.LAST_MONTH, ("2026-02-01", "2026-03-01")),
    ],
)
def test_on_a_sunday_that_begins_a_month(preset, expected):
    assert days(preset, datetime(2026, 2, 28, 23, 30, tzinfo=UTC)) == expected


def test_the_last_month_of_january_is_december():
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert days(DatePreset.LAST_MONTH, now) == ("2025-12-01", "2026-01-01")
    assert days(DatePreset.THIS_MONTH, now) == ("2026-01-01", "2026-02-01")


def test_a_day_on_which_the_clocks_change_is_one_day():
    first, end = bounds(DatePreset.TODAY, datetime(2026, 3, 29, 12, tzinfo=UTC), PARIS)
    assert end.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=23)
    first, end = bounds(DatePreset.YESTERDAY, datetime(2026, 10, 26, 12, tzinfo=UTC), PARIS)
    assert end.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=25)


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is beside
    st.sampled_from(["UTC", PARIS, "America/New_York", "Asia/Tokyo", "Pacific/Auckland", "Asia/Kathmandu"]),
)
def test_every_range_is_of_whole_days_and_knows_today(now, zone):
    ranges = {preset: bounds(preset, now, zone) for preset in DatePreset}
    for first, end in ranges.values():
        assert first < end
        assert {each.time().isoformat() for each in (first, end)} == {"00:00:00"}
        assert all(each.tzinfo == ZoneInfo(zone) for each in (first, end))
    for preset in (DatePreset.TODAY, DatePreset.THIS_WEEK, DatePreset.THIS_MONTH):
        assert ranges[preset][0] <= now < ranges[preset][1]
    for preset in (DatePreset.YESTERDAY, DatePreset.LAST_WEEK, DatePreset.LAST_MONTH):
        assert ranges[preset][1] <= now
    assert ranges[DatePreset.THIS_WEEK][0].weekday() == 0

"""What people read: amounts with the digits of their currency, never rounded; times on their own clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from warehouse.display import moment, money


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("1234.5", "EUR", "1,234.50 EUR"),
        ("4900", "JPY", "4,900 JPY"),
        ("12", "KWD", "12.000 KWD"),
        ("-12.3456", "USD", "-12.3456 USD"),
        ("5", "ZZZ", "5.00 ZZZ"),
        ("0.005", None, "0.005"),
    ],
)
def test_an_amount_keeps_every_digit(amount, currency, shown):
    assert money(Decimal(amount), currency).replace("\u00a0", " ") == shown


def test_a_time_is_shown_on_the_clocks_of_the_zone():
    instant = datetime(2026, 11, 2, 9, 30, 59, tzinfo=UTC)
    assert [moment(instant, zone) for zone in (UTC, ZoneInfo("Europe/Paris"))] == [
        "2026-11-02 09:30",
        "2026-11-02 10:30",
    ]

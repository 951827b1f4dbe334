"""Thousands of spoiled orders: each is read or refused with a path, conserves its quantities, and renders."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.otto.normalise import normalise
from orders_pipeline.marketplaces.protocol import Unreadable
from tests.marketplaces.otto.conftest import CHANNEL, make_item, make_order, money
from tests.marketplaces.test_balance import holds
from warehouse.documents import preview

if TYPE_CHECKING:
    from collections.abc import Iterator

RECEIVED = datetime(2026, 11, 2, tzinfo=UTC)
WHOLE = make_order(
    make_item(1, "SENT", trackingInfo={"carrier": "DHL", "trackingNumber": "D1"}, sentDate="2026-11-03T08:00:00+0000"),
    make_item(2, "CANCELLED_BY_PARTNER", cancellationReason="CANCELLED_ON_PARTNER_WISH"),
    make_item(3, itemValueReducedGrossPrice=money(9.99), itemValueDiscount=money(40)),
    make_item(4, "ANNOUNCED"),
    initialDeliveryFees=[{"deliveryFeeAmount": money(5.95), "name": "SHIPPING", "positionItemIds": ["item-1"]}],
    initialDiscounts=[{"discountAmount": money(3), "name": "COUPON", "positionItemIds": ["item-1"]}],
    suspectedFraudCase=False,
)
ABSURD = (
    *(None, True, False, [], {}, [None], [[]], [{}], ["x"], {"": 1}, {"amount": 1}),
    *(-3, -1, 0, 1, 2, 10**9 + 1, 2**63, 10**30, 1793600000000, -(10**400)),
    *(0.1, -0.0, 1e300, float("nan"), float("inf"), Decimal("1e9999999"), Decimal("NaN"), Decimal("2.50")),
    *("", " ", "0", "-1", "1e9999999", "NaN", "1_0", "\uff11", "12,5", "9999-12-31T23:59:59-14:00", "9" * 30),
    *("ANNOUNCED", "PROCESSABLE", "SENT", "RETURNED", "CANCELLED_BY_MARKETPLACE", "PAUSED", "EUR", "CHF", "item-1"),
    *("\ud800", "\x00", "é\x00", "x" * 20_001),
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each member of a payload: what holds it, and its key there."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


HOW = ("set", "set", "drop", "double")
# One number says where, how and with what, three times: one draw instead of nine.
CASES = 500 * len(ABSURD) * len(HOW)
MUTATIONS = st.integers(min_value=0, max_value=CASES**3 - 1)


def spoil(order: Any, at: int, value: Any, how: str) -> None:
    found = list(places(order))
    holder, key = found[at % len(found)]
    if how == "drop":
        del holder[key]
    elif how == "double" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[key] = copy.deepcopy(value)


@settings(max_examples=5_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(MUTATIONS)
def test_every_order_is_read_or_refused_with_a_path(number):
    order = copy.deepcopy(WHOLE)
    while number and order:
        number, case = divmod(number, CASES)
        case, at = divmod(case, 500)
        how, value = divmod(case, len(ABSURD))
        spoil(order, at, ABSURD[value], HOW[how])
    try:
        (read,) = normalise(order, CHANNEL)
    except Unreadable as refused:
        assert refused.path.startswith("$")  # noqa: PT017 - most orders are read
        return
    assert read.original_id
    assert holds(read)
    for line in read.lines:
        known = (line.quantity_ordered, line.quantity_shipped, line.quantity_cancelled)
        if None not in known:
            assert line.quantity_remaining_to_ship >= 0
    assert preview(read, RECEIVED)

"""Thousands of spoiled orders of Target Plus: each is read or refused with a path, conserves its quantities, and renders."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.target_plus.normalise import normalise
from tests.marketplaces.target_plus.conftest import CHANNEL, make_line, make_order
from tests.marketplaces.test_balance import holds
from tests.marketplaces.walmart.test_walmart_mutations import ABSURD, HOW, spoil
from warehouse.documents import preview

RECEIVED = datetime(2026, 11, 2, tzinfo=UTC)
ORDER = make_order(
    "PARTIALLY_SHIPPED",
    make_line("1", ("SHIPPED", 1), ("ACKNOWLEDGED_BY_SELLER", 1), units=2, discounts=[{"amount": 1.5}]),
    make_line("2", ("CANCELED", 1), cancellation_reason="OTHER", total_item_discount=1, other_fees=[{"amount": 2}]),
    make_line("3", total_shipping_price=5.99, total_shipping_discount=1, total_gift_option_price=3),
    other_info=[{"name": "note", "value": "x"}],
)
FULFILMENT = {"order_line_number": "1", "quantity": 1, "shipping_method": "UPSGround", "tracking_number": "1Z"}
APART = {
    "order": {key: value for key, value in ORDER.items() if key != "addresses"},
    "order_addresses": {"order_id": ORDER["id"], **ORDER["addresses"]},
    "fulfillments": [FULFILMENT],
}
CASES = 500 * len(ABSURD) * len(HOW)
MUTATIONS = st.integers(min_value=0, max_value=CASES**3 - 1)


@settings(max_examples=5_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(MUTATIONS)
def test_every_order_is_read_or_refused_with_a_path(number):
    order = copy.deepcopy(APART if number % 2 else ORDER)
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

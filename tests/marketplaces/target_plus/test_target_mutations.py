"""Thousands of spoiled orders of Target Plus: each is read or refused with a path, conserves its quantities, and renders."""

from __future__ import annotations

import pytest
from hypothesis import given

from orders_pipeline.marketplaces.target_plus.normalise import normalise
from tests.marketplaces.spoiling import ABSURD, check, mutations, spoiled, thoroughly
from tests.marketplaces.target_plus.conftest import CHANNEL, make_line, make_order

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
VALUES = (
    *ABSURD,
    *("PENDING", "SHIPPED", "CANCELED", "REFUNDED", "ACKNOWLEDGED_BY_SELLER", "USD", "CAD", "UPSGround", "1"),
)


@pytest.mark.slow
@thoroughly
@given(mutations(VALUES))
def test_every_order_is_read_or_refused_with_a_path(number):
    check(normalise, spoiled(APART if number % 2 else ORDER, number, VALUES), CHANNEL)

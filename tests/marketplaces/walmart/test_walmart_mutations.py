"""Thousands of spoiled purchase orders: each is read or refused with a path, conserves its quantities, and renders."""

from __future__ import annotations

import pytest
from hypothesis import given

from orders_pipeline.marketplaces.walmart.normalise import normalise
from tests.marketplaces.spoiling import ABSURD, check, mutations, spoiled, thoroughly
from tests.marketplaces.walmart.conftest import CHANNEL, make_charge, make_line, make_order, make_status

REFUND = {"refundCharges": {"refundCharge": [{"refundReason": "x", "charge": make_charge(3, 0.2)}]}}
WHOLE = make_order(
    make_line(1, make_status("Created", 2), make_status("Shipped", 1, trackingNumber="A"), units=3, refund=REFUND),
    make_line(2, make_status("Cancelled", 1), intentToCancel="x", sellerOrderId="y"),
    make_line(
        3, charges={"charge": [make_charge(1, 0.1), make_charge(2, 0.2, "SHIPPING"), make_charge(-1, None, "FEE")]}
    ),
    orderSummary={"totalAmount": {"currencyAmount": 30.1, "currencyUnit": "USD"}},
    paymentTypes=["CREDITCARD"],
    originalCustomerOrderID="1",
    pickupPersons=[{"name": {"completeName": "Dana"}}],
)
VALUES = (*ABSURD, *("Created", "Shipped", "Cancelled", "Refund", "WFSFulfilled", "USD", "CAD", "PRODUCT", "SHIPPING"))


@pytest.mark.slow
@thoroughly
@given(mutations(VALUES))
def test_every_order_is_read_or_refused_with_a_path(number):
    check(normalise, spoiled(WHOLE, number, VALUES), CHANNEL)

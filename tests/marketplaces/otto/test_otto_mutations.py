"""Thousands of spoiled orders: each is read or refused with a path, conserves its quantities, and renders."""

from __future__ import annotations

import pytest
from hypothesis import given

from orders_pipeline.marketplaces.otto.normalise import normalise
from tests.marketplaces.otto.conftest import CHANNEL, make_item, make_order, money
from tests.marketplaces.spoiling import ABSURD, check, mutations, spoiled, thoroughly

WHOLE = make_order(
    make_item(1, "SENT", trackingInfo={"carrier": "DHL", "trackingNumber": "D1"}, sentDate="2026-11-03T08:00:00+0000"),
    make_item(2, "CANCELLED_BY_PARTNER", cancellationReason="CANCELLED_ON_PARTNER_WISH"),
    make_item(3, itemValueReducedGrossPrice=money(9.99), itemValueDiscount=money(40)),
    make_item(4, "ANNOUNCED"),
    initialDeliveryFees=[{"deliveryFeeAmount": money(5.95), "name": "SHIPPING", "positionItemIds": ["item-1"]}],
    initialDiscounts=[{"discountAmount": money(3), "name": "COUPON", "positionItemIds": ["item-1"]}],
    suspectedFraudCase=False,
)
VALUES = (
    *ABSURD,
    *("ANNOUNCED", "PROCESSABLE", "SENT", "RETURNED", "CANCELLED_BY_MARKETPLACE", "PAUSED", "EUR", "CHF", "item-1"),
)


@pytest.mark.slow
@thoroughly
@given(mutations(VALUES))
def test_every_order_is_read_or_refused_with_a_path(number):
    check(normalise, spoiled(WHOLE, number, VALUES), CHANNEL)

"""Thousands of spoiled orders of eBay: each is read or refused with a path, conserves its quantities, and renders."""

from __future__ import annotations

import pytest
from hypothesis import given

from orders_pipeline.marketplaces.ebay.normalise import normalise
from tests.marketplaces.ebay.conftest import (
    CHANNEL,
    make_collected,
    make_line,
    make_order,
    make_package,
    make_start,
    make_tax,
    money,
)
from tests.marketplaces.spoiling import ABSURD, check, mutations, spoiled, thoroughly

REQUEST = {"cancelRequestId": "5", "cancelRequestState": "REQUESTED", "cancelInitiator": "Buyer", "cancelReason": "x"}
WHOLE = {
    "order": make_order(
        make_line(1, lineItemFulfillmentStatus="IN_PROGRESS", taxes=[make_tax("STATE_SALES_TAX", "1.98")]),
        make_line(
            2,
            discountedLineItemCost=money("18.00"),
            taxes=[make_tax("TIRE_RECYCLING_FEE", "1.00")],
            ebayCollectAndRemitTaxes=[make_collected("STATE_SALES_TAX", "1.98")],
            refunds=[{"amount": money("2.00")}],
            giftDetails={"message": "x", "senderName": "y"},
        ),
        orderFulfillmentStatus="IN_PROGRESS",
        cancelStatus={"cancelState": "IN_PROGRESS", "cancelRequests": [REQUEST]},
        program={"fulfillmentProgram": {"fulfilledBy": "EBAY"}, "ebayVault": {"fulfillmentType": "x"}},
        pricingSummary={
            **{name: money("40.00") for name in ("priceSubtotal", "total", "tax", "fee", "adjustment")},
            **{name: money("-1.00") for name in ("priceDiscount", "deliveryDiscount")},
        },
        fulfillmentStartInstructions=[
            make_start(ebaySupportedFulfillment=True, pickupStep={"merchantLocationKey": "S"})
        ],
        buyer={"taxIdentifier": {"taxpayerId": "DE1", "taxIdentifierType": "VATIN"}, "username": "x"},
    ),
    "fulfillments": [make_package("1Z1", (1, 1)), make_package("1Z2", (2, 2))],
}
VALUES = (*ABSURD, *("IN_PROGRESS", "FULFILLED", "CANCELED", "FULLY_REFUNDED", "EBAY", "USD", "EUR", "1005", "10051"))


@pytest.mark.slow
@thoroughly
@given(mutations(VALUES))
def test_every_order_is_read_or_refused_with_a_path(number):
    check(normalise, spoiled(WHOLE, number, VALUES), CHANNEL)

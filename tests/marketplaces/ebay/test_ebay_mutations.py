"""Thousands of spoiled orders of eBay: each is read or refused with a path, conserves its quantities, and renders."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.ebay.normalise import normalise
from orders_pipeline.marketplaces.protocol import Unreadable
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
from tests.marketplaces.test_balance import holds
from warehouse.documents import preview

if TYPE_CHECKING:
    from collections.abc import Iterator

RECEIVED = datetime(2026, 11, 2, tzinfo=UTC)
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
ABSURD = (
    *(None, True, False, [], {}, [None], [[]], [{}], ["x"], {"": 1}, {"amount": 1}),
    *(-3, -1, 0, 1, 2, 10**9 + 1, 2**63, 10**30, 1793600000000, -(10**400)),
    *(0.1, -0.0, 1e300, float("nan"), float("inf"), Decimal("1e9999999"), Decimal("NaN"), Decimal("2.50")),
    *("", " ", "0", "-1", "1e9999999", "NaN", "1_0", "\uff11", "12,5", "9999-12-31T23:59:59-14:00", "9" * 30),
    *("IN_PROGRESS", "FULFILLED", "CANCELED", "FULLY_REFUNDED", "EBAY", "USD", "EUR", "1005", "10051"),
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

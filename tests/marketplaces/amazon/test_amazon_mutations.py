"""Thousands of spoiled orders: each is read or refused with a path, conserves its quantities, and renders."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.amazon.documents import documents
from orders_pipeline.marketplaces.amazon.normalise import normalise
from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import ChannelContext, Unreadable
from warehouse.documents import preview

if TYPE_CHECKING:
    from warehouse.orders import Order

MEMBERS = ("orderId", "createdTime", "lastUpdatedTime", "orderItems", "fulfillment", "proceeds", "buyer", "recipient")
CHANNEL = ChannelContext("amazon_fr", "Amazon FR")
RECEIVED = datetime(2026, 11, 2, tzinfo=UTC)

# A fixed list rather than strategies of every type: a tenth of the time for each of the thousands of cases.
ABSURD = (
    *(None, True, False, [], {}, [None], [[]], [{}], ["x"], {"": 1}, {"amount": 1}, [{"type": "TAX", "subtotal": {}}]),
    *(-3, -1, 0, 1, 2, 9, 10**9 + 1, 2**63, 10**30, -(10**400)),
    *(0.1, -0.0, 1.5, 2.0, 1e300, float("nan"), float("inf"), float("-inf")),
    *(Decimal("1e9999999"), Decimal("-1e-9999999"), Decimal("NaN"), Decimal("Infinity"), Decimal("2.50")),
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "1e9999999",
        "1e-9999999",
        "NaN",
        "-Infinity",
        "0.000000001",
        "1_0",
        "\uff11\uff12",
        "12,5",
    ),
    *("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "2026-11-02", "T"),
    *("SHIPPED", "CANCELLED", "PENDING", "UNFULFILLABLE", "MERCHANT", "TAX", "DISCOUNT", "ITEM", "EUR", "JPY", "FR"),
    *("\ud800", "\x00", "é\x00", "é", "x" * 20_001),
)
HOW = ("set", "set", "drop", "double", "add")
# One number says where, how and with what: one draw instead of three.
MUTATION = st.integers(min_value=0, max_value=400 * len(HOW) * len(ABSURD) - 1)
ANY_VALUE = st.recursive(
    st.sampled_from(ABSURD) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
)
STATUS = st.sampled_from(["PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED", "UNFULFILLABLE", None])


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currencyCode": "EUR"}


def genuine(status: str | None) -> dict[str, Any]:
    """An order that says everything the normaliser reads."""
    details = [{"subtype": "ITEM", "value": money("2.00")}, {"subtype": "SHIPPING", "value": money("1.00")}]
    item = {
        "orderItemId": "1",
        "quantityOrdered": 3,
        "product": {"asin": "B0MADEUP01", "title": "Tasse", "sellerSku": "CUP", "price": {"unitPrice": money("5.00")}},
        "proceeds": {
            "proceedsTotal": money("16.00"),
            "breakdowns": [
                {"type": "ITEM", "subtotal": money("10.00")},
                {"type": "SHIPPING", "subtotal": money("5.00")},
                {
                    "type": "DISCOUNT",
                    "subtotal": money("-2.00"),
                    "detailedBreakdowns": [{"subtype": "ITEM", "value": money("-2")}],
                },
                {"type": "TAX", "subtotal": money("3.00"), "detailedBreakdowns": details},
            ],
        },
        "cancellation": {
            "cancellationRequest": {"requester": "BUYER", "cancelReason": "late"},
            "cancellationExecution": {"cancelledBy": "MERCHANT", "cancelReason": "sold out"},
        },
        "fulfillment": {"quantityFulfilled": 1, "quantityUnfulfilled": 1},
    }
    plain = {"orderItemId": "2", "quantityOrdered": 1, "product": {}}
    return {
        "orderId": "408-0000000-0000001",
        "createdTime": "2026-11-02T08:15:30.250Z",
        "lastUpdatedTime": "2026-11-02T09:00:00Z",
        "programs": ["PRIME"],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": "A13V1IB3VIYZZH"},
        "buyer": {"buyerName": "A", "buyerEmail": "a@example.test", "buyerCompanyName": "B"},
        "recipient": {
            "deliveryAddress": {
                **dict.fromkeys(("name", "companyName", "addressLine1", "addressLine2", "addressLine3"), "x"),
                **dict.fromkeys(
                    ("city", "municipality", "districtOrCounty", "stateOrRegion", "postalCode", "phone"), "y"
                ),
                "countryCode": "FR",
            }
        },
        "proceeds": {"grandTotal": money("16.00"), "breakdowns": [{"type": "TAX", "subtotal": money("3.00")}]},
        "payment": {"paymentExecutions": [{"paymentMethod": "Invoice"}]},
        "fulfillment": {
            "fulfillmentStatus": status,
            "fulfilledBy": "MERCHANT",
            "shipByWindow": {"latestDateTime": "2026-11-04T22:59:59Z"},
        },
        "orderItems": [item, plain],
        "packages": [
            {
                "packageReferenceId": "1",
                "carrier": "DHL",
                "trackingNumber": "T1",
                "packageStatus": {"status": "SHIPPED"},
                "packageItems": [{"orderItemId": "1", "quantity": 1}],
            }
        ],
    }


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within a JSON value."""
    found: list[tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found.append((value, key))
        found += places(value[key])
    return found


def mutated(status: str | None, mutations: list[int]) -> dict[str, Any]:
    order = genuine(status)
    for mutation in mutations:
        rest, absurd = divmod(mutation, len(ABSURD))
        where, how_place = divmod(rest, len(HOW))
        value, how = copy.deepcopy(ABSURD[absurd]), HOW[how_place]
        spots = places(order)
        if not spots:
            return order
        holder, key = spots[where % len(spots)]
        if how == "drop":
            del holder[key]
        elif how == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif how == "add" and isinstance(holder, dict):
            holder["novelty"] = value
        else:
            holder[key] = value
    return order


def read(payload: Any) -> tuple[list[Order], Unreadable | None]:
    try:
        return normalise(payload, CHANNEL), None
    except Unreadable as refusal:
        return [], refusal


def check(payload: Any) -> None:
    orders, refusal = read(payload)
    if refusal is not None:
        assert refusal.path.startswith("$")
        assert refusal.code
        assert refusal.reason
    for order in orders:
        assert all(problem.path.startswith("$") for problem in order.problems)
        is_flagged = any(problem.code == "quantity_conservation" for problem in order.problems)
        for line in order.lines:
            parts = (line.quantity_shipped, line.quantity_cancelled, line.quantity_remaining_to_ship)
            if None not in parts and not is_flagged:
                assert line.quantity_ordered == sum(parts)
        for package in order.packages or ():
            assert all(line and units >= 0 for line, units in package.quantities)
        assert json.loads(preview(order, RECEIVED))["original_id"] == order.original_id


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(STATUS, st.lists(MUTATION, min_size=1, max_size=4))
def test_a_spoiled_order_is_read_or_refused_and_nothing_else(status, mutations):
    check(mutated(status, mutations))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(ANY_VALUE)
def test_any_value_is_read_or_refused(payload):
    check(payload)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:orders123\n ', max_size=40).map(str.encode))
@example(b'{"orders":[{"orderId":' + b"9" * 5000 + b"}]}")
@example(b'{"orderId":1e400}')
def test_any_file_gives_orders_or_is_refused(data):
    found, path = [], "$"
    try:
        found = documents(data)
    except Unreadable as refusal:
        path = refusal.path
    assert path.startswith("$")
    assert all(each.original_id for each in found)


def test_a_number_that_python_does_not_write_out_is_refused():
    with pytest.raises(Unreadable) as refused:
        normalise({**genuine("SHIPPED"), "orderId": 10**5000}, CHANNEL)
    assert refused.value.path == "$.orderId"


def test_the_unspoiled_order_is_fine():
    (order,) = normalise(parse(json.dumps(genuine("UNSHIPPED")).encode()), CHANNEL)
    assert [problem.code for problem in order.problems] == []

"""The normaliser is total: any JSON gives orders or `Unreadable` with a path, and quantities conserve or are named."""

from __future__ import annotations

import copy
import random
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.protocol import Unreadable
from warehouse.orders import Order
from warehouse.wire import money

SPOILED = [
    None,
    "",
    "  ",
    True,
    False,
    0,
    -1,
    1,
    3,
    2**70,
    10**4000,
    1e308,
    float("nan"),
    float("-inf"),
    0.1,
    1e-12,
    Decimal("1E+9999999"),
    Decimal("NaN"),
    "1e9999999",
    "٣",
    "1_0",
    "NaN",
    "-0",
    "x" * 30_000,
    "\x00",
    "\ud800",
    "2026-02-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "SHIPPED",
    "CANCELED",
    "TAX_EXCLUDED",
    "DEFAULT",
    "FC-7",
    [],
    {},
    [None],
    [[]],
    [{}],
    [{"quantity": 1}],
    [{"amount": 1}],
    {"center": {"code": "FC-7"}},
    {"": {"": None}},
]
ABSURD = st.sampled_from(SPOILED)
JSON = st.recursive(
    ABSURD | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
MANY = settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def places(value, at=()):
    """Every place in a JSON value, as the keys that lead there."""
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*at, index))


def changed(payload, at, new, *, is_removed):
    """The payload with the value at a place replaced or removed."""
    if not at:
        return new
    *parents, last = at
    holder = payload
    for key in parents:
        holder = holder[key] if holds(holder, key) else None
    if holds(holder, last):  # else an earlier change took the place away
        if is_removed:
            del holder[last]
        else:
            holder[last] = new
    return payload


def holds(holder, key):
    if isinstance(holder, dict):
        return key in holder
    return isinstance(holder, list) and isinstance(key, int) and key < len(holder)


def outcome(orders_of, payload):
    try:
        return orders_of(payload), None
    except Unreadable as refusal:
        return [], refusal


def check(orders_of, payload):
    """One payload: orders that hold together, or a refusal that says where."""
    orders, refusal = outcome(orders_of, payload)
    if refusal is not None:
        assert refusal.path.startswith("$")
        assert refusal.code.isidentifier()
        assert refusal.reason
        return
    assert 1 <= len(orders) <= 2
    assert len({order.id for order in orders}) == len(orders)
    for order in orders:
        check_order(order)


def check_order(order):
    assert isinstance(order, Order)
    assert order.original_id
    assert len({line.number for line in order.lines}) == len(order.lines)
    assert all(problem.path.startswith("$") and problem.code.isidentifier() for problem in order.problems)
    assert len(money(order.total) or "") < 40
    named = {problem.code for problem in order.problems}
    ids = {line.original_id for line in order.lines}
    for package in order.packages or ():
        assert {line for line, _ in package.quantities} <= ids
        assert all(units >= 0 for _, units in package.quantities)
    for line in order.lines:
        parts = (line.quantity_shipped, line.quantity_cancelled, line.quantity_remaining_to_ship)
        if line.quantity_ordered is None:
            assert "quantity_missing" in named
        elif line.quantity_ordered != sum(parts):
            assert "quantity_conservation" in named


@pytest.fixture(scope="session")
def genuine(an_order, a_line, a_shipment):
    """Two shapes: a bare old-style order, and an envelope with everything in it."""
    rich = a_line(
        2,
        taxes=[{"code": "VAT", "amount": 1.5, "rate": 20}],
        shipping_taxes=[{"code": "VAT", "amount": 0.3}],
        cancelations=[{"id": "1", "quantity": 1, "amount": 12.45, "reason_code": "34"}],
        fees=[{"code": "eco", "amount": 0.4}],
        fulfillment={"center": {"code": "FC-7"}},
    )
    order = an_order(a_line(1), rich, a_line(3), order_tax_mode="TAX_EXCLUDED")
    order["customer"]["organization"] = {"name": "Marchand Group", "address": {"city": "Nantes"}}
    shipments = [a_shipment(("L1", 1)), a_shipment(("L2", 1), id="s2", status="SHIPPING")]
    shipped = an_order(
        a_line(1, order_line_state="SHIPPED"), order_state="SHIPPED", shipping_company="DHL", shipping_tracking="T1"
    )
    return [
        an_order(a_line(1), a_line(2)),
        {"order": order, "shipments": shipments},
        {"order": shipped, "shipments": None},
    ]


@pytest.mark.slow
@MANY
@given(where=st.integers(0, 10**6), new=JSON, is_removed=st.booleans())
def test_one_place_changed(genuine, orders_of, where, new, is_removed):
    payload = copy.deepcopy(genuine[where % len(genuine)])
    everywhere = list(places(payload))
    check(orders_of, changed(payload, everywhere[where // 2 % len(everywhere)], new, is_removed=is_removed))


@pytest.mark.slow
@settings(MANY, max_examples=1_500)
@given(seed=st.integers(0, 2**64))
def test_several_places_changed(genuine, orders_of, seed):
    """Chance comes from a drawn seed here: drawing every choice through Hypothesis takes ten times as long."""
    chance = random.Random(seed)
    payload = copy.deepcopy(chance.choice(genuine))
    everywhere = list(places(payload))[1:]
    for _ in range(chance.randint(2, 6)):
        new = copy.deepcopy(chance.choice(SPOILED))
        payload = changed(payload, chance.choice(everywhere), new, is_removed=chance.random() < 0.25)
    check(orders_of, payload)


@settings(MANY, max_examples=500)
@given(payload=JSON)
def test_any_json(orders_of, payload):
    check(orders_of, payload)


@settings(MANY, max_examples=500)
@given(data=st.data())
def test_any_quantities(an_order, a_line, a_shipment, orders_of, data):
    """States and quantities in any combination: ordered = shipped + cancelled + remaining, or it is named."""
    states = st.sampled_from(["SHIPPING", "SHIPPED", "CANCELED", "REFUNDED", "WAITING_REFUND", "INCIDENT_OPEN", None])
    units = st.integers(0, 4)
    lines = [
        a_line(
            number,
            order_line_state=data.draw(states),
            quantity=data.draw(units),
            offer_sku=data.draw(st.sampled_from(["A", "B", None])),
            cancelations=[{"quantity": each} for each in data.draw(st.lists(units, max_size=2))],
        )
        for number in (1, 2)
    ]
    ships = [
        a_shipment((data.draw(st.sampled_from(["L1", "L2", ""])), data.draw(units)), id=f"s{number}")
        for number in range(data.draw(st.integers(0, 3)))
    ]
    for shipment in ships:
        shipment["shipment_lines"][0]["offer_sku"] = data.draw(st.sampled_from(["A", "B"]))
    check(orders_of, {"order": an_order(*lines, order_state=data.draw(states)), "shipments": ships or None})

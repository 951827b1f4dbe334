"""The amounts of every order add up, or the order says by how much they do not: whatever the payload, whatever the kind."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.protocol import ChannelContext
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox.amazon.state import AmazonSandbox
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.mirakl.state import MiraklSandbox
from tests.acceptance.test_payload_files import AMAZON_PAGE, MIRAKL_PAGE
from tests.marketplaces.amazon.conftest import ORDER
from tests.marketplaces.mirakl.conftest import make_line, make_order
from warehouse.order_checks import unexplained

if TYPE_CHECKING:
    from warehouse.orders import Order

CHANNEL = ChannelContext("shop", "Shop")
UNDECIDED = {"amount_ambiguous", "tax_mode_unknown", "tax_amount_missing"}

AMAZON = [ORDER, *AMAZON_PAGE["orders"]]
MIRAKL = [
    make_order(),
    make_order(make_line(1), make_line(2, price=10, fees=[{"code": "eco", "amount": 1.5}]), total_price=71.3),
    make_order(make_line(taxes=[{"code": "VAT", "amount": 9.96, "rate": 20}]), order_tax_mode="TAX_EXCLUDED"),
    *MIRAKL_PAGE["orders"],
]
AMOUNTS = st.decimals(min_value=-50, max_value=500, places=2)


def read(kind: str, payload: Any) -> list[Order]:
    return MARKETPLACES[kind].normalise(payload, CHANNEL)


def says(order: Order) -> set[str]:
    return {problem.code for problem in order.problems}


def holds(order: Order) -> bool:
    """Whether the law holds: a difference is named, and none is named where there is none."""
    difference = unexplained(order)
    if difference is None:
        return True
    return bool(difference) == ("total_mismatch" in says(order)) or order.split_of is not None


@pytest.fixture(scope="module")
def made() -> dict[str, list[Any]]:
    """Orders of every account of the sandboxes."""
    amazon, mirakl = AmazonSandbox(seed=5), MiraklSandbox(seed=5)
    for account in ("default", "north-america", "far-east"):
        amazon.generate(GenerateRequest(orders=300, account=account))
    for account in (None, "2002"):
        mirakl.generate(GenerateRequest(orders=300, account=account, mixed_share=0.2))
    return {
        "amazon": [record.order for record in amazon.records.values()],
        "mirakl": [record.order for record in mirakl.records.values()],
    }


@pytest.mark.parametrize("kind", ["amazon", "mirakl"])
def test_every_made_up_order_balances(made, kind):
    orders = [order for payload in made[kind] for order in read(kind, payload)]
    assert len(orders) >= 600
    assert [order.original_id for order in orders if unexplained(order) or says(order)] == []
    assert sum(order.total is not None for order in orders) == len(orders)


@pytest.mark.parametrize("tax_mode", [None, "", "LATER"])
def test_made_up_orders_balance_without_a_tax_mode(made, tax_mode):
    orders = [order for payload in made["mirakl"] for order in read("mirakl", {**payload, "order_tax_mode": tax_mode})]
    assert [
        order.original_id for order in orders if unexplained(order) or says(order) & UNDECIDED - {"tax_mode_unknown"}
    ] == []
    with_mode = {order.original_id: order.total for payload in made["mirakl"] for order in read("mirakl", payload)}
    assert all(order.total in {with_mode[order.original_id], None} for order in orders if order.split_of is None)


@pytest.mark.parametrize(
    ("kind", "payload"), [*(("amazon", each) for each in AMAZON), *(("mirakl", each) for each in MIRAKL)]
)
def test_payloads_of_the_tests_balance(kind, payload):
    for order in read(kind, payload):
        assert (unexplained(order), says(order)) == (0, set())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_amounts_a_difference_is_named_and_only_a_difference(data):
    kind = data.draw(st.sampled_from(["amazon", "mirakl"]))
    payload = copy.deepcopy(data.draw(st.sampled_from(AMAZON if kind == "amazon" else MIRAKL)))
    places = list(amounts_in(payload))
    for holder, key in data.draw(st.lists(st.sampled_from(places), max_size=4)):
        changed = data.draw(AMOUNTS | st.none())
        holder[key] = (
            str(changed) if isinstance(holder[key], str) and changed is not None else changed and float(changed)
        )
    if kind == "mirakl":
        payload["order_tax_mode"] = data.draw(st.sampled_from(["TAX_INCLUDED", "TAX_EXCLUDED", None]))
    for order in read(kind, payload):
        assert holds(order), (unexplained(order), order.problems)
        if order.total is None and any(line.line_total for line in order.lines):
            assert says(order)


def amounts_in(value: Any):
    """Every place of an amount in a payload: the object and the key."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in {"amount", "price", "shipping_price", "total_price"} and not isinstance(each, dict):
                yield value, key
            else:
                yield from amounts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from amounts_in(each)

"""Made-up orders: repeatable, consistent, quick, and of every shape that readers must survive."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal

import pytest

from orders_pipeline.sandbox.amazon.state import AmazonSandbox
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.generator import Catalogue, decimal_text
from orders_pipeline.sandbox.mirakl.orders import cancelled_quantity
from orders_pipeline.sandbox.mirakl.state import MiraklSandbox

KINDS = [AmazonSandbox, MiraklSandbox]


def made(sandbox, **values):
    sandbox.generate(GenerateRequest(**{"orders": 1500, **values}))
    return [record.order for record in sandbox.records.values()]


@pytest.fixture(scope="module")
def amazon_orders():
    sandbox = AmazonSandbox(seed=3)
    for account in ("default", "north-america", "far-east"):
        made(sandbox, orders=500, account=account)
    return [record.order for record in sandbox.records.values()]


@pytest.fixture(scope="module")
def mirakl_sandbox():
    sandbox = MiraklSandbox(seed=3)
    made(sandbox, orders=800)
    made(sandbox, orders=400, account="2002")
    return sandbox


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_orders(kind, clock):
    one, two, other = (made(kind(seed=seed, clock=clock), orders=50) for seed in (1, 1, 2))
    assert one == two
    assert one != other


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_unique_and_the_number_is_exact(kind, clock):
    sandbox = kind(clock=clock)
    for count in (1, 99, 200):
        assert len(sandbox.generate(GenerateRequest(orders=count, mixed_share=0.5))) == count
    assert len(set(sandbox.order_ids())) == 300


def total_of(money):
    return Decimal(money["amount"])


def test_amazon_amounts_add_up_with_or_without_the_tax(amazon_orders):
    modes = Counter()
    for order in amazon_orders:
        for item in order["orderItems"]:
            parts = {each["type"]: total_of(each["subtotal"]) for each in item["proceeds"]["breakdowns"]}
            total = total_of(item["proceeds"]["proceedsTotal"])
            is_additive = sum(parts.values()) == total
            assert is_additive or sum(parts.values()) - parts["TAX"] == total
            modes["additive" if is_additive else "inclusive"] += 1
            details = [each["detailedBreakdowns"] for each in item["proceeds"]["breakdowns"] if each["type"] == "TAX"]
            assert sum(total_of(each["value"]) for each in details[0]) == parts["TAX"]
            unit = total_of(item["product"]["price"]["unitPrice"])
            assert parts["ITEM"] == unit * item["quantityOrdered"]
        items = sum(total_of(item["proceeds"]["proceedsTotal"]) for item in order["orderItems"])
        assert items == total_of(order["proceeds"]["grandTotal"])
    assert min(modes["additive"], modes["inclusive"]) > 100


def test_amazon_quantities_conserve(amazon_orders):
    for order in amazon_orders:
        packed = Counter()
        for package in order.get("packages", ()):
            for item in package["packageItems"]:
                packed[item["orderItemId"]] += item["quantity"]
        for item in order["orderItems"]:
            done, left = item["fulfillment"]["quantityFulfilled"], item["fulfillment"]["quantityUnfulfilled"]
            is_cancelled = "cancellationExecution" in item.get("cancellation", {})
            assert done + left == item["quantityOrdered"] or (is_cancelled and left == 0)
            if order["fulfillment"]["fulfilledBy"] == "MERCHANT":
                assert packed[item["orderItemId"]] == done


def test_amazon_packages_are_the_merchants_only(amazon_orders):
    for order in amazon_orders:
        status, by = order["fulfillment"]["fulfillmentStatus"], order["fulfillment"]["fulfilledBy"]
        assert ("packages" in order) == (by == "MERCHANT" and status in ("SHIPPED", "PARTIALLY_SHIPPED"))


def test_amazon_orders_have_every_shape(amazon_orders):
    statuses = Counter(order["fulfillment"]["fulfillmentStatus"] for order in amazon_orders)
    assert set(statuses) == {
        "PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED", "UNFULFILLABLE",
    }  # fmt: skip
    programs = {program for order in amazon_orders for program in order["programs"]}
    assert programs >= {"PRIME", "AMAZON_BUSINESS", "FBM_SHIP_PLUS", "PREMIUM"}
    types = {part["type"] for o in amazon_orders for part in o["proceeds"]["breakdowns"]}
    assert types == {"ITEM", "SHIPPING", "GIFT_WRAP", "COD_FEE", "DISCOUNT", "TAX"}
    addresses = [order["recipient"]["deliveryAddress"] for order in amazon_orders]
    assert any(each.get("addressType") == "PICKUP_POINT" for each in addresses)
    assert any("deliveryPreference" in order["recipient"] for order in amazon_orders)
    items = [item for order in amazon_orders for item in order["orderItems"]]
    assert any("customization" in item["product"] for item in items)
    assert any("giftOption" in item["fulfillment"].get("packing", {}) for item in items)
    discounts = [part for item in items for part in item["proceeds"]["breakdowns"] if part["type"] == "DISCOUNT"]
    assert any("detailedBreakdowns" in part for part in discounts)
    assert {len(order["orderItems"]) for order in amazon_orders} == {1, 2, 3, 4, 5, 6}
    cancellations = [item["cancellation"] for o in amazon_orders for item in o["orderItems"] if "cancellation" in item]
    assert any("cancellationRequest" in each for each in cancellations)
    assert any("cancellationExecution" in each for each in cancellations)


def test_mirakl_amounts_add_up(mirakl_sandbox):
    for record in mirakl_sandbox.records.values():
        order = record.order
        assert Decimal(str(order["price"])) == sum(Decimal(str(line["price"])) for line in record.lines)
        for line in record.lines:
            left = line["quantity"] - cancelled_quantity(line)
            assert Decimal(str(line["price_unit"])) * left == Decimal(str(line["price"]))
            assert Decimal(str(line["total_price"])) == Decimal(str(line["price"])) + Decimal(
                str(line["shipping_price"])
            )


def test_mirakl_shipments_never_exceed_their_lines(mirakl_sandbox):
    for record in mirakl_sandbox.records.values():
        shipped = Counter()
        for each in record.shipment_ids:
            for line in mirakl_sandbox.shipments[each]["shipment_lines"]:
                shipped[line["order_line_id"]] += line["quantity"]
        for line in record.lines:
            assert shipped[line["order_line_id"]] <= line["quantity"] - (
                cancelled_quantity(line) if record.state == "SHIPPING" else 0
            )


def test_mirakl_orders_have_every_shape(mirakl_sandbox):
    orders = [record.order for record in mirakl_sandbox.records.values()]
    assert len({order["order_state"] for order in orders}) == 11
    lines = [line for order in orders for line in order["order_lines"]]
    assert any(line["cancelations"] for line in lines)
    assert any(line["refunds"] for line in lines)
    assert any(not line["order_line_id"].startswith("C") for line in lines)
    assert any(order["shipping_pudo_id"] for order in orders)
    assert any(line["order_line_additional_fields"] for line in lines)
    assert any(line["shipping_from"]["warehouse"] for line in lines)
    assert {order["order_tax_mode"] for order in orders} == {"TAX_INCLUDED", "TAX_EXCLUDED"}
    countries = {order["customer"]["shipping_address"]["country_iso_code"] for order in orders}
    assert countries == {"FRA", "ESP", "DEU", "ITA", "GBR", None}


def test_update_times_lie_in_the_asked_time(clock):
    sandbox = AmazonSandbox(clock=clock)
    made(sandbox, orders=100, days=2)
    ages = [(clock.now - record.updated).total_seconds() for record in sandbox.records.values()]
    assert min(ages) >= 180
    assert max(ages) <= 2 * 86400 + 181


def test_skus_come_from_the_catalogue(amazon_orders, mirakl_sandbox, tmp_path):
    path = tmp_path / "catalogue.csv"
    assert Catalogue(3).write_csv(path) == 400
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["sku", "gtin", "title", "url"]
    skus = {row["sku"] for row in rows}
    assert {item["product"]["sellerSku"] for order in amazon_orders for item in order["orderItems"]} <= skus
    assert {line["offer_sku"] for record in mirakl_sandbox.records.values() for line in record.lines} <= skus
    assert all(len(row["gtin"]) == 13 for row in rows)


def test_people_have_addresses_of_example_domains_only(amazon_orders, mirakl_sandbox):
    emails = [order["buyer"].get("buyerEmail", "x.example") for order in amazon_orders]
    emails += [record.order["customer_notification_email"] for record in mirakl_sandbox.records.values()]
    assert all(email.endswith(".example") for email in emails)


@pytest.mark.parametrize(
    ("minor_units", "decimals", "text"),
    [(0, 2, "0.00"), (5, 2, "0.05"), (-5, 2, "-0.05"), (123456, 2, "1234.56"), (500, 0, "500"), (-3, 0, "-3")],
)
def test_amounts_are_written_exactly(minor_units, decimals, text):
    assert decimal_text(minor_units, decimals) == text

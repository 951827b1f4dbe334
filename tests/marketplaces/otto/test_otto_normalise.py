"""What an order of OTTO becomes, value by value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest
from msgspec.structs import replace

from orders_pipeline.marketplaces.otto import MARKETPLACE
from orders_pipeline.marketplaces.protocol import Unreadable
from tests.marketplaces.otto.conftest import CHANNEL, make_address, make_item, make_order, money
from warehouse.order_parts import Charge, Package, Tax
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.privacy import without_pii

ANNOUNCED, PROCESSABLE, SENT, RETURNED = "ANNOUNCED", "PROCESSABLE", "SENT", "RETURNED"
BY_PARTNER, BY_MARKETPLACE = "CANCELLED_BY_PARTNER", "CANCELLED_BY_MARKETPLACE"


def codes(order) -> list[str]:
    return [each.code for each in order.problems]


def test_an_order_as_it_is_sent(read):
    order = read()
    assert (order.original_id, order.status, order.marketplace_status, order.fulfilled_by) == (
        "8a1f0c52-0000-4000-8000-00000000000a",
        Status.WAITING_FOR_SHIPMENT,
        PROCESSABLE,
        FulfilledBy.MERCHANT,
    )
    assert order.purchased_at == datetime(2026, 11, 2, 9, 12, 44, 118000, UTC)
    assert order.marketplace_updated_at == datetime(2026, 11, 2, 9, 41, tzinfo=UTC)
    assert order.deliver_by.latest == datetime(2026, 11, 9, 22, 59, 59, tzinfo=UTC)
    assert (order.ship_by, order.currency, order.total, order.tax_total) == (None, "EUR", None, None)
    assert (order.payment.method, order.problems, order.packages) == ("INVOICE_SINGLE", (), ())
    assert order.marketplace_data["orderNumber"] == "bq7x2k9dmf"
    (line,) = order.lines
    assert (line.original_id, line.number, line.sku, line.marketplace_sku) == ("item-1", 1, "LAMP-1", "A0001")
    assert (line.gtin, line.title, line.product_url) == ("4006381333931", "Stehlampe", "https://shop.example/lamp-1")
    assert (line.quantity_ordered, line.quantity_shipped, line.quantity_cancelled) == (1, 0, 0)
    assert (line.line_total, line.source_unit_price, line.unit_price) == (Decimal("49.99"),) * 3
    assert line.taxes == (Tax(code="VAT", rate=Decimal("19.0")),)
    assert (line.bar, line.cancellation, line.marketplace_status) == (None, None, PROCESSABLE)


def test_who_buys_and_where_it_goes(read):
    order = read()
    address = order.shipping_address
    assert (address.name, address.line_1, address.line_2) == ("Anneliese Groß", "Ahornweg 12 b", "Hinterhaus")
    assert (address.postal_code, address.city, address.country_code) == ("01067", "Dresden", "DE")
    assert (address.source_country, address.phone) == ("DEU", "+49 351 5550123")
    assert order.billing_address.name == order.customer.name == "Björn Groß"
    assert order.customer.email == "groß@kunde.example"
    assert order.personal_marketplace_data["deliveryAddress"]["title"] == "Dr."
    assert "title" not in order.marketplace_data.get("deliveryAddress", {})


@pytest.mark.parametrize(("sent", "country"), [("AUT", "AT"), ("CHE", "CH"), ("DE", "DE"), ("deu", "DE")])
def test_countries(read, sent, country):
    assert read(deliveryAddress=make_address(countryCode=sent)).shipping_country_code == country


def test_a_country_that_nobody_knows_is_told_and_costs_no_order(read):
    order = read(deliveryAddress=make_address(countryCode="QQQ"))
    assert (order.shipping_country_code, codes(order)) == (None, ["country_unknown"])


def test_an_invoice_address_alone_gives_its_pseudonym(read):
    order = read(deliveryAddress=None)
    assert (order.customer.email, order.shipping_address.city) == ("p1@pseudonym.example", None)


def test_an_order_that_is_only_announced_has_no_addresses_and_may_not_ship(read):
    order = read(make_item(1, ANNOUNCED, processableDate=None), deliveryAddress=None, invoiceAddress=None)
    assert (order.status, order.may_not_ship_reason, order.problems) == (Status.PENDING, Bar.ORDER_PENDING, ())
    assert (order.customer.name, order.shipping_address.country_code) == (None, None)
    assert (order.lines[0].quantity_remaining_to_ship, order.lines[0].bar) == (1, Bar.LINE_PENDING)


@pytest.mark.parametrize(
    ("states", "status", "said", "shipped", "cancelled"),
    [
        ([ANNOUNCED], Status.PENDING, ANNOUNCED, [0], [0]),
        ([ANNOUNCED, ANNOUNCED, BY_MARKETPLACE], Status.PENDING, ANNOUNCED, [0, 0, 0], [0, 0, 1]),
        ([PROCESSABLE, ANNOUNCED], Status.WAITING_FOR_SHIPMENT, ANNOUNCED, [0, 0], [0, 0]),
        ([PROCESSABLE, BY_PARTNER], Status.WAITING_FOR_SHIPMENT, PROCESSABLE, [0, 0], [0, 1]),
        ([SENT, PROCESSABLE], Status.PARTIALLY_SHIPPED, PROCESSABLE, [1, 0], [0, 0]),
        ([SENT, ANNOUNCED], Status.PARTIALLY_SHIPPED, ANNOUNCED, [1, 0], [0, 0]),
        ([RETURNED, PROCESSABLE], Status.PARTIALLY_SHIPPED, PROCESSABLE, [1, 0], [0, 0]),
        ([SENT], Status.SHIPPED, SENT, [1], [0]),
        ([SENT, RETURNED, BY_MARKETPLACE], Status.SHIPPED, SENT, [1, 1, 0], [0, 0, 1]),
        ([RETURNED], Status.SHIPPED, RETURNED, [1], [0]),
        ([BY_PARTNER], Status.CANCELED, BY_PARTNER, [0], [1]),
        ([BY_MARKETPLACE, BY_PARTNER], Status.CANCELED, BY_PARTNER, [0, 0], [1, 1]),
        (["PAUSED"], Status.UNKNOWN, "PAUSED", [None], [None]),
        (["PAUSED", SENT], Status.UNKNOWN, SENT, [None, 1], [None, 0]),
        (["sent"], Status.SHIPPED, SENT, [1], [0]),
    ],
)
def test_states(read, states, status, said, shipped, cancelled):
    order = read(*(make_item(at, state) for at, state in enumerate(states)))
    assert (order.status, order.marketplace_status) == (status, said)
    assert [line.quantity_shipped for line in order.lines] == shipped
    assert [line.quantity_cancelled for line in order.lines] == cancelled
    assert [line.quantity_ordered for line in order.lines] == [1] * len(states)
    assert codes(order) == (["status_unknown"] if "PAUSED" in states else [])


def test_of_a_mixed_order_only_what_is_released_may_ship(read):
    order = read(make_item(1, ANNOUNCED), make_item(2, PROCESSABLE))
    assert order.may_not_ship_reason is None
    assert [line.may_not_ship_reason for line in order.lines] == [Bar.LINE_PENDING, None]


def test_the_reduced_price_is_what_a_unit_costs(read):
    item = make_item(itemValueReducedGrossPrice=money(44.99), itemValueDiscount=money(5.0))
    order = read(item, initialDiscounts=[discount(5.0, "item-1")])
    (line,) = order.lines
    assert (line.line_total, line.source_unit_price, order.charges) == (Decimal("44.99"), Decimal("49.99"), ())
    assert order.marketplace_data["initialDiscounts"][0]["discountId"] == "d-1"


def discount(amount: float, *names: str) -> dict:
    return {
        "discountAmount": money(amount),
        "discountId": "d-1",
        "discountName": "Herbst",
        "name": "COUPON",
        "positionItemIds": list(names),
        "vatRate": 19.0,
    }


@pytest.mark.parametrize("amount", [5.0, -5.0])
def test_a_discount_that_no_price_holds_is_a_negative_charge(read, amount):
    items = (make_item(1, itemValueReducedGrossPrice=money(44.99)), make_item(2))
    order = read(*items, initialDiscounts=[discount(amount, "item-1", "item-2")])
    assert order.charges == (Charge(code="COUPON", label="Herbst", amount=Decimal("-5.0")),)


def test_delivery_fees_are_shipping(read):
    fees = [
        {"deliveryFeeAmount": money(5.95), "name": "SHIPPING", "positionItemIds": ["item-1"], "vatRate": 19.0},
        {"deliveryFeeAmount": money(25), "name": "FREIGHT_SURCHARGE", "positionItemIds": ["item-1"], "vatRate": 19.0},
    ]
    order = read(initialDeliveryFees=fees)
    assert (order.shipping_total, order.charges) == (Decimal("30.95"), ())
    assert order.lines[0].line_total == Decimal("49.99")
    assert read(initialDeliveryFees=[]).shipping_total == 0
    assert read(initialDeliveryFees=None).shipping_total is None
    unknown = read(initialDeliveryFees=[{"name": "SHIPPING"}])
    assert (unknown.shipping_total, codes(unknown)) == (None, ["amount_missing"])


def test_a_unit_without_a_price_is_told_and_is_no_zero(read):
    order = read(make_item(itemValueGrossPrice=None))
    assert (order.lines[0].line_total, order.currency, codes(order)) == (None, None, ["amount_missing"])


def test_a_unit_that_costs_nothing_costs_nothing(read):
    order = read(make_item(itemValueReducedGrossPrice=money(0)))
    assert (order.lines[0].line_total, order.problems) == (Decimal(0), ())


def test_a_second_currency_is_told(read):
    order = read(make_item(1), make_item(2, itemValueGrossPrice=money(1, "CHF")))
    assert (order.currency, codes(order)) == ("EUR", ["mixed_currencies"])


def test_cancelled_units_say_who_and_why(read):
    reason = {"cancellationReason": "CANCELLED_ON_CUSTOMER_WISH"}
    order = read(make_item(1, BY_MARKETPLACE, **reason), make_item(2, SENT))
    cancellation = order.lines[0].cancellation
    assert (cancellation.executed_by, cancellation.execution_reason) == ("MARKETPLACE", "CANCELLED_ON_CUSTOMER_WISH")
    assert (cancellation.requested_by, order.cancellation, order.has_cancellation_request) == (None, None, False)
    assert (order.lines[0].line_total, order.lines[0].kept_total) == (Decimal("49.99"), Decimal(0))
    whole = read(make_item(1, BY_PARTNER, **reason), make_item(2, BY_PARTNER, **reason))
    assert (whole.cancellation.executed_by, whole.cancellation.execution_reason) == (
        "SELLER",
        reason["cancellationReason"],
    )


def test_units_of_one_number_are_one_package(read):
    hermes = {"carrier": "HERMES", "carrierServiceCode": "X", "trackingNumber": "H1"}
    order = read(
        make_item(1, SENT, trackingInfo=hermes),
        make_item(2, RETURNED, trackingInfo=hermes),
        make_item(3, SENT, trackingInfo={"carrier": "DHL", "trackingNumber": "D1"}),
        make_item(4, PROCESSABLE, trackingInfo=hermes),
        make_item(5, SENT, trackingInfo=None),
    )
    assert order.packages == (
        Package(carriers=("HERMES",), tracking_number="H1", quantities=(("item-1", 1), ("item-2", 1))),
        Package(carriers=("DHL",), tracking_number="D1", quantities=(("item-3", 1),)),
    )


def test_the_promise_of_a_cancelled_unit_counts_no_more(read):
    early = make_item(1, BY_PARTNER, expectedDeliveryDate="2026-11-03T00:00:00.000+0000")
    order = read(early, make_item(2), make_item(3, expectedDeliveryDate="2026-11-20T00:00:00.000+0000"))
    assert order.deliver_by.latest == datetime(2026, 11, 9, 22, 59, 59, tzinfo=UTC)


def test_unknown_members_are_kept(read):
    order = read(make_item(weeePickup=True, dealName="Deal", novelty={"a": 1}), suspectedFraudCase=True, novelty=[1])
    assert order.problems == ()
    assert order.marketplace_data["suspectedFraudCase"] is True
    assert order.marketplace_data["novelty"] == [1]
    assert order.marketplace_data["positionItems"][0]["dealName"] == "Deal"
    assert order.marketplace_data["positionItems"][0]["product"]["dimensions"][0]["value"] == "Messing"


@pytest.mark.parametrize("sent", [[], None])
def test_an_order_without_units_is_kept(read, sent):
    order = read(positionItems=sent)
    assert (order.status, codes(order)) == (Status.UNKNOWN, ["no_lines"])


def test_a_gtin_with_a_wrong_digit_is_told(read):
    item = make_item()
    item["product"]["ean"] = "4006381333932"
    order = read(item)
    assert (order.lines[0].gtin, codes(order)) == ("4006381333932", ["gtin_invalid"])


@pytest.mark.parametrize(
    ("changed", "code", "path"),
    [
        ({"salesOrderId": None}, "missing", "$.salesOrderId"),
        ({"orderDate": None}, "missing", "$.orderDate"),
        ({"orderDate": "soon"}, "not_a_time", "$.orderDate"),
        ({"positionItems": {}}, "wrong_type", "$.positionItems"),
        ({"positionItems": [make_item(), make_item()]}, "duplicate_line", "$.positionItems"),
        ({"positionItems": [make_item(positionItemId=None)]}, "missing", "$.positionItems[0].positionItemId"),
        (
            {"positionItems": [make_item(itemValueGrossPrice=money("x"))]},
            "not_a_number",
            "$.positionItems[0].itemValueGrossPrice.amount",
        ),
    ],
)
def test_what_is_no_order_is_refused_with_its_path(read, changed, code, path):
    with pytest.raises(Unreadable) as refused:
        read(**changed)
    assert (refused.value.code, refused.value.path) == (code, path)


def test_what_only_describes_an_order_costs_none(read):
    item = make_item(expectedDeliveryDate="soon", trackingInfo=7)
    order = read(item, lastModifiedDate={}, payment={"paymentMethod": []})
    assert (order.deliver_by.latest, order.payment.method) == (None, None)
    assert set(codes(order)) == {"member_unreadable"}


def test_after_the_purge_the_country_is_known_still(read):
    bare = MARKETPLACE.normalise(without_pii(make_order(), MARKETPLACE.pii_paths), CHANNEL)[0]
    assert (bare.shipping_address.name, bare.customer.email) == (None, None)
    assert (bare.shipping_address.city, bare.shipping_country_code) == ("Dresden", "DE")
    assert replace(bare, personal_marketplace_data=None).lines == read().lines


class TestDocuments:
    """Orders in payload files."""

    @pytest.mark.parametrize(
        "wrapped",
        [
            lambda order: order,
            lambda order: [order],
            lambda order: {"resources": [order], "links": []},
            lambda order: {"response": {"resources": [order]}},
            lambda order: [{"resources": [order]}, {"resources": []}],
        ],
    )
    def test_every_form(self, wrapped):
        (raw,) = MARKETPLACE.documents(orjson.dumps(wrapped(make_order())))
        assert raw.original_id == "8a1f0c52-0000-4000-8000-00000000000a"
        assert orjson.loads(raw.body) == make_order()

    def test_an_error_is_no_orders(self):
        with pytest.raises(Unreadable) as refused:
            MARKETPLACE.documents(b'{"errors": [{"title": "x"}]}')
        assert refused.value.code == "no_order"

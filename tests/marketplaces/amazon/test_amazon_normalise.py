"""Reading one Amazon order: every mapping rule, what becomes a problem, and what is refused with its path."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orders_pipeline.marketplaces.amazon.normalise import normalise
from orders_pipeline.marketplaces.protocol import Unreadable
from warehouse.documents import preview
from warehouse.order_checks import unexplained
from warehouse.order_parts import (
    Address,
    Cancellation,
    Charge,
    Customer,
    DeliveryPoint,
    Gift,
    Payment,
    References,
    RelatedOrder,
    Tax,
)
from warehouse.order_states import Bar, FulfilledBy, Status


def eur(amount):
    return {"amount": amount, "currencyCode": "EUR"}


def part(kind, amount, **details):
    breakdown = {"type": kind, "subtotal": eur(amount)}
    if details:
        breakdown["detailedBreakdowns"] = [{"subtype": name, "value": eur(value)} for name, value in details.items()]
    return breakdown


def proceeds(total, *breakdowns):
    sent = {} if total is None else {"proceedsTotal": eur(total)}
    return {**sent, "breakdowns": list(breakdowns)} if breakdowns else sent


@pytest.fixture
def read(channel):
    def _read(payload):
        (order,) = normalise(payload, channel)
        return order

    return _read


@pytest.fixture
def read_item(read, an_order, an_item):
    """Read the only item of an order, whose total is the item's; returns its line and the order."""

    def _read(status="UNSHIPPED", **changes):
        item = an_item(**changes)
        total = item.get("proceeds", {}).get("proceedsTotal")
        whole = {"grandTotal": total} if total else ...
        order = read(an_order(orderItems=[item], proceeds=whole, fulfillment={"fulfillmentStatus": status}))
        return order.lines[0], order

    return _read


def codes(order):
    return [problem.code for problem in order.problems]


def test_a_whole_order_is_read(read, an_order):
    order = read(an_order())
    assert order.original_id == "408-1112223-4445556"
    assert (order.channel, order.marketplace) == ("amazon_fr", "Amazon FR")
    assert (order.status, order.marketplace_status) == (Status.WAITING_FOR_SHIPMENT, "UNSHIPPED")
    assert order.fulfilled_by is FulfilledBy.MERCHANT
    assert order.purchased_at == datetime(2026, 11, 2, 8, 15, 30, 250_000, tzinfo=UTC)
    assert order.marketplace_updated_at == datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert order.ship_by == datetime(2026, 11, 4, 22, 59, 59, tzinfo=UTC)
    assert (order.currency, order.total) == ("EUR", Decimal("53.90"))
    assert (order.shipping_total, order.tax_total) == (Decimal("4.90"), None)
    assert order.payment == Payment(method="CreditCard, GiftCard")
    assert (order.is_business, order.programs, order.cancellation) == (False, ("PRIME",), None)
    assert order.customer == Customer(
        name="Camille Durand", email="x1y2@marketplace.example", phone="+33 2 00 00 00 00", company="Durand SARL"
    )
    assert order.shipping_address == Address(
        name="C. Durand",
        company="Atelier Durand",
        line_1="12 rue des Lilas",
        line_2="Bât. B",
        postal_code="44000",
        city="Nantes",
        state="Loire-Atlantique",
        country_code="FR",
        source_country="fr",
        phone="+33 2 00 00 00 00",
    )
    assert order.billing_address == Address()
    assert order.problems == ()
    (line,) = order.lines
    assert (line.original_id, line.number, line.sku, line.gtin) == ("70010000000001", 1, "TEAPOT-08", None)
    assert line.title == "Théière en fonte 0,8 l"
    assert line.product_url == "https://www.amazon.fr/dp/B0MADEUP01"
    assert (line.quantity_ordered, line.quantity_shipped, line.quantity_cancelled) == (2, 0, 0)
    assert (line.source_unit_price, line.line_total) == (Decimal("24.50"), Decimal("49.00"))
    assert (line.marketplace_status, line.cancellation) == (None, None)


@pytest.mark.parametrize(
    ("word", "status", "problems"),
    [
        ("PENDING_AVAILABILITY", Status.PENDING, []),
        ("PENDING", Status.PENDING, []),
        ("UNSHIPPED", Status.WAITING_FOR_SHIPMENT, []),
        ("PARTIALLY_SHIPPED", Status.PARTIALLY_SHIPPED, []),
        ("SHIPPED", Status.SHIPPED, []),
        ("INVOICE_UNCONFIRMED", Status.SHIPPED, []),
        ("CANCELLED", Status.CANCELED, []),
        ("CANCELED", Status.CANCELED, []),
        ("UNFULFILLABLE", Status.UNKNOWN, []),
        ("PendingAvailability", Status.PENDING, []),
        ("Unshipped", Status.WAITING_FOR_SHIPMENT, []),
        ("PartiallyShipped", Status.PARTIALLY_SHIPPED, []),
        ("InvoiceUnconfirmed", Status.SHIPPED, []),
        ("Canceled", Status.CANCELED, []),
        ("ON_THE_MOON", Status.UNKNOWN, ["status_unknown"]),
    ],
)
def test_every_status_is_mapped_and_its_word_kept(read, an_order, an_item, word, status, problems):
    item = an_item(fulfillment=quantities(2, 0)) if status is Status.SHIPPED else an_item()
    order = read(an_order(fulfillment={"fulfillmentStatus": word, "fulfilledBy": "MERCHANT"}, orderItems=[item]))
    assert (order.status, order.marketplace_status, codes(order)) == (status, word, problems)


@pytest.mark.parametrize(
    ("fulfillment", "path"),
    [
        (..., "$.fulfillment"),
        (None, "$.fulfillment"),
        ({"fulfilledBy": "MERCHANT"}, "$.fulfillment.fulfillmentStatus"),
    ],
)
def test_no_status_is_unknown_and_a_problem(read, an_order, fulfillment, path):
    order = read(an_order(fulfillment=fulfillment))
    assert (order.status, order.marketplace_status) == (Status.UNKNOWN, None)
    assert [(each.code, each.path) for each in order.problems] == [("status_missing", path)]


@pytest.mark.parametrize(
    ("word", "expected", "problems"),
    [
        ("AMAZON", FulfilledBy.MARKETPLACE, []),
        ("AFN", FulfilledBy.MARKETPLACE, []),
        ("MERCHANT", FulfilledBy.MERCHANT, []),
        ("MFN", FulfilledBy.MERCHANT, []),
        (None, None, []),
        ("ROBOTS", None, ["fulfilled_by_unknown"]),
    ],
)
def test_who_fulfils(read, an_order, word, expected, problems):
    order = read(an_order(fulfillment={"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": word}))
    assert (order.fulfilled_by, codes(order)) == (expected, problems)


def test_the_recipients_name_stands_in_for_a_missing_buyer(read, an_order):
    order = read(an_order(buyer=...))
    assert order.customer == Customer(name="C. Durand", phone="+33 2 00 00 00 00")


def test_an_order_without_the_role_for_personal_data_has_none(read, an_order):
    order = read(an_order(buyer=..., recipient=...))
    assert (order.customer, order.shipping_address, order.problems) == (Customer(), Address(), ())


@pytest.mark.parametrize(
    ("sent", "city"),
    [
        ({"city": "Nantes", "municipality": "Rezé"}, "Nantes"),
        ({"city": "", "municipality": "Rezé", "districtOrCounty": "Sud"}, "Rezé"),
        ({"districtOrCounty": "Sud"}, "Sud"),
        ({"stateOrRegion": "Loire"}, None),
    ],
)
def test_a_missing_city_falls_back_to_the_next_larger_place(read, an_order, sent, city):
    assert read(an_order(recipient={"deliveryAddress": sent})).shipping_address.city == city


@pytest.mark.parametrize(
    ("sent", "code", "problems"),
    [
        ("DE", "DE", []),
        ("gb", "GB", []),
        ("", None, []),
        ("ZZ", None, ["country_unknown"]),
        ("FRA", "FR", []),
        ("UK", "GB", []),
        ("EL", "GR", []),
        ("XI", "GB", []),
    ],
)
def test_the_country_is_an_iso_code_or_a_problem(read, an_order, sent, code, problems):
    order = read(an_order(recipient={"deliveryAddress": {"countryCode": sent}}))
    assert (order.shipping_address.country_code, codes(order)) == (code, problems)
    assert order.shipping_address.source_country == (sent or None)


@pytest.mark.parametrize(
    ("order_level", "item_level", "shipping", "tax"),
    [
        (
            [part("SHIPPING", "4.90"), part("TAX", "1.00"), part("TAX", "0.50")],
            [part("SHIPPING", "9.99")],
            "9.99",
            "1.50",
        ),
        (
            [part("ITEM", "10.00")],
            [part("ITEM", "16.40"), part("SHIPPING", "3.00"), part("TAX", "0.60")],
            "3.00",
            "0.60",
        ),
        ([part("SHIPPING", "4.90")], [part("ITEM", "10.00")], "4.90", None),
        ([], [part("ITEM", "10.00")], None, None),
    ],
)
def test_shipping_comes_from_the_items_else_from_the_order_and_taxes_the_other_way_round(
    read, an_order, an_item, order_level, item_level, shipping, tax
):
    item = an_item(proceeds={"proceedsTotal": eur("20.00"), "breakdowns": item_level})
    order = read(an_order(proceeds={"grandTotal": eur("20.00"), "breakdowns": order_level}, orderItems=[item]))
    assert order.shipping_total == (None if shipping is None else Decimal(shipping))
    assert order.tax_total == (None if tax is None else Decimal(tax))


def test_item_totals_are_summed_over_all_items(read, an_order, an_item):
    items = [an_item(orderItemId=str(n), proceeds=proceeds(None, part("SHIPPING", "2.50"))) for n in (1, 2)]
    assert read(an_order(proceeds=..., orderItems=items)).shipping_total == Decimal("5.00")


@pytest.mark.parametrize("total", [None, eur("0.00"), eur("0")])
@pytest.mark.parametrize("status", ["PENDING", "PENDING_AVAILABILITY"])
def test_a_pending_order_has_no_price_rather_than_a_price_of_0(read, an_order, an_item, status, total):
    zero = proceeds("0.00", part("ITEM", "0.00"), part("TAX", "0.00"), part("SHIPPING", "0"))
    item = an_item(proceeds=zero, product={"price": {"unitPrice": eur("0.00")}})
    order = read(an_order(fulfillment={"fulfillmentStatus": status}, proceeds={"grandTotal": total}, orderItems=[item]))
    line = order.lines[0]
    assert (order.total, order.shipping_total, order.tax_total) == (None, None, None)
    assert (line.line_total, line.source_unit_price, line.unit_price, line.taxes) == (None, None, None, ())


def test_a_pending_order_with_a_price_keeps_it(read, an_order):
    order = read(an_order(fulfillment={"fulfillmentStatus": "PENDING"}))
    assert (order.total, order.lines[0].line_total) == (Decimal("53.90"), Decimal("49.00"))


@pytest.mark.parametrize(
    ("sent", "line_total", "problems"),
    [
        pytest.param(proceeds("12.00", part("ITEM", "10.00"), part("TAX", "2.00")), "12.00", [], id="tax on top"),
        pytest.param(proceeds("12.00", part("ITEM", "12.00"), part("TAX", "2.00")), "12.00", [], id="tax within"),
        pytest.param(proceeds("12.00", part("ITEM", "12.00")), "12.00", [], id="no tax"),
        pytest.param(proceeds("12.00", part("ITEM", "12.00"), part("TAX", "0.00")), "12.00", [], id="tax of 0"),
        pytest.param(
            proceeds(
                "18.00",
                part("ITEM", "10.00"),
                part("SHIPPING", "5.00"),
                part("TAX", "3.00", ITEM="2.00", SHIPPING="1.00"),
            ),
            "12.00",
            [],
            id="only the goods' part of the tax on top",
        ),
        pytest.param(
            proceeds("18.00", part("ITEM", "10.00"), part("SHIPPING", "5.00"), part("TAX", "3.00")),
            "13.00",
            [],
            id="a tax without details is the goods'",
        ),
        pytest.param(
            proceeds("6.00", part("SHIPPING", "5.00"), part("ITEM", "0.00"), part("TAX", "1.00", SHIPPING="1.00")),
            "0.00",
            [],
            id="a tax on shipping alone is not the goods'",
        ),
        pytest.param(
            proceeds(
                "10.80",
                part("ITEM", "10.00"),
                part("DISCOUNT", "-1.00"),
                part("TAX", "1.80", ITEM="2.00", DISCOUNT="-0.20"),
            ),
            "10.80",
            [],
            id="discount and the tax on it",
        ),
        pytest.param(
            proceeds(
                "9.00",
                part("ITEM", "10.00"),
                part("SHIPPING", "2.00"),
                part("DISCOUNT", "-3.00", ITEM="-1.00", SHIPPING="-2.00"),
            ),
            "9.00",
            [],
            id="only the goods' part of a discount",
        ),
        pytest.param(
            proceeds("9.00", part("ITEM", "10.00"), part("DISCOUNT", "1.00")),
            "9.00",
            [],
            id="a discount without a minus",
        ),
        pytest.param(
            proceeds(
                "19.00",
                part("ITEM", "10.00"),
                part("GIFT_WRAP", "4.00"),
                part("COD_FEE", "3.00"),
                part("OTHER", "2.00"),
            ),
            "10.00",
            [],
            id="wrapping and fees are not the goods",
        ),
        pytest.param(
            proceeds("99.00", part("ITEM", "10.00"), part("TAX", "2.00")),
            None,
            ["amount_ambiguous", "total_mismatch"],
            id="adds up to nothing",
        ),
        pytest.param(
            proceeds(None, part("ITEM", "10.00"), part("TAX", "2.00")),
            None,
            ["amount_ambiguous"],
            id="tax but no total",
        ),
        pytest.param(proceeds(None, part("ITEM", "10.00")), "10.00", ["total_missing"], id="neither tax nor total"),
        pytest.param(proceeds("5.00", part("SHIPPING", "5.00")), None, [], id="breakdowns without the goods"),
        pytest.param(proceeds("12.00"), "12.00", [], id="only a total"),
        pytest.param({}, None, [], id="nothing"),
        pytest.param(..., None, [], id="no proceeds"),
    ],
)
def test_line_total_is_decided_by_arithmetic(read_item, sent, line_total, problems):
    line, order = read_item(proceeds=sent)
    assert line.line_total == (None if line_total is None else Decimal(line_total))
    assert codes(order) == problems
    paths = {"amount_ambiguous": "$.orderItems[0].proceeds"}
    assert all(each.path == paths.get(each.code, "$.proceeds.grandTotal") for each in order.problems)


def test_a_price_is_not_invented_from_unit_price_and_quantity(read_item):
    line, _ = read_item(proceeds=...)
    assert (line.source_unit_price, line.line_total, line.unit_price) == (Decimal("24.50"), None, None)


def test_taxes_are_listed_as_stated(read_item):
    sent = proceeds(
        "18.00", part("ITEM", "15.00"), part("TAX", "3.00", ITEM="2.50", SHIPPING="0.50"), part("TAX", "0.00")
    )
    line, _ = read_item(proceeds=sent)
    assert line.taxes == (
        Tax(code="ITEM", amount=Decimal("2.50")),
        Tax(code="SHIPPING", amount=Decimal("0.50")),
        Tax(code="TAX", amount=Decimal("0.00")),
    )


@pytest.mark.parametrize(
    ("grand_total", "currency", "problems"),
    [
        (eur("53.90"), "EUR", []),
        (None, "EUR", ["total_missing"]),
        ({"amount": "53.90", "currencyCode": "eur"}, "EUR", []),
        ({"amount": "53.90", "currencyCode": "SEK"}, "SEK", ["mixed_currencies"]),
        ({"amount": "53.90", "currencyCode": "€"}, "EUR", ["currency_unknown"]),
        ({"amount": "53.90"}, "EUR", []),
    ],
)
def test_the_currency_is_the_totals_else_the_first_one_found(read, an_order, grand_total, currency, problems):
    order = read(an_order(proceeds={"grandTotal": grand_total}))
    assert (order.currency, codes(order)) == (currency, problems)


def test_an_amount_without_any_currency_is_a_problem(read, an_order):
    order = read(
        an_order(proceeds={"grandTotal": {"amount": "5"}}, orderItems=[{"orderItemId": "1", "quantityOrdered": 1}])
    )
    assert (order.currency, order.total, codes(order)) == (None, Decimal(5), ["currency_missing", "total_mismatch"])


def quantities(fulfilled=..., unfulfilled=...):
    sent = {"quantityFulfilled": fulfilled, "quantityUnfulfilled": unfulfilled}
    return {key: value for key, value in sent.items() if value is not ...}


EXECUTED = {"cancellationExecution": {"cancelledBy": "MERCHANT", "cancelReason": "NO_INVENTORY"}}


@pytest.mark.parametrize(
    ("status", "ordered", "fulfillment", "cancellation", "expected", "problems"),
    [
        pytest.param("UNSHIPPED", 3, quantities(1, 2), None, (1, 0, 2), [], id="both sent"),
        pytest.param("PARTIALLY_SHIPPED", 5, quantities(2, 1), None, (2, 2, 1), [], id="the rest was cancelled"),
        pytest.param("SHIPPED", 3, quantities(2, 0), None, (2, 1, 0), [], id="shipped without the cancelled"),
        pytest.param("PENDING", 3, ..., None, (0, 0, 3), [], id="pending: nothing shipped"),
        pytest.param("UNSHIPPED", 3, ..., None, (0, 0, 3), [], id="unshipped: nothing shipped"),
        pytest.param("CANCELLED", 3, ..., None, (0, 3, 0), [], id="cancelled: all of it"),
        pytest.param(
            "CANCELLED",
            3,
            quantities(1, 0),
            None,
            (1, 2, 0),
            ["state_contradiction"],
            id="cancelled after a part was shipped",
        ),
        pytest.param("CANCELLED", 0, quantities(0, 0), None, (0, 0, 0), [], id="cancelled lines may say 0"),
        pytest.param("SHIPPED", 3, ..., None, (3, 0, 0), [], id="shipped: all of it"),
        pytest.param("SHIPPED", 3, ..., EXECUTED, (None, None, None), ["quantity_unknown"], id="shipped or cancelled"),
        pytest.param(
            "PARTIALLY_SHIPPED", 3, ..., None, (None, 0, None), ["quantity_unknown"], id="nobody knows how many"
        ),
        pytest.param("UNFULFILLABLE", 3, ..., None, (None, 0, None), ["quantity_unknown"], id="unknown status"),
        pytest.param(
            "UNSHIPPED",
            3,
            quantities(1),
            EXECUTED,
            (1, 2, 0),
            ["state_contradiction"],
            id="executed, nothing said of the rest",
        ),
        pytest.param("UNSHIPPED", 3, ..., EXECUTED, (0, 3, 0), ["state_contradiction"], id="executed, no quantities"),
        pytest.param(
            "UNSHIPPED",
            3,
            quantities(0, 3),
            EXECUTED,
            (0, 0, 3),
            ["quantity_unclear"],
            id="executed, but all still to be shipped",
        ),
        pytest.param(
            "UNSHIPPED", 2, quantities(0, 2), EXECUTED, (0, 0, 2), [], id="executed, and the price is net of it"
        ),
        pytest.param(
            "SHIPPED", 3, quantities(1, 2), None, (1, 0, 2), ["state_contradiction"], id="shipped, but not all"
        ),
        pytest.param(
            "UNSHIPPED", 3, quantities(1, 4), None, (1, 0, 2), ["quantity_conservation"], id="parts above ordered"
        ),
    ],
)
def test_quantities(read_item, status, ordered, fulfillment, cancellation, expected, problems):
    line, order = read_item(
        status=status, quantityOrdered=ordered, fulfillment=fulfillment, cancellation=cancellation or ...
    )
    assert line.quantity_ordered == ordered
    assert (line.quantity_shipped, line.quantity_cancelled, line.quantity_remaining_to_ship) == expected
    assert codes(order) == problems


def test_more_shipped_than_ordered_counts_as_ordered(read_item):
    line, order = read_item(status="SHIPPED", quantityOrdered=3, fulfillment=quantities(4, 0))
    assert (line.quantity_ordered, line.quantity_shipped, line.quantity_remaining_to_ship) == (4, 4, 0)
    assert codes(order) == ["quantity_conservation"]


def test_cancellations_are_kept_per_line(read, an_order, an_item):
    asked = {"cancellationRequest": {"requester": "BUYER", "cancelReason": "Ordered twice"}}
    items = [
        an_item(orderItemId="1"),
        an_item(orderItemId="2", cancellation=asked),
        an_item(orderItemId="3", cancellation=EXECUTED),
        an_item(orderItemId="4", cancellation={"cancellationRequest": {}}),
    ]
    order = read(an_order(orderItems=items))
    assert [line.cancellation for line in order.lines] == [
        None,
        Cancellation(requested_by="BUYER", request_reason="Ordered twice"),
        Cancellation(executed_by="MERCHANT", execution_reason="NO_INVENTORY"),
        None,
    ]
    assert order.cancellation is None
    assert order.status is Status.WAITING_FOR_SHIPMENT


def test_what_holds_for_every_line_is_a_fact_of_the_order(read, an_order, an_item):
    asked = {"cancellationRequest": {"requester": "BUYER", "cancelReason": "Ordered twice"}}
    other = {"cancellationRequest": {"requester": "BUYER", "cancelReason": "Too late"}}
    items = [an_item(orderItemId="1", cancellation=asked), an_item(orderItemId="2", cancellation=other)]
    assert read(an_order(orderItems=items)).cancellation == Cancellation(requested_by="BUYER")
    assert read(an_order(orderItems=items[:1])).cancellation == Cancellation(
        requested_by="BUYER", request_reason="Ordered twice"
    )


def test_a_line_that_was_cancelled_before_it_left_is_no_fact_of_its_order(read, an_order, an_item):
    gone = an_item(
        orderItemId="2",
        quantityOrdered=0,
        fulfillment=quantities(0, 0),
        cancellation={"cancellationExecution": {"cancelledBy": "BUYER", "cancelReason": "Changed plans"}},
    )
    order = read(an_order(orderItems=[an_item(orderItemId="1"), gone]))
    assert (order.status, order.cancellation, order.may_not_ship_reason) == (Status.WAITING_FOR_SHIPMENT, None, None)
    assert [line.quantity_remaining_to_ship for line in order.lines] == [2, 0]
    assert order.lines[1].cancellation == Cancellation(executed_by="BUYER", execution_reason="Changed plans")


def test_what_cannot_be_fulfilled_may_not_ship(read, an_order):
    order = read(an_order(fulfillment={"fulfillmentStatus": "UNFULFILLABLE", "fulfilledBy": "MERCHANT"}))
    assert (order.status, order.may_not_ship_reason) == (Status.UNKNOWN, Bar.NOT_SHIPPABLE)


def test_a_business_order_is_told_by_its_program(read, an_order):
    order = read(an_order(programs=["AMAZON_BUSINESS", "PRIME"]))
    assert (order.is_business, order.programs) == (True, ("AMAZON_BUSINESS", "PRIME"))


def test_payment_methods_are_named_once_each(read, an_order):
    methods = [{"paymentMethod": "Invoice"}, {}, {"paymentMethod": "Invoice"}, {"paymentMethod": "Pix"}]
    assert read(an_order(payment={"paymentExecutions": methods})).payment.method == "Invoice, Pix"
    assert read(an_order(payment=...)).payment == Payment()


@pytest.mark.parametrize(
    ("marketplace_id", "asin", "url"),
    [
        ("A1F83G8C2ARO7P", "B0MADEUP01", "https://www.amazon.co.uk/dp/B0MADEUP01"),
        ("A1VC38T7YXB528", "B0MADEUP01", "https://www.amazon.co.jp/dp/B0MADEUP01"),
        ("NOT-A-SITE", "B0MADEUP01", None),
        (None, "B0MADEUP01", None),
        ("A13V1IB3VIYZZH", None, None),
        ("A13V1IB3VIYZZH", "../../x?y=", None),
    ],
)
def test_a_product_page_is_linked_where_the_site_is_known(read, an_order, an_item, marketplace_id, asin, url):
    item = an_item(product={"asin": asin})
    order = read(an_order(salesChannel={"channelName": "AMAZON", "marketplaceId": marketplace_id}, orderItems=[item]))
    assert order.lines[0].product_url == url


def test_lines_are_numbered_in_the_order_sent(read, an_order, an_item):
    order = read(an_order(orderItems=[an_item(orderItemId="9"), an_item(orderItemId="3")]))
    assert [(line.number, line.original_id) for line in order.lines] == [(1, "9"), (2, "3")]


def test_an_order_without_lines_is_kept_with_a_problem(read, an_order):
    order = read(an_order(orderItems=[]))
    assert (order.lines, codes(order)) == ((), ["no_lines", "total_mismatch"])


def test_unknown_members_and_values_do_no_harm(read, an_order, an_item):
    item = an_item(novelty={"deep": [1, 2]}, proceeds=proceeds("11.00", part("ITEM", "10.00"), part("NOVELTY", "1.00")))
    order = read(an_order(novelty=[{}], orderItems=[item], proceeds={"grandTotal": eur("11.00")}))
    assert (order.lines[0].line_total, order.problems) == (Decimal("10.00"), ())
    assert order.charges == (Charge(code="NOVELTY", label="Novelty", amount=Decimal("1.00")),)


def test_shipping_that_was_given_away_costs_nothing(read_item):
    sent = proceeds(
        "20.00", part("ITEM", "20.00"), part("SHIPPING", "5.99"), part("DISCOUNT", "-5.99", SHIPPING="-5.99")
    )
    line, order = read_item(proceeds=sent)
    assert (line.line_total, order.shipping_total, order.problems) == (Decimal("20.00"), Decimal("0.00"), ())


def test_shipping_is_in_the_tax_mode_of_the_lines(read_item):
    sent = proceeds(
        "26.30",
        part("ITEM", "20.00"),
        part("SHIPPING", "5.00"),
        part("DISCOUNT", "-1.00", SHIPPING="-1.00"),
        part("TAX", "2.30", ITEM="2.00", SHIPPING="0.40", DISCOUNT="-0.10"),
    )
    line, order = read_item(proceeds=sent)
    assert (line.line_total, order.shipping_total) == (Decimal("22.00"), Decimal("4.30"))
    assert (unexplained(order), order.problems) == (0, ())


def test_every_other_part_of_the_total_is_a_named_charge(read_item):
    sent = proceeds(
        "48.80",
        part("ITEM", "30.00"),
        part("GIFT_WRAP", "5.00"),
        part("COD_FEE", "4.00"),
        part("OTHER", "0.00"),
        part("TAX", "9.80", ITEM="6.00", GIFT_WRAP="1.00", COD_FEE="2.80"),
    )
    _, order = read_item(proceeds=sent)
    assert order.charges == (
        Charge(code="GIFT_WRAP", label="Gift wrap", amount=Decimal("6.00"), tax=Decimal("1.00")),
        Charge(code="COD_FEE", label="Cash on delivery", amount=Decimal("6.80"), tax=Decimal("2.80")),
    )
    assert (unexplained(order), order.problems) == (0, ())


def test_a_charge_of_several_items_is_one(read, an_order, an_item):
    items = [
        an_item(orderItemId=str(n), proceeds=proceeds("9.00", part("ITEM", "8.00"), part("GIFT_WRAP", "1.00")))
        for n in (1, 2)
    ]
    order = read(an_order(orderItems=items, proceeds={"grandTotal": eur("18.00")}))
    assert [(each.code, each.amount) for each in order.charges] == [("GIFT_WRAP", Decimal("2.00"))]


@pytest.mark.parametrize(("total", "charges"), [("14.00", ["DELIVERY_TIP"]), ("12.00", [])])
def test_a_charge_that_only_the_order_names_counts_when_the_total_has_it(read, an_order, an_item, total, charges):
    item = an_item(proceeds=proceeds("12.00", part("ITEM", "12.00")))
    whole = {"grandTotal": eur(total), "breakdowns": [part("ITEM", "12.00"), part("DELIVERY_TIP", "2.00")]}
    order = read(an_order(orderItems=[item], proceeds=whole))
    assert ([each.code for each in order.charges], order.problems) == (charges, ())


def test_an_only_item_without_breakdowns_has_those_of_the_order(read, an_order, an_item):
    item = an_item(proceeds=proceeds("17.00"))
    whole = {"grandTotal": eur("17.00"), "breakdowns": [part("ITEM", "12.00"), part("SHIPPING", "5.00")]}
    order = read(an_order(orderItems=[item], proceeds=whole))
    assert (order.lines[0].line_total, order.shipping_total, order.problems) == (Decimal("12.00"), Decimal("5.00"), ())


def test_items_of_which_only_the_order_knows_the_shipping_have_no_price(read, an_order, an_item):
    items = [an_item(orderItemId=str(n), proceeds=proceeds("17.00")) for n in (1, 2)]
    whole = {"grandTotal": eur("34.00"), "breakdowns": [part("ITEM", "24.00"), part("SHIPPING", "10.00")]}
    order = read(an_order(orderItems=items, proceeds=whole))
    assert [line.line_total for line in order.lines] == [None, None]
    assert codes(order) == ["amount_ambiguous", "amount_ambiguous", "total_mismatch"]


def test_an_item_without_a_total_has_the_tax_mode_of_the_order(read, an_order, an_item):
    item = an_item(proceeds=proceeds(None, part("ITEM", "10.00"), part("TAX", "2.00")))
    whole = {"grandTotal": eur("12.00"), "breakdowns": [part("ITEM", "10.00"), part("TAX", "2.00")]}
    order = read(an_order(orderItems=[item], proceeds=whole))
    assert (order.lines[0].line_total, order.problems) == (Decimal("12.00"), ())


def test_a_total_that_does_not_add_up_tells_the_difference(read, an_order):
    order = read(an_order(proceeds={"grandTotal": eur("50.00")}))
    assert [(each.code, each.path) for each in order.problems] == [("total_mismatch", "$.proceeds.grandTotal")]
    assert order.problems[0].message == "the total of 50.00 is -3.90 from lines, shipping and charges"


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"orderId": ...}, "missing", "$.orderId"),
        ({"orderId": ""}, "missing", "$.orderId"),
        ({"createdTime": ...}, "missing", "$.createdTime"),
        ({"lastUpdatedTime": None}, "missing", "$.lastUpdatedTime"),
        ({"createdTime": "yesterday"}, "not_a_time", "$.createdTime"),
        ({"orderItems": ...}, "missing", "$.orderItems"),
        ({"orderItems": {}}, "wrong_type", "$.orderItems"),
        ({"orderItems": ["x"]}, "wrong_type", "$.orderItems[0]"),
        ({"buyer": "Camille"}, "wrong_type", "$.buyer"),
        ({"recipient": {"deliveryAddress": {"city": ["x"]}}}, "wrong_type", "$.recipient.deliveryAddress.city"),
        ({"proceeds": {"grandTotal": {"amount": "12,50"}}}, "not_a_number", "$.proceeds.grandTotal.amount"),
        (
            {"proceeds": {"breakdowns": [{"type": "TAX", "subtotal": 5}]}},
            "wrong_type",
            "$.proceeds.breakdowns[0].subtotal",
        ),
        ({"fulfillment": {"fulfillmentStatus": 1.5}}, "wrong_type", "$.fulfillment.fulfillmentStatus"),
        (
            {"fulfillment": {"fulfillmentStatus": "SHIPPED", "shipByWindow": {"latestDateTime": 7}}},
            "wrong_type",
            "$.fulfillment.shipByWindow.latestDateTime",
        ),
        (
            {"payment": {"paymentExecutions": [{"paymentMethod": {}}]}},
            "wrong_type",
            "$.payment.paymentExecutions[0].paymentMethod",
        ),
    ],
)
def test_an_unreadable_order_is_refused_with_its_path(an_order, channel, change, code, path):
    with pytest.raises(Unreadable) as refused:
        normalise(an_order(**change), channel)
    assert (refused.value.code, refused.value.path) == (code, path)


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"orderItemId": ...}, "missing", "orderItemId"),
        ({"quantityOrdered": ...}, "missing", "quantityOrdered"),
        ({"quantityOrdered": -1}, "out_of_range", "quantityOrdered"),
        ({"quantityOrdered": 1.5}, "wrong_type", "quantityOrdered"),
        ({"fulfillment": {"quantityFulfilled": "two"}}, "wrong_type", "fulfillment.quantityFulfilled"),
        ({"product": {"price": {"unitPrice": "1"}}}, "wrong_type", "product.price.unitPrice"),
        ({"proceeds": {"proceedsTotal": {"amount": "NaN"}}}, "not_finite", "proceeds.proceedsTotal.amount"),
        (
            {
                "proceeds": {
                    "breakdowns": [{"type": "TAX", "subtotal": eur("1"), "detailedBreakdowns": [{"value": []}]}]
                }
            },
            "wrong_type",
            "proceeds.breakdowns[0].detailedBreakdowns[0].value",
        ),
        (
            {"cancellation": {"cancellationRequest": {"requester": True}}},
            "wrong_type",
            "cancellation.cancellationRequest.requester",
        ),
    ],
)
def test_an_unreadable_line_is_refused_with_its_path(an_order, an_item, channel, change, code, path):
    with pytest.raises(Unreadable) as refused:
        normalise(an_order(orderItems=[an_item(orderItemId="0"), an_item(**change)]), channel)
    assert (refused.value.code, refused.value.path) == (code, f"$.orderItems[1].{path}")


@pytest.mark.parametrize("wrong", ["1\u200b2", "1\t2", "1\u20282", "1\x962", "1" * 201])
def test_an_id_that_no_door_takes_is_refused(an_order, an_item, channel, wrong):
    with pytest.raises(Unreadable) as refused:
        normalise(an_order(orderItems=[an_item(orderItemId=wrong)]), channel)
    assert (refused.value.code, refused.value.path) == ("no_identifier", "$.orderItems[0].orderItemId")


def test_two_lines_with_one_id_are_refused(an_order, an_item, channel):
    with pytest.raises(Unreadable) as refused:
        normalise(an_order(orderItems=[an_item(), an_item()]), channel)
    assert (refused.value.code, refused.value.path) == ("duplicate_line", "$.orderItems[1].orderItemId")


@pytest.mark.parametrize("payload", [None, True, 0, 1.5, "", "order", [], [{}]])
def test_what_is_no_object_is_refused(channel, payload):
    with pytest.raises(Unreadable) as refused:
        normalise(payload, channel)
    assert refused.value.path == "$"


def test_reading_twice_gives_the_same_and_changes_nothing(an_order, channel):
    payload = an_order()
    before = json.dumps(payload)
    assert normalise(payload, channel) == normalise(payload, channel)
    assert json.dumps(payload) == before


def test_the_order_renders(read, an_order):
    rendered = json.loads(preview(read(an_order()), datetime(2026, 11, 2, tzinfo=UTC)))
    assert rendered["lines"][0]["line_total"] == "49.00"


def test_a_street_that_is_only_in_the_second_line_moves_up(read, an_order):
    address = {
        "name": "Kim",
        "addressLine1": "",
        "addressLine2": "Teststr. 58",
        "city": "Neustadt",
        "countryCode": "DE",
    }
    order = read(an_order(recipient={"deliveryAddress": address}))
    assert (order.shipping_address.line_1, order.shipping_address.line_2) == ("Teststr. 58", None)


def test_a_street_that_is_only_in_its_parts_is_the_first_line(read, an_order):
    parts = {"streetName": "Rua das Flores", "streetNumber": "12", "complement": "ap. 3"}
    order = read(
        an_order(recipient={"deliveryAddress": {"city": "Recife", "countryCode": "BR", "extendedFields": parts}})
    )
    assert (order.shipping_address.line_1, order.shipping_address.line_2) == ("Rua das Flores, 12", "ap. 3")


@pytest.mark.parametrize("sent", ["-", "0000000000", "N/A", "."])
def test_a_placeholder_is_no_phone(read, an_order, sent):
    order = read(an_order(recipient={"deliveryAddress": {"city": "Nantes", "phone": sent}}))
    assert (order.shipping_address.phone, order.customer.phone) == (None, None)


def test_a_japanese_address_without_a_city_and_amounts_without_decimals(read, an_order, an_item):
    yen = {"amount": "1000", "currencyCode": "JPY"}
    item = an_item(quantityOrdered=3, fulfillment={}, proceeds={"proceedsTotal": yen})
    address = {"addressLine1": "1-2-3", "stateOrRegion": "東京都", "postalCode": "100-0001", "countryCode": "JP"}
    order = read(an_order(orderItems=[item], proceeds={"grandTotal": yen}, recipient={"deliveryAddress": address}))
    assert (order.total, order.currency, order.shipping_address.city) == (Decimal(1000), "JPY", None)


def test_how_and_when_to_deliver(read, an_order):
    address = {"name": "C. Durand", "companyName": "Locker Violet", "city": "Nantes", "addressType": "PICKUP_POINT"}
    preference = {"dropOffLocation": "Gate", "addressInstruction": "Ring twice"}
    window = {"earliestDateTime": "2026-11-04T08:00:00Z", "latestDateTime": "2026-11-04T22:00:00Z"}
    order = read(
        an_order(
            fulfillment={
                "fulfillmentStatus": "UNSHIPPED",
                "fulfillmentServiceLevel": "NEXT_DAY",
                "deliverByWindow": window,
            },
            recipient={"deliveryAddress": address, "deliveryPreference": preference},
        )
    )
    assert order.service_level == "NEXT_DAY"
    assert order.deliver_by.earliest == datetime(2026, 11, 4, 8, tzinfo=UTC)
    assert order.deliver_by.latest == datetime(2026, 11, 4, 22, tzinfo=UTC)
    assert order.delivery_point == DeliveryPoint(name="Locker Violet")
    assert order.delivery_instructions == "Gate; Ring twice"
    assert order.marketplace_data["recipient"] == {"deliveryAddress": {"addressType": "PICKUP_POINT"}}


def test_an_order_to_an_address_has_no_delivery_point(read, an_order):
    assert read(an_order()).delivery_point == DeliveryPoint()


def test_the_buyers_references(read, an_order):
    numbers = [
        {"entityType": "SELLER", "taxRegistrationType": "VAT", "taxRegistrationNumber": "FR0"},
        {"entityType": "BUYER", "taxRegistrationType": "BUSINESS", "taxRegistrationNumber": "123"},
        {"entityType": "BUYER", "taxRegistrationType": "VAT", "taxRegistrationNumber": "FR12345678901"},
    ]
    order = read(an_order(buyer={"buyerPurchaseOrderNumber": "PO-118"}, tax={"taxRegistrations": numbers}))
    assert order.references == References(purchase_order="PO-118", vat_id="FR12345678901")
    assert "FR12345678901" not in str(order.marketplace_data)
    assert "FR12345678901" in str(order.personal_marketplace_data)
    assert [(each.code, each.path) for each in order.problems] == [("vat_id_invalid", "$.tax.taxRegistrations")]


@pytest.mark.parametrize("number", ["FR40303265045", "303265045", "no number at all"])
def test_a_tax_number_is_judged_only_where_a_rule_is_known(read, an_order, number):
    sent = {"entityType": "BUYER", "taxRegistrationType": "VAT", "taxRegistrationNumber": number}
    order = read(an_order(tax={"taxRegistrations": [sent]}))
    assert order.references.vat_id == number
    assert codes(order) == ([] if number == "FR40303265045" else ["vat_id_invalid"])


@pytest.mark.parametrize(
    ("word", "relation", "is_replacement"),
    [
        ("REPLACEMENT_ORIGINAL_ID", "replacement_of", True),
        ("EXCHANGE_ORIGINAL_ID", "exchange_of", True),
        ("NOVELTY", "NOVELTY", False),
    ],
)
def test_an_order_that_replaces_another_names_it(read, an_order, word, relation, is_replacement):
    order = read(an_order(associatedOrders=[{"orderId": "408-0-1", "associationType": word}]))
    assert order.related_order == RelatedOrder(original_id="408-0-1", relation=relation)
    assert [line.is_replacement for line in order.lines] == [is_replacement]


def test_an_order_of_its_own_replaces_nothing(read, an_order):
    order = read(an_order())
    assert (order.related_order, order.lines[0].is_replacement) == (None, False)


def test_gifts_and_customised_articles(read_item):
    line, order = read_item(
        product={
            "asin": "B0MADEUP01",
            "condition": {"conditionType": "USED", "conditionSubtype": "VERY_GOOD", "conditionNote": "Lid missing"},
            "customization": {"customizedUrl": "https://custom.example/1.zip?sig=1"},
        },
        fulfillment={"packing": {"giftOption": {"giftMessage": "Happy birthday", "giftWrapLevel": "Classic"}}},
    )
    assert (line.marketplace_sku, line.condition) == ("B0MADEUP01", "USED/VERY_GOOD")
    assert line.gift == Gift(message="Happy birthday", wrap="Classic")
    assert (line.is_customised, line.customisation_url) == (True, "https://custom.example/1.zip?sig=1")
    (rest,) = order.marketplace_data["orderItems"]
    assert rest["product"] == {"condition": {"conditionNote": "Lid missing"}}
    assert "giftOption" not in str(rest)


def test_what_only_describes_an_order_does_not_cost_it_when_it_is_odd(read, an_order, an_item):
    item = an_item(fulfillment={"quantityFulfilled": 0, "quantityUnfulfilled": 2, "packing": {"giftOption": "yes"}})
    order = read(an_order(orderItems=[item], associatedOrders="none", tax=7))
    assert order.lines[0].quantity_ordered == 2
    assert {(each.code, each.path) for each in order.problems} == {
        ("member_unreadable", "$.associatedOrders"),
        ("member_unreadable", "$.tax"),
        ("member_unreadable", "$.orderItems[0].fulfillment.packing.giftOption"),
    }


@pytest.mark.parametrize(
    ("sent", "sku", "found"),
    [
        ("\u200bTEAPOT\u00ad-08\u2060 ", "TEAPOT-08", []),
        ("\u00a0TEAPOT-08\n", "TEAPOT-08", []),
        ("TEA\tPOT", None, ["member_unreadable"]),
        ("TEA\u0096POT", None, ["member_unreadable"]),
        ("TEA\u2028POT", None, ["member_unreadable"]),
        ("T" * 201, None, ["member_unreadable"]),
        ("T" * 200, "T" * 200, []),
    ],
)
def test_a_sku_is_an_identifier_and_never_costs_the_order(read, an_order, an_item, sent, sku, found):
    item = an_item()
    item["product"] |= {"sellerSku": sent, "asin": "\ufeffB0MADEUP01"}
    order = read(an_order(orderItems=[item]))
    assert (order.lines[0].sku, order.lines[0].marketplace_sku) == (sku, "B0MADEUP01")
    assert codes(order) == found
    assert [each.path for each in order.problems] == ["$.orderItems[0].product.sellerSku"] * len(found)


def test_codes_of_a_package_are_identifiers_and_one_odd_package_hides_no_other(read, an_order):
    units = [{"orderItemId": "70010000000001", "quantity": 1}]
    first = {
        "packageReferenceId": " 1\u200b",
        "carrier": "\u202aDHL",
        "trackingNumber": "6A1\u00ad2",
        "packageItems": units,
    }
    second = {**first, "packageReferenceId": "2", "trackingNumber": "T\t1"}
    packages = read(an_order(packages=[first, second])).packages
    assert [(each.label, each.carriers, each.tracking_number) for each in packages] == [
        ("1", ("DHL",), "6A12"),
        ("2", ("DHL",), None),
    ]

"""What an order of eBay is read into, value by value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from orders_pipeline.marketplaces.ebay import MARKETPLACE
from orders_pipeline.marketplaces.ebay.documents import documents
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
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.privacy import without_pii


def codes(order):
    return [each.code for each in order.problems]


def priced(total, **others):
    return {"priceSubtotal": money("20.00"), "deliveryCost": money("4.00"), "total": money(total), **others}


@pytest.mark.parametrize(
    ("fulfilment", "payment", "cancel", "status"),
    [
        ("NOT_STARTED", "PAID", "NONE_REQUESTED", Status.WAITING_FOR_SHIPMENT),
        ("NOT_STARTED", "PARTIALLY_REFUNDED", "NONE_REQUESTED", Status.WAITING_FOR_SHIPMENT),
        ("NOT_STARTED", "PAID", "IN_PROGRESS", Status.WAITING_FOR_SHIPMENT),
        ("NOT_STARTED", "PENDING", "NONE_REQUESTED", Status.PENDING),
        ("NOT_STARTED", "FAILED", "NONE_REQUESTED", Status.PENDING),
        ("NOT_STARTED", "FULLY_REFUNDED", "NONE_REQUESTED", Status.CANCELED),
        ("NOT_STARTED", "PAID", "CANCELED", Status.CANCELED),
        ("NOT_STARTED", "FULLY_REFUNDED", "CANCELED", Status.CANCELED),
        ("IN_PROGRESS", "PAID", "NONE_REQUESTED", Status.PARTIALLY_SHIPPED),
        ("FULFILLED", "PAID", "NONE_REQUESTED", Status.SHIPPED),
        ("FULFILLED", "FULLY_REFUNDED", "NONE_REQUESTED", Status.SHIPPED),
        ("FULFILLED", "PARTIALLY_REFUNDED", "IN_PROGRESS", Status.SHIPPED),
        ("TELEPORTED", "PAID", "NONE_REQUESTED", Status.UNKNOWN),
        ("NOT_STARTED", "BARTERED", "NONE_REQUESTED", Status.UNKNOWN),
        ("NOT_STARTED", "PAID", "PONDERED", Status.WAITING_FOR_SHIPMENT),
    ],
)
def test_the_status_follows_from_three_states(read, fulfilment, payment, cancel, status):
    order = read(
        orderFulfillmentStatus=fulfilment,
        orderPaymentStatus=payment,
        cancelStatus={"cancelState": cancel, "cancelRequests": []},
    )
    assert (order.status, order.marketplace_status) == (status, fulfilment)
    is_odd = {fulfilment, payment, cancel} & {"TELEPORTED", "BARTERED", "PONDERED"}
    assert codes(order) == (["status_unknown"] if is_odd else [])


def test_an_order_is_read_whole(read):
    order = read(
        make_line(1),
        make_line(2, lineItemCost=money("5.50"), quantity=1),
        pricingSummary={"priceSubtotal": money("25.50"), "deliveryCost": money("8.00"), "total": money("33.50")},
    )
    assert (order.original_id, order.channel, order.currency) == ("14-10021-55012", "ebay_us", "USD")
    assert order.purchased_at == datetime(2026, 11, 2, 9, 12, 44, tzinfo=UTC)
    assert order.marketplace_updated_at == datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    assert order.ship_by == datetime(2026, 11, 4, 22, 59, 59, tzinfo=UTC)
    assert (order.total, order.shipping_total, order.tax_total) == (Decimal("33.50"), Decimal("8.00"), None)
    assert [(line.sku, line.line_total, line.unit_price) for line in order.lines] == [
        ("LAMP-1", Decimal("20.00"), Decimal("10.00")),
        ("LAMP-2", Decimal("5.50"), Decimal("5.50")),
    ]
    assert [line.marketplace_sku for line in order.lines] == ["220001", "220002"]
    address = order.shipping_address
    assert (address.line_1, address.line_2, address.postal_code, address.country_code) == (
        *("12 Cedar Ave", "Garage", "01316", "US"),
    )
    assert (order.customer.name, order.customer.email) == ("Dana Fields", "d1@members.example")
    assert (order.payment.method, order.service_level) == ("EBAY", "USPSPriority")
    assert order.deliver_by.latest == datetime(2026, 11, 9, 20, tzinfo=UTC)
    assert order.problems == ()


class TestUnits:
    """Shipped units are in packages only."""

    def test_nothing_has_left(self, read):
        (line,) = read().lines
        assert (line.quantity_ordered, line.quantity_shipped, line.quantity_cancelled) == (2, 0, 0)

    def test_each_line_of_a_part_has_its_own(self, read):
        order = read(
            make_line(1, lineItemFulfillmentStatus="IN_PROGRESS"),
            make_line(2, lineItemFulfillmentStatus="FULFILLED"),
            make_line(3),
            packages=[make_package("1Z1", (1, 1), (2, 1)), make_package("1Z2", (2, 1))],
            orderFulfillmentStatus="IN_PROGRESS",
            pricingSummary={},
        )
        assert [line.quantity_shipped for line in order.lines] == [1, 2, 0]
        assert [line.quantity_remaining_to_ship for line in order.lines] == [1, 0, 2]
        assert [(each.reference, each.tracking_number, each.carriers) for each in order.packages] == [
            ("1Z1", "1Z1", ("UPS",)),
            ("1Z2", "1Z2", ("UPS",)),
        ]
        assert order.packages[0].quantities == (("10051", 1), ("10052", 1))

    def test_packages_that_were_not_read_leave_them_unknown(self, read):
        (line,) = read(make_line(lineItemFulfillmentStatus="IN_PROGRESS"), orderFulfillmentStatus="IN_PROGRESS").lines
        assert (line.quantity_shipped, line.quantity_remaining_to_ship) == (None, None)

    def test_what_is_fulfilled_has_left_whole(self, read):
        order = read(make_line(lineItemFulfillmentStatus="FULFILLED"), orderFulfillmentStatus="FULFILLED")
        assert order.lines[0].quantity_shipped == 2
        assert order.packages is None

    def test_a_line_without_a_state_has_that_of_the_order(self, read):
        line = make_line()
        del line["lineItemFulfillmentStatus"]
        assert read(line, orderFulfillmentStatus="FULFILLED").lines[0].quantity_shipped == 2

    def test_a_package_newer_than_the_order_counts(self, read):
        order = read(packages=[make_package("1Z1", (1, 1))])
        assert (order.lines[0].quantity_shipped, order.lines[0].quantity_remaining_to_ship) == (1, 1)

    def test_a_unit_in_two_parcels_left_once(self, read):
        line = make_line(quantity=1, lineItemFulfillmentStatus="FULFILLED")
        packed = [make_package("1Z1", (1, 1)), make_package("1Z2", (1, 1))]
        order = read(line, packages=packed, orderFulfillmentStatus="FULFILLED")
        assert (order.lines[0].quantity_ordered, order.lines[0].quantity_shipped) == (1, 1)
        assert order.problems == ()

    def test_a_package_that_names_no_number_holds_one(self, read):
        line = make_line(lineItemFulfillmentStatus="IN_PROGRESS")
        order = read(line, packages=[make_package("1Z1", (1, None))], orderFulfillmentStatus="IN_PROGRESS")
        assert order.lines[0].quantity_shipped == 1

    def test_an_untracked_package_is_one(self, read):
        sent = {"fulfillmentId": "999", "lineItems": [{"lineItemId": "10051", "quantity": 2}]}
        line = make_line(lineItemFulfillmentStatus="FULFILLED")
        (package,) = read(line, packages=[sent], orderFulfillmentStatus="FULFILLED").packages
        assert (package.reference, package.tracking_number, package.carriers) == ("999", None, ())

    def test_all_units_of_a_cancelled_order_are_cancelled(self, read):
        (line,) = read(cancelStatus={"cancelState": "CANCELED", "cancelRequests": []}).lines
        assert (line.quantity_shipped, line.quantity_cancelled, line.quantity_remaining_to_ship) == (0, 2, 0)
        assert (line.line_total, line.kept_total) == (Decimal("20.00"), Decimal(0))

    def test_a_refunded_rest_may_not_ship(self, read):
        order = read(
            make_line(lineItemFulfillmentStatus="IN_PROGRESS"),
            packages=[make_package("1Z1", (1, 1))],
            orderFulfillmentStatus="IN_PROGRESS",
            orderPaymentStatus="FULLY_REFUNDED",
        )
        assert (order.status, order.bar) == (Status.PARTIALLY_SHIPPED, Bar.FULLY_REFUNDED)
        assert order.lines[0].may_not_ship_reason is Bar.REFUNDED

    def test_a_line_that_was_refunded_whole_may_not_ship(self, read):
        lines = (make_line(1, refunds=[{"amount": money("20.00"), "refundId": "1"}]), make_line(2))
        order = read(*lines, orderPaymentStatus="PARTIALLY_REFUNDED", pricingSummary={})
        assert [line.may_ship for line in order.lines] == [False, True]
        assert [(line.quantity_refunded, line.refunded_total) for line in order.lines] == [
            (2, Decimal("20.00")),
            (None, None),
        ]


class TestMoney:
    """Amounts balance, and what eBay collects stays apart."""

    def test_tax_outside_the_total_is_outside_the_line(self, read):
        order = read(make_line(ebayCollectAndRemitTaxes=[make_collected("GST", "3.60")]), ebayCollectAndRemitTax=True)
        (line,) = order.lines
        assert (line.line_total, line.taxes, order.tax_total, codes(order)) == (Decimal("20.00"), (), None, [])
        (kept,) = order.marketplace_data["lineItems"]
        assert kept["ebayCollectAndRemitTaxes"][0]["amount"]["value"] == "3.60"

    def test_tax_within_the_total_is_within_the_line_once(self, read):
        sent = make_line(
            taxes=[make_tax("STATE_SALES_TAX", "1.98")],
            ebayCollectAndRemitTaxes=[make_collected("STATE_SALES_TAX", "1.98")],
        )
        order = read(sent, pricingSummary=priced("25.98", tax=money("1.98")))
        (line,) = order.lines
        assert (line.line_total, order.tax_total, codes(order)) == (Decimal("21.98"), Decimal("1.98"), [])
        assert [(tax.code, tax.amount) for tax in line.taxes] == [("EBAY_COLLECTED_STATE_SALES_TAX", Decimal("1.98"))]

    def test_a_breakdown_that_the_total_leaves_out(self, read):
        sent = make_line(taxes=[make_tax("VAT", "4.00")], ebayCollectAndRemitTaxes=[make_collected("VAT", "4.00")])
        order = read(sent)
        assert (order.lines[0].line_total, order.tax_total, codes(order)) == (Decimal("20.00"), None, [])

    def test_tax_within_the_total_without_a_breakdown(self, read):
        sent = make_line(ebayCollectAndRemitTaxes=[make_collected("STATE_SALES_TAX", "1.98")])
        order = read(sent, pricingSummary=priced("25.98"))
        assert (order.lines[0].line_total, order.tax_total, codes(order)) == (Decimal("21.98"), Decimal("1.98"), [])

    def test_the_sellers_own_tax_is_added(self, read):
        order = read(make_line(taxes=[make_tax(None, "1.65")]), pricingSummary=priced("25.65", tax=money("1.65")))
        (line,) = order.lines
        assert (line.line_total, line.taxes[0].code, codes(order)) == (Decimal("21.65"), None, [])

    def test_both_kinds_stay_apart(self, read):
        sent = make_line(
            taxes=[make_tax("STATE_SALES_TAX", "1.98"), make_tax("CITY_TAX", "0.50")],
            ebayCollectAndRemitTaxes=[make_collected("STATE_SALES_TAX", "1.98")],
        )
        order = read(sent, pricingSummary=priced("26.48"))
        assert order.lines[0].line_total == Decimal("22.48")
        assert [(tax.code, tax.amount) for tax in order.lines[0].taxes] == [
            ("CITY_TAX", Decimal("0.50")),
            ("EBAY_COLLECTED_STATE_SALES_TAX", Decimal("1.98")),
        ]

    def test_a_discount_of_the_line(self, read):
        sent = make_line(discountedLineItemCost=money("17.00"))
        order = read(sent, pricingSummary=priced("21.00", priceDiscount=money("-3.00")))
        assert (order.lines[0].line_total, order.charges, codes(order)) == (Decimal("17.00"), (), [])

    def test_a_discount_of_the_order_alone(self, read):
        order = read(pricingSummary=priced("21.00", priceDiscount=money("-3.00")))
        assert order.lines[0].line_total == Decimal("20.00")
        assert [(each.code, each.amount) for each in order.charges] == [("DISCOUNT", Decimal("-3.00"))]
        assert codes(order) == []

    def test_a_discount_of_shipping(self, read):
        order = read(pricingSummary=priced("22.50", deliveryDiscount=money("-1.50")))
        assert (order.shipping_total, codes(order)) == (Decimal("2.50"), [])

    def test_a_fee_among_the_taxes_belongs_to_its_line(self, read):
        sent = make_line(taxes=[make_tax("TIRE_RECYCLING_FEE", "1.75")])
        order = read(sent, pricingSummary=priced("25.75", fee=money("1.75")))
        assert (order.lines[0].line_total, order.charges, codes(order)) == (Decimal("21.75"), (), [])

    def test_other_fees_and_adjustments_are_charges(self, read):
        order = read(pricingSummary=priced("24.25", fee=money("1.75"), adjustment=money("-1.50")))
        assert [(each.code, each.amount) for each in order.charges] == [
            ("FEE", Decimal("1.75")),
            ("ADJUSTMENT", Decimal("-1.50")),
        ]
        assert (order.lines[0].line_total, codes(order)) == (Decimal("20.00"), [])

    def test_tax_and_fee_that_ebay_collects_are_told_twice_and_count_once(self, read):
        sent = make_line(
            taxes=[make_tax("ELECTRONIC_RECYCLING_FEE", "6.0"), make_tax("STATE_SALES_TAX", "1.65")],
            ebayCollectAndRemitTaxes=[
                make_collected("STATE_SALES_TAX", "1.65"),
                make_collected("ELECTRONIC_RECYCLING_FEE", "6.0"),
            ],
        )
        order = read(sent, pricingSummary=priced("31.65", tax=money("1.65"), fee=money("6.0")))
        assert (order.lines[0].line_total, order.charges, codes(order)) == (Decimal("27.65"), (), [])

    def test_tax_without_a_name_is_the_one_that_ebay_collects(self, read):
        sent = make_line(
            taxes=[make_tax(None, "1.65")], ebayCollectAndRemitTaxes=[make_collected("STATE_SALES_TAX", "1.65")]
        )
        order = read(sent, pricingSummary=priced("25.65", tax=money("1.65")))
        assert (order.lines[0].line_total, order.tax_total, codes(order)) == (Decimal("21.65"), Decimal("1.65"), [])

    def test_a_fee_that_ebay_collects_counts_once(self, read):
        sent = make_line(
            taxes=[make_tax("DELIVERY_FEE", "0.29")], ebayCollectAndRemitTaxes=[make_collected("DELIVERY_FEE", "0.29")]
        )
        order = read(sent, pricingSummary=priced("24.29", fee=money("0.29")))
        assert (order.lines[0].line_total, order.charges, codes(order)) == (Decimal("20.29"), (), [])

    def test_amounts_that_do_not_add_up_are_a_problem(self, read):
        order = read(pricingSummary=priced("30.00"))
        assert (order.total, codes(order)) == (Decimal("30.00"), ["total_mismatch"])

    def test_shipping_is_that_of_the_lines_where_the_order_has_none(self, read):
        line = make_line(deliveryCost={"shippingCost": money("4.00"), "discountAmount": money("1.00")})
        order = read(line, pricingSummary={"total": money("23.00")})
        assert (order.shipping_total, codes(order)) == (Decimal("3.00"), [])

    def test_what_is_unknown_is_no_zero(self, read):
        line = make_line()
        del line["lineItemCost"], line["deliveryCost"]
        order = read(line, pricingSummary={})
        assert (order.total, order.shipping_total, order.lines[0].line_total) == (None, None, None)
        assert codes(order) == ["amount_missing"]

    def test_two_currencies_are_a_problem(self, read):
        order = read(make_line(), make_line(2, lineItemCost=money("3.00", "EUR")), pricingSummary={})
        assert (order.currency, codes(order)) == ("USD", ["mixed_currencies"])


class TestWhoShips:
    """The seller, unless eBay says otherwise."""

    @pytest.mark.parametrize(
        ("start", "program"),
        [
            ({"fulfillmentInstructionsType": "FULFILLED_BY_EBAY", "shippingStep": {}}, None),
            ({}, {"fulfillmentProgram": {"fulfilledBy": "EBAY"}}),
            ({}, {"ebayVault": {"fulfillmentType": "VAULT_TO_BUYER"}}),
        ],
    )
    def test_ebay(self, read, start, program):
        order = read(fulfillmentStartInstructions=[make_start(**start)], program=program)
        assert order.fulfilled_by is FulfilledBy.MARKETPLACE

    @pytest.mark.parametrize("kind", ["SHIP_TO", "SELLER_DEFINED", "DIGITAL"])
    def test_the_seller(self, read, kind):
        order = read(fulfillmentStartInstructions=[make_start(fulfillmentInstructionsType=kind)])
        assert (order.fulfilled_by, codes(order)) == (FulfilledBy.MERCHANT, [])

    def test_a_new_kind_is_the_sellers_with_a_problem(self, read):
        order = read(fulfillmentStartInstructions=[make_start(fulfillmentInstructionsType="BY_DRONE")])
        assert (order.fulfilled_by, codes(order)) == (FulfilledBy.MERCHANT, ["fulfilled_by_unknown"])

    def test_an_order_abroad_goes_to_the_hub_and_keeps_its_country(self, read):
        home = {"addressLine1": "3 rue du Moulin", "city": "Nantes", "postalCode": "44000", "countryCode": "FR"}
        start = make_start(ebaySupportedFulfillment=True, finalDestinationAddress=home)
        order = read(
            fulfillmentStartInstructions=[start], program={"ebayInternationalShipping": {"returnsManagedBy": "EBAY"}}
        )
        assert (order.shipping_address.city, order.shipping_country_code) == ("Warners", "US")
        assert (order.fulfilled_by, order.programs) == (FulfilledBy.MERCHANT, ("ebayInternationalShipping",))
        (kept,) = order.marketplace_data["fulfillmentStartInstructions"]
        assert kept["finalDestinationAddress"] == {"city": "Nantes", "countryCode": "FR"}
        assert order.customer.name is None

    def test_a_parcel_to_be_fetched_names_the_store(self, read):
        start = {"fulfillmentInstructionsType": "PREPARE_FOR_PICKUP", "pickupStep": {"merchantLocationKey": "STORE-7"}}
        order = read(fulfillmentStartInstructions=[start])
        assert (order.delivery_point.id, order.shipping_country_code) == ("STORE-7", None)


class TestCancellation:
    """Asked for, carried out, or neither."""

    def cancelled(self, read, state, *requests):
        return read(cancelStatus={"cancelState": state, "cancelRequests": list(requests)}).cancellation

    def asked(self, state="REQUESTED", initiator="Buyer"):
        return {"cancelRequestState": state, "cancelInitiator": initiator, "cancelReason": "ORDER_MISTAKE"}

    def test_by_the_buyer(self, read):
        found = self.cancelled(read, "IN_PROGRESS", self.asked())
        assert (found.requested_by, found.request_reason, found.executed_by) == ("BUYER", "ORDER_MISTAKE", None)

    def test_a_rejected_request_is_none(self, read):
        assert self.cancelled(read, "IN_PROGRESS", self.asked("REJECTED")) is None

    def test_the_sellers_own_is_no_request(self, read):
        assert self.cancelled(read, "IN_PROGRESS", self.asked(initiator="Seller")) is None

    def test_a_listing_shows_that_somebody_asks_and_not_who(self, read):
        assert self.cancelled(read, "IN_PROGRESS").requested_by == "UNKNOWN"

    def test_what_was_carried_out(self, read):
        found = self.cancelled(read, "CANCELED", self.asked("REJECTED"), self.asked("COMPLETED", "Seller"))
        assert (found.executed_by, found.execution_reason, found.requested_by) == ("SELLER", "ORDER_MISTAKE", None)


def test_a_listing_without_a_sku_goes_by_its_number(read):
    bare = {"sku": None, "legacyVariationId": "771"}
    order = read(make_line(1, sku=""), make_line(2, **bare), pricingSummary={})
    assert [line.sku for line in order.lines] == ["220001", "220002-771"]
    assert [(each.code, each.path) for each in order.problems] == [
        ("sku_missing", "$.lineItems[0].sku"),
        ("sku_missing", "$.lineItems[1].sku"),
    ]


def test_members_that_nobody_knows_are_kept(read):
    order = read(make_line(shelf={"row": 4}), rightOfWithdrawal={"isOpen": True})
    assert order.marketplace_data["rightOfWithdrawal"] == {"isOpen": True}
    assert order.marketplace_data["lineItems"][0]["shelf"] == {"row": 4}
    assert order.problems == ()


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ([], "$"),
        ({"order": 3}, "$.order"),
        (make_order(orderId=None), "$.orderId"),
        (make_order(creationDate=None), "$.creationDate"),
        (make_order(make_line(), make_line()), "$.lineItems"),
        (make_order(make_line(quantity="some")), "$.lineItems[0].quantity"),
        (make_order(lineItems=7), "$.lineItems"),
    ],
)
def test_what_is_no_order_is_refused_with_its_path(payload, path):
    with pytest.raises(Unreadable) as refused:
        MARKETPLACE.normalise(payload, CHANNEL)
    assert refused.value.path == path


def test_a_package_that_cannot_be_read_does_not_cost_the_order(read):
    order = read(packages=[{"lineItems": 3}])
    assert (order.packages, codes(order)) == (None, ["package_unreadable"])


def test_what_identifies_people_goes_with_the_purge():
    order = make_order(
        buyer={
            "username": "dana_f",
            "taxIdentifier": {"taxpayerId": "ES12345678Z"},
            "taxAddress": {"postalCode": "01316", "countryCode": "US"},
            "buyerRegistrationAddress": {"fullName": "Dana Fields", "contactAddress": {"addressLine1": "12 Cedar Ave"}},
        },
        buyerCheckoutNotes="ring twice",
    )
    for payload in (order, {"order": order, "fulfillments": []}):
        clear = orjson.dumps(without_pii(payload, MARKETPLACE.pii_paths)).decode()
        for word in ("dana_f", "ES12345678Z", "Dana", "Cedar", "d1@members", "555 010", "ring twice", "01316"):
            assert word not in clear


class TestDocuments:
    """Orders in files."""

    def test_a_listing_an_order_and_an_envelope(self):
        listing = {"total": 2, "orders": [make_order(), make_order(orderId="15-1")], "limit": 200}
        assert [raw.original_id for raw in documents(orjson.dumps(listing))] == ["14-10021-55012", "15-1"]
        (single,) = documents(orjson.dumps(make_order()))
        assert (single.original_id, single.selector) == ("14-10021-55012", "EBAY_US")
        packed = orjson.dumps({"order": make_order(), "fulfillments": [make_package("1Z1", (1, 2))]})
        (raw,) = documents(b'{"response": ' + packed + b"}")
        assert (raw.original_id, raw.selector, raw.body) == ("14-10021-55012", "EBAY_US", packed)

    def test_an_answer_of_packages_alone_is_no_order(self):
        (raw,) = documents(orjson.dumps({"fulfillments": [make_package("1Z1", (1, 2))], "total": 1}))
        with pytest.raises(Unreadable):
            MARKETPLACE.normalise(orjson.loads(raw.body), CHANNEL)

    def test_an_error_is_said_to_be_one(self):
        with pytest.raises(Unreadable) as refused:
            documents(b'{"errors": [{"errorId": 32100}]}')
        assert "error answer of eBay" in refused.value.reason

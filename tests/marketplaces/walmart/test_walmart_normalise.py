"""Purchase orders of Walmart, read by value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.walmart import MARKETPLACE
from orders_pipeline.marketplaces.walmart.documents import documents
from tests.marketplaces.walmart.conftest import CHANNEL, make_charge, make_line, make_order, make_status
from warehouse.order_parts import Cancellation, DeliveryWindow, RelatedOrder
from warehouse.order_states import Bar, FulfilledBy, Status

IN = [make_status("Created"), make_status("Acknowledged"), make_status("Shipped"), make_status("Cancelled")]


def codes(order):
    return [problem.code for problem in order.problems]


def units(line):
    return (line.quantity_ordered, line.quantity_shipped, line.quantity_cancelled, line.quantity_remaining_to_ship)


def test_every_member_of_an_order(read):
    order = read()
    assert (order.original_id, order.marketplace_status, order.status) == (
        "1796000000001",
        "Acknowledged",
        Status.WAITING_FOR_SHIPMENT,
    )
    assert order.purchased_at == datetime(2026, 11, 2, 6, 13, 20, tzinfo=UTC)
    assert order.marketplace_updated_at == datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    assert order.ship_by == datetime(2026, 11, 4, 13, 46, 40, tzinfo=UTC)
    assert order.deliver_by == DeliveryWindow(latest=datetime(2026, 11, 6, 21, 20, tzinfo=UTC))
    assert (order.service_level, order.currency, order.fulfilled_by) == ("Value", "USD", FulfilledBy.MERCHANT)
    assert (order.total, order.shipping_total, order.tax_total, order.charges) == (None, None, Decimal("0.8"), ())
    assert (order.customer.name, order.customer.email, order.customer.phone) == (
        "Dana Fields",
        "A1@relay.example",
        "5550100123",
    )
    address = order.shipping_address
    assert (address.line_1, address.line_2, address.city, address.state) == ("12 Cedar Ave", "Garage", "Warners", "NY")
    assert (address.postal_code, address.country_code, address.source_country) == ("01316", "US", "USA")
    assert order.marketplace_data == {"customerOrderId": "5281000000001", "orderType": "REGULAR"}
    (line,) = order.lines
    assert (line.original_id, line.sku, line.title, line.condition) == ("1", "LAMP-1", "Lamp, brass", "New")
    assert (line.line_total, [(tax.code, tax.amount) for tax in line.taxes]) == (
        Decimal("10.8"),
        [("Tax1", Decimal("0.8"))],
    )
    assert (units(line), order.problems, order.packages) == ((1, 0, 0, 1), (), ())


@pytest.mark.parametrize(
    ("states", "status", "called"),
    [
        (["Created"], Status.PENDING, "Created"),
        (["Created", "Cancelled"], Status.PENDING, "Created"),
        (["Created", "Acknowledged"], Status.WAITING_FOR_SHIPMENT, "Created"),
        (["Acknowledged"], Status.WAITING_FOR_SHIPMENT, "Acknowledged"),
        (["Acknowledged", "Shipped"], Status.PARTIALLY_SHIPPED, "Acknowledged"),
        (["Created", "Delivered"], Status.PARTIALLY_SHIPPED, "Created"),
        (["Shipped", "Cancelled"], Status.SHIPPED, "Shipped"),
        (["Delivered", "Refund"], Status.SHIPPED, "Delivered"),
        (["Refund"], Status.SHIPPED, "Refund"),
        (["Cancelled", "Cancelled"], Status.CANCELED, "Cancelled"),
        (["SHIPPED"], Status.SHIPPED, "Shipped"),
        (["Teleported", "Shipped"], Status.UNKNOWN, "Shipped"),
        (["Teleported"], Status.UNKNOWN, "Teleported"),
    ],
)
def test_an_order_is_called_by_its_least_done_units(read, states, status, called):
    order = read(*[make_line(number, make_status(state)) for number, state in enumerate(states, 1)])
    assert (order.status, order.marketplace_status) == (status, called)
    assert ("status_unknown" in codes(order)) is ("Teleported" in states)


def test_units_of_one_line_in_several_states(read):
    line = make_line(1, make_status("Acknowledged", 2), make_status("Shipped", 3), make_status("Cancelled", 1), units=6)
    order = read(line)
    assert units(order.lines[0]) == (6, 3, 1, 2)
    assert (order.status, order.lines[0].marketplace_status) == (Status.PARTIALLY_SHIPPED, "Acknowledged")


def test_refunded_units_were_shipped(read):
    (line,) = read(make_line(1, make_status("Refund", 2), make_status("Shipped", 1), units=3)).lines
    assert (units(line), line.quantity_refunded) == ((3, 3, 0, 0), 2)
    (part,) = read(make_line(1, make_status("Refund", 1), make_status("Acknowledged", 2), units=3)).lines
    assert (units(part), part.quantity_refunded, part.may_ship) == ((3, 1, 0, 2), None, True)


def test_what_was_refunded_of_a_line(read):
    charge = {"refundReason": "DAMAGED", "charge": make_charge(-4.0, -0.32)}
    shipping = {"refundReason": "DAMAGED", "charge": make_charge(-2.0, kind="SHIPPING")}
    refund = {"refundId": "1", "refundCharges": {"refundCharge": [charge, shipping]}}
    assert read(make_line(refund=refund)).lines[0].refunded_total == Decimal("4.32")


def test_more_done_than_ordered_is_pointed_out_and_barred(read):
    order = read(make_line(1, make_status("Shipped", 2), make_status("Acknowledged", 1), units=1))
    assert (codes(order), order.lines[0].bar, units(order.lines[0])) == (
        ["quantity_contradictory"],
        Bar.CONTRADICTORY,
        (2, 2, 0, 0),
    )


@pytest.mark.parametrize("odd", [{"orderLineStatuses": None}, {"orderLineQuantity": None}])
def test_what_is_not_said_is_unknown_and_not_nothing(read, odd):
    order = read(make_line(**odd))
    assert len(order.problems) == 1
    assert order.lines[0].quantity_remaining_to_ship is None


class TestAmounts:
    """Charges, and what they make."""

    def test_all_charges(self, read):
        charges = [make_charge(20, 1.6), make_charge(5, 0.4, "SHIPPING"), make_charge(-3, None, "DISCOUNT")]
        order = read(
            make_line(charges={"charge": charges}),
            orderSummary={"totalAmount": {"currencyAmount": 24, "currencyUnit": "USD"}},
        )
        assert (order.lines[0].line_total, order.shipping_total, order.tax_total) == (
            Decimal("21.6"),
            Decimal("5.4"),
            Decimal("2.0"),
        )
        assert [(charge.code, charge.amount) for charge in order.charges] == [("DISCOUNT", Decimal(-3))]
        assert (order.total, codes(order)) == (Decimal(24), [])

    @pytest.mark.parametrize(
        ("summary", "total", "found"),
        [(10.8, "10.8", []), (10, "10.8", []), (99, "99", ["total_mismatch"]), (None, None, [])],
    )
    def test_the_summary_counts_taxes_or_not(self, read, summary, total, found):
        sent = {"totalAmount": {"currencyAmount": summary, "currencyUnit": "USD"}}
        order = read(orderSummary=sent)
        assert (order.total, codes(order)) == (None if total is None else Decimal(total), found)

    def test_a_cancelled_line_costs_nothing(self, read):
        line = make_line(1, make_status("Cancelled"), charges={"charge": [make_charge(0)]})
        assert read(line).lines[0].line_total == Decimal(0)

    def test_a_line_without_charges_has_no_price(self, read):
        assert read(make_line(charges={"charge": []})).lines[0].line_total is None

    def test_cents_stay_exact(self, read):
        charges = [make_charge(0.1, 0.2), make_charge(0.7)]
        assert read(make_line(charges={"charge": charges})).lines[0].line_total == Decimal("1.0")

    def test_two_currencies_are_pointed_out(self, read):
        other = {**make_charge(1), "chargeAmount": {"currency": "CAD", "amount": 1}}
        assert codes(read(make_line(charges={"charge": [make_charge(1), other]}))) == ["mixed_currencies"]


@pytest.mark.parametrize(
    ("sent", "party", "found"),
    [
        ({"type": "WFSFulfilled"}, FulfilledBy.MARKETPLACE, []),
        ({"type": "3PLFulfilled"}, FulfilledBy.MERCHANT, []),
        (None, FulfilledBy.MERCHANT, []),
        ({"type": "MoonFulfilled"}, None, ["fulfilled_by_unknown"]),
    ],
)
def test_who_ships(read, sent, party, found):
    order = read(shipNode=sent)
    assert (order.fulfilled_by, codes(order)) == (party, found)


def test_a_request_to_cancel_is_the_buyers(read):
    order = read(make_line(intentToCancel="CUSTOMER_CHANGED_MIND"))
    assert order.lines[0].cancellation == Cancellation(requested_by="BUYER", request_reason="CUSTOMER_CHANGED_MIND")
    assert order.has_cancellation_request


def test_a_cancelled_order_says_why(read):
    state = {**make_status("Cancelled"), "cancellationReason": "SELLER_CANCEL_OUT_OF_STOCK"}
    order = read(make_line(1, state), make_line(2, state))
    assert order.cancellation == Cancellation(execution_reason="SELLER_CANCEL_OUT_OF_STOCK")
    mixed = read(make_line(1, state), make_line(2))
    assert (mixed.cancellation, mixed.lines[0].cancellation.execution_reason) == (None, "SELLER_CANCEL_OUT_OF_STOCK")


def test_a_replacement_names_what_it_replaces(read):
    order = read(orderType="REPLACEMENT", originalCustomerOrderID="5281000000000")
    assert order.related_order == RelatedOrder(original_id="5281000000000", relation="replacement_of")
    assert order.lines[0].is_replacement is True


def test_packages_are_units_that_left_with_a_number(read):
    order = read(
        make_line(1, make_status("Shipped", 2, trackingNumber="A"), units=2, sellerOrderId="ours"),
        make_line(2, make_status("Delivered", 1, trackingNumber="A")),
        make_line(3, make_status("Shipped", 1, trackingNumber="B", carrierName={"otherCarrier": "Kurier"})),
        make_line(4, make_status("Created", 1, trackingNumber="C")),
    )
    assert [(each.tracking_number, each.carriers, each.quantities) for each in order.packages] == [
        ("A", ("UPS",), (("1", 2), ("2", 1))),
        ("B", ("Kurier",), (("3", 1),)),
    ]
    assert order.lines[3].quantity_shipped == 0


def test_both_forms_of_an_answer_and_times_as_text():
    (order,) = MARKETPLACE.normalise({"order": make_order(orderDate="2026-11-02T06:13:20.000Z")}, CHANNEL)
    assert order.purchased_at == datetime(2026, 11, 2, 6, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"purchaseOrderId": None}, "$.purchaseOrderId"),
        ({"orderDate": None}, "$.orderDate"),
        ({"orderDate": 7}, "$.orderDate"),
        ({"orderLines": {"orderLine": [make_line(1), make_line(1)]}}, "$.orderLines"),
        ({"orderLines": []}, "$.orderLines"),
    ],
)
def test_what_is_no_order_is_refused_with_its_path(changed, path):
    with pytest.raises(Unreadable) as refused:
        MARKETPLACE.normalise(make_order(**changed), CHANNEL)
    assert refused.value.path == path


XML = b"""<?xml version="1.0"?>
<ns3:list xmlns:ns3="http://walmart.com/mp/v3/orders"><ns3:meta><ns3:totalCount>1</ns3:totalCount></ns3:meta><ns3:elements>
<ns3:order><ns3:purchaseOrderId>1796000000009</ns3:purchaseOrderId><ns3:orderDate>2026-11-02T06:13:20.000Z</ns3:orderDate>
<ns3:shippingInfo><ns3:methodCode>Standard</ns3:methodCode><ns3:postalAddress><ns3:country>USA</ns3:country></ns3:postalAddress>
</ns3:shippingInfo><ns3:orderLines><ns3:orderLine><ns3:lineNumber>1</ns3:lineNumber><ns3:item><ns3:sku>A&amp;B</ns3:sku></ns3:item>
<ns3:charges><ns3:charge><ns3:chargeType>PRODUCT</ns3:chargeType><ns3:chargeAmount><ns3:currency>USD</ns3:currency>
<ns3:amount>9.90</ns3:amount></ns3:chargeAmount></ns3:charge></ns3:charges><ns3:orderLineQuantity><ns3:amount>1</ns3:amount>
</ns3:orderLineQuantity><ns3:orderLineStatuses><ns3:orderLineStatus><ns3:status>Shipped</ns3:status><ns3:statusQuantity>
<ns3:amount>1</ns3:amount></ns3:statusQuantity></ns3:orderLineStatus></ns3:orderLineStatuses></ns3:orderLine></ns3:orderLines>
</ns3:order></ns3:elements></ns3:list>"""


def test_recorded_xml_is_read_as_the_same_order_in_json():
    (raw,) = documents(XML)
    (order,) = MARKETPLACE.normalise(json.loads(raw.body), CHANNEL)
    assert (raw.original_id, order.status, order.lines[0].sku) == ("1796000000009", Status.SHIPPED, "A&B")
    assert (order.lines[0].line_total, units(order.lines[0])) == (Decimal("9.90"), (1, 1, 0, 0))


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<html>Sign in</html>", "no_order"),
        (b"<not closed", "not_xml"),
        (BOMB, "not_xml"),
        (b"<a>" * 5000 + b"</a>" * 5000, "not_xml"),
        (b"{}", "no_order"),
        (b'{"list": {"elements": {"order": []}}}', "no_order"),
        (b'{"errors": [{"code": "X"}]}', "no_order"),
        (b"nothing", "not_json"),
    ],
)
def test_a_file_without_orders_says_so(data, code):
    with pytest.raises(Unreadable) as refused:
        documents(data)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "wrapped",
    [
        b"%s",
        b"[%s]",
        b'{"order": %s}',
        b'{"list": {"meta": {}, "elements": {"order": [%s]}}}',
        b'{"response": {"body": {"list": {"elements": {"order": [%s]}}}}}',
        b"%s\n",
        b'[{"order": %s}]',
    ],
)
def test_orders_are_found_in_every_form_with_their_exact_bytes(wrapped):
    body = b'{"purchaseOrderId": "17", "orderDate":  1793600000000}'
    assert [(raw.original_id, raw.body) for raw in documents(wrapped % body)] == [("17", body)]


def test_lines_of_json_are_orders_each():
    body = b'{"purchaseOrderId": "%d"}'
    data = b"\n".join([body % 1, b'{"order": ' + body % 2 + b"}", b'{"cut'])
    assert [raw.original_id for raw in documents(data)] == ["1", "2", "?3"]

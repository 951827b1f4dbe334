"""What a Mirakl order says, rule by rule, on made-up orders."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orders_pipeline.marketplaces.protocol import Unreadable
from warehouse.order_checks import unexplained
from warehouse.order_parts import Address, Cancellation, Customer, DeliveryPoint, Payment, References, Tax
from warehouse.order_states import Bar, FulfilledBy, Status


def refusal(orders_of, payload):
    with pytest.raises(Unreadable) as caught:
        orders_of(payload)
    return caught.value.code, caught.value.path


class TestWhole:
    """A plain order, field by field."""

    def test_every_field_of_a_plain_order(self, an_order, order_of):
        order = order_of(an_order())
        assert order.original_id == "GARDEN-1001-A"
        assert (order.channel, order.marketplace) == ("garden_fr", "Garden FR")
        assert (order.status, order.marketplace_status) == (Status.WAITING_FOR_SHIPMENT, "SHIPPING")
        assert order.fulfilled_by is FulfilledBy.MERCHANT
        assert order.purchased_at == datetime(2026, 10, 30, 8, 15, tzinfo=UTC)
        assert order.marketplace_updated_at == datetime(2026, 10, 30, 9, 45, 30, tzinfo=UTC)
        assert order.ship_by == datetime(2026, 11, 1, 22, 59, 59, 999000, tzinfo=UTC)
        assert (order.currency, order.total, order.shipping_total) == ("EUR", Decimal("54.8"), Decimal("5.0"))
        assert order.tax_total is None
        paid_at = datetime(2026, 10, 30, 8, 31, 7, 250000, tzinfo=UTC)
        assert order.payment == Payment(method="CARD", workflow="PAY_ON_ACCEPTANCE", paid_at=paid_at)
        assert (order.is_business, order.programs, order.cancellation, order.is_split) == (False, (), None, False)
        assert order.customer == Customer(
            name="Odile Marchand", email="n-5521@notification.example", phone="+33600000001"
        )
        assert order.shipping_address == Address(
            name="Odile Marchand",
            line_1="12 rue des Tanneurs",
            line_2="Bât. C",
            line_3="Code 4711",
            postal_code="44000",
            city="Nantes",
            country_code="FR",
            source_country="FRA",
            phone="+33600000001",
        )
        assert order.billing_address.line_3 is None
        assert order.problems == ()

    def test_every_field_of_a_line(self, an_order, order_of):
        (line,) = order_of(an_order()).lines
        assert (line.original_id, line.number, line.sku, line.title) == ("L1", 1, "SPADE-1", "Spade, ash handle")
        assert (line.gtin, line.product_url, line.taxes, line.cancellation) == (None, None, (), None)
        assert (line.quantity_ordered, line.quantity_shipped, line.quantity_cancelled) == (2, 0, 0)
        assert line.quantity_remaining_to_ship == 2
        assert (line.source_unit_price, line.line_total) == (Decimal("24.9"), Decimal("49.8"))
        assert line.marketplace_status == "SHIPPING"

    def test_the_envelope_reads_like_the_bare_order(self, an_order, order_of):
        assert order_of({"order": an_order(), "shipments": None}) == order_of(an_order())
        assert order_of({"order": an_order()}) == order_of(an_order())


class TestStatus:
    """Order states."""

    @pytest.mark.parametrize(
        ("state", "status"),
        [
            ("STAGING", Status.PENDING),
            ("WAITING_ACCEPTANCE", Status.PENDING),
            ("WAITING_DEBIT", Status.PENDING),
            ("WAITING_DEBIT_PAYMENT", Status.PENDING),
            ("SHIPPING", Status.WAITING_FOR_SHIPMENT),
            ("SHIPPED", Status.SHIPPED),
            ("TO_COLLECT", Status.SHIPPED),
            ("RECEIVED", Status.SHIPPED),
            ("CLOSED", Status.SHIPPED),
            ("REFUSED", Status.REFUSED),
            ("CANCELED", Status.CANCELED),
            ("WAITING_REFUND", Status.CANCELED),
            ("WAITING_REFUND_PAYMENT", Status.CANCELED),
        ],
    )
    def test_states(self, an_order, a_line, order_of, state, status):
        order = order_of(an_order(a_line(order_line_state=state), order_state=state))
        assert (order.status, order.marketplace_status, order.problems) == (status, state, ())
        assert order.lines[0].marketplace_status == state

    @pytest.mark.parametrize("state", ["WAITING_REFUND", "WAITING_REFUND_PAYMENT"])
    def test_old_refund_states_are_shipped_once_a_line_was(self, an_order, a_line, order_of, state):
        shipped = a_line(1, order_line_state=state, shipped_date="2026-10-31T10:00:00Z")
        order = order_of(an_order(shipped, a_line(2, order_line_state=state), order_state=state))
        assert order.status is Status.SHIPPED
        assert [line.quantity_shipped for line in order.lines] == [2, 0]
        assert [line.quantity_cancelled for line in order.lines] == [0, 0]
        assert [line.may_not_ship_reason for line in order.lines] == [None, Bar.REFUNDED]

    def test_an_unknown_state_is_kept_and_named(self, an_order, order_of, codes_of):
        order = order_of(an_order(order_state="ON_THE_MOON"))
        assert (order.status, order.marketplace_status) == (Status.UNKNOWN, "ON_THE_MOON")
        assert codes_of(order) == ["status_unknown"]

    @pytest.mark.parametrize("state", [None, "", "  "])
    def test_no_state_is_unknown(self, an_order, order_of, codes_of, state):
        order = order_of(an_order(order_state=state))
        assert (order.status, order.marketplace_status, codes_of(order)) == (Status.UNKNOWN, None, ["status_missing"])

    def test_shipping_with_units_in_a_shipment_that_left(self, an_order, a_shipment, order_of):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L1", 1))]})
        assert order.status is Status.PARTIALLY_SHIPPED
        assert (order.lines[0].quantity_shipped, order.lines[0].quantity_remaining_to_ship) == (1, 1)

    def test_shipping_with_a_line_that_is_shipped(self, an_order, a_line, order_of):
        order = order_of(an_order(a_line(1, order_line_state="RECEIVED"), a_line(2)))
        assert order.status is Status.PARTIALLY_SHIPPED

    def test_all_units_shipped_while_mirakl_still_says_shipping(self, an_order, a_shipment, order_of):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L1", 2))]})
        assert order.status is Status.PARTIALLY_SHIPPED


class TestShippedUnits:
    """What was shipped: by shipments, else by line states."""

    @pytest.mark.parametrize("status", ["SHIPPING", "READY_FOR_PICK_UP", "SHIPMENT_PREPARED", "CANCELED"])
    def test_a_shipment_that_has_not_left_counts_nothing(self, an_order, a_shipment, order_of, status):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L1", 1), status=status)]})
        assert (order.status, order.lines[0].quantity_shipped) == (Status.WAITING_FOR_SHIPMENT, 0)

    @pytest.mark.parametrize("status", ["SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"])
    def test_a_shipment_that_has_left_counts(self, an_order, a_shipment, order_of, status):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L1", 1), status=status)]})
        assert order.lines[0].quantity_shipped == 1

    def test_shipments_add_up(self, an_order, a_shipment, order_of):
        shipments = [a_shipment(("L1", 1), id="s1"), a_shipment(("L1", 1), id="s2")]
        assert order_of({"order": an_order(), "shipments": shipments}).lines[0].quantity_shipped == 2

    def test_a_shipment_sent_twice_counts_once(self, an_order, a_shipment, order_of):
        shipments = [a_shipment(("L1", 1)), a_shipment(("L1", 1))]
        assert order_of({"order": an_order(), "shipments": shipments}).lines[0].quantity_shipped == 1

    def test_a_shipment_of_another_order_counts_nothing(self, an_order, a_shipment, order_of):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L1", 1), order_id="OTHER-1")]})
        assert order.lines[0].quantity_shipped == 0

    def test_shipments_win_over_the_line_state(self, an_order, a_line, a_shipment, order_of):
        order = an_order(a_line(order_line_state="SHIPPED"))
        assert order_of({"order": order, "shipments": [a_shipment(("L1", 1))]}).lines[0].quantity_shipped == 1

    def test_a_line_that_no_shipment_names_goes_by_its_state(self, an_order, a_line, a_shipment, order_of):
        order = an_order(a_line(1), a_line(2, order_line_state="SHIPPED"))
        read = order_of({"order": order, "shipments": [a_shipment(("L1", 1))]})
        assert [line.quantity_shipped for line in read.lines] == [1, 2]

    def test_a_cancelled_shipment_names_no_line(self, an_order, a_line, a_shipment, order_of):
        order = an_order(a_line(order_line_state="SHIPPED"))
        read = order_of({"order": order, "shipments": [a_shipment(("L1", 1), status="CANCELED")]})
        assert read.lines[0].quantity_shipped == 2

    def test_a_shipment_may_name_the_sku_only(self, an_order, a_line, a_shipment, order_of):
        by_sku = a_shipment(shipment_lines=[{"offer_sku": "SPADE-2", "quantity": 1}])
        read = order_of({"order": an_order(a_line(1), a_line(2)), "shipments": [by_sku]})
        assert [line.quantity_shipped for line in read.lines] == [0, 1]

    def test_lines_that_share_a_sku_fill_up_in_turn(self, an_order, a_line, a_shipment, order_of):
        lines = [a_line(number, offer_sku="SAME") for number in (1, 2, 3)]
        by_sku = a_shipment(shipment_lines=[{"offer_sku": "SAME", "quantity": 3}])
        read = order_of({"order": an_order(*lines), "shipments": [by_sku]})
        assert [line.quantity_shipped for line in read.lines] == [2, 1, 0]

    def test_a_shipment_line_of_no_line_is_named(self, an_order, a_shipment, order_of, codes_of):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L9", 1))]})
        assert codes_of(order) == ["shipment_line_unknown"]
        assert order.problems[0].path == "$.shipments[0].shipment_lines[0]"

    @pytest.mark.parametrize("state", ["SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"])
    def test_without_shipments_the_line_state_tells(self, an_order, a_line, order_of, state):
        order = order_of(an_order(a_line(order_line_state=state), order_state="CLOSED"))
        assert (order.lines[0].quantity_shipped, order.lines[0].quantity_cancelled) == (2, 0)

    @pytest.mark.parametrize(
        "case",
        [
            (("INCIDENT_OPEN", "SHIPPING"), None, (0, 0)),
            (("INCIDENT_OPEN", "SHIPPING"), "2026-10-31T10:00:00Z", (2, 0)),
            (("INCIDENT_OPEN", "SHIPPED"), None, (2, 0)),
            (("INCIDENT_CLOSED", "RECEIVED"), None, (2, 0)),
            (("REFUNDED", "CLOSED"), None, (2, 0)),
            (("REFUNDED", "SHIPPING"), None, (0, 0)),
            (("WAITING_REFUND", "SHIPPED"), None, (0, 0)),
            (("NEW_WORD", "SHIPPED"), None, (2, 0)),
            (("NEW_WORD", "SHIPPING"), None, (0, 0)),
            ((None, "SHIPPED"), None, (2, 0)),
        ],
    )
    def test_states_that_do_not_tell(self, an_order, a_line, order_of, case):
        states, shipped_date, quantities = case
        line = a_line(order_line_state=states[0], shipped_date=shipped_date)
        (read,) = order_of(an_order(line, order_state=states[1])).lines
        assert (read.quantity_shipped, read.quantity_cancelled) == quantities


class TestCancelledUnits:
    """What was cancelled, and why."""

    @pytest.mark.parametrize("state", ["CANCELED", "REFUSED"])
    def test_a_cancelled_line(self, an_order, a_line, order_of, state):
        (line,) = order_of(an_order(a_line(order_line_state=state))).lines
        assert (line.quantity_shipped, line.quantity_cancelled, line.quantity_remaining_to_ship) == (0, 2, 0)

    @pytest.mark.parametrize("state", ["CANCELED", "REFUSED"])
    def test_a_cancelled_order_cancels_what_was_not_shipped(self, an_order, a_shipment, order_of, state):
        order = order_of({"order": an_order(order_state=state), "shipments": [a_shipment(("L1", 1))]})
        assert (order.lines[0].quantity_shipped, order.lines[0].quantity_cancelled) == (1, 1)

    @pytest.mark.parametrize(("quantities", "cancelled"), [([1], 1), ([1, 1], 2), ([5], 5), ([0], 0), ([None, 1], 1)])
    def test_a_price_for_the_whole_quantity_says_that_it_is_net(
        self, an_order, a_line, order_of, quantities, cancelled
    ):
        cancelations = [{"quantity": quantity, "amount": 24.9, "reason_code": "34"} for quantity in quantities]
        order = order_of(an_order(a_line(cancelations=cancelations)))
        (line,) = order.lines
        assert (line.quantity_ordered, line.quantity_cancelled) == (2 + cancelled, cancelled)
        assert (line.quantity_remaining_to_ship, order.problems) == (2, ())

    def test_more_shipped_than_ordered_is_kept_and_named(self, an_order, a_shipment, order_of, codes_of):
        order = order_of({"order": an_order(), "shipments": [a_shipment(("L1", 3))]})
        (line,) = order.lines
        assert (line.quantity_ordered, line.quantity_shipped, line.quantity_cancelled) == (3, 3, 0)
        assert (codes_of(order), line.may_not_ship_reason) == (["quantity_conservation"], Bar.CONTRADICTORY)

    def test_no_quantity_is_unknown_not_zero(self, an_order, a_line, order_of, codes_of):
        order = order_of(an_order(a_line(quantity=None)))
        assert (order.lines[0].quantity_ordered, order.lines[0].quantity_remaining_to_ship) == (None, None)
        assert codes_of(order) == ["quantity_missing"]

    def test_the_reason_of_a_cancelation_is_kept_on_the_line(self, an_order, a_line, order_of):
        line = a_line(cancelations=[{"quantity": 0, "reason_code": "34"}, {"quantity": 0, "reason_code": "35"}])
        assert order_of(an_order(line)).lines[0].cancellation == Cancellation(execution_reason="35")

    def test_the_reason_of_a_cancelled_order(self, an_order, order_of):
        order = order_of(an_order(order_state="CANCELED", order_state_reason_label="No stock"))
        assert order.cancellation == Cancellation(execution_reason="No stock")
        order = order_of(an_order(order_state="CANCELED", order_state_reason_code="S1", order_state_reason_label="No"))
        assert order.cancellation == Cancellation(execution_reason="S1")

    def test_a_refusal_by_hand_is_the_merchants(self, an_order, order_of):
        refused = order_of(an_order(order_state="REFUSED", order_state_reason_code="R7"))
        assert refused.cancellation == Cancellation(executed_by="MERCHANT", execution_reason="R7")
        automatic = order_of(an_order(order_state="REFUSED", acceptance_decision_date=None))
        assert automatic.cancellation == Cancellation()


class TestAmounts:
    """Prices, taxes, shipping, totals."""

    def test_taxes_on_top(self, an_order, a_line, order_of):
        line = a_line(
            price=50,
            taxes=[{"code": "STATE", "amount": 3.25, "rate": 6.5}, {"code": "CITY", "amount": "0.50", "rate": None}],
            shipping_taxes=[{"code": "STATE", "amount": 0.33, "rate": 6.5}],
        )
        order = order_of(an_order(line, order_tax_mode="TAX_EXCLUDED"))
        assert order.lines[0].line_total == Decimal("53.75")
        assert order.lines[0].taxes == (
            Tax(code="STATE", amount=Decimal("3.25"), rate=Decimal("6.5")),
            Tax(code="CITY", amount=Decimal("0.50")),
        )
        assert order.shipping_total == Decimal("5.33")
        assert order.tax_total == Decimal("4.08")
        assert order.total == Decimal("59.08")

    @pytest.mark.parametrize("mode", ["TAX_INCLUDED", None, ""])
    def test_taxes_included(self, an_order, a_line, order_of, mode):
        line = a_line(taxes=[{"code": "VAT", "amount": 8.3, "rate": 20}])
        order = order_of(an_order(line, order_tax_mode=mode))
        assert (order.lines[0].line_total, order.total) == (Decimal("49.8"), Decimal("54.8"))
        assert (order.tax_total, order.problems) == (Decimal("8.3"), ())

    def test_taxes_excluded_and_none_sent(self, an_order, order_of):
        order = order_of(an_order(order_tax_mode="TAX_EXCLUDED"))
        assert (order.lines[0].line_total, order.total, order.tax_total) == (Decimal("49.8"), Decimal("54.8"), None)

    def test_taxes_payable_to_the_state_are_still_paid_by_the_customer(self, an_order, a_line, order_of):
        tax = {"code": "US", "amount": 4, "amount_breakdown": {"parts": [{"amount": 4, "payable_to_shop": False}]}}
        order = order_of(an_order(a_line(taxes=[tax]), order_tax_mode="TAX_EXCLUDED"))
        assert order.lines[0].line_total == Decimal("53.8")

    def test_a_tax_without_amount_leaves_the_sums_unknown(self, an_order, a_line, order_of, codes_of):
        order = order_of(an_order(a_line(taxes=[{"code": "VAT", "rate": 20}]), order_tax_mode="TAX_EXCLUDED"))
        assert (order.lines[0].line_total, order.total, order.tax_total) == (None, None, None)
        assert codes_of(order) == ["tax_amount_missing"]

    def test_an_unknown_tax_mode_is_named(self, an_order, order_of, codes_of):
        order = order_of(an_order(order_tax_mode="BOTH"))
        assert (order.total, codes_of(order)) == (Decimal("54.8"), ["tax_mode_unknown"])

    @pytest.mark.parametrize("mode", [None, "", "BOTH"])
    def test_without_a_mode_a_breakdown_without_the_tax_tells_that_it_is_on_top(self, an_order, a_line, order_of, mode):
        line = a_line(
            taxes=[{"code": "state", "amount": 4.42, "amount_breakdown": {"parts": [{"amount": 4.42}]}}],
            price_amount_breakdown={"parts": [{"amount": 49.8, "payable_to_shop": True}]},
        )
        order = order_of(an_order(line, order_tax_mode=mode))
        assert (order.lines[0].line_total, order.total, order.tax_total) == (
            Decimal("54.22"),
            Decimal("59.22"),
            Decimal("4.42"),
        )

    def test_without_a_mode_a_breakdown_with_the_tax_tells_that_it_is_included(self, an_order, a_line, order_of):
        line = a_line(
            taxes=[{"code": "VAT", "amount": 8.3}],
            price_amount_breakdown={"parts": [{"amount": 41.5}, {"amount": 8.3}]},
        )
        order = order_of(an_order(line, order_tax_mode=None))
        assert (order.lines[0].line_total, order.total, order.problems) == (Decimal("49.8"), Decimal("54.8"), ())

    @pytest.mark.parametrize(("tax", "line_total", "total"), [(8.3, "49.8", "54.8"), (9.96, "59.76", "64.76")])
    def test_without_a_mode_the_rate_tells(self, an_order, a_line, order_of, tax, line_total, total):
        order = order_of(an_order(a_line(taxes=[{"code": "VAT", "amount": tax, "rate": 20}]), order_tax_mode=None))
        assert (order.lines[0].line_total, order.total, order.problems) == (Decimal(line_total), Decimal(total), ())

    def test_without_a_mode_a_total_with_the_tax_in_it_tells(self, an_order, a_line, order_of):
        line = a_line(taxes=[{"code": "tax", "amount": 4}], shipping_taxes=[{"code": "tax", "amount": 0.4}])
        order = order_of(an_order(line, order_tax_mode=None, total_price=59.2))
        assert (order.lines[0].line_total, order.shipping_total) == (Decimal("53.8"), Decimal("5.4"))
        assert (order.total, order.problems) == (Decimal("59.2"), ())

    @pytest.mark.parametrize(
        "changed",
        [
            {"taxes": [{"code": "tax", "amount": 4}]},
            {
                "taxes": [{"code": "VAT", "amount": 8.3, "rate": 20}],
                "price_amount_breakdown": {"parts": [{"amount": 49.8}]},
            },
        ],
        ids=["nothing tells", "two things contradict each other"],
    )
    def test_an_undecided_tax_mode_is_no_price_and_a_problem(self, an_order, a_line, order_of, codes_of, changed):
        order = order_of(an_order(a_line(**changed), a_line(2), order_tax_mode=None))
        assert [line.line_total for line in order.lines] == [None, Decimal("49.8")]
        assert (order.total, codes_of(order)) == (None, ["tax_mode_unknown"])

    def test_fees_are_charges_by_their_code(self, an_order, a_line, order_of):
        fees = [{"code": "eco-fee", "amount": 1.2}, {"code": "cod", "amount": 3}]
        order = order_of(an_order(a_line(1, fees=fees), a_line(2, fees=fees[:1]), total_price=115))
        assert [(each.code, each.label, each.amount) for each in order.charges] == [
            ("eco-fee", "Eco fee", Decimal("2.4")),
            ("cod", "Cod", Decimal(3)),
        ]
        assert (order.total, order.problems) == (Decimal(115), ())

    def test_fees_that_the_total_does_not_have_are_no_charges(self, an_order, a_line, order_of):
        order = order_of(an_order(a_line(fees=[{"code": "eco-fee", "amount": 1.2}])))
        assert (order.total, order.charges, order.problems) == (Decimal("54.8"), (), ())

    def test_a_tax_of_the_order_as_a_whole_is_a_charge(self, an_order, order_of):
        taxes = [{"code": "state", "rate": 8, "total_amount": 4.38}]
        order = order_of(an_order(order_tax_mode="TAX_EXCLUDED", order_taxes=taxes))
        assert (order.total, order.tax_total) == (Decimal("59.18"), Decimal("4.38"))
        assert [(each.code, each.amount) for each in order.charges] == [("ORDER_TAX", Decimal("4.38"))]
        assert order.problems == ()

    @pytest.mark.parametrize(
        ("amounts", "total"),
        [
            ({"total_price": 54.8}, "54.8"),
            ({"total_price": 49.8}, "54.8"),  # an old instance's total without shipping
            ({"total_price": None}, "54.8"),
            ({"total_price": 49.8, "shipping_price": None}, "49.8"),
            ({"total_price": 49.8, "shipping_price": 0}, "49.8"),
        ],
    )
    def test_the_total_with_and_without_shipping(self, an_order, order_of, amounts, total):
        order = order_of(an_order(**amounts))
        assert (order.total, order.problems) == (Decimal(total), ())

    def test_a_total_with_fees_in_it(self, an_order, a_line, order_of):
        line = a_line(fees=[{"code": "eco", "amount": 1.2}])
        assert order_of(an_order(line, total_price=56)).total == Decimal(56)
        assert order_of(an_order(line, total_price=51)).total == Decimal("56.0")

    def test_a_total_with_the_tax_in_it_already(self, an_order, a_line, order_of):
        line = a_line(taxes=[{"code": "VAT", "amount": 10}])
        order = order_of(an_order(line, order_tax_mode="TAX_EXCLUDED", total_price=64.8))
        assert (order.total, order.problems) == (Decimal("64.8"), ())

    def test_a_total_that_fits_nothing_is_kept_and_named(self, an_order, order_of, codes_of):
        order = order_of(an_order(total_price=99))
        assert (order.total, codes_of(order)) == (Decimal(99), ["total_mismatch"])
        assert order.problems[0].message == "the total of 99 is +44.2 from lines, shipping and charges"

    def test_a_cent_is_a_difference_too(self, an_order, order_of, codes_of):
        order = order_of(an_order(total_price=54.81))
        assert (order.total, codes_of(order)) == (Decimal("54.81"), ["total_mismatch"])

    def test_no_total_and_no_parts(self, an_order, order_of, codes_of):
        order = order_of(an_order(total_price=None, shipping_price=None))
        assert (order.total, order.shipping_total, codes_of(order)) == (None, None, ["total_missing"])

    def test_no_price_is_unknown_not_zero(self, an_order, a_line, order_of, codes_of):
        order = order_of(an_order(a_line(price=None)))
        assert order.lines[0].line_total is None
        assert "price_missing" in codes_of(order)

    def test_the_lines_own_total_is_never_used(self, an_order, a_line, order_of):
        assert order_of(an_order(a_line(total_price=1234))).lines[0].line_total == Decimal("49.8")

    @pytest.mark.parametrize(
        ("sent", "currency", "codes"),
        [
            ("eur", "EUR", []),
            (None, None, ["currency_missing"]),
            ("EURO", None, ["currency_unknown"]),
            ("QQQ", "QQQ", ["currency_unknown"]),
        ],
    )
    def test_currency(self, an_order, order_of, sent, currency, codes):
        order = order_of(an_order(currency_iso_code=sent))
        assert (order.currency, [problem.code for problem in order.problems]) == (currency, codes)


class TestPeople:
    """Customer and addresses."""

    @pytest.mark.parametrize("nothing", [None, "", {}])
    def test_addresses_withheld_before_acceptance(self, an_order, order_of, nothing):
        customer = {"customer_id": "C-77", "firstname": "Odile", "lastname": "Marchand"}
        order = order_of(an_order(customer={**customer, "shipping_address": nothing, "billing_address": nothing}))
        assert (order.shipping_address, order.billing_address) == (Address(), Address())
        assert (order.customer.name, order.customer.phone, order.problems) == ("Odile Marchand", None, ())

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_no_customer_at_all(self, an_order, order_of, nothing):
        order = order_of(an_order(customer=nothing))
        assert order.customer == Customer(email="n-5521@notification.example")

    def test_the_name_of_the_shipping_address_stands_in(self, an_order, an_address, order_of):
        customer = {"firstname": " ", "lastname": "", "shipping_address": an_address(firstname=None)}
        assert order_of(an_order(customer=customer)).customer.name == "Marchand"

    def test_the_second_phone_stands_in(self, an_order, an_address, order_of):
        order = order_of(an_order(customer={"shipping_address": an_address(phone="")}))
        assert (order.customer.phone, order.shipping_address.phone) == ("+33600000002", "+33600000002")

    def test_an_organization_makes_it_business(self, an_order, an_address, order_of):
        address = an_address(company="Marchand SARL", company_2="Atelier")
        order = order_of(an_order(customer={"organization": {"name": "Marchand Group"}, "shipping_address": address}))
        assert (order.is_business, order.customer.company) == (True, "Marchand Group")
        assert order.shipping_address.company == "Marchand SARL, Atelier"

    def test_the_company_of_the_shipping_address_stands_in(self, an_order, an_address, order_of):
        order = order_of(an_order(customer={"shipping_address": an_address(company="Marchand SARL")}))
        assert (order.is_business, order.customer.company) == (False, "Marchand SARL")

    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            (("FRA", "", "INT1"), "FR"),
            (("fra", None, None), "FR"),
            (("ES", None, None), "ES"),
            ((None, "ES", None), "ES"),
            (("", "ITA", None), "IT"),
            ((None, "France", "ESP"), "FR"),
            ((None, "Belgique", None), "BE"),
            ((None, "ESPAÑA", None), "ES"),
            ((None, "Deutschland", None), "DE"),
            ((None, "Österreich", None), "AT"),
            ((None, "Paesi Bassi", None), "NL"),
            ((None, "Verenigd Koninkrijk", None), "GB"),
            ((None, "Países Baixos", None), "NL"),
            ((None, "États-Unis", None), "US"),
            ((None, "Kanada", None), "CA"),
            (("???", "Suisse", None), "CH"),
            ((None, None, "FRA"), "FR"),
            (("", "", "PRT"), "PT"),
            ((None, "", "DOM"), None),
            ((None, None, "INT1"), None),
        ],
    )
    def test_countries(self, an_order, an_address, order_of, sent, code):
        address = an_address(country_iso_code=sent[0], country=sent[1])
        order = order_of(an_order(customer={"shipping_address": address}, shipping_zone_code=sent[2]))
        assert (order.shipping_address.country_code, order.problems) == (code, ())

    def test_an_unknown_country_is_named_without_saying_it(self, an_order, an_address, order_of, codes_of):
        address = an_address(country_iso_code="", country="Atlantis")
        order = order_of(an_order(customer={"shipping_address": address}, shipping_zone_code=None))
        assert (order.shipping_address.country_code, codes_of(order)) == (None, ["country_unknown"])
        assert "Atlantis" not in order.problems[0].message

    def test_the_shipping_zone_says_nothing_of_the_billing_address(self, an_order, an_address, order_of):
        customer = {"billing_address": an_address(country_iso_code=None, country=None)}
        assert order_of(an_order(customer=customer)).billing_address.country_code is None


class TestFulfilment:
    """Who ships."""

    @pytest.mark.parametrize(
        ("sent", "fulfilled_by"),
        [
            ({"center": {"code": "DEFAULT"}}, FulfilledBy.MERCHANT),
            ({"center": {"code": "FC-7"}}, FulfilledBy.MARKETPLACE),
            ({"center": {"code": ""}}, None),
            ({"center": ""}, None),
            ({"center": None}, None),
            ("", None),
            (None, None),
        ],
    )
    def test_centres(self, an_order, order_of, sent, fulfilled_by):
        order = order_of(an_order(fulfillment=sent))
        assert (order.fulfilled_by, order.is_split) == (fulfilled_by, False)

    def test_a_centre_of_the_sellers_own(self, an_order, order_of):
        payload = an_order(fulfillment={"center": {"code": "OWN-2"}})
        assert order_of(payload, merchant_fulfillment_centers=["OWN-2"]).fulfilled_by is FulfilledBy.MERCHANT

    def test_lines_may_name_the_centre_instead_of_the_order(self, an_order, a_line, order_of):
        line = a_line(fulfillment={"center": {"code": "FC-7"}})
        assert order_of(an_order(line, fulfillment=None)).fulfilled_by is FulfilledBy.MARKETPLACE

    def test_lines_of_both_become_two_orders(self, an_order, a_line, orders_of):
        theirs = {"center": {"code": "FC-7"}}
        payload = an_order(
            a_line(1, taxes=[{"code": "VAT", "amount": 1}]),
            a_line(2, fulfillment=theirs, order_line_state="SHIPPED", shipping_taxes=[{"code": "VAT", "amount": 0.5}]),
            a_line(3, price=10),
            order_tax_mode="TAX_EXCLUDED",
        )
        merchant, marketplace = orders_of(payload)
        assert (merchant.fulfilled_by, marketplace.fulfilled_by) == (FulfilledBy.MERCHANT, FulfilledBy.MARKETPLACE)
        assert (merchant.split_of, marketplace.split_of) == (marketplace.id, merchant.id)
        assert [(line.original_id, line.number) for line in merchant.lines] == [("L1", 1), ("L3", 2)]
        assert [(line.original_id, line.number) for line in marketplace.lines] == [("L2", 1)]
        assert (merchant.total, merchant.shipping_total, merchant.tax_total) == (
            Decimal("70.8"),
            Decimal("10.0"),
            Decimal(1),
        )
        assert (marketplace.total, marketplace.shipping_total) == (Decimal("55.3"), Decimal("5.5"))
        assert [unexplained(each) for each in (merchant, marketplace)] == [0, 0]
        assert marketplace.tax_total == Decimal("0.5")
        assert (merchant.status, marketplace.status) == (Status.WAITING_FOR_SHIPMENT, Status.SHIPPED)

    def test_a_half_without_known_amounts_has_no_total(self, an_order, a_line, orders_of):
        theirs = {"center": {"code": "FC-7"}}
        merchant, marketplace = orders_of(
            an_order(a_line(1, shipping_price=None), a_line(2, fulfillment=theirs, price=None))
        )
        assert (merchant.total, merchant.shipping_total) == (None, None)
        assert (marketplace.total, marketplace.shipping_total) == (None, Decimal("5.0"))

    @pytest.mark.parametrize(
        ("states", "status"),
        [
            (("SHIPPING", "SHIPPING"), Status.WAITING_FOR_SHIPMENT),
            (("SHIPPED", "SHIPPING"), Status.PARTIALLY_SHIPPED),
            (("SHIPPED", "CANCELED"), Status.SHIPPED),
            (("CANCELED", "REFUSED"), Status.CANCELED),
        ],
    )
    def test_the_status_of_a_half_is_its_own_lines(self, an_order, a_line, orders_of, states, status):
        mine = [a_line(number, order_line_state=state) for number, state in enumerate(states, 1)]
        theirs = a_line(3, fulfillment={"center": {"code": "FC-7"}})
        merchant, marketplace = orders_of(an_order(*mine, theirs))
        assert (merchant.status, marketplace.status) == (status, Status.WAITING_FOR_SHIPMENT)

    def test_a_line_without_centre_beside_both_goes_to_the_merchant(self, an_order, a_line, orders_of, codes_of):
        lines = [
            a_line(1),
            a_line(2, fulfillment={"center": {"code": "DEFAULT"}}),
            a_line(3, fulfillment={"center": {"code": "FC-7"}}),
        ]
        merchant, marketplace = orders_of(an_order(*lines, fulfillment=None))
        assert [line.original_id for line in merchant.lines] == ["L1", "L2"]
        assert codes_of(merchant) == codes_of(marketplace) == ["fulfilled_by_unknown"]


class TestLines:
    """Line numbers and ids."""

    @pytest.mark.parametrize(
        ("indexes", "numbers"),
        [
            ((1, 2), [1, 2]),
            ((2, 1), [2, 1]),
            ((7, 9), [7, 9]),
            ((None, None), [1, 2]),
            ((1, 1), [1, 2]),
            ((2, None), [1, 2]),
            (("", 5), [1, 5]),
            ((0, 2), [1, 2]),
        ],
    )
    def test_numbers(self, an_order, a_line, order_of, indexes, numbers):
        lines = [a_line(number, order_line_index=index) for number, index in enumerate(indexes, 1)]
        assert [line.number for line in order_of(an_order(*lines)).lines] == numbers

    def test_no_lines_is_kept_and_named(self, an_order, order_of, codes_of):
        order = order_of(an_order(order_lines=[]))
        assert (order.lines, codes_of(order)) == ((), ["no_lines", "total_mismatch"])

    def test_two_lines_of_one_id_are_refused(self, an_order, a_line, orders_of):
        twice = an_order(a_line(1), a_line(2, order_line_id="L1"))
        assert refusal(orders_of, twice) == ("duplicate_line", "$.order_lines[1].order_line_id")

    @pytest.mark.parametrize("wrong", ["L\u200b1", "L\t1", "L\u20281", "L\x961", "L" * 201])
    def test_an_id_that_no_door_takes_is_refused(self, an_order, a_line, orders_of, wrong):
        unseen = an_order(a_line(1, order_line_id=wrong))
        assert refusal(orders_of, unseen) == ("no_identifier", "$.order_lines[0].order_line_id")


class TestTolerance:
    """What old instances send."""

    def test_an_old_instance_sends_empty_texts_for_everything(self, an_order, a_line, order_of, codes_of):
        line = a_line(
            taxes="", shipping_taxes="", cancelations="", order_line_index="", product_title="", shipped_date=""
        )
        order = order_of(
            an_order(
                line,
                fulfillment="",
                has_incident="",
                order_tax_mode="",
                shipping_deadline="",
                customer_debited_date="",
                payment_workflow="",
                last_updated_date="",
            )
        )
        assert (order.ship_by, order.payment.paid_at, order.payment.workflow) == (None, None, None)
        assert order.marketplace_updated_at == order.purchased_at
        assert codes_of(order) == ["updated_at_missing"]

    def test_the_old_name_of_the_payment_type(self, an_order, order_of):
        assert order_of(an_order(payment_type=None, paymentType="006")).payment.method == "006"

    def test_numbers_as_text_and_ids_as_numbers(self, an_order, a_line, order_of):
        line = a_line(order_line_id=77, quantity="2", price="49.80")
        order = order_of(an_order(line, order_id=1001))
        assert (order.original_id, order.lines[0].original_id) == ("1001", "77")
        assert (order.lines[0].quantity_ordered, order.lines[0].line_total) == (2, Decimal("49.80"))


class TestRefusal:
    """What gives no order, and where it says so."""

    @pytest.mark.parametrize("payload", [None, [], "order", 7, True, {"order": []}, {"order": None}])
    def test_no_object(self, orders_of, payload):
        assert refusal(orders_of, payload) == ("wrong_type", "$")

    @pytest.mark.parametrize("key", ["order_id", "created_date", "order_lines"])
    @pytest.mark.parametrize("is_enveloped", [False, True])
    def test_what_every_order_needs(self, an_order, orders_of, key, is_enveloped):
        payload = an_order(**{key: None})
        payload = {"order": payload, "shipments": []} if is_enveloped else payload
        assert refusal(orders_of, payload) == ("missing", f"$.{key}")

    @pytest.mark.parametrize(
        "case",
        [
            ({"price": "much"}, "not_a_number", "$.order_lines[0].price"),
            ({"quantity": -1}, "out_of_range", "$.order_lines[0].quantity"),
            ({"quantity": 1.5}, "wrong_type", "$.order_lines[0].quantity"),
            ({"order_line_id": None}, "missing", "$.order_lines[0].order_line_id"),
            ({"taxes": [{"amount": {}}]}, "wrong_type", "$.order_lines[0].taxes[0].amount"),
            ({"taxes": [7]}, "wrong_type", "$.order_lines[0].taxes[0]"),
            ({"cancelations": [{"quantity": "x"}]}, "wrong_type", "$.order_lines[0].cancelations[0].quantity"),
            ({"fulfillment": {"center": 3}}, "wrong_type", "$.order_lines[0].fulfillment.center"),
        ],
    )
    def test_lines(self, an_order, a_line, orders_of, case):
        changed, code, path = case
        assert refusal(orders_of, {"order": an_order(a_line(**changed)), "shipments": None}) == (code, path)

    @pytest.mark.parametrize(
        ("shipments", "code", "path"),
        [
            ("all", "wrong_type", "$.shipments"),
            ([3], "wrong_type", "$.shipments[0]"),
            ([{"status": "SHIPPED", "shipment_lines": [{"order_line_id": "L1"}]}], "missing", ""),
            ([{"status": [], "shipment_lines": []}], "wrong_type", "$.shipments[0].status"),
        ],
    )
    def test_shipments(self, an_order, orders_of, shipments, code, path):
        expected = path or "$.shipments[0].shipment_lines[0].quantity"
        assert refusal(orders_of, {"order": an_order(), "shipments": shipments}) == (code, expected)

    def test_people(self, an_order, an_address, orders_of):
        payload = an_order(customer={"shipping_address": an_address(city={"name": "Nantes"})})
        assert refusal(orders_of, payload) == ("wrong_type", "$.customer.shipping_address.city")


class TestDescription:
    """What describes an order beside goods and money."""

    def test_how_when_and_where_to_deliver(self, an_order, a_line, order_of):
        order = order_of(
            an_order(
                a_line(offer_state_code="11", shipping_from={"warehouse": {"code": "WH-2"}}),
                shipping_pudo_id="FR-012345",
                shipping_type_code="MR24R",
                shipping_type_label="Relay point",
                shipping_carrier_code="MONDIALRELAY",
                delivery_date={"earliest": "2026-11-03T08:00:00Z", "latest": "2026-11-05T18:00:00Z"},
            )
        )
        assert (order.delivery_point, order.service_level) == (DeliveryPoint(id="FR-012345"), "MR24R")
        assert order.deliver_by.latest == datetime(2026, 11, 5, 18, tzinfo=UTC)
        (line,) = order.lines
        assert (line.marketplace_sku, line.condition, line.ship_from) == ("OP-4006381333931", "11", "WH-2")
        data = order.marketplace_data
        assert (data["shipping_type_label"], data["shipping_carrier_code"]) == ("Relay point", "MONDIALRELAY")
        assert "FR-012345" not in str(data)

    def test_the_operators_fields_are_kept_their_values_only_for_those_who_may_see_people(
        self, an_order, a_line, order_of
    ):
        order = order_of(
            an_order(a_line(), order_additional_fields=[{"code": "tax-code", "value": "a@x.example;ABC1234"}])
        )
        assert order.marketplace_data["order_additional_fields"] == [{"code": "tax-code"}]
        (line,) = order.marketplace_data["order_lines"]
        assert line["order_line_additional_fields"] == [{"code": "engraving", "type": "STRING"}]
        whole = order.personal_marketplace_data
        assert whole["order_additional_fields"] == [{"code": "tax-code", "value": "a@x.example;ABC1234"}]
        (line,) = whole["order_lines"]
        assert line["order_line_additional_fields"][0]["value"] == "For Odile"
        assert line["shipping_from"]["address"]["street_1"] == "9 quai du Port"

    def test_the_tax_number_of_a_company(self, an_order, order_of):
        organization = {"name": "Marchand SARL", "tax_identification_number": "FR12345678901"}
        order = order_of(an_order(customer={"firstname": "Odile", "organization": organization}))
        assert order.references == References(vat_id="FR12345678901")
        assert [(each.code, each.path) for each in order.problems] == [
            ("vat_id_invalid", "$.customer.organization.tax_identification_number")
        ]
        assert not any("FR12345678901" in each.message for each in order.problems)

    def test_the_sources_own_sums_stay_beside_ours(self, an_order, a_line, order_of):
        line = a_line(taxes=[{"code": "VAT", "amount": 9.96, "rate": 20}])
        order = order_of(an_order(line, order_tax_mode="TAX_EXCLUDED"))
        assert (order.total, order.marketplace_data["total_price"]) == (Decimal("64.76"), 54.8)

    def test_a_placeholder_phone_gives_way_to_the_second_one(self, an_order, an_address, order_of):
        order = order_of(an_order(customer={"shipping_address": an_address(phone="-")}))
        assert (order.shipping_address.phone, order.customer.phone) == ("+33600000002", "+33600000002")

    @pytest.mark.parametrize("sent", [("UK", None), (None, "EL"), ("", "Canary Islands"), ("GLP", "France")])
    def test_codes_in_use_and_territories(self, an_order, an_address, order_of, sent):
        codes = {"UK": "GB", "EL": "GR", "Canary Islands": "ES", "GLP": "GP"}
        address = an_address(country_iso_code=sent[0], country=sent[1])
        shipping = order_of(an_order(customer={"shipping_address": address})).shipping_address
        word = sent[0] or sent[1]
        assert (shipping.country_code, shipping.source_country) == (codes[word], word)

    def test_times_with_offsets(self, an_order, order_of):
        order = order_of(
            an_order(
                order_id="0000123456-A",
                created_date="2026-10-25T02:30:00+0200",
                last_updated_date="2026-10-25T02:30:00.5+01:00",
                shipping_deadline="2026-10-27T23:59:59",
            )
        )
        assert order.original_id == "0000123456-A"
        assert order.purchased_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert order.marketplace_updated_at == datetime(2026, 10, 25, 1, 30, 0, 500000, tzinfo=UTC)
        assert order.ship_by == datetime(2026, 10, 27, 23, 59, 59, tzinfo=UTC)


class TestIdentifiers:
    """SKUs and codes of packages are identifiers as at every door."""

    @pytest.mark.parametrize(
        ("sent", "sku", "found"),
        [
            ("\u200bSPADE\u00ad-1 ", "SPADE-1", []),
            ("SPADE\u0007-1", None, ["member_unreadable"]),
            ("SPADE\u2029-1", None, ["member_unreadable"]),
            ("S" * 201, None, ["member_unreadable"]),
        ],
    )
    def test_a_sku_never_costs_the_order(self, an_order, a_line, order_of, codes_of, sent, sku, found):
        order = order_of(an_order(a_line(1, offer_sku=sent, product_sku="P\u200b1")))
        assert (order.lines[0].sku, order.lines[0].marketplace_sku) == (sku, "P1")
        assert codes_of(order) == found

    def test_a_shipment_that_names_the_sku_as_the_line_does_is_joined(self, an_order, a_line, a_shipment, order_of):
        sku = "SPADE\u200b-2"
        tracking = {"carrier_code": "UPS\u200b", "tracking_number": "\u202a1Z9\u202c"}
        shipment = a_shipment(shipment_lines=[{"offer_sku": sku, "quantity": 1}], tracking=tracking)
        order = order_of({"order": an_order(a_line(1), a_line(2, offer_sku=sku)), "shipments": [shipment]})
        assert [line.quantity_shipped for line in order.lines] == [0, 1]
        (package,) = order.packages
        assert (package.carriers, package.tracking_number) == (("UPS",), "1Z9")
        assert package.quantities == ((order.lines[1].original_id, 1),)

"""Units, amounts and states of a line describe the same thing, and what may not ship says so."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.marketplaces.mirakl.conftest import make_line, make_order, make_shipment, read_all
from warehouse import documents
from warehouse.order_states import Bar, Status
from warehouse.templates import OrderColumn, order_rows


def cancelled(quantity, amount=None):
    return {"id": "C1", "quantity": quantity, "amount": amount, "reason_code": "GONE", "taxes": []}


def refunded(quantity, amount, state="REFUNDED"):
    return {"id": "R1", "quantity": quantity, "amount": amount, "reason_code": "BACK", "refund_state": state}


def facts_of(order):
    return orjson.loads("{" + documents.facts(order) + "}")


def cells(order, number=0):
    names = [column.value for column in OrderColumn]
    return dict(zip(names, order_rows(order.status.value, facts_of(order), {})[number], strict=True))


class TestPartialCancellation:
    """The price tells whether the quantity fell with it."""

    def test_a_price_below_the_quantity_says_that_the_quantity_is_gross(self, order_of):
        line = make_line(quantity=4, price_unit=7.5, price=22.5, cancelations=[cancelled(1, 7.5)])
        order = order_of(make_order(line))
        (read,) = order.lines
        assert (read.quantity_ordered, read.quantity_cancelled, read.quantity_remaining_to_ship) == (4, 1, 3)
        assert (read.unit_price, read.line_total, read.kept_total) == (Decimal("7.5"), Decimal("22.5"), Decimal("22.5"))
        assert (order.problems, order.may_not_ship_reason) == ((), None)

    def test_a_price_of_the_quantity_says_that_the_quantity_is_net(self, order_of):
        line = make_line(quantity=2, price_unit=7.5, price=15.0, cancelations=[cancelled(1, 7.5)])
        order = order_of(make_order(line))
        (read,) = order.lines
        assert (read.quantity_ordered, read.quantity_cancelled, read.quantity_remaining_to_ship) == (3, 1, 2)
        assert (read.unit_price, order.problems, order.status) == (
            Decimal("7.5"),
            (),
            Status.WAITING_FOR_SHIPMENT,
        )

    @pytest.mark.parametrize(
        "changed",
        [
            {"price": 19.0},
            {"price": None},
            {"price_unit": None},
            {"price_unit": 0.0, "price": 0.0},
            {"price": 22.5, "cancelations": [cancelled(0, 7.5)]},
        ],
    )
    def test_neither_is_a_problem_and_nothing_ships(self, order_of, codes_of, changed):
        sent = {"quantity": 4, "price_unit": 7.5, "price": 22.5, "cancelations": [cancelled(1, 7.5)], **changed}
        order = order_of(make_order(make_line(**sent)))
        assert "quantity_unclear" in codes_of(order)
        assert order.lines[0].may_not_ship_reason is Bar.CONTRADICTORY
        assert order.may_not_ship_reason is Bar.NO_LINE_MAY_SHIP
        assert cells(order)["quantity_remaining_to_ship"] == 0

    @pytest.mark.parametrize("is_net", [True, False])
    def test_what_was_shipped_is_what_was_not_cancelled(self, order_of, is_net):
        quantity = 3 if is_net else 5
        line = make_line(
            quantity=quantity,
            price_unit=2.0,
            price=6.0,
            order_line_state="SHIPPED",
            cancelations=[cancelled(2, 4.0)],
        )
        (read,) = order_of(make_order(line, order_state="SHIPPED")).lines
        assert (read.quantity_ordered, read.quantity_shipped, read.quantity_cancelled) == (5, 3, 2)

    def test_units_shipped_win_over_units_cancelled(self, order_of, codes_of):
        line = make_line(quantity=3, price_unit=10.0, price=10.0, cancelations=[cancelled(2, 20.0)])
        order = order_of({"order": make_order(line), "shipments": [make_shipment(("L1", 2))]})
        (read,) = order.lines
        assert (read.quantity_ordered, read.quantity_shipped, read.quantity_cancelled) == (3, 2, 1)
        assert codes_of(order) == ["quantity_conservation"]

    def test_an_open_line_of_which_nothing_is_left_is_a_problem(self, order_of, codes_of):
        line = make_line(quantity=2, price_unit=9.0, price=0.0, cancelations=[cancelled(2, 18.0)])
        assert codes_of(order_of(make_order(line))) == ["state_contradiction"]

    @given(
        quantity=st.integers(0, 50),
        lost=st.lists(st.integers(0, 60), max_size=3),
        cents=st.integers(0, 10**5),
        unit=st.integers(0, 10**4),
        state=st.sampled_from(["SHIPPING", "SHIPPED", "CANCELED", "REFUSED", "REFUNDED", "INCIDENT_OPEN", "RECEIVED"]),
        shipped=st.integers(0, 60),
        back=st.integers(0, 60),
    )
    def test_whatever_is_sent_conserves_and_no_row_asks_for_more(
        self, quantity, lost, cents, unit, state, shipped, back
    ):
        line = make_line(
            quantity=quantity,
            price=cents / 100,
            price_unit=unit / 100,
            order_line_state=state,
            cancelations=[cancelled(each, 1.0) for each in lost],
            refunds=[refunded(back, 1.0)] if back else [],
        )
        (order,) = read_all({"order": make_order(line), "shipments": [make_shipment(("L1", shipped))]})
        (read,) = order.lines
        remaining = read.quantity_remaining_to_ship
        assert remaining is not None
        assert remaining >= 0
        assert read.quantity_ordered == read.quantity_shipped + read.quantity_cancelled + remaining
        row = cells(order)
        assert row["quantity_ordered"] - row["quantity_shipped"] == row["quantity_remaining_to_ship"]
        assert 0 <= row["quantity_remaining_to_ship"] <= remaining
        assert row["quantity_remaining_to_ship"] == 0 or read.may_not_ship_reason is None
        if row["quantity_ordered"] == 0 and quantity:
            assert (Decimal(row["line_total"]), row["unit_price"]) == (0, "0")


class TestWholeLine:
    """A line that is gone beside one that ships."""

    @pytest.mark.parametrize("state", ["CANCELED", "REFUSED"])
    @pytest.mark.parametrize(("price", "listed"), [(0.0, [cancelled(3, 60.0)]), (60.0, []), (60.0, [cancelled(3, 60)])])
    def test_it_is_neither_to_ship_nor_revenue(self, order_of, state, price, listed):
        gone = make_line(2, quantity=3, price_unit=20.0, price=price, order_line_state=state, cancelations=listed)
        order = order_of(make_order(make_line(1), gone))
        read = order.lines[1]
        assert (read.quantity_ordered, read.quantity_cancelled, read.quantity_remaining_to_ship) == (3, 3, 0)
        assert read.kept_total == 0
        assert read.may_not_ship_reason in {Bar.LINE_CANCELED, Bar.LINE_REFUSED}
        assert order.may_not_ship_reason is None
        row = cells(order, 1)
        assert (row["quantity_ordered"], row["quantity_shipped"], row["quantity_remaining_to_ship"]) == (0, 0, 0)
        assert (row["unit_price"], row["line_total"]) == ("0", "0")
        assert cells(order, 0)["quantity_remaining_to_ship"] == 2


class TestBars:
    """What the marketplace itself says against shipping."""

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"can_shop_ship": False}, Bar.NOT_SHIPPABLE),
            ({"can_shop_ship": "false"}, Bar.NOT_SHIPPABLE),
            ({"fully_refunded": True, "can_shop_ship": False}, Bar.FULLY_REFUNDED),
            ({"has_incident": True}, Bar.INCIDENT_OPEN),
            ({"order_state": "WAITING_DEBIT"}, Bar.ORDER_PENDING),
            ({"order_state": "CANCELED"}, Bar.ORDER_CANCELED),
            ({"order_state": "REFUSED"}, Bar.ORDER_REFUSED),
            ({"fulfillment": {"center": {"code": "OPERATOR"}}}, Bar.FULFILLED_BY_MARKETPLACE),
            ({"can_shop_ship": True}, None),
            ({"can_shop_ship": ""}, None),
        ],
    )
    def test_of_the_order(self, order_of, changed, reason):
        order = order_of(make_order(**changed))
        members = facts_of(order)
        assert order.may_not_ship_reason == reason
        assert (members["may_ship"], members["may_not_ship_reason"]) == (reason is None, reason)
        assert (members["lines"][0]["may_ship"], members["lines"][0]["may_not_ship_reason"]) == (reason is None, reason)

    @pytest.mark.parametrize(
        ("changed", "refunds"),
        [
            ({}, [refunded(2, 49.8)]),
            ({}, [refunded(2, 49.8, "WAITING_REFUND")]),
            ({}, [refunded(0, 49.8)]),
            ({"order_line_state": "REFUNDED"}, []),
            ({"order_line_state": "WAITING_REFUND_PAYMENT"}, []),
        ],
    )
    def test_units_refunded_before_they_were_shipped_remain_and_may_not_ship(self, order_of, changed, refunds):
        order = order_of(make_order(make_line(1, refunds=refunds, **changed), make_line(2)))
        read = order.lines[0]
        assert (read.quantity_cancelled, read.quantity_remaining_to_ship, read.quantity_refunded) == (0, 2, 2)
        assert (read.may_not_ship_reason, order.may_not_ship_reason) == (Bar.REFUNDED, None)
        assert cells(order, 0)["quantity_remaining_to_ship"] == 0

    def test_the_units_that_were_not_refunded_may_ship(self, order_of):
        order = order_of(make_order(make_line(refunds=[refunded(1, 24.9)])))
        (read,) = order.lines
        assert (read.may_not_ship_reason, read.quantity_remaining_to_ship, read.refunded_total) == (
            None,
            2,
            Decimal("24.9"),
        )
        row = cells(order)
        assert (row["quantity_ordered"], row["quantity_remaining_to_ship"], row["line_total"]) == (1, 1, "24.90")

    def test_a_price_reduction_bars_nothing(self, order_of):
        order = order_of(make_order(make_line(refunds=[refunded(0, 5.0)])))
        assert order.may_not_ship_reason is None
        assert cells(order)["quantity_remaining_to_ship"] == 2

    def test_an_incident_about_a_line_is_no_fact_of_the_others(self, order_of):
        lines = make_line(1, order_line_state="INCIDENT_OPEN"), make_line(2)
        order = order_of(make_order(*lines, has_incident=True))
        assert [line.may_not_ship_reason for line in order.lines] == [Bar.INCIDENT_OPEN, None]
        assert order.may_not_ship_reason is None

    def test_what_is_shipped_is_not_barred(self, order_of):
        line = make_line(order_line_state="SHIPPED")
        order = order_of(make_order(line, order_state="SHIPPED", can_shop_ship=False, has_incident=True))
        assert order.may_not_ship_reason is None

    def test_a_line_that_is_shipped_with_units_left_is_a_contradiction(self, order_of, codes_of):
        order = order_of(
            {
                "order": make_order(make_line(order_line_state="SHIPPED"), order_state="SHIPPED"),
                "shipments": [make_shipment(("L1", 1))],
            }
        )
        assert codes_of(order) == ["state_contradiction"]
        assert order.lines[0].may_not_ship_reason is Bar.CONTRADICTORY


def test_two_lines_of_one_article_share_a_shipment_in_their_order(order_of):
    lines = (
        make_line(1, offer_sku="STOOL", quantity=3, price_unit=5.0, price=15.0),
        make_line(2, offer_sku="STOOL", quantity=2, price_unit=4.0, price=8.0),
    )
    sent = {"order_line_id": None, "offer_sku": "STOOL", "quantity": 3}
    order = order_of({"order": make_order(*lines), "shipments": [make_shipment(shipment_lines=[sent])]})
    assert [line.quantity_remaining_to_ship for line in order.lines] == [0, 2]
    assert order.status is Status.PARTIALLY_SHIPPED

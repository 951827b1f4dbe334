"""Ordered = shipped + cancelled + remaining, whatever the marketplace and the ERP say, and what may have left all the same."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.ledger.test_shipments import NOW, Shop, a_line, an_order
from warehouse.ids import line_id
from warehouse.ledger.base import schema
from warehouse.ledger.book import cancellation_queries
from warehouse.ledger.shipping import shipment_queries
from warehouse.ledger.shipping.shipment_queries import ShipmentFilter
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.order_parts import Cancellation
from warehouse.order_rules import conserved
from warehouse.order_states import Bar, Status
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import Item, ReportResult, ShipmentReport


@pytest.fixture
def shop(any_ledger, any_settings) -> Shop:
    return Shop(any_ledger, open_key_ring(any_settings))


def later(order, minutes, **changes):
    return replace(order, marketplace_updated_at=order.marketplace_updated_at + timedelta(minutes=minutes), **changes)


def rows(shop):
    """(shipped, cancelled, remaining) of the ledger's lines, in their order."""
    lines = schema.order_lines.c
    with shop.ledger.read() as connection:
        query = sa.select(lines.quantity_shipped, lines.quantity_cancelled, lines.quantity_remaining)
        return [tuple(row) for row in connection.execute(query.order_by(lines.order_id, lines.number))]


def packages(shop, **wanted):
    with shop.ledger.read() as connection:
        found = shipment_queries.page(connection, ShipmentFilter(**wanted), None, 10).rows
    return {each.shipment.package_id: [item.may_have_left for item in each.items] for each in found}


def problems(shop):
    with shop.ledger.read() as connection:
        return [
            (row.code, row.kind, row.order_id, row.details["units"]) for row in find_incidents(connection, limit=10)
        ]


def test_the_ledger_refuses_lines_that_do_not_conserve(shop):
    shop.put(an_order())
    update = sa.update(schema.order_lines).values(quantity_shipped=3, quantity_cancelled=3)
    with pytest.raises(sa.exc.IntegrityError), shop.ledger.write() as connection:
        connection.execute(update)
    update = sa.update(schema.order_lines).values(
        quantity_shipped=5, quantity_remaining=-2, quantity_ordered=3, quantity_cancelled=0
    )
    with pytest.raises(sa.exc.IntegrityError), shop.ledger.write() as connection:
        connection.execute(update)


def test_units_cancelled_after_they_were_reported_are_cancelled_and_may_have_left(shop):
    order = an_order(lines=(a_line("L1", 1, 2),))
    (own_id,) = shop.put(order)
    shop.one()
    assert (shop.quantities(own_id), shop.row(own_id)["status"]) == ([(2, 0)], "SHIPPED")

    shop.put(later(order, 5, status=Status.CANCELED, lines=(a_line("L1", 1, 2, cancelled=2),)))

    document = shop.row(own_id)["document"]
    (line,) = document["lines"]
    assert [line[name] for name in ("quantity_ordered", "quantity_shipped", "quantity_cancelled")] == [2, 0, 2]
    assert line["quantity_remaining_to_ship"] == 0
    assert (shop.row(own_id)["status"], document["may_not_ship_reason"]) == ("CANCELED", "order_canceled")
    assert rows(shop) == [(0, 2, 0)]
    assert packages(shop) == packages(shop, shipped_despite_cancellation=True) == {"1": [2]}
    assert problems(shop) == [("shipped_despite_cancellation", "cancellation", own_id, 2)]
    assert shop.row(own_id)["has_errors"]
    assert shop.shipments()[0]["status"] == "queued"


def test_what_was_not_shown_there_is_what_was_cancelled(shop):
    order = an_order(lines=(a_line("L1", 1, 3),))
    (own_id,) = shop.put(order)
    item = Item(item_original_id="L1", item_quantity_shipped=1)
    for package in ("A", "B", "C"):
        assert shop.one(package_id=package, tracking_number=package, items=(item,)).result is ReportResult.ACCEPTED
    with shop.ledger.write() as connection:
        connection.execute(
            sa.update(schema.shipments).where(schema.shipments.c.package_id == "C").values(status="verified")
        )
    shop.put(later(order, 5, lines=(a_line("L1", 1, 3, shipped=1, cancelled=1),)))
    assert shop.quantities(own_id) == [(2, 0)]
    assert sum(units for (units,) in packages(shop).values()) == 1
    assert packages(shop)["C"] == [0]


def test_a_marketplace_that_takes_a_cancellation_back_closes_the_incident(shop):
    order = an_order(lines=(a_line("L1", 1, 2),))
    (own_id,) = shop.put(order)
    shop.one()
    shop.put(later(order, 5, lines=(a_line("L1", 1, 2, cancelled=1),)))
    assert (shop.quantities(own_id), packages(shop)) == ([(1, 0)], {"1": [1]})
    shop.put(later(order, 9, lines=(a_line("L1", 1, 2, shipped=2),)))
    assert (shop.quantities(own_id), packages(shop), problems(shop)) == ([(2, 0)], {"1": [0]}, [])
    assert packages(shop, shipped_despite_cancellation=False) == {"1": [0]}


def test_an_incident_that_somebody_has_settled_stays_closed(shop):
    order = an_order(lines=(a_line("L1", 1, 2), a_line("L2", 2, 1)))
    shop.put(order)
    shop.one()
    gone = (a_line("L1", 1, 2, cancelled=2), a_line("L2", 2, 1))
    shop.put(later(order, 5, lines=gone))
    with shop.ledger.write() as connection:
        (incident,) = find_incidents(connection, limit=1)
        incidents.resolve_by_hand(connection, incident.id, "the buyer keeps it", NOW)
    shop.put(later(order, 9, lines=(gone[0], a_line("L2", 2, 1, shipped=1))))
    assert problems(shop) == []
    assert packages(shop) == {"1": [2, 0]}


def test_a_request_whose_units_were_reported_counts_as_shipped_despite_it(shop):
    asked = replace(a_line("L1", 1, 2), cancellation=Cancellation(requested_by="BUYER"))
    order = an_order(lines=(a_line("L1", 1, 2),))
    (own_id,) = shop.put(order)
    shop.one()
    shop.put(later(order, 5, lines=(asked,)))
    shop.put(later(order, 9, status=Status.CANCELED, lines=(replace(asked, quantity_cancelled=2),)))
    with shop.ledger.read() as connection:
        (row,) = cancellation_queries.find_requests(connection, cancellation_queries.RequestFilter(order_id=own_id))
    assert (row.state, row.shipped_despite) == ("executed", True)


def test_nothing_is_shipped_when_all_that_was_reported_is_cancelled(shop):
    order = an_order(lines=(a_line("L1", 1, 2), a_line("L2", 2, 1)))
    (own_id,) = shop.put(order)
    shop.one(items=(Item(item_original_id="L1"),))
    assert shop.row(own_id)["status"] == "PARTIALLY_SHIPPED"
    shop.put(later(order, 5, lines=(a_line("L1", 1, 2, cancelled=2), a_line("L2", 2, 1))))
    assert (shop.row(own_id)["status"], shop.quantities(own_id)) == ("WAITING_FOR_SHIPMENT", [(0, 0), (0, 1)])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bar": Bar.NOT_SHIPPABLE}, "not_shippable"),
        ({"bar": Bar.FULLY_REFUNDED}, "fully_refunded"),
        ({"lines": (replace(a_line("L1", 1, 2), quantity_refunded=2),)}, "no_line_may_ship"),
        ({"lines": (replace(a_line("L1", 1, 2), bar=Bar.CONTRADICTORY),)}, "no_line_may_ship"),
    ],
)
def test_what_may_not_ship_is_refused_when_it_is_reported(shop, changes, reason):
    (own_id,) = shop.put(an_order(**changes))
    assert shop.row(own_id)["may_not_ship_reason"] == reason
    for items in ((), (Item(item_original_id="L1", item_quantity_shipped=1),), (Item(item_original_id="L1"),)):
        answer = shop.one(items=items)
        assert (answer.result, [fault.code for fault in answer.faults]) == (ReportResult.REFUSED, ["may_not_ship"])
    assert shop.shipments() == []


def test_the_units_that_were_not_refunded_ship_and_no_others(shop):
    line = replace(a_line("L1", 1, 3), quantity_refunded=2)
    (own_id,) = shop.put(an_order(lines=(line,)))
    two = shop.one(items=(Item(item_original_id="L1", item_quantity_shipped=2),))
    assert [fault.code for fault in two.faults] == ["may_not_ship"]
    assert shop.one().result is ReportResult.ACCEPTED
    assert shop.quantities(own_id) == [(1, 2)]
    members = shop.row(own_id)["document"]
    assert (members["may_ship"], members["lines"][0]["may_not_ship_reason"]) == (False, "refunded")
    again = shop.one(package_id="2", tracking_number="T2", items=(Item(item_original_id="L1"),))
    assert [fault.code for fault in again.faults] == ["may_not_ship"]


def test_a_line_that_may_ship_ships_beside_one_that_may_not(shop):
    lines = (replace(a_line("L1", 1, 2), bar=Bar.INCIDENT_OPEN), a_line("L2", 2, 1))
    (own_id,) = shop.put(an_order(lines=lines))
    assert shop.one().result is ReportResult.ACCEPTED
    assert shop.quantities(own_id) == [(0, 2), (1, 0)]
    assert shop.row(own_id)["may_not_ship_reason"] == "no_line_may_ship"


def test_a_bar_that_falls_opens_the_order_again(shop):
    order = an_order(bar=Bar.NOT_SHIPPABLE)
    (own_id,) = shop.put(order)
    shop.put(later(order, 5, bar=None))
    assert (shop.row(own_id)["may_not_ship_reason"], shop.row(own_id)["document"]["may_ship"]) == (None, True)
    assert shop.one().result is ReportResult.ACCEPTED


NUMBERS = count(1000)
story = st.lists(
    st.one_of(
        st.tuples(st.just("told"), st.integers(0, 4), st.integers(0, 4)),
        st.tuples(st.just("reported"), st.integers(1, 3), st.integers(0, 3)),
    ),
    max_size=8,
)


@pytest.mark.slow
@given(steps=story)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_at_every_instant(shop, steps):
    order = an_order(next(NUMBERS), lines=(a_line("L1", 1, 4),))
    (own_id,) = shop.put(order)
    for minute, (kind, one, other) in enumerate(steps, 1):
        if kind == "told":
            units = conserved(4, one, other)
            told = replace(
                a_line("L1", 1, units.ordered), quantity_shipped=units.shipped, quantity_cancelled=units.cancelled
            )
            shop.put(later(order, minute, lines=(told,)))
        else:
            item = Item(item_id=line_id(own_id, "L1"), item_quantity_shipped=one)
            shop.ship(ShipmentReport(id=own_id, package_id=str(other), tracking_number=f"T{other}", items=(item,)))
        (line,) = shop.row(own_id)["document"]["lines"]
        remaining = line["quantity_remaining_to_ship"]
        assert remaining >= 0
        assert line["quantity_ordered"] == line["quantity_shipped"] + line["quantity_cancelled"] + remaining
        with shop.ledger.read() as connection:
            columns = schema.order_lines.c
            query = sa.select(columns.quantity_shipped, columns.quantity_cancelled, columns.quantity_remaining)
            kept = connection.execute(query.where(columns.order_id == own_id)).one()
        assert tuple(kept) == (line["quantity_shipped"], line["quantity_cancelled"], remaining)

"""Requests to cancel: how they follow what the marketplace shows, how they are decided, and what they hold."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from warehouse.cancellations import Decision, RequestState, request_id
from warehouse.ids import line_id
from warehouse.ledger.base.database import MARKETPLACE_CHANGES, mark
from warehouse.ledger.base.schema import order_events
from warehouse.ledger.book import cancellation_queries, cancellation_queue, cancellations
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.book.cancellations import CancellationUndecidable, Refusal
from warehouse.ledger.book.holds import held_orders
from warehouse.ledger.book.orders import lock_book, settle
from warehouse.ledger.book.orders_to_export import changed_orders
from warehouse.ledger.settings.carriers import save_requirements
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection
from warehouse.ledger.watch import activity, incidents
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.order_lines import Line
from warehouse.order_parts import Cancellation
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import open_key_ring
from warehouse.shipments import CancelReason, Cancels, CarrierRule, Requirements

ASKED = Cancellation(requested_by="BUYER", request_reason="CHANGED_MIND")
DONE = Cancellation(requested_by="BUYER", executed_by="MERCHANT", execution_reason="BUYER_CANCELLED")


class Shop:
    """Orders come in with rising update times, and requests are read back."""

    def __init__(self, ledger, keys, clock) -> None:
        self.ledger, self.keys, self.clock = ledger, keys, clock

    def order(self, first: Cancellation | None = None, second: Cancellation | None = None, **changes) -> Order:
        lines = tuple(
            Line(
                original_id=f"L{number}",
                number=number,
                quantity_ordered=2,
                quantity_shipped=0,
                quantity_cancelled=0,
                line_total=Decimal(10),
                cancellation=cancellation,
            )
            for number, cancellation in enumerate((first, second), 1)
        )
        made = Order(
            original_id="402-1",
            channel="amazon_fr",
            marketplace="Amazon FR",
            status=Status.WAITING_FOR_SHIPMENT,
            marketplace_status="UNSHIPPED",
            fulfilled_by=FulfilledBy.MERCHANT,
            purchased_at=self.clock() - timedelta(days=1),
            marketplace_updated_at=self.clock.advance(minutes=1),
            currency="EUR",
            total=Decimal(20),
            lines=lines,
        )
        return replace(made, **changes)

    def put(self, order: Order) -> list[dict]:
        with self.ledger.write() as connection:
            lock_book(connection)
            settle(connection, self.keys, [arrive(order, 1, self.clock(), is_historical=False)], self.clock())
        return self.requests()

    def requests(self, **wanted) -> list[dict]:
        with self.ledger.read() as connection:
            return cancellation_queries.find_requests(connection, RequestFilter(**wanted))

    def decide(self, decision: Decision, request: dict) -> dict:
        with self.ledger.write() as connection:
            lock_book(connection)
            return cancellations.decide(connection, request.id, decision, "erp", None, None, self.clock())

    def held(self, order: Order) -> bool:
        with self.ledger.read() as connection:
            return order.id in held_orders(connection, [order.id, "other"], self.clock())


@pytest.fixture
def shop(any_ledger, any_settings, clock):
    with any_ledger.write() as connection:
        save_connection(connection, Connection(code="a", kind="amazon", label="A"), clock())
        channel = ConfiguredChannel(
            code="amazon_fr", label="A", marketplace="A", connection="a", settings={"cancellation_hold_hours": 24}
        )
        save_channel(connection, channel, clock())
    return Shop(any_ledger, open_key_ring(any_settings), clock)


def test_an_order_without_request_has_none(shop):
    assert shop.put(shop.order()) == []


def test_a_request_of_a_line_becomes_a_row_with_its_requester_reason_and_units(shop):
    order = shop.order(ASKED)
    (row,) = shop.put(order)
    assert (row.id, row.order_id) == (request_id(order.id, "BUYER"), order.id)
    assert (row.requester, row.reason, row.state) == ("BUYER", "CHANGED_MIND", "open")
    assert [(each["original_id"], each["quantity"]) for each in row.lines] == [("L1", 2)]
    assert (row.requested_at, row.seen_at) == (order.marketplace_updated_at, shop.clock())
    assert row.hold_until == shop.clock() + timedelta(hours=24)


def test_a_request_of_the_whole_order_asks_for_every_line(shop):
    (row,) = shop.put(shop.order(cancellation=ASKED))
    assert [each["original_id"] for each in row.lines] == ["L1", "L2"]


def test_the_same_request_again_changes_nothing(shop):
    before = shop.put(shop.order(ASKED))
    assert shop.put(shop.order(ASKED, marketplace_status="CHANGED")) == before


def test_a_line_that_joins_is_orders_of_files(shop):
    (before,) = shop.put(shop.order(ASKED))
    (after,) = shop.put(shop.order(ASKED, ASKED))
    assert len(after.lines) == 2
    assert after.number > before.number


@pytest.mark.parametrize(
    ("after", "state", "despite"),
    [
        ({"first": DONE}, RequestState.EXECUTED, False),
        ({"first": None}, RequestState.WITHDRAWN, False),
        ({"first": ASKED, "status": Status.CANCELED}, RequestState.EXECUTED, False),
        ({"first": None, "status": Status.CANCELED}, RequestState.EXECUTED, False),
        ({"first": ASKED, "status": Status.SHIPPED, "lines": 2}, RequestState.EXPIRED, True),
        ({"first": ASKED, "lines": 1}, RequestState.OPEN, True),
        ({"first": None, "lines": 2}, RequestState.EXPIRED, True),
    ],
)
def test_a_request_follows_what_the_marketplace_shows(shop, after, state, despite):
    order = shop.order(ASKED)
    shop.put(order)
    later = shop.order(**{name: value for name, value in after.items() if name != "lines"})
    lines = (replace(later.lines[0], quantity_shipped=after.get("lines", 0)), later.lines[1])
    (row,) = shop.put(replace(later, lines=lines))
    assert (row.state, row.shipped_despite) == (state.value, despite)
    assert [each.id for each in shop.requests(shipped_despite=True)] == ([row.id] if despite else [])


def test_asked_again_after_it_was_withdrawn_it_is_open_again(shop):
    (first,) = shop.put(shop.order(ASKED))
    shop.put(shop.order())
    (again,) = shop.put(shop.order(ASKED))
    assert (again.state, again.id) == ("open", first.id)
    assert again.number > first.number


def test_an_order_is_held_until_the_hold_ends(shop):
    order = shop.order(ASKED)
    shop.put(order)
    assert shop.held(order)
    shop.clock.advance(hours=24)
    assert not shop.held(order)
    with shop.ledger.write() as connection:
        assert cancellations.expire(connection, shop.clock()) == 1
    assert [each.state for each in shop.requests()] == ["expired"]


def test_without_the_setting_nothing_is_held(shop):
    with shop.ledger.write() as connection:
        save_channel(
            connection, ConfiguredChannel(code="amazon_fr", label="A", marketplace="A", connection="a"), shop.clock()
        )
    order = shop.order(ASKED)
    assert shop.put(order)[0].hold_until is None
    assert not shop.held(order)


def test_declined_it_is_let_go_and_accepted_it_is_held_until_the_marketplace_shows_it(shop):
    order = shop.order(ASKED)
    (row,) = shop.put(order)
    assert shop.decide(Decision.DECLINE, row).state == "declined"
    assert not shop.held(order)
    accepted = shop.decide(Decision.ACCEPT, row)
    assert (accepted.state, accepted.due_at, accepted.decided_by) == ("accepted", shop.clock(), "erp")
    shop.clock.advance(days=9)
    assert shop.held(order)
    shop.put(shop.order(DONE))
    assert not shop.held(order)


def test_the_same_decision_again_changes_nothing(shop):
    (row,) = shop.put(shop.order(ASKED))
    first = shop.decide(Decision.ACCEPT, row)
    shop.clock.advance(minutes=1)
    assert shop.decide(Decision.ACCEPT, row).decided_at == first.decided_at


def needs(shop, **abilities) -> None:
    declared = Requirements(needs_tracking_number=False, needs_carrier=False, carrier_rule=CarrierRule.ANY, **abilities)
    with shop.ledger.write() as connection:
        save_requirements(connection, "amazon_fr", declared, shop.clock())


def test_a_marketplace_that_wants_an_answer_is_told_of_a_no_too_and_then_it_stands(shop):
    needs(shop, decides_cancellations=True)
    (row,) = shop.put(shop.order(ASKED))
    declined = shop.decide(Decision.DECLINE, row)
    assert (declined.state, declined.due_at) == ("declined", shop.clock())
    with shop.ledger.write() as connection:
        due = cancellation_queue.claim(connection, "a", shop.clock())
        cancellation_queue.conclude(connection, due, shop.clock())
    assert shop.requests()[0].told_at == shop.clock()
    with pytest.raises(CancellationUndecidable) as refused:
        shop.decide(Decision.ACCEPT, row)
    assert refused.value.refusal is Refusal.CARRIED_OUT


def test_a_marketplace_that_wants_no_answer_hears_nothing_of_a_no(shop):
    (row,) = shop.put(shop.order(ASKED))
    assert shop.decide(Decision.DECLINE, row).due_at is None


@pytest.mark.parametrize(
    ("wanted", "reason", "refusal"),
    [
        ("part", "STOCK", Refusal.WHOLE_ORDER_ONLY),
        (None, "WEATHER", Refusal.UNKNOWN_REASON),
        (None, None, Refusal.UNKNOWN_REASON),
        (None, "STOCK", None),
    ],
)
def test_only_what_the_marketplace_can_cancel_is_taken(shop, wanted, reason, refusal):
    stock = CancelReason(code="STOCK", label="Out of stock")
    needs(shop, cancels=Cancels.WHOLE_ORDER, cancel_reasons=(stock,))
    order = shop.order()
    shop.put(order)
    lines = None if wanted is None else {line_id(order.id, "L1"): 1}
    with shop.ledger.write() as connection:
        lock_book(connection)
        try:
            row = cancellations.ask(connection, order.id, lines, "erp", reason, shop.clock())
        except CancellationUndecidable as error:
            assert error.refusal is refusal  # noqa: PT017 - the other way is asked too
        else:
            assert (refusal, row.reason) == (None, "STOCK")


def test_what_the_marketplace_has_closed_cannot_be_decided(shop):
    (row,) = shop.put(shop.order(ASKED))
    shop.put(shop.order(DONE))
    with pytest.raises(CancellationUndecidable) as refused:
        shop.decide(Decision.DECLINE, row)
    assert refused.value.refusal is Refusal.CLOSED


def test_a_request_that_may_not_be_seen_does_not_exist(shop):
    (row,) = shop.put(shop.order(ASKED))
    with shop.ledger.write() as connection, pytest.raises(CancellationUndecidable) as refused:
        cancellations.decide(connection, row.id, Decision.ACCEPT, "erp", None, ("other",), shop.clock())
    assert refused.value.refusal is Refusal.UNKNOWN
    assert shop.requests(visible_channels=("other",)) == []
    assert shop.requests(visible_channels=()) == []


def test_the_timeline_and_the_log_tell_of_it_and_its_incidents_end_with_it(shop):
    order = shop.order(ASKED)
    shop.put(order)
    with shop.ledger.write() as connection:
        trouble = incidents.IncidentReport(
            scope="channel", subject="amazon_fr", stage="cancel", code="x", message="It broke.", order_id=order.id
        )
        incidents.report(connection, trouble, shop.clock())
    shop.put(shop.order(DONE))
    with shop.ledger.read() as connection:
        kinds = connection.execute(sa.select(order_events.c.kind).order_by(order_events.c.id)).scalars().all()
        entries = activity.find_entries(connection, activity.LogFilter(order_id=order.id, stages=("cancel",)), None, 10)
        assert find_incidents(connection) == []
    assert kinds == ["cancellation_requested", "cancellation_executed"]
    assert [each.kind for each in entries][::-1] == [
        "cancellation_requested",
        "incident_opened",
        "cancellation_executed",
        "incident_resolved",
    ]


def test_a_wish_of_the_seller_is_accepted_from_the_start_and_not_withdrawn_by_the_marketplace(shop):
    order = shop.order()
    shop.put(order)
    with shop.ledger.write() as connection:
        lock_book(connection)
        row = cancellations.ask(connection, order.id, {line_id(order.id, "L1"): 1}, "erp", "17", shop.clock())
    assert (row.state, row.requester, row.reason) == ("accepted", "MERCHANT", "17")
    assert [each.state for each in shop.put(shop.order(marketplace_status="X"))] == ["accepted"]
    later = shop.order()
    (row,) = shop.put(replace(later, lines=(replace(later.lines[0], quantity_cancelled=1), later.lines[1])))
    assert row.state == "executed"


@pytest.mark.parametrize("how", ["declined", "expired"])
def test_a_held_order_is_in_no_order_file_until_the_hold_ends(shop, how):
    def told(after: int) -> tuple[list[str], int]:
        with shop.ledger.read() as connection:
            through = mark(connection, MARKETPLACE_CHANGES)
            found = changed_orders(connection, "amazon_fr", (), after, through, shop.clock())
        return [each.id for each in found], through

    order = shop.order(ASKED)
    (row,) = shop.put(order)
    found, cursor = told(0)
    assert found == []
    if how == "declined":
        shop.decide(Decision.DECLINE, row)
    else:
        shop.clock.advance(hours=25)
        with shop.ledger.write() as connection:
            lock_book(connection)
            cancellations.expire(connection, shop.clock())
    assert told(cursor)[0] == [order.id]

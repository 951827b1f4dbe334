"""Cancelling as the seller against both marketplaces over HTTP: what is sent once, what is refused, and what stays in doubt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_pipeline import follow_up
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.stages import cancel as cancelling
from orders_pipeline.stages import confirm, normalise
from orders_pipeline.stages import pull as pulling
from warehouse.cancellations import Decision
from warehouse.ledger.base import quotas, schema
from warehouse.ledger.book import cancellation_queries, cancellation_queue, cancellations
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.book.holds import held_orders
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.shipping import shipments
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.shipment_reports import Sender, ShipmentReport, Source


class Shop:
    """An installation with orders of both marketplaces, a seller who cancels, and pulls that show what came of it."""

    def __init__(self, installation, marketplaces, clock) -> None:
        self.installation, self.marketplaces, self.clock = installation, marketplaces, clock

    def pull(self) -> None:
        self.clock.advance(minutes=20)
        results = pulling.pull_all(self.installation)
        assert [each.error for each in results] == [None] * len(results)
        normalise.normalise_pending(self.installation)

    def waiting(self, channel: str, lines: int = 1) -> dict:
        """An order that waits to be shipped, with at least so many units on its first line."""
        book, line = schema.orders, schema.order_lines
        units = sa.select(sa.func.max(line.c.quantity_ordered)).where(line.c.order_id == book.c.id).scalar_subquery()
        query = (
            sa.select(book.c.id, book.c.original_id, book.c.facts)
            .where(
                book.c.channel == channel,
                book.c.status == "WAITING_FOR_SHIPMENT",
                book.c.fulfilled_by == "merchant",
                units >= lines,
            )
            .order_by(book.c.id)
        )
        with self.installation.ledger.read() as transaction:
            found = [dict(row) for row in transaction.execute(query).mappings()]
        return next(each for each in found if '"executed_by":"' not in each.pop("facts"))

    def cancel(self, order: dict, wanted: dict | None = None, reason: str | None = None) -> dict:
        with self.installation.ledger.write() as transaction:
            lock_book(transaction)
            return cancellations.ask(transaction, order["id"], wanted, "erp", reason, self.clock())

    def lines(self, order: dict) -> list[tuple[str, str, int]]:
        line = schema.order_lines.c
        with self.installation.ledger.read() as transaction:
            query = sa.select(line.id, line.original_id, line.quantity_ordered).where(line.order_id == order["id"])
            return [tuple(row) for row in transaction.execute(query.order_by(line.quantity_ordered.desc()))]

    def request(self, order: dict) -> dict:
        with self.installation.ledger.read() as transaction:
            (row,) = cancellation_queries.find_requests(transaction, RequestFilter(order_id=order["id"]))
        return row

    def problems(self) -> list[str]:
        with self.installation.ledger.read() as transaction:
            return [row.code for row in find_incidents(transaction) if row.stage == "cancel"]

    def calls(self) -> int:
        operations = ("OR29", "OR30")
        return sum(1 for entry in self.marketplaces.mirakl.journal.effects() if entry.operation in operations)

    def decide(self, order: dict, decision: Decision) -> dict:
        with self.installation.ledger.write() as transaction:
            lock_book(transaction)
            return cancellations.decide(transaction, self.request(order).id, decision, "erp", None, None, self.clock())


@pytest.fixture
def shop(filled, trading, clock):
    return Shop(filled, trading, clock)


def test_a_whole_order_is_cancelled_once_and_the_next_pull_shows_it(shop):
    order = shop.waiting("mirakl")
    shop.cancel(order)
    assert follow_up.is_due(shop.installation)
    assert cancelling.carry_out(shop.installation)["told"] == 1
    assert shop.request(order).told_at == shop.clock()
    assert not cancelling.carry_out(shop.installation)
    assert shop.calls() == 1
    shop.pull()
    assert shop.request(order).state == "executed"
    assert shop.problems() == []


def test_units_of_a_line_are_cancelled_with_their_share_of_the_amounts(shop):
    order = shop.waiting("mirakl", lines=2)
    (own_id, original_id, units), *_ = shop.lines(order)
    shop.cancel(order, {own_id: 1}, reason="14")
    assert cancelling.carry_out(shop.installation)["told"] == 1
    record = shop.marketplaces.mirakl.records[order["original_id"]]
    (line,) = [each for each in record.lines if each["order_line_id"] == original_id]
    newest = line["cancelations"][-1]
    assert (newest["quantity"], newest["reason_code"]) == (1, "14")
    assert units >= 2
    shop.pull()
    assert shop.request(order).state == "executed"


def test_a_part_without_the_operators_reason_is_refused_before_it_is_sent(shop):
    order = shop.waiting("mirakl", lines=2)
    shop.cancel(order, {shop.lines(order)[0][0]: 1})
    assert cancelling.carry_out(shop.installation)["refused"] == 1
    assert shop.problems() == ["reason_code_missing"]
    assert shop.calls() == 0


def test_what_was_shipped_meanwhile_is_refused(shop):
    order = shop.waiting("mirakl")
    shop.cancel(order)
    shop.marketplaces.mirakl.advance(AdvanceRequest("ship", order_ids=(order["original_id"],)))
    assert cancelling.carry_out(shop.installation)["refused"] == 1
    assert shop.problems() == ["cancellation_refused"]
    shop.pull()
    assert (shop.request(order).state, shop.request(order).shipped_despite) == ("expired", True)
    assert shop.problems() == []


def test_a_lost_answer_stays_in_doubt_and_is_not_sent_again(shop):
    order = shop.waiting("mirakl")
    shop.cancel(order)
    shop.marketplaces.mirakl.add_fault(Fault(FaultKind.DROPPED, operation="OR29"))
    assert cancelling.carry_out(shop.installation)["in_doubt"] == 1
    shop.clock.advance(hours=5)
    assert not cancelling.carry_out(shop.installation)
    assert shop.calls() == 1
    assert len(shop.problems()) == 1
    shop.pull()
    assert shop.request(order).state == "executed"
    assert shop.problems() == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.THROTTLED, operation="OR11", seconds=600),
        Fault(FaultKind.ERROR_EMPTY, operation="OR29", status=302),
    ],
    ids=["throttled", "redirected"],
)
def test_a_refused_connection_is_tried_again_later(shop, fault):
    order = shop.waiting("mirakl")
    shop.cancel(order)
    shop.marketplaces.mirakl.add_fault(fault)
    assert cancelling.carry_out(shop.installation)["put_back"] == 1
    assert not cancelling.is_due(shop.installation)
    assert shop.request(order).state == "accepted"
    shop.clock.advance(minutes=11)
    assert cancelling.carry_out(shop.installation)["told"] == 1


def test_a_time_that_a_clock_ahead_has_set_is_not_waited_for(shop):
    order = shop.waiting("mirakl")
    shop.cancel(order)
    with shop.installation.ledger.write() as transaction:
        ahead = shop.clock() + timedelta(days=3)
        transaction.execute(sa.update(schema.cancellation_requests).values(due_at=ahead))
    assert cancelling.is_due(shop.installation)
    assert cancelling.carry_out(shop.installation)["told"] == 1


def test_a_teller_that_died_leaves_a_doubt_and_not_a_second_call(shop, monkeypatch):
    order = shop.waiting("mirakl")
    shop.cancel(order)

    class Crash(BaseException):
        pass

    def die(*_arguments):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(cancellation_queue, "conclude", die)
        with pytest.raises(Crash):
            cancelling.carry_out(shop.installation)
    assert not cancelling.carry_out(shop.installation)
    shop.clock.advance(minutes=6)
    assert cancelling.carry_out(shop.installation)["in_doubt"] == 1
    assert (shop.calls(), shop.problems()) == (1, ["cancellation_in_doubt"])


def test_amazon_has_no_call_and_says_what_to_do(shop):
    order = shop.waiting("amazon_fr")
    amazon = shop.marketplaces.amazon
    amazon.advance(AdvanceRequest("request_cancellation", order_ids=(order["original_id"],), reason="Changed my mind"))
    shop.pull()
    request = shop.request(order)
    assert (request.requester, request.reason, request.state) == ("BUYER", "Changed my mind", "open")
    shop.decide(order, Decision.ACCEPT)
    assert cancelling.carry_out(shop.installation)["refused"] == 1
    assert shop.problems() == ["cancellation_not_offered"]
    with shop.installation.ledger.read() as transaction:
        (row,) = [each for each in find_incidents(transaction) if each.stage == "cancel"]
        assert "Seller Central" in row.hint
        assert row.kind == "cancellation"
        assert order["id"] in held_orders(transaction, [order["id"]], shop.clock())
    amazon.advance(AdvanceRequest("cancel", order_ids=(order["original_id"],)))
    shop.pull()
    assert shop.request(order).state == "executed"
    assert shop.problems() == []


def test_a_held_order_is_not_confirmed_until_it_is_declined(shop):
    order = shop.waiting("amazon_fr")
    with shop.installation.ledger.write() as transaction:
        transaction.execute(
            sa.update(schema.channels).values(confirmation=True, settings={"cancellation_hold_hours": 48})
        )
    shop.marketplaces.amazon.advance(AdvanceRequest("request_cancellation", order_ids=(order["original_id"],)))
    shop.pull()
    sender = Sender(consumer="erp", source=Source.API, report_id="r")
    report = ShipmentReport(id=order["id"], package_id="1", tracking_number="T1", carrier_code="DHL")
    with shop.installation.ledger.write() as transaction:
        (answer,) = shipments.report(transaction, sender, [report], shop.clock())
    assert answer.faults == ()
    confirm.confirm_all(shop.installation)
    assert shop.marketplaces.amazon.journal.effects() == []
    shop.decide(order, Decision.DECLINE)
    confirm.confirm_all(shop.installation)
    assert len(shop.marketplaces.amazon.journal.effects()) == 1


def test_what_was_declined_is_never_cancelled_though_the_kind_wants_no_answer(shop):
    """A kind, or what is known of a connection, may have changed since the answer was due."""
    order = shop.waiting("mirakl")
    shop.cancel(order)
    declined = {"requester": "BUYER", "state": "declined", "due_at": shop.clock()}
    with shop.installation.ledger.write() as transaction:
        rows = schema.cancellation_requests
        transaction.execute(sa.update(rows).where(rows.c.order_id == order["id"]).values(**declined))
    assert cancelling.carry_out(shop.installation) == {"refused": 1}
    assert shop.calls() == 0
    assert shop.problems() == ["cancellation_not_offered"]


def test_a_teller_that_stood_still_tells_nothing_that_counts_as_lost(shop):
    order = shop.waiting("mirakl")
    shop.cancel(order)
    with shop.installation.ledger.write() as transaction:
        transaction.execute(sa.update(schema.connections).values(settings={}))
        while quotas.take(transaction, "mirakl_shop", "OR29", 2.0, 20, shop.clock()) == 0.0:
            pass

    def stand_still(_seconds: float) -> None:
        shop.clock.advance(minutes=6)
        assert cancelling.carry_out(shop.installation)["in_doubt"] == 1

    paused = replace(shop.installation, sleep=stand_still)
    assert not cancelling.carry_out(paused)
    assert (shop.calls(), shop.problems()) == (0, ["cancellation_in_doubt"])

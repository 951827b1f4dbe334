"""One action on many orders as a request: frozen when asked, each order looked at in its turn, killed at any instant."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.api.conftest import Book, make_order, set_up
from warehouse.bulk_actions import BulkAction, BulkTask, checked_task, heading, lines
from warehouse.ledger.base.schema import acknowledgements, bulk_chunks, consumers, incidents, operator_requests, orders
from warehouse.ledger.book import order_queries
from warehouse.ledger.book.acknowledgements import Acknowledgement, acknowledge
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.bulk import actions, requests, selections
from warehouse.ledger.people import operator_requests as asked_of_the_pipeline
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.watch.incidents import IncidentReport, report
from warehouse.operator_requests import HEAVY, ArgumentInvalid, RequestProgress, SubjectKind
from warehouse.order_states import AcknowledgementOutcome
from warehouse.privacy import open_key_ring

LENGTH = timedelta(minutes=30)
ACKNOWLEDGE = BulkTask(action=BulkAction.ACKNOWLEDGE, asked_by="anna", consumer="erp", prefix="SO-")


@pytest.fixture
def ids(any_settings, any_ledger, clock, monkeypatch):
    """Five orders of two channels, done two at a time."""
    monkeypatch.setattr(selections, "CHUNK", 2)
    set_up(any_ledger, clock())
    book = Book(any_ledger, open_key_ring(any_settings))
    with any_ledger.write() as transaction:
        transaction.execute(sa.insert(consumers).values(name="erp", position=0, created_at=clock()))
    book.put(*(make_order(number, channel="mirakl_de" if number == 4 else "amazon_fr") for number in range(5)))
    with any_ledger.read() as transaction:
        found = order_queries.ids_of(transaction, OrderFilter(), 100)
        assert (
            order_queries.ids_of(transaction, OrderFilter(channels=("amazon_fr",)), 3)
            == [each.id for each in actions.orders_of(transaction, found) if each.channel == "amazon_fr"][:3]
        )
    return found


def ask(ledger, clock, ids, task=ACKNOWLEDGE):
    with ledger.write() as transaction:
        return requests.ask(transaction, task, selections.keep(transaction, ids, clock()), clock())


def claim(ledger, clock):
    with ledger.write() as transaction:
        return asked_of_the_pipeline.claim(transaction, HEAVY, clock(), LENGTH)


def do_next(ledger, clock, claimed) -> bool:
    with ledger.write() as transaction:
        return requests.do_next_chunk(transaction, claimed, clock(), LENGTH)


def told(ledger, request) -> dict[str, tuple[str, str]]:
    """The result file: id → fate and code."""
    text = (heading() + b"".join(lines(each) for each in selections.fates_of(ledger, request.id))).decode()
    return {row["id"]: (row["fate"], row["code"]) for row in csv.DictReader(io.StringIO(text))}


def result(ledger, request) -> dict:
    with ledger.read() as transaction:
        return dict(asked_of_the_pipeline.find(transaction, request.id).result)


def test_killed_at_any_instant_no_order_is_done_twice_and_none_forgotten(any_ledger, clock, ids):
    request = ask(any_ledger, clock, ids)
    for _ in range(3):  # more often than a request that gets nowhere may be taken up
        claimed = claim(any_ledger, clock)
        assert do_next(any_ledger, clock, claimed)
        with any_ledger.write() as transaction:
            requests.do_next_chunk(transaction, claimed, clock(), LENGTH)
            transaction.rollback()
        clock.advance(minutes=31)
        with any_ledger.write() as transaction:
            asked_of_the_pipeline.tidy(transaction, clock())
            selections.forget(transaction, clock())
    assert not do_next(any_ledger, clock, claim(any_ledger, clock))
    assert result(any_ledger, request) == {"orders": 5, "handled": 5, "done": 5, "left_out": {}}
    assert told(any_ledger, request) == dict.fromkeys(ids, ("done", ""))
    with any_ledger.read() as transaction:
        rows = transaction.execute(sa.select(acknowledgements)).all()
    assert {row.order_number[:3] for row in rows} == {"SO-"}
    assert len({row.at for row in rows}) == 3


def test_each_order_is_looked_at_when_its_turn_comes(any_ledger, clock, ids):
    request = ask(any_ledger, clock, ids)
    claimed = claim(any_ledger, clock)
    assert do_next(any_ledger, clock, claimed)
    waiting = told(any_ledger, request)
    assert [waiting[each] for each in ids] == [("done", "")] * 2 + [("not_handled", "not_handled")] * 3
    with any_ledger.write() as transaction:
        given = [Acknowledgement(id=ids[4], outcome=AcknowledgementOutcome.OK, order_number=None)]
        acknowledge(transaction, "erp", None, given, clock())
        number = sa.select(orders.c.original_id).where(orders.c.id == ids[4])
        numbers = {"order_number": f"SO-{transaction.execute(number).scalar_one()}"}
        transaction.execute(sa.update(acknowledgements).where(acknowledgements.c.order_id == ids[4]).values(**numbers))
    while do_next(any_ledger, clock, claimed):
        pass
    assert told(any_ledger, request)[ids[4]] == ("left_out", "already_acknowledged")
    assert result(any_ledger, request)["left_out"] == {"already_acknowledged": 1}


def test_a_defect_at_one_order_stops_no_other(any_ledger, clock, ids, monkeypatch):
    def resolve(transaction, chosen, *_):
        transaction.execute(sa.update(incidents).where(incidents.c.order_id.in_(chosen)).values(resolution="done"))
        if ids[1] in chosen:
            raise ZeroDivisionError

    monkeypatch.setattr(actions.incidents, "resolve_orders_by_hand", resolve)
    with any_ledger.write() as transaction:
        for each in ids[:3]:
            about = {"scope": "channel", "subject": "amazon_fr", "stage": "confirm", "message": "No.", "order_id": each}
            report(transaction, IncidentReport(code=f"bulk_{ids.index(each)}", **about), clock())
    request = ask(any_ledger, clock, ids, BulkTask(action=BulkAction.RESOLVE, asked_by="anna", reason="called"))
    claimed = claim(any_ledger, clock)
    while do_next(any_ledger, clock, claimed):
        pass
    fates = told(any_ledger, request)
    assert [fates[each][1] for each in ids] == ["", "internal_error", "", "no_open_incident", "no_open_incident"]
    with any_ledger.read() as transaction:
        rows = transaction.execute(sa.select(incidents.c.order_id, incidents.c.resolution))
        found = {row.order_id: row.resolution for row in rows}
    assert found == {ids[0]: "done", ids[1]: None, ids[2]: "done"}


def test_what_gets_nowhere_fails_and_what_was_handed_back_comes_after_newer_ones(any_ledger, clock, ids):
    stuck = ask(any_ledger, clock, ids)
    clock.advance(seconds=1)
    newer = ask(any_ledger, clock, ids[:2])
    first = claim(any_ledger, clock)
    assert (first.id, do_next(any_ledger, clock, first)) == (stuck.id, True)
    with any_ledger.write() as transaction:
        asked_of_the_pipeline.hand_back(transaction, first)
    assert [claim(any_ledger, clock).id for _ in range(2)] == [newer.id, stuck.id]
    for _ in range(2):
        clock.advance(minutes=31)
        claim(any_ledger, clock)
        claim(any_ledger, clock)
    clock.advance(minutes=31)
    with any_ledger.write() as transaction:
        asked_of_the_pipeline.tidy(transaction, clock())
        assert asked_of_the_pipeline.find(transaction, stuck.id).state is RequestProgress.FAILED
    assert list(told(any_ledger, stuck).values()).count(("not_handled", "not_handled")) == 3


def test_what_was_chosen_is_seen_by_who_sees_its_channels_and_forgotten_in_time(any_ledger, clock, ids):
    request = ask(any_ledger, clock, ids)
    assert request.subject == "amazon_fr, mirakl_de"
    with any_ledger.write() as transaction:
        selections.keep(transaction, ids, clock())
        assert subjects(transaction, SubjectKind.CHANNELS, ["amazon_fr"]) == frozenset()
        assert subjects(transaction, SubjectKind.CHANNELS, ["amazon_fr", "mirakl_de", "x"]) == {request.subject}
        assert requests.ask(transaction, ACKNOWLEDGE, request.id, clock()) == request
        assert requests.ask(transaction, ACKNOWLEDGE, "gone", clock()) is None
        selections.forget(transaction, clock() + timedelta(hours=2))
        kept = transaction.execute(sa.select(bulk_chunks.c.selection).distinct()).scalars().all()
        assert kept == [request.id]
        transaction.execute(sa.delete(operator_requests))
        selections.forget(transaction, clock() + timedelta(hours=2))
        assert transaction.execute(sa.select(bulk_chunks)).all() == []


@pytest.mark.parametrize(
    ("task", "argument"),
    [
        (BulkTask(action=BulkAction.ACKNOWLEDGE, asked_by="anna"), "consumer"),
        (BulkTask(action=BulkAction.RETRY, asked_by="anna", reason="x"), "reason"),
        (BulkTask(action=BulkAction.ACKNOWLEDGE, asked_by="anna", consumer="erp", prefix="x" * 51), "prefix"),
    ],
)
def test_a_task_says_what_its_action_needs_and_nothing_else(task, argument):
    with pytest.raises(ArgumentInvalid) as error:
        checked_task(task)
    assert error.value.argument == argument

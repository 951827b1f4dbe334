"""Acknowledgements in the ledger: they serialise with the pipeline's writes, and each writer keeps to its own columns."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from warehouse.ledger.base import schema
from warehouse.ledger.base.schema import orders
from warehouse.ledger.book import orders as book
from warehouse.ledger.book.acknowledgements import (
    Acknowledgement,
    AcknowledgementEffect,
    AcknowledgementOutcome,
    acknowledge,
)
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order

MOMENT = datetime(2026, 10, 1, 8, tzinfo=UTC)


def an_order(number: int) -> Order:
    return Order(
        original_id=f"o-{number}",
        channel="amazon_fr",
        marketplace="Amazon FR",
        status=Status.PENDING,
        marketplace_status="Pending",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=MOMENT,
        marketplace_updated_at=MOMENT,
    )


def put(ledger, keys, made: list[Order]) -> list[str]:
    arrivals = [arrive(each, 1, MOMENT, is_historical=False) for each in made]
    with ledger.write() as connection:
        book.lock_book(connection)
        book.settle(connection, keys, arrivals, MOMENT)
    return [each.id for each in made]


@pytest.fixture
def filled(any_ledger, keys, clock):
    """Thirty orders and a consumer."""
    with any_ledger.write() as connection:
        tokens.create(connection, "erp", [Scope.ORDERS_READ], None, None, clock())
    put(any_ledger, keys, [an_order(n) for n in range(30)])
    return any_ledger


def test_acknowledging_while_the_pipeline_writes_neither_blocks_for_good_nor_loses_anything(filled, keys, clock):
    """Both lock many of the same rows, in opposite orders: taken one by one, that would be a deadlock on PostgreSQL."""
    made = [an_order(n) for n in range(30)]
    backwards = [Acknowledgement(id=each.id, outcome=AcknowledgementOutcome.OK) for each in reversed(made)]
    failures: list[BaseException] = []

    def pipeline() -> None:
        try:
            for turn in range(1, 11):
                status = (Status.PENDING, Status.WAITING_FOR_SHIPMENT)[turn % 2]
                put(
                    filled,
                    keys,
                    [
                        replace(each, status=status, marketplace_updated_at=MOMENT + timedelta(hours=turn))
                        for each in made
                    ],
                )
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failures.append(error)

    writer = threading.Thread(target=pipeline)
    writer.start()
    results = []
    for _ in range(10):
        with filled.write() as connection:
            results += acknowledge(connection, "erp", None, backwards, clock())
    writer.join()

    assert failures == []
    assert {each.result for each in results} <= {
        AcknowledgementEffect.ACKNOWLEDGED,
        AcknowledgementEffect.ALREADY_ACKNOWLEDGED,
    }
    with filled.read() as connection:
        rows = connection.execute(sa.select(orders.c.acknowledgements, orders.c.revision)).all()
    assert {row.revision for row in rows} == {11}
    assert {len(orjson.loads(row.acknowledgements)) for row in rows} == {1}


def test_what_is_rolled_back_was_never_acknowledged(filled, clock):
    own_id = an_order(1).id
    given = [Acknowledgement(id=own_id, outcome=AcknowledgementOutcome.OK)]
    with filled.engine.connect().execution_options(ledger_write=True) as connection:
        assert acknowledge(connection, "erp", None, given, clock())[0].result is AcknowledgementEffect.ACKNOWLEDGED
        connection.rollback()

    with filled.write() as connection:
        assert acknowledge(connection, "erp", None, given, clock())[0].result is AcknowledgementEffect.ACKNOWLEDGED


def test_an_order_that_the_erp_refuses_is_an_incident_until_it_takes_it_over(filled, clock):
    own_id = an_order(3).id

    def answered(consumer: str, outcome: AcknowledgementOutcome) -> tuple[list[tuple[str, str, str]], bool]:
        given = [Acknowledgement(id=own_id, outcome=outcome, message="no such article")]
        with filled.write() as connection:
            acknowledge(connection, consumer, None, given, clock())
            found = [(row.code, row.kind, row.order_id) for row in find_incidents(connection)]
            query = sa.select(schema.orders.c.has_errors).where(schema.orders.c.id == own_id)
            return found, connection.execute(query).scalar_one()

    with filled.write() as connection:
        tokens.create(connection, "other", [Scope.ORDERS_READ], None, None, clock())
    refused = [("order_refused", "exchange", own_id)]
    assert answered("erp", AcknowledgementOutcome.ERROR) == (refused, True)
    assert answered("other", AcknowledgementOutcome.OK) == (refused, True)
    assert answered("erp", AcknowledgementOutcome.OK) == ([], False)

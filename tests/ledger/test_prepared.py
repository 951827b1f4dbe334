"""Statements that the driver runs itself, and connections that stay between reads: nothing differs but the time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from warehouse.ledger.base.database import POSITION, RAW_SEQ, Ledger, mark, open_ledger, set_mark
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.schema import marks, tokens
from warehouse.ledger.base.sqlite import CACHE_KILOBYTES
from warehouse.ledger.settings import tokens as api_tokens
from warehouse.ledger.settings.tokens import Scope

NOW = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)


@pytest.fixture
def ledger(any_empty_settings):
    ledger = open_ledger(any_empty_settings)
    with ledger.write() as transaction:
        api_tokens.create(transaction, "erp", [Scope.ORDERS_READ], None, NOW.replace(year=2027), NOW)
    yield ledger
    ledger.close()


def test_a_row_is_the_same_whoever_runs_the_statement(ledger) -> None:
    statement = sa.select(tokens).where(tokens.c.expires_at > sa.bindparam("now"), tokens.c.consumer == "erp").limit(3)
    prepared = Prepared(statement)
    with ledger.read() as transaction:
        plain = [tuple(row) for row in transaction.execute(statement, {"now": NOW})]
        assert [tuple(row) for row in prepared.rows(transaction, {"now": NOW})] == plain
        assert [tuple(row) for row in prepared.rows(transaction, {"now": NOW.replace(year=2028)})] == []
    assert plain[0][tokens.c.keys().index("created_at")] == NOW  # converted, as its type says


@pytest.mark.parametrize("names", [[], [POSITION], [RAW_SEQ, POSITION, "nothing"]])
def test_lists_have_as_many_places_as_values(ledger, names) -> None:
    chosen = marks.c.name.in_(sa.bindparam("names", expanding=True))
    of_ours = sa.or_(marks.c.name.in_([POSITION, RAW_SEQ]), marks.c.value > sa.bindparam("beyond"))
    statement = sa.select(marks.c.name).where(chosen, of_ours).order_by(marks.c.name)
    values = {"names": names, "beyond": 7}
    with ledger.read() as transaction:
        plain = [tuple(row) for row in transaction.execute(statement, values)]
        assert [tuple(row) for row in Prepared(statement).rows(transaction, values)] == plain
    assert plain == sorted((each,) for each in names if each != "nothing")


def test_a_list_of_instants_is_converted(ledger) -> None:
    statement = sa.select(tokens.c.consumer).where(tokens.c.created_at.in_(sa.bindparam("moments", expanding=True)))
    with ledger.read() as transaction:
        found = Prepared(statement).rows(transaction, {"moments": [NOW, NOW.replace(year=2028)]})
    assert [tuple(row) for row in found] == [("erp",)]


def test_whoever_listens_to_statements_hears_of_it(ledger) -> None:
    heard = []
    prepared = Prepared(sa.select(marks.c.value).where(marks.c.name == sa.bindparam("wanted")))
    with ledger.read() as transaction:
        prepared.rows(transaction, {"wanted": POSITION})
        sa.event.listen(transaction, "before_cursor_execute", lambda *given: heard.append(given[2]))
        assert [tuple(row) for row in prepared.rows(transaction, {"wanted": POSITION})] == [(0,)]
    assert len(heard) == 1


def test_its_errors_are_those_of_sqlalchemy(ledger) -> None:
    missing = Prepared(sa.select(sa.table("nowhere", sa.column("a")).c.a))
    with pytest.raises(SQLAlchemyError), ledger.read() as transaction:
        missing.rows(transaction, {})


@pytest.mark.parametrize("names", [[], [POSITION, RAW_SEQ]])
@pytest.mark.parametrize("is_heard", [True, False])
def test_a_change_is_the_same_whoever_runs_it(ledger, names, is_heard) -> None:
    chosen = marks.c.name.in_(sa.bindparam("names", expanding=True))
    grow = Prepared(sa.update(marks).where(chosen).values(value=marks.c.value + sa.bindparam("growth")))
    heard: list[str] = []
    with ledger.write() as transaction:
        if is_heard:
            sa.event.listen(transaction, "before_cursor_execute", lambda *given: heard.append(given[2]))
        grow.change(transaction, {"names": names, "growth": 7})
    assert bool(heard) is is_heard
    with ledger.read() as transaction:
        changed = transaction.execute(sa.select(marks.c.name).where(marks.c.value == 7)).scalars().all()
    assert sorted(changed) == sorted(names)


def test_the_errors_of_a_change_are_those_of_sqlalchemy(ledger) -> None:
    nowhere = sa.table("nowhere", sa.column("a"))
    with pytest.raises(SQLAlchemyError), ledger.write() as transaction:
        Prepared(sa.update(nowhere).values(a=1)).change(transaction, {})


def test_a_value_that_is_not_given_is_a_fault(ledger) -> None:
    prepared = Prepared(sa.select(marks.c.value).where(marks.c.name == sa.bindparam("wanted")))
    with pytest.raises((KeyError, SQLAlchemyError)), ledger.read() as transaction:
        prepared.rows(transaction, {"wantd": POSITION})


@pytest.mark.parametrize("end", [None, KeyboardInterrupt, ValueError])
def test_a_read_leaves_no_transaction_behind(ledger, end) -> None:
    for value in range(1, 4):
        if end is not None:
            with pytest.raises(end):
                _read_and_fail(ledger, end)
        with ledger.read() as transaction, ledger.read() as beside:
            assert mark(transaction, POSITION) == mark(beside, POSITION) == value - 1
            with ledger.write() as writing:
                set_mark(writing, POSITION, value)
        if ledger.engine.dialect.name == "sqlite":  # a read that went on would keep the log from being written back
            with ledger.engine.connect() as connection:
                busy, *_ = connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert busy == 0


def _read_and_fail(ledger: Ledger, end: type[BaseException]) -> None:
    with ledger.read() as transaction:
        mark(transaction, POSITION)
        raise end


def test_a_small_cache_is_large_while_something_is_written(settings) -> None:
    ledger = open_ledger(settings, cache_kilobytes=4_000)

    def cache(transaction) -> int:
        return -transaction.exec_driver_sql("PRAGMA cache_size").scalar_one()

    for _ in range(2):
        with ledger.write() as writing:
            assert cache(writing) == CACHE_KILOBYTES
        with ledger.engine.connect() as given_back, ledger.read() as reading:
            assert cache(given_back) == cache(reading) == 4_000
    ledger.close()

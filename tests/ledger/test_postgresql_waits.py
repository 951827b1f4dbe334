"""PostgreSQL that hangs, holds a lock, is in another encoding, or hides behind a transaction pooler."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.conftest import _as_postgres
from warehouse.ledger.base import postgresql, reads
from warehouse.ledger.base.database import (
    POSITION,
    PRODUCTS,
    RAW_SEQ,
    WrongEncoding,
    make_engine,
    mark,
    open_ledger,
    schema_version,
    set_mark,
)
from warehouse.ledger.base.prepared import Prepared, Question
from warehouse.ledger.base.reads import NotForeseenError
from warehouse.ledger.base.schema import marks
from warehouse.ledger.base.waits import waiting_at_most
from warehouse.settings import Settings


@pytest.fixture
def on_postgresql(tmp_path, postgresql_url):
    return Settings(_env_file=None, home=tmp_path / "home", keys="test:" + "A" * 43 + "=", database_url=postgresql_url)


def test_a_server_that_stops_answering_is_left_after_the_wait(on_postgresql):
    ledger = open_ledger(on_postgresql)
    began = time.monotonic()
    backend = 0
    try:
        with waiting_at_most(1.0), ledger.engine.connect() as connection:
            backend = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            os.kill(backend, signal.SIGSTOP)
            with pytest.raises(sa.exc.OperationalError):
                connection.execute(sa.text("SELECT 1"))
        assert time.monotonic() - began < 30
    finally:
        os.kill(backend, signal.SIGCONT)
    assert schema_version(ledger) is not None
    ledger.close()


@pytest.mark.parametrize("kind", ["read", "write"])
def test_statements_and_locks_have_bounds_in_every_transaction(on_postgresql, monkeypatch, kind):
    monkeypatch.setattr(postgresql, "STATEMENT_SECONDS", 1)
    monkeypatch.setattr(postgresql, "LOCK_SECONDS", 1)
    shorter = reads.BEGIN["postgresql"].replace("'60s'", "'1s'").replace("'15s'", "'1s'")
    monkeypatch.setitem(reads.BEGIN, "postgresql", shorter)
    ledger = open_ledger(on_postgresql)
    begin = getattr(ledger, kind)
    with begin() as connection:
        assert connection.execute(sa.text("SHOW lock_timeout")).scalar_one() == "1s"
    for _ in range(2):
        with pytest.raises(sa.exc.OperationalError, match="statement timeout"), begin() as connection:
            connection.execute(sa.text("SELECT pg_sleep(30)"))
    taken, free = threading.Event(), threading.Event()

    def hold() -> None:
        with psycopg.connect(on_postgresql.database_url) as other:
            other.execute("LOCK TABLE marks IN ACCESS EXCLUSIVE MODE")
            taken.set()
            free.wait(30)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        taken.wait(30)
        with pytest.raises(sa.exc.OperationalError, match="timeout"), begin() as connection:
            connection.execute(sa.text("SELECT * FROM marks"))
        with pytest.raises(sa.exc.OperationalError, match="timeout"), begin() as connection:
            mark(connection, POSITION)
        free.set()
        holding.result()
    ledger.close()


def test_what_a_lost_machine_had_locked_is_free_soon(on_postgresql, monkeypatch):
    monkeypatch.setattr(postgresql, "IDLE_SECONDS", 1)
    ledger = open_ledger(on_postgresql)
    with pytest.raises(sa.exc.DBAPIError, match="idle-in-transaction"), ledger.write() as lost:  # noqa: PT012 - one transaction
        set_mark(lost, POSITION, 7)
        with ledger.write() as other:  # waits until the server has ended the first, which says nothing more
            set_mark(other, POSITION, 8)
        set_mark(lost, POSITION, 9)
    with ledger.read() as transaction:
        assert mark(transaction, POSITION) == 8
    ledger.close()


def test_a_read_sees_one_state_and_holds_nothing_when_it_is_over(on_postgresql):
    ledger = open_ledger(on_postgresql)
    for _ in range(2):  # on a new connection, and on one that was kept
        with ledger.read() as reading:
            before = mark(reading, POSITION)
            with ledger.write() as writing:
                set_mark(writing, POSITION, before + 1)
            assert mark(reading, POSITION) == before
        with ledger.read() as reading:
            assert mark(reading, POSITION) == before + 1
    with ledger.engine.connect() as other:
        idle = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        assert other.execute(sa.text(idle)).scalar_one() == 0
    ledger.close()


def test_a_read_begins_anew_where_the_server_has_closed_its_connection(on_postgresql):
    ledger = open_ledger(on_postgresql)
    for _ in range(2):
        with ledger.read() as reading:
            mark(reading, POSITION)
        _end_all_others(on_postgresql)
    with ledger.read() as reading:
        assert mark(reading, POSITION) == 0
    with pytest.raises(sa.exc.OperationalError), ledger.read() as reading:
        _read_when_others_have_ended(on_postgresql, reading)
    with ledger.write() as writing:  # the pool has taken nothing back that is broken, or commits by itself
        set_mark(writing, POSITION, 7)
    with pytest.raises(ZeroDivisionError), ledger.write() as writing:
        _fail_after_a_change(writing)
    with ledger.read() as reading:
        assert mark(reading, POSITION) == 7
    ledger.close()


ONE_MARK = Prepared(sa.select(marks.c.value).where(marks.c.name == sa.bindparam("name")))
FORESEEN = [Question(ONE_MARK, {"name": POSITION})]
IDLE_IN_TRANSACTION = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
)


@pytest.mark.parametrize("kind", ["straight", "pooled"])
def test_what_was_foreseen_is_answered_at_once_and_everything_else_in_a_transaction(tmp_path, request, kind):
    url = request.getfixturevalue("postgresql_url" if kind == "straight" else "pooled_url")
    settings = Settings(_env_file=None, home=tmp_path / "home", database_url=url)
    ledger = open_ledger(settings)
    with ledger.read():
        pass  # leaves a connection
    for value in range(1, 4):
        with ledger.write() as writing:
            set_mark(writing, POSITION, value)
        with ledger.read_answered(FORESEEN) as reading:
            with ledger.write() as writing:
                set_mark(writing, POSITION, 100)
                assert writing.execute(sa.text(IDLE_IN_TRANSACTION)).scalar_one() == 0
            assert ONE_MARK.rows(reading, {"name": POSITION}) == [(value,)]  # as it was
            assert ONE_MARK.rows(reading, {"name": RAW_SEQ}) == [(0,)]  # not foreseen: begins a transaction
            with ledger.write() as writing:
                set_mark(writing, PRODUCTS, value)
            assert mark(reading, PRODUCTS) == value - 1  # which sees one state
            assert reading.execute(sa.text("SHOW lock_timeout")).scalar_one() == "15s"
        with ledger.write() as writing:
            assert writing.execute(sa.text(IDLE_IN_TRANSACTION)).scalar_one() == 0
    with pytest.raises(ZeroDivisionError), ledger.read_answered(FORESEEN) as reading:
        raise ZeroDivisionError
    with (
        pytest.raises(ZeroDivisionError),
        ledger.write() as writing,
    ):  # the pool has taken nothing back that commits by itself
        _fail_after_a_change(writing)
    with ledger.read_answered(FORESEEN) as reading:
        assert mark(reading, POSITION) == 100
    ledger.close()


def test_what_was_foreseen_is_answered_where_the_server_has_closed_its_connection(on_postgresql):
    ledger = open_ledger(on_postgresql)
    for _ in range(2):
        with ledger.read_answered(FORESEEN) as reading:
            assert ONE_MARK.rows(reading, {"name": POSITION}) == [(0,)]
        _end_all_others(on_postgresql)
    no_number = sa.select(marks.c.value).where(sa.cast(marks.c.name, sa.Integer) == sa.bindparam("number"))
    broken = [Question(Prepared(no_number), {"number": 1})]
    with ledger.read():
        pass
    with pytest.raises(sa.exc.DataError), ledger.read_answered(broken):
        pass
    with ledger.read_answered(FORESEEN) as reading:
        assert ONE_MARK.rows(reading, {"name": POSITION}) == [(0,)]
    ledger.close()


def test_who_may_not_wait_is_answered_what_was_foreseen_and_nothing_else(on_postgresql):
    ledger = open_ledger(on_postgresql)
    with ledger.read():
        pass
    for ask_more in (lambda reading: reading.execute(sa.select(marks)), lambda reading: mark(reading, RAW_SEQ)):
        asked = ledger.ask(FORESEEN)
        asked.message.wait()
        with pytest.raises(NotForeseenError), ledger.answered(asked) as reading:
            ask_more(reading)
        with ledger.read() as reading:
            assert mark(reading, RAW_SEQ) == 0
    asked = ledger.ask(FORESEEN)
    assert ledger.ask(FORESEEN) is None  # no other connection was left
    asked.message.wait()
    with ledger.answered(asked) as reading:
        assert ONE_MARK.rows(reading, {"name": POSITION}) == [(0,)]
    ledger.ask(FORESEEN).give_up()
    with ledger.write() as writing:
        set_mark(writing, POSITION, 1)
    ledger.close()


def test_an_answer_that_does_not_come_is_waited_for_no_longer(on_postgresql):
    ledger = open_ledger(on_postgresql)
    with ledger.read() as reading:
        backend = reading.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    os.kill(backend, signal.SIGSTOP)
    try:
        with waiting_at_most(0.2), ledger.read_answered(FORESEEN) as reading:  # on another connection
            assert ONE_MARK.rows(reading, {"name": POSITION}) == [(0,)]
    finally:
        os.kill(backend, signal.SIGCONT)
    ledger.close()


def _end_all_others(settings):
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) {others}")


def _read_when_others_have_ended(settings, reading):
    _end_all_others(settings)
    mark(reading, POSITION)


def _fail_after_a_change(writing):
    set_mark(writing, POSITION, 8)
    raise ZeroDivisionError


def test_a_connection_that_was_read_with_writes_in_transactions(on_postgresql):
    ledger = open_ledger(on_postgresql)
    with pytest.raises(ZeroDivisionError), ledger.read():
        raise ZeroDivisionError
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), ledger.write() as writing:
            _fail_after_a_change(writing)
    with ledger.read() as reading:
        assert mark(reading, POSITION) == 0
    ledger.close()


def test_a_database_in_another_encoding_is_refused_before_anything_is_created(tmp_path, postgresql_server):
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        settings = Settings(_env_file=None, home=tmp_path / "home", database_url=f"{postgresql_server}/latin")
        with pytest.raises(WrongEncoding, match="LATIN1"):
            open_ledger(settings)
        engine = make_engine(settings.ledger_url)
        with engine.connect() as connection:
            assert sa.inspect(connection).get_table_names() == []
        engine.dispose()
    finally:
        with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
            admin.execute("DROP DATABASE latin WITH (FORCE)")


@pytest.fixture
def pooled_url(postgresql_url):
    """PgBouncer in transaction mode, with fewer server connections than there are clients."""
    server = sa.make_url(postgresql_url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="orders-pooler-"))  # where PostgreSQL's user may read
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{server.database} = host=127.0.0.1 port={server.port} dbname={server.database} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nauth_file = {folder}/users\n"
        f"pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 100\nlogfile = {folder}/log\n"
        f"pidfile = {folder}/pid\nunix_socket_dir =\n"
    )
    for place in (folder, *folder.iterdir()):
        place.chmod(0o777)
    with subprocess.Popen(_as_postgres(["/usr/sbin/pgbouncer", str(folder / "pgbouncer.ini")]), cwd=folder) as pooler:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/{server.database}").close()
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
        yield f"postgresql://postgres@127.0.0.1:{port}/{server.database}"
        pooler.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_transaction_pooler_is_no_hindrance(tmp_path, pooled_url):
    settings = Settings(_env_file=None, home=tmp_path / "home", database_url=pooled_url)
    ledger = open_ledger(settings)
    query = sa.text("SELECT count(*), CAST(:number AS int) FROM marks WHERE value >= :least")

    def ask(number: int) -> int:
        with ledger.read() as connection:
            return connection.execute(query, {"number": number, "least": -1}).one()[1]

    with ThreadPoolExecutor(12) as pool:
        for _ in range(5):  # more often than psycopg runs a statement before it would prepare it by name
            assert list(pool.map(ask, range(60))) == list(range(60))
    ledger.close()

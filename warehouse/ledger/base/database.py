"""Opening the ledger: the engine, its two kinds of transaction, counters, and bringing the schema up to date.

What is read and written is in the modules of each noun; they take the `Connection` that `read()` or `write()` gives.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite

from warehouse import restore_mark
from warehouse.ledger.base import move_mark, reads
from warehouse.ledger.base.prepared import Prepared, Question, driver_of
from warehouse.ledger.base.schema import marks
from warehouse.ledger.base.sqlite import CACHE_KILOBYTES, make_sqlite_engine
from warehouse.ledger.base.waits import waiting_at_most
from warehouse.logs import REDACTOR, Event
from warehouse.settings import MigrationPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Engine

    from warehouse.settings import Settings

LOG = logging.getLogger("warehouse.ledger")
LOOK_EVERY_SECONDS, NOTE_EVERY_SECONDS = 0.5, 30.0
"""While somebody else's migration is awaited."""
CONNECTIONS_KEPT = 2
"""Between reads: as many as the API reads with at once."""
INSTRUCTIONS_BETWEEN_LOOKS = 20_000
"""Of SQLite's machine between two looks at the clock, well below a millisecond."""
AT_THE_END = "at_the_end"
"""Where a connection keeps what its transaction does before it commits."""
RETIRED_DOCUMENTS = "retired_documents"
"""The option of a transaction under which it knows who reads retired orders."""
LATEST = "latest"
"""Where a connection remembers until when its statements may take."""
SCHEMA_HEAD = "0044"
"""The newest migration; a test compares it with the migrations folder."""

POSITION = "position"
RAW_SEQ = "raw"
NORMALISED_THROUGH = "normalised_through"
PRODUCTS = "products"
CANCELLATIONS = "cancellations"
WATCHED_AT = "watched_at"
MARKETPLACE_CHANGES = "marketplace_changes"
TRACES = "traces"
READ_AGAIN_THROUGH = "read_again_through"
AUDITED = "audited"
RETIRED = "retired"
LAKE_POSITION = "lake_position"
LAKE_RAW_SEQ = "lake_raw"
LAKE_PRODUCTS = "lake_products"
LAKE_AT = "lake_at"
"""Names of the marks that the migrations create."""


ENCODING = "UTF8"
"""Of a PostgreSQL database that can hold every text."""


class WrongEncoding(Exception):
    """The database cannot hold every text; the message says what to do."""


class RetiredDocuments(Protocol):
    """Reads what retired orders have in the lake alone (`ledger.book.retired_orders`)."""

    def facts(self, keys: Sequence[int]) -> Mapping[int, str]:
        """The rendered facts of orders, by their keys."""

    def payloads(self, seqs: Sequence[int]) -> Mapping[int, bytes]:
        """The payloads without personal data that orders were last read from, as JSON, by seq."""

    def close(self) -> None:
        """Let go of the lake."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open ledger, safe to share between threads."""

    engine: Engine
    retired: RetiredDocuments | None = None
    _kept: list[Transaction] = field(default_factory=list, repr=False, compare=False)

    def read(self) -> AbstractContextManager[Transaction]:
        """A read transaction with one stable view of the ledger."""
        return self._reading(partial(self._begun, reads.begin_again))

    def read_answered(self, questions: Sequence[Question]) -> AbstractContextManager[Transaction]:
        """A read of which is known what it asks: answered at once, from one view of the ledger; all else it sees in another."""
        return self._reading(partial(self._begun, partial(reads.begin_answered, questions=questions)))

    def ask(self, questions: Sequence[Question]) -> reads.ReadAhead | None:
        """The same for an event loop, which waits by itself; None: here, or now, only a thread can read."""
        try:
            connection = self._kept.pop()
        except IndexError:
            return None
        if not reads.may_be_asked_ahead(connection):
            self._kept.append(connection)
            return None
        try:
            return reads.ReadAhead(connection, questions)
        except driver_of(connection).Error:
            reads.release(connection)
            return None

    def answered(self, asked: reads.ReadAhead) -> AbstractContextManager[Transaction]:
        """The read that was asked, when its answers are there; anything else raises `NotForeseenError`."""

        def begun() -> Transaction:
            asked.take_all()
            return asked.connection

        return self._reading(begun)

    @contextmanager
    def _reading(self, begun: Callable[[], Transaction]) -> Iterator[Transaction]:
        connection = begun()
        try:
            yield connection
            reads.end(connection)
        except BaseException:
            reads.release(connection)
            raise
        if len(self._kept) < CONNECTIONS_KEPT:
            self._kept.append(connection)
        else:
            reads.release(connection)

    def _begun(self, begin_again: Callable[[Transaction], bool]) -> Transaction:
        """A connection on which a read has begun: most often one that an earlier read has left."""
        while True:
            try:
                connection = self._kept.pop()
            except IndexError:
                return reads.begin(self.engine)
            if begin_again(connection):
                return connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A write transaction: committed when the block ends, rolled back when it raises.

        On SQLite it takes the write lock at its start, so that it never fails half-way for want of it. Keep it short.
        """
        with self.engine.connect().execution_options(ledger_write=True) as connection, connection.begin():
            connection.info.pop(AT_THE_END, None)  # of a transaction that was rolled back
            yield connection
            for step in connection.info.pop(AT_THE_END, {}).values():
                step(connection)

    def close(self) -> None:
        """Let go of every database connection."""
        while self._kept:
            reads.release(self._kept.pop())
        self.engine.dispose()
        if self.retired is not None:
            self.retired.close()


Step = TypeVar("Step", bound="Callable[[Transaction], None]")


def at_the_end(transaction: Transaction, make_step: Callable[[], Step]) -> Step:
    """The step, made once, that this write transaction takes just before it commits: what it locks is locked last."""
    steps = transaction.info.setdefault(AT_THE_END, {})
    step: Step = steps[make_step] if make_step in steps else steps.setdefault(make_step, make_step())
    return step


class UnfitLedgerError(Exception):
    """There is no ledger, or it is not one for this release; the message says what to do."""


class LedgerMissingError(UnfitLedgerError):
    """There is no ledger."""


class LedgerMovedError(UnfitLedgerError):
    """It is being moved, or was: nothing is written here any more."""


class SchemaBehindError(UnfitLedgerError):
    """This process may not bring the schema up to date, and nobody else has done so in time."""


def open_ledger(
    settings: Settings, cache_kilobytes: int = CACHE_KILOBYTES, retired: RetiredDocuments | None = None
) -> Ledger:
    """Open the ledger of these settings, its schema brought up to date first, or waited for where settings.migrate says so.

    Args:
        settings: Say where it is.
        cache_kilobytes: How much of it each connection keeps in memory, on SQLite.
        retired: Reads what retired orders have in the lake alone; None: here they cannot be read.

    Raises:
        RestoreUnfinishedError: It is being restored.
        SchemaBehindError: Nobody has brought the schema up to date in time.
        UnfitLedgerError: A newer release has written it.
    """
    restore_mark.require_no_file(settings)
    if not settings.is_postgresql:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    ledger = unchecked_ledger(settings, cache_kilobytes, retired)
    try:
        if not _may_exist(settings) or _fitting_version(ledger) != SCHEMA_HEAD:
            if settings.migrate is MigrationPolicy.NEVER:
                await_schema(settings)
            else:
                migrate(ledger)
    except BaseException:
        ledger.close()
        raise
    return ledger


def unchecked_ledger(
    settings: Settings, cache_kilobytes: int = CACHE_KILOBYTES, retired: RetiredDocuments | None = None
) -> Ledger:
    """The same, whatever its schema is; for who looks at that first. Connects to nothing yet."""
    engine = make_engine(settings.ledger_url, cache_kilobytes)
    engine.update_execution_options(**{RETIRED_DOCUMENTS: retired})
    return Ledger(engine, retired)


def open_existing_ledger(settings: Settings, retired: RetiredDocuments | None = None) -> Ledger:
    """The same for reading commands: none is made where there is none.

    Raises:
        RestoreUnfinishedError: It is being restored.
        LedgerMissingError: There is none.
        UnfitLedgerError: A newer release has written it.
    """
    restore_mark.require_no_file(settings)
    if _may_exist(settings):
        ledger = Ledger(make_engine(settings.ledger_url))
        try:
            is_there = _fitting_version(ledger) is not None
        finally:
            ledger.close()
        if is_there:
            return open_ledger(settings, retired=retired)
    where = "in the database of ORDERS_DATABASE_URL" if settings.is_postgresql else f"at {settings.home} (ORDERS_HOME)"
    maker = "orders migrate" if settings.migrate is MigrationPolicy.NEVER else "orders apply -f orders.yaml"
    raise LedgerMissingError(f"there is no ledger {where} yet: `{maker}` makes it")


def require_fitting_ledger(settings: Settings) -> str | None:
    """Look whether the ledger, if there is one, may be worked with, and at which migration it is; makes and changes nothing.

    Raises:
        RestoreUnfinishedError: It is being restored.
        UnfitLedgerError: A newer release has written it.
    """
    restore_mark.require_no_file(settings)
    if not _may_exist(settings):
        return None
    ledger = Ledger(make_engine(settings.ledger_url))
    try:
        return _fitting_version(ledger)
    finally:
        ledger.close()


def await_schema(settings: Settings) -> None:
    """Wait until somebody else has brought the ledger's schema up to date; makes and changes nothing.

    Raises:
        RestoreUnfinishedError: It is being restored.
        SchemaBehindError: Nobody has done so in time.
        UnfitLedgerError: A newer release has written it.
    """
    deadline, next_note = monotonic() + settings.migrate_wait_seconds, 0.0
    while (found := require_fitting_ledger(settings)) != SCHEMA_HEAD:
        now = monotonic()
        if now >= deadline:
            where = "there is no ledger yet" if found is None else f"the ledger is at migration {found}"
            raise SchemaBehindError(
                f"{where}, this release needs {SCHEMA_HEAD}, and ORDERS_MIGRATE=never leaves that to `orders migrate`, which "
                f"was awaited for {settings.migrate_wait_seconds:.0f} s"
            )
        if now >= next_note:
            LOG.warning(Event.SCHEMA_AWAITED, extra={"found": found, "needed": SCHEMA_HEAD})
            next_note = now + NOTE_EVERY_SECONDS
        sleep(min(LOOK_EVERY_SECONDS, deadline - now))


def require_known_schema(version: str | None, what: str) -> None:
    """Refuse the schema of a newer release.

    Raises:
        UnfitLedgerError: It is one.
    """
    if version is not None and version > SCHEMA_HEAD:
        raise UnfitLedgerError(
            f"{what} is of a newer release (migration {version}, this one knows {SCHEMA_HEAD}): install that release"
        )


def _may_exist(settings: Settings) -> bool:
    """Whether there is a database to be asked; asking SQLite would make one."""
    return settings.is_postgresql or (settings.home / "ledger.sqlite").exists()


def _fitting_version(ledger: Ledger) -> str | None:
    with ledger.read() as transaction:
        if ledger.engine.dialect.name == "postgresql" and restore_mark.has_table(transaction):
            raise restore_mark.RestoreUnfinishedError
        moved = move_mark.read(transaction)
    if moved is not None:
        raise LedgerMovedError(move_mark.explain(moved))
    found = schema_version(ledger)
    require_known_schema(found, "the ledger")
    return found


def make_engine(url: str, cache_kilobytes: int = CACHE_KILOBYTES) -> Engine:
    """A SQLAlchemy engine with the ledger's transaction behaviour; opens nothing yet."""
    REDACTOR.hide([str(sa.make_url(url).password or "")])
    options: dict[str, Any] = {
        "json_serializer": _dumps,
        "json_deserializer": orjson.loads,
        "hide_parameters": True,
    }
    if url.startswith("sqlite"):
        return make_sqlite_engine(url, cache_kilobytes, **options)
    from warehouse.ledger.base.postgresql import make_postgresql_engine  # noqa: PLC0415 - the driver is loaded where it is used

    return make_postgresql_engine(url, **options)


def schema_version(ledger: Ledger) -> str | None:
    """The migration the database is at, None for an empty one."""
    with ledger.read() as transaction:
        if not sa.inspect(transaction).has_table("alembic_version"):
            return None
        version: str | None = transaction.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        return version


def migrate(ledger: Ledger, revision: str = "head") -> None:
    """Run the migrations up to `revision`, in one transaction, safe against two processes doing so at once."""
    from alembic import command  # noqa: PLC0415 - half of a cold start, needed only when the schema is behind
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    with ledger.write() as transaction, as_long_as_it_takes(transaction):
        if transaction.dialect.name == "postgresql":
            transaction.execute(sa.text("SELECT pg_advisory_xact_lock(727301)"))
        config.attributes["connection"] = transaction
        command.upgrade(config, revision)


@contextmanager
def as_long_as_it_takes(transaction: Transaction) -> Iterator[None]:
    """A migration of a large ledger has no bound; what it writes must be held by the database's encoding."""
    if transaction.dialect.name != "postgresql":
        yield
        return
    from warehouse.ledger.base.postgresql import unbound  # noqa: PLC0415 - as above

    encoding = transaction.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != ENCODING:
        raise WrongEncoding(
            f"the database is encoded in {encoding}, which cannot hold every name and address: create it anew with "
            f"ENCODING '{ENCODING}' TEMPLATE template0"
        )
    unbound(transaction)
    with waiting_at_most(None):
        yield


@contextmanager
def brief(transaction: Transaction, seconds: float) -> Iterator[None]:
    """In this block a statement that takes longer is ended: it raises SQLAlchemy's `OperationalError`.

    On SQLite the block as a whole has so long; the transaction can be gone on with. On PostgreSQL it is over then.
    """
    if transaction.dialect.name == "postgresql":
        from warehouse.ledger.base.postgresql import bounded  # noqa: PLC0415 - the driver is loaded where it is used

        with bounded(transaction, seconds):
            yield
        return
    driver = driver_of(transaction)
    before, end = transaction.info.get(LATEST), monotonic() + seconds
    _watch(transaction, driver, end)
    try:
        yield
    finally:
        _watch(transaction, driver, before)


def _watch(transaction: Transaction, driver: Any, end: float | None) -> None:  # noqa: ANN401 - the driver's connection
    """Let SQLite look at the clock while it works; None: not any more."""
    transaction.info[LATEST] = end
    driver.set_progress_handler(None if end is None else lambda: monotonic() > end, INSTRUCTIONS_BETWEEN_LOOKS)


_MOVE = sa.update(marks).where(marks.c.name == sa.bindparam("mark")).values(value=sa.bindparam("moved_to"))
_GROW = (
    sa.update(marks)
    .where(marks.c.name == sa.bindparam("mark"))
    .values(value=marks.c.value + sa.bindparam("growth"))
    .returning(marks.c.value)
)


def next_values(transaction: Transaction, name: str, count: int) -> int:
    """Take `count` consecutive values of a counter and return the first.

    The counter's row stays locked until the transaction ends: values are assigned in commit order, on PostgreSQL too.
    """
    updated = transaction.execute(_GROW, {"mark": name, "growth": count}).scalar_one()
    return int(updated) - count + 1


def mark(transaction: Transaction, name: str) -> int:
    """The present value of a counter or cursor; the migrations create every one of them."""
    ((value,),) = _MARK.rows(transaction, {"wanted": name})
    return int(value)


def question_of_mark(name: str) -> Question:
    """What `mark` asks."""
    return Question(_MARK, {"wanted": name})


_MARK = Prepared(sa.select(marks.c.value).where(marks.c.name == sa.bindparam("wanted")))


def set_mark(transaction: Transaction, name: str, value: int) -> None:
    """Move a cursor; in the transaction of the rows that it stands for."""
    transaction.execute(_MOVE, {"mark": name, "moved_to": value})


def upsert(transaction: Transaction, table: sa.Table, keys: tuple[str, ...], columns: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - the dialect's Insert
    """An INSERT that overwrites `columns` (default: all but the keys) of the row with the same keys."""
    return _upsert(transaction.dialect.name, table, keys, columns)


@cache
def _upsert(dialect: str, table: sa.Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> Any:  # noqa: ANN401 - as above
    """Built once: building such a statement takes longer than running it."""
    insert = insert_of(dialect, table)
    chosen = columns or tuple(column.name for column in table.columns if column.name not in keys)
    return insert.on_conflict_do_update(
        index_elements=list(keys), set_={name: insert.excluded[name] for name in chosen}
    )


def insert_into(transaction: Transaction, table: sa.Table) -> Any:  # noqa: ANN401 - the dialect's Insert
    """An INSERT of the database at hand, which knows ON CONFLICT."""
    return insert_of(transaction.dialect.name, table)


def insert_of(dialect: str, table: sa.Table) -> Any:  # noqa: ANN401 - as above
    """The same, for a statement that is built once for each kind of database."""
    return postgresql_dialect.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _dumps(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return orjson.dumps(value).decode()


LONGEST_WAIT = timedelta(hours=25)
"""Nothing is told to wait for longer, not even by a marketplace that is over its daily quota."""


def has_come(moment: sa.ColumnElement[datetime], now: datetime) -> sa.ColumnElement[bool]:
    """A time has come, or lies further ahead than any wait is long: a clock that ran ahead has set it."""
    return sa.or_(moment <= now, moment > now + LONGEST_WAIT)

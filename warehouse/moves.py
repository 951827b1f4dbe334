"""A home left for another: the ledger into another database, the lake with it, while everybody else is kept from writing.

The old ledger is marked and refuses writes (`ledger.base.move_mark`); the new one is marked as not whole until all is there.
Broken off at any instant, the same move is begun again and starts from the rows. How these are compared is in
`ledger.base.transfer` and `lake.carrying`. Archive, key ring and Dagster's history stay where they are.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse import restore_mark
from warehouse.backup_contents import table_counts
from warehouse.lake.attachment import LEFT, catalog_file
from warehouse.lake.carrying import (
    LakeSize,
    carry,
    forget,
    is_set_aside,
    is_written_to,
    lake_size,
    put_back,
    set_aside,
)
from warehouse.lake.lake import open_lake
from warehouse.ledger.base import move_mark
from warehouse.ledger.base.database import Ledger, as_long_as_it_takes, make_engine, migrate, open_existing_ledger
from warehouse.ledger.base.transfer import transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from warehouse.settings import Settings

SQLITE = "sqlite"
"""What `--to-database` calls the files below ORDERS_HOME."""


class MoveError(Exception):
    """It cannot be moved so; the message says what to do. Nothing has changed."""


@dataclass(frozen=True, slots=True)
class MovePlan:
    """What a move carries, and what is to be set afterwards.

    Attributes:
        source: The database that is left, without its password.
        target: The one that it goes to.
        rows: Of each table of the ledger.
        lake: How large the lake is; None where nothing was published yet.
        lake_target: Where its files go.
        settings: Variables of the new home; None: to be unset.
    """

    source: str
    target: str
    rows: Mapping[str, int]
    lake: LakeSize | None
    lake_target: str
    settings: Mapping[str, str | None]


def new_home(settings: Settings, database: str | None, lake: str | None) -> Settings:
    """The settings after a move.

    Args:
        settings: Those before.
        database: A PostgreSQL URL, or `sqlite`; None: the ledger stays.
        lake: A folder or an s3:// prefix; None: where the files are now.

    Raises:
        MoveError: That is no database, or nothing would move.
    """
    if database is None:
        if lake is None or _same_files(settings, settings.model_copy(update={"lake_data": lake})):
            raise MoveError(f"the ledger stays, and the order tables are at {settings.lake_files}: name where they go")
        return settings.model_copy(update={"lake_data": lake})
    if database != SQLITE and not database.startswith(("postgresql://", "postgres://")):
        raise MoveError(
            "--to-database takes postgresql://user:password@host:5432/name, or sqlite for files below ORDERS_HOME"
        )
    new = settings.model_copy(
        update={
            "database_url": None if database == SQLITE else database,
            "lake_data": lake or settings.lake_data,
            "lake_reader_url": None,
        }
    )
    if place_of(new) == place_of(settings):
        raise MoveError(f"the ledger is at {place_of(new)} already")
    return new


def _same_files(one: Settings, other: Settings) -> bool:
    return one.lake_files.rstrip("/") == other.lake_files.rstrip("/")


def place_of(settings: Settings) -> str:
    """Where the ledger is, without the password."""
    if not settings.is_postgresql:
        return str((settings.home / "ledger.sqlite").absolute())
    return sa.make_url(settings.ledger_url)._replace(drivername="postgresql", password=None).render_as_string()


def plan(old: Settings, new: Settings) -> MovePlan:
    """Look at both homes and say what the move would do; changes nothing.

    Raises:
        MoveError: The new home is not empty, the old one has left already, or is on its way elsewhere.
        UnfitLedgerError: There is no ledger, or a newer release has written it.
        LakeError: The lake cannot be reached.
    """
    restore_mark.require_no_file(old)
    with _ledger_of(old) as ledger:
        if place_of(old) == place_of(new):
            return _plan_of_lake(old, new, ledger)
        _require_no_other_move(ledger, place_of(new), new)
        _require_empty(old, new)
        with ledger.read() as transaction:
            rows = table_counts(transaction)
    return MovePlan(place_of(old), place_of(new), rows, lake_size(old), new.lake_files, _settings(old, new))


def _plan_of_lake(old: Settings, new: Settings, ledger: Ledger) -> MovePlan:
    _require_no_other_move(ledger, new.lake_files, new)
    size = lake_size(old) if _mark_of(ledger) is None else LakeSize(0, 0)  # on its way already
    if size is None:
        raise MoveError("nothing was published yet: set ORDERS_LAKE_DATA")
    return MovePlan(place_of(old), place_of(new), {}, size, new.lake_files, {"ORDERS_LAKE_DATA": new.lake_data})


def move(old: Settings, new: Settings, now: datetime, progress: Callable[[str, int], None]) -> MovePlan:
    """Carry ledger and lake to a new home; begun again where an earlier one was broken off.

    Args:
        old: The home that is left; its processes may run, and can write nothing from now on.
        new: As `new_home` says it.
        now: When.
        progress: Told the table and how many of its rows were just written.

    Returns:
        What was carried.

    Raises:
        MoveError, UnfitLedgerError, LakeError: As in `plan`.
        TransferError: What arrived is not what left.
    """
    carried = plan(old, new)
    if place_of(old) == place_of(new):
        _move_lake(old, new, now, progress)
        return carried
    with _ledger_of(old) as source:
        mark = _mark_of(source)
        if mark is None:
            open_existing_ledger(old).close()  # its schema is this release's now, and its lake's below
            if carried.lake is not None:
                open_lake(old).close()
        if mark is None or mark.state == move_mark.LEAVING:
            _prepare(old, new)
        if mark is None:
            with source.write() as transaction:
                move_mark.freeze(transaction, place_of(new), now)
        with _ledger_of(new) as target:
            if mark is None or mark.state == move_mark.LEAVING:
                with source.read() as left, target.write() as arriving, as_long_as_it_takes(arriving):
                    transfer(left, arriving, progress)
                if carried.lake is not None:
                    carry(old, new, progress)
                with source.write() as transaction:
                    move_mark.close(transaction)
            with target.write() as transaction:
                move_mark.remove(transaction)
    return carried


def _move_lake(old: Settings, new: Settings, now: datetime, progress: Callable[[str, int], None]) -> None:
    """Carry the lake to other files beside the same ledger, which is closed meanwhile: nobody publishes or retires orders."""
    with _ledger_of(old) as ledger:
        if _mark_of(ledger) is None:
            open_existing_ledger(old).close()
            open_lake(old).close()
            with ledger.write() as transaction:
                move_mark.freeze(transaction, new.lake_files, now)
        with ledger.write() as transaction:
            if is_written_to(old, transaction):
                set_aside(old, transaction)
            is_on_its_way = is_set_aside(old, transaction)
        if is_on_its_way:
            carry(old, new, progress, LEFT)
        with ledger.write() as transaction:
            if is_on_its_way:
                forget(old, transaction)
            move_mark.thaw(transaction)


def give_up(old: Settings) -> None:
    """Let the old home be worked with again, where a move was begun and has not ended.

    Raises:
        MoveError: None is under way.
    """
    with _ledger_of(old) as ledger, ledger.write() as transaction:
        mark = move_mark.read(transaction)
        if mark is None or mark.state != move_mark.LEAVING:
            raise MoveError("no move of this ledger is under way")
        if is_set_aside(old, transaction):
            put_back(old, transaction)
        move_mark.thaw(transaction)


def _prepare(old: Settings, new: Settings) -> None:
    """A ledger without rows in the new home, marked as not whole."""
    if not new.is_postgresql:
        new.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _ledger_of(new) as target:
        with target.write() as transaction:
            if move_mark.read(transaction) is None:
                move_mark.expect(transaction, place_of(old))
        migrate(target)


def _mark_of(ledger: Ledger) -> move_mark.MoveMark | None:
    with ledger.read() as transaction:
        return move_mark.read(transaction)


def _is_arriving(new: Settings) -> bool:
    with _ledger_of(new) as target:
        mark = _mark_of(target)
    return mark is not None and mark.state == move_mark.ARRIVING


def _require_no_other_move(ledger: Ledger, place: str, new: Settings) -> None:
    mark = _mark_of(ledger)
    if mark is None:
        return
    if mark.state == move_mark.ARRIVING:
        raise MoveError(move_mark.explain(mark))
    if mark.state == move_mark.LEFT and (mark.place != place or not _is_arriving(new)):
        raise MoveError(f"the ledger was moved to {mark.place} already")
    if mark.place != place:
        raise MoveError(f"a move to {mark.place} is under way: let it end, or give it up with `orders move --give-up`")


def _require_empty(old: Settings, new: Settings) -> None:
    """See that nothing is in the new home, or what an earlier try of the same move has left there."""
    if not new.is_postgresql and not (new.home / "ledger.sqlite").exists():
        if catalog_file(new).exists():
            raise MoveError(f"there is a lake at {catalog_file(new)}: move it aside first")
        return
    with _ledger_of(new) as target, target.read() as transaction:
        mark = move_mark.read(transaction)
        is_empty = not sa.inspect(transaction).get_table_names()
    if mark is None and not is_empty:
        raise MoveError(f"{place_of(new)} is not empty: name another database, or move what is there aside first")
    if mark is not None and mark != move_mark.MoveMark(move_mark.ARRIVING, place_of(old)):
        raise MoveError(
            f"{place_of(new)} holds a ledger of another move ({mark.state}, {mark.place}): move it aside first"
        )


def _settings(old: Settings, new: Settings) -> dict[str, str | None]:
    changed: dict[str, str | None] = {"ORDERS_DATABASE_URL": place_of(new) if new.is_postgresql else None}
    if new.lake_data is not None:
        changed["ORDERS_LAKE_DATA"] = new.lake_data
    if old.lake_reader_url is not None:
        changed["ORDERS_LAKE_READER_URL"] = None
    if new.is_postgresql and old.keys is None and old.keys_file is None:
        changed["ORDERS_KEYS_FILE"] = str((old.home / "keys").absolute())
    return changed


@contextmanager
def _ledger_of(settings: Settings) -> Iterator[Ledger]:
    """The ledger as it is, whatever its mark says."""
    ledger = Ledger(make_engine(settings.ledger_url))
    try:
        yield ledger
    finally:
        ledger.close()

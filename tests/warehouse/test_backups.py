"""The restore drill: a copy that was made while everything ran is checked, put back, and works; what is harmed is told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from orders_pipeline.upkeep.doctor import examine
from tests.lake.conftest import Shop
from warehouse import backups, connect
from warehouse.backup_contents import BackupError
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.base.database import (
    SCHEMA_HEAD,
    Ledger,
    UnfitLedgerError,
    make_engine,
    migrate,
    open_existing_ledger,
    open_ledger,
)
from warehouse.ledger.base.schema import orders
from warehouse.ledger.status.keys import open_keys
from warehouse.order_parts import Address, Customer
from warehouse.privacy import new_key, open_key_ring, parse_key_ring
from warehouse.restore_mark import RestoreUnfinishedError
from warehouse.settings import Settings

ORDERS = 60
CANARY = "Zoë Canari"


def fill(settings: Settings, clock, first: int = 0, count: int = ORDERS) -> None:
    """So many orders in the ledger and in the lake, and one archived file."""
    ledger = open_ledger(settings)
    shop = Shop(ledger, open_keys(settings, ledger, clock()))
    person = {"customer": Customer(name=CANARY), "shipping_address": Address(name=CANARY, country_code="FR")}
    shop.settle(*(shop.order(number, **person) for number in range(first, first + count)), now=clock())
    with open_lake(settings) as lake:
        publish(ledger, lake, clock())
    ledger.close()
    settings.archive.mkdir(exist_ok=True)
    (settings.archive / "file").write_bytes(b"sealed")


def documents(settings: Settings) -> list[tuple]:
    ledger = open_ledger(settings)
    with ledger.read() as connection:
        columns = (orders.c.id, orders.c.position, orders.c.content_hash)
        found = [tuple(row) for row in connection.execute(sa.select(*columns).order_by(orders.c.id))]
    ledger.close()
    return found


@pytest.fixture
def filled(any_settings, clock, open_new_ledger):
    open_new_ledger(any_settings).close()
    fill(any_settings, clock)
    return any_settings


@pytest.fixture
def elsewhere(any_settings, tmp_path):
    """An empty installation of the same kind."""
    if not any_settings.is_postgresql:
        yield any_settings.model_copy(update={"home": tmp_path / "elsewhere"})
        return
    import psycopg  # noqa: PLC0415 - only here

    server, name = any_settings.database_url.rpartition("/")[0], f"restored_{os.getpid()}_{time.monotonic_ns()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')

    yield any_settings.model_copy(update={"home": tmp_path / "elsewhere", "database_url": f"{server}/{name}"})
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def wrong(folder: Path, settings: Settings) -> dict[str, str]:
    return {each.part: each.message for each in backups.verify(folder, open_key_ring(settings)) if not each.is_ok}


@pytest.mark.slow
def test_the_restore_drill(filled, elsewhere, clock, tmp_path):
    manifest = backups.backup(filled, tmp_path / "copy", clock())
    assert manifest.rows["orders"] == manifest.rows["parties"] == ORDERS
    assert wrong(tmp_path / "copy", filled) == {}
    fill(filled, clock, first=ORDERS, count=5)
    before = documents(filled)

    backups.restore(tmp_path / "copy", elsewhere, clock())

    restored = documents(elsewhere)
    assert len(restored) == ORDERS
    assert set(restored) <= set(before)
    assert (elsewhere.archive / "file").read_bytes() == b"sealed"
    with connect(elsewhere) as lake:
        assert lake.sql("select count(*) from orders").fetchall() == [(ORDERS,)]
    fill(elsewhere, clock, first=ORDERS, count=5)  # and it goes on from there: the lake is not ahead of the ledger
    with connect(elsewhere) as lake:
        assert lake.sql("select count(*), max(position) from orders").fetchall() == [(ORDERS + 5, ORDERS + 5)]


def test_it_is_one_state_although_somebody_writes_all_the_while(filled, clock, tmp_path):
    ended = threading.Event()

    def write() -> None:
        number = 1000
        while not ended.is_set():
            fill(filled, clock, first=number, count=3)
            number += 3

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [backups.backup(filled, tmp_path / f"copy-{number}", clock()) for number in range(3)]
    finally:
        ended.set()
        writer.join()
    for number, manifest in enumerate(made):
        assert manifest.rows["orders"] == manifest.rows["parties"] == manifest.rows["order_versions"]
        assert wrong(tmp_path / f"copy-{number}", filled) == {}


def test_no_personal_data_and_no_key_is_in_it(filled, clock, tmp_path):
    (filled.home / "keys").write_text(new_key())
    backups.backup(filled, tmp_path / "copy", clock())
    for path in (path for path in (tmp_path / "copy").rglob("*") if path.is_file()):
        assert CANARY.encode() not in path.read_bytes()
        assert path.name != "keys"
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0


def test_with_the_keys_an_empty_machine_reads_it(settings, clock, tmp_path):
    own = settings.model_copy(update={"keys": None})
    fill(own, clock)
    text = (own.home / "keys").read_text()
    backups.backup(own, tmp_path / "copy", clock(), text)
    fresh = own.model_copy(update={"home": tmp_path / "fresh"})
    backups.restore(tmp_path / "copy", fresh, clock())
    assert (fresh.home / "keys").read_text() == text
    assert (fresh.home / "keys").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("harm", "part"),
    [
        (lambda folder: (folder / "ledger.sqlite").unlink(), "files"),
        (lambda folder: (folder / "lake/catalog.sqlite").write_bytes(b"SQLite format 3\0 no more"), "files"),
        (lambda folder: next(folder.rglob("*.parquet")).write_bytes(b""), "files"),
    ],
)
def test_what_is_harmed_is_found_and_not_restored(settings, clock, tmp_path, harm, part):
    fill(settings, clock)
    backups.backup(settings, tmp_path / "copy", clock())
    harm(tmp_path / "copy")
    assert list(wrong(tmp_path / "copy", settings)) == [part]
    fresh = settings.model_copy(update={"home": tmp_path / "fresh"})
    with pytest.raises(BackupError, match="harmed"):
        backups.restore(tmp_path / "copy", fresh, clock())
    assert not fresh.home.exists()


@pytest.mark.slow
def test_another_key_ring_is_told(settings, clock, tmp_path):
    fill(settings, clock)
    backups.backup(settings, tmp_path / "copy", clock())
    other = parse_key_ring(new_key())
    assert {each.part for each in backups.verify(tmp_path / "copy", other) if not each.is_ok} == {"key ring"}
    assert {each.part for each in backups.verify(tmp_path / "copy", None) if not each.is_ok} == {"key ring"}


def test_checking_a_backup_changes_nothing_in_it(settings, clock, tmp_path):
    fill(settings, clock)
    backups.backup(settings, tmp_path / "copy", clock())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "copy").rglob("*")}
    assert wrong(tmp_path / "copy", settings) == {}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "copy").rglob("*")} == before


def test_what_is_there_is_never_overwritten(filled, clock, tmp_path):
    backups.backup(filled, tmp_path / "copy", clock())
    with pytest.raises(BackupError, match="there already"):
        backups.backup(filled, tmp_path / "copy", clock())
    with pytest.raises(BackupError, match=r"is there|not empty"):
        backups.restore(tmp_path / "copy", filled, clock())
    fill(filled, clock, first=ORDERS, count=1)
    backups.restore(tmp_path / "copy", filled, clock(), replaces=True)
    assert len(documents(filled)) == ORDERS
    aside = filled.home / "replaced-20261102T093000Z"
    assert (aside / "lake").is_dir()
    assert (aside / "ledger.sqlite").exists() is not filled.is_postgresql


def test_what_is_no_backup_is_told(settings, tmp_path, clock):
    with pytest.raises(BackupError, match=r"no manifest\.json"):
        backups.verify(tmp_path, None)
    with pytest.raises(BackupError, match="there is no ledger"):
        backups.backup(settings, tmp_path / "copy", clock())
    assert list(tmp_path.glob("*copy*")) == []


def test_a_backup_of_the_other_kind_is_refused(settings, clock, tmp_path):
    fill(settings, clock)
    backups.backup(settings, tmp_path / "copy", clock())
    other = settings.model_copy(
        update={"home": tmp_path / "other", "database_url": "postgresql://nobody@127.0.0.1:1/none"}
    )
    with pytest.raises(BackupError, match="of sqlite"):
        backups.restore(tmp_path / "copy", other, clock())


def test_without_the_key_ring_nothing_is_restored(filled, elsewhere, clock, tmp_path):
    backups.backup(filled, tmp_path / "copy", clock())
    for text in (None, new_key(), "nonsense", f"test:{new_key().partition(':')[2]}"):
        keys = None if text is None else type(filled.keys)(text)
        with pytest.raises(BackupError, match="key ring"):
            backups.restore(tmp_path / "copy", elsewhere.model_copy(update={"keys": keys}), clock())
    assert not elsewhere.home.exists()
    backups.restore(tmp_path / "copy", elsewhere, clock())
    assert len(documents(elsewhere)) == ORDERS


def test_a_backup_of_a_newer_release_is_told_first(settings, clock, tmp_path):
    fill(settings, clock)
    backups.backup(settings, tmp_path / "copy", clock())
    manifest = tmp_path / "copy/manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"schema": "{SCHEMA_HEAD}"', '"schema": "9999"'))
    fresh = settings.model_copy(update={"home": tmp_path / "fresh"})
    with pytest.raises(BackupError, match="newer release"):
        backups.restore(tmp_path / "copy", fresh, clock())
    assert not fresh.home.exists()


@pytest.mark.slow
def test_a_backup_of_an_older_schema_replaces_an_upgraded_ledger(any_empty_settings, clock, tmp_path):
    if not any_empty_settings.is_postgresql:
        any_empty_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_empty_settings.ledger_url))
    migrate(older, "0010")  # before the table of sealing keys
    older.close()
    backups.backup(any_empty_settings, tmp_path / "copy", clock())
    fill(any_empty_settings, clock)
    backups.restore(tmp_path / "copy", any_empty_settings, clock(), replaces=True)
    assert documents(any_empty_settings) == []
    fill(any_empty_settings, clock)
    assert len(documents(any_empty_settings)) == ORDERS


def test_no_backup_is_made_of_a_ledger_of_a_newer_release(filled, clock, tmp_path):
    ledger = open_ledger(filled)
    with ledger.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    ledger.close()
    with pytest.raises(UnfitLedgerError, match="newer release"):
        backups.backup(filled, tmp_path / "copy", clock())
    assert not (tmp_path / "copy").exists()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_broken_off_anywhere_a_restore_lets_nothing_work_until_it_has_ended(
    filled, elsewhere, clock, tmp_path, monkeypatch, after
):
    backups.backup(filled, tmp_path / "copy", clock())
    copied = iter(range(100))
    copyfile = shutil.copyfile

    def killed_at(source, target):
        if next(copied) == after:
            raise Killed
        return copyfile(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("warehouse.backups.shutil.copyfile", killed_at)
        with pytest.raises(Killed):
            backups.restore(tmp_path / "copy", elsewhere, clock())
    away = elsewhere.model_copy(update={"home": tmp_path / "away"})  # another machine sees the database only
    for each in (elsewhere, *((away,) if elsewhere.is_postgresql else ())):
        for opening in (open_ledger, open_existing_ledger):
            with pytest.raises(RestoreUnfinishedError):
                opening(each)
        assert "restore" in {part.part: part.seen for part in examine(each, clock)}["ledger"]
    with pytest.raises(RestoreUnfinishedError):
        connect(elsewhere)
    with pytest.raises(RestoreUnfinishedError):
        backups.backup(elsewhere, tmp_path / "copy of a half", clock())

    backups.restore(tmp_path / "copy", elsewhere, clock())

    assert len(documents(elsewhere)) == ORDERS
    assert (elsewhere.archive / "file").read_bytes() == b"sealed"
    assert not (elsewhere.home / "restore-unfinished").exists()


CHILD = """
import sys
from pathlib import Path
from warehouse import backups
from warehouse.clock import utc_now
from warehouse.settings import Settings
backups.backup(Settings(_env_file=None), Path(sys.argv[1]), utc_now())
"""


@pytest.mark.slow
def test_killed_anywhere_it_leaves_a_whole_backup_or_none_and_an_unharmed_installation(settings, clock, tmp_path):
    fill(settings, clock, count=400)
    target = tmp_path / "copies" / "copy"
    environment = {**os.environ, "ORDERS_HOME": str(settings.home), "ORDERS_KEYS": settings.keys.get_secret_value()}
    partial = target.with_name(".copy.partial")
    sights = ("lake/catalog.sqlite", "lake/data", "ledger.sqlite", "archive", "manifest.json", None)
    for sight in sights:
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(target)], env=environment, cwd=Path.cwd())
        while child.poll() is None and (sight is None or not (partial / sight).exists()):
            if sight is None and partial.exists():
                break
            time.sleep(0.0005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        if target.exists():
            assert wrong(target, settings) == {}
            target.rename(tmp_path / f"whole-{sight}".replace("/", "-"))
        assert len(documents(settings)) == 400
    backups.backup(settings, target, clock())
    assert wrong(target, settings) == {}
    assert [path.name for path in target.parent.iterdir()] == ["copy"]

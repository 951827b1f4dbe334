"""ORDERS_MIGRATE=never: processes wait for `orders migrate`, and change nothing themselves."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from orders_pipeline.commands.output import Exit
from orders_pipeline.dagster_storage import PipelineStorage
from warehouse.ledger.base.database import (
    SCHEMA_HEAD,
    LedgerMissingError,
    SchemaBehindError,
    UnfitLedgerError,
    open_existing_ledger,
    open_ledger,
    require_fitting_ledger,
    schema_version,
)
from warehouse.settings import MigrationPolicy, Settings

ORDERS = [sys.executable, "-c", "from orders_pipeline.cli import main; main()"]


@pytest.fixture
def waiting(any_empty_settings) -> Settings:
    """An installation of which nothing is made, as a process sees it that may not make it."""
    return any_empty_settings.model_copy(update={"migrate": MigrationPolicy.NEVER, "migrate_wait_seconds": 0})


def variables(settings: Settings, **more: str) -> dict[str, str]:
    own = {
        "ORDERS_HOME": str(settings.home),
        "ORDERS_KEYS": settings.keys.get_secret_value(),
        "ORDERS_MIGRATE": "never",
        "ORDERS_LOG_FORMAT": "json",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    if settings.database_url is not None:
        own["ORDERS_DATABASE_URL"] = settings.database_url
    return {**{name: value for name, value in os.environ.items() if not name.startswith("ORDERS_")}, **own, **more}


def test_what_is_not_there_is_told_and_not_made(waiting):
    with pytest.raises(SchemaBehindError, match=f"there is no ledger yet, this release needs {SCHEMA_HEAD}"):
        open_ledger(waiting)
    with pytest.raises(LedgerMissingError, match="`orders migrate` makes it"):
        open_existing_ledger(waiting)
    assert require_fitting_ledger(waiting) is None
    assert not (waiting.home / "ledger.sqlite").exists()


def test_an_older_schema_stays_and_a_newer_one_is_told(waiting, any_empty_settings):
    open_ledger(any_empty_settings).close()
    ledger = open_ledger(waiting)
    for version, error, message in (
        ("0001", SchemaBehindError, f"at migration 0001, this release needs {SCHEMA_HEAD}"),
        ("9999", UnfitLedgerError, "newer release"),
    ):
        with ledger.write() as transaction:
            transaction.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        with pytest.raises(error, match=message):
            open_ledger(waiting)
        assert schema_version(ledger) == version
    ledger.close()


def test_dagster_waits_too(waiting, tmp_path, monkeypatch):
    for name, value in variables(waiting, ORDERS_MIGRATE_WAIT_SECONDS="0").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SchemaBehindError):
        PipelineStorage.from_config_value(None, {})
    assert not (waiting.home / "dagster").exists()


def test_who_waits_goes_on_once_somebody_has_migrated(waiting, any_empty_settings, caplog):
    patient = waiting.model_copy(update={"migrate_wait_seconds": 60})
    caplog.set_level(logging.WARNING)
    with ThreadPoolExecutor() as pool:
        opened = pool.submit(open_ledger, patient)
        while not caplog.records:
            assert not opened.done()
        open_ledger(any_empty_settings).close()
        ledger = opened.result()
    assert schema_version(ledger) == SCHEMA_HEAD
    assert [each.message for each in caplog.records] == ["schema_awaited"]
    ledger.close()


@pytest.mark.slow
def test_commands_and_the_api_end_with_a_code(settings):
    environment = variables(settings, ORDERS_MIGRATE_WAIT_SECONDS="0")
    pull, api = (
        subprocess.run([*ORDERS, name], env=environment, capture_output=True, text=True, check=False)
        for name in ("pull", "api")
    )
    assert (pull.returncode, "ORDERS_MIGRATE=never" in pull.stderr) == (Exit.UNAVAILABLE, True), pull.stderr
    assert (api.returncode, "the API does not start yet" in api.stderr) == (os.EX_TEMPFAIL, True), api.stderr


@pytest.mark.slow
def test_migrating_twice_at_once_is_safe(waiting):
    environment = variables(waiting)
    at_once = [subprocess.Popen([*ORDERS, "migrate"], env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    said = [each.communicate()[1].decode() for each in at_once]
    assert [each.returncode for each in at_once] == [0, 0], said
    assert all(f"the ledger is at migration {SCHEMA_HEAD}" in each for each in said)
    open_ledger(waiting).close()

"""The doctor: what it finds on a healthy installation, on an empty one, and on each kind of broken one."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from orders_pipeline.definitions import build_defs
from orders_pipeline.upkeep import dagster_findings, doctor
from orders_pipeline.upkeep.doctor import examine
from orders_pipeline.upkeep.findings import DoctorVerdict
from warehouse.ledger.base.database import Ledger, make_engine, migrate
from warehouse.ledger.settings import channels
from warehouse.privacy import new_key


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """In a folder without dagster.yaml, with no API on the port."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


def seen(settings, clock) -> dict[str, tuple[str, str, str]]:
    return {each.part: (each.verdict.value, each.seen, each.hint) for each in examine(settings, clock)}


def failures(settings, clock) -> dict[str, str]:
    return {each.part: each.seen for each in examine(settings, clock) if each.verdict is DoctorVerdict.FAIL}


@pytest.fixture
def healthy(any_filled):
    return replace(any_filled, settings=any_filled.settings.model_copy(update={"api_port": 9}))


def test_a_healthy_installation_has_no_failure(healthy, clock):
    found = seen(healthy.settings, clock)
    assert failures(healthy.settings, clock) == {}
    assert found["channel amazon_fr"][:2] == ("ok", "ok, 3 minutes behind")
    assert found["connection mirakl_shop"][0] == "ok"
    assert found["order tables"][:2] == ("ok", "0 changes behind the ledger")
    assert found["personal data"][1].startswith("nothing is overdue; the oldest is 0 days old")


def test_looking_changes_nothing(settings, clock):
    found = examine(settings, clock)
    assert {each.verdict for each in found} <= {DoctorVerdict.OK, DoctorVerdict.WARN}
    assert not settings.home.exists()


def test_an_outage_shows_with_what_to_do(healthy, clock):
    clock.advance(minutes=30)
    found = seen(healthy.settings, clock)
    assert found["channel amazon_fr"][0] == "fail"
    assert "is the pipeline running?" in found["channel amazon_fr"][2]


def test_a_credential_that_is_gone_is_named(healthy, clock, monkeypatch):
    monkeypatch.delenv("TEST_MIRAKL_API_KEY")
    assert "the variable TEST_MIRAKL_API_KEY is not set" in failures(healthy.settings, clock)["connection mirakl_shop"]


def test_clocks_that_differ_are_told(healthy, clock):
    with healthy.ledger.write() as transaction:
        channels.remember(transaction, "amazon_eu", {"clock_skew_seconds": 600})
    assert failures(healthy.settings, clock)["clock"] == "amazon_eu's clock and ours are 600 s apart"


def test_personal_data_that_is_overdue_is_told(healthy, clock):
    clock.advance(seconds=timedelta(days=60).total_seconds())
    assert "are overdue" in failures(healthy.settings, clock)["personal data"]


def test_a_key_file_that_others_may_read_is_told(settings, clock):
    own = settings.model_copy(update={"keys": None})
    own.home.mkdir()
    (own.home / "keys").write_text(new_key())
    (own.home / "keys").chmod(0o644)
    assert "key file" in failures(own, clock)
    (own.home / "keys").chmod(0o600)
    assert failures(own, clock) == {}


def test_a_broken_key_ring_is_told(settings, clock):
    own = settings.model_copy(update={"keys": None})
    own.home.mkdir()
    (own.home / "keys").write_text("nonsense")
    assert "id:base64" in failures(own, clock)["key ring"]


def test_sealed_data_that_do_not_open_are_told(healthy, clock):
    assert seen(healthy.settings, clock)["sealed data"][0] == "ok"
    same_id = f"test:{new_key().partition(':')[2]}"
    for text in (new_key(), same_id):
        other = healthy.settings.model_copy(update={"keys": type(healthy.settings.keys)(text)})
        assert "sealed data" in failures(other, clock)
    assert "no key ring" in failures(healthy.settings.model_copy(update={"keys": None}), clock)["sealed data"]


def test_a_schema_of_another_release_is_told_and_not_migrated(any_empty_settings, clock):
    any_empty_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_empty_settings.ledger_url))
    migrate(older, "0002")
    assert "at migration 0002" in failures(any_empty_settings, clock)["ledger"]
    with older.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer release" in failures(any_empty_settings, clock)["ledger"]
    older.close()


def test_a_ledger_that_is_no_database_is_told(settings, clock):
    settings.home.mkdir()
    (settings.home / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    found = failures(settings, clock)
    assert "cannot be read" in found["ledger"]


def test_a_damaged_page_is_found(connected, clock):
    connected.ledger.close()
    path = connected.settings.home / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = os.urandom(64)
    path.write_bytes(data)
    assert set(failures(connected.settings, clock)) & {"ledger", "integrity"}


def test_a_home_that_everybody_may_write_is_told(settings, clock):
    settings.home.mkdir()
    settings.home.chmod(0o777)
    assert "everybody may write" in failures(settings, clock)["home"]


def test_a_time_zone_that_does_not_exist_is_told(settings, clock):
    assert "time zone" in failures(settings.model_copy(update={"time_zone": "Mars/Olympus"}), clock)


def test_what_is_wrong_comes_first(settings, clock, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 10**18)
    verdicts = [each.verdict for each in examine(settings, clock)]
    assert set(verdicts) == set(DoctorVerdict)
    assert verdicts == sorted(verdicts, key=[DoctorVerdict.FAIL, DoctorVerdict.WARN, DoctorVerdict.OK].index)


def test_a_clock_that_was_set_back_makes_no_negative_age(healthy, clock):
    clock.advance(days=-2)
    found = seen(healthy.settings, clock)
    assert found["channel amazon_fr"][1] == "ok, 0 minutes behind"
    assert found["personal data"][1].endswith("the oldest is 0 days old")


def test_a_failed_data_check_is_told_until_it_holds(instance):
    def tell(name, *, passed, severity=dg.AssetCheckSeverity.ERROR):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("orders"),
                check_name=name,
                passed=passed,
                severity=severity,
                description="2 of 9",
                metadata={},
            )
        )

    assert list(dagster_findings._checks(instance)) == []
    tell("orders_unique", passed=False)
    tell("quarantine_empty", passed=False, severity=dg.AssetCheckSeverity.WARN)
    told = {each.part: (each.verdict, each.seen) for each in dagster_findings._checks(instance)}
    assert told == {
        "check orders_unique": (DoctorVerdict.FAIL, "2 of 9"),
        "check quarantine_empty": (DoctorVerdict.WARN, "2 of 9"),
    }
    tell("orders_unique", passed=True)
    tell("quarantine_empty", passed=True)
    assert [(each.verdict, each.seen) for each in dagster_findings._checks(instance)] == [
        (DoctorVerdict.OK, "2 data checks hold")
    ]


def test_a_run_that_has_not_begun_is_of_the_time_it_was_asked_for(instance):
    job = build_defs().resolve_job_def("verify_orders")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED)
    (told,) = dagster_findings._runs(instance)
    assert (told.part, "1970" in told.seen, told.seen.endswith(": not_started")) == ("job verify_orders", False, True)


def test_a_file_too_large_to_be_looked_through_says_so(healthy, clock, monkeypatch):
    if healthy.settings.is_postgresql:
        pytest.skip("a file of SQLite's")
    monkeypatch.setattr(doctor, "INTEGRITY_SECONDS", 0.0)
    monkeypatch.setattr(doctor, "STEPS_BETWEEN_LOOKS", 1)
    verdict, said, hint = seen(healthy.settings, clock)["integrity"]
    assert (verdict, "did not get through" in said, "orders verify" in hint) == ("ok", True, True)

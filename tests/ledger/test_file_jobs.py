"""File jobs in the ledger: what is due, what a change of a job changes, and what a failure does, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pydantic
import pytest

from warehouse.ledger.settings import configuration, file_jobs
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection
from warehouse.ledger.settings.document import ConfigurationError, read_document
from warehouse.ledger.settings.file_jobs import FileJob, JobKind, kept_settings
from warehouse.ledger.settings.file_schedules import Frequency
from warehouse.ledger.settings.storages import StorageEntry, save_storage

UTC_ZONE = ZoneInfo("UTC")
JOB = FileJob(channel="amazon_fr", kind=JobKind.EXPORT, storage="partner", folder="out", settings={"statuses": []})


@pytest.fixture
def ledger_with_channel(any_ledger, clock):
    with any_ledger.write() as transaction:
        save_connection(transaction, Connection(code="seller", kind="amazon", label="S"), clock())
        channel = ConfiguredChannel(code="amazon_fr", label="A", marketplace="A", connection="seller")
        save_channel(transaction, channel, clock())
        save_storage(
            transaction, StorageEntry(code="partner", kind="folder", label="P", settings={"path": "/srv"}), clock()
        )
    return any_ledger


def due(ledger, now) -> list[str]:
    with ledger.read() as transaction:
        return [each.job.kind.value for each in file_jobs.due_jobs(transaction, now, UTC_ZONE)]


def save(ledger, job: FileJob, now) -> None:
    with ledger.write() as transaction:
        file_jobs.save_job(transaction, job, now)


def state(ledger, kind: JobKind = JobKind.EXPORT) -> file_jobs.JobState:
    with ledger.read() as transaction:
        return file_jobs.find_job(transaction, "amazon_fr", kind)


def test_a_job_is_due_at_its_time_and_not_before(ledger_with_channel, clock):
    clock.advance(minutes=1)
    save(ledger_with_channel, JOB, clock())
    save(ledger_with_channel, replace(JOB, kind=JobKind.IMPORT, frequency=Frequency.HOURLY), clock())
    assert due(ledger_with_channel, clock()) == []
    assert due(ledger_with_channel, clock.advance(minutes=14)) == ["export"]
    assert due(ledger_with_channel, clock.advance(minutes=15)) == ["export", "import"]


def test_missed_times_are_made_up_for_by_one_run(ledger_with_channel, clock):
    save(ledger_with_channel, JOB, clock())
    clock.advance(hours=5, minutes=1)
    with ledger_with_channel.write() as transaction:
        file_jobs.begin(transaction, JOB, clock())
        file_jobs.finish(transaction, JOB, clock())
    assert due(ledger_with_channel, clock()) == []
    assert due(ledger_with_channel, clock.advance(minutes=14)) == ["export"]


def test_a_job_that_is_off_is_never_due_and_counts_anew_when_it_is_on(ledger_with_channel, clock):
    save(ledger_with_channel, replace(JOB, is_on=False), clock())
    assert due(ledger_with_channel, clock.advance(days=2, minutes=3)) == []
    save(ledger_with_channel, JOB, clock())
    assert due(ledger_with_channel, clock()) == []
    assert due(ledger_with_channel, clock.advance(minutes=15)) == ["export"]


def test_another_folder_changes_neither_time_nor_cursor(ledger_with_channel, clock):
    save(ledger_with_channel, JOB, clock())
    with ledger_with_channel.write() as transaction:
        file_jobs.move_cursor(transaction, "amazon_fr", 41)
    before = state(ledger_with_channel)
    clock.advance(minutes=10)
    save(ledger_with_channel, replace(JOB, folder="elsewhere"), clock())
    after = state(ledger_with_channel)
    assert (after.due_after, after.cursor, after.job.folder) == (before.due_after, 41, "elsewhere")


def test_after_a_failure_a_rare_job_is_due_again_soon(ledger_with_channel, clock):
    daily = replace(JOB, frequency=Frequency.DAILY, at="06:30")
    save(ledger_with_channel, daily, clock())
    with ledger_with_channel.write() as transaction:
        file_jobs.begin(transaction, daily, clock())
        file_jobs.retry_soon(transaction, daily, clock())
    assert state(ledger_with_channel).next_due(UTC_ZONE, clock()) == clock() + timedelta(minutes=15)
    with ledger_with_channel.write() as transaction:
        file_jobs.begin(transaction, daily, clock.advance(minutes=15))
        file_jobs.finish(transaction, daily, clock())
    assert state(ledger_with_channel).next_due(UTC_ZONE, clock()).isoformat() == "2026-11-03T06:30:00+00:00"


def test_what_began_and_did_not_end_is_due_at_once(ledger_with_channel, clock):
    weekly = replace(JOB, frequency=Frequency.WEEKLY)
    save(ledger_with_channel, weekly, clock())
    with ledger_with_channel.write() as transaction:
        file_jobs.begin(transaction, weekly, clock())
    assert state(ledger_with_channel).is_unended
    assert due(ledger_with_channel, clock.advance(seconds=1)) == ["export"]
    with ledger_with_channel.write() as transaction:
        file_jobs.finish(transaction, weekly, clock())
    assert not state(ledger_with_channel).is_unended
    assert due(ledger_with_channel, clock.advance(minutes=30)) == []


def test_times_that_a_clock_ahead_has_left_are_not_believed(ledger_with_channel, clock):
    save(ledger_with_channel, JOB, clock())
    ahead = clock() + timedelta(days=3)
    with ledger_with_channel.write() as transaction:
        file_jobs.begin(transaction, JOB, ahead)
        file_jobs.finish(transaction, JOB, ahead)
    assert due(ledger_with_channel, clock.advance(minutes=1)) == ["export"]
    with ledger_with_channel.write() as transaction:
        file_jobs.begin(transaction, JOB, clock())
        file_jobs.retry_soon(transaction, JOB, ahead)
    assert due(ledger_with_channel, clock.advance(minutes=1)) == ["export"]


@pytest.mark.parametrize(
    ("kind", "settings", "other"),
    [
        ("folder", {"path": "/srv"}, {"path": "/srv/in"}),
        (
            "sftp",
            {"host": "erp.example", "user": "a", "root": "/srv"},
            {"host": "ERP.example", "user": "b", "root": "/srv/in"},
        ),
        ("ftps", {"host": "erp.example", "user": "a"}, {"host": "erp.example", "user": "a", "root": "in"}),
    ],
)
def test_a_folder_under_two_names_is_one_folder(kind, settings, other):
    places = [
        StorageEntry(code=code, kind=kind, label="", settings=each) for code, each in (("a", settings), ("b", other))
    ]
    one = FileJob(channel="amazon_fr", kind=JobKind.IMPORT, storage="a", folder="/in/")
    two = replace(one, channel="amazon_de", storage="b", folder="")
    assert "amazon_fr" in file_jobs.reader_fault([one, two], places, two)
    assert file_jobs.reader_fault([one, two], places, replace(two, folder="de")) is None
    assert file_jobs.reader_fault([one, two], places, replace(two, kind=JobKind.EXPORT)) is None
    assert file_jobs.reader_fault([one, two], places, one) is not None


def test_settings_are_checked_and_completed():
    assert kept_settings(JobKind.EXPORT, {"statuses": ["SHIPPED"]})["split_by_country"] is False
    with pytest.raises(pydantic.ValidationError):
        kept_settings(JobKind.IMPORT, {"statuses": []})


FILE = """
channels:
  amazon_fr:
    connection: seller
    selector: A13V1IB3VIYZZH
    export: {storage: partner, folder: out, frequency: daily, at: 10:30, statuses: [WAITING_FOR_SHIPMENT]}
    import: {storage: partner, folder: in, frequency: 45m, at: 06:30, always_result: true, enabled: false}
"""


def test_jobs_are_declared_with_their_channel(ledger_with_channel, clock):
    document = read_document(FILE)
    with ledger_with_channel.write() as transaction:
        found = configuration.apply(transaction, document, clock())
        assert {(each.noun, each.action) for each in found} >= {("export job", "create"), ("import job", "create")}
        assert configuration.differences(transaction, document) == []
        again = read_document(configuration.export(transaction))
        assert configuration.differences(transaction, again) == []
    exporting, importing = state(ledger_with_channel).job, state(ledger_with_channel, JobKind.IMPORT).job
    assert (exporting.frequency, exporting.at, exporting.is_on) == (Frequency.DAILY, "10:30", True)
    assert exporting.export_settings.statuses == ("WAITING_FOR_SHIPMENT",)
    assert (importing.frequency, importing.at, importing.is_on) == (Frequency.EVERY_45_MINUTES, "06:30", False)
    assert importing.import_settings.always_result


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("export: {storage: nowhere}", "channels.amazon_fr.export.storage: there is no storage 'nowhere'"),
        ("export: {storage: partner, frequency: 20m}", "channels.amazon_fr.export.frequency"),
        ("export: {storage: partner, at: noon}", "channels.amazon_fr.export.at"),
        ("export: {storage: partner, statuses: [LOST]}", "channels.amazon_fr.export.statuses.0"),
        ("export: {storage: partner, delimiter: ;}", "channels.amazon_fr.export.delimiter"),
        ("import: {storage: partner, delimiter: x}", "channels.amazon_fr.import.delimiter"),
        ("import: {folder: in}", "channels.amazon_fr.import.storage"),
    ],
)
def test_what_is_wrong_is_named(ledger_with_channel, text, place):
    file = f"channels: {{amazon_fr: {{connection: seller, {text}}}}}"
    with ledger_with_channel.read() as transaction, pytest.raises(ConfigurationError) as refused:
        configuration.differences(transaction, read_document(file))
    assert any(problem.startswith(place) for problem in refused.value.problems), refused.value.problems

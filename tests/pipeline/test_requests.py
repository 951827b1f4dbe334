"""What operators ask is carried out: at real marketplaces and a real folder, by the sensor and by a run."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from orders_pipeline import bulk_requests
from orders_pipeline.definitions import build_defs
from orders_pipeline.requests import DOES, carry_out
from orders_pipeline.sensors import operator_requests
from orders_pipeline.stages.normalise import normalise_pending
from orders_pipeline.stages.pull import pull_all
from warehouse.bulk_actions import BulkAction, BulkTask
from warehouse.ledger.book import order_queries
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.bulk import requests as bulk
from warehouse.ledger.bulk import selections
from warehouse.ledger.people import operator_requests as book
from warehouse.ledger.settings import file_jobs, storages
from warehouse.ledger.settings.file_jobs import FileJob, JobKind
from warehouse.ledger.settings.recipients import Recipient, RecipientKind, save_recipient
from warehouse.operator_requests import HEAVY, LIGHT, RequestKind, RequestProgress, checked_arguments


def ask(installation, kind, subject, **arguments):
    with installation.ledger.write() as transaction:
        checked = checked_arguments(kind, arguments)
        return book.ask(transaction, kind, subject, checked, "anna", installation.clock())


def outcome(installation, request):
    with installation.ledger.read() as transaction:
        found = book.find(transaction, request.id)
    return found.state, dict(found.result)


def done(installation, kind, subject, **arguments):
    asked = ask(installation, kind, subject, **arguments)
    carry_out(installation, HEAVY if kind in HEAVY else LIGHT, timedelta(minutes=1))
    return outcome(installation, asked)


@pytest.fixture
def share(connected, tmp_path):
    """A folder that is a storage."""
    folder = tmp_path / "share"
    (folder / "out" / "old").mkdir(parents=True)
    (folder / "in").mkdir()
    with connected.ledger.write() as transaction:
        entry = storages.StorageEntry(code="share", kind="folder", label="Share", settings={"path": str(folder)})
        storages.save_storage(transaction, entry, connected.clock())
        for kind, place in ((JobKind.EXPORT, "out"), (JobKind.IMPORT, "in")):
            job = FileJob(
                channel="mirakl", kind=kind, storage="share", folder=place, settings=file_jobs.kept_settings(kind, {})
            )
            file_jobs.save_job(transaction, job, connected.clock())
    return folder


def test_every_kind_is_done_by_somebody():
    assert set(DOES) == set(RequestKind)


def test_a_connection_is_tried(connected, monkeypatch):
    state, result = done(connected, RequestKind.TEST_CONNECTION, "mirakl_shop")
    assert state is RequestProgress.DONE
    verdicts = {each["part"]: each["verdict"] for each in result["findings"]}
    assert (verdicts["credential"], verdicts["clock"]) == ("ok", "wrong")  # the tests' clock stands still
    monkeypatch.delenv("TEST_MIRAKL_API_KEY")
    state, result = done(connected, RequestKind.TEST_CONNECTION, "mirakl_shop")
    assert (state, set(result)) == (RequestProgress.FAILED, {"code", "message", "hint"})
    assert "TEST_MIRAKL_API_KEY" in result["message"]


def test_a_storage_is_tried_and_looked_into(connected, share):
    state, result = done(connected, RequestKind.TEST_STORAGE, "share", folder="out")
    assert (state, result["findings"][-1]["part"]) == (RequestProgress.DONE, "remove")
    (share / "out" / "a.csv").write_bytes(b"abc")
    state, result = done(connected, RequestKind.BROWSE, "share", folder="out")
    assert (state, result) == (
        RequestProgress.DONE,
        {
            "folder": "out",
            "folders": ["old"],
            "folder_count": 1,
            "files": [{"name": "a.csv", "size": 3}],
            "file_count": 1,
        },
    )
    state, result = done(connected, RequestKind.BROWSE, "share", folder="nowhere")
    assert (state, result["code"]) == (RequestProgress.FAILED, "storage_folder_missing")


def test_a_recipient_is_written_to(connected):
    state, result = done(connected, RequestKind.TEST_RECIPIENT, "gone")
    assert (state, result["code"]) == (RequestProgress.FAILED, "unknown_recipient")
    with connected.ledger.write() as transaction:
        desk = Recipient(code="desk", kind=RecipientKind.EMAIL, address="desk@shop.example")
        save_recipient(transaction, desk, connected.clock())
    state, result = done(connected, RequestKind.TEST_RECIPIENT, "desk")
    assert (state, result["code"]) == (RequestProgress.FAILED, "mail_not_configured")


def test_orders_are_pulled_read_again_replayed_and_confirmed(connected, marketplaces):
    marketplaces.generate(4)
    state, result = done(connected, RequestKind.PULL, "mirakl_shop")
    assert (state, result["seen"], result["orders"]["new"]) == (RequestProgress.DONE, 4, 4)
    [known, *_] = [each["id"] for each in marketplaces.mirakl.truth()]
    state, result = done(connected, RequestKind.FETCH, "mirakl_shop", original_ids=[known])
    assert (state, result["seen"]) == (RequestProgress.DONE, 1)
    state, result = done(connected, RequestKind.REPLAY, "mirakl_shop", original_ids=[known])
    assert (state, result["unchanged"]) == (RequestProgress.DONE, 1)
    state, result = done(connected, RequestKind.PULL, "mirakl_shop", since="2026-10-25T00:00:00Z")
    assert state is RequestProgress.DONE
    assert done(connected, RequestKind.CONFIRM, "mirakl_shop") == (RequestProgress.DONE, {})


def test_many_orders_are_read_again_and_what_fails_says_why(connected, marketplaces, monkeypatch):
    monkeypatch.setattr(selections, "CHUNK", 3)
    marketplaces.generate(4)
    pull_all(connected)
    normalise_pending(connected)

    def fetch_all():
        with connected.ledger.write() as transaction:
            ids = order_queries.ids_of(transaction, OrderFilter(), 100)
            chosen = selections.keep(transaction, ids, connected.clock())
            task = BulkTask(action=BulkAction.FETCH, asked_by="anna")
            asked = bulk.ask(transaction, task, chosen, connected.clock())
        carry_out(connected, HEAVY, timedelta(minutes=1))
        return len(ids), *outcome(connected, asked)

    count, state, result = fetch_all()
    assert (state, result) == (
        RequestProgress.DONE, {"orders": count, "handled": count, "done": count, "left_out": {}}
    )  # fmt: skip
    monkeypatch.setenv("TEST_MIRAKL_API_KEY", "wrong")
    count, state, result = fetch_all()
    assert (state, result["left_out"], result["done"]) == (RequestProgress.DONE, {"unauthorised": 4}, count - 4)


def test_a_long_one_lets_newer_requests_go_first(connected, marketplaces, monkeypatch):
    monkeypatch.setattr(selections, "CHUNK", 1)
    monkeypatch.setattr(bulk_requests, "GOES_ON_FOR", timedelta())
    marketplaces.generate(2)
    pull_all(connected)
    normalise_pending(connected)
    with connected.ledger.write() as transaction:
        ids = order_queries.ids_of(transaction, OrderFilter(), 100)
        task = BulkTask(action=BulkAction.NEXT_FILE, asked_by="anna")
        chosen = selections.keep(transaction, ids, connected.clock())
        asked = bulk.ask(transaction, task, chosen, connected.clock())
    assert carry_out(connected, HEAVY, timedelta(minutes=1)) == len(ids) + 1
    assert outcome(connected, asked)[1]["left_out"] == {"no_export_job": len(ids)}


def test_a_pull_that_fails_says_why(connected, monkeypatch):
    monkeypatch.setenv("TEST_MIRAKL_API_KEY", "wrong")
    state, result = done(connected, RequestKind.PULL, "mirakl_shop")
    assert (state, result["code"]) == (RequestProgress.FAILED, "unauthorised")


def test_file_jobs_are_run(connected, marketplaces, share):
    marketplaces.generate(2)
    pull_all(connected)
    normalise_pending(connected)
    state, result = done(connected, RequestKind.EXPORT, "mirakl")
    assert (state, len(result["files"])) == (RequestProgress.DONE, 1)
    assert (share / "out" / result["files"][0]["name"]).is_file()
    assert done(connected, RequestKind.IMPORT, "mirakl") == (RequestProgress.DONE, {"files": []})
    state, result = done(connected, RequestKind.EXPORT, "amazon_fr")
    assert (state, result["code"]) == (RequestProgress.FAILED, "no_job")


def test_a_defect_at_one_request_stops_no_other(connected, monkeypatch, share):
    monkeypatch.setitem(DOES, RequestKind.BROWSE, lambda *_: 1 // 0)
    broken = ask(connected, RequestKind.BROWSE, "share", folder="")
    sound = ask(connected, RequestKind.TEST_CONNECTION, "mirakl_shop")
    assert carry_out(connected, LIGHT, timedelta(minutes=1)) == 2
    state, result = outcome(connected, broken)
    assert (state, result["code"]) == (RequestProgress.FAILED, "internal_error")
    assert outcome(connected, sound)[0] is RequestProgress.DONE


def test_the_sensor_does_what_is_light_and_starts_a_run_for_the_rest(connected, source, instance, clock):
    def evaluate():
        with dg.build_sensor_context(instance=instance) as context:
            return operator_requests(context, source=source)

    assert isinstance(evaluate(), dg.SkipReason)
    with connected.ledger.read() as transaction:
        assert book.pipeline_seen_at(transaction) == clock()
    light = ask(connected, RequestKind.TEST_CONNECTION, "mirakl_shop")
    heavy = ask(connected, RequestKind.PULL, "mirakl_shop")
    assert isinstance(evaluate(), dg.RunRequest)
    assert outcome(connected, light)[0] is RequestProgress.DONE
    assert outcome(connected, heavy)[0] is RequestProgress.ASKED
    job = build_defs(source=source).resolve_job_def("carry_out_requests")
    assert job.execute_in_process(instance=instance).success
    assert outcome(connected, heavy)[0] is RequestProgress.DONE
    assert isinstance(evaluate(), dg.SkipReason)


def test_looking_costs_no_write_while_the_pipeline_is_known_to_run(connected, source, instance, clock):
    def evaluate():
        with dg.build_sensor_context(instance=instance) as context:
            operator_requests(context, source=source)
        with connected.ledger.read() as transaction:
            return book.pipeline_seen_at(transaction)

    first = evaluate()
    clock.advance(seconds=20)
    assert evaluate() == first
    clock.advance(seconds=20)
    assert evaluate() == clock()

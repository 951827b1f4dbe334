"""The file jobs as Dagster runs them: one run for what is due, what it shows, and when the sensor asks for it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import dagster as dg
import pytest

from orders_pipeline.assets.file_runs import JOBS_TAG
from orders_pipeline.definitions import build_defs
from orders_pipeline.resources import InstallationSource
from orders_pipeline.sensors import due_file_jobs
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.templates import ShipmentColumn


@pytest.fixture
def source(small_shop) -> InstallationSource:
    @contextmanager
    def opened():
        yield small_shop.installation

    return InstallationSource(opened)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def run(source: InstallationSource, instance: dg.DagsterInstance, tags: dict[str, str] | None = None):
    job = build_defs(source=source).resolve_job_def("exchange_files")
    return job.execute_in_process(instance=instance, tags=tags or {}, raise_on_error=False)


def metadata(instance: dg.DagsterInstance, asset: str) -> dict:
    return instance.get_latest_materialization_event(dg.AssetKey(asset)).asset_materialization.metadata


def checks(result) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def evaluate(source: InstallationSource, instance: dg.DagsterInstance):
    context = dg.build_sensor_context(instance=instance, resources={"source": source})
    return due_file_jobs(context)


def test_a_run_shows_its_files(small_shop, source, instance, an_order):
    shop = small_shop
    shop.put(an_order(1), an_order(2))
    shop.declare(JobKind.EXPORT, settings={"split_by_country": True})
    shop.declare(JobKind.IMPORT)
    shop.drop("a.csv", f"{','.join(ShipmentColumn)}\r\n,402-0000001,1,T1,,,,,\r\n,nothing,1,T2,,,,,\r\n")
    result = run(source, instance)
    assert result.success
    assert checks(result) == {"exports_done": True, "imports_done": True}
    exported = metadata(instance, "order_exports")
    assert (exported["files"].value, exported["rows"].value) == (1, 2)
    (row,) = exported["file_list"].records
    (file,) = shop.records(JobKind.EXPORT)
    assert row.data["name"] == file.name
    assert (row.data["sha256"], row.data["split"], row.data["storage"]) == (file.sha256, "FR", "partner")
    imported = metadata(instance, "shipment_imports")
    assert (imported["files"].value, imported["rows"].value, imported["rows_refused"].value) == (1, 2, 1)


def test_a_job_that_fails_fails_its_check_and_not_the_run(small_shop, source, instance, an_order):
    shop = small_shop
    shop.put(an_order(1))
    shop.declare(JobKind.EXPORT, folder="nowhere")
    shop.declare(JobKind.IMPORT)
    result = run(source, instance)
    assert result.success
    assert checks(result) == {"exports_done": False, "imports_done": True}
    assert "storage_folder_missing" in metadata(instance, "order_exports")["not_done"].value


def test_only_what_is_due_runs_when_the_sensor_asks(small_shop, source, instance, an_order):
    shop = small_shop
    shop.put(an_order(1))
    shop.declare(JobKind.EXPORT)
    run(source, instance)
    shop.put(an_order(2))
    run(source, instance, {JOBS_TAG: "due"})
    assert len(shop.names("out")) == 1
    run(source, instance)
    assert len(shop.names("out")) == 2


def test_the_sensor_asks_for_one_run_of_what_is_due(small_shop, source, instance, clock):
    shop = small_shop
    assert isinstance(evaluate(source, instance), dg.SkipReason)
    shop.declare(JobKind.EXPORT)
    request = evaluate(source, instance)
    assert (request.asset_selection, request.tags) == ([dg.AssetKey("order_exports")], {JOBS_TAG: "due"})
    shop.declare(JobKind.IMPORT)
    assert len(evaluate(source, instance).asset_selection) == 2
    clock.advance(hours=9)
    run(source, instance, {JOBS_TAG: "due"})
    assert isinstance(evaluate(source, instance), dg.SkipReason)
    clock.advance(minutes=14)
    assert isinstance(evaluate(source, instance), dg.SkipReason)
    clock.now += timedelta(minutes=1)
    assert len(evaluate(source, instance).asset_selection) == 2


def test_the_sensor_waits_for_a_run_that_works(small_shop, source, instance):
    small_shop.declare(JobKind.EXPORT)
    job = build_defs(source=source).resolve_job_def("exchange_files")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    reason = evaluate(source, instance)
    assert isinstance(reason, dg.SkipReason)
    assert "exchange_files is started" in reason.skip_message

"""The pipeline's graph as a newcomer sees it in Dagster, compared with the file beside this test.

After a wanted change: `python -m pytest tests/pipeline/test_definitions.py --import-mode=importlib` shows the difference;
`REFRESH_GRAPH=1` in front of it writes `graph.json` anew. Look at the diff before you commit it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

from orders_pipeline import lineage
from orders_pipeline.definitions import build_defs, defs
from warehouse.lake.definitions import TABLES, VIEWS, dictionary

SNAPSHOT = Path(__file__).with_name("graph.json")
ROOT = Path(__file__).parents[2]


def targets(sensor: dg.SensorDefinition) -> list[str]:
    """The jobs and assets that Dagster shows as the sensor's."""
    jobs = [target.job_name for target in sensor.targets]
    return jobs or [str(sensor.asset_selection).replace('"', "")] if sensor.asset_selection else jobs


def graph() -> dict[str, object]:
    """Assets, checks, jobs, schedules and sensors with what matters of each."""
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    repository = defs.get_repository_def()
    executable = repository.asset_graph.executable_asset_keys
    return {
        "assets": {
            name: {
                "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
                "group": spec.group_name,
                "kinds": sorted(spec.kinds),
                "owners": list(spec.owners),
                "external": spec.key not in executable,
                "partitions": spec.partitions_def.name if spec.partitions_def else None,
            }
            for name, spec in sorted(specs.items())
        },
        "checks": sorted(
            f"{key.asset_key.to_user_string()}: {key.name}" for key in repository.asset_graph.asset_check_keys
        ),
        "jobs": {
            job.name: sorted(node.name for node in job.nodes)
            for job in sorted(repository.get_all_jobs(), key=lambda each: each.name)
            if not job.name.startswith("__")
        },
        "schedules": {
            each.name: {
                "job": each.job_name,
                "cron": each.cron_schedule,
                "zone": each.execution_timezone,
                "status": each.default_status.value,
            }
            for each in sorted(repository.schedule_defs, key=lambda each: each.name)
        },
        "sensors": {
            each.name: {
                "seconds": each.minimum_interval_seconds,
                "status": each.default_status.value,
                "targets": targets(each),
            }
            for each in sorted(repository.sensor_defs, key=lambda each: each.name)
        },
    }


def test_graph_is_the_one_in_the_snapshot() -> None:
    if os.environ.get("REFRESH_GRAPH"):
        SNAPSHOT.write_text(json.dumps(graph(), indent=2) + "\n")
    assert graph() == json.loads(SNAPSHOT.read_text())


def test_definitions_can_be_loaded() -> None:
    dg.Definitions.validate_loadable(build_defs())


def test_every_schedule_and_sensor_says_what_it_does_and_to_what() -> None:
    repository = defs.get_repository_def()
    assert [each.name for each in (*repository.schedule_defs, *repository.sensor_defs) if not each.description] == []
    assert [each.name for each in repository.schedule_defs if not each.job_name] == []
    # The ping follows every job: Dagster knows no target of such a sensor.
    assert [each.name for each in repository.sensor_defs if not targets(each)] == ["ping_after_success"]


def test_every_asset_and_check_says_what_it_is() -> None:
    graph = defs.get_repository_def().asset_graph
    nameless = [key.to_user_string() for key in graph.get_all_asset_keys() if not graph.get(key).description]
    nameless += [str(key) for key in graph.asset_check_keys if not graph.get(key).description]
    assert nameless == []


def test_every_run_works_in_one_process() -> None:
    jobs = [job for job in defs.get_repository_def().get_all_jobs() if not job.name.startswith("__")]
    assert {job.executor_def.name for job in jobs} == {"in_process"}


def test_each_published_table_and_view_is_an_asset_with_its_columns_and_what_they_mean() -> None:
    told = {
        spec.key.path[1]: spec.metadata["dagster/column_schema"].columns
        for spec in defs.resolve_all_asset_specs()
        if spec.key.path[0] == "order_tables"
    }
    assert set(told) == {*TABLES, *VIEWS} - {"published"}
    for name, columns in told.items():
        expected = [
            (each.column, each.type, each.comment) for each in dictionary() if each.table == name and each.column
        ]
        assert [(each.name, each.type, each.description) for each in columns] == expected


def test_columns_lead_back_to_the_payload() -> None:
    columns = {
        spec.key: {each.name for each in spec.metadata["dagster/column_schema"].columns}
        for spec in defs.resolve_all_asset_specs()
        if "dagster/column_schema" in spec.metadata
    }
    lineages = {key: lineage.column_lineage(key.path[1]) for key in columns if key.path[0] == "order_tables"}
    lineages[dg.AssetKey("orders")] = lineage.member_lineage()
    sources: dict[tuple[dg.AssetKey, str], set[tuple[dg.AssetKey, str]]] = {}
    for key, metadata in lineages.items():
        for made in metadata.values():
            for column, deps in made.deps_by_column.items():
                assert column in columns[key]
                assert {each.column_name for each in deps} <= set().union(*(columns[each.asset_key] for each in deps))
                sources[key, column] = {(each.asset_key, each.column_name) for each in deps}
    reached, ahead = set(), {(lineage.key("late_orders"), "units_to_ship"), (lineage.key("orders"), "payment_paid_at")}
    while ahead:
        reached |= ahead
        ahead = set().union(*(sources.get(each, set()) for each in ahead)) - reached
    raw = dg.AssetKey("raw_orders")
    assert (raw, "mirakl: customer_debited_date") in reached
    assert (raw, "amazon: orderItems[*].fulfillment.quantityFulfilled") in reached


def test_all_of_it_opens_at_once() -> None:
    # Dagster's page folds every group as soon as there are two.
    assert {spec.group_name for spec in defs.resolve_all_asset_specs()} == {"default"}


def test_engines_do_not_import_dagster() -> None:
    packages = (
        "warehouse",
        "orders_pipeline.stages.pull",
        "orders_pipeline.stages.normalise",
        "orders_pipeline.alerts.conditions",
    )
    look = "importlib.import_module(each); assert 'dagster' not in sys.modules, each"
    code = f"import importlib, sys\nfor each in {packages}: {look}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

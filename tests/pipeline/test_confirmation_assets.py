"""The assets `confirmations` and `acceptances` in real runs, and when they run: the schedule, the sensor, the checks."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from orders_pipeline.definitions import build_defs
from orders_pipeline.resources import InstallationSource
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.schedules import confirm_shipments_every_15_minutes
from orders_pipeline.sensors import new_shipments
from warehouse import shipment_reports
from warehouse.ledger.base import schema
from warehouse.ledger.shipping.shipments import report
from warehouse.shipment_reports import ReportResult, Sender, ShipmentReport

NOW = datetime.now(UTC)


def run(source, instance, job: str) -> dg.ExecuteInProcessResult:
    return build_defs(source=source).resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


def metadata(result, asset: str) -> dict[str, object]:
    (found,) = [
        each.event_specific_data.materialization
        for each in result.all_events
        if each.event_type_value == "ASSET_MATERIALIZATION"
        and each.event_specific_data.materialization.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in found.metadata.items()}


def checks(result) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def ship(installation, count: int) -> None:
    """Report some of the orders that wait, with confirmation switched on."""
    book = schema.orders
    waiting = sa.select(book.c.id, book.c.facts).where(
        book.c.status == "WAITING_FOR_SHIPMENT", book.c.fulfilled_by == "merchant"
    )
    sender = Sender(consumer="erp", source=shipment_reports.Source.API, report_id="r")
    with installation.ledger.write() as connection:
        connection.execute(sa.update(schema.channels).values(confirmation=True))
        found = connection.execute(waiting.order_by(book.c.id))
        ids = [own_id for own_id, facts in found if "FBM_SHIP_PLUS" not in facts][:count]
        given = [ShipmentReport(id=each, tracking_number=f"T-{each[:8]}", carrier_code="DHL") for each in ids]
        answers = report(connection, sender, given, installation.clock())
    assert [each.result for each in answers] == [ReportResult.ACCEPTED] * count


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> dg.DagsterInstance:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as opened:
        yield opened


def test_a_run_confirms_and_tells_it_per_channel(filled, trading, source, instance) -> None:
    ship(filled, 4)
    result = run(source, instance, "confirm_shipments")
    assert result.success
    told = metadata(result, "confirmations")
    assert (told["attempts_sent"], told["shipments_verified"], told["shipments_held"]) == (4, 4, 0)
    assert "| channel | queued |" in told["channels"]
    assert checks(result) == {"nothing_stuck": True, "nothing_over_shipped": True}


def test_a_marketplace_that_fails_is_told_and_the_run_goes_on(filled, source, instance, trading) -> None:
    ship(filled, 4)
    trading.amazon.add_fault(Fault(FaultKind.REVOKE_TOKEN, count=None))
    result = run(source, instance, "confirm_shipments")
    assert result.success
    assert "amazon_eu" in metadata(result, "confirmations")["not_reached"]


def test_what_waits_for_hours_turns_the_check_red(filled, trading, source, instance, clock) -> None:
    ship(filled, 1)
    with filled.ledger.write() as connection:
        connection.execute(sa.update(schema.shipments).values(status="in_doubt", due_at=clock() + timedelta(days=1)))
    clock.advance(hours=3)
    assert checks(run(source, instance, "confirm_shipments"))["nothing_stuck"] is False


def test_the_tick_accepts_by_policy(filled, trading, source, instance, clock) -> None:
    assert run(source, instance, "confirm_shipments").success  # learns what the marketplace leaves to the seller
    with filled.ledger.write() as connection:
        connection.execute(sa.update(schema.channels).values(acceptance="automatic"))
    clock.advance(minutes=5)
    result = run(source, instance, "pull_orders")
    assert metadata(result, "acceptances")["done"] > 0


def test_the_schedule_runs_only_when_something_waits(filled, source, stored) -> None:
    with dg.build_schedule_context(instance=stored, scheduled_execution_time=NOW) as context:
        assert isinstance(confirm_shipments_every_15_minutes(context, source=source), dg.SkipReason)
        ship(filled, 1)
        assert isinstance(confirm_shipments_every_15_minutes(context, source=source), dg.RunRequest)


def test_the_sensor_confirms_at_once_only_where_it_is_wanted(filled, source, stored) -> None:
    eager = replace(filled, settings=filled.settings.model_copy(update={"confirm_eagerly": True}))
    wanted = InstallationSource(lambda: contextlib.nullcontext(eager))
    with dg.build_sensor_context(instance=stored) as context:
        assert isinstance(new_shipments(context, source=wanted), dg.SkipReason)
        ship(filled, 1)
        assert isinstance(new_shipments(context, source=source), dg.SkipReason)
        assert isinstance(new_shipments(context, source=wanted), dg.RunRequest)

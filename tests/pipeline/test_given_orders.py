"""Manual orders on their whole way: given, in the book once, shipped, verified, cancelled, and nothing asked of anybody."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import dagster as dg
import orjson
import pytest
import sqlalchemy as sa

from orders_pipeline import lineage
from orders_pipeline.marketplaces.errors import Permanent
from orders_pipeline.marketplaces.registry import KINDS, MARKETPLACES
from orders_pipeline.resources import InstallationSource
from orders_pipeline.sensors import connection_partitions
from orders_pipeline.stages import cancel, confirm, connection, normalise, pull, sweep
from tests.given_orders import BUYER, document, set_up, with_line
from warehouse.archive import shelf_of
from warehouse.ids import order_id
from warehouse.ledger.base import schema
from warehouse.ledger.book import cancellations, order_intake, personal_data
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings import channels
from warehouse.ledger.shipping import shipments
from warehouse.ledger.status import channel_status
from warehouse.shipment_reports import Item, ReportResult, Sender, ShipmentReport, Source

OWN_ID = order_id("telephone", "1001")


@pytest.fixture
def shop(any_settings, open_installation, clock):
    installation = open_installation(any_settings)
    set_up(installation.ledger, clock())
    return installation


def give(shop, given, **options):
    with shop.ledger.write() as transaction:
        return order_intake.take(transaction, shop.keys, given, shop.clock(), **options)


def ship(shop, package: str = "P1", **items: int) -> str:
    sender = Sender(consumer="erp", source=Source.API, report_id="r-1")
    packed = tuple(Item(item_original_id=name[1:], item_quantity_shipped=units) for name, units in items.items())
    made = ShipmentReport(id=OWN_ID, package_id=package, tracking_number=f"T-{package}", items=packed)
    with shop.ledger.write() as transaction:
        (answer,) = shipments.report(transaction, sender, [made], shop.clock())
    assert answer.result is ReportResult.ACCEPTED
    return answer.shipment_id


def rows(shop, table, *conditions) -> list[dict]:
    with shop.ledger.read() as transaction:
        return [dict(row) for row in transaction.execute(sa.select(table).where(*conditions)).mappings()]


def order(shop) -> dict:
    (row,) = rows(shop, schema.orders, schema.orders.c.id == OWN_ID)
    return {**row, **orjson.loads("{" + row["facts"] + "}"), "status": row["status"]}


def lines(shop) -> list[tuple]:
    names = ("quantity_ordered", "quantity_shipped", "quantity_cancelled", "quantity_remaining_to_ship")
    return [tuple(line[name] for name in names) for line in order(shop)["lines"]]


def test_the_next_tick_reads_it_again_and_changes_nothing(shop):
    give(shop, document())
    give(shop, document(service_level="Express"), may_change=lambda _: True)
    before = order(shop)

    assert pull.pull_all(shop) == []
    tally = normalise.normalise_pending(shop)

    assert (before["revision"], before["service_level"]) == (2, "Express")
    assert order(shop) == before
    assert tally.counts["quarantined"] == 0
    assert (tally.counts["stale"], tally.counts["unchanged"]) == (1, 1)


def test_a_replay_reads_the_last_document_of_each_channel(shop):
    give(shop, document())
    give(shop, document(channel="fair", service_level="Taken along"))
    with shop.ledger.write() as transaction:
        transaction.execute(sa.delete(schema.order_versions))
        transaction.execute(sa.delete(schema.order_lines))
        transaction.execute(sa.delete(schema.parties))
        transaction.execute(sa.delete(schema.orders))
    normalise.replay(shop)
    found = {row["channel"]: row["facts"] for row in rows(shop, schema.orders)}
    assert found.keys() == {"telephone", "fair"}
    assert "Taken along" in found["fair"]


def test_a_shipment_is_verified_without_anybody_being_told(shop):
    give(shop, document())
    first = ship(shop, "P1", _1=2)
    (result,) = confirm.confirm_all(shop)
    assert (result.error, result.counts["verified"]) == (None, 1)
    second = ship(shop, "P2", _1=1, _2=1)
    confirm.confirm_all(shop)

    found = rows(shop, schema.shipments)
    assert {row["id"]: row["status"] for row in found} == {first: "verified", second: "verified"}
    assert [row["sent_at"] for row in found] == [None, None]
    assert rows(shop, schema.confirmation_attempts) == []
    assert (order(shop)["status"], order(shop)["confirmation_status"]) == ("SHIPPED", "verified")
    assert lines(shop) == [(3, 3, 0, 0), (1, 1, 0, 0)]
    assert rows(shop, schema.incidents) == []
    told = [row["kind"] for row in rows(shop, schema.order_events)]
    assert told.count("confirmation_not_needed") == 2


def test_a_shipment_of_a_channel_that_does_not_confirm_is_held(shop, clock):
    with shop.ledger.write() as transaction:
        transaction.execute(sa.update(schema.channels).values(confirmation=False))
    give(shop, document())
    ship(shop, "P1", _1=2)
    confirm.confirm_all(shop)
    assert [row["status"] for row in rows(shop, schema.shipments)] == ["held"]


def test_what_the_seller_cancels_is_cancelled_here(shop):
    give(shop, document())
    ship(shop, "P1", _1=2)
    line = next(each["id"] for each in order(shop)["lines"] if each["original_id"] == "1")
    with shop.ledger.write() as transaction:
        lock_book(transaction)
        cancellations.ask(transaction, OWN_ID, {line: 1}, "erp", "broken", shop.clock())

    assert cancel.carry_out(shop) == {"told": 1}

    assert lines(shop) == [(3, 2, 1, 0), (1, 0, 0, 1)]
    assert [row["state"] for row in rows(shop, schema.cancellation_requests)] == ["executed"]
    normalise.normalise_pending(shop)
    assert lines(shop) == [(3, 2, 1, 0), (1, 0, 0, 1)]
    assert not cancel.is_due(shop)
    with shop.ledger.write() as transaction:
        lock_book(transaction)
        cancellations.ask(transaction, OWN_ID, None, "erp", None, shop.clock())
    cancel.carry_out(shop)
    assert lines(shop) == [(3, 2, 1, 0), (1, 0, 1, 0)]
    assert rows(shop, schema.incidents) == []


def test_a_cancellation_that_cannot_be_any_more_is_an_incident_and_stops_no_other(shop):
    give(shop, document())
    give(shop, document("1002"))
    line = next(each["id"] for each in order(shop)["lines"] if each["original_id"] == "1")
    with shop.ledger.write() as transaction:
        lock_book(transaction)
        cancellations.ask(transaction, OWN_ID, {line: 3}, "erp", None, shop.clock())
        cancellations.ask(transaction, order_id("telephone", "1002"), None, "erp", None, shop.clock())
        transaction.execute(
            sa.update(schema.cancellation_requests)
            .where(schema.cancellation_requests.c.order_id == OWN_ID)
            .values(lines=[{"id": line, "original_id": "1", "quantity": 9, "shipped": 0, "cancelled": 0}])
        )

    assert cancel.carry_out(shop) == {"told": 1, "refused": 1}

    (incident,) = rows(shop, schema.incidents)
    assert (incident["code"], incident["order_id"]) == ("cancellation_refused", OWN_ID)
    assert lines(shop) == [(3, 0, 0, 3), (1, 0, 0, 1)]
    assert not cancel.is_due(shop)


def test_nothing_is_asked_and_nothing_is_claimed(shop, clock):
    give(shop, document())
    assert pull.pull_connection(shop, "own").outcome == "idle"
    assert pull.pull_since(shop, "own", clock()).outcome == "idle"
    assert sweep.sweep_all(shop) == []
    clock.advance(days=30)
    with shop.ledger.read() as transaction:
        found = channel_status.standings(transaction, None, clock())
        assert channels.is_any_served(transaction)
    assert {(each.channel, each.state) for each in found} == {("telephone", "given"), ("fair", "given")}
    assert [(each.complete_through, each.lag_seconds, each.next_run_at) for each in found] == [(None, None, None)] * 2
    assert rows(shop, schema.pulls) == rows(shop, schema.coverage) == rows(shop, schema.incidents) == []


def test_a_connection_without_a_marketplace_is_never_opened(shop):
    with shop.ledger.read() as transaction:
        own = channels.find_connection(transaction, "own")
    with pytest.raises(Permanent) as refused, connection.opened(shop, own, []):
        pass
    assert refused.value.code == "no_marketplace"


def test_personal_data_goes_with_the_purge_and_a_change_brings_none_back(shop, clock):
    gone = document()
    for line in gone["lines"]:
        line["quantity_cancelled"] = line["quantity_ordered"]
    give(shop, gone)
    normalise.normalise_pending(shop)
    clock.advance(days=400)
    personal_data.purge(shop.ledger, shelf_of(shop.settings), clock(), clock())
    assert [row["body"] for row in rows(shop, schema.raw_orders)] == [None]
    assert order(shop)["pii_state"] == "expired"
    give(shop, with_line(0), may_change=lambda _: True)
    assert rows(shop, schema.parties) == []


def test_kinds_say_whether_they_are_given_orders():
    assert {kind for kind, each in KINDS.items() if each.takes_orders} == {"manual"}
    assert {kind for kind, each in MARKETPLACES.items() if each.connect is None} == {"manual"}


def test_no_name_is_in_what_is_kept_in_clear(shop):
    give(shop, document())
    kept = repr([rows(shop, table) for table in schema.metadata.sorted_tables])
    for word in (BUYER, "Zoé Manuelle", "Inventé", "PO-77", "Second bell", "Called twice", "For you"):
        assert word not in kept


def test_a_connection_that_loses_its_marketplace_is_asked_nothing_any_more(any_settings, open_installation, clock):
    shop = open_installation(any_settings)
    with shop.ledger.write() as transaction:
        own = channels.Connection(code="own", kind="mirakl", label="Own", endpoint="http://127.0.0.1:9")
        channels.save_connection(transaction, own, clock())
        shown = channels.ConfiguredChannel(code="telephone", label="T", marketplace="T", connection="own")
        channels.save_channel(transaction, shown, clock())
        assert channels.retrieved_codes(transaction, "own") == {"telephone"}
        channels.save_connection(transaction, replace(own, kind="manual", endpoint=None), clock())
    assert pull.pull_all(shop) == []
    give(shop, document())
    assert order(shop)["status"] == "WAITING_FOR_SHIPMENT"


def test_dagster_has_no_partition_for_what_is_never_pulled(shop, clock):
    with shop.ledger.write() as transaction:
        operator = channels.Connection(code="operator", kind="mirakl", label="Operator", endpoint="http://127.0.0.1:9")
        channels.save_connection(transaction, operator, clock())
    source = InstallationSource(lambda: nullcontext(shop))
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        result = connection_partitions(context, source=source)
    (request,) = result.dynamic_partitions_requests
    assert request.partition_keys == ["operator"]


def test_many_shipments_are_verified_some_at_a_time(shop):
    some = replace(shop, settings=shop.settings.model_copy(update={"write_chunk": 2}))
    give(shop, with_line(0, quantity_ordered=5))
    for number in range(5):
        ship(shop, f"P{number}", _1=1)
    (result,) = confirm.confirm_all(some)
    assert result.counts["verified"] == 5
    assert {row["status"] for row in rows(shop, schema.shipments)} == {"verified"}


def test_each_member_of_an_order_is_traced_to_the_document_that_gave_it():
    traced = KINDS["manual"].reads
    assert traced["lines.sku"] == ("lines.sku",)
    assert {"currency", "customer.name", "lines.quantity_cancelled", "deliver_by.from", "charges"} <= traced.keys()
    assert traced.keys() <= {each.name for each in lineage.member_schema().columns}

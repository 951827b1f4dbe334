"""Order exports into a folder: what is in the files, when there are any, how they are called, and what failures do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from orders_pipeline.file_jobs import export, job_run
from warehouse import shipment_reports
from warehouse.archive import open_archive
from warehouse.clock import iso
from warehouse.ids import line_id
from warehouse.ledger.base import leases
from warehouse.ledger.base.schema import consumers, file_members, files
from warehouse.ledger.base.schema import leases as leases_table
from warehouse.ledger.book import acknowledgements, timeline
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.exchange.file_records import FileState
from warehouse.ledger.settings import file_jobs, storages
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.settings.file_schedules import Frequency
from warehouse.ledger.settings.storages import StorageEntry
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.order_parts import Address, Customer, DeliveryPoint
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.templates import ExtraColumn, OrderColumn

STAMP = "2026-11-02T09-30-00.000Z"


def test_the_columns_and_their_values(shop, an_order, a_line):
    shop.put(an_order(1, lines=(a_line(ordered=3, quantity_shipped=1, line_total=Decimal("119.7")),)))
    result = shop.export()
    assert (result.outcome, [each.name for each in result.files]) == ("done", [f"orders_export_amazon_fr_{STAMP}.csv"])
    data = (shop.folder / "out" / result.files[0].name).read_bytes()
    assert data.decode() == (
        "order_status,order_id,purchase_date,fulfilled_by,customer_name,customer_phone,shipping_address_line_1,"
        "shipping_address_line_2,shipping_postal_code,shipping_city,shipping_country_code,product_sku,quantity_ordered,"
        "quantity_shipped,quantity_remaining_to_ship,unit_price,line_total,line_number\r\n"
        "WAITING_FOR_SHIPMENT,402-0000001,2026-11-01T00:01:00.000Z,merchant,Zoë Canari,+33 1 00,3 rue du Canari,Bât. B,"
        "01000,Nantes,FR,SKU-1,3,1,2,39.9,119.7,1\r\n"
    )
    assert (result.files[0].size, result.files[0].rows, result.files[0].orders) == (len(data), 1, 1)


def test_what_is_unknown_is_empty_and_a_missing_price_is_zero(shop, an_order, a_line):
    bare = an_order(
        fulfilled_by=None,
        customer=Customer(),
        shipping_address=Address(),
        lines=(
            a_line("L1", 1, ordered=0, line_total=Decimal("5.00")),
            a_line("L2", 2, line_total=None, quantity_shipped=None, sku=None),
        ),
    )
    shop.put(bare)
    shop.export()
    (first, second) = next(iter(shop.sheets().values()))
    for name in ("fulfilled_by", "customer_name", "customer_phone", "shipping_city", "shipping_country_code"):
        assert first[name] == ""
    assert (first["quantity_ordered"], first["unit_price"], first["line_total"]) == ("0", "0", "5.00")
    assert (second["unit_price"], second["line_total"], second["product_sku"]) == ("0", "0", "")
    assert (second["quantity_shipped"], second["quantity_remaining_to_ship"], second["line_number"]) == ("", "", "2")


def test_a_row_is_net_of_cancelled_units(shop, an_order, a_line):
    line = a_line(ordered=5, quantity_shipped=1, quantity_cancelled=2, line_total=Decimal("30.00"))
    gross = a_line("L2", 2, ordered=4, quantity_cancelled=1, line_total=Decimal("40.00"), quantity_priced=4)
    gone = a_line("L3", 3, ordered=2, quantity_cancelled=2, line_total=Decimal("40.00"), quantity_priced=2)
    shop.put(an_order(lines=(line, gross, gone)))
    shop.export()
    names = ("quantity_ordered", "quantity_shipped", "quantity_remaining_to_ship", "unit_price", "line_total")
    assert [tuple(row[name] for name in names) for row in next(iter(shop.sheets().values()))] == [
        ("3", "1", "2", "10.00", "30.00"),
        ("3", "0", "3", "10.00", "30.00"),
        ("0", "0", "0", "0", "0"),
    ]


def test_a_row_asks_for_nothing_that_may_not_ship(shop, an_order, a_line):
    barred = a_line(ordered=3, quantity_shipped=1, line_total=Decimal("30.00"), bar=Bar.INCIDENT_OPEN)
    refunded = a_line("L2", 2, ordered=3, quantity_refunded=1, line_total=Decimal("30.00"))
    shop.put(
        an_order(1, lines=(barred, refunded)), an_order(2, bar=Bar.NOT_SHIPPABLE), an_order(3, status=Status.PENDING)
    )
    shop.export()
    names = ("quantity_ordered", "quantity_remaining_to_ship", "line_total")
    rows = [tuple(row[name] for name in names) for row in next(iter(shop.sheets().values()))]
    assert rows[:2] == [("1", "0", "10.00"), ("2", "2", "20.00")]
    assert [(ordered, remaining) for ordered, remaining, _ in rows[2:]] == [("0", "0"), ("2", "2")]


def test_a_job_may_add_columns(shop, an_order, a_line):
    order = an_order(lines=(a_line(ordered=5, quantity_cancelled=2, bar=Bar.INCIDENT_OPEN),), service_level="NEXT_DAY")
    order = replace(order, delivery_point=DeliveryPoint(id="FR-012345"))
    shop.put(order)
    shop.export(extra_columns=[each.value for each in ExtraColumn])
    (row,) = next(iter(shop.sheets().values()))
    assert list(row) == [*(column.value for column in OrderColumn), *(column.value for column in ExtraColumn)]
    assert {name: row[name] for name in ExtraColumn} == {
        "id": order.id,
        "item_id": line_id(order.id, "L1"),
        "item_original_id": "L1",
        "quantity_ordered_gross": "5",
        "quantity_cancelled": "2",
        "may_ship": "false",
        "may_not_ship_reason": "incident_open",
        "currency": "EUR",
        "channel": order.channel,
        "ship_by": iso(order.ship_by) if order.ship_by else "",
        "service_level": "NEXT_DAY",
        "delivery_point_id": "FR-012345",
    }


def test_only_what_the_marketplace_has_changed_since(shop, an_order, clock):
    (first, _) = shop.put(an_order(1), an_order(2))
    assert len(shop.export().files) == 1
    clock.advance(minutes=15)
    assert shop.export().files == ()
    taken = acknowledgements.Acknowledgement(id=first, revision=1, outcome=acknowledgements.AcknowledgementOutcome.OK)
    with shop.ledger.write() as transaction:
        transaction.execute(sa.insert(consumers).values(name="erp", position=0, created_at=clock()))
        acknowledgements.acknowledge(transaction, "erp", None, [taken], clock())
    (answer,) = shop.ship(shipment_reports.ShipmentReport(id=first, package_id="1", tracking_number="T1"))
    assert answer.result == "accepted"
    clock.advance(minutes=15)
    assert shop.export().files == ()
    shop.put(an_order(2, status=Status.CANCELED, marketplace_updated_at=clock()))
    (file,) = shop.export().files
    assert [row["order_id"] for row in shop.sheets()[file.name]] == ["402-0000002"]
    assert len(shop.names("out")) == 2


def test_a_shipment_of_ours_is_exported_when_the_marketplace_shows_it(shop, an_order, a_line, clock):
    (own_id,) = shop.put(an_order())
    shop.export()
    shop.ship(shipment_reports.ShipmentReport(id=own_id, package_id="1", tracking_number="T1"))
    clock.advance(minutes=15)
    assert shop.export().files == ()
    clock.advance(minutes=15)
    shown = an_order(
        status=Status.SHIPPED,
        lines=(a_line(quantity_shipped=2),),
        marketplace_updated_at=clock(),
    )
    shop.put(shown)
    (file,) = shop.export().files
    assert [(row["order_status"], row["quantity_shipped"]) for row in shop.sheets()[file.name]] == [("SHIPPED", "2")]


def test_the_status_filter(shop, an_order, clock):
    shop.put(an_order(1), an_order(2, status=Status.SHIPPED), an_order(3, status=Status.PENDING))
    (file,) = shop.export(statuses=["SHIPPED", "PENDING"]).files
    assert {row["order_status"] for row in shop.sheets()[file.name]} == {"SHIPPED", "PENDING"}
    assert shop.export(statuses=["SHIPPED", "PENDING"]).files == ()
    shop.put(an_order(1, status=Status.SHIPPED, marketplace_updated_at=clock()))
    (file,) = shop.export(statuses=["SHIPPED"]).files
    assert [row["order_id"] for row in shop.sheets()[file.name]] == ["402-0000001"]


SPAIN = Address(city="Girona", country_code="ES")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, [f"orders_export_amazon_fr_{STAMP}.csv"]),
        (
            {"split_by_fulfilment": True},
            [f"orders_export_amazon_fr_{each}_{STAMP}.csv" for each in ("marketplace", "merchant", "unknown")],
        ),
        (
            {"split_by_country": True},
            [f"orders_export_amazon_fr_{each}_{STAMP}.csv" for each in ("ES", "FR", "unknown")],
        ),
        (
            {"split_by_fulfilment": True, "split_by_country": True},
            [
                f"orders_export_amazon_fr_{each}_{STAMP}.csv"
                for each in ("marketplace_FR", "merchant_ES", "merchant_FR", "unknown_unknown")
            ],
        ),
    ],
)
def test_the_four_patterns_of_names(shop, an_order, settings, names):
    shop.put(
        an_order(1),
        an_order(2, fulfilled_by=FulfilledBy.MARKETPLACE),
        an_order(3, shipping_address=SPAIN),
        an_order(4, fulfilled_by=None, shipping_address=Address()),
    )
    result = shop.export(**settings)
    assert shop.names("out") == names
    assert sum(each.orders for each in result.files) == 4
    rows = [row["order_id"] for sheet in shop.sheets().values() for row in sheet]
    assert sorted(rows) == [f"402-{number:07d}" for number in range(1, 5)]


def test_a_name_is_never_used_twice(shop, an_order, clock):
    shop.put(an_order(1))
    shop.export()
    shop.put(an_order(2))
    shop.export()
    (shop.folder / "out" / "orders_export_amazon_fr_2026-11-02T09-30-00.002Z.csv").write_text("another one's")
    shop.put(an_order(3))
    shop.export()
    assert [name.rpartition("_")[2] for name in shop.names("out")] == [
        f"2026-11-02T09-30-00.00{digit}Z.csv" for digit in (0, 1, 2, 3)
    ]
    assert (shop.folder / "out" / shop.names("out")[2]).read_text() == "another one's"


def test_every_awkward_cell_survives(small_shop, an_order):
    shop = small_shop
    awkward = '=1+1, "quoted"\r\nsecond line;\té 漢字 🎁'
    shop.put(an_order(customer=Customer(name=awkward, phone="+33 1"), original_id="0123"))
    (file,) = shop.export().files
    (row,) = shop.sheets()[file.name]
    assert (row["customer_name"], row["customer_phone"], row["order_id"]) == (awkward, "+33 1", "0123")


def test_spreadsheet_safe_marks_formulas(small_shop, an_order):
    shop = small_shop
    shop.put(an_order(customer=Customer(name="=cmd()", phone="+33 1")))
    (file,) = shop.export(spreadsheet_safe=True).files
    (row,) = shop.sheets()[file.name]
    assert (row["customer_name"], row["customer_phone"], row["order_id"]) == ("'=cmd()", "'+33 1", "402-0000001")


def test_members_and_timeline(shop, an_order, clock):
    (own_id,) = shop.put(an_order())
    (file,) = shop.export().files
    with shop.ledger.read() as transaction:
        (member,) = transaction.execute(sa.select(file_members)).all()
        assert (member.file_id, member.order_id, member.revision, member.position) == (file.id, own_id, 1, 1)
        entries = timeline.of_order(transaction, own_id)
    assert [each.text for each in entries if each.kind == "exported"] == [
        f"Exported in the file {file.name} to partner (revision 1)"
    ]


def test_the_archive_holds_the_same_bytes_encrypted(shop, an_order):
    shop.put(an_order())
    (file,) = shop.export().files
    archive = open_archive(shop.installation.settings, shop.installation.keys)
    assert b"".join(archive.read(file.sha256)) == (shop.folder / "out" / file.name).read_bytes()
    kept = archive.shelf.path(file.sha256).read_bytes()
    assert b"Canari" not in kept
    assert b"402-0000001" not in kept


def test_an_outage_is_an_incident_and_the_next_run_uploads_the_planned_file(shop, an_order, clock):
    shop.put(an_order(1))
    shutil.move(shop.folder / "out", shop.folder / "gone")
    result = shop.export()
    assert (result.outcome, result.files) == ("failed", ())
    assert "storage_folder_missing" in result.error
    (planned,) = shop.records()
    assert (planned.state, planned.error_code) == (FileState.PLANNED, "storage_folder_missing")
    with shop.ledger.read() as transaction:
        (incident,) = find_incidents(transaction)
        state = file_jobs.find_job(transaction, "amazon_fr", JobKind.EXPORT)
    assert (incident.stage, incident.code) == ("export", "storage_folder_missing")
    assert state.retry_at - clock() <= timedelta(minutes=15)
    shutil.move(shop.folder / "gone", shop.folder / "out")
    shop.put(an_order(2))
    clock.advance(minutes=15)
    result = shop.export()
    assert [(each.orders, each.state) for each in result.files] == [(1, FileState.UPLOADED), (1, FileState.UPLOADED)]
    assert result.files[0].name == planned.name
    with shop.ledger.read() as transaction:
        assert find_incidents(transaction) == []


def test_preview_writes_nothing_and_tells_the_same(shop, an_order, a_line):
    shop.put(an_order(1, lines=(a_line("L1", 1), a_line("L2", 2))), an_order(2, shipping_address=SPAIN))
    shop.declare(JobKind.EXPORT, settings={"split_by_country": True})
    with shop.ledger.read() as transaction:
        state = file_jobs.find_job(transaction, "amazon_fr", JobKind.EXPORT)
    found = export.preview(shop.installation, state)
    assert [(each.name, each.orders, each.rows) for each in found] == [
        (f"orders_export_amazon_fr_ES_{STAMP}.csv", 1, 1),
        (f"orders_export_amazon_fr_FR_{STAMP}.csv", 1, 2),
    ]
    assert (shop.names("out"), shop.records()) == ([], [])


def test_resending_puts_the_same_bytes_there_again(shop, an_order):
    shop.put(an_order())
    (file,) = shop.export().files
    path = shop.folder / "out" / file.name
    before = path.read_bytes()
    path.unlink()
    shop.put(an_order(status=Status.CANCELED, marketplace_updated_at=file.created_at))
    export.resend(shop.installation, file)
    assert path.read_bytes() == before


def test_another_process_at_it_is_left_alone(shop, an_order, clock):
    shop.put(an_order())
    with shop.ledger.write() as transaction:
        leases.acquire(transaction, "export:amazon_fr", clock())
    assert shop.export().outcome == "busy"
    assert shop.names("out") == []


def test_what_a_killed_run_had_begun_is_let_go_of(shop, an_order, clock):
    (own_id,) = shop.put(an_order())
    with shop.ledger.write() as transaction:
        columns = ("rows", "orders", "applied", "known", "refused", "attempts", "size")
        values = {"direction": "export", "channel": "amazon_fr", "storage": "partner", "folder": "out", "details": {}}
        values |= {"name": f"orders_export_amazon_fr_{STAMP}.csv", "state": "preparing", **dict.fromkeys(columns, 0)}
        transaction.execute(sa.insert(files).values(**values, created_at=clock(), updated_at=clock()))
        (left,) = transaction.execute(sa.select(files.c.id)).scalars()
        transaction.execute(sa.insert(file_members).values(file_id=left, order_id=own_id, revision=1, position=1))
    (file,) = shop.export().files
    assert file.name == f"orders_export_amazon_fr_{STAMP}.csv"
    with shop.ledger.read() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(file_members)).scalar_one() == 1


def test_an_undeliverable_file_blocks_neither_others_nor_later_changes(shop, an_order, clock):
    shop.put(an_order(1))
    job = shop.declare(JobKind.EXPORT, folder="nowhere")
    assert export.export_channel(shop.installation, job).outcome == "failed"
    shop.put(an_order(2))
    clock.advance(minutes=15)
    result = export.export_channel(shop.installation, shop.declare(JobKind.EXPORT))
    assert (result.outcome, "storage_folder_missing" in result.error) == ("failed", True)
    assert [row["order_id"] for rows in shop.sheets().values() for row in rows] == ["402-0000002"]
    with shop.ledger.read() as transaction:
        (incident,) = find_incidents(transaction)
    stuck = shop.records()[0]
    assert stuck.name in incident.message
    assert f"orders export redirect {stuck.id}" in incident.hint


def test_a_storage_that_cannot_be_reached_holds_changes_back_for_one_file(shop, an_order, clock):
    shop.put(an_order(1))
    with shop.ledger.write() as transaction:
        gone = StorageEntry(code="gone", kind="folder", label="G", settings={"path": "relative"})
        storages.save_storage(transaction, gone, clock())
    job = shop.declare(JobKind.EXPORT, storage="gone")
    for number in (2, 3):
        assert export.export_channel(shop.installation, job).outcome == "failed"
        shop.put(an_order(number))
        clock.advance(minutes=15)
    assert [each.orders for each in shop.records()] == [1]


def test_a_stranded_file_is_redirected(shop, an_order, clock):
    shop.put(an_order(1))
    job = shop.declare(JobKind.EXPORT, folder="nowhere")
    export.export_channel(shop.installation, job)
    (record,) = shop.records()
    assert record.attempts == 1
    with shop.ledger.read() as transaction:
        assert [each.id for each in file_queries.waiting_at(transaction, "partner")] == [record.id]
    export.redirect(shop.installation, record, "partner", "out")
    clock.advance(minutes=15)
    assert export.export_channel(shop.installation, job).outcome == "done"
    assert shop.names("out") == [record.name]
    with shop.ledger.read() as transaction:
        assert file_queries.waiting_at(transaction, "partner") == []
    with pytest.raises(export.NotPlanned):
        export.redirect(shop.installation, record, "partner", "out")


def test_the_orders_of_a_file_that_is_given_up_are_told_again(shop, an_order, clock):
    first, *_others = shop.put(an_order(1), an_order(2), an_order(3))
    stranded = shop.declare(JobKind.EXPORT, folder="nowhere")
    export.export_channel(shop.installation, stranded)
    clock.advance(minutes=15)
    shop.put(an_order(2, status=Status.CANCELED, marketplace_updated_at=clock()))
    assert shop.export().outcome == "failed"
    assert [row["order_id"] for rows in shop.sheets().values() for row in rows] == ["402-0000002"]
    export.give_up(shop.installation, shop.records()[0])
    shop.put(an_order(3, status=Status.CANCELED, marketplace_updated_at=clock()))
    clock.advance(minutes=15)
    result = shop.export()
    assert (result.outcome, [each.orders for each in result.files]) == ("done", [2])
    rows = shop.sheets()[result.files[0].name]
    assert [(row["order_id"], row["order_status"]) for row in rows] == [
        ("402-0000001", "WAITING_FOR_SHIPMENT"),
        ("402-0000003", "CANCELED"),
    ]
    clock.advance(minutes=15)
    assert shop.export().files == ()
    with shop.ledger.read() as transaction:
        assert find_incidents(transaction) == []
        told = [each for each in timeline.of_order(transaction, first) if each.kind == "exported"]
    assert [each.data["name"] for each in told] == [result.files[0].name]


def test_nothing_is_redirected_or_given_up_while_a_run_is_at_it(shop, an_order, clock):
    shop.put(an_order(1))
    export.export_channel(shop.installation, shop.declare(JobKind.EXPORT, folder="nowhere"))
    with shop.ledger.write() as transaction:
        leases.acquire(transaction, "export:amazon_fr", clock())
    for step in (export.give_up, lambda one, two: export.redirect(one, two, "partner", "out")):
        with pytest.raises(job_run.Busy):
            step(shop.installation, shop.records()[0])


def test_a_run_that_was_killed_is_done_again_at_once_and_told(shop, an_order, clock, monkeypatch):
    shop.put(an_order(1))
    job = shop.declare(JobKind.EXPORT, frequency=Frequency.WEEKLY)
    monkeypatch.setattr(export, "_export", lambda _run: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export.export_channel(shop.installation, job)
    monkeypatch.undo()
    assert job_run.due(shop.installation, JobKind.EXPORT) == []  # this process lives and could still be at it
    with shop.ledger.write() as transaction:
        transaction.execute(sa.update(leases_table).values(holder=f"{socket.gethostname()}:{_ended_process()}"))
    clock.advance(minutes=1)
    assert job_run.due(shop.installation, JobKind.EXPORT) == [job]
    monkeypatch.setattr(export, "_export", lambda _run: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export.export_channel(shop.installation, job)
    monkeypatch.undo()
    with shop.ledger.write() as transaction:
        (incident,) = find_incidents(transaction)
        transaction.execute(sa.delete(leases_table))
    assert (incident.stage, incident.code) == ("export", "job_interrupted")
    assert export.export_channel(shop.installation, job).outcome == "done"
    with shop.ledger.read() as transaction:
        assert find_incidents(transaction) == []
    clock.advance(minutes=1)
    assert job_run.due(shop.installation, JobKind.EXPORT) == []


def _ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_pieces_that_killed_runs_left_in_the_archive_go(small_shop, an_order):
    shop = small_shop
    shop.put(an_order(1))
    archive = open_archive(shop.installation.settings, shop.installation.keys)
    with archive.writing() as alive:
        (piece,) = archive.folder.glob(".writing-*")
        host = socket.gethostname()
        (archive.folder / f".writing-00.{host}%3A{_ended_process()}").touch()
        old = archive.folder / ".0f0f.12"
        old.touch()
        os.utime(old, (0, 0))
        assert shop.export().outcome == "done"
        assert sorted(archive.folder.glob(".*")) == [piece]
        alive.keep()

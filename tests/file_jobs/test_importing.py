"""Shipment imports from a folder: what becomes of rows and files, what is answered, and what happens at the storage."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.file_jobs import applying, ingest
from orders_pipeline.file_jobs.job_run import JobRun
from orders_pipeline.storages.folder import FolderStorage
from warehouse.archive import open_archive
from warehouse.ids import line_id
from warehouse.ledger.base.schema import leases
from warehouse.ledger.book import timeline
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.exchange.file_records import FileState, RowOutcome
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings.file_jobs import ImportSettings, JobKind
from warehouse.ledger.shipping import shipments
from warehouse.ledger.watch import activity
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.order_states import FulfilledBy, Status
from warehouse.templates import ShipmentColumn

HEADER = ",".join(ShipmentColumn)
FIRST, SECOND = "402-0000001", "402-0000002"


def sheet(*rows: str) -> str:
    return "\r\n".join([HEADER, *rows]) + "\r\n"


def test_good_rows_become_shipments_and_the_file_is_deleted(shop, an_order, clock):
    (own_id, _) = shop.put(an_order(1), an_order(2))
    shop.drop("a.csv", sheet(f",{FIRST},1,T1,1762075800000,UPS,,,", f",{SECOND},1,T2,2026-11-02T08:00:00Z,DHL,,L1,1"))
    result = shop.run_import()
    (record,) = result.files
    assert (result.outcome, record.state, record.rows, record.applied, record.orders) == (
        "done",
        FileState.APPLIED,
        2,
        2,
        2,
    )
    assert (shop.names("in"), shop.names("in/results")) == ([], [])
    made = {each["tracking_number"]: each for each in shop.shipments()}
    assert set(made) == {"T1", "T2"}
    assert (made["T1"]["source"], made["T1"]["report_id"]) == ("file", f"file-{record.id}")
    assert next((each.order_id, each.shipment_id) for each in shop.rows(record)) == (own_id, made["T1"]["id"])
    assert shop.status(own_id) == Status.SHIPPED
    with shop.ledger.read() as transaction:
        entries = timeline.of_order(transaction, own_id)
    assert [each.text for each in entries if each.kind == "imported"] == [
        (
            "Row 1 of the file a.csv: applied: "
            "The channel does not confirm shipments: the marketplace is not told until somebody decides."
        )
    ]


def test_refused_rows_do_not_stop_the_others_and_are_answered(shop, an_order, a_line):
    lines = (a_line("L1", 1, ordered=2), a_line("L2", 2, ordered=1))
    shop.put(an_order(1, lines=lines), an_order(2), an_order(3, fulfilled_by=FulfilledBy.MARKETPLACE))
    shop.drop(
        "march.csv",
        sheet(
            f",{FIRST},1,T1,,UPS,,L1,2",
            f",{FIRST},1,,,,,L2,7",
            f",{SECOND},1,T2,,UPS,,,",
            ",402-9999999,1,T3,,UPS,,,",
            ",402-0000003,1,T4,,UPS,,,",
            ",1.23E+15,1,T5,,UPS,,,",
        ),
    )
    (record,) = shop.run_import().files
    assert (record.applied, record.known, record.refused, record.rows) == (1, 0, 5, 6)
    assert shop.fates(record) == [
        (1, "refused", "refused_with_package", None),
        (2, "refused", "quantity_exceeds_remaining", "item_quantity_shipped"),
        (3, "applied", None, None),
        (4, "refused", "unknown_order", "original_id"),
        (5, "refused", "fulfilled_by_marketplace", "original_id"),
        (6, "refused", "scientific_notation", "original_id"),
    ]
    answer = shop.sheets("in/results")["march.result.csv"]
    assert list(answer[0])[: len(ShipmentColumn)] == list(ShipmentColumn)
    assert [(row["result_row"], row["result_outcome"], row["result_code"]) for row in answer][1:3] == [
        ("2", "refused", "quantity_exceeds_remaining"),
        ("3", "applied", ""),
    ]
    assert answer[5]["original_id"] == "1.23E+15"
    assert shop.names("in") == []
    with shop.ledger.read() as transaction:
        (incident,) = find_incidents(transaction)
    assert (incident.stage, incident.code) == ("import_rows", "rows_refused")
    assert incident.message == "5 of 6 rows of the shipment file march.csv were refused"
    assert incident.file_id == str(record.id)
    with shop.ledger.read() as transaction:
        (entry,) = [each for each in activity.find_entries(transaction) if each.kind == "file_applied"]
    assert (entry.level, entry.channel, entry.data["file"]) == ("warning", record.channel, record.id)


def test_a_corrected_answer_can_be_sent_in_again_and_ends_the_incident(shop, an_order):
    shop.put(an_order(1), an_order(2))
    shop.drop("a.csv", sheet(f",{FIRST},1,T1,,,,,", f",{SECOND},1,T2,,,,L1,9"))
    shop.run_import()
    answer = (shop.folder / "in" / "results" / "a.result.csv").read_bytes()
    shop.drop("b.csv", answer.replace(b"L1,9", b"L1,2"))
    (record,) = shop.run_import().files
    assert [(fate[1], fate[2]) for fate in shop.fates(record)] == [("known", None), ("applied", None)]
    assert record.details["unknown_columns"] == [
        "result_row",
        "result_outcome",
        "result_code",
        "result_column",
        "result_message",
    ]
    with shop.ledger.read() as transaction:
        assert find_incidents(transaction) == []


def test_the_same_bytes_again_are_recognised_under_any_name(shop, an_order, clock):
    shop.put(an_order(1))
    content = sheet(f",{FIRST},1,T1,,,,,")
    for number in range(5):
        shop.drop(f"drop-{number}.csv", content)
        shop.run_import(always_result=True)
        clock.advance(minutes=15)
    records = shop.records(JobKind.IMPORT)
    assert [each.state for each in records] == [FileState.APPLIED] + [FileState.REPEATED] * 4
    assert [(each.applied, each.known, each.refused) for each in records] == [(1, 0, 0)] + [(0, 1, 0)] * 4
    assert records[1].details["same_as"] == records[0].id
    assert (shop.names("in"), len(shop.shipments()), shop.shipments()[0]["version"]) == ([], 1, 1)
    assert [row["result_outcome"] for row in shop.sheets("in/results")["drop-4.result.csv"]] == ["known"]


def test_the_same_bytes_are_tried_again_when_rows_had_been_refused(shop, an_order):
    content = sheet(f",{FIRST},1,T1,,,,,")
    shop.drop("a.csv", content)
    (record,) = shop.run_import().files
    assert (record.applied, record.refused) == (0, 1)
    shop.put(an_order(1))
    shop.drop("a.csv", content)
    (record,) = shop.run_import().files
    assert (record.applied, record.refused) == (1, 0)


def test_the_same_rows_in_another_file_are_known(shop, an_order):
    shop.put(an_order(1))
    shop.drop("a.csv", sheet(f",{FIRST},1,T1,,,,,"))
    shop.run_import()
    shop.drop("b.csv", sheet(f",{FIRST},1,T1,,,,,", ""))
    (record,) = shop.run_import().files
    assert (record.state, record.known, record.rows) == (FileState.APPLIED, 1, 1)
    assert len(shop.shipments()) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"PK\x03\x04 workbook", "not_csv"),
        (b"original_id\n40\x002\n", "nul_characters"),
        (b"order,package\n1,2\n", "wrong_header"),
        (b"original_id\n" + b"4" * 200_000 + b"\n", "cell_too_large"),
        (b"original_id\n" + b"402\n" * 30_000, "file_too_large"),
    ],
)
def test_a_file_that_is_none_is_refused_whole_kept_and_moved(small_shop, clock, content, code):
    shop = small_shop
    limit = 100_000 if code == "file_too_large" else 1_000_000
    chosen = shop.installation.settings.model_copy(update={"import_max_bytes": limit})
    shop.installation = replace(shop.installation, settings=chosen)
    shop.drop("bad.csv", content)
    if code == "empty_file":
        assert shop.run_import().files == ()
        clock.advance(minutes=10)
    result = shop.run_import()
    (record,) = result.files
    assert (result.outcome, record.state, record.error_code, record.rows) == ("done", FileState.REFUSED, code, 0)
    assert (shop.names("in"), shop.names("in/rejected")) == ([], ["bad.csv"])
    assert (shop.folder / "in" / "rejected" / "bad.csv").read_bytes() == content
    (reason,) = shop.sheets("in/results")["bad.result.csv"]
    assert (reason["result_outcome"], reason["result_code"]) == ("refused", code)
    if code != "file_too_large":
        archive = open_archive(shop.installation.settings, shop.installation.keys)
        assert b"".join(archive.read(record.sha256)) == content
    with shop.ledger.read() as transaction:
        (incident,) = find_incidents(transaction)
    assert (incident.code, incident.details["fault"]) == ("file_refused", code)


def test_two_refused_files_of_the_same_name_are_both_kept(small_shop, clock):
    shop = small_shop
    for content in (b"a\n1\n", b"b\n1\n"):
        shop.drop("bad.csv", content)
        shop.run_import()
    assert shop.names("in/rejected") == ["bad.2026-11-02T09-30-00.000Z.csv", "bad.csv"]


def test_only_csv_files_that_are_not_hidden_or_being_written(small_shop, an_order):
    shop = small_shop
    shop.put(an_order(1))
    left = [".hidden.csv", "a.csv.part", "a.tmp", "notes.txt", "old.result.csv"]
    for name in left:
        shop.drop(name, sheet(f",{FIRST},1,T1,,,,,"))
    shop.drop("UPPER.CSV", sheet(f",{FIRST},1,T1,,,,,"))
    assert [each.name for each in shop.run_import().files] == ["UPPER.CSV"]
    assert shop.names("in") == sorted(left)


def test_a_file_that_still_grows_waits_for_the_next_run(small_shop, an_order):
    shop = small_shop
    shop.put(an_order(1))
    growing = shop.drop("slow.csv", HEADER + "\r\n")
    shop.drop("done.csv", sheet(f",{FIRST},1,T1,,,,,"))

    def write_on(_seconds: float) -> None:
        with growing.open("a") as file:
            file.write(f",{FIRST},2,T2,,,,,\r\n")

    shop.installation = replace(shop.installation, sleep=write_on)
    assert [each.name for each in shop.run_import().files] == ["done.csv"]
    assert shop.names("in") == ["slow.csv"]


@pytest.mark.parametrize(
    "begun", ["", "\ufeff", HEADER[:20], HEADER + "\r\n", sheet(f",{FIRST},1,T1"), sheet(f',{FIRST},1,"T1'), "\0" * 64]
)
def test_a_file_that_cannot_be_whole_waits_for_the_rest_of_it(small_shop, an_order, begun):
    shop = small_shop
    shop.put(an_order(1))
    with shop.drop("slow.csv", begun.rstrip("\r\n") if FIRST in begun else begun).open("r+b") as writer:
        assert shop.run_import().files == ()
        assert (shop.names("in"), shop.names("in/rejected"), shop.records()) == (["slow.csv"], [], [])
        writer.write(sheet(f",{FIRST},1,T1,,,,,").encode())
        writer.truncate()
    (record,) = shop.run_import().files
    assert (record.applied, record.refused) == (1, 0)
    assert shop.names("in") == []


def test_what_waits_is_taken_for_what_it_is_after_minutes_without_change(small_shop, clock):
    shop = small_shop
    path = shop.drop("empty.csv", "")
    assert shop.run_import().files == ()
    clock.advance(minutes=9)
    assert shop.run_import().files == ()
    path.write_bytes(b"\n")
    clock.advance(minutes=9)
    assert shop.run_import().files == ()  # it has changed: the time counts anew
    clock.advance(minutes=10)
    assert [each.error_code for each in shop.run_import().files] == ["empty_file"]
    assert shop.names("in/rejected") == ["empty.csv"]


def test_waiting_since_the_future_is_not_believed(small_shop, clock):
    shop = small_shop
    shop.drop("empty.csv", "")
    clock.advance(days=3)
    assert shop.run_import().files == ()
    clock.advance(days=-3)
    for minutes, taken in ((0, 0), (5, 0), (10, 1)):
        clock.advance(minutes=minutes)
        assert len(shop.run_import().files) == taken


def test_what_grows_in_rejected_is_told_once(small_shop, clock):
    shop = small_shop
    shop.drop("bad.csv", "order,package\n")
    shop.run_import()
    with (shop.folder / "in" / "rejected" / "bad.csv").open("a") as file:
        file.write("1,2\n")
    for _ in range(2):
        clock.advance(minutes=15)
        assert shop.run_import().outcome == "done"
    with shop.ledger.read() as transaction:
        found = {each.code: each for each in find_incidents(transaction)}
    assert "rejected/bad.csv" in found["rejected_file_grew"].message
    assert found["rejected_file_grew"].occurrences == 1


def test_listings_are_as_many_whatever_the_number_of_files(small_shop, an_order, monkeypatch):
    shop, asked = small_shop, []
    real = FolderStorage.list
    monkeypatch.setattr(FolderStorage, "list", lambda self, folder: asked.append(folder) or real(self, folder))
    shop.put(an_order(1))
    counts = []
    for number in (1, 5):
        for each in range(number):
            shop.drop(f"{number}-{each}.csv", sheet(f",{FIRST},{each},T{each},,,,,"))
        asked.clear()
        assert len(shop.run_import().files) == number
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_a_newer_file_of_the_same_name_is_never_deleted_unread(small_shop, an_order, monkeypatch):
    shop = small_shop
    shop.put(an_order(1), an_order(2))
    path = shop.drop("a.csv", sheet(f",{FIRST},1,T1,,,,,"))
    real = ingest._answer

    def replaced_meanwhile(run: JobRun, record) -> None:
        real(run, record)
        path.write_text(sheet(f",{SECOND},1,T2,,,,,"))
        os.utime(path, (1, 1))

    monkeypatch.setattr(ingest, "_answer", replaced_meanwhile)
    shop.run_import()
    assert shop.names("in") == ["a.csv"]
    monkeypatch.undo()
    shop.run_import()
    assert shop.names("in") == []
    assert {each["tracking_number"] for each in shop.shipments()} == {"T1", "T2"}


def test_files_may_be_kept_and_answers_go_where_they_are_wanted(small_shop, an_order):
    shop = small_shop
    shop.put(an_order(1))
    shop.drop("a.csv", sheet(f",{FIRST},1,T1,,,,,"))
    shop.run_import(keep_remote=True, always_result=True, result_folder="answers/today")
    assert (shop.names("in"), shop.names("in/processed")) == ([], ["a.csv"])
    assert shop.names("answers/today") == ["a.result.csv"]


def test_an_order_of_another_channel_is_unknown(small_shop, an_order):
    shop = small_shop
    (own_id,) = shop.put(an_order(1, channel="amazon_de"))
    shop.drop("a.csv", sheet(f"{own_id},,1,T1,,,,,"))
    (record,) = shop.run_import().files
    assert shop.fates(record) == [(1, "refused", "unknown_order", "id")]


def test_lines_by_our_id_and_orders_by_both_ids(shop, an_order, a_line):
    (own_id,) = shop.put(an_order(1, lines=(a_line("L1", 1), a_line("L2", 2))))
    shop.drop("a.csv", sheet(f"{own_id},,1,T1,,,{line_id(own_id, 'L1')},,1", f",{FIRST},1,T1,,,,L2,2"))
    (record,) = shop.run_import().files
    assert (record.applied, record.orders) == (2, 1)
    assert len(shop.shipments()) == 1


def test_a_file_in_the_way_stops_no_other(small_shop, an_order, monkeypatch):
    shop = small_shop
    shop.put(an_order(1), an_order(2))
    shop.drop("a.csv", sheet(f",{FIRST},1,T1,,,,,"))
    shop.drop("b.csv", sheet(f",{SECOND},1,T2,,,,,"))
    (shop.folder / "in" / "a.csv.d").mkdir()
    real = ingest._clear

    def denied(run: JobRun, record) -> None:
        if record.name == "a.csv":
            raise ingest.FileMissing("a.csv: permission denied")
        real(run, record)

    monkeypatch.setattr(ingest, "_clear", denied)
    result = shop.run_import()
    assert (result.outcome, [each.name for each in result.files]) == ("failed", ["b.csv"])
    assert shop.run_import().outcome == "failed"
    assert len(shop.records(JobKind.IMPORT)) == 2
    monkeypatch.undo()
    assert [each.name for each in shop.run_import().files] == ["a.csv"]
    assert (shop.names("in"), len(shop.shipments())) == ([], 2)
    with shop.ledger.read() as transaction:
        assert find_incidents(transaction) == []


def test_a_local_file_dry_and_for_good(small_shop, an_order, tmp_path):
    shop = small_shop
    shop.put(an_order(1))
    path = tmp_path / "local.csv"
    path.write_text(sheet(f",{FIRST},1,T1,,,,,", ",x,1,T2,,,,,"))
    trial = applying.try_file(shop.installation, "amazon_fr", path.read_bytes(), ImportSettings())
    assert [(each.number, each.outcome) for each in trial.fates] == [(1, RowOutcome.APPLIED), (2, RowOutcome.REFUSED)]
    assert (shop.shipments(), shop.records()) == ([], [])
    record = applying.import_local(shop.installation, "amazon_fr", path)
    assert (record.applied, record.refused, record.finished_at is not None) == (1, 1, True)
    assert path.exists()


def test_a_local_import_that_was_cut_off_is_finished_by_the_next_run(small_shop, an_order, tmp_path, monkeypatch):
    shop = small_shop
    shop.put(an_order(1))
    path = tmp_path / "local.csv"
    path.write_text(sheet(f",{FIRST},1,T1,,,,,"))

    def cut(*_given) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shipments, "report", cut)
    with pytest.raises(KeyboardInterrupt):
        applying.import_local(shop.installation, "amazon_fr", path)
    monkeypatch.undo()
    (record,) = shop.run_import().files
    assert (record.name, record.applied, record.finished_at is not None) == ("local.csv", 1, True)


def test_retrying_looks_at_the_refused_rows_alone(shop, an_order, clock):
    shop.put(an_order(1))
    shop.drop("a.csv", sheet(f",{FIRST},1,T1,,,,,", f",{SECOND},1,T2,,,,,"))
    (record,) = shop.run_import().files
    assert (record.applied, record.refused) == (1, 1)
    shop.put(an_order(2))
    with shop.ledger.read() as transaction:
        state = file_jobs.find_job(transaction, "amazon_fr", JobKind.IMPORT)
    clock.advance(minutes=1)
    record = applying.retry(shop.installation, record, state.job)
    assert (record.state, record.applied, record.known, record.refused) == (FileState.APPLIED, 2, 0, 0)


def test_several_chunks_resume_where_they_were_cut(small_shop, an_order, monkeypatch):
    shop = small_shop
    shop.put(*(an_order(number) for number in range(1, 8)))
    shop.drop("a.csv", sheet(*(f",402-{number:07d},1,T{number},,,,," for number in range(1, 8))))
    monkeypatch.setattr(applying, "PACKAGES_PER_TRANSACTION", 2)
    real, calls = shipments.report, []

    def cut(*given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(shipments, "report", cut)
    with pytest.raises(KeyboardInterrupt):
        shop.run_import()
    (record,) = shop.records(JobKind.IMPORT)
    assert (record.state, len(shop.rows(record))) == (FileState.RECEIVED, 4)
    with shop.ledger.write() as transaction:
        transaction.execute(leases.update().values(expires_at=shop.installation.clock() - timedelta(hours=1)))
    (record,) = shop.run_import().files
    assert (record.applied, record.known, record.refused) == (7, 0, 0)
    assert shop.names("in") == []


def random_sheet(chance: Random, rows: int) -> str:
    """Rows as an ERP may send them: right ones, wrong ones, and the same ones again."""
    made = []
    for _ in range(rows):
        number = chance.randint(0, 40)
        order = chance.choice([f"402-{number:07d}"] * 9 + ["", "1.2E+10"])
        package, tracking = chance.choice(["1", "2", ""]), f"T{number}"
        date = chance.choice(["", "1762075800000", "2026-11-02T08:00:00Z", "soon"])
        item = chance.choice([",,", ",L1,1", ",L1,", ",L1,5", ",L9,1", ",,2"])
        made.append(f",{order},{package},{tracking},{date},UPS,{item}")
    return sheet(*made)


EXAMPLES, ROWS_EACH = 12, 520


@pytest.mark.slow
def test_applied_and_known_and_refused_are_all_rows(small_shop, an_order):
    """Thousands of rows through the whole import."""
    shop = small_shop
    shop.put(*(an_order(number) for number in range(1, 41)))
    seen = []

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 2**32))
    def run(seed: int) -> None:
        path = shop.folder / "local.csv"
        path.write_text(random_sheet(Random(seed), ROWS_EACH))
        record = applying.import_local(shop.installation, "amazon_fr", path)
        assert record.rows == record.applied + record.known + record.refused == ROWS_EACH
        rows = shop.rows(record)
        if record.state is FileState.APPLIED:
            assert [each.number for each in rows] == list(range(1, ROWS_EACH + 1))
            assert all((each.outcome is RowOutcome.REFUSED) == (each.code is not None) for each in rows)
        seen.append(record.rows)

    run()
    assert sum(seen) >= 6_000
    assert {state.state for state in shop.records()} <= {FileState.APPLIED, FileState.REPEATED}


def test_nothing_personal_or_from_cells_is_in_the_ledger_or_in_incidents(small_shop, an_order):
    shop = small_shop
    shop.put(an_order(1))
    shop.drop("a.csv", sheet(",Zoë Canari,1,+33612345678,Zoë,Zoë Canari,,Zoë,zoe@canari.example"))
    shop.run_import()
    with shop.ledger.read() as transaction:
        told = repr(find_incidents(transaction)) + repr(
            file_queries.listed(transaction, file_queries.FileFilter(), None, 10)
        )
    told += repr(shop.rows(shop.records(JobKind.IMPORT)[0]))
    assert "Zoë" not in told
    assert "canari" not in told.lower()
    assert "+336" not in told


@pytest.mark.parametrize(
    ("zone", "written", "outcome"),
    [
        ("Asia/Tokyo", "2026-11-03", "applied"),  # it is the 3rd there already
        ("UTC", "2026-11-03T01:00:00+09:00", "applied"),
        ("UTC", "2026-11-02T16:03:00Z", "applied"),
        ("UTC", "2026-11-02T16:06:00Z", "shipping_date_in_future"),
        ("UTC", "2026-11-04", "shipping_date_in_future"),
    ],
)
def test_the_clock_and_the_zone_of_the_erp_may_be_ahead(
    shop_in, settings, clock, tmp_path, an_order, zone, written, outcome
):
    clock.now = datetime(2026, 11, 2, 16, tzinfo=UTC)
    shop = shop_in(settings.model_copy(update={"time_zone": zone}), clock, tmp_path / "partner")
    shop.put(an_order(1))
    shop.drop("a.csv", sheet(f",{FIRST},1,T1,{written},UPS,,,"))
    (record,) = shop.run_import().files
    ((_, fate, code, _),) = shop.fates(record)
    assert (code or fate) == outcome

"""`orders export` and `orders imports` as a person uses them: what they print, and their exit codes."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import pytest

from orders_pipeline.cli import main
from orders_pipeline.file_jobs import ingest
from warehouse.ledger.settings.channels import ConfiguredChannel, save_channel
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.order_parts import Address
from warehouse.templates import ShipmentColumn

HEADER = ",".join(ShipmentColumn)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def orders(small_shop, monkeypatch, capfd):
    """Runs the command's entry point on the shop's installation."""
    settings = small_shop.installation.settings
    monkeypatch.setenv("ORDERS_HOME", str(settings.home))
    monkeypatch.setenv("ORDERS_KEYS", settings.keys.get_secret_value())
    monkeypatch.setenv("ORDERS_IMPORT_LOOK_SECONDS", "0")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["orders", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run


def test_an_export_from_declaring_to_resending(small_shop, orders, an_order):
    shop = small_shop
    shop.put(an_order(1), an_order(2))
    done = orders(
        "export", "set", "amazon_fr", "--storage", "partner", "--folder", "out", "--setting", "split_by_country=true"
    )
    assert (done.code, "the export job of amazon_fr is declared" in done.err) == (0, True)
    done = orders("export", "preview", "amazon_fr", "--json")
    assert [json.loads(line)["orders"] for line in done.out.splitlines()] == [2]
    assert shop.names("out") == []
    done = orders("export", "run")
    assert (done.code, "uploaded: 2 rows" in done.err) == (0, True)
    (name,) = shop.names("out")
    done = orders("export", "list", "--json")
    (row,) = [json.loads(line) for line in done.out.splitlines()]
    assert (row["name"], row["state"], row["orders"]) == (name, "uploaded", 2)
    (shop.folder / "out" / name).unlink()
    assert orders("export", "resend", str(row["id"])).code == 0
    assert shop.names("out") == [name]
    assert "nothing to do" in orders("export", "run", "amazon_fr").err


def test_an_export_that_fails(small_shop, orders, an_order):
    small_shop.put(an_order(1))
    small_shop.declare(JobKind.EXPORT, folder="nowhere")
    done = orders("export", "run")
    assert (done.code, "storage_folder_missing" in done.err) == (6, True)


def test_an_import_from_declaring_to_downloading(small_shop, orders, an_order):
    shop = small_shop
    shop.put(an_order(1))
    assert orders("imports", "set", "amazon_fr", "--storage", "partner", "--folder", "in").code == 0
    content = f"{HEADER},note\r\n,402-0000001,1,T1,,,,,,,,,,x\r\n,402-0000002,1,T2,,,,,,,,,,y\r\n"
    shop.drop("a.csv", content)
    done = orders("imports", "run")
    assert done.code == 3
    assert "a.csv: applied: 2 rows, 1 applied, 0 known, 1 refused" in done.err
    assert "columns not known, left out: note" in done.err
    (row,) = [json.loads(line) for line in orders("imports", "list", "--json").out.splitlines()]
    (fate,) = [json.loads(line) for line in orders("imports", "show", str(row["id"]), "--json").out.splitlines()]
    assert (fate["number"], fate["code"], fate["column_name"]) == (2, "unknown_order", "original_id")
    assert orders("imports", "download", str(row["id"])).out == content.replace("\r\n", "\r\n")
    assert orders("imports", "retry", str(row["id"])).code == 3
    shop.put(an_order(2))
    done = orders("imports", "retry", str(row["id"]))
    assert (done.code, "2 applied, 0 known, 0 refused" in done.err) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("export", "run", "nowhere"), 2, "nowhere has no export job"),
        (("export", "preview", "amazon_fr"), 2, "amazon_fr has no export job"),
        (("export", "set", "nowhere", "--storage", "partner"), 2, "there is no channel nowhere"),
        (("export", "set", "amazon_fr", "--storage", "nowhere"), 2, "there is no storage 'nowhere'"),
        (("export", "set", "amazon_fr", "--storage", "partner", "--at", "25:00"), 4, "time of day"),
        (("export", "set", "amazon_fr", "--storage", "partner", "--setting", "statuses=[LOST]"), 4, "statuses.0"),
        (("imports", "set", "amazon_fr", "--storage", "partner", "--setting", "statuses=[]"), 4, "statuses"),
        (("export", "resend", "7"), 2, "there is no export file 7"),
        (("imports", "show", "7"), 2, "there is no import file 7"),
        (("imports", "download", "7"), 2, "there is no file 7"),
    ],
)
def test_mistakes_are_told(orders, arguments, code, said):
    done = orders(*arguments)
    assert (done.code, said in done.err) == (code, True), done.err


def test_a_storage_in_use_is_not_forgotten(small_shop, orders):
    small_shop.declare(JobKind.EXPORT)
    done = orders("storages", "remove", "partner")
    assert (done.code, "partner is used by the export job of amazon_fr" in done.err) == (1, True)


def test_a_storage_with_waiting_files_is_not_forgotten_until_they_are_redirected_or_given_up(
    small_shop, orders, an_order
):
    shop = small_shop
    shop.put(an_order(1), an_order(2, shipping_address=Address(country_code="DE")))
    assert orders("storages", "add", "other", "--kind", "folder", "--setting", f"path={shop.folder}").code == 0
    shop.declare(JobKind.EXPORT, folder="nowhere", settings={"split_by_country": True})
    assert orders("export", "run").code == 6
    one, two = shop.records()
    shop.declare(JobKind.EXPORT, storage="other")
    done = orders("storages", "remove", "partner")
    assert (done.code, f"2 files wait for partner ({one.id}, {two.id})" in done.err) == (1, True)
    assert orders("export", "redirect", str(one.id), "--storage", "nowhere").code == 2
    assert orders("export", "redirect", str(one.id), "--storage", "other", "--folder", "out").code == 0
    assert orders("export", "give-up", str(two.id)).code == 0
    done = orders("export", "give-up", str(two.id))
    assert (done.code, "it is given_up" in done.err) == (2, True)
    assert orders("storages", "remove", "partner").code == 0
    assert orders("export", "run").code == 0
    told = [row["order_id"] for rows in shop.sheets().values() for row in rows]
    assert sorted(told) == ["402-0000001", "402-0000002"]


def test_a_folder_has_one_reader(small_shop, orders, tmp_path):
    small_shop.declare(JobKind.IMPORT)
    with small_shop.ledger.write() as transaction:
        other = ConfiguredChannel(code="amazon_de", label="D", marketplace="Amazon DE", connection="seller")
        save_channel(transaction, other, small_shop.installation.clock())
    done = orders("imports", "set", "amazon_de", "--storage", "partner", "--folder", "/in/")
    assert (done.code, "read by the import job of amazon_fr already" in done.err) == (4, True)
    path = tmp_path / "orders.yaml"
    path.write_text(
        "channels: {amazon_de: {connection: seller, selector: A1PA6795UKMFR9, import: {storage: partner, folder: in}}}"
    )
    done = orders("apply", "-f", str(path))
    assert (done.code, "amazon_de.import.folder" in done.err) == (4, True), done.err
    job = small_shop.declare(JobKind.IMPORT, channel="amazon_de")
    small_shop.drop("a.csv", f"{HEADER}\n,402-0000001,1,T1,,,,,\n")
    result = ingest.import_channel(small_shop.installation, job)
    assert "folder_has_two_readers" in result.error
    assert small_shop.names("in") == ["a.csv"]


def test_a_local_file_is_tried_and_imported(small_shop, orders, an_order, tmp_path):
    small_shop.put(an_order(1))
    path = tmp_path / "march.csv"
    path.write_text(f"{HEADER}\n,402-0000001,1,T1,,,,,\n,402-0000002,1,T2,,,,,\n")
    done = orders("shipments", "import", str(path), "--channel", "amazon_fr", "--dry-run", "--json")
    assert done.code == 3
    assert [json.loads(line)["outcome"] for line in done.out.splitlines()] == ["applied", "refused"]
    assert small_shop.shipments() == []
    done = orders("shipments", "import", str(path), "--channel", "amazon_fr")
    assert (done.code, "1 applied, 0 known, 1 refused" in done.err) == (3, True)
    assert len(small_shop.shipments()) == 1
    path.write_bytes(b"PK\x03\x04")
    done = orders("shipments", "import", str(path), "--channel", "amazon_fr", "--dry-run")
    assert (done.code, "not_csv" in done.err) == (1, True)

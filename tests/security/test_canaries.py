"""Marked personal data and marked secrets go through the whole product, and are looked for wherever they must not be.

The campaign itself is in this folder's conftest: real sandboxes, the real commands, a real Dagster run, the real API.
"""

from __future__ import annotations

import json
import sqlite3

import duckdb
import pytest

from warehouse import connect
from warehouse.lake.definitions import TABLES, VIEWS
from warehouse.settings import Settings

pytestmark = pytest.mark.slow

TEST_CLIENT = "http://api.test/"
"""The campaign's own HTTP client logs what it was told to ask for."""


def leaks(campaign, places: dict[str, bytes]) -> dict[str, list[str]]:
    """Place → what of the marked was found there."""
    found = {place: campaign.marks.found_in(data) for place, data in places.items()}
    return {place: each for place, each in found.items() if each}


def test_the_campaign_brought_orders_in(campaign) -> None:
    with connect(Settings(_env_file=None, home=campaign.home)) as lake:
        rows = lake.sql("select channel, count(*) from orders group by channel order by channel").fetchall()
    assert rows == [("amazon_fr", 3), ("mirakl_fr", 4), ("telephone", 1)]


def test_the_campaign_met_every_kind_of_trouble(campaign) -> None:
    codes = {each.get("code") for each in json_lines(campaign.printed["incidents list --all --json (1)"])}
    assert {"invalid_grant", "unreadable_answer", "marketplace_unavailable", "wrong_type", "missing"} <= codes


def test_every_request_was_answered_as_meant(campaign) -> None:
    for name, answer in campaign.redacted.items():
        expected = int(name[:3]) if name[:3].isdigit() else 200
        assert answer.status == expected, name


def test_the_jobs_of_dagster_succeeded(campaign) -> None:
    assert campaign.codes["dagster pull_orders"] == campaign.codes["dagster exchange_files"] == 0


def test_files_were_exchanged_and_their_bytes_are_shown_with_the_scope_alone(campaign) -> None:
    files = json_lines(campaign.printed["imports list --json (1)"])
    assert {each["state"] for each in files} == {"applied", "refused"}
    content = campaign.disclosed["GET /v1/files/1/content"]
    assert "deliveryAddress.addressLine1" in campaign.marks.found_in(content.data)
    assert any(path.is_file() for path in (campaign.home / "archive").rglob("*"))


def test_every_personal_value_is_kept_encrypted_and_shown_with_the_scope(campaign) -> None:
    seen = set(campaign.marks.found_in(campaign.disclosed["GET /v1/orders?count=true"].data))
    assert {"buyer.buyerName", "deliveryAddress.addressLine1", "customer.firstname", "billing_address.street_1"} <= seen
    assert {"given customer.name", "given shipping.line_1", "given gift message", "given notes"} <= seen


def test_the_console_shows_a_buyer_after_reveal(campaign) -> None:
    seen = campaign.marks.found_in(campaign.disclosed["GET /console/orders/{id}"].data)
    assert any("ddress" in each or "ustomer" in each or "uyer" in each or "given" in each for each in seen)


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_exports_show_buyers_with_the_scope(campaign, form) -> None:
    answer = campaign.disclosed[f"GET /v1/orders/export?format={form}"]
    assert "deliveryAddress.addressLine1" in campaign.marks.found_in(answer.data)


def test_normalize_shows_the_parties(campaign) -> None:
    assert "deliveryAddress.addressLine1" in campaign.marks.found_in(campaign.normalised)


def test_no_file_below_the_home_holds_a_mark(campaign) -> None:
    files = {str(path.relative_to(campaign.home)): path for path in campaign.home.rglob("*") if path.is_file()}
    assert {"ledger.sqlite", "lake/catalog.sqlite"} <= set(files)
    assert any(name.startswith("dagster/") and name.endswith(".err") for name in files)
    assert any(name.endswith(".parquet") for name in files)
    assert leaks(campaign, {name: path.read_bytes() for name, path in files.items()}) == {}


def test_the_search_finds_what_is_there(campaign, tmp_path) -> None:
    mark, meaning = next(iter(campaign.marks.meanings.items()))
    (tmp_path / "file").write_bytes(f"│ {mark[:6]}\n{mark[6:].upper()} │".encode())
    assert campaign.marks.found_in((tmp_path / "file").read_bytes()) == [meaning]


def test_no_cell_of_the_ledger_holds_a_mark(campaign) -> None:
    cells = sqlite_cells(campaign.home / "ledger.sqlite")
    assert b"MARKED-1-A" in cells["raw_orders"]
    assert leaks(campaign, cells) == {}


def test_no_cell_of_the_lake_holds_a_mark(campaign) -> None:
    with connect(Settings(_env_file=None, home=campaign.home)) as lake:
        cells = {name: str(lake.sql(f"select * from {name}").fetchall()).encode() for name in (*TABLES, *VIEWS)}
    assert b"MARKED-1-A" in cells["raw_orders"]
    assert leaks(campaign, cells) == {}


def test_no_parquet_file_holds_a_mark(campaign) -> None:
    """Also those of old snapshots, which no table names any more."""
    with duckdb.connect() as duck:
        cells = {
            path.name: str(duck.execute(f"select * from read_parquet('{path}')").fetchall()).encode()
            for path in campaign.home.rglob("*.parquet")
        }
    assert cells
    assert leaks(campaign, cells) == {}


def test_no_cell_of_dagsters_storage_holds_a_mark(campaign) -> None:
    files = [path for path in (campaign.home / "dagster").rglob("*.db") if path.is_file()]
    cells = {str(path): b"".join(sqlite_cells(path).values()) for path in files}
    assert any(b"newest_changes" in each for each in cells.values())
    assert leaks(campaign, cells) == {}


def test_no_log_record_holds_a_mark(campaign) -> None:
    assert b"orders_api ERROR unexpected_error" in campaign.logged
    lines = [line for line in campaign.logged.decode().splitlines() if TEST_CLIENT not in line]
    assert leaks(campaign, {line[:120]: line.encode() for line in lines}) == {}


def test_the_lines_that_are_written_are_json_and_hold_no_mark(campaign) -> None:
    """What the product itself writes to standard error, by hand and in Dagster's run."""
    printed = b"".join(campaign.printed.values())
    events = {str(each.get("event")) for each in json_lines(printed)}
    assert {"pull_finished", "pull_failed", "normalise_finished"} <= events
    run_ids = {each.get("run_id") for each in json_lines(campaign.printed["dagster pull_orders"])} - {None}
    assert len(run_ids) == 1


def test_what_keeps_the_installation_up_shows_no_mark(campaign) -> None:
    parts = {each["part"] for each in json_lines(campaign.printed["doctor --json (1)"]) if "part" in each}
    assert {"versions", "ledger", "connection amazon_eu", "channel mirakl_fr", "personal data"} <= parts
    verdicts = [each["verdict"] for each in json_lines(campaign.printed[f"verify {campaign.copy} --json (1)"])]
    assert set(verdicts) == {"ok"}
    families = campaign.redacted["GET /metrics"].data
    assert b'orders_ingest_lag_seconds_count{channel="amazon_fr"}' in families
    assert b'"state":"ok"' in campaign.redacted["GET /v1/status"].data


def test_no_file_of_a_backup_holds_a_mark(campaign) -> None:
    files = {
        str(path.relative_to(campaign.copy)): path.read_bytes() for path in campaign.copy.rglob("*") if path.is_file()
    }
    assert {"manifest.json", "ledger.sqlite", "lake/catalog.sqlite"} <= set(files)
    assert leaks(campaign, files) == {}


def test_a_monitor_is_told_nothing_but_that_a_job_succeeded(campaign) -> None:
    (ping,) = campaign.pings
    assert campaign.marks.found_in(ping) == ["the monitor's URL"]


def test_no_mail_holds_a_mark(campaign) -> None:
    tested, *told = campaign.mails
    assert b"shop.example" in tested
    assert any(b"amazon_fr" in each for each in told)
    assert leaks(campaign, {str(number): mail for number, mail in enumerate(campaign.mails)}) == {}


def test_no_command_prints_a_mark(campaign) -> None:
    assert leaks(campaign, campaign.printed) == {}


def test_no_answer_without_the_scope_holds_a_mark(campaign) -> None:
    assert leaks(campaign, {name: answer.data for name, answer in campaign.redacted.items()}) == {}


def test_no_answer_with_the_scope_holds_a_secret(campaign) -> None:
    secrets = campaign.marks.secrets()
    assert {"client secret", "refresh token", "api key", "the token of privileged"} <= set(secrets.meanings.values())
    answers = {name: secrets.found_in(answer.data) for name, answer in campaign.disclosed.items()}
    assert {name: found for name, found in answers.items() if found} == {}


def json_lines(data: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in data.decode().splitlines() if line.startswith("{")]


def sqlite_cells(path) -> dict[str, bytes]:
    """Table → all its cells as one text; SQLite's write-ahead log is read along."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        names = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        cells = {
            name: b"\n".join(
                cell if isinstance(cell, bytes) else str(cell).encode()
                for row in database.execute(f'select * from "{name}"')
                for cell in row
            )
            for name in names
        }
    database.close()
    return cells

"""The `orders` command as a person uses it: what it prints where, and its exit codes, on a fresh installation."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import typer

from orders_pipeline.cli import COMMANDS, app
from warehouse.ledger.status import channel_status
from warehouse.privacy import parse_key_ring


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "ORDERS_DATABASE_URL",
            "mysql://hub:s3cr3t-password@db/orders",
            "it is no PostgreSQL URL: write postgresql://",
        ),
        ("ORDERS_SMTP_PORT", "s3cr3t-password", "Input should be a valid integer"),
        ("ORDERS_PING_URLS", "s3cr3t-password", "it has to be JSON"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(orders, monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    done = orders("status")
    served = subprocess.run([sys.executable, "-m", "orders_api"], capture_output=True, text=True, check=False)
    assert (done.returncode, served.returncode) == (4, 1)
    for text in (done.stderr, served.stderr):
        assert said in text
        assert name.removeprefix("ORDERS_").lower() in text.lower()
        assert "Traceback" not in text
        assert "s3cr3t-password" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pull",), 4, "there are no connections yet"),
        (("pull", "nowhere"), 2, "there is no connection nowhere"),
        (("sql", "select 1"), 1, "nothing was published"),
        (("apply", "-f", "missing.yaml"), 4, "No such file"),
        (("apply",), 2, "name a file"),
        (("connections", "test", "nowhere"), 2, "there is no connection"),
        (("channels", "set", "nowhere", "--no-retrieval"), 2, "there is no channel"),
        (("normalize", "--marketplace", "nowhere", "x.json"), 2, "there is no marketplace"),
        (("normalize", "--marketplace", "amazon", "x.json"), 1, "No such file"),
        (("tokens", "create", "erp", "--channel", "nowhere"), 2, "nowhere"),
        (("tokens", "revoke", "nowhere"), 2, "there is no live token"),
        (("tokens", "create", "erp", "--expires", "soon"), 2, "ISO 8601"),
        (("incidents", "resolve", "7", "--reason", "x"), 2, "there is no open incident 7"),
        (("incidents", "show", "7"), 2, "there is no incident 7"),
        (("show", "nowhere"), 2, "there is no order"),
        (("alerts", "add", "crew"), 2, "--email or --url"),
        (("alerts", "add", "crew", "--email", "nobody"), 2, "email: this is no e-mail address"),
        (("alerts", "add", "crew", "--email", "a@b.example", "--channel", "nowhere"), 2, "there is no channel"),
        (("alerts", "add", "chat", "--url", "slack://token"), 2, "a secret never stands here"),
        (("alerts", "remove", "nobody"), 2, "there is no recipient"),
        (("alerts", "test", "nobody"), 2, "there is no recipient"),
        (("cancellations", "accept", "nowhere"), 2, "unknown_cancellation_request"),
        (("logs", "--since", "soon"), 2, "ISO 8601"),
        (("unknown",), 2, "No such command"),
    ],
)
def test_a_mistake_is_told_in_one_plain_sentence_with_its_exit_code(orders, arguments, code, said):
    orders("migrate")
    done = orders(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


READING = [
    *("apply --export", "connections list", "connections test eu", "channels list", "storages list", "storages test x"),
    *("quarantine", "status", "list", "show 1", "cancellations list", "shipments list", "shipments show 1"),
    *("carriers list", "export list", "export preview fr", "imports list", "imports show 1", "imports download 1 -o x"),
    *("tokens list", "incidents list", "incidents show 1", "logs", "alerts list", "alerts test crew"),
    *("purge --dry-run", "backup copy"),
]


@pytest.mark.parametrize("line", READING)
def test_a_reading_command_makes_nothing_and_names_the_home_that_is_not_there(orders, line):
    before = set(orders.folder.rglob("*"))
    done = orders(*line.split())
    assert done.returncode == 1, done.stderr
    assert "there is no ledger" in done.stderr
    assert str(orders.folder / "home") in done.stderr.replace("\n", "")
    assert set(orders.folder.rglob("*")) == before


@pytest.mark.parametrize(("line", "code"), [("doctor", 0), ("sql select_1", 1), ("tables list", 0)])
def test_a_look_without_an_installation_makes_none_either(orders, line, code):
    assert orders(*line.split()).returncode == code
    assert not (orders.folder / "home").exists()


def test_a_mistake_in_the_file_is_told_with_its_line(orders):
    (orders.folder / "orders.yaml").write_text("channels:\n  fr:\n    connection: eu\n    selctor: X\n")
    done = orders("apply", "-f", "orders.yaml")
    assert (done.returncode, "line 4: channels.fr.selctor: there is no such key; did you mean" in done.stderr) == (
        4,
        True,
    )
    (orders.folder / "orders.yaml").write_text("channels:\n  fr:\n    connection: eu\n")
    done = orders("apply", "-f", "orders.yaml", "--dry-run")
    assert (done.returncode, "line 3: channels.fr.connection: there is no connection" in done.stderr) == (4, True)


def test_a_dry_run_of_apply_changes_nothing(written):
    orders = written
    assert "create connection eu" in orders("apply", "-f", "orders.yaml", "--dry-run").stdout
    assert not (orders.folder / "home").exists()
    orders("migrate")
    assert orders("connections", "list", "--json").stdout == ""


def test_applying_the_export_changes_nothing(configured):
    exported = configured("apply", "--export").stdout
    assert "s3cr3t-shop-key" not in exported
    done = configured("apply", "-f", "-", typed=exported)
    assert (done.returncode, "nothing to change" in done.stderr) == (0, True)


def test_a_connection_and_a_channel_are_added_by_hand(orders):
    key = "api_key=env:TEST_SHOP_KEY"
    added = orders(
        "connections", "add", "shop", "--kind", "mirakl", "--endpoint", "http://127.0.0.1:9", "--credential", key
    )
    assert (added.returncode, "created connection shop" in added.stderr) == (0, True)
    assert orders("channels", "add", "shop_fr", "--connection", "shop", "--selector", "FR").returncode == 0
    assert orders("channels", "add", "shop_fr", "--connection", "shop", "--label", "Other").returncode == 2
    row = json.loads(orders("channels", "list", "--json").stdout)
    assert (row["code"], row["selector"], row["retrieval"]) == ("shop_fr", "FR", True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("connections", "add", "shop", "--kind", "bazaar"), 4),
        (("connections", "add", "Shop!", "--kind", "mirakl"), 4),
        (("connections", "add", "shop", "--kind", "mirakl", "--credential", "api_key=plain"), 4),
        (("connections", "add", "shop", "--kind", "mirakl", "--credential", "plain"), 2),
        (("channels", "add", "fr", "--connection", "nowhere"), 4),
    ],
)
def test_what_cannot_be_added_is_refused(orders, arguments, code):
    assert orders(*arguments).returncode == code


def test_a_pull_with_nothing_reachable_tells_each_reason_and_opens_incidents(configured):
    done = configured("pull", "--json")
    rows = {row["connection"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 5
    assert "NOT_SET_HERE" in rows["eu"]["error"]
    assert rows["shop"]["outcome"] == "failed"
    codes = {json.loads(line)["code"] for line in configured("incidents", "list", "--json").stdout.splitlines()}
    assert codes == {"credential_missing", "unreachable"}


def test_a_typed_secret_is_kept_encrypted_and_never_shown(configured):
    assert configured("connections", "secret", "shop", "api_key", typed="typed-s3cr3t\n").returncode == 0
    shown = configured("connections", "list").stdout
    assert "api_key=sealed" in shown
    files = [path.read_bytes() for path in (configured.folder / "home").rglob("*") if path.is_file()]
    assert not any(b"typed-s3cr3t" in content for content in files)


def test_a_token_is_printed_once_alone_on_standard_output(orders):
    done = orders("tokens", "create", "erp", "--scope", "orders:read")
    assert done.stdout.startswith("orders_")
    assert done.stdout.count("\n") == 1
    assert done.stdout.strip() not in orders("tokens", "list").stdout


def test_a_channel_is_switched(configured):
    assert configured("channels", "set", "fr", "--no-retrieval").returncode == 0
    rows = {row["code"]: row for row in map(json.loads, configured("channels", "list", "--json").stdout.splitlines())}
    assert (rows["fr"]["retrieval"], rows["shop"]["retrieval"]) == (False, True)


def test_products_are_loaded_and_refused_rows_named(configured):
    (configured.folder / "p.csv").write_text("sku,gtin,title,url\nA,,Lamp,\n,,No sku,\nB,123,Odd,\n")
    done = configured("products", "load", "p.csv", "--channel", "fr")
    assert done.returncode == 3
    assert "2 new" in done.stderr
    assert "row 2: missing_sku" in done.stderr
    assert "row 3: invalid_gtin" in done.stderr


def test_queries_answer_as_table_csv_and_json(configured):
    assert configured("tables", "publish").returncode == 0
    assert "0" in configured("sql", "select count(*) as n from orders").stdout
    assert configured("sql", "--format", "csv", "select count(*) as n from orders").stdout == "n\n0\n"
    assert json.loads(configured("sql", "--format", "json", "select count(*) as n from orders").stdout) == {"n": 0}
    assert configured("sql", typed="select 41 + 1 as answer;\n").stdout.count("42") == 1
    assert configured("sql", "select nonsense").returncode == 1


def test_the_tables_cannot_be_written_by_a_query(configured):
    configured("tables", "publish")
    done = configured("sql", "delete from orders")
    assert done.returncode == 1
    assert "read-only" in done.stderr.lower()


def test_an_accident_shows_its_place_and_not_its_message(configured, monkeypatch):
    def broken(_transaction):
        raise RuntimeError("Zoë Ca" + "nari lives here")

    monkeypatch.setattr(channel_status, "counts_by_status", broken)
    done = configured("status")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert (line["event"], line["exception"].splitlines()[-1]) == ("unexpected_error", "RuntimeError")
    assert "Canari" not in done.stderr


LOADED_AT_ONCE = {
    "orders_pipeline",
    "orders_pipeline.cli",
    "orders_pipeline.commands",
    "orders_pipeline.commands.encoding",
    "warehouse",
    "warehouse.processes",
}
HEAVY = {
    "sqlalchemy",
    "pydantic_settings",
    "httpx",
    "structlog",
    "pyarrow",
    "duckdb",
    "fastapi",
    "dagster",
    "paramiko",
    "apprise",
}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_installed_command_starts_without_loading_what_it_does_not_need(option):
    program = (
        "import atexit, sys; from orders_pipeline.cli import main; "
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, option], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, bool(done.stdout)) == (0, True)
    loaded = set(done.stderr.split())
    ours = {name for name in loaded if name.partition(".")[0] in {"warehouse", "orders_pipeline", "orders_api"}}
    assert (ours, loaded & HEAVY) == (LOADED_AT_ONCE, set())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_is_that_of_the_modules(name):
    command = typer.main.get_command(app).commands[name]
    assert (command.name, command.hidden) == (name, False)
    assert len(COMMANDS[name].about) <= 61


def test_a_mistyped_command_is_answered_by_the_one_that_was_meant(orders):
    done = orders("statsu")
    assert (done.returncode, "Did you mean 'status'" in done.stderr) == (2, True)


def test_a_recipient_is_added_listed_tried_and_removed(orders):
    added = orders("alerts", "add", "crew", "--email", "crew@shop.example", "--kind", "disk", "--no-summary")
    assert (added.returncode, "orders alerts test crew" in added.stderr) == (0, True)
    row = json.loads(orders("alerts", "list", "--json").stdout)
    assert (row["code"], row["address"], row["kinds"], row["summary"]) == ("crew", "crew@shop.example", ["disk"], False)
    tried = orders("alerts", "test", "crew")
    assert (tried.returncode, "mail_not_configured" in tried.stderr) == (6, True)
    assert orders("alerts", "remove", "crew").returncode == 0
    assert orders("alerts", "list", "--json").stdout == ""


def test_a_typed_address_is_kept_encrypted(orders):
    assert orders("alerts", "add", "chat", "--url", "-", typed="json://user:s3cr3t@127.0.0.1:9/\n").returncode == 0
    shown = orders("alerts", "list", "--json").stdout
    assert json.loads(shown)["address"] == "sealed"
    assert "s3cr3t" not in shown
    exported = orders("apply", "--export").stdout
    assert "s3cr3t" not in exported
    assert "nothing to change" in orders("apply", "-f", "-", typed=exported).stderr


def test_recipients_are_declared_in_the_file(orders):
    text = "alerts:\n  crew: {email: crew@shop.example}\n  chat: {url: env:CHAT, kinds: [disk], summary: false}\n"
    assert "create alert crew" in orders("apply", "-f", "-", typed=text).stdout
    assert "nothing to change" in orders("apply", "-f", "-", typed=text).stderr


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{}", "write email or url"),
        ("{email: a@b.example, url: env:X}", "write email or url"),
        ("{email: nobody}", "alerts.crew.email"),
        ("{url: 'slack://token'}", "alerts.crew.url"),
        ("{email: a@b.example, kinds: [weather]}", "alerts.crew.kinds"),
        ("{email: a@b.example, channels: [nowhere]}", "alerts.crew.channels"),
        ("{email: a@b.example, more: 1}", "alerts.crew.more"),
    ],
)
def test_a_recipient_that_cannot_be_told_is_named_in_the_file(orders, entry, said):
    done = orders("apply", "-f", "-", typed=f"alerts:\n  crew: {entry}\n")
    assert (done.returncode, said in done.stderr.replace("\n", " ")) == (4, True), done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("list",),
        ("show", "x"),
        ("logs",),
        ("quarantine",),
        ("doctor",),
        ("sql", "select 1"),
        ("purge",),
        ("apply", "--export"),
        *(
            (group, "list")
            for group in ("connections", "channels", "storages", "tokens", "alerts", "incidents", "shipments")
        ),
    ],
)
def test_looking_makes_nothing(orders, arguments):
    done = orders(*arguments)
    assert "Traceback" not in done.stderr
    assert done.returncode in ({0, 7} if arguments == ("doctor",) else {1})
    assert not (orders.folder / "home").exists()


def test_what_must_not_be_worked_with_is_told_first_by_every_command(orders):
    home = orders.folder / "home"
    orders("migrate")
    orders("channels", "list")
    (home / "restore-unfinished").touch()
    commands = (("status",), ("pull",), ("sql", "select 1"), ("backup", "copy"), ("migrate",), ("tables", "publish"))
    for arguments in commands:
        assert "orders restore" in orders(*arguments).stderr, arguments
    (home / "restore-unfinished").unlink()
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:
        ledger.execute("UPDATE alembic_version SET version_num = '9999'")
        ledger.commit()
    for arguments in commands:
        done = orders(*arguments)
        assert (done.returncode, "newer release" in done.stderr) == (1, True), arguments
    assert not (orders.folder / "copy").exists()


def test_a_new_key_has_its_fingerprint_as_id(orders):
    key_id, _, key = orders("keys", "new").stdout.strip().partition(":")
    assert key_id == parse_key_ring(f"k1:{key}").active


def test_the_book_the_log_and_incidents_are_listed_empty(orders):
    orders("migrate")
    for arguments in (
        ("list",),
        ("logs",),
        ("incidents", "list"),
        ("cancellations", "list"),
        ("alerts", "list", "--outbox"),
    ):
        done = orders(*arguments, "--json")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

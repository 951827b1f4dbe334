"""`orders add`, and setting up channels without a marketplace: what is printed, what is changed, and the exit codes."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tests.given_orders import document, with_line

YAML = """
connections:
  own: {kind: manual}
channels:
  telephone: {connection: own, label: Telephone, selector: telephone, confirmation: true}
  fair: {connection: own, label: Fair, selector: fair}
"""


@pytest.fixture
def desk(orders):
    """With two channels that are given their orders."""
    (orders.folder / "orders.yaml").write_text(YAML)
    applied = orders("apply", "-f", "orders.yaml")
    assert applied.returncode == 0, applied.stderr
    return orders


def write(desk, name: str, *documents: dict, as_lines: bool = False) -> str:
    text = (
        "\n".join(map(json.dumps, documents))
        if as_lines
        else json.dumps(documents if len(documents) > 1 else documents[0])
    )
    (desk.folder / name).write_text(text)
    return name


def rows(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def results(done) -> list[tuple]:
    return [(each["original_id"], each["result"]) for each in rows(done)]


# -- setting up


def test_the_file_says_the_same_for_good(desk):
    again = desk("apply", "-f", "orders.yaml")
    assert (again.returncode, "nothing to change" in again.stderr) == (0, True)
    exported = desk("apply", "--export").stdout
    assert "kind: manual" in exported
    (desk.folder / "exported.yaml").write_text(exported)
    assert "nothing to change" in desk("apply", "-f", "exported.yaml").stderr


def test_a_channel_is_added_by_commands_without_secrets_or_addresses(orders):
    assert orders("connections", "add", "desk", "--kind", "manual").returncode == 0
    assert orders("channels", "add", "counter", "--connection", "desk", "--confirmation").returncode == 0
    shown = json.loads(orders("channels", "list", "--json").stdout)
    assert (shown["code"], shown["retrieval"], shown["confirmation"]) == ("counter", False, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("  telephone: {connection: own, retrieval: true}", "channels.telephone.retrieval"),
        ("  telephone: {connection: own, settings: {page_size: 5}}", "channels.telephone.settings.page_size"),
    ],
)
def test_what_there_cannot_be_is_refused_with_its_place(orders, change, said):
    (orders.folder / "wrong.yaml").write_text(f"connections:\n  own: {{kind: manual}}\nchannels:\n{change}\n")
    done = orders("apply", "-f", "wrong.yaml")
    assert done.returncode == 4
    assert said in done.stderr


def test_an_address_and_a_secret_are_refused(orders):
    text = 'connections:\n  own: {kind: manual, endpoint: "https://x.example", credentials: {api_key: env:X}}\n'
    (orders.folder / "wrong.yaml").write_text(text)
    done = orders("apply", "-f", "wrong.yaml")
    assert done.returncode == 4
    assert "connections.own.endpoint" in done.stderr
    assert "connections.own.credentials.api_key" in done.stderr


def test_everything_that_looks_says_that_there_is_nothing_to_ask(desk):
    tested = desk("connections", "test", "own")
    assert tested.returncode == 0
    assert "there is no marketplace to ask" in " ".join(tested.stdout.split())
    assert desk("channels", "set", "fair", "--retrieval").returncode == 2
    assert [each["state"] for each in rows(desk("status", "--json")) if "state" in each] == ["given", "given"]
    findings = {each["part"]: each for each in rows(desk("doctor", "--json"))}
    assert findings["connection own"]["verdict"] == "ok"
    assert "nothing to ask" in findings["connection own"]["seen"]
    assert findings["channel telephone"]["verdict"] == "ok"
    assert desk("pull").returncode == 0
    assert desk("sweep").returncode == 0


# -- giving


def test_orders_of_every_form_are_added_and_told_one_by_one(desk):
    write(desk, "one.json", document("A-1"))
    write(desk, "list.json", document("A-2"), document("A-3", channel="fair"))
    write(desk, "lines.ndjson", document("A-4"), document("A-5"), as_lines=True)

    done = desk("add", "one.json", "list.json", "lines.ndjson", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert results(done) == [(f"A-{number}", "created") for number in range(1, 6)]
    assert [each["place"] for each in rows(done)] == [1, 1, 2, 1, 2]
    assert {each["original_id"] for each in rows(desk("list", "--json"))} == {f"A-{number}" for number in range(1, 6)}
    assert json.loads(desk("show", "A-4", "--json").stdout)["lines"][0]["sku"] == "LAMP-12"
    assert results(desk("add", "one.json", "--json")) == [("A-1", "already_known")]


def test_standard_input_and_a_channel_for_all(desk, monkeypatch):
    given = document()
    del given["channel"]
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(given).encode()))
    real = desk

    def run(*arguments: str):
        monkeypatch.setattr(io, "StringIO", lambda _text: stdin)
        return real(*arguments)

    done = run("add", "-", "--channel", "fair", "--json")
    assert [(each["channel"], each["result"]) for each in rows(done)] == [("fair", "created")]
    assert sys.stdin is stdin


def test_one_that_is_refused_stops_no_other_and_tells_every_mistake(desk):
    wrong = document("B-2", totl="1", currency="EURO")
    write(desk, "list.json", document("B-1"), wrong, document("B-3", channel="nowhere"), document("B-4"))

    done = desk("add", "list.json", "--json")

    assert done.returncode == 3
    assert results(done) == [("B-1", "created"), ("B-2", "refused"), ("B-3", "refused"), ("B-4", "created")]
    assert "totl: there is no such member; did you mean 'total'?" in rows(done)[1]["problem"]
    assert "currency: " in rows(done)[1]["problem"]
    assert rows(done)[2]["problem"] == "there is no such channel"


def test_a_file_that_cannot_be_read_is_told_and_the_next_one_is_added(desk):
    (desk.folder / "broken.json").write_text('{"a": ')
    (desk.folder / "broken.ndjson").write_text(f"{json.dumps(document('C-1'))}\n{{broken\n")
    write(desk, "good.json", document("C-2"))

    done = desk("add", "broken.json", "broken.ndjson", "good.json", "--json")

    assert done.returncode == 3
    assert results(done) == [(None, "refused"), (None, "refused"), ("C-2", "created")]
    assert "line 2" in rows(done)[1]["problem"]
    assert desk("add", "broken.json").returncode == 1
    missing = desk("add", "nowhere.json")
    assert (missing.returncode, "nowhere.json" in missing.stderr) == (1, True)


def test_a_change_is_meant(desk):
    write(desk, "one.json", document())
    write(desk, "other.json", with_line(0, quantity_ordered=5))
    desk("add", "one.json")

    refused = desk("add", "other.json", "--json")
    assert refused.returncode == 1
    assert "--change" in rows(refused)[0]["problem"]
    assert results(desk("add", "other.json", "--change", "--json")) == [("1001", "changed")]
    assert json.loads(desk("show", "1001", "--json").stdout)["lines"][0]["quantity_ordered"] == 5
    write(desk, "new.json", document("1002"))
    assert desk("add", "new.json", "--change").returncode == 1


def test_a_dry_run_records_nothing(desk):
    write(desk, "two.json", document("D-1"), document("D-2", currency="EURO"))
    done = desk("add", "two.json", "--dry-run", "--json")
    assert (done.returncode, results(done)) == (3, [("D-1", "created"), ("D-2", "refused")])
    assert "nothing was recorded" in done.stderr
    assert desk("list", "--json").stdout == ""


def test_a_channel_with_a_marketplace_is_given_none(configured):
    write(configured, "one.json", document(channel="fr"))
    done = configured("add", "one.json", "--json")
    assert (done.returncode, rows(done)[0]["problem"]) == (1, "the orders of this channel come from its marketplace")


def test_documents_are_shown_as_orders_without_a_ledger(orders):
    write(orders, "one.json", document())
    done = orders("normalize", "--marketplace", "manual", "one.json", "--channel", "telephone")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lines"][0]["sku"] == "LAMP-12"

"""``sandbox serve`` and ``sandbox load``: the address file, the kept payloads, the messages."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from orders_pipeline.sandbox.amazon import state as amazon
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.commands import _announced, _kept_files, _load_kept, build, running_url, sandbox
from orders_pipeline.sandbox.mirakl import state as mirakl
from orders_pipeline.sandbox.server import running

ORDER = {
    "order_id": "R1-A",
    "order_state": "SHIPPING",
    "created_date": "2025-01-20T10:26:56Z",
    "last_updated_date": "2025-01-20T10:56:23Z",
    "order_lines": [{"order_line_id": "l1", "quantity": 3}],
}
SHIPMENT = {"id": "s1", "order_id": "R1-A", "status": "SHIPPED", "created_date": "2025-01-20T11:00:00Z",
            "shipment_lines": []}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ORDERS_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return str(path)


def invoke(*arguments):
    return CliRunner().invoke(sandbox, [*arguments])


def test_load_into_a_running_sandbox(tmp_path):
    state = mirakl.MiraklSandbox()
    with running(create_app(state)) as url, _announced("mirakl", url):
        result = invoke("load", "mirakl", write(tmp_path / "order.json", ORDER))
    assert (result.exit_code, state.order_ids()) == (0, ["R1-A"])
    assert "1 orders" in result.stderr
    assert "running sandbox" in result.stderr


def test_load_to_an_address(tmp_path):
    state = mirakl.MiraklSandbox()
    with running(create_app(state)) as url:
        assert invoke("load", "mirakl", write(tmp_path / "order.json", ORDER), "--url", url).exit_code == 0
    assert state.order_ids() == ["R1-A"]


def test_without_a_sandbox_files_are_kept_for_the_next_serve(tmp_path, home):
    shipments = write(tmp_path / "a-shipments.json", {"data": [SHIPMENT]})
    result = invoke("load", "mirakl", shipments, write(tmp_path / "b-orders.json", [ORDER]))
    assert result.exit_code == 0
    assert "the next serve loads it" in result.stderr
    assert len(list((home / "sandbox" / "mirakl").iterdir())) == 2
    state, _ = build("mirakl")
    for path in _kept_files("mirakl"):
        _load_kept(state, path)
    assert state.order_ids() == ["R1-A"]
    assert [each["id"] for each in state.truth()[0]["shipments"]] == ["s1"]


def test_misfits_name_file_and_path_and_the_rest_is_loaded(tmp_path):
    state = mirakl.MiraklSandbox()
    bad = write(tmp_path / "bad.json", {"orders": [{"order_id": 1}]})
    broken = write(tmp_path / "broken.json", "{")
    with running(create_app(state)) as url:
        result = invoke("load", "mirakl", bad, broken, write(tmp_path / "good.json", ORDER), "--url", url)
    assert result.exit_code == 1
    assert "bad.json: $.orders[0].order_id" in result.stderr
    assert "broken.json: $: is not JSON" in result.stderr
    assert state.order_ids() == ["R1-A"]


def test_missing_files_are_named():
    result = invoke("load", "amazon", "nowhere.json")
    assert result.exit_code == 1
    assert "nowhere.json" in result.stderr


def test_a_stale_address_is_no_running_sandbox(home):
    (home / "sandbox").mkdir(parents=True)
    (home / "sandbox" / "amazon.json").write_text('{"url": "http://127.0.0.1:9"}', "utf-8")
    assert running_url("amazon") is None


def test_the_address_file_goes_with_the_sandbox(home):
    with running(create_app(amazon.AmazonSandbox())) as url, _announced("amazon", url):
        assert running_url("amazon") == url
    assert not (home / "sandbox" / "amazon.json").exists()


def test_advance_and_faults_reach_the_running_sandbox():
    state = amazon.AmazonSandbox()
    with running(create_app(state)) as url, _announced("amazon", url):
        assert invoke("advance", "amazon", "ship").exit_code == 0
        assert json.loads(invoke("faults", "amazon", "throttled", "--count", "0").stdout)[0]["count"] is None
        assert "1 faults lifted" in invoke("faults", "amazon", "--clear").stderr
        assert invoke("advance", "amazon", "explode").exit_code == 1


def test_advance_needs_a_sandbox():
    assert invoke("advance", "amazon", "ship").exit_code == 1

"""The `orders` command run as a shell runs it, on a fresh installation; with two channels where it is configured."""

from __future__ import annotations

import io
import shutil
import sys
from dataclasses import dataclass

import pytest

from orders_pipeline.cli import main

YAML = """
connections:
  eu: {kind: amazon, region: eu, credentials: {client_id: env:NOT_SET_HERE, client_secret: env:X, refresh_token: env:Y}}
  shop: {kind: mirakl, endpoint: "http://127.0.0.1:9", credentials: {api_key: env:TEST_SHOP_KEY}}
channels:
  fr: {connection: eu, label: Amazon FR, selector: A13V1IB3VIYZZH}
  shop: {connection: shop, label: Shop}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def orders(tmp_path, monkeypatch, capfd):
    """Runs the command's entry point with what a shell would give it."""
    monkeypatch.setenv("ORDERS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TEST_SHOP_KEY", "s3cr3t-shop-key")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["orders", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    run.folder = tmp_path
    return run


@pytest.fixture
def written(orders):
    """With a configuration file that is not applied yet."""
    (orders.folder / "orders.yaml").write_text(YAML)
    return orders


@pytest.fixture
def configured(written, new_sqlite_ledger):
    orders = written
    (orders.folder / "home").mkdir(mode=0o700)
    shutil.copy(new_sqlite_ledger, orders.folder / "home")
    assert orders("apply", "-f", "orders.yaml").returncode == 0
    return orders

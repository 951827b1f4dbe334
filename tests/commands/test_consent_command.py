"""`orders connections authorise`: a consent given in a browser becomes a sealed secret with its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orders_pipeline.alerts import conditions
from orders_pipeline.installation import opened
from orders_pipeline.marketplaces.registry import KINDS
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.ebay.state import CLIENT_ID, CLIENT_SECRET, CONSENT_CODE, REFRESH_TOKEN, EbaySandbox
from orders_pipeline.sandbox.server import running
from warehouse.ledger.base.credentials import resolve_credentials
from warehouse.ledger.settings import channels

YAML = """
connections:
  lamps:
    kind: ebay
    endpoint: "{url}"
    settings: {{redirect_name: Lamp-Shop-abc}}
    credentials: {{client_id: "env:LAMPS_ID", client_secret: "env:LAMPS_SECRET"}}
channels:
  lamps: {{connection: lamps, label: Lamps}}
"""


@pytest.fixture
def lamps(orders, monkeypatch):
    """A connection of which nobody has consented yet."""
    monkeypatch.setenv("LAMPS_ID", CLIENT_ID)
    monkeypatch.setenv("LAMPS_SECRET", CLIENT_SECRET)
    with running(create_app(EbaySandbox(rate_factor=float("inf")))) as url:
        assert orders("apply", "-f", "-", typed=YAML.format(url=url)).returncode == 0
        yield orders


def test_a_consent_is_kept_with_its_end_and_the_connection_works(lamps):
    before = lamps("connections", "test", "lamps")
    assert before.returncode != 0
    assert "orders connections authorise" in before.stdout + before.stderr
    done = lamps("connections", "authorise", "lamps", typed=f"https://shop.example/back?code={CONSENT_CODE}\n")
    assert done.returncode == 0, done.stderr
    assert "/oauth2/authorize?" in done.stdout
    assert "Lamp-Shop-abc" in done.stdout
    assert REFRESH_TOKEN not in done.stdout + done.stderr
    with opened() as installation:
        with installation.ledger.read() as transaction:
            connection = channels.find_connection(transaction, "lamps")
        assert resolve_credentials("lamps", connection.credentials, installation.keys)["refresh_token"] == REFRESH_TOKEN
    ends = conditions.expiry(connection, KINDS["ebay"])
    assert timedelta(days=546) < ends - datetime.now(UTC) < timedelta(days=548)
    assert lamps("connections", "test", "lamps").returncode == 0


def test_a_refused_code_keeps_nothing(lamps):
    done = lamps("connections", "authorise", "lamps", typed="used-code\n")
    assert done.returncode != 0
    assert "open the address again" in done.stderr
    assert "used-code" not in done.stdout + done.stderr
    assert "refresh_token" not in lamps("connections", "list").stdout


def test_a_kind_without_a_browser_says_so(configured):
    done = configured("connections", "authorise", "shop", typed="x\n")
    assert done.returncode != 0
    assert "nobody consents to in a browser" in done.stderr


def test_a_consent_to_nothing_is_told(orders):
    orders("migrate")
    done = orders("connections", "authorise", "nowhere", typed="x\n")
    assert (done.returncode, "there is no connection" in done.stderr) == (2, True)

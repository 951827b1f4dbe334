"""What was set by a command stays when a file is applied that does not name it: the README's own, for one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

README = Path(__file__).parents[2] / "README.md"

SETTERS = [
    ("channels", "set", "amazon_fr", "--no-retrieval"),
    ("channels", "set", "amazon_fr", "--acceptance", "off"),
    ("channels", "set", "operator_fr", "--no-confirmation"),
    ("channels", "set", "operator_fr", "--label", "Another name"),
    ("carriers", "set", "amazon_fr", "DPD01", "--carrier-code", "DPD"),
    ("export", "set", "amazon_fr", "--storage", "out", "--folder", "orders", "--frequency", "daily", "--at", "06:30"),
    ("export", "set", "amazon_fr", "--off"),
    ("export", "set", "amazon_fr", "--setting", "spreadsheet_safe=true"),
    ("imports", "set", "amazon_fr", "--storage", "out", "--folder", "in", "--setting", "always_result=true"),
    ("imports", "set", "amazon_fr", "--frequency", "hourly"),
    ("alerts", "add", "crew", "--email", "crew@shop.example"),
    ("connections", "secret", "amazon_eu", "refresh_token"),
]
NAMED = {("operator_fr", "confirmation"), ("operator_fr", "label"), ("amazon_eu", "credentials")}
"""What the README's file says itself: there it has its way."""


@pytest.fixture
def readme(orders):
    (text,) = [each for each in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL) if "channels:" in each]
    (orders.folder / "orders.yaml").write_text(text)
    assert orders("apply", "-f", "orders.yaml").returncode == 0
    done = orders("storages", "add", "out", "--kind", "folder", "--setting", f"path={orders.folder}/out")
    assert done.returncode == 0, done.stderr
    return orders


def flat(text: str) -> dict[tuple[str, str], object]:
    """(code, member) → value of everything that is configured."""
    whole = yaml.safe_load(text)
    return {
        (code, name): value for part in whole.values() for code, entry in part.items() for name, value in entry.items()
    }


def test_the_readmes_file_changes_nothing_that_it_does_not_name(readme):
    for setter in SETTERS:
        done = readme(*setter, typed="s3cr3t-refresh-token\n")
        assert done.returncode == 0, (setter, done.stderr)
        before = flat(readme("apply", "--export").stdout)
        assert readme("apply", "-f", "orders.yaml").returncode == 0
        after = flat(readme("apply", "--export").stdout)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert changed <= NAMED, (setter, changed)


def test_a_setter_changes_only_what_is_given(readme):
    def job() -> dict:
        return yaml.safe_load(readme("apply", "--export").stdout)["channels"]["amazon_fr"]["export"]

    given = ("--storage", "out", "--folder", "orders", "--frequency", "weekly", "--weekday", "friday", "--at", "06:30")
    settings = ("--setting", "spreadsheet_safe=true", "--setting", "statuses=[SHIPPED]")
    assert readme("export", "set", "amazon_fr", *given, *settings).returncode == 0
    before = job()
    for more, changed in (
        (("--off",), {"enabled": False}),
        (("--on",), {"enabled": True}),
        (("--folder", "new"), {"folder": "new"}),
        (("--setting", "statuses=[]"), {"statuses": []}),
    ):
        assert readme("export", "set", "amazon_fr", *more).returncode == 0
        before |= changed
        assert job() == before
    assert readme("export", "set", "amazon_fr", "--folder", "../out").returncode == 4
    assert job() == before

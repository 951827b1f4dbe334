"""`orders views`: what people keep in the console, kept and changed from the shell."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from orders_pipeline.commands.views import views
from warehouse.ledger.people import users
from warehouse.ledger.people.users import Role


@pytest.fixture
def run(settings, open_new_ledger, clock, monkeypatch):
    ledger = open_new_ledger(settings)
    with ledger.write() as transaction:
        users.add(transaction, "anna", Role.VIEWER, None, clock())
    monkeypatch.setenv("ORDERS_HOME", str(settings.home))
    return lambda *arguments: CliRunner().invoke(views, list(arguments))


def listed(run) -> list[dict]:
    return [json.loads(line) for line in run("list", "anna", "--json").stdout.splitlines()]


def test_views_are_kept_changed_and_removed(run) -> None:
    assert run("keep", "anna", "To France", "country=FR&cursor=x", "--shared").exit_code == 0
    assert run("keep", "anna", "Errors", "has_errors=true").exit_code == 0
    assert run("keep", "anna", "to france", "country=FR&sort=purchased_at").exit_code == 0
    assert run("change", "anna", "Errors", "--name", "In trouble", "--first", "--by", "-1").exit_code == 0
    shown = [(each["name"], each["query"], each["is_shared"], each["is_default"]) for each in listed(run)]
    assert shown == [
        ("In trouble", "has_errors=true", False, True),
        ("To France", "country=FR&sort=purchased_at", True, False),
    ]
    assert run("remove", "anna", "In trouble").exit_code == 0
    assert [each["name"] for each in listed(run)] == ["To France"]


@pytest.mark.parametrize("arguments", [("list", "bob"), ("remove", "anna", "None"), ("keep", "anna", "x" * 61, "a=1")])
def test_what_cannot_be_done_is_said(run, arguments) -> None:
    assert run(*arguments).exit_code == 2

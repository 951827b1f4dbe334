"""The dashboard and the alert rules ask only for metrics that are served, and every metric is explained."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from orders_api.app import create_app
from tests.documentation.test_coverage import ROOT, words
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope

FOLDER = ROOT / "docs" / "monitoring"
METRIC = re.compile(r"\borders_\w+")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


@pytest.fixture
def families(settings, clock) -> dict[str, str]:
    """Name → kind of every metric that an installation serves, as the scraper reads them."""
    app = create_app(settings, clock)
    installation = app.state.installation
    with installation.ledger.write() as transaction:
        token = tokens.create(transaction, "prometheus", [Scope.METRICS_READ], None, None, clock())[1]

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            return [await client.get("/metrics", headers={"Authorization": f"Bearer {token}"}) for _ in range(2)]

    answer = asyncio.run(ask())[-1]
    installation.ledger.close()
    return {
        each.name: each.type for each in text_string_to_metric_families(answer.text) if each.name.startswith("orders")
    }


def expressions() -> dict[str, str]:
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    board = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return found | {each["title"]: each["targets"][0]["expr"] for each in board["panels"]}


def test_every_metric_that_is_asked_for_is_served(families) -> None:
    served = {name + suffix for name, kind in families.items() for suffix in SUFFIXES[kind]}
    asked = {title: set(METRIC.findall(expression)) for title, expression in expressions().items()}
    assert len(asked) > 25
    assert {title: names - served for title, names in asked.items() if names - served} == {}


def test_every_metric_is_shown_on_the_dashboard_and_explained(families) -> None:
    shown = set(METRIC.findall((FOLDER / "grafana-dashboard.json").read_text()))
    for name, kind in families.items():
        assert shown & {name + suffix for suffix in SUFFIXES[kind]}, name
        assert name + ("_total" if kind == "counter" else "") in words("docs/operations.md"), name


def test_every_rule_says_what_to_do() -> None:
    rules = [each for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for each in group["rules"]]
    assert [each["alert"] for each in rules if not each["annotations"].get("action")] == []
    assert {each["labels"]["severity"] for each in rules} == {"warning", "critical"}

"""Channels, coverage and incidents."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_api.schemas import Channels, Coverage, Incidents
from warehouse.ledger import incidents
from warehouse.ledger.schema import coverage, pulls


def test_a_stranger_sees_none_of_it(stranger):
    assert {stranger.get(path).status_code for path in ("/v1/channels", "/v1/coverage", "/v1/incidents")} == {401}


def test_channels_are_listed(erp, german):
    channels = Channels.model_validate_json(erp.get("/v1/channels").content).channels

    assert [each.code for each in channels] == ["amazon_fr", "mirakl_de"]
    assert (channels[0].connection, channels[0].retrieval, channels[0].acceptance) == (
        "amazon_fr_seller",
        True,
        "manual",
    )
    assert [each["code"] for each in german.get("/v1/channels").json()["channels"]] == ["mirakl_de"]


@pytest.fixture
def pulled(api_ledger, clock):
    """A channel that is complete up to three minutes ago, after a failed, a complete and a running pull."""
    now = clock()
    with api_ledger.write() as connection:
        row = {
            "channel": "amazon_fr",
            "complete_from": now - timedelta(days=7),
            "complete_through": now - timedelta(minutes=3),
            "updated_at": now,
        }
        connection.execute(sa.insert(coverage).values(row))
        common = {
            "connection": "amazon_fr_seller",
            "kind": "tick",
            "channels": ["amazon_fr"],
            "since": now,
            "until": now,
            "started_at": now,
            "pages": 1,
            "orders_seen": 0,
            "orders_new": 0,
            "orders_skipped": 0,
            "error": None,
            "missing_data": [],
        }
        for outcome, finished_at, code in (
            ("complete", now, None),
            ("failed", now, "throttled"),
            ("running", None, None),
        ):
            values = common | {"outcome": outcome, "finished_at": finished_at, "error_code": code}
            connection.execute(sa.insert(pulls).values(values))


def test_coverage_tells_how_complete_a_channel_is(erp, pulled):
    french, german = Coverage.model_validate_json(erp.get("/v1/coverage").content).coverage

    assert (french.channel, french.age_seconds) == ("amazon_fr", 180.0)
    assert (french.last_pull.outcome, french.last_pull.error_code) == ("failed", "throttled")
    assert (german.complete_from, german.complete_through, german.age_seconds, german.last_pull) == (
        None,
        None,
        None,
        None,
    )


def test_coverage_of_another_channel_is_not_seen(german, pulled):
    assert [each["channel"] for each in german.get("/v1/coverage").json()["coverage"]] == ["mirakl_de"]


@pytest.fixture
def troubles(api_ledger, clock):
    """Five incidents, one of them resolved."""
    with api_ledger.write() as connection:
        for subject, code in (("amazon_fr", "a"), ("amazon_fr", "b"), ("mirakl_de", "c")):
            trouble = incidents.Report(scope="channel", subject=subject, stage="pull", code=code, message="It broke.")
            incidents.report(connection, trouble, clock())
        for scope, subject in (("connection", "amazon_fr_seller"), ("system", "lake")):
            trouble = incidents.Report(scope=scope, subject=subject, stage="pull", code="d", message="It broke.")
            incidents.report(connection, trouble, clock())
        incidents.resolve(connection, "channel", "amazon_fr", "pull", clock(), codes=["a"])


def codes(response) -> list[str]:
    assert response.status_code == 200, response.text
    return [f"{each.subject}/{each.code}" for each in Incidents.model_validate_json(response.content).incidents]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["lake/d", "amazon_fr_seller/d", "mirakl_de/c", "amazon_fr/b"]),
        ("state=resolved", ["amazon_fr/a"]),
        ("state=all&channel=amazon_fr", ["amazon_fr_seller/d", "amazon_fr/b", "amazon_fr/a"]),
        ("channel=mirakl_de", ["mirakl_de/c"]),
        ("channel=mirakl_de&channel=amazon_fr", ["amazon_fr_seller/d", "mirakl_de/c", "amazon_fr/b"]),
    ],
)
def test_incidents_are_filtered(erp, troubles, query, expected):
    assert codes(erp.get(f"/v1/incidents?{query}")) == expected


def test_incidents_come_in_pages(erp, troubles):
    first = erp.get("/v1/incidents", state="all", limit=3)
    second = erp.request("GET", first.json()["next"])

    assert codes(first) + codes(second) == codes(erp.get("/v1/incidents", state="all"))
    assert second.json()["next"] is None


def test_a_cursor_of_other_incidents_is_refused(erp, troubles):
    cursor = erp.get("/v1/incidents", limit=1).json()["next"].partition("cursor=")[2]

    response = erp.get("/v1/incidents", cursor=cursor, state="all")

    assert (response.status_code, response.json()["code"]) == (400, "unknown_cursor")


def test_a_connection_that_serves_a_foreign_channel_too_is_not_shown(german, troubles, api_ledger):
    assert codes(german.get("/v1/incidents")) == ["mirakl_de/c"]

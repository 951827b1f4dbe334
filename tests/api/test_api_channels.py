"""Channels, coverage and incidents."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_api.schemas.channels import ChannelCoverageList, ChannelList
from orders_api.schemas.marketplace_kinds import MarketplaceKindList
from orders_pipeline.marketplaces.registry import KINDS
from warehouse.ledger.base.schema import coverage, pulls


def test_a_stranger_sees_none_of_it(stranger):
    assert {stranger.get(path).status_code for path in ("/v1/channels", "/v1/coverage", "/v1/incidents")} == {401}


def test_channels_are_listed(erp, german):
    channels = ChannelList.model_validate_json(erp.get("/v1/channels").content).channels

    assert [each.code for each in channels] == ["amazon_fr", "mirakl_de"]
    assert (channels[0].connection, channels[0].retrieval, channels[0].acceptance) == (
        "amazon_fr_seller",
        True,
        "manual",
    )
    assert [each["code"] for each in german.get("/v1/channels").json()["channels"]] == ["mirakl_de"]


def test_the_kinds_of_marketplaces_are_told_with_all_that_a_connection_is_given(erp):
    kinds = {
        each.kind: each
        for each in MarketplaceKindList.model_validate_json(erp.get("/v1/marketplace-kinds").content).kinds
    }

    assert kinds.keys() == KINDS.keys()
    amazon = kinds["amazon"]
    assert {each.name: each.lifetime_days for each in amazon.credentials}["client_secret"] == 180
    assert (amazon.selector_required, amazon.regions, amazon.decisions.cancels) == (True, ["eu", "na", "fe"], "none")
    assert amazon.settings_schema["properties"]["page_size"]["maximum"] == 100
    assert amazon.settings_schema["additionalProperties"] is False
    assert kinds["mirakl"].endpoint == "required"


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
    french, german = ChannelCoverageList.model_validate_json(erp.get("/v1/coverage").content).coverage

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

"""Metrics and status: who may see them, that they tell the truth, and that asking costs little."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from warehouse.ledger.base import counters
from warehouse.ledger.base.schema import quarantine, quota_buckets
from warehouse.ledger.book import raw_orders
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.status.measures import measured
from warehouse.ledger.watch import incidents

LARGE = ("orders", "order_lines", "order_versions", "order_events", "raw_orders", "parties", "shipments", "pulls")
"""Tables that grow with the number of orders or with time."""


@pytest.fixture
def prometheus(any_app, any_ledger, clock, issued, as_token_of):
    return as_token_of(any_app, issued(any_ledger, clock(), "prometheus", Scope.METRICS_READ))


@pytest.fixture
def as_token_of():
    from tests.api.conftest import Api  # noqa: PLC0415 - this package's own client

    return Api


def samples(api) -> dict[tuple[str, frozenset], float]:
    answer = api.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def at(found, name, **labels) -> float:
    return found[name, frozenset(labels.items())]


def pulled(ledger, moment, outcome="complete", channel="amazon_fr") -> None:
    """A tick's pull of the channel's connection that covered it up to a moment."""
    owner = f"{channel}_seller"
    start = raw_orders.PullStart(
        connection=owner, kind="tick", channels=[channel], since=moment, until=moment, started_at=moment
    )
    with ledger.write() as connection:
        pull_id = raw_orders.begin_pull(connection, start)
        raw_orders.finish_pull(connection, pull_id, outcome, moment)
        if outcome == "complete":
            raw_orders.cover(connection, [channel], moment - timedelta(days=1), moment, moment)


def test_a_stranger_sees_no_metrics(stranger):
    assert stranger.get("/metrics").json()["code"] == "unauthenticated"


def test_a_reader_of_orders_sees_no_metrics_and_an_administrator_does(erp, as_token, issued, api_ledger, clock):
    assert erp.get("/metrics").json()["code"] == "missing_scope"
    assert as_token(issued(api_ledger, clock(), "boss", Scope.ADMIN)).get("/metrics").status_code == 200


def test_a_token_for_metrics_reads_nothing_else(as_token, issued, api_ledger, clock):
    prometheus = as_token(issued(api_ledger, clock(), "prometheus", Scope.METRICS_READ))
    assert prometheus.get("/v1/orders").json()["code"] == "missing_scope"


@pytest.mark.parametrize("scope", [Scope.METRICS_READ, Scope.ADMIN])
def test_a_token_of_one_channel_learns_no_numbers_of_the_others(as_token, issued, api_ledger, clock, scope):
    limited = as_token(issued(api_ledger, clock(), "limited", scope, channels=["mirakl_de"]))
    refused = limited.get("/metrics")
    assert (refused.status_code, refused.json()["code"]) == (403, "token_of_some_channels")


def test_an_empty_installation_has_metrics(prometheus):
    found = samples(prometheus)
    assert at(found, "orders_normalise_backlog") == 0
    assert at(found, "orders_channel_state", channel="amazon_fr", state="new") == 1
    assert at(found, "orders_shipments", status="in_doubt") == 0
    assert at(found, "orders_disk_free_bytes") > 0


def test_pulls_and_lags_are_told(prometheus, any_ledger, clock):
    pulled(any_ledger, clock())
    clock.advance(seconds=90)
    found = samples(prometheus)
    assert at(found, "orders_pull_last_success_timestamp_seconds", connection="amazon_fr_seller") == (
        clock().timestamp() - 90
    )
    assert at(found, "orders_channel_lag_seconds", channel="amazon_fr") == 90
    assert at(found, "orders_channel_state", channel="amazon_fr", state="ok") == 1


def test_the_histogram_is_cumulative_and_grows_over_processes(prometheus, any_ledger):
    for seen in ([("amazon_fr", 30.0), ("amazon_fr", 130.0)], [("amazon_fr", 1e9), ("amazon_fr", -5.0)]):
        with any_ledger.write() as connection:
            counters.observe(connection, counters.INGEST_LAG, seen)
    found = samples(prometheus)
    counts = [
        at(found, "orders_ingest_lag_seconds_bucket", channel="amazon_fr", le=le) for le in ("60", "120", "300", "+Inf")
    ]
    assert counts == [2, 2, 3, 4]
    assert at(found, "orders_ingest_lag_seconds_count", channel="amazon_fr") == 4
    assert at(found, "orders_ingest_lag_seconds_sum", channel="amazon_fr") == 30 + 130 + 1e9


def test_quota_refills_while_nobody_asks_and_is_none_while_blocked(prometheus, any_ledger, clock):
    row = {"connection": "c", "tokens": 0.0, "refilled_at": clock(), "per_second": 0.1, "burst": 10}
    with any_ledger.write() as connection:
        rows = [{**row, "operation": "a", "blocked_until": None}]
        rows += [{**row, "operation": "b", "blocked_until": clock() + timedelta(hours=1)}]
        connection.execute(sa.insert(quota_buckets), rows)
        counters.add(connection, counters.THROTTLED, {("c", ""): 1})
        counters.add(connection, counters.THROTTLED, {("c", ""): 1})
    clock.advance(seconds=50)
    found = samples(prometheus)
    assert at(found, "orders_quota_left_ratio", connection="c", operation="a") == pytest.approx(0.5)
    assert at(found, "orders_quota_left_ratio", connection="c", operation="b") == 0
    assert at(found, "orders_throttled_total", connection="c") == 2


def test_what_is_wrong_and_what_is_personal_is_told(prometheus, any_ledger, any_book, clock, order):
    any_book.put(order(1), received_at=clock())
    with any_ledger.write() as connection:
        aside = {"connection": "c", "original_id": "x", "raw_seq": 1, "channel": "amazon_fr", "code": "missing"}
        connection.execute(sa.insert(quarantine), [{**aside, "path": "$", "reason": "r", "since": clock()}])
        problem = incidents.IncidentReport(scope="system", subject="s", stage="pull", code="c", message="m")
        incidents.report(connection, problem, clock())
    clock.advance(hours=1)
    found = samples(prometheus)
    assert at(found, "orders_quarantined", channel="amazon_fr") == 1
    assert at(found, "orders_incidents_open", stage="pull") == 1
    assert at(found, "orders_personal_data_oldest_seconds") == 3600


def test_answers_are_counted_by_route_and_not_by_path(prometheus, order, any_book):
    (own_id,) = any_book.put(order(1))
    for path in (f"/v1/orders/{own_id}", "/nowhere/1", "/nowhere/2"):
        prometheus.get(path)
    prometheus.request("BREW", "/v1/orders")
    found = samples(prometheus)
    assert at(found, "orders_api_request_seconds_count", method="GET", route="/v1/orders/{id}", status="403") == 1
    assert at(found, "orders_api_request_seconds_count", method="GET", route="none", status="404") == 2
    assert {dict(labels).get("method") for name, labels in found if name == "orders_api_request_seconds_count"} == {
        "GET",
        "OTHER",
    }


def test_two_applications_keep_their_own_latencies(prometheus, settings, api_ledger, as_token_of, issued, clock):
    from orders_api.app import create_app  # noqa: PLC0415 - a second application

    other = create_app(settings, clock)
    samples(as_token_of(other, issued(api_ledger, clock(), "second", Scope.METRICS_READ)))
    other.state.installation.ledger.close()
    assert not any("request_seconds_count" in name for name, _ in samples(prometheus))


def test_no_query_reads_through_a_large_table(ledger, clock):
    """Every query goes by an index to what it wants; asked of SQLite's planner, whose answer does not depend on the rows."""
    statements: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        statements.append((statement, parameters))

    sa.event.listen(ledger.engine, "before_cursor_execute", note)
    with ledger.read() as connection:
        measured(connection, clock())
    sa.event.remove(ledger.engine, "before_cursor_execute", note)
    plans = {}
    with ledger.read() as connection:
        for statement, parameters in statements:
            told = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            plans[statement] = [row[-1] for row in told]
    assert len(plans) > 10
    scans = [step for plan in plans.values() for step in plan if re.match(rf"SCAN ({'|'.join(LARGE)})\b", step)]
    allowed = [
        step for step in scans if "INDEX ix_orders_personal" in step
    ]  # min() of a partial index: its first entry
    assert [step for step in scans if step not in allowed] == []


def test_no_measure_names_an_order(any_ledger, any_book, clock, order):
    ids = any_book.put(*(order(number) for number in range(5)))
    with any_ledger.read() as connection:
        text = str(measured(connection, clock()))
    assert not any(each in text for each in ids)
    assert "402-" not in text


# -- status


def stands(api) -> dict[str, dict]:
    return {each["channel"]: each for each in api.get("/v1/status").json()["channels"]}


def test_a_channel_is_new_then_ok_then_late_then_ok_again(any_erp, any_ledger, clock):
    assert stands(any_erp)["amazon_fr"]["state"] == "new"
    pulled(any_ledger, clock())
    told = stands(any_erp)["amazon_fr"]
    assert (told["state"], told["lag_seconds"], told["last_success_at"]) == ("ok", 0.0, "2026-11-02T09:30:00.000Z")
    assert told["next_run_at"] == "2026-11-02T09:35:00.000Z"
    clock.advance(minutes=18, seconds=1)
    assert stands(any_erp)["amazon_fr"]["state"] == "late"
    pulled(any_ledger, clock(), outcome="failed")
    assert stands(any_erp)["amazon_fr"]["last_success_at"] == "2026-11-02T09:30:00.000Z"
    pulled(any_ledger, clock())
    assert stands(any_erp)["amazon_fr"]["state"] == "ok"


def test_a_failing_connection_shows_in_its_channels_and_in_no_other(any_erp, any_ledger, clock):
    pulled(any_ledger, clock())
    pulled(any_ledger, clock(), channel="mirakl_de")
    problem = incidents.IncidentReport(
        scope="connection", subject="amazon_fr_seller", stage="pull", code="c", message="m"
    )
    with any_ledger.write() as connection:
        incidents.report(connection, problem, clock())
    assert {code: each["state"] for code, each in stands(any_erp).items()} == {
        "amazon_fr": "failing",
        "mirakl_de": "ok",
    }


def test_a_throttled_channel_is_pulled_after_the_wait(any_erp, any_ledger, clock):
    pulled(any_ledger, clock())
    row = {"connection": "amazon_fr_seller", "operation": "a", "tokens": 0.0, "refilled_at": clock(), "per_second": 1.0}
    with any_ledger.write() as connection:
        until = clock() + timedelta(minutes=12)
        connection.execute(sa.insert(quota_buckets), [{**row, "burst": 1, "blocked_until": until}])
    told = stands(any_erp)["amazon_fr"]
    assert (told["state"], told["next_run_at"]) == ("throttled", "2026-11-02T09:45:00.000Z")


def test_a_reader_of_one_channel_sees_that_one(german):
    assert list(stands(german)) == ["mirakl_de"]

"""One open incident per problem: counted while it lasts, resolved by a success or by hand, opened anew afterwards."""

from __future__ import annotations

import pytest
from structlog.contextvars import bound_contextvars

from warehouse.ledger.watch import activity, incidents
from warehouse.ledger.watch.incident_queries import IncidentFilter, find_incidents
from warehouse.ledger.watch.incidents import IncidentReport


def problem(**changes) -> IncidentReport:
    base = {"scope": "connection", "subject": "amazon_eu", "stage": "pull", "code": "throttled", "message": "slow down"}
    return IncidentReport(**(base | changes))


def test_the_same_problem_is_one_row_that_counts(any_ledger, clock):
    with any_ledger.write() as connection:
        for _ in range(3):
            incidents.report(connection, problem(), clock.advance(minutes=5))
        rows = find_incidents(connection)
    assert [(each.occurrences, each.code) for each in rows] == [(3, "throttled")]
    assert rows[0].first_seen_at < rows[0].last_seen_at


@pytest.mark.parametrize("change", [{"subject": "other"}, {"stage": "normalise"}, {"code": "x"}, {"order_id": "1"}])
def test_another_problem_is_another_row(any_ledger, clock, change):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        incidents.report(connection, problem(**change), clock())
        assert len(find_incidents(connection)) == 2


def test_a_success_resolves_its_stage_and_nothing_else(any_ledger, clock):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        incidents.report(connection, problem(stage="normalise"), clock())
        assert incidents.resolve(connection, "connection", ["amazon_eu"], ["pull"], clock()) == 1
        assert [each.stage for each in find_incidents(connection)] == ["normalise"]


def test_a_problem_that_comes_back_is_a_new_incident(any_ledger, clock):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        incidents.resolve(connection, "connection", ["amazon_eu"], ["pull"], clock())
        incidents.report(connection, problem(), clock())
        assert len(find_incidents(connection, IncidentFilter(is_open=None))) == 2
        assert [each.occurrences for each in find_incidents(connection)] == [1]


def test_by_hand_it_is_resolved_once_with_the_reason(any_ledger, clock):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        number = find_incidents(connection)[0].id
        assert incidents.resolve_by_hand(connection, number, "fixed by phone", clock())
        assert not incidents.resolve_by_hand(connection, number, "again", clock())
        assert find_incidents(connection, IncidentFilter(is_open=False))[0].resolution == "fixed by phone"


@pytest.mark.parametrize(
    ("stage", "code", "kind"),
    [
        ("pull", "throttled", "retrieval"),
        ("pull", "timeout", "connectivity"),
        ("normalise", "wrong_type", "normalisation"),
        ("watch", "stale", "staleness"),
        ("alerts", "timeout", "alerting"),
        ("elsewhere", "anything", "system"),
    ],
)
def test_the_kind_follows_from_stage_and_code(any_ledger, clock, stage, code, kind):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(stage=stage, code=code), clock())
        assert [each.kind for each in find_incidents(connection)] == [kind]


def test_cause_and_links_are_kept_and_the_latest_count(any_ledger, clock):
    with any_ledger.write() as connection:
        first = incidents.report(connection, problem(run_id="r1"), clock())
        again = incidents.report(connection, problem(run_id="r2", attempt_id="a", cause="two clients"), clock())
        (row,) = find_incidents(connection)
    assert first == again == row.id
    assert (row.run_id, row.attempt_id, row.file_id, row.cause) == ("r2", "a", "", "two clients")


def test_the_run_is_the_one_that_log_lines_name(any_ledger, clock):
    with bound_contextvars(run_id="r-9"), any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        assert [each.run_id for each in find_incidents(connection)] == ["r-9"]


def test_opening_and_resolving_are_in_the_log_and_counting_is_not(any_ledger, clock):
    with any_ledger.write() as connection:
        for _ in range(3):
            incidents.report(connection, problem(), clock.advance(minutes=1))
        incidents.resolve(connection, "connection", ["amazon_eu"], ["pull"], clock.advance(minutes=1))
        entries = activity.find_entries(connection)
    assert [(each.kind, each.level, each.connection) for each in entries] == [
        ("incident_resolved", "info", "amazon_eu"),
        ("incident_opened", "error", "amazon_eu"),
    ]

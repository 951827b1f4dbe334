"""One open incident per problem: counted while it lasts, resolved by a success or by hand, opened anew afterwards."""

from __future__ import annotations

import pytest

from warehouse.ledger import incidents
from warehouse.ledger.incidents import Report


def problem(**changes) -> Report:
    base = {"scope": "connection", "subject": "amazon_eu", "stage": "pull", "code": "throttled", "message": "slow down"}
    return Report(**(base | changes))


def test_the_same_problem_is_one_row_that_counts(any_ledger, clock):
    with any_ledger.write() as connection:
        for _ in range(3):
            incidents.report(connection, problem(), clock.advance(minutes=5))
        rows = incidents.listed(connection)
    assert [(each["occurrences"], each["code"]) for each in rows] == [(3, "throttled")]
    assert rows[0]["first_seen_at"] < rows[0]["last_seen_at"]


@pytest.mark.parametrize("change", [{"subject": "other"}, {"stage": "normalise"}, {"code": "x"}, {"order_id": "1"}])
def test_another_problem_is_another_row(any_ledger, clock, change):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        incidents.report(connection, problem(**change), clock())
        assert len(incidents.listed(connection)) == 2


def test_a_success_resolves_its_stage_and_nothing_else(any_ledger, clock):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        incidents.report(connection, problem(stage="normalise"), clock())
        assert incidents.resolve(connection, "connection", "amazon_eu", "pull", clock()) == 1
        assert [each["stage"] for each in incidents.listed(connection)] == ["normalise"]


def test_a_problem_that_comes_back_is_a_new_incident(any_ledger, clock):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        incidents.resolve(connection, "connection", "amazon_eu", "pull", clock())
        incidents.report(connection, problem(), clock())
        assert len(incidents.listed(connection, is_open=None)) == 2
        assert [each["occurrences"] for each in incidents.listed(connection)] == [1]


def test_by_hand_it_is_resolved_once_with_the_reason(any_ledger, clock):
    with any_ledger.write() as connection:
        incidents.report(connection, problem(), clock())
        number = incidents.listed(connection)[0]["id"]
        assert incidents.resolve_by_hand(connection, number, "fixed by phone", clock())
        assert not incidents.resolve_by_hand(connection, number, "again", clock())
        assert incidents.listed(connection, is_open=False)[0]["resolution"] == "fixed by phone"

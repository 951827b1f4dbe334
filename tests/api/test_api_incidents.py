"""Incidents one by one, the log, and closing by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders_api.schemas.incidents import Incident, IncidentPage, Logs
from warehouse.clock import iso
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import activity, incidents
from warehouse.ledger.watch.activity import ActivityEntry, Level


@pytest.fixture
def admin(as_token, issued, api_ledger, clock):
    return as_token(issued(api_ledger, clock(), "admin", Scope.ADMIN))


def test_a_stranger_sees_none_of_it(stranger):
    paths = ("/v1/incidents", "/v1/incidents/1", "/v1/logs")
    assert {stranger.get(path).status_code for path in paths} == {401}
    assert stranger.post("/v1/incidents/1/resolve", {"reason": "x"}).status_code == 401


@pytest.fixture
def troubles(api_ledger, clock):
    """Five incidents, one of them resolved."""
    with api_ledger.write() as connection:
        for subject, code in (("amazon_fr", "a"), ("amazon_fr", "b"), ("mirakl_de", "c")):
            trouble = incidents.IncidentReport(
                scope="channel", subject=subject, stage="pull", code=code, message="It broke."
            )
            incidents.report(connection, trouble, clock())
        for scope, subject in (("connection", "amazon_fr_seller"), ("system", "lake")):
            trouble = incidents.IncidentReport(
                scope=scope, subject=subject, stage="pull", code="d", message="It broke."
            )
            incidents.report(connection, trouble, clock())
        incidents.resolve(connection, "channel", ["amazon_fr"], ["pull"], clock(), codes=["a"])


def codes(response) -> list[str]:
    assert response.status_code == 200, response.text
    return [f"{each.subject}/{each.code}" for each in IncidentPage.model_validate_json(response.content).incidents]


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


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=retrieval&kind=disk", ["lake/d", "amazon_fr_seller/d", "mirakl_de/c", "amazon_fr/b"]),
        ("kind=disk", []),
        ("stage=pull&code=d", ["lake/d", "amazon_fr_seller/d"]),
        ("stage=confirm", []),
        ("order_id=elsewhere", []),
    ],
)
def test_incidents_are_filtered_by_what_they_say(erp, troubles, query, expected):
    assert codes(erp.get(f"/v1/incidents?{query}")) == expected


def test_an_unknown_kind_is_refused(erp):
    response = erp.get("/v1/incidents", kind="weather")
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (422, "kind")


def test_one_incident_is_read_with_its_kind_and_cause(erp, troubles):
    number = erp.get("/v1/incidents", code="b").json()["incidents"][0]["id"]
    found = Incident.model_validate_json(erp.get(f"/v1/incidents/{number}").content)
    assert (found.code, found.kind, found.subject) == ("b", "retrieval", "amazon_fr")


@pytest.mark.parametrize("number", ["0", "999999", "x", "1e3", "-1", "9" * 30])
def test_an_incident_that_is_not_there_is_404(erp, troubles, number):
    response = erp.get(f"/v1/incidents/{number}")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_incident")


def test_an_incident_of_another_channel_does_not_exist(german, erp, troubles):
    number = erp.get("/v1/incidents", code="b").json()["incidents"][0]["id"]
    assert german.get(f"/v1/incidents/{number}").status_code == 404


def test_it_is_resolved_by_hand_once_with_the_reason(admin, erp, troubles):
    number = erp.get("/v1/incidents", code="b").json()["incidents"][0]["id"]
    response = admin.post(f"/v1/incidents/{number}/resolve", {"reason": "Fixed by phone"})
    found = Incident.model_validate_json(response.content)
    assert (response.status_code, found.resolution) == (200, "Fixed by phone")
    assert found.resolved_at is not None
    again = admin.post(f"/v1/incidents/{number}/resolve", {"reason": "Again"})
    assert (again.status_code, again.json()["code"]) == (409, "incident_resolved")
    assert erp.get(f"/v1/incidents/{number}").json()["resolution"] == "Fixed by phone"


def test_somebody_looks_after_it_for_a_while(admin, erp, troubles, clock):
    number = erp.get("/v1/incidents", code="b").json()["incidents"][0]["id"]
    path, until = f"/v1/incidents/{number}/acknowledge", clock() + timedelta(hours=8)
    for wrong in (clock(), clock() + timedelta(days=31)):
        assert admin.post(path, {"until": wrong.isoformat()}).json()["errors"][0]["pointer"] == "/until"
    found = Incident.model_validate_json(admin.post(path, {"until": until.isoformat()}).content)
    assert (found.acknowledged_by, found.acknowledged_until, found.resolved_at) == ("admin", until, None)
    listed = [each["code"] for each in erp.get("/v1/incidents", state="acknowledged").json()["incidents"]]
    assert listed == ["b"]
    assert "b" in [each["code"] for each in erp.get("/v1/incidents", seen="today").json()["incidents"]]
    assert erp.get("/v1/incidents", seen="yesterday").json()["incidents"] == []
    clock.advance(hours=8)
    assert erp.get("/v1/incidents", state="acknowledged").json()["incidents"] == []
    admin.post(f"/v1/incidents/{number}/resolve", {"reason": "over"})
    again = admin.post(path, {"until": (clock() + timedelta(hours=1)).isoformat()})
    assert (again.status_code, again.json()["code"]) == (409, "incident_resolved")


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x", "more": 1}, {"reason": "x" * 1001}])
def test_without_a_reason_nothing_is_resolved(admin, troubles, body):
    response = admin.post("/v1/incidents/1/resolve", body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_resolving_needs_an_administrator(erp, troubles):
    response = erp.post("/v1/incidents/1/resolve", {"reason": "x"})
    assert (response.status_code, response.json()["code"]) == (403, "missing_scope")


# -- the log


@pytest.fixture
def logged(api_ledger, clock):
    """Five entries, a minute apart."""
    entries = [
        ActivityEntry(stage="pull", kind="a", text="A", connection="amazon_fr_seller"),
        ActivityEntry(stage="normalise", kind="b", text="B", channel="amazon_fr", order_id="o1"),
        ActivityEntry(stage="confirm", kind="c", text="C", channel="mirakl_de", order_id="o2", level=Level.WARNING),
        ActivityEntry(stage="alerts", kind="d", text="D", data={"message": "m"}),
        ActivityEntry(stage="pull", kind="e", text="E", channel="amazon_fr", level=Level.ERROR),
    ]
    for each in entries:
        with api_ledger.write() as connection:
            activity.record(connection, [each], clock.advance(minutes=1))


def kinds(response) -> str:
    assert response.status_code == 200, response.text
    return "".join(each.kind for each in Logs.model_validate_json(response.content).entries)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "edcba"),
        ("channel=amazon_fr", "eba"),
        ("channel=mirakl_de", "c"),
        ("order_id=o2", "c"),
        ("stage=pull&stage=alerts", "eda"),
        ("level=error", "e"),
        ("level=error&level=warning", "ec"),
        ("level=info", "dba"),
    ],
)
def test_the_log_is_filtered(erp, logged, query, expected):
    assert kinds(erp.get(f"/v1/logs?{query}")) == expected


def test_the_log_is_filtered_by_time(erp, logged, clock):
    since, until = iso(clock() - timedelta(minutes=3)), iso(clock() - timedelta(minutes=1))
    assert kinds(erp.get("/v1/logs", since=since)) == "edcb"
    assert kinds(erp.get("/v1/logs", until=until)) == "cba"
    assert kinds(erp.get("/v1/logs", since=since, until=until)) == "cb"
    assert kinds(erp.get("/v1/logs", since=iso(clock() + timedelta(days=1)))) == ""
    assert kinds(erp.get("/v1/logs", until=iso(clock() - timedelta(days=1)))) == ""


def test_the_log_comes_in_pages(erp, logged):
    first = erp.get("/v1/logs", limit=3)
    second = erp.request("GET", first.json()["next"])
    assert kinds(first) + kinds(second) == "edcba"
    assert second.json()["next"] is None
    cursor = first.json()["next"].partition("cursor=")[2]
    assert erp.get("/v1/logs", cursor=cursor, level="error").json()["code"] == "unknown_cursor"


def test_who_sees_one_channel_sees_its_entries_only(german, logged):
    assert kinds(german.get("/v1/logs")) == "c"
    assert german.get("/v1/logs", channel="amazon_fr").status_code == 404


def test_what_happens_to_an_order_is_in_the_log(erp, book, order):
    (own_id,) = book.put(order(1))
    erp.post("/v1/orders/acknowledgements", {"acknowledgements": [{"id": own_id, "outcome": "ok"}]})
    entries = erp.get("/v1/logs", order_id=own_id).json()["entries"]
    assert [(each["kind"], each["channel"], each["stage"]) for each in entries] == [
        ("acknowledged", "amazon_fr", "api"),
        ("order_received", "amazon_fr", "normalise"),
    ]
    assert "Canari" not in str(entries)

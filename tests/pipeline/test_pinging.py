"""The dead man's switch against a real HTTP server: what is told, and that its failure harms nothing."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from orders_pipeline.alerts.heartbeat import ping
from orders_pipeline.resources import InstallationSource
from orders_pipeline.sensors import ping_after_success
from warehouse.ledger.watch.incident_queries import find_incidents


class Monitor(HTTPServer):
    """A monitor that remembers what it was asked for, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.paths: list[str] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping/0c5e4c9a-secret"


class Answering(BaseHTTPRequestHandler):
    """Its requests."""

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def monitor():
    server = Monitor()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def watched(any_settings, open_installation, monitor, monkeypatch):
    monkeypatch.setenv("TEST_PING", monitor.url)
    return open_installation(any_settings.model_copy(update={"ping_urls": {"pull_orders": "env:TEST_PING"}}))


def open_incidents(installation) -> list[dict]:
    with installation.ledger.read() as transaction:
        return find_incidents(transaction)


def test_a_job_that_succeeded_is_told(watched, monitor):
    assert ping(watched, "pull_orders")
    assert monitor.paths == ["/ping/0c5e4c9a-secret"]
    assert open_incidents(watched) == []


def test_a_job_without_a_monitor_tells_nobody(watched, monitor):
    assert not ping(watched, "sweep_orders")
    assert monitor.paths == []


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_monitor_that_refuses_is_one_incident_until_it_hears_again(watched, monitor, status, caplog):
    monitor.status = status
    assert not ping(watched, "pull_orders")
    assert not ping(watched, "pull_orders")
    (found,) = open_incidents(watched)
    assert (found.code, found.subject, found.occurrences) == ("ping_failed", "pull_orders", 2)
    assert monitor.paths == ["/ping/0c5e4c9a-secret"] * 2  # no redirect is followed
    assert "secret" not in f"{found} {[vars(record) for record in caplog.records if record.name.startswith('orders')]}"
    monitor.status = 200
    assert ping(watched, "pull_orders")
    assert open_incidents(watched) == []


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("env:NOT_SET_ANYWHERE", "ping_url_missing"),
        ("file:not-there", "ping_url_missing"),
        ("http://monitor.example/x", "ping_url_invalid"),
        ("ftp://127.0.0.1/x", "ping_url_invalid"),
        ("https://monitor.example:port/", "ping_url_invalid"),
        ("http://127.0.0.1:9/x", "ping_failed"),
    ],
)
def test_a_url_that_leads_nowhere_is_an_incident(settings, open_installation, reference, code):
    installation = open_installation(settings.model_copy(update={"ping_urls": {"pull_orders": reference}}))
    assert not ping(installation, "pull_orders")
    assert [each.code for each in open_incidents(installation)] == [code]


def test_the_sensor_tells_of_a_run_that_succeeded(watched, monitor):
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="pull_orders")
    def job() -> None:
        nothing()

    with dg.instance_for_test() as instance:
        done = job.execute_in_process(instance=instance)
        event = next(each for each in done.all_events if each.event_type is dg.DagsterEventType.RUN_SUCCESS)
        watching = InstallationSource(lambda: contextlib.nullcontext(watched))
        context = dg.build_run_status_sensor_context(
            "s", event, instance, done.dagster_run, resources={"source": watching}
        )
        ping_after_success(context)
    assert len(monitor.paths) == 1

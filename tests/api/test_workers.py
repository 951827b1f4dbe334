"""`orders api` with several workers, as real processes: one API to whoever asks, whichever process answers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from orders_api.kit.rate_limits import RateLimiter
from orders_api.kit.shared_buckets import SharedBuckets
from tests.conftest import TEST_KEYS
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope
from warehouse.processes import MOST_ENDS, STEADY_SECONDS, Restarts

PATIENCE_SECONDS = 60
PER_MINUTE = 60


def until(condition, what: str):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(what)


@dataclass
class Running:
    """A running `orders api`.

    Attributes:
        process: The one that watches.
        port: Where it listens.
        log: What all of them write.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def serving(self) -> dict[str, int]:
        """The processes that serve, by what they are told; those of the API are numbered."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in sorted(map(int, listed))}
        workers = [pid for pid, line in lines.items() if "--listener" in line]
        consoles = [pid for pid, line in lines.items() if "--listener" not in line]
        numbered = [(f"api {number}", pid) for number, pid in enumerate(workers, 1)]
        return dict(numbered + [("console", pid) for pid in consoles])

    def is_up(self, path: str = "/healthz") -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=5).is_success
        except httpx.HTTPError:
            return False

    @contextlib.contextmanager
    def asking(self, worker: str, token: str | None = None):
        """A client whose connection that one worker has taken: nobody else could."""
        others = [pid for name, pid in self.serving().items() if name.startswith("api") and name != worker]
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30) as client:
            for each in others:
                os.kill(each, signal.SIGSTOP)
            try:
                assert client.get("/healthz").is_success
            finally:
                for each in others:
                    os.kill(each, signal.SIGCONT)
            yield client


@contextlib.contextmanager
def running(settings, log: Path, **more: str):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ORDERS_")},
        "ORDERS_HOME": str(settings.home),
        "ORDERS_KEYS": TEST_KEYS,
        "ORDERS_API_PORT": str(port),
        "ORDERS_API_WORKERS": "2",
        "ORDERS_LOG_FORMAT": "json",
        **({"ORDERS_DATABASE_URL": settings.database_url} if settings.database_url else {}),
        **more,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "orders_api"],
            env=environment,
            cwd=Path(__file__).parents[2],
            stdout=output,
            stderr=output,
        )
    found = Running(process, port, log)
    try:
        yield found
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def all_up(found: Running, count: int = 2) -> bool:
    """Whether each worker has said that it serves."""
    assert found.process.poll() is None, found.log.read_text()
    return found.log.read_text().count("Application startup complete") >= count


@pytest.fixture
def served(any_settings, any_book, tmp_path):
    with running(
        any_settings, tmp_path / "log", ORDERS_CONSOLE="off", ORDERS_API_REQUESTS_PER_MINUTE=str(PER_MINUTE)
    ) as found:
        until(lambda: all_up(found), "the workers do not start")
        yield found


def answered(client: httpx.Client) -> float:
    """How many requests for one order the API says that it has answered."""
    text = client.get("/metrics").raise_for_status().text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "orders_api_request_seconds_count" and sample.labels["route"] == "/v1/orders/{id}"
    )


@pytest.mark.slow
def test_two_workers_are_one_api(served, any_ledger, any_book, any_settings, order, issued, clock):
    """One limit, one effect of a key, one book of tokens, one sum of counts; and a worker that dies comes back."""
    any_book.put(order(1), order(2))
    now = clock()
    erp = issued(any_ledger, now, "erp", Scope.ORDERS_READ, Scope.SHIPMENTS_WRITE)
    watcher = issued(any_ledger, now, "prometheus", Scope.METRICS_READ)
    admin = issued(any_ledger, now, "admin", Scope.ADMIN)
    with served.asking("api 1", erp) as first, served.asking("api 2", erp) as second:
        [one, two] = [each["id"] for each in first.get("/v1/orders").json()["orders"]]
        metrics = {"Authorization": f"Bearer {watcher}"}
        for each, count in ((first, 3), (second, 5)):
            for _ in range(count):
                assert each.get(f"/v1/orders/{one}").is_success
        with httpx.Client(base_url=first.base_url, headers=metrics) as asking:
            assert answered(asking) == 8

        def report(at: httpx.Client) -> httpx.Response:
            sent = {"shipments": [{"id": one, "tracking_number": "T1", "carrier_code": "UPS"}]}
            return at.post("/v1/shipments", json=sent, headers={"Idempotency-Key": "the same"})

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(report, [first, second] * 4))
        assert {each.status_code for each in answers} <= {202, 409}
        assert sum(each.status_code == 202 and "idempotent-replayed" not in each.headers for each in answers) == 1
        assert {report(each).headers["idempotent-replayed"] for each in (first, second)} == {"true"}
        assert len(second.get("/v1/shipments").json()["shipments"]) == 1
        busy = {"Authorization": f"Bearer {issued(any_ledger, now, 'busy', Scope.ORDERS_READ)}"}
        began = time.monotonic()
        alternately = [(first, second)[number % 2].get("/v1/orders", headers=busy) for number in range(PER_MINUTE + 20)]
        admitted = sum(each.is_success for each in alternately)
        assert PER_MINUTE <= admitted <= PER_MINUTE + 1 + (time.monotonic() - began) * PER_MINUTE / 60

        with any_ledger.read() as transaction:
            [known] = [each for each in tokens.listed(transaction) if each.consumer == "erp"]
        revoked = first.delete(f"/v1/tokens/{known.id}", headers={"Authorization": f"Bearer {admin}"})
        assert revoked.is_success, revoked.text
        assert [each.get(f"/v1/orders/{two}").status_code for each in (second, first)] == [401, 401]

        os.kill(served.serving()["api 2"], signal.SIGKILL)
        with httpx.Client(base_url=first.base_url, headers=metrics) as asking:
            until(lambda: all_up(served, 3), "the worker that died is not started again")
            assert answered(asking) >= 8
    assert '"process_ended"' in served.log.read_text()


@pytest.mark.slow
def test_console_and_workers_share_an_address_and_a_stop_lets_requests_finish(
    settings, book, order, issued, api_ledger, clock, tmp_path
):
    [ordered] = book.put(order(1))
    token = issued(api_ledger, clock(), "erp", Scope.SHIPMENTS_WRITE)
    body = b'{"shipments": [{"id": "%s", "tracking_number": "T1", "carrier_code": "UPS"}]}' % ordered.encode()
    head = b"POST /v1/shipments HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n"
    head = head % (token.encode(), len(body)) + b"Content-Type: application/json\r\n\r\n"
    with running(settings, tmp_path / "log", TMPDIR=str(tmp_path)) as found:
        until(lambda: all_up(found) and found.is_up("/console/log-in"), "the workers do not start")
        assert sorted(found.serving()) == ["api 1", "api 2", "console"]
        with httpx.Client(base_url=f"http://127.0.0.1:{found.port}", timeout=30) as client:
            paths = ["/healthz", "/console/log-in", "/readyz", "/console/log-in", "/healthz"]
            assert [client.get(path).status_code for path in paths] == [200] * 5
        with socket.create_connection(("127.0.0.1", found.port), timeout=30) as connection:
            connection.sendall(head + body[:10])
            until(found.is_up, "it does not answer")  # and so it has read what was sent before
            found.process.terminate()
            until(lambda: not found.is_up(), "it goes on listening")
            connection.sendall(body[10:])
            assert connection.recv(65536).startswith(b"HTTP/1.1 202")
        assert found.process.wait(timeout=PATIENCE_SECONDS) == 0
    assert list(tmp_path.glob("orders-api-*")) == []


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(settings, api_ledger, tmp_path):
    with running(settings, tmp_path / "log", ORDERS_CONSOLE="off", TMPDIR=str(tmp_path)) as found:
        until(lambda: all_up(found), "the workers do not start")
        pids = found.serving().values()
        found.process.kill()
        until(lambda: not any(Path(f"/proc/{each}").exists() for each in pids), "workers without a parent live on")


def test_what_cannot_serve_is_not_tried_again(settings, api_ledger, tmp_path):
    with api_ledger.write() as transaction:
        transaction.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with running(settings, tmp_path / "log", ORDERS_CONSOLE="off") as found:
        assert found.process.wait(timeout=PATIENCE_SECONDS) == os.EX_CONFIG, found.log.read_text()
    assert "the API does not start: the ledger is of a newer release" in found.log.read_text()


def test_a_port_that_is_taken_is_told(settings, api_ledger, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(settings, tmp_path / "log", ORDERS_CONSOLE="off", ORDERS_API_PORT=port) as found:
            assert found.process.wait(timeout=PATIENCE_SECONDS) == 1
    assert f"127.0.0.1 port {port}" in found.log.read_text()


def test_a_bucket_is_one_whoever_takes_from_it(tmp_path):
    now = 1000.0
    limiters = [RateLimiter(4, lambda: now, SharedBuckets.below(tmp_path)) for _ in range(2)]
    limits = [limiters[number % 2].take("a token") for number in range(6)]
    assert [each.is_admitted for each in limits] == [True] * 4 + [False] * 2
    assert limits[-1].retry_after_seconds == 15
    assert limiters[0].take("another").is_admitted
    now += 15
    assert [each.take("a token").is_admitted for each in limiters] == [True, False]


def test_more_tokens_than_buckets_forget_the_idlest(tmp_path):
    """A bucket that gave way to others is a full one again; the newest are never lost."""
    now = 0.0
    limiter = RateLimiter(2, lambda: now, SharedBuckets.below(tmp_path))
    for number in range(30_000):
        now += 0.0001
        limiter.take(f"token {number}")
    assert [limiter.take("token 29999").is_admitted for _ in range(2)] == [True, False]


def test_pauses_grow_and_end():
    restarts = Restarts()
    assert [restarts.pause(1) for _ in range(MOST_ENDS)] == [1, 2, 4, 8, None]
    assert (restarts.pause(STEADY_SECONDS), restarts.pause(1)) == (1, 2)

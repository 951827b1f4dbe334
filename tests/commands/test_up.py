"""`orders up`: the processes of one machine come up, come back, and go together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from orders_pipeline.commands.children import free_port

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 120


def until(condition, what: str):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(what)


def answers(port: int, path: str = "/healthz") -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).is_success
    except httpx.HTTPError:
        return False


def descendants(pid: int) -> dict[int, str]:
    """Every process below this one, with its command line."""
    found: dict[int, str] = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            found |= descendants(int(child))
        except FileNotFoundError:
            continue
    return found


def test_everything_comes_up_comes_back_and_ends_together(tmp_path):
    api, dagster = free_port(0), free_port(0)
    command = [sys.executable, "-c", "from orders_pipeline.cli import main; main()"]
    options = ["up", "--port", str(api), "--dagster-port", str(dagster)]
    environment = {**os.environ, "ORDERS_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *options], env=environment, stdout=output, stderr=output, cwd=tmp_path)
    try:
        until(lambda: "ready after" in log.read_text() or process.poll() is not None, "it is never ready")
        said = log.read_text()
        assert f"http://127.0.0.1:{api}/docs" in said
        assert "next          write orders.yaml" in said
        assert str(tmp_path / "home" / "ledger.sqlite") in said
        started = descendants(process.pid)
        [console] = [pid for pid, line in started.items() if "orders_api console" in line]
        os.kill(console, signal.SIGKILL)
        until(lambda: "console has ended with -9" in log.read_text(), "nobody has seen the console die")
        until(lambda: answers(api, "/console/log-in"), "the console is not started again")
        [first] = [pid for pid, line in started.items() if "orders_api api" in line]
        os.kill(first, signal.SIGKILL)
        until(lambda: not answers(api), "the API has not died")
        until(lambda: answers(api), "the API is not started again")
        assert "api has ended with -9" in log.read_text()
        started |= descendants(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert process.returncode == 0, log.read_text()[-3000:]
    assert [line for pid, line in started.items() if Path(f"/proc/{pid}").exists()] == []


def test_api_and_console_end_with_a_command_that_is_killed(tmp_path):
    """By themselves: nobody is left who could stop them."""
    port = free_port(0)
    command = [sys.executable, "-c", "from orders_pipeline.cli import main; main()", "up", "--port", str(port)]
    environment = {**os.environ, "ORDERS_HOME": str(tmp_path / "home"), "ORDERS_API_WORKERS": "2", "NO_COLOR": "1"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=tmp_path)
    try:
        until(lambda: answers(port) and answers(port, "/console/log-in"), "it is never up")
        started = descendants(process.pid)
        serving = [pid for pid, line in started.items() if "orders_api" in line]
        assert len(serving) == 4, started  # the console, two workers and who watches these
    finally:
        process.kill()
        process.wait(timeout=60)
    try:
        until(lambda: not any(map(command_line, serving)), "something still serves")
    finally:
        for pid, line in started.items():
            if command_line(pid) == line:
                os.kill(pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    """Empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except FileNotFoundError:
        return ""


def test_a_port_that_is_taken_is_named(orders):

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        refused = orders("up", "--port", str(port))
    assert refused.returncode == 2
    assert f"port {port} is taken" in refused.stderr

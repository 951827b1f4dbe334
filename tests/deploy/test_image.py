"""What the image would run, as it would: uid 10001, no capability, a tree that is read-only but for ORDERS_HOME and /tmp.

No image is built here. The commands are those of the manifests, the programs those of this environment.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from orders_pipeline.commands.children import free_port
from tests.conftest import TEST_KEYS
from tests.deploy.conftest import DEPLOY, ROOT, program
from tests.deploy.test_names import USER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0
        or subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0,
        reason="only root may make file systems read-only, and not in every container",
    ),
]
PATIENCE_SECONDS = 120
HOME = "/srv"
"""Where ORDERS_HOME is mounted: an empty folder of every system."""
ENTER = r"""
set -e
umask 022
mount --bind "$OWN" /srv
mount --bind "$ROOT" /mnt  # either may be below /tmp
mount -t tmpfs -o mode=1777 scratch /tmp
if [ -n "$HIDDEN" ]; then  # Python is in a home that its user alone may enter
    mkdir /tmp/.python && mount --bind "$PYTHON" /tmp/.python
    mount -t tmpfs -o mode=755 shown "$HIDDEN" && mkdir -p "$PYTHON" && mount --bind /tmp/.python "$PYTHON"
fi
mkdir -p "$ROOT" && mount --bind /mnt "$ROOT" && mount -o remount,bind,ro "$ROOT" && umount /mnt
mount -o remount,bind,ro /
cd /tmp
exec setpriv --reuid=10001 --regid=10001 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \
    env -i $VARIABLES "$@"
"""


def hidden_parent(path: Path) -> str:
    """The topmost parent that others may not enter; or ""."""
    return next((str(each) for each in reversed(path.parents) if not each.stat().st_mode & 0o001), "")


class Pod:
    """A place where commands run as in a pod: its own ORDERS_HOME, the settings of the manifests."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True, mode=0o700)
        (self.home / "secrets").mkdir()
        (self.home / "secrets" / "ORDERS_DATABASE_URL").write_text(database_url)
        (self.home / "secrets" / "keys").write_text(TEST_KEYS)
        for each in (self.home, *self.home.rglob("*")):
            os.chown(each, USER, USER)
        celery = self.home / "celery"  # as the Dockerfile puts it together
        celery.mkdir()
        shutil.copy(DEPLOY / "dagster-celery.yaml", celery / "dagster.yaml")
        shutil.copy(DEPLOY / "celery" / "dagster_celery_config.py", celery)
        for each in (celery, *celery.iterdir()):  # whatever an earlier test has made of this process's umask
            each.chmod(0o755)
        shown = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DAGSTER_HOME": f"{HOME}/celery",
            "PYTHONPATH": f"{HOME}/celery",
            "ORDERS_HOME": HOME,
            "ORDERS_SECRETS_DIR": f"{HOME}/secrets",
            "ORDERS_KEYS_FILE": f"{HOME}/secrets/keys",
            "ORDERS_MIGRATE": "never",
            "ORDERS_LAKE_DATA": f"{HOME}/lake",
            "CELERY_BROKER_URL": f"{redis_url}/0",
            "CELERY_RESULT_BACKEND": f"{redis_url}/1",
        }
        self.variables = shown

    def start(self, command: list[str], log: Path, **more: str) -> subprocess.Popen[bytes]:
        variables = " ".join(f"{name}={value}" for name, value in (self.variables | more).items())
        with log.open("wb") as output:
            return subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", *command],
                env={
                    "PATH": os.environ["PATH"],
                    "VARIABLES": variables,
                    "OWN": str(self.home),
                    "ROOT": str(ROOT),
                    "PYTHON": sys.base_prefix,
                    "HIDDEN": hidden_parent(Path(sys.base_prefix)),
                },
                stdout=output,
                stderr=output,
            )

    def run(self, command: list[str]) -> str:
        log = self.folder / "command.log"
        process = self.start(command, log)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0, log.read_text()
        return log.read_text()

    @contextlib.contextmanager
    def running(self, command: list[str], **more: str):
        """A command that is stopped in the end, and must stop in time."""
        log = self.folder / f"{Path(command[0]).name}.log"
        process = self.start(command, log, **more)
        try:
            yield log
            assert process.poll() is None, log.read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                pytest.fail(f"{command} goes on after SIGTERM: {log.read_text()[-2000:]}")


def until(condition, log: Path):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            found = condition()
            if found:
                return found
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


@pytest.fixture(scope="module")
def commands() -> dict[str, list[str]]:
    files = [*DEPLOY.glob("kubernetes/base/*.yaml"), DEPLOY / "kubernetes/overlays/celery/worker.yaml"]
    found = [
        each for path in files for each in yaml.safe_load_all(path.read_text()) if "template" in each.get("spec", {})
    ]
    return {
        each["metadata"]["name"].removeprefix("orders-"): each["spec"]["template"]["spec"]["containers"][0]["command"]
        for each in found
    }


@pytest.fixture
def redis_url(tmp_path):
    port = free_port(0)
    command = [program("redis-server", "redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        yield f"redis://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture
def pod(postgresql_url, redis_url, tmp_path):
    return Pod(tmp_path / "one", postgresql_url, redis_url)


LAUNCH = """
mutation Launch($job: String!) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "orders_pipeline.definitions", repositoryName: "__repository__", jobName: $job
    }
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
STATE = """
query State($run: ID!) {
  runOrError(runId: $run) { ... on Run { status events: eventConnection {
    events { ... on LogsCapturedEvent { fileKey } }
  } } }
}
"""
PRINTED = """
query Printed($key: [String!]!) { capturedLogs(logKey: $key) { stderr } }
"""


def test_the_image_would_work_without_a_right_too_many(pod, commands, postgresql_url, redis_url, tmp_path):
    """Migrations, the API, the pipeline with a tick that a worker carries out, and Dagster's pages, which show its output."""
    refused = pod.start(["touch", f"{ROOT}/x", "/x"], tmp_path / "refused")
    assert refused.wait() != 0
    assert (tmp_path / "refused").read_text().count("Read-only file system") == 2

    assert "the ledger is at migration" in pod.run(commands["migrate"])
    port, pages_port = free_port(0), free_port(0)
    with pod.running(commands["api"], ORDERS_API_PORT=str(port)) as log:
        checks = until(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").raise_for_status().json(), log)["checks"]
        assert checks == ["ledger", "schema", "keys", "disk"]

    other = Pod(tmp_path / "two", postgresql_url, redis_url)
    pages = [str(pages_port) if word == "3000" else word for word in commands["webserver"]]
    with (
        pod.running(commands["daemon"]) as log,
        pod.running(pages) as pages_log,
        other.running(commands["worker"]) as worker_log,
    ):

        def ask(query: str, **variables: object):
            answer = httpx.post(
                f"http://127.0.0.1:{pages_port}/graphql", json={"query": query, "variables": variables}, timeout=60
            )
            return answer.raise_for_status().json()["data"]

        launched = until(lambda: ask(LAUNCH, job="pull_orders")["launchRun"], pages_log)
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run = launched["run"]["runId"]

        def ended():
            state = ask(STATE, run=run)["runOrError"]
            return state if state["status"] in {"SUCCESS", "FAILURE"} else None

        state = until(ended, log)
        assert state["status"] == "SUCCESS", worker_log.read_text()[-3000:]
        [key] = {each["fileKey"] for each in state["events"]["events"] if "fileKey" in each}
        shown = until(lambda: ask(PRINTED, key=[run, "compute_logs", key])["capturedLogs"]["stderr"], worker_log)
        assert "pull_orders" in shown
        assert list(other.home.glob("dagster/storage/*")) != []

"""The confirmation campaign: an ERP reports shipments over the API while everything is killed, paused and cut off.

`python -m tests.faults.confirmation_campaign [--full] [--seed N]` prints the figures; a test runs a small one.
Sandbox marketplaces run in this process; the API and the senders are processes that are killed with SIGKILL and paused with
SIGSTOP at random instants. Time can be moved ahead, so that claims and pauses of minutes run out at once. What came of it is
judged by `confirmation_checker`, which reads only what an outsider can.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import util
from pathlib import Path
from random import Random
from typing import Any

import httpx
import sqlalchemy as sa

from orders_pipeline.installation import Installation
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.stages import confirm, normalise
from orders_pipeline.stages import pull as pulling
from tests.faults.confirmation_checker import Findings, check, edited_packages, ordered_units
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.settings import tokens
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings

ROOT = Path(__file__).parents[2]
KEYS = "test:" + "A" * 43 + "="
START_SECONDS = 30.0
QUIET_ROUNDS = 40


def _load(name: str, path: Path) -> Any:
    spec = util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


world = _load("campaign_world", ROOT / "tests" / "pipeline" / "conftest.py")


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        orders: Orders made up at each marketplace.
        shipments: Shipments reported at least.
        sender_kills, api_kills: SIGKILLs of either.
        zombies: Senders paused while another one works, and woken up.
        pairs: Rounds of two senders at once.
    """

    orders: int
    shipments: int
    sender_kills: int
    api_kills: int
    zombies: int
    pairs: int


SMALL = Size(orders=110, shipments=60, sender_kills=10, api_kills=4, zombies=2, pairs=1)
FULL = Size(orders=2600, shipments=1050, sender_kills=150, api_kills=50, zombies=20, pairs=15)

FAULTS = (
    Fault(FaultKind.DROPPED, operation="confirmShipment", probability=0.06, count=None),
    Fault(FaultKind.DROPPED, operation="ST01", probability=0.3, count=None),
    Fault(FaultKind.DROPPED_BEFORE, probability=0.03, count=None),
    Fault(FaultKind.ERROR_HTML, probability=0.03, count=None),
    Fault(FaultKind.OK_EMPTY, operation="confirmShipment", probability=0.02, count=None),
    Fault(FaultKind.OK_HTML, operation="ST01", probability=0.05, count=None),
    Fault(FaultKind.THROTTLED, probability=0.03, count=None, seconds=1.0),
    Fault(FaultKind.EXPIRE_TOKEN, operation="confirmShipment", probability=0.02, count=None),
)
"""Answers lost after they were applied, connections cut before, outages in HTML, 429s, tokens that end early."""


class Server:
    """The helper that forks a sender for each line."""

    def __init__(self, environment: dict[str, str], offset_file: Path, log: Path) -> None:
        self._environment = environment
        self._offset_file = offset_file
        self._log = log.open("wb")
        self._helper = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("sender_server.py"))],
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            cwd=log.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def begin(self, *, pull: bool = False) -> int:
        """Start a sender and return its process id."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        command = {"environment": self._environment, "offset_file": str(self._offset_file), "pull": pull}
        self._helper.stdin.write(json.dumps(command) + "\n")
        self._helper.stdin.flush()
        return int(self._helper.stdout.readline())

    def end(self) -> int:
        """Wait for the sender; 0 when it came to its end, minus the signal when it was killed."""
        assert self._helper.stdout is not None
        return os.waitstatus_to_exitcode(int(self._helper.stdout.readline()))

    def run(self, *, pull: bool = False) -> float:
        """One whole run; returns its seconds."""
        began = time.monotonic()
        self.begin(pull=pull)
        status = self.end()
        assert status == 0, status
        return time.monotonic() - began

    def close(self) -> None:
        """End the helper."""
        assert self._helper.stdin is not None
        self._helper.stdin.close()
        self._helper.wait(timeout=30)
        assert self._helper.stdout is not None
        self._helper.stdout.close()
        self._log.close()


class Api:
    """The Orders API as a process that is killed and started again."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(ROOT), "ORDERS_API_PORT": str(self.port)}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orders_api"],
                cwd=self._log.parent,
                env=self._environment,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz", timeout=2).is_success:
                    return
            time.sleep(0.02)
        raise TimeoutError("the API did not start")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@dataclass
class Erp:
    """The client: reports batches, tries again with the same key until it is answered, and keeps a log of what was answered."""

    url: str
    token: str
    log: Path
    chance: Random
    answered: Counter[str] = field(default_factory=Counter)

    def report(self, batch: list[dict[str, Any]], key: str) -> None:
        """Report until there is an answer; a 2xx is written down before anything else happens."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
        while True:
            try:
                answer = httpx.post(f"{self.url}/v1/shipments", json={"shipments": batch}, headers=headers, timeout=30)
            except httpx.HTTPError:
                self.answered["no answer"] += 1
                time.sleep(0.05)
                continue
            self.answered[str(answer.status_code)] += 1
            if answer.status_code in {409, 503}:
                time.sleep(0.05)
                continue
            if not answer.is_success:
                raise AssertionError(f"{answer.status_code}: {answer.text[:2000]}")
            self._write(batch, answer.json()["results"])
            return

    def _write(self, batch: list[dict[str, Any]], results: list[dict[str, Any]]) -> None:
        refused = [each for each in results if each["result"] == "refused"]
        assert not refused, refused[:3]
        with self.log.open("a") as log:
            for asked, result in zip(batch, results, strict=True):
                row = {name: asked[name] for name in ("original_id", "tracking_number")}
                log.write(json.dumps({**row, "shipment_id": result["shipment_id"]}) + "\n")
            log.flush()
            os.fsync(log.fileno())


@dataclass
class Figures:
    """What was done, and what came of it."""

    seed: int
    shipments: int = 0
    sender_kills: int = 0
    api_kills: int = 0
    zombies: int = 0
    pairs: int = 0
    others: int = 0
    seconds: float = 0.0
    findings: Findings | None = None
    answered: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        answers = ", ".join(f"{name} {count}" for name, count in sorted(self.answered.items()))
        return (
            f"seed {self.seed}: {self.shipments} shipments, {self.sender_kills} senders killed, {self.api_kills} APIs killed, "
            f"{self.zombies} zombies, {self.pairs} pairs of senders, {self.others} packages of other tools, "
            f"{self.seconds:.0f} s\n"
            f"the client was answered: {answers}\nfaults: {faults}\n{self.findings}"
        )


class Campaign:
    """One campaign in a folder of its own."""

    def __init__(
        self, folder: Path, size: Size, seed: int, say: Callable[[str], None], database_url: str | None = None
    ) -> None:
        self.folder = folder
        self.size = size
        self.chance = Random(seed)
        self.say = say
        self.others: dict[str, dict[str, Any]] = {}
        self.figures = Figures(seed)
        self.offset_file = folder / "offset"
        self.offset_file.write_text("0")
        self.environment = {**world.CREDENTIALS, "ORDERS_HOME": str(folder / "home"), "ORDERS_KEYS": KEYS}
        self.environment["ORDERS_API_REQUESTS_PER_MINUTE"] = "1000000"
        if database_url is not None:
            self.environment["ORDERS_DATABASE_URL"] = database_url
        self.settings = Settings(_env_file=None, home=folder / "home", keys=KEYS, database_url=database_url)

    def now(self) -> datetime:
        """The campaign's time."""
        return datetime.now(UTC) + timedelta(seconds=float(self.offset_file.read_text()))

    def advance(self, seconds: float) -> None:
        """Let time pass at once, for everybody but the API."""
        written = self.offset_file.with_suffix(".new")
        written.write_text(str(float(self.offset_file.read_text()) + seconds))
        written.replace(self.offset_file)

    def run(self) -> Figures:
        """Everything, in turn: orders, reports under fire, senders under fire, peace, judgement."""
        began = time.monotonic()
        with world.serving(self.now) as marketplaces, contextlib.ExitStack() as stack:
            self.marketplaces = marketplaces
            token = self._set_up()
            self.api = Api(self.environment, self.folder / "api.log")
            self.api.start()
            stack.callback(self.api.kill)
            self.first = Server(self.environment, self.offset_file, self.folder / "first.log")
            stack.callback(self.first.close)
            self.second = Server(self.environment, self.offset_file, self.folder / "second.log")
            stack.callback(self.second.close)
            self.erp = Erp(self.api.url, token, self.folder / "acknowledged", self.chance)
            self._trouble()
            self._peace()
            self._judge(token)
        self.figures.seconds = time.monotonic() - began
        return self.figures

    # -- the world

    def _set_up(self) -> str:
        for name, value in world.CREDENTIALS.items():
            os.environ.setdefault(name, value)
        ledger = open_ledger(self.settings)
        self.say(f"{self.size.orders} orders at each marketplace")
        self.marketplaces.generate(self.size.orders, days=0.8)
        self.marketplaces.connect(ledger, self.now())
        installation = Installation(self.settings, ledger, open_key_ring(self.settings), self.now)
        self._others_ship(1)
        pulling.pull_all(installation)
        normalise.normalise_pending(installation)
        self._others_ship(3)  # these the book does not know of yet when the ERP reports
        with ledger.write() as connection:
            connection.execute(sa.update(schema.channels).values(confirmation=True))
            scopes = [tokens.Scope.ORDERS_READ, tokens.Scope.SHIPMENTS_WRITE]
            token = tokens.create(connection, "erp", scopes, None, None, self.now())[1]
        confirm.confirm_all(installation)  # learns what shipments need
        self.batches = list(self._batches(ledger))
        self.figures.shipments = sum(len(each) for each in self.batches)
        ledger.close()
        return token

    def _others_ship(self, place: int) -> None:
        """Another tool ships a unit of every fourth Amazon order that has several."""
        amazon = self.marketplaces.amazon
        for number, each in enumerate(amazon.truth()):
            order = each["order"]
            line = next((line for line in order["orderItems"] if line["quantityOrdered"] > 1), None)
            whole = order["fulfillment"]
            is_open = whole.get("fulfilledBy") == "MERCHANT" and whole.get("fulfillmentStatus") == "UNSHIPPED"
            if number % 4 != place or line is None or not is_open:
                continue
            request = AdvanceRequest("ship", order_ids=(each["id"],), quantities={line["orderItemId"]: 1})
            if amazon.advance(request).advanced:
                self.others[each["id"]] = copy.deepcopy(amazon.records[each["id"]].order["packages"][-1])

    def _left(self, original_id: str, line: str, ordered: int) -> int:
        package = self.others.get(original_id, {"packageItems": ()})
        return ordered - sum(item["quantity"] for item in package["packageItems"] if item["orderItemId"] == line)

    def _batches(self, ledger: Any) -> Iterator[list[dict[str, Any]]]:
        """What the ERP will report: whole orders, orders in two packages, and orders of which one unit leaves first."""
        book, lines = schema.orders, schema.order_lines
        query = (
            sa.select(
                book.c.original_id,
                book.c.channel,
                book.c.status,
                lines.c.original_id.label("line"),
                lines.c.quantity_ordered,
            )
            .join_from(book, lines)
            .where(
                book.c.status.in_(("WAITING_FOR_SHIPMENT", "PARTIALLY_SHIPPED")),
                book.c.fulfilled_by == "merchant",
                ~book.c.facts.contains("FBM_SHIP_PLUS"),
                ~book.c.facts.contains('"quantity_cancelled":1'),
            )
            .order_by(book.c.id, lines.c.number)
        )
        orders: dict[tuple[str, str], list[tuple[str, int]]] = {}
        with ledger.read() as connection:
            for row in connection.execute(query):
                if row.status != "WAITING_FOR_SHIPMENT" and row.original_id not in self.others:
                    continue
                left = self._left(row.original_id, row.line, row.quantity_ordered)
                orders.setdefault((row.channel, row.original_id), []).append((row.line, left))
        not_ours = {
            each["order"]["order_id"]
            for each in self.marketplaces.mirakl.truth()
            if each["order"].get("can_shop_ship") is False
        }
        reports = [each for key, own in orders.items() if key[1] not in not_ours for each in self._reports(*key, own)]
        first, later = (
            [each for each in reports if each["package_id"] == "1"],
            [each for each in reports if each["package_id"] != "1"],
        )
        chosen = (first + later)[: self.size.shipments]
        assert len(chosen) == self.size.shipments, f"only {len(chosen)} shipments can be made"
        while chosen:
            count = self.chance.choice((1, 1, 3, 10, 20))
            yield chosen[:count]
            chosen = chosen[count:]

    def _reports(self, channel: str, original_id: str, lines: list[tuple[str, int]]) -> Iterator[dict[str, Any]]:
        base = {
            "channel": channel,
            "original_id": original_id,
            "carrier_code": self.chance.choice(("DHL", "UPS", "Corner Shop")),
        }
        units = sum(quantity for _, quantity in lines)
        if original_id in self.others:
            rest = [{"item_original_id": line, "item_quantity_shipped": left} for line, left in lines if left]
            yield {**base, "package_id": "1", "tracking_number": f"R-{original_id}", "items": rest}
        elif units > 1 and self.chance.random() < 0.7:
            line, _ = lines[0]
            part = [{"item_original_id": line, "item_quantity_shipped": 1}]
            yield {**base, "package_id": "1", "tracking_number": f"A-{original_id}", "items": part}
            yield {**base, "package_id": "2", "tracking_number": f"B-{original_id}"}
        else:
            yield {**base, "package_id": "1", "tracking_number": f"W-{original_id}"}

    # -- trouble

    def _trouble(self) -> None:
        for sandbox in (self.marketplaces.amazon, self.marketplaces.mirakl):
            with sandbox.lock:
                for fault in FAULTS:
                    if fault.operation in {"*", *(each.name for each in sandbox.operations)}:
                        sandbox.add_fault(fault)
        self.say("reporting and sending under fire")
        reporting = threading.Thread(target=self._report)
        killing = threading.Thread(target=self._kill_the_api, args=(reporting,))
        self.failure: BaseException | None = None
        reporting.start()
        killing.start()
        rounds = self.size.sender_kills + self.size.zombies + self.size.pairs
        plan = ["kill"] * self.size.sender_kills + ["zombie"] * self.size.zombies + ["pair"] * self.size.pairs
        self.chance.shuffle(plan)
        for number, what in enumerate(plan):
            if number % 25 == 0:
                self.say(f"{number} of {rounds}")
            {"kill": self._kill, "zombie": self._zombie, "pair": self._pair}[what]()
            self.advance(self.chance.choice((1, 30, 130, 310)))
        reporting.join()
        killing.join()
        if self.failure is not None:
            raise self.failure

    def _report(self) -> None:
        try:
            for number, batch in enumerate(self.batches):
                self.erp.report(batch, f"batch-{number}")
                time.sleep(self.chance.uniform(0.0, 0.1))
        except BaseException as failure:  # noqa: BLE001 - told in the main thread
            self.failure = failure

    def _kill_the_api(self, reporting: threading.Thread) -> None:
        while reporting.is_alive() and self.figures.api_kills < self.size.api_kills:
            time.sleep(self.chance.uniform(0.05, 0.6))
            self.api.kill()
            self.figures.api_kills += 1
            self.api.start()

    def _kill(self) -> None:
        pid = self.first.begin()
        time.sleep(self.chance.uniform(0.0, 0.35))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.figures.sender_kills += self.first.end() == -signal.SIGKILL

    def _zombie(self) -> None:
        """A sender is paused, its time runs out, another one takes over; then it wakes up.

        A sender that is paused while it holds SQLite's one write lock stops everybody: it goes on until it has given it back.
        """
        pid = self.first.begin()
        time.sleep(self.chance.uniform(0.02, 0.25))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            while not self._is_writable():
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.002)
                os.kill(pid, signal.SIGSTOP)
        for seconds in (120, 310):
            self.advance(seconds)
            self.second.run()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        self.first.end()
        self.figures.zombies += 1

    def _is_writable(self) -> bool:
        if self.settings.is_postgresql:
            engine = sa.create_engine(self.settings.ledger_url, connect_args={"options": "-c lock_timeout=300"})
        else:
            engine = sa.create_engine(self.settings.ledger_url, connect_args={"timeout": 0.3})
        try:
            with engine.begin() as connection:
                connection.execute(
                    sa.update(schema.marks).where(schema.marks.c.name == "position").values(value=schema.marks.c.value)
                )
        except sa.exc.OperationalError:
            return False
        finally:
            engine.dispose()
        return True

    def _pair(self) -> None:
        self.first.begin()
        self.second.begin()
        self.first.end()
        self.second.end()
        self.figures.pairs += 1

    # -- peace and judgement

    def _peace(self) -> None:
        self.say("faults off; until nothing waits any more")
        for sandbox in (self.marketplaces.amazon, self.marketplaces.mirakl):
            with sandbox.lock:
                for each in sandbox.faults.listing():
                    self.figures.faults[each["kind"]] += each["fired"]
                sandbox.clear_faults()
        for _ in range(QUIET_ROUNDS):
            self.advance(15 * 60)
            self.first.run(pull=True)
            if not self._open_shipments():
                return

    def _open_shipments(self) -> int:
        ledger = open_ledger(self.settings)
        query = sa.select(sa.func.count()).where(
            schema.shipments.c.status.in_(["queued", "sending", "in_doubt", "sent"])
        )
        with ledger.read() as connection:
            count = int(connection.execute(query).scalar_one())
        ledger.close()
        return count

    def _judge(self, token: str) -> None:
        truth = [*self.marketplaces.amazon.truth(), *self.marketplaces.mirakl.truth()]
        journals = [self.marketplaces.amazon.journal, self.marketplaces.mirakl.journal]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self.api.url, headers=headers, timeout=60) as client:
            findings = check(self.folder / "acknowledged", journals, ordered_units(truth), client)
        findings.edited.extend(edited_packages(self.others, self.marketplaces.amazon.truth()))
        self.figures.findings = findings
        self.figures.others = len(self.others)
        self.figures.answered = self.erp.answered


def main() -> int:
    """Run one campaign and print its figures; 1 when something was lost, doubled, over-shipped or stuck."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="More than a thousand shipments and two hundred kills.")
    parser.add_argument("--seed", type=int, default=20261124)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="orders-campaign-") as folder:
        campaign = Campaign(
            Path(folder),
            FULL if asked.full else SMALL,
            asked.seed,
            lambda text: print(text, file=sys.stderr),  # noqa: T201 - progress
        )
        figures = campaign.run()
    print(figures)  # noqa: T201 - the result
    findings = figures.findings
    assert findings is not None
    for name in ("lost", "doubled", "over_shipped", "edited", "stuck", "rejected"):
        for each in getattr(findings, name)[:20]:
            print(f"  {name}: {each}")  # noqa: T201 - the result
    return 0 if findings.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())

"""The confirmation campaign: an ERP reports shipments over the API while everything is killed, paused and cut off.

`python -m tests.faults.confirmation_campaign [--full] [--seed N]` prints the figures; a test runs a small one.
Sandbox marketplaces run in this process; the API and the senders are processes that are killed with SIGKILL and paused with
SIGSTOP at random instants. Time can be moved ahead, so that claims and pauses of minutes run out at once. What came of it is
judged by `confirmation_checker`, which reads only what an outsider can.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import httpx
import sqlalchemy as sa

from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.registry import KINDS
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest, HeldOrder, HeldPackage
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.registry import SANDBOXES
from orders_pipeline.sandbox.server import running
from orders_pipeline.stages import accept, confirm, normalise
from orders_pipeline.stages import pull as pulling
from tests.faults.confirmation_checker import Findings, check, edited_packages
from tests.faults.forks import ROOT, ForkingProgram
from tests.simulation.world import Place, account_of, channel_entry, connection_entry, secrets_of
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import Ledger, open_ledger
from warehouse.ledger.settings import configuration, tokens
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.settings.kinds import keep_kinds
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings

SETTLED_SECONDS = 900.0
"""Made-up orders are at least this old, so that the marketplaces' own lag hides none."""
KEYS = "test:" + "A" * 43 + "="
START_SECONDS = 30.0
QUIET_ROUNDS = 40


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        orders: Orders made up for each channel.
        shipments: Shipments reported, a like number at each marketplace.
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


SMALL = Size(orders=18, shipments=60, sender_kills=10, api_kills=4, zombies=2, pairs=1)
FULL = Size(orders=420, shipments=1050, sender_kills=150, api_kills=50, zombies=20, pairs=15)

CONFIRMING = "confirming"
"""Stands for the operation by which a marketplace is told of a package."""
FAULTS = (
    Fault(FaultKind.DROPPED, operation=CONFIRMING, probability=0.1, count=None),
    Fault(FaultKind.DROPPED_BEFORE, probability=0.03, count=None),
    Fault(FaultKind.ERROR_HTML, probability=0.03, count=None),
    Fault(FaultKind.OK_EMPTY, operation=CONFIRMING, probability=0.02, count=None),
    Fault(FaultKind.OK_HTML, operation=CONFIRMING, probability=0.03, count=None),
    Fault(FaultKind.THROTTLED, probability=0.03, count=None, seconds=1.0),
    Fault(FaultKind.EXPIRE_TOKEN, operation=CONFIRMING, probability=0.02, count=None),
)
"""Answers lost after they were applied, connections cut before, outages in HTML, 429s, tokens that end early."""


class Server:
    """Forks a sender when it is told to."""

    def __init__(self, environment: dict[str, str], offset_file: Path, log: Path) -> None:
        self._given = {"environment": environment, "offset_file": str(offset_file)}
        self._program = ForkingProgram("sender_server", log, environment)
        self.end, self.close = self._program.end, self._program.close

    def begin(self, *, pull: bool = False) -> int:
        """Start a sender and return its process id."""
        return self._program.begin({**self._given, "pull": pull})

    def run(self, *, pull: bool = False) -> float:
        """One whole run; returns its seconds."""
        began = time.monotonic()
        self.begin(pull=pull)
        status = self.end()
        assert status == 0, status
        return time.monotonic() - began


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
        self.sandboxes = {kind: made(seed=1, rate_factor=math.inf, clock=self.now) for kind, made in SANDBOXES.items()}
        self.others: dict[str, HeldPackage] = {}
        self.expected: dict[tuple[str, str], dict[str, int]] = {}
        self.reported = 0
        self.figures = Figures(seed)
        self.offset_file = folder / "offset"
        self.offset_file.write_text("0")
        self.environment = {
            **secrets_of(self.sandboxes.values()),
            "ORDERS_HOME": str(folder / "home"),
            "ORDERS_KEYS": KEYS,
        }
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
        with contextlib.ExitStack() as stack:
            addresses = {kind: stack.enter_context(running(create_app(each))) for kind, each in self.sandboxes.items()}
            token = self._set_up(addresses)
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

    def _set_up(self, addresses: Mapping[str, str]) -> str:
        os.environ.update(secrets_of(self.sandboxes.values()))
        ledger = open_ledger(self.settings)
        self.say(f"{self.size.orders} orders for each channel")
        places = [
            Place(f"{kind}_{number}", kind, selector, confirmation=True)
            for kind, sandbox in self.sandboxes.items()
            for number, selector in enumerate(sandbox.access().selectors[:2] or (None,))
        ]
        for number, place in enumerate(places):
            made_up = GenerateRequest(
                self.size.orders, seed=number, days=0.8, channel=place.selector, newest_seconds=SETTLED_SECONDS
            )
            self.sandboxes[place.kind].generate(made_up)
        self._connect(ledger, addresses, places)
        installation = Installation(self.settings, ledger, open_key_ring(self.settings), self.now)
        self._others_ship(1)
        for _ in range(2):  # the second time they are seen as accepted
            pulling.pull_all(installation)
            normalise.normalise_pending(installation)
            accept.accept_all(installation)
            self.advance(SETTLED_SECONDS)
        self._others_ship(3)  # these the book does not know of yet when the ERP reports
        confirm.confirm_all(installation)  # learns what shipments need
        with ledger.write() as connection:
            scopes = [tokens.Scope.ORDERS_READ, tokens.Scope.SHIPMENTS_WRITE]
            token = tokens.create(connection, "erp", scopes, None, None, self.now())[1]
        self.batches = list(self._batches(ledger))
        self.figures.shipments = sum(len(each) for each in self.batches)
        ledger.close()
        return token

    def _connect(self, ledger: Ledger, addresses: Mapping[str, str], places: Sequence[Place]) -> None:
        document = {
            "connections": {
                account_of(kind): connection_entry(self.sandboxes[kind], address) for kind, address in addresses.items()
            },
            "channels": {each.code: channel_entry(each, self.sandboxes[each.kind]) for each in places},
        }
        keep_kinds(ledger, KINDS, self.now())
        with ledger.write() as transaction:
            configuration.apply(transaction, read_document(json.dumps(document), KINDS), self.now())

    def _others_ship(self, turn: int) -> None:
        """Another tool ships a unit of every fourth order that has several."""
        for sandbox in self.sandboxes.values():
            for number, order in enumerate(sandbox.held()):
                left = _left(order)
                if number % 4 != turn or not order.is_open_to_us or sum(left.values()) < 2:
                    continue
                request = AdvanceRequest("ship", order_ids=(order.id,), quantities={min(left): 1})
                if sandbox.advance(request).advanced:
                    (after,) = sandbox.held([order.id])
                    (self.others[order.id],) = [each for each in after.packages if each not in order.packages]

    def _batches(self, ledger: Ledger) -> Iterator[list[dict[str, Any]]]:
        """What the ERP will report: whole orders, orders in two packages, and orders of which others have shipped a unit."""
        book = schema.orders
        query = sa.select(book.c.original_id, book.c.channel).where(
            book.c.status.in_(("WAITING_FOR_SHIPMENT", "PARTIALLY_SHIPPED")),
            book.c.fulfilled_by == "merchant",
            book.c.may_not_ship_reason.is_(None),
            book.c.has_cancellation_request.is_(False),
        )
        with ledger.read() as connection:
            known = {row.original_id: row.channel for row in connection.execute(query)}
        shares: list[list[dict[str, Any]]] = []
        for sandbox in self.sandboxes.values():
            own: list[dict[str, Any]] = []
            for order in sandbox.held():
                is_ours = all(not each.cancelled for each in order.lines) and (
                    order.id in self.others or not any(each.shipped for each in order.lines)
                )
                if order.id in known and order.is_open_to_us and is_ours and _left(order):
                    own += self._reports(known[order.id], order)
            shares.append(sorted(own, key=lambda each: each["package_id"]))
        in_turn = [each for row in zip_longest(*shares) for each in row if each is not None][: self.size.shipments]
        assert len(in_turn) == self.size.shipments, f"only {len(in_turn)} shipments can be made"
        assert min(map(len, shares)) * len(shares) * 2 > self.size.shipments, "a marketplace has hardly any"
        first = [each for each in in_turn if each["package_id"] == "1"]
        later = [each for each in in_turn if each["package_id"] != "1"]
        self.chance.shuffle(first)
        self.chance.shuffle(later)
        reports = first + later
        while reports:
            count = self.chance.choice((1, 1, 3, 10, 20))
            yield reports[:count]
            reports = reports[count:]

    def _reports(self, channel: str, order: HeldOrder) -> Iterator[dict[str, Any]]:
        number = "".join(filter(str.isalnum, order.id))
        base = {
            "channel": channel,
            "original_id": order.id,
            "carrier_code": "UPS",
            "return_tracking_number": f"RETURN{number}",
        }
        left = _left(order)

        def package(package_id: str, name: str, units: Mapping[str, int], *, names_items: bool) -> dict[str, Any]:
            tracking_number = f"{name}{number}"
            self.expected[(order.id, tracking_number)] = dict(units)
            items = [{"item_original_id": line, "item_quantity_shipped": count} for line, count in units.items()]
            named = {"items": items} if names_items else {}
            return {**base, "package_id": package_id, "tracking_number": tracking_number, **named}

        if order.id in self.others:
            yield package("1", "R", left, names_items=True)
        elif sum(left.values()) > 1 and self.chance.random() < 0.7:
            line = min(left)
            rest = {each: count - (each == line) for each, count in left.items() if count > (each == line)}
            yield package("1", "A", {line: 1}, names_items=True)
            yield package("2", "B", rest, names_items=False)
        else:
            yield package("1", "W", left, names_items=False)

    # -- trouble

    def _trouble(self) -> None:
        for sandbox in self.sandboxes.values():
            with sandbox.lock:
                for fault in FAULTS:
                    operation = sandbox.confirming if fault.operation == CONFIRMING else fault.operation
                    sandbox.add_fault(replace(fault, operation=operation))
        self.say("reporting and sending under fire")
        reporting = threading.Thread(target=self._report)
        killing = threading.Thread(target=self._kill_the_api, args=(reporting,))
        self.failure: BaseException | None = None
        self.second.run()  # both have imported everything now
        self.first.run()
        self.run_seconds = 2 * self.first.run()  # with something to do it takes longer
        reporting.start()
        killing.start()
        rounds = self.size.sender_kills + self.size.zombies + self.size.pairs
        plan = ["kill"] * self.size.sender_kills + ["zombie"] * self.size.zombies + ["pair"] * self.size.pairs
        self.chance.shuffle(plan)
        for number, what in enumerate(plan):
            while reporting.is_alive() and self.reported * rounds < number * len(self.batches):
                time.sleep(0.01)
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
                self.reported = number + 1
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
        time.sleep(self.chance.uniform(0.0, 0.6) * self.run_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.figures.sender_kills += self.first.end() == -signal.SIGKILL

    def _zombie(self) -> None:
        """A sender is paused, its time runs out, another one takes over; then it wakes up.

        A sender that is paused while it holds SQLite's one write lock stops everybody: it goes on until it has given it back.
        """
        pid = self.first.begin()
        time.sleep(self.chance.uniform(0.05, 0.7) * self.run_seconds)
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
        for sandbox in self.sandboxes.values():
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
        held = [order for sandbox in self.sandboxes.values() for order in sandbox.held()]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self.api.url, headers=headers, timeout=60) as client:
            findings = check(self.folder / "acknowledged", held, self.expected, client)
        findings.edited.extend(edited_packages(self.others, held))
        self.figures.findings = findings
        self.figures.others = len(self.others)
        self.figures.answered = self.erp.answered


def _left(order: HeldOrder) -> dict[str, int]:
    left = {each.id: each.ordered - each.shipped - each.cancelled for each in order.lines}
    return {line: units for line, units in left.items() if units > 0}


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

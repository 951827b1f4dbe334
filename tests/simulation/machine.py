"""Our machine: the product's own jobs and its API, each a process that can be killed, without Dagster and without sockets.

What lives here: which functions a job calls (as its Dagster assets do), and starting and killing processes. What does not: when
a job runs and what goes wrong with it (`events`), and what stands in the place of sockets and wall clocks (`edges`).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import httpx
from sqlalchemy.exc import DBAPIError

from orders_api.app import create_app
from orders_pipeline.alerts import conditions, plan
from orders_pipeline.file_jobs import export, ingest, job_run
from orders_pipeline.installation import Installation
from orders_pipeline.lake_access import publishing
from orders_pipeline.marketplaces.amazon import session  # noqa: F401 - a library that takes most of a second to import
from orders_pipeline.stages import accept, cancel, confirm, normalise, pull, sweep
from orders_pipeline.upkeep import personal_data
from tests.simulation.clock import WorldClock
from tests.simulation.disks import Disk
from tests.simulation.processes import Fate, Killed, Process, watch
from warehouse import backups
from warehouse.lake.outages import LakeError
from warehouse.lake.publishing import publish
from warehouse.ledger.base import heartbeat
from warehouse.ledger.base.database import SCHEMA_HEAD, Ledger, migrate, open_ledger, schema_version
from warehouse.ledger.base.leases import LeaseLost
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.shipping import acceptances, shipment_queries
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings


def pull_orders(installation: Installation) -> None:
    """A tick: what came, into the book; what is wrong, into incidents."""
    pull.pull_all(installation)
    normalise.normalise_pending(installation)
    conditions.watch(installation)


def confirm_shipments(installation: Installation) -> None:
    """Decisions and shipments, told to the marketplaces."""
    accept.accept_all(installation)
    confirm.confirm_all(installation)


def follow_up(installation: Installation) -> None:
    """Cancellations told, conditions watched, alerts sent."""
    cancel.carry_out(installation)
    conditions.watch(installation)
    plan.send_due(installation)


def exchange_files(installation: Installation) -> None:
    """Order files out, shipment files in."""
    for job in job_run.due(installation, JobKind.EXPORT):
        export.export_channel(installation, job)
    for job in job_run.due(installation, JobKind.IMPORT):
        ingest.import_channel(installation, job)


def sweep_orders(installation: Installation) -> None:
    """The last days and every open order, once more."""
    sweep.sweep_all(installation)
    normalise.normalise_pending(installation)


def publish_tables(installation: Installation) -> None:
    """The book, into the tables."""
    with publishing(installation) as lake:
        publish(installation.ledger, lake, installation.clock())


def purge_personal_data(installation: Installation) -> None:
    """What is personal and no longer needed, gone."""
    personal_data.purge(installation)


def is_follow_up_due(installation: Installation) -> bool:
    """What the sensor of `follow_up` asks every minute."""
    return plan.is_due(installation) or cancel.is_due(installation) or conditions.is_overdue(installation)


def is_confirmation_due(installation: Installation) -> bool:
    """What the schedule of `confirm_shipments` asks."""
    with installation.ledger.read() as transaction:
        now = installation.clock()
        return shipment_queries.is_any_waiting(transaction) or acceptances.is_any_due(transaction, now)


QUESTIONS = {follow_up: is_follow_up_due, confirm_shipments: is_confirmation_due}
"""Jobs that run only when something is to be done, and who knows."""


class ApiDown(Exception):
    """There was no answer: the API was killed, or the network lost it."""


@dataclass
class Postbox:
    """The mail server: what it was given (when it came, to whom, its id), and whether it answers."""

    mails: list[tuple[datetime, str, str]] = field(default_factory=list)
    is_down: bool = False


class Machine:
    """One installation and whatever of it is running."""

    def __init__(self, home: Path, clock: WorldClock, chance: Random, database: str | None = None) -> None:
        self.clock = clock
        self.chance = chance
        self.settings = Settings(
            _env_file=None,
            home=home,
            database_url=database,
            keys="test:" + "A" * 43 + "=",
            pull_threads=1,
            smtp_host="127.0.0.1",
            smtp_security="loopback",
            smtp_from="orders@shop.example",
            api_requests_per_minute=10_000_000,
        )
        self.postbox = Postbox()
        self.running: list[Process] = []
        self.counts: Counter[str] = Counter()
        self.defects: list[str] = []
        self.is_disk_low = False
        self.disk = Disk("the disk", self.reach)
        self.share = Disk("the share", self.reach)
        """Where files are exchanged with an ERP."""
        self.done_at: dict[str, datetime] = {}
        """Job → when the last of its runs that came to an end began."""
        self.lake_is_away = False
        self.reaches: dict[str, int] = {}
        """Job → how many places where it could be killed its last whole run came to."""
        self._numbers = 0
        self._ledger: Ledger | None = None
        self._loop = asyncio.new_event_loop()
        self._api: httpx.AsyncClient | None = None
        self._api_process: Process | None = None

    def ledger(self) -> Ledger:
        """The ledger, open. One engine serves all processes: what a process is shows in `running`, not in its sockets."""
        if self._ledger is None:
            self._ledger = _opened("jobs", self.settings, self._at_work)
        return self._ledger

    def _at_work(self) -> Process | None:
        return self.running[-1] if self.running else None

    # -- jobs

    def run(self, job: Callable[[Installation], Any], fate: Fate | None = None) -> str:
        """Run a job in a process of its own: `done`, `failed`, `killed`, or `overtaken` by another one."""
        process = self._process(job.__name__, fate or Fate())
        ledger, keys = self.ledger(), open_key_ring(self.settings)
        self.running.append(process)
        outcome, began_at = "done", self.clock.true()
        try:
            job(Installation(self.settings, ledger, keys, self.clock.ours, self.sleep))
        except Killed:
            outcome = "killed"
            self.counts["kills"] += 1
        except LeaseLost:
            outcome = "overtaken"
        except LakeError as error:
            outcome = "failed"
            self.done_at[job.__name__] = began_at
            if not self.lake_is_away and process.fate.fails_at is None:
                self.defects.append(f"{job.__name__} ended with {error}")
        except DBAPIError as error:
            outcome = "failed"
            if process.fate.fails_at is None:
                self.defects.append(f"{job.__name__} ended with {type(error).__name__}: {error.orig}")
        finally:
            process.is_dead = True
            self.running.remove(process)
        self.counts[f"{job.__name__} {outcome}"] += 1
        if outcome == "done":
            self.done_at[job.__name__] = began_at
            self.reaches[job.__name__] = max(4, process.places)
        return outcome

    def sleep(self, seconds: float) -> None:
        """Wait, as long as a heartbeat at a time."""
        while seconds > 0.0:
            self.clock.sleep(min(seconds, heartbeat.EVERY_SECONDS))
            seconds -= heartbeat.EVERY_SECONDS
            heartbeat.beat()

    def ask(self, question: Callable[[Installation], bool]) -> bool:
        """What a schedule or a sensor asks before it starts a job."""
        keys = open_key_ring(self.settings)
        return question(Installation(self.settings, self.ledger(), keys, self.clock.ours, self.clock.sleep))

    def reach(self, place: str) -> None:
        """The process that is at work comes to a place outside of transactions."""
        if self.running:
            self.running[-1].reach(place, is_free=True)

    def _process(self, name: str, fate: Fate) -> Process:
        self._numbers += 1
        return Process(f"{name}:{self._numbers}", fate)

    # -- the API

    def request(
        self, method: str, path: str, token: str, *, body: Any = None, key: str | None = None, fate: Fate | None = None
    ) -> httpx.Response:
        """Ask the API.

        Raises:
            ApiDown: It was killed while it worked on the request; the next request finds it up again.
        """
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        if self._api is None:
            self._start_api()
        assert self._api is not None
        assert self._api_process is not None
        process = self._api_process
        process.fate = fate or Fate()
        process.places = process.statements = 0
        process.has_met = False
        self.running.append(process)
        try:
            return self._loop.run_until_complete(self._api.request(method, path, json=body, headers=headers))
        except BaseException as error:
            if not _holds_killed(error):
                raise
            self.counts["kills"] += 1
            self.stop_api()
            raise ApiDown(path) from None
        finally:
            self.running.remove(process)

    def _start_api(self) -> None:
        with patch("orders_api.app.open_ledger", lambda settings, *_more: _opened("api", settings, self._at_work)):
            app = create_app(self.settings, self.clock.ours)
        self._api_process = self._process("api", Fate())
        transport = httpx.ASGITransport(app)
        self._api = httpx.AsyncClient(transport=transport, base_url="http://api.example")

    def stop_api(self) -> None:
        """End the API's process; the next request starts it again."""
        self._api = None

    def move(self, folder: Path) -> None:
        """Move to another machine: a backup, and its restoring into an empty place."""
        self.stop_api()
        self._let_go()
        self.bring_lake_back()
        backups.backup(self.settings, folder, self.clock.ours())
        shutil.rmtree(self.settings.home)
        backups.restore(folder, self.settings, self.clock.ours())
        shutil.rmtree(folder)

    def take_lake_away(self) -> None:
        """Where the files of the tables were is no folder any more."""
        files = Path(self.settings.lake_files)
        if files.is_dir() and not self.lake_is_away:
            files.rename(files.with_suffix(".away"))
            files.touch()
            self.lake_is_away = True

    def bring_lake_back(self) -> None:
        """The files of the tables are where they were."""
        if self.lake_is_away:
            files = Path(self.settings.lake_files)
            files.unlink()
            files.with_suffix(".away").rename(files)
            self.lake_is_away = False

    def close(self) -> None:
        """Let go of everything."""
        self.stop_api()
        self._let_go()
        self._loop.close()

    @staticmethod
    def _let_go() -> None:
        for ledger in _OPENED.values():
            ledger.close()


_NEW: list[bytes] = []
"""A ledger that is new: making one takes most of a second."""
_OPENED: dict[tuple[str, str], Ledger] = {}
_AT_WORK: dict[tuple[str, str], Callable[[], Process | None]] = {}


def _opened(role: str, settings: Settings, at_work: Callable[[], Process | None]) -> Ledger:
    """A ledger of a place, its engine kept from world to world: what takes time is compiling its statements anew."""
    key = (role, settings.ledger_url)
    place = settings.home / "ledger.sqlite"
    is_new = not settings.is_postgresql and not place.exists()
    if is_new and _NEW:
        place.write_bytes(_NEW[0])
    if key not in _OPENED:
        ledger = _OPENED[key] = open_ledger(settings)
        watch(ledger.engine, lambda: _AT_WORK[key]())  # noqa: PLW0108 - it is another one in the next world
    _AT_WORK[key] = at_work
    if schema_version(_OPENED[key]) != SCHEMA_HEAD:
        migrate(_OPENED[key])
    if is_new and not _NEW:
        with contextlib.closing(sqlite3.connect(place)) as ledger:
            _NEW.append(ledger.serialize())
    return _OPENED[key]


def _holds_killed(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_holds_killed(each) for each in error.exceptions)
    return isinstance(error, Killed)

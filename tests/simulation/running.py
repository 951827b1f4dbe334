"""Running a story in a world of its own, and judging it on the way."""

from __future__ import annotations

import gc
import hashlib
import logging
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.clock import START
from tests.simulation.oracle import Finding, Oracle
from tests.simulation.story import EVENTS, Step
from tests.simulation.world import World, made

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
ROOM = 500_000_000
HOUR = timedelta(hours=1)


@dataclass
class Outcome:
    """What came of a story.

    Attributes:
        seed: Of the world.
        findings: What the oracle found, at the first step where it found something; empty when all is well.
        step: The number of that step, from 1.
        diary: What happened until then.
        counts: How many ticks, kills and runs there were.
        days: Days that passed in the world.
        seconds: CPU seconds that it took.
        digest: A hash of all that the marketplaces saw: the same for the same seed.
    """

    seed: int
    findings: list[Finding] = field(default_factory=list)
    step: int = 0
    diary: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    days: float = 0.0
    seconds: float = 0.0
    digest: str = ""

    def __str__(self) -> str:
        ticks, kills = self.counts["ticks"], self.counts["kills"]
        return f"{ticks} ticks, {kills} kills, {self.days:.1f} days, {self.seconds:.1f} CPU s, {self.digest[:12]}"


def run(
    seed: int, steps: Sequence[Step], passed_over: frozenset[str] = frozenset(), database: str | None = None
) -> Outcome:
    """Let a story happen; ends at the first step after which the oracle finds something.

    Args:
        seed: Of the world.
        steps: The story.
        passed_over: Rules whose breaches are not looked at.
        database: URL of an empty PostgreSQL database for the ledger; None: SQLite.
    """
    began = time.process_time()
    outcome = Outcome(seed)
    with _quietly(), _home() as home, made(seed, home, database) as world:
        oracle = Oracle(world)
        judged = world.clock.true()
        for number, step in enumerate(steps, 1):
            world.clock.advance(timedelta(minutes=step.minutes))
            world.is_calm = step.is_calm
            EVENTS[step.event](world, Random(step.seed))
            outcome.step = number
            if step.event == "peace":
                outcome.findings = oracle.in_peace()
            elif step.event == "calm":
                outcome.findings = oracle.in_calm()
            elif number == len(steps) or world.clock.true() - judged >= HOUR or world.machine.defects:
                outcome.findings = oracle.at_any_time()
            else:
                continue
            judged = world.clock.true()
            outcome.findings = [each for each in outcome.findings if each.rule not in passed_over]
            if outcome.findings:
                break
        _sum_up(outcome, world)
    outcome.seconds = time.process_time() - began
    return outcome


def _sum_up(outcome: Outcome, world: World) -> None:
    outcome.diary = world.diary
    outcome.counts = world.machine.counts
    outcome.days = (world.clock.true() - START) / timedelta(days=1)
    digest = hashlib.sha256()
    for kind, sandbox in sorted(world.sandboxes.items()):
        for entry in sandbox.journal:
            digest.update(
                f"{kind} {entry.at} {entry.operation} {entry.status} {entry.orders} {entry.effect}\n".encode()
            )
    outcome.digest = digest.hexdigest()


@contextmanager
def _home() -> Iterator[Path]:
    """A folder in memory where there is room, for SQLite waits for each commit; the same one for every world."""
    if not _FOLDERS:
        is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
        _FOLDERS.append(tempfile.TemporaryDirectory(prefix="orders-world-", dir=MEMORY if is_roomy else None))
    place = Path(_FOLDERS[0].name) / "world"
    (place / "home").mkdir(parents=True)
    try:
        yield place / "home"
    finally:
        shutil.rmtree(place)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@contextmanager
def _quietly() -> Iterator[None]:
    """Without log lines, and without the collector, which looks through everything again and again."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()
        logging.disable(logging.NOTSET)

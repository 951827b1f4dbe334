"""A tick that finds nothing new: CPU seconds over few and many connections, of the stages alone, of one Dagster run of the
job, and of a Dagster run that does nothing.

Each connection is a shop of one Mirakl sandbox without orders. The first tick, which covers the past week, is not counted, nor
is one of those that open the lake, each sixth when nothing is new. All figures are of a whole process: its start, its imports
and one tick, because every tick starts a process.
"""

from __future__ import annotations

import shutil

from tests.benchmarks.dagster_ticks import tick_in_dagster
from tests.benchmarks.empty_runs import empty_run_in_dagster
from tests.benchmarks.filling import environment_of, installed
from tests.benchmarks.measuring import MEGABYTE, REPEATS, ROOT, Child, Figure, Target, Workshop, median
from tests.benchmarks.sandboxes import CREDENTIALS, connect, serve_mirakl
from tests.benchmarks.ticks import tick

MEASURED = 1 + REPEATS
"""The first tick and those that count."""
FEW = 5
ALLOWED_FEW, ALLOWED_MANY = 1.3, 1.8
"""Of the run that does nothing."""
MEMORY = Target("<=", 300)
TASKS = {"stages": tick, "Dagster run": tick_in_dagster, "empty run": empty_run_in_dagster}


def measure(workshop: Workshop) -> list[Figure]:
    """Few connections, then many."""
    return [each for count in dict.fromkeys((FEW, workshop.sizes.connections)) for each in _measure(workshop, count)]


def _measure(workshop: Workshop, count: int) -> list[Figure]:
    home = workshop.fresh(f"home-{count}")
    dagster_home = workshop.fresh(f"dagster-home-{count}")
    shutil.copy(ROOT / "dagster.yaml", dagster_home)
    environment = {**environment_of(home), **CREDENTIALS, "DAGSTER_HOME": str(dagster_home)}
    with Child(workshop, serve_mirakl, 0, True) as sandbox:
        url = sandbox.step().value["url"]
        with installed(home) as installation:
            connect(installation, url, count)
        calls: list[int] = []
        cpu: dict[str, float] = {}
        wall: dict[str, float] = {}
        peak: dict[str, float] = {}
        for name, task in TASKS.items():
            with Child(workshop, task, environment=environment) as child:
                start = child.step()
                steps = []
                for number in range(MEASURED):
                    workshop.say(f"{name}: tick {number + 1} of {MEASURED} over {count} connections")
                    before = sandbox.step().value
                    steps.append(child.step())
                    calls.append(sandbox.step().value - before)
            counted = steps[1:]
            read = 0 if task is empty_run_in_dagster else count
            assert all(each.value == read for each in steps), [each.value for each in steps]
            cpu[name] = start.cpu_seconds + median([each.cpu_seconds for each in counted])
            peak[name] = counted[-1].peak_bytes / MEGABYTE
            wall[name] = start.wall_seconds + median([each.wall_seconds for each in counted])
    size = f"{count} connections, {calls[MEASURED - 1]} calls"
    empty = "a run that does nothing"
    return [
        Figure(benchmark="idle tick: stages, CPU", size=size, value=cpu["stages"], unit="s"),
        Figure(benchmark="idle tick: stages, wall", size=size, value=wall["stages"], unit="s"),
        Figure(
            benchmark="idle tick: Dagster run, CPU",
            size=size,
            value=cpu["Dagster run"],
            unit="s",
            reference=cpu["empty run"],
            against=empty,
            target=Target("<=", round(cpu["empty run"] * (ALLOWED_FEW if count == FEW else ALLOWED_MANY), 2)),
        ),
        Figure(
            benchmark="idle tick: Dagster run, peak memory",
            size=size,
            value=peak["Dagster run"],
            unit="MB",
            reference=peak["empty run"],
            against=empty,
            target=MEMORY,
        ),
        Figure(
            benchmark="idle tick: Dagster run, wall",
            size=size,
            value=wall["Dagster run"],
            unit="s",
            reference=wall["empty run"],
            against=empty,
        ),
    ]

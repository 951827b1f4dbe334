"""A tick that finds nothing new: CPU seconds over many connections, of the stages alone and of one Dagster run of the job.

Each connection is a shop of one Mirakl sandbox without orders. The first tick, which covers the past week, is not counted.
Both figures are of a whole process: its start, its imports and one tick, because every tick starts a process.
"""

from __future__ import annotations

import shutil

from tests.benchmarks.filling import environment_of, installed
from tests.benchmarks.measuring import REPEATS, ROOT, Child, Figure, Target, Workshop, median
from tests.benchmarks.sandboxes import CREDENTIALS, connect, serve_mirakl
from tests.benchmarks.ticks import tick, tick_in_dagster

TARGET = Target("<=", 10)
MEASURED = 1 + REPEATS
"""The first tick and those that count."""


def measure(workshop: Workshop) -> list[Figure]:
    """The stages, then the same under Dagster."""
    count = workshop.sizes.connections
    home = workshop.fresh("home")
    dagster_home = workshop.fresh("dagster-home")
    shutil.copy(ROOT / "dagster.yaml", dagster_home)
    environment = {**environment_of(home), **CREDENTIALS, "DAGSTER_HOME": str(dagster_home)}
    with Child(workshop, serve_mirakl, 0, True) as sandbox:
        url = sandbox.step().value["url"]
        with installed(home) as installation:
            connect(installation, url, count)
        calls = []
        found: dict[str, tuple[float, float]] = {}
        for name, task in (("stages", tick), ("Dagster run", tick_in_dagster)):
            with Child(workshop, task, environment=environment) as child:
                start = child.step()
                steps = []
                for number in range(MEASURED):
                    workshop.say(f"{name}: tick {number + 1} of {MEASURED} over {count} connections")
                    before = sandbox.step().value
                    steps.append(child.step())
                    calls.append(sandbox.step().value - before)
            counted = steps[1:]
            assert all(each.value == count for each in steps), [each.value for each in steps]
            wall = start.wall_seconds + median([each.wall_seconds for each in counted])
            found[name] = (start.cpu_seconds + median([each.cpu_seconds for each in counted]), wall)
    size = f"{count} connections, {calls[-1]} calls"
    stages, run = found["stages"], found["Dagster run"]
    return [
        Figure(benchmark="idle tick: stages, CPU", size=size, value=stages[0], unit="s", target=TARGET),
        Figure(benchmark="idle tick: stages, wall", size=size, value=stages[1], unit="s"),
        Figure(
            benchmark="idle tick: Dagster run, CPU",
            size=size,
            value=run[0],
            unit="s",
            reference=stages[0],
            against="stages alone",
            target=TARGET,
        ),
        Figure(
            benchmark="idle tick: Dagster run, wall",
            size=size,
            value=run[1],
            unit="s",
            reference=stages[1],
            against="stages alone",
        ),
    ]

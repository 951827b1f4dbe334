"""What the sensors of an idle pipeline take of a core: the daemon's loop over them, and the code server that they look in.

The reference is the same two processes while nothing is looked at. PostgreSQL's own work is not in the figures.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Generator

from tests.benchmarks.filling import environment_of
from tests.benchmarks.measuring import ROOT, Child, Figure, Target, Workshop
from tests.benchmarks.normalising import postgresql

BETWEEN_ROUNDS = 5.0
"""Seconds, as in Dagster's daemon."""
ROUNDS_A_SECOND = 4
"""For each second that a load on the API lasts: a minute by default."""
ROUNDS_BEFORE = 4
TARGETS = {"sqlite": Target("<=", 2.0), "postgresql": Target("<=", 4.0)}


def measure(workshop: Workshop) -> list[Figure]:
    """Each database."""
    figures = []
    if "sqlite" in workshop.stores:
        figures.append(_measure(workshop, "sqlite", None))
    if "postgresql" in workshop.stores:
        with postgresql(workshop) as server:
            if server is not None:
                figures.append(_measure(workshop, "postgresql", f"{server}/postgres"))
    return figures


def _measure(workshop: Workshop, store: str, database_url: str | None) -> Figure:
    rounds = workshop.sizes.seconds * ROUNDS_A_SECOND
    workshop.say(f"{rounds} rounds of the sensors on {store}")
    dagster_home = workshop.fresh(f"dagster-home-{store}")
    shutil.copy(ROOT / "dagster.yaml", dagster_home)
    environment = environment_of(workshop.fresh(f"home-{store}"), database_url)
    with Child(workshop, look, rounds, environment={**environment, "DAGSTER_HOME": str(dagster_home)}) as child:
        child.step()
        looking, resting = child.step(), child.step()
    return Figure(
        benchmark=f"sensors of an idle pipeline, {store}, CPU",
        size=f"{rounds * BETWEEN_ROUNDS:.0f} s",
        value=looking.cpu_seconds / looking.wall_seconds * 100,
        unit="% of a core",
        reference=resting.cpu_seconds / resting.wall_seconds * 100,
        against="the same processes at rest",
        target=TARGETS[store],
    )


def look(rounds: int) -> Generator[object, None, None]:
    """Task: start a code server and look often enough to be warm; look so many rounds more; rest as long."""
    import dagster as dg  # noqa: PLC0415 - only the child needs it
    from dagster._core.test_utils import create_test_daemon_workspace_context  # noqa: PLC0415 - as above
    from dagster._core.workspace.load_target import ModuleTarget  # noqa: PLC0415 - as above
    from dagster._daemon.sensor import execute_sensor_iteration  # noqa: PLC0415 - as above

    from orders_pipeline.installation import opened  # noqa: PLC0415 - as above

    with opened():
        pass
    target = ModuleTarget("orders_pipeline.definitions", None, str(ROOT), "orders_pipeline")
    log = logging.getLogger("sensors")
    with dg.DagsterInstance.get() as instance, create_test_daemon_workspace_context(target, instance) as workspace:

        def look_for(count: int) -> None:
            for _ in range(count):
                list(
                    execute_sensor_iteration(workspace, log, threadpool_executor=None, submit_threadpool_executor=None)
                )
                time.sleep(BETWEEN_ROUNDS)

        look_for(ROUNDS_BEFORE)
        yield None
        look_for(rounds)
        yield None
        time.sleep(rounds * BETWEEN_ROUNDS)
        yield None

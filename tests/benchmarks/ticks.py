"""The stages of a tick as a task of `idle_ticks`; imports no more than they need, because the start of the process counts.

A tick as a Dagster run is in `dagster_ticks`, how often they run is in `idle_ticks`.
"""

from __future__ import annotations

from collections.abc import Generator

from orders_pipeline.installation import Installation, opened
from orders_pipeline.stages.normalise import normalise_pending
from orders_pipeline.stages.pull import pull_all
from warehouse.lake.lake import open_lake
from warehouse.lake.origins import is_published
from warehouse.lake.publishing import publish


def tick() -> Generator[object, None, None]:
    """Task: open the installation of the environment; tick, as often as asked."""
    with opened() as installation:
        yield None
        while True:
            yield _tick(installation)


def _tick(installation: Installation) -> int:
    results = pull_all(installation)
    normalise_pending(installation)
    now = installation.clock()
    with installation.ledger.read() as transaction:
        is_known = is_published(transaction, now)
    if not is_known:
        with open_lake(installation.settings) as lake:
            publish(installation.ledger, lake, now)
    return sum(each.outcome == "complete" for each in results)

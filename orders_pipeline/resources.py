"""What the assets are given: the opened installation. What belongs to one is in `orders_pipeline.installation`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import dagster as dg
from structlog.contextvars import bound_contextvars

from orders_pipeline.installation import Installation, opened
from warehouse.logs import OWN_LOGGERS, LogLevel, configure
from warehouse.processes import write_privately
from warehouse.settings import present_settings


@contextmanager
def opened_in_dagster() -> Iterator[Installation]:
    """The environment's own installation; what our modules log from now on is written as ours, Dagster's as its own."""
    write_privately()
    settings = present_settings()
    configure(settings.log_format, settings.log_level or LogLevel.INFO, OWN_LOGGERS)
    with opened(settings) as installation, bound_contextvars(**_run()):
        yield installation


def _run() -> dict[str, str]:
    try:
        context = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:  # a schedule or a sensor: there is no run
        return {}
    return {"run_id": context.run_id, "job": context.job_name}


@dataclass(frozen=True, slots=True)
class InstallationSource:
    """Opens the installation for as long as a step needs it; the environment's own unless told otherwise."""

    opened: Callable[[], AbstractContextManager[Installation]] = opened_in_dagster

"""What the assets are given: the opened installation.

What belongs to one is in `orders_pipeline.installation`; that a run has one for all its steps, in `orders_pipeline.run_leases`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

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
    with opened(settings) as installation:
        yield installation


@dataclass(frozen=True, slots=True)
class InstallationSource:
    """Opens the installation for as long as it is needed; the environment's own unless told otherwise."""

    opened: Callable[[], AbstractContextManager[Installation]] = opened_in_dagster

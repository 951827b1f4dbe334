"""What the assets are given: the opened installation. What belongs to one is in `orders_pipeline.installation`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from orders_pipeline import installation
from orders_pipeline.installation import Installation


@dataclass(frozen=True, slots=True)
class Source:
    """Opens the installation for as long as a step needs it; the environment's own unless told otherwise."""

    opened: Callable[[], AbstractContextManager[Installation]] = installation.opened

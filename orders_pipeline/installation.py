"""An opened installation: the settings, the ledger, the keys and the clock that every stage of the pipeline works with."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.clock import Clock, utc_now
from warehouse.ledger.database import Ledger, open_ledger
from warehouse.privacy import KeyRing, open_key_ring
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything a stage needs; `sleep` waits for quota and is injected like the clock."""

    settings: Settings
    ledger: Ledger
    keys: KeyRing
    clock: Clock = utc_now
    sleep: Callable[[float], None] = time.sleep


@contextmanager
def opened(settings: Settings | None = None, clock: Clock = utc_now) -> Iterator[Installation]:
    """Open the installation of the environment's settings, and close it at the end."""
    chosen = settings or Settings()
    ledger = open_ledger(chosen)
    try:
        yield Installation(chosen, ledger, open_key_ring(chosen), clock)
    finally:
        ledger.close()

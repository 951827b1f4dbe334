"""An opened installation: the settings, the ledger, the keys and the clock that every stage of the pipeline works with."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.registry import KINDS
from warehouse.clock import Clock, utc_now
from warehouse.lake.retired_documents import LakeDocuments
from warehouse.ledger.base.database import Ledger, open_existing_ledger, open_ledger
from warehouse.ledger.settings.kinds import keep_kinds
from warehouse.ledger.status.keys import open_keys
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.privacy import KeyRing


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything a stage needs; `sleep` waits for quota and is injected like the clock.

    `go_on` is asked before each connection and each file job: it raises `LeaseLost` when the run was given up meanwhile.
    """

    settings: Settings
    ledger: Ledger
    keys: KeyRing
    clock: Clock = utc_now
    sleep: Callable[[float], None] = time.sleep
    go_on: Callable[[], None] = lambda: None


@contextmanager
def opened(settings: Settings | None = None, clock: Clock = utc_now) -> Iterator[Installation]:
    """Open the installation of the environment's settings, and close it at the end; what it lacks is made.

    The ledger is told what kinds of marketplaces this process knows, for those that import none.

    Raises:
        KeyRingError: There is no key ring, or not the one that the ledger was sealed with.
        RestoreUnfinishedError: It is being restored.
        UnfitLedgerError: A newer release has written the ledger.
    """
    chosen = settings or Settings()
    with _closing(open_ledger(chosen, retired=LakeDocuments(chosen))) as ledger:
        keep_kinds(ledger, KINDS, clock())
        yield Installation(chosen, ledger, open_keys(chosen, ledger, clock()), clock)


@contextmanager
def opened_to_read(settings: Settings | None = None, clock: Clock = utc_now) -> Iterator[Installation]:
    """The same for commands that only look: no ledger and no key ring is made.

    Raises:
        UnfitLedgerError: There is no ledger, or a newer release has written it.
        KeyRingError, RestoreUnfinishedError: As in `opened`.
    """
    chosen = settings or Settings()
    with _closing(open_existing_ledger(chosen, LakeDocuments(chosen))) as ledger:
        yield Installation(chosen, ledger, open_keys(chosen, ledger, clock()), clock)


@contextmanager
def _closing(ledger: Ledger) -> Iterator[Ledger]:
    try:
        yield ledger
    finally:
        ledger.close()

"""The heartbeat: as long as a process lives, a thread of it renews its leases, however long a call or a statement takes.

What a lease is, and that whoever has lost one writes nothing, is in `leases`.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING

from warehouse.ledger.base import leases
from warehouse.ledger.base.leases import LeaseLost
from warehouse.logs import Event, place_of
from warehouse.processes import this_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from warehouse.clock import Clock
    from warehouse.ledger.base.database import Ledger
    from warehouse.ledger.base.leases import Lease

logger = logging.getLogger("warehouse.ledger.base.heartbeat")

EVERY_SECONDS = 25.0
"""Three times within the length of a lease: one that fails may be made up for."""
AGAIN_SECONDS = 3.0
"""After one that failed."""


@dataclass(slots=True, eq=False)
class Renewal:
    """A lease that is being renewed, by the clock of its holder; when that says it has run out, the process stood still."""

    ledger: Ledger
    lease: Lease
    clock: Clock
    ends_at: datetime
    is_lost: bool = False

    def require(self) -> None:
        """See that the lease is ours; the ledger is asked only when it may have run out.

        Raises:
            LeaseLost: Another holder has it.
        """
        if not self.is_lost and self.clock() >= self.ends_at:
            _renew([self])
        if self.is_lost:
            raise LeaseLost(f"the lease {self.lease.name} has gone to another holder")


@contextmanager
def renewing(ledger: Ledger, lease: Lease, clock: Clock) -> Iterator[Renewal]:
    """While the block lasts, the lease is renewed. Nothing is written at its begin or its end."""
    renewal = Renewal(ledger, lease, clock, lease.expires_at)
    _HEART.add(renewal)
    try:
        yield renewal
    finally:
        _HEART.remove(renewal)


def beat() -> bool:
    """Renew every lease that this process holds, by one statement for each ledger; False when one could not be asked."""
    name = this_process()
    by_ledger: dict[tuple[int, int], list[Renewal]] = {}
    for each in _HEART.renewals():
        if each.lease.holder == name and not each.is_lost:
            by_ledger.setdefault((id(each.ledger), id(each.clock)), []).append(each)
    renewed = [_renew(own) for own in by_ledger.values()]
    return all(renewed)


def _renew(own: list[Renewal]) -> bool:
    held, now = {each.lease.name: each for each in own}, own[0].clock()
    try:
        with own[0].ledger.write() as transaction:
            lost = leases.renew(transaction, [each.lease for each in own], now)
    except Exception as error:  # noqa: BLE001 - whatever it is, the next beat comes
        logger.warning(Event.LEASES_NOT_RENEWED, extra={"leases": sorted(held), "exception": place_of(error)})
        return False
    for each in own:
        each.is_lost = each.lease in lost
        each.ends_at = now + leases.LENGTH
    return True


class _Heart:
    """What is renewed, and the thread that does it; it ends when there has been nothing to renew."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._renewals: list[Renewal] = []
        self._is_beating = False

    def add(self, renewal: Renewal) -> None:
        with self._lock:
            self._renewals.append(renewal)
            if not self._is_beating:
                self._is_beating = True
                Thread(target=self._work, name="heartbeat", daemon=True).start()

    def remove(self, renewal: Renewal) -> None:
        with self._lock:
            self._renewals.remove(renewal)

    def renewals(self) -> list[Renewal]:
        with self._lock:
            return list(self._renewals)

    def stop(self) -> None:
        """In a process that was forked there is no thread, and what was renewed is its parent's."""
        self._lock = Lock()
        self._is_beating = False

    def _work(self) -> None:
        pause = EVERY_SECONDS
        while True:
            time.sleep(pause)
            with self._lock:
                if not self._renewals:
                    self._is_beating = False
                    return
            pause = EVERY_SECONDS if beat() else AGAIN_SECONDS


_HEART = _Heart()
os.register_at_fork(after_in_child=_HEART.stop)

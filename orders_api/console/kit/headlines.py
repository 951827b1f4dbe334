"""The headlines of every page, read every ten seconds at most for each set of channels that somebody may see."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from warehouse.ledger.status.headlines import headlines

if TYPE_CHECKING:
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.status.headlines import Headlines

GOOD_FOR = timedelta(seconds=10)
KEPT = 1000


@dataclass(slots=True)
class HeadlineCache:
    """What was read last, by what its reader may see."""

    _kept: dict[tuple[str, ...] | None, Headlines] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, visit: Visit) -> Headlines:
        """The headlines for a visit."""
        with self._lock:
            found = self._kept.get(visit.visible_channels)
        if found is not None and timedelta() <= visit.now - found.at < GOOD_FOR:
            return found
        read = headlines(visit.transaction, visit.visible_channels, visit.now)
        with self._lock:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[visit.visible_channels] = read
        return read


def cached_headlines(visit: Visit) -> Headlines:
    """The headlines of the application that is visited."""
    cache: HeadlineCache = visit.request.app.state.headlines
    return cache.of(visit)

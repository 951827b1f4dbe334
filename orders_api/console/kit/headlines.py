"""The headlines of every page, read every ten seconds at most for each set of channels that somebody may see."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from orders_api.console.kit.texts import _
from orders_api.console.views.frame import Badge
from warehouse.ledger.status.headlines import headlines

if TYPE_CHECKING:
    from datetime import datetime

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


def state_badge(read: Headlines | None) -> Badge:
    """The pipeline's state in words."""
    if read is None:
        return Badge(_("State unknown"), "unknown")
    if not read.is_connected:
        return Badge(_("No channel is retrieved"), "unknown")
    if read.late:
        code, through = read.late[0]
        said = _("Late: %(channel)s %(minutes)s min", channel=code, minutes=_minutes(read.at, through))
        more = len(read.late) - 1
        return Badge(_("%(some)s and %(count)s more", some=said, count=more) if more else said, "failed")
    if read.complete_through is None:
        return Badge(_("First pull to come"), "waiting")
    return Badge(_("Up to date · %(minutes)s min", minutes=_minutes(read.at, read.complete_through)), "done")


def _minutes(now: datetime, earlier: datetime) -> int:
    return int((now - earlier).total_seconds() // 60)

"""Which windows of time a connection is asked for, by the marketplace's clock: due, swept, or back-filled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.protocol import Window
from orders_pipeline.stages.connection import Session, route
from warehouse.ledger.book import payload_dictionaries, raw_orders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.ledger.base.leases import Lease
    from warehouse.ledger.settings.channels import ConfiguredChannel
    from warehouse.packing import Dictionary


CLOSING_MARGIN = timedelta(minutes=1)
"""Added to the marketplace's own lag: clocks differ."""
SHORTEST_WINDOW = timedelta(minutes=15)
SWEEP_WINDOW = timedelta(days=5)


@dataclass(slots=True)
class PullSession(Session):
    """One connection while it is being pulled."""

    lease: Lease
    serving: Sequence[ConfiguredChannel]
    """Every channel of the connection: an order of one that is switched off is not another one's."""
    _dictionary: Dictionary | None = None

    def route(self, selector: str | None) -> str | None:
        """The channel a payload belongs to; None when it does not say and there is more than one."""
        return route(self.channels if selector is None else self.serving, selector)

    def dictionary(self) -> Dictionary | None:
        """What payloads are packed with; None while there are too few to make it of."""
        if self._dictionary is None:
            here = self.installation
            self._dictionary = payload_dictionaries.of_kind(here.ledger, self.connection.kind, here.clock())
        return self._dictionary


def newest_window(session: PullSession) -> Window:
    """The end of what is covered, once more."""
    until = closing(session)
    covered = covered_of(session)
    if covered is not None:
        until = min(until, covered.until)
    return Window(
        until - max(SHORTEST_WINDOW, timedelta(minutes=session.installation.settings.pull_overlap_minutes)), until
    )


def moment(session: PullSession) -> Window:
    """The one window of a listing of open orders: it has no length, as nothing is asked of the time before."""
    until = closing(session)
    return Window(until, until)


def skew_of(session: PullSession) -> timedelta:
    """The marketplace's clock less ours: as told in this session, else as last seen."""
    marketplace_time = session.client.server_time()
    if marketplace_time is not None:
        return marketplace_time - session.installation.clock()
    return timedelta(seconds=float(session.connection.state.get("clock_skew_seconds", 0.0)))


def now_there(session: PullSession) -> datetime:
    """The marketplace's present."""
    return session.installation.clock() + skew_of(session)


def closing(session: PullSession) -> datetime:
    """The newest instant whose changes are all readable by now."""
    return now_there(session) - session.marketplace.lag - CLOSING_MARGIN


def window_length(session: PullSession) -> timedelta:
    """How long a window may be at most: shorter after one that was too much."""
    minutes = session.connection.state.get("window_minutes")
    longest = timedelta(hours=session.installation.settings.pull_window_hours)
    if minutes is None or float(minutes) >= longest / timedelta(minutes=1):
        return longest
    return max(SHORTEST_WINDOW, timedelta(minutes=float(minutes)))


def due_windows(session: PullSession) -> list[Window]:
    """From the oldest cursor of the channels to the closing time, in bounded windows, a bounded number of them."""
    settings = session.installation.settings
    until = closing(session)
    if session.marketplace.lists_open_orders_only:
        return [moment(session)]
    with session.installation.ledger.read() as transaction:
        known = raw_orders.covered(transaction, [each.code for each in session.channels])
    first = until - timedelta(days=settings.pull_first_days)
    start = min(known[each.code][1] if each.code in known else first for each in session.channels)
    if start >= until:
        return []
    overlap = max(timedelta(minutes=settings.pull_overlap_minutes), session.marketplace.overlap)
    windows: list[Window] = []
    while start < until and len(windows) < settings.pull_windows_per_tick:
        end = min(until, start + window_length(session))
        windows.append(Window(start - overlap, end))
        start = end
    return windows


def covered_of(session: PullSession) -> Window | None:
    """What is covered of every channel; None while one is not covered at all."""
    with session.installation.ledger.read() as transaction:
        known = raw_orders.covered(transaction, [each.code for each in session.channels])
    if len(known) < len(session.channels):
        return None
    return Window(max(pair[0] for pair in known.values()), min(pair[1] for pair in known.values()))


def sweep_windows(session: PullSession) -> list[Window]:
    """The last days again, the newest first; () where nothing is covered."""
    with session.installation.ledger.read() as transaction:
        known = raw_orders.covered(transaction, [each.code for each in session.channels])
    if not known:
        return []
    if session.marketplace.lists_open_orders_only:
        return [moment(session)]
    end = min(pair[1] for pair in known.values())
    since = max(end - timedelta(days=session.installation.settings.sweep_days), min(pair[0] for pair in known.values()))
    return backwards(since, end, SWEEP_WINDOW)


def backwards(since: datetime, end: datetime, length: timedelta) -> list[Window]:
    """The time from `since` to `end` in windows, the newest first."""
    windows: list[Window] = []
    while end > since:
        start = max(since, end - length)
        windows.append(Window(start, end))
        end = start
    return windows

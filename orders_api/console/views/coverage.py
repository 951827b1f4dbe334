"""How complete the channels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orders_api.console.views.frame import Badge, Moment


@dataclass(frozen=True, slots=True)
class CoverageStrip:
    """Hours of one state in a row, as they are drawn: where they begin, how many they are, the state, and that in words."""

    x: int
    width: int
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class CoverageDay:
    """A day, the path of its pulls, and how many hours of it are of each state."""

    day: str
    path: str
    hours: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChannelCoverageView:
    """A channel: its code and label, what can be claimed, how many hours are drawn, and these; its days, the last first."""

    code: str
    label: str
    sentence: str
    hours: int
    strips: tuple[CoverageStrip, ...]
    days: tuple[CoverageDay, ...]


@dataclass(frozen=True, slots=True)
class CoveragePage:
    """The page: its channels, the states with their words, when it was read, and every stretch for programs."""

    channels: tuple[ChannelCoverageView, ...]
    legend: tuple[tuple[str, str], ...]
    read_at: Moment | None
    records: Sequence[Mapping[str, str | int | bool | None]]
    name: str = "coverage"
    following: str | None = None


@dataclass(frozen=True, slots=True)
class PullRow:
    """A pull: the window that it read, when, how it ended, and what it brought."""

    kind: str
    since: Moment | None
    until: Moment | None
    started: Moment | None
    outcome: Badge
    pages: int
    seen: int
    kept: int
    skipped: int
    trouble: str


@dataclass(frozen=True, slots=True)
class PullsPage:
    """The pulls that read a day; `is_shown` is false where they are of other channels too."""

    label: str
    day: str
    stretches: tuple[tuple[Badge, Moment | None, Moment | None], ...]
    rows: tuple[PullRow, ...]
    is_shown: bool

"""The first page: what needs somebody, how each channel stands, and how it went lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orders_api.console.views.charts import Chart
    from orders_api.console.views.frame import Badge, Moment


@dataclass(frozen=True, slots=True)
class Need:
    """Something that needs somebody: in words, and where it is done."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Figure:
    """How many, and the list of them; "" where there are none."""

    text: str
    path: str
    is_trouble: bool


@dataclass(frozen=True, slots=True)
class ChannelStanding:
    """A channel.

    Attributes:
        code: Its code.
        label: What people call it.
        state: How it stands.
        last_success: When it was read completely.
        complete: Up to when nothing is missing.
        lag: What that is, where it is no time: of open orders alone, or given to us.
        today: Orders that have come today.
        usual: How many usually come on such a weekday; "" while nobody knows.
        counts: What waits: to ship, overdue, errors, unconfirmed.
        next_run: When it is read next; None when it is off.
        quota: How much of its marketplace's quota is left, for people; "" where that is not known.
    """

    code: str
    label: str
    state: Badge
    last_success: Moment | None
    complete: Moment | None
    lag: str
    today: str
    usual: str
    counts: tuple[Figure, ...]
    next_run: Moment | None
    quota: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The page."""

    needs: tuple[Need, ...]
    channels: tuple[ChannelStanding, ...]
    charts: tuple[Chart, ...]

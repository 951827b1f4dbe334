"""The list of orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import Around


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in the list; None where something is not told."""

    id: str
    original_id: str
    channel: str
    status: Badge
    confirmation: Badge | None
    purchased: Moment | None
    ship_by: Moment | None
    due: Badge | None
    lines: int
    units: int | None
    total: str | None
    country: str | None
    has_errors: bool
    cancellation: Badge | None
    is_split: bool
    record: Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True)
class View:
    """A tab: its name, its path, and whether the list is it."""

    name: str
    path: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class OrderList:
    """The page.

    Attributes:
        rows: The orders.
        count: How many there are in all, for people; None when counting takes too long.
        counting: The path of the list with its count, when that was left out.
        views: The tabs.
        around: Filters and pages.
        search: What was searched for.
        is_cut: Whether the search has found more than it follows.
        interval: The days of the preset, as times.
        sort: How it is sorted, and the paths of the other ways.
        is_any: Whether there is anything but an empty book.
    """

    rows: tuple[OrderRow, ...]
    count: str | None
    counting: str
    views: tuple[View, ...]
    around: Around
    search: str
    is_cut: bool
    interval: str
    sort: str
    sorts: Mapping[str, str]
    is_any: bool
    name: str = "orders"

    @property
    def records(self) -> Sequence[Mapping[str, str | int | bool | None]]:
        """The rows for programs."""
        return [each.record for each in self.rows]

    @property
    def following(self) -> str | None:
        """The path of the next page."""
        return self.around.following

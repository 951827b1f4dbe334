"""The list of orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.views.lists import ShownList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import Record


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
    record: Record


@dataclass(frozen=True, slots=True)
class View:
    """A tab: its name, its path, and whether the list is it."""

    name: str
    path: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class PlaceInList:
    """Where an order stands in the list that it was opened from.

    Attributes:
        path: The list's.
        before: The path of the order before it, "" for the first.
        after: The path of the order behind it, "" for the last.
        opened: The list's query, for the page's own links.
    """

    path: str
    before: str
    after: str
    opened: str


@dataclass(frozen=True, slots=True)
class OrderList(ShownList):
    """The page.

    Attributes:
        count: How many there are in all, in words.
        counting: The path of the list with the exact count, where that is not told yet.
        views: The tabs.
        is_cut: Whether the search has found more than it follows.
        interval: The days of the preset, as times.
        opened: What is added to the address of an order, so that its page knows the list.
        sort: How it is sorted, and the paths of the other ways.
    """

    count: str
    counting: str | None
    views: tuple[View, ...]
    is_cut: bool
    interval: str
    opened: str
    sort: str
    sorts: Mapping[str, str]

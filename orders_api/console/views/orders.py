"""The list of orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.views.lists import ShownList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import FilterValue, Record


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in the list; None where something is not told."""

    id: str
    original_id: str
    channel: str
    status: Badge
    confirmation: Badge | None
    purchased: Moment | None
    received: Moment | None
    changed: Moment | None
    ship_by: Moment | None
    due: Badge | None
    lines: int
    units: int | None
    total: str | None
    country: str | None
    fulfilled_by: str
    marketplace: str
    references: str
    errors: int
    cancellation: Badge | None
    is_split: bool
    record: Record


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column of the list.

    Attributes:
        name: Its name.
        label: Its heading.
        is_number: Whether it holds numbers.
        path: Of the list sorted by it, or by it the other way round; "" where that cannot be.
        order: How it is sorted by it: `ascending`, `descending` or `none`.
    """

    name: str
    label: str
    is_number: bool
    path: str
    order: str


@dataclass(frozen=True, slots=True)
class View:
    """A tab: its name, its path, whether the list is it, and who shares it, "" for one's own and the built-in ones."""

    name: str
    path: str
    is_shown: bool
    sharer: str


@dataclass(frozen=True, slots=True)
class ViewBar:
    """The tabs, and what may be done with the one that is shown.

    Attributes:
        tabs: Views that are there from the beginning, one's own, those that others share.
        is_edited: Whether the list is no view as it stands.
        own: The id of the view that is shown, when it is one's own; else "".
        reset: The path of the view as it is kept.
        query: What is kept.
    """

    tabs: tuple[View, ...]
    is_edited: bool
    own: str
    reset: str
    query: str


@dataclass(frozen=True, slots=True)
class ExportForm:
    """What is to be downloaded.

    Attributes:
        orders: How many orders.
        listed: The query of the list.
        back: The path of the list.
        has_workbook: Whether they are few enough for one.
        may_have_personal_data: Whether whoever asks has the right.
    """

    orders: str
    listed: str
    back: str
    has_workbook: bool
    may_have_personal_data: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Orders that are left out for one reason: how many, and which, as text."""

    reason: str
    count: int
    which: str


@dataclass(frozen=True, slots=True)
class BulkForm:
    """What would happen to the orders that were chosen.

    Attributes:
        action: The action, and `word` what people read.
        word: As above.
        selection: The orders, as they are kept until it is done.
        chosen: How many.
        count: To how many it would be done.
        left: Those to which it would not.
        most: How many are taken at once, where there are more; else "".
        consumers: Who may have taken them over, where that is asked.
        has_reason: Whether a reason is asked for.
        is_request: Whether the pipeline does it.
        listed: The query of the list to come back to.
    """

    action: str
    word: str
    selection: str
    chosen: str
    count: int
    left: tuple[LeftOut, ...]
    most: str
    consumers: tuple[str, ...]
    has_reason: bool
    is_request: bool
    listed: str


@dataclass(frozen=True, slots=True)
class KeptView:
    """One of one's own views, on the page about them."""

    id: str
    name: str
    path: str
    is_shared: bool
    is_default: bool
    is_first: bool
    is_last: bool


@dataclass(frozen=True, slots=True)
class KeptViews:
    """One's own views, and those that others share."""

    own: tuple[KeptView, ...]
    shared: tuple[View, ...]


@dataclass(frozen=True, slots=True)
class FetchOffer:
    """What is not here can be asked of a connection: its code, its label, the ids, and the path to come back to."""

    connection: str
    label: str
    original_ids: tuple[str, ...]
    back: str


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
        views: The tabs, and what may be done with the present one.
        is_cut: Whether the search has found more than it follows.
        interval: The days of the preset, as times.
        opened: What is added to the address of an order, so that its page knows the list.
        offers: Whom else to ask for what was searched for.
        columns: What is shown of each.
        chooser: Every column, and whether it is shown.
        actions: What may be done to many at once, and what people read; none for who may only look.
        listed: The list's query.
    """

    count: str
    counting: str | None
    views: ViewBar
    is_cut: bool
    interval: str
    opened: str
    offers: tuple[FetchOffer, ...]
    columns: tuple[ListColumn, ...]
    chooser: tuple[FilterValue, ...]
    actions: Mapping[str, str]
    listed: str

    @property
    def has_cancellations(self) -> bool:
        """Whether cancellations have a column."""
        return any(each.name == "cancellation" for each in self.columns)

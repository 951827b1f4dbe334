"""Shipments, requests to cancel, files: lists of work, and the form for a shipment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import Record


@dataclass(frozen=True, slots=True)
class ShipmentRow:
    """A shipment in the list.

    Attributes:
        id: Its id.
        order: Internal id of its order.
        original_id: The marketplace's id of the order.
        channel: Label of its channel.
        package: The ERP's name of the package.
        carrier: As it was reported, or "".
        tracking_number: As it was reported, or "".
        state: How far telling the marketplace has come.
        trouble: What stands in its way, or "".
        reported: When.
        reported_by: By whom.
        may_retry: Whether it can be tried again.
        record: All of it for programs.
    """

    id: str
    order: str
    original_id: str
    channel: str
    package: str
    carrier: str
    tracking_number: str
    state: Badge
    trouble: str
    reported: Moment | None
    reported_by: str
    may_retry: bool
    record: Record


@dataclass(frozen=True, slots=True)
class CancellationRow:
    """A request to cancel in the list.

    Attributes:
        id: Its id.
        order: Internal id of its order.
        original_id: The marketplace's id of the order.
        channel: Label of its channel.
        requester: Who asks.
        reason: Why, or "".
        asked: When.
        hold: Until when the order is held; None when it is not.
        state: How far it is.
        decided: By whom it was decided and why, or "".
        warning: What went wrong, or "".
        is_open: Whether it is to be decided.
        record: All of it for programs.
    """

    id: str
    order: str
    original_id: str
    channel: str
    requester: str
    reason: str
    asked: Moment | None
    hold: Moment | None
    state: Badge
    decided: str
    warning: str
    is_open: bool
    record: Record


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file in the list.

    Attributes:
        id: Its id.
        name: On its storage.
        place: The storage and the folder.
        channel: Label of its channel.
        direction: Orders out, or shipments in.
        state: How far it is.
        rows: How many it has, and what became of them.
        trouble: What stands in its way, or "".
        at: When it was written or came.
        record: All of it for programs.
    """

    id: str
    name: str
    place: str
    channel: str
    direction: str
    state: Badge
    rows: str
    trouble: str
    at: Moment | None
    record: Record


@dataclass(frozen=True, slots=True)
class FateRow:
    """What became of a row of a shipment file."""

    number: int
    outcome: Badge
    order: str
    reason: str


@dataclass(frozen=True, slots=True)
class ShownFile:
    """One file, and what became of its rows."""

    row: ListedFile
    size: int
    sha256: str
    fates: tuple[FateRow, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class ShipLine:
    """A line of the form: what remains, and how many units are to go.

    `item_id` is the line's, `count` what is in its field.
    """

    item_id: str
    title: str
    sku: str
    remaining: int
    count: str


@dataclass(frozen=True, slots=True)
class ShipForm:
    """The form for a shipment of an order.

    Attributes:
        order: Internal id of the order.
        original_id: The marketplace's id.
        channel: Its channel.
        values: What is in the fields, by their names.
        lines: The lines of which something remains.
        carriers: Words that the channel understands.
        faults: What is wrong, each with its field, "" for none.
        notices: What there is to know of what is right.
        is_checked: Whether it was checked as it stands, and would be taken.
    """

    order: str
    original_id: str
    channel: str
    values: Mapping[str, str]
    lines: tuple[ShipLine, ...]
    carriers: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    is_checked: bool

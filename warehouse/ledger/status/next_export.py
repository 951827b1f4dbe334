"""What an order export would write at this moment: which files, of how many orders. Nothing is written here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from warehouse.ledger.base.database import MARKETPLACE_CHANGES, mark
from warehouse.ledger.book.orders_to_export import CHUNK, changed_orders
from warehouse.templates import order_file_name

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.book.orders_to_export import OrderToExport
    from warehouse.ledger.settings.file_jobs import ExportSettings, JobState

Group = tuple[str | None, ...]
"""What a file holds the orders of, where an export is split."""


@dataclass(frozen=True, slots=True)
class FilePreview:
    """A file that an export would write now."""

    name: str
    orders: int
    rows: int


def group_of(order: OrderToExport, settings: ExportSettings) -> Group:
    """Which file an order goes into."""
    values = ((settings.split_by_fulfilment, order.fulfilled_by), (settings.split_by_country, order.country_code))
    return tuple(value for is_split, value in values if is_split)


class Preview:
    """The files of an export, counted chunk by chunk."""

    def __init__(self, state: JobState) -> None:
        self._state, self._settings = state, state.job.export_settings
        self._orders: Counter[Group] = Counter()
        self._rows: Counter[Group] = Counter()

    def take(self, orders: list[OrderToExport]) -> None:
        """Count some orders more."""
        for order in orders:
            group = group_of(order, self._settings)
            self._orders[group] += 1
            self._rows[group] += len(orjson.loads("{" + order.facts + "}")["lines"])

    def files(self, now: datetime) -> list[FilePreview]:
        """What would be written at a time."""
        return [
            FilePreview(order_file_name(self._state.job.channel, group, now), self._orders[group], self._rows[group])
            for group in sorted(self._orders, key=str)
        ]


def next_files(transaction: Transaction, state: JobState, now: datetime) -> tuple[list[FilePreview], bool]:
    """The files of the first chunk of orders, and whether there are more orders behind it; two statements."""
    through = mark(transaction, MARKETPLACE_CHANGES)
    statuses = tuple(each.value for each in state.job.export_settings.statuses)
    orders = changed_orders(transaction, state.job.channel, statuses, state.cursor, through, now)
    preview = Preview(state)
    preview.take(orders)
    return preview.files(now), len(orders) == CHUNK

"""The journal: an append-only record of every call and its answer, for checkers.

What lives here: the entries and their reading. What does not: credentials and personal data; neither is ever recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from orders_pipeline.sandbox.clock import iso_millis


@dataclass(frozen=True)
class JournalEntry:
    """One call: what was asked, what was answered, and what it changed."""

    number: int
    at: datetime
    request_id: str
    operation: str
    account: str | None
    method: str
    path: str
    query: Sequence[tuple[str, str]]
    status: int | None
    code: str | None = None
    faults: Sequence[str] = ()
    orders: Sequence[str] = ()
    effect: Mapping[str, Any] | None = field(default=None)

    def as_json(self) -> dict[str, Any]:
        """Return the entry as JSON values. ``status`` is null when the connection was closed without an answer."""
        values = asdict(self)
        values["at"] = iso_millis(self.at)
        values["query"] = [list(pair) for pair in self.query]
        return values


class Journal:
    """Entries in the order of the answers; nothing is ever removed."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: list[JournalEntry] = []

    def __len__(self) -> int:
        """Return how many calls were recorded."""
        return len(self._entries)

    def __iter__(self) -> Iterator[JournalEntry]:
        """Iterate over a snapshot of the entries."""
        return iter(tuple(self._entries))

    def append(self, entry: JournalEntry) -> None:
        """Record one call."""
        self._entries.append(entry)

    def read(self, after: int = 0, limit: int = 1000, operation: str | None = None) -> list[JournalEntry]:
        """Return up to ``limit`` entries with a number above ``after``."""
        found = (entry for entry in self._entries[after:] if operation in (None, entry.operation))
        return [entry for entry, _ in zip(found, range(limit), strict=False)]

    def effects(self, operation: str | None = None) -> list[JournalEntry]:
        """Return the entries that changed something."""
        return [entry for entry in self._entries if entry.effect and operation in (None, entry.operation)]

"""One action on many orders: which actions there are, what is said with one, and what became of each order.

Doing it is in `warehouse.ledger.bulk`; where they are too many to wait for, the pipeline does it, a chunk after the other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from warehouse.operator_requests import ArgumentInvalid
from warehouse.sentences import Sentence
from warehouse.templates import csv_bytes, spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_AT_ONCE = 500
"""Orders that are done while somebody waits; more are a request to the pipeline."""
MOST_CHOSEN = 100_000
"""Orders that one request holds."""
LONGEST_REASON, LONGEST_PREFIX = 1000, 50


class BulkAction(StrEnum):
    """What is done to each order."""

    RETRY = "retry"
    ACKNOWLEDGE = "acknowledge"
    FETCH = "fetch"
    RESOLVE = "resolve"
    ACCEPT = "accept"
    REFUSE = "refuse"
    NEXT_FILE = "next_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkTask:
    """An action, and what was said with it.

    Attributes:
        action: The action.
        asked_by: Who asks.
        visible_channels: What the asker may see; None for everything.
        consumer: Of `acknowledge`: who took the orders over.
        prefix: Of `acknowledge`: order numbers are this and the marketplace's id; "": none is told.
        reason: Of `resolve`: why the errors are handled.
    """

    action: BulkAction
    asked_by: str
    visible_channels: tuple[str, ...] | None = None
    consumer: str = ""
    prefix: str = ""
    reason: str = ""

    @property
    def is_of_the_pipeline(self) -> bool:
        """Whether marketplaces have to be asked, which only the pipeline does."""
        return self.action is BulkAction.FETCH


class BulkOrder(NamedTuple):
    """One of the orders; "" where it is there no more."""

    id: str
    original_id: str = ""
    channel: str = ""


class BulkFate(NamedTuple):
    """What became of an order: done, or left out with a code and the reason."""

    order: BulkOrder
    code: str = ""
    reason: str = ""


NOT_HANDLED = "not_handled"
"""Of an order whose turn has not come."""


def checked_task(task: BulkTask) -> BulkTask:
    """A task with everything that its action needs, and nothing else.

    Raises:
        ArgumentInvalid: `consumer` or `reason` is missing; `prefix` or `reason` is too long, or of another action.

    >>> checked_task(BulkTask(action=BulkAction.RESOLVE, asked_by="anna", reason=" ")).reason
    Traceback (most recent call last):
    ...
    warehouse.operator_requests.ArgumentInvalid: say why they are handled
    """
    is_acknowledging, is_resolving = task.action is BulkAction.ACKNOWLEDGE, task.action is BulkAction.RESOLVE
    if is_acknowledging and not task.consumer:
        raise ArgumentInvalid("consumer", Sentence("say which consumer took them over"))
    if is_resolving and not task.reason.strip():
        raise ArgumentInvalid("reason", Sentence("say why they are handled"))
    for name, longest, belongs in (
        ("consumer", LONGEST_REASON, is_acknowledging),
        ("prefix", LONGEST_PREFIX, is_acknowledging),
        ("reason", LONGEST_REASON, is_resolving),
    ):
        given = getattr(task, name)
        if given and not belongs:
            raise ArgumentInvalid(name, Sentence("%(action)s takes none", action=task.action))
        if len(given) > longest:
            raise ArgumentInvalid(name, Sentence("at most %(longest)s characters", longest=longest))
    return task


def tally(fates: Iterable[BulkFate]) -> dict[str, int]:
    """How many orders are left out, by the code of the reason."""
    return dict(Counter(fate.code for fate in fates if fate.code))


def merged(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """Two of these together."""
    return dict(Counter(first) + Counter(second))


RESULT_COLUMNS = ("order", "id", "channel", "fate", "code", "reason")
"""Of a result file."""


def heading() -> bytes:
    """The first line of a result file."""
    return csv_bytes([RESULT_COLUMNS])


def lines(fates: Iterable[BulkFate]) -> bytes:
    """Orders as lines of a result file; a table program computes nothing of them."""
    return csv_bytes(
        spreadsheet_safe(
            (fate.order.original_id, fate.order.id, fate.order.channel, _fate(fate.code), fate.code, fate.reason)
        )
        for fate in fates
    )


def _fate(code: str) -> str:
    if not code:
        return "done"
    return code if code == NOT_HANDLED else "left_out"

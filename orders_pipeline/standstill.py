"""What the clock would start while there is nothing to be worked on here: it is skipped, and the reason is shown with the tick.

Runs that had begun before are refused by the ledger itself.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from warehouse.ledger.base.database import LedgerMovedError

Given = ParamSpec("Given")
Outcome = TypeVar("Outcome")


def skip_once_moved(evaluate: Callable[Given, Outcome]) -> Callable[Given, Outcome | dg.SkipReason]:
    """The evaluation of a schedule or a sensor; skipped while the ledger is moved, and once it was."""

    @wraps(evaluate)
    def skip(*arguments: Given.args, **named: Given.kwargs) -> Outcome | dg.SkipReason:
        try:
            return evaluate(*arguments, **named)
        except LedgerMovedError as error:
            return dg.SkipReason(str(error))

    return skip

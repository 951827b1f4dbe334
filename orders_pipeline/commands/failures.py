"""What a command says when it fails, and the exit code that the failure deserves."""

from __future__ import annotations

import logging

from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from orders_pipeline.commands.output import Exit, notes
from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Permanent, Throttled, Transient, Unauthorised
from warehouse.lake.outages import LakeError
from warehouse.ledger.base.database import SchemaBehindError, UnfitLedgerError, WrongEncoding
from warehouse.ledger.book.retired_orders import RetiredOrdersUnreadable
from warehouse.ledger.settings.document import ConfigurationError
from warehouse.logs import Event
from warehouse.privacy import KeyRingError
from warehouse.restore_mark import RestoreUnfinishedError
from warehouse.settings import faults

logger = logging.getLogger("orders_pipeline.commands")


def exit_code(error: MarketplaceError) -> Exit:
    """The exit code that a marketplace's failure deserves."""
    match error:
        case Unauthorised():
            return Exit.UNAUTHORISED
        case Transient() | Throttled() | InDoubt():
            return Exit.UNAVAILABLE
        case Permanent():
            return Exit.FAILED
        case _:
            return Exit.FAILED


def report(error: Exception) -> Exit:  # noqa: PLR0911 - one return a kind of failure
    """Say a known failure in plain lines, log any other one without its message; how the process then exits."""
    problems = _of_the_configuration(error)
    if problems:
        for about, what in problems:
            _say(about, what)
        return Exit.CONFIGURATION
    match error:
        case SchemaBehindError():
            _say("ledger", str(error))
            return Exit.UNAVAILABLE
        case UnfitLedgerError() | RestoreUnfinishedError():
            _say("ledger", str(error))
            return Exit.FAILED
        case LakeError() | RetiredOrdersUnreadable():
            _say("order tables", str(error))
            return Exit.FAILED
        case DBAPIError():
            _say("storage", str(error.orig))
            return Exit.FAILED
        case BrokenPipeError():
            return Exit.FAILED
        case _:
            # Python's own traceback ends in the error's message, which may quote an order.
            logger.error(Event.UNEXPECTED_ERROR, exc_info=error)
            return Exit.FAILED


def _of_the_configuration(error: Exception) -> list[tuple[str, str]]:
    match error:
        case ConfigurationError():
            return [("configuration", each) for each in error.problems]
        case KeyRingError():
            return [("key ring", str(error))]
        case WrongEncoding():
            return [("storage", str(error))]
        case _:
            return [("settings", each) for each in faults(error)]


def _say(about: str, what: str) -> None:
    notes.print(f"[red]{about}:[/red] {escape(what)}")

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
    match error:
        case ConfigurationError():
            for problem in error.problems:
                _say("configuration", problem)
            return Exit.CONFIGURATION
        case KeyRingError():
            _say("key ring", str(error))
            return Exit.CONFIGURATION
        case WrongEncoding():
            _say("storage", str(error))
            return Exit.CONFIGURATION
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


def _say(about: str, what: str) -> None:
    notes.print(f"[red]{about}:[/red] {escape(what)}")

"""What every way to log in has in common. Each ends in a session of its own, whatever cookie the browser has brought.

Guessing is slow: five attempts a minute for each name, twenty for each address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.kit import visits
from orders_api.console.kit.pages import see_other
from orders_api.console.kit.texts import _
from orders_api.kit.errors import Problem
from orders_api.kit.installation import installation_of
from orders_api.kit.rate_limits import RateLimiter
from warehouse.ledger.people import audit, sessions
from warehouse.ledger.people.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request
    from starlette.responses import Response

    from warehouse.ledger.people.users import User

PER_NAME = 5
PER_ADDRESS = 20


@dataclass(frozen=True, slots=True)
class LogInAttempts:
    """How often somebody may try to log in, in a minute."""

    names: RateLimiter
    addresses: RateLimiter

    @staticmethod
    def none_yet() -> LogInAttempts:
        """Before the first one."""
        return LogInAttempts(RateLimiter(PER_NAME), RateLimiter(PER_ADDRESS))

    def take(self, address: str, name: str | None = None) -> None:
        """Count an attempt, of a name where one was typed.

        Raises:
            Problem: 429 `too_many_attempts`.
        """
        limits = [self.addresses.take(address)]
        if name is not None:
            limits.append(self.names.take(name[:64]))
        if not all(each.is_admitted for each in limits):
            seconds = max(each.retry_after_seconds for each in limits)
            detail = _("Too many attempts to log in. Try again in %(seconds)s seconds.", seconds=seconds)
            raise Problem(429, "too_many_attempts", detail, headers={"Retry-After": str(seconds)})


def attempts_of(request: Request) -> LogInAttempts:
    """The attempts of this process."""
    attempts: LogInAttempts = request.app.state.attempts
    return attempts


def enter(request: Request, who: Callable[[Transaction], User | None], action: str, wanted: str) -> Response | None:
    """Open a session, and go on to a page; None when the ledger lets nobody in.

    Args:
        request: Of whoever wants in.
        who: Tells the user, in a write transaction.
        action: What the audit log calls it.
        wanted: The page, by its path below the console.
    """
    installation = installation_of(request)
    now, address = installation.clock(), visits.address_of(request)
    with installation.ledger.write() as transaction:
        user = who(transaction)
        if user is None:
            return None
        before = visits.find_visit(request, transaction, installation)
        if before is not None:
            sessions.end_session(transaction, before.session.key)
        secret = sessions.open_session(transaction, user, address, now)
        entry = AuditEntry(
            actor=user.name,
            origin=f"console {address}",
            action=action,
            subject=user.name,
            request_id=request.state.request_id,
        )
        audit.record(transaction, entry, now)
    response = see_other(request, wanted)
    visits.keep_secret(response, request, installation, secret)
    return response


def own_path(wanted: str) -> str:
    """A path of the console's own to go to, "" for anything else: a link must not lead elsewhere after the log-in."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\", "/log-in", "/sso")) and wanted.isprintable()
    return wanted if is_own and "\\" not in wanted else ""

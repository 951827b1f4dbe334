"""Writing down in the audit log what a token's call has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_api.kit.installation import installation_of
from warehouse.ledger.people import audit
from warehouse.ledger.people.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request

    from orders_api.kit.auth import Caller

ORIGIN = "api"


def note(
    transaction: Transaction, request: Request, caller: Caller, action: str, subject: str, details: Mapping[str, Any]
) -> None:
    """Write down one thing, in the transaction in which it was done."""
    entry = AuditEntry(
        actor=caller.consumer,
        origin=ORIGIN,
        action=action,
        subject=subject,
        details=details,
        request_id=request.state.request_id,
    )
    audit.record(transaction, entry, installation_of(request).clock())

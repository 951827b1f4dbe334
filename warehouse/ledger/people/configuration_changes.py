"""Writing down in the audit log what somebody changed in the configuration: one entry each, secrets only as changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.ledger.people import audit
from warehouse.ledger.people.audit import AuditEntry
from warehouse.ledger.settings.remote_changes import shown_fields

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.settings.configuration import Difference


def record_changes(
    transaction: Transaction,
    found: Sequence[Difference],
    now: datetime,
    *,
    actor: str,
    origin: str,
    request_id: str = "",
) -> None:
    """Write down what applying a configuration has changed.

    Args:
        transaction: The one of the change.
        found: What it has changed.
        now: The present instant.
        actor: Who has changed it.
        origin: From where, as of `AuditEntry`.
        request_id: Of the request that asked for it.
    """
    for each in found:
        entry = AuditEntry(
            actor=actor,
            origin=origin,
            action=f"{each.noun.replace(' ', '_')}_{each.action}d",
            subject=each.code,
            details={name: [before, after] for name, (before, after) in shown_fields(each).items()},
            request_id=request_id,
        )
        audit.record(transaction, entry, now)

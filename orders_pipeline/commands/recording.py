"""Writing down in the audit log what a command did, and who ran it."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Any

from warehouse.ledger.people import audit
from warehouse.ledger.people.audit import AuditEntry
from warehouse.ledger.people.configuration_changes import record_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from warehouse.ledger.settings.configuration import Difference

ORIGIN = "command"


def somebody() -> str:
    """The user of this shell; its number where it has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def record(
    transaction: Transaction,
    installation: Installation,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write down one thing that a command did, in the transaction in which it did it."""
    entry = AuditEntry(actor=somebody(), origin=ORIGIN, action=action, subject=subject, details=details or {})
    audit.record(transaction, entry, installation.clock())


def record_differences(transaction: Transaction, installation: Installation, found: Sequence[Difference]) -> None:
    """Write down what a command has changed in the configuration."""
    record_changes(transaction, found, installation.clock(), actor=somebody(), origin=ORIGIN)

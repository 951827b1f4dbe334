"""The mark of a restore under way: set before its first byte and taken away after its last.

While it stands, nothing may be worked with: a half restored installation looks like a new, healthy one. It is a file in
ORDERS_HOME, and with PostgreSQL also a table, because other machines have homes of their own. Restoring is in `backups`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.settings import Settings

FILE = "restore-unfinished"
TABLE = "restore_unfinished"


class RestoreUnfinishedError(Exception):
    """A restore was begun and has not ended."""

    def __init__(self) -> None:
        super().__init__(
            "a restore was begun here and has not ended: run `orders restore` again, nothing works before it"
        )


def file_of(settings: Settings) -> Path:
    """Where the mark is."""
    return settings.home / FILE


def require_no_file(settings: Settings) -> None:
    """Refuse to work in a home that is being restored.

    Raises:
        RestoreUnfinishedError: It is.
    """
    if file_of(settings).exists():
        raise RestoreUnfinishedError


def has_table(transaction: Transaction) -> bool:
    """Whether this PostgreSQL database is being restored."""
    return sa.inspect(transaction).has_table(TABLE)


def set_file(settings: Settings, folder: Path) -> None:
    """Set the mark on the home; on the disk when this returns."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(file_of(settings), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{folder.absolute()}\n")
        file.flush()
        os.fsync(file.fileno())
    handle = os.open(settings.home, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def set_table(transaction: Transaction) -> None:
    """Set the mark on the database; in a transaction of its own."""
    transaction.execute(sa.text(f"CREATE TABLE IF NOT EXISTS {TABLE} (began_at timestamptz DEFAULT now())"))


def remove_table(transaction: Transaction) -> None:
    """Take the mark from the database."""
    transaction.execute(sa.text(f"DROP TABLE IF EXISTS {TABLE}"))

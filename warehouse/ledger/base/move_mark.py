"""The mark of a ledger that is moving or has moved, and what holds every process to it: triggers that refuse each write.

The database itself refuses, so that processes of any release that had the ledger open before can write nothing that the new
home would not have; reads go on. To them it is an error like that of a database that is away. Moving is in `warehouse.moves`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.schema import leases, metadata

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

TABLE = "ledger_move"
REFUSAL = "orders_ledger_has_moved"
"""In the text of the error that a refused write gets."""

LEAVING, LEFT, ARRIVING = "leaving", "left", "arriving"

_mark = sa.Table(
    TABLE,
    sa.MetaData(),
    sa.Column("state", sa.String(16), primary_key=True),
    sa.Column("place", sa.Text, nullable=False, comment="of the other one, without its password"),
)


class MoveMark(NamedTuple):
    """Where the ledger goes or has gone (`leaving`, `left`), or where it comes from (`arriving`: it is not whole yet)."""

    state: str
    place: str


def read(transaction: Transaction) -> MoveMark | None:
    """The mark of this ledger, if there is one."""
    if not sa.inspect(transaction).has_table(TABLE):
        return None
    row = transaction.execute(sa.select(_mark.c.state, _mark.c.place)).first()
    return None if row is None else MoveMark(*row)


def explain(mark: MoveMark) -> str:
    """Why nothing may be worked with here, and what to do."""
    match mark.state:
        case "leaving":
            return f"the ledger is being moved to {mark.place}: nothing is written here until `orders move` has ended"
        case "left":
            return f"the ledger was moved to {mark.place}: set ORDERS_DATABASE_URL and ORDERS_LAKE_DATA as `orders move` said"
        case _:
            return f"a move of the ledger from {mark.place} to here has not ended: run `orders move` there again"


def freeze(transaction: Transaction, place: str, now: datetime) -> None:
    """Mark the ledger as leaving for a place, and refuse every write from the end of this transaction on.

    Leases end with it: whoever holds one can write nothing any more, and the new home waits for nobody.
    """
    transaction.execute(sa.update(leases).where(leases.c.expires_at > now).values(expires_at=now))
    _set(transaction, MoveMark(LEAVING, place))
    for statement in _refusals(transaction):
        transaction.exec_driver_sql(statement)


def thaw(transaction: Transaction) -> None:
    """Let writes go on: the move was given up."""
    is_postgresql = transaction.dialect.name == "postgresql"
    for table in metadata.sorted_tables:
        for event in _EVENTS:
            on = f" ON {table.name}" if is_postgresql else ""
            transaction.exec_driver_sql(f"DROP TRIGGER IF EXISTS {_trigger(table, event)}{on}")
    if is_postgresql:
        transaction.exec_driver_sql(f"DROP FUNCTION {REFUSAL}()")
    remove(transaction)


def close(transaction: Transaction) -> None:
    """The ledger has left: for good."""
    transaction.execute(sa.update(_mark).values(state=LEFT))


def expect(transaction: Transaction, place: str) -> None:
    """Mark a new ledger as not whole yet: nobody may work with it."""
    _set(transaction, MoveMark(ARRIVING, place))


def remove(transaction: Transaction) -> None:
    """Take the mark away."""
    _mark.drop(transaction)


def is_refusal(error: Exception) -> bool:
    """Whether a write failed because the ledger is moving or has moved."""
    return REFUSAL in str(error)


def _set(transaction: Transaction, mark: MoveMark) -> None:
    _mark.create(transaction)
    transaction.execute(sa.insert(_mark), [mark._asdict()])


_EVENTS = ("INSERT", "UPDATE", "DELETE")


def _trigger(table: sa.Table, event: str) -> str:
    return f"refuse_{event.lower()}_{table.name}"


def _refusals(transaction: Transaction) -> list[str]:
    """The statements that make every write fail.

    On SQLite a trigger calls a function that no process has: RAISE would be taken for a broken constraint, and with it for
    something that is there already. PostgreSQL's error is of the class of a database that cannot do so now.
    """
    named = [(table.name, event, _trigger(table, event)) for table in metadata.sorted_tables for event in _EVENTS]
    if transaction.dialect.name == "postgresql":
        raising = f"BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = '55000'; END"
        return [
            f"CREATE FUNCTION {REFUSAL}() RETURNS trigger LANGUAGE plpgsql AS $$ {raising} $$",
            *(
                f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {REFUSAL}()"
                for table, event, name in named
            ),
        ]
    return [
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN SELECT {REFUSAL}(); END" for table, event, name in named
    ]

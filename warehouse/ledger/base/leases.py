"""Leases: who may do a thing now, with a fencing token that makes a paused former holder harmless (design, rule 6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import insert_into
from warehouse.ledger.base.schema import leases
from warehouse.processes import is_gone, this_process

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping


_LEASE = sa.select(leases).where(leases.c.name == sa.bindparam("lease"))
_LEASE_TO_TAKE = _LEASE.with_for_update()
_OURS = sa.and_(leases.c.name == sa.bindparam("lease"), leases.c.fence == sa.bindparam("own_fence"))
_END = sa.update(leases).where(_OURS).values(expires_at=sa.bindparam("ends_at"))
_TAKE = (
    sa.update(leases)
    .where(leases.c.name == sa.bindparam("lease"))
    .values(holder=sa.bindparam("taker"), fence=sa.bindparam("new_fence"), expires_at=sa.bindparam("ends_at"))
)
"""Built once: every transaction of a run asks for its lease."""

CLOCK_TOLERANCE = timedelta(hours=1)
"""By how much the clocks of two holders may differ."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A right held until `expires_at`; `fence` is larger than that of every earlier holder."""

    name: str
    holder: str
    fence: int
    expires_at: datetime


class LeaseLost(Exception):
    """The lease expired and another holder has it: whatever was about to be written must not be."""


def acquire(transaction: Transaction, name: str, now: datetime, length: timedelta) -> Lease | None:
    """Take a lease that is free, has expired, or whose holder was a process of this machine that is gone.

    None while somebody else holds it. One that ends later than a lease can was taken by a clock that ran ahead, and is not
    believed.
    """
    holder = this_process()
    row = transaction.execute(_LEASE_TO_TAKE, {"lease": name}).mappings().one_or_none()
    if row is None:
        first = insert_into(transaction, leases).values(name=name, holder=holder, fence=1, expires_at=now + length)
        is_ours = transaction.execute(first.on_conflict_do_nothing().returning(leases.c.name)).first() is not None
        return Lease(name, holder, 1, now + length) if is_ours else None
    if _is_taken(row, now, length):
        return None
    lease = Lease(name, holder, row["fence"] + 1, now + length)
    transaction.execute(_TAKE, {"lease": name, "taker": holder, "new_fence": lease.fence, "ends_at": lease.expires_at})
    return lease


def is_taken(transaction: Transaction, name: str, now: datetime, length: timedelta) -> bool:
    """Whether somebody holds a lease now, as `acquire` judges it."""
    row = transaction.execute(_LEASE, {"lease": name}).mappings().one_or_none()
    return row is not None and _is_taken(row, now, length)


def _is_taken(row: RowMapping, now: datetime, length: timedelta) -> bool:
    return now < row["expires_at"] <= now + length + CLOCK_TOLERANCE and not is_gone(row["holder"])


def hold(transaction: Transaction, lease: Lease, now: datetime, length: timedelta) -> None:
    """Check in the writing transaction that the lease is still ours, and extend it.

    Raises:
        LeaseLost: Another holder has taken it.
    """
    extended = transaction.execute(_END, _ending(lease, now + length))
    if extended.rowcount != 1:
        raise LeaseLost(f"the lease {lease.name} has gone to another holder")


def release(transaction: Transaction, lease: Lease, now: datetime) -> None:
    """Give a lease back; nothing happens when it is no longer ours."""
    transaction.execute(_END, _ending(lease, now))


def holders(transaction: Transaction, now: datetime) -> dict[str, str]:
    """Name → holder of the leases that have not run out."""
    query = sa.select(leases.c.name, leases.c.holder).where(leases.c.expires_at > now).order_by(leases.c.name)
    return {row.name: row.holder for row in transaction.execute(query)}


def _ending(lease: Lease, ends_at: datetime) -> dict[str, object]:
    return {"lease": lease.name, "own_fence": lease.fence, "ends_at": ends_at}

"""Leases: who may do a thing now, with a fencing token that makes a paused former holder harmless.

They are short, so that whoever was lost with its machine holds nothing up; a holder that lives has them renewed by `heartbeat`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import insert_into
from warehouse.ledger.base.schema import leases
from warehouse.processes import is_gone, this_process

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping


_LEASE = sa.select(leases).where(leases.c.name == sa.bindparam("lease"))
_LEASE_TO_TAKE = _LEASE.with_for_update()
_OURS = sa.and_(leases.c.name == sa.bindparam("lease"), leases.c.fence == sa.bindparam("own_fence"))
_EXTEND = sa.update(leases).where(_OURS).values(expires_at=sa.bindparam("ends_at"))
_RELEASE = sa.update(leases).where(_OURS).values(expires_at=sa.bindparam("ends_at"), fence=leases.c.fence + 1)
_TAKE = (
    sa.update(leases)
    .where(leases.c.name == sa.bindparam("lease"))
    .values(holder=sa.bindparam("taker"), fence=sa.bindparam("new_fence"), expires_at=sa.bindparam("ends_at"))
)
"""Built once: every transaction of a run asks for its lease."""

LENGTH = timedelta(seconds=90)
"""Of every lease. A machine that is lost costs no more than that, and then the next tick."""
OF_RUNS = "run:"
"""How the names of the leases begin by which runs of the pipeline are judged."""
CLOCK_TOLERANCE = timedelta(minutes=3)
"""What a lease that ends later than it can is off by at most, where the clocks of two holders differ."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A right held until `expires_at`; `fence` is larger than that of every earlier holder."""

    name: str
    holder: str
    fence: int
    expires_at: datetime


class LeaseLost(Exception):
    """The lease expired and another holder has it: whatever was about to be written must not be."""


def acquire(transaction: Transaction, name: str, now: datetime) -> Lease | None:
    """Take a lease that is free, has expired, or whose holder was a process of this machine that is gone.

    None while somebody else holds it. One that ends later than a lease can was taken by a clock that ran ahead, and is not
    believed.
    """
    row = transaction.execute(_LEASE_TO_TAKE, {"lease": name}).mappings().one_or_none()
    if row is None:
        return acquire_once(transaction, name, now)
    if _is_taken(row, now):
        return None
    lease = Lease(name, this_process(), row["fence"] + 1, now + LENGTH)
    taking = {"lease": name, "taker": lease.holder, "new_fence": lease.fence, "ends_at": lease.expires_at}
    transaction.execute(_TAKE, taking)
    return lease


def acquire_once(transaction: Transaction, name: str, now: datetime) -> Lease | None:
    """Take a lease that nobody has ever had; None when somebody has."""
    lease = Lease(name, this_process(), 1, now + LENGTH)
    first = insert_into(transaction, leases).values(
        name=name, holder=lease.holder, fence=lease.fence, expires_at=lease.expires_at
    )
    is_ours = transaction.execute(first.on_conflict_do_nothing().returning(leases.c.name)).first() is not None
    return lease if is_ours else None


def own(transaction: Transaction, name: str, now: datetime) -> Lease | None:
    """A lease that this process has taken and that has not run out; None where there is none."""
    row = transaction.execute(_LEASE, {"lease": name}).mappings().one_or_none()
    if row is None or row["holder"] != this_process() or row["expires_at"] <= now:
        return None
    return Lease(name, row["holder"], row["fence"], row["expires_at"])


def states(transaction: Transaction, names: Collection[str], now: datetime) -> dict[str, bool]:
    """Of these leases those that were ever taken, with whether somebody holds each now, as `acquire` judges it."""
    rows = transaction.execute(sa.select(leases).where(leases.c.name.in_(names))).mappings()
    return {row["name"]: _is_taken(row, now) for row in rows}


def take_away(transaction: Transaction, name: str, now: datetime) -> bool:
    """End a lease for good that nobody renews any more, or has ever taken; False when somebody holds it."""
    lease = acquire(transaction, name, now)
    if lease is None:
        return False
    release(transaction, lease, now)
    return True


def _is_taken(row: RowMapping, now: datetime) -> bool:
    return now < row["expires_at"] <= now + LENGTH + CLOCK_TOLERANCE and not is_gone(row["holder"])


def hold(transaction: Transaction, lease: Lease, now: datetime) -> None:
    """Check in the writing transaction that the lease is still ours, and extend it.

    Raises:
        LeaseLost: Another holder has taken it.
    """
    extended = transaction.execute(_EXTEND, _ending(lease, now + LENGTH))
    if extended.rowcount != 1:
        raise LeaseLost(f"the lease {lease.name} has gone to another holder")


def renew(transaction: Transaction, held: Sequence[Lease], now: datetime) -> list[Lease]:
    """Extend leases that are ours; returns those that are not any more.

    One that its holder is extending at this moment is left alone: waiting for it might be waiting in a circle.
    """
    own = sa.tuple_(leases.c.name, leases.c.fence).in_([(each.name, each.fence) for each in held])
    free = sa.select(leases.c.name).where(own).with_for_update(skip_locked=True)
    extending = sa.update(leases).where(leases.c.name.in_(free)).values(expires_at=now + LENGTH)
    extended = set(transaction.execute(extending.returning(leases.c.name)).scalars())
    if len(extended) == len(held):
        return []
    ours = set(transaction.execute(sa.select(leases.c.name).where(own)).scalars())
    return [each for each in held if each.name not in ours]


def release(transaction: Transaction, lease: Lease, now: datetime) -> None:
    """Give a lease back; nothing happens when it is no longer ours."""
    transaction.execute(_RELEASE, _ending(lease, now))


def forget(transaction: Transaction, prefix: str, before: datetime) -> None:
    """Delete the leases of a kind that ended before some instant."""
    transaction.execute(
        sa.delete(leases).where(leases.c.name.startswith(prefix, autoescape=True), leases.c.expires_at < before)
    )


def live(transaction: Transaction, now: datetime) -> list[Lease]:
    """The leases that have not run out, by name."""
    query = sa.select(leases).where(leases.c.expires_at > now).order_by(leases.c.name)
    return [Lease(row.name, row.holder, row.fence, row.expires_at) for row in transaction.execute(query)]


def _ending(lease: Lease, ends_at: datetime) -> dict[str, object]:
    return {"lease": lease.name, "own_fence": lease.fence, "ends_at": ends_at}

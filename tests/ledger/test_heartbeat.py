"""The heartbeat: leases of a living process last, lost ones are noticed, and a fork renews nothing of its parent's."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

import pytest
import sqlalchemy as sa

from warehouse.ledger.base import heartbeat, leases
from warehouse.ledger.base.database import Ledger, make_engine
from warehouse.ledger.base.schema import leases as table


def take(ledger, clock, *names):
    with ledger.write() as transaction:
        return [leases.acquire(transaction, name, clock()) for name in names]


def is_taken(ledger, clock, name) -> bool:
    with ledger.read() as transaction:
        return leases.states(transaction, [name], clock())[name]


def test_what_is_renewed_outlasts_its_length(any_ledger, clock):
    first, second = take(any_ledger, clock, "pull:a", "pull:b")
    with heartbeat.renewing(any_ledger, first, clock), heartbeat.renewing(any_ledger, second, clock):
        for _ in range(8):
            clock.advance(seconds=heartbeat.EVERY_SECONDS)
            assert heartbeat.beat()
        assert is_taken(any_ledger, clock, "pull:a")
        assert is_taken(any_ledger, clock, "pull:b")
    clock.advance(seconds=91)
    heartbeat.beat()
    assert not is_taken(any_ledger, clock, "pull:a")


def test_whoever_stood_still_learns_that_its_lease_has_gone(any_ledger, clock):
    former, other = take(any_ledger, clock, "pull:a", "pull:b")
    with (
        heartbeat.renewing(any_ledger, former, clock) as lost,
        heartbeat.renewing(any_ledger, other, clock) as kept,
    ):
        clock.advance(seconds=91)
        (present,) = take(any_ledger, clock, "pull:a")
        assert heartbeat.beat()
        with pytest.raises(leases.LeaseLost):
            lost.require()
        kept.require()
    with any_ledger.write() as transaction:
        leases.hold(transaction, present, clock())
        with pytest.raises(leases.LeaseLost):
            leases.hold(transaction, former, clock())


def test_a_lease_that_was_given_back_is_not_renewed_behind_its_next_holder(any_ledger, clock):
    (lease,) = take(any_ledger, clock, "pull:a")
    with heartbeat.renewing(any_ledger, lease, clock):
        with any_ledger.write() as transaction:
            leases.release(transaction, lease, clock())
        heartbeat.beat()
        assert not is_taken(any_ledger, clock, "pull:a")


def test_a_lease_that_its_holder_is_writing_under_is_not_waited_for(any_ledger, clock):
    one, two = take(any_ledger, clock, "pull:a", "pull:b")
    if any_ledger.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    clock.advance(seconds=60)
    with heartbeat.renewing(any_ledger, one, clock) as first, heartbeat.renewing(any_ledger, two, clock) as second:
        with any_ledger.write() as transaction:
            leases.hold(transaction, one, clock())
            assert heartbeat.beat()
        assert (first.is_lost, second.is_lost) == (False, False)
    clock.advance(seconds=60)
    assert is_taken(any_ledger, clock, "pull:b")


def test_a_ledger_that_is_away_is_asked_again(any_ledger, clock, tmp_path, caplog):
    (lease,) = take(any_ledger, clock, "pull:a")
    away = Ledger(make_engine(f"sqlite:///{tmp_path / 'nowhere' / 'ledger.sqlite'}"))
    elsewhere = leases.Lease("pull:b", lease.holder, 1, lease.expires_at)
    clock.advance(seconds=60)
    with heartbeat.renewing(away, elsewhere, clock) as renewal, heartbeat.renewing(any_ledger, lease, clock):
        assert not heartbeat.beat()
        assert not renewal.is_lost
    clock.advance(seconds=60)
    assert is_taken(any_ledger, clock, "pull:a")
    assert "leases_not_renewed" in caplog.text


def test_a_fork_renews_nothing(any_ledger, clock):
    (lease,) = take(any_ledger, clock, "pull:a")
    with heartbeat.renewing(any_ledger, lease, clock):
        pid = os.fork()
        if pid == 0:
            clock.advance(seconds=60)
            os._exit(0 if heartbeat.beat() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    clock.advance(seconds=91)
    assert not is_taken(any_ledger, clock, "pull:a")


def test_a_lease_that_is_taken_once_is_never_taken_again(any_ledger, clock):
    with any_ledger.write() as transaction:
        lease = leases.acquire_once(transaction, "run:1", clock())
        assert not leases.take_away(transaction, "run:1", clock())
        leases.release(transaction, lease, clock())
        assert leases.acquire_once(transaction, "run:1", clock()) is None
        assert leases.take_away(transaction, "run:2", clock())
        assert leases.acquire_once(transaction, "run:2", clock()) is None


def test_what_has_ended_is_forgotten(any_ledger, clock):
    take(any_ledger, clock, "run:1", "run_2", "pull:a")
    clock.advance(hours=1)
    take(any_ledger, clock, "run:3")
    with any_ledger.write() as transaction:
        leases.forget(transaction, "run:", clock() - timedelta(minutes=30))
        assert sorted(transaction.execute(sa.select(table.c.name)).scalars()) == ["pull:a", "run:3", "run_2"]


def test_another_process_with_our_number_is_not_ours(any_ledger, clock):
    (lease,) = take(any_ledger, clock, "pull:a")
    place = lease.holder.rpartition("-")[0]
    assert is_taken(any_ledger, clock, "pull:a")
    for holder, is_alive in ((f"{place}-1", False), (f"{socket.gethostname()}:{os.getpid()}:elsewhere-4-1", True)):
        with any_ledger.write() as transaction:
            transaction.execute(sa.update(table).values(holder=holder))
        assert is_taken(any_ledger, clock, "pull:a") == is_alive

"""Leases with fencing tokens and persisted token buckets, on both databases."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
import sqlalchemy as sa

from warehouse.ledger.base import leases, quotas
from warehouse.ledger.base.schema import leases as table


def test_a_lease_has_one_holder(any_ledger, clock):
    with any_ledger.write() as connection:
        assert leases.acquire(connection, "pull:a", clock()) is not None
        assert leases.acquire(connection, "pull:a", clock()) is None
        assert leases.acquire(connection, "pull:b", clock()) is not None


def test_an_expired_lease_goes_to_the_next_and_fences_off_the_former_holder(any_ledger, clock):
    with any_ledger.write() as connection:
        former = leases.acquire(connection, "pull:a", clock())
    clock.advance(seconds=91)
    with any_ledger.write() as connection:
        present = leases.acquire(connection, "pull:a", clock())
        assert former is not None
        assert present is not None
        assert present.fence > former.fence
        with pytest.raises(leases.LeaseLost):
            leases.hold(connection, former, clock())
        leases.hold(connection, present, clock())


def test_a_released_lease_is_free_at_once(any_ledger, clock):
    with any_ledger.write() as connection:
        lease = leases.acquire(connection, "x", clock())
        assert lease is not None
        leases.release(connection, lease, clock())
        assert leases.acquire(connection, "x", clock()) is not None


def test_the_lease_of_a_killed_process_of_this_machine_is_free_at_once(any_ledger, clock):
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    with any_ledger.write() as connection:
        leases.acquire(connection, "x", clock())
        connection.execute(sa.update(table).values(holder=f"{socket.gethostname()}:{process.pid}"))
        assert leases.acquire(connection, "x", clock()) is not None


def test_the_lease_of_another_machine_is_waited_for(any_ledger, clock):
    with any_ledger.write() as connection:
        leases.acquire(connection, "x", clock())
        connection.execute(sa.update(table).values(holder=f"another-{socket.gethostname()}:{os.getpid()}"))
        assert leases.acquire(connection, "x", clock()) is None


def test_a_bucket_gives_its_burst_and_then_its_rate(any_ledger, clock):
    with any_ledger.write() as connection:
        waits = [quotas.take(connection, "a", "search", 0.5, 3, clock()) for _ in range(4)]
        assert waits == [0, 0, 0, 2.0]
        clock.advance(seconds=2)
        assert quotas.take(connection, "a", "search", 0.5, 3, clock()) == 0
        assert quotas.take(connection, "a", "search", 0.5, 3, clock()) > 0


def test_buckets_of_other_connections_and_operations_are_their_own(any_ledger, clock):
    with any_ledger.write() as connection:
        quotas.take(connection, "a", "search", 0.1, 1, clock())
        assert quotas.take(connection, "b", "search", 0.1, 1, clock()) == 0
        assert quotas.take(connection, "a", "get", 0.1, 1, clock()) == 0


def test_a_clock_that_steps_back_refills_nothing(any_ledger, clock):
    with any_ledger.write() as connection:
        quotas.take(connection, "a", "search", 1.0, 1, clock())
        clock.advance(hours=-1)
        assert quotas.take(connection, "a", "search", 1.0, 1, clock()) > 0


def test_what_the_marketplace_says_is_left_counts_for_more_than_what_was_believed(any_ledger, clock):
    with any_ledger.write() as connection:
        quotas.take(connection, "a", "search", 1.0, 5, clock())
        quotas.learn(connection, "a", "search", 0, clock() + timedelta(seconds=20), clock())
        assert quotas.take(connection, "a", "search", 1.0, 5, clock()) == pytest.approx(20)
        assert quotas.take(connection, "a", "get", 1.0, 5, clock()) == pytest.approx(20)
        clock.advance(seconds=21)
        quotas.take(connection, "a", "search", 1.0, 5, clock())
        quotas.learn(connection, "a", "search", 2, None, clock())
        assert [quotas.take(connection, "a", "search", 1.0, 5, clock()) for _ in range(3)] == [0, 0, 1.0]


def test_after_a_429_nothing_is_taken_for_the_time_told(any_ledger, clock):
    with any_ledger.write() as connection:
        quotas.take(connection, "a", "search", 1.0, 5, clock())
        quotas.block(connection, "a", clock(), 30)
        assert quotas.take(connection, "a", "search", 1.0, 5, clock()) == pytest.approx(30)
        assert quotas.take(connection, "a", "never used before", 1.0, 5, clock()) == pytest.approx(30)
        assert quotas.take(connection, "b", "never used before", 1.0, 5, clock()) == 0
        clock.advance(seconds=31)
        assert quotas.take(connection, "a", "search", 1.0, 5, clock()) == 0

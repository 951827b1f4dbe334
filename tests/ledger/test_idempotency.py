"""Idempotency keys: claimed once, answered again, taken over from the dead, and forgotten in time; on SQLite and PostgreSQL."""

from __future__ import annotations

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from warehouse.ledger.base import idempotency
from warehouse.ledger.base.idempotency import KeptAnswer, KeyInFlight, KeyReused, RequestClaim
from warehouse.ledger.base.schema import idempotency_keys

HASH = bytes(32)
OTHER = bytes(31) + b"\1"
ANSWER = KeptAnswer(202, {"Location": "/v1/shipments/x"}, b'{"results":[]}')


class Keys:
    """The keys of one consumer."""

    def __init__(self, ledger, clock) -> None:
        self.ledger = ledger
        self.clock = clock

    def claim(self, key: str = "k", body_hash: bytes = HASH, consumer: str = "erp"):
        with self.ledger.write() as connection:
            return idempotency.claim(connection, consumer, key, body_hash, self.clock())

    def keep(self, held: RequestClaim, answer: KeptAnswer = ANSWER) -> None:
        with self.ledger.write() as connection:
            idempotency.keep(connection, held, answer)

    def give_up(self, held: RequestClaim) -> None:
        with self.ledger.write() as connection:
            idempotency.give_up(connection, held)

    def count(self) -> int:
        with self.ledger.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(idempotency_keys)).scalar_one()


@pytest.fixture
def known(any_ledger, clock) -> Keys:
    return Keys(any_ledger, clock)


@pytest.fixture
def gone_process() -> str:
    """The name of a process of this machine that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return f"{socket.gethostname()}:{ended.pid}"


def test_the_first_claims_and_the_next_are_in_flight(known):
    assert isinstance(known.claim(), RequestClaim)
    with pytest.raises(KeyInFlight):
        known.claim()


def test_an_answer_is_given_again(known, clock):
    known.keep(known.claim())
    clock.advance(hours=47)
    assert known.claim() == ANSWER


@pytest.mark.parametrize("is_answered", [True, False])
def test_another_request_under_the_same_key_is_refused(known, is_answered):
    held = known.claim()
    if is_answered:
        known.keep(held)
    with pytest.raises(KeyReused):
        known.claim(body_hash=OTHER)


def test_each_consumer_has_keys_of_its_own(known):
    known.claim()
    assert isinstance(known.claim(consumer="shop", body_hash=OTHER), RequestClaim)


def test_a_key_that_was_given_up_is_free(known):
    known.give_up(known.claim())
    assert isinstance(known.claim(body_hash=OTHER), RequestClaim)


def test_a_gone_process_is_taken_over_at_once(known, any_ledger, gone_process):
    known.claim()
    with any_ledger.write() as connection:
        connection.execute(sa.update(idempotency_keys).values(holder=gone_process))
    assert isinstance(known.claim(), RequestClaim)
    with pytest.raises(KeyInFlight):
        known.claim()


def test_a_claim_of_another_machine_is_taken_over_in_time_and_can_keep_nothing_then(known, clock):
    slow = known.claim()
    clock.advance(seconds=299)
    with pytest.raises(KeyInFlight):
        known.claim()
    clock.advance(seconds=1)
    taken = known.claim()
    with pytest.raises(KeyInFlight):
        known.keep(slow)
    known.give_up(slow)
    known.keep(taken)
    assert known.claim() == ANSWER


def test_of_many_at_once_one_claims(known):
    def attempt(_number: int) -> bool:
        try:
            return isinstance(known.claim(), RequestClaim)
        except KeyInFlight:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(40))) == 1


def test_old_keys_are_forgotten_and_young_ones_stay(known, any_ledger, clock, monkeypatch):
    monkeypatch.setattr(idempotency, "KEYS_PER_COMMIT", 2)
    for number in range(5):
        known.keep(known.claim(f"old-{number}"))
    clock.advance(hours=48, seconds=1)
    known.keep(known.claim("young"))
    assert idempotency.prune(any_ledger, clock() - idempotency.LIFETIME) == 5
    assert known.count() == 1
    assert known.claim("young") == ANSWER


def test_a_key_of_the_greatest_length_fits(known):
    known.keep(known.claim("k" * 255))
    assert known.claim("k" * 255) == ANSWER


def test_the_lifetime_outlasts_the_patience():
    assert idempotency.PATIENCE < timedelta(hours=1) < idempotency.LIFETIME

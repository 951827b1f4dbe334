"""API tokens: what is kept of them, whom they let in, and how they are rotated and revoked."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from warehouse.ledger.base import schema
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection
from warehouse.ledger.settings.tokens import Scope, TokenError


@pytest.fixture
def connected(any_ledger, clock):
    """A ledger with one channel."""
    with any_ledger.write() as connection:
        save_connection(connection, Connection(code="seller", kind="amazon", label="Seller"), clock())
        channel = ConfiguredChannel(code="amazon_fr", label="France", marketplace="Amazon FR", connection="seller")
        save_channel(connection, channel, clock())
    return any_ledger


def create(ledger, clock, consumer="erp", scopes=(Scope.ORDERS_READ,), channels=None, expires_at=None):
    with ledger.write() as connection:
        return tokens.create(connection, consumer, scopes, channels, expires_at, clock())


def verify(ledger, clock, presented):
    with ledger.read() as connection:
        return tokens.verify(connection, presented, clock())


def test_a_token_lets_its_holder_in(connected, clock):
    info, plain = create(connected, clock, scopes=(Scope.ORDERS_READ, Scope.ADMIN), channels=["amazon_fr"])

    assert verify(connected, clock, plain) == info
    assert (info.consumer, info.channels) == ("erp", ("amazon_fr",))
    assert info.scopes == {Scope.ORDERS_READ, Scope.ADMIN}
    assert re.fullmatch(r"orders_[0-9a-f]{12}_[A-Za-z0-9]{43}", plain)


def test_only_a_hash_of_the_secret_is_kept(connected, clock):
    _, plain = create(connected, clock)
    secret = plain.rsplit("_", 1)[1]

    with connected.read() as connection:
        row = connection.execute(sa.select(schema.tokens)).mappings().one()

    assert row["secret_hash"] == hashlib.sha256(secret.encode()).digest()
    assert secret not in str(dict(row))


def test_no_two_tokens_are_alike(connected, clock):
    made = {create(connected, clock, consumer=f"c{n}")[1] for n in range(20)}

    assert len(made) == len({each.split("_")[1] for each in made}) == 20


@pytest.mark.parametrize(
    "spoilt", [str.upper, lambda text: text + "a", lambda text: text[:-1], lambda text: " " + text]
)
def test_a_spoilt_token_is_not_accepted(connected, clock, spoilt):
    _, plain = create(connected, clock)

    assert verify(connected, clock, spoilt(plain)) is None


def test_the_secret_of_another_token_is_not_accepted(connected, clock):
    _, one = create(connected, clock)
    _, other = create(connected, clock)

    assert verify(connected, clock, f"{one.rsplit('_', 1)[0]}_{other.rsplit('_', 1)[1]}") is None


def test_a_token_ends_at_its_expiry(connected, clock):
    _, plain = create(connected, clock, expires_at=clock() + timedelta(days=1))
    clock.advance(hours=23, minutes=59)
    assert verify(connected, clock, plain) is not None
    clock.advance(minutes=1)
    assert verify(connected, clock, plain) is None


def test_a_revoked_token_is_not_accepted(connected, clock):
    info, plain = create(connected, clock)
    with connected.write() as connection:
        assert tokens.revoke(connection, info.id, clock())
        assert not tokens.revoke(connection, info.id, clock())
        assert not tokens.revoke(connection, "000000000000", clock())

    assert verify(connected, clock, plain) is None
    with connected.read() as connection:
        assert [each.revoked_at for each in tokens.listed(connection)] == [clock()]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"consumer": ""}, "invalid_consumer"),
        ({"consumer": "a b"}, "invalid_consumer"),
        ({"consumer": "x" * 65}, "invalid_consumer"),
        ({"scopes": ()}, "no_scope"),
        ({"channels": []}, "no_channel"),
        ({"channels": ["amazon_fr", "amazon_xx"]}, "unknown_channel"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(connected, clock, changes, code):
    with pytest.raises(TokenError) as caught:
        create(connected, clock, **changes)

    assert caught.value.code == code


def test_an_expiry_in_the_past_is_refused(connected, clock):
    with pytest.raises(TokenError, match="past"):
        create(connected, clock, expires_at=clock())


def rotate(ledger, clock, token_id, expires_at=None, grace=None):
    with ledger.write() as connection:
        return tokens.rotate(connection, token_id, expires_at, grace, clock())


def test_a_rotated_token_lives_on_beside_the_new_one(connected, clock):
    old, old_plain = create(connected, clock, scopes=(Scope.ORDERS_READ_PII,), channels=["amazon_fr"])

    new, new_plain = rotate(connected, clock, old.id)

    assert (new.consumer, new.scopes, new.channels) == (old.consumer, old.scopes, old.channels)
    assert verify(connected, clock, old_plain) == old
    assert verify(connected, clock, new_plain) == new


def test_a_grace_ends_the_old_token_but_never_prolongs_it(connected, clock):
    old, old_plain = create(connected, clock, expires_at=clock() + timedelta(hours=1))
    _, new_plain = rotate(connected, clock, old.id, grace=timedelta(days=1))
    clock.advance(hours=1)

    assert verify(connected, clock, old_plain) is None
    assert verify(connected, clock, new_plain) is not None


def test_a_third_live_token_is_refused_until_one_is_revoked(connected, clock):
    old, _ = create(connected, clock)
    new, _ = rotate(connected, clock, old.id)
    for attempt in (lambda: rotate(connected, clock, new.id), lambda: create(connected, clock)):
        with pytest.raises(TokenError) as caught:
            attempt()
        assert caught.value.code == "too_many_tokens"

    with connected.write() as connection:
        tokens.revoke(connection, old.id, clock())
    assert rotate(connected, clock, new.id)


def test_what_is_not_live_is_not_rotated(connected, clock):
    old, _ = create(connected, clock)
    with connected.write() as connection:
        tokens.revoke(connection, old.id, clock())

    for token_id in (old.id, "000000000000"):
        with pytest.raises(TokenError) as caught:
            rotate(connected, clock, token_id)
        assert caught.value.code == "unknown_token"


def test_rotating_at_the_same_time_leaves_two_live_tokens(connected, clock):
    old, _ = create(connected, clock)

    def attempt(_):
        try:
            rotate(connected, clock, old.id)
        except TokenError as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(4)))

    assert outcomes == ["made", "too_many_tokens", "too_many_tokens", "too_many_tokens"]

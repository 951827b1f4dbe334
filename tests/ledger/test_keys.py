"""The key ring and its ledger belong together: a wrong ring is told before anything is read or sealed with it."""

from __future__ import annotations

import stat

import pytest
import sqlalchemy as sa

from tests.lake.conftest import Shop
from warehouse.ledger.base.credentials import seal_secret
from warehouse.ledger.base.database import LedgerMissingError, UnfitLedgerError, open_existing_ledger, open_ledger
from warehouse.ledger.base.schema import connections, parties, sealing_keys
from warehouse.ledger.status import keys as sealing
from warehouse.ledger.status.keys import cannot_open, newest_cannot_open, open_keys
from warehouse.order_parts import Customer
from warehouse.privacy import KeyRingError, new_key, parse_key_ring


def with_keys(settings, text):
    return settings.model_copy(update={"keys": None if text is None else type(settings.keys)(text)})


def key_of(pair: str) -> str:
    return pair.partition(":")[2]


@pytest.fixture
def k1() -> str:
    return f"k1:{key_of(new_key())}"


@pytest.fixture
def sealed(any_settings, any_ledger, clock, k1):
    """Settings of a ledger that holds one person's data, sealed with k1."""
    own = with_keys(any_settings, k1)
    shop = Shop(any_ledger, open_keys(own, any_ledger, clock()))
    shop.settle(shop.order(1, customer=Customer(name="Zoë Canari")), now=clock())
    return own


def forget(ledger) -> None:
    """As a release left it that kept no check values."""
    with ledger.write() as connection:
        connection.execute(sa.delete(sealing_keys))


@pytest.mark.parametrize("is_of_an_older_release", [False, True])
def test_a_new_key_with_the_same_id_is_told_before_anything_is_done_with_it(
    sealed, any_ledger, clock, is_of_an_older_release
):
    if is_of_an_older_release:
        forget(any_ledger)
    for text in (f"k1:{key_of(new_key())}", new_key()):
        with pytest.raises(KeyRingError):
            open_keys(with_keys(sealed, text), any_ledger, clock())
        with any_ledger.read() as connection:
            assert cannot_open(connection, parse_key_ring(text))
            assert newest_cannot_open(connection, parse_key_ring(text)) or is_of_an_older_release


def test_a_new_key_takes_no_id_that_sealed_data_name(sealed, any_ledger, clock, k1):
    with pytest.raises(KeyRingError, match="the id 'k1' belongs to another key"):
        open_keys(with_keys(sealed, f"k1:{key_of(new_key())},old:{key_of(k1)}"), any_ledger, clock())


def test_a_rotation_goes_on_and_ends(sealed, any_ledger, clock, k1):
    new = new_key()
    both = open_keys(with_keys(sealed, f"{new},{k1}"), any_ledger, clock())
    with any_ledger.read() as connection:
        assert cannot_open(connection, both) is None
    alone = open_keys(with_keys(sealed, new), any_ledger, clock())
    with any_ledger.read() as connection:
        assert "1 of 1 sealed values" in str(cannot_open(connection, alone))
    with any_ledger.write() as connection:
        connection.execute(sa.delete(parties))
    with any_ledger.read() as connection:
        assert cannot_open(connection, alone) is None


def test_a_ledger_of_an_older_release_takes_the_ring_that_opens_it(sealed, any_ledger, clock, k1):
    forget(any_ledger)
    open_keys(sealed, any_ledger, clock())
    with any_ledger.read() as connection:
        assert connection.execute(sa.select(sealing_keys.c.id)).scalars().all() == ["k1"]


def test_a_typed_secret_counts_as_sealed(any_settings, any_ledger, clock, k1):
    ring = parse_key_ring(k1)
    with any_ledger.write() as connection:
        row = {"code": "shop", "kind": "mirakl", "label": "Shop", "settings": {}, "state": {}}
        row |= {"credentials": {"api_key": seal_secret(ring, "shop", "api_key", "qz")}}
        connection.execute(sa.insert(connections), [{**row, "created_at": clock(), "updated_at": clock()}])
    with pytest.raises(KeyRingError, match="another key ring"):
        open_keys(with_keys(any_settings, new_key()), any_ledger, clock())
    open_keys(with_keys(any_settings, k1), any_ledger, clock())


def test_a_ring_is_made_for_an_empty_store_only(settings, clock):
    own = with_keys(settings, None)
    ledger = open_ledger(own)
    keys = open_keys(own, ledger, clock())
    file = own.home / "keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith(f"{keys.active}:")
    assert open_keys(own, ledger, clock()).active == keys.active
    file.unlink()
    with pytest.raises(KeyRingError, match="put the file back"):
        open_keys(own, ledger, clock())
    forget(ledger)
    own.archive.mkdir()
    (own.archive / "file").write_bytes(b"sealed")
    with pytest.raises(KeyRingError, match="put the file back"):
        open_keys(own, ledger, clock())
    assert not file.exists()
    ledger.close()


def test_check_values_open_with_their_key_only(sealed, any_ledger, k1):
    with any_ledger.read() as connection:
        values = sealing.check_values(connection)
    assert sealing.opens_one_of(parse_key_ring(k1), values)
    assert not sealing.opens_one_of(parse_key_ring(f"k1:{key_of(new_key())}"), values)


def test_looking_makes_no_ledger(any_empty_settings):
    with pytest.raises(LedgerMissingError, match="orders apply"):
        open_existing_ledger(any_empty_settings)
    assert not any_empty_settings.home.exists()
    open_ledger(any_empty_settings).close()
    open_existing_ledger(any_empty_settings).close()


def test_a_ledger_of_a_newer_release_is_told_and_left_alone(any_settings, any_ledger):
    with any_ledger.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for opening in (open_ledger, open_existing_ledger):
        with pytest.raises(UnfitLedgerError, match="newer release"):
            opening(any_settings)

"""Encryption at rest and redaction: what is sealed opens only where it belongs, and no personal value survives redaction."""

from __future__ import annotations

import base64
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from warehouse.privacy import KeyRing, KeyRingError, new_key, open_key_ring, parse_key_ring, without_pii
from warehouse.settings import Settings

FIRST, SECOND = (base64.b64encode(bytes((byte,)) * 32).decode() for byte in (1, 2))
"""Two keys."""


def ring() -> KeyRing:
    return parse_key_ring(new_key())


def sealed_under(name: str, key: str, plain: bytes, bound_to: str) -> bytes:
    """As releases did whose keys had no fingerprints."""
    nonce = b"n" * 12
    rest = AESGCM(base64.b64decode(key)).encrypt(nonce, plain, bound_to.encode())
    return bytes((len(name),)) + name.encode() + nonce + rest


def test_a_sealed_value_opens_for_its_own_place():
    keys = ring()
    assert keys.open(keys.seal(b"Jane", "parties:1"), "parties:1") == b"Jane"


def test_a_sealed_value_moved_to_another_row_does_not_open():
    keys = ring()
    with pytest.raises(KeyRingError, match="altered or moved"):
        keys.open(keys.seal(b"Jane", "parties:1"), "parties:2")


def test_an_altered_value_does_not_open():
    keys = ring()
    sealed = keys.seal(b"Jane", "x:1")
    with pytest.raises(KeyRingError):
        keys.open(sealed[:-1] + bytes((sealed[-1] ^ 1,)), "x:1")


def test_a_rotated_ring_opens_old_values_and_seals_with_the_new_key():
    old, new = new_key(), new_key()
    sealed = parse_key_ring(old).seal(b"Jane", "x:1")
    both = parse_key_ring(f"{new},{old}")
    assert both.open(sealed, "x:1") == b"Jane"
    assert both.seal(b"Jane", "x:1")[1:17].decode() == new.partition(":")[0] == both.active


def test_whatever_a_key_is_called_it_seals_under_its_fingerprint():
    named, renamed = parse_key_ring(f"k1:{FIRST}"), parse_key_ring(f"another:{FIRST}")
    assert named.seal(b"Jane", "x:1")[:17] == renamed.seal(b"Jane", "x:1")[:17]
    assert named.active != parse_key_ring(f"k1:{SECOND}").active


@pytest.mark.parametrize(
    "text", [f"k1:{FIRST}", f"renamed:{FIRST}", f"k1:{SECOND},old:{FIRST}", f"x:{SECOND},k1:{FIRST}"]
)
def test_what_was_sealed_under_a_name_stays_readable_even_where_the_name_has_moved(text):
    assert parse_key_ring(text).open(sealed_under("k1", FIRST, b"Jane", "x:1"), "x:1") == b"Jane"


def test_a_name_that_another_key_has_taken_opens_nothing_and_says_so():
    with pytest.raises(KeyRingError, match="'k1' is not the one"):
        parse_key_ring(f"k1:{SECOND}").open(sealed_under("k1", FIRST, b"Jane", "x:1"), "x:1")


def test_a_key_that_is_gone_is_named():
    keys = ring()
    with pytest.raises(KeyRingError, match=keys.active):
        ring().open(keys.seal(b"Jane", "x:1"), "x:1")


@pytest.mark.parametrize("text", [f"k1:{FIRST},k1:{SECOND}", f"k1:{FIRST}\nk1:{FIRST}"])
def test_an_id_twice_is_refused(text):
    with pytest.raises(KeyRingError, match="'k1' twice"):
        parse_key_ring(text)


def test_a_fingerprint_before_another_key_is_refused():
    first = parse_key_ring(f"k1:{FIRST}").active
    with pytest.raises(KeyRingError, match="fingerprint"):
        parse_key_ring(f"k1:{FIRST},{first}:{SECOND}")


@pytest.mark.parametrize("text", ["", "k1", "k1:short", ":" + "A" * 44, "k1:not base64!"])
def test_a_malformed_ring_is_refused(text: str):
    with pytest.raises(KeyRingError):
        parse_key_ring(text)


def test_the_ring_never_shows_its_keys():
    assert "AESGCM" not in repr(ring())


def test_reading_a_key_ring_makes_none(tmp_path):
    with pytest.raises(KeyRingError, match="no key ring"):
        open_key_ring(Settings(_env_file=None, home=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_postgresql_installation_must_be_given_its_keys(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path, database_url="postgresql://db/orders")
    with pytest.raises(KeyRingError, match="ORDERS_KEYS"):
        open_key_ring(settings)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["buyer", "name", "items", "n"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_redaction_leaves_no_value_at_a_personal_path_whatever_the_payload_looks_like(payload):
    redacted = without_pii(payload, [("buyer", "name"), ("items", "*", "name")])
    if isinstance(redacted, dict):
        buyer, items = redacted.get("buyer"), redacted.get("items")
        assert buyer is None or isinstance(buyer, bool) or buyer.get("name") is None
        assert (
            items is None
            or isinstance(items, bool)
            or all(each is None or isinstance(each, bool) or each.get("name") is None for each in items)
        )


def test_redaction_keeps_everything_else():
    payload = {"buyer": {"name": "Jane", "kind": 1}, "other": [1, 2]}
    assert without_pii(payload, [("buyer", "name")]) == {"buyer": {"name": None, "kind": 1}, "other": [1, 2]}


def test_what_an_earlier_release_has_compressed_opens():
    keys = ring()
    plain = b'{"order_id": "A-1"}' * 50
    assert keys.open_compressed(keys.seal(zlib.compress(plain, 1), "raw:a:1"), "raw:a:1") == plain
    sealed = keys.seal_compressed(plain, "raw:a:1")
    assert keys.open_compressed(sealed, "raw:a:1") == plain
    assert len(sealed) < len(plain) / 5

"""Encryption at rest and redaction: what is sealed opens only where it belongs, and no personal value survives redaction."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.privacy import KeyRing, KeyRingError, new_key, open_key_ring, parse_key_ring, without_pii
from warehouse.settings import Settings


def ring(*ids: str) -> KeyRing:
    return parse_key_ring(",".join(new_key(each) for each in ids))


def test_a_sealed_value_opens_for_its_own_place():
    keys = ring("k1")
    assert keys.open(keys.seal(b"Jane", "parties:1"), "parties:1") == b"Jane"


def test_a_sealed_value_moved_to_another_row_does_not_open():
    keys = ring("k1")
    with pytest.raises(KeyRingError, match="altered or moved"):
        keys.open(keys.seal(b"Jane", "parties:1"), "parties:2")


def test_an_altered_value_does_not_open():
    keys = ring("k1")
    sealed = keys.seal(b"Jane", "x:1")
    with pytest.raises(KeyRingError):
        keys.open(sealed[:-1] + bytes((sealed[-1] ^ 1,)), "x:1")


def test_a_rotated_ring_opens_old_values_and_seals_with_the_new_key():
    old, new = new_key("old"), new_key("new")
    sealed = parse_key_ring(old).seal(b"Jane", "x:1")
    both = parse_key_ring(f"{new},{old}")
    assert both.open(sealed, "x:1") == b"Jane"
    assert both.seal(b"Jane", "x:1")[1:4] == b"new"


def test_a_key_that_is_gone_is_named():
    sealed = ring("old").seal(b"Jane", "x:1")
    with pytest.raises(KeyRingError, match="'old'"):
        ring("new").open(sealed, "x:1")


@pytest.mark.parametrize("text", ["", "k1", "k1:short", ":" + "A" * 44, "k1:not base64!"])
def test_a_malformed_ring_is_refused(text: str):
    with pytest.raises(KeyRingError):
        parse_key_ring(text)


def test_the_ring_never_shows_its_keys():
    assert "AESGCM" not in repr(ring("k1"))


def test_a_local_installation_gets_a_key_file_only_its_owner_can_read(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path)
    sealed = open_key_ring(settings).seal(b"x", "x:1")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    assert open_key_ring(settings).open(sealed, "x:1") == b"x"


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

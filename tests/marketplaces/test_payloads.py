"""The exact bytes of each element of an answer, from documents that the fast parser reads and from those that it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_pipeline.marketplaces.payloads import NotJson, elements, member

TEXT = st.text(max_size=6) | st.sampled_from(['"', "\\", "{", "],", "\u2028"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=4), st.sampled_from([None, 1]), st.booleans(), st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_an_element_is_what_was_sent_whatever_stands_beside_it(sent, indent, is_ascii, mark) -> None:
    def answer(orders: list[Any]) -> bytes:
        document = {"total": 1, "in": {"orders": ["none"]}, "orders": orders, "next": '"orders": ['}
        return mark + json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode()

    found = elements(answer(sent), ("orders",))
    assert found is not None
    assert [value for value, _ in found] == sent
    assert [json.loads(exact) for _, exact in found] == sent
    for odd in (float("nan"), "\ud800"):  # what makes the whole document one for the standard library
        assert elements(json.dumps([*sent, odd], indent=indent).encode(), ()) is not None
    beside = elements(answer([*sent, float("nan")]), ("orders",))
    assert beside is not None
    assert beside[:-1] == found
    assert member(answer(sent), ("in", "orders")) is not None


def test_of_two_members_of_one_name_the_last_counts() -> None:
    document = b'{"orders": [1], "orders": [ 2.50 ]}'
    assert elements(document, ("orders",)) == [(2.5, b"2.50")]
    assert member(document, ("orders",)) == ([2.5], b"[ 2.50 ]")


@pytest.mark.parametrize("document", [b"", b"[1", b'{"a": 1,}', b"\xff", b"[" * 5_000 + b"]" * 5_000])
def test_what_is_no_json_is_said_to_be_none(document) -> None:
    with pytest.raises(NotJson):
        elements(document, ())


def test_a_path_that_is_not_there_is_none() -> None:
    assert elements(b'{"a": {"b": 1}}', ("a", "c")) is None
    assert elements(b'{"a": {"b": 1}}', ("a", "b")) is None
    assert elements(b'[{"a": 1}]', ("a",)) is None
    assert member(b' {"a": 1} ', ()) == ({"a": 1}, b'{"a": 1}')

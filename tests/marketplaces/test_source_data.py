"""The rest of a payload: everything that no member names is kept, and personal data only apart."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from orders_pipeline.marketplaces.source_data import named, rest_of

TREE = named("id", "buyer.name", "lines.*.sku")
PII = [("buyer",), ("lines", "*", "wish")]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


def test_named_members_go_and_the_rest_stays_in_its_shape():
    payload = {
        "id": 1,
        "buyer": {"name": "A", "language": "fr"},
        "lines": [{"n": "1", "sku": "S", "wish": "For A.", "weight": 2}, {"n": "2", "sku": "T"}],
        "nothing": [None, "", {}, []],
        "no": False,
        "zero": 0,
    }
    rest = rest_of(payload, TREE, PII, "lines", "n")
    assert rest.clear == {"lines": [{"n": "1", "weight": 2}], "no": False, "zero": 0}
    assert rest.personal == {
        "buyer": {"language": "fr"},
        "lines": [{"n": "1", "wish": "For A.", "weight": 2}],
        "no": False,
        "zero": 0,
    }


def test_where_nothing_is_personal_there_is_one_form():
    assert rest_of({"id": 1, "x": 2}, TREE, PII, "lines", "n").personal is None


@given(st.dictionaries(st.sampled_from(["id", "buyer", "lines", "x"]), JSON))
def test_any_json_gives_what_can_be_stored(payload):
    for data in rest_of(payload, TREE, PII, "lines", "n"):
        text = orjson.dumps(data).decode()
        assert "\\u0000" not in text


def test_values_that_no_store_can_keep_are_made_storable():
    deep: object = "end"
    for _ in range(5_00):
        deep = [deep]
    rest = rest_of({"a": 2**70, "b": "\ud800", "c\x00": 1, "d": deep}, TREE, PII, "lines", "n").clear
    assert rest == {"a": hex(2**70), "b": "?", "c": 1}

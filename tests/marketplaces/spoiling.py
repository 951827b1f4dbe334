"""Spoiling made-up orders in thousands of ways, and what must hold of each that is read nevertheless."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.protocol import ChannelContext, Normaliser, Unreadable
from tests.marketplaces.test_balance import holds
from warehouse.documents import preview

RECEIVED = datetime(2026, 11, 2, tzinfo=UTC)
ABSURD = (
    *(None, True, False, [], {}, [None], [[]], [{}], ["x"], {"": 1}, {"amount": 1}),
    *(-3, -1, 0, 1, 2, 10**9 + 1, 2**63, 10**30, 1793600000000, -(10**400)),
    *(0.1, -0.0, 1e300, float("nan"), float("inf"), Decimal("1e9999999"), Decimal("NaN"), Decimal("2.50")),
    *("", " ", "0", "-1", "1e9999999", "NaN", "1_0", "\uff11", "12,5", "9999-12-31T23:59:59-14:00", "9" * 30),
    *("\ud800", "\x00", "é\x00", "x" * 20_001),
)
"""Values that no marketplace should send; each kind adds words of its own, which may stand in a wrong place."""

HOW = ("set", "set", "drop", "double")
PLACES = 500
thoroughly = settings(max_examples=5_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def mutations(values: Sequence[Any]) -> st.SearchStrategy[int]:
    """One number says where, how and with which of the values, three times: one draw instead of nine."""
    return st.integers(min_value=0, max_value=(PLACES * len(values) * len(HOW)) ** 3 - 1)


def spoiled(whole: Any, number: int, values: Sequence[Any]) -> Any:
    """A copy that is spoiled as a number of `mutations` says."""
    order = pickle.loads(pickle.dumps(whole))  # noqa: S301 - a copy at a third of deepcopy's time
    while number and order:
        number, case = divmod(number, PLACES * len(values) * len(HOW))
        case, at = divmod(case, PLACES)
        how, value = divmod(case, len(values))
        _spoil(order, at, values[value], HOW[how])
    return order


def check(normalise: Normaliser, order: Any, channel: ChannelContext) -> None:
    """It is read or refused with a path; what is read conserves its quantities, its amounts hold, and it renders."""
    try:
        (read,) = normalise(order, channel)
    except Unreadable as refused:
        assert refused.path.startswith("$")  # noqa: PT017 - most orders are read
        return
    assert read.original_id
    assert holds(read)
    for line in read.lines:
        known = (line.quantity_ordered, line.quantity_shipped, line.quantity_cancelled)
        if None not in known:
            assert line.quantity_remaining_to_ship is not None
            assert line.quantity_remaining_to_ship >= 0
    assert preview(read, RECEIVED)


def _spoil(order: Any, at: int, value: Any, how: str) -> None:
    found = _places(order, [])
    holder, key = found[at % len(found)]
    if how == "drop":
        del holder[key]
    elif how == "double" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[key] = copy.deepcopy(value)


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Each member of a payload, added to those found: what holds it, and its key there."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            _places(value[key], found)
    return found

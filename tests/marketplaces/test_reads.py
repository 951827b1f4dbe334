"""What each marketplace says it reads the members of an order from is what it reads: seen by changing made-up payloads.

After a wanted change, `REFRESH_READS=1 python -m pytest tests/marketplaces/test_reads.py` writes `reads.json` anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from orders_pipeline.lineage import member_schema
from orders_pipeline.marketplaces.protocol import ChannelContext, Unreadable
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox.commands import build
from orders_pipeline.sandbox.engine import GenerateRequest
from warehouse import documents

KINDS = ("amazon", "ebay", "mirakl", "otto", "target_plus", "walmart")
ORDERS = 25
NOT_READ = frozenset(
    {"problems", "marketplace_data", "id", "lines.id", "split_of", "received_at", "has_errors", "pii_state"}
)
"""What a change shows in without being read from there: remarks, the rest of the payload, ids made of other ids."""


def payloads(kind: str) -> list[dict[str, Any]]:
    state, _ = build(kind, 7, float("inf"))
    state.generate(GenerateRequest(orders=ORDERS))
    return [orjson.loads(orjson.dumps(each.order)) for each in state.records.values()]


def places(value: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each plain value of a payload: its path, what holds it, and its key there."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in members:
        place = f"{path}[*]" if isinstance(value, list) else f"{path}.{key}".removeprefix(".")
        if isinstance(each, (dict, list)):
            yield from places(each, place)
        elif each is not None:
            yield place, value, key


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    try:
        return str(float(value) + 1)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value + "x"
    return (moment + timedelta(minutes=7)).isoformat().replace("+00:00", "Z")


def members(kind: str, payload: Any) -> dict[str, Any]:
    """The members that an order is read into, by their paths."""
    found: dict[str, Any] = {}
    for order in MARKETPLACES[kind].normalise(payload, ChannelContext(kind, kind)):
        whole = orjson.loads(documents.preview(order, order.purchased_at))
        for path in PATHS:
            found.setdefault(path, []).append(list(values(whole, path.split("."))))
    return found


def values(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list) and path:
        for each in value:
            yield from values(each, path)
    elif not path or value is None:
        yield value
    else:
        yield from values(value.get(path[0]), path[1:])


PATHS = [each.name for each in member_schema().columns if each.name not in NOT_READ]


def observed(kind: str) -> dict[str, list[str]]:
    """Member → the payload's members that it changes with, wherever the same path leads in a payload."""
    found: dict[str, set[str]] = {}
    for payload in payloads(kind):
        before = members(kind, payload)
        by_path: dict[str, list[tuple[Any, Any]]] = {}
        for path, holder, key in places(payload):
            by_path.setdefault(path, []).append((holder, key))
        for path, held in by_path.items():
            kept = [holder[key] for holder, key in held]
            for holder, key in held:
                holder[key] = changed(holder[key])
            try:
                after = members(kind, payload)
            except Unreadable:
                after = before
            for (holder, key), value in zip(held, kept, strict=True):
                holder[key] = value
            for name in PATHS:
                if before.get(name) != after.get(name):
                    found.setdefault(name, set()).add(path)
    return {name: sorted(found[name]) for name in PATHS if name in found}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_marketplace_says_it_reads_is_what_changes_an_order(kind) -> None:
    if os.environ.get("REFRESH_READS"):
        told = Path(MARKETPLACES[kind].normalise.__code__.co_filename).with_name("reads.json")
        told.write_text(json.dumps(observed(kind), indent=2) + "\n")
    assert {name: tuple(read) for name, read in observed(kind).items()} == MARKETPLACES[kind].reads

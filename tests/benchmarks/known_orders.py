"""Orders that are in the book already: CPU of normalising them when they changed, when they were cancelled, and of reading all
of them again (`orders replay`) when nothing did.

The reference is the same orders when they were new, in the same process.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from orders_pipeline.installation import opened
from orders_pipeline.marketplaces.protocol import RawOrder
from orders_pipeline.stages.normalise import normalise_pending, replay
from tests.benchmarks.filling import keep_raw, sandbox_orders, settings_of
from tests.benchmarks.measuring import REPEATS, Child, Figure, Target, Workshop, median
from tests.benchmarks.normalising import create_database, postgresql

KIND = "mirakl"
MICROSECONDS = 1e6
STEPS = ("new", "changed", "cancelled", "all read again, unchanged")
REPLAYED = Target(">=", 3_334)
"""Orders a second: a million in five minutes."""


def measure(workshop: Workshop) -> list[Figure]:
    """On each database; each repeat begins with an empty book."""
    figures: list[Figure] = []
    if "sqlite" in workshop.stores:
        figures += _figures(workshop, "SQLite", [None] * REPEATS)
    if "postgresql" in workshop.stores:
        with postgresql(workshop) as server:
            if server is not None:
                urls = [f"{server}/{create_database(server, 'template1')}" for _ in range(REPEATS)]
                figures += _figures(workshop, "PostgreSQL", urls)
    return figures


def _figures(workshop: Workshop, store: str, urls: Sequence[str | None]) -> list[Figure]:
    count = workshop.sizes.raw
    steps = []
    for url in urls:
        workshop.say(f"{count:,} {KIND} orders, new and known, on {store}")
        with Child(workshop, known_orders, str(workshop.fresh("home")), url, count) as child:
            child.step()
            steps.append([(child.step(), child.step())[1] for _ in STEPS])
    cpu = [median([each[at].cpu_seconds for each in steps]) for at in range(len(STEPS))]
    wall = [median([each[at].wall_seconds for each in steps]) for at in range(len(STEPS))]
    figures = [
        Figure(
            benchmark=f"normalise + commit, {name}, {store}, CPU",
            size=f"{count:,}",
            value=spent / count * MICROSECONDS,
            unit="µs/order",
            reference=None if name == STEPS[0] else cpu[0] / count * MICROSECONDS,
            against="" if name == STEPS[0] else "new orders",
        )
        for name, spent in zip(STEPS, cpu, strict=True)
    ]
    replayed = Figure(
        benchmark=f"replay, {store}", size=f"{count:,}", value=count / wall[-1], unit="orders/s", target=REPLAYED
    )
    return [*figures, replayed]


def known_orders(home: str, database_url: str | None, count: int) -> Generator[object, None, None]:
    """Task: keep orders and normalise them, new, changed and cancelled; read all of them again."""
    raws = sandbox_orders(KIND, count)
    with opened(settings_of(Path(home), database_url)) as installation:
        yield None
        for orders in (raws, [_changed(each) for each in raws], [_cancelled(each) for each in raws]):
            keep_raw(installation, KIND, orders)
            yield None
            yield _expect(count, normalise_pending(installation).counts)
        yield None
        yield _expect(count, replay(installation).counts)


def _expect(count: int, counts: Any) -> int:
    assert sum(counts[each] for each in ("new", "changed", "unchanged")) >= count, counts
    assert counts["quarantined"] == 0, counts
    return count


def _changed(raw: RawOrder) -> RawOrder:
    return _with(raw, {"last_updated_date": "2026-11-27T08:00:00Z", "shipping_deadline": "2026-12-20T22:00:00Z"})


def _cancelled(raw: RawOrder) -> RawOrder:
    held = orjson.loads(raw.body)["order"]
    lines = [{**each, "order_line_state": "CANCELED"} for each in held["order_lines"]]
    state = {"last_updated_date": "2026-11-27T09:00:00Z", "order_state": "CANCELED", "order_lines": lines}
    return _with(raw, state)


def _with(raw: RawOrder, members: Mapping[str, Any]) -> RawOrder:
    whole = orjson.loads(raw.body)
    return RawOrder(raw.original_id, raw.selector, orjson.dumps(whole | {"order": whole["order"] | members}))

"""What keeping an order costs: pages as marketplaces answer taken apart, each order hashed, redacted, sealed and stored.

Asking the marketplace is not in it: that is counted in `requests`. The reference is that of `normalising`: parsing the same
payloads with orjson and inserting the same bytes into a bare SQLite table.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from orders_pipeline.marketplaces.payloads import elements
from orders_pipeline.marketplaces.protocol import RawOrder
from tests.benchmarks.filling import RAW_PER_PAGE, installed, keep_raw, sandbox_orders
from tests.benchmarks.measuring import REPEATS, Child, Figure, Target, Workshop, median
from tests.benchmarks.normalising import KINDS, MICROSECONDS, bare_cost

TARGET = Target("<=", 120)
ORDERS_PER_PAGE = 100


def measure(workshop: Workshop) -> list[Figure]:
    """Every kind, on SQLite."""
    return [_measure_kind(workshop, kind) for kind in KINDS]


def _measure_kind(workshop: Workshop, kind: str) -> Figure:
    count = workshop.sizes.pulled
    workshop.say(f"keeping {count:,} {kind} orders, and the bare cost")
    bodies = workshop.fresh("bodies") / "bodies.ndjson"
    bodies.write_bytes(b"\n".join(each.body for each in sandbox_orders(kind, count)))
    ours, bare = [], []
    for _ in range(REPEATS):
        with Child(workshop, keep, str(workshop.fresh("home")), kind, str(bodies)) as child:
            child.step()
            ours.append(child.step())
        with Child(workshop, bare_cost, str(bodies), RAW_PER_PAGE) as child:
            child.step()
            bare.append(child.step())
    return Figure(
        benchmark=f"pull: keep a page's orders, {kind}, SQLite, CPU",
        size=f"{count:,}",
        value=median([each.cpu_seconds for each in ours]) / count * MICROSECONDS,
        unit="µs/order",
        reference=median([each.cpu_seconds for each in bare]) / count * MICROSECONDS,
        against="orjson + bare insert",
        target=TARGET,
    )


def keep(home: str, kind: str, bodies: str) -> Generator[object, None, None]:
    """Task: open the installation and make the pages; take them apart and keep their orders."""
    payloads = Path(bodies).read_bytes().splitlines()
    pages = [
        b'{"orders":[' + b",".join(payloads[first : first + ORDERS_PER_PAGE]) + b"]}"
        for first in range(0, len(payloads), ORDERS_PER_PAGE)
    ]
    with installed(Path(home)) as installation:
        yield None
        found = [body for page in pages for _, body in elements(page, ("orders",)) or ()]
        keep_raw(installation, kind, [RawOrder(f"P-{number}", None, body) for number, body in enumerate(found)])
        yield len(found)

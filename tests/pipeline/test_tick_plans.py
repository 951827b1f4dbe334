"""No tick reads the book from its beginning: asked of the plans of what its jobs run."""

from __future__ import annotations

import pytest

from orders_pipeline.definitions import build_defs
from tests.query_plans import recorded, scans

JOBS = ("pull_orders", "confirm_shipments", "follow_up", "exchange_files", "carry_out_requests")
WALKS = {
    "FROM cancellation_requests": "a hundredth of the orders has any",
    "FROM files": "some a day for each job, and one is enough",
    "FROM shipments ORDER BY shipments.reported_at DESC LIMIT": "the newest thousand",
    "FROM shipments GROUP BY shipments.channel, shipments.status": "along an index alone, with what Dagster shows of a run",
}
"""What may be read from its beginning, and why that is well enough."""


@pytest.fixture
def seen():
    with recorded() as statements:
        yield statements


def test_no_tick_reads_the_book_from_its_beginning(seen, connected, marketplaces, source, instance):
    marketplaces.generate(20)
    definitions = build_defs(source=source)
    found = []
    for name in JOBS * 2:
        seen.clear()
        assert definitions.resolve_job_def(name).execute_in_process(instance=instance).success
        assert seen
        found += [(name, each) for each in scans(connected.settings.home / "ledger.sqlite", seen)]
    assert [each for each in found if not any(known in each[1] for known in WALKS)] == []

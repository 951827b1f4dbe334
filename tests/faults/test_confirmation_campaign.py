"""A small confirmation campaign at every kind of marketplace, on SQLite and PostgreSQL: nothing is lost, doubled or stuck.

The whole of it is `make faults`.
"""

from __future__ import annotations

import pytest

from tests.faults.confirmation_campaign import SMALL, Campaign

SEED = 20261124

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_nothing_is_lost_doubled_over_shipped_or_stuck(store, request, tmp_path, credentials) -> None:
    url = None if store == "sqlite" else request.getfixturevalue("postgresql_url")
    figures = Campaign(tmp_path, SMALL, SEED, lambda _: None, url).run()
    print(figures)  # noqa: T201 - the result
    findings = figures.findings
    assert findings is not None
    assert findings.is_clean, findings
    assert findings.acknowledged == findings.applied == SMALL.shipments
    assert figures.sender_kills >= SMALL.sender_kills // 2
    assert figures.zombies == SMALL.zombies
    assert figures.others >= 4
    assert figures.faults["dropped"] >= 4

"""The daily sweep: every open order read again by its id, and the last days listed again, so that nothing stays missed.

Which orders are open the book tells; reading them is in `orders_pipeline.stages.pull`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.stages.connection import work_at_each
from orders_pipeline.stages.pull import SWEEP, retrieved_connections, sweep
from warehouse.ledger.book.order_ids import open_originals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.installation import Installation
    from orders_pipeline.stages.pull_result import PullResult


def sweep_all(installation: Installation, codes: Sequence[str] | None = None) -> list[PullResult]:
    """Sweep every connection that has a channel to retrieve, or the given ones, several at a time."""
    return work_at_each(installation, retrieved_connections(installation, codes), SWEEP, _sweep_one)


def _sweep_one(installation: Installation, code: str) -> PullResult:
    return sweep(installation, code, open_original_ids(installation, code))


def open_original_ids(installation: Installation, connection: str) -> list[str]:
    """Original ids of the orders that the marketplace may still change, oldest purchase first; each once."""
    with installation.ledger.read() as transaction:
        return open_originals(transaction, connection)

"""What pulls of one connection come to, of a window and in sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import MarketplaceError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class PullResult:
    """What one connection's pull came to.

    Attributes:
        connection: The connection's code.
        outcome: `complete`, `failed`, `busy` (another process pulls it) or `idle` (nothing to pull).
        windows: How many windows were completed.
        pages, seen, new, skipped: Counts over all windows; `new` are raw payloads kept.
        error: The failure, None otherwise.
        missed: Original ids that a sweep found and no pull had ever listed.
        listed: Original ids that a sweep's listing gave.
    """

    connection: str
    outcome: str
    windows: int = 0
    pages: int = 0
    seen: int = 0
    new: int = 0
    skipped: int = 0
    error: MarketplaceError | None = None
    missed: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()


def summed(code: str, parts: Sequence[PullResult]) -> PullResult:
    """What several parts of a pull came to together; those that had nothing to do are left out."""
    parts = [each for each in parts if each.outcome != "idle"]
    if not parts:
        return PullResult(code, "idle")
    return PullResult(
        code,
        parts[-1].outcome,
        sum(each.windows for each in parts),
        sum(each.pages for each in parts),
        sum(each.seen for each in parts),
        sum(each.new for each in parts),
        sum(each.skipped for each in parts),
        parts[-1].error,
        tuple(each for part in parts for each in part.missed),
        tuple(each for part in parts for each in part.listed),
    )

"""Findings that the connection tests of several kinds tell alike: what a failed call is about, and whose clock is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.protocol import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from orders_pipeline.marketplaces.errors import MarketplaceError

CLOCK_TOLERANCE = timedelta(minutes=5)
_OF_THE_CREDENTIAL = frozenset({"unauthorised", "credential_missing", "credential_invalid"})


def failure(error: MarketplaceError, part: str | None = None) -> Finding:
    """The finding for a call that failed; without a part, the credential's or the endpoint's."""
    own = "credential" if error.code in _OF_THE_CREDENTIAL else "endpoint"
    return Finding(part or own, is_ok=False, message=error.message, hint=error.hint)


def clock_findings(whose: str, theirs: datetime | None, ours: datetime) -> Iterator[Finding]:
    """Whether both clocks agree; nothing where the marketplace tells no time."""
    if theirs is None:
        return
    apart = abs(theirs - ours)
    is_ok = apart <= CLOCK_TOLERANCE
    message = f"{whose} clock and ours are {apart.total_seconds():.0f} s apart"
    yield Finding("clock", is_ok=is_ok, message=message, hint="" if is_ok else "synchronise this machine's clock (NTP)")

"""Token buckets: the marketplaces' usage plans.

What lives here: the arithmetic of rate and burst. What does not: which operation has which plan (see the marketplaces).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from orders_pipeline.sandbox.clock import Clock


@dataclass(frozen=True)
class Plan:
    """A usage plan: ``rate`` calls per second are restored, ``burst`` calls can be saved up."""

    rate: float
    burst: int


@dataclass
class _Bucket:
    tokens: float
    filled_at: datetime


class Throttle:
    """One bucket per (account, operation), filled by the sandbox's clock."""

    def __init__(self, clock: Clock, rate_factor: float = 1.0) -> None:
        """``rate_factor`` multiplies every rate; infinity switches throttling off."""
        self._clock = clock
        self.rate_factor = rate_factor
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def rate(self, plan: Plan) -> float:
        """Return the plan's rate as it holds here."""
        return plan.rate * self.rate_factor

    def shown_rate(self, plan: Plan) -> float:
        """Return the rate to tell callers: without throttling still a number that they can wait by."""
        return plan.rate if math.isinf(self.rate_factor) else self.rate(plan)

    def left(self, account: str, operation: str, plan: Plan) -> float | None:
        """Return the calls that may be made now; None without throttling."""
        if math.isinf(self.rate(plan)):
            return None
        bucket = self._buckets.get((account, operation))
        return float(plan.burst) if bucket is None else bucket.tokens

    def take(self, account: str, operation: str, plan: Plan) -> float | None:
        """Take one call's token.

        Returns:
            None when the call may go on, else the seconds until a token will be there.
        """
        rate = self.rate(plan)
        if math.isinf(rate):
            return None
        now = self._clock()
        bucket = self._buckets.setdefault((account, operation), _Bucket(float(plan.burst), now))
        elapsed = max(0.0, (now - bucket.filled_at).total_seconds())
        bucket.tokens = min(float(plan.burst), bucket.tokens + elapsed * rate)
        bucket.filled_at = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return None
        return (1.0 - bucket.tokens) / rate

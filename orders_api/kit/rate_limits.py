"""How many requests a token may make: one token bucket each, in the memory of one process, so that it costs nothing.

Behind a balancer each replica counts on its own: the limit guards a server against a runaway client; it is no quota to sell.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS = 60
BUCKETS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """What a request was told: whether it is let in, and the headers that say how many may follow."""

    is_admitted: bool
    retry_after_seconds: int
    headers: tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class RateLimiter:
    """Buckets by token id; each holds `per_minute` requests and refills evenly. Safe to share between threads."""

    per_minute: int
    seconds: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, token_id: str) -> Limit:
        """Take one request out of the token's bucket."""
        per_second = self.per_minute / WINDOW_SECONDS
        with self._lock:
            now = self.seconds()
            left, filled_at = self._buckets.pop(token_id, (float(self.per_minute), now))
            left = min(float(self.per_minute), left + (now - filled_at) * per_second)
            is_admitted = left >= 1
            left = left - 1 if is_admitted else left
            self._buckets[token_id] = (left, now)  # last in the dict: the first is the one that was idle the longest
            if len(self._buckets) > BUCKETS_KEPT:
                del self._buckets[next(iter(self._buckets))]
        wait = 0 if is_admitted else math.ceil((1 - left) / per_second)
        return Limit(is_admitted, wait, self._headers(int(left), math.ceil((self.per_minute - left) / per_second)))

    def _headers(self, left: int, full_in_seconds: int) -> tuple[tuple[bytes, bytes], ...]:
        return (
            (b"ratelimit-policy", f'"token";q={self.per_minute};w={WINDOW_SECONDS}'.encode()),
            (b"ratelimit", f'"token";r={left};t={full_in_seconds}'.encode()),
        )

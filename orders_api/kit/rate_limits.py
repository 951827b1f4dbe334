"""How many requests a token may make: one token bucket each, in memory, so that it costs nothing.

The processes of one `orders api` share theirs (`shared_buckets`). Behind a balancer each machine counts on its own: the limit
guards a server against a runaway client; it is no quota to sell.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

WINDOW_SECONDS = 60
BUCKETS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """What a request was told: whether it is let in, and the headers that say how many may follow."""

    is_admitted: bool
    retry_after_seconds: int
    headers: tuple[tuple[bytes, bytes], ...]


class Bucket(NamedTuple):
    """How many requests were left, and when that was."""

    left: float
    seconds: float


class Buckets(Protocol):
    """Buckets by name, safe to share between threads."""

    def change(self, name: str, change: Callable[[Bucket | None], Bucket]) -> None:
        """Put what `change` makes of a bucket in its place; it is given None for one that is not known, or not any more."""


@dataclass(slots=True)
class OwnBuckets:
    """The buckets of a process that is alone."""

    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, name: str, change: Callable[[Bucket | None], Bucket]) -> None:
        """As `Buckets` says."""
        with self._lock:
            self._buckets[name] = change(
                self._buckets.pop(name, None)
            )  # last in the dict: the first was idle the longest
            if len(self._buckets) > BUCKETS_KEPT:
                del self._buckets[next(iter(self._buckets))]


@dataclass(slots=True)
class RateLimiter:
    """Buckets that hold `per_minute` requests each and refill evenly."""

    per_minute: int
    seconds: Callable[[], float] = time.monotonic
    buckets: Buckets = field(default_factory=OwnBuckets)

    def take(self, token_id: str) -> Limit:
        """Take one request out of the token's bucket."""
        per_second = self.per_minute / WINDOW_SECONDS
        found = 0.0

        def take_one(bucket: Bucket | None) -> Bucket:
            nonlocal found
            now, found = self.seconds(), float(self.per_minute)
            if bucket is not None:
                found = min(found, bucket.left + (now - bucket.seconds) * per_second)
            return Bucket(found - 1 if found >= 1 else found, now)

        self.buckets.change(token_id, take_one)
        is_admitted = found >= 1
        left = found - 1 if is_admitted else found
        wait = 0 if is_admitted else math.ceil((1 - left) / per_second)
        return Limit(is_admitted, wait, self._headers(int(left), math.ceil((self.per_minute - left) / per_second)))

    def _headers(self, left: int, full_in_seconds: int) -> tuple[tuple[bytes, bytes], ...]:
        return (
            (b"ratelimit-policy", f'"token";q={self.per_minute};w={WINDOW_SECONDS}'.encode()),
            (b"ratelimit", f'"token";r={left};t={full_in_seconds}'.encode()),
        )

"""How long this process takes to answer, counted by method, route template and status. Serving the counts is in `metrics`."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics

LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
NO_ROUTE = "none"
"""Label of requests that no route took: the path is a stranger's text, and there are as many as strangers like."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class Latencies:
    """How long answers took, by method, route template and status; one per application."""

    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=False))
    _requests: Histogram = field(init=False)

    def __post_init__(self) -> None:
        # Else a time series more for each of ours, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no type there
        self._requests = Histogram(
            "orders_api_request_seconds",
            "From a request's arrival to the end of its answer, in this process.",
            ("method", "route", "status"),
            buckets=LATENCY_BOUNDS,
            registry=self.registry,
        )

    def observe(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count one answer."""
        known = method if method in METHODS else "OTHER"
        self._requests.labels(known, route or NO_ROUTE, str(status)).observe(seconds)

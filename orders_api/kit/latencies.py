"""How long the API takes to answer, counted by method, route template and status. Serving the counts is in `metrics`.

Where several processes serve one address they count in files of one folder (`siblings`), and each tells the sum: counts of
a process that has ended stay. https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from orders_api.kit.siblings import shared_folder

LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
NO_ROUTE = "none"
"""Label of requests that no route took: the path is a stranger's text, and there are as many as strangers like."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class Latencies:
    """How long answers took, by method, route template and status; one per application."""

    _registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=False))
    _requests: Histogram = field(init=False)

    def __post_init__(self) -> None:
        # Else a time series more for each of ours, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no type there
        self._requests = Histogram(
            "orders_api_request_seconds",
            "From a request's arrival to the end of its answer.",
            ("method", "route", "status"),
            buckets=LATENCY_BOUNDS,
            registry=self._registry,
        )

    def observe(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count one answer."""
        known = method if method in METHODS else "OTHER"
        self._requests.labels(known, route or NO_ROUTE, str(status)).observe(seconds)

    def shown(self) -> bytes:
        """The counts in Prometheus' text format."""
        folder = shared_folder()
        if folder is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry(auto_describe=False)
        MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call] # the library has no type there
        return generate_latest(registry)

"""`/metrics` in Prometheus' text format: how long the API takes to answer, and what the ledger can tell.

Each `orders api` keeps its own `latencies`; what comes from the ledger is the same whichever is asked. What is measured in
the ledger, and at what cost, is in `warehouse.ledger.status.measures`. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated, Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import Problem
from orders_api.kit.routes import ThisInstallation, resource
from warehouse.ledger.base.counters import BUCKETS, SUM
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.status.measures import Measure, MeasureKind, measured

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warehouse.settings import Settings

router = resource("Health")

METRICS_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Metrics in Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


@router.get("/metrics", summary="Read metrics", response_class=Response, responses=METRICS_ANSWER)
def get_metrics(caller: Annotated[Caller, may(Scope.METRICS_READ)], installation: ThisInstallation) -> Response:
    """For Prometheus, which sends the token from `authorization.credentials_file`. Names no order and no person."""
    if not caller.sees_all_channels:
        detail = "Metrics count the orders of all channels, and this token is limited to some: take one that is not."
        raise Problem(403, "token_of_some_channels", detail)
    with installation.ledger.read() as transaction:
        families = [_family(each) for each in measured(transaction, installation.clock())]
    families += [_family(each) for each in _of_the_disk(installation.settings)]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(families))
    body = generate_latest(registry) + installation.latencies.shown()
    return Response(body, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


class _Once(Collector):
    """Metrics of one answer."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering would else collect."""
        return ()


def _of_the_disk(settings: Settings) -> list[Measure]:
    home = settings.home.absolute()
    usage = shutil.disk_usage(next(each for each in (home, *home.parents) if each.exists()))
    free = Measure(
        name="orders_disk_free_bytes", meaning="Free room where ORDERS_HOME is.", values={(): float(usage.free)}
    )
    ledger = settings.home / "ledger.sqlite"
    if settings.is_postgresql or not ledger.exists():
        return [free]
    size = Measure(
        name="orders_ledger_bytes",
        meaning="Size of the ledger's SQLite file.",
        values={(): float(ledger.stat().st_size)},
    )
    return [free, size]


def _family(measure: Measure) -> Metric:
    match measure.kind:
        case MeasureKind.HISTOGRAM:
            histogram = HistogramMetricFamily(measure.name, measure.meaning, labels=measure.labels)
            for labels, counts in measure.buckets.items():
                histogram.add_metric(labels, _cumulate(counts), sum_value=counts.get(SUM, 0.0))
            return histogram
        case MeasureKind.COUNTER:
            counter = CounterMetricFamily(measure.name, measure.meaning, labels=measure.labels)
            for labels, value in measure.values.items():
                counter.add_metric(labels, value)
            return counter
        case MeasureKind.GAUGE:
            gauge = GaugeMetricFamily(measure.name, measure.meaning, labels=measure.labels)
            for labels, value in measure.values.items():
                gauge.add_metric(labels, value)
            return gauge


def _cumulate(counts: Mapping[str, float]) -> list[tuple[str, float]]:
    total = 0.0
    found = []
    for bucket in BUCKETS:
        total += counts.get(bucket, 0.0)
        found.append((bucket, total))
    return found

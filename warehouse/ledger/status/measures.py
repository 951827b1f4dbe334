"""What the ledger can be asked for metrics: every measure with its meaning, read in one transaction.

Each query goes by an index to few rows: asking costs the same with a thousand orders and with ten million. No measure is
about one order; labels are channels, connections, stages and statuses. How metrics are served is in `orders_api.metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base import counters
from warehouse.ledger.base.database import NORMALISED_THROUGH, RAW_SEQ, mark
from warehouse.ledger.base.quotas import shares_left
from warehouse.ledger.base.schema import acceptances, channels, incidents, quarantine, shipments
from warehouse.ledger.book import personal_data, pull_hints
from warehouse.ledger.status import channel_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

WAITING = ("queued", "sending", "sent", "in_doubt", "held", "rejected")
"""Statuses of shipments that somebody still waits for; `verified` ones are history, and too many to count."""


class MeasureKind(StrEnum):
    """What may be done with a measure: gauges go up and down, counters only up, histograms are counters in buckets."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric as it stands.

    Attributes:
        name: As it is served, without the suffixes that its kind adds.
        kind: Gauge, counter or histogram.
        meaning: Plain sentence.
        labels: Names of the labels.
        values: Label values → value; of a histogram empty.
        buckets: Of a histogram: label values → bucket → count, and `sum`.
    """

    name: str
    kind: MeasureKind = MeasureKind.GAUGE
    meaning: str
    labels: tuple[str, ...] = ()
    values: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    buckets: Mapping[tuple[str, ...], Mapping[str, float]] = field(default_factory=dict)


def measured(transaction: Transaction, now: datetime) -> list[Measure]:
    """Every measure of the ledger."""
    return [*_of_channels(transaction, now), *(each(transaction, now) for each in _MEASURES)]


def _of_channels(transaction: Transaction, now: datetime) -> list[Measure]:
    found = channel_status.standings(transaction, None, now)
    return [
        Measure(
            name="orders_channel_lag_seconds",
            meaning="How long ago the time is up to which no order of the channel is missing.",
            labels=("channel",),
            values={(each.channel,): each.lag_seconds for each in found if each.lag_seconds is not None},
        ),
        Measure(
            name="orders_channel_state",
            meaning="1 for the state that the channel is in: ok, off, new, throttled, late or failing.",
            labels=("channel", "state"),
            values={(each.channel, each.state.value): 1.0 for each in found},
        ),
    ]


def _last_success(transaction: Transaction, _now: datetime) -> Measure:
    found = channel_status.last_successes(transaction)
    return Measure(
        name="orders_pull_last_success_timestamp_seconds",
        meaning="When the connection's last complete pull ended.",
        labels=("connection",),
        values={(code,): moment.timestamp() for code, moment in found.items()},
    )


def _ingest_lag(transaction: Transaction, _now: datetime) -> Measure:
    return Measure(
        name="orders_ingest_lag_seconds",
        kind=MeasureKind.HISTOGRAM,
        meaning="From the marketplace's change of an order to its commit in the order book.",
        labels=("channel",),
        buckets={(code,): counts for code, counts in counters.counted(transaction, counters.INGEST_LAG).items()},
    )


def _throttled(transaction: Transaction, _now: datetime) -> Measure:
    found = counters.counted(transaction, counters.THROTTLED)
    return Measure(
        name="orders_throttled",
        kind=MeasureKind.COUNTER,
        meaning="Runs at the connection that the marketplace ended by asking to slow down.",
        labels=("connection",),
        values={(code,): buckets.get("", 0.0) for code, buckets in found.items()},
    )


def _hints(transaction: Transaction, _now: datetime) -> Measure:
    found = counters.counted(transaction, counters.HINTS)
    return Measure(
        name="orders_hints",
        kind=MeasureKind.COUNTER,
        meaning="Messages by which the marketplace told of changes: kept, foreign or unreadable.",
        labels=("connection", "fate"),
        values={(code, fate): count for code, fates in found.items() for fate, count in fates.items()},
    )


def _oldest_hint(transaction: Transaction, now: datetime) -> Measure:
    return Measure(
        name="orders_hint_oldest_waiting_seconds",
        meaning="How long ago the change was that the marketplace has told of and no pull has read yet.",
        labels=("connection",),
        values={(code,): (now - moment).total_seconds() for code, moment in pull_hints.oldest(transaction).items()},
    )


def _quota_left(transaction: Transaction, now: datetime) -> Measure:
    return Measure(
        name="orders_quota_left_ratio",
        meaning="Share of its burst that an operation has left: 0 to 1.",
        labels=("connection", "operation"),
        values=shares_left(transaction, now),
    )


def _normalise_backlog(transaction: Transaction, _now: datetime) -> Measure:
    waiting = mark(transaction, RAW_SEQ) - mark(transaction, NORMALISED_THROUGH)
    return Measure(
        name="orders_normalise_backlog", meaning="Payloads that wait to be read.", values={(): float(waiting)}
    )


def _quarantined(transaction: Transaction, _now: datetime) -> Measure:
    owner = sa.func.coalesce(quarantine.c.channel, quarantine.c.connection)
    rows = transaction.execute(sa.select(owner, sa.func.count()).group_by(owner))
    return Measure(
        name="orders_quarantined",
        meaning="Payloads that could not be read, by channel, or by connection where they do not say their channel.",
        labels=("channel",),
        values={(code,): float(count) for code, count in rows},
    )


def _shipments(transaction: Transaction, _now: datetime) -> Measure:
    return Measure(
        name="orders_shipments",
        meaning="Shipments that are not verified yet, by status.",
        labels=("status",),
        values=dict.fromkeys(((each,) for each in WAITING), 0.0) | _by_status(transaction, shipments),
    )


def _acceptances(transaction: Transaction, _now: datetime) -> Measure:
    return Measure(
        name="orders_acceptances",
        meaning="Acceptances of orders that are not done yet, by status.",
        labels=("status",),
        values=_by_status(transaction, acceptances),
    )


def _by_status(transaction: Transaction, table: sa.Table) -> dict[tuple[str, ...], float]:
    query = sa.select(table.c.status, sa.func.count()).where(table.c.status.in_(WAITING)).group_by(table.c.status)
    return {(status,): float(count) for status, count in transaction.execute(query)}


def _oldest_shipment(transaction: Transaction, now: datetime) -> Measure:
    first = (
        sa.select(sa.func.min(shipments.c.reported_at))
        .where(shipments.c.channel == channels.c.code, shipments.c.status == "queued")
        .correlate(channels)
        .scalar_subquery()
    )
    rows = transaction.execute(sa.select(channels.c.code, first))
    return Measure(
        name="orders_shipment_oldest_waiting_seconds",
        meaning="How long ago the shipment was reported that waits to be confirmed for the longest time.",
        labels=("channel",),
        values={(code,): (now - moment).total_seconds() for code, moment in rows if moment is not None},
    )


def _incidents(transaction: Transaction, _now: datetime) -> Measure:
    query = (
        sa.select(incidents.c.stage, sa.func.count()).where(sa.text("resolved_at IS NULL")).group_by(incidents.c.stage)
    )
    return Measure(
        name="orders_incidents_open",
        meaning="Open incidents by stage.",
        labels=("stage",),
        values={(stage,): float(count) for stage, count in transaction.execute(query)},
    )


def _personal_data(transaction: Transaction, now: datetime) -> Measure:
    first = personal_data.oldest(transaction)
    return Measure(
        name="orders_personal_data_oldest_seconds",
        meaning="How long ago the order was received that has had personal data for the longest time.",
        values={} if first is None else {(): (now - first).total_seconds()},
    )


_MEASURES: tuple[Callable[[Transaction, datetime], Measure], ...] = (
    _last_success,
    _ingest_lag,
    _throttled,
    _hints,
    _oldest_hint,
    _quota_left,
    _normalise_backlog,
    _quarantined,
    _shipments,
    _acceptances,
    _oldest_shipment,
    _incidents,
    _personal_data,
)

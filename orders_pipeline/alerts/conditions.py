"""The standing watch: conditions that no stage fails of, and that somebody must hear of nevertheless.

Channels that are behind or silent, credentials that expire, a full disk, shipments that do not get out. Each is looked at with
every tick, and by the alerting job when there is no tick; each opens and resolves through the one door of incidents.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from warehouse import display
from warehouse.ledger.base.database import POSITION, WATCHED_AT, mark, set_mark
from warehouse.ledger.book import cancellations, consumers
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings import channels
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.ledger.shipping import shipment_queries
from warehouse.ledger.status import channel_status, soundness
from warehouse.ledger.status.channel_status import LATE_AFTER_INTERVALS, late_before
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incident_queries import open_of_stage
from warehouse.ledger.watch.incidents import IncidentReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from warehouse.ledger.settings.channels import ConfiguredChannel, Connection
    from warehouse.ledger.shipping.shipment_queries import Unsent
    from warehouse.marketplace_kinds import MarketplaceKind

STAGE = "watch"
STALE, SILENT, LOW, UNSENT, HELD = "stale", "silent", "disk_low", "unsent_too_long", "shipments_held"
STOPPED = "consumer_stopped"
EXPIRES, EXPIRED = "credential_expires", "credential_expired"

WATCHED_EVERY = timedelta(minutes=10)
"""So long after the last watch the alerting job watches by itself: then no tick runs."""

QUIET = timedelta(hours=6)
"""A channel is silent when it had no order in this time, and in each of the past weeks had some in the same hours."""
WEEKS = 4
USUALLY_AT_LEAST = 3
"""Orders in each of those weeks' hours, so that a slow channel is not called silent every night."""

NOTICE = timedelta(days=30)
"""So long before it expires a credential is told."""

LEAST_FREE_BYTES = 1_000_000_000
UNSENT_AFTER = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that was looked at: what is wrong with it, None when it is well."""

    scope: str
    subject: str
    codes: tuple[str, ...]
    report: IncidentReport | None


def is_overdue(installation: Installation) -> bool:
    """Whether nobody has watched for a while; reads only."""
    with installation.ledger.read() as transaction:
        last = mark(transaction, WATCHED_AT)
    elapsed = installation.clock().timestamp() - last
    return not 0 <= elapsed < WATCHED_EVERY.total_seconds()  # before 0: a clock that ran ahead has watched


def watch(installation: Installation) -> list[str]:
    """Look at everything, open and resolve incidents, end holds that are over. Returns the codes of what is wrong."""
    now = installation.clock()
    with installation.ledger.read() as transaction:
        found = [*_channels(transaction, now), *_credentials(transaction, now), *_unsent(transaction, now)]
        found += _held(transaction, now, installation.settings.held_alert_hours)
        found += _consumers(transaction, now, installation.settings.consumer_alert_hours)
    found.append(disk(installation.settings.home))
    with installation.ledger.write() as transaction:
        lock_book(transaction)
        cancellations.expire(transaction, now)
        _tell(transaction, found, now)
        set_mark(transaction, WATCHED_AT, int(now.timestamp()))
    return [each.report.code for each in found if each.report is not None]


def _tell(transaction: Transaction, found: Sequence[Condition], now: datetime) -> None:
    """Open what is new, close what is well. A condition that goes on is one occurrence, however often it is looked at."""
    open_now = open_of_stage(transaction, STAGE)
    for each in found:
        report = each.report
        if report is not None:
            is_known = (each.scope, each.subject, report.code) in open_now
            incidents.report(transaction, replace(report, occurrences=0) if is_known else report, now)
        well = [
            code
            for code in each.codes
            if (each.scope, each.subject, code) in open_now and (report is None or code != report.code)
        ]
        if well:
            incidents.resolve(transaction, each.scope, [each.subject], [STAGE], now, codes=well)


# -- staleness and silence


def _channels(transaction: Transaction, now: datetime) -> list[Condition]:
    learnt = {each.code: each.state for each in channels.all_connections(transaction)}
    retrieved = [each for each in channels.all_channels(transaction) if each.retrieval]
    through, since = channel_status.covered_through(transaction), channel_status.created(transaction)
    counts = soundness.recent_purchases(transaction, now, QUIET, WEEKS)
    found: list[Condition] = []
    for channel in retrieved:
        covered = through.get(channel.code)
        is_stale = (covered or since[channel.code]) < late_before(now, learnt[channel.connection])
        found.append(Condition("channel", channel.code, (STALE,), _stale(channel, covered) if is_stale else None))
        if not is_stale:  # of a channel that is behind, nobody knows whether it is silent
            usual = is_silent(counts.get(channel.code, ()))
            found.append(
                Condition("channel", channel.code, (SILENT,), None if usual is None else _silent(channel, usual))
            )
    return found


def _stale(channel: ConfiguredChannel, covered: datetime | None) -> IncidentReport:
    reach = f"through {display.moment(covered, UTC)} UTC" if covered else "not at all yet"
    return IncidentReport(
        scope="channel",
        subject=channel.code,
        stage=STAGE,
        code=STALE,
        message=f"no pull of {channel.code} was complete for {LATE_AFTER_INTERVALS} intervals; it is covered {reach}",
        hint="see the open incidents of its connection, `orders connections test`, and whether Dagster's daemon runs",
    )


def is_silent(counts: Sequence[int]) -> int | None:
    """How many orders there usually are at least, when there is none now; None when that is nothing unusual. Pure.

    >>> is_silent([0, 5, 3, 9, 4]), is_silent([1, 5, 3, 9, 4]), is_silent([0, 5, 0, 9, 4]), is_silent([])
    (3, None, None, None)
    """
    if not counts or counts[0] > 0:
        return None
    usual = min(counts[1:], default=0)
    return usual if usual >= USUALLY_AT_LEAST else None


def _silent(channel: ConfiguredChannel, usual: int) -> IncidentReport:
    hours = QUIET // timedelta(hours=1)
    return IncidentReport(
        scope="channel",
        subject=channel.code,
        stage=STAGE,
        code=SILENT,
        message=f"{channel.code} had no order for {hours} hours; in each of the past {WEEKS} weeks it had at least {usual}",
        hint="see whether its offers are on sale at the marketplace; the next order closes this",
    )


# -- credentials


def _credentials(transaction: Transaction, now: datetime) -> list[Condition]:
    kinds = all_kinds(transaction)
    return [_credential(each, kinds.get(each.kind), now) for each in channels.all_connections(transaction)]


def _credential(connection: Connection, kind: MarketplaceKind | None, now: datetime) -> Condition:
    ends = expiry(connection, kind)
    report = None
    if ends is not None and ends - now <= NOTICE:
        is_over = ends <= now
        report = IncidentReport(
            scope="connection",
            subject=connection.code,
            stage=STAGE,
            code=EXPIRED if is_over else EXPIRES,
            message=f"the credential of {connection.code} {'has expired' if is_over else 'expires'} on {ends:%Y-%m-%d}",
            hint="renew it at the marketplace, store it, and set the connection's credentials_set_at or credentials_expire_at",
        )
    return Condition("connection", connection.code, (EXPIRES, EXPIRED), report)


def expiry(connection: Connection, kind: MarketplaceKind | None) -> datetime | None:
    """When the first of a connection's credentials ends, as far as its settings or its typed secrets tell; None: not known."""
    expiry = _moment(connection.settings.get("credentials_expire_at"))
    if expiry is not None:
        return expiry
    state = connection.state
    ends = []
    for credential in kind.credentials if kind is not None else ():
        ended_at = _moment(state.get("secrets_end_at", {}).get(credential.name))
        if ended_at is not None:
            ends.append(ended_at)
            continue
        typed_at = state.get("secrets_set_at", {}).get(credential.name)
        since = (
            _moment(typed_at)
            or _moment(connection.settings.get("credentials_set_at"))
            or _moment(state.get("secret_set_at"))
        )
        if credential.lifetime_days is not None and since is not None:
            ends.append(since + timedelta(days=credential.lifetime_days))
    return min(ends, default=None)


def _moment(value: Any) -> datetime | None:  # noqa: ANN401 - any JSON or YAML value
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# -- disk and shipments


def disk(home: Path) -> Condition:
    """Whether there is room where the data is kept."""
    usage = shutil.disk_usage(home if home.exists() else home.absolute().parent)
    is_low = usage.free < LEAST_FREE_BYTES
    report = IncidentReport(
        scope="system",
        subject="disk",
        stage=STAGE,
        code=LOW,
        message=f"only {usage.free // 1_000_000} MB of {usage.total // 1_000_000} MB are free where the data is kept",
        hint="make room, or move the data; see docs/operations.md, Retention",
    )
    return Condition("system", "disk", (LOW,), report if is_low else None)


def _unsent(transaction: Transaction, now: datetime) -> list[Condition]:
    """Shipments that should have been told to the marketplace by now; those that a request to cancel holds are none."""
    late = shipment_queries.unsent(transaction, now - UNSENT_AFTER, now)
    found = []
    for channel in channels.all_channels(transaction):
        row = late.get(channel.code)
        found.append(Condition("channel", channel.code, (UNSENT,), None if row is None else _late(channel, row)))
    return found


def _consumers(transaction: Transaction, now: datetime, hours: float) -> list[Condition]:
    """Consumers that followed the change feed and stopped, while there is news for them and a token lets them read."""
    newest = mark(transaction, POSITION)
    found = []
    for reader in consumers.readers(transaction, now):
        is_behind = reader.may_read and reader.position < newest
        is_late = bool(hours) and is_behind and reader.read_at < now - timedelta(hours=hours)
        report = None
        if is_late:
            report = IncidentReport(
                scope="system",
                subject=reader.name,
                stage=STAGE,
                code=STOPPED,
                message=f"{reader.name} has not asked for changes since {display.moment(reader.read_at, UTC)} UTC, "
                "and there are some",
                hint="see whether its job runs and reaches the API; revoke the token of a consumer that is no more",
            )
        found.append(Condition("system", reader.name, (STOPPED,), report))
    return found


def _held(transaction: Transaction, now: datetime, hours: float) -> list[Condition]:
    """Shipments of which nobody tells the marketplace, because their channel does not confirm or somebody wants to cancel."""
    late = shipment_queries.held_by_reason(transaction, now - timedelta(hours=hours)) if hours else {}
    return [
        Condition("channel", each.code, (HELD,), _waiting(each, late[each.code]) if each.code in late else None)
        for each in channels.all_channels(transaction)
    ]


def _waiting(channel: ConfiguredChannel, held: Mapping[str, int]) -> IncidentReport:
    why = ", ".join(f"{count} {reason}" for reason, count in held.items())
    return IncidentReport(
        scope="channel",
        subject=channel.code,
        stage=STAGE,
        code=HELD,
        message=f"{sum(held.values())} shipments of {channel.code} are held, and its marketplace is told of none: {why}",
        hint="switch confirmation on and choose `orders shipments release` or `skip`; decide the requests to cancel",
        details={"held": dict(held)},
    )


def _late(channel: ConfiguredChannel, late: Unsent) -> IncidentReport:
    return IncidentReport(
        scope="channel",
        subject=channel.code,
        stage=STAGE,
        code=UNSENT,
        message=f"{late.shipments} shipments of {channel.code} wait to be confirmed, "
        f"the first since {display.moment(late.since, UTC)} UTC",
        hint="see the open incidents of its connection, and whether confirmation is on and Dagster's daemon runs",
        details={"shipments": late.shipments},
    )

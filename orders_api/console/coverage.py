"""How complete each channel is: the last thirty days hour by hour, and the pulls of a day."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from orders_api.console.kit.pages import Pages
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _
from orders_api.console.views.coverage import (
    ChannelCoverageView,
    CoverageDay,
    CoveragePage,
    CoverageStrip,
    PullRow,
    PullsPage,
)
from orders_api.console.views.frame import Badge
from orders_api.console.words import in_words
from orders_api.kit.errors import not_found
from warehouse import display
from warehouse.clock import iso
from warehouse.ledger.settings.channels import connections_serving_only
from warehouse.ledger.status import coverage_history
from warehouse.ledger.status.channel_status import ChannelState, standings
from warehouse.ledger.status.coverage_history import DAYS, HOUR, HourState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.status.channel_status import Standing
    from warehouse.ledger.status.coverage_history import PullRecord, Stretch

PATH = "/coverage"
STATES = {
    HourState.PROVEN: Badge(Later("Proven"), "done"),
    HourState.LATER: Badge(Later("Proven later"), "waiting", Later("Read more than two hours after it happened.")),
    HourState.GAP: Badge(Later("Not read yet"), "failed"),
    HourState.NOT_ASKED: Badge(Later("Not asked"), "unknown"),
}
OUTCOMES = {
    "complete": Badge(Later("Complete"), "done"),
    "running": Badge(Later("Under way"), "waiting"),
    "failed": Badge(Later("Failed"), "failed"),
    "abandoned": Badge(Later("Broken off"), "warning"),
}

pages = Pages()


@pages.listing(PATH, "coverage.html")
def show_coverage(visit: Visit) -> CoveragePage:
    """Each channel's last thirty days; as JSON and CSV every stretch of hours."""
    zone = ZoneInfo(visit.installation.settings.time_zone)
    first = _midnight(visit.now, zone, DAYS - 1)
    late = coverage_history.late_reads(visit.transaction, first)
    channels = [
        (each, coverage_history.stretches(each, late, first, visit.now))
        for each in standings(visit.transaction, visit.visible_channels, visit.now)
    ]
    records = tuple(
        {"channel": each.channel, "since": iso(part.since), "until": iso(part.until), "state": part.state.value}
        for each, parts in channels
        for part in parts
    )
    return CoveragePage(
        channels=tuple(_channel(each, parts, zone) for each, parts in channels),
        legend=tuple((state.value, badge.word) for state, badge in STATES.items()),
        read_at=moment(visit.now, visit.now, zone.key),
        records=records,
    )


@pages.page(f"{PATH}/{{code}}/{{day}}", "pulls.html")
def show_pulls(visit: Visit, code: str, day: str) -> PullsPage:
    """The pulls that read a day of a channel, hour by hour."""
    zone = ZoneInfo(visit.installation.settings.time_zone)
    found = standings(visit.transaction, visit.visible_channels, visit.now)
    channel = next((each for each in found if each.channel == code), None)
    try:
        since = datetime.combine(datetime.fromisoformat(day).date(), time(), zone)
    except ValueError:
        channel = None
    if channel is None:
        raise not_found("code", _("There is no such channel for you, or this is no day."), "unknown_channel")
    visible = visit.visible_channels
    is_own = visible is None or channel.connection in connections_serving_only(visit.transaction, visible)
    until = since + timedelta(days=1)
    rows = coverage_history.pulls_between(visit.transaction, channel.connection, since, until) if is_own else []
    late = coverage_history.late_reads(visit.transaction, since)
    parts = coverage_history.stretches(channel, late, since, min(until, visit.now))
    return PullsPage(
        label=channel.label,
        day=since.date().isoformat(),
        stretches=tuple(
            (STATES[each.state], moment(each.since, visit.now, zone.key), moment(each.until, visit.now, zone.key))
            for each in parts
        ),
        rows=tuple(_pull(visit, each) for each in rows),
        is_shown=is_own,
    )


def _midnight(now: datetime, zone: ZoneInfo, days_ago: int) -> datetime:
    return datetime.combine(now.astimezone(zone).date() - timedelta(days=days_ago), time(), zone)


def _channel(each: Standing, parts: Sequence[Stretch], zone: ZoneInfo) -> ChannelCoverageView:
    hours: dict[str, dict[HourState, int]] = {}
    for part in parts:
        for number in range(round((part.until - part.since) / HOUR)):
            day = (part.since + number * HOUR).astimezone(zone).date().isoformat()
            own = hours.setdefault(day, dict.fromkeys(HourState, 0))
            own[part.state] += 1
    strips, start = [], 0
    for part in parts:
        width = round((part.until - part.since) / HOUR)
        word = _(
            "%(state)s: %(since)s to %(until)s",
            state=STATES[part.state].word,
            since=display.moment(part.since, zone),
            until=display.moment(part.until, zone),
        )
        strips.append(CoverageStrip(start, width, part.state.value, word))
        start += width
    days = tuple(
        CoverageDay(day, f"{PATH}/{each.channel}/{day}", tuple(counts.values()))
        for day, counts in reversed(hours.items())
    )
    return ChannelCoverageView(each.channel, each.label, _sentence(each, zone), max(1, start), tuple(strips), days)


def _sentence(each: Standing, zone: ZoneInfo) -> str:
    """What can be claimed, and no more."""
    if each.state is ChannelState.GIVEN:
        return _("Its orders are given to us: nobody can tell whether any are missing.")
    if each.complete_from is None or each.complete_through is None:
        return _("Nothing was read yet, and nothing is claimed.")
    through = display.moment(each.complete_through, zone)
    if each.open_orders_only:
        return _(
            "The marketplace lists open orders alone: none of those was missing at %(through)s. No time is claimed.",
            through=through,
        )
    said = _(
        "No gap since %(since)s: nothing is missing through %(through)s.",
        since=display.moment(each.complete_from, zone),
        through=through,
    )
    if each.state in {ChannelState.LATE, ChannelState.FAILING}:
        return f"{said} {_('What came after is not read yet.')}"
    return f"{said} {_('It is not read any more.')}" if each.state is ChannelState.OFF else said


def _pull(visit: Visit, row: PullRecord) -> PullRow:
    zone = visit.installation.settings.time_zone
    return PullRow(
        kind=in_words(row.kind),
        since=moment(row.since, visit.now, zone),
        until=moment(row.until, visit.now, zone),
        started=moment(row.started_at, visit.now, zone),
        outcome=OUTCOMES.get(row.outcome, Badge(row.outcome, "unknown")),
        pages=row.pages,
        seen=row.orders_seen,
        kept=row.orders_new,
        skipped=row.orders_skipped,
        trouble=": ".join(each for each in (row.error_code, row.error) if each),
    )

"""The console's first page: what needs somebody, how each channel stands, and how orders and shipments went lately."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from orders_api.console.kit.headlines import cached_headlines
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.rendering import moment
from orders_api.console.views.charts import Series, plot
from orders_api.console.views.frame import Badge
from orders_api.console.views.overview import ChannelStanding, Figure, Need, Overview
from warehouse import display
from warehouse.date_presets import DatePreset, bounds
from warehouse.ledger.base.quotas import shares_left
from warehouse.ledger.status import overview
from warehouse.ledger.status.channel_status import ChannelState, standings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from orders_api.console.kit.visits import Visit
    from orders_api.console.views.charts import Chart
    from warehouse.ledger.status.channel_status import Standing
    from warehouse.ledger.status.overview import ChannelFigures, DayOfShipments

PATH = "/"
STATES = {
    ChannelState.OK: Badge("Up to date", "done"),
    ChannelState.OFF: Badge("Off", "over"),
    ChannelState.GIVEN: Badge("Given to us", "done"),
    ChannelState.NEW: Badge("First pull to come", "waiting"),
    ChannelState.THROTTLED: Badge("Asked to wait", "waiting"),
    ChannelState.LATE: Badge("Late", "failed"),
    ChannelState.FAILING: Badge("Failing", "failed"),
}
OPEN = tuple(("status", each) for each in overview.TO_SHIP)
MINUTE, HOUR = 60.0, 3600.0

pages = Pages()


@pages.page(PATH, "overview.html")
def show_overview(visit: Visit) -> Overview:
    """What needs somebody, each channel, and the last days."""
    transaction, visible, zone = visit.transaction, visit.visible_channels, visit.installation.settings.time_zone
    now = visit.now.astimezone(ZoneInfo(zone))
    day_began, _ = bounds(DatePreset.TODAY, visit.now, zone)
    found = standings(transaction, visible, visit.now)
    created = {each.channel: each.created_at for each in found}
    figures = overview.figures(transaction, created, visible, day_began, now)
    quota = _least_left(shares_left(transaction, visit.now)) if visible is None else {}
    days = overview.shipments_by_day(transaction, visible, day_began, now)
    hours = overview.orders_by_hour(transaction, visible, visit.now)
    return Overview(
        needs=tuple(_needs(visit, found, figures)),
        channels=tuple(_channel(visit, each, figures[each.channel], quota) for each in found),
        charts=(_arrivals(hours, now), _latency(days), _late(days)),
    )


def _needs(visit: Visit, found: Sequence[Standing], figures: Mapping[str, ChannelFigures]) -> list[Need]:
    """What somebody has to do something about, the most pressing first."""
    head, sums = cached_headlines(visit), _sums(figures)
    behind = [each.label for each in found if each.state in {ChannelState.LATE, ChannelState.FAILING}]
    aside = sum(each.quarantined for each in found)
    asked = (
        (len(behind), f"behind: {', '.join(behind)}", "channel", "/incidents"),
        (sums["overdue"], "overdue", "order", "/orders?ship_by=overdue"),
        (head.waiting_acceptances, "to be accepted or refused", "order", "/acceptances"),
        (sums["cancellations"], "to be decided", "request to cancel", "/cancellations?state=open"),
        (
            sums["in_need"],
            "refused or in doubt",
            "shipment",
            _list("/shipments", *(("status", each) for each in overview.IN_NEED)),
        ),
        (aside, "put aside that could not be read", "order", "/quarantine"),
        (sums["errors"], "with errors", "order", "/orders?has_errors=true"),
        (head.open_incidents, "open", "incident", "/incidents"),
    )
    return [Need(f"{_counted(count, noun)} {what}", path) for count, what, noun, path in asked if count]


def _sums(figures: Mapping[str, ChannelFigures]) -> dict[str, int]:
    names = ("overdue", "errors", "in_need", "cancellations")
    return {name: sum(getattr(each, name) for each in figures.values()) for name in names}


def _count(figures: ChannelFigures, name: str, path: str, *, is_trouble: bool) -> Figure:
    count = getattr(figures, name)
    more = "+" if count and name in figures.at_least else ""
    return Figure(f"{display.number(count)}{more}", path if count else "", is_trouble and count > 0)


def _counted(count: int, noun: str) -> str:
    plural = noun.replace("request", "requests") if noun.startswith("request") else f"{noun}s"
    return f"{display.number(count)} {noun if count == 1 else plural}"


def _channel(visit: Visit, each: Standing, figures: ChannelFigures, quota: Mapping[str, float]) -> ChannelStanding:
    zone, own = visit.installation.settings.time_zone, ("channel", each.channel)
    share = quota.get(each.connection)
    unconfirmed = _list("/shipments", own, *(("status", state) for state in overview.UNCONFIRMED))
    counts = (
        _count(figures, "to_ship", _list("/orders", own, *OPEN), is_trouble=False),
        _count(figures, "overdue", _list("/orders", own, ("ship_by", "overdue")), is_trouble=True),
        _count(figures, "errors", _list("/orders", own, ("has_errors", "true")), is_trouble=True),
        _count(figures, "unconfirmed", unconfirmed, is_trouble=False),
    )
    lag = "of open orders alone" if each.open_orders_only else ""
    return ChannelStanding(
        code=each.channel,
        label=each.label,
        state=STATES[each.state],
        last_success=moment(each.last_success_at, visit.now, zone),
        complete=moment(each.complete_through, visit.now, zone),
        lag="there is nothing to read" if each.state is ChannelState.GIVEN else lag,
        today=display.number(figures.today),
        usual=f"usually {median(figures.earlier):g}" if figures.earlier else "",
        counts=counts,
        next_run=moment(each.next_run_at, visit.now, zone) if each.state is not ChannelState.GIVEN else None,
        quota="" if share is None else f"{share:.0%}",
    )


def _list(path: str, *items: tuple[str, str]) -> str:
    return f"{path}?{urlencode(items)}"


def _least_left(shares: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """Connection → what is left of its operation that has the least."""
    least: dict[str, float] = {}
    for (connection, _), share in shares.items():
        least[connection] = min(share, least.get(connection, 1.0))
    return least


def _arrivals(hours: Sequence[tuple[datetime, int]], now: datetime) -> Chart:
    times = [each.astimezone(now.tzinfo).strftime("%a %H:%M") for each, _ in hours]
    counts = [count for _, count in hours]
    whole = _counted(sum(counts), "order")
    about = f"{whole} in the last 48 hours, at most {max(counts)} in an hour; the present hour is not over."
    return plot("arrivals", "Orders per hour", about, times, [Series("Orders", counts)])


def _latency(days: Sequence[DayOfShipments]) -> Chart:
    halves, most = ([_quantile(each.seconds, share) for each in days] for share in (0.5, 0.95))
    known = [each for each in most if each is not None]
    about = (
        f"From a shipment's report to the marketplace's taking it; on the slowest day 95 of 100 within {_length(max(known))}."
        if known
        else "No shipment was told in the last seven days."
    )
    series = [Series("Half of them within", _minutes(halves)), Series("95 of 100 within", _minutes(most))]
    return plot("latency", "Minutes until a shipment is told, last 7 days", about, _days(days), series)


def _late(days: Sequence[DayOfShipments]) -> Chart:
    late = [each.late for each in days]
    about = f"{_counted(sum(late), 'shipment')} of the last seven days told after the order's time to ship was over."
    return plot("late", "Told too late, by day", about, _days(days), [Series("Told too late", late)], as_bars=True)


def _days(days: Sequence[DayOfShipments]) -> list[str]:
    return [each.day.strftime("%a %d") for each in days]


def _minutes(values: Sequence[float | None]) -> list[float | None]:
    return [None if each is None else round(each / MINUTE, 2) for each in values]


def _quantile(seconds: Sequence[float], share: float) -> float | None:
    """Of sorted figures; None of none."""
    return None if not seconds else seconds[min(len(seconds) - 1, int(len(seconds) * share))]


def _length(seconds: float) -> str:
    return f"{seconds / HOUR:.1f} h" if seconds >= HOUR else f"{seconds / MINUTE:.0f} min"

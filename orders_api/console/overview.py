"""The console's first page: what needs somebody, how each channel stands, and how orders and shipments went lately."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from orders_api.console.kit.headlines import cached_headlines
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _, counted
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
    ChannelState.OK: Badge(Later("Up to date"), "done"),
    ChannelState.OFF: Badge(Later("Off"), "over"),
    ChannelState.GIVEN: Badge(Later("Given to us"), "done"),
    ChannelState.NEW: Badge(Later("First pull to come"), "waiting"),
    ChannelState.THROTTLED: Badge(Later("Asked to wait"), "waiting"),
    ChannelState.LATE: Badge(Later("Late"), "failed"),
    ChannelState.FAILING: Badge(Later("Failing"), "failed"),
}
OPEN = tuple(("status", each) for each in overview.TO_SHIP)
MINUTE, HOUR = 60.0, 3600.0

pages = Pages()


@pages.page(PATH, "overview.html")
def show_overview(visit: Visit) -> Overview:
    """What needs somebody, each channel, and the last days."""
    transaction, visible, zone = visit.transaction, visit.visible_channels, visit.installation.settings.time_zone
    now = visit.now.astimezone(ZoneInfo(zone))
    day_began, _end = bounds(DatePreset.TODAY, visit.now, zone)
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
    due, asked, unsure, faulty = (sums[each] for each in ("overdue", "cancellations", "in_need", "errors"))
    open_, waiting = head.open_incidents, head.waiting_acceptances
    said = (
        (
            counted(
                "%(num)s channel behind: %(names)s",
                "%(num)s channels behind: %(names)s",
                len(behind),
                names=", ".join(behind),
            ),
            "/incidents",
            len(behind),
        ),
        (counted("%(num)s order overdue", "%(num)s orders overdue", due), "/orders?ship_by=overdue", due),
        (
            counted("%(num)s order to be accepted or refused", "%(num)s orders to be accepted or refused", waiting),
            "/acceptances",
            waiting,
        ),
        (
            counted("%(num)s request to cancel to be decided", "%(num)s requests to cancel to be decided", asked),
            "/cancellations?state=open",
            asked,
        ),
        (
            counted("%(num)s shipment refused or in doubt", "%(num)s shipments refused or in doubt", unsure),
            _list("/shipments", *(("status", each) for each in overview.IN_NEED)),
            unsure,
        ),
        (
            counted(
                "%(num)s order put aside that could not be read",
                "%(num)s orders put aside that could not be read",
                aside,
            ),
            "/quarantine",
            aside,
        ),
        (counted("%(num)s order with errors", "%(num)s orders with errors", faulty), "/orders?has_errors=true", faulty),
        (counted("%(num)s incident open", "%(num)s incidents open", open_), "/incidents", open_),
    )
    return [Need(text, path) for text, path, count in said if count]


def _sums(figures: Mapping[str, ChannelFigures]) -> dict[str, int]:
    names = ("overdue", "errors", "in_need", "cancellations")
    return {name: sum(getattr(each, name) for each in figures.values()) for name in names}


def _count(figures: ChannelFigures, name: str, path: str, *, is_trouble: bool) -> Figure:
    count = getattr(figures, name)
    more = "+" if count and name in figures.at_least else ""
    return Figure(f"{display.number(count)}{more}", path if count else "", is_trouble and count > 0)


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
    lag = _("of open orders alone") if each.open_orders_only else ""
    return ChannelStanding(
        code=each.channel,
        label=each.label,
        state=STATES[each.state],
        last_success=moment(each.last_success_at, visit.now, zone),
        complete=moment(each.complete_through, visit.now, zone),
        lag=_("there is nothing to read") if each.state is ChannelState.GIVEN else lag,
        today=display.number(figures.today),
        usual=_("usually %(count)s", count=display.decimal(median(figures.earlier))) if figures.earlier else "",
        counts=counts,
        next_run=moment(each.next_run_at, visit.now, zone) if each.state is not ChannelState.GIVEN else None,
        quota="" if share is None else display.share(share),
    )


def _list(path: str, *items: tuple[str, str]) -> str:
    return f"{path}?{urlencode(items)}"


def _least_left(shares: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """Connection → what is left of its operation that has the least."""
    least: dict[str, float] = {}
    for (connection, _operation), share in shares.items():
        least[connection] = min(share, least.get(connection, 1.0))
    return least


def _arrivals(hours: Sequence[tuple[datetime, int]], now: datetime) -> Chart:
    times = [display.hour(each.astimezone(now.tzinfo)) for each, _orders in hours]
    counts = [count for _hour, count in hours]
    about = _(
        "%(orders)s in the last 48 hours, at most %(most)s in an hour; the present hour is not over.",
        orders=counted("%(num)s order", "%(num)s orders", sum(counts)),
        most=display.number(max(counts)),
    )
    return plot("arrivals", _("Orders per hour"), about, times, [Series(_("Orders"), counts)])


def _latency(days: Sequence[DayOfShipments]) -> Chart:
    halves, most = ([_quantile(each.seconds, share) for each in days] for share in (0.5, 0.95))
    known = [each for each in most if each is not None]
    about = (
        _(
            "From a shipment's report to the marketplace's taking it; on the slowest day 95 of 100 within %(time)s.",
            time=_length(max(known)),
        )
        if known
        else _("No shipment was told in the last seven days.")
    )
    series = [Series(_("Half of them within"), _minutes(halves)), Series(_("95 of 100 within"), _minutes(most))]
    return plot("latency", _("Minutes until a shipment is told, last 7 days"), about, _days(days), series)


def _late(days: Sequence[DayOfShipments]) -> Chart:
    late = [each.late for each in days]
    about = counted(
        "%(num)s shipment of the last seven days told after the order's time to ship was over.",
        "%(num)s shipments of the last seven days told after the order's time to ship was over.",
        sum(late),
    )
    return plot(
        "late", _("Told too late, by day"), about, _days(days), [Series(_("Told too late"), late)], as_bars=True
    )


def _days(days: Sequence[DayOfShipments]) -> list[str]:
    return [display.day(each.day) for each in days]


def _minutes(values: Sequence[float | None]) -> list[float | None]:
    return [None if each is None else round(each / MINUTE, 2) for each in values]


def _quantile(seconds: Sequence[float], share: float) -> float | None:
    """Of sorted figures; None of none."""
    return None if not seconds else seconds[min(len(seconds) - 1, int(len(seconds) * share))]


def _length(seconds: float) -> str:
    if seconds >= HOUR:
        return _("%(count)s h", count=display.decimal(seconds / HOUR))
    return _("%(count)s min", count=display.decimal(seconds / MINUTE, 0))

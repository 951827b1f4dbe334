"""The log of the order flow: what happened, newest first, and one entry with those around it."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

import orjson
from pydantic import Field

from orders_api.console.kit.lists import ROWS, around, choices, read_numbered
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _
from orders_api.console.views.frame import Badge
from orders_api.console.views.incidents import EntryPage, EntryRow, LogList
from orders_api.console.views.lists import Filter
from orders_api.console.words import LEVELS, in_words
from orders_api.kit.errors import not_found
from orders_api.kit.records import make
from orders_api.v1.logs import LogQuery
from orders_api.v1.order_filters import check_channels
from warehouse.clock import iso
from warehouse.incidents import KINDS
from warehouse.ledger.book.order_events import STAGES as OF_ORDERS
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.status.channel_status import readable_channels
from warehouse.ledger.watch import activity
from warehouse.ledger.watch.activity import LogFilter

if TYPE_CHECKING:
    from orders_api.console.kit.queries import Asked
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.watch.activity import ActivityRecord

PATH = "/logs"
LABELS = {"order_id": Later("Order"), "since": Later("From"), "until": Later("Until")}
NEIGHBOURS = 20
"""Entries on each side of one."""
STAGES = sorted({stage for _, stages, _ in KINDS for stage in stages} - {"*"} | set(OF_ORDERS.values()) | {"orders"})

pages = Pages()


class LogsQuery(LogQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)


@pages.listing(PATH, "logs.html")
def list_logs(visit: Visit) -> LogList:
    """What happened to orders and channels; nothing personal is in it."""
    asked = ask(visit.request, LogsQuery)
    query = asked.query
    check_channels(visit.transaction, query.channel, visit.visible_channels)
    wanted = make(
        LogFilter,
        query,
        visible_channels=visit.visible_channels,
        channels=tuple(query.channel),
        stages=tuple(query.stage),
        levels=tuple(each.value for each in query.level),
    )
    read = partial(activity.find_entries, visit.transaction, wanted)
    rows, cursor = read_numbered(visit, "logs", query, read, attrgetter("id"))
    entries = tuple(entry_row(visit, each) for each in rows)
    whole = around(visit, asked, PATH, _filters(visit, asked), cursor=cursor, labels=LABELS)
    days = visit.installation.settings.log_retention_days
    return LogList("entries", entries, whole, days)


@pages.page(f"{PATH}/{{id}}", "log.html")
def show_entry(visit: Visit, id: str) -> EntryPage:  # noqa: A002 - the path's own word
    """One entry, with its details and its neighbours."""
    numbering = visit.installation.numbering
    number = numbering.number(Numbered.ENTRY, id)
    wanted = LogFilter(visible_channels=visit.visible_channels)
    beyond = 0 if number is None else number + NEIGHBOURS + 1
    rows = activity.find_entries(visit.transaction, wanted, beyond, 2 * NEIGHBOURS + 1)
    row = next((each for each in rows if each.id == number), None)
    if row is None:
        raise not_found("id", _("There is no such entry, or you may not see its channel."), "unknown_entry")
    details = orjson.dumps(numbering.with_ids(row.data), option=orjson.OPT_INDENT_2).decode()
    return EntryPage(entry_row(visit, row), details, tuple(entry_row(visit, each) for each in rows))


def entry_row(visit: Visit, row: ActivityRecord) -> EntryRow:
    """An entry in a list."""
    own_id = visit.installation.numbering.id(Numbered.ENTRY, row.id)
    at = moment(row.at, visit.now, visit.installation.settings.time_zone)
    assert at is not None
    same = ("level", "stage", "kind", "channel", "connection", "order_id", "text")
    return EntryRow(
        id=own_id,
        at=at,
        level=LEVELS.get(row.level, Badge(row.level, "unknown")),
        stage=in_words(row.stage),
        subject=row.channel or row.connection or "",
        text=row.text,
        order=row.order_id or "",
        record={"id": own_id, "at": iso(row.at), **{name: getattr(row, name) for name in same}},
    )


def _filters(visit: Visit, asked: Asked[LogsQuery]) -> tuple[Filter, ...]:
    labels = {each.code: each.label for each in readable_channels(visit.transaction, visit.visible_channels)}
    return (
        Filter("level", _("Level"), choices(asked, "level", {level: each.word for level, each in LEVELS.items()})),
        Filter("stage", _("Stage"), choices(asked, "stage", {each: in_words(each) for each in STAGES})),
        Filter("channel", _("Channel"), choices(asked, "channel", labels)),
        Filter("text", _("Message holds"), is_multiple=False, text=asked.query.text or ""),
    )

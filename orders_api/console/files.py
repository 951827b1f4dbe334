"""Files that were exchanged: order files that went out, shipment files that came in, and what became of each row."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from pydantic import Field

from orders_api.console.kit.lists import ROWS, around, choices, read_numbered
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _
from orders_api.console.views.frame import Badge
from orders_api.console.views.lists import Filter, ShownList
from orders_api.console.views.work import FateRow, ListedFile, ShownFile
from orders_api.console.words import in_words
from orders_api.kit.errors import not_found
from orders_api.v1.files import FileQuery
from orders_api.v1.order_filters import check_channels
from warehouse import display
from warehouse.clock import iso
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.exchange.file_queries import FileFilter
from warehouse.ledger.exchange.file_records import FileState, RowOutcome
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.status.channel_status import readable_channels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.exchange.file_records import FileRecord, RowFate

PATH = "/files"
DIRECTIONS = {JobKind.EXPORT.value: Later("Orders out"), JobKind.IMPORT.value: Later("Shipments in")}
TONES = {
    FileState.PLANNED: "waiting",
    FileState.UPLOADED: "done",
    FileState.GIVEN_UP: "over",
    FileState.RECEIVED: "waiting",
    FileState.APPLIED: "done",
    FileState.REFUSED: "failed",
    FileState.REPEATED: "over",
}
OUTCOMES = {
    RowOutcome.APPLIED: Badge(Later("Applied"), "done"),
    RowOutcome.KNOWN: Badge(Later("Known before"), "over"),
    RowOutcome.REFUSED: Badge(Later("Refused"), "failed"),
}
SHOWN_ROWS = 1000

pages = Pages()


class FilesQuery(FileQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)


@pages.listing(PATH, "files.html")
def list_files(visit: Visit) -> ShownList:
    """Files, the newest first."""
    asked = ask(visit.request, FilesQuery)
    query = asked.query
    check_channels(visit.transaction, query.channel, visit.visible_channels)
    wanted = FileFilter(
        visible_channels=visit.visible_channels,
        channels=tuple(query.channel),
        direction=query.direction,
        states=() if query.state is None else (FileState(query.state),),
    )
    rows, cursor = read_numbered(
        visit, "files", query, partial(file_queries.listed, visit.transaction, wanted), attrgetter("id")
    )
    labels = {each.code: each.label for each in readable_channels(visit.transaction, visit.visible_channels)}
    states = {each.value: in_words(each.value) for each in TONES}
    filters = (
        Filter("direction", _("Direction"), choices(asked, "direction", DIRECTIONS, _("Both")), is_multiple=False),
        Filter("state", _("State"), choices(asked, "state", states, _("All")), is_multiple=False),
        Filter("channel", _("Channel"), choices(asked, "channel", labels)),
    )
    whole = around(visit, asked, PATH, filters, cursor=cursor, labels={})
    return ShownList("files", tuple(_row(visit, each, labels) for each in rows), whole)


@pages.page(f"{PATH}/{{id}}", "file.html")
def show_file(visit: Visit, id: str) -> ShownFile:  # noqa: A002 - the part of the path
    """One file, and what became of its rows."""
    number = visit.installation.numbering.number(Numbered.FILE, id)
    found = None if number is None else file_queries.find(visit.transaction, number, visit.visible_channels)
    if found is None:
        raise not_found("id", _("There is no such file, or you may not see its channel."), "unknown_file")
    fates = file_queries.rows_of(visit.transaction, found.id, 0, SHOWN_ROWS + 1, None)
    labels = {each.code: each.label for each in readable_channels(visit.transaction, visit.visible_channels)}
    return ShownFile(
        row=_row(visit, found, labels),
        size=found.size,
        sha256=found.sha256 or "",
        fates=tuple(_fate(each) for each in fates[:SHOWN_ROWS]),
        is_cut=len(fates) > SHOWN_ROWS,
    )


def _fate(each: RowFate) -> FateRow:
    reason = " ".join(text for text in (each.column_name and f"{each.column_name}:", each.message, each.code) if text)
    return FateRow(each.number, OUTCOMES[each.outcome], each.order_id or "", reason)


def _row(visit: Visit, each: FileRecord, labels: Mapping[str, str]) -> ListedFile:
    own_id = visit.installation.numbering.id(Numbered.FILE, each.id)
    rows = display.number(each.rows)
    if each.direction is JobKind.IMPORT:
        rows = _(
            "%(rows)s: %(applied)s applied, %(known)s known, %(refused)s refused",
            rows=rows,
            applied=each.applied,
            known=each.known,
            refused=each.refused,
        )
    record: dict[str, str | int | bool | None] = {
        "id": own_id,
        "name": each.name,
        "direction": each.direction.value,
        "channel": each.channel,
        "state": each.state.value,
        "rows": each.rows,
        "refused": each.refused,
        "error_code": each.error_code,
        "created_at": iso(each.created_at),
    }
    return ListedFile(
        id=own_id,
        name=each.name,
        place=f"{each.storage}: {each.folder or _('its root')}" if each.storage else _("given by hand"),
        channel=labels.get(each.channel, each.channel),
        direction=DIRECTIONS[each.direction.value],
        state=Badge(in_words(each.state.value), TONES.get(each.state, "unknown")),
        rows=rows,
        trouble=each.error or "",
        at=moment(each.created_at, visit.now, visit.installation.settings.time_zone),
        record=record,
    )

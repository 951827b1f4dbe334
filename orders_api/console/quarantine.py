"""What could not be read as an order and was put aside: the list, and one payload with its reason and another try."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import orjson

from orders_api.console.kit.lists import ROWS, around, read_numbered
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import _
from orders_api.console.views.lists import ShownList
from orders_api.console.views.order import PutAside, PutAsidePage
from orders_api.kit.errors import not_found
from orders_api.kit.queries import PageQuery
from warehouse.clock import iso
from warehouse.ledger.book import quarantine_queries
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.people.users import Role
from warehouse.operator_requests import SubjectKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.book.quarantine_queries import QuarantineRecord

PATH = "/quarantine"

pages = Pages()


@pages.listing(PATH, "quarantine.html")
def list_quarantined(visit: Visit) -> ShownList:
    """Payloads that gave no order, the last first."""
    asked = ask(visit.request, PageQuery)
    query = asked.query.model_copy(update={"limit": min(asked.query.limit, ROWS)})

    def read(before: int | None, limit: int) -> Sequence[QuarantineRecord]:
        return quarantine_queries.find_quarantined(visit.transaction, visit.visible_channels, before, limit)

    rows, cursor = read_numbered(visit, "quarantine", query, read, attrgetter("raw_seq"))
    whole = around(visit, asked, PATH, (), cursor=cursor, labels={}, api="")
    return ShownList("quarantined", tuple(_row(visit, each) for each in rows), whole)


@pages.page(f"{PATH}/{{id}}", "put_aside.html")
def show_quarantined(visit: Visit, id: str) -> PutAsidePage:  # noqa: A002 - the part of the path
    """One payload without personal data, why it gave no order, and reading it again."""
    number = visit.installation.numbering.number(Numbered.PAYLOAD, id)
    found = (
        []
        if number is None
        else quarantine_queries.find_quarantined(visit.transaction, visit.visible_channels, raw_seq=number, limit=1)
    )
    if not found:
        detail = _("Nothing of this id is put aside: it was read meanwhile, or you may not see its channel.")
        raise not_found("id", detail, "unknown_payload")
    (row,) = found
    kept = quarantine_queries.payload_aside(visit.transaction, row.raw_seq)
    text = None if kept is None else orjson.dumps(orjson.loads(kept.payload), option=orjson.OPT_INDENT_2).decode()
    mine = subjects(visit.transaction, SubjectKind.CONNECTION, visit.visible_channels)
    may_ask = row.connection in mine and visit.user.role.includes(Role.OPERATOR)
    return PutAsidePage(_row(visit, row), text, row.connection if may_ask else None)


def _row(visit: Visit, row: QuarantineRecord) -> PutAside:
    own_id = visit.installation.numbering.id(Numbered.PAYLOAD, row.raw_seq)
    record: dict[str, str | int | bool | None] = {
        "id": own_id,
        "original_id": row.original_id,
        "channel": row.channel or None,
        "connection": row.connection,
        "code": row.code,
        "path": row.path,
        "reason": row.reason,
        "since": iso(row.since),
    }
    return PutAside(
        id=own_id,
        original_id=row.original_id,
        where=row.channel or row.connection,
        code=row.code,
        path=row.path,
        reason=row.reason,
        since=moment(row.since, visit.now, visit.installation.settings.time_zone),
        record=record,
    )

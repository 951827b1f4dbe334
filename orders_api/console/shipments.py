"""Shipments: the list, and a form that reports one, which is checked first by what takes reports in."""

from __future__ import annotations

import hashlib
from datetime import datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson
from pydantic import Field

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.lists import ROWS, around, choices
from orders_api.console.kit.pages import GoTo, Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _, retold
from orders_api.console.views.frame import Badge
from orders_api.console.views.lists import Filter, ShownList
from orders_api.console.views.work import ShipForm, ShipLine, ShipmentRow
from orders_api.console.words import CONFIRMATIONS
from orders_api.kit import cursors
from orders_api.kit.errors import not_found
from orders_api.v1.order_filters import check_channels
from orders_api.v1.shipments import ShipmentListQuery
from warehouse.clock import iso
from warehouse.ledger.book import order_queries
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings import carriers
from warehouse.ledger.shipping import confirmations, shipment_queries, shipments
from warehouse.ledger.shipping.shipment_queries import ShipmentPlace
from warehouse.ledger.status.channel_status import readable_channels
from warehouse.order_states import ConfirmationStatus
from warehouse.shipment_reports import Item, ReportResult, Sender, ShipmentReport, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.shipping.shipment_queries import ShipmentRecord

PATH = "/shipments"
RETRIED = frozenset({ConfirmationStatus.REJECTED, ConfirmationStatus.IN_DOUBT})
LABELS = {
    "order_id": Later("Order id"),
    "original_id": Later("Original id"),
    "report_id": Later("Report id"),
    "tracking_number": Later("Tracking number"),
    "package_id": Later("Package id"),
}
ANOTHER_PACKAGE = (
    "package_id",
    Later("A package of this name was reported already, and this would change it: give this one a name of its own."),
)
"""What the form is for is another package; who reported one corrects it by the same way."""
FIELDS = ("package_id", "carrier_code", "tracking_number", "shipping_date")

pages = Pages()


class ShipmentsQuery(ShipmentListQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)


@pages.listing(PATH, "shipments.html")
def list_shipments(visit: Visit) -> ShownList:
    """What was reported, the newest first, and how far telling the marketplaces has come."""
    asked = ask(visit.request, ShipmentsQuery)
    query = asked.query
    check_channels(visit.transaction, query.channel, visit.visible_channels)
    wanted = query.as_filter(visit.visible_channels)
    fingerprint = wanted.fingerprint()
    after = None if query.cursor is None else ShipmentPlace(*cursors.decode_moment(query.cursor, fingerprint))
    page = shipment_queries.page(visit.transaction, wanted, after, query.limit)
    following = page.next_place
    cursor = None if following is None else cursors.encode_moment(fingerprint, following.reported_at, following.id)
    labels = {each.code: each.label for each in readable_channels(visit.transaction, visit.visible_channels)}
    states = {each.value: badge.word for each, badge in CONFIRMATIONS.items()}
    filters = (
        Filter("status", _("State"), choices(asked, "status", states)),
        Filter("channel", _("Channel"), choices(asked, "channel", labels)),
    )
    whole = around(visit, asked, PATH, filters, cursor=cursor, labels=LABELS)
    rows = tuple(_row(visit, each, labels) for each in page.rows)
    return ShownList("shipments", rows, whole)


@pages.action(f"{PATH}/{{id}}/retry", needs=Role.OPERATOR)
def retry_shipment(visit: Visit, form: Form, id: str) -> str:  # noqa: A002 - the part of the path
    """Tell the marketplace of a shipment once more."""
    if shipment_queries.by_id(visit.transaction, id, visit.visible_channels) is None:
        raise not_found("id", _("There is no such shipment, or you may not see its channel."), "unknown_shipment")
    try:
        confirmations.retry(visit.transaction, id, visit.now)
    except confirmations.NotRetryable as error:
        visit.tell(retold(error), "failed")
    else:
        visit.audit("shipment_retried", id)
        visit.tell(_("The pipeline tells the marketplace again, with its next run."))
    back = text_of(form, "back")
    return back if back.startswith(PATH) else PATH


@pages.page("/orders/{id}/ship", "ship.html", needs=Role.OPERATOR)
def ship_form(visit: Visit, id: str) -> ShipForm:  # noqa: A002 - the part of the path
    """The form, with everything that remains."""
    return _form(visit, id, {}, None, (), (), is_checked=False)


@pages.once("/orders/{id}/ship", "ship.html", needs=Role.OPERATOR)
def ship(visit: Visit, form: Form, id: str) -> ShipForm | GoTo:  # noqa: A002 - the part of the path
    """Check what was typed, or report it when it was checked as it stands; twice the same is reported once."""
    document = _order(visit, id)
    report, faults = _report(visit, document, form)
    if report is None:
        return _form(visit, id, _values(form), form, faults, (), is_checked=False)
    sender = Sender(
        consumer=visit.user.name,
        source=Source.API,
        report_id=visit.request.state.request_id,
        visible_channels=visit.visible_channels,
    )
    (answer,) = shipments.examine(visit.transaction, sender, [report], visit.now)
    if answer.result is ReportResult.UPDATED:
        return _form(visit, id, _values(form), form, (ANOTHER_PACKAGE,), (), is_checked=False)
    if text_of(form, "do") == "report" and text_of(form, "checked") == _fingerprint(form):
        (answer,) = shipments.report(visit.transaction, sender, [report], visit.now)
        if answer.result is not ReportResult.REFUSED:
            visit.audit("shipment_reported", answer.shipment_id or "", {"order": id, "result": answer.result.value})
            visit.tell(
                _("Reported: %(state)s.", state=CONFIRMATIONS[ConfirmationStatus(answer.status or "queued")].word)
            )
            return GoTo(f"/orders/{id}#shipments")
    faults = tuple((each.field, each.message) for each in answer.faults)
    notices = tuple(each.message for each in answer.notices)
    return _form(visit, id, _values(form), form, faults, notices, is_checked=not faults)


def _form(
    visit: Visit,
    own_id: str,
    values: Mapping[str, str],
    sent: Form | None,
    faults: tuple[tuple[str, str], ...],
    notices: tuple[str, ...],
    *,
    is_checked: bool,
) -> ShipForm:
    document = _order(visit, own_id)
    known = carriers.latest_requirements(visit.transaction, document["channel"])
    mapped = [each.code for each in carriers.mapped(visit.transaction, [document["channel"]])]
    listed = [] if known is None else [each.code for each in known[0].carriers if each.code]
    lines = tuple(
        ShipLine(
            item_id=each["id"],
            title=each["title"] or "",
            sku=each["sku"] or "",
            remaining=each["quantity_remaining_to_ship"],
            count=str(each["quantity_remaining_to_ship"]) if sent is None else text_of(sent, f"units.{each['id']}"),
        )
        for each in document["lines"]
        if each["quantity_remaining_to_ship"]
    )
    return ShipForm(
        order=own_id,
        original_id=document["original_id"],
        channel=document["channel"],
        values={**dict.fromkeys(FIELDS, ""), **values, "checked": "" if sent is None else _fingerprint(sent)},
        lines=lines,
        carriers=tuple(dict.fromkeys([*mapped, *listed])),
        faults=faults,
        notices=notices,
        is_checked=is_checked,
    )


def _report(
    visit: Visit, document: Mapping[str, Any], form: Form
) -> tuple[ShipmentReport | None, tuple[tuple[str, str], ...]]:
    """What was typed as a report; or what cannot be read of it."""
    faults: list[tuple[str, str]] = []
    items = []
    for each in document["lines"]:
        count = text_of(form, f"units.{each['id']}").strip()
        if count and not count.isdecimal():
            faults.append((f"units.{each['id']}", _("%(count)s is no number of units", count=count)))
        elif count and int(count):
            items.append(Item(item_id=each["id"], item_quantity_shipped=int(count)))
    if not items:
        faults.append(("", _("No unit is to be shipped: give a number of at least one line.")))
    day, moment_shipped = text_of(form, "shipping_date").strip(), None
    if day:
        try:
            zone = ZoneInfo(visit.installation.settings.time_zone)
            moment_shipped = datetime.combine(datetime.fromisoformat(day).date(), time(12), zone)
        except ValueError:
            faults.append(("shipping_date", _("%(day)s is no date", day=day)))
    if faults:
        return None, tuple(faults)
    texts = {name: text_of(form, name).strip() or None for name in ("package_id", "carrier_code", "tracking_number")}
    shipped = None if moment_shipped is None else min(moment_shipped, visit.now)
    return ShipmentReport(id=document["id"], shipping_date=shipped, items=tuple(items), **texts), ()


def _values(form: Form) -> dict[str, str]:
    return {name: text_of(form, name) for name in FIELDS}


def _fingerprint(form: Form) -> str:
    """What was typed, so that only what was checked is reported."""
    typed = {name: values for name, values in form.items() if name in FIELDS or name.startswith("units.")}
    return hashlib.sha256(orjson.dumps(typed, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _order(visit: Visit, own_id: str) -> dict[str, Any]:
    row = order_queries.by_id(order_queries.MEMBERS, visit.transaction, own_id, visit.visible_channels)
    if row is None:
        raise not_found("id", _("There is no such order, or you may not see its channel."), "unknown_order")
    (document,) = visit.installation.documents([row], None)
    read: dict[str, Any] = orjson.loads(document)
    return read


def _row(visit: Visit, each: ShipmentRecord, labels: Mapping[str, str]) -> ShipmentRow:
    found = each.shipment
    badge = CONFIRMATIONS.get(ConfirmationStatus(found.status), Badge(found.status, "unknown"))
    trouble = ": ".join(text for text in (found.code, found.message) if text)
    record: dict[str, str | int | bool | None] = {
        "id": found.id,
        "order_id": found.order_id,
        "original_id": each.original_id,
        "channel": found.channel,
        "package_id": found.package_id,
        "carrier_code": found.carrier_code,
        "tracking_number": found.tracking_number,
        "status": found.status,
        "error_code": found.code,
        "reported_at": iso(found.reported_at),
    }
    return ShipmentRow(
        id=found.id,
        order=found.order_id,
        original_id=each.original_id,
        channel=labels.get(found.channel, found.channel),
        package=found.package_id or "",
        carrier=found.carrier_code or found.carrier_name or "",
        tracking_number=found.tracking_number or "",
        state=badge,
        trouble=trouble,
        reported=moment(found.reported_at, visit.now, visit.installation.settings.time_zone),
        reported_by=found.consumer,
        may_retry=found.status in RETRIED and visit.user.role.includes(Role.OPERATOR),
        record=record,
    )

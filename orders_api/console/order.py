"""One order: its page, revealing its personal data, explaining it, what the marketplace sent of it, trying a shipment again."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from orders_api.console.happenings import timeline_view
from orders_api.console.kit.pages import GoTo, Pages
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import _, counted, gettext, retold
from orders_api.console.order_rows import cancellation_label
from orders_api.console.orders import LIST, place_in_list
from orders_api.console.views.frame import Badge
from orders_api.console.views.order import (
    Attempt,
    ExplanationPage,
    Fact,
    LineRow,
    OrderTrouble,
    OrderView,
    Party,
    PayloadPage,
    PersonalData,
    ShippedPackage,
    SourcedMember,
)
from orders_api.console.words import ATTEMPTS, CONFIRMATIONS, confirmation_badge, in_words, status_badge
from orders_api.kit.errors import Problem, not_found
from warehouse import display
from warehouse.clock import iso
from warehouse.ledger.book import order_filter, order_queries, raw_orders, timeline
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.people import sessions
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings.channels import asked_connection
from warehouse.ledger.settings.kinds import kind_of_channel
from warehouse.ledger.shipping import confirmations, shipment_queries
from warehouse.ledger.status import explanation
from warehouse.order_states import ConfirmationStatus
from warehouse.personal import personal_members
from warehouse.sources import member_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from orders_api.console.views.frame import Moment
    from warehouse.documents import StoredOrder
    from warehouse.ledger.book.cancellation_queries import CancellationRecord
    from warehouse.ledger.shipping.records import StoredAttempt
    from warehouse.ledger.shipping.shipment_queries import ShipmentRecord
    from warehouse.ledger.status.explanation import Case
    from warehouse.sources import MemberSource

    When = Callable[[Any], Any]
    Document = Mapping[str, Any]

MOST_VALUES = 20
"""Lines of which a member's values are shown beside the payload."""

pages = Pages()


@pages.page("/orders/by/{channel}/{original_id:path}", "order.html")
def find_order(visit: Visit, channel: str, original_id: str) -> GoTo:
    """An order by the marketplace's id, for links from elsewhere."""
    wanted = order_filter.OrderFilter(
        visible_channels=visit.visible_channels, channels=(channel,), original_id=original_id
    )
    rows = order_queries.page(order_queries.MEMBERS, visit.transaction, wanted, order_filter.Sort.NEWEST, None, 1).rows
    if not rows:
        raise _unknown()
    return GoTo(f"/orders/{rows[0].id}")


@pages.page("/orders/{id}", "order.html")
def show_order(visit: Visit, id: str) -> OrderView:  # noqa: A002 - the path's own word
    """Everything that is known of an order."""
    row = _find(visit, id)
    case = explanation.read_case(visit.transaction, row)
    document, when = case.document, partial(moment, now=visit.now, zone=visit.installation.settings.time_zone)
    entries = timeline.of_read_order(visit.transaction, document, case.incidents)
    subjects = [id, *(each.shipment.id for each in case.shipments), *(each.id for each in case.requests)]
    place = place_in_list(visit, row)
    own_path = f"/orders/{id}?{urlencode({LIST: place.opened}) if place is not None else ''}"
    return OrderView(
        id=id,
        original_id=document["original_id"],
        channel=case.channel.label,
        status=status_badge(document["status"], document["marketplace_status"]),
        confirmation=confirmation_badge(document["confirmation_status"]),
        labels=_labels(document),
        sentence=explanation.sentence(case, visit.now),
        split_of=document["split_of"],
        troubles=_troubles(visit, case, when),
        ids=_ids(document, case),
        dates=_dates(document, when),
        payment=_payment(document),
        personal=_personal(visit, row, document),
        lines=tuple(_line(each, document["currency"]) for each in document["lines"]),
        packages=_packages(visit, case, when),
        acknowledgements=tuple(map(_acknowledgement, document["acknowledgements"])),
        requests=tuple(map(_request, case.requests)),
        timeline=timeline_view(visit, entries, subjects, own_path),
        place=place,
        fetched_from=_asked_connection(visit, case),
    )


@pages.page("/orders/{id}/explain", "explain.html")
def explain_order(visit: Visit, id: str) -> ExplanationPage:  # noqa: A002 - as above
    """Why an order is as it is."""
    row = _find(visit, id)
    said, answers = explanation.explain(visit.transaction, row, visit.now)
    return ExplanationPage(id, _original_id(row), said, answers)


@pages.page("/orders/{id}/payload", "payload.html")
def show_payload(visit: Visit, id: str) -> PayloadPage:  # noqa: A002 - as above
    """What the marketplace sent of an order, without personal data."""
    (text,) = visit.installation.documents([_find(visit, id)], None)
    document = orjson.loads(text)
    kept = raw_orders.of_order(visit.transaction, id)
    if kept is None:
        return PayloadPage(id, document["original_id"], None, None, ())
    kind = kind_of_channel(visit.transaction, document["channel"])
    sources = () if kind is None else member_sources(document, kind.reads)
    received = moment(kept.received_at, visit.now, visit.installation.settings.time_zone)
    payload = orjson.dumps(orjson.loads(kept.redacted), option=orjson.OPT_INDENT_2).decode()
    return PayloadPage(id, document["original_id"], received, payload, tuple(map(_sourced, sources)))


@pages.action("/orders/{id}/reveal", needs=Role.VIEWER)
def reveal_order(visit: Visit, _form: Form, id: str) -> str:  # noqa: A002 - as above
    """Show the personal data of an order to whoever may see it, for five minutes; it is written down who looked."""
    _find(visit, id)
    if not visit.user.may_see_personal_data:
        detail = _("You have no right to personal data. An administrator can give it to you: `orders users add --pii`.")
        raise Problem(403, "missing_role", detail)
    sessions.reveal(visit.transaction, visit.session, id, visit.now)
    visit.audit("personal_data_revealed", id)
    return f"/orders/{id}#buyer"


@pages.action("/orders/{id}/shipments/{shipment}/retry", needs=Role.OPERATOR)
def retry_shipment(visit: Visit, _form: Form, id: str, shipment: str) -> str:  # noqa: A002 - as above
    """Tell the marketplace of a shipment once more."""
    row = _find(visit, id)
    found = shipment_queries.by_id(visit.transaction, shipment, visit.visible_channels)
    if found is None or found.shipment.order_id != row.id:
        raise not_found("shipment", _("There is no such shipment for you."), "unknown_shipment")
    try:
        confirmations.retry(visit.transaction, shipment, visit.now)
    except confirmations.NotRetryable as error:
        visit.tell(retold(error), "failed")
    else:
        visit.audit("shipment_retried", shipment, {"order": id})
        visit.tell(_("The pipeline tells the marketplace again, with its next run."))
    return f"/orders/{id}#shipments"


def _find(visit: Visit, own_id: str) -> StoredOrder:
    row = order_queries.by_id(order_queries.MEMBERS, visit.transaction, own_id, visit.visible_channels)
    if row is None:
        raise _unknown()
    return row


def _unknown() -> Problem:
    return not_found("id", _("There is no such order, or you may not see its channel."), "unknown_order")


def _original_id(row: StoredOrder) -> str:
    found: str = orjson.loads(f"{{{row.facts}}}")["original_id"]
    return found


def _sourced(each: MemberSource) -> SourcedMember:
    """A member beside what it is read from."""
    hidden = "personal" if each.is_personal else ""
    more = len(each.values) - MOST_VALUES
    shown = [_value(value) for value in each.values[:MOST_VALUES]] + (
        [_("and %(count)s more", count=more)] if more > 0 else []
    )
    return SourcedMember(each.path, tuple(shown), hidden, tuple(each.read_from))


def _value(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str | None) else orjson.dumps(value).decode()


def _asked_connection(visit: Visit, case: Case) -> str | None:
    if not visit.user.role.includes(Role.OPERATOR):
        return None
    return asked_connection(visit.transaction, case.channel.code, visit.visible_channels)


def _labels(document: Document) -> tuple[Badge, ...]:
    cancellation = cancellation_label(document)
    found = [
        (cancellation is not None, cancellation),
        (document["is_business"], Badge(_("Business"), "over")),
        (document["is_historical"], Badge(_("Historical"), "over", _("Loaded as history: nothing is to be shipped."))),
        (document["pii_state"] == "expired", Badge(_("Personal data purged"), "over")),
        (document["fulfilled_by"] == "marketplace", Badge(_("Fulfilled by marketplace"), "over")),
    ]
    return tuple(badge for is_so, badge in found if is_so and badge is not None)


def _troubles(visit: Visit, case: Case, when: When) -> tuple[OrderTrouble, ...]:
    numbering = visit.installation.numbering
    found = [
        OrderTrouble(
            message=each.message,
            cause=gettext(each.cause),
            hint=each.hint,
            code=each.code,
            occurrences=each.occurrences,
            first=when(each.first_seen_at),
            last=when(each.last_seen_at),
            incident=numbering.id(Numbered.INCIDENT, each.id),
            details=_details(visit, case.document, each.stage, each.code, each.message, each.last_seen_at),
        )
        for each in case.open_incidents
    ]
    found += [
        OrderTrouble(
            message=each["message"],
            cause=_("So the marketplace sent it, at %(path)s.", path=each["path"]),
            hint="",
            code=each["code"],
            occurrences=0,
            first=None,
            last=None,
            incident="",
            details=_details(visit, case.document, "payload", each["code"], f"{each['path']}: {each['message']}", None),
        )
        for each in case.document["problems"]
    ]
    return tuple(found)


def _details(visit: Visit, document: Document, stage: str, code: str, message: str, seen: Any) -> str:  # noqa: ANN401 - a time or none
    """An error as text to be handed on; nothing personal is in it."""
    lines = (
        f"order {document['original_id']} ({document['id']}) of {document['channel']}, revision {document['revision']}",
        f"status {document['status']}, at the marketplace {document['marketplace_status']}",
        f"{stage}: {code}: {message}",
        f"last seen {iso(seen)}" if seen is not None else "",
        f"copied {iso(visit.now)}, request {visit.request.state.request_id}",
    )
    return "\n".join(each for each in lines if each)


def _ids(document: Document, case: Case) -> tuple[Fact, ...]:
    related = document["related_order"]
    return (
        Fact(_("Order at the marketplace"), document["original_id"], _("Copy order id")),
        Fact(_("Internal id"), document["id"], _("Copy internal id")),
        Fact(_("Channel"), f"{case.channel.label} ({document['channel']})"),
        Fact(_("Marketplace"), document["marketplace"]),
        Fact(_("Revision"), str(document["revision"])),
        *((Fact(_("Comes from order"), related["original_id"], _("Copy order id")),) if related is not None else ()),
    )


def _dates(document: Document, when: When) -> tuple[tuple[str, Moment | None], ...]:
    labelled = (
        (_("Purchased (marketplace's clock)"), document["purchased_at"]),
        (_("Changed there (marketplace's clock)"), document["marketplace_updated_at"]),
        (_("Received here (our clock)"), document["received_at"]),
        (_("Ship by"), document["ship_by"]),
        (_("Accept by"), document["accept_by"]),
        (_("Paid"), document["payment"]["paid_at"]),
    )
    return tuple((label, when(each)) for label, each in labelled)


def _payment(document: Document) -> tuple[Fact, ...]:
    currency = document["currency"]
    taxes = [
        Fact(
            _("%(tax)s on line %(number)s", tax=each["code"] or _("Tax"), number=line["number"]) + _rate(each["rate"]),
            _money(each["amount"], currency),
        )
        for line in document["lines"]
        for each in line["taxes"]
    ]
    return (
        Fact(_("Total"), _money(document["total"], currency)),
        Fact(_("Shipping"), _money(document["shipping_total"], currency)),
        Fact(_("Taxes"), _money(document["tax_total"], currency)),
        *(
            Fact(each["label"] or in_words(each["code"]), _money(each["amount"], currency))
            for each in document["charges"]
        ),
        *taxes,
        Fact(_("Method"), document["payment"]["method"]),
        Fact(_("Workflow"), document["payment"]["workflow"]),
    )


def _personal(visit: Visit, row: StoredOrder, document: Document) -> PersonalData:
    parties: tuple[Party, ...] = ()
    if visit.session.may_show(row.id, visit.now):
        sealed = order_queries.sealed_parties(visit.transaction, [row.id])
        (text,) = visit.installation.documents([row], sealed)
        whole = orjson.loads(text)
        parties = tuple(
            Party(in_words(each.name), _facts_of(whole[each.name]))
            for each in personal_members()
            if whole.get(each.name) is not None
        )
    country = document["shipping_country_code"]
    return PersonalData(document["pii_state"], country, visit.user.may_see_personal_data, parties)


def _facts_of(value: Any) -> tuple[Fact, ...]:  # noqa: ANN401 - any member
    """A personal member's own members, those that are told."""
    if not isinstance(value, Mapping):
        return (Fact("", str(value)),)
    return tuple(Fact(in_words(name), str(each)) for name, each in value.items() if each is not None)


def _line(line: Mapping[str, Any], currency: str | None) -> LineRow:
    labels = []
    if line["cancellation"] and line["cancellation"]["requested_by"]:
        labels.append(Badge(_("Cancellation requested"), "warning"))
    if not line["may_ship"]:
        labels.append(Badge(_("May not ship"), "over", in_words(line["may_not_ship_reason"])))
    return LineRow(
        sku=line["sku"],
        gtin=line["gtin"],
        title=line["title"],
        product_url=line["product_url"],
        ordered=line["quantity_ordered"],
        shipped=line["quantity_shipped"],
        cancelled=line["quantity_cancelled"],
        remaining=line["quantity_remaining_to_ship"],
        price=_money(line["unit_price"], currency),
        total=_money(line["line_total"], currency),
        labels=tuple(labels),
    )


def _packages(visit: Visit, case: Case, when: When) -> tuple[ShippedPackage, ...]:
    attempts: dict[str, list[Attempt]] = {}
    for each in shipment_queries.attempts_of(visit.transaction, [record.shipment.id for record in case.shipments]):
        attempts.setdefault(each.shipment_id, []).append(_attempt(each, when))
    return tuple(_package(each, attempts.get(each.shipment.id, ()), when) for each in case.shipments)


def _package(record: ShipmentRecord, attempts: Sequence[Attempt], when: When) -> ShippedPackage:
    row = record.shipment
    state = ConfirmationStatus(row.status)
    is_sound = state in {ConfirmationStatus.SENT, ConfirmationStatus.VERIFIED}
    said = [each for each in (row.message, row.hint) if each]
    return ShippedPackage(
        id=row.id,
        package_id=row.package_id,
        state=CONFIRMATIONS.get(state, Badge(_("Not to be told"), "over")),
        carrier=row.carrier_name or row.carrier_code,
        tracking_number=row.tracking_number,
        tracking_url=row.tracking_url,
        units=", ".join(f"{each.quantity} × {each.sku or each.original_id}" for each in record.items),
        reported=when(row.reported_at),
        reported_by=f"{row.consumer} ({row.source})",
        due=when(row.due_at),
        trouble="" if is_sound else ". ".join(said),
        attempts=tuple(attempts),
        attempts_text="\n".join((f"package {row.package_id} of order {row.order_id}", *map(_attempt_text, attempts))),
    )


def _attempt_text(each: Attempt) -> str:
    """An attempt as a line to be handed on."""
    return f"{each.at.iso} {each.outcome.word}: {each.about}"


def _attempt(row: StoredAttempt, when: When) -> Attempt:
    about = [
        row.operation,
        f"HTTP {row.http_status}" if row.http_status is not None else None,
        row.message,
        f"their request {row.request_id}" if row.request_id else None,
    ]
    outcome = ATTEMPTS.get(row.outcome, Badge(in_words(row.outcome), "unknown"))
    return Attempt(when(row.started_at), outcome, " · ".join(each for each in about if each))


def _acknowledgement(given: Mapping[str, Any]) -> str:
    if given["outcome"] != "ok":
        said = _("%(consumer)s refused revision %(revision)s", **given)
    elif given["order_number"]:
        said = _("%(consumer)s took over revision %(revision)s as %(order_number)s", **given)
    else:
        said = _("%(consumer)s took over revision %(revision)s", **given)
    return f"{said}: {given['message']}" if given["message"] else said


def _request(row: CancellationRecord) -> str:
    units = sum(each["quantity"] or 0 for each in row.lines)
    reason = f" ({row.reason})" if row.reason else ""
    said = counted(
        "%(name)s asked to cancel %(num)s unit", "%(name)s asked to cancel %(num)s units", units, name=row.requester
    )
    return f"{said}{reason}: {in_words(row.state)}"


def _money(amount: str | None, currency: str | None) -> str | None:
    return None if amount is None else display.money(Decimal(amount), currency)


def _rate(percent: str | None) -> str:
    return "" if percent is None else f" ({percent} %)"

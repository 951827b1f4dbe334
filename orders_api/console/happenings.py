"""What happened to an order, as its page tells it: by whose side, with what changed, and what people did here."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson

from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later
from orders_api.console.views.order import ChangedMember, Happening, OrderTimeline
from orders_api.console.words import in_words
from warehouse.ledger.people import audit
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.book.timeline import TimelineEntry
    from warehouse.ledger.people.audit import RecordedEntry

SIDES = {
    "": Later("All"),
    "marketplace": Later("Marketplace"),
    "erp": Later("ERP and files"),
    "ours": Later("Ours"),
    "people": Later("People"),
}
OF_THE_ERP = ("acknowledged", "shipment", "exported", "imported")
OF_THE_MARKETPLACE = ("received", "changed", "cancellation_requested", "cancellation_withdrawn")
DONE = {
    "personal_data_revealed": Later("looked at buyer and addresses"),
    "shipment_reported": Later("reported a shipment"),
    "shipment_retried": Later("had the marketplace told of a shipment again"),
    "cancellation_decided": Later("decided a request to cancel"),
    "acceptance_decided": Later("accepted or refused it"),
}
"""What people do to an order, by the words of the audit log."""
MOST_DEEDS = 200
LONGEST_VALUE = 200
"""Characters of a value that a timeline shows; the payload's page has all of it."""


def timeline_view(
    visit: Visit, entries: Sequence[TimelineEntry], subjects: Sequence[str], own_path: str
) -> OrderTimeline:
    """What happened, the last first.

    Args:
        visit: Who reads it.
        entries: What is known of the order, the oldest first.
        subjects: The ids of the order, its shipments and its requests to cancel: what people did is written down by them.
        own_path: The page's path with what it keeps in its address, a question mark in it.
    """
    side = visit.request.query_params.get("side", "")
    side = side if side in SIDES else ""
    found = [(each.at, _side(each.kind), _of_entry(visit, each)) for each in entries]
    deeds = audit.about(visit.transaction, subjects, MOST_DEEDS)
    found += [(each.at, "people", _of_deed(visit, each)) for each in deeds]
    found.sort(key=itemgetter(0), reverse=True)
    links = tuple(
        (f"{own_path}&side={name}" if name else own_path, label, name == side) for name, label in SIDES.items()
    )
    return OrderTimeline(tuple(each for _, own, each in found if side in {"", own}), links)


def _of_entry(visit: Visit, each: TimelineEntry) -> Happening:
    changed = tuple(
        ChangedMember(change["path"], _text(change["before"]), _text(change["after"]))
        for change in each.data.get("changes", ())
    )
    at = moment(each.at, visit.now, visit.installation.settings.time_zone)
    return Happening(at, each.text, changed, has_more=bool(each.data.get("has_more")))


def _of_deed(visit: Visit, each: RecordedEntry) -> Happening:
    entry = each.entry
    what = DONE.get(entry.action, in_words(entry.action).lower())
    reason = entry.details.get("reason")
    at = moment(each.at, visit.now, visit.installation.settings.time_zone)
    said = Sentence("%(name)s %(what)s", name=entry.actor, what=what)
    said = Sentence("%(said)s: %(why)s", said=said, why=reason) if reason else said
    return Happening(at, said, (), has_more=False)


def _side(kind: str) -> str:
    if kind.startswith(OF_THE_ERP):
        return "erp"
    return "marketplace" if kind in OF_THE_MARKETPLACE else "ours"


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """A value for people; None for none."""
    if value is None:
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"

"""Why an order is as it is, in plain sentences: its status, whether it may ship, is held, was taken over, exported, confirmed,
and what is wrong with it. Each answer has the facts that it rests on.

The rules themselves are where they are applied; what is here reads what they have left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from warehouse import documents
from warehouse.cancellations import LIVE, RequestState
from warehouse.clock import iso
from warehouse.ledger.book import cancellation_queries, timeline
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.book.holds import CANCELLATION
from warehouse.ledger.settings.file_jobs import JobKind, find_job
from warehouse.ledger.shipping import shipment_queries
from warehouse.ledger.shipping.shipment_queries import ShipmentFilter
from warehouse.ledger.status.channel_status import readable_channels
from warehouse.ledger.watch import incident_queries
from warehouse.ledger.watch.incident_queries import IncidentFilter
from warehouse.order_states import ConfirmationStatus, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.documents import StoredOrder
    from warehouse.ledger.book.cancellation_queries import CancellationRecord
    from warehouse.ledger.settings.channels import ConfiguredChannel
    from warehouse.ledger.shipping.records import StoredShipment
    from warehouse.ledger.shipping.shipment_queries import ShipmentRecord
    from warehouse.ledger.watch.incident_queries import IncidentRecord

Row = dict[str, Any]

MOST_SHIPMENTS = 200
"""Of one order: beyond them an explanation is not read anyway."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A fact that an answer rests on, and whether it speaks for what was asked."""

    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One question, its answer in a plain sentence, and the facts behind it."""

    question: str
    answer: str
    grounds: tuple[Ground, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of an order here.

    Attributes:
        document: As the API tells it, without personal data.
        channel: The settings of its channel.
        shipments: What was reported of it, the last first.
        requests: Requests to cancel it, the newest first.
        incidents: Those about it, the newest first, resolved ones among them.
    """

    document: Row
    channel: ConfiguredChannel
    shipments: Sequence[ShipmentRecord]
    requests: Sequence[CancellationRecord]
    incidents: Sequence[IncidentRecord]

    @property
    def open_incidents(self) -> list[IncidentRecord]:
        """What is wrong with it now."""
        return [each for each in self.incidents if each.resolved_at is None]

    def is_held(self, now: datetime) -> bool:
        """Whether a request to cancel keeps it from being exported and its shipments from being told."""
        return any(
            each.state == RequestState.ACCEPTED
            or (each.state == RequestState.OPEN and each.hold_until is not None and each.hold_until > now)
            for each in self.requests
        )


def read_case(transaction: Transaction, row: StoredOrder) -> Case:
    """What is known of an order that `order_queries.by_id` has found; five statements."""
    document = orjson.loads(documents.document(row, None))
    own_id = document["id"]
    shipments = shipment_queries.page(transaction, ShipmentFilter(order_id=own_id), None, MOST_SHIPMENTS).rows
    requests = cancellation_queries.find_requests(transaction, RequestFilter(order_id=own_id), None, MOST_SHIPMENTS)
    troubles = incident_queries.find_incidents(transaction, IncidentFilter(order_id=own_id, is_open=None))
    (channel,) = readable_channels(transaction, (document["channel"],))
    return Case(document, channel, shipments, requests, troubles)


def sentence(case: Case, now: datetime) -> str:
    """Where an order stands towards the marketplace, in one or two plain sentences."""
    state = _state_sentence(case)
    known = _confirmation_sentence(case)
    if case.is_held(now):
        return f"{state} A request to cancel holds it: it is not exported, and no shipment of it is confirmed."
    return f"{state} {known}".strip()


def explain(transaction: Transaction, row: StoredOrder, now: datetime) -> tuple[str, tuple[Explanation, ...]]:
    """The sentence of an order, and why it is as it is."""
    case = read_case(transaction, row)
    exports = [
        each for each in timeline.of_read_order(transaction, case.document, case.incidents) if each.kind == "exported"
    ]
    job = find_job(transaction, case.document["channel"], JobKind.EXPORT)
    is_on = job is not None and job.job.is_on
    statuses = tuple(job.job.export_settings.statuses) if job is not None else ()
    answers = (
        _status(case),
        _may_ship(case),
        _held(case, now),
        _taken_over(case),
        _exported(case, now, [each.text for each in exports], is_on=is_on, statuses=statuses),
        _confirmed(case),
        _errors(case),
    )
    return sentence(case, now), answers


def _state_sentence(case: Case) -> str:
    document, name = case.document, case.document["marketplace"]
    if document["status"] == Status.WAITING_FOR_SHIPMENT:
        if not document["may_ship"]:
            return f"It waits for shipment, and may not ship: {_words(document['may_not_ship_reason'])}."
        return f"Ship it by {_minute(document['ship_by'])}." if document["ship_by"] else "Ship it."
    return _STATES[Status(document["status"])].format(name=name, word=document["marketplace_status"])


_STATES = {
    Status.PENDING: "{name} has not released it yet: do not ship.",
    Status.PARTIALLY_SHIPPED: "Partially shipped: some units are still to ship.",
    Status.SHIPPED: "Shipped.",
    Status.REFUSED: "Refused: nothing is to be shipped.",
    Status.CANCELED: "Canceled: nothing is to be shipped.",
    Status.UNKNOWN: "{name} calls it {word}, a word that is not known here.",
}


def _confirmation_sentence(case: Case) -> str:
    name = case.document["marketplace"]
    if not case.shipments:
        is_shipped = case.document["status"] in {Status.SHIPPED, Status.PARTIALLY_SHIPPED}
        return f"{name} says so; no shipment was reported here." if is_shipped else ""
    packages = [each.shipment for each in case.shipments]
    worst = min(packages, key=lambda each: _WORST_FIRST.index(ConfirmationStatus(each.status)))
    state = ConfirmationStatus(worst.status)
    if state is ConfirmationStatus.HELD and worst.held_reason == CANCELLATION:
        return f"{name} is not told of the shipment while a request to cancel is open."
    why = worst.message or _words(worst.code or "unknown")
    return _CONFIRMATIONS[state].format(name=name, why=why, next=_next(worst))


_CONFIRMATIONS = {
    ConfirmationStatus.REJECTED: "{name} refused the shipment: {why}.",
    ConfirmationStatus.IN_DOUBT: "Nobody knows whether {name} has the shipment; it is read back {next}.",
    ConfirmationStatus.HELD: "{name} is not told of the shipment: the channel does not confirm.",
    ConfirmationStatus.QUEUED: "{name} has not been told of the shipment yet: next try {next}.",
    ConfirmationStatus.SENDING: "{name} is being told of the shipment.",
    ConfirmationStatus.NONE: "{name} is not told of the shipment, by choice.",
    ConfirmationStatus.SENT: "{name} took the shipment; it has not been read back yet.",
    ConfirmationStatus.VERIFIED: "{name} shows the shipment.",
}


_WORST_FIRST = (
    ConfirmationStatus.REJECTED,
    ConfirmationStatus.IN_DOUBT,
    ConfirmationStatus.HELD,
    ConfirmationStatus.QUEUED,
    ConfirmationStatus.SENDING,
    ConfirmationStatus.NONE,
    ConfirmationStatus.SENT,
    ConfirmationStatus.VERIFIED,
)


def _status(case: Case) -> Explanation:
    document = case.document
    word = document["marketplace_status"]
    grounds = [Ground(word is not None, f"{document['marketplace']} calls it {word or 'nothing that was kept'}.")]
    for line in document["lines"]:
        parts = [
            f"{line[f'quantity_{each}']} {each}" if line[f"quantity_{each}"] is not None else f"{each}: not known"
            for each in ("ordered", "shipped", "cancelled")
        ]
        grounds.append(Ground(holds=True, text=f"Line {line['number']}: {', '.join(parts)}."))
    for each in (record.shipment for record in case.shipments):
        reported = _minute(iso(each.reported_at))
        grounds.append(Ground(holds=True, text=f"Package {each.package_id} was reported here at {reported}."))
    return Explanation("Why this status?", f"It is {_words(document['status'])}.", tuple(grounds))


def _may_ship(case: Case) -> Explanation:
    document = case.document
    answer = "It may ship." if document["may_ship"] else f"It may not ship: {_words(document['may_not_ship_reason'])}."
    grounds = [
        Ground(
            document["may_ship"],
            "The marketplace lets it ship." if document["may_ship"] else "The marketplace bars it.",
        )
    ]
    for line in document["lines"]:
        why = "may ship" if line["may_ship"] else _words(line["may_not_ship_reason"])
        grounds.append(Ground(line["may_ship"], f"Line {line['number']}: {why}."))
    return Explanation("May it ship?", answer, tuple(grounds))


def _held(case: Case, now: datetime) -> Explanation:
    is_held = case.is_held(now)
    grounds = tuple(
        Ground(
            each.state in LIVE,
            f"{each.requester} asked to cancel at {_minute(iso(each.requested_at))}: {each.state}"
            + (f", held until {_minute(iso(each.hold_until))}." if each.hold_until is not None else "."),
        )
        for each in case.requests
    )
    nobody = (Ground(holds=False, text="Nobody has asked to cancel it."),)
    answer = "A request to cancel holds it." if is_held else "It is not held."
    return Explanation("Is it held?", answer, grounds or nobody)


def _taken_over(case: Case) -> Explanation:
    document = case.document
    revision = document["revision"]
    grounds = tuple(
        Ground(
            each["outcome"] == "ok" and each["revision"] == revision,
            f"{each['consumer']}: {each['outcome']}, revision {each['revision']} of {revision}"
            + (f", as {each['order_number']}" if each["order_number"] else "")
            + (f": {each['message']}" if each["message"] else "."),
        )
        for each in document["acknowledgements"]
    )
    if not grounds:
        return Explanation("Has the ERP taken it over?", "No consumer has acknowledged it.", ())
    is_taken = any(each.holds for each in grounds)
    answer = "A consumer has its present revision." if is_taken else "No consumer has its present revision."
    return Explanation("Has the ERP taken it over?", answer, grounds)


def _exported(
    case: Case, now: datetime, files: Sequence[str], *, is_on: bool, statuses: tuple[str, ...]
) -> Explanation:
    status, is_held = case.document["status"], case.is_held(now)
    chosen = not statuses or status in statuses
    grounds = [
        Ground(is_on, f"The channel's order export is {'on' if is_on else 'off'}."),
        *((Ground(chosen, f"It exports {', '.join(statuses) or 'orders of any status'}."),) if is_on else ()),
        Ground(not is_held, "No request to cancel holds it." if not is_held else "A request to cancel holds it."),
        *(Ground(holds=True, text=f"{each}.") for each in files),
    ]
    if files:
        answer = f"It went out in {len(files)} {'file' if len(files) == 1 else 'files'}."
    elif is_on and chosen and not is_held:
        answer = "It goes out with the next file, unless it has not changed since the export was set up."
    else:
        answer = "It is in no file."
    return Explanation("Was it exported?", answer, tuple(grounds))


def _confirmed(case: Case) -> Explanation:
    confirms = bool(case.channel.confirmation)
    grounds = [Ground(confirms, f"The channel {'confirms' if confirms else 'does not confirm'} shipments.")]
    for each in (record.shipment for record in case.shipments):
        state = ConfirmationStatus(each.status)
        why = f": {each.message}" if each.message and state is not ConfirmationStatus.VERIFIED else ""
        hint = f" {each.hint}." if each.hint and state is ConfirmationStatus.REJECTED else ""
        is_known = state in {ConfirmationStatus.SENT, ConfirmationStatus.VERIFIED}
        grounds.append(Ground(is_known, f"Package {each.package_id}: {_words(state)}{why}.{hint}"))
    answer = _confirmation_sentence(case) or "There is nothing to confirm: no shipment was reported."
    return Explanation("Does the marketplace know of the shipment?", answer, tuple(grounds))


def _errors(case: Case) -> Explanation:
    problems = [
        Ground(holds=False, text=f"{each['code']} at {each['path']}: {each['message']}")
        for each in case.document["problems"]
    ]
    troubles = [Ground(holds=False, text=f"{each.code}: {each.message}") for each in case.open_incidents]
    grounds = (*problems, *troubles)
    answer = "It has errors." if grounds else "It has no errors."
    return Explanation("What is wrong with it?", answer, grounds)


def _words(word: str) -> str:
    """A word of ours in small letters, apart."""
    return word.replace("_", " ").lower()


def _minute(moment: str) -> str:
    """A wire time, to the minute, in UTC."""
    return f"{moment[:10]} {moment[11:16]} UTC"


def _next(shipment: StoredShipment) -> str:
    due = shipment.due_at
    return "soon" if due is None else f"at {_minute(iso(due))}"

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
from warehouse.sentences import Message, Sentence

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

HELD = Sentence("A request to cancel holds it.")
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
        known = Sentence("A request to cancel holds it: it is not exported, and no shipment of it is confirmed.")
    return Sentence("%(state)s %(known)s", state=state, known=known) if known else state


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
            why = _words(document["may_not_ship_reason"])
            return Sentence("It waits for shipment, and may not ship: %(why)s.", why=why)
        if document["ship_by"]:
            return Sentence("Ship it by %(time)s.", time=_minute(document["ship_by"]))
        return Sentence("Ship it.")
    return Sentence(_STATES[Status(document["status"])], name=name, word=document["marketplace_status"])


_STATES = {
    Status.PENDING: Message("%(name)s has not released it yet: do not ship."),
    Status.PARTIALLY_SHIPPED: Message("Partially shipped: some units are still to ship."),
    Status.SHIPPED: Message("Shipped."),
    Status.REFUSED: Message("Refused: nothing is to be shipped."),
    Status.CANCELED: Message("Canceled: nothing is to be shipped."),
    Status.UNKNOWN: Message("%(name)s calls it %(word)s, a word that is not known here."),
}


def _confirmation_sentence(case: Case) -> str:
    name = case.document["marketplace"]
    if not case.shipments:
        is_shipped = case.document["status"] in {Status.SHIPPED, Status.PARTIALLY_SHIPPED}
        return Sentence("%(name)s says so; no shipment was reported here.", name=name) if is_shipped else ""
    packages = [each.shipment for each in case.shipments]
    worst = min(packages, key=lambda each: _WORST_FIRST.index(ConfirmationStatus(each.status)))
    state = ConfirmationStatus(worst.status)
    if state is ConfirmationStatus.HELD and worst.held_reason == CANCELLATION:
        return Sentence("%(name)s is not told of the shipment while a request to cancel is open.", name=name)
    why = worst.message or _words(worst.code or "unknown")
    return Sentence(_CONFIRMATIONS[state], name=name, why=why, next=_next(worst))


_CONFIRMATIONS = {
    ConfirmationStatus.REJECTED: Message("%(name)s refused the shipment: %(why)s."),
    ConfirmationStatus.IN_DOUBT: Message("Nobody knows whether %(name)s has the shipment; it is read back %(next)s."),
    ConfirmationStatus.HELD: Message("%(name)s is not told of the shipment: the channel does not confirm."),
    ConfirmationStatus.QUEUED: Message("%(name)s has not been told of the shipment yet: next try %(next)s."),
    ConfirmationStatus.SENDING: Message("%(name)s is being told of the shipment."),
    ConfirmationStatus.NONE: Message("%(name)s is not told of the shipment, by choice."),
    ConfirmationStatus.SENT: Message("%(name)s took the shipment; it has not been read back yet."),
    ConfirmationStatus.VERIFIED: Message("%(name)s shows the shipment."),
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
    is_known, word = word is not None, word or Sentence("nothing that was kept")
    grounds = [Ground(is_known, Sentence("%(name)s calls it %(word)s.", name=document["marketplace"], word=word))]
    for line in document["lines"]:
        counts = {each: line[f"quantity_{each}"] for each in ("ordered", "shipped", "cancelled")}
        counts = {name: Sentence("an unknown number") if count is None else count for name, count in counts.items()}
        said = Sentence(
            "Line %(line)s: %(ordered)s ordered, %(shipped)s shipped, %(cancelled)s cancelled.",
            line=line["number"],
            **counts,
        )
        grounds.append(Ground(holds=True, text=said))
    for each in (record.shipment for record in case.shipments):
        reported = _minute(iso(each.reported_at))
        said = Sentence("Package %(id)s was reported here at %(time)s.", id=each.package_id, time=reported)
        grounds.append(Ground(holds=True, text=said))
    answer = Sentence("It is %(status)s.", status=_words(document["status"]))
    return Explanation(Sentence("Why this status?"), answer, tuple(grounds))


def _may_ship(case: Case) -> Explanation:
    document = case.document
    if document["may_ship"]:
        answer, said = Sentence("It may ship."), Sentence("The marketplace lets it ship.")
    else:
        answer = Sentence("It may not ship: %(why)s.", why=_words(document["may_not_ship_reason"]))
        said = Sentence("The marketplace bars it.")
    grounds = [Ground(document["may_ship"], said)]
    for line in document["lines"]:
        why = Sentence("may ship") if line["may_ship"] else _words(line["may_not_ship_reason"])
        grounds.append(Ground(line["may_ship"], Sentence("Line %(line)s: %(why)s.", line=line["number"], why=why)))
    return Explanation(Sentence("May it ship?"), answer, tuple(grounds))


def _held(case: Case, now: datetime) -> Explanation:
    is_held = case.is_held(now)
    grounds = tuple(Ground(each.state in LIVE, _asked(each)) for each in case.requests)
    nobody = (Ground(holds=False, text=Sentence("Nobody has asked to cancel it.")),)
    answer = HELD if is_held else Sentence("It is not held.")
    return Explanation(Sentence("Is it held?"), answer, grounds or nobody)


def _asked(request: CancellationRecord) -> Sentence:
    values = {"name": request.requester, "time": _minute(iso(request.requested_at)), "state": _words(request.state)}
    if request.hold_until is None:
        return Sentence("%(name)s asked to cancel at %(time)s: %(state)s.", **values)
    until = _minute(iso(request.hold_until))
    return Sentence("%(name)s asked to cancel at %(time)s: %(state)s, held until %(until)s.", until=until, **values)


def _taken_over(case: Case) -> Explanation:
    document = case.document
    revision = document["revision"]
    grounds = tuple(
        Ground(each["outcome"] == "ok" and each["revision"] == revision, _acknowledged(each, revision))
        for each in document["acknowledgements"]
    )
    question = Sentence("Has the ERP taken it over?")
    if not grounds:
        return Explanation(question, Sentence("No consumer has acknowledged it."), ())
    if any(each.holds for each in grounds):
        return Explanation(question, Sentence("A consumer has its present revision."), grounds)
    return Explanation(question, Sentence("No consumer has its present revision."), grounds)


def _acknowledged(given: Row, revision: int) -> Sentence:
    said = Sentence("%(consumer)s: %(outcome)s, revision %(revision)s of %(last)s", last=revision, **given)
    if given["order_number"]:
        said = Sentence("%(said)s, as %(number)s", said=said, number=given["order_number"])
    return Sentence("%(said)s: %(why)s", said=said, why=given["message"]) if given["message"] else _closed(said)


def _exported(
    case: Case, now: datetime, files: Sequence[str], *, is_on: bool, statuses: tuple[str, ...]
) -> Explanation:
    status, is_held = case.document["status"], case.is_held(now)
    chosen = not statuses or status in statuses
    grounds = [
        Ground(is_on, Sentence("The channel exports orders.") if is_on else Sentence("The channel exports no orders.")),
        *((Ground(chosen, _chosen(statuses)),) if is_on else ()),
        Ground(not is_held, HELD if is_held else Sentence("No request to cancel holds it.")),
        *(Ground(holds=True, text=f"{each}.") for each in files),
    ]
    if files:
        one, many = Sentence("It went out in one file."), Message("It went out in %(count)s files.")
        answer = one if len(files) == 1 else Sentence(many, count=len(files))
    elif is_on and chosen and not is_held:
        answer = Sentence("It goes out with the next file, unless it has not changed since the export was set up.")
    else:
        answer = Sentence("It is in no file.")
    return Explanation(Sentence("Was it exported?"), answer, tuple(grounds))


def _chosen(statuses: tuple[str, ...]) -> Sentence:
    if not statuses:
        return Sentence("It exports orders of any status.")
    return Sentence("It exports %(statuses)s.", statuses=", ".join(statuses))


def _confirmed(case: Case) -> Explanation:
    confirms = bool(case.channel.confirmation)
    said = (
        Sentence("The channel confirms shipments.") if confirms else Sentence("The channel does not confirm shipments.")
    )
    grounds = [Ground(confirms, said)]
    for each in (record.shipment for record in case.shipments):
        state = ConfirmationStatus(each.status)
        said = Sentence("Package %(id)s: %(state)s", id=each.package_id, state=_words(state))
        if each.message and state is not ConfirmationStatus.VERIFIED:
            said = Sentence("%(said)s: %(why)s", said=said, why=each.message)
        said = _closed(said)
        if each.hint and state is ConfirmationStatus.REJECTED:
            said = Sentence("%(said)s %(more)s.", said=said, more=each.hint)
        grounds.append(Ground(state in {ConfirmationStatus.SENT, ConfirmationStatus.VERIFIED}, said))
    answer = _confirmation_sentence(case) or Sentence("There is nothing to confirm: no shipment was reported.")
    return Explanation(Sentence("Does the marketplace know of the shipment?"), answer, tuple(grounds))


def _errors(case: Case) -> Explanation:
    problems = [
        Ground(holds=False, text=f"{each['code']} at {each['path']}: {each['message']}")
        for each in case.document["problems"]
    ]
    troubles = [Ground(holds=False, text=f"{each.code}: {each.message}") for each in case.open_incidents]
    grounds = (*problems, *troubles)
    answer = Sentence("It has errors.") if grounds else Sentence("It has no errors.")
    return Explanation(Sentence("What is wrong with it?"), answer, grounds)


def _closed(said: str) -> Sentence:
    return Sentence("%(said)s.", said=said)


def _words(word: str) -> Sentence:
    """A word of ours in small letters, apart."""
    return Sentence(word.replace("_", " ").lower())


def _minute(moment: str) -> str:
    """A wire time, to the minute, in UTC."""
    return f"{moment[:10]} {moment[11:16]} UTC"


def _next(shipment: StoredShipment) -> Sentence:
    due = shipment.due_at
    return Sentence("soon") if due is None else Sentence("at %(time)s", time=_minute(iso(due)))

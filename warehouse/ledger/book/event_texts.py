"""What an order's timeline says: the plain sentence of each kind of event that we record ourselves.

Which events there are is decided where they are written (`shipments`, `confirmations`, `acceptances`, `cancellations`,
`acknowledgements`);
reading them is in `order_queries`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from warehouse.ledger.base.rows import Json
from warehouse.sentences import Message, Sentence


def event_text(kind: str, data: Json) -> str:
    """The sentence of an event; of a kind that is not known here, its name.

    >>> event_text("confirmation_verified", {"package_id": "7"})
    'Package 7: the marketplace shows the shipment'
    >>> event_text("parcel_lost", {})
    'Parcel lost'
    """
    say = _TEXTS.get(kind)
    return say(data) if say else kind.replace("_", " ").capitalize()


def _acknowledged(data: Json) -> str:
    is_ok, number = data["outcome"] == "ok", data.get("order_number")
    values = {"name": data["consumer"], "revision": data["revision"], "number": number}
    if is_ok and number:
        return Sentence("Taken over by %(name)s as %(number)s (revision %(revision)s)", **values)
    if is_ok:
        return Sentence("Taken over by %(name)s (revision %(revision)s)", **values)
    if number:
        return Sentence("Refused by %(name)s as %(number)s (revision %(revision)s)", **values)
    return Sentence("Refused by %(name)s (revision %(revision)s)", **values)


def _reported(by_somebody: Message, by_nobody: Message) -> Callable[[Json], str]:
    def say(data: Json) -> str:
        name, units = data.get("consumer"), data.get("units")
        said = Sentence(by_somebody if name else by_nobody, id=_package_id(data), name=name)
        if units is not None:
            one, many = Message("%(said)s, %(units)s unit"), Message("%(said)s, %(units)s units")
            said = Sentence(one if units == 1 else many, said=said, units=units)
        if data.get("status") == "held":
            said = Sentence("%(said)s; held: the channel does not confirm shipments", said=said)
        return said

    return say


def _of_package(message: Message) -> Callable[[Json], str]:
    return lambda data: _with_why(Sentence(message, id=_package_id(data)), data)


def _of_order(message: Message) -> Callable[[Json], str]:
    return lambda data: _with_why(Sentence(message), data)


def _as_it_is(message: Message) -> Callable[[Json], str]:
    return lambda _data: Sentence(message)


def _of_somebody(message: Message, member: str) -> Callable[[Json], str]:
    return lambda data: Sentence(message, name=data[member])


def _decided(data: Json) -> str:
    counts = {"accepted": data.get("accepted", 0), "refused": data.get("refused", 0)}
    if data.get("by"):
        return Sentence(
            "Acceptance decided by %(name)s: %(accepted)s accepted, %(refused)s refused", name=data["by"], **counts
        )
    return Sentence("Acceptance decided: %(accepted)s accepted, %(refused)s refused", **counts)


def _ended(data: Json) -> str:
    if data.get("shipped_despite"):
        return Sentence("The request to cancel ended without a decision; it was shipped nevertheless")
    return Sentence("The request to cancel ended without a decision")


def _package_id(data: Json) -> str:
    return str(data.get("package_id", "unknown"))


def _with_why(said: Sentence, data: Json) -> Sentence:
    """With what the marketplace said, or our word for it."""
    why = data.get("message") or data.get("code")
    return Sentence("%(said)s: %(why)s", said=said, why=why) if why else said


_TEXTS: Mapping[str, Callable[[Json], str]] = {
    "acknowledged": _acknowledged,
    "shipment_reported": _reported(Message("Package %(id)s reported by %(name)s"), Message("Package %(id)s reported")),
    "shipment_updated": _reported(Message("Package %(id)s updated by %(name)s"), Message("Package %(id)s updated")),
    "confirmation_sent": _of_package(Message("Package %(id)s: the marketplace took the confirmation")),
    "confirmation_verified": _of_package(Message("Package %(id)s: the marketplace shows the shipment")),
    "confirmation_not_needed": _of_package(
        Message("Package %(id)s: there is no marketplace to be told of the shipment")
    ),
    "confirmation_rejected": _of_package(Message("Package %(id)s: the marketplace rejected the confirmation")),
    "confirmation_in_doubt": _of_package(
        Message("Package %(id)s: it is not known whether the confirmation arrived; the order is read back")
    ),
    "confirmation_differs": _of_package(Message("Package %(id)s: the marketplace shows the shipment differently")),
    "confirmation_held": _of_package(Message("Package %(id)s: the confirmation is held")),
    "confirmation_released": _of_package(Message("Package %(id)s: the held confirmation will be sent")),
    "confirmation_skipped": _of_package(Message("Package %(id)s: the confirmation will not be sent, by choice")),
    "confirmation_retried": _of_package(Message("Package %(id)s: the confirmation will be sent again")),
    "cancellation_requested": _of_somebody(Message("Cancellation requested by %(name)s"), "requester"),
    "cancellation_accepted": _of_somebody(Message("Cancellation accepted by %(name)s"), "by"),
    "cancellation_declined": _of_somebody(Message("Cancellation declined by %(name)s"), "by"),
    "cancellation_executed": _as_it_is(Message("Cancelled at the marketplace")),
    "cancellation_withdrawn": _as_it_is(Message("The request to cancel was withdrawn")),
    "cancellation_expired": _ended,
    "cancellation_told": _as_it_is(Message("The marketplace took the cancellation")),
    "acceptance_requested": _decided,
    "acceptance_done": _of_order(Message("The marketplace took the decision on acceptance")),
    "acceptance_rejected": _of_order(Message("The marketplace rejected the decision on acceptance")),
}

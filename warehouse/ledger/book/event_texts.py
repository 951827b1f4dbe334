"""What an order's timeline says: the plain sentence of each kind of event that we record ourselves.

Which events there are is decided where they are written (`shipments`, `confirmations`, `acceptances`, `cancellations`,
`acknowledgements`);
reading them is in `order_queries`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from warehouse.ledger.base.rows import Json


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
    number = f" as {data['order_number']}" if data.get("order_number") else ""
    verb = "Taken over" if data["outcome"] == "ok" else "Refused"
    return f"{verb} by {data['consumer']}{number} (revision {data['revision']})"


def _reported(verb: str) -> Callable[[Json], str]:
    def say(data: Json) -> str:
        units = data.get("units")
        counted = "" if units is None else f", {units} {'unit' if units == 1 else 'units'}"
        by = f" by {data['consumer']}" if data.get("consumer") else ""
        held = "; held: the channel does not confirm shipments" if data.get("status") == "held" else ""
        return f"{_package(data)} {verb}{by}{counted}{held}"

    return say


def _of_package(sentence: str) -> Callable[[Json], str]:
    return lambda data: f"{_package(data)}: {sentence}{_why(data)}"


def _of_order(sentence: str) -> Callable[[Json], str]:
    return lambda data: f"{sentence}{_why(data)}"


def _decided(data: Json) -> str:
    by = f" by {data['by']}" if data.get("by") else ""
    return f"Acceptance decided{by}: {data.get('accepted', 0)} accepted, {data.get('refused', 0)} refused"


def _package(data: Json) -> str:
    return f"Package {data.get('package_id', 'unknown')}"


def _why(data: Json) -> str:
    """What the marketplace said, or our word for it."""
    reason = data.get("message") or data.get("code")
    return f": {reason}" if reason else ""


def _despite(data: Json) -> str:
    return "; it was shipped nevertheless" if data.get("shipped_despite") else ""


_TEXTS: Mapping[str, Callable[[Json], str]] = {
    "acknowledged": _acknowledged,
    "shipment_reported": _reported("reported"),
    "shipment_updated": _reported("updated"),
    "confirmation_sent": _of_package("the marketplace took the confirmation"),
    "confirmation_verified": _of_package("the marketplace shows the shipment"),
    "confirmation_not_needed": _of_package("there is no marketplace to be told of the shipment"),
    "confirmation_rejected": _of_package("the marketplace rejected the confirmation"),
    "confirmation_in_doubt": _of_package("it is not known whether the confirmation arrived; the order is read back"),
    "confirmation_differs": _of_package("the marketplace shows the shipment differently"),
    "confirmation_held": _of_package("the confirmation is held"),
    "confirmation_released": _of_package("the held confirmation will be sent"),
    "confirmation_skipped": _of_package("the confirmation will not be sent, by choice"),
    "confirmation_retried": _of_package("the confirmation will be sent again"),
    "cancellation_requested": lambda data: f"Cancellation requested by {data['requester']}",
    "cancellation_accepted": lambda data: f"Cancellation accepted by {data['by']}",
    "cancellation_declined": lambda data: f"Cancellation declined by {data['by']}",
    "cancellation_executed": lambda _: "Cancelled at the marketplace",
    "cancellation_withdrawn": lambda _: "The request to cancel was withdrawn",
    "cancellation_expired": lambda data: f"The request to cancel ended without a decision{_despite(data)}",
    "cancellation_told": lambda _: "The marketplace took the cancellation",
    "acceptance_requested": _decided,
    "acceptance_done": _of_order("The marketplace took the decision on acceptance"),
    "acceptance_rejected": _of_order("The marketplace rejected the decision on acceptance"),
}

"""What the list of orders can be filtered by, for people: the parameters of `GET /v1/orders` with labels and words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orders_api.console.kit.lists import choices
from orders_api.console.views.lists import Filter
from orders_api.console.words import CONFIRMATIONS, FULFILLED_BY, PRESETS, STATUSES
from warehouse.ledger.book.order_filter import ShipBy, TakenOver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders_api.console.kit.queries import Asked
    from orders_api.console.views.frame import Badge
    from warehouse.ledger.settings.channels import ConfiguredChannel

SHIP_BY = {ShipBy.OVERDUE: "Overdue", ShipBy.NEXT_24_HOURS: "In the next 24 hours"}
TAKEN_OVER = {
    TakenOver.YES: "{} took it over",
    TakenOver.NO: "{} has said nothing",
    TakenOver.ERROR: "{} could not take it over",
}
LABELS = {"search": "Search", "original_id": "Order", "id": "Id", "may_ship": "May ship"} | {
    f"{what}_{end}": f"{label} {word}"
    for what, label in (("purchased", "Purchased"), ("received", "Received"), ("updated", "Changed"))
    for end, word in (("after", "from"), ("before", "before"))
}
"""Parameters that have no control, and what a chip calls them."""


def filters_of(
    asked: Asked[Any], channels: Sequence[ConfiguredChannel], consumers: Sequence[str], zone: str
) -> tuple[Filter, ...]:
    """The filters of the list, each with what is chosen.

    Args:
        asked: What is chosen.
        channels: Those that the reader may see.
        consumers: Those of these channels.
        zone: Whose days the presets are of.
    """
    marketplaces = sorted({each.marketplace for each in channels})
    codes = {each.code: f"{each.label} ({each.code})" if each.label != each.code else each.code for each in channels}

    def several(name: str, label: str, words: Mapping[str, str]) -> Filter:
        return Filter(name, label, choices(asked, name, words))

    def one(name: str, label: str, words: Mapping[str, str], every: str = "All") -> Filter:
        return Filter(name, label, choices(asked, name, words, every), is_multiple=False)

    said = {f"{name}:{each}": words.format(name) for name in consumers for each, words in TAKEN_OVER.items()}
    first = (
        several("status", "Status", _words(STATUSES)),
        several("marketplace", "Marketplace", {each: each for each in marketplaces}),
        several("channel", "Channel", codes),
        one("received", f"Received ({zone})", {each.value: label for each, label in PRESETS.items()}, "All dates"),
        one("has_errors", "Errors", {"true": "Contain errors", "false": "No errors"}),
        one("cancellation_requested", "Cancellation", {"true": "Requested", "false": "None"}),
        one("fulfilled_by", "Fulfilled by", FULFILLED_BY),
    )
    more = (
        several("ship_by", "Ship by", {each.value: label for each, label in SHIP_BY.items()}),
        several("confirmation", "Confirmation", {"none": "Nothing to tell", **_words(CONFIRMATIONS)}),
        Filter("country", "Ship to", example="FR, DE", text=", ".join(asked.values("country"))),
        one("acknowledged", "Acknowledged", said),
        one("awaits_acceptance", "Acceptance", {"true": "To accept", "false": "Nothing to accept"}),
        one("historical", "Historical", {"true": "Loaded as history", "false": "Not historical"}),
        one("personal_data_purged", "Personal data", {"true": "Purged", "false": "Not purged"}),
    )
    return (*first, *(replace(each, is_more=True) for each in more))


def _words(badges: Mapping[Any, Badge]) -> dict[str, str]:
    return {each.value: badge.word for each, badge in badges.items()}

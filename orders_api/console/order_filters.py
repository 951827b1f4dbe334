"""What the list of orders can be filtered by, for people: the parameters of `GET /v1/orders` with labels and words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orders_api.console.kit.lists import choices
from orders_api.console.kit.texts import Later, _
from orders_api.console.views.lists import Filter
from orders_api.console.words import CONFIRMATIONS, FULFILLED_BY, PRESETS, STATUSES
from warehouse.ledger.book.order_filter import ShipBy, TakenOver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders_api.console.kit.queries import Asked
    from orders_api.console.views.frame import Badge
    from warehouse.ledger.settings.channels import ConfiguredChannel

SHIP_BY = {ShipBy.OVERDUE: Later("Overdue"), ShipBy.NEXT_24_HOURS: Later("In the next 24 hours")}
TAKEN_OVER = {
    TakenOver.YES: Later("%(name)s took it over"),
    TakenOver.NO: Later("%(name)s has said nothing"),
    TakenOver.ERROR: Later("%(name)s could not take it over"),
}
LABELS = {
    "search": Later("Search"),
    "original_id": Later("Order"),
    "id": Later("Id"),
    "may_ship": Later("May ship"),
    "purchased_after": Later("Purchased from"),
    "purchased_before": Later("Purchased before"),
    "received_after": Later("Received from"),
    "received_before": Later("Received before"),
    "updated_after": Later("Changed from"),
    "updated_before": Later("Changed before"),
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

    def one(name: str, label: str, words: Mapping[str, str], every: str = _("All")) -> Filter:
        return Filter(name, label, choices(asked, name, words, every), is_multiple=False)

    said = {f"{name}:{each}": _(words, name=name) for name in consumers for each, words in TAKEN_OVER.items()}
    first = (
        several("status", _("Status"), _words(STATUSES)),
        several("marketplace", _("Marketplace"), {each: each for each in marketplaces}),
        several("channel", _("Channel"), codes),
        one(
            "received",
            _("Received (%(zone)s)", zone=zone),
            {each.value: label for each, label in PRESETS.items()},
            _("All dates"),
        ),
        one("has_errors", _("Errors"), {"true": _("Contain errors"), "false": _("No errors")}),
        one("cancellation_requested", _("Cancellation"), {"true": _("Requested"), "false": _("None")}),
        one("fulfilled_by", _("Fulfilled by"), FULFILLED_BY),
    )
    more = (
        several("ship_by", _("Ship by"), {each.value: label for each, label in SHIP_BY.items()}),
        several("confirmation", _("Confirmation"), {"none": _("Nothing to tell"), **_words(CONFIRMATIONS)}),
        Filter("country", _("Ship to"), example="FR, DE", text=", ".join(asked.values("country"))),
        one("acknowledged", _("Acknowledged"), said),
        one("awaits_acceptance", _("Acceptance"), {"true": _("To accept"), "false": _("Nothing to accept")}),
        one("historical", _("Historical"), {"true": _("Loaded as history"), "false": _("Not historical")}),
        one("personal_data_purged", _("Personal data"), {"true": _("Purged"), "false": _("Not purged")}),
    )
    return (*first, *(replace(each, is_more=True) for each in more))


def _words(badges: Mapping[Any, Badge]) -> dict[str, str]:
    return {each.value: badge.word for each, badge in badges.items()}

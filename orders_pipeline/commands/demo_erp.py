"""A pretend ERP for `orders demo`: reads what waits over the API, and reports shipments as a real one would.

Talks to the Orders API and to nothing else. Starting it, and what comes of its shipments, is in `demo`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PER_CHANNEL = 6
CARRIERS = ("DHL", "UPS", "GLS")
PAGE = 200


@dataclass(frozen=True, slots=True)
class DemoReports:
    """What the ERP has reported: results by channel, the ids of the orders, and what was refused, in words."""

    results: dict[str, Counter[str]]
    order_ids: Sequence[str]
    refusals: Sequence[str]


def ship_some(api: str, token: str) -> DemoReports:
    """Ship a few orders of every channel: whole, in part, and in two packages.

    Raises:
        httpx.HTTPError: The API does not answer as it should.
    """
    with httpx.Client(base_url=api, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        chosen = list(_chosen(client))
        carriers = {channel: _understood(client, channel) for channel in {each["channel"] for each in chosen}}
        reports = [
            report
            for number, order in enumerate(chosen)
            for report in _reports(number, order, carriers[order["channel"]])
        ]
        answer = client.post("/v1/shipments", json={"shipments": reports}, headers={"Idempotency-Key": "demo-1"})
        answer.raise_for_status()
    channel_of = {each["id"]: each["channel"] for each in chosen}
    results: dict[str, Counter[str]] = {}
    refusals = []
    for asked, result in zip(reports, answer.json()["results"], strict=True):
        results.setdefault(channel_of[asked["id"]], Counter())[result["result"]] += 1
        refusals += [f"{asked['id']}: {each['code']}: {each['message']}" for each in result["errors"]]
    return DemoReports(results, [each["id"] for each in chosen], refusals)


def _chosen(client: httpx.Client) -> Iterator[dict[str, Any]]:
    """The orders that wait longest, a few of each channel."""
    taken: Counter[str] = Counter()
    path: str | None = f"/v1/orders?status=WAITING_FOR_SHIPMENT&fulfilled_by=merchant&sort=purchased_at&limit={PAGE}"
    while path:
        page = client.get(path).raise_for_status().json()
        for order in page["orders"]:
            if taken[order["channel"]] < PER_CHANNEL:
                taken[order["channel"]] += 1
                yield order
        path = page["next"]


def _understood(client: httpx.Client, channel: str) -> Sequence[str]:
    """Those of its carriers that a channel's marketplace takes."""
    needs = client.get(f"/v1/channels/{channel}/requirements").raise_for_status().json()["shipments"]
    if needs is None or needs["carrier_rule"] != "listed":
        return CARRIERS
    return [each for each in CARRIERS if each in needs["carrier_aliases"]] or CARRIERS


def _reports(number: int, order: dict[str, Any], carriers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every third order goes whole, every third in two packages, and of every third a part stays here."""
    label = {"return_tracking_number": f"DEMO-R-{number}"}  # for those marketplaces that want one
    base = {"id": order["id"], "carrier_code": carriers[number % len(carriers)], **label}
    left = [
        (line["id"], line["quantity_remaining_to_ship"])
        for line in order["lines"]
        if line["quantity_remaining_to_ship"] and line["may_ship"]
    ]
    units = sum(quantity for _, quantity in left)
    if number % 3 == 0 or units == 1:
        yield {**base, "package_id": "1", "tracking_number": f"DEMO-{number}"}
        return
    first = [{"item_id": left[0][0], "item_quantity_shipped": 1}]
    yield {**base, "package_id": "1", "tracking_number": f"DEMO-{number}-1", "items": first}
    if number % 3 == 1:
        yield {**base, "package_id": "2", "tracking_number": f"DEMO-{number}-2"}

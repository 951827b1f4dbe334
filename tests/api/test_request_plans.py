"""No request to the API reads the book from its beginning, whatever it filters by: asked of the plans of what it runs."""

from __future__ import annotations

import re

import pytest

from orders_api.app import create_app
from tests.api.conftest import Api
from tests.query_plans import recorded, scans
from warehouse.ledger.book import order_rarities
from warehouse.ledger.settings.tokens import Scope

FOUND_SOON = "nearly all orders are so, in a book in use; one of which 50,000 in a row are not is walked whole"
BY_OTHERS = (
    "few are known by the count of the others, which is read off an index; they stand at an end, or are walked to"
)
WALKS = {
    "orders?awaits_acceptance=false": FOUND_SOON,
    "orders?historical=false": BY_OTHERS,
    "orders?personal_data_purged=false": BY_OTHERS,
    "orders?acknowledged=erp:no": BY_OTHERS,
    "shipments": "newest first, until the page is full; a channel that has few is looked up",
    "cancellation-requests": "newest first, until the page is full; a hundredth of the orders has any",
    "logs": "entries are kept for some days",
    "files": "some a day for each job",
}
"""What may read along an index past rows that it does not want, and why that is well enough."""


def asked(description, own_id: str):
    """Every path that is read, and every parameter of each by itself with the example of the description."""
    for path, methods in description["paths"].items():
        if "get" not in methods:
            continue
        place = re.sub(r"\{[^}]+\}", own_id, path)
        needed = {"format": "csv"} if path.endswith("/export") else {}
        yield path, place, needed
        for parameter in methods["get"].get("parameters", []):
            if parameter["in"] == "query":
                schema = parameter["schema"]
                example = parameter.get("example", schema.get("example"))
                if example is None:
                    (example, *_) = schema.get("examples") or parameter["examples"]
                for value in ("true", "false") if isinstance(example, bool) else (example,):
                    yield f"{path}?{parameter['name']}={value}", place, {**needed, parameter["name"]: value}


def is_known(name: str) -> bool:
    own = name.removeprefix("/v1/").replace("orders/export?", "orders?")
    return own in WALKS or own.partition("?")[0] in WALKS


@pytest.mark.parametrize("channels", [None, ["amazon_fr"]])
def test_no_request_reads_the_book_from_its_beginning(
    settings, book, api_ledger, clock, order, issued, channels, monkeypatch
):
    """Of five orders, so that no page is filled; as in a larger book, whose beginning is walked to see that."""
    monkeypatch.setattr(order_rarities, "STRETCHES", ((2, 4000), (3, 20_000)))
    (own_id, *_) = book.put(*(order(number) for number in range(1, 6)))
    found = {}
    with recorded() as seen:
        app = create_app(settings, clock)
        erp = Api(app, issued(api_ledger, clock(), "erp", *Scope, channels=channels))
        asked_for = list(asked(app.openapi(), own_id))
        for name, path, parameters in asked_for:
            seen.clear()
            assert erp.get(path, **parameters).status_code < 500, name
            assert seen or any(each in name for each in ("/healthz", "format=parquet", "account-deletions")), name
            if walked := scans(settings.home / "ledger.sqlite", seen):
                found[name] = walked
    assert {name: walked for name, walked in found.items() if not is_known(name)} == {}
    assert len(asked_for) > 100  # else nothing was looked at


def test_a_shipment_is_taken_in_without_a_look_at_the_others(settings, book, api_ledger, clock, order, issued):
    made = [order(number) for number in range(1, 6)]
    book.put(*made)
    reports = [{"original_id": each.original_id, "channel": each.channel, "package_id": "1"} for each in made]
    with recorded() as seen:
        app = create_app(settings, clock)
        for channels in (None, ["amazon_fr"]):
            erp = Api(app, issued(api_ledger, clock(), "erp", *Scope, channels=channels))
            erp.post("/v1/shipments", {"shipments": reports})
            taken = [{**each, "revision": 1, "outcome": "ok"} for each in reports]
            erp.post(
                "/v1/orders/acknowledgements", {"acknowledgements": [{**each, "package_id": None} for each in taken]}
            )
    assert any("INSERT INTO shipments" in each for each in seen)
    assert scans(settings.home / "ledger.sqlite", seen) == []

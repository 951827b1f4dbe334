"""No page of the console reads the book from its beginning: asked of the plans of what it runs."""

from __future__ import annotations

import re

import sqlalchemy as sa

from orders_api.console.app import NOUNS
from tests.console.conftest import running_console
from tests.query_plans import recorded, scans
from warehouse.ledger.base import schema

WALKS = {
    "/": "counts requests to cancel, of which a hundredth of the orders has any",
    "/shipments": "newest first, until a channel's page is full",
    "/cancellations": "a hundredth of the orders has any",
    "/logs": "entries are kept for some days",
    "/files": "some a day for each job",
}


def test_no_page_reads_the_book_from_its_beginning(new_sqlite_ledger, tmp_path):
    places = [route.path for noun in NOUNS for route in noun.pages.routes if "GET" in (route.methods or ())]
    found = {}
    with recorded() as seen, running_console(tmp_path, new_sqlite_ledger) as console:
        with console.ledger.read() as transaction:
            own_id = transaction.execute(sa.select(schema.orders.c.id)).scalars().first()
        with console.client("anna") as anna, console.client("fred") as fred:
            for place in places:
                path = re.sub(r"\{[^}]+\}", own_id, place)
                seen.clear()
                assert {each.get(path).status_code for each in (anna, fred)} <= {200, 303, 403, 404}, place
                if walked := scans(tmp_path / "ledger.sqlite", seen):
                    found[place] = walked
    assert len(places) > 50
    assert {place: walked for place, walked in found.items() if place.partition(".")[0] not in WALKS} == {}

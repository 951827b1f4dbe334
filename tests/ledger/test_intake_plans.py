"""Orders that somebody names are looked up by their ids, whatever channels he may see: the book is never read for them."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from tests.ledger.test_order_queries import an_order, put
from warehouse.ledger.book import order_ids, order_queries
from warehouse.ledger.book.change_feed import changes
from warehouse.ledger.book.search import search
from warehouse.ledger.shipping.open_orders import read_orders
from warehouse.shipment_reports import Sender, ShipmentReport, Source

READS_A_CHANNEL = re.compile(
    r"SEARCH orders USING \w*? ?INDEX ix_orders_(channel|kind|marketplace)|SCAN orders$|Seq Scan on orders",
    re.MULTILINE,
)
"""PostgreSQL picks any index for a table of one row."""


def plans(ledger, act) -> list[str]:
    """The plans of the statements on orders that a function runs in a transaction."""
    seen = []

    def note(_connection, _cursor, statement, parameters, *_) -> None:
        if "FROM orders" in statement:
            seen.append((statement, parameters))

    sa.event.listen(ledger.engine, "before_cursor_execute", note)
    with ledger.read() as transaction:
        act(transaction)
    sa.event.remove(ledger.engine, "before_cursor_execute", note)
    is_sqlite = ledger.engine.dialect.name == "sqlite"
    with ledger.read() as transaction:
        if not is_sqlite:
            transaction.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a small table is read as a whole otherwise
        how, column = ("EXPLAIN QUERY PLAN", 3) if is_sqlite else ("EXPLAIN", 0)
        return [
            "\n".join(row[column] for row in transaction.exec_driver_sql(f"{how} {statement}", parameters))
            for statement, parameters in seen
        ]


@pytest.mark.parametrize("visible", [None, ("amazon_fr",), ("amazon_fr", "mirakl_fr")])
@pytest.mark.parametrize("way", ["intake by original id", "intake by id", "visible ids", "search", "feed"])
def test_what_is_named_is_looked_up(any_ledger, keys, visible, way) -> None:
    (own,) = put(any_ledger, keys, an_order(1))
    sender = Sender(consumer="erp", source=Source.API, report_id="r", visible_channels=visible)
    acts = {
        "intake by original id": lambda t: read_orders(t, sender, [ShipmentReport(original_id="o-1")]),
        "intake by id": lambda t: read_orders(t, sender, [ShipmentReport(id=own)]),
        "visible ids": lambda t: order_ids.visible_ids(t, [own], visible),
        "search": lambda t: search(t, own, visible),
        "feed": lambda t: changes(order_queries.TEXTS_WITH_PARTIES, t, visible, 2, 10),
    }
    found = plans(any_ledger, acts[way])
    assert found
    assert [plan for plan in found if READS_A_CHANNEL.search(plan)] == []

"""The first page: what needs somebody, each channel, the plots; they cost little, and tell nothing of other channels."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orders_api.console.views.charts import Series, plot
from tests.api.conftest import Book, make_order, set_up
from tests.console.test_orders import statements
from warehouse.date_presets import DatePreset, bounds
from warehouse.ledger.base.schema import shipments
from warehouse.ledger.shipping.shipments import report
from warehouse.ledger.status import overview
from warehouse.ledger.status.channel_status import standings
from warehouse.ledger.watch import order_counts
from warehouse.order_states import Status
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import Sender, ShipmentReport, Source

MOST_STATEMENTS = 8


def test_the_page_says_what_needs_somebody_with_a_way_there(console, anna) -> None:
    text = anna.get("/").text
    needs = dict(re.findall(r'<li><a href="/console([^"]*)">([^<]*)</a>', text.partition('class="needs"')[2]))
    assert needs["/orders?ship_by=overdue"].endswith("orders overdue")
    assert needs["/incidents"].endswith("incidents open")
    for path in needs:
        assert anna.get(path).status_code == 200, path
    links = {path.partition("?")[0] for path in re.findall(r'href="/console(/orders\?channel[^"]*)', text)}
    assert links == {"/orders"}
    assert len(statements(console, lambda: anna.get("/"))) <= MOST_STATEMENTS


def test_who_sees_one_channel_sees_its_figures_alone(anna, fred) -> None:
    text = fred.get("/").text
    assert ("Amazon FR" in text, "Mirakl FR" in text, "Amazon DE" in text) == (True, False, False)
    own, whole = (int(re.search(r">(\d+) orders? overdue<", each)[1]) for each in (text, anna.get("/").text))
    assert 0 < own < whole


def test_figures_are_those_of_today_and_of_the_weekday_before(any_settings, any_ledger, clock) -> None:
    set_up(any_ledger, clock())
    book = Book(any_ledger, open_key_ring(any_settings))
    now = datetime(2026, 11, 2, 9, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Paris"))
    day_began, _ = bounds(DatePreset.TODAY, now, "Europe/Paris")
    arrivals = {
        1: day_began,
        2: day_began - timedelta(seconds=1),  # yesterday's
        3: now - timedelta(weeks=1),
        4: now - timedelta(weeks=1) + timedelta(hours=3),
        5: day_began - timedelta(weeks=2),
    }
    for number, moment in arrivals.items():
        book.put(make_order(number, ship_by=now + timedelta(hours=number - 3)), received_at=moment.astimezone(UTC))
    book.put(make_order(6, status=Status.SHIPPED), received_at=now.astimezone(UTC), is_historical=True)
    order_counts.take_zone(any_ledger, "Europe/Paris")  # as the pipeline does
    created = {"amazon_fr": day_began - timedelta(weeks=3), "mirakl_de": day_began}
    with any_ledger.read() as transaction:
        found = overview.figures(transaction, created, None, day_began, now)
        hours = overview.orders_by_hour(transaction, None, now)
        assert overview.figures(transaction, {}, (), day_began, now) == {}
        assert {each.channel for each in standings(transaction, ("amazon_fr",), clock())} == {"amazon_fr"}
    french = found["amazon_fr"]
    assert (french.today, french.earlier) == (2, [2, 1, 0])
    assert (french.to_ship, french.overdue, french.errors) == (5, 2, 0)
    assert (found["mirakl_de"].today, found["mirakl_de"].earlier) == (0, [])
    assert (len(hours), sum(count for _, count in hours)) == (48, 2)
    assert hours[-1][0] == datetime(2026, 11, 2, 9, tzinfo=UTC)


def test_figures_that_are_cut_say_so(any_settings, any_ledger, clock, monkeypatch) -> None:
    set_up(any_ledger, clock())
    Book(any_ledger, open_key_ring(any_settings)).put(
        *(make_order(number, ship_by=clock() - timedelta(hours=1)) for number in range(3))
    )
    monkeypatch.setattr(overview, "COUNTED_AT_MOST", 2)
    with any_ledger.read() as transaction:
        found = overview.figures(transaction, {"amazon_fr": clock()}, None, clock(), clock())["amazon_fr"]
    assert (found.to_ship, found.overdue, found.at_least) == (3, 2, {"overdue"})


def test_shipments_are_told_by_the_day_of_their_report(any_settings, any_ledger, clock) -> None:
    set_up(any_ledger, clock())
    book = Book(any_ledger, open_key_ring(any_settings))
    own_ids = book.put(make_order(1, ship_by=clock()), make_order(2), make_order(3))
    with any_ledger.write() as transaction:
        sender = Sender(consumer="erp", source=Source.API, report_id="r")
        report(transaction, sender, [ShipmentReport(id=each, tracking_number="T") for each in own_ids], clock())
        sent = {own_ids[0]: clock() + timedelta(minutes=2), own_ids[1]: clock() + timedelta(seconds=30)}
        for own_id, moment in sent.items():  # as telling the marketplace leaves them
            rows = shipments.c.order_id == own_id
            transaction.execute(sa.update(shipments).where(rows).values(sent_at=moment, status="sent"))
    clock.advance(minutes=5)
    day_began, _ = bounds(DatePreset.TODAY, clock(), "UTC")
    with any_ledger.read() as transaction:
        days = overview.shipments_by_day(transaction, None, day_began, clock())
        assert not any(each.seconds for each in overview.shipments_by_day(transaction, ("x",), day_began, clock()))
    assert [(each.seconds, each.late) for each in days] == [((), 0)] * 6 + [((30.0, 120.0), 1)]


def test_a_plot_leaves_out_what_is_not_known() -> None:
    drawn = plot("p", "Title", "About", ["a", "b", "c", "d"], [Series("S", [1, None, 2, 3])])
    (curve,) = drawn.curves
    assert (len(curve.parts), len(curve.dots)) == (1, 1)
    assert drawn.rows == (("a", "1"), ("b", "not told"), ("c", "2"), ("d", "3"))
    bars = plot("p", "Title", "About", ["a", "b"], [Series("S", [0, 4])], as_bars=True).bars
    assert [(each.text, each.height) for each in bars] == [("4", 148.0)]

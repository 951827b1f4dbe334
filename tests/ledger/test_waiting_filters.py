"""What lists find by where an order stands: what it waits for, who took it over, where it goes, what became of its data."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest
import sqlalchemy as sa
from msgspec import structs

from tests.api.conftest import Book, make_order, set_up
from tests.ledger.test_order_kinds import walk_through
from tests.ledger.test_order_queries import plan
from warehouse.lake.wording import select_orders
from warehouse.ledger.base.schema import acceptances, acknowledgements, consumers, orders
from warehouse.ledger.book import order_rarities, order_tally
from warehouse.ledger.book.order_filter import Acknowledged, OrderFilter, ShipBy, Sort, TakenOver, UndecidedWord
from warehouse.ledger.settings import carriers
from warehouse.ledger.shipping.acceptance_queries import waiting_states
from warehouse.order_states import Status
from warehouse.privacy import open_key_ring
from warehouse.shipments import CarrierRule, Requirements

ERP = {each: Acknowledged("erp", each) for each in TakenOver}
HOUR = timedelta(hours=1)
WAITS = (UndecidedWord("mirakl_de", "WAITING_ACCEPTANCE", is_manual=True),)


@pytest.fixture
def varied(any_settings, any_ledger, clock):
    """Nine orders that differ in what lists go by, by name; and the channels whose orders are accepted."""
    set_up(any_ledger, clock())
    book, made = Book(any_ledger, open_key_ring(any_settings)), make_order()
    changes = {
        "plain": {},
        "late": {"ship_by": clock() - HOUR},
        "soon": {"ship_by": clock() + HOUR, "status": Status.PARTIALLY_SHIPPED},
        "later": {"ship_by": clock() + 25 * HOUR},
        "shipped": {"ship_by": clock() - HOUR, "status": Status.SHIPPED},
        "german": {"shipping_address": structs.replace(made.shipping_address, country_code="DE")},
        "waits": {"status": Status.PENDING, "marketplace_status": "WAITING_ACCEPTANCE", "channel": "mirakl_de"},
        "decided": {"status": Status.PENDING, "marketplace_status": "WAITING_ACCEPTANCE", "channel": "mirakl_de"},
    }
    own = {name: book.put(make_order(number, **each))[0] for number, (name, each) in enumerate(changes.items())}
    own["old"] = book.put(make_order(20), is_historical=True)[0]
    needs = Requirements(
        needs_tracking_number=False, needs_carrier=False, carrier_rule=CarrierRule.ANY, acceptance_state="WAITING_ACCEPTANCE"
    )  # fmt: skip
    with any_ledger.write() as transaction:
        carriers.save_requirements(transaction, "mirakl_de", needs, clock())
        transaction.execute(sa.insert(consumers).values(name="erp", position=0, created_at=clock()))
        for name, outcome in (("plain", "ok"), ("german", "error")):
            row = {"order_id": own[name], "consumer": "erp", "revision": 1, "outcome": outcome, "at": clock()}
            transaction.execute(sa.insert(acknowledgements).values(**row))
        for name, changed in (
            ("late", {"confirmation_status": "rejected"}),
            ("soon", {"confirmation_status": "verified"}),
            ("old", {"pii_state": "expired"}),
        ):
            transaction.execute(sa.update(orders).where(orders.c.id == own[name]).values(**changed))
        decision = {"order_id": own["decided"], "channel": "mirakl_de", "decisions": {}, "status": "queued", "fence": 0}
        decision |= {"requested_by": "erp", "requested_at": clock(), "updated_at": clock(), "attempts": 0}
        transaction.execute(sa.insert(acceptances).values(**decision))
        states = waiting_states(transaction)
    return own, states


def cases(now, states) -> dict[str, tuple[OrderFilter, set[str] | None]]:
    everything = {"plain", "late", "soon", "later", "shipped", "german", "waits", "decided", "old"}
    return {
        "overdue": (OrderFilter(ship_by=(ShipBy.OVERDUE,), now=now), {"late"}),
        "due": (OrderFilter(ship_by=(ShipBy.NEXT_24_HOURS,), now=now), {"soon"}),
        "both": (OrderFilter(ship_by=tuple(ShipBy), now=now), {"late", "soon"}),
        "narrowed": (OrderFilter(ship_by=tuple(ShipBy), now=now, statuses=("PARTIALLY_SHIPPED",)), {"soon"}),
        "country": (OrderFilter(countries=("DE",)), {"german"}),
        "countries": (OrderFilter(countries=("DE", "FR"), channels=("amazon_fr",)), everything - {"waits", "decided"}),
        "rejected": (OrderFilter(confirmations=("rejected", "in_doubt")), {"late"}),
        "settled": (OrderFilter(confirmations=("rejected", "verified")), {"late", "soon"}),
        "taken over": (OrderFilter(acknowledged=ERP[TakenOver.YES]), {"plain"}),
        "refused": (OrderFilter(acknowledged=ERP[TakenOver.ERROR]), {"german"}),
        "silent": (OrderFilter(acknowledged=ERP[TakenOver.NO]), everything - {"plain", "german"}),
        "to accept": (OrderFilter(awaits_acceptance=True, acceptance_states=states), {"waits"}),
        "unseen": (OrderFilter(awaits_acceptance=True, acceptance_states=states, visible_channels=("amazon_fr",)), set()),
        "nothing to accept": (OrderFilter(awaits_acceptance=True), set()),
        "others": (OrderFilter(awaits_acceptance=False, acceptance_states=states), everything - {"waits"}),
        "history": (OrderFilter(historical=True), {"old"}),
        "no history": (OrderFilter(historical=False), everything - {"old"}),
        "purged": (OrderFilter(personal_data_purged=True), {"old"}),
        "kept": (OrderFilter(personal_data_purged=False), everything - {"old"}),
    }  # fmt: skip


@pytest.mark.parametrize("stretches", [order_rarities.STRETCHES, ((2, 1), (4, 9)), ((1, 0), (2, 0))])
def test_each_filter_finds_and_counts_exactly_its_orders(any_ledger, varied, clock, monkeypatch, stretches) -> None:
    """However much is walked, and however little is looked up."""
    monkeypatch.setattr(order_rarities, "STRETCHES", stretches)
    own, states = varied
    names = {own_id: name for name, own_id in own.items()}
    assert states == WAITS
    with any_ledger.read() as transaction:
        for case, (wanted, expected) in cases(clock(), states).items():
            for sort in Sort:
                found = walk_through(transaction, wanted, sort, 2)
                assert (case, sort, sorted(names[each] for each in found)) == (case, sort, sorted(expected))
                assert found == walk_through(transaction, wanted, sort, 50)
            assert (case, order_tally.count(transaction, wanted)) == (case, len(expected))


def test_the_only_one_is_found_wherever_it_stands(any_ledger, varied, clock, monkeypatch) -> None:
    monkeypatch.setattr(order_rarities, "STRETCHES", ((2, 0), (4, 0)))
    own, _ = varied
    wanted = (
        OrderFilter(historical=False),
        OrderFilter(personal_data_purged=False),
        OrderFilter(acknowledged=ERP[TakenOver.NO]),
    )
    for name, own_id in own.items():
        with any_ledger.write() as transaction:
            transaction.execute(sa.update(orders).values(is_historical=orders.c.id != own_id))
            transaction.execute(
                sa.update(orders).values(pii_state=sa.case((orders.c.id == own_id, "withheld"), else_="expired"))
            )
            transaction.execute(sa.delete(acknowledgements))
            row = {"consumer": "erp", "revision": 1, "outcome": "ok", "at": clock()}
            others = [{**row, "order_id": each} for each in own.values() if each != own_id]
            transaction.execute(sa.insert(acknowledgements), others)
        with any_ledger.read() as transaction:
            for each in wanted:
                assert order_tally.count(transaction, each) == 1
                for sort in Sort:
                    assert walk_through(transaction, each, sort, 3) == [own_id], (name, each, sort)


def test_the_same_questions_can_be_put_to_the_tables(clock) -> None:
    with duckdb.connect() as lake:
        lake.execute(
            "create table orders (id text, channel text, status text, marketplace_status text, ship_by timestamptz, "
            "shipping_country_code text, confirmation_status text, is_historical boolean, pii_state text, "
            "purchased_at timestamptz)"
        )
        lake.execute("create table acknowledgements (order_id text, consumer text, outcome text)")
        for wanted, _ in cases(clock(), WAITS).values():
            assert lake.execute(select_orders(wanted)).fetchall() == []


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (OrderFilter(countries=("MT",)), "ix_orders_country"),
        (OrderFilter(countries=("MT", "LU"), statuses=("SHIPPED",)), "ix_orders_status_purchased"),
        (OrderFilter(historical=True, visible_channels=("amazon_fr",)), "ix_orders_historical"),
        (OrderFilter(confirmations=("rejected",), statuses=("SHIPPED",)), "ix_orders_confirmation"),
        (OrderFilter(acknowledged=ERP[TakenOver.ERROR], visible_channels=("a",)), "ix_acknowledgements_consumer"),
    ],
)
def test_each_is_read_off_an_index(ledger, wanted, index) -> None:
    steps = plan(ledger, wanted, Sort.NEWEST, None)
    assert f"INDEX {index}" in steps
    assert "SCAN orders" not in steps.replace("SCAN orders USING INDEX", "")


def test_what_is_due_is_searched_by_status_and_time(ledger, clock) -> None:
    steps = plan(ledger, OrderFilter(ship_by=tuple(ShipBy), now=clock(), channels=("amazon_fr",)), Sort.NEWEST, None)
    assert "COVERING INDEX ix_orders_ship_by (status=? AND ship_by<?)" in steps
    assert "SEARCH orders USING INDEX sqlite_autoindex_orders_1 (id=?)" in steps


def test_the_instant_is_no_part_of_the_question(clock) -> None:
    first = OrderFilter(ship_by=(ShipBy.OVERDUE,), now=clock())
    later = replace(first, now=clock() + HOUR)
    assert first.fingerprint(Sort.NEWEST) == later.fingerprint(Sort.NEWEST)
    assert first.fingerprint(Sort.NEWEST) != OrderFilter().fingerprint(Sort.NEWEST)

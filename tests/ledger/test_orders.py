"""How an arriving order meets the book: the four guards, revisions and positions, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from warehouse import documents, personal
from warehouse.kept_documents import open_parties
from warehouse.ledger.base.schema import order_lines, order_versions, orders, parties
from warehouse.ledger.book import versions
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.kept_members import merge_address
from warehouse.ledger.book.orders import lock_book, settle
from warehouse.ledger.watch import incidents
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Customer, DeliveryPoint, Gift, OrderProblem, References
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import open_key_ring

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
HOME = Address(
    name="Jane Doe", line_1="1 rue A", line_2="2e", postal_code="44000", city="Nantes", country_code="FR", phone="06"
)


def an_order(**changes) -> Order:
    base = Order(
        original_id="402-1",
        channel="amazon_fr",
        marketplace="Amazon FR",
        status=Status.WAITING_FOR_SHIPMENT,
        marketplace_status="UNSHIPPED",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=NOW - timedelta(hours=2),
        marketplace_updated_at=NOW - timedelta(hours=1),
        currency="EUR",
        total=Decimal("39.90"),
        customer=Customer(name="Jane Doe", phone="06"),
        shipping_address=HOME,
        lines=(
            Line(
                original_id="1",
                number=1,
                sku="S1",
                quantity_ordered=2,
                quantity_shipped=0,
                quantity_cancelled=0,
                line_total=Decimal("39.90"),
            ),
        ),
    )
    return replace(base, **changes)


def later(minutes: int) -> datetime:
    return NOW - timedelta(hours=1) + timedelta(minutes=minutes)


@pytest.fixture
def book(any_ledger, any_settings):
    """Settles orders and answers (outcomes, the row of the last one)."""
    keys = open_key_ring(any_settings)

    def put(*arriving: Order):
        with any_ledger.write() as connection:
            lock_book(connection)
            arrivals = [arrive(each, 1, NOW, is_historical=False) for each in arriving]
            changes = settle(connection, keys, arrivals, NOW)
        with any_ledger.read() as connection:
            row = connection.execute(sa.select(orders).where(orders.c.id == arriving[-1].id)).mappings().one()
            sealed = connection.execute(sa.select(parties.c.sealed).where(parties.c.order_id == row["id"])).scalar()
        known = personal.read_parties(open_parties(keys, row["id"], sealed)) if sealed else None
        return changes, row, known

    put.ledger = any_ledger
    return put


def test_a_new_order_gets_revision_one_and_a_position(book):
    changes, row, _ = book(an_order())
    assert [each.outcome for each in changes] == ["new"]
    assert (row["revision"], row["position"]) == (1, 1)


def test_the_same_order_again_changes_nothing(book):
    book(an_order())
    changes, row, _ = book(an_order())
    assert [each.outcome for each in changes] == ["unchanged"]
    assert (row["revision"], row["position"]) == (1, 1)


def test_a_newer_time_with_the_same_content_moves_no_revision(book):
    book(an_order())
    changes, row, _ = book(an_order(marketplace_updated_at=later(5)))
    assert (changes[0].outcome, row["revision"]) == ("unchanged", 1)
    assert row["marketplace_updated_at"] == later(5)


def test_a_change_moves_revision_and_position_and_names_what_changed(book):
    book(an_order(), an_order(original_id="402-2"))
    shipped = an_order(status=Status.SHIPPED, marketplace_status="SHIPPED", marketplace_updated_at=later(5))
    changes, row, _ = book(shipped)
    assert changes[0].outcome == "changed"
    assert set(changes[0].changed) == {"status", "marketplace_status"}
    assert (row["revision"], row["position"]) == (2, 3)


def test_an_older_state_never_overwrites_a_newer_one(book):
    book(an_order(status=Status.SHIPPED, marketplace_updated_at=later(5)))
    changes, row, _ = book(an_order())
    assert changes[0].outcome == "stale"
    assert row["status"] == "SHIPPED"


def test_withheld_parties_never_wipe_known_ones(book):
    book(an_order())
    bare = an_order(customer=Customer(), shipping_address=Address(), marketplace_updated_at=later(5))
    changes, row, known = book(bare)
    assert changes[0].outcome == "unchanged"
    assert known is not None
    assert (known.members["customer"].phone, known.members["shipping_address"]) == ("06", HOME)
    assert row["shipping_country_code"] == "FR"


def test_parties_that_come_later_are_added(book):
    book(an_order(customer=Customer(), shipping_address=Address()))
    changes, row, known = book(an_order(marketplace_updated_at=later(5)))
    assert changes[0].outcome == "changed"
    assert row["pii_state"] == "present"
    assert known is not None
    assert known.members["shipping_address"] == HOME


def test_a_corrected_address_replaces_the_old_one_whole(book):
    book(an_order())
    moved = Address(name="Jane Doe", line_1="9 quai B", postal_code="75001", city="Paris", country_code="FR")
    _, _, known = book(an_order(shipping_address=moved, marketplace_updated_at=later(5)))
    assert known is not None
    assert known.members["shipping_address"] == moved


def test_re_ingesting_never_touches_our_own_columns(book):
    _, row, _ = book(an_order())
    with book.ledger.write() as connection:
        connection.execute(
            sa.update(orders).values(confirmation_status="queued", acknowledgements='[{"consumer":"erp"}]')
        )
    _, row, _ = book(an_order(status=Status.SHIPPED, marketplace_updated_at=later(5)))
    assert (row["confirmation_status"], row["acknowledgements"]) == ("queued", '[{"consumer":"erp"}]')


def test_amounts_that_are_not_told_any_more_stay(book):
    book(an_order())
    bare = tuple(replace(each, line_total=None) for each in an_order().lines)
    changes, row, _ = book(an_order(total=None, currency=None, lines=bare, marketplace_updated_at=later(5)))
    assert changes[0].outcome == "unchanged"
    assert (row["total"], row["currency"]) == ("39.90", "EUR")


def test_a_purged_order_stays_purged(book):
    _, row, _ = book(an_order())
    with book.ledger.write() as connection:
        connection.execute(sa.delete(parties))
        connection.execute(sa.update(orders).values(pii_state="expired"))
    _, row, known = book(an_order(status=Status.SHIPPED, marketplace_updated_at=later(5)))
    assert row["pii_state"] == "expired"
    assert known is None


def test_lines_that_vanish_are_gone(book):
    two = (*an_order().lines, Line(original_id="2", number=2, sku="S2", quantity_ordered=1))
    book(an_order(lines=two))
    book(an_order(marketplace_updated_at=later(5)))
    with book.ledger.read() as connection:
        assert connection.execute(sa.select(order_lines.c.original_id)).scalars().all() == ["1"]


def test_every_revision_is_kept_as_a_version(book):
    """Also where the order says the same in other words since: what was said stays as it was said."""
    book(an_order())
    _, row, _ = book(an_order(total=Decimal("12.00"), marketplace_updated_at=later(5)))
    facts = row["facts"].replace('"service_level":null,', "")
    with book.ledger.write() as connection:
        digest = bytes(16) + bytes(row["content_hash"])[16:]
        connection.execute(sa.update(orders).values(facts=facts, content_hash=digest))
    (again,), _, _ = book(an_order(total=Decimal("12.00"), marketplace_updated_at=later(6)))
    assert again.outcome == "unchanged"
    book(an_order(status=Status.SHIPPED, total=Decimal("12.00"), marketplace_updated_at=later(7)))
    with book.ledger.read() as connection:
        rows = connection.execute(sa.select(*versions.COLUMNS).order_by(order_versions.c.position)).mappings().all()
        (now,) = connection.execute(sa.select(orders.c.facts)).scalars()
        kept = connection.execute(sa.select(order_versions.c.facts).order_by(order_versions.c.position)).scalars().all()
    assert [(each["revision"], each["position"]) for each in rows] == [(1, 1), (2, 2), (3, 3)]
    assert '"12.00"' not in rows[0]["facts"]
    assert [each["facts"] for each in rows[1:]] == [facts, now]
    assert facts != now
    assert [each is None for each in kept] == [False, False, True], "what holds is kept once"


def test_both_halves_of_a_split_order_point_at_each_other():
    merchant = an_order(is_split=True)
    market = an_order(is_split=True, fulfilled_by=FulfilledBy.MARKETPLACE)
    assert merchant.split_of == market.id
    assert market.split_of == merchant.id


def test_no_personal_value_is_in_what_is_kept_in_clear(book):
    canary = "CANARY-7f3a"
    marked = Address(
        **dict.fromkeys(
            ("name", "company", "line_1", "line_2", "line_3", "postal_code", "city", "state", "phone"), canary
        )
    )
    order = an_order(
        customer=Customer(name=canary, email=canary, phone=canary, company=canary),
        shipping_address=marked,
        billing_address=marked,
    )
    book(order)
    with book.ledger.read() as connection:
        for table in (orders, order_lines, order_versions):
            for row in connection.execute(sa.select(table)):
                assert canary not in repr(tuple(row))
        sealed = connection.execute(sa.select(parties.c.sealed)).scalar_one()
    assert canary.encode() not in sealed


def test_positions_are_unique_and_follow_commits_with_many_writers(any_ledger, any_settings):
    keys = open_key_ring(any_settings)

    def write(start: int) -> None:
        for number in range(start, start + 10):
            with any_ledger.write() as connection:
                lock_book(connection)
                settle(connection, keys, [arrive(an_order(original_id=str(number)), 1, NOW, is_historical=False)], NOW)

    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        after = 0
        while True:
            is_last = stop.is_set()
            with any_ledger.read() as connection:
                rows = connection.execute(
                    sa.select(orders.c.position).where(orders.c.position > after).order_by(orders.c.position)
                ).scalars()
                for position in rows:
                    seen.append(position)
                    after = position
            if is_last:
                return

    with ThreadPoolExecutor(5) as pool:
        reading = pool.submit(read)
        writing = [pool.submit(write, start) for start in (0, 100, 200, 300)]
        try:
            for each in writing:
                each.result(timeout=60)
        finally:
            stop.set()
        reading.result(timeout=60)
    assert seen == list(range(1, 41))


def test_a_merged_address_keeps_to_one_place():
    sent = Address(city="Nantes", country_code="FR")
    assert merge_address(sent, HOME) == HOME
    other = Address(city="Paris", country_code="FR")
    assert merge_address(other, HOME) == other


def has_errors(book, order) -> bool:
    with book.ledger.read() as connection:
        return connection.execute(sa.select(orders.c.has_errors).where(orders.c.id == order.id)).scalar_one()


def trouble(order, stage="confirm") -> incidents.IncidentReport:
    return incidents.IncidentReport(
        scope="channel", subject="amazon_fr", stage=stage, code="refused", message="It broke.", order_id=order.id
    )


def test_an_order_has_errors_as_long_as_an_incident_about_it_is_open(book):
    order = an_order()
    book(order)
    with book.ledger.write() as connection:
        incidents.report(connection, trouble(order), NOW)
        incidents.report(connection, trouble(order, "accept"), NOW)
    book(replace(order, marketplace_updated_at=later(1), marketplace_status="PARTIAL"))
    assert has_errors(book, order)
    with book.ledger.write() as connection:
        incidents.resolve(connection, "channel", ["amazon_fr"], ["confirm"], NOW)
        incidents.resolve_order(connection, [order.id], "accept", NOW)
    assert has_errors(book, order)
    with book.ledger.write() as connection:
        incidents.resolve_order(connection, [order.id], "confirm", NOW)
    assert not has_errors(book, order)


def test_problems_of_the_payload_stay_errors_when_the_incident_is_resolved(book):
    order = an_order(problems=(OrderProblem(code="missing_price", path="$", message="There is no price."),))
    book(order)
    with book.ledger.write() as connection:
        number = incidents.report(connection, trouble(order), NOW)
        incidents.resolve_by_hand(connection, number, "by phone", NOW)
    assert has_errors(book, order)
    book(an_order(marketplace_updated_at=later(2)))
    assert not has_errors(book, order)


def test_an_incident_of_another_order_resolved_leaves_this_one(book):
    one, other = an_order(), an_order(original_id="402-2")
    book(one, other)
    with book.ledger.write() as connection:
        incidents.report(connection, trouble(one), NOW)
        incidents.report(connection, trouble(other), NOW)
        incidents.resolve_order(connection, [other.id], "confirm", NOW)
    assert (has_errors(book, one), has_errors(book, other)) == (True, False)


def a_wish() -> Order:
    """An order with everything personal that is not an address."""
    line = Line(
        original_id="1",
        number=1,
        quantity_ordered=1,
        quantity_shipped=0,
        quantity_cancelled=0,
        gift=Gift(message="For A.", wrap="Classic"),
        is_customised=True,
        customisation_url="https://custom.example/1",
    )
    return an_order(
        lines=(line,),
        delivery_point=DeliveryPoint(id="FR-012345"),
        delivery_instructions="Ring twice",
        references=References(purchase_order="PO-1", vat_id="FR1"),
        marketplace_data={"fields": [{"code": "engraving"}]},
        personal_marketplace_data={"fields": [{"code": "engraving", "value": "A."}]},
    )


def as_read(row, rendered_parties: str | None) -> dict[str, Any]:
    plain = {name: row.get(name) for name in documents.StoredOrder._fields}
    return json.loads(
        documents.document(documents.StoredOrder(**{**plain, "acknowledgements": "[]"}), rendered_parties)
    )


def test_personal_details_are_where_they_belong_with_the_scope_and_nowhere_without(book):
    order = a_wish()
    _, row, known = book(order)
    whole = as_read(row, personal.parties(known))
    (line,) = whole["lines"]
    assert line["gift"] == {"message": "For A.", "wrap": "Classic"}
    assert line["customisation_url"] == "https://custom.example/1"
    assert whole["delivery_point"] == {"id": "FR-012345", "name": None}
    assert whole["references"] == {"purchase_order": "PO-1", "vat_id": "FR1"}
    assert whole["marketplace_data"] == {"fields": [{"code": "engraving", "value": "A."}]}
    assert "personal_details" not in whole
    redacted = as_read(row, None)
    (line,) = redacted["lines"]
    assert (line["gift"], line["is_customised"]) == ({"message": None, "wrap": "Classic"}, True)
    assert redacted["marketplace_data"] == {"fields": [{"code": "engraving"}]}
    assert redacted.keys() == whole.keys()
    text = json.dumps(redacted)
    assert not any(word in text for word in ("For A.", "https://custom", "FR-012345", "Ring", "PO-1", '"A."'))


def test_details_that_are_withheld_later_stay_known(book):
    order = a_wish()
    book(order)
    bare = replace(personal.without_personal_data(order), marketplace_updated_at=later(5))
    changes, _, known = book(bare)
    assert changes[0].outcome == "unchanged"
    assert known == personal.personal(order)


def test_a_new_address_takes_no_delivery_point_of_the_old_one(book):
    book(a_wish())
    moved = replace(HOME, line_1="9 new street", city="Brest")
    _, _, known = book(an_order(shipping_address=moved, marketplace_updated_at=later(5)))
    assert (known.members["delivery_point"], known.members["delivery_instructions"]) == (DeliveryPoint(), None)


def test_parties_that_an_earlier_release_sealed_are_read():
    older = '"customer":null,"shipping_address":{"name":"A","city":"Nantes"},"billing_address":null'
    assert personal.read_parties(older).members["shipping_address"] == Address(name="A", city="Nantes")
    row = {**dict.fromkeys(("position", "revision"), 1), "status": "SHIPPED", "acknowledgements": "[]"}
    row |= {"marketplace_updated_at": "t", "received_at": "t", "confirmation_status": "none", "has_errors": False}
    read = as_read(
        {
            **row,
            "is_historical": False,
            "has_cancellation_request": False,
            "pii_state": "present",
            "facts": '"lines":[]',
        },
        older,
    )
    assert (read["shipping_address"]["city"], read["delivery_point"], read["references"]) == ("Nantes", None, None)


def test_a_member_that_is_new_and_says_nothing_is_no_change(book, any_ledger):
    _, row, _ = book(an_order())
    members = json.loads("{" + row["facts"] + "}")
    for line in members["lines"]:
        del line["is_replacement"]
    older = json.dumps(members)[1:-1]
    parties_half = bytes(row["content_hash"])[documents.HASH_BYTES :]
    kept = documents.content_hash(older, "")[: documents.HASH_BYTES] + parties_half
    with any_ledger.write() as connection:
        connection.execute(sa.update(orders).values(facts=older, content_hash=kept))
    changes, again, _ = book(an_order(marketplace_updated_at=later(5)))
    assert changes[0].outcome == "unchanged"
    unmoved = ("revision", "position", "marketplace_change", "status")
    assert [again[name] for name in unmoved] == [row[name] for name in unmoved]
    assert (again["facts"], again["content_hash"]) == (row["facts"], row["content_hash"])
    told, _, _ = book(
        an_order(marketplace_updated_at=later(6), lines=(replace(an_order().lines[0], is_replacement=True),))
    )
    assert (told[0].outcome, told[0].changed) == ("changed", ("lines",))

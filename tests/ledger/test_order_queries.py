"""Reading SQL of orders: the cost of a page, and what makes a question the same question."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa
from msgspec import structs

from warehouse import documents
from warehouse.kept_documents import open_parties
from warehouse.ledger.base.schema import order_versions, orders, parties
from warehouse.ledger.book import order_queries, order_tally, page_statements, timeline, versions
from warehouse.ledger.book import orders as book
from warehouse.ledger.book.acknowledgements import Acknowledgement, acknowledge
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.order_conditions import place_of, question_of, values_of
from warehouse.ledger.book.order_filter import Key, OrderFilter, Sort
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope
from warehouse.order_parts import Customer, OrderProblem
from warehouse.order_states import AcknowledgementOutcome, FulfilledBy, Status
from warehouse.orders import Order

MOMENT = datetime(2026, 10, 1, 8, 30, 15, 123456, tzinfo=UTC)


def an_order(number: int, **changes) -> Order:
    moment = MOMENT + timedelta(hours=number)
    made = Order(
        original_id=f"o-{number}",
        channel="amazon_fr",
        marketplace="Amazon FR",
        status=Status.SHIPPED,
        marketplace_status="Shipped",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=moment,
        marketplace_updated_at=moment,
    )
    return structs.replace(made, **changes)


def put(ledger, keys, *orders: Order) -> list[str]:
    arrivals = [arrive(each, 1, each.marketplace_updated_at, is_historical=False) for each in orders]
    with ledger.write() as connection:
        book.lock_book(connection)
        book.settle(connection, keys, arrivals, arrivals[-1].received_at)
    return [each.id for each in orders]


def test_a_rendered_page_is_what_the_columns_say_on_every_database(any_ledger, keys):
    """Times are read as text on SQLite: the document must be the same as from the columns' own types."""
    (own_id,) = put(any_ledger, keys, an_order(1))
    with any_ledger.read() as connection:
        (row,) = order_queries.page(order_queries.MEMBERS, connection, OrderFilter(), Sort.NEWEST, None, 10).rows
        typed = connection.execute(sa.text("SELECT 1")).scalar_one()

    assert typed == 1
    assert row.received_at == row.marketplace_updated_at == "2026-10-01T09:30:15.123Z"
    assert row.purchased_at == MOMENT + timedelta(hours=1)
    assert f'"id":"{own_id}"'.encode() in documents.document(row, None)


def test_the_database_writes_an_order_as_we_do(any_ledger, keys):
    """Percent signs, quotes and letters beyond ASCII, times between two milliseconds, and every flag."""
    put(
        any_ledger,
        keys,
        an_order(1, marketplace='100 % "Lumière" €', marketplace_status="%s\\%%"),
        an_order(2, customer=Customer(name="Zoë 50 %"), marketplace_updated_at=MOMENT + timedelta(microseconds=999)),
        an_order(3, problems=(OrderProblem(code="total_mismatch", path="$", message="5 % off"),)),
    )
    with any_ledger.write() as transaction:
        tokens.create(transaction, "erp", [Scope.ORDERS_READ], None, None, MOMENT)
        said = Acknowledgement(id=an_order(2).id, outcome=AcknowledgementOutcome.OK, order_number="50 %")
        acknowledge(transaction, "erp", None, [said], MOMENT)
        transaction.execute(sa.update(orders).where(orders.c.original_id == "o-1").values(is_historical=True))
    redacted = order_queries.redacted_texts(*documents.redacted_end("/hub/v1/orders"))
    with any_ledger.read() as transaction:
        rows = order_queries.page(order_queries.MEMBERS, transaction, OrderFilter(), Sort.OLDEST, None, 10).rows
        texts = order_queries.page(redacted, transaction, OrderFilter(), Sort.OLDEST, None, 10).rows
        shape = order_queries.TEXTS_WITH_PARTIES
        openings = order_queries.page(shape, transaction, OrderFilter(), Sort.OLDEST, None, 10).rows
        sealed = order_queries.sealed_parties(transaction, [row.id for row in rows])

    assert len(rows) == 3
    for row, text, opening in zip(rows, texts, openings, strict=True):
        end = f',"payload_url":"/hub/v1/orders/{row.id}/payload"}}'
        assert text.text == documents.document(row, None)[:-1] + end.encode()
        assert (opening.text, opening.sealed) == (documents.opening(row), sealed.get(row.id))
        assert {order_queries.key_of(each, Sort.ERRORS_FIRST) for each in (row, text, opening)} == {
            Key(purchased_at=row.purchased_at, id=row.id, has_errors=bool(row.has_errors))
        }


def test_what_an_earlier_release_kept_as_plain_text_is_read_the_same(any_ledger, keys):
    def kept() -> tuple[list[object], ...]:
        with any_ledger.read() as connection:
            shapes = (order_queries.MEMBERS, order_queries.redacted_texts("a", "b"), order_queries.TEXTS_WITH_PARTIES)
            pages = [order_queries.page(each, connection, OrderFilter(), Sort.OLDEST, None, 10).rows for each in shapes]
            told = connection.execute(sa.select(*versions.COLUMNS).order_by(order_versions.c.position)).all()
        opened = [open_parties(keys, each.id, each.sealed) for each in pages.pop() if each.sealed]
        return (*pages, told, opened)

    def earlier() -> None:
        with any_ledger.write() as transaction:
            for own_id, sealed in transaction.execute(sa.select(parties.c.order_id, parties.c.sealed)).all():
                plain = keys.seal(open_parties(keys, own_id, sealed).encode(), f"parties:{own_id}")
                transaction.execute(sa.update(parties).where(parties.c.order_id == own_id).values(sealed=plain))
            if transaction.dialect.name == "sqlite":
                for table in ("orders", "order_versions"):
                    transaction.exec_driver_sql(
                        f"UPDATE {table} SET facts = CAST(unpack_document(facts) AS TEXT) WHERE facts IS NOT NULL"
                    )

    orders_of_it = [an_order(number, customer=Customer(name="Zoë")) for number in (1, 2)]
    put(any_ledger, keys, *orders_of_it)
    put(
        any_ledger,
        keys,
        an_order(
            1,
            customer=Customer(name="Zoë"),
            marketplace_updated_at=MOMENT + timedelta(days=1),
            marketplace_status="Gone",
        ),
    )
    before = kept()
    earlier()
    assert kept() == before
    assert len(before[-1]) == 2
    put(any_ledger, keys, *orders_of_it)
    assert kept() == before
    later = MOMENT + timedelta(days=2)
    put(
        any_ledger,
        keys,
        an_order(2, customer=Customer(name="Zoë"), marketplace_updated_at=later, marketplace_status="Gone"),
    )
    told = [each.facts for each in kept()[2]]
    assert told[:3] == [each.facts for each in before[2]]
    assert told[3] != told[1]


def test_a_page_goes_on_at_the_microsecond(any_ledger, keys):
    own = put(
        any_ledger,
        keys,
        *(an_order(0, original_id=f"o-{n}", purchased_at=MOMENT + timedelta(microseconds=n)) for n in range(6)),
    )
    found, after = [], None
    while True:
        with any_ledger.read() as connection:
            page = order_queries.page(order_queries.MEMBERS, connection, OrderFilter(), Sort.OLDEST, after, 1)
        found += [row.id for row in page.rows]
        after = page.next_key
        if after is None:
            break

    assert found == own


def plan(ledger, wanted: OrderFilter, sort: Sort, after: Key | None, short: frozenset[str] = frozenset()) -> str:
    columns = order_queries.MEMBERS.columns
    query = page_statements.page_query(columns, question_of(wanted), sort, after is not None, 101, short)
    compiled = query.statement.compile(ledger.engine)
    parameters = compiled.construct_params(values_of(wanted) | place_of(after))
    processors = compiled._bind_processors
    with ledger.read() as connection:
        bound = {name: processors[name](value) if name in processors else value for name, value in parameters.items()}
        expanded = compiled._process_parameters_for_postcompile(bound)
        values = tuple({**bound, **expanded.additional_parameters}[name] for name in expanded.positiontup)
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {expanded.statement}", values)
        return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize("is_continued", [False, True])
@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize(
    "wanted",
    [
        OrderFilter(),
        OrderFilter(statuses=("SHIPPED",)),
        OrderFilter(visible_channels=("amazon_fr",)),
        OrderFilter(visible_channels=("amazon_fr",), statuses=("SHIPPED",)),
        OrderFilter(visible_channels=("amazon_fr",), statuses=("PENDING",)),
        OrderFilter(has_errors=True),
        OrderFilter(marketplaces=("Amazon FR", "Amazon ES"), fulfilled_by="none"),
        OrderFilter(may_ship=True),
    ],
)
def test_a_page_is_one_walk_along_an_index(ledger, wanted, sort, is_continued):
    """A list that sorts or scans the table costs more with every order that was ever received."""
    after = Key(position=5, purchased_at=MOMENT, id="x") if is_continued else None

    steps = plan(ledger, wanted, sort, after)

    assert "USING INDEX" in steps
    assert "TEMP B-TREE" not in steps


SINCE = MOMENT - timedelta(days=30)


@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.LATEST_CHANGE])
@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ("received_at", OrderFilter(received_after=SINCE, statuses=("SHIPPED",))),
        ("marketplace_updated_at", OrderFilter(updated_after=SINCE, visible_channels=("amazon_fr",))),
    ],
)
def test_a_long_range_of_times_is_walked_and_a_short_one_is_sorted(ledger, wanted, column, sort):
    """What arrived within a year must not be sorted as a whole, nor a year be walked past for what arrived today."""
    long, short = plan(ledger, wanted, sort, None), plan(ledger, wanted, sort, None, frozenset({column}))

    assert "TEMP B-TREE" not in long
    assert "ix_orders_received" not in long
    assert "ix_orders_updated" not in long
    index = {"received_at": "ix_orders_received", "marketplace_updated_at": "ix_orders_updated"}[column]
    assert f"USING INDEX {index}" in short


@pytest.mark.parametrize("ahead", [False, True])
def test_a_walk_past_later_arrivals_begins_where_they_end(any_ledger, keys, monkeypatch, ahead):
    """What arrived before a time was purchased before it, unless a marketplace's clock runs ahead: then nothing is left out."""
    monkeypatch.setattr(order_queries, "SORTED_AT_MOST", 0)
    lead = timedelta(hours=1 if ahead else -1)
    put(
        any_ledger,
        keys,
        *(an_order(0, original_id=f"o-{n}", purchased_at=MOMENT + timedelta(days=n) + lead) for n in range(3)),
    )
    with any_ledger.write() as connection:
        for n in range(3):
            arrived = sa.update(orders).where(orders.c.original_id == f"o-{n}")
            connection.execute(arrived.values(received_at=MOMENT + timedelta(days=n)))
        wanted = OrderFilter(received_after=MOMENT, received_before=MOMENT + timedelta(days=1, minutes=1))
        begun = order_queries._begun_at_the_end(connection, wanted)
        rows = order_queries.page(order_queries.MEMBERS, connection, wanted, Sort.NEWEST, None, 10).rows
    assert (begun.purchased_before is None) is ahead
    assert [orjson.loads(f"{{{row.facts}}}")["original_id"] for row in rows] == ["o-1", "o-0"]


@pytest.mark.parametrize("ahead", [False, True])
def test_a_walk_past_later_changes_begins_where_they_end(any_ledger, keys, monkeypatch, ahead):
    """The same of changes; some marketplaces tell one before the purchase."""
    monkeypatch.setattr(order_queries, "SORTED_AT_MOST", 0)
    lead = timedelta(hours=1 if ahead else -1)
    days = [MOMENT + timedelta(days=n) for n in range(3)]
    made = (
        an_order(0, original_id=f"o-{n}", purchased_at=day + lead, marketplace_updated_at=day)
        for n, day in enumerate(days)
    )
    put(any_ledger, keys, *made)
    with any_ledger.read() as connection:
        wanted = OrderFilter(updated_before=MOMENT + timedelta(days=1, minutes=1))
        begun = order_queries._begun_at_the_end(connection, wanted)
        rows = order_queries.page(order_queries.MEMBERS, connection, wanted, Sort.NEWEST, None, 10).rows
    assert (begun.purchased_before is None) is ahead
    assert [orjson.loads(f"{{{row.facts}}}")["original_id"] for row in rows] == ["o-1", "o-0"]


@pytest.mark.parametrize("is_continued", [False, True])
def test_orders_whose_personal_data_was_purged_are_walked_by_an_index_of_their_own(ledger, is_continued):
    after = Key(position=5, purchased_at=MOMENT, id="x") if is_continued else None
    steps = plan(ledger, OrderFilter(personal_data_purged=True, statuses=("SHIPPED",)), Sort.NEWEST, after)
    assert "USING INDEX ix_orders_purged" in steps
    assert "TEMP B-TREE" not in steps


@pytest.mark.parametrize("sort", list(Sort))
def test_long_and_short_ranges_find_the_same(any_ledger, keys, monkeypatch, sort):
    orders = [
        an_order(0, original_id=f"o-{n}", purchased_at=MOMENT + timedelta(hours=n * 7 % 5), channel="amazon_fr")
        for n in range(9)
    ]
    put(any_ledger, keys, *orders)
    wanted = OrderFilter(received_after=SINCE, updated_after=SINCE, channels=("amazon_fr",))
    found = []
    for most in (0, 100):
        monkeypatch.setattr(order_queries, "SORTED_AT_MOST", most)
        with any_ledger.read() as connection:
            first = order_queries.page(order_queries.MEMBERS, connection, wanted, sort, None, 4)
            second = order_queries.page(order_queries.MEMBERS, connection, wanted, sort, first.next_key, 100)
        found.append([row.id for row in (*first.rows, *second.rows)])
    assert found[0] == found[1]
    assert len(found[0]) == 9


@pytest.mark.parametrize(
    "wanted",
    [
        OrderFilter(statuses=("PENDING", "WAITING_FOR_SHIPMENT")),
        OrderFilter(visible_channels=("amazon_fr", "amazon_de")),
    ],
)
def test_several_values_are_several_short_walks(ledger, wanted):
    """Every walk reads a page at most; only what they found is sorted."""
    steps = plan(ledger, wanted, Sort.NEWEST, None)

    assert steps.count("SEARCH orders USING COVERING INDEX") == 2
    assert "SCAN orders" not in steps


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("channels", [None, ("amazon_fr",)])
def test_an_order_is_looked_up_by_the_marketplaces_id(ledger, sort, channels):
    steps = plan(ledger, OrderFilter(visible_channels=channels, original_id="402-1"), sort, None)

    assert "USING INDEX ix_orders_original (channel=? AND original_id=?)" in steps


def test_asking_for_what_may_not_be_seen_finds_nothing(any_ledger, keys):
    put(any_ledger, keys, an_order(1))
    wanted = OrderFilter(visible_channels=("amazon_de",), channels=("amazon_fr",))

    with any_ledger.read() as connection:
        pages = [order_queries.page(order_queries.MEMBERS, connection, wanted, sort, None, 10).rows for sort in Sort]
        assert order_tally.count(connection, wanted) == 0

    assert pages == [[] for _ in Sort]


SAME = OrderFilter(statuses=("SHIPPED", "PENDING"), purchased_after=MOMENT)


@pytest.mark.parametrize(
    ("other", "sort", "is_same"),
    [
        (replace(SAME, statuses=("PENDING", "SHIPPED", "PENDING")), Sort.NEWEST, True),
        (replace(SAME, visible_channels=("amazon_fr",)), Sort.NEWEST, True),
        (SAME, Sort.OLDEST, False),
        (replace(SAME, statuses=("SHIPPED",)), Sort.NEWEST, False),
        (replace(SAME, purchased_after=None), Sort.NEWEST, False),
        (replace(SAME, purchased_after=None, purchased_before=MOMENT), Sort.NEWEST, False),
        (replace(SAME, original_id="1"), Sort.NEWEST, False),
    ],
)
def test_a_question_is_known_again(other, sort, is_same):
    assert (other.fingerprint(sort) == SAME.fingerprint(Sort.NEWEST)) == is_same


def test_the_timeline_survives_the_removal_of_old_versions(any_ledger, keys):
    first = an_order(1, status=Status.PENDING)
    (own_id,) = put(any_ledger, keys, first)
    for hours in (1, 2):
        status = (Status.WAITING_FOR_SHIPMENT, Status.SHIPPED)[hours - 1]
        put(
            any_ledger,
            keys,
            structs.replace(first, status=status, marketplace_updated_at=MOMENT + timedelta(hours=1 + hours)),
        )
    with any_ledger.write() as connection:
        connection.execute(sa.delete(order_versions).where(order_versions.c.revision < 3))

    with any_ledger.read() as connection:
        received, changed = timeline.of_order(connection, own_id)

    assert (received.kind, received.text) == ("received", "Received from Amazon FR")
    assert (changed.data["status_from"], changed.data["status_to"]) == (None, "SHIPPED")

"""The list, one order, and its timeline: filters, order, paging, cursors, validators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from orders_api.app import create_app
from orders_api.schemas.orders import OrderDocument, OrderPage, OrderPayload, Timeline
from tests.api.conftest import Api, issue
from warehouse.ledger.base import schema
from warehouse.ledger.book import raw_orders
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import incidents
from warehouse.order_states import FulfilledBy, Status
from warehouse.privacy import open_key_ring


def ids(response) -> list[str]:
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["orders"]]


def test_without_a_token_nothing_is_told_not_even_that_a_parameter_is_wrong(stranger):
    response = stranger.get("/v1/orders", limit="wrong")

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] == "unauthenticated"


def test_what_is_served_is_what_is_described(erp, support, book, order, cancellation, problem):
    book.put(order(1), order(2, problems=(problem,), cancellation=cancellation, programs=("PRIME",)))

    for reader in (erp, support):
        body = reader.get("/v1/orders", count="true").content
        page = OrderPage.model_validate_json(body)
        one = OrderDocument.model_validate_json(reader.get(f"/v1/orders/{page.orders[0].id}").content)
        assert page.orders[0] == one
        assert page.count == 2


@pytest.fixture
def varied(book, order, cancellation, problem):
    """Orders that differ in everything that can be filtered, by name."""
    late = datetime(2026, 11, 1, 12, tzinfo=UTC)
    made = {
        "plain": order(1),
        "shipped": order(2, status=Status.SHIPPED),
        "pending": order(3, status=Status.PENDING),
        "german": order(4, channel="mirakl_de", marketplace="Mirakl DE"),
        "theirs": order(5, fulfilled_by=FulfilledBy.MARKETPLACE),
        "nobody": order(6, fulfilled_by=None),
        "faulty": order(7, problems=(problem,)),
        "unwanted": order(8, cancellation=cancellation),
        "updated": order(9, marketplace_updated_at=late),
    }
    own = {name: book.put(each)[0] for name, each in made.items()}
    own["late"] = book.put(order(10), received_at=late)[0]
    return own


EVERYTHING = {"plain", "shipped", "pending", "german", "theirs", "nobody", "faulty", "unwanted", "updated", "late"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", EVERYTHING),
        ("status=SHIPPED", {"shipped"}),
        ("status=SHIPPED&status=PENDING", {"shipped", "pending"}),
        ("channel=mirakl_de", {"german"}),
        ("channel=mirakl_de&channel=amazon_fr", EVERYTHING),
        ("channel=mirakl_de&channel=amazon_fr&status=SHIPPED&status=PENDING", {"shipped", "pending"}),
        ("channel=amazon_fr&status=PENDING&status=SHIPPED", {"shipped", "pending"}),
        ("marketplace=Mirakl%20DE", {"german"}),
        ("marketplace=Mirakl%20DE&marketplace=Amazon%20FR", EVERYTHING),
        ("marketplace=Mirakl%20DE&marketplace=Nowhere", {"german"}),
        ("may_ship=false", {"pending", "theirs"}),
        ("may_ship=true&channel=mirakl_de", {"german"}),
        ("fulfilled_by=marketplace", {"theirs"}),
        ("fulfilled_by=none", {"nobody"}),
        ("fulfilled_by=merchant", EVERYTHING - {"theirs", "nobody"}),
        ("purchased_after=2026-10-01T17:00:00Z", {"updated", "late"}),
        ("purchased_before=2026-10-01T09:00:00.001Z", {"plain"}),
        ("purchased_before=2026-10-01T09:00:00Z", set()),
        ("purchased_after=2026-10-01T11:00:00%2B02:00&purchased_before=2026-10-01T10:00:00Z", {"plain"}),
        ("received_after=2026-11-01T12:00:00Z", {"late", "updated"}),
        ("received_before=2026-10-01T09:06:00.001Z", {"plain"}),
        ("updated_after=2026-11-01T12:00:00Z", {"updated"}),
        ("updated_before=2026-10-01T09:01:00.001Z", {"plain"}),
        ("has_errors=true", {"faulty"}),
        ("has_errors=false&status=WAITING_FOR_SHIPMENT&channel=mirakl_de", {"german"}),
        ("cancellation_requested=true", {"unwanted"}),
        ("original_id=402-0000003", {"pending"}),
        ("original_id=402-0000003&channel=mirakl_de", set()),
    ],
)
def test_a_filter_finds_exactly_its_orders(erp, varied, query, expected):
    for sort in ("-purchased_at", "purchased_at", "position", "-position"):
        response = erp.get(f"/v1/orders?{query}&sort={sort}&count=true")
        names = {own_id: name for name, own_id in varied.items()}
        assert {names[each] for each in ids(response)} == expected
        assert response.json()["count"] == len(expected)


def test_an_order_is_found_by_its_internal_id(erp, varied):
    assert ids(erp.get("/v1/orders", id=varied["late"])) == [varied["late"]]


def test_both_halves_of_a_split_order_are_found_by_the_marketplaces_id(erp, book, order):
    halves = [order(1, is_split=True), order(1, is_split=True, fulfilled_by=FulfilledBy.MARKETPLACE)]
    own = book.put(*halves)

    response = erp.get("/v1/orders", channel="amazon_fr", original_id="402-0000001")

    assert sorted(ids(response)) == sorted(own)
    assert {each["split_of"] for each in response.json()["orders"]} == set(own)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("-purchased_at", [3, 2, 1]), ("purchased_at", [1, 2, 3]), ("position", [2, 3, 1]), ("-position", [1, 3, 2])],
)
def test_the_list_is_sorted(erp, book, order, sort, expected):
    for number in (2, 3, 1):
        book.put(order(number))

    found = erp.get("/v1/orders", sort=sort).json()["orders"]

    assert [int(each["original_id"][-1]) for each in found] == expected


@pytest.mark.parametrize("sort", ["-purchased_at", "purchased_at", "position", "-position"])
@pytest.mark.parametrize("query", ["", "status=SHIPPED&status=PENDING", "channel=amazon_fr&channel=mirakl_de"])
def test_pages_together_are_the_whole_list(erp, book, order, sort, query):
    same_moment = order(0).purchased_at
    statuses = (Status.SHIPPED, Status.PENDING)
    own = book.put(*(order(n, purchased_at=same_moment, status=statuses[n % 2]) for n in range(23)))

    found = [each["id"] for each in erp.walk(f"/v1/orders?limit=5&sort={sort}&{query}")]

    assert sorted(found) == sorted(own)
    assert found == ids(erp.get(f"/v1/orders?limit=1000&sort={sort}&{query}"))


@pytest.mark.parametrize("sort", ["-purchased_at", "purchased_at"])
def test_writes_between_pages_neither_hide_nor_repeat_an_order(erp, book, order, sort):
    there = book.put(*(order(n) for n in range(0, 40, 2)))
    found, following, number = [], f"/v1/orders?limit=3&sort={sort}", 1
    while following:
        page = erp.request("GET", following).json()
        found += [each["id"] for each in page["orders"]]
        following = page["next"]
        book.put(order(number), order(40 - number), order(20, status=Status.SHIPPED))
        number += 2

    assert sorted(each for each in found if each in there) == sorted(there)
    assert len(found) == len(set(found))


def test_the_next_page_is_in_the_link_header_too(erp, book, order):
    book.put(order(1), order(2))

    response = erp.get("/v1/orders", limit=1, status="WAITING_FOR_SHIPMENT", count="true")

    following = response.json()["next"]
    assert response.headers["link"] == f'<{following}>; rel="next"'
    assert "status=WAITING_FOR_SHIPMENT" in following
    last = erp.request("GET", following)
    assert last.json()["next"] is None
    assert "link" not in last.headers


@pytest.mark.parametrize(
    "change",
    [
        {"status": "SHIPPED"},
        {"sort": "purchased_at"},
        {"sort": "position"},
        {"has_errors": "true"},
        {"purchased_after": "2026-01-01T00:00:00Z"},
        {"cursor": "garbage"},
        {"cursor": "Z2FyYmFnZQ"},
        {"cursor": "W10"},
        {"cursor": "ünïcode"},
        {"cursor": ""},
        {"cursor": "WzEsMiwzXQ"},
        {"cursor": "A" * 5000},
    ],
)
def test_a_cursor_of_another_list_is_refused_and_says_what_to_do(erp, book, order, change):
    book.put(order(1), order(2))
    cursor = erp.get("/v1/orders", limit=1).json()["next"].partition("cursor=")[2]

    response = erp.get("/v1/orders", **{"limit": 1, "cursor": cursor, **change})

    assert response.status_code == 400
    assert response.json()["code"] == "unknown_cursor"
    assert "start again without a cursor" in response.json()["detail"]
    assert response.json()["errors"][0]["parameter"] == "cursor"


def test_the_size_of_a_page_may_change_on_the_way(erp, book, order):
    book.put(*(order(n) for n in range(5)))
    following = erp.get("/v1/orders", limit=1).json()["next"]

    rest = erp.request("GET", following.replace("limit=1", "limit=10")).json()

    assert len(rest["orders"]) == 4
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=shipped", "status"),
        ("statuss=SHIPPED", "statuss"),
        ("sort=total", "sort"),
        ("fulfilled_by=me", "fulfilled_by"),
        ("has_errors=perhaps", "has_errors"),
        ("purchased_after=2026-10-01T00:00:00", "purchased_after"),
        ("purchased_after=2026-10-01", "purchased_after"),
        ("purchased_after=1790000000", "purchased_after"),
        ("received_before=yesterday", "received_before"),
        ("updated_after=2026-10-01T00:00:00+02:00", "updated_after"),
        ("updated_after=0001-01-01T00:00:00%2B02:00", "updated_after"),
        ("original_id=a%00b", "original_id"),
        ("marketplace=", "marketplace"),
    ],
)
def test_a_wrong_parameter_is_named(erp, query, parameter):
    response = erp.get(f"/v1/orders?{query}")

    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"
    assert {each["parameter"] for each in response.json()["errors"]} == {parameter}


@pytest.mark.parametrize("unknown", ["00000000-0000-5000-8000-000000000000", "not-an-id", "a%00b", "%FF"])
def test_an_order_that_does_not_exist_is_not_found(erp, unknown):
    for path in (f"/v1/orders/{unknown}", f"/v1/orders/{unknown}/events"):
        response = erp.get(path)
        assert response.status_code == 404
        assert response.json()["code"] == "unknown_order"


def test_an_unchanged_answer_is_not_sent_again(erp, book, order):
    (own_id,) = book.put(order(1))
    for path in (
        "/v1/orders",
        "/v1/orders/changes",
        f"/v1/orders/{own_id}",
        f"/v1/orders/{own_id}/events",
        "/v1/channels",
    ):
        first = erp.get(path)
        tag = first.headers["etag"]

        again = erp.request("GET", path, headers={"If-None-Match": f'"other", {tag.removeprefix("W/")}'})

        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag

    tag = erp.get("/v1/orders").headers["etag"]
    book.put(order(1, status=Status.SHIPPED, marketplace_updated_at=order(9).purchased_at))
    assert erp.request("GET", "/v1/orders", headers={"If-None-Match": tag}).status_code == 200


def test_the_timeline_tells_what_happened_oldest_first(erp, book, order, api_ledger, clock):
    first = order(1, status=Status.PENDING)
    (own_id,) = book.put(first)
    later = first.marketplace_updated_at + timedelta(hours=1)
    book.put(replace(first, status=Status.WAITING_FOR_SHIPMENT, marketplace_updated_at=later))
    erp.post(
        "/v1/orders/acknowledgements", {"acknowledgements": [{"id": own_id, "outcome": "ok", "order_number": "SO-1"}]}
    )
    with api_ledger.write() as connection:
        report = incidents.IncidentReport(
            scope="channel",
            subject="amazon_fr",
            stage="normalise",
            code="missing_price",
            message="No price.",
            order_id=own_id,
        )
        incidents.report(connection, report, clock.advance(minutes=5))
        incidents.resolve_order(connection, [own_id], "normalise", clock.advance(minutes=5))

    response = erp.get(f"/v1/orders/{own_id}/events")

    events = Timeline.model_validate_json(response.content).events
    assert [each.kind for each in events] == [
        "received",
        "changed",
        "acknowledged",
        "incident_opened",
        "incident_resolved",
    ]
    assert events[0].text == "Received from Amazon FR as PENDING"
    assert events[1].data["status_from"] == "PENDING"
    assert events[1].data["status_to"] == "WAITING_FOR_SHIPMENT"
    assert events[2].text == "Taken over by erp as SO-1 (revision 2)"
    assert [each.at for each in events] == sorted(each.at for each in events)


def test_the_list_is_the_same_on_every_database(any_erp, any_book, order):
    own = any_book.put(*(order(n, status=(Status.SHIPPED, Status.PENDING)[n % 2]) for n in range(7)))

    found = any_erp.walk("/v1/orders?limit=2&status=SHIPPED&status=PENDING&purchased_after=2026-10-01T00:00:00Z")

    assert [each["id"] for each in found] == own[::-1]
    assert found[0]["purchased_at"] == "2026-10-01T14:00:00.000Z"
    assert found[0]["received_at"] == "2026-10-01T14:06:00.000Z"
    assert [each["id"] for each in any_erp.walk("/v1/orders?limit=3&sort=position")] == own
    assert any_erp.get(f"/v1/orders/{own[0]}/events").json()["events"][0]["kind"] == "received"


def test_orders_with_errors_come_first_and_paging_skips_none(erp, book, order, problem):
    faulty = {2, 5, 6}
    book.put(*(order(number, problems=(problem,) if number in faulty else ()) for number in range(1, 9)))
    found = erp.walk("/v1/orders?sort=-has_errors&limit=2")
    numbers = [int(each["original_id"].partition("-")[2]) for each in found]
    assert numbers == [6, 5, 2, 8, 7, 4, 3, 1]
    assert [each["has_errors"] for each in found] == [True] * 3 + [False] * 5


def test_orders_without_errors_come_first_the_other_way_round(erp, book, order, problem):
    book.put(*(order(number, problems=(problem,) if number in {2, 5, 6} else ()) for number in range(1, 9)))
    for limit in (1, 2, 5, 100):
        found = erp.walk(f"/v1/orders?sort=has_errors&limit={limit}")
        assert [int(each["original_id"].partition("-")[2]) for each in found] == [8, 7, 4, 3, 1, 6, 5, 2]
    cursor = erp.get("/v1/orders", sort="has_errors", limit=1).json()["next"].partition("cursor=")[2]
    assert erp.get("/v1/orders", cursor=cursor, sort="-has_errors").json()["code"] == "unknown_cursor"


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("today", {"now"}),
        ("yesterday", {"yesterday"}),
        ("this_week", {"now"}),
        ("last_week", {"yesterday", "week"}),
        ("this_month", {"now", "yesterday"}),
        ("last_month", {"week"}),
    ],
)
def test_a_named_range_of_days_is_on_the_clock_of_the_merchant(
    settings, api_ledger, book, order, clock, preset, expected
):
    """It is a Monday, 2 November, 23:30 in New York."""
    clock.now = datetime(2026, 11, 3, 4, 30, tzinfo=UTC)
    arrived = {"now": clock.now, "yesterday": datetime(2026, 11, 2, 4, 59, tzinfo=UTC)}
    arrived |= {"week": datetime(2026, 10, 27, 4, 30, tzinfo=UTC), "long ago": datetime(2026, 9, 30, tzinfo=UTC)}
    own = {
        book.put(order(number), received_at=moment)[0]: name for number, (name, moment) in enumerate(arrived.items(), 1)
    }
    app = create_app(settings.model_copy(update={"time_zone": "America/New_York"}), clock)
    erp = Api(app, issue(api_ledger, clock(), "erp", Scope.ORDERS_READ))
    assert {own[each] for each in ids(erp.get("/v1/orders", received=preset))} == expected
    narrowed = erp.get("/v1/orders", received=preset, received_before="2026-11-01T00:00:00Z")
    assert {own[each] for each in ids(narrowed)} == expected - {"now", "yesterday"}
    app.state.installation.ledger.close()


def test_an_unknown_range_of_days_is_refused(erp):
    assert erp.get("/v1/orders", received="tomorrow").json()["errors"][0]["parameter"] == "received"


class TestPayload:
    """What the marketplace sent."""

    PAYLOAD: ClassVar = {"orderId": "402-0000001", "price": 1.1, "buyer": {"name": "Zoë Canari"}}

    @pytest.fixture
    def own_id(self, api_ledger, book, settings, clock, order):
        exact = b'{"orderId":"402-0000001","price":1.10,"buyer":{"name":"Zo\xc3\xab Canari"}}'
        body = open_key_ring(settings).seal_compressed(exact, raw_orders.bound_to("amazon_fr_seller", "402-0000001"))
        payload = raw_orders.Payload(
            original_id="402-0000001",
            channel="amazon_fr",
            content_hash=b"x" * 32,
            body=body,
            payload=b'{"orderId":"402-0000001","price":1.10,"buyer":null}',
        )
        with api_ledger.write() as connection:
            start = raw_orders.PullStart(
                connection="amazon_fr_seller",
                kind="tick",
                channels=("amazon_fr",),
                since=clock() - timedelta(hours=1),
                until=clock(),
                started_at=clock(),
            )
            number = raw_orders.begin_pull(connection, start)
            raw_orders.keep_page(connection, "amazon_fr_seller", number, [payload], 0, clock(), is_historical=False)
        return book.put(order(1))[0]

    def test_it_is_exact_for_who_may_read_personal_data(self, support, own_id):
        response = support.get(f"/v1/orders/{own_id}/payload")
        found = OrderPayload.model_validate_json(response.content)
        assert (found.id, found.redacted, found.payload) == (own_id, False, self.PAYLOAD)
        assert '"price":1.10' in response.text
        assert response.headers["Cache-Control"] == "no-store"

    def test_it_is_redacted_for_others(self, erp, own_id):
        found = OrderPayload.model_validate_json(erp.get(f"/v1/orders/{own_id}/payload").content)
        assert (found.redacted, found.payload["buyer"]) == (True, None)

    def test_after_the_purge_it_is_redacted_for_everybody(self, support, api_ledger, own_id):
        with api_ledger.write() as connection:
            connection.execute(sa.update(schema.raw_orders).values(body=None))
        response = support.get(f"/v1/orders/{own_id}/payload")
        assert response.json()["redacted"] is True
        assert "Canari" not in response.text

    def test_who_may_not_see_the_order_does_not_see_it(self, german, stranger, own_id):
        assert german.get(f"/v1/orders/{own_id}/payload").status_code == 404
        assert stranger.get(f"/v1/orders/{own_id}/payload").status_code == 401

    def test_one_that_is_not_kept_says_so(self, erp, api_ledger, own_id):
        with api_ledger.write() as connection:
            connection.execute(sa.delete(schema.raw_orders))
        response = erp.get(f"/v1/orders/{own_id}/payload")
        assert (response.status_code, response.json()["code"]) == (404, "payload_not_kept")


@pytest.mark.parametrize(("query", "expected"), [("has_errors=true", [5, 2]), ("has_errors=false", [4, 3, 1])])
def test_errors_first_within_a_filter(erp, book, order, problem, query, expected):
    book.put(*(order(number, problems=(problem,) if number in {2, 5} else ()) for number in range(1, 6)))
    found = erp.walk(f"/v1/orders?sort=-has_errors&limit=1&{query}")
    assert [int(each["original_id"].partition("-")[2]) for each in found] == expected


def test_a_cursor_of_errors_first_is_none_of_another_sort(erp, book, order):
    book.put(order(1), order(2))
    cursor = erp.get("/v1/orders", sort="-has_errors", limit=1).json()["next"].partition("cursor=")[2]
    assert erp.get("/v1/orders", cursor=cursor).json()["code"] == "unknown_cursor"

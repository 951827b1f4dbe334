"""The change feed: order, positions, and that nothing is missed while several writers are at work."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from orders_api.schemas.orders import OrderChanges
from warehouse.ledger.base.schema import consumers
from warehouse.ledger.book import consumers as readers
from warehouse.order_states import Status

WRITERS = 4
BATCHES = 12


def follow(api, after: int = 0, limit: int = 100) -> tuple[list[dict], int]:
    """Read to the end of the feed."""
    found: list[dict] = []
    while True:
        answer = api.get("/v1/orders/changes", after=after, limit=limit).json()
        found += answer["orders"]
        after = answer["next_after"]
        if not answer["has_more"]:
            return found, after


def test_a_stranger_reads_no_changes(stranger):
    assert stranger.get("/v1/orders/changes").status_code == 401


def test_changes_come_in_the_order_of_their_positions(erp, book, order):
    own = book.put(*(order(n) for n in range(5)))

    found, after = follow(erp, limit=2)

    assert [each["id"] for each in found] == own
    assert [each["position"] for each in found] == [1, 2, 3, 4, 5]
    assert after == 5
    assert OrderChanges.model_validate_json(erp.get("/v1/orders/changes").content).has_more is False


def test_a_changed_order_comes_again_once_in_its_latest_state(erp, book, order):
    first = order(1)
    book.put(first, order(2))
    _, after = follow(erp)
    for hour, status in ((1, Status.PENDING), (2, Status.SHIPPED)):
        later = first.marketplace_updated_at + timedelta(hours=hour)
        book.put(replace(first, status=status, marketplace_updated_at=later))

    found, end = follow(erp, after)

    assert [(each["id"], each["status"], each["revision"]) for each in found] == [(first.id, "SHIPPED", 3)]
    assert end == 4
    assert follow(erp, end) == ([], end)


def test_a_reader_of_one_channel_learns_no_position_of_the_others(german, book, order):
    book.put(order(1), order(2, channel="mirakl_de"), order(3), order(4))

    found, after = follow(german)

    assert [each["channel"] for each in found] == ["mirakl_de"]
    assert after == 2
    assert follow(german, after) == ([], 2)
    for beyond in (3, 4, 5):
        refused = german.get("/v1/orders/changes", after=beyond)
        assert (refused.status_code, refused.json()["code"]) == (400, "unknown_position")
        assert "The feed ends at 2" in refused.json()["detail"]
    book.put(order(5, channel="mirakl_de"))
    assert [each["position"] for each in follow(german, after)[0]] == [5]


def test_a_reader_of_one_channel_that_was_led_further_goes_on_from_there(german, book, order, api_ledger, clock):
    book.put(order(1, channel="mirakl_de"), order(2))
    with api_ledger.write() as connection:
        readers.note_position(connection, "german", 2, clock())

    assert follow(german, 2) == ([], 2)
    book.put(order(3, channel="mirakl_de"))
    assert [each["position"] for each in follow(german, 2)[0]] == [3]


def test_a_position_beyond_the_end_is_refused_and_says_what_to_do(erp, book, order):
    book.put(order(1))

    response = erp.get("/v1/orders/changes", after=2)

    assert (response.status_code, response.json()["code"]) == (400, "unknown_position")
    assert "The feed ends at 1" in response.json()["detail"]


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=9223372036854775808", "limit=0", "limit=1001", "afte=1"]
)
def test_a_wrong_parameter_is_named(erp, query):
    response = erp.get(f"/v1/orders/changes?{query}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["parameter"] == query.partition("=")[0]


def position_of(ledger, consumer: str):
    with ledger.read() as connection:
        query = sa.select(consumers.c.position, consumers.c.read_at).where(consumers.c.name == consumer)
        return tuple(connection.execute(query).one())


def test_how_far_a_consumer_has_read_is_remembered(erp, book, order, api_ledger, clock):
    book.put(order(1), order(2))
    follow(erp, limit=1)
    assert position_of(api_ledger, "erp") == (1, clock())
    follow(erp, after=2)
    assert position_of(api_ledger, "erp") == (2, clock())


def test_a_reader_that_catches_up_is_remembered_once_a_second_and_at_the_end(erp, book, order, api_ledger, clock):
    book.put(*(order(number) for number in range(1, 7)))
    for after, advanced, remembered in [(1, 0, 1), (2, 0.5, 1), (3, 0.5, 3), (4, 0, 3), (5, 0, 5), (6, 0, 6)]:
        clock.advance(seconds=advanced)
        erp.get(f"/v1/orders/changes?after={after}&limit=1")
        assert position_of(api_ledger, "erp")[0] == remembered


def test_reading_at_the_same_place_writes_nothing(erp, book, order, api_ledger, clock):
    book.put(order(1))
    follow(erp, after=1)
    noted = position_of(api_ledger, "erp")
    clock.advance(seconds=30)

    follow(erp, after=1)

    assert position_of(api_ledger, "erp") == noted


def test_a_feed_is_read_while_the_ledger_is_being_written(live, erp, book, order, api_ledger):
    """The consumer's position cannot be noted now; that is no reason to let the consumer wait."""
    book.put(order(1), order(2))
    with api_ledger.write(), httpx.Client(base_url=live, headers={"Authorization": f"Bearer {erp.token}"}) as client:
        for after in (0, 1, 2):
            assert client.get("/v1/orders/changes", params={"after": after}, timeout=5).status_code == 200


def test_nothing_is_missed_while_several_writers_are_at_work(any_erp, any_book, order):
    """Writers commit new orders and changes at the same time; a reader that follows sees every last state."""
    shared = any_book.put(*(order(n, original_id=f"shared-{n}") for n in range(5)))
    is_over = threading.Event()
    seen: dict[str, int] = {}

    def write(writer: int) -> list[str]:
        own = []
        for batch in range(BATCHES):
            own += any_book.put(*(order(n, original_id=f"{writer}-{batch}-{n}") for n in range(4)))
            moment = order(5).purchased_at + timedelta(hours=1 + batch * WRITERS + writer)
            status = (Status.SHIPPED, Status.PENDING, Status.REFUSED, Status.CANCELED)[writer]
            any_book.put(
                order(batch % 5, original_id=f"shared-{batch % 5}", status=status, marketplace_updated_at=moment)
            )
        return own

    def read() -> None:
        after = 0
        while True:
            was_over = is_over.is_set()
            found, after = follow(any_erp, after, limit=7)
            seen.update({each["id"]: each["revision"] for each in found})
            if was_over:
                return

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reader = pool.submit(read)
        written = [pool.submit(write, writer) for writer in range(WRITERS)]
        own = [each for task in written for each in task.result()]
        is_over.set()
        reader.result()

    last = {each["id"]: each["revision"] for each in any_erp.walk("/v1/orders?limit=1000")}
    assert seen == last
    assert set(last) == {*own, *shared}

"""One order over the fast lane on both databases: read in one message on PostgreSQL, judged and answered as everywhere."""

from __future__ import annotations

import pytest

from orders_api.kit.fast_lane import FastLane
from tests.api.conftest import CANARY
from warehouse.ledger.base import reads
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope


@pytest.fixture
def reader(any_app, any_ledger, clock, issued, any_erp):
    """A token of the scopes that a test names."""

    def with_scopes(consumer: str, *scopes: Scope):
        return type(any_erp)(any_app, issued(any_ledger, clock(), consumer, *scopes))

    return with_scopes


def test_every_reading_of_an_order_is_the_same_whatever_was_foreseen(any_book, order, any_erp, reader):
    (own_id,) = any_book.put(order(1))
    everything = reader("crm", Scope.ORDERS_READ, Scope.ORDERS_READ_PII)
    path = f"/v1/orders/{own_id}"
    for _ in range(3):  # on a new connection, foreseen wrongly, foreseen well
        assert any_erp.get(path).json()["customer"] is None
        assert everything.get(path).json()["customer"]["name"] == CANARY
    assert everything.get(path).json() == everything.get("/v1/orders").json()["orders"][0]
    assert any_erp.get(path).json() == any_erp.get("/v1/orders").json()["orders"][0]


@pytest.mark.parametrize("path", ["/v1/orders?limit=2", "/v1/orders/changes?after=1", "/v1/orders?status=SHIPPED"])
def test_pages_are_the_same_whatever_was_foreseen(any_book, order, any_app, any_erp, reader, path, monkeypatch):
    any_book.put(*(order(number) for number in range(1, 6)))
    clients = (any_erp, reader("support", Scope.ORDERS_READ_PII))
    known = any_app.state.installation.readers
    for each in clients:
        each.headers["Accept-Encoding"] = "identity"
    expected = [each.get(path).json() for each in clients]
    awaited = []
    asked = FastLane._answer_awaited

    async def noting(lane, request, questions):
        response = await asked(lane, request, questions)
        awaited.append((len(questions), response is not None))
        return response

    monkeypatch.setattr(FastLane, "_answer_awaited", noting)
    for _ in range(3):
        assert [each.get(path).json() for each in clients] == expected
        known.update(dict(zip(known, reversed(known.values()), strict=True)))
    if any_app.state.installation.ledger.engine.dialect.name == "postgresql":
        assert (4 if "changes" in path else 2, True) in awaited
        assert any(not is_answered for _, is_answered in awaited)  # foreseen wrongly, then read by a thread
    else:
        assert not awaited


def test_a_page_that_is_asked_for_wrongly_is_told_so_however_often(any_book, order, any_erp):
    any_book.put(order(1))
    for path, status in (
        ("/v1/orders?limit=0", 422),
        ("/v1/orders?cursor=nonsense", 400),
        ("/v1/orders/changes?after=9999", 400),
        ("/v1/orders?channel=nowhere", 404),
    ):
        assert {any_erp.get(path).status_code for _ in range(3)} == {status}, path


def test_who_asks_is_judged_before_what_was_read_is_told(any_book, order, any_app, any_ledger, any_erp, reader, clock):
    (own_id,) = any_book.put(order(1))
    path = f"/v1/orders/{own_id}"
    shipper = reader("shipper", Scope.SHIPMENTS_WRITE)
    stranger = type(any_erp)(any_app, any_erp.token[:-1] + ("a" if any_erp.token[-1] != "a" else "b"))
    nobody = type(any_erp)(any_app, None)
    for _ in range(2):
        assert any_erp.get(path).status_code == 200
        answers = [
            (each.status_code, each.json()["code"]) for each in (api.get(path) for api in (shipper, stranger, nobody))
        ]
        assert answers == [(403, "missing_scope"), (401, "invalid_token"), (401, "unauthenticated")]
        for unknown in ("0" * 36, "'; DROP TABLE orders; --'aaaaaaaaaaaa", "%25s%00" + "a" * 32):
            assert any_erp.get(f"/v1/orders/{unknown}").status_code == 404
    with any_ledger.write() as connection:
        tokens.revoke(connection, tokens.TOKEN.fullmatch(any_erp.token)[1], clock())
    assert any_erp.get(path).status_code == 401


def test_an_order_is_read_by_a_thread_where_another_question_was_foreseen(any_book, order, any_app, any_erp, reader):
    (own_id,) = any_book.put(order(1))
    path = f"/v1/orders/{own_id}"
    support = reader("support", Scope.ORDERS_READ_PII)
    expected = [each.get(path).json() for each in (any_erp, support)]
    for _ in range(3):
        known = any_app.state.installation.readers
        known.update(dict(zip(known, reversed(known.values()), strict=True)))
        assert [each.get(path).json() for each in (any_erp, support)] == expected


@pytest.mark.parametrize("any_settings", ["postgresql"], indirect=True)
def test_an_order_is_read_where_the_server_has_closed_the_connections(any_book, order, any_ledger, any_erp):
    (own_id,) = any_book.put(order(1))
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for _ in range(3):
        assert any_erp.get(f"/v1/orders/{own_id}").status_code == 200
        with any_ledger.write() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {others}")


@pytest.mark.parametrize("any_settings", ["postgresql"], indirect=True)
def test_an_order_that_is_locked_is_answered_later(any_book, order, any_ledger, any_erp, monkeypatch):
    monkeypatch.setitem(reads.BEGIN, "postgresql", reads.BEGIN["postgresql"].replace("'15s'", "'50ms'"))
    (own_id,) = any_book.put(order(1))
    path = f"/v1/orders/{own_id}"
    assert any_erp.get(path).status_code == 200
    for _ in range(2):
        with any_ledger.write() as connection:
            connection.exec_driver_sql("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            refused = any_erp.get(path)
        assert (refused.status_code, refused.json()["code"]) == (503, "ledger_unavailable")
        assert refused.headers["Retry-After"] == "5"
        assert any_erp.get(path).status_code == 200

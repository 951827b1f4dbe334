"""What the API's tests share: an installation with two channels, tokens, orders that came in by the real write path, and a
client that talks to the real application.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
import uvicorn
from msgspec.structs import replace

from orders_api.app import create_app
from warehouse.ledger.base.database import Ledger
from warehouse.ledger.book import orders as book_of_orders
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection
from warehouse.ledger.settings.tokens import Scope
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Cancellation, Customer, OrderProblem, Tax
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import KeyRing, open_key_ring

FIRST_PURCHASE = datetime(2026, 10, 1, 8, tzinfo=UTC)
CANARY = "Zoë Canari"
"""A buyer's name that must not be seen without the scope."""


def make_order(number: int = 1, **changes) -> Order:
    """An order with two lines, purchased `number` hours after the first of October."""
    moment = FIRST_PURCHASE + timedelta(hours=number)
    made = Order(
        original_id=f"402-{number:07d}",
        channel="amazon_fr",
        marketplace="Amazon FR",
        status=Status.WAITING_FOR_SHIPMENT,
        marketplace_status="Unshipped",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=moment,
        marketplace_updated_at=moment + timedelta(minutes=1),
        currency="EUR",
        total=Decimal("124.60"),
        customer=Customer(name=CANARY, email="zoe.canari@relay.example", phone="+33100000000"),
        shipping_address=Address(
            name=CANARY,
            line_1="3 rue du Canari",
            postal_code="44000",
            city="Nantes",
            country_code="FR",
            phone="0100000000",
        ),
        lines=(
            Line(
                original_id="L1",
                number=1,
                sku="LAMP-12",
                quantity_ordered=3,
                quantity_shipped=1,
                quantity_cancelled=1,
                line_total=Decimal("119.70"),
                taxes=(Tax(code="VAT", amount=Decimal("19.95"), rate=Decimal(20)),),
            ),
            Line(
                original_id="L2", number=2, sku="BULB-1", quantity_ordered=0, quantity_shipped=0, quantity_cancelled=0
            ),
        ),
    )
    return replace(made, **changes)


@dataclass
class Book:
    """The order book under test; orders enter it as they do in the pipeline."""

    ledger: Ledger
    keys: KeyRing
    raw_seq: int = 0

    def put(self, *orders: Order, received_at: datetime | None = None, is_historical: bool = False) -> list[str]:
        arrivals = []
        for order in orders:
            self.raw_seq += 1
            moment = received_at or order.marketplace_updated_at + timedelta(minutes=5)
            arrivals.append(arrive(order, self.raw_seq, moment, is_historical=is_historical))
        with self.ledger.write() as connection:
            book_of_orders.lock_book(connection)
            book_of_orders.settle(connection, self.keys, arrivals, max(each.received_at for each in arrivals))
        return [each.order.id for each in arrivals]


@dataclass
class Api:
    """A client of the application, as a holder of one token sees it."""

    app: object
    token: str | None
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, **options) -> httpx.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(send())

    def get(self, path: str, **parameters) -> httpx.Response:
        return self.request("GET", path, params=parameters or None)

    def post(self, path: str, body: object, **options) -> httpx.Response:
        return self.request("POST", path, json=body, **options)

    def walk(self, path: str) -> list[dict]:
        """Every order of a list, page by page."""
        found: list[dict] = []
        following: str | None = path
        while following:
            page = self.request("GET", following).json()
            found += page["orders"]
            following = page["next"]
        return found


def set_up(ledger: Ledger, now: datetime) -> None:
    """Two channels, each with a connection of its own."""
    with ledger.write() as connection:
        for code, marketplace in (("amazon_fr", "Amazon FR"), ("mirakl_de", "Mirakl DE")):
            seller = Connection(code=f"{code}_seller", kind="amazon", label=code)
            save_connection(connection, seller, now)
            channel = ConfiguredChannel(code=code, label=code.title(), marketplace=marketplace, connection=seller.code)
            save_channel(connection, channel, now)


def issue(ledger: Ledger, now: datetime, consumer: str, *scopes: Scope, channels: list[str] | None = None) -> str:
    """A token."""
    with ledger.write() as connection:
        return tokens.create(connection, consumer, scopes, channels, None, now)[1]


@pytest.fixture
def order():
    return make_order


@pytest.fixture
def issued():
    return issue


@pytest.fixture
def installed():
    return set_up


@pytest.fixture
def any_book(any_settings, any_ledger, clock):
    """The same book on SQLite and on PostgreSQL."""
    set_up(any_ledger, clock())
    return Book(any_ledger, open_key_ring(any_settings))


@pytest.fixture
def any_app(any_settings, any_book, clock):
    made = create_app(any_settings, clock)
    yield made
    made.state.installation.ledger.close()


@pytest.fixture
def any_erp(any_app, any_ledger, clock):
    return Api(any_app, issue(any_ledger, clock(), "erp", Scope.ORDERS_READ))


@pytest.fixture
def api_ledger(settings, open_new_ledger, clock):
    opened = open_new_ledger(settings)
    set_up(opened, clock())
    yield opened
    opened.close()


@pytest.fixture
def book(api_ledger, settings):
    return Book(api_ledger, open_key_ring(settings))


@pytest.fixture
def app(settings, api_ledger, clock):
    made = create_app(settings, clock)
    yield made
    made.state.installation.ledger.close()


@pytest.fixture
def stranger(app):
    """Somebody without a token."""
    return Api(app, None)


@pytest.fixture
def erp(app, api_ledger, clock):
    """A token for all channels, without personal data."""
    return Api(app, issue(api_ledger, clock(), "erp", Scope.ORDERS_READ))


@pytest.fixture
def support(app, api_ledger, clock):
    """A token that may read personal data."""
    return Api(app, issue(api_ledger, clock(), "support", Scope.ORDERS_READ_PII))


@pytest.fixture
def german(app, api_ledger, clock):
    """A token for one channel only."""
    return Api(app, issue(api_ledger, clock(), "german", Scope.ORDERS_READ, channels=["mirakl_de"]))


@pytest.fixture
def live(app):
    """The application behind a real server on loopback; yields its URL."""
    with _served(app) as url:
        yield url


@pytest.fixture
def any_live(any_app):
    """The same on SQLite and on PostgreSQL."""
    with _served(any_app) as url:
        yield url


@contextmanager
def _served(app):
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(timeout=0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def as_token(app):
    """A client with any token."""
    return lambda token: Api(app, token)


@pytest.fixture
def cancellation():
    return Cancellation(requested_by="BUYER", request_reason="ORDERED_BY_MISTAKE")


@pytest.fixture
def problem():
    return OrderProblem(code="missing_price", path="$.lines[0].price", message="There is no price.")


@pytest.fixture
def canary():
    return CANARY

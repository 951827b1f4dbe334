"""Orders for the lake: factories that fill a ledger through the order book's own door."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from tests.conftest import copied_database
from warehouse.lake.lake import open_lake
from warehouse.ledger.base.database import RAW_SEQ, Ledger, next_values
from warehouse.ledger.base.schema import channels, connections, raw_orders
from warehouse.ledger.book import orders as book
from warehouse.ledger.book.arrivals import arrive
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Payment, Tax
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import KeyRing, open_key_ring
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def make_order(number: int = 1, **changes: Any) -> Order:
    """A complete order; `number` tells orders apart."""
    bought = NOON + timedelta(minutes=number)
    order = Order(
        original_id=f"402-{number:07d}",
        channel="amazon_fr",
        marketplace="Amazon FR",
        status=Status.WAITING_FOR_SHIPMENT,
        marketplace_status="UNSHIPPED",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=bought,
        marketplace_updated_at=bought + timedelta(minutes=3),
        ship_by=bought + timedelta(days=2),
        currency="EUR",
        total=Decimal("44.90"),
        shipping_total=Decimal("5.00"),
        tax_total=Decimal("7.48"),
        payment=Payment(method="card", workflow="PAY_ON_DELIVERY", paid_at=bought),
        programs=("prime", "business"),
        shipping_address=Address(country_code="FR"),
        lines=(make_line(1), make_line(2)),
    )
    return replace(order, **changes)


def make_line(number: int = 1, **changes: Any) -> Line:
    line = Line(
        original_id=f"L{number}",
        number=number,
        sku=f"SKU-{number}",
        gtin="4006381333931",
        title="Cushion cover",
        quantity_ordered=2,
        quantity_shipped=0,
        quantity_cancelled=0,
        source_unit_price=Decimal("19.95"),
        line_total=Decimal("39.90"),
        taxes=(Tax(code="VAT", amount=Decimal("6.65"), rate=Decimal(20)),),
        marketplace_status="UNSHIPPED",
    )
    return replace(line, **changes)


@dataclass(frozen=True)
class Shop:
    """A ledger that orders arrive in, with the keys that seal their parties."""

    ledger: Ledger
    keys: KeyRing

    order = staticmethod(make_order)
    line = staticmethod(make_line)

    def settle(self, *orders: Order, now: datetime = NOON) -> None:
        """Let orders meet the book as the pipeline does, each with a raw payload of its own."""
        with self.ledger.write() as connection:
            book.lock_book(connection)
            first = next_values(connection, RAW_SEQ, len(orders))
            rows = [
                {
                    "seq": seq,
                    "connection": "amazon",
                    "channel": order.channel,
                    "original_id": order.original_id,
                    "content_hash": seq.to_bytes(32, "big"),
                    "pull_id": 1,
                    "page": 1,
                    "received_at": now,
                    "is_historical": False,
                    "payload": f'{{"orderId": "{order.original_id}"}}'.encode(),
                }
                for seq, order in enumerate(orders, first)
            ]
            connection.execute(sa.insert(raw_orders), rows)
            arrivals = [arrive(order, seq, now, is_historical=False) for seq, order in enumerate(orders, first)]
            book.settle(connection, self.keys, arrivals, now)

    def add_channel(self, code: str = "amazon_fr", **changes: Any) -> None:
        connection_row = {
            "code": "amazon",
            "kind": "amazon",
            "label": "Amazon",
            "endpoint": None,
            "region": "eu",
            "settings": {},
            "credentials": {},
            "state": {},
            "created_at": NOON,
            "updated_at": NOON,
        }
        row = {
            "code": code,
            "label": "Amazon France",
            "marketplace": "Amazon FR",
            "connection": "amazon",
            "selector": "A13V1IB3VIYZZH",
            "retrieval": True,
            "confirmation": True,
            "acceptance": "off",
            "settings": {},
            "created_at": NOON,
            "updated_at": NOON,
        }
        with self.ledger.write() as connection:
            if connection.execute(sa.select(connections.c.code)).first() is None:
                connection.execute(sa.insert(connections), [connection_row])
            connection.execute(sa.insert(channels), [{**row, **changes}])


@pytest.fixture
def shop(settings: Settings, ledger: Ledger) -> Shop:
    return Shop(ledger, open_key_ring(settings))


@pytest.fixture
def any_shop(any_settings: Settings, any_ledger: Ledger) -> Shop:
    return Shop(any_ledger, open_key_ring(any_settings))


@pytest.fixture
def lake(settings: Settings, new_lake: Path):
    shutil.copytree(new_lake, settings.home / "lake", dirs_exist_ok=True)
    with open_lake(settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def new_postgresql_lake(
    postgresql_server: str, new_postgresql_ledger: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The name of a database with an empty lake beside the ledger of a new installation, to be copied."""
    name = "orders_new_lake"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{new_postgresql_ledger}"')
    home = tmp_path_factory.mktemp("new-lake")
    with open_lake(Settings(_env_file=None, home=home, database_url=f"{postgresql_server}/{name}")):
        return name


@pytest.fixture
def postgresql_ledger_url(request: pytest.FixtureRequest, postgresql_server: str) -> Iterator[str]:
    """A database with the ledger of a new installation, and with an empty lake for a test that opens one."""
    template = "new_postgresql_lake" if "any_lake" in request.fixturenames else "new_postgresql_ledger"
    with copied_database(postgresql_server, request.getfixturevalue(template)) as url:
        yield url


@pytest.fixture
def any_lake(any_settings: Settings, new_lake: Path):
    if not any_settings.is_postgresql:
        shutil.copytree(new_lake, any_settings.home / "lake", dirs_exist_ok=True)
    with open_lake(any_settings) as opened:
        yield opened

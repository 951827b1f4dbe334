"""Data for the benchmarks: raw orders of the sandboxes kept as a pull keeps them, and a made-up order book of any size.

The book is inserted in bulk, each row a variation of what `warehouse.ledger.book.orders.arrive` makes of a template: letting a
million orders in through the front door takes as long as what is to be measured. Nothing is measured here.
"""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from msgspec.structs import replace

from orders_pipeline.installation import Installation, opened
from orders_pipeline.marketplaces.mirakl.documents import envelope
from orders_pipeline.marketplaces.protocol import RawOrder
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.registry import SANDBOXES
from orders_pipeline.stages.payloads import prepare_payload
from warehouse import documents, ids, personal
from warehouse.clock import iso
from warehouse.kept_documents import pack_text, seal_parties, unpack_text
from warehouse.ledger.base.database import MARKETPLACE_CHANGES, NORMALISED_THROUGH, POSITION, RAW_SEQ, set_mark
from warehouse.ledger.base.schema import order_lines, order_versions, orders, parties
from warehouse.ledger.base.schema import payload_dictionaries as dictionary_table
from warehouse.ledger.base.schema import raw_orders as raw_table
from warehouse.ledger.book import orders as book
from warehouse.ledger.book import payload_dictionaries, raw_orders
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.settings import channels
from warehouse.ledger.watch import order_counts
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Customer, Tax
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.packing import train, unpack
from warehouse.personal import Personal
from warehouse.privacy import KeyRing
from warehouse.settings import Settings

KEYS = "bench:" + base64.b64encode(bytes(range(32))).decode()
FIRST_PURCHASE = datetime(2025, 1, 1, tzinfo=UTC)
BETWEEN_PURCHASES = timedelta(seconds=29)
SHIP_WITHIN = timedelta(days=2)
CHANNELS = ("shop_fr", "shop_de", "shop_es", "shop_it")
STATUSES = (Status.SHIPPED,) * 17 + (Status.WAITING_FOR_SHIPMENT,) * 2 + (Status.CANCELED,)
ROWS_PER_INSERT = 10_000
ARRIVING_PER_COMMIT = 1_000
RAW_PER_PAGE = 500
RAW_TEMPLATES = 500
BOOK_TABLES = (orders, order_lines, parties, order_versions)


def settings_of(home: Path, database_url: str | None = None) -> Settings:
    """The settings of an installation that only the benchmark knows; it reads payloads in one process, whose CPU is told."""
    return Settings(_env_file=None, home=home, keys=KEYS, database_url=database_url, reading_processes=0)


def environment_of(home: Path, database_url: str | None = None) -> dict[str, str]:
    """The same settings for a process that reads its environment."""
    database = {} if database_url is None else {"ORDERS_DATABASE_URL": database_url}
    return {"ORDERS_HOME": str(home), "ORDERS_KEYS": KEYS, **database}


@contextlib.contextmanager
def installed(home: Path, database_url: str | None = None) -> Iterator[Installation]:
    """The installation in a folder, made when there is none."""
    with opened(settings_of(home, database_url)) as installation:
        yield installation


# -- raw orders


def sandbox_orders(kind: str, count: int, seed: int = 1) -> list[RawOrder]:
    """Raw orders as a pull of the sandbox would bring them."""
    sandbox = SANDBOXES[kind](seed=seed, rate_factor=math.inf)
    sandbox.generate(GenerateRequest(count, seed=seed, days=20, newest_seconds=900))
    held = sandbox.truth()[:count]
    if kind in {"amazon", "mirakl"}:
        return [truth_as_raw(each) for each in held]
    return [raw for each in held for raw in MARKETPLACES[kind].documents(orjson.dumps(each))]


def truth_as_raw(truth: dict[str, Any]) -> RawOrder:
    """An order of a sandbox as a pull brings it."""
    body = orjson.dumps(truth["order"])
    if "shipments" in truth:
        is_shipping = truth["status"] == "SHIPPING"
        body = envelope(body, [orjson.dumps(each) for each in truth["shipments"]] if is_shipping else None)
    return RawOrder(truth["id"], None, body)


def keep_raw(installation: Installation, kind: str, raws: Sequence[RawOrder]) -> None:
    """Keep raw orders of a connection of its own, ready to be normalised."""
    now = installation.clock()
    code = f"bench_{kind}"
    with installation.ledger.write() as transaction:
        channels.save_connection(transaction, channels.Connection(code=code, kind=kind, label=kind), now)
        channel = channels.ConfiguredChannel(code=code, label=kind, marketplace=kind, connection=code)
        channels.save_channel(transaction, channel, now)
        start = raw_orders.PullStart(
            connection=code, kind="tick", channels=[code], since=now, until=now, started_at=now
        )
        pull_id = raw_orders.begin_pull(transaction, start)
    for first in range(0, len(raws), RAW_PER_PAGE):
        dictionary = payload_dictionaries.of_kind(installation.ledger, kind, now)
        payloads = [
            prepare_payload(installation, MARKETPLACES[kind], code, code, each, dictionary)
            for each in raws[first : first + RAW_PER_PAGE]
        ]
        with installation.ledger.write() as transaction:
            raw_orders.keep_page(transaction, code, pull_id, payloads, 0, now, is_historical=False)


# -- the order book


def order_number(number: int) -> Order:
    """The order of this number, from 0."""
    code = CHANNELS[number % len(CHANNELS)]
    country = code[-2:].upper()
    bought = purchased_at(number)
    where = Address(
        name="Noémie Exemple",
        line_1="12 rue des Tilleuls",
        postal_code="44000",
        city="Nantes",
        country_code=country,
        phone="+33 5 5501 123",
    )
    return Order(
        original_id=original_id(number),
        channel=code,
        marketplace=f"Shop {country}",
        status=STATUSES[number % len(STATUSES)],
        marketplace_status="AS_SENT",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=bought,
        marketplace_updated_at=bought + timedelta(minutes=3),
        ship_by=bought + SHIP_WITHIN,
        currency="EUR",
        total=Decimal("124.60"),
        shipping_total=Decimal("4.90"),
        tax_total=Decimal("20.77"),
        customer=Customer(name=where.name, email="noemie@shop.example", phone=where.phone),
        shipping_address=where,
        billing_address=where,
        lines=tuple(_line(each) for each in (1, 2)),
    )


def _line(number: int) -> Line:
    return Line(
        original_id=f"L{number}",
        number=number,
        sku=f"SKU-{number:05d}-A1",
        gtin="4006381333931",
        title="Poêle à crêpes, vert",
        quantity_ordered=2,
        quantity_shipped=0,
        quantity_cancelled=0,
        source_unit_price=Decimal("29.93"),
        line_total=Decimal("59.85"),
        taxes=(Tax(code="VAT", amount=Decimal("9.98"), rate=Decimal(20)),),
        marketplace_status="AS_SENT",
    )


def original_id(number: int) -> str:
    """The marketplace's id of an order."""
    return f"402-{number:07d}-{number * 7919 % 10_000_000:07d}"


def purchased_at(number: int) -> datetime:
    """When an order was placed: the book grows in the order of purchase."""
    return FIRST_PURCHASE + number * BETWEEN_PURCHASES


def order_id(number: int) -> str:
    """The internal id of an order."""
    return ids.order_id(CHANNELS[number % len(CHANNELS)], original_id(number))


def fill_book(installation: Installation, count: int, say: Callable[[str], None]) -> None:
    """Put orders 0 to `count` into an empty book, with lines, parties and first versions; SQLite only."""
    say(f"filling a book of {count:,} orders")
    now = installation.clock()
    seeds = range(
        math.lcm(len(CHANNELS), len(STATUSES))
    )  # every channel in every status: what may ship follows from it
    with installation.ledger.write() as transaction:
        for code in CHANNELS:
            channels.save_connection(transaction, channels.Connection(code=code, kind="mirakl", label=code), now)
            channel = channels.ConfiguredChannel(code=code, label=code, marketplace=code, connection=code)
            channels.save_channel(transaction, channel, now)
        book.lock_book(transaction)
        arrivals = [arrive(order_number(each), each + 1, now, is_historical=False) for each in seeds]
        book.settle(transaction, installation.keys, arrivals, now)
    with _bulk(installation) as connection:
        templates = [_Template(connection, each) for each in seeds]
        for table in reversed(BOOK_TABLES):
            connection.execute(sa.delete(table))
        indexes = [index for table in BOOK_TABLES for index in table.indexes]
        for index in indexes:
            index.drop(connection)
        for first in range(0, count, ROWS_PER_INSERT):
            numbers = range(first, min(count, first + ROWS_PER_INSERT))
            _insert_orders(connection, installation.keys, templates, numbers)
        for index in indexes:
            index.create(connection)
        order_counts.rebuild(connection, installation.settings.time_zone)
        for name in (POSITION, RAW_SEQ, NORMALISED_THROUGH, MARKETPLACE_CHANGES):
            set_mark(connection, name, count)
    _check(installation, count - 1)


def arrive_waiting(installation: Installation, count: int) -> list[str]:
    """Let orders of 2 × 2 units that wait for shipment arrive by the front door, on any database; returns their ids."""
    now = installation.clock()
    with installation.ledger.write() as transaction:
        for code in CHANNELS:
            channels.save_connection(transaction, channels.Connection(code=code, kind="mirakl", label=code), now)
            channel = channels.ConfiguredChannel(
                code=code, label=code, marketplace=code, connection=code, confirmation=True
            )
            channels.save_channel(transaction, channel, now)
    made = [replace(order_number(number), status=Status.WAITING_FOR_SHIPMENT) for number in range(count)]
    for first in range(0, count, ARRIVING_PER_COMMIT):
        part = made[first : first + ARRIVING_PER_COMMIT]
        arrivals = [arrive(each, number, now, is_historical=False) for number, each in enumerate(part, first + 1)]
        with installation.ledger.write() as transaction:
            book.lock_book(transaction)
            book.settle(transaction, installation.keys, arrivals, now)
    return [each.id for each in made]


def fill_raw(installation: Installation, count: int, say: Callable[[str], None]) -> None:
    """Put the payloads of orders 0 to `count` beside them: those of some sandbox orders, over and over."""
    say(f"filling {count:,} payloads")
    kind = "mirakl"
    prepare = partial(prepare_payload, installation, MARKETPLACES[kind], CHANNELS[0], CHANNELS[0])
    sent = sandbox_orders(kind, RAW_TEMPLATES)
    dictionary = train([unpack(prepare(each).payload) for each in sent[: payload_dictionaries.SAMPLES]])
    assert dictionary is not None
    templates = [prepare(each, dictionary) for each in sent]
    received = _stored(installation.clock())
    with _bulk(installation) as connection:
        row = {"id": dictionary.id, "kind": kind, "content": dictionary.content, "made_at": received}
        _insert(connection, dictionary_table, [row])
        for first in range(0, count, ROWS_PER_INSERT):
            rows = [
                {
                    "seq": number + 1,
                    "connection": CHANNELS[number % len(CHANNELS)],
                    "channel": CHANNELS[number % len(CHANNELS)],
                    "original_id": original_id(number),
                    "content_hash": number.to_bytes(32, "big"),
                    "pull_id": 1,
                    "page": 1,
                    "received_at": received,
                    "is_historical": False,
                    "body": templates[number % len(templates)].body,
                    "payload": templates[number % len(templates)].payload,
                }
                for number in range(first, min(count, first + ROWS_PER_INSERT))
            ]
            _insert(connection, raw_table, rows)


@contextlib.contextmanager
def _bulk(installation: Installation) -> Iterator[sa.Connection]:
    """One transaction in which nothing is waited for; a crash may spoil the file."""
    engine = installation.ledger.engine
    installation.ledger.close()  # the journal can be switched off only while nobody else is connected
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
            driver.execute(f"PRAGMA {pragma}")
        with connection.execution_options(ledger_write=True).begin():
            yield connection
    engine.dispose()


def change_orders(installation: Installation, numbers: Sequence[int], round_number: int) -> None:
    """Let orders of the book change, through its own front door."""
    now = installation.clock()
    arrivals = []
    for number in numbers:
        before = order_number(number)
        changed = replace(
            before,
            marketplace_status=f"CHANGED_{round_number}",
            marketplace_updated_at=before.marketplace_updated_at + timedelta(hours=round_number),
        )
        arrivals.append(arrive(changed, number + 1, now, is_historical=False))
    with installation.ledger.write() as transaction:
        book.lock_book(transaction)
        changes = book.settle(transaction, installation.keys, arrivals, now)
    assert all(each.outcome == "changed" for each in changes)


def _stored(moment: datetime) -> str:
    """A moment as SQLite keeps it; `_check` would tell if it did not."""
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def _insert_orders(connection: sa.Connection, keys: KeyRing, templates: Sequence[_Template], numbers: range) -> None:
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in BOOK_TABLES}
    for number in numbers:
        for name, made in templates[number % len(templates)].rows(number, keys).items():
            rows[name] += made
    for table in BOOK_TABLES:
        _insert(connection, table, rows[table.name])


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows as stored: the driver's own executemany, without SQLAlchemy's conversions."""
    names = list(rows[0])
    marks = ", ".join("?" for _ in names)
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
    connection.exec_driver_sql(statement, [tuple(row.values()) for row in rows])


class _Template:
    """The rows of one order as the book itself stored them, of which other orders' rows are variations."""

    def __init__(self, connection: sa.Connection, number: int) -> None:
        self._order = order_number(number)
        self._rows = {table.name: _rows_of(connection, table, self._order.id) for table in BOOK_TABLES}
        customer, shipping, billing = self._order.customer, self._order.shipping_address, self._order.billing_address
        self._parties = personal.parties(
            Personal(members={"customer": customer, "shipping_address": shipping, "billing_address": billing})
        )

    def rows(self, number: int, keys: KeyRing) -> dict[str, list[dict[str, Any]]]:
        """The rows of the order of this number, by table."""
        own_id, bought = order_id(number), purchased_at(number)
        (order,), (version,), (party,) = (self._rows[name] for name in ("orders", "order_versions", "parties"))
        lines = [
            {**each, "id": ids.line_id(own_id, each["original_id"]), "order_id": own_id, "order_key": number + 1}
            for each in self._rows["order_lines"]
        ]
        facts = self._facts(number, own_id, zip(self._rows["order_lines"], lines, strict=True))
        shared = {
            "status": STATUSES[number % len(STATUSES)].value,
            "marketplace_updated_at": _stored(bought + timedelta(minutes=3)),
            "position": number + 1,
            "raw_seq": number + 1,
        }
        own = {
            "facts": pack_text(facts),
            "id": own_id,
            "key": number + 1,
            "original_id": original_id(number),
            "purchased_at": _stored(bought),
            "received_at": _stored(bought + timedelta(minutes=8)),
            "ship_by": _stored(bought + SHIP_WITHIN),
            "content_hash": documents.content_hash(facts, self._parties),
            "marketplace_change": number + 1,
        }
        sealed = seal_parties(keys, own_id, self._parties)
        return {
            "orders": [{**order, **shared, **own}],
            "order_lines": lines,
            "parties": [{**party, "order_id": own_id, "order_key": number + 1, "sealed": sealed}],
            "order_versions": [{**version, **shared, "order_id": own_id, "order_key": number + 1}],
        }

    def _facts(self, number: int, own_id: str, lines: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> str:
        known, bought = self._order, purchased_at(number)
        facts = unpack_text(self._rows["orders"][0]["facts"])
        changes = [
            (known.id, own_id),
            (known.original_id, original_id(number)),
            (iso(known.purchased_at), iso(bought)),
            (iso(known.purchased_at + SHIP_WITHIN), iso(bought + SHIP_WITHIN)),
            *((before["id"], after["id"]) for before, after in lines),
        ]
        for before, after in changes:
            facts = facts.replace(before, after)
        return facts


def _rows_of(connection: sa.Connection, table: sa.Table, own_id: str) -> list[dict[str, Any]]:
    key = "id" if table is orders else "order_id"
    found = connection.exec_driver_sql(f"SELECT * FROM {table.name} WHERE {key} = ?", (own_id,))
    return [dict(row) for row in found.mappings()]


def _check(installation: Installation, number: int) -> None:
    """Letting a filled order in through the front door must change nothing."""
    arrival = arrive(order_number(number), number + 1, purchased_at(number), is_historical=False)
    with installation.ledger.read() as transaction:
        changes = book.compare(transaction, installation.keys, [arrival]).changes
    assert changes == [book.Change(arrival.rendered.id, "unchanged")], changes

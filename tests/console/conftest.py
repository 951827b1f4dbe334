"""What the console's tests share: one filled ledger, one server and one browser for all of them; and people who are logged in.

Tests that change something use an order of their own, and never count on what others left.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import orjson
import pytest
import sqlalchemy as sa
import uvicorn
from msgspec.structs import replace
from playwright.sync_api import sync_playwright

from orders_api.app import create_app
from orders_pipeline.marketplaces.registry import KINDS
from tests.api.conftest import Book, make_order
from tests.conftest import TEST_KEYS, MovableClock
from tests.console.pseudo_language import write_pseudo_catalogues
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.people import sessions, users
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings import carriers
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection
from warehouse.ledger.settings.kinds import keep_kinds
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incidents import IncidentReport
from warehouse.order_lines import Line
from warehouse.order_parts import Cancellation, OrderProblem
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings
from warehouse.shipments import CarrierRule, Requirements

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
CHANNELS = {"amazon_fr": "Amazon FR", "amazon_de": "Amazon DE", "mirakl_fr": "Mirakl FR"}
PASSWORD = "eleven grey herons"
NEEDS = Requirements(
    needs_tracking_number=False, needs_carrier=False, carrier_rule=CarrierRule.ANY, acceptance_state="Unshipped"
)
"""Of Mirakl: its orders that are pending wait to be accepted."""
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> \u202e=cmd|x"
"""What a marketplace may send as any text."""


def nth_order(number: int) -> Order:
    """One of the hundred orders."""
    statuses, channel = list(Status), list(CHANNELS)[number % 3]
    moment = NOW - timedelta(hours=5 * number + 1)
    mismatch = OrderProblem(code="total_mismatch", path="$.total", message="The total is not the sum.")
    return make_order(
        number,
        channel=channel,
        marketplace=CHANNELS[channel],
        status=statuses[number % len(statuses)],
        purchased_at=moment,
        marketplace_updated_at=moment,
        ship_by=moment + timedelta(days=2),
        fulfilled_by=FulfilledBy.MARKETPLACE if number % 10 == 7 else FulfilledBy.MERCHANT,
        cancellation=Cancellation(requested_by="BUYER") if number % 20 == 8 else None,
        problems=(mismatch,) if number % 25 == 3 else (),
    )


def put_orders(book: Book) -> None:
    """A hundred orders of three channels, in every status; the last one has hostile words everywhere."""
    made = [nth_order(number) for number in range(100)]
    hostile = Line(original_id=HOSTILE, number=1, sku=HOSTILE, title=HOSTILE, product_url="javascript:alert(1)")
    hostile = replace(hostile, quantity_ordered=1, quantity_shipped=0, quantity_cancelled=0, line_total=Decimal(5))
    made.append(replace(made[0], original_id=HOSTILE, marketplace_status=HOSTILE, lines=(hostile,)))
    for each in made:
        book.put(each, received_at=each.purchased_at + timedelta(minutes=5))


def put_payloads(transaction) -> None:
    """What two channels sent: of each an order that could not be read, with hostile words in one; and the first order's own."""
    first = nth_order(0)
    for seq, (channel, original_id) in enumerate(
        [("amazon_fr", HOSTILE), ("mirakl_fr", "MIRAKL-ASIDE"), ("amazon_fr", first.original_id)], start=1001
    ):
        payload = orjson.dumps({"order_id": original_id, "buyer": None, "note": HOSTILE})
        raw = {
            "seq": seq, "connection": f"{channel}_seller", "channel": channel, "original_id": original_id,
            "content_hash": bytes(32), "pull_id": 0, "page": 0, "received_at": NOW, "is_historical": False,
            "body": None, "payload": payload,
        }  # fmt: skip
        transaction.execute(sa.insert(schema.raw_orders), [raw])
        if original_id != first.original_id:
            aside = {
                "connection": raw["connection"], "original_id": original_id, "raw_seq": seq, "channel": channel,
                "code": "wrong_type", "path": "$.order_date", "reason": f"{HOSTILE} is no time", "since": NOW,
            }  # fmt: skip
            transaction.execute(sa.insert(schema.quarantine), [aside])
    read_from = schema.orders.c.original_id == first.original_id
    transaction.execute(sa.update(schema.orders).where(read_from).values(raw_seq=seq))


class People:
    """The people of the tests, each with a session."""

    def __init__(self, ledger) -> None:
        self.secrets: dict[str, str] = {}
        wanted = {
            "anna": (Role.ADMIN, None, True),
            "vera": (Role.VIEWER, None, False),
            "fred": (Role.OPERATOR, ["amazon_fr"], False),
            "carl": (Role.CONFIGURATOR, ["amazon_fr"], False),
            "adam": (Role.ADMIN, ["amazon_fr"], False),
        }
        with ledger.write() as transaction:
            for name, (role, channels, pii) in wanted.items():
                user = users.add(transaction, name, role, channels, NOW, may_see_personal_data=pii)
                if name == "anna":
                    users.set_password(transaction, user, PASSWORD, NOW)
                self.secrets[name] = sessions.open_session(transaction, user, "127.0.0.1", NOW)


class Console:
    """The running console: its address, its ledger, and who is logged in."""

    def __init__(self, url: str, ledger, people: People, app, clock: MovableClock) -> None:
        self.url = url
        self.ledger = ledger
        self.people = people
        self.app = app
        self.clock = clock

    def client(self, name: str | None = "anna") -> httpx.Client:
        """Somebody's requests as a browser makes them, without following redirects."""
        cookies = {"orders_session": self.people.secrets[name]} if name else None
        headers = {"Sec-Fetch-Site": "same-origin"}
        return httpx.Client(base_url=f"{self.url}/console", cookies=cookies, headers=headers, timeout=30)


@contextmanager
def running_console(home: Path, new_sqlite_ledger: Path):
    """A filled ledger and a server."""
    settings = Settings(_env_file=None, home=home, keys=TEST_KEYS, time_zone="Europe/Paris")
    shutil.copy(new_sqlite_ledger, settings.home)
    write_pseudo_catalogues(home)
    ledger = open_ledger(settings)
    keep_kinds(ledger, KINDS, NOW)
    with ledger.write() as transaction:
        for code, label in CHANNELS.items():
            owner = Connection(code=f"{code}_seller", kind=code.partition("_")[0], label=code)
            save_connection(transaction, owner, NOW)
            channel = ConfiguredChannel(
                code=code, label=label, marketplace=label, connection=owner.code, confirmation=True
            )
            save_channel(transaction, channel, NOW)
        carriers.save_requirements(transaction, "mirakl_fr", NEEDS, NOW)
    put_orders(Book(ledger, open_key_ring(settings)))
    with ledger.write() as transaction:
        for code in CHANNELS:
            problem = IncidentReport(
                scope="channel", subject=code, stage="confirm", code="confirmation_rejected", message=f"{code} refuses.",
                hint="Look at the order.",
            )  # fmt: skip
            incidents.report(transaction, problem, NOW)
        put_payloads(transaction)
    people = People(ledger)
    clock = MovableClock(NOW)
    app = create_app(settings, clock)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(timeout=0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Console(f"http://127.0.0.1:{port}", ledger, people, app, clock)
    server.should_exit = True
    thread.join()
    app.state.installation.ledger.close()
    ledger.close()


@pytest.fixture(scope="session")
def console(new_sqlite_ledger: Path, tmp_path_factory: pytest.TempPathFactory):
    with running_console(tmp_path_factory.mktemp("console"), new_sqlite_ledger) as started:
        yield started


@pytest.fixture
def anna(console):
    """An administrator who may see personal data."""
    with console.client("anna") as client:
        yield client


@pytest.fixture
def vera(console):
    """A viewer of all channels."""
    with console.client("vera") as client:
        yield client


@pytest.fixture
def fred(console):
    """An operator of one channel."""
    with console.client("fred") as client:
        yield client


@pytest.fixture
def stranger(console):
    """Nobody who is logged in."""
    with console.client(None) as client:
        yield client


@pytest.fixture(scope="module")
def ids(console) -> dict[str, str]:
    """An order with errors, an incident, an entry of the log, a payload put aside."""
    with console.client("anna") as client:
        found = {
            "order": client.get("/orders.json?has_errors=true&limit=1").json()["orders"],
            "incident": client.get("/incidents.json?limit=1").json()["incidents"],
            "entry": client.get("/logs.json?limit=1").json()["entries"],
            "payload": client.get("/quarantine.json").json()["quarantined"],
        }
    return {name: rows[0]["id"] for name, rows in found.items()}


@pytest.fixture(scope="module")
def chromium():
    """A browser for the tests of one module: while it runs, nothing in this thread can run an event loop of its own."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("Chromium is not installed: the console's tests need a real browser (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def is_complaint(said) -> bool:
    """Not an answer that is an error, which a test looks at itself."""
    return said.type in {"error", "warning"} and not said.text.startswith("Failed to load resource")


@pytest.fixture
def open_page(console, chromium):
    """Opens a page in a browser as somebody; no request goes elsewhere, and nothing is written to the browser's console."""
    contexts, complaints = [], []

    def open_one(path: str, name: str | None = "anna", **options):
        context = chromium.new_context(base_url=console.url, **options)
        contexts.append(context)
        if name is not None:
            context.add_cookies([{"name": "orders_session", "value": console.people.secrets[name], "url": console.url}])
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: complaints.append(sent.url) if not sent.url.startswith(console.url) else None)
        page.goto(f"/console{path}")
        return page

    yield open_one
    for each in contexts:
        each.close()
    assert complaints == []

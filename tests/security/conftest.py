"""A campaign with marked data: everything personal and everything secret carries a word that occurs nowhere else.

What lives here: the marks, the payloads that carry them, and one run of the whole product over both sandboxes, with all
that it printed, logged, answered and wrote. What does not: what must hold of it, which is `test_canaries`.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import pytest
from typer.testing import CliRunner

from orders_api.app import create_app
from orders_pipeline.alerts.heartbeat import ping
from orders_pipeline.alerts.plan import send_due
from orders_pipeline.cli import app as orders_command
from orders_pipeline.installation import opened
from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.amazon import state as amazon
from orders_pipeline.sandbox.application import create_app as create_sandbox
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.mirakl import state as mirakl
from orders_pipeline.sandbox.mirakl.orders import MiraklChannel
from tests.pipeline.mail_servers import Postbox, free_port, serving
from warehouse.clock import utc_now
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.people import links, sessions, users
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope
from warehouse.privacy import new_key, parse_key_ring
from warehouse.settings import Settings
from warehouse.templates import ShipmentColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FRANCE = "A13V1IB3VIYZZH"
PERSONAL, SECRET = "qzperson", "qzsecret"
"""Every mark begins with one of these two words."""

CONFIGURATION = """
connections:
  amazon_eu:
    kind: amazon
    region: eu
    endpoint: {amazon}
    settings:
      rate_factor: 1000000
      included_data: [FULFILLMENT, BUYER, RECIPIENT, PROCEEDS, CANCELLATION, PACKAGES, PAYMENT, TAX, EXPENSE, PROMOTION]
    credentials: {{client_id: env:MARKED_CLIENT_ID, client_secret: env:MARKED_CLIENT_SECRET}}
  mirakl_shop:
    kind: mirakl
    endpoint: {mirakl}
    settings: {{rate_factor: 1000000}}
    credentials: {{api_key: file:{key_file}}}
  own: {{kind: manual}}
channels:
  amazon_fr: {{connection: amazon_eu, label: Amazon FR, selector: {france}}}
  mirakl_fr: {{connection: mirakl_shop, label: Mirakl FR, selector: FR}}
  telephone: {{connection: own, label: Telephone}}
"""


@dataclass
class Marks:
    """Hands out marks, and remembers what each one stands for."""

    meanings: dict[str, str] = field(default_factory=dict)

    def personal(self, meaning: str) -> str:
        """A word for a personal value."""
        return self._mark(PERSONAL, meaning)

    def secret(self, meaning: str) -> str:
        """A word for a secret."""
        return self._mark(SECRET, meaning)

    def address(self, meaning: str, *names: str) -> dict[str, str]:
        """An object of personal values."""
        return {name: self.personal(f"{meaning}.{name}") for name in names}

    def secrets(self) -> Marks:
        """The secrets alone: for places where personal data may be."""
        return Marks({mark: meaning for mark, meaning in self.meanings.items() if not mark.startswith(PERSONAL)})

    def found_in(self, data: bytes) -> list[str]:
        """What of the marked is in some bytes, also broken over lines or drawn into a table."""
        text = data.decode("utf-8", "replace").lower()
        for drawn in ("\n", "\r", " ", "│", "┃", "\x00"):
            text = text.replace(drawn, "")
        return [meaning for mark, meaning in self.meanings.items() if mark in text]

    def _mark(self, kind: str, meaning: str) -> str:
        mark = f"{kind}{len(self.meanings):04d}x"
        self.meanings[mark] = meaning
        return mark


AMAZON_ADDRESS = (
    "name",
    "companyName",
    "addressLine1",
    "addressLine2",
    "addressLine3",
    "postalCode",
    "phone",
)
MIRAKL_PERSON = ("civility", "firstname", "lastname")
MIRAKL_ADDRESS = (
    *MIRAKL_PERSON,
    "company",
    "company_2",
    "street_1",
    "street_2",
    "zip_code",
    "phone",
    "phone_secondary",
    "additional_info",
    "internal_additional_info",
)


def amazon_order(marks: Marks, number: int, **changes: Any) -> dict[str, Any]:
    """An Amazon order with a mark wherever Amazon's model (Orders 2026-01-01) has personal data."""
    moment = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    address = marks.address("deliveryAddress", *AMAZON_ADDRESS) | {"city": "Nantes", "countryCode": "FR"}
    parts = ("streetName", "streetNumber", "complement", "neighborhood")
    address["extendedFields"] = marks.address("extendedFields", *parts)
    registration = marks.address("taxRegistrations", "legalName", "taxRegistrationNumber")
    registration["taxRegistrationAddress"] = marks.address("taxRegistrationAddress", *AMAZON_ADDRESS)
    registration["taxRegistrationAttributes"] = [{"key": "k", "value": marks.personal("taxRegistrationAttributes")}]
    money = {"amount": "10.00", "currencyCode": "EUR"}
    order = {
        "orderId": f"402-0000000-{number:07d}",
        "createdTime": moment,
        "lastUpdatedTime": moment,
        "programs": [],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": FRANCE, "marketplaceName": "Amazon.fr"},
        "buyer": marks.address("buyer", "buyerName", "buyerEmail", "buyerCompanyName", "buyerPurchaseOrderNumber"),
        "recipient": {
            "deliveryAddress": address,
            "deliveryPreference": marks.address("deliveryPreference", "dropOffLocation", "addressInstruction"),
        },
        "proceeds": {"grandTotal": money},
        "fulfillment": {"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT"},
        "payment": {
            "paymentExecutions": [
                {"paymentMethod": "CreditCard", **marks.address("payment", "acquirerId", "authorizationCode")}
            ]
        },
        "tax": {"taxRegistrations": [registration]},
        "orderItems": [
            {
                "orderItemId": f"{number:013d}",
                "quantityOrdered": 1,
                "product": {
                    "asin": "B000000001",
                    "title": "Lampe",
                    "sellerSku": "LAMP",
                    "customization": {"customizedUrl": marks.personal("customizedUrl")},
                },
                "proceeds": {"proceedsTotal": money, "breakdowns": [{"type": "ITEM", "subtotal": money}]},
                "fulfillment": {
                    "quantityFulfilled": 0,
                    "quantityUnfulfilled": 1,
                    "packing": {"giftOption": {"giftMessage": marks.personal("giftMessage"), "giftWrapLevel": "1"}},
                },
            }
        ],
    }
    return order | changes


def mirakl_order(marks: Marks, number: int, **changes: Any) -> dict[str, Any]:
    """A Mirakl order with a mark wherever OR11 has personal data, or a free text that may hold some."""
    moment = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    place = {"city": "Nantes", "country": "FRA", "country_iso_code": "FRA"}
    organization = marks.address(
        "organization", "name", "organization_id", "identification_number", "tax_identification_number"
    )
    organization["address"] = marks.address("organization.address", "street_1", "street_2", "zip_code") | place
    customer = {
        "customer_id": "C-1",
        **marks.address("customer", *MIRAKL_PERSON, "email", "phone"),
        "accounting_contact": marks.address("accounting_contact", *MIRAKL_PERSON, "customer_id"),
        "delivery_contact": marks.address("delivery_contact", *MIRAKL_PERSON, "customer_id"),
        "billing_address": marks.address("billing_address", *MIRAKL_ADDRESS) | place,
        "shipping_address": marks.address("shipping_address", *MIRAKL_ADDRESS) | place,
        "organization": organization,
    }
    order = {
        "order_id": f"MARKED-{number}-A",
        "commercial_id": f"MARKED-{number}",
        "created_date": moment,
        "last_updated_date": moment,
        "order_state": "SHIPPING",
        "order_tax_mode": "TAX_INCLUDED",
        "currency_iso_code": "EUR",
        "price": 10.0,
        "shipping_price": 0.0,
        "total_price": 10.0,
        "channel": {"code": "FR", "label": "France"},
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "customer": customer,
        "customer_notification_email": marks.personal("customer_notification_email"),
        "order_additional_fields": [additional_field(marks, "order_additional_fields")],
        "order_lines": [
            {
                "order_line_id": f"MARKED-{number}-A-1",
                "order_line_index": 1,
                "order_line_state": "SHIPPING",
                "offer_sku": "LAMP",
                "product_title": "Lampe",
                "quantity": 1,
                "price_unit": 10.0,
                "price": 10.0,
                "shipping_price": 0.0,
                "total_price": 10.0,
                "taxes": [],
                "shipping_taxes": [],
                "order_line_additional_fields": [additional_field(marks, "order_line_additional_fields")],
                "shipping_from": {"address": marks.address("shipping_from", "street_1", "street_2", "zip_code")},
            }
        ],
    }
    return order | changes


def mirakl_shipment(marks: Marks, order: dict[str, Any]) -> dict[str, Any]:
    """A shipment (ST11) of an order, with marks in its free texts."""
    return {
        "id": f"S-{order['order_id']}",
        "order_id": order["order_id"],
        "status": "SHIPPED",
        "created_date": order["created_date"],
        "last_updated_date": order["last_updated_date"],
        "shipment_additional_information": [additional_field(marks, "shipment_additional_information")],
        "shipping_from": {"address": marks.address("shipment.shipping_from", "street_1", "street_2", "zip_code")},
        "shipment_lines": [{"order_line_id": order["order_lines"][0]["order_line_id"], "quantity": 1}],
    }


def given_order(marks: Marks, number: int, **changes: Any) -> dict[str, Any]:
    """An order that is given to us, with a mark in every personal member."""
    place = ("name", "company", "line_1", "line_2", "line_3", "postal_code", "city", "state", "phone")
    return {
        "channel": "telephone",
        "original_id": f"GIVEN-{number}",
        "purchased_at": "2026-10-30T10:00:00Z",
        "currency": "EUR",
        "customer": marks.address("given customer", "name", "email", "phone", "company"),
        "shipping_address": marks.address("given shipping", *place) | {"country_code": "FR"},
        "billing_address": marks.address("given billing", *place) | {"country_code": "FR"},
        "delivery_point": marks.address("given delivery point", "id", "name"),
        "delivery_instructions": marks.personal("given instructions"),
        "references": marks.address("given references", "purchase_order", "vat_id"),
        "notes": marks.personal("given notes"),
        "lines": [
            {
                "original_id": "1",
                "sku": "LAMP-12",
                "quantity_ordered": 2,
                "unit_price": "10.00",
                "gift": {"message": marks.personal("given gift message")},
                "customisation_url": f"https://wishes.example/{marks.personal('given wishes')}",
            }
        ],
        **changes,
    }


def additional_field(marks: Marks, meaning: str) -> dict[str, str]:
    """An operator's free field."""
    return {"code": "gift-message", "type": "STRING", "value": marks.personal(meaning)}


@dataclass
class Answer:
    """What the API answered: status, headers and body; for Parquet the body is the rows as text."""

    status: int
    data: bytes


@dataclass
class Campaign:
    """One run of the whole product with marked data, and everything that came out of it.

    Attributes:
        printed: Command → what it printed on both streams, tracebacks included.
        redacted, disclosed: Request → answer to a token without, and with, the scope for personal data.
        pings: What a monitor outside was sent.
        mails: The mails about what is wrong, as they arrived, and their texts decoded.
        copy: A backup.
        logged: Every log record of every logger with its members, from DEBUG on, before anything is taken out of it.
    """

    home: Path
    marks: Marks
    settings: Settings
    printed: dict[str, bytes] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    redacted: dict[str, Answer] = field(default_factory=dict)
    disclosed: dict[str, Answer] = field(default_factory=dict)
    pings: list[bytes] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    logged: bytes = b""
    normalised: bytes = b""

    @property
    def copy(self) -> Path:
        return self.home.parent / "outside" / "backup"

    def command(self, *arguments: str, typed: str | None = None) -> str:
        """Run one command of `orders`, remember what it printed, and return its standard output."""
        outcome = CliRunner().invoke(orders_command, list(arguments), input=typed)
        failure = "" if outcome.exc_info is None else "".join(traceback.format_exception(*outcome.exc_info))
        name = " ".join(arguments)
        name = f"{name} ({sum(1 for each in self.printed if each.startswith(name)) + 1})"
        self.printed[name] = f"{outcome.stdout}\n{outcome.stderr}\n{failure}".encode()
        self.codes[name] = outcome.exit_code
        return outcome.stdout

    def dagster(self, job: str) -> None:
        """Run a job in a process of its own, with the project's dagster.yaml."""
        command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "orders_pipeline.definitions", "-j", job]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=180)
        self.printed[f"dagster {job}"] = done.stdout + done.stderr
        self.codes[f"dagster {job}"] = done.returncode


STANDARD_MEMBERS = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None)))


class _Everything(logging.Handler):
    """Keeps every record as text, with its traceback and its members."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines = io.StringIO()
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        members = {name: value for name, value in vars(record).items() if name not in STANDARD_MEMBERS}
        self.lines.write(f"{self.format(record)} {members}\n")


class _Monitor(BaseHTTPRequestHandler):
    """Whoever watches from outside: keeps what it is sent."""

    def do_GET(self) -> None:
        self.server.heard.append(f"{self.requestline}\n{self.headers}".encode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Iterator[Campaign]:
    """The campaign, once for all tests of a module."""
    folder = tmp_path_factory.mktemp("campaign")
    home, outside = folder / "home", folder / "outside"
    (home / "tmp").mkdir(parents=True)
    outside.mkdir()
    marks = Marks()
    seller = amazon.AmazonSandbox(rate_factor=float("inf"))
    operator = mirakl.MiraklSandbox(rate_factor=float("inf"))
    everything = _Everything()
    root = logging.getLogger()
    level = root.level
    with (
        pytest.MonkeyPatch.context() as patch,
        server.running(create_sandbox(seller)) as amazon_url,
        server.running(create_sandbox(operator)) as mirakl_url,
    ):
        patch.chdir(folder)
        patch.setenv("ORDERS_HOME", str(home))
        patch.setenv("ORDERS_KEYS", new_key())
        patch.setenv("DAGSTER_HOME", str(ROOT))
        patch.setenv("ORDERS_LOG_LEVEL", "debug")
        patch.setenv("ORDERS_LOG_FORMAT", "json")
        patch.setenv("ORDERS_PULL_FIRST_DAYS", "1")
        patch.setenv("ORDERS_SWEEP_DAYS", "1")
        patch.setenv("COLUMNS", "4000")
        patch.setenv("TMPDIR", str(home / "tmp"))
        patch.setattr(tempfile, "tempdir", str(home / "tmp"))
        run = Campaign(home, marks, Settings(_env_file=None))
        root.addHandler(everything)
        root.setLevel(logging.DEBUG)
        try:
            _connect(run, patch, seller, operator, outside, (amazon_url, mirakl_url))
            _bring_in(run, seller, operator)
            _exchange(run, outside)
            _look(run, outside)
            _keep_up(run, patch)
            _tell(run, patch)
            _ask(run, patch)
        finally:
            root.setLevel(level)
            root.removeHandler(everything)
        run.logged = everything.lines.getvalue().encode()
        yield run


def _connect(
    run: Campaign,
    patch: pytest.MonkeyPatch,
    seller: amazon.AmazonSandbox,
    operator: mirakl.MiraklSandbox,
    outside: Path,
    urls: tuple[str, str],
) -> None:
    """Accounts with marked secrets: one from the environment, one from a file, one typed."""
    marks = run.marks
    client_secret, refresh_token = marks.secret("client secret"), marks.secret("refresh token")
    api_key = marks.secret("api key")
    client_id = "amzn1.application-oa2-client.marked"
    account = amazon.AmazonAccount("default", refresh_token, "EU", (FRANCE,))
    account.client_id, account.client_secret = client_id, client_secret
    seller.add_account(account)
    operator.add_shop(mirakl.MiraklShop(2001, "Shop", api_key, (MiraklChannel("FR", "France", "FR"),)))
    patch.setenv("MARKED_CLIENT_ID", client_id)
    patch.setenv("MARKED_CLIENT_SECRET", client_secret)
    (outside / "api_key").write_text(api_key)
    text = CONFIGURATION.format(amazon=urls[0], mirakl=urls[1], key_file=outside / "api_key", france=FRANCE)
    (outside / "orders.yaml").write_text(text)
    run.command("apply", "-f", str(outside / "orders.yaml"))
    run.command("connections", "secret", "amazon_eu", "refresh_token", typed=marks.secret("mistyped token") + "\n")
    run.command("connections", "test", "amazon_eu")
    run.command("pull", "amazon_eu")
    run.command("connections", "secret", "amazon_eu", "refresh_token", typed=refresh_token + "\n")
    run.command("connections", "test", "amazon_eu")
    run.command("connections", "test", "mirakl_shop", "--json")


def _bring_in(run: Campaign, seller: amazon.AmazonSandbox, operator: mirakl.MiraklSandbox) -> None:
    """Good orders, orders that cannot be read, pages cut short, refused keys; then by Dagster, then by hand."""
    marks = run.marks
    odd = [
        {"recipient": marks.personal("recipient as text")},
        {"buyer": [marks.personal("buyer as a list")]},
        {"recipient": {"deliveryAddress": {"name": {"first": marks.personal("name as an object")}}}},
    ]
    seller.load([amazon_order(marks, number) for number in range(1, 4)], "marked")
    seller.load([amazon_order(marks, 100 + place, **changes) for place, changes in enumerate(odd)], "odd")
    good = [mirakl_order(marks, number) for number in range(1, 4)]
    operator.load(good, "marked")
    operator.load({"data": [mirakl_shipment(marks, good[0])]}, "shipments")
    operator.load(
        [
            mirakl_order(marks, 100, customer=marks.personal("customer as text")),
            mirakl_order(marks, 101, customer={"shipping_address": [marks.personal("address as a list")]}),
            mirakl_order(marks, 102, order_additional_fields={"value": marks.personal("fields as an object")}),
        ],
        "odd",
    )
    for marketplace, listing in ((seller, "searchOrders"), (operator, "OR11")):
        marketplace.add_fault(Fault(FaultKind.TRUNCATED, operation=listing))
    run.command("pull")
    seller.add_fault(
        Fault(
            FaultKind.MALFORMED_ORDER,
            operation="searchOrders",
            order_ids=("402-0000000-0000003",),
            field="orderItems.0.quantityOrdered",
        )
    )
    operator.add_fault(
        Fault(FaultKind.MALFORMED_ORDER, operation="OR11", order_ids=("MARKED-3-A",), field="order_lines.0.quantity")
    )
    run.dagster("pull_orders")
    operator.add_fault(Fault(FaultKind.ERROR_HTML, operation="OR11"))
    run.command("pull", "--json")
    run.command("sweep")
    wrong = [
        given_order(marks, 2, currency=marks.personal("given currency"), lines=[marks.personal("given line")]),
        given_order(
            marks, 3, customer=marks.personal("given customer as text"), notes=[marks.personal("notes in a list")]
        ),
    ]
    (run.home.parent / "given.json").write_text(json.dumps([given_order(marks, 1), *wrong]))
    run.command("add", str(run.home.parent / "given.json"))
    run.command("add", str(run.home.parent / "given.json"), "--json")
    run.command("connections", "test", "own")


def _exchange(run: Campaign, outside: Path) -> None:
    """Order files out, by hand and by Dagster; shipment files in, with marks in every cell that is refused."""
    (outside / "erp" / "in").mkdir(parents=True)
    run.command("storages", "add", "erp", "--kind", "folder", "--setting", f"path={outside / 'erp'}")
    run.command("export", "set", "amazon_fr", "--storage", "erp", "--setting", "split_by_country=true")
    run.command("export", "set", "mirakl_fr", "--storage", "erp", "--folder", "missing")
    run.command("imports", "set", "amazon_fr", "--storage", "erp", "--folder", "in")
    run.command("export", "preview", "amazon_fr")
    run.command("export", "run")
    name = run.marks.personal("cell of a shipment file")
    more = f",{name}" * (len(ShipmentColumn) - 9)
    rows = [f",{name},{name},{name},{name},{name},,{name},{name}{more}", f"{name},,1,{name},,{name},,,{more}"]
    header = ",".join(ShipmentColumn)
    (outside / "erp" / "in" / "marked.csv").write_text("\n".join([header, *rows]))
    (outside / "erp" / "in" / "headless.csv").write_text(f"{name},{name}\n{name},{name}\n")
    (outside / "local.csv").write_text("\n".join([header, *rows]))
    run.dagster("exchange_files")
    for arguments in (
        ("export", "list"),
        ("export", "resend", "1"),
        ("imports", "run"),
        ("imports", "list", "--json"),
        ("imports", "show", "2", "--all"),
        ("imports", "show", "3", "--all", "--json"),
        ("imports", "retry", "2"),
        ("shipments", "import", str(outside / "local.csv"), "--channel", "amazon_fr", "--dry-run"),
        ("shipments", "import", str(outside / "local.csv"), "--channel", "amazon_fr"),
    ):
        run.command(*arguments)


def _look(run: Campaign, outside: Path) -> None:
    """Every command that shows something."""
    for arguments in (
        ("status",),
        ("status", "--json"),
        ("incidents", "list", "--all"),
        ("incidents", "list", "--all", "--json"),
        ("quarantine",),
        ("quarantine", "--json"),
        ("replay", "--dry-run"),
        ("replay", "--dry-run", "--json"),
        ("replay", "--json"),
        ("connections", "list"),
        ("connections", "list", "--json"),
        ("channels", "list", "--json"),
        ("apply", "--export"),
        ("apply", "-f", str(outside / "orders.yaml"), "--dry-run"),
        ("tables", "publish"),
        ("tables", "rebuild"),
        ("tables", "maintain"),
        ("tables", "list"),
        ("sql", "select * from orders", "--format", "json"),
        ("sql", "select * from raw_orders"),
        ("sql", "select * from order_versions"),
        ("sql", "select nothing from nowhere"),
    ):
        run.command(*arguments)
    file = outside / "page.json"
    file.write_text(json.dumps({"orders": [amazon_order(run.marks, 900)]}))
    run.normalised = (
        CliRunner().invoke(orders_command, ["normalize", "--marketplace", "amazon", str(file)]).stdout_bytes
    )
    broken = outside / "broken.json"
    broken.write_text(file.read_text()[:-20])
    run.command("normalize", "--marketplace", "amazon", str(broken))
    file.write_text(json.dumps({"orders": [amazon_order(run.marks, 901, recipient=run.marks.personal("odd file"))]}))
    run.command("normalize", "--marketplace", "amazon", str(file))


def _keep_up(run: Campaign, patch: pytest.MonkeyPatch) -> None:
    """Backup, purge, doctor, and a monitor that is told, at first in vain."""
    run.command("doctor")
    run.command("doctor", "--json")
    run.command("purge", "--dry-run")
    run.command("backup", str(run.copy))
    run.command("verify", str(run.copy), "--json")
    monitor = HTTPServer(("127.0.0.1", 0), _Monitor)
    monitor.heard = run.pings
    thread = threading.Thread(target=monitor.serve_forever)
    thread.start()
    patch.setenv("ORDERS_PING_URLS", '{"pull_orders": "env:MARKED_PING"}')
    secret = run.marks.secret("the monitor's URL")
    for port in (9, monitor.server_port):
        patch.setenv("MARKED_PING", f"http://127.0.0.1:{port}/{secret}")
        with opened(Settings(_env_file=None)) as installation:
            ping(installation, "pull_orders")
        run.command("incidents", "list", "--all", "--json")
    monitor.shutdown()
    thread.join()
    monitor.server_close()
    run.command("status")


def _tell(run: Campaign, patch: pytest.MonkeyPatch) -> None:
    """Mail about everything that went wrong, through a real mail server."""
    postbox, port = Postbox(), free_port()
    with serving(postbox, port, None):
        for name, value in {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "SECURITY": "loopback",
            "FROM": "o@shop.example",
        }.items():
            patch.setenv(f"ORDERS_SMTP_{name}", value)
        run.command("alerts", "add", "crew", "--email", "crew@shop.example")
        run.command("alerts", "test", "crew")
        with opened(Settings(_env_file=None)) as installation:
            send_due(installation)
        run.command("alerts", "list")
        run.command("logs")
    run.mails = [each.as_bytes() + text.encode() for each, text in zip(postbox.mails, postbox.bodies, strict=True)]


def _ask(run: Campaign, patch: pytest.MonkeyPatch) -> None:
    """Every endpoint, with and without the scope for personal data, and what goes wrong at them."""
    plain, privileged = _token(run, "plain", Scope.ORDERS_READ), _token(run, "privileged", Scope.ORDERS_READ_PII)
    run.command("tokens", "list")
    run.command("tokens", "list", "--json")
    api = create_app(run.settings)
    orders = json.loads(_request(api, plain, "GET", "/v1/orders").data.partition(b"\n")[2])["orders"]
    paths = ["/v1/orders?count=true", "/v1/orders/changes?after=0", "/v1/channels", "/v1/coverage", "/v1/status"]
    paths += ["/v1/files", "/v1/files/1", "/v1/files/2/rows", "/v1/files/3/rows"]
    paths += ["/v1/incidents?state=all", "/healthz", "/readyz", "/openapi.json", "/docs"]
    paths += [f"/v1/orders/export?format={name}" for name in ("csv", "ndjson", "parquet")]
    paths += [f"/v1/orders/{each['id']}" for each in orders] + [f"/v1/orders/{each['id']}/events" for each in orders]
    for path in paths:
        run.redacted[f"GET {path}"] = _request(api, plain, "GET", path)
        run.disclosed[f"GET {path}"] = _request(api, privileged, "GET", path)
    run.redacted["403 GET /v1/files/1/content"] = _request(api, plain, "GET", "/v1/files/1/content")
    run.disclosed["GET /v1/files/1/content"] = _request(api, privileged, "GET", "/v1/files/1/content")
    scraper = _token(run, "scraper", Scope.METRICS_READ)
    run.redacted["GET /metrics"] = _request(api, scraper, "GET", "/metrics")
    _ask_wrongly(run, api, plain)
    _open_console(run, api, [each["id"] for each in orders])
    api.state.installation.ledger.close()
    # The key ring of another installation: what is sealed does not open, which is an error nobody expected.
    estranged = create_app(Settings(_env_file=None))
    estranged.state.installation = replace(estranged.state.installation, keys=parse_key_ring(new_key()))
    run.redacted["500 GET /v1/orders"] = _request(estranged, privileged, "GET", "/v1/orders")
    estranged.state.installation.ledger.close()


def _open_console(run: Campaign, api: Any, order_ids: list[str]) -> None:
    """Every page of the console, as somebody who may see personal data and has not asked for it; then one order revealed."""
    ledger = open_ledger(run.settings)
    with ledger.write() as transaction:
        user = users.add(transaction, "marek", users.Role.ADMIN, None, utc_now(), may_see_personal_data=True)
        link = links.make_link(transaction, user.name, utc_now())
        secret = sessions.open_session(transaction, user, "::1", utc_now())
    ledger.close()
    run.marks.meanings |= {link.lower(): "a link", secret.lower(): "a session"}
    mark = run.marks.personal("asked for")
    paths = [
        "orders?limit=200",
        "orders.json",
        "orders.csv",
        "incidents?state=all",
        "logs?limit=1000",
        "account",
        "nowhere",
    ]
    paths += [f"orders/{mark}", f"incidents/{mark}", f"log-in/{mark}", f"orders?channel={mark}"]
    paths += [f"orders/{each}{page}" for each in order_ids for page in ("", "/explain", "/payload")]
    visit = partial(_visit, api, secret)
    for path in paths:
        answer = visit("GET", path)
        run.redacted[f"{answer.status} GET /console/{path.replace(mark, 'MARK')}"] = answer
    (own_id, *_), page = order_ids, visit("GET", f"orders/{order_ids[0]}").data.decode()
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    visit("POST", f"orders/{own_id}/reveal", {"form_token": token})
    run.disclosed["GET /console/orders/{id}"] = visit("GET", f"orders/{own_id}")


def _visit(api: Any, secret: str, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
        cookies, headers = {"orders_session": secret}, {"Sec-Fetch-Site": "same-origin"}
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test", cookies=cookies) as client:
            return await client.request(method, f"/console/{path}", headers=headers, data=form)

    answer = asyncio.run(send())
    return Answer(answer.status_code, f"{dict(answer.headers)}\n".encode() + answer.content)


def _ask_wrongly(run: Campaign, api: Any, token: str) -> None:
    """Marks where a client may put them by mistake: none may come back."""
    mark, key = run.marks.personal("typed by a client"), run.marks.secret("a wrong token")
    wrong = [
        ("422 query", "GET", f"/v1/orders?limit={mark}&status={mark}", None),
        ("422 unknown parameter value", "GET", f"/v1/orders?name={mark}", None),
        ("400 cursor", "GET", f"/v1/orders?cursor={mark}", None),
        ("404 order", "GET", f"/v1/orders/{mark}", None),
        ("404 path", "GET", f"/v1/{mark}", None),
        ("404 channel", "GET", f"/v1/orders?channel={mark}", None),
        ("405", "DELETE", f"/v1/orders?name={mark}", None),
        ("422 body", "POST", "/v1/orders/acknowledgements", {"acknowledgements": [{"id": mark, "outcome": mark}]}),
    ]
    for name, method, path, body in wrong:
        run.redacted[name] = _request(api, token, method, path, body)
    given = {
        **given_order(run.marks, 4),
        "channel": mark,
        "currency": mark,
        "lines": [{"sku": [mark], "unit_price": mark}],
    }
    writer = _token(run, "writer", Scope.ORDERS_WRITE)
    run.redacted["422 order given"] = _request(api, writer, "POST", "/v1/orders", given)
    run.redacted["201 order given"] = _request(api, writer, "POST", "/v1/orders", given_order(run.marks, 5))
    for presented in (key, f"{token[:-4]}zzzz"):
        run.redacted[f"401 {len(run.redacted)}"] = _request(api, presented, "GET", "/v1/orders")


def _token(run: Campaign, consumer: str, scope: Scope) -> str:
    ledger = open_ledger(run.settings)
    with ledger.write() as transaction:
        token = tokens.create(transaction, consumer, [scope], None, None, utc_now())[1]
    ledger.close()
    secret = token.rpartition("_")[2]
    run.marks.meanings[secret.lower()] = f"the token of {consumer}"
    return token


def _request(api: Any, token: str, method: str, path: str, body: object = None) -> Answer:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            return await client.request(method, path, headers={"Authorization": f"Bearer {token}"}, json=body)

    answer = asyncio.run(send())
    content = answer.content
    if answer.headers.get("content-type") == "application/vnd.apache.parquet":
        file = Path(os.environ["ORDERS_HOME"]).parent / "answer.parquet"
        file.write_bytes(content)
        with duckdb.connect() as duck:
            content = str(duck.execute(f"SELECT * FROM read_parquet('{file}')").fetchall()).encode()
    return Answer(answer.status_code, f"{dict(answer.headers)}\n".encode() + content)

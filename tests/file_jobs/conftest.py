"""An installation with one channel, a folder as its storage, orders that came in by the real write path, and both file jobs."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from orders_pipeline.file_jobs import export as exporting
from orders_pipeline.file_jobs import ingest
from orders_pipeline.file_jobs.job_run import JobResult
from orders_pipeline.installation import Installation
from warehouse import shipment_reports
from warehouse.ledger.base.database import Ledger
from warehouse.ledger.base.schema import orders as orders_table
from warehouse.ledger.base.schema import shipments as shipments_table
from warehouse.ledger.book import orders as book_of_orders
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.exchange import file_queries, file_records
from warehouse.ledger.exchange.file_queries import FileFilter
from warehouse.ledger.exchange.file_records import FileRecord
from warehouse.ledger.settings import file_jobs, storages
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection
from warehouse.ledger.settings.file_jobs import FileJob, JobKind
from warehouse.ledger.shipping import shipments
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Customer
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import open_key_ring

CHANNEL = "amazon_fr"


def make_line(original_id: str = "L1", number: int = 1, ordered: int = 2, **changes) -> Line:
    made = Line(
        original_id=original_id,
        number=number,
        sku=f"SKU-{number}",
        quantity_ordered=ordered,
        quantity_shipped=0,
        quantity_cancelled=0,
        line_total=Decimal("39.90") * ordered,
    )
    return replace(made, **changes)


def make_order(number: int = 1, **changes) -> Order:
    moment = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=number)
    made = Order(
        original_id=f"402-{number:07d}",
        channel=CHANNEL,
        marketplace="Amazon FR",
        status=Status.WAITING_FOR_SHIPMENT,
        marketplace_status="Unshipped",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=moment,
        marketplace_updated_at=moment,
        currency="EUR",
        total=Decimal("79.80"),
        customer=Customer(name="Zoë Canari", phone="+33 1 00"),
        shipping_address=Address(
            line_1="3 rue du Canari", line_2="Bât. B", postal_code="01000", city="Nantes", country_code="FR"
        ),
        lines=(make_line(),),
    )
    return replace(made, **changes)


@dataclass
class Shop:
    """The installation under test and short words for what is done to it."""

    installation: Installation
    folder: Path
    raw_seq: int = 0
    slept: list[float] = field(default_factory=list)

    @property
    def ledger(self):
        return self.installation.ledger

    def put(self, *given: Order) -> list[str]:
        """Orders arrive from the marketplace."""
        arrivals = []
        for order in given:
            self.raw_seq += 1
            arrivals.append(arrive(order, self.raw_seq, order.marketplace_updated_at, is_historical=False))
        with self.ledger.write() as transaction:
            book_of_orders.lock_book(transaction)
            book_of_orders.settle(transaction, self.installation.keys, arrivals, self.installation.clock())
        return [each.order.id for each in arrivals]

    def ship(self, *given: shipment_reports.ShipmentReport) -> list[shipment_reports.ShipmentAnswer]:
        """The ERP reports shipments over the API."""
        sender = shipment_reports.Sender(consumer="erp", source=shipment_reports.Source.API, report_id="r")
        with self.ledger.write() as transaction:
            return shipments.report(transaction, sender, given, self.installation.clock())

    def declare(self, kind: JobKind, **changes) -> FileJob:
        """A job that is due at once."""
        given = {"channel": CHANNEL, "storage": "partner", "folder": "out" if kind is JobKind.EXPORT else "in"}
        given |= changes
        given["settings"] = file_jobs.kept_settings(kind, given.get("settings", {}))
        job = FileJob(kind=kind, **given)
        with self.ledger.write() as transaction:
            file_jobs.save_job(transaction, job, self.installation.clock() - timedelta(days=8))
        return job

    def export(self, **settings) -> JobResult:
        return exporting.export_channel(self.installation, self.declare(JobKind.EXPORT, settings=settings))

    def drop(self, name: str, content: str | bytes) -> Path:
        """A partner puts a shipment file there."""
        path = self.folder / "in" / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_import(self, **settings) -> JobResult:
        return ingest.import_channel(self.installation, self.declare(JobKind.IMPORT, settings=settings))

    def names(self, folder: str) -> list[str]:
        place = self.folder / folder
        return sorted(each.name for each in place.iterdir() if each.is_file()) if place.is_dir() else []

    def sheets(self, folder: str = "out") -> dict[str, list[dict[str, str]]]:
        """Every CSV file of a folder, read back."""
        return {name: read_csv((self.folder / folder / name).read_bytes()) for name in self.names(folder)}

    def records(self, kind: JobKind | None = None) -> list[FileRecord]:
        with self.ledger.read() as transaction:
            return file_queries.listed(transaction, FileFilter(direction=kind), None, 1000)[::-1]

    def rows(self, record: FileRecord) -> list[file_records.RowFate]:
        with self.ledger.read() as transaction:
            return file_queries.rows_of(transaction, record.id)

    def fates(self, record: FileRecord) -> list[tuple[int, str, str | None, str | None]]:
        return [(each.number, each.outcome.value, each.code, each.column_name) for each in self.rows(record)]

    def shipments(self) -> list[dict]:
        with self.ledger.read() as transaction:
            return [dict(row) for row in transaction.execute(sa.select(shipments_table)).mappings()]

    def status(self, order_id: str) -> str:
        with self.ledger.read() as transaction:
            query = sa.select(orders_table.c.status).where(orders_table.c.id == order_id)
            return transaction.execute(query).scalar_one()


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def open_shop(settings, ledger: Ledger, clock, folder: Path) -> Shop:
    installation = Installation(settings, ledger, open_key_ring(settings), clock, lambda _seconds: None)
    for name in ("out", "in"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with installation.ledger.write() as transaction:
        now = clock()
        save_connection(transaction, Connection(code="seller", kind="amazon", label="Seller"), now)
        channel = ConfiguredChannel(code=CHANNEL, label="Amazon FR", marketplace="Amazon FR", connection="seller")
        save_channel(transaction, channel, now)
        entry = storages.StorageEntry(code="partner", kind="folder", label="P", settings={"path": str(folder)})
        storages.save_storage(transaction, entry, now)
    return Shop(installation, folder)


@pytest.fixture
def shop(any_settings, any_ledger, clock, tmp_path):
    """On SQLite and on PostgreSQL."""
    return open_shop(any_settings, any_ledger, clock, tmp_path / "partner")


@pytest.fixture
def small_shop(settings, ledger, clock, tmp_path):
    """On SQLite only: for what does not depend on the database."""
    return open_shop(settings, ledger, clock, tmp_path / "partner")


@pytest.fixture
def an_order():
    return make_order


@pytest.fixture
def a_line():
    return make_line


@pytest.fixture
def shop_in(open_new_ledger):
    """Open, or make, a shop with these settings and clock, and this folder as its storage."""
    return lambda settings, clock, folder: open_shop(settings, open_new_ledger(settings), clock, folder)

"""File exchange in `orders demo`: an order file in the outbox, and a shipment file in the inbox that is read and answered.

Uses the same engines as the schedule and `orders export`, `orders imports`. Starting it is in `demo`.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from orders_pipeline.commands.output import fail, print_table
from orders_pipeline.file_jobs.export import export_channel
from orders_pipeline.file_jobs.ingest import import_channel
from orders_pipeline.file_jobs.job_run import switched_on
from warehouse.ledger.book.order_ids import newest_originals
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.order_states import FulfilledBy, Status
from warehouse.templates import ShipmentColumn

if TYPE_CHECKING:
    from pathlib import Path

    from orders_pipeline.file_jobs.job_run import JobResult
    from orders_pipeline.installation import Installation

SHIPPED = 4
STORAGE, OUTBOX, INBOX = "demo_files", "outbox", "inbox"
JOBS = {"export": {"storage": STORAGE, "folder": OUTBOX}, "import": {"storage": STORAGE, "folder": INBOX}}
"""Of a channel whose ERP knows files only."""


def exchange(installation: Installation, home: Path) -> None:
    """Export the orders of the channel, drop a shipment file with one wrong row, import it, and print what became of it."""
    for folder in (OUTBOX, INBOX):
        (home / folder).mkdir(parents=True, exist_ok=True)
    exports = switched_on(installation, JobKind.EXPORT)
    exported = [export_channel(installation, job) for job in exports]
    _drop(installation, exports[0].channel, home / INBOX)
    imported = [import_channel(installation, job) for job in switched_on(installation, JobKind.IMPORT)]
    _check([*exported, *imported])
    rows = [
        (each.channel, each.direction.value, each.name, each.rows, each.applied, each.known, each.refused)
        for result in (*exported, *imported)
        for each in result.files
    ]
    columns = ("channel", "job", "file", "rows", "applied", "already known", "refused")
    print_table(f"Files (below {home}: {OUTBOX}, {INBOX}, {INBOX}/results)", columns, rows)


def _drop(installation: Installation, channel: str, inbox: Path) -> None:
    """What an ERP would write: a row for each order, and one for an order that nobody knows."""
    with installation.ledger.read() as transaction:
        originals = newest_originals(transaction, channel, Status.WAITING_FOR_SHIPMENT, FulfilledBy.MERCHANT, SHIPPED)
    moment = int(installation.clock().timestamp() * 1000)
    columns = [
        ShipmentColumn.ORIGINAL_ID,
        ShipmentColumn.PACKAGE_ID,
        ShipmentColumn.TRACKING_NUMBER,
        ShipmentColumn.SHIPPING_DATE,
        ShipmentColumn.CARRIER_CODE,
    ]
    with (inbox / "shipments.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([each.value for each in columns])
        for number, original_id in enumerate([*originals, "NO-SUCH-ORDER"]):
            writer.writerow([original_id, "1", f"FILE-{number}", moment, "SEUR"])


def _check(results: list[JobResult]) -> None:
    failed = [f"{each.channel} {each.kind}: {each.error}" for each in results if each.error]
    if failed:
        raise fail("; ".join(failed))

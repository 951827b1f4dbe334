"""Records that rows are read as, beside the tables that they come from and the shapes of the API that they go into."""

from __future__ import annotations

import types
from datetime import datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import sqlalchemy as sa

from orders_api.schemas import cancellations, incidents, shipments
from warehouse.documents import StoredOrder
from warehouse.ledger.base import schema
from warehouse.ledger.base.rows import Json
from warehouse.ledger.book.cancellation_queries import CancellationRecord
from warehouse.ledger.book.kept_members import KnownOrder
from warehouse.ledger.book.quarantine_queries import QuarantineRecord
from warehouse.ledger.shipping.records import StoredAttempt, StoredShipment
from warehouse.ledger.status.soundness import VersionRecord
from warehouse.ledger.watch.activity import ActivityRecord
from warehouse.ledger.watch.alerts import MessageRecord
from warehouse.ledger.watch.incident_queries import IncidentRecord

TABLES = [
    (ActivityRecord, schema.log_entries),
    (CancellationRecord, schema.cancellation_requests),
    (IncidentRecord, schema.incidents),
    (KnownOrder, schema.orders),
    (MessageRecord, schema.alert_messages),
    (QuarantineRecord, schema.quarantine),
    (StoredAttempt, schema.confirmation_attempts),
    (StoredOrder, schema.orders),
    (StoredShipment, schema.shipments),
    (VersionRecord, schema.order_versions),
]
OWN_TYPES = {schema.Instant: datetime, schema.PackedText: str}
WIRE_TEXTS = {(StoredOrder, "marketplace_updated_at"), (StoredOrder, "received_at")}
"""Instants that pages read as the wire writes them."""


def parts(hint: Any) -> set[Any]:
    """A hint's alternatives, as the types that a column has."""
    found = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    return {object if each == Json or get_origin(each) is not None else each for each in found}


def kept(column: sa.Column[Any]) -> set[Any]:
    own = OWN_TYPES.get(type(column.type)) or column.type.python_type
    return {own, *([type(None)] if column.nullable else [])}


@pytest.mark.parametrize(("record", "table"), TABLES, ids=lambda each: getattr(each, "__name__", None) or each.name)
def test_a_record_says_what_its_table_keeps(record, table) -> None:
    told = {name: parts(hint) for name, hint in get_type_hints(record).items() if (record, name) not in WIRE_TEXTS}
    assert told == {name: kept(table.c[name]) for name in told}


@pytest.mark.parametrize(
    ("shape", "record"),
    [
        (cancellations.CancellationRequest, CancellationRecord),
        (incidents.Incident, IncidentRecord),
        (incidents.LogEntry, ActivityRecord),
        (shipments.ConfirmationAttempt, StoredAttempt),
        (shipments.Shipment, StoredShipment),
    ],
)
def test_the_api_lets_be_null_what_the_ledger_may_not_know(shape, record) -> None:
    may_be_null = {name for name, hint in get_type_hints(record).items() if type(None) in parts(hint)}
    shown = {name: get_type_hints(shape)[name] for name in may_be_null & shape.model_fields.keys()}
    assert len(may_be_null) > 2
    assert {name for name, hint in shown.items() if type(None) not in parts(hint)} <= {"difference"}

"""Everything that a person may meet is explained: settings, commands, endpoints, codes, statuses, assets, targets."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import dagster as dg
import pytest
import typer

from orders_api.kit import errors
from orders_pipeline.cli import app
from orders_pipeline.commands.output import Exit
from orders_pipeline.definitions import build_defs
from orders_pipeline.file_jobs.sheets import FileFault
from orders_pipeline.file_jobs.shipment_file import RowFault
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.storages.errors import StorageError
from tests.documentation import generate
from warehouse.cancellations import RequestState
from warehouse.incidents import IncidentKind
from warehouse.lake.definitions import dictionary
from warehouse.ledger.book.cancellations import Refusal
from warehouse.ledger.settings.document import (
    AlertEntry,
    CarrierMapping,
    ChannelEntry,
    ConnectionEntry,
    ExportEntry,
    ImportEntry,
    StorageSection,
)
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.status.channel_status import ChannelState
from warehouse.logs import Event
from warehouse.order_states import Bar, Status
from warehouse.settings import Settings
from warehouse.storages import CREDENTIALS, SETTINGS
from warehouse.templates import ExtraColumn, OrderColumn, ResultColumn, ShipmentColumn

ROOT = Path(__file__).resolve().parents[2]
FAILURES = {"Refused", "PingFailed", "Transient", "Permanent", "Unauthorised", "Throttled", "InDoubt", "Unreadable"}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def words(name: str) -> set[str]:
    """What stands in code quotes on a page."""
    text = re.sub(r"```.*?```", "", page(name), flags=re.DOTALL)
    return set(re.findall(r"`([^`\n]+)`", text))


def literals(folder: str, callables: set[str], place: int, keyword: str) -> set[str]:
    """Literal arguments of calls to the named callables, by place or keyword."""
    found: set[str] = set()
    place_of = ROOT / folder
    for path in [place_of] if place_of.is_file() else place_of.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", None)
            if name not in callables:
                continue
            given = [each.value for each in call.keywords if each.arg == keyword] or call.args[place : place + 1]
            found |= {str(each.value) for each in given if isinstance(each, ast.Constant) and each.value}
    return found


def test_every_setting() -> None:
    assert {f"ORDERS_{name.upper()}" for name in Settings.model_fields} - words("docs/configuration.md") == set()


@pytest.mark.parametrize(
    "model",
    [
        *(ConnectionEntry, ChannelEntry, ExportEntry, ImportEntry, StorageSection, AlertEntry),
        *SETTINGS.values(),
        *(model for each in MARKETPLACES.values() for model in (each.settings, each.channel_settings)),
    ],
)
def test_every_key_of_the_configuration_file(model) -> None:
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert keys - words("docs/configuration.md") == set()


def test_every_credential() -> None:
    wanted = {each.name for marketplace in MARKETPLACES.values() for each in marketplace.credentials}
    wanted |= {name for names in CREDENTIALS.values() for name in names}
    assert wanted - words("docs/configuration.md") == set()


def test_every_command() -> None:
    commands = {" ".join(path) for path, _ in generate.walk(typer.main.get_command(app), ("orders",))}
    assert {command for command in commands if f"### {command}\n" not in page("docs/cli.md")} == set()


def test_every_exit_code() -> None:
    text = page("docs/cli.md")
    assert [code for code in Exit if f"| {code.value} | `{code.name}` |" not in text] == []


def test_exit_codes_are_those_of_the_help() -> None:
    told = re.findall(r"(\d) [a-z]", typer.main.get_command(app).help.partition("Exit codes:")[2])
    assert [int(each) for each in told] == [code.value for code in Exit]


def test_every_endpoint() -> None:
    text = page("docs/api.md")
    wanted = [f"### {method.upper()} {path}\n" for method, path, _ in generate.operations()]
    assert [each for each in wanted if each not in text] == []


def test_every_problem_code() -> None:
    raised = literals("orders_api", {"Problem"}, 1, "code") | literals("orders_api", {"not_found"}, 2, "code")
    checks = {f"{check}_check_failed" for check in literals("orders_api", {"_not_ready"}, 0, "check")}
    assert {"unknown_cursor", "unknown_order"} <= raised
    assert {"ledger_check_failed", "disk_check_failed"} <= checks
    assert (raised | checks | set(errors.CODES.values())) - words("docs/api.md") - words("docs/console.md") == set()


def test_every_code_of_a_shipment_that_is_refused_and_of_a_decision_that_cannot_be() -> None:
    codes = literals("warehouse", {"refusal"}, 0, "code") | literals("warehouse", {"ReportFault"}, 0, "code")
    codes |= literals("orders_api", {"ReportFault"}, 0, "code") | literals("orders_api", {"_wrong_line"}, 0, "code")
    codes |= literals("warehouse", {"NotRetryable", "NotAcceptable", "CancellationUndecidable"}, 0, "code")
    assert {"unknown_line", "carrier_missing", "invalid_field", "shipment_held", "already_decided"} <= codes
    assert codes - words("docs/api.md") == set()


def test_every_key_of_a_mapped_carrier() -> None:
    assert set(CarrierMapping.model_fields) - words("docs/configuration.md") == set()


def test_every_scope() -> None:
    assert {scope.value for scope in Scope} - words("docs/api.md") == set()


def test_every_status() -> None:
    text = page("docs/api.md")
    assert [status for status in Status if f"| `{status.value}` |" not in text] == []


def test_every_reason_why_something_may_not_ship() -> None:
    assert {bar.value for bar in Bar} - words("docs/api.md") == set()


def test_every_column_of_both_csv_templates() -> None:
    columns = {column.value for kind in (OrderColumn, ExtraColumn, ShipmentColumn, ResultColumn) for column in kind}
    assert columns - words("docs/operations.md") == set()


INTAKE = ("intake", "open_orders", "package_contents", "required_content")
"""Modules that refuse shipments."""


def test_every_reason_to_refuse_a_shipment_file_or_a_row() -> None:
    places = [f"warehouse/ledger/shipping/{name}.py" for name in INTAKE]
    by_intake = {code for place in places for code in literals(place, {"refusal", "ReportFault"}, 0, "code")}
    assert {"unknown_order", "unknown_line", "tracking_number_missing"} <= by_intake
    reasons = {fault.value for kind in (FileFault, RowFault) for fault in kind} | by_intake
    assert reasons - words("docs/operations.md") == set()


def test_every_column_of_the_csv_export() -> None:
    assert {column.value for column in OrderColumn} - words("docs/api.md") == set()


def test_every_table_view_and_column() -> None:
    text = page("docs/tables.md")
    sections = {part.partition("\n")[0]: part for part in text.split("\n### ")[1:]}
    missing = [
        f"{each.table}.{each.column}"
        for each in dictionary()
        if f"`{each.column}`" not in sections.get(each.table, "") and each.column
    ]
    assert missing == []
    assert {each.table for each in dictionary()} == set(sections)


def test_every_asset_check_job_schedule_and_sensor() -> None:
    defs = build_defs()
    graph = defs.resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    names |= {key.name for key in graph.asset_check_keys}
    names |= {each.name for each in defs.jobs or ()} | {each.name for each in defs.sensors or ()}
    names |= {each.name for each in defs.schedules or () if isinstance(each, dg.ScheduleDefinition)}
    assert "raw_orders" in names
    assert names - words("docs/operations.md") == set()


def test_every_incident_code() -> None:
    codes = literals("orders_pipeline", FAILURES, 0, "code") | literals(
        "orders_pipeline", {"IncidentReport"}, 3, "code"
    )
    codes |= literals("orders_pipeline", {"NotDelivered", "_server_fault"}, 0, "code")
    assert {"throttled", "wrong_type", "missed_by_listing"} <= codes
    assert codes - words("docs/operations.md") == set()


def test_every_kind_of_incident() -> None:
    assert {kind.value for kind in IncidentKind} - words("docs/operations.md") == set()


def test_every_state_of_a_request_to_cancel() -> None:
    assert {state.value for state in RequestState} - words("docs/operations.md") == set()


def test_every_refusal_of_a_cancellation() -> None:
    assert {refusal.value for refusal in Refusal} - words("docs/api.md") == set()


def test_every_failure_of_a_storage() -> None:
    known, told = [StorageError], set()
    while known:
        each = known.pop()
        told.add(each.code)
        known += each.__subclasses__()
    assert {"storage_failed", "storage_host_key_changed"} <= told
    assert told - words("docs/operations.md") == set()


def test_every_event_of_the_log() -> None:
    assert {event.value for event in Event} - words("docs/operations.md") == set()


def test_every_state_of_a_channel() -> None:
    text = page("docs/operations.md")
    assert [state for state in ChannelState if f"| `{state.value}` |" not in text] == []


def test_every_target_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", page("Makefile"), re.MULTILINE)
    assert "demo" in targets
    assert [each for each in targets if f"make {each}" not in page("README.md")] == []

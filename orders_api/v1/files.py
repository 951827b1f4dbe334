"""Files that were exchanged with other systems: order files that went out, shipment files that came in, and their bytes.

Writing and reading them is the pipeline's work; here they are only shown.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from orders_api.kit import cursors
from orders_api.kit.addresses import next_link, next_path
from orders_api.kit.answers import NO_STORE, json_answer, rendered
from orders_api.kit.errors import Problem, not_found
from orders_api.kit.reading import NoQuery, Reading, Route, number_in_path
from orders_api.schemas.files import FileDocument, FilePage, FileRowPage
from orders_api.schemas.vocabulary import FILE_ID
from orders_api.v1.order_filters import Word, check_channels
from warehouse.archive import open_archive
from warehouse.clock import iso
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.exchange.file_queries import FileFilter
from warehouse.ledger.exchange.file_records import FileState, RowOutcome
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.settings.tokens import Scope

if TYPE_CHECKING:
    from typing import Any

    from starlette.responses import Response

    from warehouse.ledger.exchange.file_records import FileRecord, RowFate

router = APIRouter(tags=["Files"])

FILE_ID_PARAMETER = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the file; a token of all channels may give its number instead.",
    "example": FILE_ID,
    "schema": {"type": "string"},
}


class ShownState(StrEnum):
    """Where a file stands, as far as anybody may see it."""

    PLANNED = FileState.PLANNED.value
    UPLOADED = FileState.UPLOADED.value
    GIVEN_UP = FileState.GIVEN_UP.value
    RECEIVED = FileState.RECEIVED.value
    APPLIED = FileState.APPLIED.value
    REFUSED = FileState.REFUSED.value
    REPEATED = FileState.REPEATED.value


class FileQuery(BaseModel):
    """Which files, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    direction: JobKind | None = Field(
        None, description="`export`: order files; `import`: shipment files.", examples=["export"]
    )
    state: ShownState | None = Field(None, description="Where they stand.", examples=["uploaded"])
    channel: list[Word] = Field([], description="Of any of these channels; may be repeated.", examples=["amazon_fr"])
    limit: int = Field(100, ge=1, le=1000, description="Files a page.", examples=[100])
    cursor: str | None = Field(None, description="Where the page begins: from `next`.", examples=["WzEsImlkIiwxN10"])


class FileRowQuery(BaseModel):
    """Which rows, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    outcome: RowOutcome | None = Field(None, description="What became of them.", examples=["refused"])
    limit: int = Field(100, ge=1, le=1000, description="Rows a page.", examples=[100])
    cursor: str | None = Field(None, description="Where the page begins: from `next`.", examples=["WzEsImlkIiwxN10"])


@Route(
    path="/v1/files",
    operation_id="list_files",
    summary="List files",
    query=FileQuery,
    answer=FilePage,
    problems=(400, 404),
).serve(router)
def list_files(reading: Reading, query: FileQuery) -> Response:
    """Order files and shipment files of the token's channels, newest first."""
    visible = reading.caller.visible_channels
    check_channels(reading.transaction, query.channel, visible)
    fingerprint = f"files {query.direction} {query.state} {' '.join(sorted(query.channel))}"
    before = cursors.decode_number(reading.installation.numbering, query.cursor, fingerprint)
    wanted = FileFilter(
        visible_channels=visible,
        channels=tuple(query.channel),
        direction=query.direction,
        states=() if query.state is None else (FileState(query.state),),
    )
    found = file_queries.listed(reading.transaction, wanted, before, query.limit + 1)
    following = _following(reading, fingerprint, found, query.limit, [each.id for each in found])
    body = rendered({"files": [_document(reading, each) for each in found], "next": following})
    return json_answer(reading.request, body, holds_pii=False, headers=next_link(following))


@Route(
    path="/v1/files/{id}",
    operation_id="get_file",
    summary="Read about one file",
    query=NoQuery,
    answer=FileDocument,
    problems=(404,),
    path_parameters=(FILE_ID_PARAMETER,),
).serve(router)
def get_file(reading: Reading, _query: NoQuery) -> Response:
    """One file: where it went or came from, how far it is, and what became of its rows in numbers."""
    return json_answer(reading.request, rendered(_document(reading, _one(reading))), holds_pii=False)


@Route(
    path="/v1/files/{id}/rows",
    operation_id="list_file_rows",
    summary="Read what became of a shipment file's rows",
    query=FileRowQuery,
    answer=FileRowPage,
    problems=(400, 404),
    path_parameters=(FILE_ID_PARAMETER,),
).serve(router)
def list_file_rows(reading: Reading, query: FileRowQuery) -> Response:
    """The rows of a shipment file by number, each applied, known before, or refused with a code. An order file has none."""
    record = _one(reading)
    fingerprint = f"file rows {record.id} {query.outcome}"
    after = cursors.decode_number(reading.installation.numbering, query.cursor, fingerprint) or 0
    found = file_queries.rows_of(reading.transaction, record.id, after, query.limit + 1, query.outcome)
    following = _following(reading, fingerprint, found, query.limit, [each.number for each in found])
    body = rendered({"rows": [_row(each) for each in found], "next": following})
    return json_answer(reading.request, body, holds_pii=False, headers=next_link(following))


@Route(
    path="/v1/files/{id}/content",
    operation_id="download_file",
    summary="Download a file's bytes",
    query=NoQuery,
    answer=None,
    problems=(404,),
    path_parameters=(FILE_ID_PARAMETER,),
    responses={
        200: {
            "description": "The exact bytes. A download that ends early is cut off before its announced length, or its "
            "last chunk, so that a client notices.",
            "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    scopes=(Scope.ORDERS_READ_PII,),
).serve(router)
def download_file(reading: Reading, _query: NoQuery) -> Response:
    """The bytes as they went out or came in. They hold personal data, so the token needs `orders:read:pii`."""
    record = _one(reading)
    archive = open_archive(reading.installation.settings, reading.installation.keys)
    if record.sha256 is None or not archive.has(record.sha256):
        detail = "The bytes of this file are not kept: they were purged, or it was too large to be read."
        raise Problem(404, "no_content", detail, errors=[{"parameter": "id", "message": "no bytes are kept"}])
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(record.name)}",
        "Content-Length": str(record.size),
        "Cache-Control": NO_STORE,
    }
    return StreamingResponse(archive.read(record.sha256), headers=headers, media_type="text/csv; charset=utf-8")


def _following(reading: Reading, fingerprint: str, found: list[Any], limit: int, numbers: list[int]) -> str | None:
    """The path of the next page; the row beyond this page, which told that there is one, is taken off."""
    if len(found) <= limit:
        return None
    found.pop()
    return next_path(
        reading.request, cursors.encode_number(reading.installation.numbering, fingerprint, numbers[limit - 1])
    )


def _one(reading: Reading) -> FileRecord:
    caller = reading.caller
    number = number_in_path(reading.request, reading.installation, caller, Numbered.FILE)
    record = None if number is None else file_queries.find(reading.transaction, number, caller.visible_channels)
    if record is None:
        raise not_found("id", "There is no such file for this token.", "unknown_file")
    return record


def _document(reading: Reading, record: FileRecord) -> dict[str, Any]:
    details = record.details
    numbering = reading.installation.numbering
    same_as = details.get("same_as")
    return {
        "id": numbering.id(Numbered.FILE, record.id),
        "number": record.id if reading.caller.sees_all_channels else None,
        "direction": record.direction,
        "channel": record.channel,
        "storage": record.storage or None,
        "folder": record.folder,
        "name": record.name,
        "state": record.state,
        "size": record.size,
        "sha256": record.sha256,
        "rows": record.rows,
        "orders": record.orders,
        "split": details.get("split") or {},
        "applied": record.applied,
        "known": record.known,
        "refused": record.refused,
        "encoding": details.get("encoding"),
        "delimiter": details.get("delimiter"),
        "unknown_columns": details.get("unknown_columns") or [],
        "same_as": None if same_as is None else numbering.id(Numbered.FILE, same_as),
        "error_code": record.error_code,
        "error": record.error,
        "created_at": iso(record.created_at),
        "finished_at": None if record.finished_at is None else iso(record.finished_at),
    }


def _row(fate: RowFate) -> dict[str, Any]:
    return {
        "number": fate.number,
        "outcome": fate.outcome,
        "order_id": fate.order_id,
        "shipment_id": fate.shipment_id,
        "code": fate.code,
        "column": fate.column_name,
        "message": fate.message,
    }

"""Files that were exchanged with other systems: order files that went out, shipment files that came in, and their bytes.

Writing and reading them is the pipeline's work; here they are only shown.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orders_api.kit.answers import NO_STORE, json_answer, render
from orders_api.kit.auth import Caller, MayRead, may
from orders_api.kit.errors import Problem, describe, not_found
from orders_api.kit.pages import page_answer, read_page
from orders_api.kit.parameters import FileId, number_of
from orders_api.kit.queries import PageQuery
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.files import FileDocument, FilePage, FileRow, FileRowPage
from orders_api.v1.order_filters import Word, check_channels
from warehouse.archive import Archive, open_archive
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.exchange.file_queries import FileFilter
from warehouse.ledger.exchange.file_records import FileState, RowOutcome
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.settings.tokens import Scope

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.exchange.file_records import FileRecord

router = resource("Files")


class ShownState(StrEnum):
    """Where a file stands, as far as anybody may see it."""

    PLANNED = FileState.PLANNED.value
    UPLOADED = FileState.UPLOADED.value
    GIVEN_UP = FileState.GIVEN_UP.value
    RECEIVED = FileState.RECEIVED.value
    APPLIED = FileState.APPLIED.value
    REFUSED = FileState.REFUSED.value
    REPEATED = FileState.REPEATED.value


class FileQuery(PageQuery):
    """Which files, and which page of them."""

    direction: JobKind | None = Field(
        None, description="`export`: order files; `import`: shipment files.", examples=["export"]
    )
    state: ShownState | None = Field(None, description="Where they stand.", examples=["uploaded"])
    channel: list[Word] = Field([], description="Of any of these channels; may be repeated.", examples=["amazon_fr"])


class FileRowQuery(PageQuery):
    """Which rows, and which page of them."""

    outcome: RowOutcome | None = Field(None, description="What became of them.", examples=["refused"])


@router.get("/v1/files", summary="List files", response_model=FilePage, responses=describe(400, 404))
def list_files(
    request: Request, caller: MayRead, installation: ThisInstallation, query: Annotated[FileQuery, Query()]
) -> Response:
    """Order files and shipment files of the token's channels, newest first."""
    wanted = FileFilter(
        visible_channels=caller.visible_channels,
        channels=tuple(query.channel),
        direction=query.direction,
        states=() if query.state is None else (FileState(query.state),),
    )
    with installation.ledger.read() as transaction:
        check_channels(transaction, query.channel, caller.visible_channels)
        found, following = read_page(
            request,
            installation.numbering,
            "files",
            query,
            partial(file_queries.listed, transaction, wanted),
            attrgetter("id"),
        )
    return page_answer(request, "files", [_document(installation, caller, each) for each in found], following)


@router.get("/v1/files/{id}", summary="Read about one file", response_model=FileDocument, responses=describe(404))
def get_file(request: Request, caller: MayRead, installation: ThisInstallation, given: FileId) -> Response:
    """One file: where it went or came from, how far it is, and what became of its rows in numbers."""
    with installation.ledger.read() as transaction:
        record = _find(transaction, installation, caller, given)
    return json_answer(request, render(_document(installation, caller, record)), holds_pii=False)


@router.get(
    "/v1/files/{id}/rows",
    summary="Read what became of a shipment file's rows",
    response_model=FileRowPage,
    responses=describe(400, 404),
)
def list_file_rows(
    request: Request,
    caller: MayRead,
    installation: ThisInstallation,
    given: FileId,
    query: Annotated[FileRowQuery, Query()],
) -> Response:
    """The rows of a shipment file by number, each applied, known before, or refused with a code. An order file has none."""
    with installation.ledger.read() as transaction:
        record = _find(transaction, installation, caller, given)
        found, following = read_page(
            request,
            installation.numbering,
            f"file rows {record.id}",
            query,
            lambda after, limit: file_queries.rows_of(transaction, record.id, after or 0, limit, query.outcome),
            attrgetter("number"),
        )
    return page_answer(request, "rows", [fill(FileRow, each, column=each.column_name) for each in found], following)


@router.get(
    "/v1/files/{id}/content",
    summary="Download a file's bytes",
    responses={
        **describe(404),
        200: {
            "description": "The exact bytes. A download that ends early is cut off before its announced length, or its "
            "last chunk, so that a client notices.",
            "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
def download_file(
    caller: Annotated[Caller, may(Scope.ORDERS_READ_PII)], installation: ThisInstallation, given: FileId
) -> Response:
    """The bytes as they went out or came in. They hold personal data, so the token needs `orders:read:pii`."""
    with installation.ledger.read() as transaction:
        record = _find(transaction, installation, caller, given)
    archive = open_archive(installation.settings, installation.keys)
    if record.sha256 is None or not _has(archive, record.sha256):
        detail = "The bytes of this file are not kept: they were purged, or it was too large to be read."
        raise Problem(404, "no_content", detail, errors=[{"parameter": "id", "message": "no bytes are kept"}])
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(record.name)}",
        "Content-Length": str(record.size),
        "Cache-Control": NO_STORE,
    }
    return StreamingResponse(archive.read(record.sha256), headers=headers, media_type="text/csv; charset=utf-8")


def _has(archive: Archive, sha256: str) -> bool:
    try:
        return archive.has(sha256)
    except OSError:
        detail = "The archive of files cannot be reached; try again later."
        raise Problem(503, "archive_unreachable", detail, headers={"Retry-After": "60"}) from None


def _find(transaction: Transaction, installation: ApiInstallation, caller: Caller, given: str) -> FileRecord:
    number = number_of(given, installation, caller, Numbered.FILE)
    record = None if number is None else file_queries.find(transaction, number, caller.visible_channels)
    if record is None:
        raise not_found("id", "There is no such file for this token.", "unknown_file")
    return record


def _document(installation: ApiInstallation, caller: Caller, record: FileRecord) -> dict[str, Any]:
    details = record.details
    same_as = details.get("same_as")
    return fill(
        FileDocument,
        record,
        id=installation.numbering.id(Numbered.FILE, record.id),
        number=record.id if caller.sees_all_channels else None,
        storage=record.storage or None,
        split=details.get("split") or {},
        encoding=details.get("encoding"),
        delimiter=details.get("delimiter"),
        unknown_columns=details.get("unknown_columns") or [],
        same_as=None if same_as is None else installation.numbering.id(Numbered.FILE, same_as),
    )

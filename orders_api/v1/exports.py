"""Bulk downloads of orders: tables as CSV or a workbook, NDJSON documents, Parquet lines.

They are read from the ledger, a few hundred orders at a time by keyset, and not from the lake: so an export holds exactly the
orders that the list shows under the same filters, at the same moment, and no reading transaction lasts longer than a chunk.
Memory stays flat, whatever the size. Files for partners on SFTP and the like are made by the pipeline, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from orders_api.kit.answers import NO_STORE
from orders_api.kit.auth import MayRead
from orders_api.kit.conversion import converted
from orders_api.kit.errors import Problem, describe
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.v1.export_tables import (
    ExportColumns,
    ExportTable,
    SummaryColumn,
    csv_pieces,
    source_table,
    summary_table,
    whole_table,
    workbook_pieces,
)
from orders_api.v1.order_filters import OrderFilterQuery
from warehouse.clock import iso
from warehouse.ledger.book import order_queries, order_tally
from warehouse.templates import ExtraColumn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.book.order_filter import OrderFilter, Sort

router = resource("Orders")

Json = dict[str, Any]
PARQUET_WRITER = "orders_api.v1.parquet_writer"
MOST_OF_A_WORKBOOK = 100_000
"""Orders; writing them takes a minute, and opening them as long."""


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    XLSX = "xlsx"
    NDJSON = "ndjson"
    PARQUET = "parquet"


MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
    ExportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


class OrderExportQuery(OrderFilterQuery):
    """The filters of the list, and the format."""

    format: ExportFormat = Field(
        description="`csv` and `xlsx`: rows with `columns`; `ndjson`: one document a line; `parquet`: one typed row a line.",
        examples=["csv"],
    )
    columns: ExportColumns = Field(
        ExportColumns.SOURCE,
        description="Of `csv` and `xlsx`. `source`: those of an order file, a row for each line; `summary`: a row for each "
        "order; `all`: everything that is told, a row for each line.",
        examples=["summary"],
    )
    column: list[ExtraColumn] = Field(
        [], description="Of `source`: columns behind those of every order file; may be repeated.", examples=["item_id"]
    )
    summary: list[SummaryColumn] = Field(
        [], description="Of `summary`: only these columns, beside the ids; may be repeated.", examples=["status"]
    )
    quoted: bool = Field(
        False,
        description="Of `csv`: texts with which a table program would begin to compute have an apostrophe in front.",
        examples=[True],
    )

    def table(self) -> ExportTable:
        """The columns."""
        match self.columns:
            case ExportColumns.SOURCE:
                return source_table(tuple(dict.fromkeys(self.column)))
            case ExportColumns.SUMMARY:
                return summary_table(self.summary)
            case ExportColumns.ALL:
                return whole_table()


@dataclass(frozen=True, slots=True)
class Export:
    """What to export, for whom."""

    installation: ApiInstallation
    wanted: OrderFilter
    sort: Sort
    may_read_pii: bool
    table: ExportTable
    is_quoted: bool = False

    def chunks(self) -> Iterator[list[bytes]]:
        """The documents, a chunk at a time."""
        shape = self.installation.shape(with_parties=self.may_read_pii)
        for rows in order_queries.scan(shape, self.installation.ledger, self.wanted, self.sort):
            yield self.installation.texts(rows, with_parties=self.may_read_pii)

    def orders(self) -> Iterator[list[Json]]:
        """The same, read."""
        return ([orjson.loads(text) for text in texts] for texts in self.chunks())


@router.get(
    "/v1/orders/export",
    summary="Download orders in bulk",
    responses={
        **describe(404),
        200: {
            "description": "The orders that the list finds with the same filters. A download that ends early is cut off "
            "without its last chunk, so that a client notices.",
            "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()},
        },
    },
)
def export_orders(
    caller: MayRead, installation: ThisInstallation, query: Annotated[OrderExportQuery, Query()]
) -> Response:
    """All orders that the filters find, streamed. Personal data is there only with the scope `orders:read:pii`."""
    with installation.ledger.read() as transaction:
        export = prepare(transaction, installation, query, caller.visible_channels, may_read_pii=caller.may_read_pii)
    return answer(export, query.format)


def prepare(
    transaction: Transaction,
    installation: ApiInstallation,
    query: OrderExportQuery,
    visible_channels: tuple[str, ...] | None,
    *,
    may_read_pii: bool,
) -> Export:
    """What is exported to a reader who may see these channels.

    Raises:
        Problem: 404; 422 `too_many_orders` for a workbook.
    """
    wanted = query.as_filter(transaction, visible_channels, installation)
    if query.format is ExportFormat.XLSX and order_tally.count(transaction, wanted) > MOST_OF_A_WORKBOOK:
        detail = f"A workbook holds {MOST_OF_A_WORKBOOK:,} orders at most: narrow the filters, or take CSV or Parquet."
        raise Problem(422, "too_many_orders", detail)
    return Export(installation, wanted, query.sort, may_read_pii, query.table(), query.quoted)


def answer(export: Export, way: ExportFormat) -> Response:
    """The download."""
    stamp = iso(export.installation.clock()).replace(":", "-")
    headers = {
        "Content-Disposition": f'attachment; filename="orders_export_{stamp}.{way.value}"',
        "Cache-Control": NO_STORE,
    }
    return StreamingResponse(WRITERS[way](export), headers=headers, media_type=MEDIA_TYPES[way])


def _csv(export: Export) -> Iterator[bytes]:
    return csv_pieces(export.table, export.orders(), is_quoted=export.is_quoted)


def _xlsx(export: Export) -> Iterator[bytes]:
    return workbook_pieces(export.table, export.orders())


def _ndjson(export: Export) -> Iterator[bytes]:
    for texts in export.chunks():
        yield b"".join(b"%b\n" % text for text in texts)


async def _parquet(export: Export) -> AsyncIterator[bytes]:
    """Written by a process of its own: Arrow keeps hundreds of megabytes, and turning texts into columns takes long."""
    async for piece in converted(PARQUET_WRITER, _ndjson(export)):
        yield piece


WRITERS: Mapping[ExportFormat, Callable[[Export], Iterator[bytes] | AsyncIterator[bytes]]] = {
    ExportFormat.CSV: _csv,
    ExportFormat.XLSX: _xlsx,
    ExportFormat.NDJSON: _ndjson,
    ExportFormat.PARQUET: _parquet,
}

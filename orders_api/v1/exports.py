"""Bulk downloads of orders: tables as CSV or a workbook, NDJSON documents, Parquet lines.

They are read from the ledger, a thousand orders at a time by keyset, and not from the lake: so an export holds exactly the
orders that the list shows under the same filters, at the same moment, and no reading transaction lasts longer than a chunk.
Memory stays flat, whatever the size. Files for partners on SFTP and the like are made by the pipeline, not here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from orders_api.kit.answers import NO_STORE
from orders_api.kit.auth import MayRead
from orders_api.kit.errors import Problem, describe
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.v1.export_tables import (
    LINES,
    ExportColumns,
    ExportTable,
    SummaryColumn,
    csv_pieces,
    source_table,
    summary_table,
    whole_columns,
    whole_table,
    workbook_pieces,
)
from orders_api.v1.order_filters import OrderFilterQuery
from warehouse.clock import iso
from warehouse.ledger.book import order_queries, order_tally
from warehouse.members import Described, Kind
from warehouse.templates import ExtraColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.book.order_filter import OrderFilter, Sort

router = resource("Orders")

Json = dict[str, Any]
AMOUNT_DIGITS, AMOUNT_PLACES = 38, 10
LARGEST_INTEGER = 2**63 - 1
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


ROW_GROUP_CHUNKS = 10
"""Chunks of orders in one row group: small ones would make the file slow to read."""


def _parquet(export: Export) -> Iterator[bytes]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - 60 MB of memory that a process without Parquet exports does not need

    sink = _Drain()
    with pq.ParquetWriter(sink, _parquet_schema(), compression="zstd") as writer:
        chunks = export.chunks()
        while group := list(islice(chunks, ROW_GROUP_CHUNKS)):
            orders = [orjson.loads(text) for texts in group for text in texts]
            writer.write_table(_parquet_table(orders))
            yield sink.taken()
    yield sink.taken()


def _parquet_table(orders: Sequence[Json]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The lines of the orders, column by column; texts become moments and amounts in Arrow, which is ten times faster."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    pairs = [(order, line) for order in orders for line in order[LINES]]
    wholes = {"order": [order for order, _ in pairs], "line": [line for _, line in pairs]}
    columns = []
    for each in whole_columns():
        values = wholes[each.part] if each.part in wholes else [order[each.part] for order, _ in pairs]
        for part in each.leaf.path:
            values = [value and value.get(part.name) for value in values]
        columns.append(_column(values, each.leaf.member))
    return pa.Table.from_arrays(columns, schema=_parquet_schema())


def _column(values: list[Any], of: Described) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - as above

    kind = _arrow_type(of)
    cells = [None if value is None else _plain(of, value) for value in values]
    if of.kind in _CAST and not of.is_list:
        return pa.array(cells, pa.string()).cast(kind)
    return pa.array(cells, kind)


def _plain(of: Described, value: Any) -> Any:  # noqa: ANN401 - a member's value
    """A value as Arrow takes it; within a list, amounts and moments are objects, since Arrow casts no text there."""
    match of.kind:
        case Kind.TEXT | Kind.FLAG:
            return value
        case Kind.NUMBER:
            return _number(value)
        case Kind.AMOUNT:
            return _amount(value)
        case Kind.MOMENT:
            return value
        case Kind.JSON:
            return orjson.dumps(value).decode()
        case Kind.RECORD:
            return [{own.name: _within(own, each.get(own.name)) for own in of.members} for each in value]


def _within(of: Described, value: Any) -> Any:  # noqa: ANN401 - a member's value
    cell = None if value is None else _plain(of, value)
    if cell is None or of.kind not in _CAST:
        return cell
    return Decimal(cell) if of.kind is Kind.AMOUNT else datetime.fromisoformat(cell)


_CAST = frozenset({Kind.AMOUNT, Kind.MOMENT})
"""Texts in the document that are something else in Arrow, which turns a whole column of them ten times faster."""


@cache
def _parquet_schema() -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.schema(
        [
            pa.field(each.name, _arrow_type(each.leaf.member), metadata={"comment": each.leaf.member.about.meaning})
            for each in whole_columns()
        ]
    )


def _arrow_type(of: Described) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - as above

    match of.kind:
        case Kind.TEXT | Kind.JSON:
            kind = pa.string()
        case Kind.NUMBER:
            kind = pa.int64()
        case Kind.FLAG:
            kind = pa.bool_()
        case Kind.MOMENT:
            kind = pa.timestamp("us", tz="UTC")
        case Kind.AMOUNT:
            kind = pa.decimal128(AMOUNT_DIGITS, AMOUNT_PLACES)
        case Kind.RECORD:
            kind = pa.struct([(own.name, _arrow_type(own)) for own in of.members])
    return pa.list_(kind) if of.is_list else kind


class _Drain(io.RawIOBase):
    """A file for a writer that only appends; what was written is taken out piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _amount(text: str | None) -> str | None:
    """An amount that fits the column; an absurd one is left to the documents, which carry it as it came.

    >>> _amount("39.90"), _amount("1" * 40), _amount("0.00000000001")
    ('39.90', None, None)
    """
    if text is None:
        return None
    whole, _, places = text.lstrip("-").partition(".")
    return text if len(whole) <= AMOUNT_DIGITS - AMOUNT_PLACES and len(places) <= AMOUNT_PLACES else None


def _number(number: int | None) -> int | None:
    return number if number is not None and abs(number) <= LARGEST_INTEGER else None


WRITERS: Mapping[ExportFormat, Callable[[Export], Iterator[bytes]]] = {
    ExportFormat.CSV: _csv,
    ExportFormat.XLSX: _xlsx,
    ExportFormat.NDJSON: _ndjson,
    ExportFormat.PARQUET: _parquet,
}

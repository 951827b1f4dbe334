"""Bulk downloads of orders: CSV with the flat columns of the order export, NDJSON documents, Parquet lines.

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
from orders_api.kit.errors import describe
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.v1.order_filters import OrderFilterQuery
from warehouse.clock import iso
from warehouse.ledger.book import order_queries
from warehouse.members import Described, Kind, Leaf, described, leaves
from warehouse.orders import Order, OwnFacts
from warehouse.templates import ExtraColumn, csv_bytes, order_header, order_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.book.order_filter import OrderFilter, Sort

router = resource("Orders")

Json = dict[str, Any]
AMOUNT_DIGITS, AMOUNT_PLACES = 38, 10
LARGEST_INTEGER = 2**63 - 1


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


class OrderExportQuery(OrderFilterQuery):
    """The filters of the list, and the format."""

    format: ExportFormat = Field(
        description="`csv`: one row a line; `ndjson`: one document a line; `parquet`: one typed row a line.",
        examples=["csv"],
    )
    column: list[ExtraColumn] = Field(
        [], description="Of a CSV: columns behind those of every order file; may be repeated.", examples=["item_id"]
    )


@dataclass(frozen=True, slots=True)
class Export:
    """What to export, for whom."""

    installation: ApiInstallation
    wanted: OrderFilter
    sort: Sort
    may_read_pii: bool
    extra_columns: tuple[ExtraColumn, ...] = ()

    def chunks(self) -> Iterator[list[str]]:
        """The documents, a chunk at a time."""
        for rows, sealed in order_queries.scan(self.installation.ledger, self.wanted, self.sort):
            yield self.installation.documents(rows, sealed if self.may_read_pii else None)


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
        wanted = query.as_filter(transaction, caller.visible_channels, installation)
    export = Export(installation, wanted, query.sort, caller.may_read_pii, tuple(dict.fromkeys(query.column)))
    stamp = iso(installation.clock()).replace(":", "-")
    headers = {
        "Content-Disposition": f'attachment; filename="orders_export_{stamp}.{query.format.value}"',
        "Cache-Control": NO_STORE,
    }
    return StreamingResponse(WRITERS[query.format](export), headers=headers, media_type=MEDIA_TYPES[query.format])


def _csv(export: Export) -> Iterator[bytes]:
    yield csv_bytes([order_header(export.extra_columns)])
    for texts in export.chunks():
        orders = [orjson.loads(text) for text in texts]
        yield csv_bytes(
            [row for order in orders for row in order_rows(order["status"], order, order, export.extra_columns)]
        )


def _ndjson(export: Export) -> Iterator[bytes]:
    for texts in export.chunks():
        yield "".join(f"{text}\n" for text in texts).encode()


@dataclass(frozen=True, slots=True)
class ParquetColumn:
    """A column of the Parquet download: `<part>_<member>`, where the part is the order, its line, or who bought."""

    part: str
    leaf: Leaf

    @property
    def name(self) -> str:
        """Of the column."""
        return f"{self.part}_{self.leaf.name}"


@cache
def parquet_columns() -> tuple[ParquetColumn, ...]:
    """Every described member of the document, one row for each line."""
    order, line, parties = [], [], []
    for each in (*described(Order), *described(OwnFacts)):
        if each.name == LINES:
            line += [ParquetColumn("line", leaf) for leaf in leaves(each.members)]
        elif each.about.is_personal and each.kind is Kind.RECORD:
            parties += [ParquetColumn(each.name, leaf) for leaf in leaves(each.members)]
        else:
            order += [ParquetColumn("order", leaf) for leaf in leaves((each,))]
    return (*order, *line, *parties)


LINES = "lines"

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
    for each in parquet_columns():
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
            for each in parquet_columns()
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
    ExportFormat.NDJSON: _ndjson,
    ExportFormat.PARQUET: _parquet,
}

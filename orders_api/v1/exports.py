"""Bulk downloads of orders: CSV with the flat columns of the order export, NDJSON documents, Parquet lines.

They are read from the ledger, a thousand orders at a time by keyset, and not from the lake: so an export holds exactly the
orders that the list shows under the same filters, at the same moment, and no reading transaction lasts longer than a chunk.
Memory stays flat, whatever the size. Files for partners on SFTP and the like are made by the pipeline, not here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import StreamingResponse

from orders_api.kit.answers import NO_STORE
from orders_api.kit.reading import Reading, Route
from orders_api.v1.order_filters import OrderFilterQuery
from warehouse.clock import iso
from warehouse.ledger.book import order_queries
from warehouse.templates import ExtraColumn, csv_bytes, order_header, order_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.responses import Response

    from orders_api.kit.installation import Installation
    from warehouse.ledger.book.order_queries import OrderFilter, Sort

router = APIRouter(tags=["Orders"])

Json = dict[str, Any]
NOTHING: Json = {}
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

    installation: Installation
    wanted: OrderFilter
    sort: Sort
    may_read_pii: bool
    extra_columns: tuple[ExtraColumn, ...] = ()

    def chunks(self) -> Iterator[list[str]]:
        """The documents, a chunk at a time."""
        for rows, sealed in order_queries.scan(self.installation.ledger, self.wanted, self.sort):
            yield self.installation.documents(rows, sealed if self.may_read_pii else None)


@Route(
    path="/v1/orders/export",
    operation_id="export_orders",
    summary="Download orders in bulk",
    query=OrderExportQuery,
    answer=None,
    problems=(404,),
    responses={
        200: {
            "description": "The orders that the list finds with the same filters. A download that ends early is cut off "
            "without its last chunk, so that a client notices.",
            "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()},
        }
    },
).serve(router)
def export_orders(reading: Reading, query: OrderExportQuery) -> Response:
    """All orders that the filters find, streamed. Personal data is there only with the scope `orders:read:pii`."""
    wanted = query.wanted(reading)
    export = Export(
        reading.installation, wanted, query.sort, reading.caller.may_read_pii, tuple(dict.fromkeys(query.column))
    )
    stamp = iso(reading.installation.clock()).replace(":", "-")
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


TEXT, NUMBER, FLAG, MOMENT, AMOUNT = "text", "number", "flag", "moment", "amount"

PARQUET_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "order": {
        **dict.fromkeys(
            ("id", "original_id", "channel", "marketplace", "status", "marketplace_status", "fulfilled_by"), TEXT
        ),
        **dict.fromkeys(("purchased_at", "marketplace_updated_at", "received_at", "ship_by"), MOMENT),
        "currency": TEXT,
        **dict.fromkeys(("total", "shipping_total", "tax_total"), AMOUNT),
        "is_business": FLAG,
        **dict.fromkeys(("may_not_ship_reason", "shipping_country_code", "split_of", "confirmation_status"), TEXT),
        **dict.fromkeys(("may_ship", "has_errors", "historical"), FLAG),
        **dict.fromkeys(("revision", "position"), NUMBER),
        "pii_state": TEXT,
    },
    "line": {
        **dict.fromkeys(("id", "original_id"), TEXT),
        "number": NUMBER,
        **dict.fromkeys(("sku", "gtin", "title"), TEXT),
        **dict.fromkeys(
            (
                "quantity_ordered",
                "quantity_shipped",
                "quantity_cancelled",
                "quantity_remaining_to_ship",
                "quantity_refunded",
            ),
            NUMBER,
        ),
        "may_ship": FLAG,
        "may_not_ship_reason": TEXT,
        **dict.fromkeys(("unit_price", "source_unit_price", "line_total", "kept_total", "refunded_total"), AMOUNT),
        "marketplace_status": TEXT,
    },
    "customer": dict.fromkeys(("name", "email", "phone", "company"), TEXT),
    "shipping_address": dict.fromkeys(
        ("name", "company", "line_1", "line_2", "line_3", "postal_code", "city", "state", "phone"), TEXT
    ),
}
"""Part of the document → its members and their types; a column is called `<part>_<member>`."""

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

    pairs = [(order, line) for order in orders for line in order["lines"]]
    parts: Mapping[str, list[Json]] = {
        "order": [order for order, _ in pairs],
        "line": [line for _, line in pairs],
        "customer": [order["customer"] or NOTHING for order, _ in pairs],
        "shipping_address": [order["shipping_address"] or NOTHING for order, _ in pairs],
    }
    columns = [
        _column([each.get(member) for each in parts[part]], kind)
        for part, members in PARQUET_COLUMNS.items()
        for member, kind in members.items()
    ]
    return pa.Table.from_arrays(columns, schema=_parquet_schema())


def _column(values: list[Any], kind: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - as above

    arrow_type = _arrow_types()[kind]
    match kind:
        case "moment":
            return pa.array(values, pa.string()).cast(arrow_type)
        case "amount":
            return pa.array([_amount(each) for each in values], pa.string()).cast(arrow_type)
        case "number":
            return pa.array([_number(each) for each in values], arrow_type)
        case _:
            return pa.array(values, arrow_type)


def _parquet_schema() -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - as above

    types = _arrow_types()
    return pa.schema(
        [
            (f"{part}_{member}", types[kind])
            for part, members in PARQUET_COLUMNS.items()
            for member, kind in members.items()
        ]
    )


def _arrow_types() -> Mapping[str, Any]:
    import pyarrow as pa  # noqa: PLC0415 - as above

    return {
        TEXT: pa.string(),
        NUMBER: pa.int64(),
        FLAG: pa.bool_(),
        MOMENT: pa.timestamp("us", tz="UTC"),
        AMOUNT: pa.decimal128(AMOUNT_DIGITS, AMOUNT_PLACES),
    }


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

"""The shapes of files that were exchanged, and of their rows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from orders_api.schemas.vocabulary import FILE_ID, ORDER_ID, RECEIVED_AT, ListPage, Shape
from warehouse.ledger.exchange.file_records import RowOutcome
from warehouse.ledger.settings.file_jobs import JobKind


class FileDocument(Shape):
    """A file that was written to a storage or read from one."""

    id: str = Field(description="Id of the file, the same for good.", examples=[FILE_ID])
    number: int | None = Field(
        description="Its number in commands; null for a token that is limited to channels.", examples=[12]
    )
    direction: JobKind = Field(description="`export`: an order file; `import`: a shipment file.", examples=["export"])
    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    storage: str | None = Field(
        description="Code of the storage; null when it was handed over by hand.", examples=["erp"]
    )
    folder: str = Field(description="Folder at the storage.", examples=["out"])
    name: str = Field(
        description="Name of the file.", examples=["orders_export_amazon_fr_2026-11-02T09-30-00.000Z.csv"]
    )
    state: Literal["planned", "uploaded", "given_up", "received", "applied", "refused", "repeated"] = Field(
        description="An order file is `planned`, then `uploaded`; one that was `given_up` is never sent, and its orders are in "
        "a later file. A shipment file is `received`, then `applied` row by row, "
        "`refused` as a whole, or `repeated`: the same bytes were read before.",
        examples=["uploaded"],
    )
    size: int = Field(description="Bytes.", examples=[18231])
    sha256: str | None = Field(
        description="SHA-256 of the bytes, in hex; null when they were too many to be read.",
        examples=["9f86d081884c7d65"],
    )
    rows: int = Field(description="Rows below the header.", examples=[120])
    orders: int = Field(description="Orders in it.", examples=[97])
    split: dict[str, str | None] = Field(
        description="What the orders of the file have in common when an export is split: `fulfilled_by`, `country_code`.",
        examples=[{"country_code": "FR"}],
    )
    applied: int = Field(description="Rows that became shipments, or changed one.", examples=[118])
    known: int = Field(description="Rows that were known before.", examples=[1])
    refused: int = Field(description="Rows that were refused.", examples=[1])
    encoding: str | None = Field(description="How the text of a shipment file was read.", examples=["utf-8"])
    delimiter: str | None = Field(description="What separates its cells.", examples=[";"])
    unknown_columns: list[str] = Field(description="Columns that were left out.", examples=[["note"]])
    same_as: str | None = Field(description="Id of the earlier file with the same bytes.", examples=[None])
    error_code: str | None = Field(
        description="Why the whole file was refused, or what stands in its way.", examples=[None]
    )
    error: str | None = Field(description="The same in a plain sentence.", examples=[None])
    created_at: datetime = Field(description="When it was made, or read.", examples=[RECEIVED_AT])
    finished_at: datetime | None = Field(
        description="When it was uploaded, or answered and taken away from the storage.", examples=[RECEIVED_AT]
    )


class FilePage(ListPage):
    """A page of files."""

    files: list[FileDocument] = Field(description="Newest first.", examples=[[]])


class FileRow(Shape):
    """What became of one row of a shipment file."""

    number: int = Field(description="Number of the row, from 1, the header not counted.", examples=[7])
    outcome: RowOutcome = Field(description="`applied`, `known` or `refused`.", examples=["refused"])
    order_id: str | None = Field(description="Internal id of the order, when one was found.", examples=[ORDER_ID])
    shipment_id: str | None = Field(description="The shipment; null when refused.", examples=[None])
    code: str | None = Field(description="Why it is refused, in one stable word.", examples=["unknown_order"])
    column: str | None = Field(description="The column that it is about.", examples=["original_id"])
    message: str | None = Field(
        description="The same in a plain sentence.", examples=["There is no such order for this sender."]
    )


class FileRowPage(ListPage):
    """A page of rows."""

    rows: list[FileRow] = Field(description="By number.", examples=[[]])

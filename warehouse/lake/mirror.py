"""A mirror of the order tables that needs neither DuckDB nor DuckLake: plain Parquet, or the same files as Iceberg tables.

A mirror is one snapshot of the lake. Its files go into a folder of their own beside those of earlier ones, and `mirror.json`,
which is written last, says which one holds: whoever reads by it sees a whole mirror, whose files stay until two more were made.
Apache Iceberg: https://iceberg.apache.org/spec/
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow.parquet as pq
from pyarrow import fs

from warehouse.clock import iso
from warehouse.lake.attachment import CATALOG
from warehouse.lake.definitions import TABLES
from warehouse.lake.outages import LakeError
from warehouse.s3_access import present_access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MANIFEST = "mirror.json"
MIRRORED = tuple(name for name in TABLES if name not in {"published", "retired_orders"})
"""The marks are ours alone, and `orders` has the retired orders too."""
MONTH_OF = {
    "orders": "purchased_at",
    "order_lines": "purchased_at",
    "order_versions": "recorded_at",
    "raw_orders": "received_at",
    "pulls": "started_at",
}
"""The tables that grow with the orders are a file a month, by this column (UTC)."""
ROWS_AT_ONCE = 20_000
KEPT = 2
"""The mirror that holds and the one before, which somebody may still be reading."""


class MirrorFormat(StrEnum):
    """What a mirror is read as."""

    PARQUET = "parquet"
    ICEBERG = "iceberg"


@dataclass(frozen=True, slots=True)
class MirroredTable:
    """A table of a mirror.

    Attributes:
        rows: How many it has.
        files: Its Parquet files, below the mirror's folder.
        metadata: Of an Iceberg table: its metadata file, below the mirror's folder.
    """

    rows: int
    files: tuple[str, ...]
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """What `mirror.json` says: the snapshot of the lake, when it was mirrored, and the tables by name."""

    format: MirrorFormat
    snapshot: int
    folder: str
    mirrored_at: str
    tables: Mapping[str, MirroredTable]


class MirrorError(LakeError):
    """A mirror cannot be written as asked; the message says why."""


def write_mirror(
    duck: DuckDBPyConnection,
    target: str,
    form: MirrorFormat,
    now: datetime,
    progress: Callable[[str], None] = lambda _table: None,
) -> Mirror:
    """Mirror the newest snapshot of the lake; nothing is written when the mirror has it already.

    Args:
        duck: A reader of the lake.
        target: A folder, or `s3://bucket/prefix` with the AWS_* variables that the lake's files are reached by. It must be
            empty or hold a mirror.
        form: What it is to be read as.
        now: Written into it.
        progress: Told each table before it is written.

    Raises:
        MirrorError: The target holds something else or cannot be written, or pyiceberg is missing.
    """
    try:
        return _write_mirror(duck, target, form, now, progress)
    except OSError as error:
        raise MirrorError(f"{target} cannot be written: {str(error).partition('(Request ID')[0]}") from error


def _write_mirror(
    duck: DuckDBPyConnection, target: str, form: MirrorFormat, now: datetime, progress: Callable[[str], None]
) -> Mirror:
    place = _Place.of(target)
    before = place.manifests()
    snapshot = _newest_snapshot(duck)
    if before and (before[0]["snapshot"], before[0]["format"]) == (snapshot, form.value):
        return _read(before[0])
    duck.execute("SET TimeZone = 'UTC'")
    folder = f"{snapshot}-{secrets.token_hex(4)}"
    tables = {}
    for name in MIRRORED:
        progress(name)
        tables[name] = _write_table(duck, place, folder, name, snapshot)
        if form is MirrorFormat.ICEBERG:
            tables[name] = _as_iceberg(place, folder, name, tables[name])
    made = Mirror(form, snapshot, folder, iso(now), tables)
    place.hold([asdict(made), *before][:KEPT])
    return made


@dataclass(frozen=True, slots=True)
class _Place:
    """Where mirrors are; paths are those of the file system, `address` is how other programs name them."""

    files: fs.FileSystem
    root: str
    address: str
    properties: Mapping[str, str]
    """What pyiceberg reaches it by."""

    @classmethod
    def of(cls, target: str) -> _Place:
        if not target.startswith("s3://"):
            folder = Path(target).absolute()
            return cls(fs.LocalFileSystem(), str(folder), folder.as_uri(), {})
        # many a server refuses uploads whose checksum comes behind them, and Arrow has no setting of its own
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        access = present_access()
        given = {  # as Arrow calls it, as Iceberg does
            ("access_key", "s3.access-key-id"): access.key_id,
            ("secret_key", "s3.secret-access-key"): access.secret,
            ("session_token", "s3.session-token"): access.session_token,
            ("region", "s3.region"): access.region,
            ("endpoint_override", "s3.endpoint"): access.endpoint,
        }
        options = {names[0]: value for names, value in given.items() if value}
        properties = {names[1]: value for names, value in given.items() if value}
        root = target.removeprefix("s3://").rstrip("/")
        return cls(fs.S3FileSystem(**options), root, f"s3://{root}", properties)

    def manifests(self) -> list[dict[str, Any]]:
        """The mirrors that are here, the one that holds first; none where there is nothing yet.

        Raises:
            MirrorError: Something else is here.
        """
        found = self.files.get_file_info(fs.FileSelector(self.root, allow_not_found=True))
        if not found:
            return []
        if MANIFEST not in {each.base_name for each in found}:
            if all(_is_ours(each.base_name) for each in found):
                return []  # one was killed before it was whole
            raise MirrorError(f"{self.address} holds something else than a mirror: name an empty folder")
        with self.files.open_input_stream(f"{self.root}/{MANIFEST}") as manifest:
            holding: dict[str, Any] = orjson.loads(manifest.read())
        return [holding, *holding.pop("earlier")]

    def hold(self, mirrors: list[dict[str, Any]]) -> None:
        """Say which mirror holds, then take away those that are not wanted any more and what a killed one has left."""
        holding, *earlier = mirrors
        self.write(MANIFEST, orjson.dumps({**holding, "earlier": earlier}, option=orjson.OPT_INDENT_2))
        kept = {each["folder"] for each in mirrors}
        for each in self.files.get_file_info(fs.FileSelector(self.root)):
            if _is_ours(each.base_name) and each.base_name not in kept:
                self.files.delete_dir(each.path)

    def write(self, path: str, content: bytes) -> None:
        """Write a small file, whole or not at all."""
        if isinstance(self.files, fs.LocalFileSystem):
            part = Path(self.root, f"{path}.part")
            part.write_bytes(content)
            part.replace(Path(self.root, path))
            return
        with self.files.open_output_stream(f"{self.root}/{path}") as stream:
            stream.write(content)


def _is_ours(name: str) -> bool:
    """Whether a folder is one of a mirror: the snapshot's number, a dash, eight hexadecimal digits.

    >>> _is_ours("1204-0a1b2c3d"), _is_ours("orders")
    (True, False)
    """
    number, _, chance = name.partition("-")
    return number.isdigit() and len(chance) == 8 and all(each in "0123456789abcdef" for each in chance)  # noqa: PLR2004


def _write_table(duck: DuckDBPyConnection, place: _Place, folder: str, name: str, snapshot: int) -> MirroredTable:
    written = [
        (path, _write_file(duck, place, path, f"FROM {name} AT (VERSION => {snapshot}) {condition}"))
        for path, condition in _parts(duck, folder, name, snapshot)
    ]
    return MirroredTable(sum(rows for _, rows in written), tuple(path for path, _ in written))


def _parts(duck: DuckDBPyConnection, folder: str, name: str, snapshot: int) -> Iterator[tuple[str, str]]:
    """The files of a table, and which rows go into each."""
    column = MONTH_OF.get(name)
    if column is None:
        yield f"{folder}/{name}/rows.parquet", ""
        return
    month = f"strftime({column}, '%Y-%m')"
    query = f"SELECT DISTINCT {month} FROM {name} AT (VERSION => {snapshot}) ORDER BY 1"  # noqa: S608 - our names
    months = [row[0] for row in duck.execute(query).fetchall()]
    for each in months or [None]:
        condition = "WHERE false" if each is None else f"WHERE {month} = '{each}'"
        yield f"{folder}/{name}/{each or 'rows'}.parquet", condition


def _write_file(duck: DuckDBPyConnection, place: _Place, path: str, query: str) -> int:
    reader = duck.execute(query).to_arrow_reader(ROWS_AT_ONCE)
    whole = f"{place.root}/{path}"
    if isinstance(place.files, fs.LocalFileSystem):
        place.files.create_dir(str(Path(whole).parent))
    rows = 0
    with pq.ParquetWriter(whole, reader.schema, filesystem=place.files, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _as_iceberg(place: _Place, folder: str, name: str, table: MirroredTable) -> MirroredTable:
    """Make an Iceberg table of files that are there: its metadata names them, and no row is written twice."""
    try:
        from pyiceberg.catalog.memory import InMemoryCatalog  # noqa: PLC0415 - an extra, which few need
    except ImportError as error:
        raise MirrorError(
            "a mirror in Iceberg's format needs pyiceberg: pip install 'orders-syndication[iceberg]'"
        ) from error

    schema: pa.Schema = pq.read_schema(f"{place.root}/{table.files[0]}", filesystem=place.files)
    catalog = InMemoryCatalog("mirror", warehouse=f"{place.address}/{folder}", **place.properties)
    catalog.create_namespace("mirror")
    made = catalog.create_table(("mirror", name), schema, location=f"{place.address}/{folder}/{name}")
    made.add_files([f"{place.address}/{path}" for path in table.files])
    metadata = made.metadata_location.removeprefix(f"{place.address}/")
    hint = metadata.rpartition("/")[2].removesuffix(".metadata.json")
    place.write(f"{folder}/{name}/metadata/version-hint.text", hint.encode())
    return MirroredTable(table.rows, table.files, metadata)


def _newest_snapshot(duck: DuckDBPyConnection) -> int:
    row = duck.execute(f"SELECT max(snapshot_id) FROM {CATALOG}.snapshots()").fetchone()  # noqa: S608 - our name
    assert row is not None
    return int(row[0])


def _read(manifest: Mapping[str, Any]) -> Mirror:
    tables = {
        name: MirroredTable(each["rows"], tuple(each["files"]), each["metadata"])
        for name, each in manifest["tables"].items()
    }
    return Mirror(
        MirrorFormat(manifest["format"]), manifest["snapshot"], manifest["folder"], manifest["mirrored_at"], tables
    )

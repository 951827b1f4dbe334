"""The mirror: other engines read what DuckDB reads, one snapshot of it, and a folder of somebody else's stays as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow.dataset as ds
import pytest
from pyiceberg.table import StaticTable

from warehouse import connect
from warehouse.lake.mirror import MIRRORED, Mirror, MirrorError, MirrorFormat, write_mirror
from warehouse.lake.publishing import publish

if TYPE_CHECKING:
    import pyarrow as pa

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def published(any_shop, any_lake):
    """A lake with orders of two months."""
    any_shop.add_channel()
    any_shop.settle(any_shop.order(1), any_shop.order(2, purchased_at=NOW - timedelta(days=40)))
    publish(any_shop.ledger, any_lake, NOW)
    return any_shop


def mirrored(settings: Any, folder: Path, form: MirrorFormat) -> Mirror:
    with connect(settings) as lake:
        return write_mirror(lake, str(folder), form, NOW)


def of_lake(settings: Any, name: str) -> list[dict[str, Any]]:
    with connect(settings) as lake:
        lake.execute("SET TimeZone = 'UTC'")
        return lake.execute(f"FROM {name} ORDER BY ALL").to_arrow_table().to_pylist()


def sorted_rows(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: orjson.dumps(row, default=str))


def read(folder: Path, name: str) -> pa.Table:
    """As a reader does that knows `mirror.json` alone."""
    table = orjson.loads((folder / "mirror.json").read_bytes())["tables"][name]
    if table["metadata"] is not None:
        return StaticTable.from_metadata(str(folder / table["metadata"])).scan().to_arrow()
    return ds.dataset([folder / path for path in table["files"]]).to_table()


@pytest.mark.parametrize("form", MirrorFormat)
def test_other_engines_read_every_table(published, any_settings, tmp_path, form):
    made = mirrored(any_settings, tmp_path / "mirror", form)
    assert len(made.tables["orders"].files) == 2
    for name in MIRRORED:
        found = sorted_rows(read(tmp_path / "mirror", name))
        assert found == sorted(of_lake(any_settings, name), key=lambda row: orjson.dumps(row, default=str)), name
        assert made.tables[name].rows == len(found)


@pytest.mark.parametrize("form", MirrorFormat)
def test_it_is_written_anew_only_where_something_is_new(published, any_settings, any_lake, tmp_path, form):
    folder = tmp_path / "mirror"
    first = mirrored(any_settings, folder, form)
    assert mirrored(any_settings, folder, form) == first
    for number in (3, 4):
        published.settle(published.order(number))
        publish(published.ledger, any_lake, NOW)
        last = mirrored(any_settings, folder, form)
        assert len(read(folder, "orders")) == number
    folders = {each.name for each in folder.iterdir() if each.is_dir()}
    assert len(folders) == 2
    assert last.folder in folders
    assert first.folder not in folders


def test_what_a_killed_one_left_goes_with_the_next(published, any_settings, tmp_path):
    folder = tmp_path / "mirror"
    left = folder / "7-0a1b2c3d" / "orders"
    left.mkdir(parents=True)
    (left / "2026-11.parquet").write_bytes(b"PAR1")
    made = mirrored(any_settings, folder, MirrorFormat.PARQUET)
    assert {each.name for each in folder.iterdir()} == {"mirror.json", made.folder}


def test_a_folder_of_somebody_else_stays_as_it_is(published, any_settings, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(MirrorError, match="holds something else than a mirror"):
        mirrored(any_settings, tmp_path, MirrorFormat.PARQUET)
    assert (tmp_path / "thesis.tex").read_text() == "x"

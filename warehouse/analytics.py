"""The analysts' one-line entry: `warehouse.connect().sql("select * from orders_to_ship").df()`.

What is in the lake is in `warehouse.lake.definitions`. Any DuckDB reaches the same lake without this package; with the catalog
in SQLite:

    INSTALL ducklake; INSTALL sqlite;
    ATTACH 'ducklake:sqlite:data/lake/catalog.sqlite' AS lake (READ_ONLY);
    USE lake;

and with the catalog in PostgreSQL, here with the variables that libpq reads (PGHOST, PGDATABASE, PGUSER, PGPASSWORD…):

    INSTALL ducklake; INSTALL postgres;
    ATTACH 'ducklake:postgres:' AS lake (METADATA_SCHEMA 'lake', READ_ONLY);
    USE lake;

The connection is this Python process's own and no boundary: whoever runs code here reads what the process may read. `orders
sql` takes one SELECT over the order tables and nothing else (`warehouse.lake.queries`).

Readers hold no lock that a writer waits for. A query may run for a day: only then are files deleted that its snapshot reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.lake.attachment import connect_reader
from warehouse.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def connect(settings: Settings | None = None) -> DuckDBPyConnection:
    """A DuckDB connection to the lake, read-only, with its tables and views at hand without a prefix.

    Days are those of ORDERS_TIME_ZONE; `SET TimeZone = '…'` changes that for the connection.

    Args:
        settings: Where the lake is; default: this process's environment.

    Raises:
        LakeEmptyError: Nothing was published yet.
        LakeError: The catalog or an extension is out of reach.
    """
    return connect_reader(settings or Settings())

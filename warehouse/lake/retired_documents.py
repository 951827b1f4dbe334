"""Reading retired orders back from the lake, a page of them at a time.

DuckDB is loaded when the first of them is asked for: most installations have none. How they come here is in `retirement`.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from warehouse.lake.outages import LakeError
from warehouse.ledger.book.retired_orders import RetiredOrdersUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from warehouse.settings import Settings

TABLE = "lake.retired_orders"
MEMORY = "256MB"
THREADS = 2
ANSWER_SECONDS = 5
"""How long a request of a file may take, tried twice: whoever reads may be a client, or hold the ledger's write lock."""


class LakeDocuments:
    """Retired orders of an installation, read from its lake; safe to share between threads.

    The lake is opened when it is asked for first, and stays open; after an error it is opened anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening = threading.Lock()
        self._duck: DuckDBPyConnection | None = None

    def facts(self, keys: Sequence[int]) -> Mapping[int, str]:
        """The rendered facts of orders, by their keys.

        Raises:
            RetiredOrdersUnreadable: The lake cannot be read.
        """
        return dict(self._rows("order_key", "facts", keys))

    def payloads(self, seqs: Sequence[int]) -> Mapping[int, bytes]:
        """The payloads without personal data that orders were last read from, as JSON, by seq.

        Raises:
            RetiredOrdersUnreadable: The lake cannot be read.
        """
        return {seq: text.encode() for seq, text in self._rows("raw_seq", "payload", seqs)}

    def close(self) -> None:
        """Let go of the lake."""
        with self._opening:
            duck, self._duck = self._duck, None
        if duck is not None:
            duck.close()

    def _rows(self, number: str, column: str, wanted: Sequence[int]) -> list[tuple[int, str]]:
        import duckdb  # noqa: PLC0415 - see above

        try:
            with self._cursor() as cursor:
                return cursor.execute(query_of(f"{number}, {column}", number, wanted)).fetchall()
        except (duckdb.Error, LakeError) as error:
            self.close()
            raise RetiredOrdersUnreadable("the order tables, where retired orders stand, cannot be read now") from error

    @contextmanager
    def _cursor(self) -> Iterator[DuckDBPyConnection]:
        from warehouse.lake.attachment import connect_reader  # noqa: PLC0415 - as above

        with self._opening:
            if self._duck is None:
                self._duck = connect_reader(self._settings)
                self._duck.execute(f"SET memory_limit = '{MEMORY}'")
                self._duck.execute(f"SET threads = {THREADS}")
                if "://" in self._settings.lake_files:
                    self._duck.execute(f"SET http_timeout = {ANSWER_SECONDS}")
                    self._duck.execute("SET http_retries = 1")
            cursor = self._duck.cursor()
        try:
            yield cursor
        finally:
            cursor.close()


def query_of(columns: str, number: str, wanted: Sequence[int]) -> str:
    """The rows with one of these numbers."""
    return f"SELECT {columns} FROM {TABLE} WHERE {among(number, wanted)}"  # noqa: S608 - our names, numbers


def among(number: str, wanted: Sequence[int]) -> str:
    """Numbers among these; their bounds let the lake pass over files and groups of rows, which a list alone does not."""
    listed = ", ".join(str(int(each)) for each in wanted)
    return f"{number} BETWEEN {min(wanted)} AND {max(wanted)} AND {number} IN ({listed})"

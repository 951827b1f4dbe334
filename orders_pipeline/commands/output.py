"""How every command speaks: data on standard output, everything else on standard error, one set of exit codes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Row = Mapping[str, Any] | NamedTuple

WIDE = 200
"""Columns where no terminal says its own: tables in files are not squeezed."""

answers = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
"""Standard output: what was asked for."""
notes = Console(stderr=True, soft_wrap=True)
"""Standard error: progress, notes, failures."""


BORDER = 3
"""Columns of a terminal that a table's column takes besides its text."""


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    CONFIGURATION = 4
    UNAUTHORISED = 5
    UNAVAILABLE = 6
    CHECK_FAILED = 7


def fail(message: str, code: Exit = Exit.FAILED) -> typer.Exit:
    """Say why on standard error; raise what is returned."""
    notes.print(message, style="red", markup=False)
    return typer.Exit(code)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """One JSON value as one line on standard output."""
    sys.stdout.buffer.write(orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows for people on standard output: as a table where every word fits whole, else one member a line.

    An id that is cut cannot be copied: texts are wrapped between their words, and nothing is ever left out.
    """
    cells = [[_cell(each) for each in row] for row in rows]
    narrowest = [_longest_word([name, *(row[place] for row in cells)]) for place, name in enumerate(columns)]
    if sum(narrowest) + BORDER * len(columns) + 1 > answers.width:
        _print_members(title, columns, cells)
        return
    table = Table(title=title, title_justify="left")
    for name, width in zip(columns, narrowest, strict=True):
        table.add_column(Text(name), min_width=width, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    answers.print(table)


def _longest_word(texts: Sequence[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=1)


def _print_members(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    if title:
        answers.print(title, markup=False, style="italic")
    width = max(map(cell_len, columns))
    for row in cells:
        answers.rule(style="dim")
        for name, text in zip(columns, row, strict=True):
            answers.print(Text(name.ljust(width + 2), "bold").append(text, "not bold") if text else Text(name, "bold"))


def print_rows(title: str, rows: Sequence[Row], columns: Sequence[str], as_json: bool) -> None:  # noqa: FBT001 - the user's --json
    """Rows as a table, or as one JSON line each."""
    found = [members_of(row) for row in rows]
    if as_json:
        for members in found:
            print_json(members)
        return
    print_table(title, columns, [[members[name] for name in columns] for members in found])


def members_of(row: Row) -> dict[str, Any]:
    """The members of a row by their names; the ledger's are a subclass of str."""
    return {str(name): value for name, value in (row.items() if isinstance(row, Mapping) else row._asdict().items())}


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[tuple[Progress, Any]]:
    """A progress bar on standard error, shown only to a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as bar:
        yield bar, bar.add_task(label, total=total)


def instant(text: str) -> datetime:
    """A time typed by a person: ISO 8601, a date meaning its first instant in UTC.

    Raises:
        typer.BadParameter: Anything else.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no ISO 8601 date or time, such as 2026-11-01 or 2026-11-01T08:00:00Z"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _cell(value: Any) -> str:  # noqa: ANN401 - any cell
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(str(each) for each in value)
    return str(value)

"""`python -m tests.benchmarks [NAME…]`: runs the benchmarks and prints one table on stdout, with the machine below it.

Progress goes to stderr. What is measured is said in the module of each benchmark.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    api_reading,
    api_writing,
    confirmation_backlog,
    console_pages,
    dlt_comparison,
    files,
    freshness,
    growth,
    idle_sensors,
    idle_ticks,
    known_orders,
    normalising,
    publishing,
    pulling,
    requests,
    retired_orders,
    sharded_ticks,
    shipment_intake,
    starts,
)
from tests.benchmarks.measuring import DEFAULT, FULL, STORES, TINY, Figure, Workshop, machine

BENCHMARKS: Mapping[str, Callable[[Workshop], list[Figure]]] = {
    "normalise": normalising.measure,
    "known": known_orders.measure,
    "pull": pulling.measure,
    "dlt": dlt_comparison.measure,
    "api": api_reading.measure,
    "console": console_pages.measure,
    "growth": growth.measure,
    "publish": publishing.measure,
    "retired": retired_orders.measure,
    "idle": idle_ticks.measure,
    "shards": sharded_ticks.measure,
    "sensors": idle_sensors.measure,
    "writes": api_writing.measure,
    "intake": shipment_intake.measure,
    "backlog": confirmation_backlog.measure,
    "requests": requests.measure,
    "files": files.measure,
    "starts": starts.measure,
    "freshness": freshness.measure,
}
COLUMNS = ("benchmark", "size", "ours", "reference", "ratio", "target", "met?")
EXACT_FROM = 100
"""From here on a figure is shown without decimals."""

MET = {True: "yes", False: "NO", None: ""}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; returns the exit code."""
    asked = _parser().parse_args(arguments)
    notes = Console(stderr=True, highlight=False)
    sizes = FULL if asked.full else TINY if asked.tiny else DEFAULT
    described = machine()
    figures: list[Figure] = []
    began = time.monotonic()

    def say(text: str) -> None:
        notes.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {text}")

    for name in asked.names or BENCHMARKS:
        say(f"[bold]{name}[/bold]")
        with tempfile.TemporaryDirectory(prefix="orders-bench-") as folder:
            workshop = Workshop(Path(folder), sizes, say, asked.books, tuple(asked.store or STORES))
            figures += BENCHMARKS[name](workshop)
    if asked.json:
        rows = [{**asdict(each), "ratio": each.ratio, "met": each.is_met} for each in figures]
        sys.stdout.write(json.dumps({"figures": rows, "machine": described}, indent=2) + "\n")
    else:
        _print(figures, described)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="The benchmarks of the design.")
    parser.add_argument("names", nargs="*", metavar="NAME", type=_known, help=f"Only these: {', '.join(BENCHMARKS)}.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="A million orders; needs 25 GB of disk.")
    size.add_argument("--tiny", action="store_true", help="Only to see that they run: the figures mean nothing.")
    parser.add_argument(
        "--store", action="append", choices=STORES, help="Only on this database, of what is measured on both."
    )
    parser.add_argument("--books", type=Path, help="A folder where filled books are kept for the next run.")
    parser.add_argument("--json", action="store_true", help="Print JSON.")
    return parser


def _known(name: str) -> str:
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"there is no benchmark {name!r}")
    return name


def _print(figures: Sequence[Figure], described: Mapping[str, str]) -> None:
    answers = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    table = Table(pad_edge=False, box=None)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in {"benchmark", "reference"} else "right")
    for each in figures:
        table.add_row(*_cells(each), style="red" if each.is_met is False else None)
    answers.print(table)
    answers.print()
    for name, value in described.items():
        answers.print(f"{name:>12}  {value}")


def _cells(figure: Figure) -> tuple[str, ...]:
    reference = "" if figure.reference is None else f"{_number(figure.reference)} {figure.unit}: {figure.against}"
    return (
        figure.benchmark,
        figure.size,
        f"{_number(figure.value)} {figure.unit}",
        reference,
        "" if figure.ratio is None else f"{figure.ratio:.2f}×",
        "" if figure.target is None else f"{figure.target.sense} {figure.target.limit:,g}",
        MET[figure.is_met],
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= EXACT_FROM else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())

"""Plots: lines and bars as the numbers that a drawing needs, and the same figures as a table."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10
from typing import TYPE_CHECKING

from orders_api.console.kit.texts import _

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 22
"""Room around the drawing, for the numbers at its sides."""
LINES = 4
"""Of the grid, at most."""
LABELS = 7
"""Of times below the drawing, at most."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A number at the side, or a time below: where it stands."""

    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A line by its name: the corners of its parts, which are apart where nothing is known."""

    name: str
    parts: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class PlottedBar:
    """A bar, with what it says."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot.

    Attributes:
        id: Unique on the page.
        title: What is plotted.
        about: What can be seen, in a sentence.
        width, height: Of the drawing.
        curves: Its lines.
        bars: Its bars.
        sides: The numbers at its side, each with a line of the grid.
        times: The times below.
        columns: The heads of the table.
        rows: The same figures.
    """

    id: str
    title: str
    about: str
    width: int
    height: int
    curves: tuple[Curve, ...]
    bars: tuple[PlottedBar, ...]
    sides: tuple[Tick, ...]
    times: tuple[Tick, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Figures to be plotted, by their name; None where nothing is known."""

    name: str
    values: Sequence[float | None]


def plot(
    own_id: str, title: str, about: str, times: Sequence[str], series: Sequence[Series], *, as_bars: bool = False
) -> Chart:
    """A plot of figures over time, as lines or as bars."""
    known = [each for one in series for each in one.values if each is not None]
    top = _rounded_up(max([1.0, *known]))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(times))

    def x(number: int) -> float:
        return round(LEFT + step * (number + 0.5), 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top), 1)

    bars = [
        PlottedBar(
            round(x(number) - step * 0.35, 1), y(value), round(step * 0.7, 1), round(y(0) - y(value), 1), _said(value)
        )
        for number, value in enumerate(series[0].values if as_bars else ())
        if value
    ]
    every = ceil(len(times) / LABELS)
    return Chart(
        id=own_id,
        title=title,
        about=about,
        width=WIDTH,
        height=HEIGHT,
        curves=() if as_bars else tuple(_curve(each, x, y) for each in series),
        bars=tuple(bars),
        sides=tuple(Tick(_said(top * n / LINES), LEFT, y(top * n / LINES)) for n in range(LINES + 1)),
        times=tuple(Tick(text, x(number), HEIGHT - 6) for number, text in enumerate(times) if number % every == 0),
        columns=(_("When"), *(each.name for each in series)),
        rows=tuple((text, *(_said(one.values[number]) for one in series)) for number, text in enumerate(times)),
    )


def _curve(series: Series, x: Callable[[int], float], y: Callable[[float], float]) -> Curve:
    parts: list[list[tuple[float, float]]] = [[]]
    for number, value in enumerate(series.values):
        if value is None:
            parts.append([])
        else:
            parts[-1].append((x(number), y(value)))
    corners = tuple(" ".join(f"{left},{down}" for left, down in part) for part in parts if len(part) > 1)
    return Curve(series.name, corners, tuple(part[0] for part in parts if len(part) == 1))


def _rounded_up(value: float) -> float:
    """A round number that is not smaller, and can be divided by the grid.

    >>> [_rounded_up(each) for each in (1, 3, 17, 480)]
    [4.0, 4.0, 20.0, 800.0]
    """
    unit = 10 ** int(log10(value))
    return next(float(unit * n) for n in (1, 2, 4, 8, 10, 20) if unit * n >= value and unit * n >= LINES)


def _said(value: float | None) -> str:
    """A figure for people.

    >>> _said(None), _said(12.0), _said(0.256)
    ('not told', '12', '0.26')
    """
    if value is None:
        return _("not told")
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}".rstrip("0")

"""What every list has around its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Record = dict[str, str | int | bool | None]
"""A row for programs: its members by their names."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the path of the list without it."""

    label: str
    path: str


@dataclass(frozen=True, slots=True)
class FilterValue:
    """One value of a filter: as the address has it, as people read it, whether it is chosen."""

    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of a list.

    Attributes:
        name: Its parameter.
        label: What people read.
        choices: Its values, several of which may be chosen.
        is_multiple: Whether that is so; else one of them is, with a value for "all".
        text: What is typed, of a filter without choices; None for one with choices.
        example: What may be typed.
        is_more: Whether it stands among those that are asked for seldom.
    """

    name: str
    label: str
    choices: tuple[FilterValue, ...] = ()
    is_multiple: bool = True
    text: str | None = None
    example: str = ""
    is_more: bool = False

    @property
    def chosen(self) -> int:
        """How many values are chosen."""
        return sum(each.is_chosen and each.value != "" for each in self.choices) + bool(self.text)


@dataclass(frozen=True, slots=True)
class Around:
    """What is around the rows.

    Attributes:
        path: The list's own, below the console.
        filters: The filters that it offers.
        chips: Those that are set.
        clear: The list without any.
        ignored: What of the address was not understood.
        first: The first page; None on it.
        following: The next page; None on the last one.
        as_json: The same list for programs.
        as_lines: The same, a line each.
        as_csv: The same list for tables.
        curl: The same question to the API.
        sql: The same question to the order tables; "" where there is none.
        kept: Parameters that the filters' form hands on.
        every: All of them but for the place of a page.
    """

    path: str
    filters: tuple[Filter, ...]
    chips: tuple[Chip, ...]
    clear: str
    ignored: tuple[str, ...]
    first: str | None
    following: str | None
    as_json: str
    as_lines: str
    as_csv: str
    curl: str
    sql: str
    kept: tuple[tuple[str, str], ...]
    every: tuple[tuple[str, str], ...]

    @property
    def more(self) -> tuple[Filter, ...]:
        """The filters that are asked for seldom."""
        return tuple(each for each in self.filters if each.is_more)

    @property
    def chosen_more(self) -> int:
        """How many values of these are chosen."""
        return sum(each.chosen for each in self.more)


class Recorded(Protocol):
    """A row of a list."""

    @property
    def record(self) -> Record:
        """All of it for programs."""


@dataclass(frozen=True, slots=True)
class ShownList:
    """A page that is a list: what programs call it, its rows, and what is around them."""

    name: str
    rows: Sequence[Recorded]
    around: Around

    @property
    def records(self) -> Sequence[Mapping[str, str | int | bool | None]]:
        """The rows for programs."""
        return [each.record for each in self.rows]

    @property
    def following(self) -> str | None:
        """The path of the next page."""
        return self.around.following

    @property
    def is_filtered(self) -> bool:
        """Whether anything narrows it down."""
        return bool(self.around.chips)

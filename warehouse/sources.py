"""Each member of an order beside what it was read from: the payload's members, which the kind of marketplace names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse.members import Described, Kind, described
from warehouse.order_lines import Line
from warehouse.orders import Order, OwnFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class MemberSource(NamedTuple):
    """A member of an order: its path, its value or, of lines, its values, and the payload's members that it is read from.

    Personal ones have no values here.
    """

    path: str
    is_personal: bool
    values: Sequence[Any]
    read_from: Sequence[str]


def member_sources(document: Mapping[str, Any], reads: Mapping[str, Sequence[str]]) -> list[MemberSource]:
    """Every member that says where it comes from.

    Args:
        document: An order as the API tells it.
        reads: Member → the payload's members, of the order's kind of marketplace.
    """
    return [
        MemberSource(
            path,
            path in personal_paths(),
            [] if path in personal_paths() else list(_values(document, path)),
            reads[path],
        )
        for path, _ in plain_members()
        if path in reads
    ]


@cache
def plain_members() -> tuple[tuple[str, Described], ...]:
    """Each member of an order that is no record of others, by its path: those of its lines as `lines.sku`."""
    return tuple(_plain((*described(Order), *described(OwnFacts)), ""))


@cache
def personal_paths() -> frozenset[str]:
    """The paths of those that tell who bought, or are within a member that does."""
    members = (*described(Order), *described(OwnFacts))
    above = {each.name for each in members if each.about.is_personal}
    return frozenset(
        path for path, each in plain_members() if each.about.is_personal or path.partition(".")[0] in above
    )


def _plain(of: tuple[Described, ...], above: str) -> Iterator[tuple[str, Described]]:
    for each in of:
        path = f"{above}{each.name}"
        if each.kind is Kind.RECORD and (not each.is_list or each.type is Line):
            yield from _plain(each.members, f"{path}.")
        else:
            yield path, each


def _values(value: Any, path: str) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
    if isinstance(value, list) and path:
        for each in value:
            yield from _values(each, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        name, _, rest = path.partition(".")
        yield from _values(value.get(name), rest)
    else:
        yield None

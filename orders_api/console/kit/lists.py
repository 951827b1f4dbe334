"""What every list has around its rows: filters that are set, what was not understood, pages, and the same list elsewhere."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from orders_api.console.views.lists import Around, Chip, Filter, FilterValue
from orders_api.kit import cursors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orders_api.console.kit.queries import Asked
    from orders_api.console.kit.visits import Visit
    from orders_api.kit.queries import PageQuery

Row = TypeVar("Row")

OF_THE_PAGE = frozenset({"cursor", "view", "columns"})
"""Parameters that the API does not take."""
ROWS = 50
"""A page, unless the address says otherwise."""


def around(
    visit: Visit,
    asked: Asked[Any],
    path: str,
    filters: tuple[Filter, ...],
    *,
    cursor: str | None,
    labels: Mapping[str, str],
    sql: str = "",
    api: str | None = None,
) -> Around:
    """What is around the rows of a list.

    Args:
        visit: Who reads it.
        asked: Its query.
        path: Its own path below the console.
        filters: The filters that it offers.
        cursor: Where the next page begins; None on the last one.
        labels: Parameters that are filters without choices → what a chip calls them.
        sql: The same question to the order tables.
        api: The list's path below `/v1` of the API; the same one unless told otherwise; "" when the API has no such list.
    """
    by_name = {each.name: each for each in filters}
    chips = []
    for name, value in asked.items:
        offered = by_name.get(name)
        words = {each.value: each.label for each in offered.choices} if offered is not None else {}
        label = labels.get(name) if offered is None else offered.label
        if label is not None:
            chips.append(Chip(f"{label}: {words.get(value, value)}", asked.without(path, name, value)))
    no_filter = {name: None for name, _ in asked.items if name in by_name or name in labels}
    shown = {*by_name, "cursor"}
    return Around(
        path=path,
        filters=filters,
        chips=tuple(chips),
        clear=asked.address(path, **no_filter),
        ignored=asked.ignored,
        first=asked.address(path) if asked.values("cursor") else None,
        following=None if cursor is None else asked.address(path, cursor=cursor),
        as_json=asked.address(f"{path}.json"),
        as_lines=asked.address(f"{path}.ndjson"),
        as_csv=asked.address(f"{path}.csv"),
        curl="" if api == "" else _curl(visit, asked, api or path),
        sql=sql,
        kept=tuple(each for each in asked.items if each[0] not in shown),
        every=tuple(each for each in asked.items if each[0] != "cursor"),
    )


def read_numbered(
    visit: Visit,
    subject: str,
    query: PageQuery,
    read: Callable[[int | None, int], Sequence[Row]],
    number: Callable[[Row], int],
) -> tuple[Sequence[Row], str | None]:
    """A page of a list that is sorted by a number, and the cursor of the next one; None on the last.

    Args:
        visit: Who reads it.
        subject: What is listed, in the API's word: its cursors are good here too.
        query: The filters, and which page.
        read: Reads so many rows behind a number.
        number: A row's own.

    Raises:
        Problem: 400 `unknown_cursor`.
    """
    numbering, fingerprint = visit.installation.numbering, cursors.fingerprint_of(subject, query)
    rows = read(cursors.decode_number(numbering, query.cursor, fingerprint), query.limit + 1)
    if len(rows) <= query.limit:
        return rows, None
    shown = rows[: query.limit]
    return shown, cursors.encode_number(numbering, fingerprint, number(shown[-1]))


def choices(
    asked: Asked[Any], name: str, words: Mapping[str, str], every: str | None = None
) -> tuple[FilterValue, ...]:
    """The values of a filter.

    Args:
        asked: What of them is chosen.
        name: The filter's parameter.
        words: Value → what people read.
        every: What people read when nothing is chosen, of filters with one value.
    """
    chosen = asked.values(name)
    nothing = () if every is None else (FilterValue("", every, is_chosen=not chosen),)
    return (*nothing, *(FilterValue(value, label, value in chosen) for value, label in words.items()))


def _curl(visit: Visit, asked: Asked[Any], path: str) -> str:
    """A command that asks the API the same; the token is the caller's own."""
    request = visit.request
    root = request.scope["root_path"].removesuffix("/console")
    query = urlencode([each for each in asked.items if each[0] not in OF_THE_PAGE])
    address = f"{request.url.scheme}://{request.url.netloc}{root}/v1{path}" + (f"?{query}" if query else "")
    return f'curl -s -H "Authorization: Bearer $ORDERS_TOKEN" {shlex.quote(address)}'

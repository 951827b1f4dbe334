"""A page of a list: where it begins, whether another one follows, and how that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from orders_api.kit import cursors
from orders_api.kit.addresses import next_link, next_path
from orders_api.kit.answers import json_answer, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from orders_api.kit.queries import PageQuery
    from warehouse.ledger.exchange.numbering import Numbering

Row = TypeVar("Row")


def read_page(
    request: Request,
    numbering: Numbering,
    subject: str,
    query: PageQuery,
    read: Callable[[int | None, int], Sequence[Row]],
    number: Callable[[Row], int],
) -> tuple[Sequence[Row], str | None]:
    """A page of a list that is sorted by a number which it does not tell.

    Args:
        request: Who is answered.
        numbering: Hides the number.
        subject: What is listed: a cursor is good for that alone.
        query: The filters, and which page.
        read: Reads so many rows behind a number.
        number: A row's own.

    Returns:
        The rows, and the path of the next page; None on the last one.

    Raises:
        Problem: 400 `unknown_cursor`.
    """
    fingerprint = cursors.fingerprint_of(subject, query)
    rows = read(cursors.decode_number(numbering, query.cursor, fingerprint), query.limit + 1)
    if len(rows) <= query.limit:
        return rows, None
    shown = rows[: query.limit]
    return shown, next_path(request, cursors.encode_number(numbering, fingerprint, number(shown[-1])))


def page_answer(request: Request, name: str, documents: Sequence[Any], following: str | None) -> Response:
    """The page as an answer."""
    body = render({name: documents, "next": following})
    return json_answer(request, body, holds_pii=False, headers=next_link(following))

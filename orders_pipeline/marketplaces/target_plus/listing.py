"""Target's listings: bare arrays, page by page, up to an empty one: how large a page may be is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.errors import Transient
from orders_pipeline.marketplaces.payloads import elements
from orders_pipeline.marketplaces.rest import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orders_pipeline.marketplaces.http import Parameters
    from orders_pipeline.marketplaces.rest import Rest

PAGE_SIZE = 100

Rows = list[tuple[Any, bytes]]
"""Each element of a page with its exact bytes."""


def rows(rest: Rest, operation: str, path: str, parameters: Parameters) -> Rows:
    """One page.

    Raises:
        MarketplaceError: As `Rest.read`; Transient also for an answer that is no array: it is no end of a listing.
    """
    answer = rest.read(operation, path, parameters)
    found = elements(answer.body, ()) if isinstance(answer.value, list) else None
    if found is None:
        raise unreadable(operation, "answered without a list")
    return found


def pages(rest: Rest, operation: str, path: str, parameters: Parameters, most: int) -> Iterator[Rows]:
    """Every page up to an empty one; or up to a short one that comes again, where there is nothing beyond the last page.

    Raises:
        Transient: Truncated: more than `most` pages, or a full page that is the one before.
    """
    before: list[bytes] = []
    for number in range(1, most + 1):
        found = rows(rest, operation, path, [*parameters, ("page", number), ("per_page", PAGE_SIZE)])
        bodies = [body for _, body in found]
        if not bodies or (bodies == before and len(bodies) < PAGE_SIZE):
            return
        if bodies == before:
            raise Transient("repeated_page", f"Target sent a page of {operation} twice")
        yield found
        before = bodies
    raise Transient("truncated", f"Target has more than {most} pages of {operation}", "raise the page limit")

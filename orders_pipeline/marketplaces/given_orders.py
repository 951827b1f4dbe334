"""Reading orders that are given to us, for kinds without a marketplace: payloads as they are kept, and files of documents.

What a document holds is in `warehouse.given_orders`.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.payloads import NotJson, elements, parse
from orders_pipeline.marketplaces.protocol import ChannelContext, RawOrder, Unreadable
from warehouse.given_orders import UnfitDocument, check, opened, order_of

if TYPE_CHECKING:
    from warehouse.orders import Order


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
    """Read one order: a document alone, or as it is kept.

    Raises:
        Unreadable: It breaks a rule of `warehouse.given_orders`; the first one is named.
    """
    document, given_at = opened(payload)
    try:
        given = check(document)
    except UnfitDocument as unfit:
        first = unfit.faults[0]
        path = "$" + "".join(f"[{each}]" if each.isdecimal() else f".{each}" for each in first.place.split("/") if each)
        raise Unreadable(first.code, path, first.message) from None
    return [order_of(given, channel.code, channel.marketplace, given_at or given.purchased_at)]


def documents(data: bytes) -> list[RawOrder]:
    """The documents of a file: one order, a list of them, or one a line.

    Raises:
        NotJson: It is none of these.
    """
    try:
        parse(data.removeprefix(BOM_UTF8))
    except NotJson as error:
        lines = data.removeprefix(BOM_UTF8).splitlines()
        if len(lines) <= 1:
            raise
        found = [_of_line(line, number, error) for number, line in enumerate(lines, 1) if line.strip()]
    else:
        alone = data.removeprefix(BOM_UTF8).strip()
        listed = elements(data, ())
        found = [(parse(alone), alone)] if listed is None else listed
    return [RawOrder(_original_id(value) or f"?{place}", None, body) for place, (value, body) in enumerate(found)]


def _of_line(line: bytes, number: int, whole: NotJson) -> tuple[Any, bytes]:
    try:
        return parse(line), line
    except NotJson as error:
        if number == 1:  # it was not meant as one order a line
            raise whole from None
        raise NotJson(f"line {number}: {error}") from None


def _original_id(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    found = value.get("original_id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None

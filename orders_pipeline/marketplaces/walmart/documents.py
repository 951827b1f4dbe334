"""Walmart's orders, found in payload files: JSON as it is asked for, and XML as others have recorded it.

What an order says is not read here but for its id; that is `normalise`. XML becomes JSON of the same members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import orjson
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from orders_pipeline.marketplaces.payload_files import PayloadShape, find_orders
from orders_pipeline.marketplaces.protocol import RawOrder, Unreadable
from orders_pipeline.marketplaces.reading import identifier

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LIST = ("list", "elements", "order")

_LISTS = frozenset({"order", "orderLine", "charge", "orderLineStatus", "refundCharge"})
"""Elements that are a list even where there is one of them."""


def order_id(value: object) -> str | None:
    """The id of an order; None when there is none that a store could keep."""
    return identifier(value.get("purchaseOrderId")) if isinstance(value, dict) else None


def single_order(answer: object) -> object:
    """The order in an answer about one: under `order` as Walmart's examples have it, or bare as its description says."""
    if isinstance(answer, dict) and "purchaseOrderId" not in answer:
        return answer.get("order")
    return answer


SHAPE = PayloadShape(
    name="Walmart",
    own_members=("purchaseOrderId", "orderLines", "customerOrderId"),
    lists=(LIST, ("elements", "order")),
    singles=(("order",),),
    original_id=order_id,
    selector=lambda _: None,
)


def documents(data: bytes) -> list[RawOrder]:
    """Every order in one payload file, JSON or XML, in the order of the file; see `find_orders`.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    return find_orders(_from_xml(data) if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else data, SHAPE)


def _from_xml(data: bytes) -> bytes:
    try:
        root = fromstring(data)
        value = {_name(root): _value(root)}
    except (ParseError, DefusedXmlException, ValueError, RecursionError):
        raise Unreadable("not_xml", "$", "neither JSON nor XML that can be read") from None
    if "order" in value:
        value = {"order": value["order"]}
    return orjson.dumps(value)


def _value(element: Element) -> Any:  # noqa: ANN401 - any JSON value
    if len(element) == 0:
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        name, value = _name(child), _value(child)
        if name in _LISTS:
            found.setdefault(name, []).append(value)
        elif name in found:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        else:
            found[name] = value
    return found


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]

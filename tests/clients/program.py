"""A small client of the Orders API: reads, reports and tells as JSON what it has seen. The types of every answer come from
the API's own description.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, urlsplit

from orders_client import AuthenticatedClient
from orders_client.api.channels import get_status
from orders_client.api.orders import get_order, list_orders
from orders_client.api.shipments import report_shipments
from orders_client.models.order_document import OrderDocument
from orders_client.models.problem_document import ProblemDocument
from orders_client.models.reported_item_by_original_id import ReportedItemByOriginalId
from orders_client.models.reported_shipment_by_id import ReportedShipmentById
from orders_client.models.reported_shipment_by_original_id import ReportedShipmentByOriginalId
from orders_client.models.shipment_request import ShipmentRequest
from orders_client.types import UNSET, Unset

Answer = TypeVar("Answer")

if TYPE_CHECKING:
    ReportedShipmentById(tracking_number="PY2")  # type: ignore[call-arg] # a shipment names its order


def sound(answer: Answer | ProblemDocument | None) -> Answer:
    """The answer, when it is no problem."""
    if answer is None or isinstance(answer, ProblemDocument):
        sys.exit(f"no answer: {answer}")
    return answer


def all_orders(client: AuthenticatedClient) -> list[OrderDocument]:
    """Every order, page by page."""
    found: list[OrderDocument] = []
    cursor: str | Unset = UNSET
    while True:
        page = sound(list_orders.sync(client=client, limit=2, cursor=cursor))
        found += page.orders
        if page.next_ is None:
            return found
        (cursor,) = parse_qs(urlsplit(page.next_).query)["cursor"]


def main(url: str, token: str) -> None:
    """Do a little of everything."""
    client = AuthenticatedClient(base_url=url, token=token)
    orders = all_orders(client)
    one = sound(get_order.sync(orders[0].id, client=client))
    quantities: list[int | None] = [each.quantity_ordered for each in one.lines]
    part = ReportedItemByOriginalId(item_original_id="L1", item_quantity_shipped=1)
    own = ReportedShipmentById(id=one.id, tracking_number="PY1", carrier_code="DPD", items=[part])
    foreign = ReportedShipmentByOriginalId(original_id="nobody-knows", channel="amazon_fr")
    sent = ShipmentRequest(shipments=[own, foreign])
    reported = sound(report_shipments.sync(client=client, body=sent, idempotency_key="python"))
    nothing = report_shipments.sync(client=client, body=ShipmentRequest(shipments=[foreign]))
    if not isinstance(nothing, ProblemDocument) or isinstance(nothing.results, Unset) or nothing.results is None:
        sys.exit(f"a shipment of an unknown order was taken: {nothing}")
    status = sound(get_status.sync(client=client))
    unknown = get_order.sync("nobody-knows", client=client)
    seen = {
        "orders": [each.original_id for each in orders],
        "total": one.total,
        "quantities": quantities,
        "results": [each.result.value for each in reported.results],
        "refusals": [error.code for each in reported.results for error in each.errors],
        "all_refused": [nothing.code, [each.result.value for each in nothing.results]],
        "channels": [[each.channel, each.state.value] for each in status.channels],
        "unknown": unknown.code if isinstance(unknown, ProblemDocument) else None,
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Every call and every answer between our client and the stand-in keeps the described shapes."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.marketplaces.protocol import Window
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.walmart.state import WalmartSandbox
from tests.marketplaces.traffic import check, recorded
from tests.marketplaces.walmart.schemas import ANSWERS, ERRORS, QUERIES, REQUESTS
from tests.marketplaces.walmart.test_walmart_client import in_state, parcel


def use_everything(shop) -> None:
    """Each call that the client has, with and without success."""
    client = shop.client()
    client.test()
    shop.ids(client)
    list(client.pull(Window(shop.sandbox.now + timedelta(days=1), shop.sandbox.now + timedelta(days=2))))
    list(client.fetch(["nobody-knows", in_state(shop, "Created").id]))
    with suppress(MarketplaceError):
        shop.client(secret="wrong").test()
    created, record = in_state(shop, "Created"), in_state(shop, "Acknowledged")
    client.confirm([parcel(created)])
    client.accept(created.id, {created.lines[0]["lineNumber"]: True})
    client.confirm([parcel(record)])
    client.confirm([parcel(record, is_update=True, tracking_number="1Z000")])
    named = {"carrier_code": None, "carrier_name": "Kurier", "tracking_url": "https://kurier.example/1"}
    client.confirm([parcel(in_state(shop, "Acknowledged"), tracking_number="K1", overrides_cancellation=True, **named)])
    freed = in_state(shop, "Acknowledged")
    units = {line["lineNumber"]: int(line["orderLineQuantity"]["amount"]) for line in freed.lines}
    client.cancel(freed.id, units, "SELLER_CANCEL_OUT_OF_STOCK")
    with suppress(MarketplaceError):
        client.cancel(freed.id, units, None)
    for action in ("request_cancellation", "deliver", "refund"):
        shop.sandbox.advance(AdvanceRequest(action))
    shop.ids(client)


def test_what_goes_over_the_wire_is_as_it_is_described(shop):
    traffic = recorded(shop.sandbox)
    use_everything(shop)
    assert {call.operation.name for call, _ in traffic} == {each.name for each in WalmartSandbox.operations}
    assert {outcome.status for _, outcome in traffic} == {200, 400, 401, 404}
    check(traffic, QUERIES, REQUESTS, ANSWERS, ERRORS)
    for call, _ in traffic:
        assert call.headers["accept"] == "application/json"
        assert call.operation.name != "acknowledge" or call.body == b""

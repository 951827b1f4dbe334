"""Every call and every answer between our client and the stand-in keeps the described shapes."""

from __future__ import annotations

from contextlib import suppress

import httpx
from jsonschema_rs import Draft202012Validator

from orders_pipeline.marketplaces.ebay.deletions import EbayDeletions
from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.sandbox.ebay.state import EbaySandbox
from orders_pipeline.sandbox.engine import AdvanceRequest
from tests.marketplaces.ebay.conftest import make_order
from tests.marketplaces.ebay.schemas import ANSWERS, ERRORS, ORDER, QUERIES, REQUESTS
from tests.marketplaces.ebay.test_ebay_client import SIGNED, ask, open_order, parcel, units_of
from tests.marketplaces.traffic import check, recorded


def use_everything(shop) -> None:
    """Each call that the client has, with and without success."""
    client = shop.client(credentials=SIGNED)
    assert all(each.is_ok for each in client.test())
    shop.ids(client)
    record = open_order(shop)
    client.confirm([parcel(record)])
    client.confirm([parcel(record)])
    client.confirm([parcel(open_order(shop), tracking_number=None)])
    with suppress(MarketplaceError):
        client.confirm([parcel(record, original_id="nobody-knows")])
    list(client.read_back([record.id, "nobody-knows"]))
    for is_accepted in (True, False):
        ask(shop, asked := open_order(shop))
        client.decide_cancellation(asked.id, "BUYER", is_accepted, None)
    with suppress(MarketplaceError):  # it looks for a request that there is not
        client.decide_cancellation(open_order(shop).id, "BUYER", True, None)
    freed = open_order(shop)
    client.cancel(freed.id, units_of(freed), "OUT_OF_STOCK_OR_CANNOT_FULFILL")
    with suppress(MarketplaceError):
        shop.client(credentials={"refresh_token": "wrong"}).test()
    deletions = EbayDeletions(shop.context(), shop.quota, shop.sandbox.clock)
    notice = shop.sandbox.deletion_notice("somebody")
    assert "somebody" in deletions.buyers(notice.body, notice.signature)
    deletions.close()
    shop.sandbox.advance(AdvanceRequest("refund"))
    shop.ids(client)


def test_what_goes_over_the_wire_is_as_it_is_described(shop):
    traffic = recorded(shop.sandbox)
    use_everything(shop)
    httpx.get(f"{shop.url}/sell/fulfillment/v1/order")
    assert {call.operation.name for call, _ in traffic} == {each.name for each in EbaySandbox.operations}
    assert {outcome.status for _, outcome in traffic} == {200, 201, 400, 401, 404}
    check(traffic, QUERIES, REQUESTS, ANSWERS, ERRORS)


def test_the_examples_of_these_tests_are_orders_as_they_are_described():
    order = make_order()
    order["fulfillmentStartInstructions"][0]["shippingStep"]["shipTo"]["contactAddress"]["countryCode"] = "US"
    Draft202012Validator(ORDER).validate(order)
    assert not Draft202012Validator(ORDER).is_valid(make_order(creationDate="2026-11-02"))

"""Every call and every answer between our client and the stand-in keeps the described shapes."""

from __future__ import annotations

import json
from contextlib import suppress

from jsonschema_rs import Draft202012Validator

from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.otto.state import OttoQuirks, OttoSandbox
from tests.marketplaces.otto.conftest import make_item, make_order
from tests.marketplaces.otto.schemas import ANSWERS, ERRORS, ORDER, QUERIES, SHIPMENT_REQUEST
from tests.marketplaces.otto.test_otto_client import ids_of, in_state, parcel
from tests.marketplaces.traffic import check, recorded


def use_everything(shop) -> None:
    """Each call that the client has, with and without success."""
    for grant in ("client_credentials", "password"):
        client = shop.client(grant=grant)
        assert all(each.is_ok for each in client.test())
    shop.ids(client)
    list(client.fetch(["nobody-knows"]))
    record, other = in_state(shop, units=2), in_state(shop, "ANNOUNCED")
    client.confirm([parcel(record)])
    client.confirm([parcel(record)])
    client.confirm([parcel(other, tracking_number="H2")])
    client.confirm(
        [parcel(in_state(shop), tracking_number="H3", carrier_code="DHL_FREIGHT", return_tracking_number=None)]
    )
    client.cancel((freed := in_state(shop)).id, dict.fromkeys(ids_of(freed), 1), None)
    with suppress(MarketplaceError):
        client.cancel(other.id, dict.fromkeys(ids_of(other), 1), None)
    shop.sandbox.quirks = OttoQuirks(is_partial=True)
    mixed = in_state(shop, units=2)
    mixed.items[0]["fulfillmentStatus"] = "ANNOUNCED"
    client.confirm([parcel(mixed, tracking_number="H4")])
    shop.sandbox.advance(AdvanceRequest("cancel", by="BUYER"))
    shop.sandbox.advance(AdvanceRequest("return"))
    shop.ids(client)


def test_what_goes_over_the_wire_is_as_it_is_described(shop):
    traffic = recorded(shop.sandbox)
    use_everything(shop)
    operations = {call.operation.name for call, _ in traffic}
    assert operations == {each.name for each in OttoSandbox.operations}
    assert {outcome.status for _, outcome in traffic} == {200, 201, 207, 404, 409}
    refused = Draft202012Validator(ERRORS)
    for call, outcome in [each for each in traffic if each[1].status == 207]:
        refused.validate(json.loads(outcome.content))
        assert call.operation.name == "shipment"
    check([each for each in traffic if each[1].status != 207], QUERIES, {"shipment": SHIPMENT_REQUEST}, ANSWERS, ERRORS)
    assert all(call.body == b"" for call, _ in traffic if call.operation.name == "cancellation")


def test_the_examples_of_these_tests_are_orders_as_they_are_described():
    item = make_item(processableDate="2026-11-02T09:40:00.000+0000")
    assert Draft202012Validator(ORDER).is_valid(make_order(item))
    assert not Draft202012Validator(ORDER).is_valid(make_order(item, orderDate="2026-11-02"))

"""Every call and every answer between our client and the stand-in keeps the described shapes."""

from __future__ import annotations

from contextlib import suppress

from jsonschema_rs import Draft202012Validator

from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.target_plus.state import TargetSandbox
from tests.marketplaces.target_plus.conftest import make_order
from tests.marketplaces.target_plus.schemas import ANSWERS, ERRORS, ORDER, QUERIES, REQUESTS
from tests.marketplaces.traffic import check, recorded


def use_everything(place) -> None:
    """Each call that the client has, with and without success."""
    place.state.generate(GenerateRequest(60))
    client = place.client()
    assert all(each.is_ok for each in client.test())
    place.pulled()
    record = in_state(place, "RELEASED_FOR_SHIPMENT")
    client.accept(record.id, {each["order_line_number"]: True for each in record.lines})
    units = [(each["order_line_number"], each["quantity"]) for each in record.lines]
    for _ in range(2):  # the second time nothing is left
        client.confirm([place.parcel(*units, original_id=record.id)])
    list(client.read_back([record.id, "nobody-knows"]))
    with suppress(MarketplaceError):
        client.accept(in_state(place, "PENDING").id, {"1": True})
    stranger = place.client(seller_token="wrong")
    stranger.test()
    stranger.close()
    place.state.advance(AdvanceRequest("cancel"))
    place.state.configure({"addresses": "apart"})
    list(client.fetch([record.id]))
    client.close()


def in_state(place, state):
    return next(each for each in place.state.records.values() if each.state == state)


def test_what_goes_over_the_wire_is_as_it_is_described(place):
    traffic = recorded(place.state)
    use_everything(place)
    assert {call.operation.name for call, _ in traffic} == {each.name for each in TargetSandbox.operations}
    assert {outcome.status for _, outcome in traffic} == {200, 201, 400, 401, 404, 409}
    check(traffic, QUERIES, REQUESTS, ANSWERS, ERRORS)
    for call, _ in traffic:
        assert {"x-api-key", "x-seller-id", "x-seller-token"} <= set(call.headers)


def test_the_examples_of_these_tests_are_orders_as_they_are_described():
    Draft202012Validator(ORDER).validate(make_order())
    assert not Draft202012Validator(ORDER).is_valid(make_order(order_date="2026-11-02"))

"""Asking Target Plus over real HTTP: pages, credentials, acknowledging, shipping, and doubts."""

from __future__ import annotations

import logging

import orjson
import pytest

from orders_pipeline.marketplaces.errors import InDoubt, Refused, Throttled, Transient, Unauthorised
from orders_pipeline.sandbox.faults import Fault, FaultKind
from tests.marketplaces.target_plus.conftest import make_line, make_order, read
from warehouse.shipments import AttemptOutcome


def many(number):
    return [make_order(id=f"order-{at}") for at in range(number)]


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250])
def test_every_open_order_is_listed_page_by_page(place, number):
    place.add(*many(number))
    assert sorted(place.pulled()) == sorted(each["id"] for each in many(number))
    assert len(place.quota.taken) == -(-number // 100) + 1  # until a page is empty


@pytest.mark.parametrize(("size", "ends"), [(40, "empty"), (40, "last"), (45, "last")])
def test_a_page_that_is_shorter_than_asked_for_does_not_end_a_listing(place, size, ends):
    place.add(*many(120))
    place.state.configure({"largest_page": size, "ends": ends})
    assert sorted(place.pulled()) == sorted(each["id"] for each in many(120))


def test_only_open_states_are_listed(place):
    states = ("PENDING", "RELEASED_FOR_SHIPMENT", "ACKNOWLEDGED_BY_SELLER", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELED")
    place.add(*(make_order(state, id=state) for state in states))
    assert sorted(place.pulled()) == sorted(states[:4])
    for call in place.state.journal:
        assert [value for key, value in call.query if key == "order_status"] == list(states[:4])


def test_a_page_that_comes_twice_fails_the_pull(place):
    place.add(*many(150))
    place.state.add_fault(Fault(FaultKind.REPEATED_PAGE, operation="orders", count=None))
    with pytest.raises(Transient) as failed:
        place.pulled()
    assert failed.value.code == "repeated_page"


def test_a_listing_without_end_fails_the_pull(place):
    place.add(*many(200))
    with pytest.raises(Transient) as failed:
        place.pulled(max_pages=2)
    assert failed.value.code == "truncated"


@pytest.mark.parametrize("kind", [FaultKind.OK_HTML, FaultKind.OK_EMPTY, FaultKind.TRUNCATED, FaultKind.ERROR_HTML])
def test_an_answer_that_is_no_list_is_no_end(place, kind):
    place.add(*many(3))
    place.state.add_fault(Fault(kind, operation="orders"))
    with pytest.raises(Transient):
        place.pulled()


def test_a_list_that_is_wrapped_is_no_end(place):
    place.add(*many(3))
    place.state.configure({"listing": "object"})
    with pytest.raises(Transient):
        place.pulled()


def test_a_quota_that_is_used_up_says_how_long(place):
    place.state.add_fault(Fault(FaultKind.THROTTLED, operation="orders", seconds=7))
    with pytest.raises(Throttled) as waits:
        place.pulled()
    assert waits.value.retry_after == 7


@pytest.mark.parametrize("key", ["order_status", "status"])
def test_a_state_under_either_name_is_read(place, key):
    place.add(make_order())
    place.state.configure({"status_key": key})
    client = place.client()
    (page,) = client.fetch(["5d1f00aa11"])
    client.close()
    assert read(orjson.loads(page.orders[0].body)).marketplace_status == "ACKNOWLEDGED_BY_SELLER"


def test_addresses_that_are_apart_are_asked_for_once_a_page(place):
    place.add(*many(3))
    place.state.configure({"addresses": "apart"})
    client = place.client()
    found = [raw for page in client.pull(None) for raw in page.orders]
    client.close()
    assert {read(orjson.loads(each.body)).shipping_address.city for each in found} == {"Austin"}
    assert place.quota.taken == ["orders", "addresses", "orders"]
    assert client.degraded == ()


def test_addresses_that_nobody_gives_are_missing_data_and_lose_no_order(place):
    place.add(*many(3))
    place.state.configure({"addresses": "missing"})
    client = place.client()
    found = [raw for page in client.pull(None) for raw in page.orders]
    client.close()
    assert len(found) == 3
    assert client.degraded == ("addresses",)


@pytest.mark.parametrize("name", ["api_key", "seller_id", "seller_token"])
def test_a_credential_that_is_wrong_or_missing_is_named_and_told_nobody(place, name, caplog):
    caplog.set_level(logging.DEBUG)
    for secret in ("wrong-secret", ""):
        client = place.client(**{name: secret})
        (finding,) = client.test()
        with pytest.raises(Unauthorised):
            list(client.pull(None))
        client.close()
        assert (finding.part, finding.is_ok) == ("credential", False)
        assert secret or name in finding.message
        assert "wrong-secret" not in repr(finding)
    known = place.state.access().credentials
    assert not any(known[each] in caplog.text for each in ("api_key", "seller_token"))


def test_a_seller_that_target_does_not_know_is_named(place):
    place.state.sellers["seller"].seller_id = "another"
    client = place.client(seller_id="another")
    place.state.add_fault(Fault(FaultKind.ERROR_JSON, operation="distribution_centers", status=404))
    (finding,) = client.test()
    client.close()
    assert (finding.part, finding.is_ok) == ("credential", False)
    assert "seller_id" in finding.hint


def test_an_order_is_acknowledged_once_and_said_again_without_harm(place):
    place.add(make_order("RELEASED_FOR_SHIPMENT"))
    client = place.client()
    client.accept("5d1f00aa11", {"1": True})
    client.accept("5d1f00aa11", {"1": True})
    (page,) = client.fetch(["5d1f00aa11"])
    with pytest.raises(Refused) as refused:
        client.accept("5d1f00aa11", {"1": False})
    client.close()
    assert read(orjson.loads(page.orders[0].body)).marketplace_status == "ACKNOWLEDGED_BY_SELLER"
    assert refused.value.code == "refusal_not_offered"


@pytest.mark.parametrize(("state", "error"), [("PENDING", Refused), ("CANCELED", InDoubt), ("SHIPPED", InDoubt)])
def test_an_order_that_does_not_wait_is_not_acknowledged(place, state, error):
    place.add(make_order(state))
    client = place.client()
    with pytest.raises(error):
        client.accept("5d1f00aa11", {"1": True})
    client.close()


def confirmed(place, parcel):
    client = place.client()
    try:
        (receipt,) = client.confirm([parcel])
        return receipt
    finally:
        client.close()


@pytest.mark.parametrize("created", [200, 201])
@pytest.mark.parametrize("results", ["items", "none"])
def test_a_package_is_told_by_line_and_quantity(place, created, results):
    place.add(make_order("ACKNOWLEDGED_BY_SELLER", waiting("1", 3), waiting("2", 1), waiting("3", 1)))
    place.state.configure({"created": created, "results": results})
    receipt = confirmed(place, place.parcel(("1", 2), ("3", 1)))
    assert (receipt.outcome, receipt.http_status) == (AttemptOutcome.SENT, created)
    (held,) = place.state.held()
    assert [each.shipped for each in held.lines] == [2, 0, 1]
    sent = [each for _, each in place.state.records["5d1f00aa11"].fulfillments]
    assert {(each["shipping_method"], each["tracking_number"]) for each in sent} == {("UPSGround", "1Z-1")}


def waiting(number, units):
    return make_line(number, ("ACKNOWLEDGED_BY_SELLER", units), units=units)


def test_an_item_that_is_refused_leaves_the_package_in_doubt(place):
    place.add(make_order("ACKNOWLEDGED_BY_SELLER", waiting("1", 1), waiting("2", 1)))
    place.state.configure({"results": "single"})
    receipt = confirmed(place, place.parcel(("1", 1), ("2", 5)))
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.IN_DOUBT, "partly_sent")


def test_items_that_are_all_refused_are_a_refusal_with_their_words(place):
    place.add(make_order("ACKNOWLEDGED_BY_SELLER", waiting("1", 1)))
    place.state.configure({"results": "single"})
    receipt = confirmed(place, place.parcel(("1", 5)))
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "shipment_refused")
    assert "more units than are left" in receipt.message


def test_a_package_that_is_taken_and_not_shown_yet_is_in_doubt(place):
    place.add(make_order("ACKNOWLEDGED_BY_SELLER", waiting("1", 1)))
    place.state.configure({"results": "none", "shown_after_seconds": 600})
    receipt = confirmed(place, place.parcel())
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.IN_DOUBT, "not_shown")


def test_a_package_that_is_refused_because_it_is_there_is_in_doubt(place):
    place.add(make_order("ACKNOWLEDGED_BY_SELLER", waiting("1", 1)))
    assert confirmed(place, place.parcel()).outcome is AttemptOutcome.SENT
    again = confirmed(place, place.parcel())
    assert (again.outcome, again.code) == (AttemptOutcome.IN_DOUBT, "already_shipped")
    assert len(place.state.records["5d1f00aa11"].fulfillments) == 1


@pytest.mark.parametrize("kind", [FaultKind.ERROR_HTML, FaultKind.ERROR_EMPTY, FaultKind.OK_HTML, FaultKind.OK_EMPTY])
def test_an_answer_that_tells_nothing_is_a_doubt(place, kind):
    place.add(make_order("ACKNOWLEDGED_BY_SELLER", waiting("1", 1)))
    place.state.add_fault(Fault(kind, operation="fulfillment", status=502))
    assert confirmed(place, place.parcel()).outcome is AttemptOutcome.IN_DOUBT


def test_a_refusal_that_cannot_be_looked_into_is_a_doubt(place):
    place.add(make_order("PENDING", make_line("1", ("PENDING", 1))))
    place.state.add_fault(Fault(FaultKind.ERROR_HTML, operation="fulfillments", status=502))
    assert confirmed(place, place.parcel()).outcome is AttemptOutcome.IN_DOUBT


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"shipping_method": None}, "shipping_method_missing"),
        ({"carrier_code": "FedEx"}, "shipping_method_unfit"),
        ({"is_update": True}, "correction_not_offered"),
    ],
)
def test_what_target_would_not_take_is_refused_before_it_is_sent(place, changed, code):
    receipt = confirmed(place, place.parcel(**changed))
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, code)
    assert receipt.hint
    assert place.quota.taken == []


def test_a_method_that_nobody_knows_is_told_as_it_is(place):
    place.add(make_order("ACKNOWLEDGED_BY_SELLER", waiting("1", 1)))
    receipt = confirmed(place, place.parcel(shipping_method="PigeonPost", carrier_code=None))
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "shipment_refused")
    assert "shipping method" in receipt.message


def test_all_fulfilments_are_read_back_over_their_pages(place):
    place.add(make_order("ACKNOWLEDGED_BY_SELLER", waiting("1", 150)))
    client = place.client()
    for number in range(120):
        client.confirm([place.parcel(tracking_number=f"1Z-{number}")])
    (page,) = client.read_back(["5d1f00aa11"])
    client.close()
    assert len(read(orjson.loads(page.orders[0].body)).packages) == 120

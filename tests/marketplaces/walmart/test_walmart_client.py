"""Asking Walmart over real HTTP: listings, cursors, tokens, and every word of its refusals."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orders_pipeline.marketplaces.errors import InDoubt, Permanent, Refused, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.oauth import SHELF
from orders_pipeline.marketplaces.protocol import Parcel, Window
from orders_pipeline.marketplaces.walmart.confirmation import seller_reference
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.walmart.state import Quirks
from warehouse.shipments import AttemptOutcome

SHIPMENT = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def in_state(shop, state):
    """The first order of the seller's whose units are all in a state."""
    fits = (each for each in shop.sandbox.records.values() if set(each.states()) == {state})
    return next(each for each in fits if each.ship_node == "SellerFulfilled")


def parcel(record, **changed):
    lines = tuple((line["lineNumber"], int(line["orderLineQuantity"]["amount"])) for line in record.lines)
    whole = Parcel(
        shipment_id=SHIPMENT,
        original_id=record.id,
        selector=None,
        reference=1,
        package_id="P1",
        marketplace_package_id=None,
        is_update=False,
        is_whole=True,
        carrier_code="UPS",
        carrier_name=None,
        tracking_number="1Z999",
        tracking_url=None,
        shipping_method=None,
        ship_from=None,
        ordered_method=record.order["shippingInfo"]["methodCode"],
        return_tracking_number=None,
        return_carrier=None,
        shipped_at=datetime.fromisoformat("2026-11-02T10:00:00+00:00"),
        quantities=lines,
    )
    return replace(whole, **changed)


def test_three_listings_give_every_order_once(shop):
    ids = shop.ids(shop.client())
    assert set(ids) == set(shop.sandbox.records)
    assert len(ids) == len(set(ids))
    nodes = [dict(entry.query).get("shipNodeType") for entry in shop.sandbox.journal if entry.operation == "orders"]
    assert [each for each in nodes if each] == ["SellerFulfilled", "WFSFulfilled", "3PLFulfilled"]
    assert shop.quota.operations == ["orders"] * shop.calls("orders")


def test_only_the_ship_nodes_of_the_setting_are_listed(shop):
    ids = shop.ids(shop.client(ship_node_types=["WFSFulfilled"]))
    assert ids
    assert {shop.sandbox.records[each].ship_node for each in ids} == {"WFSFulfilled"}


def test_a_change_of_an_old_order_is_seen(shop):
    """Walmart searches the last seven days unless the date of creation is sent."""
    record = in_state(shop, "Acknowledged")
    shop.sandbox.clock.advance(timedelta(days=60))
    shop.sandbox.advance(AdvanceRequest("touch", (record.id,), backdate_seconds=60))
    assert shop.ids(shop.client(), shop.window(days=1)) == [record.id]


def test_no_orders_is_an_empty_listing_and_not_a_failure(shop):
    future = Window(shop.sandbox.now + timedelta(days=1), shop.sandbox.now + timedelta(days=2))
    assert shop.ids(shop.client(), future) == []


def test_a_search_with_too_many_orders_is_halved(shop):
    shop.sandbox.quirks = Quirks(most_orders=60)
    assert set(shop.ids(shop.client())) == set(shop.sandbox.records)
    assert shop.calls("orders") > 12


def test_a_window_that_cannot_be_halved_is_truncated(shop):
    shop.sandbox.quirks = Quirks(most_orders=0)
    instant = Window(shop.sandbox.now - timedelta(days=8), shop.sandbox.now)
    for record in shop.sandbox.records.values():
        record.updated = instant.since
    with pytest.raises(Transient) as failed:
        shop.ids(shop.client(), Window(instant.since, instant.since + timedelta(seconds=1)))
    assert failed.value.code == "truncated"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.REPEATED_PAGE, "repeated_page"),
        (FaultKind.TRUNCATED, "unreadable_answer"),
        (FaultKind.OK_HTML, "unreadable_answer"),
        (FaultKind.OK_EMPTY, "unreadable_answer"),
        (FaultKind.ERROR_HTML, "marketplace_unavailable"),
        (FaultKind.DROPPED, "unreachable"),
    ],
)
def test_a_listing_that_goes_wrong_is_failed_and_never_no_orders(shop, kind, code):
    shop.sandbox.add_fault(Fault(kind, operation="orders", count=None))
    with pytest.raises(Transient) as failed:
        shop.ids(shop.client())
    assert failed.value.code == code


def test_a_page_limit_is_a_failure(shop):
    with pytest.raises(Transient) as failed:
        shop.ids(shop.client(max_pages=1))
    assert failed.value.code == "truncated"


def test_too_many_calls_wait_as_long_as_walmart_says(shop):
    shop.sandbox.add_fault(Fault(FaultKind.THROTTLED, operation="orders", seconds=90))
    with pytest.raises(Throttled) as failed:
        shop.ids(shop.client())
    assert 60 < failed.value.retry_after <= 90


def test_the_quota_is_corrected_by_every_answer(shop):
    shop.sandbox.throttle.rate_factor = 50
    shop.ids(shop.client())
    assert len(shop.quota.learnt) == shop.calls("orders")
    operation, tokens, refill_at = shop.quota.learnt[-1]
    assert (operation, tokens > 100, refill_at is not None) == ("orders", True, True)


class TestTokens:
    """Asked for once, shared, renewed."""

    def test_one_token_serves_every_client_of_the_process(self, shop):
        for _ in range(3):
            shop.ids(shop.client())
        assert shop.calls("token") == 1

    def test_it_is_renewed_before_its_end(self, shop):
        shop.ids(shop.client())
        shop.sandbox.clock.advance(timedelta(seconds=845))
        shop.ids(shop.client())
        assert (shop.calls("token"), [entry.status for entry in shop.sandbox.journal if entry.status == 401]) == (2, [])

    @pytest.mark.parametrize("status", [400, 401])
    def test_one_that_is_refused_is_asked_for_anew_once(self, shop, status):
        shop.sandbox.quirks = Quirks(stale_token_status=status)
        client = shop.client()
        shop.ids(client)
        shop.sandbox.expire("seller")
        assert set(shop.ids(client)) == set(shop.sandbox.records)
        assert shop.calls("token") == 2

    def test_a_call_that_changes_something_is_sent_again_with_a_new_one(self, shop):
        client, record = shop.client(), in_state(shop, "Acknowledged")
        shop.ids(client)
        shop.sandbox.expire("seller")
        (receipt,) = client.confirm([parcel(record)])
        assert receipt.outcome is AttemptOutcome.SENT

    def test_revoked_keys_are_unauthorised_and_asked_for_no_more_than_twice(self, shop):
        client = shop.client()
        shop.ids(client)
        shop.sandbox.revoke("seller")
        with pytest.raises(Unauthorised):
            shop.ids(client)
        assert shop.calls("token") == 2

    def test_nothing_of_it_is_in_a_log_or_an_error(self, shop, caplog):
        caplog.set_level(logging.DEBUG)
        client = shop.client()
        shop.ids(client)
        with pytest.raises(Unauthorised) as refused:
            shop.ids(shop.client(secret="another-secret"))
        tokens = list(shop.sandbox._tokens)
        seen = caplog.text + repr(SHELF.__dict__) + repr(refused.value) + refused.value.message
        assert not any(secret in seen for secret in [*tokens, "another-secret", "walmart-sandbox-secret"])


class TestConfirming:
    """Shipping updates and what the order shows of them."""

    def test_a_package_is_sent_with_everything_that_walmart_demands(self, shop):
        record = in_state(shop, "Acknowledged")
        (receipt,) = shop.client().confirm([parcel(record)])
        assert (receipt.outcome, receipt.http_status, receipt.operation) == (AttemptOutcome.SENT, 200, "shipping")
        (line, *_) = record.lines
        (state,) = line["orderLineStatuses"]["orderLineStatus"]
        assert state["trackingInfo"] == {
            "shipDateTime": 1793613600000,
            "carrierName": {"carrier": "UPS"},
            "methodCode": record.order["shippingInfo"]["methodCode"],
            "trackingNumber": "1Z999",
        }
        assert line["sellerOrderId"] == seller_reference(SHIPMENT)
        assert len(line["sellerOrderId"]) <= 30

    def test_a_part_leaves_the_rest_open(self, shop):
        record = next(
            each
            for each in shop.sandbox.records.values()
            if set(each.states()) == {"Acknowledged"} and int(each.lines[0]["orderLineQuantity"]["amount"]) > 1
        )
        line = record.lines[0]
        (receipt,) = shop.client().confirm([parcel(record, quantities=((line["lineNumber"], 1),), is_whole=False)])
        assert receipt.outcome is AttemptOutcome.SENT
        states = [
            (each["status"], each["statusQuantity"]["amount"]) for each in line["orderLineStatuses"]["orderLineStatus"]
        ]
        assert states == [("Acknowledged", str(int(line["orderLineQuantity"]["amount"]) - 1)), ("Shipped", "1")]

    def test_a_correction_changes_the_tracking_alone(self, shop):
        record = in_state(shop, "Acknowledged")
        client = shop.client()
        client.confirm([parcel(record)])
        (receipt,) = client.confirm([parcel(record, is_update=True, tracking_number="1Z000")])
        assert receipt.outcome is AttemptOutcome.SENT
        (held,) = shop.sandbox.held([record.id])
        assert [package.tracking_number for package in held.packages] == ["1Z000"]

    def test_another_tools_package_is_never_changed(self, shop):
        record = in_state(shop, "Acknowledged")
        shop.sandbox.advance(AdvanceRequest("ship", (record.id,)))
        before = shop.sandbox.held([record.id])[0].packages
        (receipt,) = shop.client().confirm([parcel(record, is_update=True, tracking_number="1Z000")])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "package_not_ours")
        assert (shop.sandbox.held([record.id])[0].packages, shop.calls("shipping")) == (before, 0)

    def test_of_a_line_in_two_packages_none_is_changed(self, shop):
        record = next(
            each
            for each in shop.sandbox.records.values()
            if set(each.states()) == {"Acknowledged"} and int(each.lines[0]["orderLineQuantity"]["amount"]) > 1
        )
        part = parcel(record, quantities=((record.lines[0]["lineNumber"], 1),), is_whole=False)
        client = shop.client()
        client.confirm([part])
        shop.sandbox.advance(AdvanceRequest("ship", (record.id,)))
        (receipt,) = client.confirm([replace(part, is_update=True, tracking_number="1Z000")])
        assert receipt.code == "package_not_ours"

    def test_a_carrier_that_is_not_listed_needs_an_address_to_follow_it(self, shop):
        record = in_state(shop, "Acknowledged")
        odd = parcel(record, carrier_code=None, carrier_name="Kurier Muster")
        (receipt,) = shop.client().confirm([odd])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "tracking_url_missing")
        assert shop.calls("shipping") == 0

    def test_an_order_that_is_not_acknowledged_is_refused_in_walmarts_words(self, shop):
        record = in_state(shop, "Created")
        (receipt,) = shop.client().confirm([parcel(record)])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "shipment_refused")
        assert "Acknowledged" in receipt.message

    def test_what_the_buyer_wants_to_cancel_is_shipped_only_on_purpose(self, shop):
        record = in_state(shop, "Acknowledged")
        shop.sandbox.advance(AdvanceRequest("request_cancellation", (record.id,)))
        client = shop.client()
        (refused,) = client.confirm([parcel(record)])
        (receipt,) = client.confirm([parcel(record, overrides_cancellation=True)])
        assert (refused.outcome, receipt.outcome) == (AttemptOutcome.REJECTED, AttemptOutcome.SENT)

    @pytest.mark.parametrize("kind", [FaultKind.OK_HTML, FaultKind.OK_EMPTY, FaultKind.ERROR_EMPTY, FaultKind.DROPPED])
    def test_an_answer_that_shows_no_order_is_in_doubt(self, shop, kind):
        record = in_state(shop, "Acknowledged")
        shop.sandbox.add_fault(Fault(kind, operation="shipping"))
        (receipt,) = shop.client().confirm([parcel(record)])
        assert receipt.outcome is AttemptOutcome.IN_DOUBT

    @pytest.mark.parametrize("status", [409, 423])
    def test_a_locked_order_is_tried_again_later(self, shop, status):
        shop.sandbox.add_fault(Fault(FaultKind.ERROR_JSON, operation="shipping", status=status))
        with pytest.raises(Permanent):
            shop.client().confirm([parcel(in_state(shop, "Acknowledged"))])


class TestDeciding:
    """Acknowledging and cancelling."""

    def test_an_order_is_acknowledged_as_a_whole_and_again_without_harm(self, shop):
        record, client = in_state(shop, "Created"), shop.client()
        for _ in range(2):
            client.accept(record.id, dict.fromkeys([line["lineNumber"] for line in record.lines], True))
        assert set(record.states()) == {"Acknowledged"}

    def test_it_cannot_be_refused(self, shop):
        record = in_state(shop, "Created")
        with pytest.raises(Refused) as refused:
            shop.client().accept(record.id, {record.lines[0]["lineNumber"]: False})
        assert (refused.value.code, bool(refused.value.hint)) == ("refusal_not_offered", True)

    def test_units_are_cancelled_with_a_reason(self, shop):
        record = in_state(shop, "Acknowledged")
        units = {line["lineNumber"]: int(line["orderLineQuantity"]["amount"]) for line in record.lines}
        shop.client().cancel(record.id, units, "SELLER_CANCEL_OUT_OF_STOCK")
        assert set(record.states()) == {"Cancelled"}
        state = record.lines[0]["orderLineStatuses"]["orderLineStatus"][-1]
        assert state["cancellationReason"] == "SELLER_CANCEL_OUT_OF_STOCK"

    def test_what_is_shipped_cannot_be_cancelled(self, shop):
        record = in_state(shop, "Shipped")
        with pytest.raises(Refused) as refused:
            shop.client().cancel(record.id, {record.lines[0]["lineNumber"]: 1}, None)
        assert "units" in refused.value.message

    def test_a_cancellation_without_an_answer_is_in_doubt(self, shop):
        record = in_state(shop, "Acknowledged")
        shop.sandbox.add_fault(Fault(FaultKind.DROPPED, operation="cancel"))
        with pytest.raises(InDoubt):
            shop.client().cancel(record.id, {record.lines[0]["lineNumber"]: 1}, None)


class TestTheConnection:
    """What the test of a connection says."""

    def test_a_good_one(self, shop):
        assert {finding.part: finding.is_ok for finding in shop.client().test()} == {
            "endpoint": True,
            "credential": True,
            "clock": True,
        }

    def test_keys_that_are_refused(self, shop):
        (finding,) = shop.client(secret="wrong").test()
        assert (finding.part, finding.is_ok, bool(finding.hint)) == ("credential", False, True)

    def test_clocks_that_are_apart(self, shop):
        client = shop.client()
        client._now = lambda: shop.sandbox.now + timedelta(hours=1)
        findings = {finding.part: finding.is_ok for finding in client.test()}
        assert findings["clock"] is False

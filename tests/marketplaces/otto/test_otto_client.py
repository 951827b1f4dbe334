"""Asking OTTO over real HTTP: listings, links, both kinds of tokens, shipments, cancellations."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orders_pipeline.marketplaces.errors import InDoubt, Permanent, Refused, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.oauth import SHELF
from orders_pipeline.marketplaces.otto import MARKETPLACE
from orders_pipeline.marketplaces.otto.dialect import OttoDialect
from orders_pipeline.marketplaces.otto.settings import OttoSettings
from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import ChannelContext, ConnectionContext, Parcel
from orders_pipeline.marketplaces.settings import ShipFromPlace
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.otto.state import CLIENT_SECRET, OttoQuirks
from warehouse.clock import utc_now
from warehouse.order_states import Status
from warehouse.shipments import AttemptOutcome

DRESDEN = ShipFromPlace(city="Dresden", postal_code="01067", country_code="DE")


def in_state(shop, state="PROCESSABLE", units=1):
    """The first order of at least so many units, all in a state."""
    fits = (each for each in shop.sandbox.records.values() if each.states() == {state})
    return next(each for each in fits if len(each.items) >= units)


def ids_of(record):
    return [each["positionItemId"] for each in record.items]


def parcel(record, **changed):
    whole = Parcel(
        shipment_id="6f9619ff-8b86-d011-b42d-00c04fc964ff",
        original_id=record.id,
        selector=None,
        reference=1,
        package_id="P1",
        marketplace_package_id=None,
        is_update=False,
        is_whole=True,
        carrier_code="HERMES",
        carrier_name=None,
        tracking_number="H0000000000000000001",
        tracking_url=None,
        shipping_method=None,
        ship_from="MAIN",
        ship_from_place=DRESDEN,
        return_tracking_number="577546565072",
        return_carrier="dhl paket",
        shipped_at=datetime.fromisoformat("2026-11-02T10:00:00+00:00"),
        quantities=tuple((each, 1) for each in ids_of(record)),
    )
    return replace(whole, **changed)


def states_of(record):
    return [each["fulfillmentStatus"] for each in record.items]


@pytest.mark.parametrize("link", ["relative", "path", "address"])
def test_every_order_once_however_the_next_page_is_named(shop, link):
    shop.sandbox.quirks = OttoQuirks(link=link)
    ids = shop.ids(shop.client())
    assert set(ids) == set(shop.sandbox.records)
    assert len(ids) == len(set(ids))
    first, *others = [dict(entry.query) for entry in shop.sandbox.journal if entry.operation == "orders"]
    assert (first["mode"], first["limit"], set(first)) == ("AT_LEAST_ONE", "128", {"fromDate", "mode", "limit"})
    assert [set(each) for each in others] == [{"nextcursor", "limit"}] * 2
    assert shop.quota.operations == ["orders"] * 3


def test_an_order_on_two_pages_comes_once(shop):
    shop.sandbox.quirks = OttoQuirks(repeats_rows=True)
    ids = shop.ids(shop.client())
    assert set(ids) == set(shop.sandbox.records)
    assert len(ids) == len(set(ids))


def test_only_what_changed_since_is_listed_and_the_newest_too(shop):
    record = in_state(shop)
    window = shop.window(days=0.0001)
    shop.sandbox.clock.advance(timedelta(days=2))
    shop.sandbox.advance(AdvanceRequest("touch", (record.id,)))
    assert shop.ids(shop.client(), window) == [record.id]


def test_no_orders_is_an_empty_listing(shop):
    shop.sandbox.clock.advance(timedelta(days=2))
    assert shop.ids(shop.client(), shop.window(days=1)) == []


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


@pytest.mark.parametrize("link", ["https://elsewhere.example/v4/orders?nextcursor=x", "//elsewhere.example/v4/orders"])
def test_a_link_to_another_host_is_not_followed(shop, monkeypatch, link):
    monkeypatch.setattr(shop.sandbox, "_link", lambda *_: link)
    with pytest.raises(Transient) as failed:
        shop.ids(shop.client())
    assert (failed.value.code, shop.calls("orders")) == ("unreadable_answer", 1)


@pytest.mark.parametrize("links", [{"rel": "next"}, ["next"], [{"rel": "next", "href": 7}], [{"rel": "next"}]])
def test_links_that_are_none_leave_the_end_unknown(shop, monkeypatch, links):
    handle = shop.sandbox._list

    def answered(call, account):
        answer = handle(call, account)
        answer.body["links"] = links
        return answer

    monkeypatch.setattr(shop.sandbox, "_list", answered)
    with pytest.raises(Transient) as failed:
        shop.ids(shop.client())
    assert failed.value.code == "unreadable_answer"


def test_too_many_calls_wait_as_long_as_otto_says(shop):
    shop.sandbox.add_fault(Fault(FaultKind.THROTTLED, operation="orders", seconds=30))
    with pytest.raises(Throttled) as failed:
        shop.ids(shop.client())
    assert failed.value.retry_after == 30


class TestTokens:
    """Asked for once, shared, renewed; by an app or by an API user."""

    @pytest.mark.parametrize(("grant", "operation"), [("client_credentials", "token"), ("password", "user_token")])
    def test_one_token_serves_every_client_of_the_process(self, shop, grant, operation):
        for _ in range(3):
            shop.ids(shop.client(grant=grant))
        assert (shop.calls(operation), shop.calls("token") + shop.calls("user_token")) == (1, 1)

    def test_it_is_renewed_before_its_end(self, shop):
        shop.ids(shop.client())
        shop.sandbox.clock.advance(timedelta(seconds=1745))
        shop.ids(shop.client())
        assert (shop.calls("token"), [entry for entry in shop.sandbox.journal if entry.status == 401]) == (2, [])

    def test_one_that_is_refused_is_asked_for_anew_once(self, shop):
        client = shop.client()
        shop.ids(client)
        shop.sandbox.expire("seller")
        assert set(shop.ids(client)) == set(shop.sandbox.records)
        assert shop.calls("token") == 2

    def test_one_that_is_good_for_one_call_alone_is_renewed_each_time(self, shop):
        shop.sandbox.quirks = OttoQuirks(tokens_are_used_up=True)
        assert set(shop.ids(shop.client())) == set(shop.sandbox.records)
        assert shop.calls("token") == 3

    def test_a_call_that_changes_something_is_sent_again_with_a_new_one(self, shop):
        client, record = shop.client(), in_state(shop)
        shop.ids(client)
        shop.sandbox.expire("seller")
        (receipt,) = client.confirm([parcel(record)])
        assert receipt.outcome is AttemptOutcome.SENT

    def test_revoked_credentials_are_unauthorised_and_asked_for_no_more_than_twice(self, shop):
        client = shop.client()
        shop.ids(client)
        shop.sandbox.revoke("seller")
        with pytest.raises(Unauthorised):
            shop.ids(client)
        assert shop.calls("token") == 2

    @pytest.mark.parametrize("grant", ["client_credentials", "password"])
    def test_nothing_of_it_is_in_a_log_or_an_error(self, shop, caplog, grant):
        caplog.set_level(logging.DEBUG)
        shop.ids(shop.client(grant=grant))
        with pytest.raises(Unauthorised) as refused:
            shop.ids(shop.client(secret="another-secret", grant=grant))
        tokens = list(shop.sandbox._tokens)
        seen = caplog.text + repr(SHELF.__dict__) + repr(refused.value) + refused.value.message
        assert tokens
        assert not any(secret in seen for secret in [*tokens, "another-secret", CLIENT_SECRET])

    @pytest.mark.parametrize(
        ("environment", "address"),
        [("production", "https://api.otto.market"), ("sandbox", "https://sandbox.api.otto.market")],
    )
    def test_the_environment_chooses_the_address(self, environment, address):
        context = ConnectionContext("otto", None, None, {}, (), {})
        assert OttoDialect(context, OttoSettings(environment=environment), utc_now).address == address

    def test_secrets_do_not_travel_in_clear(self):
        context = ConnectionContext("otto", "http://otto.example", None, {}, (), {})
        with pytest.raises(Permanent) as refused:
            _ = OttoDialect(context, OttoSettings(), utc_now).address
        assert refused.value.code == "endpoint_insecure"


class TestConnection:
    """What `orders connections test` says."""

    def test_a_scope_that_is_missing_is_named(self, shop):
        shop.sandbox.quirks = OttoQuirks(scopes=("orders",))
        bad = [each for each in shop.client().test() if not each.is_ok]
        assert [each.part for each in bad] == ["role"]
        assert "shipments" in bad[0].hint

    def test_clocks_that_differ_are_named(self, shop):
        client = shop.client()
        client._now = lambda: shop.sandbox.now + timedelta(hours=1)
        assert [each.part for each in client.test() if not each.is_ok] == ["clock"]


class TestConfirming:
    """Shipments, and what the order shows of them."""

    def test_a_package_is_sent_with_everything_that_otto_demands(self, shop):
        record = in_state(shop, units=2)
        (receipt,) = shop.client().confirm([parcel(record)])
        assert (receipt.outcome, receipt.http_status, receipt.operation) == (AttemptOutcome.SENT, 201, "shipment")
        (held,) = shop.sandbox.shipments.values()
        assert receipt.marketplace_package_id == held["shipmentId"]
        assert held["trackingKey"] == {"carrier": "HERMES", "trackingNumber": "H0000000000000000001"}
        assert held["shipFromAddress"] == {"city": "Dresden", "countryCode": "DEU", "zipCode": "01067"}
        assert held["shipDate"] == "2026-11-02T10:00:00.000Z"
        label = {"carrier": "DHL", "trackingNumber": "577546565072"}
        assert held["positionItems"] == [
            {"positionItemId": each, "salesOrderId": record.id, "returnTrackingKey": label} for each in ids_of(record)
        ]
        assert shop.calls("shipment") == 1

    def test_a_part_leaves_the_rest_open(self, shop):
        record = in_state(shop, units=2)
        one = ids_of(record)[0]
        (receipt,) = shop.client().confirm([parcel(record, quantities=((one, 1),), is_whole=False)])
        assert receipt.outcome is AttemptOutcome.SENT
        assert sorted(set(states_of(record))) == ["PROCESSABLE", "SENT"]

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"ship_from_place": None}, "ship_from_missing"),
            ({"return_tracking_number": None}, "return_label_missing"),
            ({"return_carrier": "UPS"}, "return_label_missing"),
            ({"carrier_code": None, "carrier_name": "Kurier Muster"}, "carrier_unknown"),
            ({"is_update": True}, "correction_not_offered"),
        ],
    )
    def test_what_lacks_something_is_not_sent(self, shop, changed, code):
        (receipt,) = shop.client().confirm([parcel(in_state(shop), **changed)])
        assert (receipt.outcome, receipt.code, shop.calls("shipment")) == (AttemptOutcome.REJECTED, code, 0)
        assert receipt.hint

    def test_a_forwarder_needs_no_return_label(self, shop):
        record = in_state(shop)
        freight = parcel(record, carrier_code="DHL_FREIGHT", return_tracking_number=None, return_carrier=None)
        (receipt,) = shop.client().confirm([freight])
        assert receipt.outcome is AttemptOutcome.SENT

    def test_the_label_is_of_the_parcels_carrier_where_none_is_named(self, shop):
        shop.client().confirm([parcel(in_state(shop), return_carrier=None)])
        (held,) = shop.sandbox.shipments.values()
        assert {each["returnTrackingKey"]["carrier"] for each in held["positionItems"]} == {"HERMES"}

    def test_units_show_as_sent_some_time_later(self, shop):
        shop.sandbox.quirks = OttoQuirks(sent_after_seconds=1200)
        record, client = in_state(shop), shop.client()
        (receipt,) = client.confirm([parcel(record)])
        assert receipt.outcome is AttemptOutcome.SENT
        assert read_back(client, record).status is Status.WAITING_FOR_SHIPMENT
        (again,) = client.confirm([parcel(record)])
        assert (again.outcome, again.code) == (AttemptOutcome.IN_DOUBT, "already_shipped")
        shop.sandbox.clock.advance(timedelta(minutes=20))
        order = read_back(client, record)
        assert order.status is Status.SHIPPED
        assert [(each.tracking_number, each.carriers) for each in order.packages] == [
            ("H0000000000000000001", ("HERMES",))
        ]
        assert timedelta(minutes=30) <= MARKETPLACE.shown_within

    def test_a_number_that_another_package_has_is_refused_in_ottos_words(self, shop):
        first = in_state(shop)
        shop.client().confirm([parcel(first)])
        (receipt,) = shop.client().confirm([parcel(in_state(shop))])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "shipment_refused")
        assert "tracking number" in receipt.message

    def test_a_unit_that_is_only_announced_is_refused(self, shop):
        (receipt,) = shop.client().confirm([parcel(in_state(shop, "ANNOUNCED"))])
        assert (receipt.outcome, receipt.code, receipt.http_status) == (
            AttemptOutcome.REJECTED,
            "shipment_refused",
            409,
        )

    def test_an_order_that_is_not_known_is_refused(self, shop):
        (receipt,) = shop.client().confirm([parcel(in_state(shop), original_id="nobody-knows")])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "order_not_found")

    def test_what_is_taken_in_part_is_in_doubt(self, shop):
        shop.sandbox.quirks = OttoQuirks(is_partial=True)
        record = in_state(shop, units=2)
        record.items[0]["fulfillmentStatus"] = "CANCELLED_BY_MARKETPLACE"
        (receipt,) = shop.client().confirm([parcel(record)])
        assert (receipt.outcome, receipt.code, receipt.http_status) == (AttemptOutcome.IN_DOUBT, "partly_sent", 207)

    @pytest.mark.parametrize("kind", [FaultKind.OK_HTML, FaultKind.OK_EMPTY, FaultKind.ERROR_EMPTY, FaultKind.DROPPED])
    def test_an_answer_without_a_shipment_is_in_doubt(self, shop, kind):
        shop.sandbox.add_fault(Fault(kind, operation="shipment"))
        (receipt,) = shop.client().confirm([parcel(in_state(shop))])
        assert receipt.outcome is AttemptOutcome.IN_DOUBT

    def test_a_refusal_that_cannot_be_looked_into_is_in_doubt(self, shop):
        record, client = in_state(shop), shop.client()
        client.confirm([parcel(record)])
        shop.sandbox.add_fault(Fault(FaultKind.ERROR_HTML, operation="shipment_by_number"))
        (receipt,) = client.confirm([parcel(record)])
        assert receipt.outcome is AttemptOutcome.IN_DOUBT

    def test_a_scope_that_is_missing_is_no_fault_of_the_package(self, shop):
        shop.sandbox.quirks = OttoQuirks(scopes=("orders",))
        with pytest.raises(Unauthorised):
            shop.client().confirm([parcel(in_state(shop))])


def read_back(client, record):
    (raw,) = [raw for page in client.read_back([record.id]) for raw in page.orders]
    (order,) = MARKETPLACE.normalise(parse(raw.body), ChannelContext("otto", "OTTO"))
    return order


class TestCancelling:
    """Units that are released, and no others."""

    def test_units_are_cancelled_and_the_others_stay(self, shop):
        record = in_state(shop, units=2)
        shop.client().cancel(record.id, {ids_of(record)[0]: 1}, None)
        assert states_of(record)[0] == "CANCELLED_BY_PARTNER"
        assert set(states_of(record)[1:]) == {"PROCESSABLE"}

    @pytest.mark.parametrize("state", ["ANNOUNCED", "SENT", "CANCELLED_BY_PARTNER"])
    def test_any_other_state_is_refused(self, shop, state):
        record = in_state(shop, state)
        with pytest.raises(Refused) as refused:
            shop.client().cancel(record.id, dict.fromkeys(ids_of(record), 1), None)
        assert (refused.value.code, bool(refused.value.hint)) == ("cancellation_refused", True)
        assert "PROCESSABLE" in refused.value.message

    def test_what_is_done_in_part_is_in_doubt(self, shop):
        shop.sandbox.quirks = OttoQuirks(is_partial=True)
        record = in_state(shop, units=2)
        record.items[0]["fulfillmentStatus"] = "SENT"
        with pytest.raises(InDoubt):
            shop.client().cancel(record.id, dict.fromkeys(ids_of(record), 1), None)

    @pytest.mark.parametrize("kind", [FaultKind.ERROR_HTML, FaultKind.DROPPED])
    def test_no_answer_is_in_doubt(self, shop, kind):
        record = in_state(shop)
        shop.sandbox.add_fault(Fault(kind, operation="cancellation"))
        with pytest.raises(InDoubt):
            shop.client().cancel(record.id, dict.fromkeys(ids_of(record), 1), None)

    def test_requests_to_cancel_and_acceptance_are_not_offered_and_said_so(self, shop):
        client = shop.client()
        with pytest.raises(Refused) as no_request:
            client.decide_cancellation("x", "BUYER", is_accepted=True, reason=None)
        with pytest.raises(Refused) as no_acceptance:
            client.accept("x", {"y": True})
        assert (no_request.value.code, no_acceptance.value.code) == (
            "cancellation_not_offered",
            "acceptance_not_offered",
        )

"""Asking eBay over real HTTP: listings, packages, tokens, consent, confirmations and cancellations."""

from __future__ import annotations

import base64
import hashlib
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from orders_pipeline.marketplaces.ebay.client import EbayClient
from orders_pipeline.marketplaces.ebay.consent import EbayConsenting
from orders_pipeline.marketplaces.ebay.signatures import EbaySigner
from orders_pipeline.marketplaces.errors import InDoubt, Permanent, Refused, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.oauth import SHELF
from orders_pipeline.marketplaces.protocol import Parcel
from orders_pipeline.sandbox.ebay.state import CLIENT_SECRET, CONSENT_CODE, REFRESH_TOKEN
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from warehouse.shipments import AttemptOutcome


def pem(key):
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNED = {"signing_key": pem(KEY), "signing_jwe": "eyJhbGciOiJ.made.up"}


def open_order(shop, units=1):
    held = next(
        each
        for each in shop.sandbox.held()
        if each.is_open_to_us and not each.packages and sum(line.ordered for line in each.lines) >= units
    )
    return shop.sandbox.records[held.id]


def units_of(record):
    return {line["lineItemId"]: line["quantity"] for line in record.lines}


def parcel(record, **changed):
    whole = Parcel(
        shipment_id="s-1",
        original_id=record.id,
        selector=None,
        reference=1,
        package_id="P1",
        marketplace_package_id=None,
        is_update=False,
        is_whole=True,
        carrier_code="UPS",
        carrier_name=None,
        tracking_number="1Z 999-AA1",
        tracking_url=None,
        shipping_method=None,
        ship_from=None,
        return_tracking_number=None,
        return_carrier=None,
        shipped_at=datetime.fromisoformat("2026-11-02T10:00:00+00:00"),
        quantities=tuple(units_of(record).items()),
    )
    return replace(whole, **changed)


def ask(shop, record):
    shop.sandbox.advance(AdvanceRequest("request_cancellation", (record.id,), backdate_seconds=60))


class TestListings:
    """Every order of a window, once."""

    def test_pages_follow_each_other_by_their_addresses(self, shop):
        ids = shop.ids(shop.client())
        assert sorted(ids) == sorted(shop.sandbox.records)
        queries = [dict(entry.query) for entry in shop.sandbox.journal if entry.operation == "getOrders"]
        assert [(each["offset"], each["limit"]) for each in queries] == [("0", "200"), ("200", "200"), ("400", "200")]
        assert {each["filter"][:18] for each in queries} == {"lastmodifieddate:["}
        assert {each["fieldGroups"] for each in queries} == {"TAX_BREAKDOWN"}

    def test_packages_are_asked_for_where_something_left(self, shop):
        bodies = dict(shop.bodies(shop.client()))
        left = {each.id for each in shop.sandbox.records.values() if each.packages}
        assert {name for name, body in bodies.items() if b'"fulfillments":' in body} == left
        assert shop.calls("getShippingFulfillments") == len(left)
        assert set(shop.quota.operations) == {"getOrders", "getShippingFulfillments", "getOrder"}

    def test_requests_to_cancel_are_read_from_the_order_itself(self, shop):
        record = open_order(shop)
        ask(shop, record)
        body = orjson.loads(dict(shop.bodies(shop.client()))[record.id])
        assert body["cancelStatus"]["cancelRequests"][0]["cancelInitiator"] == "Buyer"
        cancelled = {each.id for each in shop.sandbox.records.values() if each.cancel_state != "NONE_REQUESTED"}
        assert shop.calls("getOrder") == len(cancelled)

    def test_rows_that_move_up_while_one_pages_are_not_lost(self, shop, monkeypatch):
        """An order of the first page changes again, later than the window ends, and all that follow move up by one."""
        window, first = shop.window(), min(shop.sandbox.records.values(), key=lambda each: each.order["creationDate"])
        left_out = []
        page = EbayClient._page

        def paged(client, path, parameters):
            listed = page(client, path, parameters)
            if not left_out:
                left_out.append(first.id)
                first.updated = window.until + timedelta(hours=1)
            return listed

        monkeypatch.setattr(EbayClient, "_page", paged)
        ids = shop.ids(shop.client(), window)
        assert sorted(ids) == sorted(shop.sandbox.records)

    def test_fewer_orders_than_are_counted_are_truncated(self, shop, monkeypatch):
        page = EbayClient._page

        def counted(client, path, parameters):
            return page(client, path, parameters)._replace(total=999)

        monkeypatch.setattr(EbayClient, "_page", counted)
        with pytest.raises(Transient) as failed:
            shop.ids(shop.client())
        assert failed.value.code == "truncated"

    def test_a_token_never_goes_to_another_host(self, shop):
        shop.sandbox.configure({"next_host": "http://elsewhere.example"})
        with pytest.raises(Transient) as failed:
            shop.ids(shop.client())
        assert "another host" in failed.value.message

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
    def test_a_listing_that_goes_wrong_is_failed_and_never_no_orders(self, shop, kind, code):
        shop.sandbox.add_fault(Fault(kind, operation="getOrders", count=None))
        with pytest.raises(Transient) as failed:
            shop.ids(shop.client())
        assert failed.value.code == code

    def test_packages_that_cannot_be_read_fail_the_window(self, shop):
        shop.sandbox.add_fault(Fault(FaultKind.OK_HTML, operation="getShippingFulfillments"))
        with pytest.raises(Transient):
            shop.ids(shop.client())

    def test_too_many_calls_wait_a_minute_where_nothing_is_said(self, shop):
        shop.sandbox.add_fault(Fault(FaultKind.THROTTLED, operation="getOrders", seconds=90))
        with pytest.raises(Throttled) as failed:
            shop.ids(shop.client())
        assert failed.value.retry_after == 60

    def test_an_unknown_order_is_left_out(self, shop):
        pages = list(shop.client().fetch(["no-such-order", next(iter(shop.sandbox.records))]))
        assert [len(page.orders) for page in pages] == [1]

    def test_reading_back_asks_for_packages_whatever_the_state(self, shop):
        record = open_order(shop)
        (page,) = shop.client().read_back([record.id])
        assert page.orders[0].body.endswith(b'"fulfillments":[]}')


class TestTokens:
    """Asked for once, shared, renewed; never told."""

    def test_one_serves_every_client_of_the_process(self, shop):
        for _ in range(2):
            shop.client().test()
        assert shop.calls("token") == 1

    def test_it_is_renewed_before_its_end(self, shop):
        shop.client().test()
        shop.sandbox.clock.advance(timedelta(seconds=7150))
        shop.client().test()
        assert shop.calls("token") == 2
        assert [entry.status for entry in shop.sandbox.journal if entry.status == 401] == []

    def test_one_that_is_refused_is_replaced_once(self, shop):
        client = shop.client()
        client.test()
        shop.sandbox.expire("seller")
        assert all(each.is_ok for each in client.test())
        assert (shop.calls("token"), sum(entry.status == 401 for entry in shop.sandbox.journal)) == (2, 1)

    def test_an_ended_consent_says_to_consent_again(self, shop):
        shop.sandbox.revoke("seller")
        with pytest.raises(Unauthorised) as refused:
            shop.ids(shop.client())
        assert "invalid_grant" in refused.value.message
        assert "consent again" in refused.value.hint

    def test_a_wrong_keyset_is_no_matter_of_consent(self, shop):
        with pytest.raises(Unauthorised) as refused:
            shop.ids(shop.client(credentials={"client_secret": "wrong"}))
        assert "environment" in refused.value.hint

    def test_no_secret_is_logged(self, shop, caplog):
        caplog.set_level(logging.DEBUG)
        shop.client().test()
        tokens = [token.text for token in SHELF._tokens.values()]
        for secret in (CLIENT_SECRET, REFRESH_TOKEN, *tokens):
            assert secret not in caplog.text


class TestConsent:
    """Given once, in a browser."""

    def test_its_page_names_application_redirect_and_scope(self, shop):
        address = EbayConsenting(shop.context(redirect_name="Lamp-Shop-abc"), shop.sandbox.clock).address
        query = parse_qs(urlsplit(address).query)
        assert (query["redirect_uri"], query["response_type"]) == (["Lamp-Shop-abc"], ["code"])
        assert query["scope"] == ["https://api.ebay.com/oauth/api_scope/sell.fulfillment"]
        assert CLIENT_SECRET not in address

    @pytest.mark.parametrize(
        ("environment", "host"), [("production", "auth.ebay.com"), ("sandbox", "auth.sandbox.ebay.com")]
    )
    def test_it_is_given_where_the_environment_is(self, shop, environment, host):
        context = replace(shop.context(redirect_name="x", environment=environment), endpoint=None)
        assert urlsplit(EbayConsenting(context).address).netloc == host

    def test_the_address_that_comes_back_becomes_a_refresh_token(self, shop):
        asked = EbayConsenting(shop.context(redirect_name="x"), shop.sandbox.clock)
        consent = asked.redeem(f"https://shop.example/back?code={CONSENT_CODE}&expires_in=299")
        assert (consent.credential, consent.secret) == ("refresh_token", REFRESH_TOKEN)
        assert timedelta(days=547) < consent.ends_at - shop.sandbox.now < timedelta(days=548)
        assert REFRESH_TOKEN not in repr(consent)

    def test_a_used_code_is_refused_in_words(self, shop):
        asked = EbayConsenting(shop.context(redirect_name="x"), shop.sandbox.clock)
        with pytest.raises(Unauthorised) as refused:
            asked.redeem("v^1.1#used")
        assert "open the address again" in refused.value.hint
        assert "v^1.1#used" not in refused.value.message

    def test_it_needs_the_name_of_the_redirect(self, shop):
        with pytest.raises(Permanent) as refused:
            EbayConsenting(shop.context())
        assert refused.value.code == "setting_missing"


class TestConfirming:
    """A package arrives once, or its fate is told as it is."""

    def shown(self, record):
        return [(each.get("shipmentTrackingNumber"), each["lineItems"]) for each in record.packages]

    def test_lines_units_and_number_are_told(self, shop):
        record = open_order(shop, units=3)
        (receipt,) = shop.client().confirm([parcel(record)])
        assert (receipt.outcome, receipt.marketplace_package_id) == (AttemptOutcome.SENT, "1Z999AA1")
        lines = [{"lineItemId": name, "quantity": units} for name, units in units_of(record).items()]
        assert self.shown(record) == [("1Z999AA1", lines)]

    def test_without_a_number_there_is_no_carrier_either(self, shop):
        record = open_order(shop)
        (receipt,) = shop.client().confirm([parcel(record, tracking_number=None)])
        assert (receipt.outcome, receipt.marketplace_package_id) == (AttemptOutcome.SENT, "999")
        assert self.shown(record)[0][0] is None

    def test_a_number_of_other_signs_is_refused_before_it_is_sent(self, shop):
        record = open_order(shop)
        (receipt,) = shop.client().confirm([parcel(record, tracking_number="AB/12")])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "tracking_number_invalid")
        assert shop.calls("createShippingFulfillment") == 0

    def test_a_correction_is_not_sent(self, shop):
        (receipt,) = shop.client().confirm([parcel(open_order(shop), is_update=True)])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "correction_not_offered")
        assert len(shop.sandbox.journal) == 0

    def test_more_units_than_remain_are_refused_with_ebays_word(self, shop):
        record = open_order(shop)
        line = record.lines[0]
        (receipt,) = shop.client().confirm([parcel(record, quantities=((line["lineItemId"], line["quantity"] + 1),))])
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "shipment_refused")
        assert receipt.message.startswith("32600: ")

    @pytest.mark.parametrize("number", ["1Z999AA1", None])
    def test_a_refused_repetition_is_in_doubt_and_not_a_refusal(self, shop, number):
        record = open_order(shop)
        shop.client().confirm([parcel(record, tracking_number=number)])
        (again,) = shop.client().confirm([parcel(record, tracking_number=number)])
        assert (again.outcome, again.code) == (AttemptOutcome.IN_DOUBT, "already_shipped")
        assert len(record.packages) == 1

    @pytest.mark.parametrize(
        ("kind", "arrived"),
        [(FaultKind.DROPPED, 1), (FaultKind.DROPPED_BEFORE, 0), (FaultKind.ERROR_HTML, 0), (FaultKind.ERROR_JSON, 0)],
    )
    def test_what_is_not_answered_well_is_in_doubt(self, shop, kind, arrived):
        record = open_order(shop)
        shop.sandbox.add_fault(Fault(kind, operation="createShippingFulfillment"))
        (receipt,) = shop.client().confirm([parcel(record)])
        assert (receipt.outcome, len(record.packages)) == (AttemptOutcome.IN_DOUBT, arrived)

    def test_an_answer_of_another_success_proves_nothing(self, shop):
        shop.sandbox.add_fault(Fault(FaultKind.OK_HTML, operation="createShippingFulfillment"))
        (receipt,) = shop.client().confirm([parcel(open_order(shop))])
        assert receipt.outcome is AttemptOutcome.IN_DOUBT

    def test_a_refused_token_has_shipped_nothing(self, shop):
        record, client = open_order(shop), shop.client()
        client.test()
        shop.sandbox.expire("seller")
        (receipt,) = client.confirm([parcel(record)])
        assert (receipt.outcome, len(record.packages)) == (AttemptOutcome.SENT, 1)


class TestCancelling:
    """Whole orders, and answers to buyers."""

    REASON = "OUT_OF_STOCK_OR_CANNOT_FULFILL"

    def test_a_whole_order(self, shop):
        record = open_order(shop)
        shop.client().cancel(record.id, units_of(record), self.REASON)
        assert record.cancel_state == "CANCELED"
        assert record.order["cancelStatus"]["cancelRequests"][0]["cancelReason"] == self.REASON

    def test_one_that_ebay_carries_out_later_is_not_asked_for_twice(self, shop):
        shop.sandbox.configure({"cancels_at_once": False})
        record = open_order(shop)
        shop.client().cancel(record.id, units_of(record), self.REASON)
        with pytest.raises(Refused) as refused:
            shop.client().cancel(record.id, units_of(record), self.REASON)
        assert "asked to cancel it already" in refused.value.message
        assert shop.calls("createCancellation") == 1

    def test_a_part_is_refused_before_anything_is_sent(self, shop):
        record = open_order(shop, units=3)
        name = next(iter(units_of(record)))
        part = {name: units_of(record)[name] - 1} if len(record.lines) == 1 else {name: units_of(record)[name]}
        with pytest.raises(Refused) as refused:
            shop.client().cancel(record.id, part, self.REASON)
        assert "whole orders" in refused.value.message
        assert shop.calls("createCancellation") == 0

    def test_without_a_reason_nothing_is_cancelled(self, shop):
        record = open_order(shop)
        with pytest.raises(Refused):
            shop.client().cancel(record.id, units_of(record), None)
        assert record.cancel_state == "NONE_REQUESTED"

    @pytest.mark.parametrize("is_within_success", [True, False])
    def test_errors_count_whatever_the_status(self, shop, is_within_success):
        shop.sandbox.configure({"errors_within_success": is_within_success})
        record = open_order(shop)
        ask(shop, record)
        client = shop.client()
        client.decide_cancellation(record.id, "BUYER", is_accepted=True, reason=None)
        record.order["cancelStatus"]["cancelRequests"].append(
            {**record.order["cancelStatus"]["cancelRequests"][0], "cancelRequestState": "ODD", "cancelRequestId": "7"}
        )
        with pytest.raises(Refused) as refused:
            client.decide_cancellation(record.id, "BUYER", is_accepted=True, reason=None)
        assert "not open any more" in refused.value.message

    def test_a_buyers_request_is_approved(self, shop):
        record = open_order(shop)
        ask(shop, record)
        shop.client().decide_cancellation(record.id, "BUYER", is_accepted=True, reason=None)
        assert record.cancel_state == "CANCELED"

    def test_a_buyers_request_is_rejected(self, shop):
        record = open_order(shop)
        ask(shop, record)
        shop.client().decide_cancellation(record.id, "BUYER", is_accepted=False, reason="packed")
        assert (record.cancel_state, shop.calls("rejectCancellation")) == ("NONE_REQUESTED", 1)

    def test_a_request_that_the_order_does_not_name_is_searched(self, shop):
        record = open_order(shop)
        ask(shop, record)
        record.order["cancelStatus"]["cancelRequests"][0]["cancelInitiator"] = "?"
        shop.client().decide_cancellation(record.id, "UNKNOWN", is_accepted=True, reason=None)
        assert (record.cancel_state, shop.calls("searchCancellations")) == ("CANCELED", 1)

    def test_no_request_is_said_to_be_none(self, shop):
        with pytest.raises(Refused) as refused:
            shop.client().decide_cancellation(open_order(shop).id, "BUYER", is_accepted=True, reason=None)
        assert "no request" in refused.value.message

    def test_a_call_that_ebay_has_taken_away_is_told_apart(self, shop):
        record = open_order(shop)
        shop.sandbox.configure({"is_post_order_gone": True})
        with pytest.raises(Refused) as refused:
            shop.client().cancel(record.id, units_of(record), self.REASON)
        assert "out of service" in refused.value.hint

    @pytest.mark.parametrize("kind", [FaultKind.DROPPED, FaultKind.ERROR_HTML, FaultKind.OK_HTML, FaultKind.OK_EMPTY])
    def test_what_is_not_answered_well_is_in_doubt(self, shop, kind):
        record = open_order(shop)
        shop.sandbox.add_fault(Fault(kind, operation="createCancellation"))
        with pytest.raises(InDoubt):
            shop.client().cancel(record.id, units_of(record), self.REASON)

    def test_calls_are_signed_where_there_is_a_key(self, shop):
        shop.sandbox.configure({"needs_signature": True})
        record = open_order(shop)
        with pytest.raises(Unauthorised):
            shop.client().cancel(record.id, units_of(record), self.REASON)
        shop.client(credentials=SIGNED).cancel(record.id, units_of(record), self.REASON)
        assert record.cancel_state == "CANCELED"


class TestSignatures:
    """What eBay checks with the public key."""

    def test_the_signature_covers_what_is_sent(self, clock):
        request = httpx.Request("POST", "https://api.ebay.com/post-order/v2/cancellation?x=1", json={"a": 1})
        found = EbaySigner(key=SIGNED["signing_key"], jwe="a.jwe").headers(request, clock())
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(request.content).digest()).decode()}:"
        parameters = (
            '("content-digest" "x-ebay-signature-key" "@method" "@path" "@authority")'
            f";created={int(clock().timestamp())}"
        )
        assert (found["Content-Digest"], found["x-ebay-signature-key"]) == (digest, "a.jwe")
        assert found["Signature-Input"] == f"sig1={parameters}"
        base = (
            f'"content-digest": {digest}\n"x-ebay-signature-key": a.jwe\n"@method": POST\n'
            f'"@path": /post-order/v2/cancellation\n"@authority": api.ebay.com\n"@signature-params": {parameters}'
        )
        KEY.public_key().verify(base64.b64decode(found["Signature"].removeprefix("sig1=:").rstrip(":")), base.encode())

    def test_without_a_body_there_is_no_digest(self, clock):
        request = httpx.Request("POST", "https://api.ebay.com/post-order/v2/cancellation/7/approve")
        found = EbaySigner(SIGNED["signing_key"], "a.jwe").headers(request, clock())
        assert "Content-Digest" not in found
        assert found["Signature-Input"].startswith('sig1=("x-ebay-signature-key" "@method"')

    @pytest.mark.parametrize(
        ("key", "jwe"),
        [
            ("not base64!", "a"),
            ("AAAA", "a"),
            (pem(generate_private_key(SECP256R1())), "a"),
            (SIGNED["signing_key"], ""),
        ],
    )
    def test_what_is_no_key_is_named_and_not_repeated(self, key, jwe):
        with pytest.raises(Permanent) as refused:
            EbaySigner(key, jwe)
        assert refused.value.code == "credential_invalid"
        assert key not in str(refused.value)


class TestConnectionTest:
    """Names what is wrong."""

    def parts(self, client):
        return [(each.part, each.is_ok) for each in client.test()]

    def test_all_is_well(self, shop):
        assert self.parts(shop.client()) == [("endpoint", True), ("credential", True), ("clock", True)]

    def test_a_consent_without_the_scope(self, shop):
        shop.sandbox.configure({"has_scope": False})
        assert self.parts(shop.client()) == [("role", False)]

    def test_a_site_that_there_is_not(self, shop):
        assert ("marketplace_id", False) in self.parts(shop.client(site="EBAY_UK"))

    def test_a_key_that_is_none(self, shop):
        assert ("credential", False) in self.parts(shop.client(credentials={"signing_key": "x", "signing_jwe": "y"}))

    def test_a_clock_that_is_wrong(self, shop):
        client = shop.client()
        client._now = lambda: shop.sandbox.now + timedelta(minutes=9)
        assert ("clock", False) in self.parts(client)

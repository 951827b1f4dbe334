"""Pulling from Amazon over real HTTP: complete windows, exact bytes, and every fault the sandbox can inject."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from orders_pipeline.marketplaces.amazon import MARKETPLACE
from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.protocol import ChannelContext, Window
from orders_pipeline.sandbox.faults import Fault, FaultKind

CREDENTIALS = {"client_id": "amzn1.application-oa2-client.sandbox", "client_secret": "sandbox-secret"}


def failed(shop, **changes):
    """Pull until it fails; returns the error and the ids got before."""
    pages = shop.client(**changes).pull(shop.window())
    got = []
    with pytest.raises(MarketplaceError) as raised:
        got.extend(order.original_id for page in pages for order in page.orders)
    return raised.value, got


def test_a_window_is_pulled_page_by_page_and_complete(shop):
    client = shop.client()
    pages = list(client.pull(shop.window()))
    ids = [order.original_id for page in pages for order in page.orders]
    assert set(ids) == shop.truth()
    assert len(ids) == len(set(ids))
    assert len(pages) > 1
    assert shop.taken == ["searchOrders"] * len(pages)
    assert {order.selector for page in pages for order in page.orders} == {"A13V1IB3VIYZZH", "A1PA6795UKMFR9"}
    assert client.degraded == ()


def test_the_request_names_its_window_marketplaces_and_data(shop):
    shop.ids(shop.client())
    query = dict(next(entry for entry in shop.sandbox.journal if entry.operation == "searchOrders").query)
    assert query["marketplaceIds"] == "A13V1IB3VIYZZH,A1PA6795UKMFR9"
    assert query["includedData"] == "FULFILLMENT,BUYER,RECIPIENT,PROCEEDS,CANCELLATION,PACKAGES,PAYMENT,TAX"
    assert query["lastUpdatedBefore"].endswith("Z")
    assert set(query) == {
        "lastUpdatedAfter",
        "lastUpdatedBefore",
        "marketplaceIds",
        "includedData",
        "maxResultsPerPage",
    }


def test_every_order_pulled_can_be_read(shop):
    channel = ChannelContext("amazon_fr", "Amazon FR")
    client = shop.client(settings={})
    orders = [order for page in client.pull(shop.window()) for order in page.orders]
    read = [MARKETPLACE.normalise(json.loads(order.body), channel)[0] for order in orders]
    assert [order.original_id for order in read] == [order.original_id for order in orders]
    assert [order.problems for order in read] == [()] * len(orders)


def test_no_orders_in_a_window_is_success(shop):
    old = shop.sandbox.now - timedelta(days=400)
    assert [page.orders for page in shop.client().pull(Window(old, old + timedelta(days=1)))] == [[]]


def test_the_servers_clock_is_told(shop):
    shop.sandbox.clock.advance(timedelta(hours=5))
    client = shop.client()
    assert client.server_time() is None
    shop.ids(client)
    assert abs(client.server_time() - shop.sandbox.now) < timedelta(seconds=5)


FAILURES = [
    pytest.param(Fault(FaultKind.ERROR_JSON, status=500), Transient, "marketplace_unavailable", id="500 json"),
    pytest.param(Fault(FaultKind.ERROR_JSON, status=503), Transient, "marketplace_unavailable", id="503 json"),
    pytest.param(Fault(FaultKind.ERROR_HTML, status=502), Transient, "marketplace_unavailable", id="502 html"),
    pytest.param(Fault(FaultKind.ERROR_HTML, status=503), Transient, "marketplace_unavailable", id="503 html"),
    pytest.param(Fault(FaultKind.ERROR_EMPTY, status=503), Transient, "marketplace_unavailable", id="503 empty"),
    pytest.param(Fault(FaultKind.ERROR_EMPTY, status=500), Transient, "marketplace_unavailable", id="500 empty"),
    pytest.param(Fault(FaultKind.ERROR_HTML, status=404), Permanent, "request_refused", id="404 html"),
    pytest.param(Fault(FaultKind.ERROR_EMPTY, status=302), Permanent, "redirected", id="302"),
    pytest.param(Fault(FaultKind.OK_HTML), Transient, "unreadable_answer", id="200 html"),
    pytest.param(Fault(FaultKind.OK_EMPTY), Transient, "unreadable_answer", id="200 empty"),
    pytest.param(Fault(FaultKind.TRUNCATED), Transient, "unreadable_answer", id="200 cut short"),
    pytest.param(Fault(FaultKind.DROPPED), Transient, "unreachable", id="dropped after the work"),
    pytest.param(Fault(FaultKind.DROPPED_BEFORE), Transient, "unreachable", id="dropped before the work"),
    pytest.param(Fault(FaultKind.THROTTLED), Throttled, "throttled", id="429"),
    pytest.param(Fault(FaultKind.ERROR_EMPTY, status=429), Throttled, "throttled", id="429 empty"),
]


@pytest.mark.parametrize(("fault", "kind", "code"), FAILURES)
def test_a_fault_on_the_first_page_fails_the_window_without_orders(shop, fault, kind, code):
    shop.sandbox.add_fault(replace(fault, operation="searchOrders"))
    error, got = failed(shop)
    assert (type(error), error.code, got) == (kind, code, [])
    assert shop.called("searchOrders") == 1


@pytest.mark.parametrize(("fault", "kind", "code"), FAILURES)
def test_a_fault_on_a_later_page_fails_the_window_and_keeps_the_pages_before(shop, fault, kind, code):
    shop.sandbox.add_fault(replace(fault, operation="searchOrders", after=1))
    error, got = failed(shop)
    assert (type(error), error.code, len(got)) == (kind, code, 20)


def test_the_pull_after_a_fault_is_complete(shop):
    shop.sandbox.add_fault(Fault(FaultKind.ERROR_HTML, operation="searchOrders", after=1))
    failed(shop)
    assert set(shop.ids(shop.client())) == shop.truth()


def test_a_slow_answer_is_a_timeout(shop):
    shop.sandbox.add_fault(Fault(FaultKind.SLOW, operation="searchOrders", seconds=1.0))
    error, _ = failed(shop, settings={"read_timeout_seconds": 0.2})
    assert (type(error), error.code) == (Transient, "timeout")


def test_throttled_waits_at_least_one_token_of_the_known_rate(shop):
    shop.sandbox.add_fault(Fault(FaultKind.THROTTLED, operation="searchOrders"))
    error, _ = failed(shop)
    assert error.retry_after == pytest.approx(1 / 0.0056)


def test_a_page_sent_twice_fails_the_window(shop):
    shop.sandbox.add_fault(Fault(FaultKind.REPEATED_PAGE, operation="searchOrders"))
    error, got = failed(shop)
    assert (type(error), error.code) == (Transient, "repeated_page")
    assert len(got) == len(set(got)) == 20


def test_a_listing_longer_than_the_page_limit_is_truncated_and_fails(shop):
    error, got = failed(shop, max_pages=1)
    assert (type(error), error.code, len(got)) == (Transient, "truncated", 20)
    assert shop.called("searchOrders") == 1


def test_an_order_without_an_id_is_kept_under_its_place_in_the_listing(shop):
    shop.sandbox.add_fault(Fault(FaultKind.MALFORMED_ORDER, operation="searchOrders", after=1))
    ids = shop.ids(shop.client())
    assert ids[20] == "?21"
    assert len(ids) == len(shop.truth())


def test_an_expired_access_token_is_renewed_once_and_the_pull_goes_on(shop):
    shop.sandbox.add_fault(Fault(FaultKind.EXPIRE_TOKEN, operation="searchOrders", after=1))
    assert set(shop.ids(shop.client())) == shop.truth()
    assert shop.called("token") == 2
    assert len(shop.taken) == shop.called("searchOrders")


def test_an_access_token_is_renewed_before_it_ends(shop):
    client = shop.client()
    shop.ids(client)
    shop.sandbox.clock.advance(timedelta(minutes=59, seconds=30))
    shop.ids(client)
    refused = [entry for entry in shop.sandbox.journal if entry.status == 403]
    assert (shop.called("token"), refused) == (2, [])


def test_a_revoked_refresh_token_in_mid_pull_names_the_refresh_token(shop):
    shop.sandbox.add_fault(Fault(FaultKind.REVOKE_TOKEN, operation="searchOrders", after=1))
    error, got = failed(shop)
    assert (type(error), error.code, len(got)) == (Unauthorised, "invalid_grant", 20)
    assert "refresh token" in error.message


def test_an_access_token_refused_for_good_is_not_tried_for_ever(shop):
    client = shop.client()
    shop.ids(client)
    calls = shop.called("searchOrders")
    shop.sandbox.add_fault(Fault(FaultKind.ERROR_JSON, operation="searchOrders", status=403, count=None))
    with pytest.raises(Unauthorised):
        shop.ids(client)
    assert shop.called("searchOrders") == calls + 2


@pytest.mark.parametrize(
    ("credentials", "code", "word"),
    [
        ({**CREDENTIALS, "refresh_token": "Atzr|nobody"}, "invalid_grant", "refresh token"),
        ({**CREDENTIALS, "client_secret": "wrong", "refresh_token": "Atzr|sandbox"}, "invalid_client", "client secret"),
        ({**CREDENTIALS, "refresh_token": " "}, "credential_missing", "refresh_token"),
        ({}, "credential_missing", "client_id, client_secret, refresh_token"),
    ],
)
def test_a_wrong_credential_is_named_and_never_shown(shop, credentials, code, word):
    error, _ = failed(shop, credentials=credentials)
    assert (type(error), error.code) == (Unauthorised, code)
    assert word in error.message
    assert "Atzr" not in error.message + error.hint


def test_a_credential_refused_for_one_client_is_not_lent_by_another(shop):
    shop.ids(shop.client())
    wrong = {**CREDENTIALS, "client_secret": "wrong", "refresh_token": "Atzr|sandbox"}
    error, _ = failed(shop, credentials=wrong)
    assert error.code == "invalid_client"


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(FaultKind.ERROR_HTML, status=503), Transient, "marketplace_unavailable"),
        (Fault(FaultKind.ERROR_EMPTY, status=500), Transient, "marketplace_unavailable"),
        (Fault(FaultKind.OK_HTML), Transient, "unreadable_answer"),
        (Fault(FaultKind.OK_EMPTY), Transient, "unreadable_answer"),
        (Fault(FaultKind.TRUNCATED), Transient, "unreadable_answer"),
        (Fault(FaultKind.DROPPED), Transient, "unreachable"),
        (Fault(FaultKind.SLOW, seconds=1.0), Transient, "timeout"),
        (Fault(FaultKind.ERROR_EMPTY, status=429), Throttled, "throttled"),
    ],
)
def test_a_fault_of_login_with_amazon_is_no_wrong_credential(shop, fault, kind, code):
    shop.sandbox.add_fault(replace(fault, operation="token"))
    error, _ = failed(shop, settings={"read_timeout_seconds": 0.3})
    assert (type(error), error.code) == (kind, code)


def test_tax_data_that_the_role_does_not_allow_is_left_out_and_nothing_else_is(shop):
    shop.sandbox.add_fault(Fault(FaultKind.ERROR_JSON, operation="searchOrders", status=400))
    client = shop.client()
    assert set(shop.ids(client)) == shop.truth()
    asked = [dict(each.query)["includedData"] for each in shop.sandbox.journal if each.operation == "searchOrders"]
    assert asked[1:] == ["FULFILLMENT,BUYER,RECIPIENT,PROCEEDS,CANCELLATION,PACKAGES,PAYMENT"] * (len(asked) - 1)
    assert client.degraded == ()


def test_a_refused_data_set_is_left_out_and_told(shop):
    shop.sandbox.add_fault(Fault(FaultKind.ERROR_JSON, operation="searchOrders", status=400, count=2))
    client = shop.client()
    assert set(shop.ids(client)) == shop.truth()
    assert client.degraded == ("PACKAGES", "PAYMENT")
    asked = [dict(each.query)["includedData"] for each in shop.sandbox.journal if each.operation == "searchOrders"]
    assert asked[2:] == ["FULFILLMENT,BUYER,RECIPIENT,PROCEEDS,CANCELLATION"] * (len(asked) - 2)
    assert len(shop.taken) == len(asked)


def test_the_last_resort_is_the_status_alone(shop):
    shop.sandbox.add_fault(Fault(FaultKind.ERROR_JSON, operation="searchOrders", status=400, count=3))
    client = shop.client()
    assert set(shop.ids(client)) == shop.truth()
    assert client.degraded == ("BUYER", "RECIPIENT", "PROCEEDS", "CANCELLATION", "PACKAGES", "PAYMENT")


def test_a_request_refused_whatever_is_asked_for_fails_with_amazons_words(shop):
    client = shop.client()
    now = shop.sandbox.now
    with pytest.raises(Permanent) as raised:
        list(client.pull(Window(now - timedelta(hours=1), now)))
    assert raised.value.code == "request_refused"
    assert "lastUpdatedBefore must be at least 2 minutes before" in raised.value.message
    assert client.degraded == ()


def test_a_refusal_on_a_later_page_is_no_reason_to_ask_for_less(shop):
    shop.sandbox.add_fault(Fault(FaultKind.ERROR_JSON, operation="searchOrders", status=400, after=1))
    error, got = failed(shop)
    assert (type(error), error.code, len(got)) == (Permanent, "request_refused", 20)


def test_the_data_sets_are_a_setting(shop):
    shop.ids(shop.client(settings={"included_data": "FULFILLMENT, TAX"}))
    query = dict(next(entry for entry in shop.sandbox.journal if entry.operation == "searchOrders").query)
    assert query["includedData"] == "FULFILLMENT,TAX"


@pytest.mark.parametrize("selectors", [[], [str(number) for number in range(51)]])
def test_amazon_is_never_asked_without_or_with_too_many_marketplaces(shop, selectors):
    error, _ = failed(shop, selectors=selectors)
    assert (type(error), error.code) == (Permanent, "marketplace_ids")
    assert shop.taken == []


def test_marketplaces_of_another_region_are_told_as_such(shop):
    error, _ = failed(shop, selectors=["ATVPDKIKX0DER"])
    assert (type(error), error.code) == (Permanent, "wrong_region")


def test_quota_that_is_not_there_stops_the_call(shop):
    def take(_):
        raise Throttled("quota", "no token left", 100.0)

    client = MARKETPLACE.connect(shop.context(), take, 10)
    with pytest.raises(Throttled):
        shop.ids(client)
    client.close()
    assert shop.called("searchOrders") == 0


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"endpoint": "http://127.0.0.1:1"}, Transient, "unreachable"),
        ({"endpoint": "nowhere"}, Permanent, "endpoint_invalid"),
        ({"endpoint": "ftp://127.0.0.1"}, Permanent, "endpoint_invalid"),
        ({"endpoint": "http://selling.example"}, Permanent, "endpoint_insecure"),
        ({"endpoint": None, "region": "mars"}, Permanent, "region_unknown"),
        ({"endpoint": None, "region": None}, Permanent, "region_unknown"),
    ],
)
def test_a_wrong_endpoint_is_told(shop, changes, kind, code):
    error, _ = failed(shop, **({"settings": {"lwa_endpoint": shop.url}} | changes))
    assert (type(error), error.code) == (kind, code)


def test_a_proxy_that_is_not_there_is_told(shop):
    error, _ = failed(shop, settings={"proxy": "http://127.0.0.1:1"})
    assert (type(error), error.code) == (Transient, "unreachable")


def test_settings_are_checked_before_anything_is_sent(shop):
    with pytest.raises(Permanent) as raised:
        shop.client(settings={"page_size": 1000, "proxy": "no address", "lwa_endpoint": "http://login.example"})
    assert raised.value.code == "settings_invalid"
    assert "page_size" in raised.value.message
    assert "lwa_endpoint: Value error, is not https" in raised.value.message
    assert "proxy" in raised.value.message
    assert "no address" not in raised.value.message


def test_orders_are_fetched_by_id_and_unknown_ones_left_out(shop):
    wanted = sorted(shop.truth())[:3]
    client = shop.client()
    pages = list(client.fetch([wanted[0], "999-0000000-0000000", *wanted[1:], "no/id?"]))
    assert [order.original_id for page in pages for order in page.orders] == wanted
    assert all(page.server_time for page in pages)
    assert shop.taken == ["getOrder"] * 5


@pytest.mark.parametrize(("fault", "kind", "code"), [each for each in FAILURES if each.id != "404 html"])
def test_a_fault_while_fetching_is_told(shop, fault, kind, code):
    shop.sandbox.add_fault(replace(fault, operation="getOrder"))
    with pytest.raises(kind) as raised:
        list(shop.client().fetch(sorted(shop.truth())[:1]))
    assert raised.value.code == code


def test_the_librarys_log_never_shows_tokens_or_people(shop, caplog):
    root = logging.getLogger("sp_api")
    logging.getLogger("sp_api.base.client").setLevel(logging.DEBUG)
    root.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            shop.ids(shop.client())
    finally:
        root.setLevel(logging.NOTSET)
    assert "Atza|" not in caplog.text
    assert "Atzr|" not in caplog.text
    assert "buyerName" not in caplog.text


@pytest.mark.parametrize("value", ["JP", "NOT-A-COUNTRY"])
def test_the_librarys_environment_variables_do_not_matter(shop, value):
    program = f"""
import sys
sys.path[:] = {sys.path!r}
from datetime import UTC, datetime, timedelta
from orders_pipeline.marketplaces.amazon import MARKETPLACE
from orders_pipeline.marketplaces.protocol import ConnectionContext, Window
context = ConnectionContext("c", {shop.url!r}, "eu", {{}}, ["A13V1IB3VIYZZH"], {shop.context().credentials!r})
now = datetime.now(UTC)
pages = MARKETPLACE.connect(context, str, 10).pull(Window(now - timedelta(days=8), now - timedelta(minutes=3)))
print(sum(len(page.orders) for page in pages))
"""
    environment = {**os.environ, "SP_API_DEFAULT_MARKETPLACE": value, "AWS_ENV": "SANDBOX"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(len(shop.truth(["A13V1IB3VIYZZH"])))), done.stderr


def test_a_good_connection_passes_every_test(shop):
    findings = shop.client().test()
    assert [(each.part, each.is_ok) for each in findings] == [
        (part, True) for part in ("region", "marketplace_id", "credential", "endpoint", "role", "clock")
    ]
    assert shop.taken == ["searchOrders"]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"region": "mars"}, "region"),
        ({"selectors": []}, "marketplace_id"),
        ({"selectors": ["ATVPDKIKX0DER"]}, "marketplace_id"),
        ({"selectors": ["SOMETHING"]}, "marketplace_id"),
        ({"credentials": {}}, "credential"),
        ({"credentials": {**CREDENTIALS, "refresh_token": "Atzr|nobody"}}, "credential"),
        ({"endpoint": "nowhere"}, "endpoint"),
        ({"endpoint": "http://selling.example"}, "endpoint"),
        ({"endpoint": "http://127.0.0.1:1"}, "endpoint"),
    ],
)
def test_what_is_wrong_with_a_connection_is_found_and_never_raised(shop, changes, part):
    findings = shop.client(settings={"lwa_endpoint": shop.url}, **changes).test()
    wrong = [each for each in findings if not each.is_ok]
    assert part in {each.part for each in wrong}
    assert all(each.message for each in wrong)


@pytest.mark.parametrize(
    ("fault", "part", "is_ok"),
    [
        (Fault(FaultKind.OK_HTML), "endpoint", False),
        (Fault(FaultKind.ERROR_HTML), "endpoint", False),
        (Fault(FaultKind.DROPPED), "endpoint", False),
        (Fault(FaultKind.ERROR_JSON, status=403, count=None), "role", False),
        (Fault(FaultKind.ERROR_JSON, status=400, count=2), "role", False),
        (Fault(FaultKind.THROTTLED), "endpoint", True),
    ],
)
def test_what_goes_wrong_in_the_probe_is_found(shop, fault, part, is_ok):
    shop.sandbox.add_fault(replace(fault, operation="searchOrders"))
    findings = {each.part: each.is_ok for each in shop.client().test()}
    assert findings[part] is is_ok


def test_a_missing_role_is_found_by_orders_without_people(shop):
    for record in shop.sandbox.records.values():
        record.account = "no-pii"
    findings = {
        each.part: each
        for each in shop.client(credentials={**CREDENTIALS, "refresh_token": "Atzr|sandbox-no-pii"}).test()
    }
    assert findings["role"].is_ok is False
    assert "Direct-to-Consumer" in findings["role"].hint


def test_without_orders_the_role_is_inconclusive_and_said_so(shop):
    shop.sandbox.records.clear()
    role = next(each for each in shop.client().test() if each.part == "role")
    assert (role.is_ok, "inconclusive" in role.message) == (True, True)


@pytest.mark.parametrize(("minutes", "is_ok"), [(0, True), (5, False), (-5, False)])
def test_a_wrong_clock_is_found(shop, minutes, is_ok):
    client = shop.client()
    ahead = shop.sandbox.clock
    client._clock = lambda: ahead() + timedelta(minutes=minutes)
    findings = {each.part: each.is_ok for each in client.test()}
    assert (findings["clock"], findings["endpoint"]) == (is_ok, True)

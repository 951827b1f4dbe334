"""The read side of the Mirakl stand-in: A01, PC01, OR11, ST11, SH21."""

from __future__ import annotations

import pytest

from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.mirakl import state as mirakl
from orders_pipeline.sandbox.mirakl.orders import DEFAULT_CENTER, OPERATOR_CENTER


def listing(http, **query):
    answer = http.get("/api/orders", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def every_order(http, **query):
    """Follow the offsets and return the ids."""
    found, total = [], 1
    while len(found) < total:
        body = listing(http, max=100, offset=len(found), **query)
        total = body["total_count"]
        found += [order["order_id"] for order in body["orders"]]
    return found


@pytest.mark.parametrize("key", ["wrong", "Bearer sandbox-key", ""])
def test_a_wrong_key_is_unauthorised(mirakl_http, key):
    answer = mirakl_http.get("/api/orders", headers={"Authorization": key})
    assert (answer.status_code, answer.json()["status"]) == (401, 401)


def test_the_version_is_told(mirakl_http):
    assert "version" in mirakl_http.get("/api/version").json()


def test_the_account_tells_shop_and_channels(mirakl_http):
    shop = mirakl_http.get("/api/account").json()
    assert (shop["shop_id"], shop["shop_state"], shop["channels"]) == (2001, "OPEN", ["FR", "ES", "DE"])


def test_shop_id_chooses_among_the_shops_of_a_user(mirakl_http):
    headers = {"Authorization": mirakl.ALL_SHOPS_KEY}
    assert mirakl_http.get("/api/account", headers=headers).json()["shop_id"] == 2001
    chosen = mirakl_http.get("/api/account", params={"shop_id": 2002}, headers=headers)
    assert chosen.json()["channels"] == ["IT", "UK"]


def test_a_foreign_shop_is_forbidden(mirakl_http):
    assert mirakl_http.get("/api/account", params={"shop_id": 2002}).status_code == 403


def test_the_configuration_tells_the_shipping_path(mirakl_http, mirakl_state):
    assert mirakl_http.get("/api/platform/configuration").json()["features"]["shipment"]["multi_shipment"] is True
    mirakl_state.configure({"multi_shipment": False, "order_acceptance": "AUTOMATIC"})
    features = mirakl_http.get("/api/platform/configuration").json()["features"]
    assert features["shipment"]["multi_shipment"] is False
    assert features["order_workflows"]["order_acceptance"] == "AUTOMATIC"


def test_carriers_have_codes(mirakl_http):
    assert "DHL" in {carrier["code"] for carrier in mirakl_http.get("/api/shipping/carriers").json()["carriers"]}


def test_a_page_has_ten_orders_by_default(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=25))
    body = listing(mirakl_http)
    assert (len(body["orders"]), body["total_count"]) == (10, 25)


def test_offsets_reach_every_order_in_order_of_creation(mirakl_http, mirakl_state):
    made = mirakl_state.generate(GenerateRequest(orders=230))
    found = every_order(mirakl_http, sort="dateCreated")
    assert sorted(found) == sorted(made)
    dates = [mirakl_state.records[order_id].created for order_id in found]
    assert dates == sorted(dates)
    assert every_order(mirakl_http, order="desc") == found[::-1]


@pytest.mark.parametrize(
    "query",
    [
        {"max": 101},
        {"max": "many"},
        {"offset": -1},
        {"sort": "dateUpdated"},
        {"order": "up"},
        {"start_update_date": "yesterday"},
        {"order_state_codes": "SHIPPING,SENT"},
        {"order_ids": ",".join(map(str, range(101)))},
        {"only_null_channel": "perhaps"},
    ],
)
def test_invalid_listings_are_refused(mirakl_http, query):
    assert mirakl_http.get("/api/orders", params=query).status_code == 400


def test_lists_are_comma_separated_here(mirakl_http, mirakl_state):
    made = mirakl_state.generate(GenerateRequest(orders=20))
    assert sorted(every_order(mirakl_http, order_ids=",".join(made[:3]))) == sorted(made[:3])
    states = {
        order["order_state"] for order in listing(mirakl_http, order_state_codes="SHIPPING,SHIPPED", max=100)["orders"]
    }
    assert states == {"SHIPPING", "SHIPPED"}


def test_channels_filter_and_orders_without_a_channel(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=200))
    orders = listing(mirakl_http, channel_codes="FR,ES", max=100)["orders"]
    assert {order["channel"]["code"] for order in orders} == {"FR", "ES"}
    without = listing(mirakl_http, only_null_channel="true", channel_codes="FR", max=100)["orders"]
    assert without
    assert all(order["channel"] is None for order in without)


def test_updates_are_found_with_a_delta_before_the_start(mirakl_http, mirakl_state, clock):
    made = mirakl_state.generate(GenerateRequest(orders=30))
    clock.tick(hours=1)
    mirakl_state.advance(AdvanceRequest("touch", (made[3],)))
    assert every_order(mirakl_http, start_update_date="2026-11-02T13:01:00Z") == [made[3]]
    assert every_order(mirakl_http, start_update_date="2026-11-02T13:01:01Z") == []
    assert made[3] not in every_order(mirakl_http, end_update_date="2026-11-02T12:59:00Z")


def test_addresses_show_only_after_the_debit(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=300))
    early = listing(mirakl_http, order_state_codes="WAITING_ACCEPTANCE,WAITING_DEBIT_PAYMENT", max=100)["orders"]
    assert early
    assert all(order["customer"]["shipping_address"] is None for order in early)
    late = listing(mirakl_http, order_state_codes="SHIPPING", max=100)["orders"]
    assert all(order["customer"]["shipping_address"]["street_1"] for order in late)
    mirakl_state.configure({"addresses_before_acceptance": True})
    early = listing(mirakl_http, order_state_codes="WAITING_ACCEPTANCE", max=100)["orders"]
    assert all(order["customer"]["shipping_address"] for order in early)


def test_old_instances_write_empty_texts_for_nulls(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=20))
    mirakl_state.configure({"old_instance": True})
    for order in listing(mirakl_http, max=100)["orders"]:
        assert "order_tax_mode" not in order
        assert "fulfillment" not in order
        assert order["quote_id"] == ""
        assert order["has_invoice"] == ""


def test_both_tax_modes(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=5))
    mirakl_state.generate(GenerateRequest(orders=5, account="2002"))
    assert listing(mirakl_http, order_tax_mode="TAX_INCLUDED")["total_count"] == 5
    other = mirakl_http.get("/api/orders", headers={"Authorization": "sandbox-key-2"}).json()["orders"]
    assert {order["order_tax_mode"] for order in other} == {"TAX_EXCLUDED"}


def test_a_mixed_cart_is_two_orders_of_one_commercial_id(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=20, mixed_share=1))
    centers: dict[str, list[str]] = {}
    for order in listing(mirakl_http, max=100)["orders"]:
        centers.setdefault(order["commercial_id"], []).append(order["fulfillment"]["center"]["code"])
    assert len(centers) == 10
    assert all(sorted(pair) == [DEFAULT_CENTER, OPERATOR_CENTER] for pair in centers.values())
    only = mirakl_http.get("/api/orders", params={"fulfillment_center_code": OPERATOR_CENTER, "max": 100}).json()
    assert only["total_count"] == 10


def test_lines_with_centres_of_their_own_on_request(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=3, mixed_share=0, mixed_lines_share=1))
    for order in listing(mirakl_http)["orders"]:
        codes = {line["fulfillment"]["center"]["code"] for line in order["order_lines"]}
        assert codes == {DEFAULT_CENTER, OPERATOR_CENTER}


def every_shipment(http, **query):
    found, token = [], None
    while True:
        more = {} if token is None else {"page_token": token}
        body = http.get("/api/shipments", params={"limit": 100, **query, **more}).json()
        found += body["data"]
        token = body.get("next_page_token")
        if token is None:
            return found


def test_shipments_are_paged_by_seeking(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=600))
    found = every_shipment(mirakl_http)
    assert len(found) > 100
    assert sorted(each["id"] for each in found) == sorted(mirakl_state.shipments)
    assert len(mirakl_http.get("/api/shipments").json()["data"]) == 10


def test_order_ids_are_repeated_parameters_here(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=100))
    wanted = [record.id for record in mirakl_state.records.values() if record.shipment_ids][:2]
    assert {each["order_id"] for each in every_shipment(mirakl_http, order_id=wanted)} == set(wanted)
    assert every_shipment(mirakl_http, order_id=",".join(wanted)) == []


def test_partially_shipped_orders_show_their_quantities_in_shipments_only(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=400))
    partial = [record for record in mirakl_state.records.values() if record.state == "SHIPPING" and record.shipment_ids]
    assert partial
    for record in partial:
        shipped = sum(
            line["quantity"]
            for each in every_shipment(mirakl_http, order_id=[record.id])
            for line in each["shipment_lines"]
        )
        assert 0 < shipped < sum(line["quantity"] for line in record.lines)


def test_shipments_filter_by_state_and_update(mirakl_http, mirakl_state, clock):
    mirakl_state.generate(GenerateRequest(orders=100))
    states = {each["status"] for each in every_shipment(mirakl_http, shipment_state_code=["SHIPPED", "CLOSED"])}
    assert states <= {"SHIPPED", "CLOSED"}
    clock.tick(hours=1)
    shippable = next(r.id for r in mirakl_state.records.values() if r.state == "SHIPPING" and r.center == "DEFAULT")
    mirakl_state.advance(AdvanceRequest("ship", (shippable,)))
    new = every_shipment(mirakl_http, last_updated_from="2026-11-02T12:30:00Z")
    assert {each["order_id"] for each in new} == {shippable}


def test_the_listing_may_be_begun_once_a_minute_but_followed_freely(mirakl_http, mirakl_state, clock):
    mirakl_state.generate(GenerateRequest(orders=50))
    mirakl_state.throttle.rate_factor = 1.0
    codes = [mirakl_http.get("/api/orders").status_code for _ in range(11)]
    assert codes == [200] * 10 + [429]
    answer = mirakl_http.get("/api/orders")
    assert answer.headers["Retry-After"] == "60"
    assert mirakl_http.get("/api/orders", params={"offset": 10}).status_code == 200
    clock.tick(seconds=60)
    assert mirakl_http.get("/api/orders").status_code == 200

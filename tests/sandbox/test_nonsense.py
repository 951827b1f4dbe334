"""Whatever is sent, the stand-ins answer in their own error form and never fall over."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.sandbox.engine import GenerateRequest

FIELDS = (
    "shipments order_id shipment_lines order_line_id offer_sku quantity id tracking accepted order_lines carrier_code "
    "carrier_name tracking_number shipped packageDetail orderItems orderItemId packageReferenceId shipDate "
    "marketplaceId carrierCode trackingNumber"
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS.split()), inner, max_size=6),
    max_leaves=12,
)
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
ROUTES = [
    ("PUT", "/api/orders/{}/accept"),
    ("PUT", "/api/orders/{}/tracking"),
    ("POST", "/api/shipments"),
    ("POST", "/api/shipments/tracking"),
    ("PUT", "/api/shipments/ship"),
]


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_mirakl_bodies(mirakl_http, mirakl_state, method, route):
    mirakl_state.generate(GenerateRequest(orders=30))
    target = next(record.id for record in mirakl_state.records.values() if record.state == "SHIPPING")

    @FEW
    @given(body=JSON)
    def check(body):
        # Half of the bodies get as far as the lines of an order that exists.
        text = json.dumps(body).replace('"order_id": null', f'"order_id": "{target}"')
        answer = mirakl_http.request(method, route.format(target), content=text)
        assert answer.status_code < 500

    check()


def test_shipment_lines_of_every_kind(mirakl_http, mirakl_state):
    mirakl_state.generate(GenerateRequest(orders=30))
    target = next(record.id for record in mirakl_state.records.values() if record.state == "SHIPPING")

    @FEW
    @given(lines=JSON, tracking=JSON)
    def check(lines, tracking):
        body = {"shipments": [{"order_id": target, "shipment_lines": lines, "tracking": tracking}]}
        assert mirakl_http.post("/api/shipments", json=body).status_code == 201

    check()


def test_amazon_bodies(seller, amazon_state):
    amazon_state.throttle.rate_factor = float("inf")
    (target,) = amazon_state.generate(GenerateRequest(orders=1))

    @FEW
    @given(body=JSON, package=JSON)
    def check(body, package):
        assert seller.confirm(target, body).status_code == 400
        assert seller.confirm(target, {"marketplaceId": "x", "packageDetail": package}).status_code == 400

    check()


def test_bodies_that_are_no_json(mirakl_http, mirakl_state, seller, amazon_http):
    (target,) = mirakl_state.generate(GenerateRequest(orders=1, mixed_share=0))
    assert mirakl_http.put(f"/api/orders/{target}/accept", content=b"\xff{").status_code == 400
    path = "/orders/v0/orders/1/shipmentConfirmation"
    assert amazon_http.post(path, content=b"\xff{", headers=seller.headers).status_code == 400


@FEW
@given(value=st.text(max_size=12))
def test_query_values(value, seller, amazon_state, mirakl_http):
    amazon_state.throttle.rate_factor = float("inf")
    for name in ("lastUpdatedAfter", "maxResultsPerPage", "paginationToken", "marketplaceIds", "includedData"):
        assert seller.search(**{name: value}).status_code in {200, 400}
    for name in ("max", "offset", "start_update_date", "order_ids", "order_state_codes", "channel_codes", "sort"):
        assert mirakl_http.get("/api/orders", params={name: value}).status_code in {200, 400}

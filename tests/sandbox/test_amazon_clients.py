"""Both Amazon clients of the Python world run unpatched against the stand-in, over real HTTP."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest
import sp_api.auth
import sp_api.auth.access_token_client
from sp_api.api.orders.orders_2026_01_01 import OrdersV20260101
from sp_api.api.orders.orders_v0 import OrdersV0
from sp_api.base.exceptions import SellingApiRequestThrottledException
from sp_api.util import load_all_pages

from orders_pipeline.sandbox.amazon import state as amazon
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.server import running

# Both clients leave connections open (their login transports cannot be closed from outside).
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FRANCE = "A13V1IB3VIYZZH"
AFTER = "2026-10-01T00:00:00Z"


@pytest.fixture(autouse=True, scope="module")
def _forgotten_connections_end_here():
    """Before the next module, whose warnings are errors; once, since Amazon's SDK has a great many objects to look at."""
    yield
    gc.collect()


@pytest.fixture
def base_url(amazon_state):
    amazon_state.generate(GenerateRequest(orders=150, channel=FRANCE))
    with running(create_app(amazon_state)) as url:
        yield url


@pytest.fixture
def shippable(amazon_state):
    return next(
        record
        for record in amazon_state.records.values()
        if (record.status, record.fulfilled_by) == ("UNSHIPPED", "MERCHANT")
        and "FBM_SHIP_PLUS" not in record.order["programs"]
    )


@pytest.fixture
def saleweaver(base_url):
    """The options of python-amazon-sp-api that point it to the stand-in."""
    sp_api.auth.access_token_client.cache.clear()

    class LocalLogin(sp_api.auth.AccessTokenClient):
        scheme, host = "http://", base_url.removeprefix("http://")

    credentials = {
        "refresh_token": amazon.REFRESH_TOKEN,
        "lwa_app_id": amazon.CLIENT_ID,
        "lwa_client_secret": amazon.CLIENT_SECRET,
    }
    place = SimpleNamespace(endpoint=base_url, marketplace_id=FRANCE, region="eu-west-1")
    return {"marketplace": place, "credentials": credentials, "auth_token_client_class": LocalLogin, "timeout": 20}


def package_of(record):
    items = [{"orderItemId": i["orderItemId"], "quantity": i["quantityOrdered"]} for i in record.order["orderItems"]]
    return {
        "packageReferenceId": "1",
        "carrierCode": "UPS",
        "trackingNumber": "1Z-SANDBOX",
        "shipDate": "2026-11-02T10:00:00Z",
        "orderItems": items,
    }


def test_python_amazon_sp_api_reads_two_pages(saleweaver, amazon_state):
    client = OrdersV20260101(**saleweaver)

    @load_all_pages(next_token_param="paginationToken")
    def pages(**query):
        return client.search_orders(**query)

    found = [
        order["orderId"]
        for page in pages(lastUpdatedAfter=AFTER, marketplaceIds=[FRANCE], includedData=["FULFILLMENT", "BUYER"])
        for order in page.payload["orders"]
    ]
    assert len(found) == 150
    assert sorted(found) == sorted(amazon_state.order_ids())


def test_python_amazon_sp_api_reads_one_order(saleweaver, shippable):
    answer = OrdersV20260101(**saleweaver).get_order(shippable.id, includedData=["FULFILLMENT", "PACKAGES"])
    assert answer.payload["order"]["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert answer.rate_limit == "0.5"


def test_python_amazon_sp_api_confirms(saleweaver, shippable):
    answer = OrdersV0(**saleweaver).confirm_shipment(
        shippable.id, marketplaceId=FRANCE, packageDetail=package_of(shippable)
    )
    assert answer.payload == {"status_code": 204}
    assert shippable.status == "SHIPPED"


def test_python_amazon_sp_api_sees_throttling(saleweaver):
    client = OrdersV20260101(**saleweaver)
    for _ in range(20):
        client.search_orders(lastUpdatedAfter=AFTER, marketplaceIds=[FRANCE], maxResultsPerPage=1)
    with pytest.raises(SellingApiRequestThrottledException) as caught:
        client.search_orders(lastUpdatedAfter=AFTER, marketplaceIds=[FRANCE])
    assert caught.value.amzn_code == "QuotaExceeded"


@pytest.fixture
def official(base_url):
    """An API client of Amazon's own SDK that points to the stand-in."""
    spapi = pytest.importorskip("spapi")
    config = spapi.SPAPIConfig(
        client_id=amazon.CLIENT_ID, client_secret=amazon.CLIENT_SECRET, refresh_token=amazon.REFRESH_TOKEN, region="EU"
    )
    client = spapi.SPAPIClient(config, oauth_endpoint=f"{base_url}/auth/o2/token", endpoint=base_url)
    yield client.api_client
    client.api_client.rest_client.pool_manager.clear()


def test_amazons_sdk_reads_two_pages(official, amazon_state):
    from spapi.api.orders_v2026_01_01.search_orders_api import SearchOrdersApi  # noqa: PLC0415 - an optional package

    api, found, token = SearchOrdersApi(official), [], None
    while True:
        more = {} if token is None else {"pagination_token": token}
        page = api.search_orders(
            last_updated_after=AFTER, marketplace_ids=[FRANCE], included_data=["FULFILLMENT", "PROCEEDS"], **more
        )
        found += [order.order_id for order in page.orders]
        token = page.pagination.next_token if page.pagination else None
        if token is None:
            break
    assert sorted(found) == sorted(amazon_state.order_ids())


def test_amazons_sdk_reads_one_order(official, shippable):
    from spapi.api.orders_v2026_01_01.get_order_api import GetOrderApi  # noqa: PLC0415 - an optional package

    order = GetOrderApi(official).get_order(shippable.id, included_data=["FULFILLMENT"]).order
    assert order.fulfillment.fulfillment_status == "UNSHIPPED"


def test_amazons_sdk_confirms(official, shippable):
    from spapi.api.orders_v0.orders_v0_api import OrdersV0Api  # noqa: PLC0415 - an optional package

    payload = {"marketplaceId": FRANCE, "packageDetail": package_of(shippable)}
    _, status, _ = OrdersV0Api(official).confirm_shipment_with_http_info(shippable.id, payload)
    assert status == 204
    assert shippable.status == "SHIPPED"

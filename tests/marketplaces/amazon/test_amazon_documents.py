"""Finding the orders in a payload file: every form understood, exact bytes, what is said of a file without orders."""

from __future__ import annotations

import json

import pytest

from orders_pipeline.marketplaces.amazon import MARKETPLACE
from orders_pipeline.marketplaces.amazon.documents import documents
from orders_pipeline.marketplaces.protocol import Unreadable
from warehouse.privacy import without_pii

FIRST = b'{"orderId": "1-1",  "salesChannel": {"marketplaceId":"A13V1IB3VIYZZH"}, "total": 1.50}'
SECOND = '{"orderId":"2-2","buyer":{"buyerName":"Zoé"}}'.encode()
BOTH = [("1-1", "A13V1IB3VIYZZH", FIRST), ("2-2", None, SECOND)]


def found(data):
    return [(each.original_id, each.selector, each.body) for each in documents(data)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b'{"orders": [%b, %b], "pagination": {}}' % (FIRST, SECOND), BOTH, id="search page"),
        pytest.param(b'{"order": %b}' % FIRST, BOTH[:1], id="single answer"),
        pytest.param(FIRST, BOTH[:1], id="bare order"),
        pytest.param(b"\xef\xbb\xbf " + FIRST + b"\n", BOTH[:1], id="byte order mark"),
        pytest.param(b"[%b,%b]" % (FIRST, SECOND), BOTH, id="list"),
        pytest.param(b'[{"order":%b},{"orders":[%b]}]' % (FIRST, SECOND), BOTH, id="list of answers"),
        pytest.param(b'{"request":{"orders":[]},"response":{"orders":[%b,%b]}}' % (FIRST, SECOND), BOTH, id="exchange"),
        pytest.param(b'{"payload":{"order":%b}}' % FIRST, BOTH[:1], id="payload"),
        pytest.param(b'{"response":{"payload":{"orders":[%b]}}}' % FIRST, BOTH[:1], id="nested once more"),
        pytest.param(b'{"response":[%b,%b]}' % (FIRST, SECOND), BOTH, id="exchange with a list"),
        pytest.param(FIRST + b"\n\n" + SECOND + b"\n", BOTH, id="lines"),
        pytest.param(
            b'{"order":%b}\r\n{"orders":[%b]}\r\n{"orders":[]}' % (FIRST, SECOND), BOTH, id="lines of answers"
        ),
    ],
)
def test_every_order_is_found_with_its_exact_bytes(data, expected):
    assert found(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"orders":[%b, 5, null, {"buyer":{}}]}' % FIRST, ["1-1", "?2", "?3", "?4"]),
        (b'{"orders":[{"orderId":null},{"orderId":""},{"orderId":[]},{"orderId":17}]}', ["?1", "?2", "?3", "17"]),
        (b'{"order":"gone"}', ["?1"]),
        (b'{"order":{"orderId":" 1-1\\n"}}', ["1-1"]),
        (b'{"orders":[{"orderId":"\\ud800"},{"orderId":"a\\u0000"}]}', ["?1", "?2"]),
        (b'[%b, [], {"order":{}}]' % FIRST, ["1-1", "?2", "?3"]),
        (FIRST + b'\n{"orderId":"3-3","buy', ["1-1", "?2"]),
        (FIRST + b'\n{"orders":5}', ["1-1", "?2"]),
    ],
)
def test_what_has_no_id_is_kept_under_its_place(data, expected):
    assert [original_id for original_id, _, _ in found(data)] == expected


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        (b"", "not_json", "$"),
        (b"<html>", "not_json", "$"),
        (b'{"orders":[{"orderId":"1"', "not_json", "$"),
        (b"\xff\xfe", "not_json", "$"),
        (b"[" * 100_000, "not_json", "$"),
        (b"5", "no_order", "$"),
        (b"null", "no_order", "$"),
        (b'"text"', "no_order", "$"),
        (b"{}", "no_order", "$"),
        (b"[]", "no_order", "$"),
        (b'{"orders":[]}', "no_order", "$.orders"),
        (b'{"orders":{}}', "no_order", "$.orders"),
        (b'{"response":{"orders":[]}}', "no_order", "$.response.orders"),
        (b'{"response":{}}', "no_order", "$.response"),
        (b'{"response":{"errors":[{"code":"InvalidInput"}]}}', "no_order", "$.response"),
        (b'{"payload":{"Orders":[{"AmazonOrderId":"1"}]}}', "no_order", "$.payload.Orders"),
        (b'[{"orders":[]},{"orders":[]}]', "no_order", "$"),
        (b'{"a":{"payload":{"payload":{"payload":{"payload":{"payload":{"orderId":"1"}}}}}}}', "no_order", "$"),
    ],
)
def test_a_file_without_any_order_is_refused_with_a_reason(data, code, path):
    with pytest.raises(Unreadable) as refused:
        documents(data)
    assert (refused.value.code, refused.value.path) == (code, path)
    assert refused.value.reason


def test_personal_data_is_taken_out_and_places_stay(an_order, an_item):
    secrets = iter(f"secret-{number}" for number in range(100))
    address = {
        **{name: next(secrets) for name in ("name", "companyName", "addressLine1", "addressLine2", "addressLine3")},
        **{name: next(secrets) for name in ("postalCode", "phone")},
        "extendedFields": {"streetName": next(secrets)},
        "city": "Nantes",
        "stateOrRegion": "Loire-Atlantique",
        "countryCode": "FR",
    }
    registration = {name: next(secrets) for name in ("legalName", "taxRegistrationNumber", "taxRegistrationAddress")}
    execution = {"paymentMethod": "Pix", "acquirerId": next(secrets), "authorizationCode": next(secrets)}
    buyer = ("buyerName", "buyerEmail", "buyerCompanyName", "buyerPurchaseOrderNumber")
    item = an_item(
        product={"sellerSku": "TEAPOT-08", "customization": {"customizedUrl": next(secrets)}},
        fulfillment={"packing": {"giftOption": {"giftMessage": next(secrets), "giftWrapLevel": "RED"}}},
    )
    order = an_order(
        buyer={name: next(secrets) for name in buyer},
        recipient={"deliveryAddress": address, "deliveryPreference": {"addressInstruction": next(secrets)}},
        tax={"taxRegistrations": [{**registration, "entityType": "BUYER"}]},
        payment={"paymentExecutions": [execution]},
        orderItems=[item],
    )
    clear = json.dumps(without_pii(order, MARKETPLACE.pii_paths))
    assert "secret-" not in clear
    for kept in ("Nantes", "Loire-Atlantique", '"FR"', "TEAPOT-08", "Pix", "RED", "BUYER", "408-1112223-4445556"):
        assert kept in clear

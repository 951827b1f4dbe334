"""Finding orders in payload files, byte for byte, and knowing where their personal data is."""

from __future__ import annotations

import json

import pytest

from orders_pipeline.marketplaces.mirakl import MARKETPLACE
from orders_pipeline.marketplaces.protocol import Unreadable
from warehouse.privacy import without_pii

FIRST = b'{ "order_id":"A-1" , "price": 1.50,\n "channel": {"code": "FR"}, "order_lines": [] }'
SECOND = '{"order_id": "B-2", "channel": null, "customer": {"firstname": "Éloïse \\ud83c\\udf82"}}'.encode()
SHIPMENT = b'{"id": "s1", "order_id": "A-1", "status": "SHIPPED"}'


def found(data):
    return [(raw.original_id, raw.selector, raw.body) for raw in MARKETPLACE.documents(data)]


def refusal(data):
    with pytest.raises(Unreadable) as caught:
        MARKETPLACE.documents(data)
    return caught.value.code, caught.value.path


TWO = [("A-1", "FR", FIRST), ("B-2", None, SECOND)]


@pytest.mark.parametrize(
    "data",
    [
        b'{"orders": [' + FIRST + b" ,\n " + SECOND + b'], "total_count": 2}',
        b'\xef\xbb\xbf{"total_count": 2, "orders":[' + FIRST + b"," + SECOND + b"]}",
        b"[" + FIRST + b", " + SECOND + b"]",
        b'{"request": {"method": "GET"}, "response": {"orders": [' + FIRST + b"," + SECOND + b"]}}",
        b'{"request": {}, "response": {"status": 200, "body": {"orders": [' + FIRST + b"," + SECOND + b"]}}}",
        FIRST.replace(b"\n", b"") + b"\n" + SECOND + b"\n",
        b'{"orders": [' + FIRST.replace(b"\n", b"") + b']}\r\n\r\n{"orders": [' + SECOND + b"]}\r\n",
    ],
    ids=["page", "page with a byte order mark", "list", "exchange", "exchange with status", "lines", "lines of pages"],
)
def test_two_orders(data):
    bodies = [(original_id, selector, body.replace(b"\n", b"")) for original_id, selector, body in found(data)]
    assert bodies == [(original_id, selector, body.replace(b"\n", b"")) for original_id, selector, body in TWO]


def test_a_page_keeps_every_byte():
    assert found(b'{"orders": [' + FIRST + b" ,\n " + SECOND + b'], "total_count": 2}') == TWO


def test_one_bare_order():
    assert found(b"\n " + FIRST + b" \n") == [("A-1", "FR", FIRST)]


@pytest.mark.parametrize("shipments", [b"[" + SHIPMENT + b"]", b"[]", b"null"])
def test_an_envelope_stays_whole(shipments):
    data = b'{"order": ' + FIRST + b', "shipments": ' + shipments + b"}"
    assert found(data) == [("A-1", "FR", data)]
    assert found(b"[" + data + b", " + SECOND + b"]") == [("A-1", "FR", data), ("B-2", None, SECOND)]


def test_what_has_no_id_keeps_its_place():
    assert found(b'{"orders": [7, ' + SECOND + b', {"price": 1}, null, {"order_id": ["x"]}]}') == [
        ("?1", None, b"7"),
        ("B-2", None, SECOND),
        ("?3", None, b'{"price": 1}'),
        ("?4", None, b"null"),
        ("?5", None, b'{"order_id": ["x"]}'),
    ]


def test_a_line_cut_short_keeps_its_place():
    assert found(SECOND + b'\n{"order_id": "C-3", "pri') == [
        ("B-2", None, SECOND),
        ("?2", None, b'{"order_id": "C-3", "pri'),
    ]


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        (b"", "not_json", "$"),
        (b"<html></html>", "not_json", "$"),
        (b'{"orders": [' + SECOND, "not_json", "$"),
        (b"\xff\xfe", "not_json", "$"),
        (b"[" * 100_000, "not_json", "$"),
        (b"7", "no_order", "$"),
        (b"null", "no_order", "$"),
        (b"[]", "no_order", "$"),
        (b"{}", "no_order", "$"),
        (b'{"orders": [], "total_count": 0}', "no_order", "$.orders"),
        (b'{"orders": {}}', "no_order", "$.orders"),
        (b'{"data": [' + SHIPMENT + b"]}", "no_order", "$.data"),
        (b'{"status": 401, "message": "Unauthorized"}', "no_order", "$.message"),
        (b'{"request": {}, "response": {"orders": []}}', "no_order", "$.response.orders"),
        (b'{"request": {}, "response": {"data": []}}', "no_order", "$.response.data"),
    ],
)
def test_files_without_orders(data, code, path):
    assert refusal(data) == (code, path)


def test_a_shipment_file_alone_says_so():
    with pytest.raises(Unreadable, match="shipments"):
        MARKETPLACE.documents(b'{"data": [' + SHIPMENT + b"]}")


SECRETS = (
    "Odile",
    "Marchand",
    "Tanneurs",
    "44000",
    "Bât. C",
    "4711",
    "+336",
    "notification.example",
    "9 quai du Port",
    "59000",
    "SIRET",
    "FR-TVA",
    "ORG-9",
)


@pytest.fixture
def personal(an_order, an_address, a_line, a_shipment):
    order = an_order(a_line(1), a_line(2))
    order["customer"] |= {
        "organization": {
            "organization_id": "ORG-9",
            "name": "Marchand Group",
            "identification_number": "SIRET 1",
            "tax_identification_number": "FR-TVA 2",
            "address": an_address(),
        },
        "accounting_contact": {"customer_id": "C-78", "firstname": "Odile"},
        "delivery_contact": {"customer_id": "C-79", "lastname": "Marchand"},
    }
    return {"order": order, "shipments": [a_shipment(("L1", 1))]}


@pytest.mark.parametrize("is_bare", [False, True])
def test_no_personal_data_is_left(personal, is_bare):
    payload = personal["order"] if is_bare else personal
    before, after = (
        json.dumps(each, ensure_ascii=False) for each in (payload, without_pii(payload, MARKETPLACE.pii_paths))
    )
    expected = [secret for secret in SECRETS if not (is_bare and secret == "59000")]
    assert [secret for secret in expected if secret not in before] == []
    assert [secret for secret in SECRETS if secret in after] == []


def test_what_is_not_personal_stays(personal, order_of):
    before, after = order_of(personal), order_of(without_pii(personal, MARKETPLACE.pii_paths))
    assert after.shipping_address.city == "Nantes"
    assert after.shipping_address.country_code == "FR"
    assert (after.is_business, after.customer.name) == (True, None)
    assert (after.lines, after.total, after.status) == (before.lines, before.total, before.status)
    assert without_pii(personal, MARKETPLACE.pii_paths)["order"]["customer"]["customer_id"] == "C-77"

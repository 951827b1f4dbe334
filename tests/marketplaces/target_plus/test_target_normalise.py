"""What an order of Target Plus is read into, by value."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest

from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.target_plus.documents import documents
from orders_pipeline.marketplaces.target_plus.personal_data import PII_PATHS
from tests.marketplaces.target_plus.conftest import make_address, make_line, make_order, read
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.privacy import without_pii

ALL_STATES = {
    "PENDING": Status.PENDING,
    "RELEASED_FOR_SHIPMENT": Status.PENDING,
    "ACKNOWLEDGED_BY_SELLER": Status.WAITING_FOR_SHIPMENT,
    "PARTIALLY_SHIPPED": Status.PARTIALLY_SHIPPED,
    "SHIPPED": Status.SHIPPED,
    "REFUNDED": Status.SHIPPED,
    "CANCELED": Status.CANCELED,
}


def quantities(order):
    return [(each.quantity_ordered, each.quantity_shipped, each.quantity_cancelled) for each in order.lines]


def test_an_order_is_read_by_value():
    order = read(make_order())
    assert (order.original_id, order.status, order.marketplace_status) == (
        "5d1f00aa11",
        Status.WAITING_FOR_SHIPMENT,
        "ACKNOWLEDGED_BY_SELLER",
    )
    assert (order.fulfilled_by, order.currency, order.total, order.tax_total) == (
        FulfilledBy.MERCHANT,
        "USD",
        None,
        None,
    )
    assert [moment.isoformat() for moment in (order.purchased_at, order.marketplace_updated_at, order.ship_by)] == [
        "2026-11-02T09:30:00+00:00",
        "2026-11-02T10:00:00+00:00",
        "2026-11-04T22:59:59+00:00",
    ]
    assert order.deliver_by.latest.isoformat() == "2026-11-09T22:59:59+00:00"
    assert order.service_level == "STANDARD"
    (line,) = order.lines
    assert (line.original_id, line.sku, line.marketplace_sku, line.line_total, line.unit_price) == (
        *("1", "LAMP-1", "80000012"),
        *(Decimal("10.0"), Decimal("10.0")),
    )
    home = order.shipping_address
    assert (home.name, home.line_1, home.line_2, home.city) == ("Zoë Quill", "12 Cedar Ave", "Apt 4", "Austin")
    assert (home.state, home.postal_code, home.country_code) == ("TX", "73301", "US")
    assert (order.customer.name, order.customer.email, order.customer.phone) == (
        *("Bea Quill", "z1@relay.example", "+1 555 010 0142"),
    )
    assert order.marketplace_data["order_number"] == "902001800000001-7300000001"
    assert order.problems == ()


@pytest.mark.parametrize("key", ["order_status", "status"])
@pytest.mark.parametrize("state", ALL_STATES)
def test_every_state_under_either_name(state, key):
    payload = make_order(None, make_line())
    del payload["order_status"]
    order = read({**payload, key: state.lower()})
    assert (order.status, order.marketplace_status) == (ALL_STATES[state], state)
    assert order.problems == ()


@pytest.mark.parametrize(
    ("state", "found"),
    [
        *((state, (2, 0, 0)) for state in ("PENDING", "RELEASED_FOR_SHIPMENT", "ACKNOWLEDGED_BY_SELLER")),
        *((state, (2, 2, 0)) for state in ("SHIPPED", "REFUNDED")),
        ("CANCELED", (2, 0, 2)),
        *((state, (2, None, None)) for state in ("PARTIALLY_SHIPPED", "TELEPORTED")),
    ],
)
def test_a_line_without_states_is_as_its_order(state, found):
    assert quantities(read(make_order(state, make_line(units=2)))) == [found]


def test_units_are_those_of_the_lines_states():
    order = read(
        make_order(
            "PARTIALLY_SHIPPED",
            make_line("1", ("SHIPPED", 2), ("ACKNOWLEDGED_BY_SELLER", 1), ("CANCELED", 1), units=4),
            make_line("2", ("CANCELED", 3), units=3, cancellation_reason="BUYER_CANCELED"),
            make_line("3", ("ACKNOWLEDGED_BY_SELLER", 1)),
        )
    )
    assert quantities(order) == [(4, 2, 1), (3, 0, 3), (1, 0, 0)]
    assert [each.marketplace_status for each in order.lines] == [
        *("ACKNOWLEDGED_BY_SELLER", "CANCELED", "ACKNOWLEDGED_BY_SELLER"),
    ]
    assert order.lines[1].cancellation.execution_reason == "BUYER_CANCELED"
    assert order.lines[1].kept_total == 0
    assert order.problems == ()


def test_more_units_than_were_ordered_may_not_ship():
    order = read(make_order("SHIPPED", make_line("1", ("SHIPPED", 2), ("CANCELED", 1), units=2)))
    assert quantities(order) == [(2, 2, 0)]
    assert order.lines[0].bar is Bar.CONTRADICTORY
    assert [each.code for each in order.problems] == ["quantity_contradictory"]


def test_states_that_nobody_knows_claim_nothing_and_are_no_quarantine():
    order = read(make_order("TELEPORTED", make_line("1", ("BEAMED", 1))))
    assert (order.status, order.marketplace_status) == (Status.UNKNOWN, "TELEPORTED")
    assert quantities(order) == [(1, None, None)]
    assert [each.code for each in order.problems] == ["status_unknown", "status_unknown"]


def test_what_is_refunded_ships_no_more():
    order = read(make_order("REFUNDED", make_line("1", ("SHIPPED", 1), ("ACKNOWLEDGED_BY_SELLER", 1), units=2)))
    assert (order.may_ship, order.may_not_ship_reason) == (False, Bar.FULLY_REFUNDED)


@pytest.mark.parametrize(
    ("changed", "total"),
    [
        ({"total_price": 29.97, "total_item_discount": 2.1}, "27.87"),
        ({"total_price": "29.97", "total_item_discount": "-2.10"}, "27.87"),
        ({"total_price": 0.3, "discounts": [{"amount": 0.1}, {"amount": 0.1}]}, "0.1"),
        ({"total_price": 30, "total_item_discount": 5, "discounts": [{"amount": 5}]}, "25"),
        ({"total_price": 30, "discounts": 5}, "25"),
        ({"total_price": 30, "total_item_discount": None, "discounts": []}, "30"),
        ({"total_price": None, "unit_price": 0.1}, "0.3"),
        ({"total_price": None, "unit_price": None}, None),
        ({"total_price": 30, "discounts": [{"name": "secret"}]}, None),
    ],
)
def test_a_lines_total_is_its_price_less_the_discounts(changed, total):
    (line,) = read(make_order("PENDING", make_line(units=3, **changed))).lines
    assert line.line_total == (None if total is None else Decimal(total))


def test_shipping_and_charges_are_the_orders():
    order = read(
        make_order(
            "PENDING",
            make_line("1", total_shipping_price=5.99, total_shipping_discount=1, total_gift_option_price=3.5),
            make_line("2", total_shipping_price=2, total_handling_price=0, other_fees=[{"amount": 0.2}]),
        )
    )
    assert order.shipping_total == Decimal("6.99")
    assert [(each.code, each.amount) for each in order.charges] == [
        ("GIFT_WRAP", Decimal("3.5")),
        ("OTHER", Decimal("0.2")),
    ]
    assert read(make_order()).shipping_total is None


def test_addresses_may_be_apart_or_missing():
    bare = make_order()
    addresses = bare.pop("addresses")
    apart = read({"order": bare, "order_addresses": {"order_id": bare["id"], **addresses}})
    assert apart.shipping_address == read(make_order()).shipping_address
    missing = read(bare)
    assert (missing.shipping_address.city, missing.customer.name, missing.problems) == (None, None, ())


def test_a_country_by_its_name_is_known_and_an_odd_one_is_a_problem():
    known = read(make_order(addresses={"shipping_address": make_address(country_code="usa")}))
    assert (known.shipping_address.country_code, known.problems) == ("US", ())
    odd = read(make_order(addresses={"shipping_address": make_address(country_code="Atlantis")}))
    assert (odd.shipping_address.country_code, [each.code for each in odd.problems]) == (None, ["country_unknown"])


def test_an_order_without_its_date_was_bought_when_it_was_created():
    order = read(make_order(order_date="", created="2026-11-02T08:00:00.000+0000"))
    assert order.purchased_at.isoformat() == "2026-11-02T08:00:00+00:00"


def test_fulfilments_are_packages():
    sent = [
        {"order_line_number": 1, "quantity": 1, "shipping_method": "UPSGround", "tracking_number": "1Z"},
        {"order_line_number": "2", "quantity": 2, "shipping_method": "UPSGround", "tracking_number": "1Z"},
        {"order_line_number": "1", "quantity": 1, "shipping_method": "PigeonPost", "tracking_number": "P"},
    ]
    found = read({"order": make_order(), "fulfillments": sent}).packages
    assert [(each.tracking_number, each.carriers, each.quantities) for each in found] == [
        ("1Z", ("UPS", "UPSGround"), (("1", 1), ("2", 2))),
        ("P", ("PigeonPost",), (("1", 1),)),
    ]
    assert read(make_order()).packages is None
    assert read({"order": make_order(), "fulfillments": []}).packages == ()


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"order_date": "2026-11-02T09:30:00Z"}, "$.id"),
        (make_order(order_date=None), "$.order_date"),
        (make_order("PENDING", make_line("1"), make_line("1")), "$.order_lines"),
        (make_order("PENDING", make_line(quantity="many")), "$.order_lines[0].quantity"),
        ({"order": make_order(id=None), "fulfillments": []}, "$.order.id"),
        ({"order": []}, "$.order"),
    ],
)
def test_what_is_no_order_is_refused_with_its_path(payload, path):
    with pytest.raises(Unreadable) as refused:
        read(payload)
    assert refused.value.path == path


def test_no_personal_word_is_left_after_the_purge():
    bare = make_order(other_info=[{"name": "gift_note", "value": "For Zoë"}])
    addresses = bare.pop("addresses")
    for payload in ({**bare, "addresses": addresses}, {"order": bare, "order_addresses": addresses}):
        clear = orjson.dumps(without_pii(payload, PII_PATHS)).decode()
        assert not any(word in clear for word in ("Zoë", "Quill", "Bea", "relay", "0142", "Cedar", "73301"))
        assert all(word in clear for word in ("Austin", "LAMP-1", "gift_note"))


def test_orders_are_found_in_recorded_answers():
    one, other = make_order(), make_order(id="5d2")
    envelope = {"order": one, "fulfillments": []}
    for value, ids in (
        ([one, other], ["5d1f00aa11", "5d2"]),
        (one, ["5d1f00aa11"]),
        ({"response": [one]}, ["5d1f00aa11"]),
        ({"orders": [other]}, ["5d2"]),
        (envelope, ["5d1f00aa11"]),
    ):
        assert [each.original_id for each in documents(orjson.dumps(value))] == ids
    (found,) = documents(orjson.dumps(envelope))
    assert orjson.loads(found.body) == envelope
    with pytest.raises(Unreadable):
        documents(b'{"message": "no"}')

"""Packages that somebody else told the marketplace of stay as they are, and ours is never taken for one of them."""

from __future__ import annotations

import copy

import pytest
import sqlalchemy as sa

from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.stages.confirm import confirm_all
from tests.pipeline.confirming_shop import Shop, whole
from warehouse.ledger.base import schema
from warehouse.shipment_reports import Item


@pytest.fixture
def shop(connected, marketplaces, clock):
    marketplaces.generate(36)
    made = Shop(connected, marketplaces, clock)
    made.confirming()
    made.pull()
    return made


def an_order(shop, units: int = 2) -> tuple[str, str, str]:
    """(internal id, marketplace id, line) of an Amazon order with a line of several units."""
    book, lines = schema.orders, schema.order_lines
    query = (
        sa.select(book.c.id, book.c.original_id, lines.c.original_id.label("line"))
        .join_from(book, lines)
        .where(
            book.c.id.in_([each["id"] for each in shop.waiting("amazon_fr")]),
            lines.c.quantity_ordered >= units,
            sa.func.coalesce(lines.c.quantity_cancelled, 0) == 0,
        )
        .order_by(book.c.id)
    )
    with shop.installation.ledger.read() as connection:
        row = connection.execute(query).first()
    assert row is not None
    return row.id, row.original_id, row.line


def record_of(shop, original_id: str):
    return shop.marketplaces.amazon.records[original_id]


def ship_elsewhere(shop, original_id: str, line: str, reference: str | None = None) -> dict:
    """Another tool ships one unit; returns its package as it stands there."""
    shop.marketplaces.amazon.advance(AdvanceRequest("ship", order_ids=(original_id,), quantities={line: 1}))
    package = record_of(shop, original_id).order["packages"][-1]
    if reference is not None:
        package["packageReferenceId"] = reference
    return copy.deepcopy(package)


def settle(shop) -> None:
    for _ in range(3):
        shop.clock.advance(minutes=15)
        shop.pull()
        confirm_all(shop.installation)


def test_a_package_made_elsewhere_is_not_edited(shop):
    order_id, original_id, line = an_order(shop)
    theirs = ship_elsewhere(shop, original_id, line)
    shop.clock.advance(minutes=10)
    shop.pull()
    (own_id,) = shop.ship(whole(order_id))
    confirm_all(shop.installation)
    settle(shop)
    packages = record_of(shop, original_id).order["packages"]
    assert packages[0] == theirs
    assert [each["trackingNumber"] for each in packages[1:]] == ["TRK-0"]
    assert record_of(shop, original_id).status == "SHIPPED"
    assert (shop.row(own_id)["status"], shop.order(own_id)["status"]) == ("verified", "SHIPPED")
    assert not any(each["is_edit"] for each in shop.applied("amazon_fr") if "is_edit" in each)


def test_a_name_that_is_taken_when_ours_is_to_be_sent_is_left_to_its_package(shop):
    order_id, original_id, line = an_order(shop, 3)
    item = Item(item_original_id=line, item_quantity_shipped=1)
    (own_id,) = shop.ship(whole(order_id, items=(item,)))
    theirs = ship_elsewhere(shop, original_id, line, str(shop.row(own_id)["reference"]))
    shop.clock.advance(minutes=10)
    shop.pull()
    confirm_all(shop.installation)
    settle(shop)
    packages = record_of(shop, original_id).order["packages"]
    assert packages[0] == theirs
    assert packages[1]["packageReferenceId"] == str(shop.row(own_id)["reference"]) != theirs["packageReferenceId"]
    assert shop.row(own_id)["status"] == "verified"


def test_a_doubt_is_not_ended_by_somebody_elses_package_of_the_same_name(shop):
    order_id, original_id, line = an_order(shop, 3)
    item = Item(item_original_id=line, item_quantity_shipped=1)
    (own_id,) = shop.ship(whole(order_id, items=(item,)))
    shop.marketplaces.amazon.add_fault(Fault(FaultKind.DROPPED_BEFORE, operation="confirmShipment", count=1))
    theirs = ship_elsewhere(shop, original_id, line, str(shop.row(own_id)["reference"]))
    confirm_all(shop.installation)
    settle(shop)
    packages = record_of(shop, original_id).order["packages"]
    assert packages[0] == theirs
    assert [each["trackingNumber"] for each in packages[1:]] == ["TRK-0"]
    assert shop.row(own_id)["status"] == "verified"


def test_a_package_that_another_tool_told_of_is_not_told_again_nor_changed(shop):
    order_id, original_id, line = an_order(shop, 3)
    item = Item(item_original_id=line, item_quantity_shipped=1)
    (own_id,) = shop.ship(whole(order_id, items=(item,)))
    ship_elsewhere(shop, original_id, line)
    record_of(shop, original_id).order["packages"][-1]["trackingNumber"] = "TRK-0"
    shop.clock.advance(minutes=10)
    shop.pull()
    confirm_all(shop.installation)
    settle(shop)
    assert len(record_of(shop, original_id).order["packages"]) == 1
    assert shop.row(own_id)["status"] == "verified"
    theirs = copy.deepcopy(record_of(shop, original_id).order["packages"])
    shop.ship(whole(order_id, tracking_number="TRK-NEW"))
    confirm_all(shop.installation)
    assert record_of(shop, original_id).order["packages"] == theirs
    assert (shop.row(own_id)["status"], shop.row(own_id)["code"]) == ("rejected", "package_not_ours")


def test_units_that_were_shipped_before_and_no_longer_are_verify_nothing(shop):
    order_id, original_id, line = an_order(shop, 3)
    ship_elsewhere(shop, original_id, line)
    shop.clock.advance(minutes=10)
    shop.pull()
    item = Item(item_original_id=line, item_quantity_shipped=1)
    (own_id,) = shop.ship(whole(order_id, items=(item,)))
    shop.marketplaces.amazon.add_fault(Fault(FaultKind.DROPPED, operation="confirmShipment", count=1))
    confirm_once_and_undo(shop, record_of(shop, original_id), line)
    row = shop.row(own_id)
    assert row["status"] == "rejected"
    assert row["difference"] == {"units_shipped": [{line: 1}, {line: 0}]}


def confirm_once_and_undo(shop, record, line: str) -> None:
    """The confirmation arrives, its answer is lost, and units of the line go back to unshipped before it is read."""
    sandbox = shop.marketplaces.amazon
    apply = sandbox._apply

    def undone(*given):
        effect = apply(*given)
        item = next(each for each in record.order["orderItems"] if each["orderItemId"] == line)
        item["fulfillment"]["quantityFulfilled"] = 0
        return effect

    sandbox._apply = undone
    confirm_all(shop.installation)

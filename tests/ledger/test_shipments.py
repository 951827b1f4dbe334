"""Taking shipments in: what is accepted, what is refused and why, and what becomes of the order, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
import sqlalchemy as sa
from msgspec import structs

from warehouse.ids import line_id
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.holds import CONFIRMATION_OFF
from warehouse.ledger.book.orders import lock_book, settle
from warehouse.ledger.settings import carriers, channels
from warehouse.ledger.shipping.intake import BY_MARKETPLACE
from warehouse.ledger.shipping.references import LARGEST_REFERENCE, SMALLEST_REFERENCE, free_reference
from warehouse.ledger.shipping.shipments import examine, report
from warehouse.order_lines import Line
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import Item, ReportResult, Sender, ShipmentReport, Source
from warehouse.shipments import Carrier, CarrierRule, Requirements

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ERP = Sender(consumer="erp", source=Source.API, report_id="r-1")


def an_order(number: int = 1, **changes) -> Order:
    """An order of 3 lamps and 2 bulbs, of which one bulb was cancelled."""
    base = Order(
        original_id=f"402-{number}",
        channel="amazon_fr",
        marketplace="Amazon FR",
        status=Status.WAITING_FOR_SHIPMENT,
        marketplace_status="UNSHIPPED",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=NOW - timedelta(hours=2),
        marketplace_updated_at=NOW - timedelta(hours=1),
        currency="EUR",
        total=Decimal("39.90"),
        lines=(a_line("L1", 1, 3), a_line("L2", 2, 2, cancelled=1)),
    )
    return structs.replace(base, **changes)


def a_line(original_id: str, number: int, ordered: int, shipped: int = 0, cancelled: int = 0) -> Line:
    return Line(
        original_id=original_id,
        number=number,
        sku=f"SKU-{number}",
        quantity_ordered=ordered,
        quantity_shipped=shipped,
        quantity_cancelled=cancelled,
    )


class Shop:
    """A book with two confirming channels, and an ERP that ships."""

    def __init__(self, ledger, keys) -> None:
        self.ledger = ledger
        self.keys = keys
        with ledger.write() as connection:
            for code in ("amazon_fr", "mirakl_fr"):
                seller = channels.Connection(code=f"{code}_seller", kind=code.partition("_")[0], label=code)
                channels.save_connection(connection, seller, NOW)
                channel = channels.ConfiguredChannel(
                    code=code, label=code, marketplace=code, connection=seller.code, confirmation=True
                )
                channels.save_channel(connection, channel, NOW)

    def put(self, *orders: Order) -> list[str]:
        with self.ledger.write() as connection:
            lock_book(connection)
            arrivals = [arrive(each, 1, NOW, is_historical=False) for each in orders]
            settle(connection, self.keys, arrivals, NOW)
        return [each.id for each in orders]

    def ship(self, *given: ShipmentReport, sender: Sender = ERP, now: datetime = NOW):
        with self.ledger.write() as connection:
            return report(connection, sender, given, now)

    def one(self, **given):
        return self.ship(
            ShipmentReport(**{"original_id": "402-1", "tracking_number": "T1", "carrier_code": "UPS", **given})
        )[0]

    def row(self, order_id: str) -> dict:
        with self.ledger.read() as connection:
            row = connection.execute(sa.select(schema.orders).where(schema.orders.c.id == order_id)).mappings().one()
        return {**row, "document": orjson.loads("{" + row["facts"] + "}")}

    def quantities(self, order_id: str) -> list[tuple[int | None, int | None]]:
        """(shipped, remaining) of each line, as readers see them."""
        lines = self.row(order_id)["document"]["lines"]
        return [(each["quantity_shipped"], each["quantity_remaining_to_ship"]) for each in lines]

    def shipments(self) -> list[dict]:
        with self.ledger.read() as connection:
            query = sa.select(schema.shipments).order_by(schema.shipments.c.reference)
            return [dict(row) for row in connection.execute(query).mappings()]

    def versions(self, order_id: str) -> list[tuple[int, list[str]]]:
        table = schema.order_versions
        with self.ledger.read() as connection:
            query = sa.select(table.c.revision, table.c.changed).where(table.c.order_id == order_id)
            return [
                (row.revision, orjson.loads(row.changed))
                for row in connection.execute(query.order_by(table.c.revision))
            ]


@pytest.fixture
def shop(any_ledger, any_settings) -> Shop:
    return Shop(any_ledger, open_key_ring(any_settings))


def test_a_whole_order_is_shipped(shop):
    (order_id,) = shop.put(an_order())
    answer = shop.one()
    assert (answer.result, answer.order_id, answer.status) == (ReportResult.ACCEPTED, order_id, "queued")
    row = shop.row(order_id)
    assert (row["status"], row["source_status"], row["confirmation_status"]) == (
        "SHIPPED",
        "WAITING_FOR_SHIPMENT",
        "queued",
    )
    assert shop.quantities(order_id) == [(3, 0), (1, 0)]
    assert shop.versions(order_id) == [(1, []), (2, ["status", "lines", "confirmation_status"])]
    (shipment,) = shop.shipments()
    assert (shipment["package_id"], shipment["due_at"]) == ("1", NOW)


def test_a_part_and_then_the_rest(shop):
    (order_id,) = shop.put(an_order())
    part = shop.one(package_id="A", items=(Item(item_original_id="L1", item_quantity_shipped=2),))
    assert part.result is ReportResult.ACCEPTED
    assert shop.row(order_id)["status"] == "PARTIALLY_SHIPPED"
    assert shop.quantities(order_id) == [(2, 1), (0, 1)]
    rest = shop.one(package_id="B", tracking_number="T2")
    assert rest.result is ReportResult.ACCEPTED
    assert shop.row(order_id)["status"] == "SHIPPED"
    assert {each["package_id"] for each in shop.shipments()} == {"A", "B"}


def test_the_reference_is_no_number_that_others_count_up_to_and_survives_a_lost_ledger(shop):
    shop.put(an_order())
    one = shop.one(package_id="1", items=(Item(item_original_id="L1", item_quantity_shipped=1),))
    (reference,) = [each["reference"] for each in shop.shipments()]
    assert SMALLEST_REFERENCE <= reference <= LARGEST_REFERENCE
    assert reference == free_reference(one.shipment_id, ())
    assert free_reference(one.shipment_id, {reference}) != reference


def test_the_same_again_is_already_known_and_changes_nothing(shop):
    (order_id,) = shop.put(an_order())
    first = shop.one(package_id="1")
    before = (shop.shipments(), shop.versions(order_id))
    again = shop.one(package_id="1")
    unnamed = shop.one()
    renamed = shop.one(package_id="2", items=(Item(item_original_id="L1"), Item(item_original_id="L2")))
    assert again.result is unnamed.result is ReportResult.ALREADY_KNOWN
    assert again.shipment_id == unnamed.shipment_id == first.shipment_id
    assert renamed.result is ReportResult.REFUSED  # nothing remains: neither a second shipment nor a silent success
    assert (shop.shipments(), shop.versions(order_id)) == before


def test_the_same_content_under_another_name_is_already_known(shop):
    shop.put(an_order())
    items = (Item(item_original_id="L1", item_quantity_shipped=1),)
    first = shop.one(package_id="A", items=items)
    again = shop.one(package_id="B", items=items)
    assert (again.result, again.shipment_id) == (ReportResult.ALREADY_KNOWN, first.shipment_id)


def test_the_same_package_again_updates_its_tracking(shop):
    (order_id,) = shop.put(an_order())
    shop.one(package_id="1")
    again = shop.one(package_id="1", tracking_number="T9", carrier_code=None)
    assert again.result is ReportResult.UPDATED
    (shipment,) = shop.shipments()
    assert (shipment["tracking_number"], shipment["carrier_code"], shipment["version"]) == ("T9", "UPS", 2)
    assert shop.quantities(order_id) == [(3, 0), (1, 0)]


def test_a_second_package_needs_a_name(shop):
    shop.put(an_order())
    shop.one(items=(Item(item_original_id="L1", item_quantity_shipped=1),))
    again = shop.one(tracking_number="T2")
    assert [(each.code, each.field) for each in again.faults] == [("package_id_needed", "package_id")]


def test_items_may_be_corrected_until_they_are_sent(shop):
    (order_id,) = shop.put(an_order())
    shop.one(package_id="1", items=(Item(item_original_id="L1", item_quantity_shipped=1),))
    more = shop.one(package_id="1", items=(Item(item_original_id="L1", item_quantity_shipped=3),))
    assert (more.result, shop.quantities(order_id)) == (ReportResult.UPDATED, [(3, 0), (0, 1)])
    too_many = shop.one(package_id="1", items=(Item(item_original_id="L1", item_quantity_shipped=4),))
    assert [each.code for each in too_many.faults] == ["quantity_exceeds_remaining"]
    with shop.ledger.write() as connection:
        connection.execute(sa.update(schema.shipments).values(sent_version=2, status="sent"))
    late = shop.one(package_id="1", items=(Item(item_original_id="L1", item_quantity_shipped=1),))
    assert [each.code for each in late.faults] == ["items_differ"]
    assert shop.quantities(order_id) == [(3, 0), (0, 1)]


@pytest.mark.parametrize(
    ("order", "given", "code", "field"),
    [
        ({}, {"original_id": "402-9"}, "unknown_order", "original_id"),
        ({}, {"id": "0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10", "original_id": None}, "unknown_order", "id"),
        ({}, {"channel": "mirakl_fr"}, "unknown_order", "original_id"),
        ({}, {"items": (Item(item_original_id="L9", item_quantity_shipped=1),)}, "unknown_line", "items/0/item_original_id"),
        ({}, {"items": (Item(item_id="x", item_quantity_shipped=1),)}, "unknown_line", "items/0/item_id"),
        ({}, {"items": (Item(item_quantity_shipped=1),)}, "unknown_line", "items/0/item_id"),
        (
            {},
            {"items": (Item(item_original_id="L2", item_quantity_shipped=2),)},
            "quantity_exceeds_remaining",
            "items/0/item_quantity_shipped",
        ),
        (
            {},
            {"items": (Item(item_original_id="L1", item_quantity_shipped=0),)},
            "quantity_invalid",
            "items/0/item_quantity_shipped",
        ),
        ({}, {"items": (Item(item_original_id="L1"), Item(item_original_id="L1"))}, "duplicate_item", "items/1"),
        ({"fulfilled_by": FulfilledBy.MARKETPLACE}, {}, "fulfilled_by_marketplace", "id"),
        ({"status": Status.CANCELED}, {}, "order_canceled", "id"),
        ({"status": Status.REFUSED}, {}, "order_canceled", "id"),
        ({"status": Status.PENDING}, {}, "order_pending", "id"),
        ({"status": Status.SHIPPED, "lines": (a_line("L1", 1, 3, shipped=3),)}, {}, "nothing_remains", "items"),
        ({"lines": (structs.replace(a_line("L1", 1, 3), quantity_ordered=None),)}, {}, "quantity_unknown", "items"),
        ({}, {"shipping_date": NOW + timedelta(minutes=6)}, "shipping_date_in_future", "shipping_date"),
    ],
)  # fmt: skip
def test_what_is_refused(shop, order, given, code, field):
    (order_id,) = shop.put(an_order(**order))
    before = shop.row(order_id)
    answer = shop.one(**given)
    assert answer.result is ReportResult.REFUSED
    assert [(each.code, each.field) for each in answer.faults] == [(code, field)]
    assert (shop.row(order_id), shop.shipments()) == (before, [])


def test_one_refusal_stops_no_other(shop):
    shop.put(an_order(1), an_order(2))
    answers = shop.ship(
        ShipmentReport(original_id="402-1"), ShipmentReport(original_id="402-8"), ShipmentReport(original_id="402-2")
    )
    assert [each.result for each in answers] == [ReportResult.ACCEPTED, ReportResult.REFUSED, ReportResult.ACCEPTED]


def test_reports_of_one_request_see_each_other(shop):
    shop.put(an_order())
    item = Item(item_original_id="L1", item_quantity_shipped=2)
    answers = shop.ship(
        ShipmentReport(original_id="402-1", package_id="1", items=(item,)),
        ShipmentReport(original_id="402-1", package_id="2", items=(item,)),
    )
    assert [each.result for each in answers] == [ReportResult.ACCEPTED, ReportResult.REFUSED]


def test_a_hundred_at_once_never_over_ship(any_settings, shop):
    (order_id,) = shop.put(an_order(lines=(a_line("L1", 1, 10),)))
    ledgers = [open_ledger(any_settings) for _ in range(4)]

    def ship(number: int) -> ReportResult:
        item = Item(item_original_id="L1", item_quantity_shipped=1)
        given = ShipmentReport(
            original_id="402-1", package_id=f"P{number}", tracking_number=f"T{number}", items=(item,)
        )
        with ledgers[number % 4].write() as connection:
            return report(connection, ERP, [given], NOW)[0].result

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ship, range(100)))
    for each in ledgers:
        each.close()
    assert results.count(ReportResult.ACCEPTED) == 10
    assert shop.quantities(order_id) == [(10, 0)]
    assert len({each["reference"] for each in shop.shipments()}) == 10


def test_a_channel_that_does_not_confirm_holds(shop):
    (order_id,) = shop.put(an_order())
    with shop.ledger.write() as connection:
        connection.execute(sa.update(schema.channels).values(confirmation=False))
    answer = shop.one()
    (shipment,) = shop.shipments()
    assert (answer.status, shipment["held_reason"], shipment["due_at"]) == ("held", CONFIRMATION_OFF, None)
    assert (shop.row(order_id)["status"], shop.row(order_id)["confirmation_status"]) == ("SHIPPED", "held")


LABEL = {"needs_return_label_with": ("DHL",), "return_carriers": ("DHL",)}


def test_the_channels_own_place_and_return_carrier_count_where_a_report_names_none(shop):
    shop.put(an_order())
    require(shop, **LABEL, needs_ship_from_place=True)
    with shop.ledger.write() as connection:
        place = {"MAIN": {"city": "Dresden", "postal_code": "01067", "country_code": "DE"}}
        connection.execute(sa.update(schema.connections).values(settings={"ship_from_places": place}))
        own = {"ship_from": "MAIN", "return_carrier": "TNT"}
        connection.execute(sa.update(schema.channels).values(settings=own))
    refused = shop.one(carrier_code="DHL", return_tracking_number="R1")
    assert [(each.code, each.field) for each in refused.faults] == [("return_label_missing", "return_carrier")]
    assert shop.one(carrier_code="DHL", return_tracking_number="R1", return_carrier="DHL").faults == ()


def test_a_change_of_what_the_marketplace_was_told_is_refused_where_it_takes_none(shop):
    shop.put(an_order())
    require(shop, takes_corrections=False)
    assert shop.one(carrier_code="DHL").result is ReportResult.ACCEPTED
    assert shop.one(carrier_code="DHL", package_id="1", tracking_number="T2").result is ReportResult.UPDATED
    with shop.ledger.write() as connection:
        connection.execute(sa.update(schema.shipments).values(status="sent", sent_version=2))
    late = shop.one(carrier_code="DHL", package_id="1", tracking_number="T3")
    assert [each.code for each in late.faults] == ["correction_not_offered"]
    assert shop.one(carrier_code="DHL", package_id="1", tracking_number="T2").result is ReportResult.ALREADY_KNOWN


UNITS = tuple(structs.replace(a_line(f"U{n}", n, 1), sku="LAMP" if n < 5 else "BULB") for n in range(1, 6))


def in_package(shop) -> list[list[str]]:
    """The marketplace's ids of the lines of each package."""
    query = (
        sa.select(schema.shipments.c.package_id, schema.order_lines.c.original_id)
        .join_from(schema.shipments, schema.shipment_lines)
        .join(schema.order_lines, schema.order_lines.c.id == schema.shipment_lines.c.line_id)
        .order_by(schema.shipments.c.package_id, schema.order_lines.c.number)
    )
    found: dict[str, list[str]] = {}
    with shop.ledger.read() as connection:
        for package, line in connection.execute(query):
            found.setdefault(package, []).append(line)
    return list(found.values())


def sku(name: str, units: int | None = None) -> tuple[Item, ...]:
    return (Item(item_sku=name, item_quantity_shipped=units),)


def test_units_of_a_sku_are_spread_over_the_open_lines_in_their_order(shop):
    waiting = (
        structs.replace(UNITS[0], bar=Bar.LINE_PENDING),
        structs.replace(UNITS[1], quantity_shipped=1),
        *UNITS[2:],
    )
    shop.put(an_order(lines=waiting))
    assert shop.one(package_id="A", items=sku("LAMP", 1)).result is ReportResult.ACCEPTED
    rest = (*sku("LAMP"), *sku("BULB", 1))
    assert shop.one(package_id="B", tracking_number="T2", items=rest).result is ReportResult.ACCEPTED
    assert in_package(shop) == [["U3"], ["U4", "U5"]]
    late = shop.one(package_id="C", tracking_number="T3", items=sku("LAMP", 1))
    assert [(each.code, each.field) for each in late.faults] == [("may_not_ship", "items/0/item_quantity_shipped")]


def test_a_sku_of_one_line_of_several_units_is_that_line(shop):
    (order_id,) = shop.put(an_order())
    assert shop.one(items=sku("SKU-1", 2)).result is ReportResult.ACCEPTED
    assert shop.quantities(order_id) == [(2, 1), (0, 1)]


def test_the_same_units_of_a_sku_again_are_already_known_and_more_of_them_correct_the_package(shop):
    shop.put(an_order(lines=UNITS))
    rows = (Item(item_sku="LAMP", item_quantity_shipped=1), Item(item_sku="LAMP", item_quantity_shipped=1))
    assert shop.one(package_id="A", items=rows).result is ReportResult.ACCEPTED
    assert shop.one(package_id="A", items=sku("LAMP", 2)).result is ReportResult.ALREADY_KNOWN
    assert shop.one(package_id="other name", items=sku("LAMP", 2)).result is ReportResult.ALREADY_KNOWN
    assert shop.one(package_id="A", items=sku("LAMP", 3)).result is ReportResult.UPDATED
    assert in_package(shop) == [["U1", "U2", "U3"]]


@pytest.mark.parametrize(
    ("items", "code", "field"),
    [
        (sku("SOFA", 1), "unknown_line", "items/0/item_sku"),
        (sku("LAMP", 5), "quantity_exceeds_remaining", "items/0/item_quantity_shipped"),
        (sku("LAMP", 0), "quantity_invalid", "items/0/item_quantity_shipped"),
        ((*sku("LAMP", 4), *sku("LAMP")), "quantity_invalid", "items/1/item_quantity_shipped"),
        ((*sku("BULB"), Item(item_original_id="U5")), "duplicate_item", "items/1"),
        ((Item(item_original_id="U5"), *sku("BULB", 1)), "quantity_exceeds_remaining", "items/1/item_quantity_shipped"),
    ],
)
def test_a_sku_that_does_not_fit_is_refused(shop, items, code, field):
    shop.put(an_order(lines=UNITS))
    (fault,) = shop.one(items=items).faults
    assert (fault.code, fault.field) == (code, field)
    assert shop.shipments() == []


def of_lamps(units: int, package_id: str, **changes) -> ShipmentReport:
    """A package with some of the lamps."""
    items = (Item(item_original_id="L1", item_quantity_shipped=units),)
    given = {"tracking_number": f"T{package_id}", "carrier_code": "DHL", "items": items, **changes}
    return ShipmentReport(original_id="402-1", package_id=package_id, **given)


def test_a_correction_that_is_refused_for_its_content_takes_no_units(shop):
    (order_id,) = shop.put(an_order())
    require(shop)
    assert shop.ship(of_lamps(1, "1"))[0].result is ReportResult.ACCEPTED
    wrong = of_lamps(3, "1", carrier_code="Nobody")
    refused, other = shop.ship(wrong, of_lamps(2, "2"))
    assert (refused.result, other.result) == (ReportResult.REFUSED, ReportResult.ACCEPTED)
    assert shop.quantities(order_id) == [(3, 0), (0, 1)]


def test_a_package_that_the_marketplace_shows_takes_no_units_when_it_is_reported_again(shop):
    (order_id,) = shop.put(an_order())
    assert shop.ship(of_lamps(1, "1"))[0].result is ReportResult.ACCEPTED
    shop.put(an_order(lines=(a_line("L1", 1, 3, shipped=1), a_line("L2", 2, 2, cancelled=1))))
    again, other = shop.ship(of_lamps(1, "1"), of_lamps(2, "2"))
    assert (again.result, other.result) == (ReportResult.ALREADY_KNOWN, ReportResult.ACCEPTED)
    assert shop.quantities(order_id) == [(3, 0), (0, 1)]


def require(shop, **changes) -> None:
    base = {"needs_tracking_number": True, "needs_carrier": True, "carrier_rule": CarrierRule.LISTED}
    needs = Requirements(**{**base, "carriers": (Carrier(code="DHL", label="DHL Paket"),), **changes})
    with shop.ledger.write() as connection:
        carriers.save_requirements(connection, "amazon_fr", needs, NOW)


@pytest.mark.parametrize(
    ("needs", "given", "faults"),
    [
        ({}, {"carrier_code": "dhl paket"}, []),
        ({"carrier_aliases": {"DPAG": "DHL"}}, {"carrier_code": "dpag"}, []),
        ({}, {"tracking_number": None}, [("tracking_number_missing", "tracking_number"), ("carrier_unknown", "carrier_code")]),
        ({}, {"carrier_code": None}, [("carrier_missing", "carrier_code")]),
        ({}, {"carrier_code": None, "carrier_name": "Corner Shop"}, [("carrier_unknown", "carrier_name")]),
        ({}, {"carrier_code": None, "carrier_name": "DHL Paket"}, []),
        ({"carrier_rule": CarrierRule.LISTED_OR_NAMED}, {"carrier_code": "Corner Shop"}, []),
        (
            {"takes_part": False},
            {"carrier_code": "DHL", "items": (Item(item_original_id="L1", item_quantity_shipped=1),)},
            [("partial_not_possible", "items")],
        ),
        ({"takes_part": False}, {"carrier_code": "DHL"}, []),
        ({"needs_ship_from_place": True}, {"carrier_code": "DHL"}, [("ship_from_missing", "ship_from")]),
        ({"needs_ship_from_place": True}, {"carrier_code": "DHL", "ship_from": "MOON"}, [("ship_from_missing", "ship_from")]),
        ({"needs_ship_from_place": True}, {"carrier_code": "DHL", "ship_from": "MAIN"}, []),
        ({"shipping_methods": ("Ground",)}, {"carrier_code": "DHL"}, [("shipping_method_missing", "shipping_method")]),
        ({"shipping_methods": ("Ground",)}, {"carrier_code": "DHL", "shipping_method": "Air"}, []),
        (LABEL, {"carrier_code": "DHL"}, [("return_label_missing", "return_tracking_number")]),
        (LABEL, {"carrier_code": "DHL", "return_tracking_number": "R1"}, []),
        (LABEL, {"carrier_code": "dhl", "return_tracking_number": "R1", "return_carrier": "TNT"},
         [("return_label_missing", "return_carrier")]),
        ({**LABEL, "needs_return_label_with": ("UPS",)}, {"carrier_code": "DHL"}, []),
    ],
)  # fmt: skip
def test_what_the_channel_needs(shop, needs, given, faults):
    shop.put(an_order())
    with shop.ledger.write() as connection:
        place = {"MAIN": {"city": "Dresden", "postal_code": "01067", "country_code": "DE"}}
        connection.execute(sa.update(schema.connections).values(settings={"ship_from_places": place}))
    require(shop, **needs)
    assert [(each.code, each.field) for each in shop.one(**given).faults] == faults


def test_the_merchants_own_mapping_goes_first(shop):
    shop.put(an_order())
    require(shop)
    with shop.ledger.write() as connection:
        carriers.save_carrier(
            connection, carriers.CarrierEntry(channel="amazon_fr", code="Own", carrier_code="DHL"), NOW
        )
    assert shop.one(carrier_code="OWN").result is ReportResult.ACCEPTED


def test_of_some_programmes_the_marketplace_is_told_nothing(shop):
    (order_id, other) = shop.put(an_order(1, programs=("LABELLED",)), an_order(2))
    require(shop, unconfirmed_programs=("LABELLED",))
    answer = shop.one(carrier_code="DHL")
    assert (answer.result, answer.status, shop.row(order_id)["status"]) == (ReportResult.ACCEPTED, "none", "SHIPPED")
    assert [each["held_reason"] for each in shop.shipments()] == [BY_MARKETPLACE]
    assert shop.one(original_id="402-2", carrier_code="DHL").status == "queued"
    assert shop.row(other)["confirmation_status"] == "queued"


def test_a_sender_sees_only_its_channels(shop):
    shop.put(an_order())
    (answer,) = shop.ship(ShipmentReport(original_id="402-1"), sender=replace(ERP, visible_channels=("mirakl_fr",)))
    assert [each.code for each in answer.faults] == ["unknown_order"]


def test_two_channels_may_have_the_same_id(shop):
    shop.put(an_order(), an_order(channel="mirakl_fr"))
    assert [each.code for each in shop.one().faults] == ["ambiguous_order"]
    assert shop.one(channel="mirakl_fr").result is ReportResult.ACCEPTED


def test_of_a_split_order_the_merchants_half_is_meant(shop):
    ours, theirs = (
        an_order(is_split=True, fulfilled_by=each) for each in (FulfilledBy.MERCHANT, FulfilledBy.MARKETPLACE)
    )
    shop.put(ours, theirs)
    assert shop.one().order_id == ours.id


def test_lines_go_by_our_ids_too(shop):
    (order_id,) = shop.put(an_order())
    answer = shop.one(items=(Item(item_id=line_id(order_id, "L2"), item_quantity_shipped=1),))
    assert (answer.result, shop.quantities(order_id)) == (ReportResult.ACCEPTED, [(0, 3), (1, 0)])


def test_examining_writes_nothing(shop):
    (order_id,) = shop.put(an_order())
    before = shop.row(order_id)
    with shop.ledger.read() as connection:
        (answer,) = examine(connection, ERP, [ShipmentReport(original_id="402-1")], NOW)
    assert answer.result is ReportResult.ACCEPTED
    assert (shop.row(order_id), shop.shipments()) == (before, [])


def later(minutes: int) -> datetime:
    return NOW - timedelta(hours=1) + timedelta(minutes=minutes)


def test_a_later_pull_that_does_not_know_yet_sets_nothing_back(shop):
    (order_id,) = shop.put(an_order())
    shop.one()
    before = shop.row(order_id)
    shop.put(an_order(marketplace_updated_at=later(5), ship_by=NOW))
    after = shop.row(order_id)
    assert (after["status"], shop.quantities(order_id)) == ("SHIPPED", [(3, 0), (1, 0)])
    assert after["confirmation_status"] == before["confirmation_status"]
    assert shop.versions(order_id)[-1] == (3, ["ship_by"])


def test_a_later_pull_that_knows_is_no_news_but_for_the_marketplaces_word(shop):
    (order_id,) = shop.put(an_order())
    shop.one()
    told = (a_line("L1", 1, 3, shipped=3), a_line("L2", 2, 2, shipped=1, cancelled=1))
    shop.put(an_order(marketplace_updated_at=later(5), status=Status.SHIPPED, marketplace_status="SHIPPED", lines=told))
    assert shop.versions(order_id)[-1] == (3, ["marketplace_status"])
    assert shop.row(order_id)["source_status"] == "SHIPPED"
    shop.put(an_order(marketplace_updated_at=later(6), status=Status.SHIPPED, marketplace_status="SHIPPED", lines=told))
    assert len(shop.versions(order_id)) == 3


def test_what_the_marketplace_tells_without_news_is_kept(shop):
    (order_id,) = shop.put(an_order())
    shop.one(items=(Item(item_original_id="L1", item_quantity_shipped=2),))
    told = (a_line("L1", 1, 3, shipped=2), a_line("L2", 2, 2, cancelled=1))
    shop.put(an_order(marketplace_updated_at=later(5), status=Status.PARTIALLY_SHIPPED, lines=told))
    assert len(shop.versions(order_id)) == 2
    rest = shop.one(package_id="2", tracking_number="T2")
    assert (rest.result, shop.quantities(order_id)) == (ReportResult.ACCEPTED, [(3, 0), (1, 0)])


def test_units_that_others_shipped_are_not_shipped_again(shop):
    told = (a_line("L1", 1, 3, shipped=1), a_line("L2", 2, 2, cancelled=1))
    (order_id,) = shop.put(an_order(status=Status.PARTIALLY_SHIPPED, lines=told))
    shop.one(package_id="1", items=(Item(item_original_id="L1", item_quantity_shipped=1),))
    assert shop.quantities(order_id)[0] == (2, 1)
    answer = shop.one(
        package_id="2", tracking_number="T2", items=(Item(item_original_id="L1", item_quantity_shipped=2),)
    )
    assert [each.code for each in answer.faults] == ["quantity_exceeds_remaining"]


def test_a_cancellation_by_the_marketplace_wins(shop):
    (order_id,) = shop.put(an_order())
    shop.one(items=(Item(item_original_id="L1", item_quantity_shipped=1),))
    shop.put(an_order(marketplace_updated_at=later(5), status=Status.CANCELED))
    assert shop.row(order_id)["status"] == "CANCELED"

"""Incidents about shipment files: each file has its own, and only what settles that file closes it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_pipeline.file_jobs import applying, refusals
from warehouse import shipment_reports
from warehouse.ledger.base.schema import incidents as incident_rows
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incident_queries import find_incidents

HEADER = "id,original_id,package_id,tracking_number,shipping_date,carrier_code,item_id,item_original_id,item_quantity_shipped"
FIRST, SECOND = "402-0000001", "402-0000002"


def sheet(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def troubles(shop) -> list[tuple[str, str]]:
    """Code and file of each open incident about a file, by file."""
    with shop.ledger.read() as transaction:
        found = [each for each in find_incidents(transaction, limit=1000) if each.stage == refusals.STAGE]
    return sorted((each.file_id, each.code) for each in found)


def resolutions(shop) -> list[str]:
    with shop.ledger.read() as transaction:
        query = sa.select(incident_rows.c.resolution).where(incident_rows.c.stage == refusals.STAGE)
        return [each for each in transaction.execute(query.order_by(incident_rows.c.id)).scalars() if each is not None]


def take(shop, name: str, content: str):
    shop.drop(name, content)
    return shop.run_import().files[-1]


def resolve(shop, record) -> None:
    """An operator closes the incident about a file."""
    with shop.ledger.write() as transaction:
        row = next(each for each in find_incidents(transaction) if each.file_id == str(record.id))
        assert incidents.resolve_by_hand(transaction, row.id, "seen to", shop.installation.clock())


def test_the_success_of_another_file_closes_nothing(shop, an_order):
    shop.put(an_order(1), an_order(2))
    bad = take(shop, "monday.csv", sheet(f",{FIRST},1,T1,,,,L1,9"))
    none = take(shop, "notes.csv", "order,package\n1,2\n")
    take(shop, "tuesday.csv", sheet(f",{SECOND},1,T2,,,,,"))
    assert troubles(shop) == sorted([(str(bad.id), "rows_refused"), (str(none.id), "file_refused")])


def test_each_refused_file_is_an_incident_of_its_own(shop):
    one, other = (take(shop, f"{name}.csv", f"order,{name}\n1,2\n") for name in "ab")
    assert troubles(shop) == [(str(one.id), "file_refused"), (str(other.id), "file_refused")]


def test_a_file_refused_as_a_whole_is_settled_by_a_file_of_its_name(shop, an_order):
    shop.put(an_order(1), an_order(2))
    refused = take(shop, "march.csv", "order,package\n1,2\n")
    take(shop, "march.csv", sheet(f",{FIRST},1,T1,,,,L1,9"))
    assert (str(refused.id), "file_refused") in troubles(shop)
    good = take(shop, "march.csv", sheet(f",{FIRST},1,T1,,,,,"))
    assert troubles(shop) == []
    assert resolutions(shop)[0] == f"file {good.id} of the same name has come, and every row of it counts"


@pytest.mark.parametrize("content", ["order,package\n1,2\n", sheet(",402-9999999,1,T1,,,,,")])
def test_who_always_uses_one_name_does_not_settle_a_refused_file_by_the_next(shop, an_order, content):
    shop.put(*(an_order(number) for number in (1, 2, 3)))
    take(shop, "shipments.csv", sheet(f",{FIRST},1,T1,,,,,"))
    bad = take(shop, "shipments.csv", content)
    take(shop, "shipments.csv", sheet(f",{SECOND},1,T2,,,,,"))
    assert [file_id for file_id, _ in troubles(shop)] == [str(bad.id)]
    resolve(shop, bad)
    shop.run_import()
    assert troubles(shop) == []


def test_a_row_of_an_unknown_order_is_settled_by_a_file_of_the_same_name_only(shop, an_order):
    shop.put(an_order(1), an_order(2))
    take(shop, "march.csv", sheet(",402-9999999,1,T1,,,,,"))
    take(shop, "april.csv", sheet(f",{FIRST},1,T1,,,,,"))
    assert len(troubles(shop)) == 1
    take(shop, "march.csv", sheet(f",{SECOND},1,T2,,,,,"))
    assert troubles(shop) == []


@pytest.mark.parametrize("row", [f",{FIRST},1,T1,,,,L1,9", f",{FIRST},1,T1,soon,,,L1,2"])
def test_a_row_of_a_known_order_is_settled_by_what_is_reported_of_that_order(shop, an_order, clock, row):
    shop.put(an_order(1), an_order(2))
    take(shop, "daily.csv", sheet(row))
    clock.advance(minutes=15)
    take(shop, "daily.csv", sheet(f",{SECOND},1,T2,,,,,"))
    assert len(troubles(shop)) == 1, "the same name every day tells nothing of this order"
    clock.advance(minutes=15)
    shop.ship(
        shipment_reports.ShipmentReport(channel="amazon_fr", original_id=FIRST, package_id="1", tracking_number="T1")
    )
    shop.run_import()
    assert troubles(shop) == []
    assert resolutions(shop) == ["the orders of the refused rows have been reported since"]


def test_a_part_that_is_reported_elsewhere_settles_nothing_while_units_are_left(shop, an_order, a_line, clock):
    shop.put(an_order(1, lines=(a_line(ordered=3),)))
    take(shop, "march.csv", sheet(f",{FIRST},1,T1,,,,L1,9"))
    clock.advance(minutes=15)
    take(shop, "other.csv", sheet(f",{FIRST},2,T2,,,,L1,1"))
    assert len(troubles(shop)) == 1
    take(shop, "march.csv", sheet(f",{FIRST},1,T1,,,,L1,1"))
    assert troubles(shop) == [], "the corrected file has come, though a unit is left"


def test_what_was_shipped_twice_stays_told_until_somebody_resolves_it(shop, an_order, clock):
    shop.put(an_order(1), an_order(2))
    take(shop, "a.csv", sheet(f",{FIRST},1,T1,,,,,"))
    clock.advance(minutes=15)
    take(shop, "b.csv", sheet(f",{FIRST},2,T2,,,,L1,1"))
    take(shop, "c.csv", sheet(f",{SECOND},1,T3,,,,,"))
    assert len(troubles(shop)) == 1
    resolve(shop, shop.records()[-2])
    shop.run_import()
    assert troubles(shop) == []


def test_a_file_that_is_tried_again_closes_its_own(shop, an_order):
    shop.put(an_order(1))
    early = take(shop, "early.csv", sheet(f",{SECOND},1,T2,,,,,"))
    wrong = take(shop, "wrong.csv", sheet(f",{FIRST},1,T1,,,,L1,9"))
    shop.put(an_order(2))
    applying.retry(shop.installation, shop.records(JobKind.IMPORT)[0], None)
    assert early.id != wrong.id
    assert troubles(shop) == [(str(wrong.id), "rows_refused")]


def test_open_incidents_stay_countable(small_shop, monkeypatch, clock):
    monkeypatch.setattr(refusals, "MOST_FILES", 3)
    for number in range(6):
        take(small_shop, f"{number}.csv", f"order,package\n{number},2\n")
        clock.advance(minutes=1)
    assert [file_id for file_id, _ in troubles(small_shop)].count("") == 1
    assert len(troubles(small_shop)) == 4
    with small_shop.ledger.read() as transaction:
        shared = next(each for each in find_incidents(transaction) if not each.file_id)
    assert shared.occurrences == 3
    assert "5.csv" in shared.message
    clock.advance(minutes=timedelta(hours=1).seconds // 60)
    small_shop.run_import()
    assert len(troubles(small_shop)) == 4

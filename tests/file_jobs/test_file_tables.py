"""Files and the fates of rows as tables for analysts."""

from __future__ import annotations

import pytest

from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish, rebuild
from warehouse.ledger.exchange import files
from warehouse.ledger.exchange.file_records import NewFile
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.templates import ShipmentColumn


@pytest.mark.slow
def test_files_and_rows_are_published_once_and_follow_their_changes(shop, an_order, clock):
    shop.put(an_order(1))
    shop.export(split_by_country=True)
    shop.drop("a.csv", f"{','.join(ShipmentColumn)}\r\n,402-0000001,1,T1,,,,,\r\n,x,1,T2,,,,,\r\n")
    with shop.ledger.write() as transaction:
        new = NewFile(direction=JobKind.EXPORT, channel="amazon_fr", storage="partner", folder="out", name="prep.csv")
        files.prepare(transaction, new, clock())
    with open_lake(shop.installation.settings) as lake:
        publish(shop.ledger, lake, clock())
        assert lake.statement("SELECT direction, status, row_count, country_code FROM files") == [
            ("export", "uploaded", 1, "FR")
        ]
        clock.advance(minutes=5)
        shop.run_import()
        publish(shop.ledger, lake, clock())
        clock.advance(minutes=5)
        publish(shop.ledger, lake, clock())
        seen = [
            lake.statement("SELECT direction, applied, refused FROM files WHERE direction = 'import'"),
            lake.statement("SELECT number, outcome, code, column_name FROM file_rows ORDER BY number"),
        ]
        assert seen == [
            [("import", 1, 1)],
            [(1, "applied", None, None), (2, "refused", "unknown_order", "original_id")],
        ]
        rebuild(shop.ledger, lake, clock())
        assert lake.statement("SELECT count(*) FROM files") == [(2,)]
        assert lake.statement("SELECT count(*) FROM file_rows") == [(2,)]

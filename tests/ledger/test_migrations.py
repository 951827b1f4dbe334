"""Migrations on both databases: from nothing, from an older state with data, and in step with the declared tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from warehouse.ledger import database
from warehouse.ledger.database import SCHEMA_HEAD, Ledger, make_engine, migrate, open_ledger, schema_version
from warehouse.ledger.schema import metadata, orders


def versions() -> list[str]:
    folder = Path(database.__file__).parent / "migrations" / "versions"
    return sorted(path.name[:4] for path in folder.glob("[0-9]*.py"))


def test_the_code_knows_the_newest_migration():
    assert versions()[-1] == SCHEMA_HEAD


def test_an_empty_database_is_brought_to_the_head(any_ledger):
    assert schema_version(any_ledger) == SCHEMA_HEAD


def test_the_migrated_schema_is_the_declared_one(any_ledger):
    with any_ledger.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_an_older_state_with_data_moves_up_and_keeps_its_rows(any_settings, clock):
    if not any_settings.is_postgresql:
        any_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_settings.ledger_url))
    migrate(older, versions()[0])
    insert = sa.text(
        "INSERT INTO connections (code, kind, label, settings, credentials, state, created_at, updated_at) "
        "VALUES ('c', 'amazon', 'C', '{}', '{}', '{}', '2026-11-02T09:30:00.000000Z', '2026-11-02T09:30:00.000000Z')"
    )
    with older.write() as connection:
        connection.execute(insert)
    older.close()
    newer = open_ledger(any_settings)
    with newer.read() as connection:
        assert schema_version(newer) == SCHEMA_HEAD
        assert connection.execute(sa.text("SELECT label FROM connections")).scalars().all() == ["C"]
    newer.close()


def test_orders_of_an_older_release_get_the_members_that_they_lack(any_settings):
    if not any_settings.is_postgresql:
        any_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_settings.ledger_url))
    migrate(older, "0007")
    order = {
        **dict.fromkeys(("id", "original_id", "channel", "marketplace"), "o"),
        "status": "SHIPPED",
        "confirmation_status": "none",
        "pii_state": "withheld",
        "acknowledgements": "[]",
        **dict.fromkeys(("purchased_at", "marketplace_updated_at", "received_at"), datetime(2026, 11, 2, tzinfo=UTC)),
        **dict.fromkeys(("has_errors", "has_cancellation_request", "is_historical"), False),
        "revision": 1,
        "position": 1,
        "content_hash": b"",
        "raw_seq": 1,
        "facts": '"id":"o","total":"5","lines":[{"id":"l","sku":"LAMP"}]',
    }
    with older.write() as connection:
        connection.execute(sa.insert(sa.table("orders", *(sa.column(n, orders.c[n].type) for n in order))), [order])
    older.close()
    newer = open_ledger(any_settings)
    with newer.read() as connection:
        facts = json.loads("{" + connection.execute(sa.select(orders.c.facts)).scalar_one() + "}")
    newer.close()
    assert (facts["total"], facts["charges"], facts["deliver_by"]) == ("5", [], {"from": None, "until": None})
    (line,) = facts["lines"]
    assert (line["sku"], line["gift"], line["is_customised"]) == ("LAMP", None, False)


def test_opening_twice_migrates_once(any_settings):
    open_ledger(any_settings).close()
    again = open_ledger(any_settings)
    assert schema_version(again) == SCHEMA_HEAD
    again.close()

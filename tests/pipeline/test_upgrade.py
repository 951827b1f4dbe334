"""What an upgrade of an older ledger leaves to the pipeline: open orders are read again, bit by bit."""

from __future__ import annotations

from importlib import import_module

import orjson
import pytest
import sqlalchemy as sa

from orders_pipeline.stages import normalise, pull
from warehouse.ledger.base.database import READ_AGAIN_THROUGH, mark, migrate
from warehouse.ledger.base.schema import marks, orders

NEWER_TABLES = (
    *("order_counts", "order_counts_zone", "incident_days"),
    *("operator_requests", "account_deletions", "log_in_links", "sessions", "users", "audit_entries"),
    *("marketplace_kinds", "saved_views", "bulk_chunks", "api_requests", "payload_dictionaries", "pull_hints"),
    *("order_totals", "order_months"),
)
NEWER_INDEXES = (
    *("ix_acknowledgements_number", "ix_order_lines_gtin", "ix_files_name", "ix_orders_ahead"),
    *("ix_orders_country", "ix_orders_historical", "ix_orders_ship_by", "ix_orders_confirmation"),
    *("ix_acknowledgements_consumer", "ix_orders_kind_purchased", "ix_orders_kind_received"),
    *("ix_pulls_until", "ix_acceptances_requested", "ix_orders_changed_ahead", "ix_orders_purged"),
    *("ix_orders_time_began", "ix_orders_to_retire", "ix_cancellation_requests_channel"),
    *("ix_cancellation_requests_updated", "ix_incidents_last_seen"),
)
NEWER_MARKS = (
    *("pipeline_seen", "audited", "retired"),
    *("lake_position", "lake_raw", "lake_products", "lake_at"),
)
words = import_module("warehouse.ledger.migrations.versions.0016_words")


def facts(installation) -> dict[str, dict]:
    with installation.ledger.read() as connection:
        rows = connection.execute(sa.select(orders.c.id, orders.c.facts))
        return {row.id: orjson.loads("{" + row.facts + "}") for row in rows}


def reasons(found: dict[str, dict]) -> dict[str, tuple]:
    return {own_id: (each["may_ship"], each["may_not_ship_reason"]) for own_id, each in found.items()}


def make_older(installation) -> set[str]:
    """The ledger as the release of migration 0013 left it after an upgrade: every order may ship. Returns the open ones."""
    with installation.ledger.write() as connection:
        rows = connection.execute(sa.select(orders.c.id, orders.c.facts, orders.c.closed_at, orders.c.status)).all()
        for row in rows:
            members = orjson.loads("{" + row.facts + "}") | {"may_ship": True, "may_not_ship_reason": None}
            values = {"facts": orjson.dumps(members).decode()[1:-1], "content_hash": b"older"}
            connection.execute(
                sa.update(orders).where(orders.c.id == row.id).values(may_not_ship_reason=None, **values)
            )
        connection.execute(sa.delete(marks).where(marks.c.name.in_([READ_AGAIN_THROUGH, *NEWER_MARKS])))
        for index in NEWER_INDEXES:
            connection.execute(sa.text(f"DROP INDEX {index}"))
        for table in NEWER_TABLES:
            connection.execute(sa.text(f"DROP TABLE {table}"))
        for name, table in (("ix_order_lines_order", "order_lines"), ("ix_order_versions_order", "order_versions")):
            connection.execute(sa.text(f"DROP INDEX {name}"))
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN order_key"))
            connection.execute(sa.text(f"CREATE INDEX {name} ON {table} (order_id)"))
        connection.execute(sa.text("ALTER TABLE orders DROP COLUMN key"))
        for column in ("acknowledged_by", "acknowledged_until"):
            connection.execute(sa.text(f"ALTER TABLE incidents DROP COLUMN {column}"))
        for table, old, new in words.COLUMNS:
            connection.execute(sa.text(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}"))
        connection.execute(sa.text("ALTER TABLE announced_troubles RENAME TO alerts_told"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0013'"))
    return {row.id for row in rows if row.closed_at is None}


@pytest.mark.parametrize("chunks", [1, 20])
def test_open_orders_of_an_older_ledger_are_read_again(connected, marketplaces, monkeypatch, chunks):
    monkeypatch.setattr(normalise, "CHUNKS_AGAIN", chunks)
    marketplaces.generate(60)
    pull.pull_all(connected)
    normalise.normalise_pending(connected)
    settings = connected.settings.model_copy(update={"write_chunk": 10})
    installation = type(connected)(settings, connected.ledger, connected.keys, connected.clock, connected.sleep)
    before = facts(installation)
    still_open = make_older(installation)
    barred = {own_id for own_id in still_open if not before[own_id]["may_ship"]}
    assert barred
    assert all(each["may_ship"] for each in facts(installation).values())
    migrate(installation.ledger)
    runs = 0
    while _rest(installation):
        normalise.normalise_pending(installation)
        runs += 1
    assert (runs > 1) is (chunks == 1)
    after = facts(installation)
    assert {own_id: after[own_id] for own_id in still_open} == {own_id: before[own_id] for own_id in still_open}
    assert all(after[own_id]["may_ship"] for own_id in after.keys() - still_open)
    with installation.ledger.read() as connection:
        changed = connection.execute(sa.select(orders.c.id).where(orders.c.revision > 1)).scalars().all()
    assert barred <= set(changed), "an ERP that follows the changes is told"
    tally = normalise.normalise_pending(installation)
    assert not tally.counts


def _rest(installation) -> int:
    with installation.ledger.read() as connection:
        return mark(connection, READ_AGAIN_THROUGH)


def test_a_new_ledger_has_nothing_to_read_again(connected):
    assert _rest(connected) == 0

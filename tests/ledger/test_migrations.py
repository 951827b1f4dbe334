"""Migrations on both databases: from nothing, from an older state with data, and in step with the declared tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from warehouse.ledger import migrations
from warehouse.ledger.base.database import SCHEMA_HEAD, Ledger, make_engine, migrate, open_ledger, schema_version
from warehouse.ledger.base.schema import metadata, order_lines, order_versions, orders, parties
from warehouse.ledger.book import raw_orders
from warehouse.ledger.book.versions import COLUMNS


def versions() -> list[str]:
    folder = Path(migrations.__file__).parent / "versions"
    return sorted(path.name[:4] for path in folder.glob("[0-9]*.py"))


def test_the_code_knows_the_newest_migration():
    assert versions()[-1] == SCHEMA_HEAD


def test_an_empty_database_is_brought_to_the_head(any_ledger):
    assert schema_version(any_ledger) == SCHEMA_HEAD


OF_EXPRESSIONS = {"ix_orders_time_began"}
"""Indexes that SQLAlchemy cannot read back from a database; that they are there, tests of plans show."""


def is_compared(_object, name, *_) -> bool:
    return name not in OF_EXPRESSIONS


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index ix_orders_time_began")
@pytest.mark.filterwarnings(
    "ignore:autogenerate skipping metadata-specified expression-based index .ix_orders_time_began"
)
def test_the_migrated_schema_is_the_declared_one(any_ledger):
    with any_ledger.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "include_object": is_compared})
        assert compare_metadata(context, metadata) == []


def test_an_older_state_with_data_moves_up_and_keeps_its_rows(any_empty_settings, clock):
    if not any_empty_settings.is_postgresql:
        any_empty_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_empty_settings.ledger_url))
    migrate(older, versions()[0])
    insert = sa.text(
        "INSERT INTO connections (code, kind, label, settings, credentials, state, created_at, updated_at) "
        "VALUES ('c', 'amazon', 'C', '{}', '{}', '{}', '2026-11-02T09:30:00.000000Z', '2026-11-02T09:30:00.000000Z')"
    )
    with older.write() as connection:
        connection.execute(insert)
    older.close()
    newer = open_ledger(any_empty_settings)
    with newer.read() as connection:
        assert schema_version(newer) == SCHEMA_HEAD
        assert connection.execute(sa.text("SELECT label FROM connections")).scalars().all() == ["C"]
    newer.close()


def test_orders_of_an_older_release_get_the_members_that_they_lack(any_empty_settings):
    if not any_empty_settings.is_postgresql:
        any_empty_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_empty_settings.ledger_url))
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
    columns = (sa.column(each, sa.Text if each == "facts" else orders.c[each].type) for each in order)
    with older.write() as connection:
        connection.execute(sa.insert(sa.table("orders", *columns)), [order])
    older.close()
    newer = open_ledger(any_empty_settings)
    with newer.read() as connection:
        facts = json.loads("{" + connection.execute(sa.select(orders.c.facts)).scalar_one() + "}")
    newer.close()
    assert (facts["total"], facts["charges"], facts["deliver_by"]) == ("5", [], {"from": None, "until": None})
    (line,) = facts["lines"]
    assert (line["sku"], line["gift"], line["is_customised"]) == ("LAMP", None, False)


def test_opening_twice_migrates_once(any_empty_settings):
    open_ledger(any_empty_settings).close()
    again = open_ledger(any_empty_settings)
    assert schema_version(again) == SCHEMA_HEAD
    again.close()


AT = "'2026-11-02T09:30:00.000000Z'"
BEFORE_SMALL = (
    f"""
    INSERT INTO orders (id, original_id, channel, marketplace, status, purchased_at, marketplace_updated_at, received_at,
        has_errors, has_cancellation_request, is_historical, confirmation_status, pii_state, revision, position,
        content_hash, raw_seq, facts, acknowledgements)
    VALUES ('o', '402-1', 'c', 'M', 'CANCELED', {AT}, {AT}, {AT}, false, false, false, 'none', 'withheld', 2, 2,
        'x', 1, '"n":2', '[]')
    """,
    f"""
    INSERT INTO order_versions (position, order_id, revision, status, marketplace_updated_at, recorded_at, raw_seq, changed,
        facts)
    VALUES (1, 'o', 1, 'SHIPPED', {AT}, {AT}, 1, '[]', '"n":1'), (2, 'o', 2, 'CANCELED', {AT}, {AT}, 1, '["n"]', '"n":2')
    """,
    """
    INSERT INTO order_lines (id, order_id, original_id, number, channel)
    VALUES ('l', 'o', 'L1', 1, 'c'), ('m', 'o', 'L2', 2, 'c')
    """,
    f"INSERT INTO parties (order_id, sealed, updated_at) VALUES ('o', 'y', {AT})",
    f"""
    INSERT INTO raw_orders (seq, connection, original_id, content_hash, pull_id, page, received_at, is_historical, payload)
    VALUES (1, 'a', '402-1', 'x', 1, 1, {AT}, false, '{{"id":"é"}}')
    """,
)


def test_payloads_and_versions_of_an_older_release_read_as_before(any_empty_settings):
    if not any_empty_settings.is_postgresql:
        any_empty_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_empty_settings.ledger_url))
    migrate(older, "0029")
    with older.write() as connection:
        for statement in BEFORE_SMALL:
            connection.execute(sa.text(statement.replace(":", "\\:")))
    older.close()
    newer = open_ledger(any_empty_settings)
    with newer.read() as connection:
        (raw,) = raw_orders.by_seqs(connection, [1])
        read = connection.execute(sa.select(*COLUMNS).order_by(order_versions.c.position)).scalars("facts").all()
        kept = connection.execute(sa.select(order_versions.c.facts).order_by(order_versions.c.position)).scalars().all()
        key = connection.execute(sa.select(orders.c.key)).scalar_one()
        keys = [
            connection.execute(sa.select(table.c.order_key)).scalars().all()
            for table in (order_lines, order_versions, parties)
        ]
    newer.close()
    assert key == 1
    assert keys == [[key, key], [key, key], [key]]
    assert raw.redacted.decode() == '{"id":"é"}'
    assert read == ['"n":1', '"n":2']
    assert kept == ['"n":1', None]


FACTS = (
    '"id":"o","lines":[{"id":"l","quantity_ordered":2,"quantity_shipped":2,"quantity_cancelled":2,'
    '"quantity_remaining_to_ship":0,"line_total":"20"}]'
)
BEFORE_CONSERVATION = (
    f"""
    INSERT INTO orders (id, original_id, channel, marketplace, status, purchased_at, marketplace_updated_at, received_at,
        has_errors, has_cancellation_request, is_historical, confirmation_status, pii_state, revision, position,
        content_hash, raw_seq, facts, acknowledgements)
    VALUES ('o', '402-1', 'c', 'M', 'CANCELED', {AT}, {AT}, {AT}, false, false, false, 'queued', 'withheld', 2, 1,
        'x', 1, '{FACTS}', '[]')
    """,
    """
    INSERT INTO order_lines (id, order_id, original_id, number, channel, quantity_ordered, quantity_shipped,
        quantity_cancelled)
    VALUES ('l', 'o', 'L1', 1, 'c', 2, 0, 2), ('m', 'o', 'L2', 2, 'c', 1, 3, 0), ('n', 'o', 'L3', 3, 'c', 1, 0, NULL)
    """,
    f"""
    INSERT INTO shipments (id, order_id, channel, package_id, reference, shipped_at, version, status, source, consumer,
        report_id, reported_at, updated_at, attempts, fence)
    VALUES ('s', 'o', 'c', '1', 1, {AT}, 1, 'queued', 'api', 'erp', 'r', {AT}, {AT}, 0, 0)
    """,
    "INSERT INTO shipment_lines (shipment_id, line_id, quantity, shipped_by_others) VALUES ('s', 'l', 2, 0)",
)


def test_lines_that_did_not_conserve_are_settled(any_empty_settings):
    if not any_empty_settings.is_postgresql:
        any_empty_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_empty_settings.ledger_url))
    migrate(older, "0009")
    with older.write() as connection:
        for statement in BEFORE_CONSERVATION:
            connection.execute(sa.text(statement.replace(":", "\\:")))
        connection.execute(sa.text("UPDATE marks SET value = 7 WHERE name = 'position'"))
    older.close()
    newer = open_ledger(any_empty_settings)
    names = "quantity_ordered, quantity_shipped, quantity_cancelled, quantity_remaining, marketplace_quantity_shipped"
    with newer.read() as connection:
        lines = connection.execute(sa.text(f"SELECT {names} FROM order_lines ORDER BY id")).all()
        order = connection.execute(sa.text("SELECT facts, revision, position FROM orders")).one()
        version = connection.execute(sa.text("SELECT position, changed FROM order_versions")).one()
    newer.close()
    assert [tuple(line) for line in lines] == [(2, 0, 2, 0, 0), (3, 3, 0, 0, 3), (1, 0, None, None, 0)]
    assert (order.revision, order.position, tuple(version)) == (3, 8, (8, '["lines"]'))
    assert orjson.loads("{" + order.facts + "}")["lines"][0] | {"kept_total": None} == {
        "id": "l",
        "quantity_ordered": 2,
        "quantity_shipped": 0,
        "quantity_cancelled": 2,
        "quantity_remaining_to_ship": 0,
        "line_total": "20",
        "may_ship": True,
        "may_not_ship_reason": None,
        "quantity_refunded": None,
        "kept_total": None,
        "refunded_total": None,
    }


def test_open_incidents_of_an_older_ledger_stay_and_count_as_told(any_empty_settings):
    if not any_empty_settings.is_postgresql:
        any_empty_settings.home.mkdir(parents=True)
    older = Ledger(make_engine(any_empty_settings.ledger_url))
    migrate(older, "0012")
    incident = f"""
    INSERT INTO incidents (id, scope, subject, stage, code, order_id, message, hint, details, file_id, first_seen_at,
        last_seen_at, occurrences)
    VALUES (1, 'channel', 'c', 'import_rows', 'rows_refused', '', 'm', '', '{{}}', FILE, {AT}, {AT}, 1)
    """
    recipient = f"""
    INSERT INTO alert_recipients (code, kind, address, channels, kinds, summary, requests_told, created_at, updated_at)
    VALUES ('crew', 'email', 'crew@shop.example', '[]', '[]', false, 0, {AT}, {AT})
    """
    told = f"""
    INSERT INTO alerts_told (recipient, scope, subject, stage, code, occurrences, message, at)
    VALUES ('crew', 'channel', 'c', 'import_rows', 'rows_refused', 1, 'm', {AT})
    """
    with older.write() as connection:
        for statement in (incident.replace("FILE", "NULL"), recipient, told):
            connection.execute(sa.text(statement.replace(":", "\\:")))
    older.close()
    newer = open_ledger(any_empty_settings)
    with newer.read() as connection:
        kept = connection.execute(sa.text("SELECT file_id, occurrences FROM incidents")).one()
        newest = connection.execute(sa.text("SELECT newest FROM announced_troubles")).scalar_one()
    with newer.write() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text(incident.replace("FILE", "''").replace("(1,", "(2,").replace(":", "\\:")))
    newer.close()
    assert (tuple(kept), newest) == (("", 1), 1)

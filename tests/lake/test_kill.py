"""Publishing is killed with SIGKILL at many instants and run again: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from msgspec import structs

from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.base.schema import orders as orders_table

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ORDERS = 30
PER_BATCH = 10

PUBLISHER = """
import json, os, signal, sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
import pyarrow
from warehouse.lake import publishing
from warehouse.lake.lake import Lake, open_lake
from warehouse.ledger.base.database import open_ledger
from warehouse.settings import Settings

settings = Settings(_env_file=None, home=Path(sys.argv[1]), database_url=sys.argv[2] or None)
publishing.ORDERS_PER_BATCH = int(sys.argv[3])
publishing.LOGS = tuple(replace(log, rows=int(sys.argv[3])) for log in publishing.LOGS)
for line in sys.stdin:  # a process for each, forked before anything is opened
    words, at, when = json.loads(line)
    if (publisher := os.fork()) == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(publisher, 0)[1]), flush=True)
else:
    sys.exit()

class Duck:
    # DuckDB itself, in a process that dies before or after its nth statement that begins with the given words
    def __init__(self, duck):
        self.duck, self.seen = duck, 0

    def execute(self, sql):
        self.seen += sql.startswith(words)
        dies = sql.startswith(words) and self.seen == at
        if dies and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = self.duck.execute(sql)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def __getattr__(self, name):
        return getattr(self.duck, name)

ledger = open_ledger(settings)
with open_lake(settings) as lake:
    lake.duck.execute("SET python_scan_all_frames = true")  # Duck stands between the statement and the rows it names
    publishing.publish(ledger, replace(lake, duck=Duck(lake.duck)), datetime(2026, 11, 2, tzinfo=UTC))
"""

INSTANTS = [
    ("INSERT INTO raw_orders", 2, "after"),
    ("INSERT INTO orders", 3, "before"),
    ("INSERT INTO orders", 3, "after"),
    ("INSERT INTO order_lines", 2, "after"),
    ("UPDATE published", 4, "after"),
    ("COMMIT", 3, "before"),
    ("COMMIT", 3, "after"),
    ("COMMIT", 9, "before"),
]


@pytest.mark.slow
def test_killed_anywhere_it_is_simply_run_again(any_settings, any_shop):
    arguments = [str(any_settings.home), any_settings.database_url or "", str(PER_BATCH)]
    command = [sys.executable, "-c", PUBLISHER, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as publisher:
        for round_number, instant in enumerate(INSTANTS):
            first = round_number * ORDERS // 2
            later = NOW + timedelta(hours=round_number)
            orders = [any_shop.order(number, marketplace_updated_at=later) for number in range(first, first + ORDERS)]
            any_shop.settle(*(structs.replace(order, total=Decimal(round_number)) for order in orders))
            publisher.stdin.write(json.dumps(instant) + "\n")
            publisher.stdin.flush()
            assert (int(publisher.stdout.readline()), instant) == (-signal.SIGKILL, instant)
        publisher.stdin.close()
    with open_lake(any_settings) as lake:
        publish(any_shop.ledger, lake, NOW)
        known = len(INSTANTS) * ORDERS // 2 + ORDERS // 2
        written = len(INSTANTS) * ORDERS
        counts = {
            "orders": known,
            "order_lines": known * 2,
            "order_versions": written,
            "raw_orders": written,
        }
        for table, expected in counts.items():
            key = {"order_versions": "position", "raw_orders": "seq"}.get(table, "id")
            found = lake.duck.sql(f"SELECT count(*), count(DISTINCT {key}) FROM {table}").fetchall()
            assert (table, found) == (table, [(expected, expected)])
        with any_shop.ledger.read() as connection:
            truth = connection.execute(sa.select(orders_table.c.id, orders_table.c.position, orders_table.c.revision))
            expected_rows = sorted(tuple(row) for row in truth)
        assert lake.duck.sql("SELECT id, position, revision FROM orders ORDER BY ALL").fetchall() == expected_rows

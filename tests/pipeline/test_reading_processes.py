"""A backlog that is read in processes comes to the same book, and one of them that dies costs nothing."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from orders_pipeline.stages import normalise, pull, reading_processes
from orders_pipeline.stages.reading import PayloadReader, read_parts
from orders_pipeline.stages.reading_processes import ReaderLostError, _ReadingProcess, packed, unpacked
from warehouse.ledger.base.database import LedgerMissingError
from warehouse.ledger.base.schema import order_lines, order_versions, orders, quarantine, raw_orders

ORDERS = 40
LONG = 60.0
BOOK = (
    sa.select(*(each for each in orders.columns if each.name != "received_at")).order_by(orders.c.position),
    sa.select(order_lines).order_by(order_lines.c.id),
    sa.select(*(each for each in order_versions.columns if each.name != "recorded_at")).order_by(
        order_versions.c.position
    ),
    sa.select(quarantine.c.original_id, quarantine.c.code, quarantine.c.path),
)


@pytest.fixture
def pulled(connected, marketplaces, monkeypatch):
    """An installation with raw orders that are worth two more processes, which read all of them; one is unreadable."""
    monkeypatch.setattr(reading_processes, "WORTH_A_PROCESS", 1)
    monkeypatch.setattr(reading_processes, "PATIENCE", LONG)
    marketplaces.generate(ORDERS)
    pull.pull_all(connected)
    with connected.ledger.write() as transaction:
        transaction.execute(sa.update(raw_orders).where(raw_orders.c.seq == 3).values(body=None, payload=b"{}"))
    return with_processes(connected, 0)


def with_processes(installation, number: int):
    settings = installation.settings.model_copy(update={"reading_processes": number, "write_chunk": 7})
    return type(installation)(settings, installation.ledger, installation.keys, installation.clock, installation.sleep)


def book(installation) -> list[list[tuple[object, ...]]]:
    with installation.ledger.read() as transaction:
        return [[tuple(row) for row in transaction.execute(query)] for query in BOOK]


def readers() -> list[int]:
    """The reading processes of this one, by their ids."""
    own = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    found = [int(each) for file in own for each in file.read_text().split()]
    return [each for each in found if b"reading_processes" in Path(f"/proc/{each}/cmdline").read_bytes()]


@pytest.mark.parametrize("reads_too", [False, True])
def test_processes_read_what_one_process_reads(pulled, monkeypatch, reads_too):
    asked, is_free = count(), _ReadingProcess.is_free
    if reads_too:
        monkeypatch.setattr(_ReadingProcess, "is_free", lambda self: is_free(self) and next(asked) % 4 > 1)
    seen: list[int] = []
    normalise.normalise_pending(with_processes(pulled, 3), lambda _: seen.append(len(readers())))
    assert set(seen) == {2}
    assert readers() == []
    found = book(pulled)
    assert len(found[0]) == 2 * ORDERS - 1
    again = normalise.replay(pulled)
    assert (again["unchanged"], again["quarantined"]) == (2 * ORDERS - 1, 1)
    assert book(pulled) == found


def test_what_goes_over_the_socket_arrives_as_it_was(pulled):
    parts = read_parts(pulled, PayloadReader(pulled), range(1, 2 * ORDERS + 1))
    answer = packed(parts)
    assert answer is not None
    (before,), (after,) = parts, unpacked(answer)
    assert after.arrivals == before.arrivals
    assert after.through == before.through
    assert [each.orders for each in after.readings] == [list(each.orders) for each in before.readings]
    faults = [each.fault for each in after.readings if each.fault is not None]
    assert [str(each) for each in faults] == [str(each.fault) for each in before.readings if each.fault is not None]
    assert len(faults) == 1


def test_a_reader_that_dies_is_an_error_and_nothing_is_lost_or_doubled(pulled, clock):
    some = with_processes(pulled, 3)

    def kill(_: int) -> None:
        for each in readers():
            os.kill(each, signal.SIGKILL)

    with pytest.raises(ReaderLostError):
        normalise.normalise_pending(some, kill)
    assert readers() == []
    with pulled.ledger.read() as transaction:
        assert 0 < normalise.backlog(transaction) < 2 * ORDERS
    clock.advance(minutes=6)
    normalise.normalise_pending(pulled)
    with pulled.ledger.read() as transaction:
        assert normalise.backlog(transaction) == 0
    positions = [row[0] for row in book(pulled)[2]]
    assert positions == list(range(1, 2 * ORDERS))


def test_what_a_reader_cannot_do_is_an_error_here(pulled):
    elsewhere = pulled.settings.model_copy(update={"home": pulled.settings.home / "elsewhere"})
    lost = type(pulled)(elsewhere, pulled.ledger, pulled.keys, pulled.clock, pulled.sleep)
    with pytest.raises(LedgerMissingError):
        normalise.normalise_pending(with_processes(lost, 2))

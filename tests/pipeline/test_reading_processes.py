"""A backlog that is read in processes comes to the same book, and one of them that dies costs nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from orders_pipeline.stages import normalise, pull, reading_processes
from orders_pipeline.stages.payload_reader import PayloadReading
from orders_pipeline.stages.reading import payload_reader, read_stored, stored
from orders_pipeline.stages.reading_messages import pack_answer, unpack_answer
from orders_pipeline.stages.reading_processes import ReaderLostError, _ReadingProcess, parts_from
from warehouse.ledger.base.database import LedgerMissingError
from warehouse.ledger.base.schema import order_lines, order_versions, orders, quarantine, raw_orders
from warehouse.ledger.book import products

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
    return [each for each in found if b"stages.reader" in Path(f"/proc/{each}/cmdline").read_bytes()]


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
    reader = payload_reader(pulled)
    raws = stored(pulled, range(1, 2 * ORDERS + 1))
    (before,) = read_stored(pulled, reader, raws)
    (after,) = parts_from(unpack_answer(answered(before)), raws, fails)
    assert [each.rendered for each in after.arrivals] == [each.rendered for each in before.arrivals]
    assert [each.order for each in after.arrivals] == [each.order for each in before.arrivals]
    assert after.through == before.through
    assert [list(each.orders) for each in after.readings] == [list(each.orders) for each in before.readings]
    faults = [each.fault for each in after.readings if each.fault is not None]
    assert [str(each) for each in faults] == [str(each.fault) for each in before.readings if each.fault is not None]
    assert len(faults) == 1


def test_an_order_that_is_not_what_its_types_say_is_read_here(pulled):
    reader = payload_reader(pulled)
    raws = stored(pulled, [1])
    (before,) = read_stored(pulled, reader, raws)
    (own,) = before.readings[0].orders
    wrong = replace(own, service_level=7)
    answer = pack_answer([PayloadReading([wrong])], [replace(wrong, programs=("A",))], 0)
    assert answer is not None
    (after,) = parts_from(unpack_answer(answer), raws, lambda some: read_stored(pulled, reader, some))
    assert after.arrivals[0].order == own
    assert list(after.readings[0].orders) == [own]


def answered(part) -> bytes:
    """What a reading process answers for a part."""
    orders = [order for each in part.readings for order in each.orders]
    found = pack_answer([PayloadReading(each.orders, each.fault) for each in part.readings], orders, part.products)
    assert found is not None
    return found


def fails(_):
    raise AssertionError("nothing is to be read again")


def test_a_reading_process_loads_no_database():
    code = "import sys; from orders_pipeline.stages import reader; sys.exit('sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


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


@pytest.fixture
def stocked(pulled, tmp_path):
    """The same with a book that was read without products, and a catalogue of one channel, loaded since."""
    normalise.normalise_pending(pulled)
    with pulled.ledger.read() as transaction:
        (channel,) = transaction.execute(sa.select(order_lines.c.channel).limit(1)).one()
        skus = transaction.execute(sa.select(order_lines.c.sku).where(order_lines.c.channel == channel)).scalars().all()
    file = tmp_path / "products.csv"
    file.write_text("sku,url\n" + "".join(f"{each},https://shop.example/{each}\n" for each in set(filter(None, skus))))
    products.load(pulled.ledger, channel, file, pulled.clock())
    return pulled


def test_processes_know_the_products(stocked):
    found = normalise.replay(with_processes(stocked, 3))
    assert found["changed"] > 0
    again = normalise.replay(stocked)
    assert (again["unchanged"], again["changed"]) == (2 * ORDERS - 1, 0)


def test_what_a_reader_cannot_do_is_an_error_here(stocked):
    elsewhere = stocked.settings.model_copy(update={"home": stocked.settings.home / "elsewhere"})
    lost = type(stocked)(elsewhere, stocked.ledger, stocked.keys, stocked.clock, stocked.sleep)
    with pytest.raises(LedgerMissingError):
        normalise.replay(with_processes(lost, 2))

"""SIGKILL before and after every step of an export and of an import: nothing lost, nothing torn, and the next run goes on.

A fork does the work and kills itself at its n-th step: before, at the end of and after a ledger transaction, keeping a file in
the archive, or a call to the storage. Then this process runs the job to its end and looks at what there is.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from orders_pipeline.file_jobs import applying
from orders_pipeline.storages.folder import FolderStorage
from warehouse.archive import ArchiveWriting, open_archive
from warehouse.ledger.base.database import Ledger
from warehouse.ledger.base.schema import file_members
from warehouse.ledger.exchange.file_records import FileState
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.order_parts import Address
from warehouse.templates import ShipmentColumn

MOST_STEPS = 200

pytestmark = pytest.mark.slow
STORAGE_CALLS = ("list", "exists", "read", "write", "write_again", "move", "remove", "make_folder")


class Countdown:
    """Kills this process when its turn has come."""

    def __init__(self, turn: int) -> None:
        self.left = turn

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(turn: int) -> None:
    """Put a step before and after everything that leaves a trace. Only ever called in a fork that ends soon."""
    countdown = Countdown(turn)

    def around(owner: type, name: str) -> None:
        real = getattr(owner, name)

        def counted(*given, **named):
            countdown.step()
            answer = real(*given, **named)
            countdown.step()
            return answer

        setattr(owner, name, counted)

    transact = Ledger.write

    @contextmanager
    def counted_transaction(ledger: Ledger):
        countdown.step()
        with transact(ledger) as transaction:
            yield transaction
            countdown.step()
        countdown.step()

    Ledger.write = counted_transaction
    around(ArchiveWriting, "keep")
    for name in STORAGE_CALLS:
        around(FolderStorage, name)


def forked(work: Callable[[], None]) -> int:
    """Run in a fork; how it ended, as `waitpid` tells."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except Exception:  # noqa: BLE001 - shown, and told by the status
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def campaign(open_one, tmp_path, prepare, work, check) -> int:
    """Kill the work at each of its steps, each time in a copy of the same installation; returns how many steps there were."""
    first = tmp_path / "0"
    assert forked(lambda: prepare(open_one(first))) == 0
    for turn in range(1, MOST_STEPS):
        place = tmp_path / str(turn)
        shutil.copytree(first, place)

        def killed(place=place, turn=turn) -> None:
            shop = open_one(place)
            arm(turn)
            work(shop)

        status = forked(killed)
        assert status in {0, signal.SIGKILL}, status
        shop = open_one(place)
        work(shop)
        check(shop, turn)
        shop.ledger.close()
        if status == 0:
            return turn - 1
    raise AssertionError("the work has no end")


@pytest.fixture
def open_one(settings, clock, shop_in):
    """Open the shop of a folder of its own."""
    return lambda place: shop_in(settings.model_copy(update={"home": place / "home"}), clock, place / "partner")


def test_exports_killed_at_every_step(open_one, tmp_path, an_order):
    given = [an_order(number, shipping_address=Address(country_code=("FR", "ES")[number % 2])) for number in (1, 2, 3)]

    def prepare(shop) -> None:
        shop.put(*given)
        shop.declare(JobKind.EXPORT, settings={"split_by_country": True})

    def work(shop) -> None:
        assert shop.export(split_by_country=True).outcome == "done"

    def check(shop, turn: int) -> None:
        records = shop.records(JobKind.EXPORT)
        assert [each.state for each in records] == [FileState.UPLOADED] * 2, turn
        assert shop.names("out") == sorted(each.name for each in records), turn
        archive = open_archive(shop.installation.settings, shop.installation.keys)
        for each in records:
            assert (shop.folder / "out" / each.name).read_bytes() == b"".join(archive.read(each.sha256))
        exported = [row["order_id"] for sheet in shop.sheets().values() for row in sheet]
        assert sorted(exported) == [order.original_id for order in given], turn
        with shop.ledger.read() as transaction:
            assert transaction.execute(sa.select(sa.func.count()).select_from(file_members)).scalar_one() == 3
        assert [each for each in (shop.folder / "out").iterdir() if each.suffix != ".csv"] == []

    steps = campaign(open_one, tmp_path, prepare, work, check)
    assert steps >= 25, steps


def test_imports_killed_at_every_step(open_one, tmp_path, an_order, monkeypatch):
    monkeypatch.setattr(applying, "PACKAGES_PER_TRANSACTION", 1)
    rows = [f",402-{number:07d},1,T{number},,,,," for number in (1, 2, 3)] + [",402-9,1,T9,,,,,"]
    content = "\r\n".join([",".join(ShipmentColumn), *rows]) + "\r\n"

    def prepare(shop) -> None:
        shop.put(*(an_order(number) for number in (1, 2, 3)))
        shop.drop("good.csv", content)
        shop.drop("junk.csv", "nothing,of,ours\n")

    def work(shop) -> None:
        assert shop.run_import().outcome == "done"

    def check(shop, turn: int) -> None:
        records = {each.name: each for each in shop.records(JobKind.IMPORT)}
        assert {name: each.state for name, each in records.items()} == {
            "good.csv": FileState.APPLIED,
            "junk.csv": FileState.REFUSED,
        }, turn
        assert len(shop.records(JobKind.IMPORT)) == 2, turn
        good = records["good.csv"]
        assert (good.applied, good.known, good.refused, good.rows) == (3, 0, 1, 4), turn
        assert [(each["tracking_number"], each["version"]) for each in shop.shipments()] == [
            ("T1", 1),
            ("T2", 1),
            ("T3", 1),
        ], turn
        assert (shop.names("in"), shop.names("in/rejected")) == ([], ["junk.csv"]), turn
        assert shop.names("in/results") == ["good.result.csv", "junk.result.csv"], turn
        archive = open_archive(shop.installation.settings, shop.installation.keys)
        assert b"".join(archive.read(good.sha256)) == content.encode()

    steps = campaign(open_one, tmp_path, prepare, work, check)
    assert steps >= 50, steps

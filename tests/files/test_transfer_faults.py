"""Connections that break or hang at any byte: nothing partial is ever seen, nothing waits for ever, a repeat succeeds."""

from __future__ import annotations

import io
import os
import random
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from orders_pipeline.storages.deadline import watched
from orders_pipeline.storages.errors import StorageError, TimedOut, TransferCut, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = os.urandom(150_000)
CUTS = 26
"""Of each kind, up and down: more than a hundred together."""


class Watcher:
    """Looks at a name on the server's disk every 5 ms, as a consumer of the files would."""

    def __init__(self, path, size: int) -> None:
        self._path, self._size = path, size
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.partial: list[int] = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def until_it_looked(self, times: int) -> Iterator[None]:
        """Turns of a loop, until it has looked so often meanwhile: on a busy machine it takes more of them."""
        while self.looks < times:
            assert self._thread.is_alive(), "nobody looks any more"
            yield

    def _look(self) -> None:
        while not self._is_over.wait(0.005):
            self.looks += 1
            try:
                size = self._path.stat().st_size
            except FileNotFoundError:
                continue
            if size != self._size:
                self.partial.append(size)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["sftp", "ftps"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_cuts_at_any_byte_of_an_upload_never_show_a_partial_file(server, account, source, spoil):
    place, path = account.make(f"cut-{server.kind}"), f"cut-{server.kind}/orders.csv"
    proxy, spoilt = spoil(server)
    with closing(spoilt.open()) as storage:
        storage.write(path, source)
    (place / "orders.csv").unlink()
    whole, chance, failures = proxy.passed, random.Random(4), []
    with Watcher(place / "orders.csv", len(CONTENT)) as watcher:
        for _ in range(CUTS):
            proxy.heal()
            proxy.cut_after = chance.randrange(whole)
            with closing(spoilt.open()) as storage:
                try:
                    storage.write(path, source)
                except StorageError as error:
                    failures.append(error)
                proxy.heal()
                storage.write_again(path, source)
                assert storage.exists(path) == len(CONTENT)
            assert (place / "orders.csv").read_bytes() == CONTENT
            assert [each.name for each in place.iterdir()] == ["orders.csv"]
            (place / "orders.csv").unlink()

    assert len(failures) >= CUTS * 0.8
    assert {type(each) for each in failures} <= {TransferCut, Unreachable}
    assert watcher.looks > CUTS
    assert watcher.partial == []


@pytest.mark.slow
def test_cuts_at_any_byte_of_a_download_are_noticed_and_a_repeat_succeeds(server, account, spoil):
    account.put(f"cut-down-{server.kind}/in.csv", CONTENT)
    path = f"cut-down-{server.kind}/in.csv"
    proxy, spoilt = spoil(server)
    with closing(spoilt.open()) as storage:
        storage.read(path, io.BytesIO(), len(CONTENT))
    whole, chance, failures = proxy.passed, random.Random(5), []
    for _ in range(CUTS):
        proxy.heal()
        proxy.cut_after = chance.randrange(whole)
        with closing(spoilt.open()) as storage:
            sink = io.BytesIO()
            try:
                storage.read(path, sink, len(CONTENT))
            except StorageError as error:
                failures.append(error)
                assert CONTENT.startswith(sink.getvalue())
            else:
                assert sink.getvalue() == CONTENT
            proxy.heal()
            again = io.BytesIO()
            assert storage.read(path, again, len(CONTENT)) == len(CONTENT)
            assert again.getvalue() == CONTENT

    assert len(failures) >= CUTS * 0.8
    assert {type(each) for each in failures} <= {TransferCut, Unreachable}


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_transfer_that_hangs_is_ended_by_the_limit(server, account, source, spoil, share):
    place = account.make(f"stall-{server.kind}-{int(share * 100)}")
    proxy, spoilt = spoil(server)
    with closing(spoilt.open()) as storage:
        storage.write(f"{place.name}/measured.csv", source)
    stalls_at = int(proxy.passed * share)
    proxy.heal()
    proxy.stall_after = stalls_at

    with closing(spoilt.open(limit_seconds=0.7, timeout_seconds=60)) as storage:
        started = time.monotonic()
        with pytest.raises(TimedOut, match=r"0\.7 s"):
            storage.write(f"{place.name}/orders.csv", source)
        assert time.monotonic() - started < 30

    assert not (place / "orders.csv").exists()


def test_a_server_that_falls_silent_is_given_up_after_the_timeout(server, account, spoil):
    account.make("silent")
    proxy, spoilt = spoil(server)
    with closing(spoilt.open(timeout_seconds=0.5)) as storage:
        storage.list("silent")
        proxy.stall_after = 0
        started = time.monotonic()
        with pytest.raises(TimedOut, match="silent for"):
            storage.list("silent")
        assert time.monotonic() - started < 30


def test_a_reader_sees_whole_files_only_while_many_are_written(server, account, source):
    place = account.make(f"polled-{server.kind}")
    with Watcher(place / "orders.csv", len(CONTENT)) as watcher, closing(server.open()) as storage:
        for _ in watcher.until_it_looked(20):
            storage.write_again(f"{place.name}/orders.csv", source)

    assert watcher.partial == []


def test_a_reader_sees_whole_files_only_in_a_folder(folder, source):
    with Watcher(folder.folder / "orders.csv", len(CONTENT)) as watcher, closing(folder.open()) as storage:
        for _ in watcher.until_it_looked(20):
            storage.write_again("orders.csv", source)

    assert watcher.partial == []


def test_what_ends_in_time_is_left_alone_and_its_own_failure_stays():
    cuts = []
    with watched(5, lambda: cuts.append(1), "x"):
        pass
    with pytest.raises(ValueError, match="mine"), watched(5, lambda: cuts.append(1), "x"):
        raise ValueError("mine")
    assert cuts == []


def test_what_ends_well_but_too_late_is_too_late_all_the_same():
    waits = threading.Event()
    with pytest.raises(TimedOut), watched(0.01, waits.set, "x"):
        assert waits.wait(5)

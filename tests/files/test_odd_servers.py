"""Servers with manners of their own: what they leave out, how they say "nothing", and when they fall silent."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import paramiko
import pytest

from orders_pipeline.storages.errors import PermissionDenied, StorageError, TimedOut, TransferCut
from orders_pipeline.storages.registry import open_storage

LINE = b"type=file;size=3;modify=20261102093000; a.csv\r\n"
LIMIT_SECONDS, TIMEOUT_SECONDS = 1.5, 1.0


class OddFtp:
    """A server that speaks just enough FTP, with the oddities it is given.

    Args:
        greeting: Its first line.
        features: Whether it says that it knows MLSD.
        lines: What its listings hold.
        refusal: What it answers to a listing instead.
        manner: How a listing goes on: "hang", "reset", "gone" or "drip"; "" for one that ends.
        address: What it says its address is.
    """

    def __init__(
        self,
        *,
        greeting: bytes = b"220 ready",
        features: bool = True,
        lines: bytes = LINE,
        refusal: bytes = b"",
        manner: str = "",
        address: str = "127,0,0,1",
    ) -> None:
        self.greeting, self.features, self.lines, self.refusal, self.manner = greeting, features, lines, refusal, manner
        self.address = address
        self.asked: list[str] = []
        self._answers = {
            "USER": b"331 password",
            "FEAT": b"211-Features\r\n MLST type*;size*;modify*;\r\n211 End" if features else b"500 unknown",
            **dict.fromkeys(("EPSV", "MDTM"), b"500 unknown"),
            "SIZE": b"213 3",
            "PWD": b'257 "/"',
            **dict.fromkeys(("MLSD", "NLST"), b"226 done"),
        }
        self._is_over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._is_over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._threads:
            each.join()

    def open(self):
        settings = {"host": "127.0.0.1", "port": self._listening.getsockname()[1], "user": "u", "allow_plaintext": True}
        settings |= {"limit_seconds": LIMIT_SECONDS, "timeout_seconds": TIMEOUT_SECONDS}
        return open_storage("ftp", settings, {"password": "x"})

    def _accept(self) -> None:
        while not self._is_over.is_set():
            with suppress(OSError):
                connection, _ = self._listening.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as given, suppress(OSError):
            connection.sendall(self.greeting + b"\r\n")
            passive = None
            for line in given:
                command = line.decode("latin-1").strip()
                self.asked.append(command.partition(" ")[0])
                answer = self._answers.get(self.asked[-1], b"200 ok")
                if self.asked[-1] == "PASV":
                    passive = socket.create_server(("127.0.0.1", 0))
                    port = passive.getsockname()[1]
                    answer = f"227 Entering ({self.address},{port // 256},{port % 256})".encode()
                elif self.asked[-1] in {"MLSD", "NLST"}:
                    with passive:
                        if self.refusal:
                            answer = self.refusal
                        elif not self._list(connection, passive):
                            return
                connection.sendall(answer + b"\r\n")

    def _list(self, connection: socket.socket, passive: socket.socket) -> bool:
        """Send a listing; whether the control connection lives on."""
        connection.sendall(b"150 here\r\n")
        with passive.accept()[0] as data:
            data.sendall(self.lines)
            match self.manner:
                case "hang":
                    self._is_over.wait(10)
                case "reset":
                    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                case "drip":
                    while not self._is_over.wait(0.25):
                        data.sendall(LINE)
        return self.manner != "gone"


@pytest.fixture
def odd_ftp():
    """Starts an odd server; all of them end with the test."""
    started = []

    def start(**oddities):
        started.append(OddFtp(**oddities))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.mark.parametrize(
    ("manner", "error"), [("hang", TimedOut), ("drip", TimedOut), ("reset", TransferCut), ("gone", TransferCut)]
)
@pytest.mark.parametrize("features", [True, False])
def test_a_listing_is_read_within_the_limit_and_its_failures_are_the_storages(odd_ftp, manner, error, features):
    server = odd_ftp(manner=manner, features=features)
    began = time.monotonic()
    with closing(server.open()) as storage, pytest.raises(error):
        storage.list("in")
    assert time.monotonic() - began < LIMIT_SECONDS + 3


@pytest.mark.parametrize("greeting", ["220 Grüße vom Server".encode("cp1252"), b"220-\xff\xfe\r\n220 \x80"])
def test_a_greeting_in_any_encoding_is_a_greeting(odd_ftp, greeting):
    with closing(odd_ftp(greeting=greeting).open()) as storage:
        assert [each.name for each in storage.list("in")] == ["a.csv"]


def test_the_address_of_the_control_connection_is_the_servers(odd_ftp):
    with closing(odd_ftp(address="10,1,2,3").open()) as storage:
        assert [each.name for each in storage.list("in")] == ["a.csv"]


@pytest.mark.parametrize(
    "words",
    ["450 No files found.", "550 No such file or directory", "550 *: not found", "550 Keine Dateien"],
)
@pytest.mark.parametrize("features", [True, False])
def test_servers_say_no_files_in_many_ways(odd_ftp, words, features):
    with closing(odd_ftp(refusal=words.encode(), features=features).open()) as storage:
        assert storage.list("in") == ()


@pytest.mark.parametrize(
    ("words", "error"),
    [("550 Permission denied", PermissionDenied), ("450 Busy, try later", StorageError), ("550 Oops", StorageError)],
)
@pytest.mark.parametrize("features", [True, False])
def test_what_is_not_said_to_be_nothing_is_a_failure(odd_ftp, words, error, features):
    with closing(odd_ftp(refusal=words.encode(), features=features).open()) as storage, pytest.raises(error):
        storage.list("in")


def test_facts_are_optional_and_a_listing_without_any_is_no_empty_folder(odd_ftp):
    lines = b"type=cdir; .\r\ntype=dir; rejected\r\ntype=OS.unix=slink:; b.csv\r\nsize=3; a.csv\r\n"
    lines += b"type=file; c.csv\r\n d.csv\r\n"
    with closing(odd_ftp(lines=lines).open()) as storage:
        assert [(each.name, each.size) for each in storage.list("in")] == [("a.csv", 3), ("c.csv", 3), ("d.csv", 3)]
    odd = odd_ftp(lines=b"-rw-r--r-- 1 u u 3 Nov 2 09:30 a.csv\r\n")
    with closing(odd.open()) as storage, pytest.raises(StorageError, match="cannot be understood"):
        storage.list("in")


# -- SFTP


class _Handle(paramiko.SFTPHandle):
    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class _Files(paramiko.SFTPServerInterface):
    root = ""

    def list_folder(self, path):
        return [
            paramiko.SFTPAttributes.from_stat(each.stat(), each.name)
            for each in sorted(Path(self.root + path).iterdir())
        ]

    def stat(self, path):
        try:
            return paramiko.SFTPAttributes.from_stat(Path(self.root + path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    lstat = stat

    def open(self, path, flags, attr):
        handle = _Handle(flags)
        handle.readfile = os.fdopen(os.open(self.root + path, flags), "rb")
        return handle


class _Login(paramiko.ServerInterface):
    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def get_allowed_auths(self, username):
        return "password"


@pytest.fixture
def odd_sftp(tmp_path, monkeypatch):
    """Starts an SFTP server that leaves attributes out, and opens it as a storage."""
    key = paramiko.ECDSAKey.generate()
    listening = socket.create_server(("127.0.0.1", 0))
    sessions = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                session = paramiko.Transport(listening.accept()[0])
                sessions.append(session)
                session.add_server_key(key)
                session.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
                session.start_server(server=_Login())

    thread = threading.Thread(target=accept)
    thread.start()
    monkeypatch.setattr(_Files, "root", str(tmp_path))

    def start(oddity: str):
        pack = paramiko.SFTPAttributes._pack

        def pack_less(self, message) -> None:
            if oddity == "no permissions":
                self.st_mode = None
            elif oddity == "no type" and self.st_mode is not None:
                self.st_mode &= 0o777
            pack(self, message)

        monkeypatch.setattr(paramiko.SFTPAttributes, "_pack", pack_less)
        settings = {"host": "127.0.0.1", "port": listening.getsockname()[1], "user": "u", "root": "/"}
        settings |= {"host_key": key.fingerprint, "timeout_seconds": 10, "limit_seconds": 10}
        return open_storage("sftp", settings, {"password": "x"})

    yield start
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()
    for each in sessions:
        each.close()
        each.join()


@pytest.mark.parametrize("oddity", ["", "no permissions", "no type"])
def test_attributes_of_sftp_are_optional(odd_sftp, tmp_path, oddity):
    (tmp_path / "in" / "rejected").mkdir(parents=True)
    (tmp_path / "in" / "a.csv").write_bytes(b"abc")
    with closing(odd_sftp(oddity)) as storage:
        assert ("a.csv", 3) in [(each.name, each.size) for each in storage.list("in")]
        assert storage.exists("in/a.csv") == 3
        assert storage.look("in/a.csv") == next(each for each in storage.list("in") if each.name == "a.csv")
        with (tmp_path / "copy").open("wb") as sink:
            assert storage.read("in/a.csv", sink, 10) == 3

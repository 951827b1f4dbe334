"""What ftplib leaves out: TLS sessions that data connections resume, listings as bytes, and sockets that can be cut off.

How a storage uses it is in `ftp`.
"""

from __future__ import annotations

import ftplib
import re
import socket
import ssl
from datetime import UTC, datetime
from typing import Any

from orders_pipeline.storages.deadline import cut_off
from orders_pipeline.storages.errors import StorageError

LISTING_BYTES = 64 * 1024 * 1024

_MOMENT = re.compile(r"\d{14}")


class _AnyText(ftplib.FTP):
    """Reads replies in any encoding: they are for people, but for the names in them, which go back as they came."""

    def connect(self, host: str = "", port: int = 0, timeout: float = -999, source_address: Any = None) -> str:  # noqa: ANN401 - as the library has it
        """Connect, and read the greeting. As in the library, but for how texts are read."""
        self.host, self.port, self.timeout = host, port, timeout
        self.sock = socket.create_connection((host, port), timeout, source_address=source_address)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding, errors="surrogateescape")
        self.welcome = self.getresp()
        return self.welcome

    def putline(self, line: str) -> None:
        """Send a line."""
        if "\r" in line or "\n" in line:
            raise ValueError("an illegal newline character should not be contained")
        assert self.sock is not None
        self.sock.sendall(f"{line}\r\n".encode(self.encoding, "surrogateescape"))


class PlainClient(_AnyText):
    """Remembers its data connection."""

    data: socket.socket | None = None

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """Open the data connection of a command."""
        self.data, size = super().ntransfercmd(cmd, rest)
        return self.data, size


class TlsClient(_AnyText, ftplib.FTP_TLS):
    """Resumes the control connection's session on data connections: servers take that as proof that both are one client's.

    A socket is remembered before its handshake, in which a server can hang as well.
    """

    data: socket.socket | None = None

    def auth(self) -> str:
        """Turn the control connection into TLS."""
        answer = self.voidcmd("AUTH TLS")
        assert self.sock is not None
        secured = self.context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock = secured
        secured.do_handshake()
        self.file = secured.makefile(mode="r", encoding=self.encoding, errors="surrogateescape")
        return answer

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """Open the data connection of a command, encrypted."""
        assert isinstance(self.sock, ssl.SSLSocket)
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - encrypted below, before anything is sent
        session = self.sock.session
        secured = self.context.wrap_socket(
            plain, server_hostname=self.host, session=session, do_handshake_on_connect=False
        )
        self.data = secured
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured, size


Client = PlainClient | TlsClient


def hang_up(client: Client | None) -> None:
    """End both connections of a client; whoever waits for them wakes up."""
    if client is not None:
        cut_off(client.data)
        cut_off(client.sock)


def listing(client: Client, command: str) -> list[str]:
    """The lines of a listing. Bytes that are no text show as backslashes, instead of ending the whole listing."""
    received = bytearray()

    def take(block: bytes) -> None:
        received.extend(block)
        if len(received) > LISTING_BYTES:
            raise StorageError("the listing of the folder has no end")

    client.retrbinary(command, take)
    return received.decode(errors="backslashreplace").splitlines()


def facts(line: str) -> tuple[str, dict[str, str]]:
    """Name and facts of a line of MLSD, the facts' names in lower case.

    Examples:
        >>> facts("Type=file;Size=12;Modify=20261102093000; my orders.csv")
        ('my orders.csv', {'type': 'file', 'size': '12', 'modify': '20261102093000'})
    """
    described, _, name = line.partition(" ")
    pairs = (each.partition("=") for each in described.split(";") if "=" in each)
    return name, {key.lower(): value for key, _, value in pairs}


def moment(text: str) -> datetime | None:
    """The time that MLSD and MDTM tell, which is UTC.

    Examples:
        >>> moment("20261102093000.250").isoformat()
        '2026-11-02T09:30:00+00:00'
    """
    digits = _MOMENT.match(text)
    if digits is None:
        return None
    try:
        return datetime.strptime(digits[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None

"""A server that speaks SFTP as a storage, through paramiko.

The host key is compared before anything secret is sent. What paramiko leaves out is here: names that are no text, the
reason of a failed write, and an end to every wait.
"""

from __future__ import annotations

import io
import logging
import posixpath
import socket
import stat
import struct
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, BinaryIO

import paramiko
from paramiko import sftp as wire

from orders_pipeline.storages.deadline import cut_off, watched
from orders_pipeline.storages.errors import (
    AlreadyThere,
    FileMissing,
    FolderMissing,
    HostKeyChanged,
    HostKeyUnknown,
    LoginRefused,
    NoSpace,
    PermissionDenied,
    RenameRefused,
    SettingsInvalid,
    StorageError,
    TimedOut,
    TooLarge,
    TransferCut,
    Unreachable,
)
from orders_pipeline.storages.names import PART_SUFFIX, checked_file, checked_folder, split
from orders_pipeline.storages.own_files import OwnFile, opened_source, size_of
from orders_pipeline.storages.registry import RemoteFile, StorageFinding, StorageVerdict
from orders_pipeline.storages.remote import RemoteStorage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from warehouse.storages import SftpSettings

BLOCK_BYTES = 32 * 1024
"""What every server answers in one piece."""
WINDOW_BYTES = 4 * 1024 * 1024
"""How much is asked for ahead; more would be held in memory when the sink is slow."""
KEEPALIVE_SECONDS = 15

_SEES_SPACE = "statvfs@openssh.com"
_EXTENDED_REPLY = 201

# Whatever it reports is raised as well; its tracebacks would say it twice, on standard error.
_PARAMIKO_LOG = f"{__name__}.paramiko"
logging.getLogger(_PARAMIKO_LOG).setLevel(logging.CRITICAL + 1)


class _Status(IntEnum):
    """Words of later versions of the protocol that some servers use."""

    EXISTS = 11
    NO_SPACE = 14
    QUOTA = 15


class _Refused(OSError):
    """The server's answer to one request is a failure; the connection is well."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = "".join(filter(str.isprintable, text))[:200]


class _Answers:
    """Answers to requests that were sent together, by the request's number."""

    def __init__(self) -> None:
        self.arrived: dict[int, tuple[int, paramiko.Message]] = {}

    def _async_response(self, kind: int, answer: paramiko.Message, number: int) -> None:
        """Called by paramiko."""
        self.arrived[number] = kind, answer


class _Client(paramiko.SFTPClient):  # type: ignore[misc]  # paramiko has no types
    """Keeps the status of a failure, which paramiko drops, and reads texts in any encoding."""

    def _convert_status(self, msg: paramiko.Message) -> None:
        status = msg.get_int()
        text = msg.get_binary().decode(errors="replace")
        if status == wire.SFTP_EOF:
            raise EOFError(text)
        if status != wire.SFTP_OK:
            raise _Refused(status, text)

    def entries(self, folder: str) -> Iterator[tuple[str, str, paramiko.SFTPAttributes]]:
        """Names, their lines as `ls -l` would show them, and attributes.

        Bytes that are no text show as backslashes instead of ending the whole listing.
        """
        _, opened = self._request(wire.CMD_OPENDIR, folder)
        handle = opened.get_binary()
        try:
            while True:
                try:
                    _, answer = self._request(wire.CMD_READDIR, handle)
                except EOFError:
                    return
                for _ in range(answer.get_int()):
                    name = answer.get_binary().decode(errors="backslashreplace")
                    shown = answer.get_binary().decode(errors="backslashreplace")
                    yield name, shown, paramiko.SFTPAttributes._from_msg(answer)  # noqa: SLF001 - the only reader of attributes
        finally:
            self._request(wire.CMD_CLOSE, handle)

    def blocks(self, handle: bytes, spans: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """Spans of an open file, all asked for at once. paramiko's own way has a thread that dies aloud when it is cut off."""
        answers = _Answers()
        asked = [
            (self._async_request(answers, wire.CMD_READ, handle, wire.int64(start), size), start, size)
            for start, size in spans
        ]
        for number, start, size in asked:
            while number not in answers.arrived:
                self._read_response()
            kind, answer = answers.arrived.pop(number)
            received = 0
            try:
                while True:
                    if kind == wire.CMD_STATUS:
                        self._convert_status(answer)
                    block = answer.get_binary()
                    yield block
                    received += len(block)
                    if received >= size:
                        break
                    # A server may give less than was asked for.
                    kind, answer = self._request(wire.CMD_READ, handle, wire.int64(start + received), size - received)
            except EOFError:  # the file has become shorter
                return

    def free_bytes(self, folder: str) -> int | None:
        """Space that the user has left there, None where the server does not tell."""
        try:
            kind, answer = self._request(wire.CMD_EXTENDED, _SEES_SPACE, folder)
        except _Refused:
            return None
        if kind != _EXTENDED_REPLY:
            return None
        _, unit, _, _, available = (answer.get_int64() for _ in range(5))
        return int(unit * available)


class SftpStorage(RemoteStorage[_Client]):
    """Files below one folder of an SFTP server."""

    def __init__(self, settings: SftpSettings, credentials: Mapping[str, str]) -> None:
        self._settings = settings
        self._credentials = credentials
        self._socket: socket.socket | None = None
        self._transport: paramiko.Transport | None = None
        self._client: _Client | None = None

    def connect(self) -> list[StorageFinding]:
        """Connect and log in anew."""
        self.close()
        with self._session("connecting"):
            pass
        assert self._transport is not None
        key = self._transport.get_remote_server_key()
        return [
            StorageFinding(
                part="host key", verdict=StorageVerdict.OK, message=f"{key.get_name()} {key.fingerprint} is trusted"
            ),
            StorageFinding(part="login", verdict=StorageVerdict.OK, message=f"logged in as {self._settings.user}"),
        ]

    def list(self, folder: str) -> tuple[RemoteFile, ...]:
        """The plain files of a folder, by name."""
        clean = checked_folder(folder)
        found = []
        with self._session(clean) as client:
            for name, shown, seen in self._entries(client, clean):
                if _is_file(seen, shown):
                    size = seen.st_size
                    if size is None and "\\" not in name:
                        size = self._size(client, posixpath.join(clean, name))
                    found.append(RemoteFile(name=name, size=size or 0, modified_at=_changed_at(seen)))
        return tuple(sorted(found, key=lambda each: each.name))

    def folders(self, folder: str) -> tuple[str, ...]:
        """Names of the folders in a folder."""
        clean = checked_folder(folder)
        with self._session(clean) as client:
            return tuple(sorted(name for name, shown, seen in self._entries(client, clean) if _is_folder(seen, shown)))

    def _entries(self, client: _Client, folder: str) -> Iterator[tuple[str, str, paramiko.SFTPAttributes]]:
        try:
            for name, shown, seen in client.entries(self._at(folder)):
                if name not in {".", ".."}:
                    yield name, shown, seen
        except _Refused as error:
            if error.status == wire.SFTP_NO_SUCH_FILE:
                raise FolderMissing(f"there is no folder {self._at(folder)}") from None
            raise

    def exists(self, path: str) -> int | None:
        """Size of the file; None when there is none."""
        clean = checked_file(path)
        with self._session(clean) as client:
            return self._size(client, clean)

    def look(self, path: str) -> RemoteFile | None:
        """A file as `list` shows it; None when there is none."""
        clean = checked_file(path)
        with self._session(clean) as client:
            seen = self._seen(client, clean)
            if seen is None:
                return None
            return RemoteFile(name=split(clean)[1], size=seen.st_size, modified_at=_changed_at(seen))

    def read(self, path: str, sink: BinaryIO, limit_bytes: int) -> int:
        """Copy a file into `sink`."""
        clean = checked_file(path)
        with self._session(clean) as client:
            size = self._size(client, clean)
            if size is None:
                raise FileMissing(f"{clean} does not exist")
            if size > limit_bytes:
                raise TooLarge(f"{clean} has {size} bytes, more than {limit_bytes}")
            copied, own = 0, OwnFile(sink)
            with client.open(self._at(clean), "rb") as remote:
                for start in range(0, size, WINDOW_BYTES):
                    end = min(start + WINDOW_BYTES, size)
                    blocks = [(at, min(BLOCK_BYTES, end - at)) for at in range(start, end, BLOCK_BYTES)]
                    for block in client.blocks(remote.handle, blocks):
                        own.write(block)
                        copied += len(block)
                now = remote.stat().st_size
        if copied != size or now != size:
            raise TransferCut(f"{clean} had {size} bytes, {copied} arrived, and now it has {now}")
        return copied

    def remove(self, path: str) -> None:
        """Delete a file."""
        clean = checked_file(path)
        with self._session(clean) as client:
            client.remove(self._at(clean))

    def close(self) -> None:
        """Let go of the connection."""
        transport, connection = self._transport, self._socket
        self._client = self._transport = self._socket = None
        # The socket first: without one, nothing that paramiko still wants to say can keep us waiting.
        cut_off(connection)
        if transport is not None:
            transport.close()
            transport.join(self._settings.timeout_seconds)
        if connection is not None:
            connection.close()

    @contextmanager
    def _session(self, path: str) -> Iterator[_Client]:
        """A connection to work with for as long as the limit allows, and the word for whatever goes wrong."""
        try:
            with watched(self._settings.limit_seconds, lambda: cut_off(self._socket), path or "the root"):
                yield self._connected()
        except _Refused as error:
            raise _named(error, path) from error
        except (TransferCut, TimedOut):
            self.close()
            raise
        except StorageError:
            raise
        except TimeoutError as error:
            self.close()
            raise TimedOut(f"{path}: the server was silent for {self._settings.timeout_seconds:g} s") from error
        except (EOFError, OSError, paramiko.SSHException) as error:
            self.close()
            raise TransferCut(f"{path}: the connection broke ({type(error).__name__})") from error
        except (ValueError, struct.error) as error:  # paramiko's own reading of an answer
            self.close()
            raise StorageError(f"{path}: the server's answer cannot be understood") from error

    def _connected(self) -> _Client:
        if self._client is None or self._transport is None or not self._transport.is_active():
            self.close()
            try:
                self._client = self._open()
            except BaseException:
                self.close()
                raise
        return self._client

    def _open(self) -> _Client:
        settings = self._settings
        place = f"{settings.host}:{settings.port}"
        try:
            self._socket = socket.create_connection((settings.host, settings.port), settings.timeout_seconds)
            transport = self._transport = paramiko.Transport(self._socket)
            transport.set_log_channel(_PARAMIKO_LOG)
            transport.banner_timeout = transport.handshake_timeout = settings.timeout_seconds
            transport.auth_timeout = transport.channel_timeout = settings.timeout_seconds
            transport.start_client(timeout=settings.timeout_seconds)
            key = transport.get_remote_server_key()  # fails when the time was over: starting only returns then
        except (OSError, EOFError, paramiko.SSHException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(f"{place}: no SSH connection ({said})") from error
        self._trust(key)
        self._log_in(transport)
        transport.set_keepalive(KEEPALIVE_SECONDS)
        try:
            client = _Client.from_transport(transport)
        except (EOFError, paramiko.SSHException) as error:
            raise Unreachable(f"{place}: the server offers no SFTP", "ask its operator to allow SFTP") from error
        assert isinstance(client, _Client)
        client.get_channel().settimeout(settings.timeout_seconds)
        return client

    def _trust(self, key: paramiko.PKey) -> None:
        shown, host = f"{key.get_name()} {key.fingerprint}", self._settings.host
        if not self._settings.host_key:
            raise HostKeyUnknown(f"{host} shows the host key {shown}, and none is trusted yet", key.fingerprint)
        if key.fingerprint not in self._settings.host_key:
            trusted = ", ".join(self._settings.host_key)
            raise HostKeyChanged(f"{host} shows the host key {shown}, but trusted is {trusted}", key.fingerprint)

    def _log_in(self, transport: paramiko.Transport) -> None:
        user, password = self._settings.user, self._credentials.get("password")
        text = self._credentials.get("private_key")
        if not text and not password:
            raise LoginRefused("the storage has neither a password nor a private_key")
        key = _private_key(text, self._credentials.get("passphrase")) if text else None
        try:
            # A server that wants both says after the key what is still missing.
            missing = transport.auth_publickey(user, key) if key else ["password"]
            if missing and password:
                missing = transport.auth_password(user, password)
        except paramiko.BadAuthenticationType as error:
            allowed = ", ".join(error.allowed_types)
            raise LoginRefused(f"the server does not take this kind of login for {user}, but: {allowed}") from error
        except (EOFError, paramiko.SSHException) as error:
            if isinstance(error, paramiko.AuthenticationException) or transport.is_active():
                raise LoginRefused(f"the server refuses the login of {user}") from error
            raise TransferCut("the connection broke during the login") from error
        if missing:
            raise LoginRefused(f"the server wants more from {user}: {', '.join(missing)}")

    def _at(self, path: str) -> str:
        return posixpath.join(self._settings.root, path) or "."

    def _size(self, client: _Client, path: str) -> int | None:
        seen = self._seen(client, path)
        return None if seen is None else int(seen.st_size)

    def _seen(self, client: _Client, path: str) -> paramiko.SFTPAttributes | None:
        """The attributes of a file, its size among them; None when there is none."""
        try:
            seen = client.stat(self._at(path))
        except _Refused as error:
            if error.status == wire.SFTP_NO_SUCH_FILE:
                return None
            raise
        if not _is_file(seen, ""):
            return None
        if seen.st_size is None:
            raise StorageError(f"{path}: the server does not tell its size", "ask its operator for another SFTP server")
        return seen

    @contextmanager
    def _uploaded(self, client: _Client, path: str, source: Path) -> Iterator[str]:
        """Path of the `.part` with all bytes in it; it is removed when the rest fails, if the connection still lives."""
        part, folder = path + PART_SUFFIX, split(path)[0]
        size = size_of(source)
        try:
            self._send(client, part, source)
            stored = self._size(client, part)
            if stored != size:
                raise self._space_or(client, folder, size, TransferCut(f"{path}: {stored} of {size} bytes were stored"))
            yield part
        except _Refused as error:
            self._discard(client, part)
            if error.status == wire.SFTP_NO_SUCH_FILE:
                raise FolderMissing(f"there is no folder {self._at(folder)}") from None
            raise self._space_or(client, folder, size, _named(error, path)) from error
        except StorageError:
            self._discard(client, part)
            raise

    def _send(self, client: _Client, part: str, source: Path) -> None:
        # paramiko forgets the failures of the last writes when it does not wait for each: the size tells them.
        with opened_source(source) as given, client.open(self._at(part), "wb") as taken:
            taken.set_pipelined()
            while block := given.read(BLOCK_BYTES):
                taken.write(block)

    def _discard(self, client: _Client, path: str) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            client.remove(self._at(path))

    def _space_or(self, client: _Client, folder: str, size: int, otherwise: StorageError) -> StorageError:
        """OpenSSH calls a full disk just "Failure": ask for the space that is left. The `.part` is counted as its own."""
        with suppress(OSError, EOFError, paramiko.SSHException):
            free = client.free_bytes(self._at(folder))
            if free is not None and free < size:
                return NoSpace(f"{self._at(folder)}: {free} bytes are left for a file of {size}")
        return otherwise

    def _rename(self, client: _Client, path: str, goal: str) -> None:
        """Give a file a name that must be free: the plain rename of SFTP does not replace."""
        try:
            client.rename(self._at(path), self._at(goal))
        except _Refused as refusal:
            if self._size(client, goal) is not None:
                raise AlreadyThere(f"{goal} is there already") from None
            try:
                client.posix_rename(self._at(path), self._at(goal))
            except _Refused:
                raise RenameRefused(f"{path} cannot be renamed ({refusal.text})") from None

    def _replaces(self, client: _Client, path: str, goal: str) -> bool:
        try:
            client.posix_rename(self._at(path), self._at(goal))
        except _Refused:  # no such extension
            return False
        return True

    def _make(self, client: _Client, folder: str) -> None:
        parts = folder.split("/") if folder else []
        for depth in range(1, len(parts) + 1):
            place = self._at("/".join(parts[:depth]))
            try:
                client.mkdir(place)
            except _Refused as error:
                try:
                    client.stat(place)
                except _Refused:
                    raise _named(error, place) from error


def _is_file(seen: paramiko.SFTPAttributes, shown: str) -> bool:
    """Whether an entry is not said to be a folder, a link or a device: every attribute is optional, the type as well.

    Args:
        seen: What the server tells.
        shown: The line that it would show, whose first letter may tell the type; "" where there is none.
    """
    kind = stat.S_IFMT(seen.st_mode or 0)
    return kind == stat.S_IFREG if kind else shown[:1] not in set("dlbcps")


def _is_folder(seen: paramiko.SFTPAttributes, shown: str) -> bool:
    """Whether an entry is said to be a folder."""
    kind = stat.S_IFMT(seen.st_mode or 0)
    return kind == stat.S_IFDIR if kind else shown[:1] == "d"


def _changed_at(seen: paramiko.SFTPAttributes) -> datetime | None:
    return None if seen.st_mtime is None else datetime.fromtimestamp(seen.st_mtime, UTC)


def _private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    kinds: tuple[Any, ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    for kind in kinds:
        try:
            return kind.from_private_key(io.StringIO(text.strip() + "\n"), passphrase)
        except paramiko.PasswordRequiredException:
            raise LoginRefused("the private_key is encrypted, and the storage has no passphrase") from None
        except (paramiko.SSHException, ValueError):
            continue
    raise SettingsInvalid(
        "the private_key cannot be read",
        "it must be an Ed25519, ECDSA or RSA key as ssh-keygen writes it; for an encrypted one check the passphrase",
    )


def _named(error: _Refused, path: str) -> StorageError:
    match error.status:
        case wire.SFTP_NO_SUCH_FILE:
            return FileMissing(f"{path} does not exist")
        case wire.SFTP_PERMISSION_DENIED:
            return PermissionDenied(f"{path}: permission denied")
        case _Status.EXISTS:
            return AlreadyThere(f"{path} is there already")
        case _Status.NO_SPACE | _Status.QUOTA:
            return NoSpace(f"{path}: no space left")
        case _:
            return StorageError(f"{path}: the server answered {error.text!r}")

"""Servers that speak FTP as storages: with TLS, and where it is allowed without. Always passive, always binary.

The protocol's own gaps are closed in `ftp_client`; here is how a storage uses it, and what a server's replies mean.
"""

from __future__ import annotations

import ftplib
import posixpath
import re
import ssl
import time
from abc import abstractmethod
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from orders_pipeline.storages.deadline import watched
from orders_pipeline.storages.errors import (
    AlreadyThere,
    FileMissing,
    FolderMissing,
    LoginRefused,
    NoSpace,
    OwnDiskFailed,
    PermissionDenied,
    PlaintextRefused,
    RenameRefused,
    SettingsInvalid,
    StorageError,
    TimedOut,
    TlsRefused,
    TooLarge,
    TransferCut,
    Unreachable,
)
from orders_pipeline.storages.ftp_client import Client, PlainClient, TlsClient, facts, hang_up, listing, moment
from orders_pipeline.storages.names import PART_SUFFIX, checked_file, checked_folder, split
from orders_pipeline.storages.own_files import OwnFile, opened_source, size_of
from orders_pipeline.storages.registry import RemoteFile, StorageFinding, StorageVerdict
from orders_pipeline.storages.remote import RemoteStorage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from warehouse.storages import FtpSettings, FtpsSettings

BLOCK_BYTES = 64 * 1024
IDLE_SECONDS = 10.0
"""After so long a connection is asked whether it still lives: servers drop idle ones."""

_UNKNOWN_COMMAND = frozenset({500, 501, 502, 504})
_GOOD_BYE = 421
_CUT = frozenset({_GOOD_BYE, 425, 426})
_FULL = frozenset({452, 552})
_SPACE = re.compile(r"space|quota|disk full|exceeded|writing to local file", re.IGNORECASE)
_NOTHING_LISTED = frozenset({226, 250, 450, 550})
_NO_FILES = re.compile(
    r"\bno (such |matching |data )?(file|director|match|entr|item|object|member|content|set|message)|not (be )?found|empty"
    r"|(can'?t|cannot|could not|couldn'?t|unable to) find|does not exist|\b0 files"
    r"|\bkeine? |\baucun|\bnessun|\bning[uú]n|\bgeen ",
    re.IGNORECASE,
)
_UNIX_FOLDER = re.compile(r"d\S+(?:\s+\S+){7} (.+)")
"""A folder in a listing as `ls -l` writes it: type and rights, links, owner, group, size, month, day, time or year, name."""
ASK_OPERATOR = "ask the server's operator for MLSD with type and size, or use SFTP"
_DENIED = re.compile(r"permission|denied|not allowed|privilege", re.IGNORECASE)


class _FtpFamily(RemoteStorage[Client]):
    """Files below one folder of an FTP server; how the connection is protected is each kind's own."""

    def __init__(self, settings: FtpSettings | FtpsSettings, credentials: Mapping[str, str]) -> None:
        self._server = settings
        self._credentials = credentials
        self._client: Client | None = None
        self._has_mlsd = False
        self._root = ""
        self._used_at = 0.0

    @abstractmethod
    def _new_client(self) -> Client:
        """A client that is not connected yet."""

    @abstractmethod
    def _secure(self, client: Client) -> None:
        """Protect a connected client, before anything secret is sent."""

    @abstractmethod
    def _protection(self) -> StorageFinding:
        """What protects the connection that is open."""

    def connect(self) -> list[StorageFinding]:
        """Connect and log in anew."""
        self.close()
        with self._session("connecting"):
            pass
        login = StorageFinding(part="login", verdict=StorageVerdict.OK, message=f"logged in as {self._server.user}")
        return [self._protection(), login]

    def list(self, folder: str) -> tuple[RemoteFile, ...]:
        """The plain files of a folder, by name."""
        clean = checked_folder(folder)
        with self._session(clean) as client:
            self._enter(client, clean)
            found = self._listed(client, clean) if self._has_mlsd else self._named_one_by_one(client, clean)
            # Here and not below: a listing is read from the server as it is asked for.
            return tuple(sorted(found, key=lambda each: each.name))

    def folders(self, folder: str) -> tuple[str, ...]:
        """Names of the folders in a folder; without MLSD only those of a listing as Unix writes it."""
        clean = checked_folder(folder)
        with self._session(clean) as client:
            self._enter(client, clean)
            if self._has_mlsd:
                known = map(facts, self._listing(client, "MLSD", clean))
                return tuple(sorted(name for name, about in known if name and about.get("type", "").lower() == "dir"))
            lines = [_UNIX_FOLDER.match(line) for line in self._listing(client, "LIST", clean)]
            return tuple(sorted(line[1] for line in lines if line and line[1] not in {".", ".."}))

    def exists(self, path: str) -> int | None:
        """Size of the file; None when there is none."""
        clean = checked_file(path)
        with self._session(clean) as client:
            return self._size(client, clean)

    def look(self, path: str) -> RemoteFile | None:
        """A file as `list` shows it; None when there is none."""
        clean = checked_file(path)
        with self._session(clean) as client:
            if self._has_mlsd:
                return self._looked_up(client, clean)
            size = self._size(client, clean)
            if size is None:
                return None
            return RemoteFile(name=split(clean)[1], size=size, modified_at=self._changed_at(client, clean))

    def read(self, path: str, sink: BinaryIO, limit_bytes: int) -> int:
        """Copy a file into `sink`."""
        clean = checked_file(path)
        copied, own = 0, OwnFile(sink)

        def take(block: bytes) -> None:
            nonlocal copied
            copied += len(block)
            if copied > limit_bytes:
                raise TooLarge(f"{clean} has more than {limit_bytes} bytes")
            own.write(block)

        with self._session(clean) as client:
            size = self._size(client, clean)
            if size is None:
                raise FileMissing(f"{clean} does not exist")
            if size > limit_bytes:
                raise TooLarge(f"{clean} has {size} bytes, more than {limit_bytes}")
            client.retrbinary(f"RETR {self._at(clean)}", take, BLOCK_BYTES)
            now = self._size(client, clean)
            if copied != size or now != size:
                raise TransferCut(f"{clean} had {size} bytes, {copied} arrived, and now it has {now}")
        return copied

    def remove(self, path: str) -> None:
        """Delete a file."""
        clean = checked_file(path)
        with self._session(clean) as client:
            try:
                client.delete(self._at(clean))
            except ftplib.error_perm as error:
                if self._size(client, clean) is None:
                    raise FileMissing(f"{clean} does not exist") from None
                raise PermissionDenied(f"{clean} cannot be deleted ({_said(error)})") from None

    def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            hang_up(client)
            client.close()
            if client.data is not None:
                client.data.close()

    @contextmanager
    def _session(self, path: str) -> Iterator[Client]:
        """A connection to work with for as long as the limit allows, and the word for whatever goes wrong."""
        try:
            with watched(self._server.limit_seconds, lambda: hang_up(self._client), path or "the root"):
                yield self._connected()
                self._used_at = time.monotonic()
        except (TransferCut, TimedOut, TooLarge, OwnDiskFailed):
            self.close()
            raise
        except StorageError:
            raise
        except ftplib.Error as error:
            named = _named(error, path)
            if isinstance(named, TransferCut):
                self.close()
            raise named from error
        except TimeoutError as error:
            self.close()
            raise TimedOut(f"{path}: the server was silent for {self._server.timeout_seconds:g} s") from error
        except ValueError as error:  # ftplib's own reading of a reply
            self.close()
            raise StorageError(f"{path}: the server's reply cannot be understood") from error
        except (EOFError, OSError) as error:
            self.close()
            raise TransferCut(f"{path}: the connection broke ({type(error).__name__})") from error

    def _connected(self) -> Client:
        if self._client is not None and time.monotonic() - self._used_at > IDLE_SECONDS:
            try:
                self._client.voidcmd("NOOP")
            except (ftplib.Error, EOFError, OSError):
                self.close()
        if self._client is None:
            self._client = self._new_client()
            try:
                self._open(self._client)
            except BaseException:
                self.close()
                raise
        return self._client

    def _open(self, client: Client) -> None:
        server = self._server
        place = f"{server.host}:{server.port}"
        try:
            client.connect(server.host, server.port, server.timeout_seconds)
        except (OSError, EOFError, ftplib.Error) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(f"{place}: no FTP connection ({said[:200]})") from error
        self._secure(client)
        self._log_in(client)
        client.voidcmd("TYPE I")
        self._has_mlsd = _offers_mlsd(client)
        self._root = posixpath.join(client.pwd(), server.root)

    def _log_in(self, client: Client) -> None:
        password = self._credentials.get("password")
        if not password:
            raise LoginRefused("the storage has no password")
        if not password.isprintable():
            raise LoginRefused("the password holds control characters")
        try:
            # Not TlsClient's own, which would start TLS a second time.
            ftplib.FTP.login(client, self._server.user, password)  # noqa: S321 - protected by then, or allowed without
        except ftplib.error_perm as error:
            raise LoginRefused(f"the server refuses the login of {self._server.user} ({_said(error)})") from None

    def _at(self, path: str) -> str:
        return posixpath.join(self._root, path) if path else self._root

    def _enter(self, client: Client, folder: str) -> None:
        try:
            client.cwd(self._at(folder))
        except ftplib.error_perm as error:
            named = _named(error, folder)
            if isinstance(named, PermissionDenied):
                raise named from None
            raise FolderMissing(f"there is no folder {self._at(folder)} ({_said(error)})") from None

    def _listed(self, client: Client, folder: str) -> Iterator[RemoteFile]:
        """What is not said to be a folder or a link is a file: every fact is optional."""
        lines = [line for line in self._listing(client, "MLSD", folder) if line]
        # A line that begins with a blank has a name and no facts.
        entries = [(name, known) for name, known in map(facts, lines) if name and (known or f" {name}" in lines)]
        if lines and not entries:
            raise StorageError(f"{folder or 'the root'}: the server's listing cannot be understood", ASK_OPERATOR)
        for name, known in entries:
            if _is_file(known) and name not in {".", ".."}:
                yield self._entry(client, folder, name, known)

    def _entry(self, client: Client, folder: str, name: str, known: Mapping[str, str]) -> RemoteFile:
        size: int | None = int(known["size"]) if known.get("size", "").isdecimal() else None
        if size is None:
            size = 0 if "\\" in name else self._asked_size(client, posixpath.join(folder, name))
        if size is None:
            raise StorageError(f"{folder or 'the root'}: the server does not tell how big its files are", ASK_OPERATOR)
        return RemoteFile(name=name, size=size, modified_at=moment(known.get("modify", "")))

    def _looked_up(self, client: Client, path: str) -> RemoteFile | None:
        """By MLST, which tells the same facts as MLSD about one file; a server that offers one but cannot do it is listed."""
        folder, name = split(path)
        try:
            said = client.sendcmd(f"MLST {self._at(path)}")
        except ftplib.error_perm as error:
            if _code(error) not in _UNKNOWN_COMMAND:
                return None
            self._enter(client, folder)
            return next((each for each in self._listed(client, folder) if each.name == name), None)
        line = next((each.strip() for each in said.splitlines() if "=" in each.strip().partition(" ")[0]), "")
        known = facts(line)[1]
        return self._entry(client, folder, name, known) if known and _is_file(known) else None

    def _listing(self, client: Client, command: str, folder: str) -> Sequence[str]:
        """The lines of a listing. Servers have many ways to say that there are none; whatever else they say is a failure."""
        try:
            return listing(client, command)
        except (ftplib.error_perm, ftplib.error_temp) as error:
            # The folder itself was entered.
            if _code(error) in _NOTHING_LISTED and _NO_FILES.search(_said(error)) and not _DENIED.search(_said(error)):
                return []
            raise _named(error, folder or "the root") from error

    def _named_one_by_one(self, client: Client, folder: str) -> Iterator[RemoteFile]:
        """A server without MLSD lists bare names: what has a size is a file."""
        for line in self._listing(client, "NLST", folder):
            name = posixpath.basename(line)
            if name in {"", ".", ".."}:
                continue
            if "\\" in name:  # no text, or no name that is used: it is shown, though nothing can be asked about it
                yield RemoteFile(name=name, size=0, modified_at=None)
                continue
            path = posixpath.join(folder, name)
            size = self._size(client, path)
            if size is not None:
                yield RemoteFile(name=name, size=size, modified_at=self._changed_at(client, path))

    def _changed_at(self, client: Client, path: str) -> datetime | None:
        try:
            return moment(client.voidcmd(f"MDTM {self._at(path)}").partition(" ")[2])
        except ftplib.error_perm:
            return None

    def _size(self, client: Client, path: str) -> int | None:
        try:
            return client.size(self._at(path))
        except ftplib.error_perm as error:
            if _code(error) not in _UNKNOWN_COMMAND or not self._has_mlsd:
                return None
        found = self._looked_up(client, path)
        return None if found is None else found.size

    def _asked_size(self, client: Client, path: str) -> int | None:
        try:
            return client.size(self._at(path))
        except ftplib.error_perm:
            return None

    @contextmanager
    def _uploaded(self, client: Client, path: str, source: Path) -> Iterator[str]:
        """Path of the `.part` with all bytes in it; it is removed when the rest fails, if the connection still lives."""
        part = path + PART_SUFFIX
        size = size_of(source)
        try:
            self._send(client, path, part, source)
            stored = self._size(client, part)
            if stored != size:
                raise TransferCut(f"{path}: {stored} of {size} bytes were stored")
            yield part
        except (StorageError, ftplib.Error):
            self._discard(client, part)
            raise

    def _discard(self, client: Client, path: str) -> None:
        with suppress(ftplib.Error, EOFError, OSError):
            client.delete(self._at(path))

    def _send(self, client: Client, path: str, part: str, source: Path) -> None:
        try:
            with opened_source(source) as given:
                try:
                    client.storbinary(f"STOR {self._at(part)}", given, BLOCK_BYTES)
                except (ConnectionError, ssl.SSLError):
                    # A server that cannot go on closes the data connection and says why on the other one.
                    client.voidresp()
                    raise
        except ftplib.error_perm as error:
            named = _named(error, path)
            if isinstance(named, NoSpace):
                raise named from None
            self._enter(client, split(path)[0])
            raise PermissionDenied(f"{path} cannot be written ({_said(error)})") from None

    def _rename(self, client: Client, path: str, goal: str) -> None:
        try:
            client.rename(self._at(path), self._at(goal))
        except ftplib.error_perm as error:
            if self._size(client, goal) is not None:
                raise AlreadyThere(f"{goal} is there already") from None
            raise RenameRefused(f"{path} cannot be renamed ({_said(error)})") from None

    def _replaces(self, client: Client, path: str, goal: str) -> bool:
        try:
            client.rename(self._at(path), self._at(goal))
        except ftplib.error_perm:
            return False
        return True

    def _make(self, client: Client, folder: str) -> None:
        parts = folder.split("/") if folder else []
        for depth in range(1, len(parts) + 1):
            place = "/".join(parts[:depth])
            try:
                client.mkd(self._at(place))
            except ftplib.error_perm as error:
                try:
                    client.cwd(self._at(place))
                except ftplib.error_perm:
                    raise PermissionDenied(f"{place} cannot be made ({_said(error)})") from None


class FtpStorage(_FtpFamily):
    """A server that speaks plain FTP."""

    def __init__(self, settings: FtpSettings, credentials: Mapping[str, str]) -> None:
        if not settings.allow_plaintext:
            raise PlaintextRefused(f"{settings.host}: plain FTP is off")
        super().__init__(settings, credentials)

    def _new_client(self) -> Client:
        return PlainClient()

    def _secure(self, client: Client) -> None:
        """There is nothing that could."""

    def _protection(self) -> StorageFinding:
        return StorageFinding(
            part="plaintext",
            verdict=StorageVerdict.WARNING,
            message="password and files travel readable for everybody on the way",
            hint="use ftps or sftp as soon as the server can",
        )


class FtpsStorage(_FtpFamily):
    """A server that speaks FTP with explicit TLS; its certificate is always verified."""

    def __init__(self, settings: FtpsSettings, credentials: Mapping[str, str]) -> None:
        super().__init__(settings, credentials)
        try:
            self._trusted = ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ssl.SSLError):
            raise SettingsInvalid(f"ca_file: {settings.ca_file} holds no certificates that can be read") from None
        self._trusted.minimum_version = ssl.TLSVersion.TLSv1_2

    def _new_client(self) -> Client:
        return TlsClient(context=self._trusted)

    def _secure(self, client: Client) -> None:
        assert isinstance(client, TlsClient)
        host = self._server.host
        try:
            client.auth()
            client.prot_p()
        except ftplib.Error as error:
            raise TlsRefused(
                f"{host} offers no TLS ({_said(error)})", "ask its operator for TLS, or for SFTP"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise TlsRefused(f"the certificate of {host} is not trusted: {error.verify_message}") from None
        except ssl.SSLEOFError:  # cut off, which says nothing about TLS
            raise
        except ssl.SSLError as error:
            raise TlsRefused(f"{host}: no TLS connection ({error.reason})") from error

    def _protection(self) -> StorageFinding:
        assert self._client is not None
        assert isinstance(self._client.sock, ssl.SSLSocket)
        version = self._client.sock.version()
        return StorageFinding(part="tls", verdict=StorageVerdict.OK, message=f"{version}, the certificate is verified")


def _is_file(known: Mapping[str, str]) -> bool:
    """Whether an entry is not said to be something else."""
    return known.get("type", "file").lower() == "file"


def _offers_mlsd(client: Client) -> bool:
    try:
        features = client.sendcmd("FEAT")
    except ftplib.error_perm:
        return False
    return any(line.strip().upper().startswith("MLST") for line in features.splitlines())


def _code(error: ftplib.Error) -> int:
    digits = str(error)[:3]
    return int(digits) if digits.isdecimal() else 0


def _said(error: ftplib.Error) -> str:
    """The server's reply in one line, for people."""
    return " ".join("".join(each if each.isprintable() else " " for each in str(error)).split())[:200]


def _named(error: ftplib.Error, path: str) -> StorageError:
    """The word for a reply. Few codes say enough; for the others the server's words decide."""
    code, said = _code(error), _said(error)
    if code in {530, 332}:
        return LoginRefused(f"the server wants a login ({said})")
    if code in _FULL or (code != _GOOD_BYE and _SPACE.search(said)):
        return NoSpace(f"{path}: no space left ({said})")
    if code in _CUT or isinstance(error, ftplib.error_proto):
        return TransferCut(f"{path}: the server broke off ({said})")
    if _DENIED.search(said):
        return PermissionDenied(f"{path}: permission denied ({said})")
    return StorageError(f"{path}: the server answered {said}")

"""What a storage is: a place for files, on a server or in a folder. How each kind does it is in the module of its name.

Paths are relative to the storage's root and use "/". A storage is used by one thread at a time; it connects when it is
first needed, and again when the connection was lost in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Protocol

from pydantic import ValidationError

from orders_pipeline.storages.errors import SettingsInvalid
from warehouse.storages import FolderSettings, FtpSettings, FtpsSettings, SftpSettings, StorageKind, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A plain file in a listing. The name is the server's word: it may be one that every other call refuses."""

    name: str
    size: int
    modified_at: datetime | None


class StorageVerdict(StrEnum):
    """How a part of a test came out."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFinding:
    """One line of a test: which part was tried, what was seen, and what to do about it."""

    part: str
    verdict: StorageVerdict
    message: str
    hint: str = ""
    code: str = ""


class Storage(Protocol):
    """A place for files. Every method raises `StorageError`; the message names the path."""

    def connect(self) -> list[StorageFinding]:
        """Connect and log in, and tell what was seen on the way; the error tells which step failed."""
        ...

    def list(self, folder: str) -> tuple[RemoteFile, ...]:
        """The plain files of a folder, by name; no folders, no links."""
        ...

    def folders(self, folder: str) -> tuple[str, ...]:
        """Names of the folders in a folder, sorted; no links."""
        ...

    def exists(self, path: str) -> int | None:
        """Size of the file in bytes; None when there is no file of that name."""
        ...

    def look(self, path: str) -> RemoteFile | None:
        """A file as `list` shows it, without listing its folder where the server can do that; None when there is none."""
        ...

    def read(self, path: str, sink: BinaryIO, limit_bytes: int) -> int:
        """Copy a file into `sink` and return its size.

        Raises:
            TooLarge: The file has more than `limit_bytes`; the sink may hold a part of it.
            TransferCut: Other bytes arrived than the file has; the sink holds a part of it.
        """
        ...

    def write(self, path: str, source: Path) -> None:
        """Put a file there, whole or not at all: as `.part`, then, when its size is right, under its name.

        Raises:
            AlreadyThere: There is a file of that name. It is left as it is.
        """
        ...

    def write_again(self, path: str, source: Path) -> None:
        """Put a file there like `write`, in the place of an earlier one that may be there."""
        ...

    def move(self, path: str, new_path: str) -> None:
        """Give a file another path; the folder of the new path is made when it is missing.

        Raises:
            AlreadyThere: There is a file of the new name. Both are left as they are.
        """
        ...

    def make_folder(self, folder: str) -> None:
        """Make a folder and those above it, where they are missing."""
        ...

    def remove(self, path: str) -> None:
        """Delete a file; raises `FileMissing` when there is none."""
        ...

    def close(self) -> None:
        """Let go of connections; may be called twice."""
        ...


def open_storage(kind: str, settings: Mapping[str, Any], credentials: Mapping[str, str]) -> Storage:
    """A storage of a kind, not yet connected.

    Args:
        kind: `sftp`, `ftps`, `ftp` or `folder`.
        settings: Those of the kind, as they stand in orders.yaml.
        credentials: The secrets themselves: `password`, or `private_key` and its `passphrase`.

    Raises:
        SettingsInvalid: There is no such kind, or its settings are wrong; the message names each field.
        PlaintextRefused: Plain FTP that is not allowed in the settings.
    """
    # Each module brings its library: whoever writes to a folder does not wait for paramiko.
    match _settings(kind, settings):
        case SftpSettings() as sftp:
            from orders_pipeline.storages.sftp import SftpStorage  # noqa: PLC0415 - as above

            return SftpStorage(sftp, credentials)
        case FtpsSettings() as ftps:
            from orders_pipeline.storages.ftp import FtpsStorage  # noqa: PLC0415 - as above

            return FtpsStorage(ftps, credentials)
        case FtpSettings() as ftp:
            from orders_pipeline.storages.ftp import FtpStorage  # noqa: PLC0415 - as above

            return FtpStorage(ftp, credentials)
        case FolderSettings() as folder:
            from orders_pipeline.storages.folder import FolderStorage  # noqa: PLC0415 - as above

            return FolderStorage(folder)


def _settings(kind: str, settings: Mapping[str, Any]) -> FolderSettings | SftpSettings | FtpsSettings | FtpSettings:
    if kind not in set(StorageKind):
        raise SettingsInvalid(f"there is no kind of storage {kind!r}; there are: {', '.join(StorageKind)}")
    try:
        return read_settings(StorageKind(kind), settings)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise SettingsInvalid(wrong) from None

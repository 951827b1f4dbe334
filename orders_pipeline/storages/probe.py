"""Testing a storage: every operation that the file jobs use, with a file of its own that is removed again."""

from __future__ import annotations

import io
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orders_pipeline.storages.errors import (
    FolderMissing,
    HostKeyChanged,
    HostKeyUnknown,
    LoginRefused,
    RenameRefused,
    StorageError,
    TlsRefused,
    TransferCut,
)
from orders_pipeline.storages.registry import StorageFinding, StorageVerdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from orders_pipeline.storages.registry import Storage

CONTENT = b"a test of this storage; may be deleted\n"


def probe(storage: Storage, folder: str) -> list[StorageFinding]:
    """Connect, and write, rename, list, read and remove a file in a folder; the first part that fails ends it.

    Args:
        storage: What is tested.
        folder: A folder that file jobs use.
    """
    try:
        findings = storage.connect()
    except StorageError as error:
        return [_wrong(_part_of(error), error)]
    # .tmp: nobody takes it for a file that is meant for him.
    name = f"{folder.rstrip('/')}/orders-probe-{secrets.token_hex(6)}.tmp"
    renamed = name.replace("-probe-", "-probe-renamed-")
    try:
        with tempfile.TemporaryDirectory() as home:
            source = Path(home) / "probe"
            source.write_bytes(CONTENT)
            for part, step in _steps(storage, folder, source, name, renamed):
                try:
                    said = step()
                except StorageError as error:
                    return [*findings, _wrong(_part_of(error, part), error)]
                findings.append(StorageFinding(part=part, verdict=StorageVerdict.OK, message=said))
    finally:
        for left in (name, renamed):
            with suppress(StorageError):
                storage.remove(left)
    return findings


def _steps(
    storage: Storage, folder: str, source: Path, name: str, renamed: str
) -> tuple[tuple[str, Callable[[], str]], ...]:
    def look() -> str:
        return f"{len(storage.list(folder))} files"

    def write() -> str:
        storage.write(name, source)
        return "a file was written as .part and given its name"

    def rename() -> str:
        storage.move(name, renamed)
        return "it was renamed"

    def list_it() -> str:
        seen = {each.name: each.size for each in storage.list(folder)}
        if seen.get(renamed.rpartition("/")[2]) != len(CONTENT):
            raise StorageError("the listing does not show the file that was just written", "")
        return "it is in the listing"

    def read() -> str:
        sink = io.BytesIO()
        storage.read(renamed, sink, len(CONTENT))
        if sink.getvalue() != CONTENT:
            raise TransferCut("other bytes came back than were written", "have the server transfer in binary")
        return "the same bytes came back"

    def remove() -> str:
        storage.remove(renamed)
        return "it was removed"

    return (
        ("folder", look),
        ("write", write),
        ("rename", rename),
        ("list", list_it),
        ("read", read),
        ("remove", remove),
    )


def _part_of(error: StorageError, otherwise: str = "connection") -> str:
    """What a failure is about, whichever step met it."""
    match error:
        case HostKeyUnknown() | HostKeyChanged():
            return "host key"
        case TlsRefused():
            return "tls"
        case LoginRefused():
            return "login"
        case FolderMissing():
            return "folder"
        case RenameRefused():
            return "rename"
        case _:
            return otherwise


def _wrong(part: str, error: StorageError) -> StorageFinding:
    return StorageFinding(
        part=part, verdict=StorageVerdict.WRONG, message=error.message, hint=error.hint, code=error.code
    )

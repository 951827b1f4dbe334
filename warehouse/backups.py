"""Copies of an installation that can be trusted: made while everything runs, checked without one, put back into an empty one.

A backup is a folder laid out like ORDERS_HOME, with a manifest that is written last: a folder without one is no backup. It
holds the ledger, the lake's catalog and its files, and the archive; not Dagster's history, and the key ring only when asked
for: who finds a backup without it finds ciphertext. With PostgreSQL the databases are one dump. Files on S3 stay there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
import sqlalchemy as sa

from warehouse import restore_mark
from warehouse.backup_contents import (
    ARCHIVE,
    CATALOG,
    DATA,
    DUMP,
    FORMAT,
    KEYS,
    LEDGER,
    MANIFEST,
    BackupError,
    BackupFinding,
    Manifest,
    StoredFile,
    check_values_in,
    read_manifest,
    schema_in,
    sync,
    sync_folder,
    table_counts,
)
from warehouse.clock import iso
from warehouse.database_dumps import database_of, dump_databases, dump_readable, has_tables, restore_dump
from warehouse.lake.attachment import catalog_file, connect_reader
from warehouse.lake.outages import LakeError
from warehouse.ledger.base.database import (
    UnfitLedgerError,
    require_fitting_ledger,
    require_known_schema,
)
from warehouse.ledger.status.keys import opens_one_of, sealed_sample
from warehouse.privacy import KeyRing, KeyRingError, has_key_ring, key_file, open_key_ring, parse_key_ring
from warehouse.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime


def backup(settings: Settings, target: Path, now: datetime, keys: str | None = None) -> Manifest:
    """Copy the installation while it runs.

    Args:
        settings: The installation.
        target: The new backup; must not be there yet. It appears as a whole or not at all.
        now: Recorded in the manifest.
        keys: The key ring's text when it shall be in the backup.

    Raises:
        BackupError: The target is there, there is no ledger, or pg_dump is missing or fails.
        RestoreUnfinishedError: The installation is being restored.
        UnfitLedgerError: A newer release has written the ledger.
    """
    require_fitting_ledger(settings)
    if target.exists():
        raise BackupError(f"{target} is there already: name a new folder")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a backup that was killed
    partial.mkdir(parents=True, mode=0o700)
    try:
        manifest = _write_backup(settings, partial, now, keys)
        partial.replace(target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def verify(folder: Path, keys: KeyRing | None) -> list[BackupFinding]:
    """Check a backup without an installation: its files, the databases in it, the rows, and that the key ring opens them.

    Raises:
        BackupError: It is no backup.
    """
    manifest = read_manifest(folder)
    findings = [_files_unharmed(folder, manifest)]
    if not findings[0].is_ok:
        return findings
    if manifest.database == "postgresql":
        return [*findings, dump_readable(folder)]
    findings += [_sound(folder / name) for name in (LEDGER, CATALOG) if (folder / name).exists()]
    if all(each.is_ok for each in findings):
        findings += [_rows(folder, manifest), _opens(folder, keys)]
        findings += _lake_readable(folder, manifest)
    return findings


def restore(folder: Path, settings: Settings, now: datetime, *, replaces: bool = False) -> Manifest:
    """Put a backup into an installation whose processes are stopped.

    The installation is marked before its first byte: broken off, nothing works there until this has run to its end. Run
    again, what the first run has left is moved aside.

    Args:
        folder: The backup; its files are checked first.
        settings: The installation. With PostgreSQL, ORDERS_DATABASE_URL names a database that is there.
        now: Names the folder that replaced files are moved to.
        replaces: What is there is moved aside (SQLite) or dropped (PostgreSQL), instead of refusing.

    Raises:
        BackupError: The backup is harmed, of another kind, of a newer release, or sealed with a key that is not at hand; the
            installation is not empty; or pg_restore fails.
    """
    manifest = read_manifest(folder)
    unharmed = _files_unharmed(folder, manifest)
    if not unharmed.is_ok:
        raise BackupError(f"{folder} is harmed: {unharmed.message}")
    kind = "postgresql" if settings.is_postgresql else "sqlite"
    if manifest.database != kind:
        raise BackupError(f"this backup is of {manifest.database}, the installation is on {kind}")
    try:
        require_known_schema(manifest.schema, f"the backup {folder}")
    except UnfitLedgerError as error:
        raise BackupError(str(error)) from None
    _require_keys(folder, settings, manifest)
    _require_room(settings, replaces=replaces)
    _mark_begun(settings, folder)
    _make_room(settings, now)
    _copy_back(folder, settings, manifest)
    if settings.is_postgresql:
        restore_dump(folder / DUMP, settings, replaces=replaces)
    _mark_ended(settings)
    return manifest


def _write_backup(settings: Settings, partial: Path, now: datetime, keys: str | None) -> Manifest:
    """The order is what makes it whole: the lake's catalog before its files and before the ledger, which so is never behind
    the lake; the ledger before the archive, which holds a file before the ledger names it.
    """
    is_local = "://" not in settings.lake_files
    if settings.is_postgresql:
        rows, checks, schema = dump_databases(settings, partial / DUMP)
    elif catalog_file(settings).exists():
        _copy_database(catalog_file(settings), partial / CATALOG)
    if is_local:
        _copy_folder(Path(settings.lake_files), partial / DATA)
    if not settings.is_postgresql:
        if not _ledger_file(settings).exists():
            raise BackupError(f"there is no ledger at {_ledger_file(settings)}")
        _copy_database(_ledger_file(settings), partial / LEDGER)
        with _opened_copy(partial / LEDGER) as connection:
            rows, checks, schema = table_counts(connection), check_values_in(connection), schema_in(connection)
    if not (settings.archive_data or "").startswith("s3://"):
        _copy_folder(settings.archive, partial / ARCHIVE)
    if keys is not None:
        _write_private(partial / KEYS, keys.encode())
    manifest = Manifest(
        format=FORMAT,
        made_at=iso(now),
        schema=schema,
        database="postgresql" if settings.is_postgresql else "sqlite",
        lake_data="here" if is_local else settings.lake_files,
        has_keys=keys is not None,
        rows=rows,
        files=[_described(path, partial) for path in _files_in(partial)],
        check_values=checks,
    )
    _write_private(partial / MANIFEST, orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2))
    return manifest


def _ledger_file(settings: Settings) -> Path:
    return settings.home / LEDGER


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's own online copy: one consistent state, whoever writes meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=15)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
    sync(target)


def _copy_folder(source: Path, target: Path) -> None:
    for path in _files_in(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, place)
        except FileNotFoundError:  # tidied up meanwhile: no catalog that is in the backup names it
            continue
        sync(place)


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _described(path: Path, folder: Path) -> StoredFile:
    return StoredFile(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_private(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _counted_rows(file: Path) -> dict[str, int]:
    with _opened_copy(file) as connection:
        return table_counts(connection)


def _opened_copy(file: Path) -> Any:  # noqa: ANN401 - a context manager of a connection
    """A database of a backup for reading; nothing is written beside it."""
    url = f"sqlite:///file:{file.absolute()}?mode=ro&immutable=1&uri=true"
    return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True).connect()


# -- checking


def _files_unharmed(folder: Path, manifest: Manifest) -> BackupFinding:
    missing = [each.path for each in manifest.files if not (folder / each.path).is_file()]
    if missing:
        return BackupFinding("files", False, f"missing: {', '.join(missing[:5])}")
    harmed = [each.path for each in manifest.files if _sha256(folder / each.path) != each.sha256]
    if harmed:
        return BackupFinding("files", False, f"changed since the backup: {', '.join(harmed[:5])}")
    return BackupFinding("files", True, f"{len(manifest.files)} files are as they were written")


def _sound(file: Path) -> BackupFinding:
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as database:
            [(answer,), *_] = database.execute("PRAGMA integrity_check").fetchall()
    except sqlite3.DatabaseError as error:
        answer = str(error)
    return BackupFinding(
        file.name, answer == "ok", "SQLite finds no damage" if answer == "ok" else f"SQLite says: {answer}"
    )


def _rows(folder: Path, manifest: Manifest) -> BackupFinding:
    found = _counted_rows(folder / LEDGER)
    wrong = [
        f"{name}: {found.get(name)} of {count}" for name, count in manifest.rows.items() if found.get(name) != count
    ]
    if wrong:
        return BackupFinding("rows", False, "; ".join(wrong))
    return BackupFinding(
        "rows", True, f"{sum(found.values())} rows in {len(found)} tables, {found.get('orders', 0)} orders"
    )


def _opens(folder: Path, keys: KeyRing | None) -> BackupFinding:
    """Whether the newest sealed values open: with them, all that were sealed with the same keys."""
    opened = 0
    with _opened_copy(folder / LEDGER) as connection:
        for bound, sealed in sealed_sample(connection):
            if keys is None:
                return BackupFinding("key ring", False, "there is no key ring to open it with: set ORDERS_KEYS")
            try:
                keys.open(sealed, bound)
            except KeyRingError as error:
                return BackupFinding("key ring", False, str(error))
            opened += 1
    return BackupFinding(
        "key ring", True, f"{opened} sealed values were opened" if opened else "nothing is sealed in it"
    )


def _lake_readable(folder: Path, manifest: Manifest) -> list[BackupFinding]:
    """Read every order that the copied lake holds: from the copied files, through a copy of the catalog."""
    if not (folder / CATALOG).exists():
        return []
    with tempfile.TemporaryDirectory() as home:
        data = str((folder / DATA).absolute()) if manifest.lake_data == "here" else manifest.lake_data
        place = Settings(_env_file=None, home=Path(home), database_url=None, lake_data=data)
        catalog_file(place).parent.mkdir(parents=True)
        shutil.copyfile(folder / CATALOG, catalog_file(place))
        try:
            with connect_reader(place) as lake:
                row = lake.execute(
                    "SELECT count(*), count(DISTINCT id), sum(length(original_id)) FROM orders"
                ).fetchone()
        except (LakeError, duckdb.Error) as error:
            return [BackupFinding("lake", False, str(error).partition("\n")[0])]
    return [BackupFinding("lake", True, f"{row[0] if row else 0} orders can be read")]


# -- putting back


def _require_keys(folder: Path, settings: Settings, manifest: Manifest) -> None:
    """Refuse to restore what could not be read afterwards."""
    try:
        if has_key_ring(settings):
            keys = open_key_ring(settings)
        elif manifest.has_keys and settings.keys_file is None:
            keys = parse_key_ring((folder / KEYS).read_text())
        else:
            keys = None
    except (KeyRingError, OSError) as error:
        raise BackupError(f"the key ring cannot be used: {error}") from None
    if keys is not None and manifest.check_values:
        fits, why = opens_one_of(keys, manifest.check_values), "the key ring at hand is not the one"
    elif manifest.database == "sqlite":
        found = _opens(folder, keys)
        fits, why = found.is_ok, found.message
    else:  # a dump is not looked into: without check values any key ring will do, and `open_keys` judges it afterwards
        fits, why = keys is not None, "there is no key ring"
    if not fits:
        raise BackupError(
            f"what is sealed in {folder} could not be opened: {why}. Set ORDERS_KEYS, or put the key ring into"
            f" {key_file(settings)}; nothing was restored"
        )


def _present(settings: Settings) -> list[Path]:
    lake = [] if "://" in settings.lake_files else [Path(settings.lake_files)]
    return [
        path
        for path in (*(settings.home / name for name in ("ledger.sqlite", "lake", "archive")), *lake)
        if path.exists() and (path.is_file() or any(path.iterdir()))
    ]


def _require_room(settings: Settings, *, replaces: bool) -> None:
    """Refuse what is not empty, unless told otherwise or left by a restore that was broken off."""
    if replaces:
        return
    present = [] if restore_mark.file_of(settings).exists() else _present(settings)
    if present:
        raise BackupError(f"{present[0]} is there: name an empty ORDERS_HOME, or say --into to move it aside")
    if settings.is_postgresql and has_tables(settings):
        raise BackupError("the database of ORDERS_DATABASE_URL is not empty: name an empty one, or say --into")


def _make_room(settings: Settings, now: datetime) -> None:
    name = f"replaced-{now:%Y%m%dT%H%M%SZ}"
    taken = len(list(settings.home.glob(f"{name}*")))
    aside = settings.home / (f"{name}-{taken + 1}" if taken else name)
    for path in (*_present(settings), *(settings.home / f"{LEDGER}{end}" for end in ("-wal", "-shm"))):
        if path.exists():
            aside.mkdir(parents=True, exist_ok=True)
            path.replace(aside / path.name)


def _mark_begun(settings: Settings, folder: Path) -> None:
    restore_mark.set_file(settings, folder)
    if settings.is_postgresql:
        with database_of(settings) as ledger, ledger.write() as transaction:
            restore_mark.set_table(transaction)


def _mark_ended(settings: Settings) -> None:
    if settings.is_postgresql:
        with database_of(settings) as ledger, ledger.write() as transaction:
            restore_mark.remove_table(transaction)
    restore_mark.file_of(settings).unlink()
    sync_folder(settings.home)


def _copy_back(folder: Path, settings: Settings, manifest: Manifest) -> None:
    """Files that are there count as restored only with the ledger: it comes last, and as a whole."""
    settings.home.mkdir(parents=True, exist_ok=True)
    for each in sorted(manifest.files, key=lambda file: file.path == LEDGER):
        place = _place(settings, each.path)
        if place is None:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f".{place.name}.partial")
        shutil.copyfile(folder / each.path, partial)
        partial.chmod(0o600)
        sync(partial)
        partial.replace(place)
        sync_folder(place.parent)


def _place(settings: Settings, path: str) -> Path | None:
    """Where a file of a backup goes; None for those that are not copied."""
    if path.startswith(f"{DATA}/"):
        return Path(settings.lake_files) / path.removeprefix(f"{DATA}/")
    if path == DUMP or (path == KEYS and (settings.home / KEYS).exists()):
        return None
    return settings.home / path


# -- PostgreSQL's own programs

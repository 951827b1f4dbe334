"""`orders backup`, `orders verify`, `orders restore`: copies of the installation, and whether they are any good."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from orders_pipeline.commands.output import Exit, fail, notes, print_json, print_table
from warehouse import backup_contents, backups
from warehouse.backup_buckets import fetched, is_in_bucket, put_backup
from warehouse.clock import utc_now
from warehouse.logs import Event
from warehouse.privacy import KeyRing, KeyRingError, has_key_ring, key_ring_text, open_key_ring, parse_key_ring
from warehouse.settings import Settings

logger = logging.getLogger("orders_pipeline.backups")

Place = Annotated[str, typer.Argument(help="The backup's folder, or s3://bucket/name.")]


def backup(
    place: Annotated[str, typer.Argument(help="The new backup's folder, or s3://bucket/name; must not be there yet.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="The key ring too: then the backup must be kept like the key ring.")
    ] = False,
) -> None:
    """Copy ledger, order tables and archive while everything runs.

    The key ring is left out: keep it apart. An incomplete backup never stands under the name that you give.

    Examples:

      orders backup /backups/orders-2026-11-24

      orders backup s3://backups/orders-2026-11-24
    """
    settings = Settings()
    keys = key_ring_text(settings) if with_keys else None

    def make(folder: Path) -> backup_contents.Manifest:
        return backups.backup(settings, folder, utc_now(), keys)

    try:
        manifest = put_backup(place, make) if is_in_bucket(place) else make(Path(place))
    except (backup_contents.BackupError, OSError) as error:
        raise fail(str(error)) from None
    size = sum(each.bytes for each in manifest.files)
    logger.info(Event.BACKUP_WRITTEN, extra={"files": len(manifest.files), "bytes": size})
    notes.print(f"{len(manifest.files)} files, {size / 1e6:.1f} MB, {manifest.rows.get('orders', 0)} orders")
    if not with_keys:
        notes.print("the key ring is not in it: without that, it cannot be read")


def verify(
    place: Place,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per check.")] = False,
) -> None:
    """Check a backup: files unharmed, databases sound, rows complete, readable with the key ring.

    Example: orders verify /backups/orders-2026-11-24
    """
    try:
        with _at_hand(place) as folder:
            findings = backups.verify(folder, _keys_for(folder))
    except backup_contents.BackupError as error:
        raise fail(str(error), Exit.CHECK_FAILED) from None
    rows = [(each.part, "ok" if each.is_ok else "wrong", each.message) for each in findings]
    if as_json:
        for part, verdict, message in rows:
            print_json({"part": part, "verdict": verdict, "message": message})
    else:
        print_table(f"Backup {Path(place).name}", ("part", "verdict", "what was seen"), rows)
    if not all(each.is_ok for each in findings):
        raise typer.Exit(Exit.CHECK_FAILED)


def restore(
    place: Place,
    into: Annotated[
        bool, typer.Option("--into", help="Also where something is: it is moved aside, or dropped from PostgreSQL.")
    ] = False,
) -> None:
    """Put a backup into ORDERS_HOME, or into ORDERS_DATABASE_URL. Stop the pipeline and the API first.

    Examples:

      ORDERS_HOME=/var/lib/orders-new orders restore /backups/orders-2026-11-24

      orders restore /backups/orders-2026-11-24 --into
    """
    try:
        with _at_hand(place) as folder:
            manifest = backups.restore(folder, Settings(), utc_now(), replaces=into)
    except (backup_contents.BackupError, OSError) as error:
        raise fail(str(error)) from None
    logger.info(Event.BACKUP_RESTORED, extra={"files": len(manifest.files), "made_at": manifest.made_at})
    notes.print(f"restored as it was at {manifest.made_at}; now `orders doctor`, then start the processes")


def _at_hand(place: str) -> AbstractContextManager[Path]:
    """The backup in a folder of this machine."""
    return fetched(place) if is_in_bucket(place) else nullcontext(Path(place))


def _keys_for(folder: Path) -> KeyRing | None:
    """The installation's key ring, else the backup's own, else none."""
    settings = Settings()
    try:
        if has_key_ring(settings):
            return open_key_ring(settings)
        return parse_key_ring((folder / backup_contents.KEYS).read_text())
    except (KeyRingError, FileNotFoundError):
        return None

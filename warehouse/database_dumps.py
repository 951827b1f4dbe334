"""PostgreSQL's databases as one dump: written by pg_dump, checked and read back by pg_restore."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from warehouse import restore_mark
from warehouse.backup_contents import DUMP, BackupError, BackupFinding, check_values_in, schema_in, sync, table_counts
from warehouse.ledger.base.database import Ledger, make_engine
from warehouse.ledger.base.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warehouse.settings import Settings


def dump_readable(folder: Path) -> BackupFinding:
    """Whether a dump can be read to its end."""
    done = subprocess.run([_program("pg_restore"), "--list", str(folder / DUMP)], capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        return BackupFinding("dump", False, done.stderr.decode(errors="replace").strip()[:200])
    tables = done.stdout.count(b" TABLE DATA ")
    return BackupFinding(
        "dump", True, f"{tables} tables; their rows can only be counted after restoring into an empty database"
    )


@contextmanager
def database_of(settings: Settings) -> Iterator[Ledger]:
    """The databases of an installation."""
    ledger = Ledger(make_engine(settings.ledger_url))
    try:
        yield ledger
    except sa.exc.DBAPIError as error:
        raise BackupError(f"the database cannot be reached: {error.orig}") from None
    finally:
        ledger.close()


DUMPED_TABLE = re.compile(r"\d+; \d+ \d+ TABLE \S+ (\S+) ")
"""A table in the list of a dump's contents."""


def _program(name: str) -> str:
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        raise BackupError(f"PostgreSQL's {name} is not installed: install its client programs")
    return found


def _access(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment that name the database; the password is in no argument, where every user could read it."""
    url = make_url(settings.ledger_url)
    given = {"--host": url.host, "--port": url.port, "--username": url.username, "--dbname": url.database}
    arguments = [f"{name}={value}" for name, value in given.items() if value is not None]
    secret = {"PGPASSWORD": str(url.password)} if url.password else {}
    return arguments, {**os.environ, **secret}


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, capture_output=True, check=False, env=dict(environment))  # noqa: S603 - PostgreSQL's own
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise BackupError(f"{Path(command[0]).name} failed: {lines[-1] if lines else done.returncode}")


def dump_databases(settings: Settings, target: Path) -> tuple[dict[str, int], Mapping[str, str], str]:
    """Ledger, catalog and Dagster's tables in one dump of one snapshot; the rows of the ledger are counted in the same one."""
    from warehouse.ledger.base.postgresql import unbound  # noqa: PLC0415 - the driver is loaded where it is used

    arguments, environment = _access(settings)
    ledger = Ledger(make_engine(settings.ledger_url))
    try:
        with ledger.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            unbound(connection)
            snapshot = connection.execute(sa.text("SELECT pg_export_snapshot()")).scalar_one()
            found = table_counts(connection), check_values_in(connection), schema_in(connection)
            flags = ["--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={target}"]
            _run([_program("pg_dump"), *arguments, *flags], environment)
    except sa.exc.DBAPIError as error:
        raise BackupError(f"the database cannot be read: {error.orig}") from None
    finally:
        ledger.close()
    target.chmod(0o600)
    sync(target)
    return found


def has_tables(settings: Settings) -> bool:
    """Whether there is anything in the database."""
    with database_of(settings) as ledger, ledger.read() as transaction:
        return bool(set(sa.inspect(transaction).get_table_names()) - {restore_mark.TABLE})


def restore_dump(dump: Path, settings: Settings, *, replaces: bool) -> None:
    """Read a dump back into empty databases."""
    arguments, environment = _access(settings)
    if replaces:
        drop_newer_tables(dump, settings)
    flags = ["--no-owner", "--exit-on-error", "--single-transaction", *(("--clean", "--if-exists") if replaces else ())]
    _run([_program("pg_restore"), *arguments, *flags, str(dump)], environment)


def drop_newer_tables(dump: Path, settings: Settings) -> None:
    """Drop the ledger's tables that the dump lacks: a later release has made them, and upgrading would meet them again."""
    done = subprocess.run([_program("pg_restore"), "--list", str(dump)], capture_output=True, check=False, text=True)  # noqa: S603
    if done.returncode:
        raise BackupError(f"pg_restore cannot list the dump: {done.stderr.strip() or done.returncode}")
    kept = {found[1] for line in done.stdout.splitlines() if (found := DUMPED_TABLE.match(line))}
    with database_of(settings) as ledger, ledger.write() as transaction:
        present = set(sa.inspect(transaction).get_table_names())
        quoted = transaction.dialect.identifier_preparer.quote
        for table in metadata.sorted_tables[::-1]:
            if table.name in present - kept:
                transaction.execute(sa.text(f"DROP TABLE {quoted(table.name)} CASCADE"))

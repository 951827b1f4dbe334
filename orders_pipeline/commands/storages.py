"""`orders storages …`: where files are exchanged with other systems."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from orders_pipeline.commands.configuration import apply_entry, pair, typed_secret, usable_secret
from orders_pipeline.commands.output import Exit, fail, notes, print_json, print_rows, print_table
from orders_pipeline.commands.recording import record
from orders_pipeline.installation import Installation, opened, opened_to_read
from orders_pipeline.storages.errors import (
    HostKeyUnknown,
    LoginRefused,
    StorageError,
    TimedOut,
    TransferCut,
    Unreachable,
)
from orders_pipeline.storages.open_storages import StoragePlaces
from orders_pipeline.storages.probe import probe
from orders_pipeline.storages.registry import StorageVerdict, open_storage
from warehouse.ledger.base.credentials import shown
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings import storages as book
from warehouse.ledger.settings.typed_secrets import keep_storage_secret
from warehouse.storages import StorageKind

storages = typer.Typer(
    name="storages", help="Where files are exchanged: servers and folders.", no_args_is_help=True, rich_markup_mode=None
)

Code = Annotated[str, typer.Argument(help="The storage's code.")]
SHOWN_FILES = 5

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]


@storages.command("add")
def add_storage(
    code: Annotated[str, typer.Argument(help="A short code: lower-case letters, digits and _.")],
    kind: Annotated[StorageKind, typer.Option(help="What it is reached by.")],
    label: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    setting: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, a setting of this kind; repeatable.")] = None,
    credential: Annotated[
        list[str] | None, typer.Option(help="NAME=env:VARIABLE or NAME=file:PATH; repeatable.")
    ] = None,
) -> None:
    """Add a storage; `orders apply` does the same, and changes too, from a file.

    Examples:

      orders storages add erp --kind sftp --setting host=sftp.example --setting user=orders

      orders storages add share --kind folder --setting path=/srv/orders
    """
    entry = {
        "kind": kind.value,
        "label": label,
        "settings": dict(pair(each) for each in setting or ()),
        "credentials": dict(pair(each) for each in credential or ()),
    }
    apply_entry("storages", code, entry)


@storages.command("list")
def list_storages(as_json: Json = False) -> None:
    """Every storage. Secrets are shown only as where they come from.

    Example: orders storages list --json
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        rows = [
            {
                "code": each.code,
                "kind": each.kind,
                "label": each.label,
                "settings": dict(each.settings),
                "credentials": shown(each.credentials),
            }
            for each in book.all_storages(transaction)
        ]
    print_rows("Storages", rows, ("code", "kind", "label", "settings", "credentials"), as_json)


@storages.command("test")
def test_storage(
    code: Code,
    folder: Annotated[str, typer.Option(help="A folder that file jobs use; default: the storage's root.")] = "",
    as_json: Json = False,
) -> None:
    """Connect, and write, rename, list, read and remove a file; name what fails, and what to do about it.

    Example: orders storages test erp --folder exports
    """
    with opened_to_read() as installation, StoragePlaces(installation) as places:
        try:
            findings = probe(places.at(code), folder)
        except StorageError as error:
            raise _failure(error) from None
    rows = [(each.part, each.verdict.value, each.message, each.hint) for each in findings]
    if as_json:
        for part, verdict, message, hint in rows:
            print_json({"part": part, "verdict": verdict, "message": message, "hint": hint})
    else:
        print_table(f"Storage {code}", ("part", "verdict", "what was seen", "what to do"), rows)
    wrong = [each.code for each in findings if each.verdict is StorageVerdict.WRONG]
    if wrong:
        raise typer.Exit(_exit_code(wrong[0]))


@storages.command("secret")
def set_secret(
    code: Code,
    name: Annotated[str, typer.Argument(help="The credential's name: password, private_key or passphrase.")],
) -> None:
    """Type a secret; it is kept encrypted. Reads all of standard input when that is no terminal.

    Examples:

      orders storages secret erp password

      orders storages secret erp private_key < id_ed25519
    """
    with opened() as installation:
        _find(installation, code)
        secret = typed_secret(code, name)
        with installation.ledger.write() as transaction, usable_secret():
            keep_storage_secret(transaction, installation.keys, code, name, secret, installation.clock())
            record(transaction, installation, "secret_typed", f"storage {code}", {"name": name})
    notes.print(f"{name} of {code} is kept, encrypted")


@storages.command("trust")
def trust(
    code: Code,
    fingerprint: Annotated[
        str | None, typer.Option(help="SHA256:… as the server's operator told it; without it you are asked.")
    ] = None,
) -> None:
    """Look at the host key that an SFTP server shows, and trust it if it is the right one. Nobody logs in for that.

    Examples:

      orders storages trust erp

      orders storages trust erp --fingerprint SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU
    """
    with opened() as installation:
        entry = _find(installation, code)
        if entry.kind != StorageKind.SFTP:
            raise fail(f"{code} is of kind {entry.kind}: only sftp has host keys", Exit.USAGE)
        try:
            seen = _seen_fingerprint(entry)
        except StorageError as error:
            raise _failure(error) from None
        _confirm(code, seen, fingerprint)
        with installation.ledger.write() as transaction:
            entry = book.find_storage(transaction, code) or entry
            changed = replace(entry, settings={**entry.settings, "host_key": [seen]})
            book.save_storage(transaction, changed, installation.clock())
            record(transaction, installation, "host_key_trusted", code, {"host_key": seen})
    notes.print(f"{code}: the host key {seen} is trusted")


@storages.command("remove")
def remove_storage(code: Code) -> None:
    """Forget a storage and its credentials. Files on it stay where they are. One that a file job or a waiting file needs stays.

    Example: orders storages remove erp
    """
    with opened() as installation, installation.ledger.write() as transaction:
        users = file_jobs.using_storage(transaction, code)
        if users:
            raise fail(f"{code} is used by {', '.join(f'the {each.kind} job of {each.channel}' for each in users)}")
        waiting = file_queries.waiting_at(transaction, code)
        if waiting:
            numbers = ", ".join(str(each.id) for each in waiting[:SHOWN_FILES])
            said = f"{len(waiting)} files wait for {code} ({numbers}{', …' if len(waiting) > SHOWN_FILES else ''})"
            raise fail(
                f"{said}: `orders export redirect` sends one elsewhere, `orders export give-up` and "
                "`orders imports give-up` let go of it"
            )
        if not book.remove_storage(transaction, code):
            raise fail(f"there is no storage {code!r}", Exit.USAGE)
        record(transaction, installation, "storage_removed", code)
    notes.print(f"{code} is forgotten")


def _find(installation: Installation, code: str) -> book.StorageEntry:
    with installation.ledger.read() as transaction:
        entry = book.find_storage(transaction, code)
    if entry is None:
        raise fail(f"there is no storage {code!r}", Exit.USAGE)
    return entry


def _seen_fingerprint(entry: book.StorageEntry) -> str:
    """What the server shows to somebody who trusts nothing and has no secret to lose."""
    storage = open_storage(entry.kind, {**entry.settings, "host_key": ()}, {})
    try:
        storage.connect()
    except HostKeyUnknown as shown_key:
        notes.print(shown_key.message, markup=False)
        return shown_key.fingerprint
    finally:
        storage.close()
    raise AssertionError("a server was trusted without a host key")


def _confirm(code: str, seen: str, expected: str | None) -> None:
    if expected is not None:
        if expected.rstrip("=") != seen:
            raise fail(f"that is not {expected}: nothing was changed", Exit.CHECK_FAILED)
        return
    if not sys.stdin.isatty():
        raise fail("say which one you trust: --fingerprint SHA256:…", Exit.USAGE)
    if not typer.confirm(f"Did the operator of {code} tell you this fingerprint?"):
        raise fail("nothing was changed")


def _failure(error: StorageError) -> typer.Exit:
    return fail(f"{error.message}{f' ({error.hint})' if error.hint else ''}", _exit_code(error.code))


def _exit_code(code: str) -> Exit:
    if code == LoginRefused.code:
        return Exit.UNAUTHORISED
    if code in {Unreachable.code, TimedOut.code, TransferCut.code}:
        return Exit.UNAVAILABLE
    return Exit.CONFIGURATION

"""Which key ring a ledger was sealed with, and whether the one at hand is that one. How values are sealed is in `privacy`.

For each key the ledger keeps a sealed check value, and its id: so a wrong ring is told before anything is read or sealed with
it, and no new key takes an id that sealed data name.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.credentials import bound
from warehouse.ledger.base.database import insert_into
from warehouse.ledger.base.schema import account_deletions as deletion_table
from warehouse.ledger.base.schema import alert_recipients, connections, parties, raw_orders, sealing_keys
from warehouse.ledger.base.schema import storages as storage_table
from warehouse.ledger.base.schema import users as user_table
from warehouse.ledger.book import account_deletions
from warehouse.ledger.book.raw_orders import bound_to
from warehouse.ledger.people.users import code_binding
from warehouse.ledger.settings import storages
from warehouse.privacy import KeyRing, KeyRingError, has_key_ring, key_file, make_key_file, open_key_ring

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger
    from warehouse.settings import Settings

SAMPLE = 20
"""So many of the newest and of the oldest sealed values of each kind are opened to see whether a key ring is the right one."""

NEWEST_BODIES = (raw_orders.c.received_at.desc(), raw_orders.c.seq.desc())
OLDEST_BODIES = (raw_orders.c.received_at, raw_orders.c.seq)
"""Along the index of the payloads that have their exact bytes: once these are purged, there may be a book of others."""

CHECK = b"this key ring is the right one"


def open_keys(settings: Settings, ledger: Ledger, now: datetime) -> KeyRing:
    """The key ring of this installation, proven to be the ledger's; its keys are noted in the ledger.

    A local installation gets a ring made, when nothing is sealed yet.

    Raises:
        KeyRingError: There is none, it is malformed, it is another ledger's, or an id names another key than before.
    """
    is_made_here = not settings.is_postgresql and settings.keys_file is None
    if is_made_here and not has_key_ring(settings):
        _require_nothing_sealed(settings, ledger)
        make_key_file(key_file(settings))
    keys = open_key_ring(settings)
    with ledger.read() as transaction:
        known = _known(transaction)
        if problem := mismatch(transaction, keys):
            raise KeyRingError(problem)
    if new := keys.names.keys() - known.keys():
        with ledger.write() as transaction:
            rows = [_row(keys, key_id, now) for key_id in sorted(new)]
            transaction.execute(insert_into(transaction, sealing_keys).on_conflict_do_nothing(), rows)
            if problem := mismatch(transaction, keys):  # another process came first, with other keys
                raise KeyRingError(problem)
    return keys


def mismatch(transaction: Transaction, keys: KeyRing) -> str | None:
    """Why this key ring is not the ledger's, in a sentence that says what to do; None when it is."""
    known = _known(transaction)
    for key_id, row in known.items():
        if keys.names.get(key_id, row.fingerprint) != row.fingerprint:
            return f"the id {key_id!r} belongs to another key: give the new one its fingerprint (`orders keys new`)"
    if known:
        return None if any(_passes(row, keys) for row in known.values()) else _wrong_ring(row.fingerprint)
    opened, problems = _tried(sealed_sample(transaction), keys)
    return f"{problems[0]}; the data here were sealed with another key ring" if problems and not opened else None


def cannot_open(transaction: Transaction, keys: KeyRing | None) -> str | None:
    """What of the sealed data does not open with this key ring; None when all that was tried does."""
    if keys is None:
        is_sealed = bool(_known(transaction)) or next(sealed_sample(transaction), None) is not None
        return "something is sealed, and there is no key ring that opens it" if is_sealed else None
    if problem := mismatch(transaction, keys):
        return problem
    opened, problems = _tried(sealed_sample(transaction), keys)
    return f"{len(problems)} of {opened + len(problems)} sealed values: {problems[0]}" if problems else None


def newest_cannot_open(transaction: Transaction, keys: KeyRing) -> str | None:
    """The same by the check values and the newest payload only: quick enough for every few seconds."""
    if problem := mismatch(transaction, keys):
        return problem
    newest = _bodies(NEWEST_BODIES).limit(1)
    _, problems = _tried(_opened_bodies(transaction, newest), keys)
    return problems[0] if problems else None


def check_values(transaction: Transaction) -> Mapping[str, str]:
    """Fingerprint → check value as base64: lets a key ring be tried where the ledger is not, before a restore."""
    return {row.fingerprint: base64.b64encode(row.check_value).decode() for row in _known(transaction).values()}


def opens_one_of(keys: KeyRing, values: Mapping[str, str]) -> bool:
    """Whether the key ring opens one of `check_values`."""
    found = [(_check_bound(fingerprint), base64.b64decode(text)) for fingerprint, text in values.items()]
    opened, _ = _tried(iter(found), keys)
    return opened > 0


def sealed_sample(transaction: Transaction) -> Iterator[tuple[str, bytes]]:
    """What was sealed last and first of each kind, with what it is bound to; a ledger of an older release lacks some kinds."""
    present = set(sa.inspect(transaction).get_table_names())
    for order in (parties.c.updated_at.desc(), parties.c.updated_at):
        for row in transaction.execute(sa.select(parties.c.order_id, parties.c.sealed).order_by(order).limit(SAMPLE)):
            yield f"parties:{row.order_id}", bytes(row.sealed)
    for end in (NEWEST_BODIES, OLDEST_BODIES):
        yield from _opened_bodies(transaction, _bodies(end).limit(SAMPLE))
    yield from _credentials(transaction, present)
    if deletion_table.name in present:
        yield from account_deletions.sealed_sample(transaction, SAMPLE)
    if user_table.name in present:
        yield from _code_secrets(transaction)


def _credentials(transaction: Transaction, present: set[str]) -> Iterator[tuple[str, bytes]]:
    for table, owner in ((connections, str), (storage_table, storages.owner)):
        if table.name in present:
            for row in transaction.execute(sa.select(table.c.code, table.c.credentials)):
                yield from _sealed_references(owner(row.code), row.credentials)
    if alert_recipients.name in present:
        rows = sa.select(alert_recipients.c.code, alert_recipients.c.address)
        for row in transaction.execute(rows):
            yield from _sealed_references(f"alert:{row.code}", {"url": row.address})


def _code_secrets(transaction: Transaction) -> Iterator[tuple[str, bytes]]:
    if "code_secret" not in {each["name"] for each in sa.inspect(transaction).get_columns(user_table.name)}:
        return
    kept = sa.select(user_table.c.name, user_table.c.code_secret).where(user_table.c.code_secret.is_not(None))
    for row in transaction.execute(kept.limit(SAMPLE)):
        yield code_binding(row.name), bytes(row.code_secret)


def _require_nothing_sealed(settings: Settings, ledger: Ledger) -> None:
    with ledger.read() as transaction:
        problem = cannot_open(transaction, None)
    if problem or (settings.archive.is_dir() and any(path.is_file() for path in settings.archive.rglob("*"))):
        where = key_file(settings)
        raise KeyRingError(
            f"no key ring at {where}, but the data here are sealed: put the file back, or set ORDERS_KEYS"
        )


def _known(transaction: Transaction) -> dict[str, Any]:
    columns = (sealing_keys.c.id, sealing_keys.c.fingerprint, sealing_keys.c.check_value)
    return {row.id: row for row in transaction.execute(sa.select(*columns).order_by(sealing_keys.c.created_at))}


def _row(keys: KeyRing, key_id: str, now: datetime) -> dict[str, object]:
    fingerprint = keys.names[key_id]
    value = replace(keys, active=fingerprint).seal(CHECK, _check_bound(fingerprint))
    return {"id": key_id, "fingerprint": fingerprint, "check_value": value, "created_at": now}


def _passes(row: Any, keys: KeyRing) -> bool:  # noqa: ANN401 - a row of `_known`
    opened, _ = _tried(iter([(_check_bound(row.fingerprint), bytes(row.check_value))]), keys)
    return opened > 0


def _check_bound(fingerprint: str) -> str:
    return f"check value:{fingerprint}"


def _wrong_ring(fingerprint: str) -> str:
    return f"this is not the key ring of the data here: they were sealed with the key {fingerprint}. Put that key into the ring"


def _tried(values: Iterator[tuple[str, bytes]], keys: KeyRing) -> tuple[int, Sequence[str]]:
    """How many open, and why the others do not."""
    opened, problems = 0, []
    for bound_text, sealed in dict.fromkeys(values):  # few values are both among the newest and the oldest
        try:
            keys.open(sealed, bound_text)
        except KeyRingError as error:
            problems.append(str(error))
        else:
            opened += 1
    return opened, problems


def _bodies(order: Sequence[sa.ColumnElement[Any]]) -> sa.Select[Any]:
    columns = (raw_orders.c.connection, raw_orders.c.original_id, raw_orders.c.body)
    return sa.select(*columns).where(raw_orders.c.body.is_not(None)).order_by(*order)


def _opened_bodies(transaction: Transaction, query: sa.Select[Any]) -> Iterator[tuple[str, bytes]]:
    for row in transaction.execute(query):
        yield bound_to(row.connection, row.original_id), bytes(row.body)


def _sealed_references(owner: str, references: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    for name, reference in references.items():
        form, _, rest = reference.partition(":")
        if form != "sealed":
            continue
        try:
            sealed = base64.b64decode(rest, validate=True)
        except binascii.Error:  # told where it is used
            continue
        if sealed:
            yield bound(owner, name), sealed

"""Keeping a secret that somebody has typed: sealed, at the connection or storage that it belongs to.

Where a secret comes from otherwise is in `warehouse.ledger.base.credentials`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warehouse.ledger.base.credentials import seal_secret
from warehouse.ledger.settings import channels, storages
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.marketplace_kinds import meant
from warehouse.sentences import Sentence
from warehouse.storages import CREDENTIALS, StorageKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.privacy import KeyRing


class SecretNotTaken(ValueError):
    """There is no place for a secret; `code` is a stable snake_case word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def keep_connection_secret(
    transaction: Transaction,
    keys: KeyRing,
    code: str,
    name: str,
    secret: str,
    now: datetime,
    ends_at: datetime | None = None,
) -> None:
    """Seal a credential of a connection, and remember when it was set and, as far as it is known, when it ends.

    Raises:
        SecretNotTaken: `unknown_connection`, `unknown_credential`, or `secret_empty`.
    """
    connection = channels.find_connection(transaction, code)
    if connection is None:
        raise SecretNotTaken("unknown_connection", Sentence("there is no connection %(code)s", code=repr(code)))
    kind = all_kinds(transaction).get(connection.kind)
    _check(code, name, secret, [name] if kind is None else [each.name for each in kind.credentials])
    sealed = seal_secret(keys, code, name, secret)
    changed = replace(connection, credentials={**connection.credentials, name: sealed})
    channels.save_connection(transaction, changed, now)
    for key, moment in (("secrets_set_at", now), ("secrets_end_at", ends_at)):
        known = {each: at for each, at in connection.state.get(key, {}).items() if each != name}
        channels.remember(transaction, code, {key: known if moment is None else {**known, name: moment.isoformat()}})


def keep_storage_secret(
    transaction: Transaction, keys: KeyRing, code: str, name: str, secret: str, now: datetime
) -> None:
    """Seal a credential of a storage.

    Raises:
        SecretNotTaken: `unknown_storage`, `unknown_credential`, or `secret_empty`.
    """
    storage = storages.find_storage(transaction, code)
    if storage is None:
        raise SecretNotTaken("unknown_storage", Sentence("there is no storage %(code)s", code=repr(code)))
    _check(code, name, secret, CREDENTIALS[StorageKind(storage.kind)])
    sealed = seal_secret(keys, storages.owner(code), name, secret)
    changed = replace(storage, credentials={**storage.credentials, name: sealed})
    storages.save_storage(transaction, changed, now)


def _check(code: str, name: str, secret: str, names: Sequence[str]) -> None:
    if name not in names:
        known = f"it has {', '.join(names)}" if names else "it has none"
        raise SecretNotTaken(
            "unknown_credential",
            Sentence(
                "%(code)s has no credential %(name)s%(meant)s: %(known)s",
                code=code,
                name=repr(name),
                meant=meant(name, names),
                known=known,
            ),
        )
    if not secret:
        raise SecretNotTaken("secret_empty", Sentence("the secret is empty"))

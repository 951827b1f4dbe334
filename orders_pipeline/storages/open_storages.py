"""The storages of an installation, opened by their codes when they are first needed, and closed together at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from orders_pipeline.storages.errors import LoginRefused, SettingsInvalid
from orders_pipeline.storages.registry import open_storage
from warehouse.ledger.base.credentials import SecretMissing
from warehouse.ledger.settings import storages as book
from warehouse.privacy import KeyRingError

if TYPE_CHECKING:
    from orders_pipeline.installation import Installation
    from orders_pipeline.storages.registry import Storage


class StoragePlaces:
    """A context in which each storage is opened once."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._open: dict[str, Storage] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for each in self._open.values():
            each.close()

    def at(self, code: str) -> Storage:
        """The storage of this code.

        Raises:
            SettingsInvalid: There is none, or it cannot be used.
            LoginRefused: One of its secrets cannot be found.
        """
        if code not in self._open:
            self._open[code] = self._opened(code)
        return self._open[code]

    def _opened(self, code: str) -> Storage:
        with self._installation.ledger.read() as transaction:
            entry = book.find_storage(transaction, code)
        if entry is None:
            raise SettingsInvalid(f"there is no storage {code!r}", "declare it in orders.yaml, or name another one")
        try:
            credentials = book.secrets_of(entry, self._installation.keys)
        except (SecretMissing, KeyRingError) as error:
            raise LoginRefused(str(error), "set the variable, write the file, or type the secret again") from None
        return open_storage(entry.kind, entry.settings, credentials)

"""Secrets of connections and storages: kept as references (`env:NAME`, `file:PATH`) or sealed, and found when needed.

Whose credentials they are, and which ones there must be, is said where connections and storages are kept.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.logs import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warehouse.privacy import KeyRing

FORMS = frozenset({"env", "file", "sealed"})


class SecretMissing(Exception):
    """A credential's reference leads nowhere; the message names the reference, never a value."""


def seal_secret(keys: KeyRing, owner: str, name: str, secret: str) -> str:
    """A typed secret, encrypted for one place of one owner."""
    return "sealed:" + base64.b64encode(keys.seal(secret.encode(), bound(owner, name))).decode()


def resolve_credentials(owner: str, references: Mapping[str, str], keys: KeyRing) -> dict[str, str]:
    """The secrets themselves; no log line of this process shows them from now on.

    Args:
        owner: Whose they are: a connection's code, or `storage:` and a storage's.
        references: Names to references.
        keys: Opens sealed ones.

    Raises:
        SecretMissing: A variable is not set, a file cannot be read, or a reference has no known form.
        KeyRingError: A sealed secret does not open.
    """
    found = {name: _resolve(owner, name, reference, keys) for name, reference in references.items()}
    REDACTOR.hide(found.values())
    return found


def shown(references: Mapping[str, str]) -> list[str]:
    """References for people: where a secret comes from, never what is sealed."""
    return [
        f"{name}={'sealed' if reference.startswith('sealed:') else reference}" for name, reference in references.items()
    ]


def _resolve(owner: str, name: str, reference: str, keys: KeyRing) -> str:
    form, _, rest = reference.partition(":")
    match form:
        case "env":
            value = os.environ.get(rest)
            if not value:
                raise SecretMissing(f"{owner}: {name} is env:{rest}, and the variable {rest} is not set")
            return value
        case "file":
            try:
                return Path(rest).read_text().strip()
            except OSError as error:
                raise SecretMissing(f"{owner}: {name} is file:{rest}: {error.strerror}") from None
            except UnicodeDecodeError:
                raise SecretMissing(f"{owner}: {name} is file:{rest}, which holds no text") from None
        case "sealed":
            try:
                sealed = base64.b64decode(rest, validate=True)
            except binascii.Error:
                raise SecretMissing(f"{owner}: {name} is sealed, but was altered") from None
            return keys.open(sealed, bound(owner, name)).decode()
        case _:
            raise SecretMissing(f"{owner}: {name} must be written env:NAME or file:PATH")


def bound(owner: str, name: str) -> str:
    """What a secret is sealed for."""
    return f"credential:{owner}:{name}"

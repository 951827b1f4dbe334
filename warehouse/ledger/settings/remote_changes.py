"""Changing the configuration from afar, by the API and the console: as a file does, but nothing that sends a secret elsewhere.

Whoever may change where a connection or a storage leads, or where a credential comes from, can have every secret of this
machine sent to a server of theirs. So these are left to `orders apply`, there. A secret may be typed for what exists already.
Order files hold personal data: whoever may not see it does not say where they go.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from warehouse.ledger.base.rows import Json
from warehouse.ledger.settings import configuration
from warehouse.ledger.settings.document import ConfigurationError, validated
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.storages import StorageKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.settings.configuration import Difference
    from warehouse.ledger.settings.document import Document

AT_THE_MACHINE = "it may send secrets elsewhere, so it is changed at the machine only: `orders apply`"
OF_PERSONAL_DATA = "where they go is said by somebody who may see it"
WHEREABOUTS = {"connection": ("kind", "endpoint"), "storage": ("kind",)}
"""Noun → fields that say where it leads; of what is new they may be given, as no secret goes there yet."""
TELLING = {"connections": ("kind",), "storages": ("kind",), "channels": ("connection",), "alerts": ("email", "url")}
"""Section → members of which every entry of it must have one."""
PLACES = ("host", "port", "path")
"""Settings of a storage that say where it leads."""


def change(transaction: Transaction, given: Json, now: datetime, *, sees_personal_data: bool) -> list[Difference]:
    """Apply a part of a configuration, and return what it changes.

    Args:
        transaction: A writing transaction.
        given: Sections, codes and members as in `orders.yaml`; what is not named stays as it is.
        now: The time.
        sees_personal_data: Whether the asker may see it, and so may say where order files go.

    Raises:
        ConfigurationError: Something in it is wrong, or may not be changed from afar; nothing is written then.
    """
    document = _document(transaction, given)
    _differences(transaction, document, sees_personal_data=sees_personal_data)
    return configuration.apply(transaction, document, now)


def preview(transaction: Transaction, given: Json, *, sees_personal_data: bool) -> list[Difference]:
    """What `change` would change; raises like it."""
    return _differences(transaction, _document(transaction, given), sees_personal_data=sees_personal_data)


def shown_configuration(transaction: Transaction) -> Json:
    """All of the configuration as `orders.yaml` has it; of what is sealed only that it is."""
    whole: Json = yaml.safe_load(configuration.export(transaction))
    for section in ("connections", "storages"):
        for entry in whole.get(section, {}).values():
            entry["credentials"] = {name: hidden(value) for name, value in entry.get("credentials", {}).items()}
    for entry in whole.get("alerts", {}).values():
        if "url" in entry:
            entry["url"] = hidden(entry["url"])
    return whole


def shown_fields(difference: Difference) -> dict[str, tuple[Any, Any]]:
    """Names of what differs → before and after, without what is sealed."""
    return {name: (hidden(before), hidden(after)) for name, (before, after) in difference.fields.items()}


def hidden(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value with `sealed` for what is sealed, at any depth.

    >>> hidden({"password": "sealed:AAAA", "user": "env:USER"})
    {'password': 'sealed', 'user': 'env:USER'}
    """
    if isinstance(value, str):
        return "sealed" if value.startswith("sealed:") else value
    if isinstance(value, dict):
        return {name: hidden(each) for name, each in value.items()}
    return value


def _document(transaction: Transaction, given: Json) -> Document:
    """What is given, with what a file has to say of every entry: here it may be left out of what there is."""
    whole = yaml.safe_load(configuration.export(transaction))
    completed = {section: dict(entries) for section, entries in given.items()}
    for section, names in TELLING.items():
        for code, entry in completed.get(section, {}).items():
            known = whole.get(section, {}).get(code, {})
            if not any(name in entry for name in names):
                completed[section][code] = {**{name: known[name] for name in names if name in known}, **entry}
    return validated(completed, all_kinds(transaction))


def _differences(transaction: Transaction, document: Document, *, sees_personal_data: bool) -> list[Difference]:
    found = configuration.differences(transaction, document)
    problems = [problem for each in found for problem in _forbidden(each)]
    if not sees_personal_data:
        problems += [problem for each in found for problem in _personal(each)]
    if problems:
        raise ConfigurationError(problems)
    return found


def _forbidden(difference: Difference) -> Iterator[str]:
    """The fields of a difference that may not be changed from afar."""
    section, code = f"{difference.noun}s", difference.code
    is_new = difference.action == "create"
    for name, (before, after) in difference.fields.items():
        if name in WHEREABOUTS.get(difference.noun, ()) and not is_new:
            yield f"{section}.{code}.{name}: {AT_THE_MACHINE}"
        if name == "credentials" and _of(before) != _of(after):
            yield f"{section}.{code}.credentials: {AT_THE_MACHINE}, or typed: PUT …/credentials/{{name}}"
        if name == "settings" and difference.noun in {"connection", "storage"}:
            for setting in _leading_elsewhere(difference.noun, _of(before), _of(after), is_new=is_new):
                yield f"{section}.{code}.settings.{setting}: {AT_THE_MACHINE}"
    if difference.noun == "storage" and difference.fields.get("kind", (None, None))[1] == StorageKind.FOLDER:
        yield f"storages.{code}.kind: a folder of this machine is set up at the machine only: `orders apply`"
    if difference.noun == "alert" and any("url" in str(each) for each in difference.fields.get("kind", ())):
        yield f"alerts.{code}.url: {AT_THE_MACHINE}"
    if difference.noun == "alert" and _is_reference(difference.fields.get("address", (None, None))[1]):
        yield f"alerts.{code}.url: {AT_THE_MACHINE}"


def _personal(difference: Difference) -> Iterator[str]:
    """The fields of a difference that send buyers' names and addresses somewhere: where order files go, and whether they do."""
    if difference.noun != "export job":
        return
    for name in ("storage", "folder", "is_on"):
        after = difference.fields.get(name, (None, None))[1]
        if after not in {None, False}:
            member = "enabled" if name == "is_on" else name
            yield f"channels.{difference.code}.export.{member}: order files hold personal data: {OF_PERSONAL_DATA}"


def _leading_elsewhere(noun: str, before: Json, after: Json, *, is_new: bool) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        is_place = (noun == "storage" and name in PLACES and not is_new) or any(
            isinstance(each, str) and "://" in each for each in (old, new)
        )
        if is_place and json.dumps(old, default=str) != json.dumps(new, default=str):
            yield name


def _of(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.partition(":")[0] in {"env", "file", "sealed"}

"""`orders.yaml`: connections, channels with carriers and file jobs, storages, recipients of alerts; compared with the ledger.

The file holds no secret, only where to find one (`env:NAME`, `file:PATH`). It changes what it names: what is in the ledger and
not in the file stays as it is, at any depth, so that a file may be a part of the whole, and a command may do what a file can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from warehouse.ledger.settings import carriers, channels, file_jobs, recipients, storages
from warehouse.ledger.settings.carriers import CarrierEntry
from warehouse.ledger.settings.document import (
    NO_KINDS,
    AlertEntry,
    CarrierMapping,
    ChannelEntry,
    ConfigurationError,
    ConnectionEntry,
    Document,
    FileJobEntry,
    Kinds,
    StorageSection,
    kind_problems,
    read_document,
    storage_problems,
    validated,
)
from warehouse.ledger.settings.file_jobs import FileJob, JobKind
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.marketplace_kinds import meant
from warehouse.storages import StorageKind, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that applying a file changes: `action` is create or change, `fields` maps names to (before, after)."""

    noun: str
    code: str
    action: str
    fields: dict[str, tuple[Any, Any]]


def read_carrier(channel: str, code: str, mapping: Mapping[str, str | None]) -> CarrierEntry:
    """One line of a channel's carriers, checked as in a file.

    Raises:
        ConfigurationError: A part is wrong.
    """
    text = yaml.safe_dump({"channels": {channel: {"connection": "", "carriers": {code: dict(mapping)}}}})
    (entry,) = _carriers(read_document(text))
    return entry


def differences(transaction: Transaction, document: Document) -> list[Difference]:
    """What applying the document would change, nothing when it is applied already.

    Raises:
        ConfigurationError: A kind, a storage or a channel's connection does not exist, or a channel cannot be asked for.
    """
    kinds = all_kinds(transaction)
    return _differences(transaction, _completed(transaction, document, kinds), kinds)


def _completed(transaction: Transaction, document: Document, kinds: Kinds) -> Document:
    """The document with everything that it does not name as the ledger has it.

    Raises:
        ConfigurationError: Together they are not valid.
    """
    known = yaml.safe_load(export(transaction))
    given = document.model_dump(mode="json", by_alias=True, exclude_unset=True)
    kind_of = {code: each["kind"] for code, each in known["connections"].items()}
    problems = kind_problems(given, kinds, kind_of)
    whole = {
        section: {
            code: _over(_base(section, known.get(section, {}).get(code, {}), entry), entry)
            for code, entry in entries.items()
        }
        for section, entries in given.items()
    }
    kind_of |= {code: each["kind"] for code, each in given.get("connections", {}).items()}
    for entry in whole.get("channels", {}).values():
        kind = kinds.get(kind_of.get(entry["connection"], ""))
        if entry.get("acceptance") is None and kind is not None:
            entry["acceptance"] = kind.acceptance
        if kind is not None and kind.takes_orders:
            entry["retrieval"] = False
    completed = validated(whole, NO_KINDS)
    problems += [problem for code, each in completed.storages.items() for problem, _ in storage_problems(code, each)]
    if problems:
        raise ConfigurationError(problems)
    return completed


def _base(section: str, known: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What of an entry of the ledger goes on beside a given one: not what belongs to another kind, host or way."""
    if "kind" in known and given.get("kind", known["kind"]) != known["kind"]:
        return {}
    if section == "alerts" and not {"email", "url"}.isdisjoint(given):
        return {name: value for name, value in known.items() if name not in {"email", "url"}}
    if section == "storages" and known:
        settings, wanted = known["settings"], given.get("settings", {})
        if any(name in wanted and wanted[name] != settings.get(name) for name in ("host", "port")):
            return {**known, "settings": {name: value for name, value in settings.items() if name != "host_key"}}
    return known


def _over(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping over another, member by member.

    >>> _over({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}})
    {'a': {'b': 9, 'c': 2}, 'd': 3}
    """
    merged = dict(known)
    for name, value in given.items():
        before = merged.get(name)
        merged[name] = _over(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _differences(transaction: Transaction, document: Document, kinds: Kinds) -> list[Difference]:
    known_connections = {each.code: each for each in channels.all_connections(transaction)}
    known_channels = {each.code: each for each in channels.all_channels(transaction)}
    known_storages = {each.code: each for each in storages.all_storages(transaction)}
    problems = [
        f"connections.{code}.kind: there is no kind {entry.kind!r}{meant(entry.kind, kinds)}"
        for code, entry in document.connections.items()
        if entry.kind not in kinds
    ]
    problems += [
        f"channels.{code}.connection: there is no connection {entry.connection!r}"
        + meant(entry.connection, {*document.connections, *known_connections})
        for code, entry in document.channels.items()
        if entry.connection not in document.connections and entry.connection not in known_connections
    ]
    problems += _selector_problems(document, known_connections, known_channels, kinds)
    there = {*document.channels, *known_channels}
    problems += [
        f"alerts.{code}.{fault}"
        for code, alert in document.alerts.items()
        if (fault := recipients.fault(_recipient(code, alert), there)) is not None
    ]
    jobs = _jobs(document)
    problems += [
        f"channels.{job.channel}.{job.kind}.storage: "
        + (
            f"there is no storage {job.storage!r}{meant(job.storage, {*document.storages, *known_storages})}"
            if job.storage
            else "a new job needs the code of a storage"
        )
        for job in jobs
        if job.storage not in document.storages and job.storage not in known_storages
    ]
    known_jobs = {(each.job.channel, each.job.kind): each.job for each in file_jobs.all_jobs(transaction)}
    problems += _reader_problems(document, jobs, known_jobs, known_storages)
    if problems:
        raise ConfigurationError(problems)
    found: list[Difference] = []
    for code, entry in document.connections.items():
        found += _compare("connection", code, known_connections.get(code), _connection(code, entry), ("state",))
    for code, channel in document.channels.items():
        found += _compare("channel", code, known_channels.get(code), _channel(code, channel), ())
    for code, storage in document.storages.items():
        before = known_storages.get(code)
        found += _compare("storage", code, before, _storage(code, storage, before), ())
    for job in jobs:
        found += _compare(
            f"{job.kind} job", job.channel, known_jobs.get((job.channel, job.kind)), job, ("channel", "kind")
        )
    mapped = {(each.channel, each.code): each for each in carriers.mapped(transaction)}
    for carrier in _carriers(document):
        known = mapped.get((carrier.channel, carrier.code))
        found += _compare("carrier", _name(carrier), known, carrier, ("channel",))
    known_recipients = {each.code: each for each in recipients.all_recipients(transaction)}
    for code, alert in document.alerts.items():
        found += _compare(
            "alert", code, known_recipients.get(code), _recipient(code, alert), ("requests_through", "created_at")
        )
    return found


def _reader_problems(
    document: Document,
    jobs: Sequence[FileJob],
    known_jobs: Mapping[tuple[str, JobKind], FileJob],
    known_storages: Mapping[str, storages.StorageEntry],
) -> list[str]:
    """Import folders that two channels would read once the document is applied."""
    there = {**known_jobs, **{(job.channel, job.kind): job for job in jobs}}
    places = dict(known_storages)
    for code, section in document.storages.items():
        places[code] = _storage(code, section, known_storages.get(code))
    return [
        f"channels.{job.channel}.{job.kind}.folder: {fault}"
        for job in jobs
        if (fault := file_jobs.reader_fault(there.values(), places.values(), job)) is not None
    ]


def _selector_problems(
    document: Document,
    known: Mapping[str, channels.Connection],
    known_channels: Mapping[str, channels.ConfiguredChannel],
    kinds: Kinds,
) -> list[str]:
    """Channels that are new or get another selector, and cannot be asked for with it, or whose orders are another one's."""
    problems = []
    owners = {
        (each.connection, each.selector, code) for code, each in known_channels.items() if code not in document.channels
    }
    owners |= {(each.connection, each.selector, code) for code, each in document.channels.items()}
    for code, entry in document.channels.items():
        connection = document.connections.get(entry.connection) or known.get(entry.connection)
        before = known_channels.get(code)
        is_as_before = before is not None and (before.connection, before.selector) == (entry.connection, entry.selector)
        if connection is None or connection.kind not in kinds or is_as_before:
            continue
        fault = kinds[connection.kind].selectors.fault(entry.selector, connection.region)
        if fault is not None:
            problems.append(f"channels.{code}.selector: {fault}")
        same = sorted(
            other
            for owner, selector, other in owners
            if (owner, selector) == (entry.connection, entry.selector) and other != code
        )
        if same and not kinds[connection.kind].takes_orders:
            whose = "all orders that no selector picks" if entry.selector is None else f"those of {entry.selector}"
            problems.append(f"channels.{code}.selector: channel {same[0]} of this connection has {whose} already")
    return problems


def apply(transaction: Transaction, document: Document, now: datetime) -> list[Difference]:
    """Write what differs, and return it. Raises `ConfigurationError` like `differences`, and writes nothing then."""
    kinds = all_kinds(transaction)
    document = _completed(transaction, document, kinds)
    found = _differences(transaction, document, kinds)
    changed = {(each.noun, each.code) for each in found}
    for code, entry in document.connections.items():
        if ("connection", code) in changed:
            channels.save_connection(transaction, _connection(code, entry), now)
    for code, channel in document.channels.items():
        if ("channel", code) in changed:
            channels.save_channel(transaction, _channel(code, channel), now)
    _apply_storages_and_jobs(transaction, document, changed, now)
    _apply_carriers(transaction, document, changed, now)
    for code, alert in document.alerts.items():
        if ("alert", code) in changed:
            recipients.save_recipient(transaction, _recipient(code, alert), now)
    return found


def _apply_storages_and_jobs(
    transaction: Transaction, document: Document, changed: set[tuple[str, str]], now: datetime
) -> None:
    for code, storage in document.storages.items():
        if ("storage", code) in changed:
            before = storages.find_storage(transaction, code)
            storages.save_storage(transaction, _storage(code, storage, before), now)
    for job in _jobs(document):
        if (f"{job.kind} job", job.channel) in changed:
            file_jobs.save_job(transaction, job, now)


def _apply_carriers(transaction: Transaction, document: Document, changed: set[tuple[str, str]], now: datetime) -> None:
    for carrier in _carriers(document):
        if ("carrier", _name(carrier)) in changed:
            carriers.save_carrier(transaction, carrier, now)


def export(transaction: Transaction) -> str:
    """What is in the ledger as the text of a configuration file; applying it changes nothing."""
    jobs: dict[str, dict[str, Any]] = {}
    for state in file_jobs.all_jobs(transaction):
        jobs.setdefault(state.job.channel, {})[state.job.kind.value] = _job_section(state.job)
    mapped: dict[str, dict[str, dict[str, str | None]]] = {}
    for entry in carriers.mapped(transaction):
        mapping = {name: getattr(entry, name) for name in CarrierMapping.model_fields}
        mapped.setdefault(entry.channel, {})[entry.code] = mapping
    document = {
        "connections": {
            each.code: {
                "kind": each.kind,
                "label": each.label,
                "endpoint": each.endpoint,
                "region": each.region,
                "settings": dict(each.settings),
                "credentials": dict(each.credentials),
            }
            for each in channels.all_connections(transaction)
        },
        "channels": {
            each.code: {
                "connection": each.connection,
                "label": each.label,
                "marketplace": each.marketplace,
                "selector": each.selector,
                "retrieval": each.retrieval,
                "confirmation": each.confirmation,
                "acceptance": each.acceptance,
                "carriers": mapped.get(each.code, {}),
                "settings": dict(each.settings),
                **jobs.get(each.code, {}),
            }
            for each in channels.all_channels(transaction)
        },
        "alerts": {
            each.code: {
                each.kind.value: each.address,
                "channels": list(each.channels),
                "kinds": list(each.kinds),
                "summary": each.summary,
            }
            for each in recipients.all_recipients(transaction)
        },
        "storages": {
            each.code: {
                "kind": each.kind,
                "label": each.label,
                "settings": dict(each.settings),
                "credentials": dict(each.credentials),
            }
            for each in storages.all_storages(transaction)
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _connection(code: str, entry: ConnectionEntry) -> channels.Connection:
    return channels.Connection(
        code=code,
        kind=entry.kind,
        label=entry.label or code,
        endpoint=entry.endpoint,
        region=entry.region,
        settings=_set(entry.settings),
        credentials=entry.credentials,
    )


def _set(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that a null takes away."""
    return {name: value for name, value in settings.items() if value is not None}


def _recipient(code: str, entry: AlertEntry) -> recipients.Recipient:
    kind = recipients.RecipientKind.EMAIL if entry.email is not None else recipients.RecipientKind.URL
    return recipients.Recipient(
        code=code,
        kind=kind,
        address=entry.email or entry.url or "",
        channels=tuple(entry.channels),
        kinds=tuple(entry.kinds),
        summary=entry.summary,
    )


def _channel(code: str, entry: ChannelEntry) -> channels.ConfiguredChannel:
    label = entry.label or code
    return channels.ConfiguredChannel(
        code=code,
        label=label,
        marketplace=entry.marketplace or label,
        connection=entry.connection,
        selector=entry.selector,
        retrieval=entry.retrieval,
        confirmation=entry.confirmation,
        acceptance=entry.acceptance or "manual",
        settings=_set(entry.settings),
    )


def _jobs(document: Document) -> list[FileJob]:
    """Every file job in the file."""
    found = []
    for code, channel in document.channels.items():
        for kind, entry in ((JobKind.EXPORT, channel.export_job), (JobKind.IMPORT, channel.import_job)):
            if entry is not None:
                found.append(_job(code, kind, entry))
    return found


def _job(channel: str, kind: JobKind, entry: FileJobEntry) -> FileJob:
    own = entry.model_dump(mode="json", include=set(type(entry).model_fields) - set(FileJobEntry.model_fields))
    return FileJob(
        channel=channel,
        kind=kind,
        storage=entry.storage or "",
        folder=entry.folder,
        is_on=entry.enabled,
        frequency=entry.frequency,
        at=entry.at,
        weekday=entry.weekday,
        settings=file_jobs.kept_settings(kind, own),
    )


def _job_section(job: FileJob) -> dict[str, Any]:
    return {
        "enabled": job.is_on,
        "frequency": job.frequency.value,
        "at": job.at,
        "weekday": job.weekday.value,
        "storage": job.storage,
        "folder": job.folder,
        **job.settings,
    }


def _storage(code: str, section: StorageSection, before: storages.StorageEntry | None) -> storages.StorageEntry:
    settings = read_settings(section.kind, section.settings).model_dump(mode="json", exclude_unset=True)
    known = before.settings if before is not None else {}
    is_same_host = (known.get("host"), known.get("port")) == (settings.get("host"), settings.get("port"))
    if section.kind is StorageKind.SFTP and is_same_host and "host_key" in known:
        settings.setdefault("host_key", known["host_key"])
    return storages.StorageEntry(
        code=code,
        kind=section.kind.value,
        label=section.label or code,
        settings=settings,
        credentials=section.credentials,
    )


def _carriers(document: Document) -> list[CarrierEntry]:
    return [
        CarrierEntry(channel=channel, code=code, **mapping.model_dump())
        for channel, entry in document.channels.items()
        for code, mapping in entry.carriers.items()
    ]


def _name(entry: CarrierEntry) -> str:
    return f"{entry.channel}/{entry.code}"


def _compare(
    noun: str,
    code: str,
    before: channels.Connection
    | channels.ConfiguredChannel
    | storages.StorageEntry
    | FileJob
    | CarrierEntry
    | recipients.Recipient
    | None,
    after: channels.Connection
    | channels.ConfiguredChannel
    | storages.StorageEntry
    | FileJob
    | CarrierEntry
    | recipients.Recipient,
    ignored: tuple[str, ...],
) -> list[Difference]:
    names = [name for name in after.__slots__ if name not in {"code", *ignored}]
    if before is None:
        return [Difference(noun, code, "create", {name: (None, getattr(after, name)) for name in names})]
    fields = {
        name: (getattr(before, name), getattr(after, name))
        for name in names
        if getattr(before, name) != getattr(after, name)
    }
    return [Difference(noun, code, "change", fields)] if fields else []

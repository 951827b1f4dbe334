"""`orders.yaml`: connections, channels with carriers and file jobs, storages, recipients of alerts; compared with the ledger.

The file holds no secret, only where to find one (`env:NAME`, `file:PATH`). It changes what it names: what is in the ledger and
not in the file stays as it is, at any depth, so that a file may be a part of the whole, and a command may do what a file can.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from warehouse.ledger.base.credentials import FORMS
from warehouse.ledger.settings import carriers, channels, file_jobs, recipients, storages
from warehouse.ledger.settings.carriers import TRACKING_PLACE, CarrierEntry
from warehouse.ledger.settings.file_jobs import ExportSettings, FileJob, ImportSettings, Inside, JobKind
from warehouse.ledger.settings.file_schedules import Frequency, Weekday
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.marketplace_kinds import MarketplaceKind, connection_problems, meant, setting_problems
from warehouse.storages import CREDENTIALS, SETTINGS, StorageKind, read_settings
from warehouse.web_addresses import address_fault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pydantic_core import ErrorDetails
    from sqlalchemy.engine import Connection as Transaction

MINUTES = 60
CODE = r"^[a-z0-9][a-z0-9_]{0,62}$"


class ConfigurationError(Exception):
    """The file is not a valid configuration; `problems` names each place and what is wrong there."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def _only_references(value: dict[str, str]) -> dict[str, str]:
    for name, reference in value.items():
        if reference.partition(":")[0] not in FORMS:
            raise ValueError(f"{name} must be written env:NAME or file:PATH; a secret never stands in this file")
    return value


def _secure(value: str | None) -> str | None:
    fault = address_fault(value.strip()) if value is not None else None
    if fault is not None:
        raise ValueError(fault.value)
    return value


def _as_json(value: object) -> object:
    """Settings as JSON values: YAML reads a bare date as a date."""
    if not isinstance(value, dict):
        return value
    return {name: each.isoformat() if isinstance(each, date) else each for name, each in value.items()}


References = Annotated[dict[str, str], AfterValidator(_only_references)]
Settings = Annotated[dict[str, Any], BeforeValidator(_as_json)]


class ConnectionEntry(BaseModel):
    """One connection in the file."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(description="The marketplace's kind; `orders connections kinds` shows which there are.")
    label: str | None = Field(None, description="A name for people; default: the code.")
    endpoint: Annotated[str | None, AfterValidator(_secure)] = Field(
        None, description="Base URL, https, where the kind wants one or lets it be chosen."
    )
    region: str | None = Field(None, description="One of the kind's regions, where it has any.")
    settings: Settings = Field(default_factory=dict, description="Settings of this kind of connection.")
    credentials: References = Field(default_factory=dict, description="Secrets by reference: env:NAME or file:PATH.")


def _time_of_day(value: object) -> str:
    """YAML reads 10:30 as a number to the base of 60, which is the minute of the day, and 06:30 as text."""
    text = f"{value // MINUTES:02}:{value % MINUTES:02}" if isinstance(value, int) else str(value)
    try:
        return time.fromisoformat(text).strftime("%H:%M")
    except ValueError:
        raise ValueError("must be a time of day, such as 06:30") from None


class FileJobEntry(BaseModel):
    """What both file jobs of a channel have; each has settings of its own beside it."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(True, description="Whether the job runs by itself.")
    frequency: Frequency = Field(
        Frequency.EVERY_15_MINUTES, description="How often: 15m, 30m, 45m, hourly, daily or weekly."
    )
    at: Annotated[str, BeforeValidator(_time_of_day)] = Field(
        "00:00", description="Time of day of a daily or weekly job, in ORDERS_TIME_ZONE."
    )
    weekday: Weekday = Field(Weekday.MONDAY, description="Day of a weekly job.")
    storage: str | None = Field(None, description="Code of the storage; a new job needs one.")
    folder: Inside = Field("", description="Folder at the storage; default: its root.")


class ExportEntry(FileJobEntry, ExportSettings):
    """The order export of a channel."""


class ImportEntry(FileJobEntry, ImportSettings):
    """The shipment import of a channel."""


class CarrierMapping(BaseModel):
    """What a channel's marketplace calls a carrier of the ERP's."""

    model_config = ConfigDict(extra="forbid")

    carrier_code: str | None = Field(None, min_length=1, max_length=100, description="The marketplace's code.")
    carrier_name: str | None = Field(
        None, min_length=1, max_length=200, description="Its name, for a carrier without a code."
    )
    tracking_url: str | None = Field(
        None,
        max_length=2000,
        description="Address of its tracking page, with {tracking_number} where the number goes.",
    )

    @field_validator("tracking_url")
    @classmethod
    def _with_a_place(cls, value: str | None) -> str | None:
        if value is not None and (not value.startswith(("https://", "http://")) or value.count(TRACKING_PLACE) != 1):
            raise ValueError(f"must begin with https:// and hold {TRACKING_PLACE} once")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.carrier_code is None and self.carrier_name is None:
            raise ValueError("give carrier_code, or carrier_name for a carrier without a code")
        return self


ErpWord = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=1, max_length=100)]


class ChannelEntry(BaseModel):
    """One channel in the file."""

    model_config = ConfigDict(extra="forbid")

    connection: str = Field(description="Code of its connection.")
    label: str | None = Field(None, description="A name for people; default: the code.")
    marketplace: str | None = Field(
        None, description='The marketplace it sells on, such as "Amazon FR"; default: the label.'
    )
    selector: str | None = Field(
        None, description="What picks its orders, in the marketplace's word; unset: the whole connection."
    )
    retrieval: bool = Field(True, description="Whether its orders are retrieved.")
    confirmation: bool = Field(False, description="Whether its shipments are confirmed to the marketplace.")
    acceptance: Literal["manual", "automatic", "off"] | None = Field(
        None, description="Who accepts its orders, where the marketplace asks; default: as the kind has it."
    )
    carriers: dict[ErpWord, CarrierMapping] = Field(
        default_factory=dict, description="The ERP's words for carriers, each with what the marketplace calls it."
    )
    settings: Settings = Field(default_factory=dict, description="Settings of this channel.")
    export_job: ExportEntry | None = Field(None, alias="export", description="Its order files.")
    import_job: ImportEntry | None = Field(None, alias="import", description="Its shipment files.")


class StorageSection(BaseModel):
    """One storage in the file."""

    model_config = ConfigDict(extra="forbid")

    kind: StorageKind = Field(description="What it is reached by: sftp, ftps, ftp or folder.")
    label: str | None = Field(None, description="A name for people; default: the code.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of this kind of storage.")
    credentials: References = Field(default_factory=dict, description="Secrets by reference: env:NAME or file:PATH.")


class AlertEntry(BaseModel):
    """One recipient of alerts in the file."""

    model_config = ConfigDict(extra="forbid")

    email: str | None = Field(None, description="An e-mail address; or `url`.")
    url: str | None = Field(
        None, description="A chat or webhook address, by reference: env:NAME or file:PATH; it is a secret."
    )
    channels: list[str] = Field(default_factory=list, description="Only what concerns these channels; default: all.")
    kinds: list[str] = Field(default_factory=list, description="Only these kinds of incidents; default: all.")
    summary: bool = Field(True, description="Whether the daily summary is sent there.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.email is None) == (self.url is None):
            raise ValueError("write email or url, and not both")
        return self


class Document(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    connections: dict[str, ConnectionEntry] = Field(default_factory=dict)
    channels: dict[str, ChannelEntry] = Field(default_factory=dict)
    alerts: dict[str, AlertEntry] = Field(default_factory=dict)
    storages: dict[str, StorageSection] = Field(default_factory=dict)


Kinds = Mapping[str, MarketplaceKind]
NO_KINDS: Kinds = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that applying a file changes: `action` is create or change, `fields` maps names to (before, after)."""

    noun: str
    code: str
    action: str
    fields: dict[str, tuple[Any, Any]]


def read_document(text: str, kinds: Kinds = NO_KINDS) -> Document:
    """Parse the text of a configuration file.

    Args:
        text: The file.
        kinds: Kinds of marketplaces, so that a connection's mistakes are told with all others; `differences` tells them
            too, one step later.

    Raises:
        ConfigurationError: Not YAML, unknown or wrong entries, or bad codes.
    """
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigurationError([f"not YAML{f' at line {mark.line + 1}' if mark else ''}"]) from None
    return _validated(loaded or {}, kinds)


def _validated(loaded: object, kinds: Kinds) -> Document:
    problems = [*_bad_codes(loaded), *_kind_problems(loaded, kinds, {})]
    document = None
    try:
        document = Document.model_validate(loaded)
    except ValidationError as error:
        problems += [
            f"{'.'.join(map(str, each['loc'])) or 'the file'}: {_said(Document, each)}" for each in error.errors()
        ]
    problems += [
        problem
        for code, storage in _storages(loaded).items()
        for problem, is_missing in _storage_problems(code, storage)
        if not is_missing  # the ledger may have it
    ]
    if document is None or problems:
        raise ConfigurationError(problems)
    return document


def _said(model: type[BaseModel], error: ErrorDetails) -> str:
    """What is wrong, in plain words; for a key that does not exist, the one that was probably meant."""
    if error["type"] != "extra_forbidden":
        return error["msg"]
    return f"there is no such key{meant(str(error['loc'][-1]), _keys(model, error['loc'][:-1]))}"


def _keys(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """The keys that a place of the file may have; a mapping's own keys are anybody's."""
    found: Any = model
    for part in path:
        if get_origin(found) is dict:
            found = get_args(found)[1]
        elif _is_model(found):
            found = {field.alias or name: field.annotation for name, field in found.model_fields.items()}.get(str(part))
        if type(None) in get_args(found):
            found = get_args(found)[0]
    return [field.alias or name for name, field in found.model_fields.items()] if _is_model(found) else []


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section(loaded: object, name: str) -> Mapping[str, Any]:
    section = loaded.get(name) if isinstance(loaded, dict) else None
    return section if isinstance(section, dict) else {}


def _kind_problems(loaded: object, kinds: Kinds, known: Mapping[str, str]) -> list[str]:
    """What of the connections and channels does not fit their kind; `known` are kinds of the ledger's connections."""
    problems = []
    kind_of = dict(known)
    for code, entry in _section(loaded, "connections").items():
        kind_of[code] = str(entry.get("kind")) if isinstance(entry, dict) else ""
        if (kind := kinds.get(kind_of[code])) is not None:
            problems += connection_problems(
                kind, f"connections.{code}", {**entry, "settings": _as_json(entry.get("settings"))}
            )
    for code, entry in _section(loaded, "channels").items():
        kind = kinds.get(kind_of.get(str(entry.get("connection")), "")) if isinstance(entry, dict) else None
        if kind is not None:
            place = f"channels.{code}.settings"
            problems += setting_problems(kind.channel_settings, place, _as_json(entry.get("settings")))
    return problems


def _storages(loaded: object) -> dict[str, StorageSection]:
    """Those that can be looked at further."""
    found = {}
    for code, given in _section(loaded, "storages").items():
        with suppress(ValidationError):
            found[str(code)] = StorageSection.model_validate(given)
    return found


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
    problems = _kind_problems(given, kinds, kind_of)
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
    completed = _validated(whole, NO_KINDS)
    problems += [problem for code, each in completed.storages.items() for problem, _ in _storage_problems(code, each)]
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
    known_channels: Mapping[str, channels.Channel],
    kinds: Kinds,
) -> list[str]:
    """Channels that are new or get another selector, and cannot be asked for with it."""
    problems = []
    for code, entry in document.channels.items():
        connection = document.connections.get(entry.connection) or known.get(entry.connection)
        before = known_channels.get(code)
        is_as_before = before is not None and (before.connection, before.selector) == (entry.connection, entry.selector)
        if connection is None or connection.kind not in kinds or is_as_before:
            continue
        fault = kinds[connection.kind].selectors.fault(entry.selector, connection.region)
        if fault is not None:
            problems.append(f"channels.{code}.selector: {fault}")
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


def _bad_codes(loaded: object) -> list[str]:
    return [
        f"{section}.{code}: {code!r} is no code: lower-case letters, digits and _, 63 at most"
        for section in Document.model_fields
        for code in _section(loaded, section)
        if re.fullmatch(CODE, str(code)) is None
    ]


def _storage_problems(code: str, section: StorageSection) -> list[tuple[str, bool]]:
    """What is wrong with a storage, each with whether it is only that something is missing."""
    allowed = CREDENTIALS[section.kind]
    problems = [
        (f"storages.{code}.credentials.{name}: a storage of kind {section.kind} has no such credential", False)
        for name in section.credentials
        if name not in allowed
    ]
    try:
        read_settings(section.kind, section.settings)
    except ValidationError as error:
        problems += [
            (
                f"storages.{code}.settings.{'.'.join(map(str, each['loc']))}: {_said(SETTINGS[section.kind], each)}",
                each["type"] == "missing",
            )
            for each in error.errors()
        ]
    return problems


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


def _channel(code: str, entry: ChannelEntry) -> channels.Channel:
    label = entry.label or code
    return channels.Channel(
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
    | channels.Channel
    | storages.StorageEntry
    | FileJob
    | CarrierEntry
    | recipients.Recipient
    | None,
    after: channels.Connection
    | channels.Channel
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

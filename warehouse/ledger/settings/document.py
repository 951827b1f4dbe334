"""`orders.yaml` as a document: what it may hold, and everything that is wrong with one at once.

The file holds no secret, only where to find one (`env:NAME`, `file:PATH`). What the ledger has of it, and how the two are
compared, is in `configuration`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

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
from warehouse.ledger.settings.carriers import TRACKING_PLACE
from warehouse.ledger.settings.file_jobs import ExportSettings, ImportSettings, Inside
from warehouse.ledger.settings.file_schedules import Frequency, Weekday
from warehouse.marketplace_kinds import MarketplaceKind, connection_problems, meant, setting_problems
from warehouse.models import members_at
from warehouse.storages import CREDENTIALS, SETTINGS, StorageKind, read_settings
from warehouse.web_addresses import address_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails


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

    model_config = ConfigDict(extra="forbid", defer_build=True)

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

    model_config = ConfigDict(extra="forbid", defer_build=True)

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

    model_config = ConfigDict(extra="forbid", defer_build=True)

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

    model_config = ConfigDict(extra="forbid", defer_build=True)

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

    model_config = ConfigDict(extra="forbid", defer_build=True)

    kind: StorageKind = Field(description="What it is reached by: sftp, ftps, ftp or folder.")
    label: str | None = Field(None, description="A name for people; default: the code.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of this kind of storage.")
    credentials: References = Field(default_factory=dict, description="Secrets by reference: env:NAME or file:PATH.")


class AlertEntry(BaseModel):
    """One recipient of alerts in the file."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

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

    model_config = ConfigDict(extra="forbid", defer_build=True)

    connections: dict[str, ConnectionEntry] = Field(default_factory=dict)
    channels: dict[str, ChannelEntry] = Field(default_factory=dict)
    alerts: dict[str, AlertEntry] = Field(default_factory=dict)
    storages: dict[str, StorageSection] = Field(default_factory=dict)


Kinds = Mapping[str, MarketplaceKind]


NO_KINDS: Kinds = MappingProxyType({})


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
    return validated(loaded or {}, kinds)


def validated(loaded: object, kinds: Kinds) -> Document:
    """What was loaded from a file, as a document.

    Raises:
        ConfigurationError: With everything that is wrong.
    """
    problems = [*_bad_codes(loaded), *kind_problems(loaded, kinds, {})]
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
        for problem, is_missing in storage_problems(code, storage)
        if not is_missing  # the ledger may have it
    ]
    if document is None or problems:
        raise ConfigurationError(problems)
    return document


def _said(model: type[BaseModel], error: ErrorDetails) -> str:
    """What is wrong, in plain words; for a key that does not exist, the one that was probably meant."""
    if error["type"] != "extra_forbidden":
        return error["msg"]
    return f"there is no such key{meant(str(error['loc'][-1]), members_at(model, error['loc'][:-1]))}"


def _section(loaded: object, name: str) -> Mapping[str, Any]:
    section = loaded.get(name) if isinstance(loaded, dict) else None
    return section if isinstance(section, dict) else {}


def kind_problems(loaded: object, kinds: Kinds, known: Mapping[str, str]) -> list[str]:
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
            if kind.takes_orders and entry.get("retrieval") is True:
                problems.append(f"channels.{code}.retrieval: its orders are given to us: there is nothing to retrieve")
    return problems


def _storages(loaded: object) -> dict[str, StorageSection]:
    """Those that can be looked at further."""
    found = {}
    for code, given in _section(loaded, "storages").items():
        with suppress(ValidationError):
            found[str(code)] = StorageSection.model_validate(given)
    return found


def _bad_codes(loaded: object) -> list[str]:
    return [
        f"{section}.{code}: {code!r} is no code: lower-case letters, digits and _, 63 at most"
        for section in Document.model_fields
        for code in _section(loaded, section)
        if re.fullmatch(CODE, str(code)) is None
    ]


def storage_problems(code: str, section: StorageSection) -> list[tuple[str, bool]]:
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

"""Every process setting of the product, read from `ORDERS_*` environment variables and a `.env` file.

Connections, channels and everything else that a merchant edits is not here: that lives in the ledger.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from warehouse.logs import LogFormat, LogLevel

_GRANT = re.compile(r"[^=]+=(viewer|operator|configurator|admin)(\+pii)?(@[a-z0-9_-]+(/[a-z0-9_-]+)*)?")
"""What a group gives, as `oidc_grants` says it."""
MOST_WORKERS = 64
PREFIX = "ORDERS_"
SECRETS_VARIABLE = f"{PREFIX}SECRETS_DIR"
POSTGRESQL_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})


class MigrationPolicy(StrEnum):
    """Who brings the ledger's schema up to date."""

    AUTO = "auto"
    NEVER = "never"


class Settings(BaseSettings):
    """Process settings; each field is the environment variable `ORDERS_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    home: Path = Field(Path("data"), description="Folder that holds everything the product writes.")
    secrets_dir: Path | None = Field(
        None,
        description="A folder whose files hold settings that are secret, each under the name of its variable, such as "
        "ORDERS_DATABASE_URL: what Docker, Kubernetes and systemd mount. A variable goes before its file; this one is no line "
        "of `.env`.",
    )
    database_url: str | None = Field(
        None,
        description="Where the ledger, the lake's catalog and Dagster keep their state: unset for SQLite files below "
        "ORDERS_HOME, or one PostgreSQL URL (postgresql://user:password@host:5432/name).",
    )
    migrate: MigrationPolicy = Field(
        MigrationPolicy.AUTO,
        description="Who brings the ledger's schema up to date: auto: whichever process comes first; never: `orders migrate` "
        "alone, and every other process waits for it.",
    )
    migrate_wait_seconds: float = Field(
        300.0, ge=0, le=3600, description="How long a process waits for `orders migrate`, in seconds, before it ends."
    )
    lake_reader_url: str | None = Field(
        None,
        description="PostgreSQL by which `orders sql` and `warehouse.connect()` read the lake's catalog, as a role that reads "
        "the schema `lake` and nothing else. Default: `ORDERS_DATABASE_URL`.",
    )
    lake_data: str | None = Field(
        None,
        description="Where the lake's Parquet files go: a folder or an s3:// prefix. Default: ORDERS_HOME/lake/data.",
    )
    archive_data: str | None = Field(
        None,
        description="Where the bytes of exchanged files are kept, sealed: a folder or an s3:// prefix. Default: "
        "ORDERS_HOME/archive.",
    )
    keys: SecretStr | None = Field(
        None,
        description="The key ring that encrypts personal data and secrets: comma-separated id:base64 pairs of 32-byte keys, as "
        "`orders keys new` prints them; the first one encrypts, all decrypt.",
    )
    keys_file: Path | None = Field(
        None,
        description="A file with the key ring, one id:base64 pair a line. Default: ORDERS_HOME/keys, made with the ledger "
        "and mode 0600 unless ORDERS_DATABASE_URL is set (then a key ring must be given).",
    )
    time_zone: str = Field("UTC", description="The tenant's time zone (IANA name), for 'today' and 'this week'.")
    api_host: str = Field("127.0.0.1", description="Address the Orders API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port the Orders API listens on.")
    api_workers: int = Field(
        1,
        ge=1,
        le=MOST_WORKERS,
        description="How many processes serve the Orders API at one address, the console in one of its own; 1: all in one.",
    )
    api_path_prefix: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*/?$",
        description="Path below which a proxy serves the Orders API, such as `/orders-hub`, whether the proxy takes it off or "
        "not; `next`, `Link`, `Location` and the API's description name it.",
    )
    api_max_body_bytes: int = Field(
        5_000_000, ge=1_000, description="Largest request body the Orders API accepts, in bytes."
    )
    api_request_seconds: float = Field(
        30.0,
        gt=0,
        le=600,
        description="How long the head of a request, and then its body, may take to arrive, in seconds.",
    )
    api_keep_alive_seconds: int = Field(
        90,
        ge=1,
        le=3600,
        description="How long an idle connection is kept, in seconds; longer than the proxy in front keeps its own.",
    )
    api_max_connections: int = Field(
        1000, ge=10, description="Open connections beyond which each process of the Orders API answers 503."
    )
    api_requests_per_minute: int = Field(
        6000,
        ge=1,
        description="Requests that each API token may make in a minute, of each `orders api`, however many workers it has.",
    )
    api: bool = Field(True, description="Whether `orders api` serves the Orders API: on or off.")
    console: bool = Field(True, description="Whether `orders api` serves the console: on or off.")
    console_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
        description="Address under which people reach the console, such as https://hub.example.com/console; unset: that of the "
        "Orders API, and then people log in from this machine alone.",
    )
    oidc_issuer: str | None = Field(
        None,
        description="Address of the identity provider (OpenID Connect) with which people log in to the console; unset: none. "
        "Its application needs the redirect address ORDERS_CONSOLE_URL/sso/back.",
    )
    oidc_client_id: str = Field("orders", description="What the console is called at the identity provider.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Its secret there; unset for a public client. The code flow with PKCE is used either way."
    )
    oidc_name_claim: str = Field(
        "preferred_username", description="Member of the provider's token by which somebody new is called."
    )
    oidc_groups_claim: str = Field(
        "groups", description="Member of the token that holds groups or roles; dots lead into it: realm_access.roles."
    )
    oidc_grants: str = Field(
        "",
        description="What groups may do here, as in `hub-admins=admin+pii, lyon=operator@shop_fr/shop_de`; nobody else is "
        "let in.",
    )
    oidc_only: bool = Field(
        False, description="Whether passwords let nobody in any more. Links of `orders users link` still do."
    )
    dagster_url: str | None = Field(
        None, pattern=r"^https?://", description="Address of Dagster's pages, which the console links to."
    )
    pull_overlap_minutes: int = Field(
        15, ge=0, le=1440, description="How far each pull window reaches back over the last one."
    )
    pull_window_hours: int = Field(
        24, ge=1, le=720, description="Longest window of one pull; a longer gap is caught up in several windows."
    )
    pull_windows_per_tick: int = Field(
        10, ge=1, le=1000, description="How many windows one tick pulls per connection at most."
    )
    pull_first_days: int = Field(
        7, ge=0, le=730, description="How far back the first pull of a new channel reaches, in days."
    )
    pull_max_pages: int = Field(1000, ge=1, description="Page limit of one window; reaching it fails the window.")
    pull_threads: int = Field(8, ge=1, le=64, description="How many connections a run pulls at the same time.")
    pull_shards: int = Field(
        1, ge=1, le=64, description="How many runs a tick is, each of which pulls its part of the connections."
    )
    sweep_days: int = Field(30, ge=1, le=730, description="How far back the daily sweep re-reads.")
    sweep_open_orders: int = Field(
        500,
        ge=0,
        description="How many open orders the sweep reads by id per connection at most, the longest open first.",
    )
    confirm_eagerly: bool = Field(
        False, description="Confirm shipments within seconds of their report, and not only every 15 minutes."
    )
    consumer_alert_hours: float = Field(
        24.0,
        ge=0,
        description="A consumer that has followed the change feed and has not asked for so long, while there is news for it, "
        "opens an incident. 0: never.",
    )
    held_alert_hours: float = Field(
        4.0,
        ge=0,
        description="A shipment that has been held for so long opens an incident: nobody has told its marketplace. 0: never.",
    )
    write_chunk: int = Field(150, ge=1, le=5000, description="Orders committed in one ledger transaction.")
    reading_processes: int | None = Field(
        None,
        ge=0,
        le=32,
        description="Processes that read payloads when thousands wait, among them the one that commits. 0 and 1: it alone; "
        "unset: one for each core, at most four.",
    )
    import_max_bytes: int = Field(
        25_000_000, ge=1_000, description="Largest shipment file that is read, in bytes; a larger one is refused."
    )
    import_look_seconds: float = Field(
        5.0,
        ge=0,
        le=300,
        description="How long a shipment file must keep its size and time before it is read, in seconds.",
    )
    run_retention_days: int = Field(14, ge=1, description="How long Dagster's runs are kept.")
    version_retention_days: int = Field(
        30,
        ge=1,
        description="How long the ledger keeps published order versions and pull records; the lake keeps them all.",
    )
    retire_after_days: int | None = Field(
        None,
        ge=30,
        description="Orders that were closed so many days ago are retired: the ledger keeps a small row of each, and their "
        "documents and payloads stand in the lake alone, from where the API answers them. Unset: none is.",
    )
    snapshot_retention_days: int = Field(7, ge=0, description="How long the lake keeps old snapshots (time travel).")
    pii_retention_days: int = Field(
        30,
        ge=1,
        description="How long personal data of an order is kept after it was shipped, canceled or refused, or after its "
        "ship-by time when that is later.",
    )
    log_format: LogFormat = Field(
        LogFormat.AUTO, description="How log lines look: json, console, or auto (console on a terminal, else json)."
    )
    log_level: LogLevel | None = Field(
        None,
        description="The least important log lines that are written: debug, info, warning or error. Default: info for the "
        "API and the pipeline, warning for commands.",
    )
    ping_urls: dict[str, str] = Field(
        default_factory=dict,
        description="JSON object: job to the URL that is asked for after each run of it that succeeded; env:NAME, "
        "file:PATH or an https:// URL. A monitor that is no longer asked raises the alarm.",
    )

    log_retention_days: int = Field(
        400, ge=1, description="How long the log of the order flow, resolved incidents' alerts and sent mails are kept."
    )
    api_request_retention_days: int = Field(
        7, ge=0, description="How long the API keeps who asked it what, counted by the minute; 0: it counts nothing."
    )
    smtp_host: str | None = Field(
        None, description="The mail server that takes alerts; unset: no alert goes by e-mail."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port: 587 for STARTTLS, 465 for TLS from the start.")
    smtp_security: Literal["starttls", "tls", "loopback"] = Field(
        "starttls",
        description="How the connection is encrypted: starttls, tls, or loopback: not at all, and only to this machine. "
        "Certificates are always verified.",
    )
    smtp_user: str | None = Field(None, description="The log-in at the mail server; unset: none.")
    smtp_password: SecretStr | None = Field(None, description="Its password.")
    smtp_from: str | None = Field(None, description="The sender's address of alerts.")
    smtp_ca_file: Path | None = Field(
        None, description="Certificate authorities for the mail server, PEM. Default: those of the system."
    )
    smtp_timeout_seconds: float = Field(
        20.0, gt=0, le=300, description="How long each step of a delivery may take, and three of these in all."
    )
    alert_summary_hour: int = Field(
        7, ge=0, le=23, description="From which hour on, in the tenant's time zone, the daily summary is sent."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from, the first one wins: arguments, environment, `.env`, the folder of secrets."""
        del file_secret_settings
        folder = os.environ.get(SECRETS_VARIABLE, "")
        secrets = [SecretsSettingsSource(settings_cls, folder)] if Path(folder).is_dir() and folder else []
        return (init_settings, env_settings, dotenv_settings, *secrets)

    @field_validator("secrets_dir")
    @classmethod
    def _is_there(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_dir():
            raise ValueError(f"there is no folder {folder}: without its secrets another database might be taken")
        if folder is not None and os.environ.get(SECRETS_VARIABLE) != str(folder):
            raise ValueError(f"set {SECRETS_VARIABLE} in the environment: elsewhere it comes too late")
        return folder

    @field_validator("database_url", "lake_reader_url")
    @classmethod
    def _is_of_postgresql(cls, url: str | None) -> str | None:
        if url is not None and url.partition("://")[0] not in POSTGRESQL_SCHEMES:
            raise ValueError("it is no PostgreSQL URL: write postgresql://user:password@host:5432/name")
        return url

    @field_validator("api_path_prefix")
    @classmethod
    def _begins_like_no_path_of_ours(cls, prefix: str) -> str:
        first = prefix.strip("/").partition("/")[0]
        if first in {"v1", "docs", "console", "openapi.json", "healthz", "readyz", "metrics"}:
            raise ValueError(f"a path of the API itself begins with /{first}: take another prefix")
        return prefix.rstrip("/")

    @field_validator("oidc_grants")
    @classmethod
    def _are_grants(cls, grants: str) -> str:
        for part in filter(None, map(str.strip, grants.split(","))):
            if _GRANT.fullmatch(part) is None:
                raise ValueError(f"{part!r} is no grant: write group=role, then +pii and @channel/channel where wanted")
        return grants

    @field_validator("oidc_issuer")
    @classmethod
    def _takes_secrets(cls, issuer: str | None) -> str | None:
        from warehouse.web_addresses import address_fault  # noqa: PLC0415 - what reads names of hosts is loaded where it is used

        fault = None if issuer is None else address_fault(issuer)
        if fault is not None:
            raise ValueError(f"it {fault}")
        return issuer

    @property
    def console_address(self) -> str:
        """Where people reach the console."""
        own = f"http://{self.api_host}:{self.api_port}{self.api_path_prefix}/console"
        return own if self.console_url is None else self.console_url.rstrip("/")

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        if self.database_url is None:
            return f"sqlite:///{self.home / 'ledger.sqlite'}"
        return f"postgresql+psycopg://{self.database_url.partition('://')[2]}"

    @property
    def is_postgresql(self) -> bool:
        """Whether one PostgreSQL server holds the state."""
        return self.database_url is not None

    @property
    def lake_files(self) -> str:
        """Folder or prefix of the lake's Parquet files."""
        return self.lake_data or str(self.home / "lake" / "data")

    @property
    def archive(self) -> Path:
        """Folder of the files that were exchanged, encrypted; where these are in a bucket, of those on their way there."""
        is_folder = self.archive_data is not None and "://" not in self.archive_data
        return Path(str(self.archive_data)) if is_folder else self.home / "archive"


def faults(error: Exception) -> list[str]:
    """What is wrong with which variable, a line each, without its value; empty for an error of anything else."""
    if isinstance(error, SettingsError):
        return [f"{error}: it has to be JSON"]
    if not isinstance(error, ValidationError) or error.title != Settings.__name__:
        return []
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        f"{PREFIX}{'.'.join(map(str, each['loc'])).upper()}: {each['msg'].removeprefix('Value error, ')}"
        for each in wrong
    ]


def present_settings() -> Settings:
    """The settings that environment and `.env` give; read again only when one of these has changed.

    Reading takes ten milliseconds, and Dagster's sensors ask every few seconds.
    """
    try:
        file = Path(".env").stat()
    except OSError:
        return _settings(frozenset(os.environ.items()), None)
    return _settings(frozenset(os.environ.items()), (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns))


@lru_cache(maxsize=1)
def _settings(environment: Hashable, file: Hashable) -> Settings:
    del environment, file
    return Settings()

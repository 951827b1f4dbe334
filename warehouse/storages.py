"""Storages: their kinds and the settings of each, as they stand in the ledger and in orders.yaml.

How files are moved is in `orders_pipeline.storages`; the table is in `warehouse.ledger.settings.storages`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class StorageKind(StrEnum):
    """What a storage is reached by."""

    SFTP = "sftp"
    FTPS = "ftps"
    FTP = "ftp"
    FOLDER = "folder"


def _fingerprint(value: str) -> str:
    if _FINGERPRINT.fullmatch(value.rstrip("=")) is None:
        raise ValueError("a fingerprint is SHA256: and 43 characters, as ssh-keygen -l shows it")
    return value.rstrip("=")


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("the path must be absolute: processes start in different folders")
    return value


Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class _ServerSettings(_Settings):
    host: str = Field(pattern=r"^[^\s/@]+$", description="Name or address of the server.")
    user: str = Field(min_length=1, description="Who logs in.")
    root: str = Field(
        "", description="Folder that all paths start from; without a leading / it lies below the user's own."
    )
    timeout_seconds: float = Field(30.0, gt=0, le=600, description="Longest silence of the server.")
    limit_seconds: float = Field(
        900.0, gt=0, le=86_400, description="Longest time of one operation, such as the transfer of one file."
    )


class SftpSettings(_ServerSettings):
    """A server that speaks SFTP."""

    port: int = Field(22, ge=1, le=65535, description="Port of the server.")
    host_key: Annotated[tuple[Fingerprint, ...], BeforeValidator(_several)] = Field(
        default_factory=tuple,
        description="Fingerprints of the server's host key that are trusted, as SHA256:…; `orders storages trust` sets it.",
    )


class FtpsSettings(_ServerSettings):
    """A server that speaks FTP with explicit TLS."""

    port: int = Field(21, ge=1, le=65535, description="Port of the server.")
    ca_file: AbsolutePath | None = Field(
        None, description="File with the authorities that the certificate is verified with; unset: the system's."
    )


class FtpSettings(_ServerSettings):
    """A server that only speaks plain FTP."""

    port: int = Field(21, ge=1, le=65535, description="Port of the server.")
    allow_plaintext: bool = Field(
        False, description="Must be true: password and files travel readable for everybody on the way."
    )


class FolderSettings(_Settings):
    """A folder of this machine, or one that is mounted on it."""

    path: AbsolutePath = Field(description="The folder; nothing outside it is touched.")
    mode: str | None = Field(
        None,
        pattern="^0?[0-7]{3}$",
        description='Permissions of the files written there, such as "0640"; default: this process\'s user alone, 0600.',
    )


StorageSettings = SftpSettings | FtpsSettings | FtpSettings | FolderSettings

SETTINGS: dict[StorageKind, type[StorageSettings]] = {
    StorageKind.SFTP: SftpSettings,
    StorageKind.FTPS: FtpsSettings,
    StorageKind.FTP: FtpSettings,
    StorageKind.FOLDER: FolderSettings,
}

CREDENTIALS: dict[StorageKind, tuple[str, ...]] = {
    StorageKind.SFTP: ("password", "private_key", "passphrase"),
    StorageKind.FTPS: ("password",),
    StorageKind.FTP: ("password",),
    StorageKind.FOLDER: (),
}
"""Names of the secrets that a storage of each kind can have."""


def read_settings(kind: StorageKind, settings: Mapping[str, Any]) -> StorageSettings:
    """The settings of a storage of this kind; raises pydantic's `ValidationError` that names the fields."""
    return SETTINGS[kind].model_validate(dict(settings))

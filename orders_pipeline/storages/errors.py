"""What can go wrong at a storage, in the only words the rest of the pipeline knows.

Messages name hosts, paths and the server's own reply; never a password, a key, or what is in a file.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class StorageError(Exception):
    """Base of every failure of a storage, and the failure that nothing more precise is known of.

    Attributes:
        code: Stable snake_case word, the incident's code.
        message: Plain sentence.
        hint: What a person should do, or "".
        is_of_storage: Whether nothing at all can be done at the storage as long as this stands.
    """

    code: ClassVar[str] = "storage_failed"
    advice: ClassVar[str] = ""
    is_of_storage: ClassVar[bool] = False

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.advice if hint is None else hint


class SettingsInvalid(StorageError):
    """The storage's settings or its credentials cannot be used."""

    code = "storage_settings_invalid"
    is_of_storage = True
    advice = "correct the storage in orders.yaml and apply it"


class Unreachable(StorageError):
    """No connection came about: name, port, network, or a server that speaks something else."""

    code = "storage_unreachable"
    is_of_storage = True
    advice = "check host and port, and whether a firewall lets this machine through"


class HostKeyUnknown(StorageError):
    """No host key is trusted yet; `fingerprint` is the one that the server shows."""

    code = "storage_host_key_unknown"
    is_of_storage = True
    advice = (
        "compare the fingerprint with the server's operator, then `orders storages trust CODE --fingerprint SHA256:…`"
    )

    def __init__(self, message: str, fingerprint: str) -> None:
        super().__init__(message)
        self.fingerprint = fingerprint


class HostKeyChanged(StorageError):
    """The server shows another key than the trusted one; `fingerprint` is the one that it shows."""

    code = "storage_host_key_changed"
    is_of_storage = True
    advice = "somebody may be in between: ask the server's operator whether it is a new key, and only then trust it"

    def __init__(self, message: str, fingerprint: str) -> None:
        super().__init__(message)
        self.fingerprint = fingerprint


class LoginRefused(StorageError):
    """User, password or key are refused, or there are none."""

    code = "storage_login_refused"
    is_of_storage = True
    advice = "check the user, and set the password or private_key with `orders storages secret`"


class TlsRefused(StorageError):
    """The server's certificate cannot be verified, or no TLS comes about."""

    code = "storage_tls_refused"
    is_of_storage = True
    advice = "have the certificate renewed, or name the authority that signed it in ca_file"


class PlaintextRefused(StorageError):
    """Plain FTP without permission: passwords and personal data would travel readable."""

    code = "storage_plaintext_refused"
    is_of_storage = True
    advice = "use kind ftps or sftp; if the server can neither, set allow_plaintext: true"


class FolderMissing(StorageError):
    """The folder does not exist."""

    code = "storage_folder_missing"
    advice = "create the folder on the server, or correct its path; paths start at the storage's root"


class FileMissing(StorageError):
    """The file does not exist (any more)."""

    code = "storage_file_missing"


class PermissionDenied(StorageError):
    """The user may not do this here."""

    code = "storage_permission_denied"
    advice = "let the user read, write, rename and delete in this folder"


class NoSpace(StorageError):
    """The disk is full, or the quota is used up."""

    code = "storage_no_space"
    advice = "make room on the server or raise the quota; the next run sends the file again"


class TransferCut(StorageError):
    """The connection broke, or the sizes on both sides differ."""

    code = "storage_transfer_cut"
    advice = "nothing is lost: the next run does it again"


class TimedOut(StorageError):
    """The server stopped answering, or one operation took longer than the storage's limit."""

    code = "storage_timed_out"
    advice = "the next run does it again; for big files on slow lines raise limit_seconds"


class AlreadyThere(StorageError):
    """A file of this name exists, and is not overwritten."""

    code = "storage_already_there"
    advice = "move or remove the file on the server"


class TooLarge(StorageError):
    """The file is larger than what is accepted."""

    code = "storage_file_too_large"
    advice = "split the file"


class RenameRefused(StorageError):
    """The server cannot rename: then no file can appear whole, and nothing is sent."""

    code = "storage_rename_refused"
    advice = "let the user rename files in this folder: files are written as .part and then renamed"


class NameRefused(StorageError):
    """A path or file name that is not used anywhere: it could mean something else to a server or a system."""

    code = "storage_name_refused"
    advice = "rename the file: no .. or backslash, no control characters, no leading - and no blanks at either end"


class OwnDiskFailed(StorageError):
    """This machine cannot read or keep its own copy of the file; the storage has nothing to do with it."""

    code = "storage_own_disk_failed"
    advice = "check this machine's disk: space, rights, and the temporary folder"


def from_os_error(error: OSError, path: str) -> StorageError:
    """The word for an operating system's error, from this machine or told by an SFTP server."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return FileMissing(f"{path} does not exist")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return PermissionDenied(f"{path}: permission denied")
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return NoSpace(f"{path}: no space left")
        case errno.EEXIST:
            return AlreadyThere(f"{path} is there already")
        case errno.ENAMETOOLONG | errno.ELOOP:
            return NameRefused(f"{path} cannot be the path of a file")
        case _:
            return StorageError(f"{path}: {error.strerror or type(error).__name__}")

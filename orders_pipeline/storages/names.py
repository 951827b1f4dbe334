"""Paths on a storage: which ones are used at all. Pure; what a path leads to is the storage's business.

A name that somebody else's server sends, or that a person typed, becomes part of FTP commands and of local paths. So only
plain relative paths pass, the same ones for every kind of storage.
"""

from __future__ import annotations

import unicodedata

from orders_pipeline.storages.errors import NameRefused

PART_SUFFIX = ".part"
"""What a file is called while it is being written."""

NAME_BYTES = 255 - len(PART_SUFFIX)
PATH_BYTES = 1024


def checked_file(path: str) -> str:
    """The path of a file below the storage's root, without slashes at its ends.

    Raises:
        NameRefused: It is empty, or has a part that is not used.

    Examples:
        >>> checked_file("/exports/orders.csv")
        'exports/orders.csv'
    """
    clean = checked_folder(path)
    if not clean:
        raise NameRefused("an empty path is no file")
    return clean


def checked_folder(path: str) -> str:
    """The path of a folder below the storage's root; "" is the root itself.

    Raises:
        NameRefused: It has a part that is not used.

    Examples:
        >>> checked_folder("/")
        ''
    """
    clean = path.strip("/")
    if not clean:
        return ""
    if len(clean.encode(errors="replace")) > PATH_BYTES:
        raise NameRefused(f"the path beginning {clean[:40]!a} has more than {PATH_BYTES} bytes")
    for part in clean.split("/"):
        _check(part)
    return clean


def split(path: str) -> tuple[str, str]:
    """Folder and name of a checked path.

    Examples:
        >>> split("a/b/c.csv")
        ('a/b', 'c.csv')
    """
    folder, _, name = path.rpartition("/")
    return folder, name


def _check(part: str) -> None:
    shown = f"{part[:60]!a}"
    if part in {"", ".", ".."}:
        raise NameRefused(f"{shown} may not be part of a path")
    if part.startswith("-") or part != part.strip() or "\\" in part:
        raise NameRefused(f"{shown}: a leading -, a backslash and blanks at either end are refused")
    # Cc: control characters, NUL and line ends among them; Cs: bytes that were no text; Cf: invisible, or turns text round.
    if any(unicodedata.category(character) in {"Cc", "Cs", "Cf", "Zl", "Zp"} for character in part):
        raise NameRefused(f"{shown} holds invisible characters or such that are no text")
    if len(part.encode()) > NAME_BYTES:
        raise NameRefused(f"the name {shown} has more than {NAME_BYTES} bytes")

"""What every server for files has in common: a file appears whole or not at all, and takes nobody's place.

Bytes go to a `.part` beside the goal, which is renamed when all of them are stored. How a server is asked, and the words
for what it answers, are each protocol's own. Listing and reading differ too much to be shared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from orders_pipeline.storages.errors import AlreadyThere, FileMissing
from orders_pipeline.storages.names import checked_file, checked_folder, split

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

ClientT = TypeVar("ClientT")
"""What a protocol is spoken through."""


class RemoteStorage(ABC, Generic[ClientT]):
    """Files below one folder of a server, written and moved so that nobody sees half of one."""

    @abstractmethod
    def _session(self, path: str) -> AbstractContextManager[ClientT]:
        """A connection to work with, and the word for whatever goes wrong."""

    @abstractmethod
    def _size(self, client: ClientT, path: str) -> int | None:
        """Size of the file; None when there is none."""

    @abstractmethod
    def _uploaded(self, client: ClientT, path: str, source: Path) -> AbstractContextManager[str]:
        """Path of the `.part` with all bytes in it; it is removed when the rest fails, if the connection still lives."""

    @abstractmethod
    def _rename(self, client: ClientT, path: str, goal: str) -> None:
        """Give a file a name that must be free.

        Raises:
            AlreadyThere: The name is taken.
            RenameRefused: The server does not, for another reason.
        """

    @abstractmethod
    def _replaces(self, client: ClientT, path: str, goal: str) -> bool:
        """Give a file the name of another one in a single step; whether the server can."""

    @abstractmethod
    def _discard(self, client: ClientT, path: str) -> None:
        """Delete a file as far as possible; that it stays is no failure."""

    @abstractmethod
    def _make(self, client: ClientT, folder: str) -> None:
        """Make a folder and those above it, where they are missing."""

    def write(self, path: str, source: Path) -> None:
        """Put a file there, whole or not at all. Not every server's rename spares an existing file: it is looked for twice."""
        clean = checked_file(path)
        with self._session(clean) as client:
            self._require_free(client, clean)
            with self._uploaded(client, clean, source) as part:
                self._require_free(client, clean)
                self._rename(client, part, clean)

    def write_again(self, path: str, source: Path) -> None:
        """Put a file there, whole or not at all, in the place of an earlier one."""
        clean = checked_file(path)
        with self._session(clean) as client, self._uploaded(client, clean, source) as part:
            if not self._replaces(client, part, clean):  # for a moment there is no file, but never half a file
                self._discard(client, clean)
                self._rename(client, part, clean)

    def move(self, path: str, new_path: str) -> None:
        """Give a file another path."""
        clean, goal = checked_file(path), checked_file(new_path)
        with self._session(clean) as client:
            if self._size(client, clean) is None:
                raise FileMissing(f"{clean} does not exist")
            self._require_free(client, goal)
            self._make(client, split(goal)[0])
            self._rename(client, clean, goal)

    def make_folder(self, folder: str) -> None:
        """Make a folder and those above it, where they are missing."""
        clean = checked_folder(folder)
        with self._session(clean) as client:
            self._make(client, clean)

    def _require_free(self, client: ClientT, path: str) -> None:
        if self._size(client, path) is not None:
            raise AlreadyThere(f"{path} is there already")

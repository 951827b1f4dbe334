"""Genuine payload files: finding the orders in them and checking that they can be served.

What lives here: the accepted wrappings, the checks (only what serving needs; unknown values and extra fields are
welcome) and the error that names file and JSON path. What does not: where a marketplace keeps its orders
(each kind's ``payloads``), storing them (the ``state``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from orders_pipeline.sandbox.clock import parse_iso
from orders_pipeline.sandbox.json_values import JsonObject, JsonValue


class PayloadError(ValueError):
    """A payload does not fit; ``path`` is the JSON path of the first misfit."""

    def __init__(self, name: str, path: str, message: str) -> None:
        """Name the file, the JSON path in it, and the reason."""
        super().__init__(f"{name}: {path}: {message}")
        self.name = name
        self.path = path
        self.message = message


@dataclass(frozen=True)
class Loaded:
    """What a payload held."""

    orders: list[JsonObject] = field(default_factory=list)
    shipments: list[JsonObject] = field(default_factory=list)


def read_file(path: Path) -> JsonValue:
    """Parse a payload file; raises PayloadError when it cannot be read or is not JSON."""
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise PayloadError(str(path), "$", f"cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise PayloadError(str(path), "$", f"is not JSON: {error}") from error


def unwrapped(payload: JsonValue, name: str, path: str, known: tuple[str, ...]) -> tuple[JsonValue, str]:
    """Return what ``{"response": ...}`` and ``{"payload": ...}`` wrap, and its path; raises PayloadError."""
    if isinstance(payload, dict) and not any(key in payload for key in known):
        for wrapper in ("response", "payload"):
            if wrapper in payload:
                return unwrapped(payload[wrapper], name, f"{path}.{wrapper}", known)
        expected = ", ".join(known)
        raise PayloadError(name, path, f"has none of the fields that an order payload starts with ({expected})")
    return payload, path


def listed(
    content: JsonValue, name: str, path: str, key: str, id_field: str
) -> tuple[list[JsonObject], Callable[[int], str]]:
    """Return the list of objects in a page, a bare object or a bare list, and how to name each one's path."""
    if isinstance(content, dict) and id_field in content and key not in content:
        return [content], always(path)
    if isinstance(content, dict):
        content, path = content[key], f"{path}.{key}"
    if not isinstance(content, list):
        raise PayloadError(name, path, "must be a list")
    return content, lambda index: f"{path}[{index}]"


def always(path: str) -> Callable[[int], str]:
    """Return what names the same path for any index."""
    return lambda _index: path


class Checker:
    """Checks fields of one object and names their JSON paths."""

    def __init__(self, name: str, value: JsonValue, path: str) -> None:
        """Raises PayloadError when it is no object."""
        self.name = name
        self.path = path
        if not isinstance(value, dict):
            raise PayloadError(name, path, "must be an object")
        self.value: JsonObject = value

    def text(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.value.get(key)
        if not isinstance(value, str) or not value:
            self.fail(key, "must be a text that is not empty")
        return str(value)

    def moment(self, key: str) -> None:
        """Check a date-time with its offset."""
        if parse_iso(self.text(key)) is None:
            self.fail(key, "must be an ISO 8601 date-time with its offset")

    def whole_number(self, key: str) -> None:
        """Check a whole number, 0 or more."""
        value = self.value.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.fail(key, "must be a whole number, 0 or more")

    def child(self, key: str) -> Checker:
        """Return an object within."""
        return Checker(self.name, self.value.get(key), f"{self.path}.{key}")

    def children(self, key: str) -> list[Checker]:
        """Return the objects of a list within."""
        value = self.value.get(key)
        if not isinstance(value, list):
            self.fail(key, "must be a list")
        return [Checker(self.name, each, f"{self.path}.{key}[{index}]") for index, each in enumerate(value or ())]

    def fail(self, key: str, message: str) -> None:
        """Refuse a field."""
        found = "is missing" if key not in self.value else message
        raise PayloadError(self.name, f"{self.path}.{key}", found)

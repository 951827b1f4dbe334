"""Taking JSON answers apart without changing a byte: parsing, and the exact bytes of each element of a list.

Finding the orders in one marketplace's answers is that marketplace's knowledge; this module knows only JSON (RFC 8259).
"""

from __future__ import annotations

import codecs
import json
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import orjson

_DECODER = json.JSONDecoder()
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_NOT_READ = (orjson.JSONDecodeError, msgspec.DecodeError, RecursionError)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BLANKS = " \t\r\n"


class NotJson(ValueError):
    """The bytes are not JSON; the message says where, never what."""


def parse(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Any JSON value. Also reads NaN, Infinity and lone surrogates, which some servers send, so that one bad number does not
    make a whole page unreadable.

    Raises:
        NotJson: Anything else that is not JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data)
    except UnicodeDecodeError:
        raise NotJson("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"not JSON at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise NotJson("JSON nested too deep") from None
    except ValueError:
        raise NotJson("a number with too many digits") from None


def elements(data: bytes, path: tuple[str, ...]) -> list[tuple[Any, bytes]] | None:
    """Each element of the list at `path` (keys from the top; () for a top-level list) with its exact bytes.

    Returns None when there is no list at that path.

    Raises:
        NotJson: The bytes are not JSON.

    >>> elements(b'{"orders": [{"id": 1.50}, {"id":2}]}', ("orders",))
    [({'id': 1.5}, b'{"id": 1.50}'), ({'id': 2}, b'{"id":2}')]
    """
    found = _sent_at(data, path)
    if found is not None and isinstance(found.value, list):
        with suppress(*_NOT_READ):
            return list(zip(found.value, map(bytes, _ELEMENTS.decode(found.sent)), strict=True))
    document = text_of(data)
    start = _locate(document, path)
    if start is None or document[start] != "[":
        return None
    listed: list[tuple[Any, bytes]] = []
    at = _skip(document, start + 1)
    while at < len(document) and document[at] != "]":
        value, end = _decode(document, at)
        listed.append((value, document[at:end].encode("utf-8", "surrogatepass")))
        at = _skip(document, end)
        if at < len(document) and document[at] == ",":
            at = _skip(document, at + 1)
    return listed


def member(data: bytes, path: tuple[str, ...]) -> tuple[Any, bytes] | None:
    """The value at `path` with its exact bytes, None when nothing is there; raises `NotJson` like `elements`."""
    found = _sent_at(data, path)
    if found is not None:
        return found.value, bytes(found.sent)
    document = text_of(data)
    start = _locate(document, path)
    if start is None:
        return None
    value, end = _decode(document, start)
    return value, document[start:end].encode("utf-8", "surrogatepass")


class _Sent(NamedTuple):
    """A value with the bytes that it was sent as."""

    value: Any
    sent: bytes | msgspec.Raw


def _sent_at(data: bytes, path: tuple[str, ...]) -> _Sent | None:
    """The value at `path`; None where nothing is there, or the document is none that both parsers read."""
    sent: bytes | msgspec.Raw = data.removeprefix(codecs.BOM_UTF8)
    try:
        value = orjson.loads(sent)
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return None
            value, sent = value[key], _MEMBERS.decode(sent)[key]
    except _NOT_READ:
        return None
    return _Sent(value, sent if path else bytes(sent).strip())


def text_of(data: bytes) -> str:
    """The text of a JSON document, a byte order mark left out; the whole of it is checked to be JSON.

    Raises:
        NotJson: Not UTF-8, or not JSON.
    """
    parse(data.removeprefix(b"\xef\xbb\xbf"))
    return data.decode("utf-8-sig")


def _locate(document: str, path: tuple[str, ...]) -> int | None:
    at = _skip(document, 0)
    for key in path:
        if document[at] != "{":
            return None
        at = _skip(document, at + 1)
        found = None
        while document[at] != "}":
            name, end = _decode(document, at)
            at = _skip(document, _skip(document, end) + 1)  # past the colon
            if name == key:
                found = at
            _, end = _decode(document, at)
            at = _skip(document, end)
            if document[at] == ",":
                at = _skip(document, at + 1)
        if found is None:
            return None
        at = found
    return at


def _decode(document: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(document, at)
    except (ValueError, RecursionError):  # a ValueError that is no JSONDecodeError: a number with too many digits
        raise NotJson(f"not JSON at character {at}") from None


def _skip(document: str, at: int) -> int:
    while at < len(document) and document[at] in _BLANKS:
        at += 1
    return at

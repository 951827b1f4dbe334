"""Cursors: the place in a list as opaque text. A cursor belongs to the question it came from (filters and sort) and does not
expire: it names a place, not a snapshot.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime

import orjson
from pydantic import BaseModel

from orders_api.kit.errors import Problem
from warehouse.ledger.book.order_filter import Key, Sort
from warehouse.ledger.exchange.numbering import Numbered, Numbering

VERSION = 1
TEXT_LIMIT = 400
LARGEST_NUMBER = 2**63 - 1
ID_LENGTH = 36

WHAT_TO_DO = (
    "This cursor does not belong to this list. Take `next` as it was given, with the same filters and sort, or start again "
    "without a cursor."
)


def fingerprint_of(subject: str, query: BaseModel) -> str:
    """A text that is the same for the same question; where a page begins and how long it is are no part of it."""
    asked = query.model_dump(mode="json", exclude={"limit", "cursor"})
    return f"{subject} {sorted((name, str(value)) for name, value in asked.items())}"


def encode(fingerprint: str, key: Key) -> str:
    """The cursor of a place in the list that this question gives."""
    place: list[object] = [key.position] if key.position is not None else [_text(key.purchased_at), key.id]
    if key.has_errors is not None:
        place.append(key.has_errors)
    return _encode([VERSION, fingerprint, *place])


def decode(cursor: str, fingerprint: str, sort: Sort) -> Key:
    """Reverse `encode`.

    Raises:
        Problem: 400 `unknown_cursor`: no cursor of ours, or one of another question.
    """
    try:
        return _key(_parts(cursor), fingerprint, sort)
    except (ValueError, TypeError, KeyError) as error:
        raise _unknown() from error


def encode_number(numbering: Numbering, fingerprint: str, last: int) -> str:
    """The cursor of a list that is sorted by a number alone, which it does not tell."""
    return _encode([VERSION, _digest(fingerprint), numbering.id(Numbered.PLACE, last)])


def decode_number(numbering: Numbering, cursor: str | None, fingerprint: str) -> int | None:
    """Reverse `encode_number`; None without a cursor; raises like `decode`."""
    if cursor is None:
        return None
    try:
        match _parts(cursor):
            case [int(version), str(asked), str(place)] if version == VERSION and asked == _digest(fingerprint):
                number = numbering.number(Numbered.PLACE, place)
            case _:
                number = None
    except (ValueError, TypeError) as error:
        raise _unknown() from error
    if number is None:
        raise _unknown()
    return number


def encode_moment(fingerprint: str, moment: datetime, own_id: str) -> str:
    """The cursor of a list that is sorted by a time, and by id at the same time."""
    return encode(fingerprint, Key(purchased_at=moment, id=own_id))


def decode_moment(cursor: str, fingerprint: str) -> tuple[datetime, str]:
    """Reverse `encode_moment`; raises like `decode`."""
    key = decode(cursor, fingerprint, Sort.NEWEST)
    assert key.purchased_at is not None
    assert key.id is not None
    return key.purchased_at, key.id


def _digest(fingerprint: str) -> str:
    return hashlib.blake2b(fingerprint.encode(), digest_size=9).hexdigest()


def _encode(parts: list[object]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def _parts(cursor: str) -> list[object]:
    if len(cursor) > TEXT_LIMIT:
        raise ValueError("too long")
    try:
        parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, orjson.JSONDecodeError) as error:
        raise ValueError("not a cursor") from error
    if not isinstance(parts, list):
        raise TypeError("not a cursor")
    return parts


def _key(parts: list[object], fingerprint: str, sort: Sort) -> Key:
    match parts:
        case [int(version), str(asked), int(position)] if sort.is_by_position:
            key = Key(position=position)
            is_sound = 0 <= position <= LARGEST_NUMBER
        case [int(version), str(asked), str(purchased_at), str(order_id), *rest] if not sort.is_by_position:
            key = Key(purchased_at=_instant(purchased_at), id=order_id, has_errors=_has_errors(rest, sort))
            is_sound = len(order_id) == ID_LENGTH and "\0" not in order_id
        case _:
            raise ValueError("another form")
    if version != VERSION or asked != fingerprint or not is_sound:
        raise ValueError("another list")
    return key


def _has_errors(rest: list[object], sort: Sort) -> bool | None:
    match rest:
        case [bool(has_errors)] if sort.is_by_errors:
            return has_errors
        case [] if not sort.is_by_errors:
            return None
        case _:
            raise ValueError("another form")


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is not UTC and instant.utcoffset() is None:
        raise ValueError("naive")
    return instant.astimezone(UTC)


def _unknown() -> Problem:
    return Problem(
        400, "unknown_cursor", WHAT_TO_DO, errors=[{"parameter": "cursor", "message": "not a cursor of this list"}]
    )

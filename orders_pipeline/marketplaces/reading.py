"""Reading values out of a marketplace's JSON: tolerant of what instances really send, and exact about where it is wrong.

Every function takes the object, the key and the object's JSON path, and either returns a clean value, or None where nothing
was sent, or raises `Unreadable` naming the path. What a field means is each marketplace module's knowledge.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from babel.numbers import list_currencies

from orders_pipeline.marketplaces.protocol import Unreadable
from warehouse.identifiers import MAX_LENGTH, cleaned, has_unseen
from warehouse.order_parts import OrderProblem

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

AMOUNT_DIGITS = 15
AMOUNT_PLACES = 8
_FINEST = Decimal(1).scaleb(-AMOUNT_PLACES)
_EXACTLY = Context(prec=AMOUNT_DIGITS + AMOUNT_PLACES, traps=[Inexact, InvalidOperation])
COUNT_LIMIT = 1_000_000_000
COUNT_DIGITS = 12
IDENTIFIER_LENGTH = MAX_LENGTH["original_id"]
IDENTIFIER_NUMBER_LIMIT = 10**30
TEXT_LIMIT = 20_000
NUMBER_BITS = 256
PLAIN_AMOUNT_LENGTH = 9
_CURRENCY = re.compile("[A-Z]{3}")

JsonObject = dict[str, Any]


def text(of: JsonObject, key: str, path: str) -> str | None:
    """A string without surrounding blanks; "" and blanks are None; a number is taken as its digits.

    >>> text({"city": " Nantes "}, "city", "$"), text({"city": ""}, "city", "$")
    ('Nantes', None)
    """
    value = of.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        if len(value) <= TEXT_LIMIT and value.isascii() and "\x00" not in value:
            return value.strip() or None
        return _clean(value, key, path)
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > NUMBER_BITS:  # Python refuses to write out more than 4,300 digits
            raise Unreadable("out_of_range", f"{path}.{key}", "a number this large cannot be right")
        return str(value)
    raise Unreadable("wrong_type", f"{path}.{key}", f"expected text, got {_kind(value)}")


def required_text(of: JsonObject, key: str, path: str) -> str:
    """Like `text`, but it must be there."""
    value = text(of, key, path)
    if value is None:
        raise Unreadable("missing", f"{path}.{key}", "required and not sent")
    return value


def required_identifier(of: JsonObject, key: str, path: str) -> str:
    """Like `required_text`, but it must be an identifier as every door knows them.

    Nothing is taken out of it, as from what people type: the marketplace would not know it any more.
    """
    value = required_text(of, key, path)
    if identifier(value) is None:
        raise Unreadable(
            "no_identifier", f"{path}.{key}", "an id with invisible characters, or without end, cannot be right"
        )
    return value


def identifier(value: object) -> str | None:
    """An id as text; one that no store could keep (a lone surrogate, NUL, endless) is no id.

    >>> identifier(" A-1 "), identifier(7), identifier("x" * 300)
    ('A-1', '7', None)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < IDENTIFIER_NUMBER_LIMIT else None
    word = value.strip() if isinstance(value, str) else ""
    return word if word and word.isprintable() and len(word) <= IDENTIFIER_LENGTH else None


def code(of: JsonObject, key: str, path: str) -> str | None:
    r"""An identifier that the order can do without, such as a SKU: cleaned as at every door. As it was sent is in the payload.

    >>> code({"sku": "\u200b LAMP\u00ad-1 "}, "sku", "$")
    'LAMP-1'

    Raises:
        Unreadable: It holds control characters or line ends, or is too long.
    """
    value = cleaned(text(of, key, path) or "")
    if has_unseen(value):
        raise Unreadable("no_identifier", f"{path}.{key}", "an identifier with control characters or line ends")
    if len(value) > IDENTIFIER_LENGTH:
        raise Unreadable("no_identifier", f"{path}.{key}", f"an identifier of more than {IDENTIFIER_LENGTH} characters")
    return value or None


def package_code(of: JsonObject, key: str, path: str) -> str | None:
    r"""A tracking number, carrier or reference of a package at the marketplace, like `code`; one that breaks the rule is None.

    So one odd package makes no other one unreadable.

    >>> package_code({"tracking": "1Z\u200b9"}, "tracking", "$"), package_code({"tracking": "1Z\t9"}, "tracking", "$")
    ('1Z9', None)
    """
    value = cleaned(text(of, key, path) or "")
    return None if not value or has_unseen(value) or len(value) > IDENTIFIER_LENGTH else value


def amount(of: JsonObject, key: str, path: str) -> Decimal | None:
    """Money or a rate: a decimal string or a number, exactly as sent; "" is None.

    >>> amount({"price": "39.90"}, "price", "$"), amount({"price": 39.9}, "price", "$")
    (Decimal('39.90'), Decimal('39.9'))
    """
    value = of.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, float):
        value = repr(value)  # the shortest text that reads back as the same number: what was sent
    if isinstance(value, str) and len(value) <= PLAIN_AMOUNT_LENGTH and (plain := _plain_amount(value)) is not None:
        return plain  # so short a number is neither too large nor too fine: nearly every amount ends here
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise Unreadable("wrong_type", f"{path}.{key}", f"expected an amount, got {_kind(value)}")
    try:
        exact = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise Unreadable("not_a_number", f"{path}.{key}", "expected an amount, got other text") from None
    if not exact.is_finite():
        raise Unreadable("not_finite", f"{path}.{key}", "expected an amount, got NaN or infinity")
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and -AMOUNT_PLACES <= exponent <= 0 and exact.adjusted() < AMOUNT_DIGITS:
        return exact
    return _plain(exact, f"{path}.{key}")


@lru_cache(maxsize=4096)
def _plain_amount(sent: str) -> Decimal | None:
    """Digits with a point at most; None for anything else. Prices repeat, so most are known."""
    return Decimal(sent) if sent.replace(".", "", 1).isdecimal() else None


def count(of: JsonObject, key: str, path: str) -> int | None:
    """A whole number of units, 0 or more; a string of digits and 2.0 are accepted, "" is None."""
    value = of.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = (
            int(value) if value.strip().isascii() and value.strip().isdigit() and len(value) <= COUNT_DIGITS else None
        )
    elif isinstance(value, (float, Decimal)):
        # The range comes before int(), which would take hours over a huge exponent; a Decimal NaN cannot be compared.
        is_nan = isinstance(value, Decimal) and value.is_nan()
        value = int(value) if not is_nan and -COUNT_LIMIT <= value <= COUNT_LIMIT and value == int(value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unreadable("wrong_type", f"{path}.{key}", "expected a whole number")
    if not 0 <= value <= COUNT_LIMIT:
        raise Unreadable("out_of_range", f"{path}.{key}", "expected a number of units from 0 up")
    return value


def flag(of: JsonObject, key: str, path: str) -> bool | None:
    """True or false; "true"/"false" in any case are accepted, "" is None."""
    value = of.get(key)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in {"", "true", "false"}:
            return None if not word else word == "true"
    raise Unreadable("wrong_type", f"{path}.{key}", f"expected true or false, got {_kind(value)}")


def instant(of: JsonObject, key: str, path: str) -> datetime | None:
    """An ISO 8601 time as aware UTC; one without an offset is taken as UTC; "" is None."""
    value = of.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Unreadable("wrong_type", f"{path}.{key}", f"expected a time, got {_kind(value)}")
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is not UTC:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable("not_a_time", f"{path}.{key}", "expected an ISO 8601 time") from None
    if not 1990 <= moment.year <= 2200:  # noqa: PLR2004 - no marketplace is older, no deadline later
        raise Unreadable("out_of_range", f"{path}.{key}", "a time of this year cannot be right")
    return moment


def section(of: JsonObject, key: str, path: str) -> JsonObject:
    """A nested object; {} where nothing, null or "" was sent."""
    value = of.get(key)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise Unreadable("wrong_type", f"{path}.{key}", f"expected an object, got {_kind(value)}")
    return value


def objects(of: JsonObject, key: str, path: str) -> list[JsonObject]:
    """A list of objects; [] where nothing, null or "" was sent."""
    value = of.get(key)
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise Unreadable("wrong_type", f"{path}.{key}", f"expected a list, got {_kind(value)}")
    for index, each in enumerate(value):
        if not isinstance(each, dict):
            raise Unreadable("wrong_type", f"{path}.{key}[{index}]", f"expected an object, got {_kind(each)}")
    return value


def texts(of: JsonObject, key: str, path: str) -> tuple[str, ...]:
    """A list of strings, blanks left out; () where nothing was sent."""
    value = of.get(key)
    if value is None or value == "":
        return ()
    if not isinstance(value, list):
        raise Unreadable("wrong_type", f"{path}.{key}", f"expected a list, got {_kind(value)}")
    found = (text({"": each}, "", f"{path}.{key}[{index}]") for index, each in enumerate(value))
    return tuple(each for each in found if each is not None)


def currency_code(of: JsonObject, key: str, path: str, problems: list[OrderProblem]) -> str | None:
    """A currency as ISO 4217 writes it; with a problem, once for an order, where no list of currencies has it.

    None for what cannot be a code at all; one that is merely in no list is kept.
    """
    sent = text(of, key, path)
    code = sent and sent.upper()
    if code and code not in _currencies() and all(each.code != "currency_unknown" for each in problems):
        problems.append(
            OrderProblem(code="currency_unknown", path=f"{path}.{key}", message="not an ISO 4217 currency code")
        )
    return code if code and _CURRENCY.fullmatch(code) else None


def tolerated(problems: list[OrderProblem], read: Callable[[], T], instead: T) -> T:
    """What `read` gives; `instead` with a problem where it cannot be read: what only describes an order must not cost it."""
    try:
        return read()
    except Unreadable as odd:
        problems.append(OrderProblem(code="member_unreadable", path=odd.path, message=odd.reason))
        return instead


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def _plain(exact: Decimal, place: str) -> Decimal:
    """The same amount with no power of ten and no zeros beyond the places kept: 1E+3 is 1000, 39.9000000000 is 39.9."""
    if not exact:
        return Decimal(0)
    try:
        fine = exact.quantize(_FINEST, context=_EXACTLY).normalize(_EXACTLY)
        return fine.quantize(Decimal(1), context=_EXACTLY) if fine == fine.to_integral_value() else fine
    except (Inexact, InvalidOperation):
        raise Unreadable("out_of_range", place, "an amount this large or this fine cannot be right") from None


def _clean(value: str, key: str, path: str) -> str | None:
    if len(value) > TEXT_LIMIT:
        raise Unreadable("out_of_range", f"{path}.{key}", "a text this long cannot be right")
    if not value.isascii():
        # A lone surrogate is legal JSON and illegal UTF-8: no store could keep it.
        value = value.encode("utf-8", "replace").decode("utf-8")
    if "\x00" in value:  # PostgreSQL has no text with NUL
        value = value.replace("\x00", "")
    return value.strip() or None


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float() | Decimal():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "null"

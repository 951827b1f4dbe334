"""What a member of a given order may hold: types of pydantic, each of which refuses in plain words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictInt,
    StrictStr,
    StringConstraints,
    WithJsonSchema,
)

from warehouse.identifiers import MAX_LENGTH, UNSEEN, cleaned

MOST_UNITS = 1_000_000
LONGEST_TEXT = 2000
AMOUNT = r"-?\d{1,12}(\.\d{1,6})?"
YEARS = range(2000, 2101)


def _amount(value: object) -> Decimal:
    if not isinstance(value, str) or re.fullmatch(AMOUNT, value, re.ASCII) is None:
        raise ValueError('should be an amount as decimal text, such as "39.90", with at most six decimals')
    return Decimal(value)


def read_moment(value: object) -> datetime:
    """A time in UTC, of text with an offset; refused in words that pydantic repeats."""
    if not isinstance(value, str):
        raise ValueError("should be ISO 8601 text with an offset from UTC")  # noqa: TRY004 - pydantic's contract
    try:
        moment = datetime.fromisoformat(value)
        found = None if moment.utcoffset() is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("should be ISO 8601 text with an offset from UTC") from None
    if found is None:
        raise ValueError("needs an offset from UTC, or Z")
    if found.year not in YEARS:
        raise ValueError(f"should be of a year from {YEARS.start} to {YEARS.stop - 1}")
    return found


def none_if_blank(value: object) -> object:
    """What has nothing in it is not there."""
    return None if isinstance(value, str) and not value.strip() else value


def _cleaned(value: object) -> object:
    return cleaned(value) if isinstance(value, str) else value


def _country(code: str) -> str:
    import pycountry  # noqa: PLC0415 - its data takes long to load, and only a document needs it

    if pycountry.countries.get(alpha_2=code) is None and code != "XK":
        raise ValueError("should be a country of ISO 3166, alpha-2")
    return code


def _currency(code: str) -> str:
    from babel.numbers import is_currency  # noqa: PLC0415 - as above

    if not is_currency(code):
        raise ValueError("should be a currency of ISO 4217")
    return code


Amount = Annotated[Decimal, BeforeValidator(_amount), WithJsonSchema({"type": "string", "pattern": f"^{AMOUNT}$"})]
Moment = Annotated[datetime, BeforeValidator(read_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Text = Annotated[
    StrictStr,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=LONGEST_TEXT, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
    ),
]
"""Text without control characters other than tab and line ends."""
Identifier = Annotated[
    StrictStr,
    BeforeValidator(_cleaned),
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_LENGTH["original_id"], pattern=rf"^[^{UNSEEN}]*$"
    ),
]
Units = Annotated[StrictInt, Field(ge=0, le=MOST_UNITS)]
Country = Annotated[StrictStr, StringConstraints(pattern=r"^[A-Z]{2}$"), AfterValidator(_country)]
Currency = Annotated[StrictStr, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]
Code = Annotated[StrictStr, StringConstraints(pattern=r"^[a-z0-9_]{1,63}$")]

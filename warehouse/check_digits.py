"""Numbers that carry their own check: GTINs of products and tax numbers of buyers. A wrong one is flagged, never refused.

The rules of each country are python-stdnum's; whether a number was ever issued is nobody's guess here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from stdnum import ean, get_cc_module

PREFIX_LENGTH = 2
GTIN_LENGTHS = frozenset({8, 12, 13, 14})


def is_gtin(text: str) -> bool:
    """Whether the text is a GTIN of 8, 12, 13 or 14 digits with a right check digit (GS1 General Specifications, 7.9).

    >>> is_gtin("4006381333931"), is_gtin("4006381333932"), is_gtin("12345")
    (True, False, False)
    """
    return len(text) in GTIN_LENGTHS and text.isascii() and text.isdigit() and _is_ean(text)


@lru_cache(maxsize=4096)
def _is_ean(digits: str) -> bool:
    """Cached, because an article is sold more than once."""
    return bool(ean.is_valid(digits))


def is_vat_id(text: str, country: str | None) -> bool | None:
    """Whether the number is a VAT number of the country that it begins with, else of `country`; None where no rule is known.

    Args:
        text: As it was sent; spaces, dots and dashes do not count.
        country: ISO 3166 alpha-2 code of the buyer, for numbers without the letters of a country.

    >>> is_vat_id("FR 40 303 265 045", None), is_vat_id("303265046", "FR"), is_vat_id("47", "AQ")
    (True, False, None)
    """
    own = text.strip()[:PREFIX_LENGTH]
    codes = [own] if own.isascii() and own.isalpha() else []
    rules = (_vat_rule(code) for code in [*codes, country or ""] if code)
    rule = next((each for each in rules if each is not None), None)
    return None if rule is None else bool(rule.is_valid(text))


@lru_cache(maxsize=1024)
def _vat_rule(country: str) -> Any:  # noqa: ANN401 - a module of stdnum, or None
    return get_cc_module(country.lower(), "vat")

"""Made-up VAT numbers with right check digits, for the companies among the sandbox's buyers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stdnum import get_cc_module

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 1000
SHAPES: dict[str, Callable[[int], str]] = {
    "CA": lambda number: f"{number:09d}",
    "DE": lambda number: f"DE{number:09d}",
    "ES": lambda number: f"ESB{number % 10**8:08d}",
    "FR": lambda number: f"FR{(12 + 3 * (number % 97)) % 97:02d}{number:09d}",
    "GB": lambda number: f"GB{number:09d}",
    "IT": lambda number: f"IT{number // 100:07d}100{number % 10}",
    "PL": lambda number: f"PL{number:010d}",
    "SE": lambda number: f"SE{number:010d}01",
}
"""How a number of up to nine digits is written where companies have VAT numbers; a right one is among the next hundred."""


def tax_number(country: str, start: int) -> str | None:
    """The first number from `start` on with right check digits; None in a country whose numbers are not made up here.

    >>> tax_number("DE", 136695976), tax_number("FR", 303265045), tax_number("US", 1)
    ('DE136695976', 'FR40303265045', None)
    """
    shape, rule = SHAPES.get(country), get_cc_module(country.lower(), "vat")
    if shape is None or rule is None:
        return None
    return next((text for number in range(start, start + ATTEMPTS) if rule.is_valid(text := shape(number))), None)

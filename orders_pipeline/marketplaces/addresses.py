"""Making addresses usable, the same way for every marketplace: no blank first line, no value that only fills a form.

What lives here: what counts as nothing, and moving street lines up. What does not: countries (`countries`), and which
members of a payload make up an address, which is each marketplace's knowledge.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from warehouse.order_parts import Address

NO_VALUES = frozenset({"n/a", "n.a.", "n.a", "null", "(null)", "undefined", "none", "nil", "unknown", "not available"})
"""Words that forms put where there is nothing; not looked for in names, of which some are people's."""

SHORTEST_PHONE = 4
_NO_DIGITS = re.compile(r"\D+")
COUNTING = "1234567890 0123456789 9876543210"


def cleaned(address: Address) -> Address:
    """The same address with fillers left out and street lines moved up until the first one says something.

    >>> from warehouse.order_parts import Address
    >>> cleaned(Address(line_1="-", line_2="Teststr. 58", city="N/A", phone="0000000000"))
    Address(name=None, company=None, line_1='Teststr. 58', line_2=None, line_3=None, postal_code=None, city=None, \
state=None, country_code=None, source_country=None, phone=None)
    """
    lines = [_said(line) for line in (address.line_1, address.line_2, address.line_3)]
    while lines[0] is None and any(lines):
        lines = [*lines[1:], None]
    kept = {
        "name": address.name if _says_something(address.name) else None,
        "company": _said(address.company),
        "line_1": lines[0],
        "line_2": lines[1],
        "line_3": lines[2],
        "postal_code": _said(address.postal_code),
        "city": _said(address.city),
        "state": _said(address.state),
        "phone": phone(address.phone),
    }
    changed = {name: text for name, text in kept.items() if text is not getattr(address, name)}
    return replace(address, **changed) if changed else address


def phone(sent: str | None) -> str | None:
    """A telephone number as sent; None for what cannot be one: no or too few digits, all the same, counted up or down.

    >>> phone("+33 1 23 45 67 89"), phone("-"), phone("0000000000"), phone("123456789"), phone("n/a")
    ('+33 1 23 45 67 89', None, None, None, None)
    """
    if sent is None:
        return None
    digits = _NO_DIGITS.sub("", sent)
    if not digits.isascii():
        digits = "".join(str(int(each)) for each in digits)
    is_filler = len(digits) < SHORTEST_PHONE or len(set(digits)) == 1 or digits in COUNTING
    return None if is_filler else sent


def _said(text: str | None) -> str | None:
    return text if _says_something(text) and text is not None and text.casefold() not in NO_VALUES else None


def _says_something(text: str | None) -> bool:
    return text is not None and (text[:1].isalnum() or any(letter.isalnum() for letter in text))

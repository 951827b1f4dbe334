"""Where personal data stands in an order of Target, bare or in our envelope of an order and what belongs to it.

Kept are city, state and country, so that a payload stays readable and countable after the purge.
"""

from __future__ import annotations

from warehouse.privacy import PathStep

Path = tuple[PathStep, ...]

_PLACE: frozenset[str] = frozenset({"city", "state", "country_code"})
_BOTH = ("shipping_address", "billing_address")

_ADDRESSES: tuple[Path, ...] = ((frozenset(_BOTH),), *((each, _PLACE) for each in _BOTH))

_ORDER: tuple[Path, ...] = (
    *(("addresses", *path) for path in _ADDRESSES),
    *((each, _PLACE) for each in _BOTH),
    # Free text may hold anything: a gift message, a name.
    ("other_info", "*", "value"),
)

PII_PATHS: tuple[Path, ...] = (
    *_ORDER,
    *(("order", *path) for path in _ORDER),
    *(("order_addresses", *path) for path in _ADDRESSES),
)
"""Every path of personal data. Paths of the form that a payload has not are no harm."""

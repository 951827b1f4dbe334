"""Where personal data stands in an order of OTTO.

Kept are city and country, so that a payload stays countable after the purge.
"""

from __future__ import annotations

from warehouse.privacy import PathStep

_KEPT = frozenset({"city", "countryCode"})

PII_PATHS: tuple[tuple[PathStep, ...], ...] = (("deliveryAddress", _KEPT), ("invoiceAddress", _KEPT))
"""Every path of personal data."""

"""The numbers by which marketplaces are told of packages."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

SMALLEST_REFERENCE, LARGEST_REFERENCE = 10**8, 2**31 - 1
"""Of the numbers that packages are told by: nine digits at least, as nobody counts."""


def free_reference(own_id: str, taken: Collection[int]) -> int:
    """The number by which a marketplace is told of a package: positive, and not one of those taken.

    Not counted from 1, as people and other tools do: a marketplace that finds a number taken changes the package that has it,
    whoever made that. It follows from the shipment's id, so that a ledger that was restored gives the same one again.

    >>> free_reference("a", ()) == free_reference("a", ()), free_reference("a", ()) in {1, 2, 3}
    (True, False)
    """
    for salt in itertools.count():
        digest = hashlib.sha256(f"{own_id}/{salt}".encode()).digest()
        number = SMALLEST_REFERENCE + int.from_bytes(digest[:8]) % (LARGEST_REFERENCE - SMALLEST_REFERENCE)
        if number not in taken:
            return number
    raise AssertionError("unreachable")

"""Importing a library without what it would load beside itself, where that is a lot and none of it is used.

httpx and structlog load rich and pygments when these are installed, for a command line and for tracebacks in colours: a tenth
of a second in every process that starts, and each tick starts one. Both are made to do without.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without(*names: str) -> Iterator[None]:
    """For as long as this lasts, modules that are not loaded yet count as not installed."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None is what the import system asks for
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]

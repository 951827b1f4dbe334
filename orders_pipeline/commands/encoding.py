"""Texts to and from a terminal whose locale knows ASCII only. Loaded by every call of `orders`: nothing heavy here."""

from __future__ import annotations

import codecs
import io
import sys


def write_utf8() -> None:
    """Where the locale knows ASCII only, and Python was told to go by it, write UTF-8 all the same: names are not ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name == "ascii":
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # a path goes out as it came in


def as_typed(text: str) -> str:
    """An argument that such a locale could not decode, as UTF-8; any other one as it is."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

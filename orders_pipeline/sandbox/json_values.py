"""The types of parsed JSON.

What lives here: two names. What does not: any check; values from outside are checked where they come in.
"""

from __future__ import annotations

from typing import Any, TypeAlias

JsonValue: TypeAlias = Any
"""Anything that JSON can say. A recursive type would only move the casts to every access."""

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object."""

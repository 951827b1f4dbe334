"""What an order is, and where it is kept: the only package that touches storage. Imports neither Dagster nor FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warehouse.analytics import connect as connect

__all__ = ["connect"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """`warehouse.connect` for analysts, without making every import of this package load DuckDB (PEP 562)."""
    if name == "connect":
        from warehouse.analytics import connect  # noqa: PLC0415 - the point of this function

        return connect
    raise AttributeError(name)

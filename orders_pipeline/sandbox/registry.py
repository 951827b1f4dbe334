"""Which stand-ins there are, by the kind of their marketplace: those that the marketplaces' registry names."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.registry import MARKETPLACES

if TYPE_CHECKING:
    from orders_pipeline.sandbox.engine import Sandbox

SANDBOXES: dict[str, type[Sandbox]] = {
    kind: resolve_name(each.sandbox) for kind, each in MARKETPLACES.items() if each.sandbox is not None
}

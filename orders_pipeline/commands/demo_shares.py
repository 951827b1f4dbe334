"""Which marketplaces play in `orders demo`: those whose stand-ins have a part in it, each with its own."""

from __future__ import annotations

from orders_pipeline.sandbox.engine import DemoShare
from orders_pipeline.sandbox.registry import SANDBOXES

SHARES: dict[str, DemoShare] = {kind: each.demo for kind, each in SANDBOXES.items() if each.demo is not None}
DEMONSTRATED = {kind: SANDBOXES[kind] for kind in SHARES}


def first_channel(kind: str) -> str:
    """The first of a marketplace's channels."""
    return next(iter(SHARES[kind].channels))

"""The ids of orders, lines and shipments: made of what marketplace and ERP call them, so the same after every rebuild."""

from __future__ import annotations

import hashlib
import uuid

from warehouse.order_states import FulfilledBy

ORDER_NAMESPACE = uuid.UUID("6f6a51a3-6a5e-5b0e-9d0b-5d2f0c1f7a10")
"""Root of every deterministic id; changing it would change every id, so it never changes."""


def order_id(channel: str, original_id: str, fulfilled_by: FulfilledBy | None = None) -> str:
    """UUIDv5 (RFC 9562) of the channel code and the marketplace's order id, and of the fulfilment for a split order.

    >>> order_id("amazon_fr", "402-2654339-9122716") == order_id("amazon_fr", "402-2654339-9122716")
    True
    """
    name = f"{channel}\n{original_id}" if fulfilled_by is None else f"{channel}\n{original_id}\n{fulfilled_by}"
    return _uuid5(ORDER_NAMESPACE.bytes, name)


def line_id(order: str, original_id: str) -> str:
    """UUIDv5 of the order's internal id and the marketplace's line id."""
    return _uuid5(bytes.fromhex(order.replace("-", "")), original_id)


def shipment_id(order: str, package_id: str) -> str:
    """UUIDv5 of the order's internal id and the ERP's name of the package."""
    return _uuid5(bytes.fromhex(order.replace("-", "")), f"package\n{package_id}")


def derived_id(order: str, name: str) -> str:
    """UUIDv5 of the order's internal id and a name within it."""
    return _uuid5(bytes.fromhex(order.replace("-", "")), name)


def _uuid5(namespace: bytes, name: str) -> str:
    """`str(uuid.uuid5(…))` at a fifth of its cost: every order needs several."""
    digest = bytearray(hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

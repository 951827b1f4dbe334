"""A marketplace's payload as it is kept: hashed, sealed, and without its personal data."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import orjson

from orders_pipeline.marketplaces.payloads import NotJson, parse
from warehouse.ledger.book import raw_orders
from warehouse.packing import pack
from warehouse.privacy import without_pii

if TYPE_CHECKING:
    from orders_pipeline.installation import Installation
    from orders_pipeline.marketplaces.protocol import Marketplace, RawOrder
    from warehouse.packing import Dictionary


def prepare_payload(
    installation: Installation,
    marketplace: Marketplace,
    connection: str,
    channel: str | None,
    raw: RawOrder,
    dictionary: Dictionary | None = None,
) -> raw_orders.Payload:
    """One raw order hashed, redacted, compressed and sealed."""
    try:
        value = parse(raw.body)
    except NotJson:
        value = None
    clear = _dump(without_pii(value, marketplace.pii_paths))
    digest = hashlib.sha256(raw.body if value is None else _dump(value)).digest()
    # An order without a readable id is told by its content: its place in a page says nothing in the next pull.
    own_id = f"?{digest.hex()[:16]}" if raw.original_id.startswith("?") else raw.original_id
    sealed = installation.keys.seal_compressed(raw.body, raw_orders.bound_to(connection, own_id), dictionary)
    return raw_orders.Payload(own_id, channel, digest, sealed, pack(clear, dictionary))


def _dump(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """JSON with sorted keys; values that orjson refuses (huge integers, lone surrogates) go the slow, escaped way."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, TypeError):
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

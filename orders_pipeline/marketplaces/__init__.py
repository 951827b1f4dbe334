"""The seam to the marketplaces: one module per marketplace, all speaking the protocol in `protocol.py`. No Dagster here."""

from warehouse.lean_imports import without

with without("pygments", "rich"):
    import httpx as httpx  # before any of ours does

"""The seam to the marketplaces: one module per marketplace, all speaking the protocol in `protocol.py`. No Dagster here."""

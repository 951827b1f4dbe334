"""The lake: the order book as DuckDB tables over Parquet (DuckLake), for scans and for analysts.

Wholly derived from the ledger: nothing is written here first. `tables` and `views` say what is in it, `conversions` how
a ledger row becomes a lake row. The ledger's own tables are not here, nor the analysts' entry (`warehouse.analytics`).
"""

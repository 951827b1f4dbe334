"""The ledger: what must be right at every instant, in SQLite or PostgreSQL. One module per noun; tables in `schema`."""

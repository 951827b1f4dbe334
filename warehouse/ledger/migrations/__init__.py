"""Migrations of the ledger, run by `warehouse.ledger.database.migrate`."""

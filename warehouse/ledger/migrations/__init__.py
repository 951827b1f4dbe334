"""Migrations of the ledger, run by `warehouse.ledger.base.database.migrate`."""

"""What every room of the ledger stands on: schema, connections, transactions, leases, quotas, keys. Knows no order."""

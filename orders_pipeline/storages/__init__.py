"""Files that cross to other systems: where they are put and fetched. What is in them is not decided by a storage.

`registry` says what a storage is, `errors` what can go wrong with one, and there is a module per kind. `open_storages` finds
them in the ledger; nothing else here knows it, and nothing knows Dagster.
"""

"""Local stand-ins of the marketplaces: for the demo, the tests and integrators who want to try without an account.

What lives here: stateful FastAPI servers that answer like a marketplace, one package per kind, an order generator, fault
injection, a movable clock and a journal of everything that was asked and answered.

What does not live here: anything the pipeline needs in production. Nothing in ``warehouse``, ``orders_api`` or the
pipeline's assets imports this package.

Default credentials are public on purpose, since a sandbox is a toy on loopback; each kind's package lists its own.
"""

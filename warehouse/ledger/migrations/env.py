"""Alembic's entry: runs migrations on the connection that `warehouse.ledger.base.database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from warehouse.ledger.base.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()

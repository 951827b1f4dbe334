"""What steps of runs have printed, where several machines run them: the one that shows it is not the one that ran.

Only PostgreSQL has it, beside the tables of the pipeline's engine and not among the ledger's own: it is made where it lacks,
and goes with its run. On SQLite one machine does all: there it is in files below ORDERS_HOME, and nothing of this is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import upsert

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

printed = sa.Table(
    "printed",
    sa.MetaData(schema="dagster"),
    sa.Column("step", sa.Text, primary_key=True, comment="Run and step, with slashes between."),
    sa.Column("stream", sa.Text, primary_key=True, comment="Standard output or standard error."),
    sa.Column("is_complete", sa.Boolean, nullable=False, comment="Whether the step has ended."),
    sa.Column("content", sa.LargeBinary, nullable=False),
)


def make_table(transaction: Transaction) -> None:
    """Make the table where it lacks; its schema is there."""
    printed.create(transaction, checkfirst=True)


def keep(transaction: Transaction, step: str, stream: str, content: bytes, *, is_complete: bool) -> None:
    """Keep what a step has printed until now."""
    transaction.execute(
        upsert(transaction, printed, ("step", "stream")),
        {"step": step, "stream": stream, "content": content, "is_complete": is_complete},
    )


def read(transaction: Transaction, step: str, stream: str, offset: int, limit: int | None) -> bytes | None:
    """So many bytes of what a step has printed, from an offset on; None where nothing is kept."""
    content = printed.c.content
    rest = sa.func.substr(content, offset + 1) if limit is None else sa.func.substr(content, offset + 1, limit)
    found: bytes | None = transaction.execute(sa.select(rest).where(*_of(step, stream))).scalar()
    return found


def is_kept(transaction: Transaction, step: str, stream: str, *, complete: bool) -> bool:
    """Whether anything is kept of a step that has ended, or of one that had not when it was."""
    wanted = sa.exists().where(*_of(step, stream), printed.c.is_complete == complete)
    return bool(transaction.execute(sa.select(wanted)).scalar())


def delete(transaction: Transaction, steps: str) -> None:
    """Let go of a step, or of all steps below a prefix, such as a run."""
    transaction.execute(
        sa.delete(printed).where((printed.c.step == steps) | printed.c.step.startswith(f"{steps}/", autoescape=True))
    )


def _of(step: str, stream: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (printed.c.step == step, printed.c.stream == stream)

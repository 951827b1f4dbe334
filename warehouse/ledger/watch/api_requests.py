"""Requests to the API: how many were alike in a minute, how long they took, and the id of the last of them.

Neither paths nor queries nor bodies: a route is a template. Who counts them is in `orders_api.kit.request_tally`.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.database import insert_of
from warehouse.ledger.base.rows import columns_of, read_rows
from warehouse.ledger.base.schema import Instant, api_requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

FIRST_FAILURE = 400


class ApiRequests(NamedTuple):
    """Requests that were alike in a minute; each member is a column of `api_requests`, which says what it means."""

    minute: datetime
    alike: str
    consumer: str
    method: str
    route: str
    status: int
    code: str
    requests: int
    milliseconds: int
    slowest: int
    last_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequestFilter:
    """Which requests.

    Attributes:
        visible_consumers: What the reader may see; None for everything, also what came without a token.
        consumers: Of any of these.
        has_failed: Only those that were refused or failed, or only the others.
    """

    visible_consumers: tuple[str, ...] | None = None
    consumers: tuple[str, ...] = ()
    has_failed: bool | None = None


def digest(consumer: str, method: str, route: str, status: int, code: str) -> str:
    """An id that is the same for requests that are alike."""
    said = f"{consumer}\n{method}\n{route}\n{status}\n{code}"
    return str(uuid.UUID(bytes=hashlib.blake2b(said.encode(), digest_size=16).digest()))


def add(transaction: Transaction, counted: Sequence[ApiRequests]) -> None:
    """Count requests, beside those that were counted before and by other processes."""
    table, insert = api_requests.c, insert_of(transaction.dialect.name, api_requests)
    greatest = sa.func.greatest if transaction.dialect.name == "postgresql" else sa.func.max
    adding = insert.on_conflict_do_update(
        index_elements=["minute", "alike"],
        set_={
            "requests": table.requests + insert.excluded.requests,
            "milliseconds": table.milliseconds + insert.excluded.milliseconds,
            "slowest": greatest(table.slowest, insert.excluded.slowest),
            "last_at": insert.excluded.last_at,
            "request_id": insert.excluded.request_id,
        },
    )
    transaction.execute(adding, [each._asdict() for each in counted])


def find_requests(
    transaction: Transaction, wanted: ApiRequestFilter, after: tuple[datetime, str] | None = None, limit: int = 100
) -> list[ApiRequests]:
    """Requests behind a minute and what they have in common, the newest minute first."""
    table = api_requests.c
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.visible_consumers is not None:
        conditions.append(table.consumer.in_(wanted.visible_consumers))
    if wanted.consumers:
        conditions.append(table.consumer.in_(wanted.consumers))
    if wanted.has_failed is not None:
        conditions.append(table.status >= FIRST_FAILURE if wanted.has_failed else table.status < FIRST_FAILURE)
    if after is not None:
        place = sa.tuple_(sa.literal(after[0], Instant), sa.literal(after[1]))
        conditions.append(sa.tuple_(table.minute, table.alike) < place)
    query = sa.select(*columns_of(ApiRequests, api_requests)).where(*conditions)
    return read_rows(transaction, ApiRequests, query.order_by(table.minute.desc(), table.alike.desc()).limit(limit))


def forget(transaction: Transaction, now: datetime, days: int) -> None:
    """Forget what is older than so many days."""
    transaction.execute(sa.delete(api_requests).where(api_requests.c.minute < now - timedelta(days=days)))

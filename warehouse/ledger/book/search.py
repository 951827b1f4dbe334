"""Finding orders by whatever somebody has at hand: an id of any kind, a SKU, a GTIN, a tracking number, the name of a file.

Never by a name or an address: these are sealed. Every kind is a look into an index, and all of them are one statement.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.schema import (
    acknowledgements,
    channels,
    file_members,
    file_rows,
    files,
    order_lines,
    orders,
    shipments,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

BETWEEN = re.compile(r"[\s,;]+")
MOST_TERMS = 200
MOST_FOUND = 1000


def search(transaction: Transaction, text: str, visible_channels: tuple[str, ...] | None) -> tuple[str, ...]:
    """The internal ids of the orders that any of the words in a text names, of those that a reader may see: a thousand at most.

    Args:
        transaction: A read transaction.
        text: Words apart by spaces, commas, semicolons or lines, as they are pasted from a table; 200 of them count.
        visible_channels: What the reader may see; None for everything.
    """
    terms = list(dict.fromkeys(each for each in BETWEEN.split(text.replace("\0", " ")) if each))[:MOST_TERMS]
    if not terms:
        return ()
    named = sa.union(*_places(terms)).subquery()
    query = sa.select(orders.c.id).where(orders.c.id.in_(sa.select(named.c.id))).limit(MOST_FOUND)
    if visible_channels is not None:
        query = query.where(sa.func.coalesce(orders.c.channel, "").in_(visible_channels))  # so that it leads no index
    return tuple(transaction.execute(query).scalars())


def _places(terms: Sequence[str]) -> list[sa.Select[Any]]:
    every = sa.select(channels.c.code)  # the indexes on what is unique within a channel begin with it
    line, order, package = order_lines.c, orders.c, shipments.c
    own = [str(uuid.UUID(each)) for each in terms if _is_own(each)]
    named_files = sa.select(files.c.id).where(files.c.name.in_(terms))
    return [
        _few(sa.select(order.id).where(order.id.in_(own))),
        _few(sa.select(order.id).where(order.channel.in_(every), order.original_id.in_(terms))),
        _few(sa.select(line.order_id).where(line.id.in_(own))),
        _few(sa.select(line.order_id).where(line.channel.in_(every), line.sku.in_(terms))),
        _few(sa.select(line.order_id).where(line.channel.in_(every), line.gtin.in_(terms))),
        _few(sa.select(package.order_id).where(package.tracking_number.in_(terms))),
        _few(sa.select(package.order_id).where(package.package_id.in_(terms))),
        _few(sa.select(acknowledgements.c.order_id).where(acknowledgements.c.order_number.in_(terms))),
        _few(sa.select(file_members.c.order_id).where(file_members.c.file_id.in_(named_files))),
        _few(sa.select(file_rows.c.order_id).where(file_rows.c.file_id.in_(named_files))),
    ]


def _few(query: sa.Select[Any]) -> sa.Select[Any]:
    found = query.limit(MOST_FOUND).subquery()
    return sa.select(next(iter(found.c)).label("id"))


def _is_own(term: str) -> bool:
    try:
        uuid.UUID(term)
    except ValueError:
        return False
    return True

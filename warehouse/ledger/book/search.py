"""Finding orders by whatever somebody has at hand: an id of any kind, a SKU, a GTIN, a tracking number, the name of a file.

Never by a name or an address: these are sealed. Every kind is a look into an index, and all of them are one statement;
another one looks for beginnings of ids.
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

    Channels = sa.Select[Any] | tuple[str, ...]

BETWEEN = re.compile(r"[\s,;]+")
MOST_WORDS = 200
MOST_FOUND = 1000
SHORTEST_BEGINNING = 6
LAST_CHARACTER = "\U0010ffff"


def words_of(text: str) -> list[str]:
    """The words in a text, each once, as they are pasted from a table: apart by spaces, commas, semicolons or lines."""
    return list(dict.fromkeys(each for each in BETWEEN.split(text.replace("\0", " ")) if each))[:MOST_WORDS]


def search(transaction: Transaction, text: str, visible_channels: tuple[str, ...] | None) -> tuple[str, ...]:
    """The internal ids of the orders that any of the words in a text names, of those that a reader may see: a thousand at most.

    Where nothing is named so, a word of six characters or more is also the beginning of a marketplace's order id.

    Args:
        transaction: A read transaction.
        text: Words, of which 200 count.
        visible_channels: What the reader may see; None for everything.
    """
    words = words_of(text)
    if not words:
        return ()
    # the indexes on what is unique within a channel begin with it
    among = sa.select(channels.c.code) if visible_channels is None else visible_channels
    found = _named(transaction, _places(words, among), visible_channels)
    begun = [each for each in words if len(each) >= SHORTEST_BEGINNING]
    if found or not begun:
        return found
    return _named(transaction, [_begins(transaction, each, among) for each in begun], visible_channels)


def is_beginning(text: str, original_id: str) -> bool:
    """Whether a text finds an order by the beginning of its id alone."""
    return any(each != original_id and original_id.startswith(each) for each in words_of(text))


def _named(
    transaction: Transaction, places: Sequence[sa.Select[Any]], visible_channels: tuple[str, ...] | None
) -> tuple[str, ...]:
    named = sa.union(*places).subquery()
    query = sa.select(orders.c.id).where(orders.c.id.in_(sa.select(named.c.id))).limit(MOST_FOUND)
    if visible_channels is not None:
        query = query.where(sa.func.coalesce(orders.c.channel, "").in_(visible_channels))  # so that it leads no index
    return tuple(transaction.execute(query).scalars())


def _places(words: Sequence[str], among: Channels) -> list[sa.Select[Any]]:
    line, order, package = order_lines.c, orders.c, shipments.c
    own = [str(uuid.UUID(each)) for each in words if _is_own(each)]
    named_files = sa.select(files.c.id).where(files.c.name.in_(words))
    return [
        _few(sa.select(order.id).where(order.id.in_(own))),
        _few(sa.select(order.id).where(order.channel.in_(among), order.original_id.in_(words))),
        _few(sa.select(line.order_id).where(line.id.in_(own))),
        _few(sa.select(line.order_id).where(line.channel.in_(among), line.sku.in_(words))),
        _few(sa.select(line.order_id).where(line.channel.in_(among), line.gtin.in_(words))),
        _few(sa.select(package.order_id).where(package.tracking_number.in_(words))),
        _few(sa.select(package.order_id).where(package.package_id.in_(words))),
        _few(sa.select(acknowledgements.c.order_id).where(acknowledgements.c.order_number.in_(words))),
        _few(sa.select(file_members.c.order_id).where(file_members.c.file_id.in_(named_files))),
        _few(sa.select(file_rows.c.order_id).where(file_rows.c.file_id.in_(named_files))),
    ]


def _begins(transaction: Transaction, word: str, among: Channels) -> sa.Select[Any]:
    """Orders whose id begins with a word, each database in the terms in which its index serves that."""
    column = orders.c.original_id
    if transaction.dialect.name == "postgresql":
        begins = [column.startswith(word, autoescape=True)]
    else:
        begins = [column >= word, column < word + LAST_CHARACTER]
    return _few(sa.select(orders.c.id).where(orders.c.channel.in_(among), *begins))


def _few(query: sa.Select[Any]) -> sa.Select[Any]:
    found = query.limit(MOST_FOUND).subquery()
    return sa.select(next(iter(found.c)).label("id"))


def _is_own(term: str) -> bool:
    try:
        uuid.UUID(term)
    except ValueError:
        return False
    return True

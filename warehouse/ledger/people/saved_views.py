"""Views of the list of orders that people keep: a name for filters, sorting and columns, as the list's address has them.

Each belongs to a user, and may be shared with those who may see all that it may be about. What the words of a query mean is the
list's business.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa

from warehouse.identifiers import has_unseen
from warehouse.ledger.base.schema import saved_views, users
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.people.users import User

LONGEST_NAME = 60
LONGEST_QUERY = 4000
MOST_VIEWS = 30
"""Of one user."""
STATELESS = frozenset({"cursor", "count", "view"})
"""Parameters that are about one page of a list, and no part of a view."""


@dataclass(frozen=True, slots=True)
class SavedView:
    """One view; `channels` are those that it may show anything of, None for all."""

    id: str
    owner: str
    name: str
    query: str
    is_shared: bool
    is_default: bool
    channels: tuple[str, ...] | None


class ViewRefused(Exception):
    """A view cannot be kept like this; `code` is a stable snake_case word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def views_for(transaction: Transaction, user: User) -> list[SavedView]:
    """A user's own views in their order, then those that others share with whoever may see what they are about."""
    rows = transaction.execute(_VISIBLE, {"user": user.name}).mappings()
    found = [
        SavedView(
            id=row["id"],
            owner=row["owner"],
            name=row["name"],
            query=row["query"],
            is_shared=row["is_shared"],
            is_default=row["is_default"],
            channels=_scope(row["query"], row["channels"]),
        )
        for row in rows
    ]
    own = [each for each in found if each.owner == user.name]
    return own + [each for each in found if each.owner != user.name and _may_see(user, each)]


def keep(transaction: Transaction, user: User, name: str, query: str, now: datetime, *, is_shared: bool) -> str:
    """Keep a new view, behind the user's others; the answer is its id.

    Raises:
        ViewRefused: `invalid_name`, `name_taken`, `query_too_long`, `too_many_views`.
    """
    mine = _own(transaction, user)
    if len(mine) >= MOST_VIEWS:
        raise ViewRefused(
            "too_many_views",
            Sentence("There are %(count)s views already: remove one first.", count=MOST_VIEWS),
        )
    row = {
        "id": str(uuid.uuid4()),
        "owner": user.name,
        "name": _checked_name(name, mine),
        "query": checked_query(query),
        "is_shared": is_shared,
        "is_default": False,
        "place": len(mine),
        "updated_at": now,
    }
    transaction.execute(sa.insert(saved_views).values(**row))
    return str(row["id"])


def change(
    transaction: Transaction,
    user: User,
    view_id: str,
    now: datetime,
    *,
    name: str | None = None,
    query: str | None = None,
    is_shared: bool | None = None,
) -> bool:
    """Change what is not None. False when the user has no such view.

    Raises:
        ViewRefused: `invalid_name`, `name_taken`, `query_too_long`.
    """
    mine = _own(transaction, user)
    if view_id not in mine:
        return False
    changes = {
        "name": None
        if name is None
        else _checked_name(name, {key: each for key, each in mine.items() if key != view_id}),
        "query": None if query is None else checked_query(query),
        "is_shared": is_shared,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    transaction.execute(sa.update(saved_views).where(saved_views.c.id == view_id).values(**given, updated_at=now))
    return True


def open_with(transaction: Transaction, user: User, view_id: str | None) -> bool:
    """Let the list open with this view, or with none. False when the user has no such view."""
    if view_id is not None and view_id not in _own(transaction, user):
        return False
    whose = saved_views.c.owner == user.name
    transaction.execute(sa.update(saved_views).where(whose).values(is_default=False))
    transaction.execute(sa.update(saved_views).where(whose, saved_views.c.id == view_id).values(is_default=True))
    return True


def move(transaction: Transaction, user: User, view_id: str, by: int) -> bool:
    """Move a view so many places towards the end; towards the beginning when negative. False when there is no such view."""
    order = list(_own(transaction, user))
    if view_id not in order:
        return False
    place = min(max(order.index(view_id) + by, 0), len(order) - 1)
    order.remove(view_id)
    order.insert(place, view_id)
    renumbering = (
        sa.update(saved_views).where(saved_views.c.id == sa.bindparam("moved")).values(place=sa.bindparam("to"))
    )
    transaction.execute(renumbering, [{"moved": each, "to": number} for number, each in enumerate(order)])
    return True


def forget(transaction: Transaction, user: User, view_id: str) -> bool:
    """Remove a view. False when the user has no such view."""
    whose = (saved_views.c.owner == user.name, saved_views.c.id == view_id)
    return bool(transaction.execute(sa.delete(saved_views).where(*whose)).rowcount)


def checked_query(query: str) -> str:
    """A query without what is about one page of the list.

    Raises:
        ViewRefused: `query_too_long`.

    >>> checked_query("?status=SHIPPED&cursor=x&country=FR")
    'status=SHIPPED&country=FR'
    """
    parts = [each for each in parse_qsl(query.removeprefix("?")) if each[0] not in STATELESS]
    text = urlencode(parts)
    if len(text) > LONGEST_QUERY:
        raise ViewRefused("query_too_long", Sentence("The filters are too long to be kept: search for fewer words."))
    return text


def _checked_name(name: str, others: dict[str, str]) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or has_unseen(name):
        raise ViewRefused(
            "invalid_name",
            Sentence("A view has a name, of %(count)s characters at most.", count=LONGEST_NAME),
        )
    if name.casefold() in {each.casefold() for each in others.values()}:
        raise ViewRefused("name_taken", Sentence("You have a view of the name %(name)s already.", name=name))
    return name


def _own(transaction: Transaction, user: User) -> dict[str, str]:
    """The names of a user's views by their ids, in their order."""
    return {row.id: row.name for row in transaction.execute(_OWN, {"user": user.name})}


def _scope(query: str, of_owner: list[str] | None) -> tuple[str, ...] | None:
    """Channels that a view may show anything of: those that it names, or those that its owner sees."""
    named = tuple(value for key, value in parse_qsl(query) if key == "channel")
    return named or (None if of_owner is None else tuple(of_owner))


def _may_see(user: User, view: SavedView) -> bool:
    return user.channels is None or (view.channels is not None and set(view.channels) <= set(user.channels))


_WHOSE = sa.bindparam("user", type_=sa.String)
_VISIBLE = (
    sa.select(saved_views, users.c.channels)
    .join_from(saved_views, users)
    .where(sa.or_(saved_views.c.owner == _WHOSE, saved_views.c.is_shared))
    .order_by(saved_views.c.owner, saved_views.c.place, saved_views.c.name)
)
_OWN = (
    sa.select(saved_views.c.id, saved_views.c.name)
    .where(saved_views.c.owner == _WHOSE)
    .order_by(saved_views.c.place, saved_views.c.name)
)

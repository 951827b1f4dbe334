"""`orders views …`: the views of the list of orders that people keep in the console."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.installation import opened, opened_to_read
from warehouse.ledger.people import saved_views, users
from warehouse.ledger.people.saved_views import ViewRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.people.users import User

views = typer.Typer(
    name="views", help="Views of the list of orders that people keep.", no_args_is_help=True, rich_markup_mode=None
)

UserName = Annotated[str, typer.Argument(help="Whose view: the name they log in with.")]
Title = Annotated[str, typer.Argument(help="What the view is called.")]


@views.command("list")
def list_views(
    user: UserName, as_json: Annotated[bool, typer.Option("--json", help="One JSON line per row.")] = False
) -> None:
    """Somebody's views in their order, and those that others share with them.

    Example: orders views list anna
    """
    columns = ("name", "owner", "query", "is_shared", "is_default")
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        found = saved_views.views_for(transaction, _user(transaction, user))
    print_rows("Views", [{name: getattr(each, name) for name in columns} for each in found], columns, as_json)


@views.command()
def keep(
    user: UserName,
    view: Title,
    query: Annotated[str, typer.Argument(help="Filters, sorting and columns, as the list's address has them.")],
    shared: Annotated[
        bool | None, typer.Option("--shared/--own", help="Whether others see it who may see what it is about.")
    ] = None,
) -> None:
    """Keep a view: a new one, or what the one of this name is from now on.

    Example: orders views keep anna "To France" "country=FR&status=WAITING_FOR_SHIPMENT" --shared
    """
    with _changing(user) as (transaction, whose, now):
        own = _found(transaction, whose, view)
        if own is None:
            saved_views.keep(transaction, whose, view, query, now, is_shared=bool(shared))
        else:
            saved_views.change(transaction, whose, own, now, query=query, is_shared=shared)
    notes.print(f"{view} is kept", markup=False)


@views.command()
def change(
    user: UserName,
    view: Title,
    name: Annotated[str | None, typer.Option(help="What it is called from now on.")] = None,
    shared: Annotated[bool | None, typer.Option("--shared/--own", help="Whether others see it.")] = None,
    opens: Annotated[bool | None, typer.Option("--first/--not-first", help="Whether orders open with it.")] = None,
    by: Annotated[int, typer.Option(help="Move it so many places on; back when negative.")] = 0,
) -> None:
    """Rename, share or move a view, or let the list open with it.

    Example: orders views change anna "To France" --name "To France and Belgium" --first --by -1
    """
    with _changing(user) as (transaction, whose, now):
        own = _existing(transaction, whose, view)
        saved_views.change(transaction, whose, own, now, name=name, is_shared=shared)
        saved_views.move(transaction, whose, own, by)
        if opens is not None:
            saved_views.open_with(transaction, whose, own if opens else None)
    notes.print(f"{view} is changed", markup=False)


@views.command()
def remove(user: UserName, view: Title) -> None:
    """Remove a view.

    Example: orders views remove anna "To France"
    """
    with _changing(user) as (transaction, whose, _now):
        saved_views.forget(transaction, whose, _existing(transaction, whose, view))
    notes.print(f"{view} is removed", markup=False)


@contextmanager
def _changing(name: str) -> Iterator[tuple[Transaction, User, datetime]]:
    with opened() as installation, installation.ledger.write() as transaction:
        try:
            yield transaction, _user(transaction, name), installation.clock()
        except ViewRefused as error:
            raise fail(str(error), Exit.USAGE) from None


def _user(transaction: Transaction, name: str) -> User:
    found = users.find(transaction, name)
    if found is None:
        raise fail(f"there is no user {name}", Exit.USAGE)
    return found


def _found(transaction: Transaction, user: User, title: str) -> str | None:
    mine = [each for each in saved_views.views_for(transaction, user) if each.owner == user.name]
    return next((each.id for each in mine if each.name.casefold() == title.casefold()), None)


def _existing(transaction: Transaction, user: User, title: str) -> str:
    own = _found(transaction, user, title)
    if own is None:
        raise fail(f"{user.name} has no view {title}", Exit.USAGE)
    return own

"""`orders users …`: who may log in to the console, and what they may do and see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orders_pipeline.commands.output import Exit, answers, fail, notes, print_rows
from orders_pipeline.commands.recording import record
from orders_pipeline.installation import opened, opened_to_read
from warehouse.ledger.people import links
from warehouse.ledger.people import users as book
from warehouse.ledger.people.users import Role, User, UserError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation

users = typer.Typer(name="users", help="People who use the console.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="The name they log in with.")]


@users.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What they may do; each role includes those before it.")] = Role.VIEWER,
    pii: Annotated[bool, typer.Option("--pii", help="They may reveal buyers and addresses.")] = False,
    channel: Annotated[list[str] | None, typer.Option(help="Channels they may see; repeatable. Default: all.")] = None,
) -> None:
    """Add somebody, and print a link that logs them in once, within a day, so that they can choose a password.

    Examples:

      orders users add anna --role admin --pii

      orders users add erik --role operator --channel amazon_fr
    """
    with opened() as installation, installation.ledger.write() as transaction:
        now = installation.clock()
        try:
            book.add(transaction, name, role, channel or None, now, may_see_personal_data=pii)
        except UserError as error:
            raise fail(str(error), Exit.USAGE) from None
        rights = {"role": role.value, "pii": pii, "channels": channel or "all"}
        record(transaction, installation, "user_added", name, rights)
        address = _link(transaction, installation, name)
    notes.print(f"{name} is {role}; the link logs them in once, within 24 hours", markup=False)
    answers.print(address, markup=False, highlight=False)


@users.command("list")
def list_users(as_json: Annotated[bool, typer.Option("--json", help="One JSON line per row.")] = False) -> None:
    """Everybody who may log in.

    Example: orders users list
    """
    columns = (
        "name",
        "role",
        "may_see_personal_data",
        "channels",
        "has_password",
        "has_codes",
        "is_from_provider",
        "created_at",
    )
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        rows = [{name: getattr(each, name) for name in columns} for each in book.listed(transaction)]
    print_rows("Users", rows, columns, as_json)


@users.command()
def change(
    name: Name,
    role: Annotated[Role | None, typer.Option(help="What they may do from now on. Default: as before.")] = None,
    pii: Annotated[
        bool | None, typer.Option("--pii/--no-pii", help="Whether they may reveal buyers and addresses.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Channels they may see; repeatable. `all` for every channel.")
    ] = None,
) -> None:
    """Give somebody other rights; they are logged out, and have them with the next log-in.

    Examples:

      orders users change erik --role configurator --no-pii

      orders users change erik --channel all
    """
    with opened() as installation, installation.ledger.write() as transaction:
        before = book.find(transaction, name)
        if before is None:
            raise fail(f"there is no user {name}", Exit.USAGE)
        kept = before.may_see_personal_data if pii is None else pii
        channels = before.channels if not channel else None if channel == ["all"] else channel
        try:
            after = book.change(
                transaction, name, role or before.role, channels, installation.clock(), may_see_personal_data=kept
            )
        except UserError as error:
            raise fail(str(error), Exit.USAGE) from None
        record(transaction, installation, "user_changed", name, {"old": _rights(before), "new": _rights(after)})
    notes.print(f"{name} is {after.role}, with the next log-in", markup=False)


@users.command()
def link(name: Name) -> None:
    """Print a link that logs somebody in once, within a day; one that was made for them before ends.

    Example: orders users link anna
    """
    with opened() as installation, installation.ledger.write() as transaction:
        try:
            address = _link(transaction, installation, name)
        except UserError as error:
            raise fail(str(error), Exit.USAGE) from None
        record(transaction, installation, "link_made", name)
    answers.print(address, markup=False, highlight=False)


@users.command()
def reset(name: Name) -> None:
    """Take somebody's password away, log them out everywhere, and print a link with which they choose another.

    Example: orders users reset anna
    """
    with opened() as installation, installation.ledger.write() as transaction:
        if not book.reset_password(transaction, name, installation.clock()):
            raise fail(f"there is no user {name}", Exit.USAGE)
        record(transaction, installation, "password_reset", name)
        address = _link(transaction, installation, name)
    answers.print(address, markup=False, highlight=False)


@users.command()
def remove(name: Name) -> None:
    """Take somebody's access away; they are logged out at once. What they did stays in the audit log.

    Example: orders users remove erik
    """
    with opened() as installation, installation.ledger.write() as transaction:
        try:
            book.remove(transaction, name)
        except UserError as error:
            raise fail(str(error), Exit.USAGE) from None
        record(transaction, installation, "user_removed", name)
    notes.print(f"{name} is removed", markup=False)


def _rights(user: User) -> dict[str, object]:
    return {"role": user.role.value, "pii": user.may_see_personal_data, "channels": user.channels or "all"}


def _link(transaction: Transaction, installation: Installation, name: str) -> str:
    secret = links.make_link(transaction, name, installation.clock())
    return f"{installation.settings.console_address}/log-in/{secret}"

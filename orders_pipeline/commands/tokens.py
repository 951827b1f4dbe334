"""`orders tokens …`: who may call the Orders API, and what they may see."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from orders_pipeline.commands.output import Exit, answers, fail, instant, notes, print_rows
from orders_pipeline.commands.recording import record
from orders_pipeline.installation import opened, opened_to_read
from warehouse.ledger.settings import tokens as book
from warehouse.ledger.settings.tokens import Scope, TokenError

tokens = typer.Typer(name="tokens", help="Access to the Orders API.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]


@tokens.command()
def create(
    consumer: Annotated[
        str, typer.Argument(help="Name of the reader, such as erp; its cursor and acknowledgements go by it.")
    ],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; repeatable. Default: orders:read.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Channels it may see; repeatable. Default: all.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends (ISO 8601). Default: never.")] = None,
) -> None:
    """Create a token and print it: this is the only time it can be seen.

    Examples:

      orders tokens create erp --scope orders:read --scope orders:read:pii

      orders tokens create dashboard --channel amazon_fr --expires 2027-01-01
    """
    ends = None if expires is None else instant(expires)
    with opened() as installation, installation.ledger.write() as transaction:
        try:
            info, secret = book.create(
                transaction, consumer, scope or [Scope.ORDERS_READ], channel or None, ends, installation.clock()
            )
        except TokenError as error:
            raise fail(str(error), Exit.USAGE) from None
        record(transaction, installation, "token_made", info.id, _about(info))
    notes.print(f"token {info.id} of {info.consumer}: {', '.join(sorted(info.scopes))}; keep it, it is not shown again")
    answers.print(secret, markup=False, highlight=False)


@tokens.command("list")
def list_tokens(as_json: Json = False) -> None:
    """Every token, without its secret.

    Example: orders tokens list
    """
    columns = ("id", "consumer", "scopes", "channels", "created_at", "expires_at", "revoked_at", "last_used_at")
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        rows = [{name: getattr(each, name) for name in columns} for each in book.listed(transaction)]
    shown = [{**row, "scopes": sorted(row["scopes"])} for row in rows]
    print_rows("Tokens", shown, columns, as_json)


@tokens.command()
def rotate(
    token_id: Annotated[str, typer.Argument(help="The token's id, as `orders tokens list` shows it.")],
    grace_hours: Annotated[
        float | None, typer.Option(help="How long the old one still works; default: until it is revoked.")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="When the new one ends (ISO 8601). Default: never.")] = None,
) -> None:
    """Create a second token with the same rights, so that the reader can change over without a gap.

    Example: orders tokens rotate 3f9a1c2b --grace-hours 24
    """
    grace = None if grace_hours is None else timedelta(hours=grace_hours)
    ends = None if expires is None else instant(expires)
    with opened() as installation, installation.ledger.write() as transaction:
        try:
            info, secret = book.rotate(transaction, token_id, ends, grace, installation.clock())
        except TokenError as error:
            raise fail(str(error), Exit.USAGE) from None
        record(transaction, installation, "token_replaced", token_id, {**_about(info), "by": info.id})
    notes.print(f"token {info.id} replaces {token_id}; keep it, it is not shown again")
    answers.print(secret, markup=False, highlight=False)


@tokens.command()
def revoke(token_id: Annotated[str, typer.Argument(help="The token's id.")]) -> None:
    """End a token at once: its next call is refused.

    Example: orders tokens revoke 3f9a1c2b
    """
    with opened() as installation, installation.ledger.write() as transaction:
        if not book.revoke(transaction, token_id, installation.clock()):
            raise fail(f"there is no live token {token_id!r}", Exit.USAGE)
        record(transaction, installation, "token_ended", token_id)
    notes.print(f"token {token_id} is revoked")


def _about(info: book.TokenInfo) -> dict[str, object]:
    """What the audit log says of a token."""
    channels = None if info.channels is None else list(info.channels)
    return {"consumer": info.consumer, "scopes": sorted(info.scopes), "channels": channels}

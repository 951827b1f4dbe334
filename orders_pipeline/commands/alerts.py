"""`orders alerts …`: who is told of problems, trying that out, and what is on its way."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orders_pipeline.alerts import plan
from orders_pipeline.alerts.delivery import NotDelivered, deliver_test
from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.commands.recording import record
from orders_pipeline.installation import opened, opened_to_read
from warehouse.incidents import IncidentKind
from warehouse.ledger.settings import recipients
from warehouse.ledger.settings.recipients import Recipient, RecipientError, RecipientKind
from warehouse.ledger.watch import alerts as book

alerts = typer.Typer(name="alerts", help="Who is told of problems.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
Code = Annotated[str, typer.Argument(help="The recipient's code.")]


@alerts.command()
def add(
    code: Annotated[str, typer.Argument(help="A short code: lower-case letters, digits and _.")],
    email: Annotated[str | None, typer.Option(help="An e-mail address.")] = None,
    url: Annotated[
        str | None,
        typer.Option(help="A chat or webhook address: env:NAME, file:PATH, or - to type it; it is kept encrypted."),
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Only what concerns this channel; repeatable.")] = None,
    kind: Annotated[list[IncidentKind] | None, typer.Option(help="Only this kind of incidents; repeatable.")] = None,
    summary: Annotated[bool, typer.Option("--summary/--no-summary", help="Send the daily summary there.")] = True,
) -> None:
    """Add a recipient, or change one.

    Examples:

      orders alerts add crew --email crew@shop.example

      orders alerts add chat --url env:CHAT_URL --kind connectivity --kind staleness --no-summary
    """
    if (email is None) == (url is None):
        raise fail("give --email or --url, and not both", Exit.USAGE)
    with opened() as installation, installation.ledger.write() as transaction:
        address = email or url or ""
        if address == "-" and url is not None:
            typed = (
                typer.prompt("address", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
            )
            address = recipients.seal_url(installation.keys, code, typed)
        recipient = Recipient(
            code=code,
            kind=RecipientKind.EMAIL if email is not None else RecipientKind.URL,
            address=address,
            channels=tuple(channel or ()),
            kinds=tuple(each.value for each in kind or ()),
            summary=summary,
        )
        try:
            recipients.save_recipient(transaction, recipient, installation.clock())
        except RecipientError as error:
            raise fail(str(error), Exit.USAGE) from None
        details = {"kind": recipient.kind.value, "channels": list(recipient.channels), "kinds": list(recipient.kinds)}
        record(transaction, installation, "alert_saved", code, details)
    notes.print(f"{code} is told; try it with `orders alerts test {code}`", markup=False)


@alerts.command("list")
def list_recipients(
    outbox: Annotated[
        bool, typer.Option("--outbox", help="The newest messages instead, and whether they arrived.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Every recipient; addresses that are secrets are shown only as where they come from.

    Example: orders alerts list --outbox
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        if outbox:
            columns = ("created_at", "recipient", "stream", "subject", "state", "attempts", "sent_at", "error_code")
            print_rows("Messages", book.outbox(transaction, 100), columns, as_json)
            return
        names = ("code", "kind", "address", "channels", "kinds", "summary")
        rows = [{name: getattr(each, name) for name in names} for each in recipients.all_recipients(transaction)]
    for row in rows:
        row["address"] = "sealed" if row["address"].startswith("sealed:") else row["address"]
    print_rows("Recipients", rows, names, as_json)


@alerts.command()
def remove(code: Code) -> None:
    """Tell a recipient nothing more; what is on its way to it is dropped.

    Example: orders alerts remove chat
    """
    with opened() as installation, installation.ledger.write() as transaction:
        if not recipients.remove_recipient(transaction, code):
            raise fail(f"there is no recipient {code!r}", Exit.USAGE)
        record(transaction, installation, "alert_removed", code)
    notes.print(f"{code} is told nothing more", markup=False)


@alerts.command("test")
def test_recipient(code: Code) -> None:
    """Send a message to a recipient now, and say what is wrong when it does not arrive.

    Example: orders alerts test crew
    """
    with opened_to_read() as installation:
        with installation.ledger.read() as transaction:
            chosen = next((each for each in recipients.all_recipients(transaction) if each.code == code), None)
        if chosen is None:
            raise fail(f"there is no recipient {code!r}", Exit.USAGE)
        try:
            deliver_test(installation.settings, installation.keys, chosen, installation.clock())
        except NotDelivered as error:
            raise fail(f"{error.code}: {error.message} ({error.hint})", Exit.UNAVAILABLE) from None
    notes.print(f"{code} has taken a test message", markup=False)


@alerts.command()
def send() -> None:
    """Write and deliver what is due now, as the pipeline does every minute.

    Example: orders alerts send
    """
    with opened() as installation:
        sent = plan.send_due(installation)
    notes.print(f"{sent.planned} written, {sent.delivered} delivered, {sent.failed} to be tried again")
    if sent.failed:
        raise typer.Exit(Exit.PARTIAL)

"""`orders incidents …`, `orders logs`: what is wrong now, what happened, and closing by hand what a success will not close."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from orders_pipeline.commands.names import ORDER_HELP, the_order
from orders_pipeline.commands.output import Exit, answers, fail, instant, notes, print_json, print_rows
from orders_pipeline.commands.recording import record, somebody
from orders_pipeline.installation import opened, opened_to_read
from warehouse.incidents import IncidentKind
from warehouse.ledger.exchange.numbering import Numbered, number_given, numbering_of
from warehouse.ledger.watch import activity
from warehouse.ledger.watch import incidents as book
from warehouse.ledger.watch.activity import Level, LogFilter
from warehouse.ledger.watch.incident_queries import IncidentFilter, find_incidents

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

incidents = typer.Typer(name="incidents", help="Problems, one row each.", no_args_is_help=True, rich_markup_mode=None)

IncidentId = Annotated[str, typer.Argument(help="The incident's number, as the list shows it, or its id in the API.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
Channels = Annotated[list[str] | None, typer.Option("--channel", help="Only what concerns this channel; repeatable.")]
Stages = Annotated[list[str] | None, typer.Option("--stage", help="Only of this stage; repeatable.")]
Order = Annotated[str | None, typer.Option("--order", help=f"Only about this one. {ORDER_HELP}")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")]


@incidents.command("list")
def list_incidents(
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    channel: Channels = None,
    kind: Annotated[list[IncidentKind] | None, typer.Option(help="Only of this kind; repeatable.")] = None,
    stage: Stages = None,
    code: Annotated[list[str] | None, typer.Option(help="Only with this code; repeatable.")] = None,
    order: Order = None,
    limit: Limit = 500,
    as_json: Json = False,
) -> None:
    """Open incidents, newest first.

    Examples:

      orders incidents list --all

      orders incidents list --kind connectivity --channel amazon_fr
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        wanted = IncidentFilter(
            channels=tuple(channel or ()),
            is_open=None if everything else True,
            kinds=tuple(each.value for each in kind or ()),
            stages=tuple(stage or ()),
            codes=tuple(code or ()),
            order_id=None if order is None else the_order(transaction, order),
        )
        rows = find_incidents(transaction, wanted, None, limit)
    columns = (
        "id",
        "kind",
        "subject",
        "stage",
        "code",
        "occurrences",
        "last_seen_at",
        "message",
        "hint",
        "resolved_at",
    )
    print_rows("Incidents", rows, columns, as_json)


@incidents.command()
def show(
    incident: IncidentId,
    as_json: Json = False,
) -> None:
    """Everything that is known of one incident.

    Example: orders incidents show 12
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        number = number_given(transaction, Numbered.INCIDENT, incident)
        wanted = IncidentFilter(is_open=None, id=number)
        rows = [] if number is None else find_incidents(transaction, wanted, None, 1)
    if not rows:
        raise fail(f"there is no incident {incident}", Exit.USAGE)
    if as_json:
        print_json(rows[0]._asdict())
        return
    for name, value in rows[0]._asdict().items():
        if value not in {None, ""}:
            answers.print(f"{name}: {value}", markup=False, highlight=False)


@incidents.command()
def resolve(
    incident: IncidentId,
    reason: Annotated[str, typer.Option(help="Why it is no problem any more.")],
) -> None:
    """Close one incident by hand.

    Example: orders incidents resolve 12 --reason "marketplace confirmed by phone"
    """
    with opened() as installation, installation.ledger.write() as transaction:
        number = number_given(transaction, Numbered.INCIDENT, incident)
        if number is None or not book.resolve_by_hand(transaction, number, reason, installation.clock()):
            raise fail(f"there is no open incident {incident}", Exit.USAGE)
    notes.print(f"incident {incident} is resolved")


@incidents.command()
def acknowledge(
    incident: IncidentId,
    hours: Annotated[int, typer.Option(min=1, max=720, help="So long nobody is alerted of it.")] = 24,
) -> None:
    """Say that somebody looks after an incident: nobody is alerted of it for a while. It stays open.

    Example: orders incidents acknowledge 12 --hours 8
    """
    with opened() as installation, installation.ledger.write() as transaction:
        number = number_given(transaction, Numbered.INCIDENT, incident)
        until = installation.clock() + timedelta(hours=hours)
        if number is None or not book.acknowledge(transaction, number, somebody(), until):
            raise fail(f"there is no open incident {incident}", Exit.USAGE)
        record(transaction, installation, "incident_acknowledged", _own_id(transaction, number), {"hours": hours})
    notes.print(f"incident {incident}: nobody is alerted for {hours} hours")


@incidents.command()
def note(
    incident: IncidentId,
    text: Annotated[str, typer.Argument(help="Plain text for people, without personal data.")],
) -> None:
    """Write a note about an incident, which its page shows.

    Example: orders incidents note 12 "the carrier will call back on Monday"
    """
    with opened() as installation, installation.ledger.write() as transaction:
        number = number_given(transaction, Numbered.INCIDENT, incident)
        if number is None or not find_incidents(transaction, IncidentFilter(is_open=None, id=number), None, 1):
            raise fail(f"there is no incident {incident}", Exit.USAGE)
        record(transaction, installation, "incident_noted", _own_id(transaction, number), {"reason": text[:1000]})
    notes.print(f"noted at incident {incident}")


def logs(
    channel: Channels = None,
    stage: Stages = None,
    level: Annotated[list[Level] | None, typer.Option(help="Only of this level; repeatable.")] = None,
    order: Order = None,
    since: Annotated[str | None, typer.Option(help="From this time on (ISO 8601).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time (ISO 8601).")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """What happened in the order flow, newest first: pulls, orders, shipments, requests, incidents, alerts.

    Examples:

      orders logs --level error --since 2026-11-01

      orders logs --order 402-1234567-7654321 --json
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        wanted = LogFilter(
            channels=tuple(channel or ()),
            order_id=None if order is None else the_order(transaction, order),
            stages=tuple(stage or ()),
            levels=tuple(each.value for each in level or ()),
            since=None if since is None else instant(since),
            until=None if until is None else instant(until),
        )
        rows = activity.find_entries(transaction, wanted, None, limit)
    print_rows("Log", rows, ("at", "level", "stage", "kind", "channel", "order_id", "text"), as_json)


def _own_id(transaction: Transaction, number: int) -> str:
    """What the audit log calls an incident: its id in the API."""
    numbering = numbering_of(transaction)
    return str(number) if numbering is None else numbering.id(Numbered.INCIDENT, number)

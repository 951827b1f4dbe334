"""`orders acceptances …`: orders that the marketplace lets the seller accept or refuse, and deciding about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orders_pipeline.commands.names import ORDER_HELP, the_order
from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.commands.recording import record, somebody
from orders_pipeline.installation import opened, opened_to_read
from warehouse.ledger.shipping import acceptance_queries
from warehouse.ledger.shipping import acceptances as book
from warehouse.ledger.shipping.acceptance_queries import AcceptanceFilter, AcceptanceStage
from warehouse.ledger.shipping.acceptances import NotAcceptable
from warehouse.ledger.shipping.shipment_queries import line_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

acceptances = typer.Typer(
    name="acceptances", help="Orders to accept or refuse.", no_args_is_help=True, rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
Orders = Annotated[list[str], typer.Argument(help=f"{ORDER_HELP} Several are decided alike.")]
COLUMNS = ("order_id", "original_id", "channel", "purchased_at", "accept_by", "can_refuse", "lines", "stage", "message")


@acceptances.command("list")
def list_acceptances(
    stage: Annotated[AcceptanceStage, typer.Option(help="How far they are.")] = AcceptanceStage.WAITING,
    channel: Annotated[list[str] | None, typer.Option(help="Any of these channels; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Orders that wait for a decision, the longest waiting first; or those that were decided, the latest first.

    Example: orders acceptances list --channel mirakl_fr
    """
    wanted = AcceptanceFilter(channels=tuple(channel or ()), stage=stage)
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        found = acceptance_queries.find_acceptances(transaction, wanted, limit=limit)
    rows = [
        {
            **{name: getattr(each.row, name) for name in ("original_id", "channel", "purchased_at", "message")},
            "order_id": each.row.id,
            "accept_by": each.accept_by,
            "can_refuse": each.can_refuse,
            "lines": [line.item_original_id for line in each.lines],
            "stage": each.stage,
        }
        for each in found
    ]
    print_rows("Orders to accept", rows, COLUMNS, as_json)


@acceptances.command()
def accept(orders: Orders) -> None:
    """Accept orders, all lines of each; the marketplace is told by the pipeline.

    Example: orders acceptances accept C-1042-A C-1043-A
    """
    _decide(orders, (), is_accepted=True)


@acceptances.command()
def refuse(
    orders: Orders,
    line: Annotated[
        list[str] | None,
        typer.Option(help="Refuse only this line, by the marketplace's id, and accept the others; repeatable."),
    ] = None,
) -> None:
    """Refuse orders, or some lines of one; the marketplace is told by the pipeline.

    Examples:

      orders acceptances refuse C-1042-A

      orders acceptances refuse C-1042-A --line C-1042-A-2
    """
    if line and len(orders) > 1:
        raise fail("--line is for one order", Exit.USAGE)
    _decide(orders, line or (), is_accepted=False)


def _decide(names: Sequence[str], refused: Sequence[str], *, is_accepted: bool) -> None:
    """Decide about orders; with lines that are `refused` the others are accepted.

    Raises:
        typer.Exit: Some could not be decided: told by name.
    """
    with opened() as installation, installation.ledger.write() as transaction:
        ids = {the_order(transaction, each): each for each in names}
        wanted = book.for_every_line_of(transaction, list(ids), is_accepted=is_accepted or bool(refused))
        for own_id in ids if refused else ():
            wanted[own_id] |= dict.fromkeys(_lines(transaction, own_id, refused), False)
        verdicts = book.decide_many(transaction, wanted, somebody(), installation.clock())
        for own_id, name in ids.items():
            verdict = verdicts[own_id]
            if isinstance(verdict, NotAcceptable):
                notes.print(f"{name}: {verdict.message}", markup=False)
                continue
            if verdict.is_news:
                record(transaction, installation, "acceptance_decided", own_id, verdict.counts)
            counts = ", ".join(f"{count} {word}" for word, count in verdict.counts.items() if count)
            notes.print(f"{name} is {verdict.status}: {counts}", markup=False)
    failed = sum(isinstance(each, NotAcceptable) for each in verdicts.values())
    if failed:
        raise typer.Exit(Exit.FAILED if failed == len(verdicts) else Exit.PARTIAL)


def _lines(transaction: Transaction, order_id: str, names: Sequence[str]) -> list[str]:
    known = line_ids(transaction, order_id)
    missing = [each for each in names if each not in known]
    if missing:
        raise fail(f"the order has no line {missing[0]}: {', '.join(known)}", Exit.USAGE)
    return [known[each] for each in names]

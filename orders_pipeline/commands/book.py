"""`orders list`, `orders show`, `orders cancellations …`: looking into the order book, and deciding requests to cancel."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from orders_pipeline.commands.names import ORDER_HELP, the_order
from orders_pipeline.commands.output import Exit, answers, fail, notes, print_json, print_rows, print_table
from orders_pipeline.installation import opened, opened_to_read
from warehouse import display, documents
from warehouse.cancellations import Decision, RequestState
from warehouse.date_presets import DatePreset, bounds
from warehouse.ledger.book import cancellation_queries, order_queries, timeline
from warehouse.ledger.book import cancellations as requests
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.book.cancellations import CancellationUndecidable
from warehouse.ledger.book.order_filter import OrderFilter, Sort
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.status import explanation
from warehouse.order_states import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

cancellations = typer.Typer(
    name="cancellations", help="Requests to cancel orders.", no_args_is_help=True, rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
RequestId = Annotated[str, typer.Argument(help="The request's id.")]
Reason = Annotated[str | None, typer.Option(help="Why, in plain text.")]

COLUMNS = ("id", "channel", "original_id", "status", "purchased_at", "total", "has_errors", "has_cancellation_request")


def list_orders(  # noqa: PLR0913, PLR0917 - a command's options
    status: Annotated[list[Status] | None, typer.Option(help="Any of these; repeatable.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Any of these channels; repeatable.")] = None,
    errors: Annotated[
        bool | None, typer.Option("--errors/--no-errors", help="Only with, or only without, errors.")
    ] = None,
    cancellation: Annotated[
        bool | None,
        typer.Option("--cancellation/--no-cancellation", help="Only with, or only without, a request to cancel."),
    ] = None,
    marketplace: Annotated[
        list[str] | None, typer.Option(help="Label of the marketplace: any of these; repeatable.")
    ] = None,
    received: Annotated[
        DatePreset | None,
        typer.Option(help="Arrived on these days, in your time zone; last_week: the seven days before today."),
    ] = None,
    may_ship: Annotated[
        bool | None, typer.Option("--may-ship/--may-not-ship", help="Only what the marketplace lets ship, or bars.")
    ] = None,
    original_id: Annotated[str | None, typer.Option(help="The marketplace's order id.")] = None,
    sort: Annotated[Sort, typer.Option(help="In which order.")] = Sort.NEWEST,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Orders of the book, without personal data.

    Examples:

      orders list --errors --channel amazon_fr

      orders list --sort -has_errors --limit 20

      orders list --received yesterday --marketplace "Amazon FR" --marketplace "Amazon ES"
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        after, before = None, None
        if received is not None:
            after, before = bounds(received, installation.clock(), installation.settings.time_zone)
        wanted = OrderFilter(
            statuses=tuple(each.value for each in status or ()),
            channels=tuple(channel or ()),
            marketplaces=tuple(marketplace or ()),
            received_after=after,
            received_before=before,
            has_errors=errors,
            cancellation_requested=cancellation,
            may_ship=may_ship,
            original_id=original_id,
        )
        rows = order_queries.page(order_queries.MEMBERS, transaction, wanted, sort, None, limit).rows
    shown = []
    for row in rows:
        facts = orjson.loads("{" + row.facts + "}")
        asked = any((each["cancellation"] or {}).get("requested_by") for each in (facts, *facts["lines"]))
        shown.append({**facts, **row._asdict(), "has_cancellation_request": asked})
    if not as_json:
        shown = [{**each, "total": _money(each)} for each in shown]
    print_rows("Orders", [{name: each[name] for name in COLUMNS} for each in shown], COLUMNS, as_json)


def show_order(
    order: Annotated[str, typer.Argument(help=ORDER_HELP)],
    as_json: Json = False,
) -> None:
    """One order without personal data, and what happened to it.

    Examples:

      orders show 402-1234567-7654321

      orders show 0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        own_id = the_order(transaction, order)
        row = order_queries.by_id(order_queries.MEMBERS, transaction, own_id, None)
        assert row is not None
        entries = timeline.of_order(transaction, own_id)
    document = orjson.loads(documents.document(row, None))
    if as_json:
        print_json({**document, "events": [{"at": each.at, "kind": each.kind, "text": each.text} for each in entries]})
        return
    for name in (
        "id",
        "original_id",
        "channel",
        "status",
        "purchased_at",
        "ship_by",
        "has_errors",
    ):
        answers.print(f"{name}: {document[name]}", markup=False, highlight=False)
    answers.print(f"total: {_money(document) or 'unknown'}", markup=False, highlight=False)
    print_table("What happened", ("at", "kind", "text"), [(each.at, each.kind, each.text) for each in entries])


def explain_order(
    order: Annotated[str, typer.Argument(help=ORDER_HELP)],
    as_json: Json = False,
) -> None:
    """Why an order is as it is: its status, what holds it, who has it, what the marketplace knows, what is wrong.

    Example: orders explain 402-1234567-7654321
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        row = order_queries.by_id(order_queries.MEMBERS, transaction, the_order(transaction, order), None)
        assert row is not None
        sentence, explanations = explanation.explain(transaction, row, installation.clock())
    if as_json:
        print_json({"id": row.id, "sentence": sentence, "answers": explanations})
        return
    answers.print(sentence, markup=False, highlight=False)
    for each in explanations:
        answers.print(f"\n{each.question} {each.answer}", markup=False, highlight=False)
        for ground in each.grounds:
            answers.print(f"  {'+' if ground.holds else '-'} {ground.text}", markup=False, highlight=False)


@cancellations.command("list")
def list_requests(
    state: Annotated[RequestState | None, typer.Option(help="Only in this state.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Any of these channels; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Requests to cancel, newest first.

    Example: orders cancellations list --state open
    """
    wanted = RequestFilter(states=() if state is None else (state.value,), channels=tuple(channel or ()))
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        rows = cancellation_queries.find_requests(transaction, wanted, limit=limit)
    columns = (
        "id",
        "channel",
        "original_id",
        "requester",
        "reason",
        "state",
        "requested_at",
        "hold_until",
        "shipped_despite",
    )
    print_rows("Cancellation requests", rows, columns, as_json)


@cancellations.command()
def accept(request: RequestId, reason: Reason = None) -> None:
    """Agree to cancel; the marketplace is told where its API takes that.

    Example: orders cancellations accept 0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10
    """
    _decide(request, Decision.ACCEPT, reason)


@cancellations.command()
def decline(request: RequestId, reason: Reason = None) -> None:
    """Ship nevertheless; the order is held no longer.

    Example: orders cancellations decline 0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10 --reason "packed already"
    """
    _decide(request, Decision.DECLINE, reason)


def _decide(request: str, decision: Decision, reason: str | None) -> None:
    with opened() as installation, installation.ledger.write() as transaction:
        lock_book(transaction)
        try:
            row = requests.decide(transaction, request, decision, "command line", reason, None, installation.clock())
        except CancellationUndecidable as error:
            raise fail(f"{error.refusal}: the request cannot be decided so", Exit.USAGE) from None
    notes.print(f"{request} is {row.state}", markup=False)


def _money(order: Mapping[str, Any]) -> str | None:
    return None if order["total"] is None else display.money(Decimal(order["total"]), order["currency"])

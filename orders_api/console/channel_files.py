"""What a channel's page shows before anything is written: the next files, the template filled in, words for carriers that
nobody has mapped, what the marketplace needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from orders_api.console.kit.texts import _
from orders_api.console.views.settings import NextFiles, Sample
from warehouse import display
from warehouse.ledger.book import order_queries
from warehouse.ledger.book.order_filter import OrderFilter, Sort
from warehouse.ledger.settings import carriers
from warehouse.ledger.settings.file_jobs import JobKind, find_job
from warehouse.ledger.shipping.shipment_queries import carrier_words
from warehouse.ledger.status.next_export import next_files
from warehouse.shipments import CarrierRule
from warehouse.templates import OrderColumn, order_file_name, order_header, order_rows

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from orders_api.console.kit.visits import Visit
    from warehouse.shipments import Requirements

SAMPLE_ROWS = 3


def files_of(visit: Visit, code: str) -> NextFiles | None:
    """What an export would write now; None where the channel has no such job."""
    job = find_job(visit.transaction, code, JobKind.EXPORT)
    if job is None:
        return None
    found, has_more = next_files(visit.transaction, job, visit.now)
    rows = tuple((each.name, display.number(each.orders), display.number(each.rows)) for each in found)
    return NextFiles(rows, has_more, order_file_name(code, (), visit.now))


def sample_of(visit: Visit, code: str) -> Sample:
    """The template with rows of the newest orders; what is personal is left out."""
    wanted = OrderFilter(visible_channels=visit.visible_channels, channels=(code,))
    orders = order_queries.page(order_queries.MEMBERS, visit.transaction, wanted, Sort.NEWEST, None, SAMPLE_ROWS).rows
    rows = [row for each in orders for row in order_rows(each.status, orjson.loads(f"{{{each.facts}}}"), {})][
        :SAMPLE_ROWS
    ]
    cells = tuple(tuple("" if cell is None else str(cell) for cell in row[: len(OrderColumn)]) for row in rows)
    return Sample(tuple(order_header()), cells)


def unmapped_words(transaction: Transaction, code: str) -> tuple[str, ...]:
    """Words for carriers that were reported lately, and that the marketplace knows neither by itself nor by the mapping."""
    known = carriers.Carriers.of(transaction, [code])
    needs = known.requirements(code)
    if needs is None or needs.carrier_rule is CarrierRule.ANY:
        return ()
    words = carrier_words(transaction, code)
    return tuple(word for word in words if known.translated(code, word, None).code is None)


def needs_of(needs: Requirements | None) -> tuple[tuple[str, str], ...]:
    """What the marketplace needs of a shipment, in words."""
    if needs is None:
        return ()
    accepted = (
        {True: _("Yes, and it may refuse"), False: _("Yes")}[needs.can_refuse] if needs.acceptance_state else _("No")
    )
    return (
        (_("Tracking number"), _("Needed") if needs.needs_tracking_number else _("Not needed")),
        (_("Carrier"), _("Needed") if needs.needs_carrier else _("Not needed")),
        (_("Carriers that it knows"), display.number(len(needs.carriers)) if needs.carriers else _("Any word will do")),
        (_("Part of an order"), _("May be shipped") if needs.takes_part else _("Whole orders only")),
        (_("Several packages"), _("Taken") if needs.takes_several_packages else _("One for each order")),
        (_("Corrections"), _("Taken") if needs.takes_corrections else _("Not taken: what was told stays")),
        (_("The seller accepts orders"), accepted),
        *((_("Note"), each) for each in needs.notes),
    )

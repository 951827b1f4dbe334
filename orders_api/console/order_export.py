"""Downloading the orders of a list: all pages of what its filters find, with the format and the columns that one chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import understand
from orders_api.console.kit.texts import _, counted
from orders_api.console.order_rows import SHOWN
from orders_api.console.orders import LIST, PATH, OrdersQuery
from orders_api.console.views.orders import ExportForm
from orders_api.kit.errors import Problem, from_validation
from orders_api.v1 import exports
from orders_api.v1.export_tables import ExportColumns
from orders_api.v1.exports import MOST_OF_A_WORKBOOK, ExportFormat, OrderExportQuery
from orders_api.v1.order_filters import OrderFilterQuery
from warehouse.ledger.book import order_tally
from warehouse.ledger.people.users import Role

if TYPE_CHECKING:
    from starlette.responses import Response

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.queries import Asked
    from orders_api.console.kit.visits import Visit

EXPORT = f"{PATH}/export"
LONGEST_SUBJECT = 1000
"""Characters of a list's query that the audit log has."""

pages = Pages()


@pages.page(EXPORT, "export.html")
def export_form(visit: Visit) -> ExportForm:
    """How many orders there are, and what may be chosen."""
    asked = _list(visit.request.query_params.get(LIST, ""))
    wanted = asked.query.as_filter(visit.transaction, visit.visible_channels, visit.installation)
    count = order_tally.count(visit.transaction, wanted)
    return ExportForm(
        orders=counted("%(num)s order", "%(num)s orders", count),
        listed=urlencode([each for each in asked.items if each[0] != "cursor"]),
        back=asked.address(PATH),
        has_workbook=count <= MOST_OF_A_WORKBOOK,
        may_have_personal_data=visit.user.may_see_personal_data,
    )


@pages.download(EXPORT, needs=Role.VIEWER)
def export_orders(visit: Visit, form: Form) -> Response:
    """The file. Who has taken which orders, with personal data or without, stands in the audit log."""
    asked = _list(text_of(form, LIST))
    query = _query(asked, text_of(form, "format"), text_of(form, "columns"))
    has_personal_data = text_of(form, "personal") == "yes"
    if has_personal_data and not visit.user.may_see_personal_data:
        detail = _("Personal data takes a right of its own. An administrator can give it to you.")
        raise Problem(403, "missing_right", detail)
    made = exports.prepare(
        visit.transaction, visit.installation, query, visit.visible_channels, may_read_pii=has_personal_data
    )
    details = {"format": query.format.value, "columns": query.columns.value, "personal_data": has_personal_data}
    visit.audit("orders_exported", urlencode(asked.items)[:LONGEST_SUBJECT], details)
    return exports.answer(made, query.format)


def _list(written: str) -> Asked[OrdersQuery]:
    return understand(QueryParams(written), OrdersQuery)


def _query(asked: Asked[OrdersQuery], way: str, columns: str) -> OrderExportQuery:
    """The same question to the API's export.

    Raises:
        Problem: 422.
    """
    filters = {name: getattr(asked.query, name) for name in OrderFilterQuery.model_fields}
    shown = list(asked.query.columns or SHOWN) if columns == ExportColumns.SUMMARY else []
    chosen = {"format": way, "columns": columns, "summary": shown, "quoted": way == ExportFormat.CSV}
    try:
        return OrderExportQuery.model_validate(chosen).model_copy(update=filters)
    except ValidationError as error:
        raise from_validation("body", error.errors(include_input=False, include_url=False)) from None

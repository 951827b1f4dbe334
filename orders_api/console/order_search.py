"""What a search in the list of orders leads to beside the list: straight to the order, or to whom else to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import orjson

from orders_api.console.views.orders import FetchOffer
from warehouse.ledger.book.search import is_beginning, words_of
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings.channels import all_connections
from warehouse.ledger.settings.kinds import kinds_that_take_orders
from warehouse.operator_requests import LONGEST_ID, MOST_IDS, SubjectKind

if TYPE_CHECKING:
    from orders_api.console.kit.visits import Visit
    from warehouse.documents import StoredOrder


def names_whole(text: str, row: StoredOrder) -> bool:
    """Whether what was searched for names the order, and is no beginning of its id."""
    return not is_beginning(text, orjson.loads(f"{{{row.facts}}}")["original_id"])


def offers(visit: Visit, text: str, path: str) -> tuple[FetchOffer, ...]:
    """Connections that can be asked for what was not found.

    Args:
        visit: Who has searched.
        text: What for.
        path: The list's, to come back to.
    """
    words = tuple(each for each in words_of(text) if len(each) <= LONGEST_ID)[:MOST_IDS]
    if not words or not visit.user.role.includes(Role.OPERATOR):
        return ()
    mine = subjects(visit.transaction, SubjectKind.CONNECTION, visit.visible_channels)
    given = kinds_that_take_orders(visit.transaction)
    back = f"{path}?{urlencode({'search': text})}"
    return tuple(
        FetchOffer(each.code, each.label, words, back)
        for each in all_connections(visit.transaction)
        if each.code in mine and each.kind not in given
    )

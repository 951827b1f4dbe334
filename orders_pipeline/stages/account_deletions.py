"""Carrying out notices that a buyer's account was deleted: personal data of that buyer's closed orders goes before its time.

A notice is judged here and not where it comes in, because only the pipeline talks to marketplaces: one that the marketplace has
not signed is dropped. One whose buyer has an open order is kept until that is closed, because it must still be shipped.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.protocol import NotAuthentic
from orders_pipeline.stages.connection import reading_deletions, serving, work_at
from warehouse.ledger.book import account_deletions
from warehouse.ledger.book.personal_data import expire_orders
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orders_pipeline.installation import Installation

logger = logging.getLogger("orders_pipeline.stages.account_deletions")

STAGE = "purge"


@dataclass(slots=True)
class _Wanted:
    """Authentic notices of one kind of marketplace: by each name of their buyers, and how an order tells its buyer's."""

    notices: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set), repr=False)
    buyer_of: Callable[[Mapping[str, Any]], str | None] = lambda _: None


def carry_out(installation: Installation) -> int:
    """Judge every notice that is kept, and take out what they are about; returns how many orders lost their personal data.

    A marketplace that cannot be asked for its key is an incident, and its notices wait. Orders are looked through once for all
    notices of a kind, whichever connection they came for.
    """
    with installation.ledger.read() as transaction:
        codes = account_deletions.waiting_connections(transaction)
    wanted: dict[str, _Wanted] = defaultdict(_Wanted)
    for code in codes:
        work_at(installation, code, STAGE, partial(_judge, installation, code, wanted))
    return sum(_forget(installation, kind, each) for kind, each in wanted.items() if each.notices)


def _judge(installation: Installation, code: str, wanted: dict[str, _Wanted]) -> list[str]:
    connection, _ = serving(installation, code)
    with installation.ledger.read() as transaction:
        notices = account_deletions.kept(transaction, installation.keys, code)
    with reading_deletions(installation, connection) as reader:
        of_kind = wanted[connection.kind]
        of_kind.buyer_of = reader.buyer_of
        for notice in notices:
            try:
                names = reader.buyers(notice.body, notice.signature)
            except NotAuthentic as error:
                logger.warning(Event.DELETION_NOTICE_DROPPED, extra={"reason": str(error)})
                with installation.ledger.write() as transaction:
                    account_deletions.drop(transaction, [notice.id])
                continue
            for name in names:
                of_kind.notices[name].add(notice.id)
    return [STAGE]


def _forget(installation: Installation, kind: str, wanted: _Wanted) -> int:
    closed: list[str] = []
    waiting: set[str] = set()
    for order in account_deletions.orders_with_buyers(installation.ledger, installation.keys, kind):
        about = wanted.notices.get(wanted.buyer_of(order.marketplace_data) or "")
        if about and order.is_closed:
            closed.append(order.id)
        elif about:
            waiting |= about
    gone = expire_orders(installation.ledger, closed, installation.clock())
    done = set().union(*wanted.notices.values()) - waiting
    with installation.ledger.write() as transaction:
        account_deletions.drop(transaction, sorted(done))
    counts = {"orders": gone, "notices": len(done), "waiting": len(waiting)}
    logger.info(Event.ACCOUNT_DELETIONS_CARRIED_OUT, extra=counts)
    return gone

"""Orders as a marketplace shows them now, read for evidence and not kept: the pull keeps what comes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.payloads import NotJson, parse
from orders_pipeline.marketplaces.protocol import ChannelContext, Unreadable
from orders_pipeline.stages.connection import defect, route

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orders_pipeline.stages.connection import Session
    from warehouse.orders import Order


def read_back(session: Session, original_ids: Sequence[str]) -> Iterator[tuple[str, list[Order] | None]]:
    """Each of the orders that the marketplace knows; None for one that cannot be read or belongs to no channel.

    Raises:
        MarketplaceError: The marketplace cannot be asked.
    """
    by_code = {each.code: each for each in session.channels}
    for page in session.client.read_back(original_ids):
        for raw in page.orders:
            code = route(session.channels, raw.selector)
            if code is None:
                yield raw.original_id, None
                continue
            context = ChannelContext(code, by_code[code].marketplace, by_code[code].settings)
            try:
                yield raw.original_id, session.marketplace.normalise(parse(raw.body), context)
            except (Unreadable, NotJson):
                yield raw.original_id, None
            except Exception as error:  # noqa: BLE001 - one order that nobody can read must not stop the others
                defect(error)
                yield raw.original_id, None

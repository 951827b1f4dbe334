"""How far this machine's clock is from the marketplace's, and the incident about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orders_pipeline.stages.windows import CLOSING_MARGIN, PullSession
from warehouse.ledger.settings import channels
from warehouse.ledger.watch import incidents

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction


CLOCK = "clock"
"""Stage of the incident."""
CLOCK_SKEW = "clock_skew"
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far our clock and the marketplace's may be apart before somebody is told."""


def remember_skew(session: PullSession) -> None:
    """Remember what a reader needs to judge how late a channel is: the clocks' difference, and what no pull can tell yet."""
    learnt: dict[str, float] = {"closing_seconds": (session.marketplace.lag + CLOSING_MARGIN).total_seconds()}
    marketplace_time = session.client.server_time()
    now = session.installation.clock()
    skew = timedelta() if marketplace_time is None else marketplace_time - now
    if marketplace_time is not None:
        learnt["clock_skew_seconds"] = round(skew.total_seconds() / 10) * 10
    with session.installation.ledger.write() as transaction:
        channels.remember(transaction, session.connection.code, learnt)
        if marketplace_time is not None:
            _tell_skew(transaction, session.connection.code, skew, now)


def _tell_skew(transaction: Transaction, code: str, skew: timedelta, now: datetime) -> None:
    if abs(skew) <= CLOCK_TOLERANCE:
        incidents.resolve(transaction, "connection", [code], [CLOCK], now)
        return
    minutes = round(abs(skew) / timedelta(minutes=1))
    side = "behind" if skew > timedelta() else "ahead of"
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="connection",
            subject=code,
            stage=CLOCK,
            code=CLOCK_SKEW,
            message=f"this machine's clock is {minutes} minutes {side} the marketplace's",
            hint="set the clock by a time server: every time that is written here is wrong by as much",
            details={"skew_seconds": round(skew.total_seconds())},
        ),
        now,
    )

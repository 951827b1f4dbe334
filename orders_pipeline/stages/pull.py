"""Retrieval: which windows are due, reading them from the marketplace, and keeping what came, page by page.

The engine of the `raw_orders` asset; knows neither Dagster nor any marketplace. What a payload means is in `normalise`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Throttled
from orders_pipeline.marketplaces.protocol import Page, Window
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.stages.clock_skew import CLOCK_TOLERANCE, remember_skew
from orders_pipeline.stages.connection import connections_serving, opened, work_at, work_at_each
from orders_pipeline.stages.payloads import prepare_payload
from orders_pipeline.stages.pull_result import PullResult, summed
from orders_pipeline.stages.requirements import keep_needs
from orders_pipeline.stages.windows import (
    SHORTEST_WINDOW,
    SWEEP_WINDOW,
    PullSession,
    backwards,
    closing,
    covered_of,
    due_windows,
    newest_window,
    skew_of,
    sweep_windows,
    window_length,
)
from warehouse.ledger.base import heartbeat, leases
from warehouse.ledger.book import raw_orders
from warehouse.ledger.book.order_ids import open_originals
from warehouse.ledger.settings import channels
from warehouse.ledger.watch import incidents
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from warehouse.ledger.base.leases import Lease
    from warehouse.ledger.settings.channels import ConfiguredChannel, Connection

logger = logging.getLogger("orders_pipeline.stages.pull")

PULL = "pull"
SWEEP = "sweep"
"""Stages of incidents."""
BACKFILL = "backfill"
SELECTOR_INVALID = "selector_invalid"
SELECTOR_HINT = "correct the channel's selector, or its connection's region: orders apply"


@dataclass(slots=True)
class _Run:
    """How far one pull has come: its result, and the lease while it is held."""

    result: PullResult
    lease: Lease | None = None


def pull_all(installation: Installation, codes: Sequence[str] | None = None) -> list[PullResult]:
    """One tick: pull every connection that has a channel to retrieve, several at a time; one's failure stops no other."""
    return work_at_each(installation, retrieved_connections(installation, codes), PULL, pull_connection)


def pull_connection(installation: Installation, code: str) -> PullResult:
    """Pull the windows of one connection that are due, oldest first."""
    return _with_session(installation, code, _pull_due)


def pull_since(installation: Installation, code: str, since: datetime) -> PullResult:
    """Read the time from `since` to now, newest window first.

    What lies before the time that is covered is back-filled: its orders are historical. Covered time is read again, as a sweep
    does: an order that was missed there is as new as any. Where only open orders are listed there is no time to be read.
    """

    def run(session: PullSession) -> PullResult:
        covered = covered_of(session)
        if session.marketplace.lists_open_orders_only:
            return _pull_due(session)
        if covered is None:
            return _pull_windows(session, BACKFILL, backwards(since, closing(session), window_length(session)))
        parts = [_pull_due(session)]
        if parts[0].outcome != "failed":
            parts.append(
                _pull_windows(session, SWEEP, backwards(max(since, covered.since), covered.until, SWEEP_WINDOW))
            )
            _report_missed(session, parts[1])
        if parts[-1].outcome != "failed":
            parts.append(_pull_windows(session, BACKFILL, backwards(since, covered.since, window_length(session))))
        return summed(code, parts)

    return _with_session(installation, code, run)


def sweep(installation: Installation, code: str, open_ids: Sequence[str]) -> PullResult:
    """List the last days again, then read by id the open orders that the listing did not give.

    Reports what no pull had listed. `open_ids` are marketplace order ids, the longest open first; at most
    `sweep_open_orders` of them are read in one sweep.
    """

    def run(session: PullSession) -> PullResult:
        listed = _pull_windows(session, SWEEP, sweep_windows(session))
        total = summed(code, [_sweep_unlisted(session, open_ids, listed), listed])
        _report_missed(session, total)
        return total

    return _with_session(installation, code, run, SWEEP)


def refetch(installation: Installation, code: str, original_ids: Sequence[str]) -> PullResult:
    """Read the named orders of a connection again, right after something was decided about them."""

    def run(session: PullSession) -> PullResult:
        return _sweep_ids(session, original_ids)

    return _with_session(installation, code, run, SWEEP)


def retrieved_connections(installation: Installation, codes: Sequence[str] | None) -> list[str]:
    """Codes of the connections that have a channel to retrieve; of the given ones, or of all."""
    return connections_serving(installation, codes, lambda each: each.retrieval)


def _with_session(
    installation: Installation, code: str, run: Callable[[PullSession], PullResult], stage: str = PULL
) -> PullResult:
    """Run under the connection's lease; a failure of any kind is a result and an incident."""
    last = _Run(PullResult(code, "idle"))

    def conclude(transaction: Transaction, error: MarketplaceError | None, now: datetime) -> None:
        if last.lease is not None:
            leases.release(transaction, last.lease, now)
        _log(last.result, error)

    error = work_at(installation, code, stage, partial(_in_session, installation, code, run, stage, last), conclude)
    return last.result if error is None else replace(last.result, outcome="failed", error=error)


def _log(result: PullResult, error: MarketplaceError | None) -> None:
    if result.outcome == "idle" and error is None:
        return
    outcome = result.outcome if error is None else "failed"
    counts = {name: getattr(result, name) for name in ("windows", "pages", "seen", "new", "skipped")}
    counts["outcome"] = outcome
    error = error or result.error
    if error is None:
        logger.info(Event.PULL_FINISHED, extra=counts)
    else:
        logger.warning(Event.PULL_FAILED, extra=counts | {"code": error.code, "reason": error.message})


def _in_session(
    installation: Installation, code: str, run: Callable[[PullSession], PullResult], stage: str, last: _Run
) -> Sequence[str]:
    """Open a session under the connection's lease, and run."""
    now = installation.clock()
    with installation.ledger.write() as transaction:
        connection = channels.find_connection(transaction, code)
        serving = channels.all_channels(transaction, code)
        chosen = [each for each in serving if each.retrieval]
        if connection is None or not chosen:
            return ()
        chosen = _askable(transaction, connection, chosen, now)
        if not chosen:
            fault = Permanent(SELECTOR_INVALID, "none of the connection's channels can be asked for", SELECTOR_HINT)
            last.result = PullResult(code, "failed", error=fault)
            return ()
        lease = leases.acquire(transaction, f"pull:{code}", now)
    if lease is None:
        last.result = PullResult(code, "busy")
        return ()
    last.lease = lease
    try:
        with (
            heartbeat.renewing(installation.ledger, lease, installation.clock),
            opened(installation, connection, chosen, asked_selectors(chosen)) as here,
        ):
            session = PullSession(installation, connection, chosen, here.marketplace, here.client, lease, serving)
            last.result = run(session)
            remember_skew(session)
            keep_needs(session)
    except leases.LeaseLost:
        last.result, last.lease = PullResult(code, "busy"), None
        return ()
    if last.result.error is not None:
        raise last.result.error
    if last.result.outcome != "complete" or last.result.missed:
        return ()
    return tuple(dict.fromkeys((stage, SWEEP)))  # the sweep comes once a day: what it met is over with any success


def asked_selectors(chosen: Sequence[ConfiguredChannel]) -> list[str]:
    """What a connection is asked for: everything, said by (), as soon as one channel takes the whole of it."""
    selectors = [each.selector for each in chosen if each.selector is not None]
    return selectors if len(selectors) == len(chosen) else []


def _askable(
    transaction: Transaction, connection: Connection, chosen: Sequence[ConfiguredChannel], now: datetime
) -> list[ConfiguredChannel]:
    """The channels that can be asked for; each of the others is an incident, and is covered by nothing."""
    marketplace = MARKETPLACES.get(connection.kind)
    if marketplace is None:
        return list(chosen)
    good = []
    for channel in chosen:
        fault = marketplace.selectors.fault(channel.selector, connection.region)
        if fault is None:
            good.append(channel)
            continue
        incidents.report(
            transaction,
            incidents.IncidentReport(
                scope="channel",
                subject=channel.code,
                stage=PULL,
                code=SELECTOR_INVALID,
                message=f"the channel's orders are not retrieved: {fault}",
                hint=SELECTOR_HINT,
            ),
            now,
        )
    incidents.resolve(transaction, "channel", [each.code for each in good], [PULL], now, codes=[SELECTOR_INVALID])
    return good


def _pull_due(session: PullSession) -> PullResult:
    """Pull what is due by the marketplace's clock.

    Its clock is known from its answers only, so there is always a call: a difference that was learnt while our clock was wrong
    would otherwise never be measured again. Where the answer shows another difference, the windows are cut anew at once.
    """
    believed = skew_of(session)
    parts = [_pull_windows(session, "tick", due_windows(session) or [newest_window(session)])]
    if abs(skew_of(session) - believed) > CLOCK_TOLERANCE:
        parts.append(_pull_windows(session, "tick", due_windows(session)))
    listed = summed(session.connection.code, parts)
    if not session.marketplace.follows_open_orders or listed.outcome == "failed":
        return listed
    with session.installation.ledger.read() as transaction:
        known = open_originals(transaction, session.connection.code)
    return summed(session.connection.code, [listed, _sweep_unlisted(session, known, listed)])


def _pull_windows(session: PullSession, kind: str, windows: Sequence[Window]) -> PullResult:
    parts: list[PullResult] = []
    for window in windows:
        part = _pull_window(session, kind, window)
        parts.append(part)
        if part.outcome != "complete":
            break
    return summed(session.connection.code, parts)


def _pull_window(session: PullSession, kind: str, window: Window) -> PullResult:
    """One window: every page is kept as it comes, the cursor moves with the last one."""
    installation = session.installation
    pull_id = _begin(session, kind, window)
    seen = new = skipped = pages = 0
    missed: list[str] = []
    listed: list[str] = []
    error: MarketplaceError | None = None
    try:
        for page, is_last in _with_last(session.client.pull(window)):
            payloads, passed = _prepare(session, page)
            known_before = _known_ids(session, payloads) if kind == SWEEP else frozenset()
            with installation.ledger.write() as transaction:
                fresh, dropped = _keep(session, transaction, pull_id, payloads, passed, kind)
                if is_last:
                    _complete(session, transaction, pull_id, window, kind)
            if kind == SWEEP or session.marketplace.follows_open_orders:
                listed += [each.original_id for each in payloads]
            if kind == SWEEP:
                missed += [each for each in fresh if each not in known_before]
            pages += 1
            seen += len(page.orders)
            new += len(fresh)
            skipped += dropped
        if pages == 0:
            with installation.ledger.write() as transaction:
                leases.hold(transaction, session.lease, installation.clock())
                _complete(session, transaction, pull_id, window, kind)
    except MarketplaceError as failure:
        error = failure
        _fail(session, pull_id, failure)
    _adapt(session, window, error)
    return PullResult(
        session.connection.code,
        "complete" if error is None else "failed",
        1 if error is None else 0,
        pages,
        seen,
        new,
        skipped,
        error,
        tuple(missed),
        tuple(listed),
    )


def _begin(session: PullSession, kind: str, window: Window) -> int:
    installation = session.installation
    now = installation.clock()
    with installation.ledger.write() as transaction:
        leases.hold(transaction, session.lease, now)
        start = raw_orders.PullStart(
            connection=session.connection.code,
            kind=kind,
            channels=[each.code for each in session.channels],
            since=window.since,
            until=window.until,
            started_at=now,
        )
        return raw_orders.begin_pull(transaction, start)


def _keep(
    session: PullSession,
    transaction: Transaction,
    pull_id: int,
    payloads: Sequence[raw_orders.Payload],
    passed: int,
    kind: str,
) -> tuple[list[str], int]:
    """Keep a page under the lease, without the orders of channels that were switched off since the pull began."""
    now = session.installation.clock()
    leases.hold(transaction, session.lease, now)
    on = channels.retrieved_codes(transaction, session.connection.code)
    wanted = [each for each in payloads if each.channel is None or each.channel in on]
    dropped = passed + len(payloads) - len(wanted)
    fresh = raw_orders.keep_page(
        transaction, session.connection.code, pull_id, wanted, dropped, now, is_historical=kind == BACKFILL
    )
    return fresh, dropped


def _complete(session: PullSession, transaction: Transaction, pull_id: int, window: Window, kind: str) -> None:
    now = session.installation.clock()
    raw_orders.finish_pull(transaction, pull_id, "complete", now, missing_data=session.client.degraded)
    if kind != SWEEP:
        asked = {each.code: each.selector for each in session.channels}
        codes = [
            each.code
            for each in channels.all_channels(transaction, session.connection.code)
            if each.retrieval and each.code in asked and each.selector == asked[each.code]
        ]
        until = min(window.until, closing(session))
        if session.marketplace.lists_open_orders_only:
            raw_orders.cover_moment(transaction, codes, until, now)
        elif until > window.since:
            raw_orders.cover(transaction, codes, window.since, until, now)


def _fail(session: PullSession, pull_id: int, failure: MarketplaceError) -> None:
    now = session.installation.clock()
    with session.installation.ledger.write() as transaction:
        leases.hold(transaction, session.lease, now)
        raw_orders.finish_pull(transaction, pull_id, "failed", now, error_code=failure.code, error=failure.message)


def _adapt(session: PullSession, window: Window, error: MarketplaceError | None) -> None:
    """A window that ran out of quota or pages is asked for again in halves; after successes the length grows back."""
    known = session.connection.state.get("window_minutes")
    length = (window.until - window.since).total_seconds() / 60
    if isinstance(error, Throttled) or (error is not None and error.code == "truncated"):
        chosen = max(SHORTEST_WINDOW.total_seconds() / 60, length / 2)
    elif error is None and known is not None:
        longest = session.installation.settings.pull_window_hours * 60.0
        chosen = min(longest, float(known) * 2)
        if chosen == known:
            return
    else:
        return
    with session.installation.ledger.write() as transaction:
        channels.remember(transaction, session.connection.code, {"window_minutes": chosen})


def _sweep_unlisted(session: PullSession, open_ids: Sequence[str], listed: PullResult) -> PullResult:
    """Read by id the open orders that a listing did not give: the longest open first, a bounded number of them."""
    given = set(listed.listed)
    rest = [each for each in open_ids if each not in given]
    return _sweep_ids(session, rest[: session.installation.settings.sweep_open_orders])


def _sweep_ids(session: PullSession, open_ids: Sequence[str]) -> PullResult:
    """Read open orders by id: what a listing hides shows here."""
    if not open_ids:
        return PullResult(session.connection.code, "complete")
    now = session.installation.clock()
    pull_id = _begin(session, SWEEP, Window(now, now))
    seen = new = skipped = pages = 0
    try:
        for page in session.client.fetch(open_ids):
            payloads, passed = _prepare(session, page)
            with session.installation.ledger.write() as transaction:
                fresh, dropped = _keep(session, transaction, pull_id, payloads, passed, SWEEP)
            pages, seen, new, skipped = pages + 1, seen + len(page.orders), new + len(fresh), skipped + dropped
    except MarketplaceError as failure:
        _fail(session, pull_id, failure)
        return PullResult(session.connection.code, "failed", 0, pages, seen, new, skipped, failure)
    with session.installation.ledger.write() as transaction:
        raw_orders.finish_pull(transaction, pull_id, "complete", session.installation.clock())
    return PullResult(session.connection.code, "complete", 0, pages, seen, new, skipped)


def _report_missed(session: PullSession, result: PullResult) -> None:
    if not result.missed:
        return
    installation = session.installation
    with installation.ledger.write() as transaction:
        incidents.report(
            transaction,
            incidents.IncidentReport(
                scope="connection",
                subject=session.connection.code,
                stage=SWEEP,
                code="missed_by_listing",
                message=f"the sweep found {len(result.missed)} orders that no pull had listed; they are in the book now",
                hint="nothing to do once; if it repeats, tell the marketplace's support which orders its listing omits",
                details={"original_ids": list(result.missed[:100])},
                occurrences=len(result.missed),
            ),
            installation.clock(),
        )


def _known_ids(session: PullSession, payloads: Sequence[raw_orders.Payload]) -> frozenset[str]:
    with session.installation.ledger.read() as transaction:
        ids = [each.original_id for each in payloads]
        return frozenset(raw_orders.latest_hashes(transaction, session.connection.code, ids))


def _prepare(session: PullSession, page: Page) -> tuple[list[raw_orders.Payload], int]:
    """Hash, redact and seal a page outside of any transaction; orders of channels not retrieved are passed over."""
    dictionary = session.dictionary() if page.orders else None
    payloads: dict[str, raw_orders.Payload] = {}
    passed = 0
    for raw in page.orders:
        channel = session.route(raw.selector)
        if channel is None and raw.selector is not None:
            passed += 1
            continue
        owner = session.connection.code
        payload = prepare_payload(session.installation, session.marketplace, owner, channel, raw, dictionary)
        payloads[payload.original_id] = payload
    return list(payloads.values()), passed


def _with_last(pages: Iterable[Page]) -> Iterator[tuple[Page, bool]]:
    """Each page with whether it is the last: the cursor may move only in the last page's transaction."""
    held: Page | None = None
    for page in pages:
        if held is not None:
            yield held, False
        held = page
    if held is not None:
        yield held, True

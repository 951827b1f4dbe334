"""Confirmation: telling the marketplaces of shipments, ending doubts, and reading back whether they show what they were told.

The engine of the `confirmations` asset; knows neither Dagster nor any marketplace. Which shipment may be sent, and what
becomes of it, is in `claims`, `confirmations` and `verification` of the ledger; taking shipments in is in
`warehouse.ledger.shipping.shipments`.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Throttled, Transient
from orders_pipeline.marketplaces.protocol import Parcel
from orders_pipeline.marketplaces.settings import ShipFromPlace, read_settings
from orders_pipeline.stages.connection import (
    ClaimsLost,
    Session,
    connections_serving,
    defect,
    opened,
    serving,
    takes_orders,
    work_at,
    work_at_each,
)
from orders_pipeline.stages.read_back import read_back
from orders_pipeline.stages.requirements import keep_needs
from warehouse.ledger.base import quotas
from warehouse.ledger.book import cancellations, holds
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings import channels
from warehouse.ledger.settings.carriers import TRACKING_PLACE, Carriers
from warehouse.ledger.shipping import claims, confirmations, held_shipments, verification
from warehouse.ledger.shipping.claims import Claim
from warehouse.ledger.watch import incidents
from warehouse.logs import Event
from warehouse.shipments import AttemptOutcome, Idempotency, Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from orders_pipeline.marketplaces.protocol import Marketplace
    from warehouse.ledger.shipping.matching import Waiting
    from warehouse.orders import Order

logger = logging.getLogger("orders_pipeline.stages.confirm")

STAGE = "confirm"
"""Stage of the incidents that are about a connection."""

CLAIMED_AT_ONCE = 20
"""Shipments that a sender takes up in one transaction, where each is a call of its own."""

CALL_MARGIN = timedelta(minutes=2)
"""A call is made only while its claim holds for longer than the call can take."""

LONGEST_RUN = timedelta(minutes=14, seconds=40)
"""A backlog is worked at until shortly before the schedule's next run goes on with it: the quota is never left unused."""
ROUNDS = 5
"""How often a run sends and reads doubts back in turn: a doubt that is refuted is sent again in the same run."""

READ_BACKS = 20
"""Calls that a run spends on verifying what no pull has shown."""

VERIFIED_LATER = timedelta(hours=1)
CONNECTION_PAUSE = timedelta(minutes=5)
"""Before the next attempt of shipments that could not be sent for want of the connection."""

UNVERIFIED = "confirmation_unverified"


@dataclass(slots=True)
class ConfirmResult:
    """What one connection's run came to.

    Attributes:
        connection: The connection's code.
        counts: Shipments `sent`, `rejected`, `in_doubt`, `retry` (attempts), `verified`, `refuted`.
        error: What went wrong with the connection as a whole, None otherwise.
    """

    connection: str
    counts: Counter[str] = field(default_factory=Counter)
    error: MarketplaceError | None = None


@dataclass(slots=True)
class _Held:
    """What is about to be sent, looked at before each call."""

    installation: Installation
    claims: Sequence[Claim] = ()

    def check(self) -> None:
        """The last thing before each call: what is about to be sent is still ours to send."""
        if not self.claims:
            return
        now = self.installation.clock()
        with self.installation.ledger.read() as transaction:
            if not claims.is_ours(transaction, self.claims, now, CALL_MARGIN):
                raise ClaimsLost


@dataclass(slots=True)
class _ConfirmSession(Session):
    """One connection while its shipments are confirmed."""

    result: ConfirmResult
    ends_at: datetime
    held: _Held
    carriers: Carriers
    places: Mapping[str, ShipFromPlace]

    @property
    def confirming(self) -> list[str]:
        return [each.code for each in self.channels if each.confirmation]


def confirm_all(installation: Installation, codes: Sequence[str] | None = None) -> list[ConfirmResult]:
    """Confirm what is due at every connection, or at the given ones, several at a time; one's failure stops no other."""
    with installation.ledger.write() as transaction:
        now = installation.clock()
        held_shipments.hold_switched_off(transaction, now)
        lock_book(transaction)
        cancellations.expire(transaction, now)
        holds.follow_all(transaction, now)
    chosen = connections_serving(installation, codes, lambda each: each.retrieval or each.confirmation)
    return work_at_each(installation, chosen, STAGE, confirm_connection)


def confirm_connection(installation: Installation, code: str) -> ConfirmResult:
    """Send what is due at one connection, end doubts, and verify; never raises for what a marketplace does."""
    result = ConfirmResult(code)

    def conclude(transaction: Transaction, error: MarketplaceError | None, now: datetime) -> None:
        _tell_unverified(transaction, [each.code for each in channels.all_channels(transaction, code)], now)
        about = {**result.counts, "code": error.code if error else None}
        logger.log(logging.WARNING if error else logging.INFO, Event.CONFIRM_FINISHED, extra=about)

    result.error = work_at(installation, code, STAGE, partial(_run, installation, result), conclude)
    return result


def _run(installation: Installation, result: ConfirmResult) -> Sequence[str]:
    ends_at, held = installation.clock() + LONGEST_RUN, _Held(installation)
    connection, owned = serving(installation, result.connection)
    if takes_orders(connection):
        _verify_unasked(installation, [each.code for each in owned if each.confirmation], result)
        return (STAGE,)
    with opened(installation, connection, owned, before_call=held.check) as here:
        keep_needs(here)
        with installation.ledger.read() as transaction:
            carriers = Carriers.of(transaction, here.codes)
        places = read_settings(here.marketplace.settings, connection.settings).ship_from_places
        session = _ConfirmSession(
            installation, connection, owned, here.marketplace, here.client, result, ends_at, held, carriers, places
        )
        for _ in range(ROUNDS):
            with installation.ledger.write() as transaction:
                pause = _doubt_pause(session.marketplace)
                confirmations.give_up_lost_claims(transaction, session.codes, installation.clock(), pause)
            doubts = _end_doubts(session)
            if not _send_due(session) and not doubts:
                break
        with suppress(Throttled):  # verifying has no hurry, and the next pull may do it
            _verify(session)
    if result.error is not None:
        raise result.error
    return (STAGE,)


def _verify_unasked(installation: Installation, confirming: Sequence[str], result: ConfirmResult) -> None:
    """Nobody has to be told: what is due is done, some at a time, since others write in between."""
    limit = installation.settings.write_chunk
    while True:
        with installation.ledger.write() as transaction:
            done = verification.verify_unasked(transaction, confirming, limit, installation.clock())
        result.counts["verified"] += done
        if done < limit:
            return


# -- sending


def _send_due(session: _ConfirmSession) -> int:
    """Send until nothing is due; returns how many attempts were made."""
    installation = session.installation
    per_call = session.marketplace.parcels_per_call
    attempts = 0
    while session.confirming and installation.clock() < session.ends_at:
        with installation.ledger.write() as transaction:
            taken = claims.claim(transaction, session.confirming, max(per_call, CLAIMED_AT_ONCE), installation.clock())
        if not taken:
            break
        attempts += len(taken)
        parts = [taken[start : start + per_call] for start in range(0, len(taken), per_call)]
        for place, part in enumerate(parts):
            error = _send(session, part)
            if error is not None:
                rest = [each for later in parts[place + 1 :] for each in later]
                _record(session, [(each, _not_sent(each, error)) for each in rest])
                raise error
    return attempts


def _named(session: _ConfirmSession, claims: Sequence[Claim]) -> Sequence[Claim]:
    """The claims that may be sent, each by a name that is free there.

    Where the marketplace changes the package that has the name it is told, the packages of an order of which it shows shipped
    units are read first.

    Raises:
        MarketplaceError: They could not be read: nothing was sent.
    """
    shared = [each for each in claims if each.is_beside_others]
    if not shared or session.marketplace.requirements.idempotency is not Idempotency.NATURAL:
        return claims
    known, _ = _read_orders(session, {each.shipment.order_id: each.original_id for each in shared})
    read = [(each, known[each.shipment.order_id]) for each in shared if each.shipment.order_id in known]
    with session.installation.ledger.write() as transaction:
        named, there = verification.settle_names(transaction, read, session.installation.clock())
    unread = Transient("order_unread", "The order's packages could not be read before it was told of another one.")
    read_ids = {each.id for each, _ in read}
    _record(session, there + [(each, _not_sent(each, unread)) for each in shared if each.id not in read_ids])
    return [*named, *(each for each in claims if not each.is_beside_others)]


def _send(session: _ConfirmSession, claims: Sequence[Claim]) -> MarketplaceError | None:
    """One call of `confirm` and its record; returns what is wrong with the connection, if something is."""
    try:
        claims = _named(session, claims)
    except MarketplaceError as failure:
        _record(session, [(each, _not_sent(each, failure)) for each in claims])
        return failure
    if not claims:
        return None
    parcels = [_parcel(session, each) for each in claims]
    session.held.claims = claims
    error: MarketplaceError | None = None
    try:
        answers = {each.shipment_id: each for each in session.client.confirm(parcels)}
        receipts = [answers.get(each.id) or _unnamed(each) for each in claims]
    except ClaimsLost:
        logger.warning(Event.CLAIMS_LOST, extra={"shipments": [each.id for each in claims]})
        return None
    except InDoubt as doubt:
        receipts = [_failed(each, AttemptOutcome.IN_DOUBT, doubt) for each in claims]
    except MarketplaceError as failure:
        error = failure
        receipts = [_not_sent(each, failure) for each in claims]
    except Exception as unforeseen:  # noqa: BLE001 - nobody knows how far it has come; the others are sent all the same
        session.result.error = defect(unforeseen)
        receipts = [_failed(each, AttemptOutcome.IN_DOUBT, session.result.error) for each in claims]
    finally:
        session.held.claims = ()
    pause = _doubt_pause(session.marketplace)
    _record(
        session,
        [
            (
                claim,
                replace(receipt, told_carrier=parcel.carrier_code or parcel.carrier_name, wait=_wait(receipt, pause)),
            )
            for claim, parcel, receipt in zip(claims, parcels, receipts, strict=True)
        ],
    )
    return error


def _wait(receipt: Receipt, doubt_pause: timedelta) -> timedelta | None:
    return doubt_pause if receipt.outcome is AttemptOutcome.IN_DOUBT else receipt.wait


def _record(session: _ConfirmSession, receipts: Sequence[tuple[Claim, Receipt]]) -> None:
    if not receipts:
        return
    with session.installation.ledger.write() as transaction:
        confirmations.record(transaction, receipts, session.installation.clock())
    session.result.counts.update(receipt.outcome.value for _, receipt in receipts)


def _parcel(session: _ConfirmSession, claim: Claim) -> Parcel:
    shipment = claim.shipment
    own = next(each.settings for each in session.channels if each.code == shipment.channel)
    ship_from = shipment.ship_from or own.get("ship_from")
    carrier = session.carriers.translated(shipment.channel, shipment.carrier_code, shipment.carrier_name)
    address = shipment.tracking_url or carrier.tracking_url
    if address is not None and shipment.tracking_number is not None:
        address = address.replace(TRACKING_PLACE, shipment.tracking_number)
    return Parcel(
        shipment_id=claim.id,
        original_id=claim.original_id,
        selector=claim.selector,
        reference=shipment.reference,
        package_id=shipment.package_id,
        marketplace_package_id=shipment.marketplace_package_id,
        is_update=shipment.sent_version is not None,
        is_whole=claim.is_whole,
        carrier_code=carrier.code,
        carrier_name=carrier.name,
        tracking_number=shipment.tracking_number,
        tracking_url=address,
        shipping_method=shipment.shipping_method or own.get("shipping_method"),
        ship_from=ship_from,
        ship_from_place=session.places.get(ship_from or ""),
        ordered_method=claim.ordered_method,
        overrides_cancellation=claim.overrides_cancellation,
        return_tracking_number=shipment.return_tracking_number,
        return_carrier=shipment.return_carrier or own.get("return_carrier"),
        shipped_at=shipment.shipped_at,
        quantities=claim.quantities,
    )


def _unnamed(claim: Claim) -> Receipt:
    """A package that the answer does not name may have arrived."""
    message = "The answer does not name this package."
    return Receipt(shipment_id=claim.id, outcome=AttemptOutcome.IN_DOUBT, code="no_receipt", message=message)


def _not_sent(claim: Claim, error: MarketplaceError) -> Receipt:
    """Nothing has arrived, and it is no fault of the shipment: it waits for the connection."""
    pause = timedelta(seconds=error.retry_after) if isinstance(error, Throttled) else CONNECTION_PAUSE
    wait = min(pause, quotas.LONGEST_BLOCK)
    return replace(_failed(claim, AttemptOutcome.RETRY, error), wait=wait, is_its_turn=False)


def _failed(claim: Claim, outcome: AttemptOutcome, error: MarketplaceError) -> Receipt:
    return Receipt(shipment_id=claim.id, outcome=outcome, code=error.code, message=error.message, hint=error.hint)


def _doubt_pause(marketplace: Marketplace) -> timedelta:
    """How long a doubt waits: not at all where sending twice is harmless."""
    match marketplace.requirements.idempotency:
        case Idempotency.NATURAL:
            return timedelta(0)
        case Idempotency.NONE:
            return max(confirmations.DOUBT_PAUSE, marketplace.shown_within)


# -- reading back


def _end_doubts(session: _ConfirmSession) -> int:
    """Read back what is in doubt and decide it; returns how many doubts have ended."""
    installation = session.installation
    limit = READ_BACKS * session.marketplace.orders_per_read_back
    with installation.ledger.read() as transaction:
        waiting = verification.doubted(transaction, session.codes, limit, installation.clock())
    if not waiting:
        return 0
    try:
        known, unread = _read_back(session, waiting)
    except Throttled:
        known, unread = {}, {each.shipment.order_id for each in waiting}  # sending has a quota of its own
    read = [(each, known.get(each.shipment.order_id)) for each in waiting if each.shipment.order_id not in unread]
    with installation.ledger.write() as transaction:
        now = installation.clock()
        verification.end_doubts(transaction, read, now)
        later = [each.shipment.id for each in waiting if each.shipment.order_id in unread]
        verification.postpone(transaction, later, now + CONNECTION_PAUSE)
    session.result.counts["refuted"] += len(read)
    return len(read)


def _verify(session: _ConfirmSession) -> None:
    """Read back what was sent and no pull has shown yet; what is not shown so far is looked at again later."""
    installation = session.installation
    limit = READ_BACKS * session.marketplace.orders_per_read_back
    with installation.ledger.read() as transaction:
        now = installation.clock()
        waiting = verification.unverified(transaction, session.codes, limit, now, now)
    if not waiting:
        return
    known, _ = _read_back(session, waiting)
    with installation.ledger.write() as transaction:
        now = installation.clock()
        session.result.counts["verified"] += verification.observe(transaction, list(known.values()), now)
        verification.postpone_unverified(transaction, [each.shipment.id for each in waiting], now + VERIFIED_LATER)


def _read_back(session: _ConfirmSession, waiting: Sequence[Waiting]) -> tuple[dict[str, Order], set[str]]:
    """The orders as the marketplace shows them now by internal id, and the ids of those that could not be read."""
    return _read_orders(session, {each.shipment.order_id: each.original_id for each in waiting})


def _read_orders(session: _ConfirmSession, original_ids: Mapping[str, str]) -> tuple[dict[str, Order], set[str]]:
    """Orders as the marketplace shows them now by internal id, and the internal ids of those that could not be read."""
    known: dict[str, Order] = {}
    unread: set[str] = set()
    asked = list(dict.fromkeys(original_ids.values()))
    for original_id, orders in read_back(session, asked):
        if orders is None:
            unread |= {own_id for own_id, named in original_ids.items() if named == original_id}
            continue
        known |= {each.id: each for each in orders}
    return known, unread


# -- the end of a run


def _tell_unverified(transaction: Transaction, codes: Sequence[str], now: datetime) -> None:
    """One incident for each channel with confirmations that the marketplace should have shown by now."""
    late = verification.unverified_counts(transaction, codes, now)
    for code in codes:
        if code not in late:
            incidents.resolve(transaction, "channel", [code], [STAGE], now, codes=[UNVERIFIED])
            continue
        hours = verification.UNVERIFIED_AFTER // timedelta(hours=1)
        incidents.report(
            transaction,
            incidents.IncidentReport(
                scope="channel",
                subject=code,
                stage=STAGE,
                code=UNVERIFIED,
                message=f"{late[code]} confirmations were sent and the marketplace does not show them: for {hours} hours, "
                "or with the time by which their orders must be shipped at hand",
                hint="see `orders shipments list --status sent`, and compare one of them at the marketplace",
                details={"shipments": late[code]},
            ),
            now,
        )

"""Receipts: how the packages of one confirmation come to one receipt each, the same for every marketplace.

What lives here: what an answer means in general, and telling packages in turn. What does not: the meaning of one
marketplace's answers, which is in its own `confirmation`; what follows from a receipt, which is
`orders_pipeline.stages.confirm`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Transient
from orders_pipeline.marketplaces.protocol import Parcel
from warehouse.shipments import AttemptOutcome, Receipt

READ_BACK_HINT = "the order is read back before anything is sent again"

_UNWELL = frozenset({"unanswered", "marketplace_unavailable", "unreadable_answer"})


@dataclass(frozen=True, slots=True)
class PackageVerdict:
    """What an answer means for a package; the attributes are those of `Receipt`."""

    outcome: AttemptOutcome
    code: str = ""
    message: str = ""
    hint: str = ""
    is_its_turn: bool = True


SENT = PackageVerdict(AttemptOutcome.SENT)


class Turn(NamedTuple):
    """Packages that are told with one call, or with calls that follow from each other.

    `tell` gives one receipt each; it raises anything but `InDoubt` as long as certainly nothing has arrived.
    """

    operation: str
    parcels: Sequence[Parcel]
    tell: Callable[[Sequence[Parcel]], Sequence[Receipt]]


def in_turn(turns: Sequence[Turn]) -> list[Receipt]:
    """Tell packages in turn, and stop telling once the marketplace is unwell: what is left is to be tried again later.

    Raises:
        MarketplaceError: The first turn failed: nothing has arrived, and nobody has a receipt.
    """
    receipts: list[Receipt] = []
    stopped: MarketplaceError | None = None
    for turn in turns:
        if stopped is None:
            try:
                answers = _tell(turn)
            except MarketplaceError as error:
                if not receipts:
                    raise
                stopped = error
            else:
                receipts += answers
                stopped = _unwell(answers)
                continue
        receipts += [receipt(each, turn.operation, later(stopped)) for each in turn.parcels]
    return receipts


def _tell(turn: Turn) -> Sequence[Receipt]:
    try:
        return turn.tell(turn.parcels)
    except InDoubt as error:
        return [receipt(each, turn.operation, unanswered(error)) for each in turn.parcels]


def after_another(turn: Turn) -> Sequence[Receipt]:
    """Tell packages of which a call before has arrived: a failure is no longer a failure of everything, but a receipt."""
    try:
        return _tell(turn)
    except MarketplaceError as error:
        return [receipt(each, turn.operation, later(error)) for each in turn.parcels]


def _unwell(receipts: Sequence[Receipt]) -> MarketplaceError | None:
    if any(each.code in _UNWELL for each in receipts):
        return Transient("not_tried", "not sent: the call before it got no good answer")
    return None


def receipt(parcel: Parcel, operation: str, verdict: PackageVerdict) -> Receipt:
    """A receipt without an answer's particulars."""
    return Receipt(
        shipment_id=parcel.shipment_id,
        outcome=verdict.outcome,
        operation=operation,
        code=verdict.code,
        message=verdict.message,
        hint=verdict.hint,
        is_its_turn=verdict.is_its_turn,
    )


def unanswered(error: InDoubt) -> PackageVerdict:
    """The verdict on a call that may have arrived."""
    return PackageVerdict(AttemptOutcome.IN_DOUBT, error.code, error.message, error.hint)


def later(error: MarketplaceError) -> PackageVerdict:
    """The verdict on a package that has certainly not arrived, for a reason that is not its own."""
    return PackageVerdict(AttemptOutcome.RETRY, error.code, error.message, error.hint, is_its_turn=False)


def no_good_answer(status: int, operation: str, detail: str) -> PackageVerdict:
    """The verdict on an answer that tells neither success nor refusal: 5xx, 408, a wrong status, what is not readable."""
    said = f"{operation} answered HTTP {status}" + (f": {detail}" if detail else "")
    is_unavailable = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT
    code = "marketplace_unavailable" if is_unavailable else "unreadable_answer"
    return PackageVerdict(AttemptOutcome.IN_DOUBT, code, said, READ_BACK_HINT)

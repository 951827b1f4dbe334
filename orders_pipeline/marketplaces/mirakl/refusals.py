"""What an instance's refusal of a package means: for good, in doubt, or too early.

Pure. Mirakl documents codes for the order calls only, and none that tells states apart: for the rest its English words
count. A refusal that does not say why leaves doubt: OR24 answers so to an order that has left the state SHIPPING.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.mirakl.states import CANCELLED_LINE_STATES, SHIPPED_LINE_STATES
from orders_pipeline.marketplaces.receipts import READ_BACK_HINT, PackageVerdict, no_good_answer
from warehouse.shipments import AttemptOutcome

if TYPE_CHECKING:
    from orders_pipeline.marketplaces.rest import RestAnswer

SHIPPING = "SHIPPING"
CARRIER_REFUSED = "carrier_refused"
INVALID_STATE = "ORDER_INVALID_STATE"

_NOT_READY = frozenset({"STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"})
_STATE = re.compile(r"(?:but (?:it )?is|order is) '?([A-Z][A-Z_]{3,})")
_BY_THE_OPERATOR_HINT = "the operator ships this order: there is nothing to report"

_REFUSALS: tuple[tuple[str, str, str], ...] = (
    ("quantity", "quantity_refused", "more than what is open: read the order again and compare"),
    ("tracking.* mandatory", "tracking_missing", "report the package again with its tracking number"),
    ("carrier", CARRIER_REFUSED, "set the channel's carrier table: orders carriers"),
    ("tracking", "tracking_refused", "report the package again with the carrier's tracking number"),
    ("not shipped by the shop", "not_shipped_by_shop", _BY_THE_OPERATOR_HINT),
    ("shipment (does not exist|not found)|unknown shipment", "shipment_unknown", "the operator no longer has it"),
    ("line (does not exist|not found)", "line_unknown", "compare the lines reported with the order's"),
    ("(does not exist|not found)", "order_not_found", "the shop of this connection does not have the order"),
)
"""The first pattern found in the instance's words counts."""

_CODES: dict[str, tuple[str, str]] = {
    "ORDER_FULFILLED_UNAUTHORIZED": ("not_shipped_by_shop", _BY_THE_OPERATOR_HINT),
    "ORDER_NOT_FOUND": ("order_not_found", "the shop of this connection does not have the order"),
}


def by_state(state: str, words: str) -> PackageVerdict:
    """What it means that an order to be shipped is not in SHIPPING.

    >>> by_state("SHIPPED", "").outcome, by_state("WAITING_DEBIT", "").outcome, by_state("CANCELED", "").outcome
    (<AttemptOutcome.IN_DOUBT: 'in_doubt'>, <AttemptOutcome.RETRY: 'retry'>, <AttemptOutcome.REJECTED: 'rejected'>)
    """
    if state in SHIPPED_LINE_STATES:
        return PackageVerdict(AttemptOutcome.IN_DOUBT, "already_shipped", words, READ_BACK_HINT)
    if state in CANCELLED_LINE_STATES:
        return PackageVerdict(
            AttemptOutcome.REJECTED, "order_canceled", words, "do not ship it: the order was canceled or refused"
        )
    if state in _NOT_READY:
        return PackageVerdict(
            AttemptOutcome.RETRY, "order_not_ready", words, "it is sent once the order waits for shipment"
        )
    return PackageVerdict(AttemptOutcome.IN_DOUBT, "order_state", words, READ_BACK_HINT)


def refused(words: str) -> PackageVerdict:
    """What an entry of `shipment_errors` means: it has an English sentence and no code."""
    state = _STATE.search(words)
    if state is not None:
        return by_state(state[1], words)
    for pattern, code, hint in _REFUSALS:
        if re.search(pattern, words, re.IGNORECASE):
            return PackageVerdict(AttemptOutcome.REJECTED, code, words, hint)
    return PackageVerdict(AttemptOutcome.REJECTED, "shipment_refused", words, "the operator's message says why")


def judged(reply: RestAnswer) -> PackageVerdict:
    """What an answer means that is not the documented success."""
    is_refusal = HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_refusal or reply.status == HTTPStatus.REQUEST_TIMEOUT or reply.value is None:
        return no_good_answer(reply.status, reply.operation, reply.said)
    if reply.code in _CODES:
        code, hint = _CODES[reply.code]
        return PackageVerdict(AttemptOutcome.REJECTED, code, reply.said or reply.code, hint)
    if reply.code == INVALID_STATE:
        state = _STATE.search(reply.said)
        return by_state(state[1] if state else "", reply.said or reply.code)
    if not reply.said:
        said = f"{reply.operation} answered HTTP {reply.status} without a reason"
        return PackageVerdict(AttemptOutcome.IN_DOUBT, "refused_without_reason", said, READ_BACK_HINT)
    return refused(reply.said)

"""The wire shape of an order, rendered once when it changes and put together from its pieces when it is read.

A document has three pieces with one writer each: the *head* (our own facts, from columns), the *facts* (what the marketplace
says, without personal data, rendered at commit) and the *parties* (personal data, kept encrypted). Reading a page of orders
is then joining strings; only an order with personal data inside its lines or its marketplace data is taken apart for it.
Names are those of the API, of `orders normalize`, of events and exports.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple

import orjson

from warehouse.clock import iso
from warehouse.members import described
from warehouse.order_states import ConfirmationStatus
from warehouse.orders import Order
from warehouse.personal import HAS_DETAILS, parties, personal, personal_members, pii_state, put_in_place
from warehouse.wire import compiled

NO_PARTIES = ",".join(f'"{each.name}":null' for each in personal_members())
HASH_BYTES = 16

IN_HEAD = frozenset({"status", "marketplace_updated_at"})
"""What the marketplace tells and we may raise: it stands in the head, and not among the facts."""

_write_facts = compiled(
    tuple(each for each in described(Order) if not each.about.is_personal and each.name not in IN_HEAD)
)


def facts(order: Order) -> str:
    """The members of the document that come from the marketplace and are not personal, without the braces around them."""
    members = _write_facts(order)
    bar = order.whole_bar
    if bar is not None:
        for line in members["lines"]:
            line |= {"may_ship": False, "may_not_ship_reason": bar}
    return orjson.dumps(members).decode()[1:-1]


def content_hash(rendered_facts: str, rendered_parties: str) -> bytes:
    """What a revision is told by: 16 bytes for the facts, 16 for the parties (BLAKE2b, RFC 7693)."""
    return _digest(rendered_facts) + _digest(rendered_parties)


class StoredOrder(NamedTuple):
    """What a document is put together from, and what lists go on from; members are columns of the `orders` table."""

    id: str
    position: int
    revision: int
    status: str
    purchased_at: datetime
    marketplace_updated_at: datetime | str
    received_at: datetime | str
    confirmation_status: str
    has_errors: bool
    has_cancellation_request: bool
    is_historical: bool
    pii_state: str
    acknowledgements: str
    facts: str


def head(row: StoredOrder) -> str:
    """The members that are our own, from the columns of the `orders` table."""
    return (
        f'"position":{row.position},"revision":{row.revision},"status":"{row.status}",'
        f'"marketplace_updated_at":"{_wire(row.marketplace_updated_at)}","received_at":"{_wire(row.received_at)}",'
        f'"confirmation_status":"{row.confirmation_status}","has_errors":{_bool(row.has_errors)},'
        f'"has_cancellation_request":{_bool(row.has_cancellation_request)},'
        f'"is_historical":{_bool(row.is_historical)},"pii_state":"{row.pii_state}","acknowledgements":{row.acknowledgements}'
    )


def opening(row: StoredOrder) -> bytes:
    """The document without its end: what everybody may see. `ledger.book.order_texts` lets the database write the same."""
    return f"{{{head(row)},{row.facts}".encode()


def payload_link(payload_paths: str) -> tuple[str, str]:
    """The last member of a document, with the brace behind it: what is before the order's id, and behind it.

    Args:
        payload_paths: The paths below which the payload of an order is, by its id.
    """
    return f',"payload_url":"{payload_paths}/', '/payload"}'


def redacted_end(payload_paths: str) -> tuple[str, str]:
    """What follows on an opening for a reader who may not see who bought: its `payload_link` is the last of it."""
    before_id, after_id = payload_link(payload_paths)
    return _REDACTED + before_id, after_id


def whole(opening: bytes, rendered_parties: bytes | None) -> bytes:
    """One order as JSON text.

    Args:
        opening: The document without its end.
        rendered_parties: The order's personal members, or None where the reader may not see them: then they are null and
            `redacted` is true.
    """
    if rendered_parties is None:
        return b"%b%b}" % (opening, _REDACTED.encode())
    members, details, _ = rendered_parties.partition(_HAS_DETAILS)
    text = b'%b,"redacted":false,%b%b}' % (opening, rendered_parties, _missing(members))
    return put_in_place(text) if details else text


_REDACTED = f',"redacted":true,{NO_PARTIES}'
_HAS_DETAILS = HAS_DETAILS.encode()


def document(row: StoredOrder, rendered_parties: str | None) -> bytes:
    """One order as JSON text, put together here."""
    return whole(opening(row), None if rendered_parties is None else rendered_parties.encode())


def preview(order: Order, received_at: datetime) -> bytes:
    """An order that is in no ledger, in the same shape: revision and position are 0."""
    row = StoredOrder(
        id=order.id,
        position=0,
        revision=0,
        status=order.status,
        purchased_at=order.purchased_at,
        marketplace_updated_at=order.marketplace_updated_at,
        received_at=received_at,
        confirmation_status=ConfirmationStatus.NONE,
        has_errors=bool(order.problems),
        has_cancellation_request=order.has_cancellation_request,
        is_historical=False,
        pii_state=pii_state(order),
        acknowledgements="[]",
        facts=facts(order),
    )
    return document(row, parties(personal(order)))


def _missing(members: bytes) -> bytes:
    """Those that parties which an earlier release sealed do not have, as null."""
    at = 0
    for (
        found,
        _,
    ) in _LATER_PARTIES:  # as they are written one after the other, so that each is looked for behind the last
        at = members.find(found, at)
        if at < 0:
            return b"".join(null for found, null in _LATER_PARTIES if found not in members)
    return b""


_LATER_PARTIES = [(f',"{each.name}":'.encode(), f',"{each.name}":null'.encode()) for each in personal_members()[1:]]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def _wire(moment: datetime | str) -> str:
    """A column's instant; a reader of whole pages has the ledger's text cut to the wire's, which spares two conversions."""
    return moment if isinstance(moment, str) else iso(moment)


def _bool(value: object) -> str:
    return "true" if value else "false"

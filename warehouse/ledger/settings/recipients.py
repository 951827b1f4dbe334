"""Who is told when something is wrong: addresses of mail and of chat services, checked when they are entered.

What they have been told is in `warehouse.ledger.watch.alerts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import idna
import sqlalchemy as sa

from warehouse.incidents import IncidentKind
from warehouse.ledger.base.credentials import resolve_credentials, seal_secret
from warehouse.ledger.base.database import CANCELLATIONS, mark, upsert
from warehouse.ledger.base.schema import alert_recipients, channels

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.privacy import KeyRing


EMAIL = re.compile(r"[^@\s<>,;\"\x00-\x1f]+@[^@\s<>,;\"\x00-\x1f]+")


LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""Before the @, as every mail server takes it (RFC 5321, dot-string)."""


LONGEST_ADDRESS = 254


REFERENCES = ("env:", "file:", "sealed:")


class RecipientKind(StrEnum):
    """By what way a recipient is told."""

    EMAIL = "email"
    URL = "url"


class RecipientError(Exception):
    """A recipient that cannot be kept; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who is told.

    Attributes:
        code: A short code.
        kind: E-mail, or a chat or webhook address.
        address: The e-mail address, or where the URL is: `env:NAME`, `file:PATH` or `sealed:BASE64`.
        channels: Only what concerns these; () for everything.
        kinds: Only these kinds of incidents; () for all.
        summary: Whether the daily summary goes there.
        requests_through: Number of the last cancellation request told.
        created_at: When it was added; None for one that is not kept yet.
    """

    code: str
    kind: RecipientKind
    address: str
    channels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    summary: bool = True
    requests_through: int = 0
    created_at: datetime | None = None


_RECIPIENTS = sa.select(alert_recipients).order_by(alert_recipients.c.code)


def all_recipients(transaction: Transaction) -> list[Recipient]:
    """Every recipient, by code."""
    rows = transaction.execute(_RECIPIENTS).mappings()
    return [
        Recipient(
            code=row["code"],
            kind=RecipientKind(row["kind"]),
            address=row["address"],
            channels=tuple(row["channels"]),
            kinds=tuple(row["kinds"]),
            summary=row["summary"],
            requests_through=row["requests_through"],
            created_at=row["created_at"],
        )
        for row in rows
    ]


def save_recipient(transaction: Transaction, recipient: Recipient, now: datetime) -> None:
    """Create a recipient, or change one; what it has been told is kept. A new one is told nothing of the past.

    Raises:
        RecipientError: The address is none, or a channel or kind does not exist.
    """
    problem = fault(recipient, set(transaction.execute(sa.select(channels.c.code)).scalars()))
    if problem:
        raise RecipientError(f"{recipient.code}: {problem}")
    row = {
        "code": recipient.code,
        "kind": recipient.kind.value,
        "address": recipient.address,
        "channels": list(recipient.channels),
        "kinds": list(recipient.kinds),
        "summary": recipient.summary,
        "requests_through": mark(transaction, CANCELLATIONS),
        "created_at": now,
        "updated_at": now,
    }
    changing = ("kind", "address", "channels", "kinds", "summary", "updated_at")
    transaction.execute(upsert(transaction, alert_recipients, ("code",), changing), [row])


def fault(recipient: Recipient, known_channels: AbstractSet[str]) -> str | None:
    """What is wrong with a recipient; None when it can be kept. Pure."""
    if recipient.kind is RecipientKind.EMAIL:
        if len(recipient.address) > LONGEST_ADDRESS or EMAIL.fullmatch(recipient.address) is None:
            return "email: this is no e-mail address"
        try:
            sendable(recipient.address)
        except ValueError as error:
            return f"email: {error}"
    elif not recipient.address.startswith(REFERENCES):
        return "url: must be written env:NAME or file:PATH; a secret never stands here"
    unknown = sorted(set(recipient.kinds) - {kind.value for kind in IncidentKind})
    if unknown:
        return f"kinds: there is no kind {unknown[0]!r}; there are: {', '.join(IncidentKind)}"
    missing = sorted(set(recipient.channels) - known_channels)
    return f"channels: there is no channel {missing[0]!r}" if missing else None


def sendable(address: str) -> str:
    """An e-mail address as mail servers take it: the domain in ASCII (RFC 5890).

    >>> sendable("crew@müller-shop.example")
    'crew@xn--mller-shop-9db.example'

    Raises:
        ValueError: It cannot be sent to; the message says why.
    """
    local, _, domain = address.rpartition("@")
    if LOCAL_PART.fullmatch(local) is None:
        raise ValueError("before the @ only ASCII letters, digits and common signs can be sent to")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("what follows the @ is no domain") from None
    return f"{local}@{ascii_domain}"


def remove_recipient(transaction: Transaction, code: str) -> bool:
    """Remove a recipient with everything that is on its way to it; False when there is none of that code."""
    return bool(transaction.execute(sa.delete(alert_recipients).where(alert_recipients.c.code == code)).rowcount)


def seal_url(keys: KeyRing, code: str, url: str) -> str:
    """A typed address, encrypted for one recipient."""
    return seal_secret(keys, f"alert:{code}", "url", url)


def open_url(keys: KeyRing, recipient: Recipient) -> str:
    """The address itself; raises like `credentials.resolve_credentials`."""
    return resolve_credentials(f"alert:{recipient.code}", {"url": recipient.address}, keys)["url"]

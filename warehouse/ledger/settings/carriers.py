"""Carriers: what an ERP calls them, what a channel's marketplace calls them, and what else it needs to be told of a shipment.

The pipeline keeps each channel's requirements here, where the API reads them; a merchant's own mapping goes before the usual
spellings that come with a marketplace. Checking a shipment against them is in `shipments`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.schema import carriers, channel_requirements
from warehouse.shipments import CarrierRule, Requirements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

TRACKING_PLACE = "{tracking_number}"
"""Where the number goes in the address of a carrier's tracking page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierEntry:
    """One line of a channel's own mapping.

    Attributes:
        channel: The channel's code.
        code: The ERP's word; upper and lower case are the same.
        carrier_code: The marketplace's code; None for a carrier that goes by its name.
        carrier_name: Its name, for a carrier without a code.
        tracking_url: Address of its tracking page, with `{tracking_number}` where the number goes.
    """

    channel: str
    code: str
    carrier_code: str | None = None
    carrier_name: str | None = None
    tracking_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceCarrier:
    """A carrier in the words that the marketplace is told: by `code`, or by `name` where it has none."""

    code: str | None = None
    name: str | None = None
    tracking_url: str | None = None


class Carriers:
    """The carriers of some channels, read once."""

    def __init__(
        self, requirements: Mapping[str, Requirements], entries: Mapping[tuple[str, str], CarrierEntry]
    ) -> None:
        self._requirements = requirements
        self._entries = entries
        self._listed = {
            channel: {word.casefold(): each.code for each in needs.carriers for word in (each.label, each.code)}
            for channel, needs in requirements.items()
        }

    @staticmethod
    def of(transaction: Transaction, channels: Sequence[str]) -> Carriers:
        """Read the mapping and the requirements of these channels."""
        entries = {(each.channel, each.code): each for each in mapped(transaction, channels)}
        return Carriers(requirements_of(transaction, channels), entries)

    def requirements(self, channel: str) -> Requirements | None:
        """What the channel's marketplace needs; None before it is known."""
        return self._requirements.get(channel)

    def translated(self, channel: str, code: str | None, name: str | None) -> MarketplaceCarrier:
        """What the marketplace is told: the merchant's own mapping, then its list, then the usual spellings.

        A word that none of them knows is told as a name; where any word will do, as a code.
        """
        if code is None:
            return MarketplaceCarrier(code=self._listed_as(channel, name), name=name)
        own = self._entries.get((channel, code.upper()))
        if own is not None:
            return MarketplaceCarrier(
                code=own.carrier_code, name=name or own.carrier_name or code, tracking_url=own.tracking_url
            )
        needs = self._requirements.get(channel)
        if needs is None or needs.carrier_rule is CarrierRule.ANY:
            return MarketplaceCarrier(code=code, name=name)
        return MarketplaceCarrier(code=self._known(channel, needs, code), name=name or code)

    def _listed_as(self, channel: str, name: str | None) -> str | None:
        """The code of a carrier that is reported by name alone; only where the marketplace takes no names."""
        needs = self._requirements.get(channel)
        if name is None or needs is None or needs.carrier_rule is not CarrierRule.LISTED:
            return None
        return self._known(channel, needs, name)

    def _known(self, channel: str, needs: Requirements, word: str) -> str | None:
        return self._listed[channel].get(word.casefold()) or needs.carrier_aliases.get(word.upper())


_NEEDS = sa.select(channel_requirements).where(
    channel_requirements.c.channel.in_(sa.bindparam("codes", expanding=True))
)
_FRESH = sa.select(channel_requirements.c.channel).where(
    channel_requirements.c.channel.in_(sa.bindparam("codes", expanding=True)),
    channel_requirements.c.asked_at > sa.bindparam("after"),
)
"""Built once: every pull asks them."""


def requirements_of(transaction: Transaction, channels: Sequence[str]) -> dict[str, Requirements]:
    """What is needed at these channels, of those it is known of."""
    rows = transaction.execute(_NEEDS, {"codes": list(channels)}).mappings()
    return {row["channel"]: Requirements.from_json(row["data"]) for row in rows}


def latest_requirements(transaction: Transaction, channel: str) -> tuple[Requirements, datetime] | None:
    """What a channel's marketplace needs, and when it was asked; None before it is known."""
    query = sa.select(channel_requirements).where(channel_requirements.c.channel == channel)
    row = transaction.execute(query).mappings().one_or_none()
    return None if row is None else (Requirements.from_json(row["data"]), row["asked_at"])


def fresh_requirements(transaction: Transaction, channels: Sequence[str], asked_after: datetime) -> set[str]:
    """Those of these channels whose requirements were asked after a time."""
    return set(transaction.execute(_FRESH, {"codes": list(channels), "after": asked_after}).scalars())


def save_requirements(transaction: Transaction, channel: str, needs: Requirements, now: datetime) -> None:
    """Remember what a channel's marketplace needs."""
    row = {"channel": channel, "data": needs.as_json(), "asked_at": now}
    transaction.execute(upsert(transaction, channel_requirements, ("channel",)), [row])


def mapped(transaction: Transaction, channels: Sequence[str] | None = None) -> list[CarrierEntry]:
    """The merchant's own mapping, of these channels or of all, by channel and code."""
    query = sa.select(carriers).order_by(carriers.c.channel, carriers.c.code)
    if channels is not None:
        query = query.where(carriers.c.channel.in_(channels))
    names = CarrierEntry.__slots__
    return [CarrierEntry(**{name: row[name] for name in names}) for row in transaction.execute(query).mappings()]


def save_carrier(transaction: Transaction, entry: CarrierEntry, now: datetime) -> None:
    """Add a line to the mapping, or change one."""
    row = {name: getattr(entry, name) for name in CarrierEntry.__slots__}
    row |= {"code": entry.code.upper(), "updated_at": now}
    transaction.execute(upsert(transaction, carriers, ("channel", "code")), [row])


def remove_carrier(transaction: Transaction, channel: str, code: str) -> bool:
    """Take a line out of the mapping; False when there is none."""
    gone = transaction.execute(
        sa.delete(carriers).where(carriers.c.channel == channel, carriers.c.code == code.upper())
    )
    return bool(gone.rowcount)

"""Connections and channels: what a merchant is connected to, and what is retrieved. Credentials are references or sealed.

Reading the declarative file is in `configuration`; talking to a marketplace is in `orders_pipeline.marketplaces`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import channels, connections, coverage
from warehouse.ledger.settings.kinds import TAKING_ORDERS, all_kinds, kinds_that_take_orders

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

    from warehouse.shipments import Requirements


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One seller account at a marketplace. `credentials` maps names to `env:NAME`, `file:PATH` or `sealed:BASE64`."""

    code: str
    kind: str
    label: str
    endpoint: str | None = None
    region: str | None = None
    settings: Json = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    state: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredChannel:
    """What the merchant works with. `selector` picks its orders out of the connection's; None: all of them."""

    code: str
    label: str
    marketplace: str
    connection: str
    selector: str | None = None
    retrieval: bool = True
    confirmation: bool = False
    acceptance: str = "manual"
    settings: Json = field(default_factory=dict)


_CONNECTIONS = sa.select(connections).order_by(connections.c.code)
_CONNECTION = sa.select(connections).where(connections.c.code == sa.bindparam("wanted"))
_CHANNELS = sa.select(channels).order_by(channels.c.code)
_CHANNELS_OF = _CHANNELS.where(channels.c.connection == sa.bindparam("wanted"))
_STATE = sa.select(connections.c.state).where(connections.c.code == sa.bindparam("wanted"))
_SERVED = sa.select(channels.c.connection, channels.c.code)
_RETRIEVED = sa.select(channels.c.code).where(
    channels.c.connection == sa.bindparam("wanted"), channels.c.retrieval.is_(True)
)
"""Built once: every run asks them several times."""


def all_connections(transaction: Transaction) -> list[Connection]:
    """Every connection, by code."""
    rows = transaction.execute(_CONNECTIONS).mappings()
    return [_connection(row) for row in rows]


def find_connection(transaction: Transaction, code: str) -> Connection | None:
    """One connection, None when there is none of that code."""
    row = transaction.execute(_CONNECTION, {"wanted": code}).mappings().one_or_none()
    return _connection(row) if row else None


def all_channels(transaction: Transaction, connection: str | None = None) -> list[ConfiguredChannel]:
    """Every channel, or those of one connection, by code."""
    query, wanted = (_CHANNELS, {}) if connection is None else (_CHANNELS_OF, {"wanted": connection})
    names = ConfiguredChannel.__slots__
    return [
        ConfiguredChannel(**{name: row[name] for name in names})
        for row in transaction.execute(query, wanted).mappings()
    ]


def retrieved_codes(transaction: Transaction, connection: str) -> frozenset[str]:
    """Codes of the connection's channels that have retrieval on at this moment."""
    return frozenset(transaction.execute(_RETRIEVED, {"wanted": connection}).scalars())


def save_connection(transaction: Transaction, connection: Connection, now: datetime) -> None:
    """Create a connection, or change one; what pulling learnt is kept.

    Without a marketplace there is nothing to retrieve for its channels.
    """
    row = {
        "code": connection.code,
        "kind": connection.kind,
        "label": connection.label,
        "endpoint": connection.endpoint,
        "region": connection.region,
        "settings": dict(connection.settings),
        "credentials": dict(connection.credentials),
        "state": dict(connection.state),
        "created_at": now,
        "updated_at": now,
    }
    changing = ("kind", "label", "endpoint", "region", "settings", "credentials", "updated_at")
    transaction.execute(upsert(transaction, connections, ("code",), changing), [row])
    if connection.kind in kinds_that_take_orders(transaction):
        own = channels.c.connection == connection.code
        transaction.execute(sa.update(channels).where(own, channels.c.retrieval.is_(True)).values(retrieval=False))


def save_channel(transaction: Transaction, channel: ConfiguredChannel, now: datetime) -> None:
    """Create a channel, or change one. What another selector or connection was asked for proves nothing of the new one.

    Where there is no marketplace there is nothing to retrieve, whatever the channel says.
    """
    is_other = (channels.c.connection != channel.connection) | channels.c.selector.is_distinct_from(channel.selector)
    moved = sa.select(channels.c.code).where(channels.c.code == channel.code, is_other)
    transaction.execute(sa.delete(coverage).where(coverage.c.channel.in_(moved)))
    row = {name: getattr(channel, name) for name in ConfiguredChannel.__slots__}
    row |= {"settings": dict(channel.settings), "created_at": now, "updated_at": now}
    row["retrieval"] = channel.retrieval and not takes_orders(transaction, channel.connection)
    changing = tuple(name for name in row if name not in {"code", "created_at"})
    transaction.execute(upsert(transaction, channels, ("code",), changing), [row])


def takes_orders(transaction: Transaction, connection: str) -> bool:
    """Whether the orders of a connection's channels are given to us, there being no marketplace."""
    return _kind_of(transaction, connection) in kinds_that_take_orders(transaction)


def requirements_without_asking(transaction: Transaction, connection: str) -> Requirements | None:
    """What shipments need where there is no marketplace that could be asked; None where there is one."""
    if not takes_orders(transaction, connection):
        return None
    return all_kinds(transaction)[_kind_of(transaction, connection)].requirements


def _kind_of(transaction: Transaction, connection: str) -> str:
    kind = transaction.execute(sa.select(connections.c.kind).where(connections.c.code == connection)).scalar()
    return kind or ""


def remember(transaction: Transaction, code: str, learnt: Json) -> None:
    """Merge what pulling learnt about a connection into its state."""
    known = transaction.execute(_STATE, {"wanted": code}).scalar() or {}
    if any(known.get(name) != value for name, value in learnt.items()):
        transaction.execute(sa.update(connections).where(connections.c.code == code).values(state={**known, **learnt}))


def _connection(row: RowMapping) -> Connection:
    return Connection(**{name: row[name] for name in Connection.__slots__})


def connections_serving(transaction: Transaction, codes: Sequence[str]) -> list[str]:
    """The connections that serve any of these channels."""
    return sorted(
        set(transaction.execute(sa.select(channels.c.connection).where(channels.c.code.in_(codes))).scalars())
    )


def connections_serving_only(transaction: Transaction, codes: Sequence[str]) -> list[str]:
    """The connections that serve some of these channels and no other."""
    rows = transaction.execute(sa.select(channels.c.connection, channels.c.code)).all()
    shared = {row.connection for row in rows if row.code not in codes}
    return sorted({row.connection for row in rows} - shared)


def asked_connection(transaction: Transaction, channel: str, visible_channels: Collection[str] | None) -> str | None:
    """The connection that a reader may ask for orders of a channel.

    None where there is no marketplace to be asked, or where the connection serves channels that the reader may not see.
    """
    is_given = connections.c.kind.in_(TAKING_ORDERS).label("is_given")
    query = sa.select(channels.c.code, channels.c.connection, is_given).join_from(channels, connections)
    rows = transaction.execute(query).all()
    found = next((row for row in rows if row.code == channel and not row.is_given), None)
    if found is None:
        return None
    served = {row.code for row in rows if row.connection == found.connection}
    return found.connection if visible_channels is None or served <= set(visible_channels) else None


def channels_served(transaction: Transaction) -> dict[str, frozenset[str]]:
    """Connection → the channels that it serves."""
    found: dict[str, set[str]] = {}
    for row in transaction.execute(_SERVED):
        found.setdefault(row.connection, set()).add(row.code)
    return {connection: frozenset(codes) for connection, codes in found.items()}


def is_any_served(transaction: Transaction) -> bool:
    """Whether there are orders to look for: a channel has retrieval on, or is given its orders."""
    given = connections.c.kind.in_(kinds_that_take_orders(transaction))
    query = sa.select(channels.c.code).join(connections).where(sa.or_(channels.c.retrieval.is_(True), given)).limit(1)
    return transaction.execute(query).first() is not None


def known_channels(transaction: Transaction, codes: Sequence[str]) -> frozenset[str]:
    """Those of the codes that are channels."""
    return frozenset(transaction.execute(sa.select(channels.c.code).where(channels.c.code.in_(codes))).scalars())


def known_marketplaces(transaction: Transaction, labels: Collection[str]) -> frozenset[str]:
    """Those of the labels that a channel's marketplace has."""
    query = sa.select(channels.c.marketplace).where(channels.c.marketplace.in_(labels))
    return frozenset(transaction.execute(query).scalars())

"""What somebody may do because of what the identity provider says of them: groups there become a role and channels here.

Written as one setting, `group=role`, each with `+pii` for the right to personal data and `@channel/channel` for some channels
alone. That it is well written is checked where settings are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.schema import sessions, users
from warehouse.ledger.people.users import NAME, Role, User, UserError, add, check_channels, find, user_of
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.rows import Json


@dataclass(frozen=True, slots=True)
class Grant:
    """What a group gives.

    Attributes:
        group: As the provider says it.
        role: What its members may do.
        may_see_personal_data: Whether buyers and addresses may be revealed to them.
        channels: The channels they may see; None for all.
    """

    group: str
    role: Role
    may_see_personal_data: bool
    channels: tuple[str, ...] | None


def read_grants(text: str) -> tuple[Grant, ...]:
    """The grants of a setting.

    >>> [each.role.value for each in read_grants("hub-admins=admin+pii, lyon=operator@shop_fr/shop_de")]
    ['admin', 'operator']
    """
    return tuple(_grant(part.strip()) for part in text.split(",") if part.strip())


def _grant(part: str) -> Grant:
    group, _, rest = part.rpartition("=")
    rights, _, codes = rest.partition("@")
    role, _, extra = rights.partition("+")
    return Grant(group, Role(role), extra == "pii", tuple(codes.split("/")) if codes else None)


def granted(grants: Iterable[Grant], groups: Collection[str]) -> Grant | None:
    """All that somebody's groups give, taken together; None when that is nothing."""
    given = [each for each in grants if each.group in groups]
    if not given:
        return None
    highest = max(given, key=lambda each: list(Role).index(each.role))
    codes = {code for each in given for code in each.channels or ()}
    channels = None if any(each.channels is None for each in given) else tuple(sorted(codes))
    return Grant(highest.group, highest.role, any(each.may_see_personal_data for each in given), channels)


def groups_of(claims: Json, path: str) -> list[str]:
    """The groups that a token names, in a claim whose members may be apart by dots.

    >>> groups_of({"realm_access": {"roles": ["ops"]}}, "realm_access.roles"), groups_of({"groups": "ops"}, "groups")
    (['ops'], ['ops'])
    """
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    named = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [each for each in named if isinstance(each, str)]


def enter(transaction: Transaction, subject: str, name: str, grant: Grant, now: datetime) -> User:
    """The user of whoever the provider has let in, made or given the rights that they have by now.

    Args:
        transaction: A write transaction.
        subject: Who it is for good: the provider's address and its own id, apart by a space.
        name: What to call somebody new.
        grant: What they may do.
        now: The present instant.

    Raises:
        UserError: `name_taken`, `invalid_name`, `no_channel`, or `unknown_channel`.
    """
    row = transaction.execute(sa.select(users).where(users.c.subject == subject)).mappings().first()
    if row is None:
        return _add(transaction, subject, name, grant, now)
    known = user_of(row)
    rights = (known.role, known.may_see_personal_data, known.channels)
    if rights == (grant.role, grant.may_see_personal_data, grant.channels):
        return known
    check_channels(transaction, grant.channels)
    values = {
        "role": grant.role.value,
        "may_see_personal_data": grant.may_see_personal_data,
        "channels": None if grant.channels is None else list(grant.channels),
        "updated_at": now,
    }
    transaction.execute(sa.update(users).where(users.c.subject == subject).values(values))
    transaction.execute(sa.delete(sessions).where(sessions.c.user == known.name))
    return replace(known, role=grant.role, may_see_personal_data=grant.may_see_personal_data, channels=grant.channels)


def _add(transaction: Transaction, subject: str, name: str, grant: Grant, now: datetime) -> User:
    if NAME.fullmatch(name) is None:
        raise UserError("invalid_name", Sentence("the identity provider's name for you cannot be a name here"))
    if find(transaction, name) is not None:
        raise UserError(
            "name_taken",
            Sentence("there is a user %(name)s here who does not come from the identity provider", name=name),
        )
    made = add(transaction, name, grant.role, grant.channels, now, may_see_personal_data=grant.may_see_personal_data)
    transaction.execute(sa.update(users).where(users.c.name == name).values(subject=subject))
    return replace(made, is_from_provider=True)

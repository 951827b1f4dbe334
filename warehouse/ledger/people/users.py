"""The people who use the console: what each may do and see, and their passwords.

Of a password only its Argon2id hash is kept. Being logged in is in `sessions`, the links that log in once are in `links`;
what a role permits is decided where it is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.schema import channels, sessions, users
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from argon2 import PasswordHasher
    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000
"""More takes time to hash and makes nothing safer."""
FEWEST_CHARACTERS = 5
"""Different ones."""

COMMON_PASSWORDS = """
    123456789012 1234567890123 12345678901234 123456789123 1q2w3e4r5t6y 1qaz2wsx3edc abcdefghijkl abcd1234abcd administrator
    administrator1 admin1234567 adminadmin12 changeme1234 changemeplease correcthorsebatterystaple iloveyou1234
    letmein12345 password1234 password12345 password123456 password123! passwordpassword passw0rd1234 qwertyuiop12
    qwertyuiop123 qwerty123456 qwertyuiop[] q1w2e3r4t5y6 secret123456 trustno1trustno1 welcome12345 welcome123456
    zaq12wsxcde3
"""
"""What is tried first of all, among those that are long enough."""


class Role(StrEnum):
    """What somebody may do; each includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    CONFIGURATOR = "configurator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether it permits what another one does.

        >>> Role.OPERATOR.includes(Role.VIEWER), Role.OPERATOR.includes(Role.ADMIN)
        (True, False)
        """
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class UserError(Exception):
    """Something cannot be done for a user as asked; `code` is a stable snake_case word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class User:
    """Somebody, without the password.

    Attributes:
        name: What they log in with.
        role: What they may do.
        may_see_personal_data: Whether buyers and addresses may be revealed to them.
        channels: Channel codes they may see; None for all, those connected later among them.
        has_password: Whether they have chosen one; until then a link alone lets them in.
        created_at: When they were added.
        is_from_provider: Whether the identity provider lets them in, and says what they may do.
        has_codes: Whether their password takes a code of an authenticator beside it.
    """

    name: str
    role: Role
    may_see_personal_data: bool
    channels: tuple[str, ...] | None
    has_password: bool
    created_at: datetime
    is_from_provider: bool = False
    has_codes: bool = False


def add(
    transaction: Transaction,
    name: str,
    role: Role,
    channel_codes: Collection[str] | None,
    now: datetime,
    *,
    may_see_personal_data: bool = False,
) -> User:
    """Add somebody, without a password.

    Raises:
        UserError: `invalid_name`, `user_exists`, `no_channel`, or `unknown_channel`.
    """
    if NAME.fullmatch(name) is None:
        raise UserError(
            "invalid_name", Sentence("a name is 1 to 64 small letters, digits, dots, hyphens, underscores, @ or +")
        )
    if find(transaction, name) is not None:
        raise UserError("user_exists", Sentence("there is a user %(name)s already", name=name))
    check_channels(transaction, channel_codes)
    chosen = None if channel_codes is None else tuple(sorted(set(channel_codes)))
    row = {
        "name": name,
        "role": role.value,
        "may_see_personal_data": may_see_personal_data,
        "channels": chosen,
        "created_at": now,
        "updated_at": now,
    }
    transaction.execute(sa.insert(users).values(row))
    return User(name, role, may_see_personal_data, chosen, has_password=False, created_at=now)


def listed(transaction: Transaction) -> list[User]:
    """Everybody, by name."""
    return [user_of(row) for row in transaction.execute(sa.select(users).order_by(users.c.name)).mappings()]


def find(transaction: Transaction, name: str) -> User | None:
    """The user of this name."""
    row = transaction.execute(_BY_NAME, {"wanted": name}).mappings().first()
    return None if row is None else user_of(row)


def change(
    transaction: Transaction,
    name: str,
    role: Role,
    channel_codes: Collection[str] | None,
    now: datetime,
    *,
    may_see_personal_data: bool,
) -> User:
    """Give somebody other rights; they are logged out, so that nobody goes on with a page of the old ones.

    Raises:
        UserError: `unknown_user`, `last_admin`, `no_channel`, or `unknown_channel`.
    """
    _require_other_admin(transaction, name, role)
    check_channels(transaction, channel_codes)
    row = {
        "role": role.value,
        "may_see_personal_data": may_see_personal_data,
        "channels": None if channel_codes is None else sorted(set(channel_codes)),
        "updated_at": now,
    }
    transaction.execute(sa.update(users).where(users.c.name == name).values(row))
    transaction.execute(sa.delete(sessions).where(sessions.c.user == name))
    return _found(transaction, name)


def remove(transaction: Transaction, name: str) -> None:
    """Take somebody's access away, at once.

    Raises:
        UserError: `unknown_user`, `last_admin`.
    """
    _require_other_admin(transaction, name, None)
    transaction.execute(sa.delete(users).where(users.c.name == name))


def set_password(transaction: Transaction, user: User, password: str, now: datetime) -> None:
    """Give somebody a password; whoever is logged in with the old one is logged out.

    Raises:
        UserError: `managed_elsewhere`, `password_too_short`, `password_too_long`, or `password_too_common`.
    """
    if user.is_from_provider:
        raise UserError("managed_elsewhere", Sentence("The identity provider lets you in: there is no password here."))
    _check_password(user.name, password)
    _keep(transaction, user.name, _hasher().hash(password), now)


def reset_password(transaction: Transaction, name: str, now: datetime) -> bool:
    """Take somebody's password and authenticator away and log them out. False when there is nobody of this name."""
    transaction.execute(sa.update(users).where(users.c.name == name).values(code_secret=None, code_step=None))
    return _keep(transaction, name, None, now)


def verified(transaction: Transaction, name: str, password: str) -> User | None:
    """The user whose name and password these are; an unknown name takes as long as a wrong password."""
    from argon2.exceptions import VerifyMismatchError  # noqa: PLC0415 - only who logs in needs it

    row = transaction.execute(_BY_NAME, {"wanted": name}).mappings().first()
    kept = None if row is None else row["password_hash"]
    try:
        _hasher().verify(kept or _hash_of_nobody(), password[:LONGEST_PASSWORD])
    except VerifyMismatchError:
        return None
    return None if row is None or kept is None else user_of(row)


def code_binding(name: str) -> str:
    """What the secret of a user's authenticator is bound to where it is encrypted."""
    return f"authenticator:{name}"


def user_of(row: RowMapping) -> User:
    """The user of a row."""
    allowed = row["channels"]
    return User(
        row["name"],
        Role(row["role"]),
        row["may_see_personal_data"],
        None if allowed is None else tuple(allowed),
        row["password_hash"] is not None,
        row["created_at"],
        row["subject"] is not None,
        row["code_secret"] is not None,
    )


_BY_NAME = sa.select(users).where(users.c.name == sa.bindparam("wanted"))


def _keep(transaction: Transaction, name: str, kept: str | None, now: datetime) -> bool:
    own = sa.update(users).where(users.c.name == name).values(password_hash=kept, updated_at=now)
    transaction.execute(sa.delete(sessions).where(sessions.c.user == name))
    return bool(transaction.execute(own).rowcount)


def _found(transaction: Transaction, name: str) -> User:
    user = find(transaction, name)
    if user is None:
        raise UserError("unknown_user", Sentence("there is no user %(name)s", name=name))
    return user


def _require_other_admin(transaction: Transaction, name: str, role: Role | None) -> None:
    """Nobody shuts the last door: without an administrator only a command at the machine makes another one."""
    if _found(transaction, name).role is not Role.ADMIN or role is Role.ADMIN:
        return
    others = sa.select(sa.func.count()).where(users.c.role == Role.ADMIN.value, users.c.name != name)
    if not transaction.execute(others).scalar_one():
        raise UserError(
            "last_admin", Sentence("%(name)s is the last administrator: make somebody else one first", name=name)
        )


def check_channels(transaction: Transaction, codes: Collection[str] | None) -> None:
    """Refuse channels that there are not.

    Raises:
        UserError: `no_channel`, or `unknown_channel`.
    """
    if codes is None:
        return
    if not codes:
        raise UserError("no_channel", Sentence("an empty list of channels would let the user see nothing"))
    known = set(transaction.execute(sa.select(channels.c.code).where(channels.c.code.in_(codes))).scalars())
    if unknown := sorted(set(codes) - known):
        raise UserError("unknown_channel", Sentence("there is no channel %(names)s", names=", ".join(unknown)))


def _check_password(name: str, password: str) -> None:
    lower = password.lower()
    if len(password) < SHORTEST_PASSWORD:
        raise UserError(
            "password_too_short",
            Sentence("A password has %(count)s characters or more.", count=SHORTEST_PASSWORD),
        )
    if len(password) > LONGEST_PASSWORD:
        raise UserError(
            "password_too_long",
            Sentence("A password has %(count)s characters at most.", count=LONGEST_PASSWORD),
        )
    if lower in COMMON_PASSWORDS.split() or len(set(lower)) < FEWEST_CHARACTERS or lower.replace(name, "") == "":
        raise UserError("password_too_common", Sentence("Too many people use this password: choose another one."))


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # noqa: PLC0415 - as above

    return PasswordHasher()


@cache
def _hash_of_nobody() -> str:
    return _hasher().hash("nobody's")

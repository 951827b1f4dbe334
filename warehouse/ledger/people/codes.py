"""Codes of an authenticator beside a password: six digits that change every thirty seconds, each good once (RFC 6238).

The secret that they come of is kept encrypted, as the credentials of connections are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyotp
import sqlalchemy as sa

from warehouse.ledger.base.schema import users
from warehouse.ledger.people.users import UserError, code_binding
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.people.users import User
    from warehouse.privacy import KeyRing

STEPS_LATE = 1
"""A code is taken for so many steps before and after its own: clocks differ, and people type slowly."""
ISSUER = "Orders"


def new_secret() -> str:
    """A secret for an authenticator, 160 random bits as it shows them."""
    return pyotp.random_base32()


def address(user: User, secret: str) -> str:
    """What the authenticator reads from a picture: an `otpauth` address."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name=ISSUER)


def keep(transaction: Transaction, keys: KeyRing, user: User, secret: str, code: str, now: datetime) -> None:
    """From now on a user's password takes a code beside it; the first one shows that the authenticator has the secret.

    Raises:
        UserError: `wrong_code`; the secret is none of ours, or the code is not one of it.
    """
    step = _step(secret, code, now) if is_secret(secret) else None
    if step is None:
        raise UserError("wrong_code", Sentence("That is no code of this secret. Is the clock of your device right?"))
    sealed = keys.seal(secret.encode(), code_binding(user.name))
    transaction.execute(sa.update(users).where(users.c.name == user.name).values(code_secret=sealed, code_step=step))


def remove(transaction: Transaction, user: User) -> None:
    """From now on a user's password suffices."""
    transaction.execute(sa.update(users).where(users.c.name == user.name).values(code_secret=None, code_step=None))


def is_right(transaction: Transaction, keys: KeyRing, user: User, code: str, now: datetime) -> bool:
    """Whether a user may come in with a code, which is used up by that; with any, where none was set up.

    Raises:
        KeyRingError: The ring lacks the key that the secret was encrypted with.
    """
    query = sa.select(users.c.code_secret).where(users.c.name == user.name)
    sealed = transaction.execute(query).scalar()
    if sealed is None:
        return True
    step = _step(keys.open(sealed, code_binding(user.name)).decode(), code, now)
    if step is None:
        return False
    is_new = sa.or_(users.c.code_step.is_(None), users.c.code_step < step)
    used = sa.update(users).where(users.c.name == user.name, is_new).values(code_step=step)
    return transaction.execute(used).rowcount == 1


def _step(secret: str, code: str, now: datetime) -> int | None:
    """The time step of a code near to the present; None when it is of none."""
    totp = pyotp.TOTP(secret)
    present = totp.timecode(now)
    digits = "".join(code.split())
    steps = range(present - STEPS_LATE, present + STEPS_LATE + 1)
    return next((each for each in steps if pyotp.utils.strings_equal(totp.generate_otp(each), digits)), None)


def is_secret(text: str) -> bool:
    """Whether a text looks like one of `new_secret`."""
    return len(text) == len(new_secret()) and set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")

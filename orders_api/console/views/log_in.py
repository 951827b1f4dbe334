"""The pages before the log-in and about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orders_api.console.views.frame import Moment
    from warehouse.ledger.people.users import User


@dataclass(frozen=True, slots=True)
class LogInPage:
    """The log-in page: what went wrong, the name that was typed, where to go on; by which ways people come in."""

    error: str
    name: str
    wanted: str
    has_provider: bool
    takes_passwords: bool


@dataclass(frozen=True, slots=True)
class LinkPage:
    """The page of a link: whom it logs in, None when it is used up; itself; and where to go on."""

    name: str | None
    secret: str
    wanted: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A place where somebody is logged in; `id` names it in a form, and `is_this` says that the page was asked from there."""

    id: str
    address: str
    opened: Moment | None
    seen: Moment | None
    is_this: bool


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Somebody's own account."""

    user: User
    role: str
    channels: str
    shortest_password: int
    sessions: tuple[SessionRow, ...]


@dataclass(frozen=True, slots=True)
class CodesPage:
    """A new secret for an authenticator, as text and as a picture; and what was wrong with the code that was typed."""

    secret: str
    picture: str
    error: str

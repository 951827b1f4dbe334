"""The pages about people who may log in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orders_api.console.views.frame import Moment
    from orders_api.console.views.lists import FilterValue
    from warehouse.ledger.people.users import User


@dataclass(frozen=True, slots=True)
class UserRow:
    """Somebody in the list."""

    name: str
    role: str
    personal_data: str
    channels: str
    password: str
    added: Moment | None


@dataclass(frozen=True, slots=True)
class UsersPage:
    """The list, and what may be given to somebody new."""

    rows: tuple[UserRow, ...]
    roles: tuple[FilterValue, ...]
    channels: tuple[FilterValue, ...]
    may_give_personal_data: bool


@dataclass(frozen=True, slots=True)
class UserPage:
    """Somebody: their rights, and at how many places they are logged in."""

    row: UserRow
    roles: tuple[FilterValue, ...]
    channels: tuple[FilterValue, ...]
    user: User
    places: int
    may_give_personal_data: bool


@dataclass(frozen=True, slots=True)
class InvitationPage:
    """A link that logs somebody in once."""

    name: str
    address: str

"""What every page has: the frame around it, times and badges, and what an error looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.kit.texts import Later
from warehouse.ledger.people.users import Role

if TYPE_CHECKING:
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.status.headlines import Headlines

THEMES = {"system": Later("System"), "light": Later("Light"), "dark": Later("Dark")}


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with a tone, each of which has a sign: `done`, `todo`, `waiting`, `warning`, `failed`, `over` or `unknown`.

    `about` is more of it, for whoever asks.
    """

    word: str
    tone: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for people: on the clocks of the zone, how long ago or ahead that is, and as programs read it."""

    text: str
    distance: str
    iso: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the navigation: its word, its path below the console, the count beside it, and the role that it takes."""

    label: str
    path: str
    badge: str = ""
    needs: Role = Role.VIEWER


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a page.

    Attributes:
        base: What every address of the console begins with.
        path: Where the page is, below that.
        request_id: Finds the page's request in the log.
        theme: A key of `THEMES`.
        has_keys: Whether single keys do something.
        visit: Who reads it; None where nobody is logged in.
        token: For the page's forms, "" where nobody is logged in.
        headlines: What stands beside the navigation; None where nobody is logged in, or it is not known.
        state: The pipeline's.
        zone: The time zone of all times.
        language: The page's, as HTML has it.
        direction: In which it is written, `ltr` or `rtl`.
        dagster: Address of Dagster's pages; None when it is not told.
    """

    base: str
    path: str
    request_id: str
    theme: str
    has_keys: bool
    visit: Visit | None
    token: str
    headlines: Headlines | None
    state: Badge
    zone: str
    language: str
    direction: str
    dagster: str | None

    @property
    def may_operate(self) -> bool:
        """Whether the reader may act on orders."""
        return self.visit is not None and self.visit.user.role.includes(Role.OPERATOR)

    def badge(self, entry: Entry) -> int:
        """The count beside an entry of the navigation; 0 for none."""
        return 0 if self.headlines is None or not entry.badge else int(getattr(self.headlines, entry.badge))

    def is_at(self, entry: Entry) -> bool:
        """Whether the page belongs to an entry of the navigation."""
        return self.path == entry.path or self.path.startswith(f"{entry.path}/")


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """An error for people.

    Attributes:
        title: What kind of error it is.
        detail: A plain sentence that says what to do.
        code: Stable snake_case word.
        faults: What is wrong, one by one.
        retry: The path to try again; "" when that does not help.
    """

    title: str
    detail: str
    code: str
    faults: tuple[str, ...]
    retry: str

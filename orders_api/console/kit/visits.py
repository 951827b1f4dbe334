"""Who visits a page: the session behind the cookie, and what follows from it. Making and ending sessions is the ledger's.

The cookie is `__Host-orders`, sent over HTTPS alone. On this machine itself plain HTTP will do, with a cookie of another name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.kit.texts import Later, _
from orders_api.kit.errors import Problem
from warehouse.ledger.base.database import SCHEMA_HEAD
from warehouse.ledger.people import audit, sessions
from warehouse.ledger.people.audit import AuditEntry
from warehouse.ledger.people.users import Role, User
from warehouse.ledger.settings.channels import all_channels
from warehouse.web_addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from typing import Any

    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request
    from starlette.responses import Response

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.people.sessions import OpenSession
    from warehouse.ledger.settings.channels import ConfiguredChannel

SECURE_COOKIE = "__Host-orders"
LOOPBACK_COOKIE = "orders_session"
UPGRADED = Later(
    "A newer release was installed while you worked. Nothing was done: reload the page. When it says so again, this process is "
    "still of the release before, and whoever runs it starts `orders api` again."
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is logged in.

    Attributes:
        request: What was asked.
        transaction: A read transaction of a page, a write transaction of an action; over when the function returns.
        installation: What the API holds.
        session: Who asks.
        secret: What their browser keeps.
        now: The present instant.
    """

    request: Request
    transaction: Transaction
    installation: ApiInstallation
    session: OpenSession
    secret: str
    now: datetime

    @property
    def user(self) -> User:
        """Who asks."""
        return self.session.user

    @property
    def visible_channels(self) -> tuple[str, ...] | None:
        """Channels that may be seen; None for all."""
        return self.user.channels

    @property
    def origin(self) -> str:
        """Where the user is, as the audit log says it."""
        return f"console {address_of(self.request)}"

    def tell(self, text: str, tone: str = "done") -> None:
        """Let the next page say something; `tone` is `done` or `failed`."""
        sessions.tell_next(self.transaction, self.session, tone, text)

    def audit(self, action: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        """Write down that the user did something."""
        entry = AuditEntry(
            actor=self.user.name,
            origin=self.origin,
            action=action,
            subject=subject,
            details=details or {},
            request_id=self.request.state.request_id,
        )
        audit.record(self.transaction, entry, self.now)


def find_visit(request: Request, transaction: Transaction, installation: ApiInstallation) -> Visit | None:
    """The visit, when the cookie is that of a live session.

    Raises:
        Problem: 503 `upgraded`, where a newer release has changed the ledger below this process.
    """
    secret = request.cookies.get(_cookie_name(request, installation))
    now = installation.clock()
    session = None if not secret else sessions.find_session(transaction, secret, now)
    if secret is None or session is None:
        return None
    if session.schema_version != SCHEMA_HEAD:
        raise Problem(503, "upgraded", UPGRADED, headers={"Retry-After": "10"})
    return Visit(request, transaction, installation, session, secret, now)


def require(visit: Visit, role: Role) -> None:
    """Refuse somebody whose role does not include this one.

    Raises:
        Problem: 403 `missing_role`, naming the role and who can give it.
    """
    if not visit.user.role.includes(role):
        detail = _(
            "This takes the role %(role)s; you have the role %(own)s. An administrator can give it to you.",
            role=role,
            own=visit.user.role,
        )
        raise Problem(403, "missing_role", detail)


def seen_channels(visit: Visit) -> list[ConfiguredChannel]:
    """The channels that the visitor sees."""
    return [each for each in all_channels(visit.transaction) if is_within(visit, (each.code,))]


def is_within(visit: Visit, channels: Collection[str] | None) -> bool:
    """Whether the visitor sees all of these channels; None stands for every channel."""
    if visit.visible_channels is None:
        return True
    return channels is not None and set(channels) <= set(visit.visible_channels)


def require_own_right(visit: Visit, channels: Collection[str] | None, *, personal_data: bool) -> None:
    """Nobody gives away a right or a channel that they lack.

    Raises:
        Problem: 403 `not_yours_to_give`.
    """
    if not is_within(visit, channels) or (personal_data and not visit.user.may_see_personal_data):
        raise Problem(403, "not_yours_to_give", _("Nobody gives away a right or a channel that they lack."))


def keep_secret(response: Response, request: Request, installation: ApiInstallation, secret: str) -> None:
    """Let the browser keep a session's secret: until the browser ends, out of reach of scripts and foreign pages."""
    name = _cookie_name(request, installation)
    response.set_cookie(name, secret, path="/", secure=name == SECURE_COOKIE, httponly=True, samesite="lax")


def may_log_in(request: Request, installation: ApiInstallation) -> bool:
    """Whether a browser would keep the cookie: over HTTPS, or on this machine."""
    return is_secure(request, installation) or is_loopback(request.url.hostname or "")


def is_secure(request: Request, installation: ApiInstallation) -> bool:
    """Whether the browser speaks HTTPS, with us or with a proxy in front of us."""
    declared = installation.settings.console_url or ""
    return request.url.scheme == "https" or declared.startswith("https:")


def address_of(request: Request) -> str:
    """Where a request came from."""
    return request.client.host if request.client is not None else "unknown"


def _cookie_name(request: Request, installation: ApiInstallation) -> str:
    return SECURE_COOKIE if is_secure(request, installation) else LOOPBACK_COOKIE

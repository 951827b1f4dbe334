"""Logging in and out: with a password, or once with a link; and the page on which people keep their own account.

Guessing is slow: five attempts a minute for each name, twenty for each address. A name that nobody has takes as long as a wrong
password, and is answered in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from orders_api.console.kit import visits
from orders_api.console.kit.forms import Form, read_form, require_own_origin, text_of
from orders_api.console.kit.pages import Pages, see_other
from orders_api.console.kit.rendering import THEME_COOKIE, frame_of, html, moment
from orders_api.console.navigation import FIRST
from orders_api.console.views.frame import THEMES
from orders_api.console.views.log_in import AccountPage, LinkPage, LogInPage, SessionRow
from orders_api.kit.errors import Problem, not_found
from orders_api.kit.installation import installation_of
from orders_api.kit.rate_limits import RateLimiter
from warehouse.ledger.people import audit, links, sessions, users
from warehouse.ledger.people.audit import AuditEntry
from warehouse.ledger.people.users import SHORTEST_PASSWORD, Role, User, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request
    from starlette.responses import Response

    from orders_api.console.kit.visits import Visit

PER_NAME = 5
PER_ADDRESS = 20
WRONG = "The name or the password is wrong."
USED_UP = "This link was used already, or is too old. Ask for a new one: an administrator runs `orders users link`."
IN_CLEAR = (
    "Over plain HTTP the console takes log-ins on this machine alone: the password would be sent in clear. Use HTTPS."
)
YEAR_SECONDS = 31_536_000

pages = Pages()


@dataclass(frozen=True, slots=True)
class LogInAttempts:
    """How often somebody may try to log in, in a minute."""

    names: RateLimiter
    addresses: RateLimiter

    @staticmethod
    def none_yet() -> LogInAttempts:
        """Before the first one."""
        return LogInAttempts(RateLimiter(PER_NAME), RateLimiter(PER_ADDRESS))

    def take(self, name: str, address: str) -> None:
        """Count an attempt.

        Raises:
            Problem: 429 `too_many_attempts`.
        """
        limits = (self.addresses.take(address), self.names.take(name[:64]))
        if not all(each.is_admitted for each in limits):
            seconds = max(each.retry_after_seconds for each in limits)
            detail = f"Too many attempts to log in. Try again in {seconds} seconds."
            raise Problem(429, "too_many_attempts", detail, headers={"Retry-After": str(seconds)})


async def show_log_in(request: Request) -> Response:
    """The log-in page; it works as long as the process does."""
    installation = installation_of(request)
    error = "" if visits.may_log_in(request, installation) else IN_CLEAR
    view = LogInPage(error, "", _own_path(request.query_params.get("next", "")))
    return html("log_in.html", view, frame_of(request, installation.settings.time_zone))


async def log_in(request: Request) -> Response:
    """With a name and a password."""
    require_own_origin(request)
    return await run_in_threadpool(_log_in, request, await read_form(request))


async def show_link(request: Request) -> Response:
    """Whom a link logs in. Looking at it does not use it up: mail servers look at links too."""
    return await run_in_threadpool(_show_link, request)


async def use_link(request: Request) -> Response:
    """Log in with a link."""
    require_own_origin(request)
    return await run_in_threadpool(_use_link, request, await read_form(request))


routes = [
    Route("/log-in", show_log_in),
    Route("/log-in", log_in, methods=["POST"]),
    Route("/log-in/{secret}", show_link),
    Route("/log-in/{secret}", use_link, methods=["POST"]),
]


@pages.page("/account", "account.html")
def show_account(visit: Visit) -> AccountPage:
    """What one may do, how pages look, the password, and where one is logged in."""
    seen, zone = visit.visible_channels, visit.installation.settings.time_zone
    places = tuple(
        SessionRow(
            id=each.key.hex(),
            address=each.address,
            opened=moment(each.opened_at, visit.now, zone),
            seen=moment(each.seen_at, visit.now, zone),
            is_this=each.key == visit.session.key,
        )
        for each in sessions.live_sessions(visit.transaction, visit.user.name, visit.now)
    )
    return AccountPage(visit.user, "all" if seen is None else ", ".join(seen), SHORTEST_PASSWORD, places)


@pages.action("/account/password", needs=Role.VIEWER)
def change_password(visit: Visit, form: Form) -> str:
    """Choose a password; every session ends with it, this one too."""
    user, new = visit.user, text_of(form, "new")
    try:
        _check_change(visit, form)
        users.set_password(visit.transaction, user, new, visit.now)
    except UserError as error:
        visit.tell(str(error), "failed")
        return "/account"
    visit.audit("password_changed", user.name)
    return "/log-in"


@pages.action("/account/sessions", needs=Role.VIEWER)
def end_other_sessions(visit: Visit, _form: Form) -> str:
    """Log out everywhere else."""
    ended = sessions.end_others(visit.transaction, visit.session)
    visit.audit("sessions_ended", visit.user.name, {"ended": ended})
    visit.tell(f"Logged out elsewhere: {ended}.")
    return "/account"


@pages.action("/account/sessions/{id}/end", needs=Role.VIEWER)
def end_one_session(visit: Visit, _form: Form, id: str) -> str:  # noqa: A002 - the part of the path
    """Log out at one other place."""
    try:
        is_ended = sessions.end_one(visit.transaction, visit.user.name, bytes.fromhex(id))
    except ValueError:
        is_ended = False
    if not is_ended:
        raise not_found("id", "You are not logged in there any more.", "unknown_session")
    visit.audit("sessions_ended", visit.user.name, {"ended": 1})
    visit.tell("You are logged out there.")
    return "/account"


@pages.action("/log-out", needs=Role.VIEWER)
def log_out(visit: Visit, _form: Form) -> str:
    """End the session; its cookie says nothing any more."""
    sessions.end_session(visit.transaction, visit.session.key)
    return "/log-in"


async def choose_theme(request: Request) -> Response:
    """Remember in the browser how pages look."""
    require_own_origin(request)
    form = await read_form(request)
    theme = text_of(form, "theme")
    response = see_other(request, _own_path(text_of(form, "next")) or FIRST)
    if theme in THEMES:
        secure = visits.is_secure(request, installation_of(request))
        response.set_cookie(THEME_COOKIE, theme, YEAR_SECONDS, httponly=True, samesite="lax", secure=secure)
    return response


routes.append(Route("/theme", choose_theme, methods=["POST"]))


def _check_change(visit: Visit, form: Form) -> None:
    """Whoever is at the keyboard knows the present password, and has typed the new one twice.

    Raises:
        UserError: `wrong_password`, `passwords_differ`.
    """
    user, old = visit.user, text_of(form, "old")
    if user.has_password and users.verified(visit.transaction, user.name, old) is None:
        raise UserError("wrong_password", "The present password is wrong.")
    if text_of(form, "new") != text_of(form, "again"):
        raise UserError("passwords_differ", "The two new passwords differ.")


def _log_in(request: Request, form: Form) -> Response:
    installation = installation_of(request)
    name, wanted = text_of(form, "name").strip().lower(), _own_path(text_of(form, "next"))
    frame = frame_of(request, installation.settings.time_zone)
    if not visits.may_log_in(request, installation):
        return html("log_in.html", LogInPage(IN_CLEAR, name, wanted), frame, 403)
    try:
        _attempts(request).take(name, visits.address_of(request))
    except Problem as problem:
        return html("log_in.html", LogInPage(problem.detail, name, wanted), frame, problem.status, problem.headers)
    with installation.ledger.read() as transaction:
        user = users.verified(transaction, name, text_of(form, "password"))
    if user is None:
        return html("log_in.html", LogInPage(WRONG, name, wanted), frame, 401)
    return _enter(request, lambda _: user, "logged_in", wanted or FIRST)


def _show_link(request: Request) -> Response:
    installation = installation_of(request)
    secret = request.path_params["secret"]
    with installation.ledger.read() as transaction:
        user = links.user_of_link(transaction, secret, installation.clock())
    wanted = _own_path(request.query_params.get("next", ""))
    view = LinkPage(None if user is None else user.name, secret, wanted)
    return html("link.html", view, frame_of(request, installation.settings.time_zone), 200 if user else 410)


def _use_link(request: Request, form: Form) -> Response:
    installation = installation_of(request)
    secret, wanted = request.path_params["secret"], _own_path(text_of(form, "next"))
    frame = frame_of(request, installation.settings.time_zone)
    if not visits.may_log_in(request, installation):
        return html("log_in.html", LogInPage(IN_CLEAR, "", wanted), frame, 403)
    now = installation.clock()
    try:
        _attempts(request).addresses.take(visits.address_of(request))
        return _enter(
            request,
            lambda transaction: links.use_link(transaction, secret, now),
            "logged_in_by_link",
            wanted or FIRST,
        )
    except Problem:
        return html("link.html", LinkPage(None, secret, wanted), frame, 410)


def _enter(request: Request, who: Callable[[Transaction], User | None], action: str, wanted: str) -> Response:
    """Open a session with an id of its own, whatever cookie the browser has brought.

    Raises:
        Problem: 410 `link_used_up`.
    """
    installation = installation_of(request)
    now, address = installation.clock(), visits.address_of(request)
    with installation.ledger.write() as transaction:
        user = who(transaction)
        if user is None:
            raise Problem(410, "link_used_up", USED_UP)
        before = visits.find_visit(request, transaction, installation)
        if before is not None:
            sessions.end_session(transaction, before.session.key)
        secret = sessions.open_session(transaction, user, address, now)
        entry = AuditEntry(
            actor=user.name,
            origin=f"console {address}",
            action=action,
            subject=user.name,
            request_id=request.state.request_id,
        )
        audit.record(transaction, entry, now)
    response = see_other(request, wanted)
    visits.keep_secret(response, request, installation, secret)
    return response


def _attempts(request: Request) -> LogInAttempts:
    attempts: LogInAttempts = request.app.state.attempts
    return attempts


def _own_path(wanted: str) -> str:
    """A path of the console's own to go to, "" for anything else: a link must not lead elsewhere after the log-in."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\", "/log-in")) and wanted.isprintable()
    return wanted if is_own and "\\" not in wanted else ""

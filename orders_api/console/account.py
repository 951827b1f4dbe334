"""One's own account: what one may do, how pages look, the password, an authenticator, and where one is logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import segno
from starlette.routing import Route

from orders_api.console.kit import visits
from orders_api.console.kit.entrances import own_path
from orders_api.console.kit.forms import read_form, require_own_origin, text_of
from orders_api.console.kit.pages import GoTo, Pages, see_other
from orders_api.console.kit.rendering import KEYS_COOKIE, KEYS_OFF, THEME_COOKIE, moment
from orders_api.console.kit.texts import _, gettext, retold
from orders_api.console.navigation import FIRST
from orders_api.console.views.frame import THEMES
from orders_api.console.views.log_in import AccountPage, CodesPage, SessionRow
from orders_api.kit.errors import not_found
from orders_api.kit.installation import installation_of
from warehouse.ledger.people import codes, sessions, users
from warehouse.ledger.people.users import SHORTEST_PASSWORD, Role, UserError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit

YEAR_SECONDS = 31_536_000

pages = Pages()


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
    return AccountPage(
        visit.user, gettext(visit.user.role), _("all") if seen is None else ", ".join(seen), SHORTEST_PASSWORD, places
    )


@pages.action("/account/password", needs=Role.VIEWER)
def change_password(visit: Visit, form: Form) -> str:
    """Choose a password; every session ends with it, this one too."""
    user, new = visit.user, text_of(form, "new")
    try:
        _check_change(visit, form)
        users.set_password(visit.transaction, user, new, visit.now)
    except UserError as error:
        visit.tell(retold(error), "failed")
        return "/account"
    visit.audit("password_changed", user.name)
    return "/log-in"


@pages.action("/account/sessions", needs=Role.VIEWER)
def end_other_sessions(visit: Visit, _form: Form) -> str:
    """Log out everywhere else."""
    ended = sessions.end_others(visit.transaction, visit.session)
    visit.audit("sessions_ended", visit.user.name, {"ended": ended})
    visit.tell(_("Logged out elsewhere: %(count)s.", count=ended))
    return "/account"


@pages.action("/account/sessions/{id}/end", needs=Role.VIEWER)
def end_one_session(visit: Visit, _form: Form, id: str) -> str:  # noqa: A002 - the part of the path
    """Log out at one other place."""
    try:
        is_ended = sessions.end_one(visit.transaction, visit.user.name, bytes.fromhex(id))
    except ValueError:
        is_ended = False
    if not is_ended:
        raise not_found("id", _("You are not logged in there any more."), "unknown_session")
    visit.audit("sessions_ended", visit.user.name, {"ended": 1})
    visit.tell(_("You are logged out there."))
    return "/account"


@pages.once("/account/codes", "codes.html", needs=Role.VIEWER)
def begin_codes(visit: Visit, _form: Form) -> CodesPage:
    """A secret for an authenticator; it counts once a code of it was typed."""
    return _codes_page(visit, codes.new_secret(), "")


@pages.once("/account/codes/confirm", "codes.html", needs=Role.VIEWER)
def confirm_codes(visit: Visit, form: Form) -> CodesPage | GoTo:
    """From now on the password takes a code beside it."""
    secret = text_of(form, "secret")
    try:
        _check_password(visit, form)
        codes.keep(visit.transaction, visit.installation.keys, visit.user, secret, text_of(form, "code"), visit.now)
    except UserError as error:
        return _codes_page(visit, secret if codes.is_secret(secret) else codes.new_secret(), retold(error))
    visit.audit("authenticator_added", visit.user.name)
    visit.tell(_("From the next log-in on your password takes a code beside it."))
    return GoTo("/account")


@pages.action("/account/codes/remove", needs=Role.VIEWER)
def remove_codes(visit: Visit, form: Form) -> str:
    """The password suffices again."""
    try:
        _check_password(visit, form)
    except UserError as error:
        visit.tell(retold(error), "failed")
        return "/account"
    codes.remove(visit.transaction, visit.user)
    visit.audit("authenticator_removed", visit.user.name)
    visit.tell(_("Your password suffices to log in."))
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
    response = see_other(request, own_path(text_of(form, "next")) or FIRST)
    if theme in THEMES:
        secure = visits.is_secure(request, installation_of(request))
        response.set_cookie(THEME_COOKIE, theme, YEAR_SECONDS, httponly=True, samesite="lax", secure=secure)
    return response


async def choose_keys(request: Request) -> Response:
    """Remember in the browser whether single keys do something."""
    require_own_origin(request)
    form = await read_form(request)
    response = see_other(request, "/account")
    secure = visits.is_secure(request, installation_of(request))
    chosen = "on" if text_of(form, "keys") else KEYS_OFF
    response.set_cookie(KEYS_COOKIE, chosen, YEAR_SECONDS, httponly=True, samesite="lax", secure=secure)
    return response


routes = [Route("/theme", choose_theme, methods=["POST"]), Route("/keys", choose_keys, methods=["POST"])]


def _check_change(visit: Visit, form: Form) -> None:
    """Whoever is at the keyboard knows the present password, and has typed the new one twice.

    Raises:
        UserError: `wrong_password`, `passwords_differ`.
    """
    if visit.user.has_password:
        _check_password(visit, form)
    if text_of(form, "new") != text_of(form, "again"):
        raise UserError("passwords_differ", _("The two new passwords differ."))


def _check_password(visit: Visit, form: Form) -> None:
    if users.verified(visit.transaction, visit.user.name, text_of(form, "old")) is None:
        raise UserError("wrong_password", _("The present password is wrong."))


def _codes_page(visit: Visit, secret: str, error: str) -> CodesPage:
    picture = segno.make(codes.address(visit.user, secret), error="m").svg_data_uri(scale=5, border=3, light="#fff")
    return CodesPage(secret, picture, error)

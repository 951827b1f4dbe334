"""The people who may log in: added, given other rights, let in again by a link, removed.

A link is on the one page that answers its making. Whoever has it is that user: nobody makes one for more rights than their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import GoTo, Pages
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _, gettext, retold
from orders_api.console.kit.visits import is_within, require_own_right, seen_channels
from orders_api.console.views.lists import FilterValue
from orders_api.console.views.users import InvitationPage, UserPage, UserRow, UsersPage
from orders_api.kit.errors import Problem, not_found
from warehouse.ledger.people import links, sessions
from warehouse.ledger.people import users as book
from warehouse.ledger.people.users import Role, User, UserError

if TYPE_CHECKING:
    from collections.abc import Collection

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit

PATH = "/users"
ROLES = {
    Role.VIEWER: Later("Viewer: sees everything, changes nothing"),
    Role.OPERATOR: Later("Operator: ships, decides, repeats"),
    Role.CONFIGURATOR: Later("Configurator: settings and tokens as well"),
    Role.ADMIN: Later("Administrator: people and the audit log as well"),
}

pages = Pages()


@pages.page(PATH, "users.html", needs=Role.ADMIN)
def list_users(visit: Visit) -> UsersPage:
    """Everybody who sees no channel which one does not see, and a form for one more."""
    rows = tuple(_row(visit, each) for each in book.listed(visit.transaction) if is_within(visit, each.channels))
    return UsersPage(rows, _roles(Role.VIEWER), _channels(visit, ()), visit.user.may_see_personal_data)


@pages.once(PATH, "invitation.html", needs=Role.ADMIN)
def add_user(visit: Visit, form: Form) -> InvitationPage | GoTo:
    """Add somebody, and show the link that lets them choose a password."""
    name = text_of(form, "name").strip().lower()
    role, channels, personal_data = _rights(visit, form)
    try:
        user = book.add(visit.transaction, name, role, channels, visit.now, may_see_personal_data=personal_data)
    except UserError as error:
        visit.tell(_("Nobody was added: %(error)s.", error=retold(error)), "failed")
        return GoTo(PATH)
    visit.audit("user_added", name, _about(user))
    return _invitation(visit, name)


@pages.page(f"{PATH}/{{name}}", "user.html", needs=Role.ADMIN)
def show_user(visit: Visit, name: str) -> UserPage:
    """Somebody's rights, and where they are logged in."""
    user = _find(visit, name)
    places = len(sessions.live_sessions(visit.transaction, name, visit.now))
    return UserPage(
        _row(visit, user), _roles(user.role), _channels(visit, user.channels or ()), user, places,
        visit.user.may_see_personal_data,
    )  # fmt: skip


@pages.action(f"{PATH}/{{name}}", needs=Role.ADMIN)
def change_user(visit: Visit, form: Form, name: str) -> str:
    """Give somebody other rights, and log them out."""
    before = _find(visit, name)
    role, channels, personal_data = _rights(visit, form)
    try:
        after = book.change(visit.transaction, name, role, channels, visit.now, may_see_personal_data=personal_data)
    except UserError as error:
        visit.tell(_("Nothing was changed: %(error)s.", error=retold(error)), "failed")
        return f"{PATH}/{name}"
    visit.audit("user_changed", name, {"old": _about(before), "new": _about(after)})
    if name == visit.user.name:
        return "/log-in"
    visit.tell(_("%(name)s has these rights with the next log-in, and is logged out.", name=name))
    return f"{PATH}/{name}"


@pages.once(f"{PATH}/{{name}}/link", "invitation.html", needs=Role.ADMIN)
def invite_again(visit: Visit, _form: Form, name: str) -> InvitationPage:
    """A link that logs somebody in once; the one before ends."""
    _require_no_more_rights(visit, _find(visit, name))
    visit.audit("link_made", name)
    return _invitation(visit, name)


@pages.once(f"{PATH}/{{name}}/reset", "invitation.html", needs=Role.ADMIN)
def reset_user(visit: Visit, _form: Form, name: str) -> InvitationPage:
    """Take somebody's password away, log them out, and show the link with which they choose another."""
    _require_no_more_rights(visit, _find(visit, name))
    book.reset_password(visit.transaction, name, visit.now)
    visit.audit("password_reset", name)
    return _invitation(visit, name)


@pages.action(f"{PATH}/{{name}}/remove", needs=Role.ADMIN)
def remove_user(visit: Visit, _form: Form, name: str) -> str:
    """Take somebody's access away."""
    _find(visit, name)
    if name == visit.user.name:
        visit.tell(_("Nobody removes themselves: ask another administrator."), "failed")
        return f"{PATH}/{name}"
    book.remove(visit.transaction, name)
    visit.audit("user_removed", name)
    visit.tell(_("%(name)s is removed, and logged out.", name=name))
    return PATH


def _find(visit: Visit, name: str) -> User:
    user = book.find(visit.transaction, name)
    if user is None or not is_within(visit, user.channels):
        raise not_found("name", _("There is no such user."), "unknown_user")
    return user


def _require_no_more_rights(visit: Visit, user: User) -> None:
    require_own_right(visit, user.channels, personal_data=user.may_see_personal_data)


def _rights(visit: Visit, form: Form) -> tuple[Role, Collection[str] | None, bool]:
    """What the form gives; none of it is more than the visitor has."""
    chosen = text_of(form, "role")
    if chosen not in set(Role):
        raise Problem(422, "invalid_request", _("Choose a role."))
    channels = form.get("channel") or visit.visible_channels
    personal_data = text_of(form, "personal_data") == "on"
    require_own_right(visit, channels, personal_data=personal_data)
    return Role(chosen), channels, personal_data


def _invitation(visit: Visit, name: str) -> InvitationPage:
    secret = links.make_link(visit.transaction, name, visit.now)
    return InvitationPage(name, f"{visit.installation.settings.console_address}/log-in/{secret}")


def _row(visit: Visit, user: User) -> UserRow:
    return UserRow(
        name=user.name,
        role=gettext(user.role),
        personal_data=_("may reveal") if user.may_see_personal_data else _("hidden"),
        channels=_("all") if user.channels is None else ", ".join(user.channels),
        password=_("chosen") if user.has_password else _("not yet"),
        added=moment(user.created_at, visit.now, visit.installation.settings.time_zone),
    )


def _roles(chosen: Role) -> tuple[FilterValue, ...]:
    return tuple(FilterValue(role.value, word, role is chosen) for role, word in ROLES.items())


def _channels(visit: Visit, chosen: Collection[str]) -> tuple[FilterValue, ...]:
    return tuple(FilterValue(each.code, each.label, each.code in chosen) for each in seen_channels(visit))


def _about(user: User) -> dict[str, object]:
    channels = None if user.channels is None else list(user.channels)
    return {"role": user.role.value, "pii": user.may_see_personal_data, "channels": channels}

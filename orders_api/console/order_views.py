"""Views of the list of orders: tabs that are there from the beginning, those that people keep, and the page to look after them.

A view is a part of the list's address; which one is shown stands there too, as `view`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.texts import Later, _, retold
from orders_api.console.views.orders import KeptView, KeptViews, View, ViewBar
from orders_api.kit.errors import not_found
from warehouse.ledger.people import saved_views
from warehouse.ledger.people.saved_views import STATELESS, SavedView, ViewRefused
from warehouse.ledger.people.users import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.queries import Asked
    from orders_api.console.kit.visits import Visit

PATH = "/orders/views"
LIST = "/orders"
Items = frozenset[tuple[str, str]]

BUILT_IN: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "all": (Later("All"), ()),
    "to_ship": (Later("To ship"), (("status", "WAITING_FOR_SHIPMENT"), ("status", "PARTIALLY_SHIPPED"))),
    "due": (Later("Due or overdue"), (("ship_by", "overdue"), ("ship_by", "next_24_hours"))),
    "errors": (Later("Errors"), (("has_errors", "true"),)),
    "cancellation": (Later("Cancellation requested"), (("cancellation_requested", "true"),)),
    "trouble": (Later("Refused or in doubt"), (("confirmation", "rejected"), ("confirmation", "in_doubt"))),
    "to_accept": (Later("To accept"), (("awaits_acceptance", "true"),)),
    "marketplace": (Later("Fulfilled by marketplace"), (("fulfilled_by", "marketplace"),)),
}
"""Id → name and filters."""
LOOKS = frozenset({"sort", "columns"})
"""Parameters that change how a list looks and not what is in it; a view that is there from the beginning leaves them open."""
DONE = {
    "rename": Later("Renamed."),
    "share": Later("Shared with everybody who may see what it is about."),
    "unshare": Later("Yours alone again."),
    "up": Later("Moved."),
    "down": Later("Moved."),
    "open": Later("Orders open with it from now on."),
    "close": Later("Orders open with all again."),
    "remove": Later("Removed."),
}
"""Change → what is said of it."""

pages = Pages()


def opening_view(views: Iterable[SavedView], user: str) -> str | None:
    """The path with which the list opens when it is asked for without anything."""
    return next((_path(each) for each in views if each.is_default and each.owner == user), None)


def view_bar(asked: Asked[Any], views: Sequence[SavedView], user: str) -> ViewBar:
    """The tabs, which of them is shown, and whether it was changed."""
    known = {key: (name, frozenset(items)) for key, (name, items) in BUILT_IN.items()}
    known |= {each.id: (each.name, frozenset(parse_qsl(each.query))) for each in views}
    shown = next(iter(asked.values("view")), "")
    if shown not in known:
        shown = next((key for key in BUILT_IN if known[key][1] == _items(asked, key)), "")
    is_edited = not shown or known[shown][1] != _items(asked, shown)
    opens = opening_view(views, user) is not None
    tabs = [
        View(name, _address(items, key if key != "all" or opens else ""), key == shown, "")
        for key, (name, items) in BUILT_IN.items()
    ]
    tabs += [View(each.name, _path(each), each.id == shown, _sharer(each, user)) for each in views]
    return ViewBar(
        tabs=tuple(tabs),
        is_edited=is_edited,
        own=next((each.id for each in views if each.id == shown and each.owner == user), ""),
        reset=next((each.path for each in tabs if each.is_shown), LIST),
        query=urlencode([each for each in asked.items if each[0] not in STATELESS]),
    )


@pages.page(PATH, "views.html")
def list_views(visit: Visit) -> KeptViews:
    """A user's own views, and those that others share."""
    user = visit.user.name
    found = saved_views.views_for(visit.transaction, visit.user)
    own = [each for each in found if each.owner == user]
    rows = [
        KeptView(each.id, each.name, _path(each), each.is_shared, each.is_default, each is own[0], each is own[-1])
        for each in own
    ]
    shared = tuple(View(each.name, _path(each), False, _sharer(each, user)) for each in found if each.owner != user)
    return KeptViews(tuple(rows), shared)


@pages.action(PATH, needs=Role.VIEWER)
def keep_view(visit: Visit, form: Form) -> str:
    """Keep the present filters, sorting and columns: as a new view, or as what one of them is from now on."""
    query, own = text_of(form, "query"), text_of(form, "own")
    is_shared = bool(text_of(form, "shared"))
    try:
        if text_of(form, "do") == "update":
            if not saved_views.change(visit.transaction, visit.user, own, visit.now, query=query):
                raise _unknown()
        else:
            own = saved_views.keep(
                visit.transaction, visit.user, text_of(form, "name"), query, visit.now, is_shared=is_shared
            )
    except ViewRefused as error:
        visit.tell(retold(error), "failed")
        return f"{LIST}?{urlencode(parse_qsl(query))}"
    visit.tell(_("The view is kept."))
    return _address(parse_qsl(saved_views.checked_query(query)), own)


@pages.action(f"{PATH}/{{id}}/{{change}}", needs=Role.VIEWER)
def change_view(visit: Visit, form: Form, id: str, change: str) -> str:  # noqa: A002 - the part of the path
    """Rename, share, move, remove a view, or let the list open with it."""
    try:
        is_done = _change(visit, form, id, change)
    except ViewRefused as error:
        visit.tell(retold(error), "failed")
        return PATH
    if not is_done:
        raise _unknown()
    visit.tell(DONE[change])
    return PATH


def _change(visit: Visit, form: Form, own_id: str, change: str) -> bool:
    transaction, user, now = visit.transaction, visit.user, visit.now
    match change:
        case "rename":
            return saved_views.change(transaction, user, own_id, now, name=text_of(form, "name"))
        case "share" | "unshare":
            return saved_views.change(transaction, user, own_id, now, is_shared=change == "share")
        case "up" | "down":
            return saved_views.move(transaction, user, own_id, -1 if change == "up" else 1)
        case "open" | "close":
            return saved_views.open_with(transaction, user, own_id if change == "open" else None)
        case "remove":
            return saved_views.forget(transaction, user, own_id)
        case _:
            return False


def _unknown() -> Exception:
    return not_found("id", _("There is no such view of yours."), "unknown_view")


def _items(asked: Asked[Any], view: str) -> Items:
    left_out = {*STATELESS, "limit"} | (LOOKS if view in BUILT_IN else set())
    return frozenset(each for each in asked.items if each[0] not in left_out)


def _path(view: SavedView) -> str:
    return _address(parse_qsl(view.query), view.id)


def _address(items: Iterable[tuple[str, str]], view: str) -> str:
    query = urlencode([*items, *([("view", view)] if view else [])])
    return f"{LIST}?{query}" if query else LIST


def _sharer(view: SavedView, user: str) -> str:
    return "" if view.owner == user else view.owner

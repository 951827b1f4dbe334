"""Pages as HTML: a template, a view model and the frame around them. Every text is escaped; templates do no arithmetic."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from orders_api.console.kit.assets import assets
from orders_api.console.kit.forms import TOKEN_FIELD, form_token
from orders_api.console.kit.headlines import state_badge
from orders_api.console.kit.texts import Later, _, gettext, ngettext, retold
from orders_api.console.navigation import GROUPS, KEYS
from orders_api.console.views.frame import THEMES, Frame, Moment
from warehouse import display
from warehouse.clock import iso
from warehouse.sentences import Sentence
from warehouse.web_addresses import AddressFault, address_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.status.headlines import Headlines

TEMPLATES = Path(__file__).parents[1] / "templates"
THEME_COOKIE = "orders_theme"
KEYS_COOKIE, KEYS_OFF = "orders_keys", "off"
DISTANCES = (
    (60, 90, Later("in %(count)s min"), Later("%(count)s min ago")),
    (3600, 48, Later("in %(count)s h"), Later("%(count)s h ago")),
    (86_400, 100_000, Later("in %(count)s d"), Later("%(count)s d ago")),
)
"""Seconds of a unit, how many of them are told in it, and what is said of a time ahead and of one that is over."""
NO_STORE = {"Cache-Control": "no-store", "Vary": "Cookie, Accept-Language"}


def frame_of(request: Request, zone: str, visit: Visit | None = None, headlines: Headlines | None = None) -> Frame:
    """The frame of a page."""
    base = request.scope["root_path"]
    theme = request.cookies.get(THEME_COOKIE, "")
    return Frame(
        base=base,
        path=request.scope["path"].removeprefix(base),
        request_id=request.state.request_id,
        theme=theme if theme in THEMES else next(iter(THEMES)),
        has_keys=request.cookies.get(KEYS_COOKIE) != KEYS_OFF,
        visit=visit,
        token="" if visit is None else form_token(visit.secret),
        headlines=headlines,
        state=state_badge(headlines),
        zone=zone,
        language=str(display.LOCALE.get()).replace("_", "-"),
        direction=display.LOCALE.get().text_direction,
        dagster=None if visit is None else visit.installation.settings.dagster_url,
    )


def html(
    template: str, view: object, frame: Frame, status: int = 200, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """A page as an answer."""
    text = _environment().get_template(template).render(view=view, frame=frame)
    return HTMLResponse(text, status, {**NO_STORE, **(headers or {})})


def moment(instant: datetime | str | None, now: datetime, zone: str) -> Moment | None:
    """A time for people; None where it is not known."""
    if instant is None:
        return None
    if isinstance(instant, str):
        instant = datetime.fromisoformat(instant)
    return Moment(display.moment(instant, ZoneInfo(zone)), distance(instant - now), iso(instant))


def distance(ahead: timedelta) -> str:
    """How far a time is from now, in one unit.

    >>> [distance(timedelta(seconds=each)) for each in (-30, -7300, 90_000)]
    ['just now', '2 h ago', 'in 25 h']
    """
    seconds = abs(ahead.total_seconds())
    for length, until, to_come, past in DISTANCES:
        count = int(seconds // length)
        if count < until:
            if count == 0:
                return _("just now")
            return _(to_come if ahead > timedelta() else past, count=count)
    return ""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(_escaped, _escaped_plural, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {"number": display.number, "opened": opened, "retold": _retold}
    made.tests["web_address"] = _is_web_address
    made.globals |= {
        "groups": GROUPS,
        "keys": KEYS,
        "assets": {path: each.name for path, each in assets().items()},
        "token_field": TOKEN_FIELD,
        "themes": THEMES,
    }
    return made


def _escaped(message: str) -> str:
    """A template's text: a translation may be wrong, and brings in no markup all the same."""
    return escape(gettext(message))


def _escaped_plural(one: str, many: str, count: int) -> str:
    return escape(ngettext(one, many, count))


def opened(text: str) -> str:
    """A sentence with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _retold(text: str) -> str:
    """A sentence in the reader's language; what was not made as one is English, and says so."""
    return retold(text) if isinstance(text, Sentence) else Markup('<span lang="en">{}</span>').format(opened(text))


def _is_web_address(value: Any) -> bool:  # noqa: ANN401 - whatever a template has
    """Whether a marketplace's text may be a link."""
    return isinstance(value, str) and address_fault(value) is not AddressFault.INVALID

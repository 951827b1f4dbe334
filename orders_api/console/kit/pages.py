"""The six kinds of routes of the console. A module of a noun declares them; each is one short function.

- A **page** takes a `Visit` and answers with the view model of its template.
- A **listing** is a page whose view model has `records`, the rows as plain members: the same path with `.json` or
  `.csv` answers these, with the same filters.
- An **action** takes a `Visit` with a write transaction and the form that was sent, and answers with the path to go to.
- A **download** is an action that answers with a file.
- A page that is shown **once** is an action that answers with a view model: what is on it can be seen at no address.
- A **question** is a form that changes nothing, however long it is: a page, or a file.

Who is logged in, whether their role suffices, that a form is our own, how long a page may take and what an error looks like is
done here, once for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from anyio import to_thread
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from orders_api.console.kit import visits
from orders_api.console.kit.forms import read_form, require_own_origin, require_token
from orders_api.console.kit.headlines import cached_headlines
from orders_api.console.kit.rendering import NO_STORE, frame_of, html
from orders_api.console.kit.visits import Visit
from orders_api.kit.answers import render
from orders_api.kit.installation import installation_of
from orders_api.kit.routes import Places
from warehouse.ledger.base.database import Ledger, brief
from warehouse.ledger.people import sessions
from warehouse.ledger.people.users import Role
from warehouse.templates import csv_bytes, spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request

    from orders_api.console.kit.forms import Form

PAGES_AT_ONCE = 1
"""Pages that are made at once. They wait for each other, so that no read of a program waits behind all of them."""
PAGE_SECONDS = 3.0
"""So long a page's statements may take: rather an error now than an answer some time."""
LOG_IN = "/log-in"
SEE_OTHER = 303


page_readers = Places("console_pages", PAGES_AT_ONCE)


@dataclass(frozen=True, slots=True)
class GoTo:
    """Instead of a view model: another page, by its path below the console."""

    path: str


class Listed(Protocol):
    """The view model of a listing."""

    @property
    def name(self) -> str:
        """What is listed, in one word."""

    @property
    def records(self) -> Sequence[Mapping[str, str | int | bool | None]]:
        """Its rows, all with the same members."""

    @property
    def following(self) -> str | None:
        """The path of the next page; None on the last one."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The routes of one noun, in the order in which they are declared."""

    routes: list[Route] = field(default_factory=list)

    def page(self, path: str, template: str, needs: Role = Role.VIEWER) -> Callable[[Any], Any]:
        """Declare a page."""

        def declare(function: Callable[..., object]) -> Callable[..., object]:
            def answer(visit: Visit, **parts: str) -> Response:
                return _page(visit, template, function(visit, **parts))

            self.routes.append(Route(path, _reading(path, answer, needs), name=function.__name__))
            return function

        return declare

    def listing(self, path: str, template: str, needs: Role = Role.VIEWER) -> Callable[[Any], Any]:
        """Declare a page that is a list, and the same list as JSON and CSV."""

        def declare(function: Callable[..., Listed]) -> Callable[..., Listed]:
            def answer_as(form: Callable[[Listed], Response]) -> Callable[..., Response]:
                return lambda visit, **parts: form(function(visit, **parts))

            for suffix, form in ((".json", _json), (".ndjson", _lines), (".csv", _csv)):
                self.routes.append(Route(f"{path}{suffix}", _reading(path, answer_as(form), needs)))
            self.page(path, template, needs)(function)
            return function

        return declare

    def action(self, path: str, needs: Role) -> Callable[[Any], Any]:
        """Declare what a form does."""

        def declare(function: Callable[..., str]) -> Callable[..., str]:
            def answer(visit: Visit, form: Form, **parts: str) -> Response:
                return see_other(visit.request, function(visit, form, **parts))

            self.routes.append(Route(path, _writing(path, answer, needs), methods=["POST"], name=function.__name__))
            return function

        return declare

    def download(self, path: str, needs: Role) -> Callable[[Any], Any]:
        """Declare what a form downloads: the answer is a file."""

        def declare(function: Callable[..., Response]) -> Callable[..., Response]:
            self.routes.append(Route(path, _writing(path, function, needs), methods=["POST"], name=function.__name__))
            return function

        return declare

    def once(self, path: str, template: str, needs: Role) -> Callable[[Any], Any]:
        """Declare what a form does, and the page that tells what came of it, once."""

        def declare(function: Callable[..., object]) -> Callable[..., object]:
            def answer(visit: Visit, form: Form, **parts: str) -> Response:
                return _page(visit, template, function(visit, form, **parts))

            self.routes.append(Route(path, _writing(path, answer, needs), methods=["POST"], name=function.__name__))
            return function

        return declare

    def question(self, path: str, template: str, needs: Role) -> Callable[[Any], Any]:
        """Declare what a form asks; nothing waits while it is answered by a page or a file."""

        def declare(function: Callable[..., object]) -> Callable[..., object]:
            def answer(visit: Visit, form: Form, **parts: str) -> Response:
                return _page(visit, template, function(visit, form, **parts))

            asking = _writing(path, answer, needs, Ledger.read)
            self.routes.append(Route(path, asking, methods=["POST"], name=function.__name__))
            return function

        return declare


def _reading(path: str, answer: Callable[..., Response], needs: Role) -> Callable[[Request], Any]:
    def work(request: Request) -> Response:
        installation = installation_of(request)
        with installation.ledger.read() as transaction, brief(transaction, PAGE_SECONDS):
            visit = visits.find_visit(request, transaction, installation)
            if visit is None:
                return _to_log_in(request)
            request.state.visit = visit
            visits.require(visit, needs)
            response = answer(visit, **request.path_params)
        _note(visit)
        return response

    async def endpoint(request: Request) -> Response:
        _name_route(request, path)
        return await to_thread.run_sync(work, request, limiter=page_readers())

    return endpoint


def _writing(
    path: str,
    answer: Callable[..., Response],
    needs: Role,
    opened: Callable[[Ledger], AbstractContextManager[Transaction]] = Ledger.write,
) -> Callable[[Request], Any]:
    def work(request: Request, form: Form) -> Response:
        installation = installation_of(request)
        with opened(installation.ledger) as transaction:
            visit = visits.find_visit(request, transaction, installation)
            if visit is None:
                return _to_log_in(request)
            visits.require(visit, needs)
            require_token(form, visit.secret)
            return answer(visit, form, **request.path_params)

    async def endpoint(request: Request) -> Response:
        _name_route(request, path)
        require_own_origin(request)
        return await to_thread.run_sync(work, request, await read_form(request))

    return endpoint


def see_other(request: Request, path: str) -> Response:
    """Go on to another page of the console."""
    return RedirectResponse(f"{request.scope['root_path']}{path}", SEE_OTHER, NO_STORE)


def _page(visit: Visit, template: str, view: object) -> Response:
    if isinstance(view, Response):
        return view
    if isinstance(view, GoTo):
        return see_other(visit.request, view.path)
    installation = visit.installation
    frame = frame_of(visit.request, installation.settings.time_zone, visit, cached_headlines(visit))
    return html(template, view, frame)


def _json(view: Listed) -> Response:
    body = render({view.name: view.records, "next": view.following})
    return Response(body, headers=NO_STORE, media_type="application/json")


def _lines(view: Listed) -> Response:
    body = b"".join(render(dict(each)) + b"\n" for each in view.records)
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{view.name}.ndjson"'}
    return Response(body, headers=headers, media_type="application/x-ndjson")


def _csv(view: Listed) -> Response:
    names = list(view.records[0]) if view.records else []
    rows = (spreadsheet_safe([each[name] for name in names]) for each in view.records)
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{view.name}.csv"'}
    return Response(csv_bytes([names, *rows]), headers=headers, media_type="text/csv; charset=utf-8")


def _to_log_in(request: Request) -> Response:
    """To the log-in page, and back from there to where a page was asked for."""
    base = request.scope["root_path"]
    asked = request.scope["path"].removeprefix(base)
    query = request.scope["query_string"].decode("latin-1")
    wanted = f"{asked}?{query}" if query else asked
    target = f"{base}{LOG_IN}" + (f"?next={quote(wanted, safe='')}" if request.method == "GET" else "")
    if "hx-request" in request.headers:  # a part of a page cannot be the log-in page
        return Response(status_code=204, headers={**NO_STORE, "HX-Redirect": target})
    return RedirectResponse(target, SEE_OTHER, NO_STORE)


def _note(visit: Visit) -> None:
    """Remember the visit, and that its notice was told."""
    has_notice = visit.session.notice is not None
    if not has_notice and visit.now - visit.session.seen_at < sessions.SEEN_EVERY:
        return
    with visit.installation.ledger.write() as transaction:
        sessions.note_seen(transaction, visit.session.key, visit.now)
        if has_notice:
            sessions.clear_notice(transaction, visit.session.key)


@dataclass(frozen=True, slots=True)
class _Named:
    """What the log and the metrics call a route."""

    path: str


def _name_route(request: Request, path: str) -> None:
    request.scope["route"] = _Named(f"/console{path}")

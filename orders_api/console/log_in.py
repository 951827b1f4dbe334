"""Logging in with a password, with a code beside it where somebody has an authenticator, or once with a link.

A name that nobody has takes as long as a wrong password, and is answered in the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from orders_api.console.kit import visits
from orders_api.console.kit.entrances import attempts_of, enter, own_path
from orders_api.console.kit.forms import Form, read_form, require_own_origin, text_of
from orders_api.console.kit.rendering import frame_of, html
from orders_api.console.kit.texts import Later
from orders_api.console.navigation import FIRST
from orders_api.console.views.log_in import LinkPage, LogInPage
from orders_api.kit.errors import Problem
from orders_api.kit.installation import installation_of
from warehouse.ledger.people import codes, links, users

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request
    from starlette.responses import Response

    from warehouse.ledger.people.users import User

WRONG = Later("The name, the password or the code is wrong.")
IN_CLEAR = Later(
    "Over plain HTTP the console takes log-ins on this machine alone: the password would be sent in clear. Use HTTPS."
)
ELSEWHERE = Later("Passwords let nobody in here: log in at the identity provider.")


async def show_log_in(request: Request) -> Response:
    """The log-in page; it works as long as the process does."""
    is_possible = visits.may_log_in(request, installation_of(request))
    return log_in_page(request, "" if is_possible else IN_CLEAR, wanted=own_path(request.query_params.get("next", "")))


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


def log_in_page(
    request: Request,
    error: str,
    name: str = "",
    wanted: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The log-in page as an answer, with what went wrong."""
    settings = installation_of(request).settings
    view = LogInPage(error, name, wanted, settings.oidc_issuer is not None, not settings.oidc_only)
    return html("log_in.html", view, frame_of(request, settings.time_zone), status, headers)


def _log_in(request: Request, form: Form) -> Response:
    installation = installation_of(request)
    name, wanted = text_of(form, "name").strip().lower(), own_path(text_of(form, "next"))
    if not visits.may_log_in(request, installation):
        return log_in_page(request, IN_CLEAR, name, wanted, 403)
    if installation.settings.oidc_only:
        return log_in_page(request, ELSEWHERE, name, wanted, 403)
    try:
        attempts_of(request).take(visits.address_of(request), name)
    except Problem as problem:
        return log_in_page(request, problem.detail, name, wanted, problem.status, problem.headers)
    with installation.ledger.read() as transaction:
        user = users.verified(transaction, name, text_of(form, "password"))

    def with_code(transaction: Transaction) -> User | None:
        code, now = text_of(form, "code"), installation.clock()
        is_right = user is not None and codes.is_right(transaction, installation.keys, user, code, now)
        return user if is_right else None

    entered = None if user is None else enter(request, with_code, "logged_in", wanted or FIRST)
    return entered or log_in_page(request, WRONG, name, wanted, 401)


def _show_link(request: Request) -> Response:
    installation = installation_of(request)
    secret = request.path_params["secret"]
    with installation.ledger.read() as transaction:
        user = links.user_of_link(transaction, secret, installation.clock())
    wanted = own_path(request.query_params.get("next", ""))
    return _link_page(request, LinkPage(None if user is None else user.name, secret, wanted), 200 if user else 410)


def _use_link(request: Request, form: Form) -> Response:
    installation = installation_of(request)
    secret, wanted = request.path_params["secret"], own_path(text_of(form, "next"))
    if not visits.may_log_in(request, installation):
        return log_in_page(request, IN_CLEAR, "", wanted, 403)
    now = installation.clock()
    try:
        attempts_of(request).take(visits.address_of(request))
    except Problem as problem:
        return log_in_page(request, problem.detail, "", wanted, problem.status, problem.headers)
    entered = enter(
        request, lambda transaction: links.use_link(transaction, secret, now), "logged_in_by_link", wanted or FIRST
    )
    return entered or _link_page(request, LinkPage(None, secret, wanted), 410)


def _link_page(request: Request, view: LinkPage, status: int) -> Response:
    return html("link.html", view, frame_of(request, installation_of(request).settings.time_zone), status)

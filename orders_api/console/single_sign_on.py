"""Logging in at the organisation's identity provider, and back again.

What belongs to an attempt follows from a secret that the browser keeps for ten minutes: nothing of it is in the ledger, and a
code that somebody else's browser was sent back with is worth nothing here.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse
from starlette.routing import Route

from orders_api.console.kit import visits
from orders_api.console.kit.entrances import attempts_of, enter, own_path
from orders_api.console.kit.rendering import NO_STORE
from orders_api.console.kit.texts import Later, _, retold
from orders_api.console.log_in import IN_CLEAR, log_in_page
from orders_api.console.navigation import FIRST
from orders_api.kit.errors import not_found
from orders_api.kit.identity_provider import IdentityProvider, LogInAttempt, ProviderError
from orders_api.kit.installation import installation_of
from warehouse.ledger.people import grants
from warehouse.ledger.people.grants import granted, groups_of, read_grants
from warehouse.ledger.people.users import UserError
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request
    from starlette.responses import Response

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.people.users import User

LOG = logging.getLogger("orders_api")
PATH = "/sso"
BACK = f"{PATH}/back"
COOKIE = "orders_sso"
SECONDS = 600
NO_GROUP = Later("None of your groups may use this console. Whoever runs it says which do (ORDERS_OIDC_GRANTS).")
FOREIGN = Later("This log-in was not begun in this browser, or too long ago. Begin it again.")
REFUSED = Later("The identity provider has not let you in.")


async def begin(request: Request) -> Response:
    """Send somebody to the identity provider."""
    return await run_in_threadpool(_begin, request)


async def come_back(request: Request) -> Response:
    """Let in whom the identity provider has sent back."""
    return await run_in_threadpool(_come_back, request)


routes = [Route(PATH, begin), Route(BACK, come_back)]


def provider_of(installation: ApiInstallation) -> IdentityProvider | None:
    """The identity provider of an installation; None where there is none."""
    settings = installation.settings
    if settings.oidc_issuer is None:
        return None
    secret = None if settings.oidc_client_secret is None else settings.oidc_client_secret.get_secret_value()
    back = f"{settings.console_address}{BACK}"
    return IdentityProvider(settings.oidc_issuer, settings.oidc_client_id, secret, back, installation.clock)


def _begin(request: Request) -> Response:
    installation, provider = installation_of(request), _provider(request)
    wanted = own_path(request.query_params.get("next", ""))
    if not visits.may_log_in(request, installation):
        return log_in_page(request, IN_CLEAR, wanted=wanted, status=403)
    attempt = LogInAttempt(secrets.token_urlsafe(32))
    try:
        address = provider.log_in_address(attempt)
    except ProviderError as error:
        return _refuse(request, _("The identity provider cannot be used: %(error)s.", error=retold(error)), 502)
    response = RedirectResponse(address, 303, NO_STORE)
    # sent along when the provider leads back here (lax), and to nothing but the way back
    response.set_cookie(
        COOKIE,
        f"{attempt.secret}{wanted}",
        SECONDS,
        path=f"{request.scope['root_path']}{BACK}",
        secure=visits.is_secure(request, installation),
        httponly=True,
        samesite="lax",
    )
    return response


def _come_back(request: Request) -> Response:
    kept, query = request.cookies.get(COOKIE, ""), request.query_params
    secret, slash, rest = kept.partition("/")
    attempt = LogInAttempt(secret)
    if not secret or not hmac.compare_digest(attempt.part("state").encode(), query.get("state", "").encode()):
        return _refuse(request, FOREIGN, 403)
    if "code" not in query:
        return _refuse(request, REFUSED, 403)
    try:
        attempts_of(request).take(visits.address_of(request))
        entered = enter(request, _whoever(request, attempt), "logged_in_by_provider", own_path(slash + rest) or FIRST)
    except ProviderError as error:
        return _refuse(request, _("The identity provider cannot be used: %(error)s.", error=retold(error)), 502)
    except UserError as error:
        return _refuse(request, _("You were not let in: %(error)s.", error=retold(error)), 403)
    if entered is None:
        return _refuse(request, NO_GROUP, 403)
    entered.delete_cookie(COOKIE, path=f"{request.scope['root_path']}{BACK}")
    return entered


def _whoever(request: Request, attempt: LogInAttempt) -> Callable[[Transaction], User | None]:
    """Who somebody is here, by what the provider says of them; nobody, where none of their groups may use the console.

    Raises:
        ProviderError: It says nothing of them that can be trusted.
    """
    installation, provider = installation_of(request), _provider(request)
    settings, claims = installation.settings, provider.claims(request.query_params["code"], attempt)
    grant = granted(read_grants(settings.oidc_grants), groups_of(claims, settings.oidc_groups_claim))
    name, subject = str(claims.get(settings.oidc_name_claim, "")).lower(), f"{provider.issuer} {claims['sub']}"

    def find(transaction: Transaction) -> User | None:
        if grant is None:
            return None
        return grants.enter(transaction, subject, name, grant, installation.clock())

    return find


def _provider(request: Request) -> IdentityProvider:
    provider: IdentityProvider | None = request.app.state.provider
    if provider is None:
        raise not_found("path", _("There is no identity provider here."), "not_found")
    return provider


def _refuse(request: Request, error: str, status: int) -> Response:
    LOG.warning(Event.LOG_IN_REFUSED, extra={"reason": error, "status": status})
    return log_in_page(request, error, status=status)

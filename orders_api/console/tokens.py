"""Tokens of the API: made, replaced, ended. A secret is on the one page that answers its making, and nowhere else."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import GoTo, Pages
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _, retold
from orders_api.console.kit.visits import is_within, require_own_right, seen_channels
from orders_api.console.views.frame import Badge
from orders_api.console.views.lists import FilterValue
from orders_api.console.views.settings import IssuedTokenPage, TokenRow, TokensPage
from orders_api.kit.errors import Problem, not_found
from warehouse import display
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings import tokens as book
from warehouse.ledger.settings.tokens import Scope, TokenError

if TYPE_CHECKING:
    from collections.abc import Collection

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.settings.tokens import TokenInfo

PATH = "/tokens"
SCOPES = {
    Scope.ORDERS_READ: Later("Read orders, without personal data"),
    Scope.ORDERS_READ_PII: Later("Read orders with personal data"),
    Scope.ORDERS_WRITE: Later("Give manual orders"),
    Scope.SHIPMENTS_WRITE: Later("Report shipments, accept orders"),
    Scope.OPERATIONS_WRITE: Later("Ask the pipeline to test, pull, export"),
    Scope.CONFIGURATION_WRITE: Later("Change the configuration"),
    Scope.METRICS_READ: Later("Read metrics"),
    Scope.ADMIN: Later("Everything but personal data"),
}
ABOUT_ALL = frozenset({Scope.CONFIGURATION_WRITE, Scope.METRICS_READ})
"""Scopes that are good for nothing where some channels are hidden."""
LEAST_ROLES = {Scope.ADMIN: Role.ADMIN}
"""Scope → the role that may give it away; a configurator may give the others."""

pages = Pages()


@pages.page(PATH, "tokens.html", needs=Role.CONFIGURATOR)
def list_tokens(visit: Visit) -> TokensPage:
    """Tokens that see no channel which one does not see, and a form for one more."""
    return TokensPage(
        rows=tuple(_row(visit, each) for each in book.listed(visit.transaction) if is_within(visit, each.channels)),
        scopes=tuple(
            FilterValue(each.value, word, each is Scope.ORDERS_READ)
            for each, word in SCOPES.items()
            if _may_give(visit, each)
        ),
        channels=tuple(FilterValue(each.code, each.label, is_chosen=False) for each in seen_channels(visit)),
    )


@pages.once(PATH, "token.html", needs=Role.CONFIGURATOR)
def create_token(visit: Visit, form: Form) -> IssuedTokenPage | GoTo:
    """Make a token."""
    scopes = [each for each in SCOPES if each.value in form.get("scope", [])]
    channels = tuple(form.get("channel", ())) or visit.visible_channels
    _check_gift(visit, scopes, channels)
    try:
        made, secret = book.create(
            visit.transaction, text_of(form, "consumer").strip(), scopes, channels, None, visit.now
        )
    except TokenError as error:
        visit.tell(_("No token was made: %(error)s.", error=retold(error)), "failed")
        return GoTo(PATH)
    visit.audit("token_made", made.id, _about(made))
    return _issued(visit, made, secret)


@pages.once(f"{PATH}/{{id}}/rotate", "token.html", needs=Role.CONFIGURATOR)
def rotate_token(visit: Visit, form: Form, id: str) -> IssuedTokenPage | GoTo:  # noqa: A002 - the part of the path
    """Replace a token; the old one goes on for as long as was chosen."""
    old = _find(visit, id)
    _check_gift(visit, old.scopes, old.channels)
    hours = text_of(form, "grace_hours")
    grace = timedelta(hours=int(hours)) if hours.isdecimal() and int(hours) <= 24 * 30 else timedelta()
    try:
        made, secret = book.rotate(visit.transaction, id, None, grace, visit.now)
    except TokenError as error:
        visit.tell(_("It was not replaced: %(error)s.", error=retold(error)), "failed")
        return GoTo(PATH)
    visit.audit(
        "token_replaced", id, {**_about(made), "by": made.id, "old_ends_after_hours": grace.total_seconds() / 3600}
    )
    return _issued(visit, made, secret)


@pages.action(f"{PATH}/{{id}}/revoke", needs=Role.CONFIGURATOR)
def revoke_token(visit: Visit, _form: Form, id: str) -> str:  # noqa: A002 - the part of the path
    """End a token at once."""
    found = _find(visit, id)
    book.revoke(visit.transaction, id, visit.now)
    visit.audit("token_ended", id, _about(found))
    visit.tell(_("The token %(id)s of %(consumer)s has ended.", id=id, consumer=found.consumer))
    return PATH


def _find(visit: Visit, token_id: str) -> TokenInfo:
    found = book.found(visit.transaction, token_id)
    if found is None or not is_within(visit, found.channels):
        raise not_found("id", _("There is no such token."), "unknown_token")
    return found


def _may_give(visit: Visit, scope: Scope) -> bool:
    """Whether the visitor may give this away: personal data takes their own right to it."""
    may_reveal = scope is not Scope.ORDERS_READ_PII or visit.user.may_see_personal_data
    sees_enough = visit.visible_channels is None or scope not in ABOUT_ALL
    return may_reveal and sees_enough and visit.user.role.includes(LEAST_ROLES.get(scope, Role.CONFIGURATOR))


def _check_gift(visit: Visit, scopes: Collection[Scope], channels: Collection[str] | None) -> None:
    require_own_right(visit, channels, personal_data=False)
    if not all(_may_give(visit, each) for each in scopes):
        raise Problem(403, "not_yours_to_give", _("Nobody gives away a right or a channel that they lack."))


def _row(visit: Visit, each: TokenInfo) -> TokenRow:
    zone = visit.installation.settings.time_zone
    is_live = each.is_live(visit.now)
    ended = Badge(_("Revoked"), "over") if each.revoked_at is not None else Badge(_("Expired"), "over")
    ends = "" if each.expires_at is None else _("ends %(time)s UTC", time=display.moment(each.expires_at, UTC))
    return TokenRow(
        id=each.id,
        consumer=each.consumer,
        scopes=tuple(sorted(each.scopes)),
        channels=_("all") if each.channels is None else ", ".join(each.channels),
        state=Badge(_("Live"), "done", ends) if is_live else ended,
        is_live=is_live,
        created=moment(each.created_at, visit.now, zone),
        used=moment(each.last_used_at, visit.now, zone),
    )


def _issued(visit: Visit, made: TokenInfo, secret: str) -> IssuedTokenPage:
    url = visit.request.url
    root = visit.request.scope["root_path"].removesuffix("/console")
    address = f"{url.scheme}://{url.netloc}{root}/v1/orders?limit=1"
    return IssuedTokenPage(made.consumer, secret, f'curl -s -H "Authorization: Bearer {secret}" "{address}"')


def _about(token: TokenInfo) -> dict[str, object]:
    channels = None if token.channels is None else list(token.channels)
    return {"consumer": token.consumer, "scopes": sorted(token.scopes), "channels": channels}

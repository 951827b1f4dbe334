"""Connections: seller accounts, their credentials with ages, and trying them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.settings import Setting, require_all_channels, save, section
from orders_api.console.kit.texts import Later, _, retold
from orders_api.console.requests import asked_rows
from orders_api.console.storages import credential_row
from orders_api.console.views.settings import Ask, CredentialRow, OwnerPage, OwnerRow, OwnerRows
from orders_api.kit.errors import not_found
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings import remote_changes
from warehouse.ledger.settings.channels import find_connection
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.ledger.settings.typed_secrets import SecretNotTaken, keep_connection_secret
from warehouse.operator_requests import RequestKind, SubjectKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from warehouse.marketplace_kinds import MarketplaceKind

PATH = "/connections"
LABEL = (Setting("label", Later("Name"), "text"),)
ABOUT = Later("Kind and address are changed at the machine: orders apply.")

pages = Pages()


@pages.page(PATH, "owners.html", needs=Role.CONFIGURATOR)
def list_connections(visit: Visit) -> OwnerRows:
    """Every connection."""
    require_all_channels(visit)
    kinds = all_kinds(visit.transaction)
    rows = [
        OwnerRow(code, entry["label"], _kind_name(kinds, entry), _where(entry), f"{PATH}/{code}")
        for code, entry in sorted(_connections(visit).items())
    ]
    return OwnerRows(_("Connections"), tuple(rows), _("No connection yet."), f"{PATH}/new")


@pages.page(f"{PATH}/{{code}}", "owner.html", needs=Role.CONFIGURATOR)
def show_connection(visit: Visit, code: str) -> OwnerPage:
    """One connection."""
    entry = _connection(visit, code)
    kinds = all_kinds(visit.transaction)
    path = f"{PATH}/{code}"
    asks = [
        (_("Test"), RequestKind.TEST_CONNECTION),
        (_("Pull now"), RequestKind.PULL),
        (_("Confirm now"), RequestKind.CONFIRM),
    ]
    return OwnerPage(
        code=code,
        title=entry["label"],
        facts=((_("Marketplace"), _kind_name(kinds, entry)), (_("Where"), _where(entry))),
        sections=(section("settings", _("Settings"), ABOUT, f"{path}/settings", LABEL, entry),),
        credentials=tuple(_credentials(visit, code, entry, kinds.get(entry["kind"]))),
        asks=tuple(Ask(word, kind, code, "", path) for word, kind in asks),
        asked=asked_rows(visit, SubjectKind.CONNECTION, code),
    )


@pages.action(f"{PATH}/{{code}}/settings", needs=Role.CONFIGURATOR)
def change_connection(visit: Visit, form: Form, code: str) -> str:
    """Save what may be changed from afar."""
    save(visit, form, "connections", code, LABEL, _connection(visit, code))
    return f"{PATH}/{code}"


@pages.action(f"{PATH}/{{code}}/credentials/{{name}}", needs=Role.CONFIGURATOR)
def type_connection_secret(visit: Visit, form: Form, code: str, name: str) -> str:
    """Keep a secret that was typed."""
    _connection(visit, code)
    try:
        keep_connection_secret(
            visit.transaction, visit.installation.keys, code, name, text_of(form, "secret"), visit.now
        )
    except SecretNotTaken as error:
        visit.tell(_("Not saved: %(reason)s.", reason=retold(error)), "failed")
        return f"{PATH}/{code}"
    visit.audit("secret_typed", f"connection {code}", {"name": name})
    visit.tell(_("Kept, encrypted. Nothing shows it again: test the connection."))
    return f"{PATH}/{code}"


def _credentials(
    visit: Visit, code: str, entry: Mapping[str, Any], kind: MarketplaceKind | None
) -> list[CredentialRow]:
    """The credentials of its kind, with when each was typed and ends, as far as that is known."""
    kept = find_connection(visit.transaction, code)
    state = {} if kept is None else kept.state
    zone = visit.installation.settings.time_zone
    rows = []
    for each in () if kind is None else kind.credentials:
        row = credential_row(
            each.name,
            entry["credentials"].get(each.name),
            f"{PATH}/{code}/credentials/{each.name}",
            each.meaning,
            is_required=each.is_required,
        )
        ages = [_instant(state.get(key, {}).get(each.name)) for key in ("secrets_set_at", "secrets_end_at")]
        is_set_at, ends_at = (moment(age, visit.now, zone) for age in ages)
        rows.append(CredentialRow(row.name, row.about, row.state, row.source, is_set_at, ends_at, row.action))
    return rows


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _kind_name(kinds: Mapping[str, MarketplaceKind], entry: Mapping[str, Any]) -> str:
    kind = kinds.get(entry["kind"])
    return str(entry["kind"]) if kind is None else kind.name


def _where(entry: Mapping[str, Any]) -> str:
    return ", ".join(str(entry[each]) for each in ("region", "endpoint") if entry[each]) or _(
        "the marketplace's own address"
    )


def _connections(visit: Visit) -> dict[str, Any]:
    return dict(remote_changes.shown_configuration(visit.transaction).get("connections", {}))


def _connection(visit: Visit, code: str) -> dict[str, Any]:
    require_all_channels(visit)
    found = _connections(visit).get(code)
    if found is None:
        raise not_found("code", _("There is no such connection."), "unknown_connection")
    return dict(found)

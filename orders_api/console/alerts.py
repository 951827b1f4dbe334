"""Alerts: who is told of problems. Chat and webhook addresses are secrets of the machine, and are set up there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.settings import apply_part, require_all_channels
from orders_api.console.kit.texts import _
from orders_api.console.views.frame import Badge
from orders_api.console.views.lists import FilterValue
from orders_api.console.views.settings import AlertsPage, Ask, RecipientRow
from orders_api.console.words import in_words
from orders_api.kit.errors import not_found
from warehouse.incidents import IncidentKind
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings.channels import all_channels
from warehouse.ledger.settings.recipients import RecipientKind, all_recipients, remove_recipient
from warehouse.operator_requests import RequestKind

if TYPE_CHECKING:
    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.settings.recipients import Recipient

PATH = "/alerts"

pages = Pages()


@pages.page(PATH, "alerts.html", needs=Role.CONFIGURATOR)
def list_recipients(visit: Visit) -> AlertsPage:
    """Everybody who is told, and a form for one more."""
    require_all_channels(visit)
    channels = {each.code: each.label for each in all_channels(visit.transaction)}
    return AlertsPage(
        rows=tuple(_row(each) for each in all_recipients(visit.transaction)),
        kinds=tuple(FilterValue(each.value, in_words(each), is_chosen=False) for each in IncidentKind),
        channels=tuple(FilterValue(code, label, is_chosen=False) for code, label in channels.items()),
    )


@pages.action(PATH, needs=Role.CONFIGURATOR)
def add_recipient(visit: Visit, form: Form) -> str:
    """Add somebody who is told by e-mail."""
    require_all_channels(visit)
    code = text_of(form, "code").strip()
    if code in {each.code for each in all_recipients(visit.transaction)}:
        visit.tell(_("There is a recipient %(code)s already.", code=code), "failed")
        return PATH
    entry: dict[str, Any] = {
        "email": text_of(form, "email").strip(),
        "channels": form.get("channel", []),
        "kinds": form.get("kind", []),
        "summary": text_of(form, "summary") == "on",
    }
    apply_part(visit, {"alerts": {code: entry}})
    return PATH


@pages.action(f"{PATH}/{{code}}/summary", needs=Role.CONFIGURATOR)
def switch_summary(visit: Visit, form: Form, code: str) -> str:
    """Switch a recipient's daily summary on or off."""
    _find(visit, code)
    apply_part(visit, {"alerts": {code: {"summary": text_of(form, "summary") == "on"}}})
    return PATH


@pages.action(f"{PATH}/{{code}}/remove", needs=Role.CONFIGURATOR)
def remove(visit: Visit, _form: Form, code: str) -> str:
    """Tell somebody nothing any more."""
    found = _find(visit, code)
    remove_recipient(visit.transaction, code)
    visit.audit("alert_removed", code, {"kind": found.kind.value})
    visit.tell(_("%(code)s is told nothing any more.", code=code))
    return PATH


def _find(visit: Visit, code: str) -> Recipient:
    require_all_channels(visit)
    found = next((each for each in all_recipients(visit.transaction) if each.code == code), None)
    if found is None:
        raise not_found("code", _("There is no such recipient."), "unknown_recipient")
    return found


def _row(each: Recipient) -> RecipientRow:
    address = each.address if each.kind is RecipientKind.EMAIL else _("a chat or webhook address")
    channels = ", ".join(each.channels) or _("all channels")
    kinds = ", ".join(map(in_words, each.kinds)) or _("all kinds of problems")
    return RecipientRow(
        code=each.code,
        address=address,
        about=f"{channels}; {kinds}",
        summary=Badge(_("Daily summary"), "done") if each.summary else Badge(_("No summary"), "over"),
        ask=Ask(_("Test"), RequestKind.TEST_RECIPIENT, each.code, "", PATH),
    )

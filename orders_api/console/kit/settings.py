"""Changing settings from a page: fields of a form to a part of the configuration, checked as a file is, and audited.

What may not be changed from afar is said in `warehouse.ledger.settings.remote_changes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.texts import Later, _
from orders_api.console.views.lists import FilterValue
from orders_api.console.views.settings import Field, Section
from orders_api.kit.answers import render, tag_of
from orders_api.kit.errors import Problem
from warehouse.ledger.people.configuration_changes import record_changes
from warehouse.ledger.settings import remote_changes
from warehouse.ledger.settings.document import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit

BEFORE = "before"
NOTHING: tuple[object, ...] = ("", [], False)
"""What is sent for a field that was left alone where nothing was set."""
ALL_CHANNELS = Later("This page is about all channels, and you see some of them. An administrator can give you all.")


@dataclass(frozen=True, slots=True)
class Setting:
    """A member of the configuration that a page can change.

    Attributes:
        path: Where it stands in its entry, as in `export.settings.statuses`.
        label: As people read it.
        kind: As of `views.settings.Field`.
        choices: Value → what people read.
        hint: What else there is to say.
    """

    path: str
    label: str
    kind: str
    choices: Mapping[str, str] | None = None
    hint: str = ""

    def field(self, entry: Mapping[str, Any]) -> Field:
        """The field with what is set now."""
        value = _at(entry, self.path)
        chosen = {str(each) for each in value} if isinstance(value, list) else {str(value)}
        offered = self.choices or {}
        return Field(
            name=self.path,
            label=self.label,
            kind=self.kind,
            value="" if value is None or isinstance(value, list | bool) else str(value),
            is_on=value is True,
            choices=tuple(FilterValue(each, word, each in chosen) for each, word in offered.items()),
            hint=self.hint,
        )

    def read(self, form: Form) -> Any:  # noqa: ANN401 - any JSON value
        """What was sent for it."""
        text = text_of(form, self.path).strip()
        match self.kind:
            case "switch":
                return text == "on"
            case "ticks":
                return form.get(self.path, [])
            case "number":
                return int(text) if text.isdecimal() else (text or None)
            case _:
                return text


def section(
    ident: str, title: str, about: str, action: str, settings: Sequence[Setting], entry: Mapping[str, Any]
) -> Section:
    """A section of a page with what is set now."""
    return Section(ident, title, about, action, _tag(settings, entry), tuple(each.field(entry) for each in settings))


def save(visit: Visit, form: Form, noun: str, code: str, settings: Sequence[Setting], entry: Mapping[str, Any]) -> None:
    """Save a section that was sent, unless somebody has changed it since its page was read; the next page tells.

    Args:
        visit: Who sends it.
        form: What was sent.
        noun: Section of the configuration, such as `channels`.
        code: Whose settings they are.
        settings: Those of the section.
        entry: What is set now.
    """
    if text_of(form, BEFORE) != _tag(settings, entry):
        visit.tell(_("Somebody has changed this meanwhile. Nothing was saved: look at what is set now."), "failed")
        return
    part: dict[str, Any] = {}
    for each in settings:
        value, known = each.read(form), _at(entry, each.path)
        if value != known and not (known is None and value in NOTHING):
            _put(part, each.path, value)
    if part:
        apply_part(visit, {noun: {code: part}})


def apply_part(visit: Visit, part: Mapping[str, Any]) -> bool:
    """Apply a part of the configuration, write down who did it, and let the next page tell; False where it is refused."""
    try:
        found = remote_changes.change(
            visit.transaction, part, visit.now, sees_personal_data=visit.user.may_see_personal_data
        )
    except ConfigurationError as error:
        visit.tell(_("Not saved. %(faults)s", faults="; ".join(error.problems)), "failed")
        return False
    record_changes(
        visit.transaction,
        found,
        visit.now,
        actor=visit.user.name,
        origin=visit.origin,
        request_id=visit.request.state.request_id,
    )
    visit.tell(_("Saved.") if found else _("Nothing was changed: it was so already."))
    return True


def require_all_channels(visit: Visit) -> None:
    """Refuse somebody who sees some channels only.

    Raises:
        Problem: 403 `some_channels_only`.
    """
    if visit.visible_channels is not None:
        raise Problem(403, "some_channels_only", ALL_CHANNELS)


def _tag(settings: Sequence[Setting], entry: Mapping[str, Any]) -> str:
    return tag_of(render([_at(entry, each.path) for each in settings]))


def _at(entry: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = entry
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _put(part: dict[str, Any], path: str, value: object) -> None:
    *above, last = path.split(".")
    for name in above:
        part = part.setdefault(name, {})
    part[last] = value

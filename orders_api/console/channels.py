"""Channels and the settings of each: retrieval, confirmation, both file jobs, carriers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orders_api.console.channel_files import files_of, needs_of, sample_of, unmapped_words
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.settings import Setting, save, section
from orders_api.console.kit.texts import Later, _
from orders_api.console.requests import asked_rows
from orders_api.console.views.frame import Badge
from orders_api.console.views.settings import Ask, CarrierRow, ChannelPage, ChannelRow, ChannelRows
from orders_api.console.words import STATUSES, in_words
from orders_api.kit.errors import not_found
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings import carriers, remote_changes
from warehouse.ledger.settings.file_schedules import Frequency, Weekday
from warehouse.operator_requests import RequestKind, SubjectKind
from warehouse.templates import OrderColumn, ShipmentColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit

PATH = "/channels"
ACCEPTANCES = {
    "manual": Later("By hand: each order waits for a decision"),
    "automatic": Later("By itself, as soon as the order is here"),
    "off": Later("Elsewhere: it is left to another system"),
}
FREQUENCIES = {
    Frequency.EVERY_15_MINUTES.value: Later("Every 15 minutes"),
    Frequency.EVERY_30_MINUTES.value: Later("Every 30 minutes"),
    Frequency.EVERY_45_MINUTES.value: Later("Every 45 minutes"),
    Frequency.HOURLY.value: Later("Every hour"),
    Frequency.DAILY.value: Later("Daily at"),
    Frequency.WEEKLY.value: Later("Weekly on, at"),
}
GENERAL = (Setting("label", Later("Name"), "text"),)
RETRIEVAL = (
    Setting(
        "retrieval",
        Later("Retrieve its orders"),
        "switch",
        hint=Later("Off: new orders and changes stay at the marketplace, unseen."),
    ),
)
CONFIRMATION = (
    Setting(
        "confirmation",
        Later("Tell the marketplace of shipments"),
        "switch",
        hint=Later(
            "Off: shipments are held here. Switching it on sends none of those that are held: release them by themselves."
        ),
    ),
    Setting("acceptance", Later("Orders are accepted"), "choice", ACCEPTANCES),
)

pages = Pages()


@pages.page(PATH, "channels.html")
def list_channels(visit: Visit) -> ChannelRows:
    """The channels that one may see, with their switches."""
    rows = []
    shown = remote_changes.shown_configuration(visit.transaction)
    for code, entry in sorted(_entries(visit, shown).items()):
        rows.append(
            ChannelRow(
                code=code,
                label=entry["label"],
                marketplace=entry["marketplace"],
                connection=entry["connection"],
                retrieval=_switch(is_on=entry["retrieval"]),
                confirmation=_switch(is_on=entry["confirmation"]),
                export=_job(entry, "export"),
                imports=_job(entry, "import"),
            )
        )
    return ChannelRows(tuple(rows))


@pages.page(f"{PATH}/{{code}}", "channel.html")
def show_channel(visit: Visit, code: str) -> ChannelPage:
    """One channel's settings."""
    shown = remote_changes.shown_configuration(visit.transaction)
    entry, storages = _entry(visit, shown, code), shown.get("storages", {})
    action = f"{PATH}/{code}"
    known = carriers.latest_requirements(visit.transaction, code)
    sections = [
        section(each, title, about, f"{action}/{each}", _settings(each, storages), entry)
        for each, title, about in SECTIONS
    ]
    return ChannelPage(
        code=code,
        label=entry["label"],
        connection=entry["connection"],
        selector=entry["selector"] or "",
        sections=tuple(sections),
        carriers=tuple(
            CarrierRow(word, each["carrier_code"] or "", each["carrier_name"] or "")
            for word, each in sorted(entry["carriers"].items())
        ),
        asks=_asks(code, entry),
        asked=asked_rows(visit, SubjectKind.CHANNEL, code),
        columns=tuple(each.value for each in OrderColumn),
        shipment_columns=tuple(each.value for each in ShipmentColumn),
        new_storage=f"/storages/new?back={quote(action)}",
        next_files=files_of(visit, code),
        sample=sample_of(visit, code),
        unmapped=unmapped_words(visit.transaction, code),
        needs=needs_of(None if known is None else known[0]),
    )


@pages.action(f"{PATH}/{{code}}/{{part}}", needs=Role.CONFIGURATOR)
def change_channel(visit: Visit, form: Form, code: str, part: str) -> str:
    """Save one section."""
    shown = remote_changes.shown_configuration(visit.transaction)
    entry, storages = _entry(visit, shown, code), shown.get("storages", {})
    if part not in {each for each, _, _ in SECTIONS}:
        raise not_found("part", _("There are no such settings."), "unknown_settings")
    save(visit, form, "channels", code, _settings(part, storages), entry)
    return f"{PATH}/{code}"


SECTIONS = (
    ("general", Later("Name"), Later("What people call the channel, here and in alerts.")),
    ("retrieval", Later("Retrieval"), Later("Orders are read every five minutes.")),
    ("confirmation", Later("Confirmation"), Later("What was shipped is told every fifteen minutes, and read back.")),
    ("export", Later("Order files"), Later("New and changed orders as CSV files, to a storage.")),
    ("import", Later("Shipment files"), Later("CSV files with shipments, from a storage.")),
)
"""The parts of the page: id, heading, what it is for."""


def _settings(part: str, storages: Mapping[str, Any]) -> Sequence[Setting]:
    match part:
        case "general":
            return GENERAL
        case "retrieval":
            return RETRIEVAL
        case "confirmation":
            return CONFIRMATION
        case _:
            return _job_settings(part, {code: f"{entry['label']} ({code})" for code, entry in storages.items()})


def _job_settings(job: str, storages: Mapping[str, str]) -> Sequence[Setting]:
    own: tuple[Setting, ...] = (
        Setting(
            "import.result_folder", _("Folder of the answers"), "text", hint=_("Left empty: results, below the folder.")
        ),
        Setting("import.always_result", _("Answer every file, not only where rows were refused"), "switch"),
        Setting("import.keep_remote", _("Keep files that were read, in processed"), "switch"),
    )
    if job == "export":
        statuses = {each.value: badge.word for each, badge in STATUSES.items()}
        own = (
            Setting(
                "export.statuses", _("Only orders that are"), "ticks", statuses, hint=_("None ticked: every order.")
            ),
            Setting("export.split_by_fulfilment", _("A file each for merchant and marketplace"), "switch"),
            Setting("export.split_by_country", _("A file for each shipping country"), "switch"),
            Setting("export.spreadsheet_safe", _("Quote what a spreadsheet would compute"), "switch"),
        )
    return (
        Setting(f"{job}.enabled", _("On"), "switch"),
        Setting(f"{job}.frequency", _("How often"), "choice", FREQUENCIES),
        Setting(f"{job}.weekday", _("Day of a weekly job"), "choice", {each.value: in_words(each) for each in Weekday}),
        Setting(f"{job}.at", _("Time of a daily or weekly job"), "time"),
        Setting(f"{job}.storage", _("Storage"), "choice", {"": _("Choose one"), **storages}),
        Setting(f"{job}.folder", _("Folder"), "text", hint=_("Left empty: the storage's root.")),
        *own,
    )


def _entries(visit: Visit, shown: Mapping[str, Any]) -> dict[str, Any]:
    """The channels of the configuration that the visitor may see."""
    found: dict[str, Any] = shown.get("channels", {})
    visible = visit.visible_channels
    return {code: each for code, each in found.items() if visible is None or code in visible}


def _entry(visit: Visit, shown: Mapping[str, Any], code: str) -> dict[str, Any]:
    found = _entries(visit, shown).get(code)
    if found is None:
        raise not_found("code", _("There is no such channel, or you may not see it."), "unknown_channel")
    return dict(found)


def _asks(code: str, entry: Mapping[str, Any]) -> tuple[Ask, ...]:
    back = f"{PATH}/{code}"
    offered = {"export": (_("Export now"), RequestKind.EXPORT), "import": (_("Import now"), RequestKind.IMPORT)}
    jobs = [Ask(word, kind, code, "", back) for job, (word, kind) in offered.items() if job in entry]
    return tuple(jobs)


def _switch(*, is_on: bool) -> Badge:
    return Badge(_("On"), "done") if is_on else Badge(_("Off"), "over")


def _job(entry: Mapping[str, Any], job: str) -> Badge:
    if job not in entry:
        return Badge(_("None"), "unknown")
    return _switch(is_on=entry[job]["enabled"] is True)

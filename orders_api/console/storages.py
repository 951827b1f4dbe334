"""Storages: where files are exchanged, their secrets, trying them, looking into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.settings import Setting, apply_part, require_all_channels, save, section
from orders_api.console.kit.texts import Later, _, retold
from orders_api.console.requests import asked_rows
from orders_api.console.set_up import folder_command
from orders_api.console.views.frame import Badge
from orders_api.console.views.lists import FilterValue
from orders_api.console.views.settings import Ask, CredentialRow, NewStorage, OwnerPage, OwnerRow, OwnerRows
from orders_api.kit.errors import not_found
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings import remote_changes
from warehouse.ledger.settings.typed_secrets import SecretNotTaken, keep_storage_secret
from warehouse.operator_requests import RequestKind, SubjectKind
from warehouse.storages import CREDENTIALS, StorageKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit

PATH = "/storages"
KINDS = {
    StorageKind.SFTP: "SFTP",
    StorageKind.FTPS: Later("FTP with TLS"),
    StorageKind.FTP: Later("FTP, unencrypted"),
    StorageKind.FOLDER: Later("A folder of this machine"),
}
OF_A_SERVER = (
    Setting("label", Later("Name"), "text"),
    Setting("settings.user", Later("User"), "text"),
    Setting(
        "settings.root", Later("Folder that all paths start from"), "text", hint=Later("Left empty: the user's own.")
    ),
)
HOST_KEY = Setting(
    "settings.host_key",
    Later("Fingerprint of the server's host key"),
    "text",
    hint=Later("SHA256:…, as its operator tells it. Testing the storage shows the one that it has."),
)

pages = Pages()


@pages.page(PATH, "owners.html", needs=Role.CONFIGURATOR)
def list_storages(visit: Visit) -> OwnerRows:
    """Every storage."""
    require_all_channels(visit)
    rows = [
        OwnerRow(code, entry["label"], KINDS[StorageKind(entry["kind"])], _place(entry), f"{PATH}/{code}")
        for code, entry in sorted(_storages(visit).items())
    ]
    return OwnerRows(_("Storages"), tuple(rows), _("No storage yet: files are exchanged with none."), f"{PATH}/new")


@pages.page(f"{PATH}/new", "new_storage.html", needs=Role.CONFIGURATOR)
def new_storage(visit: Visit) -> NewStorage:
    """The form for another storage; folders of the machine are set up there."""
    require_all_channels(visit)
    kinds = [kind for kind in KINDS if kind is not StorageKind.FOLDER]
    back = visit.request.query_params.get("back", "")
    return NewStorage(
        tuple(FilterValue(each.value, KINDS[each], each is StorageKind.SFTP) for each in kinds),
        back if back.startswith("/") and not back.startswith("//") else "",
        folder_command(visit),
    )


@pages.action(f"{PATH}/new", needs=Role.CONFIGURATOR)
def add_storage(visit: Visit, form: Form) -> str:
    """Add a storage with its password, and go to where the asker came from."""
    require_all_channels(visit)
    code, back = text_of(form, "code").strip(), text_of(form, "back")
    if code in _storages(visit):
        visit.tell(_("There is a storage %(code)s already.", code=code), "failed")
        return f"{PATH}/new"
    settings: dict[str, Any] = {name: text_of(form, name).strip() for name in ("host", "user")}
    if text_of(form, "port").strip():
        settings["port"] = text_of(form, "port").strip()
    if text_of(form, "host_key").strip() and text_of(form, "kind") == StorageKind.SFTP:
        settings["host_key"] = text_of(form, "host_key").split()
    if text_of(form, "kind") == StorageKind.FTP:
        settings["allow_plaintext"] = text_of(form, "allow_plaintext") == "on"
    entry = {"kind": text_of(form, "kind"), "label": text_of(form, "label").strip() or code, "settings": settings}
    if not apply_part(visit, {"storages": {code: entry}}):
        return f"{PATH}/new"
    if text_of(form, "password"):
        keep_storage_secret(
            visit.transaction, visit.installation.keys, code, "password", text_of(form, "password"), visit.now
        )
        visit.audit("secret_typed", f"storage {code}", {"name": "password"})
    visit.tell(_("The storage %(code)s is there. Test it before a job uses it.", code=code))
    return back if back.startswith("/channels/") else f"{PATH}/{code}"


@pages.page(f"{PATH}/{{code}}", "owner.html", needs=Role.CONFIGURATOR)
def show_storage(visit: Visit, code: str) -> OwnerPage:
    """One storage."""
    entry = _storage(visit, code)
    path = f"{PATH}/{code}"
    settings = _settings(entry)
    about = _("Host, port and kind are changed at the machine: orders apply.")
    sections = (
        (section("settings", _("Settings"), about, f"{path}/settings", settings, _flat(entry)),) if settings else ()
    )
    return OwnerPage(
        code=code,
        title=entry["label"],
        facts=((_("Kind"), KINDS[StorageKind(entry["kind"])]), (_("Where"), _place(entry))),
        sections=sections,
        credentials=tuple(
            credential_row(name, entry["credentials"].get(name), f"{path}/credentials/{name}")
            for name in CREDENTIALS[StorageKind(entry["kind"])]
        ),
        asks=(
            Ask(_("Test"), RequestKind.TEST_STORAGE, code, "", path),
            Ask(_("Browse"), RequestKind.BROWSE, code, "", path),
        ),
        asked=asked_rows(visit, SubjectKind.STORAGE, code),
    )


@pages.action(f"{PATH}/{{code}}/settings", needs=Role.CONFIGURATOR)
def change_storage(visit: Visit, form: Form, code: str) -> str:
    """Save what may be changed from afar."""
    entry = _storage(visit, code)
    save(visit, form, "storages", code, _settings(entry), _flat(entry))
    return f"{PATH}/{code}"


@pages.action(f"{PATH}/{{code}}/credentials/{{name}}", needs=Role.CONFIGURATOR)
def type_storage_secret(visit: Visit, form: Form, code: str, name: str) -> str:
    """Keep a secret that was typed."""
    _storage(visit, code)
    try:
        keep_storage_secret(visit.transaction, visit.installation.keys, code, name, text_of(form, "secret"), visit.now)
    except SecretNotTaken as error:
        visit.tell(_("Not saved: %(reason)s.", reason=retold(error)), "failed")
        return f"{PATH}/{code}"
    visit.audit("secret_typed", f"storage {code}", {"name": name})
    visit.tell(_("Kept, encrypted. Nothing shows it again."))
    return f"{PATH}/{code}"


def credential_row(
    name: str, reference: str | None, action: str, about: str = "", *, is_required: bool = False
) -> CredentialRow:
    """A credential, by where it comes from."""
    missing = Badge(_("Missing"), "failed") if is_required else Badge(_("Not set"), "over")
    state = missing if reference is None else Badge(_("Set"), "done")
    source = "" if reference is None else _("typed, kept encrypted") if reference == "sealed" else reference
    return CredentialRow(name, about, state, source, None, None, action)


def _settings(entry: Mapping[str, Any]) -> Sequence[Setting]:
    match StorageKind(entry["kind"]):
        case StorageKind.SFTP:
            return (*OF_A_SERVER, HOST_KEY)
        case StorageKind.FTP | StorageKind.FTPS:
            return OF_A_SERVER
        case StorageKind.FOLDER:
            return (Setting("label", _("Name"), "text"),)


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with its host keys as one text, as the form has them."""
    keys = entry["settings"].get("host_key")
    if not isinstance(keys, list):
        return dict(entry)
    return {**entry, "settings": {**entry["settings"], "host_key": " ".join(keys)}}


def _place(entry: Mapping[str, Any]) -> str:
    settings = entry["settings"]
    if "path" in settings:
        return str(settings["path"])
    port = f":{settings['port']}" if "port" in settings else ""
    return f"{settings['user']}@{settings['host']}{port}"


def _storages(visit: Visit) -> dict[str, Any]:
    return dict(remote_changes.shown_configuration(visit.transaction).get("storages", {}))


def _storage(visit: Visit, code: str) -> dict[str, Any]:
    require_all_channels(visit)
    found = _storages(visit).get(code)
    if found is None:
        raise not_found("code", _("There is no such storage."), "unknown_storage")
    return dict(found)

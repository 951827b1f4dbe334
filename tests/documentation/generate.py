"""The generated parts of the documentation: `python -m tests.documentation.generate` rewrites them from the code.

A part stands in a page of `docs/` between `<!-- generated: NAME -->` and `<!-- end -->`. What each part says is here; the
text around it is written by hand, and that the pages are up to date is tested in `test_generated`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import dagster as dg
import typer

from orders_api.app import create_app
from orders_pipeline.cli import app
from orders_pipeline.definitions import build_defs
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.marketplaces.settings import ChannelSettings, HttpSettings
from tests.documentation import texts
from warehouse.lake.definitions import dictionary
from warehouse.ledger.settings.document import ChannelEntry, ConnectionEntry, ExportEntry, ImportEntry, StorageSection
from warehouse.members import described, leaves
from warehouse.order_lines import Line
from warehouse.orders import Order, OwnFacts
from warehouse.settings import Settings
from warehouse.storages import FolderSettings, FtpSettings, FtpsSettings, SftpSettings
from warehouse.templates import MADE_OF, ExtraColumn, OrderColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from pydantic import BaseModel

    from orders_pipeline.marketplaces.protocol import Marketplace

DOCS = Path(__file__).resolve().parents[2] / "docs"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NO_TYPE = type(None)
NET = {
    OrderColumn.QUANTITY_ORDERED: "Units ordered, without cancelled ones and without those that remain and may not ship; empty "
    "when unknown.",
    OrderColumn.QUANTITY_REMAINING_TO_SHIP: "`quantity_ordered` − `quantity_shipped`: what is to be shipped; empty when one of "
    "both is unknown.",
    OrderColumn.UNIT_PRICE: "`line_total` / `quantity_ordered`, at most six decimals; 0 when that is 0 or there is no price.",
    OrderColumn.LINE_TOTAL: "Price of `quantity_ordered` with taxes, in the order's currency; 0 when the marketplace told "
    "none.",
}
"""Columns that are worked out for these files, with what they mean."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_cell(each) for each in line) + " |\n" for line in lines)


def settings() -> str:
    """Every ORDERS_* variable."""
    rows = [
        (f"`ORDERS_{name.upper()}`", _default(field.default), _sentence(field.description))
        for name, field in Settings.model_fields.items()
    ]
    return table(("variable", "default", "meaning"), rows)


def connection_entry() -> str:
    """The keys of one connection in orders.yaml."""
    return _fields(ConnectionEntry)


def channel_entry() -> str:
    """The keys of one channel in orders.yaml."""
    return _fields(ChannelEntry)


def export_entry() -> str:
    """The keys of a channel's export block in orders.yaml."""
    return _fields(ExportEntry)


def import_entry() -> str:
    """The keys of a channel's import block in orders.yaml."""
    return _fields(ImportEntry)


def connection_settings() -> str:
    """The settings of a connection of any kind, and of one that is called over HTTP."""
    return _fields(HttpSettings)


def channel_settings() -> str:
    """The settings of a channel of any kind."""
    return _fields(ChannelSettings)


def marketplace_kinds() -> str:
    """What a connection of each kind is given."""
    return "\n".join(_kind_page(each) for each in MARKETPLACES.values())


def _kind_page(kind: Marketplace) -> str:
    credentials = [
        (f"`{each.name}`{'' if each.is_required else ' (may be left out)'}", each.meaning) for each in kind.credentials
    ]
    parts = [f"#### {kind.name}\n", f"Kind `{kind.kind}`. {kind.description} {kind.help}\n"]
    parts.append(table(("credential", "what it is"), credentials))
    for title, model, base in (
        ("", kind.settings, HttpSettings),
        (" of a channel", kind.channel_settings, ChannelSettings),
    ):
        own = set(model.model_fields) - set(base.model_fields)
        if own:
            parts.append(f"Settings{title}, beside those of every kind:\n\n{_fields(model, own)}")
    return "\n".join(parts)


def storage_entry() -> str:
    """The keys of one storage in orders.yaml."""
    return _fields(StorageSection)


def sftp_settings() -> str:
    """The settings of a storage of kind sftp."""
    return _fields(SftpSettings)


def ftps_settings() -> str:
    """The settings of a storage of kind ftps."""
    return _fields(FtpsSettings)


def ftp_settings() -> str:
    """The settings of a storage of kind ftp."""
    return _fields(FtpSettings)


def folder_settings() -> str:
    """The settings of a storage of kind folder."""
    return _fields(FolderSettings)


def tables() -> str:
    """Every table and view with its columns."""
    parts = []
    for name, entries in groupby(dictionary(), key=lambda entry: entry.table):
        whole, *columns = list(entries)
        rows = [(f"`{each.column}`", f"`{each.type}`", each.comment) for each in columns]
        parts.append(
            f"### {name}\n\n{whole.kind.capitalize()}. {whole.comment}\n\n{table(('column', 'type', 'meaning'), rows)}"
        )
    return "\n".join(parts)


def commands() -> str:
    """Every command with its arguments, options and examples."""
    return "\n".join(_command(path, command) for path, command in walk(typer.main.get_command(app), ("orders",)))


def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its path."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from walk(child, (*path, name))


def endpoints() -> str:
    """Every endpoint with its scope, parameters and errors."""
    parts = []
    for method, path, about in operations():
        scopes = [scope for each in about.get("security", ()) for names in each.values() for scope in names]
        needs = f"Scope `{'`, `'.join(scopes)}`." if scopes else "Open to everyone."
        errors = ", ".join(code for code in about["responses"] if code.isdigit() and int(code) >= 400)
        text = [f"### {method.upper()} {path}\n", f"{about['summary']}. {about['description']}\n", needs]
        text[-1] += f" Errors: {errors}.\n" if errors else "\n"
        parameters = about.get("parameters", ())
        if parameters:
            rows = [
                (
                    f"`{each['name']}`{' (required)' if each['required'] else ''}",
                    _kind(each["schema"]),
                    each["description"],
                )
                for each in parameters
            ]
            text.append(table(("parameter", "type", "meaning"), rows))
        parts.append("\n".join(text))
    return "\n".join(parts)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every endpoint, from the API's own OpenAPI document."""
    with tempfile.TemporaryDirectory() as folder:
        api = create_app(Settings(_env_file=None, home=Path(folder), database_url=None))
        described = api.openapi()
        api.state.installation.ledger.close()
    found = [(method, path, about) for path, methods in described["paths"].items() for method, about in methods.items()]
    for _, _, about in found:
        for each in about.get("parameters", ()):
            each["schema"] = _resolve(each["schema"], described["components"]["schemas"])
    return found


def _resolve(schema: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema with the choices that it refers to."""
    if "items" in schema:
        return {**schema, "items": _resolve(schema["items"], shapes)}
    return {**schema, **shapes[schema["$ref"].rpartition("/")[2]]} if "$ref" in schema else schema


def export_columns() -> str:
    """The columns of the CSV export, in their order."""
    return "`" + "`, `".join(column.value for column in OrderColumn) + "`\n"


def order_columns() -> str:
    """The columns of every order file with what they mean."""
    return _csv_columns(OrderColumn)


def extra_columns() -> str:
    """The columns that an order file may hold beside these."""
    return _csv_columns(ExtraColumn)


def _csv_columns(columns: type[OrderColumn | ExtraColumn]) -> str:
    """A column that holds a member as it is means what the member does."""
    whole = (*described(Order), *described(OwnFacts))
    members = {".".join(part.name for part in leaf.path): leaf.member.about.meaning for leaf in leaves(whole)}
    members |= {
        f"lines.{'.'.join(part.name for part in leaf.path)}": leaf.member.about.meaning
        for leaf in leaves(described(Line))
    }
    rows = [
        (
            f"`{each}`",
            f"`{MADE_OF[each]}`" if each in MADE_OF else "",
            members[MADE_OF[each]] if each in MADE_OF else NET[each],
        )
        for each in columns
    ]
    return table(("column", "member", "meaning"), rows)


def assets() -> str:
    """What is made of what."""
    graph = build_defs().resolve_asset_graph()
    rows = [
        (
            f"`{key.to_user_string()}`",
            ", ".join(sorted(f"`{each.to_user_string()}`" for each in graph.get(key).parent_keys)),
            graph.get(key).description or "",
        )
        for key in graph.toposorted_asset_keys
    ]
    return table(("asset", "made of", "what it is"), rows)


def checks() -> str:
    """What must hold of the assets."""
    specs = [spec for each in build_defs().asset_checks or () for spec in _check_specs(each)]
    specs += [
        spec for each in build_defs().assets or () if isinstance(each, dg.AssetsDefinition) for spec in each.check_specs
    ]
    rows = sorted((f"`{spec.asset_key.to_user_string()}`", f"`{spec.name}`", spec.description or "") for spec in specs)
    return table(("asset", "check", "what must hold"), rows)


def jobs() -> str:
    """What runs, and when."""
    defs = build_defs()
    starts: dict[str, list[str]] = {}
    for schedule in defs.schedules or ():
        if isinstance(schedule, dg.ScheduleDefinition):
            starts.setdefault(schedule.job_name, []).append(f"`{schedule.cron_schedule}` UTC by `{schedule.name}`")
    for sensor in defs.sensors or ():
        for target in sensor.targets:
            starts.setdefault(target.job_name, []).append(f"when something is due, by `{sensor.name}`")
    rows = [
        (f"`{job.name}`", "; ".join(starts.get(job.name, ["by hand"])), job.description or "")
        for job in defs.jobs or ()
    ]
    return table(("job", "when", "what it does"), rows)


PARTS: dict[str, Callable[[], str]] = {
    each.__name__: each
    for each in (
        settings,
        connection_entry,
        channel_entry,
        export_entry,
        import_entry,
        connection_settings,
        channel_settings,
        marketplace_kinds,
        storage_entry,
        sftp_settings,
        ftps_settings,
        ftp_settings,
        folder_settings,
        tables,
        commands,
        endpoints,
        export_columns,
        order_columns,
        extra_columns,
        assets,
        checks,
        jobs,
    )
}


def rendered(page: str) -> str:
    """A page with its generated parts as they should be."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", page)


def main() -> None:
    """Rewrite every page that is not up to date, and the template of the console's texts."""
    texts.TEMPLATE.write_text(texts.template(), encoding="utf-8")
    for path in sorted(DOCS.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = rendered(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(DOCS.parent)} rewritten\n")


def _fields(model: type[BaseModel], only: Collection[str] | None = None) -> str:
    rows = []
    for name, field in model.model_fields.items():
        if only is not None and name not in only:
            continue
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        rows.append((f"`{field.alias or name}`", default, _sentence(field.description)))
    return table(("key", "default", "meaning"), rows)


def _command(path: tuple[str, ...], command: Any) -> str:
    text, _, examples = (command.help or "").strip().partition("Example")
    lines = [f"### {' '.join(path)}\n", " ".join(text.split()) + "\n"]
    rows = [_parameter(each) for each in command.params if each.name != "help"]
    if rows:
        lines.append(table(("argument or option", "default", "meaning"), rows))
    calls = re.findall(r"orders .+", examples)
    if calls:
        lines.append("```sh\n" + "\n".join(calls) + "\n```\n")
    return "\n".join(lines)


def _parameter(parameter: Any) -> tuple[str, str, str]:
    is_argument = not parameter.opts[0].startswith("-")
    named = parameter.opts[0].upper() if is_argument else ", ".join([*parameter.opts, *parameter.secondary_opts])
    is_many = parameter.nargs != 1 or parameter.multiple
    default = (
        "required" if parameter.required else "" if parameter.default in {None, False} else _default(parameter.default)
    )
    choices = _choices(parameter.type_descriptor.annotation)
    meaning = (parameter.help or "") + (f" One of: {choices}." if choices else "")
    return f"`{named}{'…' if is_many and is_argument else ''}`", default, meaning


def _choices(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(annotation))
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, Enum):
            return ", ".join(f"`{member.value}`" for member in each)
    return ""


def _check_specs(definition: Any) -> list[Any]:
    return list(definition.check_specs)


def _kind(schema: dict[str, Any]) -> str:
    if schema.get("type") == "array":
        return f"{_kind(schema['items'])}, may be repeated"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{each}`" for each in schema["enum"])
    kind = str(schema.get("format") or schema.get("type", ""))
    limits = [f"{word} {schema[name]}" for name, word in (("minimum", "from"), ("maximum", "to")) if name in schema]
    default = f"default `{str(schema['default']).lower()}`" if "default" in schema else ""
    return ", ".join(each for each in (kind, " ".join(limits), default) if each)


def _default(value: object) -> str:
    if value is None or value in ("", {}, [], ()):
        return ""
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (tuple, list)):
        return "`" + ", ".join(str(each) for each in value) + "`"
    return f"`{value}`"


def _sentence(text: str | None) -> str:
    return text or ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    main()

"""What is set up at the machine alone, as it could send secrets elsewhere: pages that write out the commands to type there."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from orders_api.console.kit.pages import Pages
from orders_api.console.kit.settings import require_all_channels
from orders_api.console.views.lists import FilterValue
from orders_api.console.views.settings import NewConnection
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.marketplace_kinds import EndpointRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.kit.visits import Visit
    from warehouse.marketplace_kinds import MarketplaceKind

CODE = re.compile(r"[a-z0-9_]{1,64}")
FIELDS = ("code", "kind", "label", "region", "endpoint", "channel", "selector")
LONGEST = 500

pages = Pages()


@pages.page("/connections/new", "new_connection.html", needs=Role.CONFIGURATOR)
def new_connection(visit: Visit) -> NewConnection:
    """Another seller account: what its kind needs, and the commands with what was typed so far."""
    require_all_channels(visit)
    typed = {name: visit.request.query_params.get(name, "").strip()[:LONGEST] for name in FIELDS}
    kinds = {each.kind: each for each in all_kinds(visit.transaction).values() if not each.takes_orders}
    kind = kinds.get(typed["kind"])
    return NewConnection(
        kinds=tuple(FilterValue(each.kind, each.name, each is kind) for each in kinds.values()),
        regions=tuple(
            FilterValue(each, each, each == typed["region"]) for each in (() if kind is None else kind.regions)
        ),
        typed=typed,
        help="" if kind is None else kind.help.replace("`", ""),
        selector="" if kind is None else kind.selectors.meaning,
        credentials=() if kind is None else tuple((each.name, each.meaning) for each in kind.credentials),
        commands="" if kind is None else "\n".join(_commands(typed, kind)),
    )


def folder_command(visit: Visit) -> str:
    """How a folder of the machine becomes a storage, with what was typed so far."""
    params = visit.request.query_params
    path = params.get("path", "").strip()[:LONGEST] or "/srv/orders"
    setting = shlex.quote(f"path={path}")
    return f"orders storages add {_code(params.get('code', ''))} --kind folder --setting {setting}"


def _commands(typed: Mapping[str, str], kind: MarketplaceKind) -> list[str]:
    code, channel = _code(typed["code"]), _code(typed["channel"], "CHANNEL")
    wanted = {
        "label": typed["label"],
        "region": typed["region"] or ("REGION" if kind.regions else ""),
        "endpoint": typed["endpoint"] or ("ADDRESS" if kind.endpoint is EndpointRule.REQUIRED else ""),
    }
    options = [f"--{name} {shlex.quote(value)}" for name, value in wanted.items() if value]
    selector = [f"--selector {shlex.quote(typed['selector'])}"] if typed["selector"] else []
    return [
        " ".join([f"orders connections add {code} --kind {kind.kind}", *options]),
        *(f"orders connections secret {code} {each.name}" for each in kind.credentials if each.is_required),
        " ".join([f"orders channels add {channel} --connection {code}", *selector]),
        f"orders connections test {code}",
    ]


def _code(typed: str, otherwise: str = "CODE") -> str:
    """A code that a command takes; a word in its place where none was typed."""
    return typed.strip() if CODE.fullmatch(typed.strip()) else otherwise

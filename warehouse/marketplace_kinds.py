"""Kinds of marketplaces as data: what a connection of a kind is given, and what may be done there.

The pipeline's registry describes each kind so and keeps the descriptions in the ledger (`warehouse.ledger.settings.kinds`);
whoever checks or shows a configuration reads them there and imports no kind. What a kind *does* is in
`orders_pipeline.marketplaces`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from warehouse.shipments import Requirements
from warehouse.web_addresses import address_fault

MOMENT, SECURE_ADDRESS = "moment", "secure-address"
"""Formats of text in a schema of settings, beside those of JSON Schema itself."""


class EndpointRule(StrEnum):
    """Whether a connection names the address that is called: it must, it may instead of the kind's own, or there is none."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A secret of a connection.

    Attributes:
        name: Its key in configuration.
        meaning: What it is and where it comes from.
        is_required: Whether nothing can be asked without it.
        lifetime_days: How long it is good after it was made; None when it does not end by itself.
    """

    name: str
    meaning: str
    is_required: bool = True
    lifetime_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A selector that is known beforehand: its name for people, and the region whose connections can be asked for it."""

    value: str
    label: str
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectors:
    """What picks a channel's orders out of a connection's.

    Attributes:
        meaning: What a selector is, in the marketplace's word.
        is_required: Whether a channel without one cannot be asked for.
        known: Those known beforehand; others may be good too.
    """

    meaning: str
    is_required: bool = False
    known: tuple[Selector, ...] = ()

    def fault(self, selector: str | None, region: str | None) -> str | None:
        """Why a channel cannot be asked for at a connection of a region; None when it can.

        >>> sites = Selectors(meaning="site", is_required=True, known=(Selector(value="1", label="One", region="na"),))
        >>> sites.fault(None, "eu"), sites.fault("1", "eu"), sites.fault("1", "na"), sites.fault("2", "eu")
        ('a channel needs its site as selector', '1 (One) belongs to region na, not eu', None, None)
        """
        if selector is None:
            return f"a channel needs its {self.meaning} as selector" if self.is_required else None
        known = next((each for each in self.known if each.value == selector), None)
        if known is not None and known.region is not None and region is not None and known.region != region:
            return f"{selector} ({known.label}) belongs to region {known.region}, not {region}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionNotices:
    """How a marketplace tells, at an address of ours, that a buyer's account was deleted.

    Attributes:
        signature_header: The header of a notice that holds its signature.
        token: The credential that an answer to its challenge is made of.
        address: The setting that says at which public address of ours it calls.
    """

    signature_header: str
    token: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceKind:
    """What a kind of marketplace is, for people and for whoever checks a configuration.

    Attributes:
        kind: The word in configuration.
        name: Its name for people.
        description: What orders there are, in a sentence.
        help: How a connection of it is made, in a few sentences.
        endpoint: Whether a connection names the address that is called.
        regions: The regions that a connection may name one of; () when there are none.
        selectors: What picks a channel's orders out of a connection's.
        credentials: The secrets of a connection.
        settings: JSON Schema of a connection's settings.
        channel_settings: JSON Schema of a channel's settings.
        acceptance: Who accepts orders of a channel that does not say: manual, automatic or off.
        requirements: What may be done there, and what a shipment needs, as far as is known without asking.
        takes_orders: Whether the orders of its channels are given to us, there being no marketplace that could be asked.
        lists_open_orders_only: Whether its listing shows the orders that are open at a moment, and nothing of the time before.
        deletion_notices: How it tells of deleted accounts; None when it does not.
        reads: Member of an order → the payload's members that it is read from; empty for a kind that does not say.
    """

    kind: str
    name: str
    description: str
    help: str
    endpoint: EndpointRule
    regions: tuple[str, ...]
    selectors: Selectors
    credentials: tuple[Credential, ...]
    settings: dict[str, Any]
    channel_settings: dict[str, Any]
    acceptance: str
    requirements: Requirements
    takes_orders: bool = False
    lists_open_orders_only: bool = False
    deletion_notices: DeletionNotices | None = None
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def name_of(self, selector: str | None) -> str:
        """The marketplace's name for people, where no channel says one."""
        known = {each.value: each.label for each in self.selectors.known}
        if selector is None or (known and selector not in known):
            return self.name
        return known.get(selector, f"{self.name} {selector}")

    def as_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` reads them."""
        found: dict[str, Any] = _CODEC.dump_python(self, mode="json")
        return found

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> MarketplaceKind:
        """Reverse `as_json`."""
        return _CODEC.validate_python(dict(value))


_CODEC = TypeAdapter(MarketplaceKind)


def connection_problems(kind: MarketplaceKind, where: str, entry: Mapping[str, Any]) -> list[str]:
    """What of a connection's entry in a file does not fit its kind, each with its place; what is left out is no mistake."""
    problems = setting_problems(kind.settings, f"{where}.settings", entry.get("settings"))
    names = [each.name for each in kind.credentials]
    given = entry.get("credentials")
    problems += [
        f"{where}.credentials.{name}: {kind.name} has no such credential{meant(str(name), names)}"
        for name in (given if isinstance(given, dict) else ())
        if name not in names
    ]
    region, endpoint = entry.get("region"), entry.get("endpoint")
    if region is not None and region not in kind.regions:
        problems.append(f"{where}.region: {kind.name} has no such region{meant(str(region), kind.regions)}")
    if endpoint is not None and kind.endpoint is EndpointRule.NONE:
        problems.append(f"{where}.endpoint: {kind.name} is called nowhere")
    return problems


def setting_problems(schema: dict[str, Any], where: str, settings: object) -> list[str]:
    """What of settings does not fit a schema, each with its place, and for an unknown key what was meant. A null sets nothing.

    >>> schema = {"properties": {"page_size": {"type": "integer"}}, "additionalProperties": False}
    >>> setting_problems(schema, "settings", {"page_sise": 5})
    ["settings.page_sise: there is no such key; did you mean 'page_size'?"]
    >>> setting_problems(schema, "settings", {"page_size": "five"})
    ['settings.page_size: "five" is not of type "integer"']
    """
    # Loaded where it is used: no more than a file or a form is ever checked by it.
    from jsonschema_rs import Draft202012Validator, ValidationErrorKind  # noqa: PLC0415

    if isinstance(settings, dict):
        settings = {name: value for name, value in settings.items() if value is not None}
    elif settings is None:
        return []
    formats = {MOMENT: _is_moment, SECURE_ADDRESS: lambda text: address_fault(text.strip()) is None}
    found = []
    for error in Draft202012Validator(schema, validate_formats=True, formats=formats).iter_errors(settings):
        place = ".".join([where, *map(str, error.instance_path)])
        match error.kind:
            case ValidationErrorKind.AdditionalProperties(unexpected=unexpected):
                inner = schema.get("$defs", {}).values()
                known = {name for each in (inner if error.instance_path else [schema]) for name in each["properties"]}
                found += [f"{place}.{key}: there is no such key{meant(key, known)}" for key in unexpected]
            case ValidationErrorKind.AnyOf(context=branches):
                found.append(f"{place}: {_worded(branches[0][0].message)}")
            case _:
                found.append(f"{place}: {_worded(error.message)}")
    return found


def _worded(message: str) -> str:
    """A message of the validator, with our own formats in words."""
    text, is_address, _ = message.partition(f' is not a "{SECURE_ADDRESS}"')
    if is_address:
        return f"{text} {address_fault(text.strip(chr(34)).strip())}"
    return message.replace(f'is not a "{MOMENT}"', "is no date or time (ISO 8601)")


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def meant(word: str, known: Iterable[str]) -> str:
    """Which of the known words a mistyped one stands for, to follow what is said of it; all of them when none is close.

    >>> meant("selctor", ["connection", "selector"])
    "; did you mean 'selector'?"
    """
    every = sorted(known)
    close = get_close_matches(word, every, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(every)}" if every else ""


def missing_credentials(kind: MarketplaceKind, given: Iterable[str]) -> Sequence[str]:
    """The required credentials that are not among the given ones."""
    there = set(given)
    return [each.name for each in kind.credentials if each.is_required and each.name not in there]

"""The simulated world: marketplaces of every kind, our machine, the ERPs, and the notes that people keep for themselves.

What lives here: what there is, and how it is set up. What does not: what happens in it (`events`), and whether that was right
(`oracle`). Everything follows from the seed: there is one thread, one clock, and no chance but the seed's.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from orders_pipeline.marketplaces.registry import KINDS
from orders_pipeline.sandbox.engine import GenerateRequest, HeldOrder, HeldPackage, Sandbox
from orders_pipeline.sandbox.registry import SANDBOXES
from tests.simulation.clock import WorldClock
from tests.simulation.edges import at_the_edges
from tests.simulation.erp import Erp, Note
from tests.simulation.file_erp import EXTRA_COLUMNS, FileErp
from tests.simulation.machine import Machine
from tests.simulation.wire import Wire
from warehouse.ledger.settings import configuration, tokens
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.settings.kinds import keep_kinds

RECIPIENT = "desk@shop.example"
GENEROUS = 1_000_000.0
"""Quotas are multiplied by it: waiting for them is tried elsewhere."""
ALWAYS = ("amazon", "mirakl")
"""In every world. Two of the others join them, another two at the next seed: a world costs as much as it has kinds."""


@dataclass
class Place:
    """One channel of ours: at which marketplace, for which of its orders, and whether shipments are told there."""

    code: str
    kind: str
    selector: str | None
    confirmation: bool
    retrieval: bool = True
    since: datetime | None = None


@dataclass
class World:
    """All there is."""

    seed: int
    home: Path
    clock: WorldClock
    chance: Random
    sandboxes: dict[str, Sandbox]
    machine: Machine
    wire: Wire
    places: dict[str, Place] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    erps: list[Erp] = field(default_factory=list)
    file_erps: list[FileErp] = field(default_factory=list)
    foreign: dict[tuple[str, str, str], HeldPackage] = field(default_factory=dict)
    """Packages that others made: kind, order, what the marketplace calls it → as it was when it was made."""
    moved: set[tuple[str, str]] = field(default_factory=set)
    """Orders that their marketplace has changed without listing them in time."""
    last: dict[str, datetime] = field(default_factory=dict)
    """When each job began last."""
    is_calm: bool = False
    """Whether no process has bad luck at present."""
    troubles: dict[str, datetime] = field(default_factory=dict)
    """What does not work at present, and since when."""
    jumped_at: datetime | None = None
    """When our clock was wrong last."""
    diary: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        """Write down what happened."""
        self.diary.append(f"{self.clock.true():%a %d %b %H:%M}  {sentence}")

    @property
    def has_tables(self) -> bool:
        """Whether the tables are published in this world: they cost as much as all the rest."""
        return self.seed % 8 == 0

    @property
    def by_file(self) -> frozenset[str]:
        """The channels whose ERP knows files only."""
        return frozenset(each.channel for each in self.file_erps)

    def notes(self) -> Iterator[Note]:
        """What all ERPs have written down about their packages."""
        for erp in (*self.erps, *self.file_erps):
            yield from erp.notes.values()

    def host(self, kind: str) -> str:
        """Where a marketplace answers."""
        return _host(kind)

    def place_of(self, kind: str, order: HeldOrder) -> Place | None:
        """The channel of ours that an order belongs to; None when it is no business of ours."""
        if order.account != self.sandboxes[kind].access().account:
            return None
        own = [each for each in self.places.values() if each.kind == kind]
        chosen = next((each for each in own if each.selector == order.selector), None)
        return chosen or next((each for each in own if each.selector is None), None)

    def held(self) -> Iterator[tuple[str, HeldOrder]]:
        """Every order at every marketplace, with the marketplace's kind."""
        for kind, sandbox in self.sandboxes.items():
            for order in sandbox.held():
                yield kind, order

    def note_foreign(self, kind: str, order_ids: list[str]) -> None:
        """Remember the packages that orders have now as somebody else's, but for our own."""
        ours = {each.tracking for note in self.notes() for each in note.told}
        for order in self.sandboxes[kind].held(order_ids):
            for package in order.packages:
                if package.tracking_number not in ours:
                    self.foreign.setdefault((kind, order.id, package.reference), package)

    def apply_places(self, places: Iterable[Place]) -> None:
        """Tell the installation what these channels are like now."""
        self.configure({"channels": {each.code: channel_entry(each, self.sandboxes[each.kind]) for each in places}})

    def configure(self, document: Mapping[str, Any]) -> None:
        """What an operator does with `orders apply`.

        Raises:
            ConfigurationError: It is refused.
        """
        read = read_document(json.dumps(document))
        keep_kinds(self.machine.ledger(), KINDS, self.clock.ours())
        with self.machine.ledger().write() as transaction:
            configuration.apply(transaction, read, self.clock.ours())


@contextlib.contextmanager
def made(seed: int, home: Path, database: str | None = None) -> Iterator[World]:
    """A world at its beginning: marketplaces with a few orders, an installation that is connected to all of them, two ERPs."""
    clock = WorldClock()
    chance = Random(f"world:{seed}")
    sandboxes = {kind: SANDBOXES[kind](seed=seed, rate_factor=math.inf, clock=clock.true) for kind in kinds_of(seed)}
    machine = Machine(home, clock, Random(f"machine:{seed}"), database)
    hosts = {_host(kind): sandbox for kind, sandbox in sandboxes.items()}
    wire = Wire(hosts, machine.reach, clock.advance)
    world = World(seed, home, clock, chance, sandboxes, machine, wire)
    with at_the_edges(machine, wire, secrets_of(sandboxes.values())):
        try:
            _furnish(world)
            yield world
        finally:
            machine.close()


def kinds_of(seed: int) -> tuple[str, ...]:
    """The kinds of marketplace of a world; as many seeds in a row hold each of those that take turns."""
    turns = [each for each in SANDBOXES if each not in ALWAYS]
    return (*ALWAYS, turns[seed % len(turns)])


def _host(kind: str) -> str:
    return f"{kind.replace('_', '-')}.example"


def _variable(kind: str, name: str) -> str:
    return f"SIMULATED_{kind}_{name}".upper()


def _furnish(world: World) -> None:
    for kind, sandbox in world.sandboxes.items():
        for number, selector in enumerate(sandbox.access().selectors[:3] or (None,), 1):
            code = f"{kind}_{number}"
            # The last channel is set up as most are at first: nobody has said yet that shipments are to be told.
            world.places[code] = Place(code, kind, selector, confirmation=number < 3)
    # The ERP of one channel knows files only; its marketplace has another channel that the other ERP serves.
    code = [each.code for each in world.places.values() if each.confirmation and not each.code.endswith("_1")][-1]
    folder = world.home.parent / "exchange"
    (folder / "inbox").mkdir(parents=True)
    (folder / "outbox").mkdir()
    world.file_erps = [FileErp(world, "files", code, folder)]
    world.configure(_document(world))
    scopes = [tokens.Scope.ORDERS_READ, tokens.Scope.ORDERS_READ_PII, tokens.Scope.SHIPMENTS_WRITE]
    with world.machine.ledger().write() as transaction:
        for consumer in ("erp", "oracle"):
            world.tokens[consumer] = tokens.create(transaction, consumer, scopes, None, None, world.clock.ours())[1]
    world.erps = [Erp(world, "erp", world.tokens["erp"])]
    for number, (kind, sandbox) in enumerate(world.sandboxes.items()):
        made_up = sandbox.generate(GenerateRequest(8, seed=world.seed + number, days=0.5, newest_seconds=0.0))
        world.note_foreign(kind, made_up)
    world.clock.advance(timedelta(minutes=7))


def _document(world: World) -> dict[str, Any]:
    connections = {
        account_of(kind): connection_entry(sandbox, f"https://{world.host(kind)}")
        for kind, sandbox in world.sandboxes.items()
    }
    channels = {each.code: channel_entry(each, world.sandboxes[each.kind]) for each in world.places.values()}
    for erp in world.file_erps:
        channels[erp.channel] |= {
            "export": {"storage": "exchange", "folder": "outbox", "extra_columns": list(EXTRA_COLUMNS)},
            "import": {"storage": "exchange", "folder": "inbox", "always_result": True},
        }
    return {
        "connections": connections,
        "channels": channels,
        "storages": {"exchange": {"kind": "folder", "settings": {"path": str(world.home.parent / "exchange")}}},
        "alerts": {"desk": {"email": RECIPIENT}},
    }


def account_of(kind: str) -> str:
    """The code of the connection to a marketplace."""
    return f"{kind}_account"


def connection_entry(sandbox: Sandbox, address: str) -> dict[str, Any]:
    """What a merchant's file says of the connection to a stand-in."""
    access = sandbox.access()
    return {
        "kind": sandbox.kind,
        "region": access.region,
        "endpoint": address,
        "settings": {"rate_factor": GENEROUS, **access.settings},
        "credentials": {name: f"env:{_variable(sandbox.kind, name)}" for name in access.credentials},
    }


def channel_entry(place: Place, sandbox: Sandbox) -> dict[str, Any]:
    """What it says of a channel there."""
    return {
        "settings": dict(sandbox.access().channel_settings),
        "connection": account_of(place.kind),
        "selector": place.selector,
        "confirmation": place.confirmation,
        "retrieval": place.retrieval,
        "acceptance": "automatic",
    }


def secrets_of(sandboxes: Iterable[Sandbox]) -> dict[str, str]:
    """The variables that the connections' credentials refer to."""
    return {
        _variable(sandbox.kind, name): value
        for sandbox in sandboxes
        for name, value in sandbox.access().credentials.items()
    }

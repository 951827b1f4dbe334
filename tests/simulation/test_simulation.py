"""Worlds that act by themselves, and what the oracle finds in them: nothing.

The worlds of a night are `make simulate`; a world that fails is replayed by `python -m tests.simulation --seed N --shrink 600`.
"""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox.registry import SANDBOXES
from tests.simulation.clock import START
from tests.simulation.machine import Postbox
from tests.simulation.oracle import Oracle
from tests.simulation.running import run
from tests.simulation.shrinking import shrunk
from tests.simulation.story import EVENTS, Step, written
from tests.simulation.world import kinds_of

pytestmark = pytest.mark.slow

WORLDS = range(1, 9)
TICKS = 222
LEAST_TICKS, LEAST_KILLS = 2000 // len(WORLDS), 200 // len(WORLDS)
"""Of each world, those of peace included."""


@pytest.mark.parametrize("seed", WORLDS[::2])
class TestOddWorlds:
    """A scope of its own: the two halves run beside each other."""

    def test_nothing_is_wrong_in_a_world_under_fire(self, seed):
        judge(seed)


@pytest.mark.parametrize("seed", WORLDS[1::2])
class TestEvenWorlds:
    """As above."""

    def test_nothing_is_wrong_in_a_world_under_fire(self, seed):
        judge(seed)


def judge(seed: int) -> None:
    outcome = run(seed, written(seed, TICKS))
    told = "\n".join([*outcome.diary[-20:], *map(str, outcome.findings)])
    assert not outcome.findings, f"seed {seed}: {outcome}\n{told}"
    assert outcome.counts["ticks"] >= LEAST_TICKS
    assert outcome.counts["kills"] >= LEAST_KILLS


def test_nothing_is_wrong_where_postgresql_ends_sessions(postgresql_url):
    """Backups of PostgreSQL are tried elsewhere: nobody moves house here."""
    story = [each for each in written(22, 25) if each.event != "move_house"]
    outcome = run(22, story, database=postgresql_url)
    assert not outcome.findings, f"{outcome}\n" + "\n".join(map(str, outcome.findings))
    assert sum(count for name, count in outcome.counts.items() if name.endswith(" failed")) >= 1


def test_a_story_is_the_same_again():
    story = written(11, 12)
    first, second = run(11, story), run(11, story)
    assert first.digest == second.digest
    assert first.diary == second.diary
    assert first.counts == second.counts
    assert run(12, story[:6]).digest != run(11, story[:6]).digest


def test_every_kind_that_has_a_marketplace_has_a_stand_in_and_a_world():
    assert set(SANDBOXES) == {kind for kind, each in MARKETPLACES.items() if not each.takes_orders}
    assert {kind for seed in WORLDS for kind in kinds_of(seed)} == set(SANDBOXES)


def change_a_foreign_package(world, _chance):
    """What no installation may do: the oracle must see it, whoever did it."""
    for kind, order_id, reference in world.foreign:
        if kind == "amazon":
            packages = world.sandboxes[kind].records[order_id].order["packages"]
            next(each for each in packages if each["packageReferenceId"] == reference)["trackingNumber"] = "EDITED"
            return


def send_again(world, _chance):
    """Our package once more: the same number in a second package of the order."""
    ours = {told.tracking for erp in world.erps for note in erp.notes.values() for told in note.told}
    for record in world.sandboxes["amazon"].records.values():
        for package in record.order.get("packages") or ():
            if package["trackingNumber"] in ours:
                record.order["packages"].append({**package, "packageReferenceId": "again"})
                return


def forget(world, _chance):
    """An order that was listed once, and that nobody has kept."""
    first = next(iter(world.sandboxes["mirakl"].records.values()))
    world.sandboxes["mirakl"].load({**first.order, "order_id": "NEVER-LISTED"}, "forgotten")
    world.sandboxes["mirakl"].records["NEVER-LISTED"].updated -= timedelta(days=60)


QUIET_DAY = [
    Step("tick", 5, 1, is_calm=True),
    Step("erp_reads", 1, 1, is_calm=True),
    *[Step("erp_ships", 1, number, is_calm=True) for number in range(8)],
    Step("tick", 20, 2, is_calm=True),
    Step("peace", 1, 0),
]


def test_the_oracle_finds_nothing_on_a_quiet_day():
    assert not run(3, QUIET_DAY).findings


@pytest.mark.parametrize(
    ("tamper", "rule"),
    [
        (change_a_foreign_package, "foreign package changed"),
        (send_again, "shipment doubled"),
        (forget, "order lost"),
    ],
)
def test_the_oracle_finds_what_is_wrong(monkeypatch, tamper, rule):
    monkeypatch.setitem(EVENTS, "tamper", tamper)
    failed = run(3, [*QUIET_DAY, Step("tamper", 1, 0), Step("peace", 1, 0)])
    assert {each.rule for each in failed.findings} == {rule}


@pytest.mark.parametrize(
    ("minutes", "jumped", "found"),
    [
        ((0, 20, 59), None, 1),
        ((0, 20, 60), None, 0),
        ((0, 20, 59), -61, 1),
        ((0, 20, 59), 10, 0),  # on both sides of a clock that was wrong nobody can know what was sent when
    ],
)
def test_the_oracle_counts_mails_by_the_hours_of_the_world(minutes, jumped, found):
    at = {each: START + timedelta(minutes=each) for each in (*minutes, jumped) if each is not None}
    mails = [(at[each], "desk@shop.example", f"<desk-notices-{each}@shop.example>") for each in minutes]
    again = (at[minutes[1]], "desk@shop.example", mails[0][2])  # the same mail twice is one
    machine = SimpleNamespace(postbox=Postbox(mails=[mails[0], again, *mails[1:]]))
    world = SimpleNamespace(machine=machine, jumped_at=None if jumped is None else at[jumped])
    assert len(list(Oracle(world)._mails())) == found


def test_a_story_that_fails_shrinks_to_what_it_takes(monkeypatch):
    monkeypatch.setitem(EVENTS, "tamper", change_a_foreign_package)
    rule = "foreign package changed"
    story = [*written(3, 4)[:-1], Step("tamper", 1, 0), *written(4, 2)]
    failed = run(3, story)
    shorter, outcome = shrunk(failed, story, seconds=40, tell=lambda _: None)
    assert {each.rule for each in outcome.findings} == {rule}
    assert len(shorter) <= 3
    assert "tamper" in {each.event for each in shorter}
    assert run(3, shorter).findings == outcome.findings

"""Short stories that once ended badly, told again: each fault that a simulated world has found, and nothing else around it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from tests.simulation import machine as jobs
from tests.simulation.running import run
from tests.simulation.story import EVENTS, Step
from tests.simulation.world import Place


@pytest.fixture
def told(monkeypatch):
    """Tell a story of calm steps: names of events, or functions of the world; returns what the oracle found."""

    def tell(*events, seed=3):
        steps = []
        for event in events:
            name = event if isinstance(event, str) else f"story:{event.__name__}"
            if name not in EVENTS:
                monkeypatch.setitem(EVENTS, name, lambda world, _, event=event: event(world))
            steps.append(Step(name, 5, 1, is_calm=True))
        return run(seed, steps).findings

    return tell


def place(world, kind, number, orders=1):
    selector = next(iter(world.sandboxes[kind].access().selectors[number - 1 : number]), None)
    wanted = GenerateRequest(orders, seed=77, days=0, channel=selector, newest_seconds=0.0)
    return world.sandboxes[kind].generate(wanted)


def test_windows_that_were_cut_in_halves_grow_back_to_their_length_and_no_further(told):
    def are_throttled(world):
        for sandbox in world.sandboxes.values():
            sandbox.add_fault(Fault(FaultKind.THROTTLED, operation=sandbox.listing))

    def are_pulled_for_two_days(world):
        for _ in range(40):
            world.clock.advance(timedelta(minutes=70))
            world.machine.run(jobs.pull_orders)

    def bring_orders(world):
        for kind in world.sandboxes:
            place(world, kind, 1)

    assert told("tick", are_throttled, "tick", are_pulled_for_two_days, bring_orders, "calm", "peace") == []


def test_a_channel_for_the_rest_beside_named_ones_brings_no_order_twice(told):
    def add_a_channel_for_the_rest(world):
        world.places["mirakl_rest"] = Place("mirakl_rest", "mirakl", None, confirmation=True)
        world.apply_places([world.places["mirakl_rest"]])
        for number in (1, 3):
            place(world, "mirakl", number)

    def switch_one_off(world):
        world.places["mirakl_1"].retrieval = False
        world.apply_places([world.places["mirakl_1"]])
        place(world, "mirakl", 1)

    assert told("tick", add_a_channel_for_the_rest, "tick", switch_one_off, "tick", "calm", "peace") == []


def test_a_refused_package_stays_an_incident_when_another_one_of_its_order_arrives(told):
    chosen, seen = {}, []

    def bring_some(world):
        place(world, "amazon", 1, orders=15)

    def choose_one_of_several_lines(world):
        (erp,) = world.erps
        while not erp.read(50):
            pass
        chosen["order"] = next(
            each for each in erp.shippable() if len(erp.left(each)) == 2 and each["channel"] == "amazon_1"
        )
        chosen["id"] = chosen["order"]["original_id"]

    def report_what_was_shipped_elsewhere(world):
        (erp,) = world.erps
        first = chosen["order"]["lines"][0]
        units = {first["original_id"]: first["quantity_ordered"]}
        erp.report([erp.pack(chosen["order"], units)])
        world.sandboxes["amazon"].advance(AdvanceRequest("ship", (chosen["id"],), quantities=units))
        world.note_foreign("amazon", [chosen["id"]])
        world.machine.run(jobs.confirm_shipments)

    def ship_the_rest(world):
        (erp,) = world.erps
        second = chosen["order"]["lines"][1]
        erp.report([erp.pack(chosen["order"], {second["original_id"]: second["quantity_ordered"]})])
        world.clock.advance(timedelta(minutes=20))
        world.machine.run(jobs.confirm_shipments)

    def wait_for_two_days(world):
        world.clock.advance(timedelta(days=2))
        answer = world.machine.request("GET", "/v1/incidents?state=open&limit=200", world.tokens["oracle"]).json()
        seen.extend(each["code"] for each in answer["incidents"] if each["order_id"] == chosen["order"]["id"])

    findings = told(
        "tick",
        bring_some,
        "calm",
        choose_one_of_several_lines,
        report_what_was_shipped_elsewhere,
        ship_the_rest,
        wait_for_two_days,
        "calm",
        "peace",
    )
    assert findings == []
    assert seen == ["confirmation_rejected"]


def test_a_clock_that_was_days_ahead_silences_no_order_file(told):
    def exchange_files_three_days_ahead(world):
        world.clock.error = timedelta(days=3)
        world.machine.run(jobs.exchange_files)
        world.clock.error = timedelta()

    def bring_one(world):
        kind, _, number = world.file_erps[0].channel.partition("_")
        place(world, kind, int(number))

    assert told("tick", exchange_files_three_days_ahead, bring_one, "calm", "peace") == []


def test_a_clock_that_was_days_ahead_stops_no_retrieval(told):
    def pull_three_days_ahead(world):
        world.clock.error = timedelta(days=3)
        world.machine.run(jobs.pull_orders)
        world.clock.error = timedelta()

    def bring_orders(world):
        for kind in world.sandboxes:
            place(world, kind, 1)

    assert told("tick", pull_three_days_ahead, bring_orders, "calm", "peace") == []


def test_a_package_that_the_marketplace_took_and_lost_is_an_incident(told):
    seen = []

    def lose_what_comes(world):
        world.wire.forgetful |= {world.host(kind) for kind in world.sandboxes}

    def ship_everything(world):
        (erp,) = world.erps
        while not erp.read(50):
            pass
        erp.report([erp.pack(order, erp.left(order)) for order in erp.shippable()])

    def confirm(world):
        world.machine.run(jobs.confirm_shipments)
        seen.append(len(world.wire.forgetful))

    def wait_for_two_days(world):
        world.clock.advance(timedelta(days=2))

    findings = told("tick", "calm", ship_everything, lose_what_comes, confirm, wait_for_two_days, "calm", "peace")
    assert findings == []
    assert seen == [0]

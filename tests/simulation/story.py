"""Stories: a list of steps that a seed makes up, and that a person can read, cut down and run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.simulation import events
from tests.simulation.events import Event

WEIGHTS: dict[Event, float] = {
    events.tick: 45,
    events.place_orders: 8,
    events.move_on: 8,
    events.ship_elsewhere: 4,
    events.cancel_units: 4,
    events.request_cancellation: 2,
    events.refund: 1,
    events.erp_reads: 12,
    events.erp_ships: 10,
    events.erp_ships_again: 2,
    events.erp_ships_too_much: 1,
    events.erp_crashes: 2,
    events.erp_decides: 1,
    events.erp_acknowledges: 1.5,
    events.erp_cancels: 0.7,
    events.file_erp_reads: 2,
    events.file_erp_ships: 4,
    events.toggle: 0.7,
    events.pull_since: 0.4,
    events.apply_again: 0.3,
    events.connect_the_rest: 0.1,
    events.move_house: 0.2,
    events.restart_api: 0.5,
    events.marketplace_fails: 3,
    events.listing_is_late: 0.7,
    events.package_is_lost: 0.4,
    events.network_fails: 1,
    events.mail_fails: 0.5,
    events.disk_fills: 0.2,
    events.disk_breaks: 0.4,
    events.share_fails: 1,
    events.lake_goes: 0.4,
    events.clock_jumps: 0.4,
}
"""How often each event happens, compared with the others."""

EVENTS: dict[str, Event] = {each.__name__: each for each in (*WEIGHTS, events.calm, events.peace)}
TICKS_BETWEEN_PEACE = 90
QUIET_HOURS = (5, 9, 14, 30, 62)


@dataclass(frozen=True)
class Step:
    """One event, `minutes` after the one before it, with a chance of its own; no process has bad luck in a calm one."""

    event: str
    minutes: float
    seed: int
    is_calm: bool = False

    def __str__(self) -> str:
        return f"Step({self.event!r}, {self.minutes:g}, {self.seed}{', is_calm=True' if self.is_calm else ''})"


def written(seed: int, ticks: int) -> Sequence[Step]:
    """Make up a story with so many ticks, peace now and then and at its end. The quiet hours are jumped over."""
    chance = Random(f"story:{seed}")
    names = [each.__name__ for each in WEIGHTS]
    weights = list(WEIGHTS.values())
    steps: list[Step] = []
    done = since_peace = 0
    while done < ticks:
        (name,) = chance.choices(names, weights)
        minutes = 5.0 if name == "tick" else chance.choice((0.1, 0.5, 1.0))
        if name == "tick":
            done, since_peace = done + 1, since_peace + 1
            if chance.random() < 0.06:
                minutes = 60.0 * chance.choice(QUIET_HOURS)
        steps.append(Step(name, minutes, chance.getrandbits(32)))
        if since_peace >= TICKS_BETWEEN_PEACE or done == ticks:
            steps += [Step("calm", 1.0, 0), Step("peace", 1.0, 0)]
            since_peace = 0
    return steps

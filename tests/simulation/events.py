"""What can happen in the world: each event is a function of the world and the chance of its step.

An event acts on what it finds: where there is nothing for it to do, nothing happens, so that a story stays a story when steps
are left out of it. Which events make a story is in `story`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from random import Random

from orders_pipeline.installation import Installation
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest, HeldOrder
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.stages import pull
from tests.simulation import machine as jobs
from tests.simulation.processes import FAILURES, Fate
from tests.simulation.world import Place, World
from warehouse.ledger.settings.document import ConfigurationError

Event = Callable[[World, Random], None]

CONFIRM_EVERY = timedelta(minutes=15)
FILES_EVERY = timedelta(minutes=10)
PUBLISH_EVERY = timedelta(days=3)
DAY = timedelta(days=1)

# -- the pipeline


def tick(world: World, chance: Random) -> None:
    """Whatever of the pipeline is due, each job with a fate of its own."""
    world.machine.counts["ticks"] += 1
    for job, every in (
        (jobs.pull_orders, timedelta()),
        (jobs.confirm_shipments, CONFIRM_EVERY),
        (jobs.exchange_files, FILES_EVERY),
        (jobs.follow_up, timedelta()),
        (jobs.sweep_orders, DAY),
        *([(jobs.publish_tables, PUBLISH_EVERY)] if world.has_tables else []),
        (jobs.purge_personal_data, DAY),
    ):
        last = world.last.get(job.__name__)
        if last is not None and world.clock.true() - last < every:
            continue
        question = jobs.QUESTIONS.get(job)
        if question is not None and not world.machine.ask(question):
            continue
        world.last[job.__name__] = world.clock.true()
        run(world, chance, job)


def run(world: World, chance: Random, job: Callable[..., object]) -> None:
    """One job, which may be killed, refused by its database, or met by others in its middle."""
    fate = _fate(world, chance, job)
    outcome = world.machine.run(job, fate)
    if outcome != "done":
        world.say(f"{job.__name__} is {outcome}")


def _fate(world: World, chance: Random, job: Callable[..., object]) -> Fate:
    luck = chance.random() + world.is_calm
    reach = world.machine.reaches.get(job.__name__, 20)
    if luck < 0.10:
        return Fate(dies_at=chance.randint(1, reach))
    if luck < 0.13:
        return Fate(fails_at=chance.randint(1, 4 * reach), failure=chance.choice(FAILURES))
    if luck < 0.23:
        return Fate(meets_at=chance.randint(1, reach), meeting=_meeting(world, chance, job))
    return Fate()


def _meeting(world: World, chance: Random, job: Callable[..., object]) -> Callable[[], None]:
    event = chance.choice(
        (place_orders, move_on, ship_elsewhere, cancel_units, erp_ships, erp_ships_again, another_run)
    )
    seed = chance.getrandbits(32)

    def meet() -> None:
        world.say(f"in the middle of {job.__name__}:")
        if event is another_run:
            another_run(world, job)
        else:
            event(world, Random(seed))

    return meet


def another_run(world: World, job: Callable[..., object]) -> None:
    """The process stands still for a while, and another one does the same job meanwhile."""
    world.say(f"  {job.__name__} stands still for 11 minutes while another one runs")
    world.clock.advance(timedelta(minutes=11))
    world.machine.run(job)


# -- buyers and marketplaces


def place_orders(world: World, chance: Random) -> None:
    """New orders, at any marketplace."""
    kind = chance.choice(sorted(world.sandboxes))
    sandbox = world.sandboxes[kind]
    selector = chance.choice(sandbox.access().selectors[:4] or (None,))
    request = GenerateRequest(
        chance.randint(1, 4), seed=chance.getrandbits(24), days=0, channel=selector, newest_seconds=0.0
    )
    made = sandbox.generate(request)
    world.note_foreign(kind, made)
    world.say(f"{len(made)} orders are placed at {kind} ({selector}): {', '.join(made)}")


def move_on(world: World, chance: Random) -> None:
    """Orders are accepted, paid, delivered, or just touched by their marketplace."""
    kind = chance.choice(sorted(world.sandboxes))
    sandbox = world.sandboxes[kind]
    wanted = [each for each in ("submit", "pay", "pay", "touch", "deliver", "receive") if each in sandbox.actions]
    action = chance.choice(wanted)
    ids = sandbox.order_ids()
    some = tuple(chance.sample(ids, min(len(ids), 12)))
    done = sandbox.advance(AdvanceRequest(action, some, count=4))
    if done.advanced:
        world.say(f"{kind}: {action} {', '.join(done.advanced)}")


def ship_elsewhere(world: World, chance: Random) -> None:
    """The seller ships a part of an order with another tool."""
    found = _open_order(world, chance)
    if found is None:
        return
    kind, order = found
    left = _left(order)
    line = chance.choice(sorted(left))
    units = {line: chance.randint(1, left[line])} if chance.random() < 0.8 else left
    done = world.sandboxes[kind].advance(AdvanceRequest("ship", (order.id,), quantities=units))
    if done.advanced:
        world.note_foreign(kind, [order.id])
        world.say(f"{kind}: the seller ships {_told(units)} of {order.id} with another tool")


def cancel_units(world: World, chance: Random) -> None:
    """Units, a line or a whole order are cancelled at the marketplace."""
    found = _open_order(world, chance)
    if found is None:
        return
    kind, order = found
    left = _left(order)
    line = chance.choice(sorted(left))
    units = {line: chance.randint(1, left[line])} if chance.random() < 0.6 else left
    done = world.sandboxes[kind].advance(AdvanceRequest("cancel", (order.id,), quantities=units, by="BUYER"))
    if done.advanced:
        world.say(f"{kind}: {_told(units)} of {order.id} are cancelled")


def request_cancellation(world: World, chance: Random) -> None:
    """A buyer asks to cancel."""
    found = _open_order(world, chance)
    if found is not None and "request_cancellation" in world.sandboxes[found[0]].actions:
        kind, order = found
        if world.sandboxes[kind].advance(AdvanceRequest("request_cancellation", (order.id,))).advanced:
            world.say(f"{kind}: the buyer asks to cancel {order.id}")


def refund(world: World, chance: Random) -> None:
    """Money goes back for an order that was shipped."""
    kind = chance.choice(sorted(world.sandboxes))
    sandbox = world.sandboxes[kind]
    if "refund" in sandbox.actions:
        ids = sandbox.order_ids()
        done = sandbox.advance(AdvanceRequest("refund", tuple(chance.sample(ids, min(8, len(ids)))), count=1))
        if done.advanced:
            world.say(f"{kind}: {done.advanced[0]} is refunded")


def _open_order(world: World, chance: Random) -> tuple[str, HeldOrder] | None:
    kind = chance.choice(sorted(world.sandboxes))
    ids = world.sandboxes[kind].order_ids()
    recent = ids[-40:]
    found = [
        each
        for each in world.sandboxes[kind].held(recent)
        if each.is_open_to_us and _left(each) and world.place_of(kind, each)
    ]
    return (kind, chance.choice(found)) if found else None


def _left(order: HeldOrder) -> dict[str, int]:
    left = {each.id: each.ordered - each.shipped - each.cancelled for each in order.lines}
    return {line: units for line, units in left.items() if units > 0}


def _told(units: Mapping[str, int]) -> str:
    return " and ".join(f"{count} × {line}" for line, count in units.items())


# -- ERPs


def erp_reads(world: World, chance: Random) -> None:
    """An ERP follows the feed."""
    erp = chance.choice(world.erps)
    erp.deliver()
    erp.read(chance.randint(1, 6), _api_fate(world, chance))


def erp_ships(world: World, chance: Random) -> None:
    """An ERP packs some of what it has seen: whole orders, parts of them, several packages."""
    erp = chance.choice(world.erps)
    waiting = erp.shippable()
    bodies = []
    for order in chance.sample(waiting, min(len(waiting), chance.randint(1, 4))):
        left = erp.left(order)
        if sum(left.values()) > 1 and chance.random() < 0.5:
            line = chance.choice(sorted(left))
            part = {line: chance.randint(1, left[line])}
            bodies.append(erp.pack(order, part))
            rest = {each: count - part.get(each, 0) for each, count in left.items() if count > part.get(each, 0)}
            if rest and chance.random() < 0.4:
                bodies.append(erp.pack(order, rest))
        else:
            bodies.append(erp.pack(order, left))
    if bodies:
        world.say(f"{erp.name} ships " + "; ".join(_packed(erp, body) for body in bodies))
        erp.report(bodies, _api_fate(world, chance))


def erp_ships_again(world: World, chance: Random) -> None:
    """An ERP repeats an old report word for word, or tells a package's number anew."""
    erp = chance.choice(world.erps)
    if not erp.notes:
        return
    note = erp.notes[chance.choice(sorted(erp.notes))]
    order = erp.seen.get(note.order_id)
    if order is None:
        return
    body = erp.pack(order, note.told[-1].units, note.package_id)
    if chance.random() < 0.7:
        body["tracking_number"] = note.told[-1].tracking
    world.say(f"{erp.name} reports again: {_packed(erp, body)}")
    erp.report([body], _api_fate(world, chance))


def erp_ships_too_much(world: World, chance: Random) -> None:
    """An ERP ships more than there is."""
    erp = chance.choice(world.erps)
    orders = [each for each in erp.seen.values() if each["lines"]]
    if not orders:
        return
    order = chance.choice(orders)
    line = order["lines"][0]
    units = {line["original_id"]: line["quantity_ordered"] + 1}
    world.say(f"{erp.name} ships too much: {_told(units)} of {order['original_id']}")
    erp.report([erp.pack(order, units)])


def erp_crashes(world: World, chance: Random) -> None:
    """An ERP comes back with a backup of its database, or makes one."""
    erp = chance.choice(world.erps)
    if chance.random() < 0.5:
        erp.remember()
    else:
        world.say(f"{erp.name} comes back with an old backup")
        erp.crash()


def erp_acknowledges(world: World, chance: Random) -> None:
    """An ERP says which orders it has taken over."""
    chance.choice(world.erps).acknowledge(chance, _api_fate(world, chance))


def erp_cancels(world: World, chance: Random) -> None:
    """A seller has no more of something."""
    erp = chance.choice(world.erps)
    waiting = erp.shippable()
    if not waiting:
        return
    order = chance.choice(waiting)
    left = erp.left(order)
    line = chance.choice(sorted(left))
    units = {line: chance.randint(1, left[line])}
    if erp.cancel(order, units):
        world.say(f"{erp.name} cancels {_told(units)} of {order['original_id']}")


def file_erp_reads(world: World, chance: Random) -> None:
    """An ERP that knows files only takes in what is there."""
    for erp in world.file_erps:
        erp.read()


def file_erp_ships(world: World, chance: Random) -> None:
    """An ERP that knows files only ships some of it, or repeats itself."""
    for erp in world.file_erps:
        erp.read()
        if chance.random() < 0.15:
            erp.ship_again(chance)
            continue
        packed = erp.ship(chance)
        if packed:
            world.say(f"{erp.name} writes a file: {'; '.join(packed)}")


def erp_decides(world: World, chance: Random) -> None:
    """An ERP answers a request to cancel."""
    chance.choice(world.erps).decide(chance)


def _packed(erp: object, body: Mapping[str, object]) -> str:
    items = {each["item_original_id"]: each["item_quantity_shipped"] for each in body["items"]}  # type: ignore[attr-defined]
    order = erp.seen[body["id"]]  # type: ignore[attr-defined]
    return f"{_told(items)} of {order['original_id']} as {body['package_id']} ({body['tracking_number']})"


def _api_fate(world: World, chance: Random) -> Fate:
    luck = chance.random() + world.is_calm
    if luck < 0.1:
        return Fate(dies_at=chance.randint(1, 8))
    if luck < 0.16:
        return Fate(fails_at=chance.randint(1, 20), failure=chance.choice(FAILURES))
    return Fate()


# -- operators


def toggle(world: World, chance: Random) -> None:
    """An operator switches a channel's confirmation or retrieval."""
    place = world.places[chance.choice(sorted(world.places))]
    if chance.random() < 0.7:
        place.confirmation = not place.confirmation
    else:
        place.retrieval = not place.retrieval
    world.say(f"{place.code}: confirmation {place.confirmation}, retrieval {place.retrieval}")
    world.apply_places([place])


def pull_since(world: World, chance: Random) -> None:
    """An operator back-fills a few days."""
    kind = chance.choice(sorted(world.sandboxes))
    since = world.clock.ours() - timedelta(days=chance.randint(1, 12))
    world.say(f"an operator pulls {kind} since {since:%d %b}")

    def read_again(installation: Installation) -> None:
        pull.pull_since(installation, f"{kind}_account", since)

    world.machine.run(read_again, _fate(world, chance, read_again))


def apply_again(world: World, _chance: Random) -> None:
    """An operator applies what is so already."""
    world.apply_places(world.places.values())


def connect_the_rest(world: World, chance: Random) -> None:
    """An operator adds a channel for whatever of an account no channel has named, without saying which orders those are."""
    kind = chance.choice(sorted(world.sandboxes))
    place = Place(f"{kind}_rest", kind, None, confirmation=True)
    try:
        world.apply_places([place])
    except ConfigurationError as refused:
        world.say(f"a channel for the rest of {kind} is refused: {refused}")
        return
    world.places[place.code] = place
    world.say(f"{place.code} is for the rest of {kind}")


def move_house(world: World, _chance: Random) -> None:
    """An operator moves the installation to another machine, by backup and restore."""
    if not world.machine.running:
        world.machine.move(world.home.parent / "backup")
        _over(world, ["lake"])
        world.say("the installation is restored on another machine")


def restart_api(world: World, _chance: Random) -> None:
    """The API is restarted."""
    world.machine.stop_api()


# -- trouble

PASSING = (
    FaultKind.THROTTLED,
    FaultKind.ERROR_JSON,
    FaultKind.ERROR_HTML,
    FaultKind.ERROR_EMPTY,
    FaultKind.OK_HTML,
    FaultKind.OK_EMPTY,
    FaultKind.DROPPED,
    FaultKind.DROPPED,
    FaultKind.DROPPED_BEFORE,
    FaultKind.TRUNCATED,
    FaultKind.EXPIRE_TOKEN,
    FaultKind.SLOW,
)


BREAKS = (errno.EIO, errno.ECONNRESET, errno.ENOSPC, errno.EACCES)


def marketplace_fails(world: World, chance: Random) -> None:
    """A marketplace answers some calls wrongly, or not at all."""
    kind = chance.choice(sorted(world.sandboxes))
    sandbox = world.sandboxes[kind]
    fault = Fault(
        chance.choice(PASSING),
        operation=chance.choice(("*", *[each.name for each in sandbox.operations])),
        count=chance.randint(1, 4),
        seconds=chance.choice((1.0, 20.0, 70.0)),
    )
    sandbox.add_fault(fault)
    world.say(f"{kind} will answer {fault.count} × {fault.operation} with {fault.kind}")


def package_is_lost(world: World, chance: Random) -> None:
    """A marketplace says that it has taken the next package, and loses it."""
    kind = chance.choice(sorted(world.sandboxes))
    world.wire.forgetful.add(world.host(kind))
    world.say(f"{kind} will lose a package that it has taken")


def listing_is_late(world: World, chance: Random) -> None:
    """A marketplace changes an order and lists it hours later, with its old time."""
    found = _open_order(world, chance)
    if found is None:
        return
    kind, order = found
    hours = chance.randint(1, 8)
    world.moved.add((kind, order.id))
    world.sandboxes[kind].hide([order.id], world.clock.true() + timedelta(hours=hours))
    world.say(f"{kind} hides {order.id} for {hours} hours")


def network_fails(world: World, chance: Random) -> None:
    """A marketplace cannot be reached, or all can again."""
    if world.wire.cut:
        world.wire.cut.clear()
        world.troubles = {name: since for name, since in world.troubles.items() if name not in world.sandboxes}
        return
    kind = chance.choice(sorted(world.sandboxes))
    world.wire.cut.add(world.host(kind))
    world.troubles[kind] = world.clock.true()
    world.say(f"{kind} cannot be reached")


def mail_fails(world: World, _chance: Random) -> None:
    """The mail server goes, or comes back."""
    world.machine.postbox.is_down = not world.machine.postbox.is_down


def disk_fills(world: World, _chance: Random) -> None:
    """The disk is nearly full, or has room again."""
    world.machine.is_disk_low = not world.machine.is_disk_low
    world.troubles.pop("disk", None)
    if world.machine.is_disk_low:
        world.troubles["disk"] = world.clock.true()
        world.say("the disk is nearly full")


def share_fails(world: World, chance: Random) -> None:
    """The share refuses everybody, or is full, or breaks off in the middle of a file; or it works again."""
    share = world.machine.share
    if share.refusal is not None:
        share.mend()
        _over(world, world.by_file)
    elif chance.random() < 0.6:
        share.breaks_after, share.breaks_with = chance.randint(1, 25), chance.choice(BREAKS)
    else:
        share.refusal = chance.choice((errno.EACCES, errno.ENOSPC, errno.ESTALE))
        world.say(f"the share says: {os.strerror(share.refusal)}")
        if share.refusal != errno.ENOSPC:
            world.troubles |= dict.fromkeys(world.by_file, world.clock.true())


def disk_breaks(world: World, chance: Random) -> None:
    """A file of ours cannot be kept, once."""
    world.machine.disk.breaks_after, world.machine.disk.breaks_with = chance.randint(1, 12), chance.choice(BREAKS)


def lake_goes(world: World, _chance: Random) -> None:
    """The storage of the tables is gone, or comes back; either way they are to be published."""
    if not world.has_tables:
        return
    world.last.pop(jobs.publish_tables.__name__, None)
    if world.machine.lake_is_away:
        world.machine.bring_lake_back()
        _over(world, ["lake"])
        return
    world.machine.take_lake_away()
    if world.machine.lake_is_away:
        world.troubles["lake"] = world.clock.true()
        world.say("the storage of the tables is gone")


def _over(world: World, names: Iterable[str]) -> None:
    for name in names:
        world.troubles.pop(name, None)


def clock_jumps(world: World, chance: Random) -> None:
    """Our machine's clock is wrong for one tick."""
    error = timedelta(hours=chance.choice((-30, -2, -1, 1, 3, 26, 72, 80)))
    world.say(f"our clock is wrong by {error} for one tick")
    world.clock.error = error
    world.jumped_at = world.clock.true()
    tick(world, chance)
    world.clock.error = timedelta()
    world.last = {name: min(at, world.clock.true()) for name, at in world.last.items()}


# -- peace

CALM_ROUNDS, PEACEFUL_ROUNDS = 3, 7
HALF_AN_HOUR = timedelta(minutes=30)


def calm(world: World, _chance: Random) -> None:
    """Everything works for an hour and a half, and nobody sweeps: what is listed arrives."""
    mend(world)
    for _ in range(CALM_ROUNDS):
        world.clock.advance(HALF_AN_HOUR)
        world.machine.counts["ticks"] += 1
        world.machine.run(jobs.pull_orders)


def peace(world: World, _chance: Random) -> None:
    """Everything works for some hours: what was late catches up, and what is wrong stays wrong."""
    mend(world)
    for number in range(PEACEFUL_ROUNDS):
        world.clock.advance(HALF_AN_HOUR)
        for erp in world.erps:
            erp.deliver()
        world.machine.counts["ticks"] += 1
        if number in {1, 5}:
            world.machine.run(jobs.sweep_orders)
        for job in (jobs.pull_orders, jobs.confirm_shipments, jobs.exchange_files):
            world.machine.run(job)
        if world.machine.ask(jobs.is_follow_up_due):
            world.machine.run(jobs.follow_up)
    if world.has_tables:
        world.machine.run(jobs.publish_tables)
    for erp in world.erps:
        while not erp.read(50):
            pass
    for file_erp in world.file_erps:
        file_erp.read()


def mend(world: World) -> None:
    """Whatever did not work works again."""
    world.wire.cut.clear()
    world.wire.forgetful.clear()
    for sandbox in world.sandboxes.values():
        sandbox.clear_faults()
    world.machine.postbox.is_down = False
    world.machine.is_disk_low = False
    world.machine.disk.mend()
    world.machine.share.mend()
    world.machine.bring_lake_back()
    world.troubles.clear()
    world.clock.error = timedelta()

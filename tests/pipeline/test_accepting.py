"""Accepting and refusing Mirakl orders: by hand, by policy, and what becomes of answers that get lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.stages import accept, confirm, normalise
from orders_pipeline.stages import pull as pulling
from warehouse.ledger.base import quotas, schema
from warehouse.ledger.settings.carriers import requirements_of, save_requirements
from warehouse.ledger.shipping import acceptances


class Desk:
    """An installation whose Mirakl orders wait for decisions."""

    def __init__(self, installation, marketplaces, clock) -> None:
        self.installation = installation
        self.mirakl = marketplaces.mirakl
        self.clock = clock

    def policy(self, word: str) -> None:
        with self.installation.ledger.write() as connection:
            connection.execute(sa.update(schema.channels).values(acceptance=word))

    def pull(self) -> None:
        pulling.pull_all(self.installation)
        normalise.normalise_pending(self.installation)

    def waiting(self) -> list[str]:
        query = sa.select(schema.orders.c.id).where(schema.orders.c.marketplace_status == "WAITING_ACCEPTANCE")
        with self.installation.ledger.read() as connection:
            return sorted(connection.execute(query).scalars())

    def decide(self, order_id: str, *, is_accepted: bool):
        with self.installation.ledger.write() as connection:
            decisions = acceptances.for_every_line(connection, order_id, is_accepted=is_accepted)
            return acceptances.decide(connection, order_id, decisions, "erp", self.clock())

    def decision(self, order_id: str) -> tuple[str, str | None]:
        table = schema.acceptances
        query = sa.select(table.c.status, table.c.code).where(table.c.order_id == order_id)
        with self.installation.ledger.read() as connection:
            return tuple(connection.execute(query).one())

    def state(self, order_id: str) -> str:
        """The order's state at the marketplace."""
        return self.record(order_id).state

    def record(self, order_id: str):
        query = sa.select(schema.orders.c.original_id).where(schema.orders.c.id == order_id)
        with self.installation.ledger.read() as connection:
            return self.mirakl.records[connection.execute(query).scalar_one()]

    def accepted(self) -> int:
        return sum(entry.operation == "OR21" and bool(entry.effect) for entry in self.mirakl.journal)


@pytest.fixture
def desk(filled, trading, clock):
    made = Desk(filled, trading, clock)
    made.policy("manual")
    confirm.confirm_all(filled)  # learns what is needed
    assert len(made.waiting()) > 2
    return made


def test_by_hand_every_line_together(desk):
    yes, no, later = desk.waiting()[:3]
    desk.decide(yes, is_accepted=True)
    desk.decide(no, is_accepted=False)
    results = accept.accept_all(desk.installation)
    assert [each.error for each in results] == [None, None]
    assert (desk.decision(yes), desk.decision(no)) == (("done", None), ("done", None))
    assert (desk.state(yes), desk.state(no), desk.state(later)) == (
        "WAITING_DEBIT_PAYMENT",
        "REFUSED",
        "WAITING_ACCEPTANCE",
    )
    normalise.normalise_pending(desk.installation)
    assert {yes, no}.isdisjoint(desk.waiting())  # read again at once, without waiting for the next pull


def test_the_policy_accepts_by_itself(desk):
    waiting = desk.waiting()
    desk.policy("automatic")
    accept.accept_all(desk.installation)
    normalise.normalise_pending(desk.installation)
    assert desk.waiting() == []
    assert desk.accepted() == len(waiting)
    accept.accept_all(desk.installation)
    assert desk.accepted() == len(waiting)


def test_a_manual_policy_decides_nothing(desk):
    before = desk.waiting()
    accept.accept_all(desk.installation)
    assert (desk.waiting(), desk.accepted()) == (before, 0)


def test_off_refuses_decisions(desk):
    desk.policy("off")
    with pytest.raises(acceptances.NotAcceptable) as refused:
        desk.decide(desk.waiting()[0], is_accepted=True)
    assert refused.value.code == "acceptance_off"


def test_the_same_decision_again_changes_nothing_and_another_one_is_refused(desk):
    own_id = desk.waiting()[0]
    first = desk.decide(own_id, is_accepted=True)
    assert desk.decide(own_id, is_accepted=True) == first
    with pytest.raises(acceptances.NotAcceptable) as refused:
        desk.decide(own_id, is_accepted=False)
    assert refused.value.code == "already_decided"


def test_every_line_must_be_decided(desk):
    own_id = desk.waiting()[0]
    with desk.installation.ledger.write() as connection:
        decisions = acceptances.for_every_line(connection, own_id, is_accepted=True)
        with pytest.raises(acceptances.NotAcceptable) as unknown:
            acceptances.decide(connection, own_id, {**decisions, "nobody": True}, "erp", desk.clock())
        with pytest.raises(acceptances.NotAcceptable) as missing:
            acceptances.decide(connection, own_id, {}, "erp", desk.clock())
    assert (unknown.value.code, missing.value.code) == ("unknown_line", "line_undecided")


def test_a_marketplace_without_refusals_takes_none(desk):
    own_id = desk.waiting()[0]
    with desk.installation.ledger.write() as connection:
        (channel,) = connection.execute(
            sa.select(schema.orders.c.channel).where(schema.orders.c.id == own_id)
        ).scalars()
        needs = requirements_of(connection, [channel])[channel]
        save_requirements(connection, channel, replace(needs, can_refuse=False), desk.clock())
    with pytest.raises(acceptances.NotAcceptable) as refused:
        desk.decide(own_id, is_accepted=False)
    assert refused.value.code == "refusal_not_offered"
    assert desk.decide(own_id, is_accepted=True).decisions


def test_orders_of_amazon_are_not_accepted(desk):
    query = sa.select(schema.orders.c.id).where(schema.orders.c.channel == "amazon_fr").limit(1)
    with desk.installation.ledger.read() as connection:
        own_id = connection.execute(query).scalar_one()
    with pytest.raises(acceptances.NotAcceptable) as refused:
        desk.decide(own_id, is_accepted=True)
    assert refused.value.code == "acceptance_not_offered"


@pytest.mark.parametrize(
    "kind", [FaultKind.DROPPED, FaultKind.DROPPED_BEFORE, FaultKind.ERROR_HTML, FaultKind.THROTTLED]
)
def test_a_lost_answer_is_settled_by_reading_the_order(desk, kind):
    own_id = desk.waiting()[0]
    desk.decide(own_id, is_accepted=True)
    desk.mirakl.add_fault(Fault(kind, operation="OR21"))
    for _ in range(3):
        accept.accept_all(desk.installation)
        desk.clock.advance(minutes=5)
    assert (desk.decision(own_id), desk.accepted()) == (("done", None), 1)


def test_decided_at_the_marketplace_meanwhile(desk):
    own_id = desk.waiting()[0]
    desk.decide(own_id, is_accepted=True)
    record = desk.record(own_id)
    desk.mirakl._decide(record, {line["order_line_id"]: True for line in record.lines})
    accept.accept_all(desk.installation)
    assert desk.decision(own_id) == ("done", None)


def test_a_refused_credential_keeps_the_decision_and_tells_it_once(desk):
    own_id = desk.waiting()[0]
    desk.decide(own_id, is_accepted=True)
    desk.mirakl.add_fault(Fault(FaultKind.REVOKE_TOKEN, count=None))
    accept.accept_all(desk.installation)
    assert desk.decision(own_id)[0] == "queued"
    desk.mirakl.clear_faults()
    desk.clock.advance(minutes=5)
    accept.accept_all(desk.installation)
    assert desk.decision(own_id) == ("done", None)


@pytest.mark.parametrize(
    "fault",
    [Fault(FaultKind.REVOKE_TOKEN, count=None), Fault(FaultKind.ERROR_EMPTY, status=302, count=None)],
    ids=["unauthorised", "redirected"],
)
def test_an_outage_of_any_length_uses_up_no_decision(desk, fault):
    own_id = desk.waiting()[0]
    desk.decide(own_id, is_accepted=True)
    desk.mirakl.add_fault(fault)
    for _ in range(acceptances.MOST_ATTEMPTS + 3):
        accept.accept_all(desk.installation)
        assert desk.decision(own_id)[0] == "queued"
        desk.clock.advance(hours=1)
    desk.mirakl.clear_faults()
    accept.accept_all(desk.installation)
    assert desk.decision(own_id)[0] == "done"


def test_a_time_that_a_clock_ahead_has_set_is_not_waited_for(desk):
    own_id = desk.waiting()[0]
    desk.decide(own_id, is_accepted=True)
    ahead = desk.clock() + timedelta(days=3)
    with desk.installation.ledger.write() as transaction:
        transaction.execute(sa.update(schema.acceptances).values(due_at=ahead))
    with desk.installation.ledger.read() as transaction:
        assert acceptances.is_any_due(transaction, desk.clock())
    accept.accept_all(desk.installation)
    assert desk.decision(own_id) == ("done", None)


def test_a_sender_that_stood_still_and_was_overtaken_does_not_send(desk):
    own_id = desk.waiting()[0]
    desk.decide(own_id, is_accepted=True)
    owner = use_up_quota(desk, "OR21")

    def stand_still(_seconds: float) -> None:
        desk.clock.advance(minutes=6)
        accept.accept_all(replace(desk.installation, sleep=lambda _: desk.clock.advance(minutes=1)), [owner])

    accept.accept_all(replace(desk.installation, sleep=stand_still), [owner])
    assert (desk.decision(own_id), desk.accepted()) == (("done", None), 1)
    assert sum(entry.operation == "OR21" for entry in desk.mirakl.journal) == 1


def use_up_quota(desk: Desk, operation: str) -> str:
    """The connection that decides, of which all calls of an operation are used up."""
    with desk.installation.ledger.write() as transaction:
        transaction.execute(sa.update(schema.connections).values(settings={}))
        while quotas.take(transaction, "mirakl_shop", operation, 2.0, 20, desk.clock()) == 0.0:
            pass
    return "mirakl_shop"

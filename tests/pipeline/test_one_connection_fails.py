"""Every stage over three connections of which the first fails in each way: its result and its incident, and no other's."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import replace

import pytest
import sqlalchemy as sa

from orders_pipeline.marketplaces import mirakl
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.mirakl import state as sandbox
from orders_pipeline.stages import accept, cancel, confirm, normalise, pull, sweep
from tests.pipeline.confirming_shop import ERP, whole
from tests.pipeline.conftest import GENEROUS, SETTLED_SECONDS
from warehouse.ledger.base import schema
from warehouse.ledger.book import cancellations
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings import channels
from warehouse.ledger.shipping import acceptances, shipments

SHOPS = ("shop_a", "shop_b", "shop_c")
STAGES = {
    "pull": pull.pull_all,
    "sweep": sweep.sweep_all,
    "confirm": confirm.confirm_all,
    "accept": accept.accept_all,
    "cancel": cancel.carry_out,
}


class Defective:
    """A client whose every word is a defect."""

    def __getattr__(self, name):
        raise RuntimeError(name)

    def close(self):
        """Nothing is open."""


def never_opened(*_):
    raise RuntimeError("connect")


class World:
    """Three shops of one kind, each with an order to be accepted, one to be confirmed and one to be cancelled."""

    def __init__(self, installation, sandboxes, urls, clock) -> None:
        self.installation, self.sandboxes, self.clock = installation, sandboxes, clock
        self.connections = {
            code: channels.Connection(
                code=code,
                kind="mirakl",
                label=code,
                endpoint=url,
                settings={"rate_factor": GENEROUS},
                credentials={"api_key": "env:TEST_MIRAKL_API_KEY"},
            )
            for code, url in zip(SHOPS, urls, strict=True)
        }
        for code in SHOPS:
            self.set(code)
            with installation.ledger.write() as transaction:
                channel = channels.ConfiguredChannel(
                    code=code, label=code, marketplace=code, connection=code, confirmation=True, acceptance="manual"
                )
                channels.save_channel(transaction, channel, clock())
        pull.pull_all(installation)
        normalise.normalise_pending(installation)
        confirm.confirm_all(installation)  # learns what shipments need
        self.work = {code: self.given_work(code) for code in SHOPS}
        clock.advance(minutes=20)

    def set(self, code, **changes) -> None:
        with self.installation.ledger.write() as transaction:
            channels.save_connection(transaction, replace(self.connections[code], **changes), self.clock())

    def orders(self, code, status) -> list[str]:
        book = schema.orders.c
        query = sa.select(book.id, book.facts).where(book.channel == code, book.marketplace_status == status)
        with self.installation.ledger.read() as transaction:
            found = transaction.execute(query.order_by(book.id)).all()
        return [own_id for own_id, facts in found if '"executed_by":"' not in facts]

    def given_work(self, code) -> tuple[str, str, str]:
        (accepted, *_), (shipped, cancelled, *_) = (
            self.orders(code, "WAITING_ACCEPTANCE"),
            self.orders(code, "SHIPPING"),
        )
        with self.installation.ledger.write() as transaction:
            lock_book(transaction)
            now = self.clock()
            decisions = acceptances.for_every_line(transaction, accepted, is_accepted=True)
            acceptances.decide(transaction, accepted, decisions, "erp", now)
            (answer,) = shipments.report(transaction, ERP, [whole(shipped)], now)
            assert answer.shipment_id is not None, answer
            return accepted, answer.shipment_id, cancellations.ask(transaction, cancelled, None, "erp", None, now).id

    def done(self, code) -> dict[str, bool]:
        accepted, shipment, request = self.work[code]
        with self.installation.ledger.read() as transaction:
            status = sa.select(schema.acceptances.c.status).where(schema.acceptances.c.order_id == accepted)
            sent = sa.select(schema.shipments.c.status).where(schema.shipments.c.id == shipment)
            told = sa.select(schema.cancellation_requests.c.told_at).where(schema.cancellation_requests.c.id == request)
            return {
                "accept": transaction.execute(status).scalar_one() == "done",
                "confirm": transaction.execute(sent).scalar_one() in {"sent", "verified"},
                "cancel": transaction.execute(told).scalar_one() is not None,
            }

    def problems(self) -> dict[tuple[str, str], str]:
        row = schema.incidents.c
        query = sa.select(row.subject, row.stage, row.code).where(row.resolved_at.is_(None))
        with self.installation.ledger.read() as transaction:
            return {(subject, stage): code for subject, stage, code in transaction.execute(query)}


@pytest.fixture
def world(installation, credentials, clock):
    with ExitStack() as stack:
        made = [sandbox.MiraklSandbox(seed=each, rate_factor=math.inf, clock=clock) for each in range(3)]
        urls = [stack.enter_context(server.running(create_app(each))) for each in made]
        for number, each in enumerate(made):
            each.generate(GenerateRequest(24, seed=number, days=0.9, account="2001", newest_seconds=SETTLED_SECONDS))
        yield World(installation, dict(zip(SHOPS, made, strict=True)), urls, clock)


FAILURES = {
    "unknown kind": ({"kind": "nobody"}, None, {"unknown_kind"}),
    "defect": ({"kind": "defective"}, None, {"internal_error", "cancellation_in_doubt"}),
    "defect at once": ({"kind": "never_opened"}, None, {"internal_error"}),
    "no credential": ({"credentials": {"api_key": "env:SET_NOWHERE"}}, None, {"credential_missing"}),
    "wrong credential": ({"credentials": {"api_key": "env:TEST_AMAZON_CLIENT_ID"}}, None, {"unauthorised"}),
    "no connection": ({"endpoint": "http://127.0.0.1:9"}, None, {"unreachable"}),
    "insecure": ({"endpoint": "http://shop.example"}, None, {"endpoint_insecure"}),
    "throttled": ({}, Fault(FaultKind.THROTTLED, count=None, seconds=600), {"throttled", "quota_used_up"}),
    "nonsense": ({}, Fault(FaultKind.OK_HTML, count=None), {"unreadable_answer"}),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_at_one_connection_stops_no_other(world, failure, monkeypatch):
    monkeypatch.setitem(
        MARKETPLACES, "defective", replace(mirakl.MARKETPLACE, kind="defective", connect=lambda *_: Defective())
    )
    monkeypatch.setitem(
        MARKETPLACES, "never_opened", replace(mirakl.MARKETPLACE, kind="never_opened", connect=never_opened)
    )
    changes, fault, codes = FAILURES[failure]
    world.set("shop_a", **changes)
    if fault is not None:
        world.sandboxes["shop_a"].add_fault(fault)
    failed, errors = world.sandboxes["shop_a"], {}
    before = len(failed.journal)
    for stage, run in STAGES.items():
        results = run(world.installation)
        if stage != "cancel":
            errors[stage] = {each.connection: each.error.code if each.error else None for each in results}
    assert {stage: set(found) for stage, found in errors.items()} == {stage: set(SHOPS) for stage in errors}
    assert {each[code] for each in errors.values() for code in ("shop_b", "shop_c")} == {None}
    assert {each["shop_a"] for each in errors.values()} <= codes
    assert [world.done(code) for code in SHOPS] == [
        {"accept": False, "confirm": False, "cancel": False},
        {"accept": True, "confirm": True, "cancel": True},
        {"accept": True, "confirm": True, "cancel": True},
    ]
    problems = world.problems()
    assert set(problems) == {("shop_a", stage) for stage in STAGES}
    assert set(problems.values()) <= codes
    if failure == "throttled":
        assert len(failed.journal) - before == 1  # what one stage is told, the others heed


def test_a_connection_that_is_to_be_told_nothing_any_more_fails_at_nothing(world):
    world.set("shop_a", kind="nobody")
    cancel.carry_out(world.installation)
    cancel.carry_out(world.installation)
    assert world.problems() == {("shop_a", "cancel"): "unknown_kind"}
    with world.installation.ledger.write() as transaction:
        transaction.execute(sa.update(schema.cancellation_requests).values(due_at=None))  # as when an order is shipped
    cancel.carry_out(world.installation)
    assert world.problems() == {}


def test_what_has_failed_is_made_up_for_once_the_connection_is_well_again(world):
    world.set("shop_a", kind="nobody")
    for run in STAGES.values():
        run(world.installation)
    world.set("shop_a")
    world.clock.advance(minutes=30)
    for run in STAGES.values():
        run(world.installation)
    assert world.done("shop_a") == {"accept": True, "confirm": True, "cancel": True}
    assert world.problems() == {}

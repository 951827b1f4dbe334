"""Confirming against both marketplaces over HTTP: what is sent, what is read back, and what every kind of failure becomes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.stages.confirm import confirm_all
from tests.pipeline.confirming_shop import Shop, whole
from warehouse.ledger.base import quotas, schema
from warehouse.ledger.shipping import claims, confirmations, held_shipments
from warehouse.shipment_reports import Item, ShipmentReport
from warehouse.shipments import AttemptOutcome, Receipt


@pytest.fixture
def shop(filled, trading, clock):
    made = Shop(filled, trading, clock)
    made.confirming()
    return made


CHANNELS = pytest.mark.parametrize("channel", ["amazon_fr", "mirakl"])
SENDING = {"amazon_fr": "confirmShipment", "mirakl": "ST01"}


@CHANNELS
def test_a_whole_order_is_sent_and_verified(shop, channel):
    (own_id,) = shop.ship_some(channel, 1)
    results = confirm_all(shop.installation)
    assert [each.error for each in results] == [None, None]
    row = shop.row(own_id)
    assert (row["status"], row["sent_version"], row["code"]) == ("verified", 1, None)
    assert shop.attempts(own_id) == [("sent", None)]
    assert len(shop.applied(channel)) == 1
    assert (shop.order(own_id)["status"], shop.order(own_id)["confirmation_status"]) == ("SHIPPED", "verified")
    shop.clock.advance(minutes=10)
    shop.pull()
    assert shop.order(own_id)["source_status"] == "SHIPPED"
    assert shop.problems() == []


@CHANNELS
def test_a_second_run_sends_nothing_again(shop, channel):
    shop.ship_some(channel, 2)
    confirm_all(shop.installation)
    calls = len(shop.applied(channel))
    shop.clock.advance(minutes=15)
    confirm_all(shop.installation)
    assert len(shop.applied(channel)) == calls


@CHANNELS
def test_two_packages_of_an_order(shop, channel):
    order = shop.waiting(channel)[0]
    with shop.installation.ledger.read() as connection:
        line = (
            connection.execute(
                sa.select(schema.order_lines)
                .where(schema.order_lines.c.order_id == order["id"])
                .order_by(schema.order_lines.c.quantity_ordered.desc())
            )
            .mappings()
            .first()
        )
    part = Item(item_id=line["id"], item_quantity_shipped=1)
    ids = shop.ship(
        whole(order["id"], 1, package_id="A", items=(part,)),
        whole(order["id"], 2, package_id="B", tracking_number="T-B"),
    )
    confirm_all(shop.installation)
    shop.clock.advance(minutes=3)
    confirm_all(shop.installation)
    assert shop.states(ids) == ["verified", "verified"]
    assert shop.order(ids[0])["confirmation_status"] == "verified"


@CHANNELS
def test_an_update_of_the_tracking_is_told(shop, channel):
    (own_id,) = shop.ship_some(channel, 1)
    confirm_all(shop.installation)
    shop.clock.advance(minutes=1)
    shop.ship(ShipmentReport(id=shop.row(own_id)["order_id"], package_id="1", tracking_number="NEW-1"))
    confirm_all(shop.installation)
    row = shop.row(own_id)
    assert (row["status"], row["sent_version"]) == ("verified", 2)


def test_an_update_while_it_is_being_sent_is_told_next(shop):
    (own_id,) = shop.ship_some("amazon_fr", 1)
    with shop.installation.ledger.write() as connection:
        (claim,) = claims.claim(connection, ["amazon_fr"], 1, shop.clock())
    shop.ship(ShipmentReport(id=shop.row(own_id)["order_id"], package_id="1", tracking_number="NEW-1"))
    assert shop.row(own_id)["status"] == "sending"
    sent = Receipt(shipment_id=own_id, outcome=AttemptOutcome.SENT)
    with shop.installation.ledger.write() as connection:
        confirmations.record(connection, [(claim, sent)], shop.clock())
    row = shop.row(own_id)
    assert (row["status"], row["sent_version"], row["version"]) == ("queued", 1, 2)


@CHANNELS
def test_a_lost_answer_is_in_doubt_until_it_is_read_back(shop, channel):
    (own_id,) = shop.ship_some(channel, 1)
    shop.sandbox(channel).add_fault(Fault(FaultKind.DROPPED, operation=SENDING[channel]))
    confirm_all(shop.installation)
    shop.clock.advance(minutes=3)
    confirm_all(shop.installation)
    assert shop.states([own_id]) == ["verified"]
    assert shop.attempts(own_id)[0][0] == "in_doubt"
    assert len(shop.applied(channel)) == 1


@CHANNELS
def test_what_did_not_arrive_is_sent_again_after_reading_back(shop, channel):
    (own_id,) = shop.ship_some(channel, 1)
    shop.sandbox(channel).add_fault(Fault(FaultKind.DROPPED_BEFORE, operation=SENDING[channel]))
    confirm_all(shop.installation)
    shop.clock.advance(minutes=3)
    confirm_all(shop.installation)
    assert shop.states([own_id]) == ["verified"]
    assert [each for each, _ in shop.attempts(own_id)] == ["refuted", "sent"]
    assert len(shop.applied(channel)) == 1


@CHANNELS
@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.ERROR_HTML),
        Fault(FaultKind.ERROR_EMPTY),
        Fault(FaultKind.ERROR_JSON, status=500),
        Fault(FaultKind.OK_HTML),
        Fault(FaultKind.OK_EMPTY),
        Fault(FaultKind.THROTTLED),
        Fault(FaultKind.EXPIRE_TOKEN),
    ],
    ids=lambda fault: fault.kind.value,
)
def test_faults_pass_and_nothing_is_lost_or_doubled(shop, channel, fault):
    if channel == "mirakl" and fault.kind is FaultKind.EXPIRE_TOKEN:
        pytest.skip("a Mirakl key does not expire")
    ids = shop.ship_some(channel, 3)
    shop.sandbox(channel).add_fault(replace(fault, operation=SENDING[channel], count=2))
    confirm_all(shop.installation)
    shop.sandbox(channel).clear_faults()
    for _ in range(4):
        shop.clock.advance(minutes=15)
        confirm_all(shop.installation)
    assert shop.states(ids) == ["verified"] * 3
    assert shop.problems() == []
    packages = [each for effect in shop.applied(channel) for each in effect.get("shipments", [effect])]
    assert len(packages) == 3


@CHANNELS
def test_a_refused_credential_is_one_incident_and_no_shipment_is_blamed(shop, channel):
    ids = shop.ship_some(channel, 3)
    sandbox = shop.sandbox(channel)
    sandbox.add_fault(Fault(FaultKind.REVOKE_TOKEN, count=None))
    confirm_all(shop.installation)
    owner = "mirakl_shop" if channel == "mirakl" else "amazon_eu"
    assert [subject for subject, _ in shop.problems()] == [owner]
    assert shop.states(ids) == ["queued"] * 3
    sandbox.clear_faults()
    shop.clock.advance(minutes=15)
    confirm_all(shop.installation)
    assert shop.states(ids) == ["verified"] * 3
    assert shop.problems() == []


@CHANNELS
def test_a_refusal_for_good_is_told_with_the_marketplaces_words(shop, channel):
    (own_id,) = shop.ship_some(channel, 1)
    original = shop.order(own_id)["original_id"]
    result = shop.sandbox(channel).advance(AdvanceRequest("cancel", order_ids=(original,)))
    assert result.advanced == [original]
    confirm_all(shop.installation)
    row = shop.row(own_id)
    assert (row["status"], bool(row["message"]), bool(row["hint"])) == ("rejected", True, True)
    assert shop.order(own_id)["confirmation_status"] == "rejected"
    assert [code for _, code in shop.problems()] == ["confirmation_rejected"]
    assert shop.order(own_id)["has_errors"] is True
    with shop.installation.ledger.read() as connection:
        attempts = connection.execute(sa.select(schema.confirmation_attempts.c.id)).scalars().all()
        named = connection.execute(sa.select(schema.incidents.c.attempt_id)).scalar_one()
    assert named == str(attempts[-1])
    calls = len(shop.sandbox(channel).journal)
    shop.clock.advance(hours=1)
    confirm_all(shop.installation)
    assert len(shop.sandbox(channel).journal) == calls  # not tried again by itself


def test_shipped_at_the_marketplace_by_somebody_else(shop):
    (own_id,) = shop.ship_some("mirakl", 1)
    original = shop.order(own_id)["original_id"]
    shop.marketplaces.mirakl.advance(AdvanceRequest("ship", order_ids=(original,)))
    confirm_all(shop.installation)
    shop.clock.advance(minutes=15)
    confirm_all(shop.installation)
    row = shop.row(own_id)
    assert (row["status"], row["code"]) == ("rejected", "shipped_otherwise")


def test_a_channel_that_does_not_confirm_sends_nothing(shop):
    shop.confirming(is_on=False)
    (own_id,) = shop.ship_some("amazon_fr", 1)
    confirm_all(shop.installation)
    assert (shop.states([own_id]), shop.applied("amazon_fr")) == (["held"], [])
    shop.confirming()
    confirm_all(shop.installation)
    assert shop.states([own_id]) == ["held"]  # switching on alone decides nothing
    with shop.installation.ledger.write() as connection:
        assert held_shipments.release_held(connection, "amazon_fr", shop.clock()) == 1
    confirm_all(shop.installation)
    assert shop.states([own_id]) == ["verified"]


def test_held_shipments_may_be_skipped(shop):
    shop.confirming(is_on=False)
    (own_id,) = shop.ship_some("amazon_fr", 1)
    with shop.installation.ledger.write() as connection:
        assert held_shipments.skip_held(connection, "amazon_fr", shop.clock()) == 1
    shop.confirming()
    confirm_all(shop.installation)
    assert (shop.states([own_id]), shop.applied("amazon_fr")) == (["none"], [])
    assert shop.order(own_id)["status"] == "SHIPPED"


def test_switching_off_holds_what_waits(shop):
    (own_id,) = shop.ship_some("amazon_fr", 1)
    shop.confirming(is_on=False)
    confirm_all(shop.installation)
    assert (shop.states([own_id]), shop.order(own_id)["confirmation_status"]) == (["held"], "held")


def test_a_difference_shows_both_sides(shop):
    (own_id,) = shop.ship_some("amazon_fr", 1)
    confirm_all(shop.installation)
    with shop.installation.ledger.write() as connection:  # as if the read-back had not come yet
        connection.execute(sa.update(schema.shipments).values(status="sent", verified_at=None))
    original = shop.order(own_id)["original_id"]
    record = shop.marketplaces.amazon.records[original]
    record.order["packages"][0]["trackingNumber"] = "OTHER-1"
    shop.clock.advance(minutes=5)
    shop.marketplaces.amazon.advance(AdvanceRequest("touch", order_ids=(original,)))
    shop.clock.advance(minutes=10)
    shop.pull()
    row = shop.row(own_id)
    assert (row["status"], row["difference"]) == ("sent", {"tracking_number": ["TRK-0", "OTHER-1"]})
    assert [code for _, code in shop.problems()] == ["confirmation_differs"]


def test_not_seen_for_a_day_is_an_incident(shop):
    (own_id,) = shop.ship_some("amazon_fr", 1)
    confirm_all(shop.installation)
    with shop.installation.ledger.write() as connection:
        connection.execute(sa.update(schema.shipments).values(status="sent", verified_at=None))
    original = shop.order(own_id)["original_id"]
    shop.marketplaces.amazon.records[original].order["packages"].clear()
    shop.clock.advance(hours=25)
    confirm_all(shop.installation)
    assert (shop.states([own_id]), shop.problems()) == (["sent"], [("amazon_fr", "confirmation_unverified")])


def test_a_pull_verifies_without_a_call_of_its_own(shop):
    (own_id,) = shop.ship_some("amazon_fr", 1)
    confirm_all(shop.installation)
    with shop.installation.ledger.write() as connection:
        connection.execute(sa.update(schema.shipments).values(status="sent", verified_at=None))
    shop.clock.advance(minutes=10)
    shop.pull()
    assert shop.states([own_id]) == ["verified"]


def test_a_sender_that_ended_leaves_a_doubt(shop):
    (own_id,) = shop.ship_some("amazon_fr", 1)
    with shop.installation.ledger.write() as connection:
        claims.claim(connection, ["amazon_fr"], 1, shop.clock())
    confirm_all(shop.installation)
    assert shop.states([own_id]) == ["sending"]  # its time is not over, and its process lives
    shop.clock.advance(minutes=6)
    confirm_all(shop.installation)
    assert shop.states([own_id]) == ["verified"]
    assert [each for each, _ in shop.attempts(own_id)] == ["refuted", "sent"]


def test_an_overtaken_sender_does_not_send(shop):
    (own_id,) = shop.ship_some("amazon_fr", 1)
    with shop.installation.ledger.write() as connection:
        connection.execute(sa.update(schema.connections).values(settings={}))
        while quotas.take(connection, "amazon_eu", "confirmShipment", 2.0, 10, shop.clock()) == 0.0:
            pass
    paused = replace(shop.installation, sleep=lambda _: shop.clock.advance(minutes=6))
    confirm_all(paused, ["amazon_eu"])  # it wakes up when its claim is over, and claims anew after reading back
    assert [each for each, _ in shop.attempts(own_id)] == ["refuted", "sent"]
    assert (shop.states([own_id]), len(shop.applied("amazon_fr"))) == (["verified"], 1)


@pytest.mark.slow
@CHANNELS
def test_failing_in_passing_backs_off_and_then_waits_for_a_person(shop, channel):
    (own_id,) = shop.ship_some(channel, 1)
    shop.sandbox(channel).add_fault(Fault(FaultKind.DROPPED_BEFORE, operation=SENDING[channel], count=None))
    for _ in range(confirmations.MOST_ATTEMPTS * 2):
        confirm_all(shop.installation)
        shop.clock.advance(minutes=61)
        row = shop.row(own_id)
        if row["status"] == "rejected":
            break
    assert (row["status"], row["code"]) == ("rejected", "gave_up")
    shop.sandbox(channel).clear_faults()
    with shop.installation.ledger.write() as connection:
        assert confirmations.retry(connection, own_id, shop.clock()) == "queued"
    confirm_all(shop.installation)
    assert shop.states([own_id]) == ["verified"]
    assert shop.problems() == []


def test_requirements_are_kept_where_the_api_reads_them(shop):
    confirm_all(shop.installation)
    with shop.installation.ledger.read() as connection:
        rows = dict(
            connection.execute(
                sa.select(schema.channel_requirements.c.channel, schema.channel_requirements.c.data)
            ).all()
        )
    assert rows["amazon_fr"]["needs_tracking_number"] is True
    assert {each["code"] for each in rows["mirakl"]["carriers"]} >= {"DHL", "UPS"}


def test_one_connections_failure_stops_no_other(shop):
    ids = [*shop.ship_some("amazon_fr", 1), *shop.ship_some("mirakl", 1)]
    shop.marketplaces.amazon.add_fault(Fault(FaultKind.REVOKE_TOKEN, count=None))
    confirm_all(shop.installation)
    assert shop.states(ids) == ["queued", "verified"]

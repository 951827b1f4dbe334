"""`orders requests`: asking, being told that no pipeline runs, and looking at what was asked."""

from __future__ import annotations

import json

import sqlalchemy as sa
from msgspec.structs import replace

from orders_pipeline.installation import opened
from tests.commands.test_shipment_commands import an_order
from warehouse.ledger.base.schema import channels
from warehouse.ledger.book import orders as book
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.settings import carriers
from warehouse.order_states import Status
from warehouse.shipments import CarrierRule, Requirements


def test_a_request_is_asked_and_shown(configured):
    asked = configured("requests", "ask", "pull", "shop", "--since", "2026-01-01T00:00:00Z")
    assert asked.returncode == 0, asked.stderr
    made = json.loads(asked.stdout)
    assert (made["state"], made["subject"]) == ("asked", "shop")
    assert "no pipeline runs" in asked.stderr
    listed = configured("requests", "list", "--json")
    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == [made["id"]]
    assert json.loads(configured("requests", "show", made["id"]).stdout)["state"] == "asked"


def test_what_cannot_be_asked_says_why(configured):
    for arguments, said in (
        (("fetch", "shop"), "original_ids"),
        (("pull", "nowhere"), "no connection nowhere"),
        (("confirm", "shop", "--folder", "x"), "folder"),
    ):
        refused = configured("requests", "ask", *arguments)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
    assert configured("requests", "show", "nothing").returncode == 2


def test_many_orders_are_named_tried_and_asked_for(configured, monkeypatch):
    monkeypatch.setenv("ORDERS_HOME", str(configured.folder / "home"))
    with opened() as installation, installation.ledger.write() as transaction:
        now = installation.clock()
        order = an_order(1, now)
        book.lock_book(transaction)
        book.settle(transaction, installation.keys, [arrive(order, 1, now, is_historical=False)], now)
    (configured.folder / "ids.txt").write_text(f"402-1\n\n{order.id}\n")
    tried = configured("bulk", "next_file", "--orders", "ids.txt", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert json.loads(tried.stdout) == {
        "orders": 1, "would_be_done": 0, "left_out": {"its channel writes no order files": 1}
    }  # fmt: skip
    made = json.loads(configured("bulk", "next_file", "--channel", "fr").stdout)
    assert (made["kind"], made["subject"], made["state"]) == ("bulk", "fr", "asked")
    file = configured("requests", "orders", made["id"]).stdout.splitlines()
    assert file[1:] == [f"402-1,{order.id},fr,not_handled,not_handled,its turn has not come"]
    for arguments, said in ((("retry",), "say which orders"), (("resolve", "--order", "402-1"), "say why")):
        refused = configured("bulk", *arguments)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr


def test_orders_are_accepted_and_refused_together_or_line_by_line(configured, monkeypatch):
    monkeypatch.setenv("ORDERS_HOME", str(configured.folder / "home"))
    needs = Requirements(
        needs_tracking_number=False, needs_carrier=False, carrier_rule=CarrierRule.ANY, acceptance_state="NEW", can_refuse=True
    )  # fmt: skip
    with opened() as installation, installation.ledger.write() as transaction:
        now = installation.clock()
        made = [replace(an_order(n, now), status=Status.PENDING, marketplace_status="NEW") for n in range(3)]
        made.append(an_order(3, now))
        book.lock_book(transaction)
        book.settle(transaction, installation.keys, [arrive(each, 1, now, is_historical=False) for each in made], now)
        carriers.save_requirements(transaction, "fr", needs, now)
        transaction.execute(sa.update(channels).values(acceptance="manual"))
    waiting = [json.loads(line) for line in configured("acceptances", "list", "--json").stdout.splitlines()]
    assert sorted((each["original_id"], each["lines"]) for each in waiting) == [(f"402-{n}", ["L1"]) for n in range(3)]
    both = configured("acceptances", "accept", "402-0", "402-1", "402-3")
    assert (both.returncode, both.stderr.splitlines()) == (3, [
        "402-0 is queued: 1 accepted",
        "402-1 is queued: 1 accepted",
        "402-3: The order is UNSHIPPED at the marketplace and waits for no decision.",
    ]), both.stderr  # fmt: skip
    assert configured("acceptances", "refuse", "402-0").returncode == 1
    assert "no line L9: L1" in configured("acceptances", "refuse", "402-2", "--line", "L9").stderr
    refused = configured("acceptances", "refuse", "402-2", "--line", "L1")
    assert (refused.returncode, "402-2 is queued: 1 refused" in refused.stderr) == (0, True)
    assert configured("acceptances", "list", "--json").stdout == ""
    assert len(configured("acceptances", "list", "--stage", "queued", "--json").stdout.splitlines()) == 3

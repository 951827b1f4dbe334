"""`orders requests`: asking, being told that no pipeline runs, and looking at what was asked."""

from __future__ import annotations

import json

from orders_pipeline.installation import opened
from tests.commands.test_shipment_commands import an_order
from warehouse.ledger.book import orders as book
from warehouse.ledger.book.arrivals import arrive


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

"""`orders requests`: asking, being told that no pipeline runs, and looking at what was asked."""

from __future__ import annotations

import json


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

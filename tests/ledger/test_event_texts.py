"""The sentences of the timeline: every kind of event that is written has one, and it says what is known."""

from __future__ import annotations

import pytest

from warehouse.ledger.book.event_texts import event_text


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (
            "shipment_reported",
            {"package_id": "7", "units": 1, "consumer": "erp", "status": "queued"},
            "Package 7 reported by erp, 1 unit",
        ),
        (
            "shipment_updated",
            {"package_id": "7", "units": 3, "consumer": "erp", "status": "held"},
            "Package 7 updated by erp, 3 units; held: the channel does not confirm shipments",
        ),
        ("confirmation_sent", {"package_id": "7"}, "Package 7: the marketplace took the confirmation"),
        (
            "confirmation_rejected",
            {"package_id": "7", "code": "invalid", "message": "No such carrier"},
            "Package 7: the marketplace rejected the confirmation: No such carrier",
        ),
        (
            "confirmation_differs",
            {"package_id": "7", "code": "carrier"},
            "Package 7: the marketplace shows the shipment differently: carrier",
        ),
        (
            "acceptance_requested",
            {"accepted": 1, "refused": 2, "by": "erp"},
            "Acceptance decided by erp: 1 accepted, 2 refused",
        ),
        ("acceptance_rejected", {}, "The marketplace rejected the decision on acceptance"),
    ],
)
def test_a_sentence_says_what_is_known(kind, data, text):
    assert event_text(kind, data) == text


KINDS = {
    "shipment": "reported updated",
    "confirmation": "sent verified rejected in_doubt held released skipped retried differs",
    "acceptance": "requested done rejected",
}


@pytest.mark.parametrize("kind", [f"{noun}_{verb}" for noun, verbs in KINDS.items() for verb in verbs.split()])
def test_every_kind_has_a_sentence_of_its_own_whatever_is_missing(kind):
    assert event_text(kind, {}) != kind.replace("_", " ").capitalize()

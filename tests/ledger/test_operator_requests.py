"""Requests of operators in the ledger: opened once, taken up by one process, and never forgotten half done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from warehouse.ledger.base import leases
from warehouse.ledger.people import operator_requests as book
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.settings import channels
from warehouse.operator_requests import (
    HEAVY,
    LIGHT,
    RULES,
    ArgumentInvalid,
    RequestKind,
    RequestProgress,
    SubjectKind,
    checked_arguments,
)

LENGTH = timedelta(minutes=2)


def ask(ledger, clock, kind=RequestKind.TEST_CONNECTION, subject="amazon_eu", **arguments):
    with ledger.write() as transaction:
        return book.ask(transaction, kind, subject, checked_arguments(kind, arguments), "anna", clock())


def claim(ledger, clock, kinds=LIGHT):
    with ledger.write() as transaction:
        return book.claim(transaction, kinds, clock(), LENGTH)


def finish(ledger, clock, request, state=RequestProgress.DONE, result=None):
    with ledger.write() as transaction:
        return book.finish(transaction, request, state, result or {}, clock())


def find(ledger, request):
    with ledger.read() as transaction:
        return book.find(transaction, request.id)


def test_a_request_goes_from_asked_to_done(any_ledger, clock):
    asked = ask(any_ledger, clock)
    assert (asked.state, asked.asked_by, asked.claims) == (RequestProgress.ASKED, "anna", 0)
    running = claim(any_ledger, clock)
    assert (running.id, running.state) == (asked.id, RequestProgress.RUNNING)
    assert finish(any_ledger, clock, running, result={"findings": []})
    ended = find(any_ledger, asked)
    assert (ended.state, ended.result, ended.finished_at) == (RequestProgress.DONE, {"findings": []}, clock())
    assert claim(any_ledger, clock) is None


def test_the_same_request_is_opened_once_until_it_has_ended(any_ledger, clock):
    first = ask(any_ledger, clock)
    clock.advance(seconds=1)
    assert ask(any_ledger, clock).id == first.id
    assert ask(any_ledger, clock, subject="mirakl_shop").id != first.id
    assert ask(any_ledger, clock, RequestKind.PULL).id != first.id
    finish(any_ledger, clock, claim(any_ledger, clock))
    assert ask(any_ledger, clock).id != first.id


def test_the_oldest_of_what_one_can_do_is_taken_up_first(ledger, clock):
    heavy = ask(ledger, clock, RequestKind.PULL)
    clock.advance(seconds=1)
    older = ask(ledger, clock)
    clock.advance(seconds=1)
    newer = ask(ledger, clock, subject="mirakl_shop")
    assert [claim(ledger, clock).id, claim(ledger, clock).id, claim(ledger, clock)] == [older.id, newer.id, None]
    assert claim(ledger, clock, HEAVY).id == heavy.id


def test_what_a_dead_process_held_is_taken_up_again_and_not_overwritten_by_it(any_ledger, clock):
    asked = ask(any_ledger, clock)
    paused = claim(any_ledger, clock)
    assert claim(any_ledger, clock) is None
    clock.advance(minutes=3)
    second = claim(any_ledger, clock)
    assert second.id == asked.id
    assert not finish(any_ledger, clock, paused, result={"by": "the first"})
    assert finish(any_ledger, clock, second, result={"by": "the second"})
    assert find(any_ledger, asked).result == {"by": "the second"}


def test_what_takes_longer_than_its_claim_is_kept_by_a_lease(any_ledger, clock):
    asked = ask(any_ledger, clock)
    claim(any_ledger, clock)
    clock.advance(minutes=3)
    with any_ledger.write() as transaction:
        leases.acquire(transaction, book.OF_REQUESTS + asked.id, clock())
    assert claim(any_ledger, clock) is None
    clock.advance(seconds=91)
    assert claim(any_ledger, clock).id == asked.id


def test_what_brings_down_every_process_fails(any_ledger, clock):
    asked = ask(any_ledger, clock)
    for _ in range(book.MOST_CLAIMS):
        assert claim(any_ledger, clock) is not None
        clock.advance(minutes=3)
    assert claim(any_ledger, clock) is None
    with any_ledger.write() as transaction:
        book.tidy(transaction, clock())
    ended = find(any_ledger, asked)
    assert (ended.state, ended.result["code"]) == (RequestProgress.FAILED, "never_ended")


def test_what_nobody_takes_up_expires_and_what_is_old_is_forgotten(any_ledger, clock):
    asked = ask(any_ledger, clock)
    clock.advance(minutes=61)
    with any_ledger.write() as transaction:
        book.tidy(transaction, clock())
    ended = find(any_ledger, asked)
    assert (ended.state, ended.result["code"]) == (RequestProgress.EXPIRED, "not_taken_up")
    clock.advance(days=31)
    with any_ledger.write() as transaction:
        book.tidy(transaction, clock())
    assert find(any_ledger, asked) is None


def test_a_pipeline_is_seen(ledger, clock):
    with ledger.write() as transaction:
        assert book.pipeline_seen_at(transaction) is None
        book.note_pipeline(transaction, clock())
        assert book.pipeline_seen_at(transaction) == clock()


def test_who_sees_some_channels_names_these_and_what_is_theirs_alone(ledger, clock):
    with ledger.write() as transaction:
        for code in ("shared", "own"):
            channels.save_connection(transaction, channels.Connection(code=code, kind="amazon", label=code), clock())
        for code, owner, selector in (("fr", "shared", "A"), ("de", "shared", "B"), ("it", "own", None)):
            channels.save_channel(
                transaction,
                channels.ConfiguredChannel(
                    code=code, label=code, marketplace=code, connection=owner, selector=selector
                ),
                clock(),
            )
        assert subjects(transaction, SubjectKind.CONNECTION, ("fr", "it")) == {"own"}
        assert subjects(transaction, SubjectKind.CHANNEL, ("fr", "it", "gone")) == {"fr", "it"}
        assert subjects(transaction, SubjectKind.STORAGE, ("fr", "it")) == set()
        assert subjects(transaction, SubjectKind.CONNECTION, None) == {"shared", "own"}
        visible = {each: subjects(transaction, each, ("fr", "it")) for each in SubjectKind}
    theirs = ask(ledger, clock, RequestKind.PULL, "own")
    ask(ledger, clock, RequestKind.PULL, "shared")
    with ledger.read() as transaction:
        assert [each.id for each in book.newest(transaction, 10, visible)] == [theirs.id]
        assert len(book.newest(transaction, 10)) == 2


@pytest.mark.parametrize(
    ("kind", "given", "argument"),
    [
        (RequestKind.PULL, {"sinse": "2026-01-01"}, "sinse"),
        (RequestKind.PULL, {"since": "soon"}, "since"),
        (RequestKind.PULL, {"since": "2026-01-01T00:00:00"}, "since"),
        (RequestKind.FETCH, {}, "original_ids"),
        (RequestKind.FETCH, {"original_ids": "402"}, "original_ids"),
        (RequestKind.FETCH, {"original_ids": [""]}, "original_ids"),
        (RequestKind.FETCH, {"original_ids": [str(each) for each in range(101)]}, "original_ids"),
        (RequestKind.BROWSE, {"folder": 7}, "folder"),
        (RequestKind.CONFIRM, {"folder": ""}, "folder"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(kind, given, argument):
    with pytest.raises(ArgumentInvalid) as refused:
        checked_arguments(kind, given)
    assert refused.value.argument == argument


def test_every_kind_has_a_rule():
    assert set(RULES) == set(RequestKind)
    assert sorted(LIGHT + HEAVY) == sorted(RequestKind)

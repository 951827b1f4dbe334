"""eBay's notices of deleted accounts: the challenge, taking them over HTTP, judging their signature, and what they purge."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from contextlib import contextmanager
from datetime import timedelta
from random import Random

import httpx
import pytest
import sqlalchemy as sa

from orders_api.app import create_app as create_api
from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.registry import KINDS
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.ebay.notices import SignedNotice, SigningKey
from orders_pipeline.sandbox.ebay.orders import EbayDraft, make
from orders_pipeline.sandbox.ebay.state import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, EbayRecord, EbaySandbox
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.server import running
from orders_pipeline.stages import normalise, pull
from orders_pipeline.upkeep import doctor
from orders_pipeline.upkeep import personal_data as purging
from warehouse.ledger.base import schema
from warehouse.ledger.book import account_deletions
from warehouse.ledger.settings import configuration
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.settings.kinds import keep_kinds
from warehouse.ledger.status.keys import cannot_open
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.privacy import new_key, open_key_ring, parse_key_ring

TOKEN = "made-up_verification-token-of-32-signs"
ADDRESS = "https://hub.shop.example/v1/account-deletions/ebay"
CANARY = "canary_buyer_77"
FILE = """
connections:
  ebay:
    kind: ebay
    endpoint: {url}
    settings: {{deletion_address: "{address}"}}
    credentials:
      {{client_id: env:EBAY_ID, client_secret: env:EBAY_SECRET, refresh_token: env:EBAY_CONSENT,
        deletion_token: env:EBAY_DELETION}}
  uk:
    kind: ebay
    endpoint: {url}
    credentials: {{client_id: env:EBAY_ID, client_secret: env:EBAY_SECRET, refresh_token: env:EBAY_CONSENT}}
channels:
  ebay_us: {{connection: ebay, selector: EBAY_US}}
"""


class Shop:
    """The stand-in, an installation that is connected to it, and that installation's API."""

    def __init__(self, installation, ebay, api):
        self.installation, self.ebay, self.api, self.clock = installation, ebay, api, installation.clock
        self.place = f"{api}/v1/account-deletions/ebay"

    def order(self, username, state="FULFILLED"):
        changed = self.clock() - timedelta(hours=1)
        number = len(self.ebay.records) + 1
        order = make(Random(number), EbayDraft(number, changed, changed, self.ebay.catalogue, state, "EBAY_US"))
        order["buyer"]["username"] = username
        record = self.ebay.records[order["orderId"]] = EbayRecord(order, "seller", changed)
        return record

    def pull(self):
        self.clock.advance(minutes=5)
        pull.pull_all(self.installation, ["ebay"])
        normalise.normalise_pending(self.installation)

    def send(self, notice):
        return httpx.post(self.place, content=notice.body, headers=notice.headers)

    def states(self):
        with self.installation.ledger.read() as transaction:
            rows = transaction.execute(sa.select(schema.orders.c.original_id, schema.orders.c.pii_state)).all()
        return {self.ebay.records[row.original_id].order["buyer"]["username"]: row.pii_state for row in rows}

    def waiting(self):
        with self.installation.ledger.read() as transaction:
            return account_deletions.count(transaction)

    def ebay_calls(self, operation):
        return sum(entry.operation == operation for entry in self.ebay.journal)

    def problems(self):
        with self.installation.ledger.read() as transaction:
            return [(each.subject, each.stage, each.code) for each in find_incidents(transaction)]


@pytest.fixture
def open_shop(clock, monkeypatch):
    for name, value in (("ID", CLIENT_ID), ("SECRET", CLIENT_SECRET), ("CONSENT", REFRESH_TOKEN), ("DELETION", TOKEN)):
        monkeypatch.setenv(f"EBAY_{name}", value)

    @contextmanager
    def opened(ledger, settings):
        ebay = EbaySandbox(rate_factor=math.inf, clock=clock)
        keys = open_key_ring(settings)
        installation = Installation(settings, ledger, keys, clock, lambda seconds: clock.advance(seconds=seconds))
        keep_kinds(ledger, KINDS, clock())
        served = create_api(settings, clock)
        with running(create_app(ebay)) as url, running(served) as api:
            with ledger.write() as transaction:
                file = read_document(FILE.format(url=url, address=ADDRESS), KINDS)
                configuration.apply(transaction, file, clock())
            yield Shop(installation, ebay, api)
        served.state.installation.ledger.close()

    return opened


@pytest.fixture
def shop(open_shop, ledger, settings):
    with open_shop(ledger, settings) as opened:
        yield opened


@pytest.fixture
def any_shop(open_shop, any_ledger, any_settings):
    with open_shop(any_ledger, any_settings) as opened:
        yield opened


def test_the_challenge_is_answered_as_ebay_documents_it(shop):
    answer = httpx.get(shop.place, params={"challenge_code": "a8628072-3d33"})
    proof = hashlib.sha256(f"a8628072-3d33{TOKEN}{ADDRESS}".encode()).hexdigest()
    assert (answer.status_code, answer.json()) == (200, {"challengeResponse": proof})
    assert answer.headers["content-type"] == "application/json"
    assert httpx.get(shop.place).status_code == 422


def test_closed_orders_of_the_buyer_lose_their_personal_data_and_nobody_elses(any_shop):
    any_shop.order(CANARY), any_shop.order("somebody")
    open_order = any_shop.order("still_waiting", "NOT_STARTED")
    any_shop.pull()
    assert any_shop.states() == {CANARY: "present", "somebody": "present", "still_waiting": "present"}
    any_shop.ebay.configure({"notice_address": any_shop.place})
    gone = any_shop.ebay.advance(AdvanceRequest("delete_account", tuple(any_shop.ebay.records)[:1]))
    assert not gone.refused
    assert any_shop.send(any_shop.ebay.deletion_notice("still_waiting")).status_code == 204
    assert any_shop.waiting() == 2
    done = purging.purge(any_shop.installation)
    assert (done.orders, done.payloads) == (1, 1)
    assert any_shop.states() == {CANARY: "expired", "somebody": "present", "still_waiting": "present"}
    assert any_shop.waiting() == 1  # its order must still be shipped
    any_shop.ebay.advance(AdvanceRequest("ship", (open_order.id,)))
    any_shop.pull()
    assert purging.purge(any_shop.installation).orders == 1
    assert (any_shop.states()["still_waiting"], any_shop.waiting(), any_shop.problems()) == ("expired", 0, [])
    assert any_shop.ebay_calls("getPublicKey") == 2  # once for each purge, however many notices there are


def test_only_what_ebay_has_signed_is_carried_out(shop, caplog):
    shop.order(CANARY)
    shop.pull()
    genuine = shop.ebay.deletion_notice(CANARY)
    stranger = SigningKey(99)
    forged = stranger.notice(CANARY, 1, shop.clock())
    named = json.loads(base64.b64decode(forged.signature)) | {"kid": shop.ebay.signing_key.id}
    other_topic = genuine.body.replace(b"MARKETPLACE_ACCOUNT_DELETION", b"ITEM_MARKED_SHIPPED")
    notices = [
        forged,
        SignedNotice(forged.body, base64.b64encode(json.dumps(named).encode()).decode()),
        SignedNotice(genuine.body.replace(CANARY.encode(), b"another_buyer"), genuine.signature),
        SignedNotice(other_topic, shop.ebay.signing_key.sign(other_topic)),
        SignedNotice(genuine.body, base64.b64encode(b"no json").decode()),
    ]
    assert [shop.send(each).status_code for each in notices] == [204] * len(notices)
    assert purging.purge(shop.installation).orders == 0
    assert (shop.states(), shop.waiting()) == ({CANARY: "present"}, 0)
    for wrong in ({}, {"X-EBAY-SIGNATURE": "not base64!"}):
        headers = {"Content-Type": "application/json", **wrong}
        refused = httpx.post(shop.place, content=genuine.body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (412, "signature_missing")
    assert shop.waiting() == 0
    assert CANARY not in caplog.text


def test_a_notice_that_comes_again_and_a_buyer_whom_nobody_knows_are_no_fault(any_shop):
    any_shop.order(CANARY)
    any_shop.pull()
    notice = any_shop.ebay.deletion_notice(CANARY)
    assert [any_shop.send(each).status_code for each in (notice, notice, any_shop.ebay.deletion_notice("unknown"))] == [
        204
    ] * 3
    assert any_shop.waiting() == 2
    assert purging.purge(any_shop.installation).orders == 1
    assert any_shop.send(notice).status_code == 204
    assert purging.purge(any_shop.installation).orders == 0
    assert (any_shop.waiting(), any_shop.problems()) == (0, [])


def test_while_ebay_does_not_tell_its_key_notices_wait_and_the_rest_is_purged(shop):
    shop.order(CANARY)
    shop.pull()
    shop.send(shop.ebay.deletion_notice(CANARY))
    shop.ebay.add_fault(Fault(FaultKind.ERROR_JSON, operation="getPublicKey", status=500))
    assert purging.purge(shop.installation).orders == 0
    assert shop.waiting() == 1
    assert [each[:2] for each in shop.problems()] == [("ebay", "purge")]
    shop.ebay.clear_faults()
    assert purging.purge(shop.installation).orders == 1
    assert (shop.waiting(), shop.problems()) == (0, [])


def test_there_is_nothing_where_a_setting_is_missing(any_shop):
    notice = any_shop.ebay.deletion_notice(CANARY)
    for place in ("uk", "amazon", "nobody", "%00"):
        address = f"{any_shop.api}/v1/account-deletions/{place}"
        assert httpx.get(address, params={"challenge_code": "a"}).status_code == 404
        assert httpx.post(address, content=notice.body, headers=notice.headers).status_code == 404
    assert any_shop.waiting() == 0


def test_there_is_nothing_where_the_token_cannot_be_found(shop, monkeypatch):
    monkeypatch.delenv("EBAY_DELETION")
    assert httpx.get(shop.place, params={"challenge_code": "a"}).status_code == 404


def test_a_stranger_cannot_fill_the_ledger(shop, monkeypatch):
    notice = shop.ebay.deletion_notice(CANARY)
    long = httpx.post(
        shop.place, content=b'{"metadata":{},"notification":{"a":"' + b"x" * 20_000 + b'"}}', headers=notice.headers
    )
    assert long.status_code == 413
    monkeypatch.setattr(account_deletions, "MOST_NOTICES", 1)
    sent = [shop.send(notice), shop.send(shop.ebay.deletion_notice("another"))]
    assert [each.status_code for each in sent] == [204, 503]
    assert sent[1].headers["retry-after"]


def test_a_notice_is_sealed_and_its_key_is_missed(shop):
    shop.send(shop.ebay.deletion_notice(CANARY))
    with shop.installation.ledger.read() as transaction:
        (row,) = transaction.execute(sa.select(schema.account_deletions)).all()
        assert CANARY.encode() not in bytes(row.sealed)
        assert cannot_open(transaction, parse_key_ring(new_key())) is not None
        assert cannot_open(transaction, shop.installation.keys) is None
    shop.clock.advance(days=31)
    found = {each.part: each for each in doctor.examine(shop.installation.settings, shop.clock)}
    assert "the oldest for 31 days" in found["account deletions"].seen

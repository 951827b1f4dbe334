"""The halves of an order's document as they are kept, and what earlier releases have kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import zstandard

from orders_pipeline.marketplaces.protocol import ChannelContext
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox.registry import SANDBOXES
from tests.benchmarks.filling import sandbox_orders
from warehouse import documents, kept_documents, personal
from warehouse.kept_documents import open_parties, pack_text, seal_parties, unpack, unpack_text
from warehouse.privacy import KeyRingError, new_key, parse_key_ring

KEYS = parse_key_ring(new_key())


def test_the_dictionary_never_changes() -> None:
    """What installations keep needs this very one. A better one comes beside it."""
    content = Path(kept_documents.__file__).with_name("orders.zdict").read_bytes()
    assert hashlib.sha256(content).hexdigest() == "95cb41e4244a14c18b90d4276fab1e795109267d1dc3a4b819cc82c82da74c29"


@pytest.mark.parametrize("text", ["", '"id":"o"', '"label":"Crêpes 🎂"', '"id":"o",' * 9000])
def test_a_text_comes_back(text) -> None:
    assert unpack_text(pack_text(text)) == text
    assert open_parties(KEYS, "o", seal_parties(KEYS, "o", text)) == text


def test_what_an_earlier_release_kept_is_read() -> None:
    assert unpack('"total":"é"') == '"total":"é"'.encode()
    assert open_parties(KEYS, "o", KEYS.seal(b'"customer":null', "parties:o")) == '"customer":null'


def test_personal_members_open_for_their_order_alone() -> None:
    with pytest.raises(KeyRingError):
        open_parties(KEYS, "p", seal_parties(KEYS, "o", '"customer":null'))


def test_what_was_packed_otherwise_is_an_error_and_never_another_text() -> None:
    with pytest.raises(zstandard.ZstdError):
        unpack(bytes(pack_text('"id":"o"'))[:-3])
    other = zstandard.train_dictionary(1024, [f'"sku":"LAMP-{each}","price":"12.50"'.encode() for each in range(500)])
    with pytest.raises(zstandard.ZstdError):
        unpack(zstandard.ZstdCompressor(dict_data=other).compress(b'"sku":"LAMP-1"'))


@pytest.mark.parametrize("kind", SANDBOXES)
def test_documents_of_every_kind_take_a_fifth_of_their_text(kind) -> None:
    normalised = [
        order
        for raw in sandbox_orders(kind, 30, seed=77)
        for order in MARKETPLACES[kind].normalise(json.loads(raw.body), ChannelContext("fr", "FR"))
    ]
    facts = [documents.facts(each) for each in normalised]
    assert sum(len(pack_text(each)) for each in facts) < sum(map(len, facts)) / 5
    parties = [personal.parties(personal.personal(each)) for each in normalised]
    sealed = [seal_parties(KEYS, "o", each) for each in parties]
    assert sum(map(len, sealed)) < sum(map(len, parties)) / 1.5

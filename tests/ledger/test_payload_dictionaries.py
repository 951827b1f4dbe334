"""Payloads packed with a dictionary of their kind, and those that were kept before there was one, on both databases."""

from __future__ import annotations

import orjson
import pytest
import sqlalchemy as sa

from warehouse.ledger.base.schema import payload_dictionaries as table
from warehouse.ledger.base.schema import raw_orders as raw_table
from warehouse.ledger.book import payload_dictionaries, raw_orders
from warehouse.ledger.book.raw_orders import Payload, bound_to
from warehouse.ledger.settings import channels
from warehouse.packing import pack
from warehouse.privacy import new_key, parse_key_ring

KEYS = parse_key_ring(new_key())
BUYER = "Canari Zoé"


def exact(number: int, buyer: str | None = BUYER) -> bytes:
    places = [{"sku": f"LAMP-{number}-{each}", "price": "12.50", "state": "SHIPPING"} for each in range(4)]
    return orjson.dumps({"order_id": f"A-{number}", "buyer": {"name": buyer, "country": "FR"}, "lines": places})


@pytest.fixture
def keep(any_ledger, clock):
    """Keep payloads of a connection, packed with what its kind has by then; answers that."""
    with any_ledger.write() as transaction:
        for kind in ("amazon", "otto"):
            channels.save_connection(transaction, channels.Connection(code=kind, kind=kind, label=kind), clock())

    def kept(kind: str, numbers: range):
        dictionary = payload_dictionaries.of_kind(any_ledger, kind, clock())
        with any_ledger.write() as transaction:
            for number in numbers:
                own_id = f"A-{number}"
                body = KEYS.seal_compressed(exact(number), bound_to(kind, own_id), dictionary)
                packed = pack(exact(number, None), dictionary)
                raw_orders.keep_given(transaction, kind, Payload(own_id, "fr", bytes(32), body, packed), clock())
        return dictionary

    return kept


def test_a_kind_has_its_dictionary_once_there_are_payloads_enough(any_ledger, keep):
    assert keep("amazon", range(199)) is None
    assert keep("amazon", range(199, 200)) is None
    made = keep("amazon", range(200, 202))
    again = keep("amazon", range(202, 203))
    assert made is not None
    assert (again.id, again.content) == (made.id, made.content)
    assert keep("otto", range(203, 204)) is None
    assert BUYER.encode() not in made.content
    with any_ledger.read() as transaction:
        kept = raw_orders.by_seqs(transaction, range(1, 205))
        lengths = (
            transaction.execute(sa.select(sa.func.length(raw_table.c.payload)).order_by(raw_table.c.seq))
            .scalars()
            .all()
        )
    assert [each.open(KEYS) for each in kept] == [exact(number) for number in range(204)]
    assert [each.redacted for each in kept] == [exact(number, None) for number in range(204)]
    assert [each.dictionary and each.dictionary.id for each in kept] == [None] * 200 + [made.id] * 3 + [None]
    assert lengths[201] < lengths[199] / 2


def test_what_an_earlier_release_kept_is_read(any_ledger, keep):
    keep("amazon", range(2))
    plain = exact(0, None)
    with any_ledger.write() as transaction:
        as_kept = plain if transaction.dialect.name == "postgresql" else plain.decode()
        transaction.exec_driver_sql(
            f"UPDATE raw_orders SET payload = {'%s' if isinstance(as_kept, bytes) else '?'} WHERE seq = 1", (as_kept,)
        )
        payloads = transaction.execute(sa.select(raw_table.c.payload).order_by(raw_table.c.seq)).scalars()
        assert payload_dictionaries.texts(transaction, payloads) == [plain.decode(), exact(1, None).decode()]


def test_a_dictionary_that_is_gone_is_an_error_and_never_another_payload(any_ledger, keep):
    keep("amazon", range(200))
    keep("amazon", range(200, 201))
    with any_ledger.write() as transaction:
        transaction.execute(sa.delete(table))
    with any_ledger.read() as transaction:
        (kept,) = raw_orders.by_seqs(transaction, [201])
    with pytest.raises(ValueError, match="dictionary"):
        kept.open(KEYS)


def test_payloads_that_are_too_short_have_none(any_ledger, keep, monkeypatch):
    monkeypatch.setattr(payload_dictionaries, "SAMPLES", 2)
    keep("amazon", range(2))
    assert keep("amazon", range(2, 3)) is None

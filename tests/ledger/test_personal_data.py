"""The clock of personal data: what goes when, what stays, and that nothing of it is left on the disk."""

from __future__ import annotations

import os
from datetime import timedelta

import orjson
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from warehouse import documents
from warehouse.archive import shelf_of
from warehouse.kept_documents import open_parties
from warehouse.ledger.base.database import RAW_SEQ, TRACES, mark, next_values, set_mark
from warehouse.ledger.base.schema import order_versions, orders, parties, raw_orders
from warehouse.ledger.book import orders as book
from warehouse.ledger.book import personal_data, versions
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.personal_data import UNREAD_GRACE, Purge
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Customer, DeliveryPoint, Gift, References
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.personal import Personal, read_parties
from warehouse.personal import parties as parties_text
from warehouse.privacy import open_key_ring

RETENTION = timedelta(days=30)


@pytest.fixture
def shop(any_ledger, any_settings, clock):
    return Shop(any_ledger, any_settings, clock)


class Shop:
    """An order book with payloads, and a purge by the test's clock."""

    def __init__(self, ledger, settings, clock):
        self.ledger, self.settings, self.clock = ledger, settings, clock
        self.keys = open_key_ring(settings)
        self.sealed: list[bytes] = []

    def order(self, number=1, status=Status.SHIPPED, **changes) -> Order:
        made = Order(
            original_id=f"402-{number:07d}",
            channel="fr",
            marketplace="FR",
            status=status,
            marketplace_status=status.value,
            fulfilled_by=FulfilledBy.MERCHANT,
            purchased_at=self.clock() - timedelta(days=2),
            marketplace_updated_at=self.clock(),
            customer=Customer(name="Zoë Canari", email="zoe@relay.example"),
            shipping_address=Address(name="Zoë Canari", line_1="3 rue du Canari", country_code="FR"),
            lines=(Line(original_id="1", number=1, sku="A", quantity_ordered=1),),
        )
        return replace(made, **changes)

    def put(self, *arriving: Order) -> list[str]:
        """Orders arrive, each with a payload of its own; their ciphertext is remembered."""
        now = self.clock()
        with self.ledger.write() as connection:
            book.lock_book(connection)
            first = next_values(connection, RAW_SEQ, len(arriving))
            arrivals = []
            for seq, order in enumerate(arriving, first):
                self.keep_payload(connection, seq, order.original_id, "fr")
                arrivals.append(arrive(order, seq, now, is_historical=False))
            book.settle(connection, self.keys, arrivals, now)
            self.sealed += [bytes(each) for each in connection.execute(sa.select(parties.c.sealed)).scalars()]
        return [each.id for each in arriving]

    def keep_payload(self, connection, seq, original_id, channel) -> None:
        body = self.keys.seal_compressed(
            b'{"buyer": "Zo\\u00eb Canari", "pad": "' + os.urandom(3000).hex().encode() + b'"}', "raw"
        )
        self.sealed.append(body)
        row = {
            "seq": seq,
            "connection": "amazon",
            "channel": channel,
            "original_id": original_id,
            "content_hash": os.urandom(32),
            "pull_id": 1,
            "page": 1,
            "received_at": self.clock(),
            "is_historical": False,
            "body": body,
            "payload": b'{"buyer": null}',
        }
        connection.execute(sa.insert(raw_orders), [row])

    def purge(self) -> Purge:
        archive = shelf_of(self.settings)
        return personal_data.purge(self.ledger, archive, self.clock() - RETENTION, self.clock())

    def due(self) -> Purge:
        return personal_data.due(self.ledger, shelf_of(self.settings), self.clock() - RETENTION)

    def row(self, own_id):
        with self.ledger.read() as connection:
            return connection.execute(sa.select(orders).where(orders.c.id == own_id)).mappings().one()

    def count(self, table, *where) -> int:
        with self.ledger.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()


def test_every_personal_member_goes_with_the_parties(shop):
    line = Line(
        original_id="1",
        number=1,
        gift=Gift(message="Cher Canari", wrap="Classic"),
        is_customised=True,
        customisation_url="https://custom.example/canari.zip",
    )
    wishes = {"fields": [{"code": "wish", "value": "Canari bleu"}]}
    order = shop.order(
        lines=(line,),
        delivery_point=DeliveryPoint(id="canari-12"),
        delivery_instructions="Au Canari",
        references=References(purchase_order="PO-canari", vat_id="FRcanari"),
        marketplace_data={"fields": [{"code": "wish"}]},
        personal_marketplace_data=wishes,
    )
    (own_id,) = shop.put(order)
    with shop.ledger.read() as connection:
        sealed = connection.execute(sa.select(parties.c.sealed)).scalar_one()
    known = read_parties(open_parties(shop.keys, own_id, sealed))
    assert (known.marketplace_data, known.details["gift_messages"]) == (wishes, {"1": "Cher Canari"})
    shop.clock.advance(days=31)
    shop.purge()
    shop.put(replace(order, marketplace_updated_at=shop.clock()))
    assert shop.count(parties) == 0
    with shop.ledger.read() as connection:
        told = [*connection.execute(sa.select(orders.c.facts)).scalars()]
        told += connection.execute(sa.select(*versions.COLUMNS)).scalars("facts")
    assert len(told) >= 2
    assert not any("canari" in each.lower() for each in told)
    row = shop.row(own_id)
    known = documents.StoredOrder(**{name: row[name] for name in documents.StoredOrder._fields})
    document = orjson.loads(documents.document(known, None))
    assert (document["pii_state"], document["lines"][0]["is_customised"]) == ("expired", True)


def test_a_shipped_order_keeps_its_parties_for_thirty_days_and_no_longer(shop):
    (own_id,) = shop.put(shop.order())
    shop.clock.advance(days=29, hours=23)
    assert shop.purge() == Purge(0, 0, 0)
    assert shop.row(own_id)["pii_state"] == "present"
    shop.clock.advance(hours=2)
    assert shop.due() == Purge(1, 1, 0)
    assert shop.purge() == Purge(1, 1, 0)
    row = shop.row(own_id)
    assert (row["pii_state"], row["revision"], row["position"]) == ("expired", 2, 2)
    assert shop.count(parties) == 0
    assert shop.count(raw_orders, raw_orders.c.body.is_not(None)) == 0
    assert shop.purge() == Purge(0, 0, 0)


@pytest.mark.parametrize("status", [Status.CANCELED, Status.REFUSED])
def test_what_will_never_be_shipped_goes_too(shop, status):
    shop.put(shop.order(status=status))
    shop.clock.advance(days=31)
    assert shop.purge().orders == 1


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.WAITING_FOR_SHIPMENT, Status.PARTIALLY_SHIPPED, Status.UNKNOWN]
)
def test_an_open_order_keeps_everything_that_is_needed_to_ship_it(shop, status):
    (own_id,) = shop.put(shop.order(status=status))
    shop.clock.advance(days=400)
    assert shop.purge() == Purge(0, 0, 0)
    assert shop.row(own_id)["pii_state"] == "present"


def test_a_later_ship_by_time_is_what_counts(shop):
    shop.put(shop.order(ship_by=shop.clock() + timedelta(days=10)))
    shop.clock.advance(days=39)
    assert shop.purge().orders == 0
    shop.clock.advance(days=2)
    assert shop.purge().orders == 1


def test_a_change_after_it_was_closed_does_not_set_the_clock_back(shop):
    shop.put(shop.order())
    shop.clock.advance(days=20)
    shop.put(shop.order(marketplace_status="REFUNDED", marketplace_updated_at=shop.clock()))
    shop.clock.advance(days=11)
    assert shop.purge().orders == 1


def test_an_order_that_is_opened_again_begins_anew(shop):
    (own_id,) = shop.put(shop.order())
    shop.clock.advance(days=20)
    shop.put(shop.order(status=Status.WAITING_FOR_SHIPMENT, marketplace_updated_at=shop.clock()))
    assert shop.row(own_id)["closed_at"] is None
    shop.clock.advance(days=1)
    shop.put(shop.order(marketplace_updated_at=shop.clock()))
    shop.clock.advance(days=29)
    assert shop.purge().orders == 0


def test_readers_of_the_feed_learn_of_it_and_the_versions_stay_in_order(shop):
    (own_id,) = shop.put(shop.order())
    shop.clock.advance(days=31)
    shop.purge()
    with shop.ledger.read() as connection:
        rows = connection.execute(sa.select(order_versions).order_by(order_versions.c.position)).mappings().all()
    assert [(row["order_id"], row["revision"], orjson.loads(row["changed"])) for row in rows] == [
        (own_id, 1, []),
        (own_id, 2, ["pii_state"]),
    ]


def test_the_marketplace_telling_it_again_brings_nothing_back_and_is_no_change(shop):
    told = shop.order()
    (own_id,) = shop.put(told)
    shop.clock.advance(days=31)
    shop.purge()
    shop.put(replace(told, marketplace_updated_at=shop.clock()))
    row = shop.row(own_id)
    assert (row["pii_state"], row["revision"]) == ("expired", 2)
    assert shop.count(parties) == 0
    bare = parties_text(Personal(members={"shipping_address": Address(country_code="FR")}))
    assert bytes(row["content_hash"]) == documents.content_hash(row["facts"], bare)
    shop.clock.advance(days=31)
    assert shop.purge() == Purge(0, 1, 0)  # the payload that came with it


def test_payloads_of_a_split_order_stay_until_both_halves_are_over(shop):
    own, theirs = (
        shop.order(is_split=True, fulfilled_by=by, status=status)
        for by, status in ((FulfilledBy.MERCHANT, Status.SHIPPED), (FulfilledBy.MARKETPLACE, Status.PENDING))
    )
    shop.put(own)
    shop.put(theirs)
    shop.clock.advance(days=31)
    assert shop.purge() == Purge(1, 0, 0)
    shop.put(replace(theirs, status=Status.SHIPPED, marketplace_updated_at=shop.clock()))
    shop.clock.advance(days=31)
    assert shop.purge() == Purge(1, 3, 0)


def test_payloads_of_an_order_without_parties_go_and_the_order_does_not_change(shop):
    (own_id,) = shop.put(shop.order(customer=Customer(), shipping_address=Address(country_code="FR")))
    shop.clock.advance(days=31)
    assert shop.purge() == Purge(0, 1, 0)
    assert (shop.row(own_id)["pii_state"], shop.row(own_id)["revision"]) == ("withheld", 1)


def test_a_payload_that_gave_no_order_is_given_time_to_be_repaired(shop):
    with shop.ledger.write() as connection:
        shop.keep_payload(connection, next_values(connection, RAW_SEQ, 1), "broken", None)
    shop.clock.advance(seconds=(RETENTION + UNREAD_GRACE).total_seconds())
    assert shop.purge().payloads == 0
    shop.clock.advance(seconds=1)
    assert shop.purge().payloads == 1


def test_archived_files_go_by_their_age(shop):
    assert shop.purge().files == 0  # there is no archive
    folder = shop.settings.archive / "ab"
    folder.mkdir(parents=True)
    for name, age in (("old", 31), ("new", 29)):
        (folder / name).write_bytes(b"sealed")
        moment = (shop.clock() - timedelta(days=age)).timestamp()
        os.utime(folder / name, (moment, moment))
    assert shop.due().files == 1
    assert shop.purge().files == 1
    assert [path.name for path in folder.iterdir()] == ["new"]


def test_no_byte_of_what_was_purged_is_left_below_the_home(shop):
    """Every ciphertext that ever stood there, also of revisions that were replaced since, is looked for in every file."""
    many = [shop.order(number) for number in range(1, 120)]
    shop.put(*many)
    shop.put(
        *(
            replace(
                each, marketplace_updated_at=shop.clock(), marketplace_status="AGAIN", customer=Customer(name="Zoë B")
            )
            for each in many
        )
    )
    kept = shop.order(900, status=Status.WAITING_FOR_SHIPMENT)
    before = len(shop.sealed)
    shop.put(kept)
    assert left_of(shop, shop.sealed[:before])[1] > 0 or shop.settings.is_postgresql
    shop.clock.advance(days=31)
    assert shop.purge().orders == len(many)
    with shop.ledger.read() as connection:
        still = {bytes(each) for each in connection.execute(sa.select(parties.c.sealed)).scalars()}
        still |= {
            bytes(each) for each in connection.execute(sa.select(raw_orders.c.body)).scalars() if each is not None
        }
    gone = [each for each in shop.sealed if each not in still]
    assert len(gone) > 3 * len(many)
    assert left_of(shop, gone) == ([], 0)
    assert shop.count(parties) == 1


def left_of(shop, sealed: list[bytes]) -> tuple[list[str], int]:
    """Files below the home that hold a piece of any of the ciphertexts, and how many of these are found."""
    data = {str(path): path.read_bytes() for path in shop.settings.home.rglob("*") if path.is_file()}
    pieces = [each[start : start + 24] for each in sealed for start in (20, len(each) // 2, len(each) - 30)]
    found = {piece for piece in pieces if any(piece in each for each in data.values())}
    return [path for path, content in data.items() if any(piece in content for piece in found)], len(found)


def test_a_purge_that_was_killed_before_the_overwriting_is_finished_by_the_next_one(shop):
    with shop.ledger.write() as connection:
        set_mark(connection, TRACES, 1)
    assert shop.purge() == Purge(0, 0, 0)
    with shop.ledger.read() as connection:
        assert mark(connection, TRACES) == 0


def test_the_oldest_personal_data_is_known(shop):
    with shop.ledger.read() as connection:
        assert personal_data.oldest(connection) is None
    first = shop.clock()
    shop.put(shop.order())
    shop.clock.advance(days=3)
    shop.put(shop.order(2))
    with shop.ledger.read() as connection:
        assert personal_data.oldest(connection) == first


def test_what_is_due_is_found_without_a_look_at_what_is_not(any_ledger, clock):
    query = sa.select(sa.func.count()).select_from(orders).where(*personal_data._due_orders(clock()))
    text = str(query.compile(any_ledger.engine, compile_kwargs={"literal_binds": True}))
    with any_ledger.write() as transaction:
        if transaction.dialect.name == "postgresql":
            transaction.execute(sa.text("SET LOCAL enable_seqscan = off"))
            plan = "\n".join(transaction.exec_driver_sql(f"EXPLAIN {text}").scalars())
        else:
            plan = "\n".join(row[3] for row in transaction.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
    assert "ix_orders_time_began" in plan, plan

"""Giving orders over the API: taking them in once, changing them knowingly, and what is refused in which words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_api.schemas.order_intake import OrderTaken
from orders_api.schemas.orders import OrderDocument
from orders_api.schemas.problems import ProblemDocument
from orders_pipeline.installation import Installation
from orders_pipeline.stages.normalise import normalise_pending
from tests.api.conftest import Api
from tests.given_orders import BUYER, document, set_up, with_line
from warehouse.ids import order_id
from warehouse.ledger.base.schema import idempotency_keys, parties, raw_orders
from warehouse.ledger.base.schema import orders as book
from warehouse.ledger.settings import channels
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import shipments
from warehouse.packing import unpack
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import Item, ReportResult, Sender, ShipmentReport, Source

PATH = "/v1/orders"


@pytest.fixture
def given_channels(any_ledger, any_book, clock):
    set_up(any_ledger, clock())


@pytest.fixture
def seller(any_app, any_ledger, clock, issued, given_channels):
    """A token that gives orders and reads them."""
    return Api(any_app, issued(any_ledger, clock(), "seller", Scope.ORDERS_WRITE, Scope.ORDERS_READ))


@pytest.fixture
def clerk(app, api_ledger, clock, issued):
    """A token that gives orders, where the storage does not matter."""
    set_up(api_ledger, clock())
    return Api(app, issued(api_ledger, clock(), "clerk", Scope.ORDERS_WRITE, Scope.ORDERS_READ_PII))


@pytest.fixture
def installation_of_pipeline(settings, api_ledger, clock):
    return Installation(settings, api_ledger, open_key_ring(settings), clock)


def give(api, given, status=201, **headers):
    response = api.post(PATH, given, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert response.status_code == status, response.text
    return response


def refused(api, given, status=422, **headers) -> ProblemDocument:
    return ProblemDocument.model_validate_json(give(api, given, status, **headers).content)


def faults(api, given) -> dict[str, str]:
    problem = refused(api, given)
    assert problem.code == "invalid_request"
    return {each.pointer: each.message for each in problem.errors}


def ship(ledger, now, original_id: str, units: int) -> None:
    sender = Sender(consumer="erp", source=Source.API, report_id="r-1")
    items = (Item(item_original_id="1", item_quantity_shipped=units),)
    made = ShipmentReport(channel="telephone", original_id=original_id, package_id="P1", items=items)
    with ledger.write() as transaction:
        (answer,) = shipments.report(transaction, sender, [made], now)
    assert answer.result is ReportResult.ACCEPTED


# -- taking in


def test_a_stranger_gives_nothing_and_his_body_is_not_looked_at(stranger, erp):
    assert stranger.request("POST", PATH, content=b"{broken").status_code == 401
    problem = ProblemDocument.model_validate_json(erp.post(PATH, document()).content)
    assert (problem.status, problem.code) == (403, "missing_scope")


def test_an_order_is_in_the_book_and_the_feed_when_it_is_answered(seller):
    response = give(seller, document())

    taken = OrderTaken.model_validate_json(response.content)
    assert (taken.channel, taken.original_id, taken.result) == ("telephone", "1001", "created")
    assert taken.id == order_id("telephone", "1001")
    assert response.headers["location"] == f"/v1/orders/{taken.id}"
    read = seller.get(response.headers["location"])
    assert read.headers["etag"] == response.headers["etag"]
    found = OrderDocument.model_validate_json(read.content).model_dump()
    assert (found["marketplace"], found["status"], found["fulfilled_by"]) == (
        "Telephone",
        "WAITING_FOR_SHIPMENT",
        "merchant",
    )
    assert (found["total"], found["currency"], found["shipping_total"]) == ("126.60", "EUR", "4.90")
    assert [(each["sku"], each["quantity_ordered"]) for each in found["lines"]] == [("LAMP-12", 3), ("BULB-1", 1)]
    assert [each["line_total"] for each in found["lines"]] == ["114.70", "3.00"]
    assert found["problems"] == []
    changes = seller.get(f"{PATH}/changes", after=0).json()["orders"]
    assert [each["original_id"] for each in changes] == ["1001"]


def test_every_member_arrives_where_it_belongs(clerk):
    own_id = give(clerk, document()).json()["id"]

    found = clerk.get(f"{PATH}/{own_id}").json()

    given = document()
    for name in ("customer", "shipping_address", "billing_address", "references"):
        assert {key: found[name][key] for key in given[name]} == given[name]
    assert found["delivery_instructions"] == "Second bell"
    assert found["marketplace_data"] == {"notes": "Called twice about the colour"}
    assert found["deliver_by"] == {"from": "2026-11-05T08:00:00.000Z", "until": "2026-11-06T18:00:00.000Z"}
    assert found["purchased_at"] == "2026-11-02T09:15:00.000Z"
    assert found["charges"][0]["code"] == "GIFT_WRAP"
    assert found["payment"]["method"] == "Invoice"
    assert found["is_business"] is True
    assert found["service_level"] == "Parcel"
    line = found["lines"][0]
    assert line["gift"] == {"message": "For you", "wrap": "Classic"}
    assert (line["gtin"], line["title"], line["source_unit_price"]) == ("4006381333931", "Desk lamp, brass", "39.90")


def test_personal_data_is_sealed_and_withheld_without_the_scope(seller, any_ledger):
    own_id = give(seller, document(), Idempotency_Key="k-1").json()["id"]

    assert BUYER not in seller.get(f"{PATH}/{own_id}").text
    assert BUYER not in seller.get(f"{PATH}/{own_id}/payload").text
    assert seller.get(f"{PATH}/{own_id}/payload").json()["payload"]["order"]["lines"][0]["sku"] == "LAMP-12"
    with any_ledger.read() as transaction:
        kept = transaction.execute(sa.select(raw_orders)).one()
        answers = transaction.execute(sa.select(idempotency_keys.c.body)).scalars().all()
    for word in (BUYER, "quai", "Second bell", "PO-77", "Called twice", "For you"):
        assert word not in unpack(kept.payload).decode()
        assert word.encode() not in kept.body
        assert all(word.encode() not in each for each in answers)


def test_a_null_and_a_blank_are_nothing(clerk):
    own_id = give(clerk, document(service_level="  ", billing_address=None, notes="", ship_by=None)).json()["id"]
    found = clerk.get(f"{PATH}/{own_id}").json()
    assert (found["service_level"], found["billing_address"], found["ship_by"]) == (None, None, None)


def test_numbers_with_a_wrong_check_digit_are_pointed_out_and_kept(clerk):
    wrong = document(references={"vat_id": "FR40303265046"})
    wrong["lines"][0]["gtin"] = "4006381333932"
    found = clerk.get(f"{PATH}/{give(clerk, wrong).json()['id']}").json()
    assert [each["code"] for each in found["problems"]] == ["vat_id_invalid", "gtin_invalid"]
    assert found["lines"][0]["gtin"] == "4006381333932"


# -- once


def test_the_same_document_again_is_known_and_another_needs_if_match(seller):
    first = give(seller, document())

    again = give(seller, document(), 200)
    assert (again.json()["result"], again.headers["etag"]) == ("already_known", first.headers["etag"])
    reordered = dict(reversed(document().items()))
    assert give(seller, reordered, 200).json()["result"] == "already_known"
    assert refused(seller, document(service_level="Express"), 428).code == "order_is_known"
    assert seller.get(PATH, original_id="1001").json()["orders"][0]["revision"] == 1


def test_a_key_is_worked_on_once(seller, any_ledger):
    first = give(seller, document(), Idempotency_Key="k-1")
    second = give(seller, document(), Idempotency_Key="k-1")

    assert second.headers["idempotent-replayed"] == "true"
    assert (second.content, second.headers["location"]) == (first.content, first.headers["location"])
    assert refused(seller, document("1002"), Idempotency_Key="k-1").code == "idempotency_key_reused"
    assert refused(seller, document(), Idempotency_Key="k-1", If_Match="*").code == "idempotency_key_reused"
    assert refused(seller, document(currency="EU"), Idempotency_Key="k-2").code == "invalid_request"
    give(seller, document("1003"), Idempotency_Key="k-2")
    with any_ledger.read() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(book)).scalar_one() == 2


def test_an_original_id_is_unique_in_its_channel_only(seller):
    here = give(seller, document()).json()["id"]
    there = give(seller, document(channel="fair")).json()["id"]
    assert here != there


@pytest.mark.parametrize("key", [None, "k-1"])
def test_two_at_once_give_one_order(seller, any_live, any_ledger, key):
    headers = {"Authorization": f"Bearer {seller.token}"}

    def post(level: str) -> int:
        own = {"Idempotency-Key": f"{key}-{level}"} if key else {}
        return httpx.post(
            f"{any_live}{PATH}", json=document(service_level=level), headers={**headers, **own}, timeout=30
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(post, [f"Level {number}" for number in range(8)]))

    assert sorted(statuses) == [201, *[428] * 7]
    with any_ledger.read() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(book)).scalar_one() == 1
        assert transaction.execute(sa.select(sa.func.count()).select_from(raw_orders)).scalar_one() == 1


# -- changing


def test_a_change_needs_the_order_as_it_is(seller):
    first = give(seller, document()).headers["etag"]

    changed = give(seller, document(service_level="Express"), 200, If_Match=first)
    assert changed.json()["result"] == "changed"
    assert changed.headers["etag"] != first
    assert refused(seller, document(service_level="Van"), 412, If_Match=first).code == "order_has_changed"
    assert give(seller, document(service_level="Express"), 200, If_Match=first).json()["result"] == "already_known"
    give(seller, document(service_level="Van"), 200, If_Match=changed.headers["etag"])
    give(seller, document(), 200, If_Match="*")
    (found,) = seller.get(PATH, original_id="1001").json()["orders"]
    assert (found["revision"], found["service_level"]) == (4, "Parcel")


def test_the_tag_of_a_reader_who_sees_the_buyer_is_good_too(clerk):
    own_id = give(clerk, document()).json()["id"]
    tag = clerk.get(f"{PATH}/{own_id}").headers["etag"]
    give(clerk, document(service_level="Express"), 200, If_Match=tag)


def test_nothing_is_changed_that_is_not_there(seller):
    assert refused(seller, document(), 412, If_Match="*").code == "no_order_to_change"


def test_a_change_cannot_take_back_what_is_shipped(seller, any_ledger, clock):
    give(seller, document())
    ship(any_ledger, clock(), "1001", 2)

    too_few = with_line(0, quantity_ordered=1)
    problem = refused(seller, too_few, If_Match="*")
    assert problem.code == "invalid_order"
    assert [(each.pointer, each.code) for each in problem.errors] == [
        ("/lines/0/quantity_ordered", "quantity_below_shipped")
    ]
    problem = refused(seller, with_line(0, quantity_cancelled=2), If_Match="*")
    assert [each.pointer for each in problem.errors] == ["/lines/0/quantity_cancelled"]
    gone = document(total=None)
    del gone["lines"][0]
    assert "line_missing" in [each.code for each in refused(seller, gone, If_Match="*").errors]
    give(seller, with_line(0, quantity_cancelled=1), 200, If_Match="*")
    (found,) = seller.get(PATH, original_id="1001").json()["orders"]
    line = found["lines"][0]
    shown = [line[f"quantity_{name}"] for name in ("ordered", "shipped", "cancelled", "remaining_to_ship")]
    assert shown == [3, 2, 1, 0]


def test_cancelling_every_unit_cancels_the_order(seller):
    give(seller, document())
    gone = document()
    for line in gone["lines"]:
        line["quantity_cancelled"] = line["quantity_ordered"]
    give(seller, gone, 200, If_Match="*")
    (found,) = seller.get(PATH, original_id="1001").json()["orders"]
    assert (found["status"], found["may_not_ship_reason"]) == ("CANCELED", "order_canceled")


def test_what_comes_later_counts_even_when_the_clock_goes_back(seller, clock):
    give(seller, document())
    clock.advance(hours=-1)
    give(seller, document(service_level="Express"), 200, If_Match="*")
    (found,) = seller.get(PATH, original_id="1001").json()["orders"]
    assert found["service_level"] == "Express"


# -- refusing


def test_only_channels_without_a_marketplace_take_orders(seller, any_app, any_ledger, clock, issued):
    assert refused(seller, document(channel="amazon_fr"), 409).code == "channel_has_marketplace"
    assert refused(seller, document(channel="nowhere")).code == "unknown_channel"
    limited = Api(any_app, issued(any_ledger, clock(), "limited", Scope.ORDERS_WRITE, channels=["fair"]))
    problem = refused(limited, document())
    assert (problem.code, problem.errors[0].pointer) == ("unknown_channel", "/channel")
    give(limited, document(channel="fair"))


def test_another_tokens_answer_is_judged_anew(seller, any_app, any_ledger, clock, issued):
    give(seller, document(), Idempotency_Key="k-1")
    limited = Api(any_app, issued(any_ledger, clock(), "seller", Scope.ORDERS_WRITE, channels=["fair"]))
    assert refused(limited, document(), Idempotency_Key="k-1").code == "unknown_channel"


def test_every_mistake_is_told_at_once_with_its_place_and_what_was_meant(clerk):
    wrong = document(currency="EURO", totl="1", shipping_address={"cty": "Nantes", "country_code": "UK"})
    wrong["lines"][0] |= {"skuu": "X", "quantity_ordered": "3", "unit_price": 39.9, "gift": {"massage": "x"}}
    wrong["lines"][1] |= {"title": "a\x00b", "original_id": " "}

    told = faults(clerk, wrong)

    assert told == {
        "/currency": told["/currency"],
        "/totl": "there is no such member; did you mean 'total'?",
        "/shipping_address/cty": "there is no such member; did you mean 'city'?",
        "/shipping_address/country_code": "should be a country of ISO 3166, alpha-2",
        "/lines/0/skuu": "there is no such member; did you mean 'sku'?",
        "/lines/0/quantity_ordered": told["/lines/0/quantity_ordered"],
        "/lines/0/unit_price": 'should be an amount as decimal text, such as "39.90", with at most six decimals',
        "/lines/0/gift/massage": "there is no such member; did you mean 'message'?",
        "/lines/1/title": told["/lines/1/title"],
        "/lines/1/original_id": "needs something in it",
    }
    assert "EURO" not in told["/currency"]


def test_amounts_must_balance(clerk):
    wrong = document(total="100.00", tax_total="1.00")
    wrong["lines"][0]["line_total"] = "119.70"
    assert faults(clerk, wrong) == {
        "/lines/0/line_total": "should be 114.70: unit_price × quantity_ordered − discount",
        "/total": "should be 126.60: all lines, shipping_total and charges",
        "/tax_total": "is less than the taxes of lines and charges, 18.95",
    }


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"quantity_ordered": 0}, "/lines/0/quantity_ordered"),
        ({"quantity_ordered": True}, "/lines/0/quantity_ordered"),
        ({"quantity_ordered": 10**9}, "/lines/0/quantity_ordered"),
        ({"quantity_cancelled": 4}, "/lines/0/quantity_cancelled"),
        ({"unit_price": "-1"}, "/lines/0/unit_price"),
        ({"unit_price": "1e3"}, "/lines/0/unit_price"),
        ({"unit_price": "NaN"}, "/lines/0/unit_price"),
        ({"unit_price": "999999999999", "quantity_ordered": 1_000_000}, "/lines/0/unit_price"),
        ({"discount": "500"}, "/lines/0/discount"),
        ({"original_id": "2"}, "/lines/0/original_id"),
        ({"sku": "A\u2028B"}, "/lines/0/sku"),
        ({"title": "x" * 2001}, "/lines/0/title"),
    ],
)
def test_a_line_that_cannot_be_is_refused_at_its_place(clerk, change, place):
    assert place in faults(clerk, with_line(0, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"purchased_at": "2026-11-02T10:15:00"},
        {"purchased_at": 1793611800000},
        {"purchased_at": "0001-01-01T00:00:00Z"},
        {"original_id": 7},
        {"original_id": "x" * 201},
        {"channel": "Telephone!"},
        {"lines": []},
        {"lines": None},
        {"shipping_total": "-1"},
        {"currency": "XYZ"},
    ],
)
def test_an_order_that_cannot_be_is_refused_at_its_place(clerk, change):
    (name,) = change
    assert f"/{name}" in faults(clerk, document(**change))


@pytest.mark.parametrize("body", [b"", b"{", b"[1,2", b'{"a":"\xff"}', b"\xff\xfe{}"])
def test_a_body_that_is_no_json_is_refused(clerk, body):
    response = clerk.request("POST", PATH, content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("value", [[], 3, "x", [document()]])
def test_what_is_no_order_is_refused(clerk, value):
    assert faults(clerk, value) == {"": "should be an object"}


def _places(value, place=()):
    yield place
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(each, (*place, key))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = [place for place in _places(document()) if place]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(place=st.sampled_from(PLACES), value=JSON, number=st.integers(0, 10**9))
def test_any_change_of_a_document_is_taken_or_refused_with_a_place(clerk, place, value, number):
    changed = document(f"H-{number}")
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value

    response = clerk.post(PATH, changed)

    if response.status_code == 422:
        assert all(each["pointer"] is not None and each["message"] for each in response.json()["errors"])
        assert response.json()["errors"]
    else:
        assert response.status_code in {200, 201, 428}, response.text
        known = clerk.get(f"{PATH}/{response.json()['id']}") if response.status_code != 428 else None
        assert known is None or known.status_code == 200
        assert known is None or {each["code"] for each in known.json()["problems"]} <= {
            "vat_id_invalid",
            "gtin_invalid",
        }


def test_a_channel_that_is_switched_to_a_marketplace_takes_no_more(seller, any_ledger, clock):
    give(seller, document())
    with any_ledger.write() as transaction:
        own = channels.find_connection(transaction, "own")
        channels.save_connection(transaction, replace(own, kind="mirakl"), clock())
    assert refused(seller, document("1002"), 409).code == "channel_has_marketplace"


def test_what_a_channel_needs_is_known_without_asking(seller):
    found = seller.get("/v1/channels/telephone/requirements").json()
    assert (found["is_known"], found["shipments"]["carrier"], found["shipments"]["asked_at"]) == (True, False, None)
    assert found["decisions"]["cancels"] == "lines"
    kinds = {each["kind"]: each["takes_orders"] for each in seller.get("/v1/marketplace-kinds").json()["kinds"]}
    assert (kinds["manual"], kinds["mirakl"]) == (True, False)


def test_coverage_and_status_claim_nothing(seller):
    give(seller, document())
    (covered,) = [each for each in seller.get("/v1/coverage").json()["coverage"] if each["channel"] == "telephone"]
    assert (covered["retrieval"], covered["complete_from"], covered["complete_through"]) == (False, None, None)
    (stands,) = [each for each in seller.get("/v1/status").json()["channels"] if each["channel"] == "telephone"]
    assert (stands["state"], stands["complete_through"], stands["next_run_at"]) == ("given", None, None)


def test_what_a_change_leaves_out_is_gone(clerk, api_ledger, installation_of_pipeline):
    own_id = give(clerk, document()).json()["id"]
    other = document(customer={"name": "Somebody Else"}, delivery_instructions=None, billing_address=None)
    del other["shipping_address"]["line_1"], other["lines"][0]["gift"], other["notes"]
    give(clerk, other, 200, If_Match="*")

    def shown() -> dict:
        return clerk.get(f"{PATH}/{own_id}").json()

    found = shown()
    normalise_pending(installation_of_pipeline)
    assert shown() == found
    customer = {name: value for name, value in found["customer"].items() if value is not None}
    assert customer == {"name": "Somebody Else"}
    assert (found["delivery_instructions"], found["billing_address"], found["marketplace_data"]) == (None, None, {})
    assert (found["shipping_address"]["line_1"], found["lines"][0]["gift"]) == (None, None)

    for name in ("customer", "shipping_address", "references"):
        del other[name]
    del other["lines"][0]["title"]
    give(clerk, other, 200, If_Match="*")
    found = shown()
    assert [found[name] for name in ("customer", "shipping_address", "references", "pii_state")] == [None] * 3 + [
        "withheld"
    ]
    with api_ledger.read() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(parties)).scalar_one() == 0

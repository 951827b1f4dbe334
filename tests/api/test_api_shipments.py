"""Shipments over the API: reporting, keys, reading, trying again, accepting, and what a channel needs."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from orders_api.schemas.acceptances import AcceptancePage, AcceptanceState
from orders_api.schemas.channels import ChannelRequirements
from orders_api.schemas.problems import ProblemDocument
from orders_api.schemas.shipment_reports import ShipmentResults
from orders_api.schemas.shipments import ShipmentDetail, ShipmentPage
from orders_api.v1 import shipment_reports as intake
from tests.api.conftest import Api
from warehouse.ids import line_id
from warehouse.ledger.base.schema import idempotency_keys, order_events
from warehouse.ledger.base.schema import shipments as table
from warehouse.ledger.settings import carriers, channels
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import claims, confirmations
from warehouse.order_lines import Line
from warehouse.order_states import FulfilledBy, Status
from warehouse.shipments import (
    AttemptOutcome,
    CancelReason,
    Cancels,
    Carrier,
    CarrierRule,
    Receipt,
    Requirements,
    shipping_moment,
)

PATH = "/v1/shipments"
UNKNOWN = "00000000-0000-5000-8000-000000000000"


def lines(*ordered: int) -> tuple[Line, ...]:
    return tuple(
        Line(
            original_id=f"L{number}",
            number=number,
            sku=f"SKU-{number}",
            quantity_ordered=units,
            quantity_shipped=0,
            quantity_cancelled=0,
        )
        for number, units in enumerate(ordered, 1)
    )


def confirm(ledger, now, *codes: str) -> None:
    """Switch confirmation on."""
    with ledger.write() as connection:
        for each in channels.all_channels(connection):
            if each.code in codes:
                channels.save_channel(connection, replace(each, confirmation=True), now)


@pytest.fixture
def shop(any_book, any_ledger, order, clock):
    """Puts orders of two lines, 3 and 2 units, into a book whose French channel confirms."""
    confirm(any_ledger, clock(), "amazon_fr")

    def put(*numbers: int, **changes) -> list[str]:
        return any_book.put(*(order(each, **{"lines": lines(3, 2), **changes}) for each in numbers))

    return put


@pytest.fixture
def shipper(any_app, any_ledger, clock, issued, any_erp):
    """A token that reports shipments, and reads orders."""
    token = issued(any_ledger, clock(), "shipper", Scope.SHIPMENTS_WRITE, Scope.ORDERS_READ)
    return type(any_erp)(any_app, token)


@pytest.fixture
def reporter(app, api_ledger, clock, issued, erp):
    """A token that reports shipments, where the storage does not matter."""
    return type(erp)(app, issued(api_ledger, clock(), "reporter", Scope.SHIPMENTS_WRITE))


def report(api, *items: dict, status: int = 202, query: str = "", **headers: str):
    response = api.post(PATH + query, {"shipments": list(items)}, headers=headers)
    assert response.status_code == status, response.text
    return response


def results(response) -> list:
    return ShipmentResults.model_validate_json(response.content).results


def one(api, status: int = 202, **members):
    (result,) = results(report(api, members, status=status))
    return result


def refused(api, **members) -> list[tuple[str, str]]:
    """The code and the pointer of each fault of a shipment that is refused."""
    response = report(api, members, status=422)
    problem = ProblemDocument.model_validate_json(response.content)
    assert problem.code == "all_refused"
    assert [each.result for each in problem.results or ()] == ["refused"]
    return [(each.code or "", each.pointer or "") for each in problem.errors]


# -- reporting


def test_a_stranger_reports_nothing_and_his_body_is_not_looked_at(stranger):
    assert stranger.request("POST", PATH, content=b"{broken").status_code == 401


def test_a_whole_order_is_reported(shipper, shop):
    (own_id,) = shop(1)

    response = report(shipper, {"id": own_id, "tracking_number": "T1", "carrier_code": "UPS"})

    (result,) = results(response)
    assert (result.index, result.result, result.order_id, result.status) == (0, "accepted", own_id, "queued")
    assert response.headers["location"] == f"/v1/shipments/{result.shipment_id}"
    assert response.headers["cache-control"] == "no-store"
    order = shipper.get(f"/v1/orders/{own_id}").json()
    assert (order["status"], order["confirmation_status"]) == ("SHIPPED", "queued")
    assert [each["quantity_remaining_to_ship"] for each in order["lines"]] == [0, 0]
    read = ShipmentDetail.model_validate_json(shipper.get(response.headers["location"]).content)
    assert (read.tracking_number, read.carrier_code, read.consumer, read.source) == ("T1", "UPS", "shipper", "api")
    assert [(each.item_original_id, each.item_quantity_shipped) for each in read.items] == [("L1", 3), ("L2", 2)]
    assert read.attempts == []


def test_every_member_is_kept(shipper, shop):
    (own_id,) = shop(1)
    told = {
        "package_id": "PKG-1",
        "tracking_number": "T1",
        "carrier_code": "UPS",
        "carrier_name": "United Parcel",
        "tracking_url": "https://ups.example/T1",
        "shipping_method": "Express",
        "ship_from": "WH-1",
        "return_tracking_number": "R1",
        "return_carrier": "DHL",
    }

    result = one(
        shipper,
        original_id="402-0000001",
        channel="amazon_fr",
        shipping_date="2026-11-02T10:00:00+01:00",
        items=[{"item_id": line_id(own_id, "L1"), "item_quantity_shipped": 2}],
        **told,
    )

    read = shipper.get(f"{PATH}/{result.shipment_id}").json()
    assert {name: read[name] for name in told} == told
    assert read["shipping_date"] == "2026-11-02T09:00:00.000Z"
    assert read["items"] == [
        {
            "item_id": line_id(own_id, "L1"),
            "item_original_id": "L1",
            "sku": "SKU-1",
            "item_quantity_shipped": 2,
            "may_have_left": 0,
        }
    ]


def test_a_channel_that_does_not_confirm_holds_the_shipment(shipper, any_book, order):
    (own_id,) = any_book.put(order(1))

    result = one(shipper, id=own_id)

    assert (result.result, result.status) == ("accepted", "held")
    assert shipper.get(f"{PATH}/{result.shipment_id}").json()["held_reason"] == "confirmation_off"


def test_the_same_package_again_updates_its_tracking_and_then_is_known(shipper, shop):
    (own_id,) = shop(1)
    first = one(shipper, id=own_id, package_id="A", tracking_number="T1")

    again = one(shipper, id=own_id, package_id="A", tracking_number="T2")
    known = one(shipper, 200, id=own_id, package_id="A", tracking_number="T2")

    assert (again.result, known.result) == ("updated", "already_known")
    assert first.shipment_id == again.shipment_id == known.shipment_id
    assert shipper.get(f"{PATH}/{first.shipment_id}").json()["version"] == 2


def test_one_wrong_shipment_stops_no_other_and_several_are_found_by_their_report(shipper, shop):
    own = shop(1, 2)

    response = report(
        shipper,
        {"id": own[0], "tracking_number": "T1"},
        {"id": UNKNOWN},
        {"id": own[1], "tracking_numbr": "T2"},
        {"original_id": "402-0000002", "tracking_number": "T2"},
    )

    found = results(response)
    assert [each.result for each in found] == ["accepted", "refused", "refused", "accepted"]
    assert [(each.code, each.field) for each in found[1].errors + found[2].errors] == [
        ("unknown_order", "id"),
        ("invalid_field", "tracking_numbr"),
    ]
    assert response.headers["location"] == f"{PATH}?report_id={response.json()['report_id']}"
    listed = ShipmentPage.model_validate_json(shipper.get(response.headers["location"]).content)
    assert {each.order_id for each in listed.shipments} == set(own)


def test_a_dry_run_answers_the_same_and_records_nothing(shipper, shop):
    own = shop(1, 2)
    items = [{"id": own[0], "tracking_number": "T1"}, {"id": own[1], "items": [{"item_original_id": "L9"}]}]

    tried = report(shipper, *items, status=200, query="?dry_run=true")

    assert "location" not in tried.headers
    assert tried.json()["dry_run"] is True
    assert shipper.get(PATH).json()["shipments"] == []
    assert shipper.get(f"/v1/orders/{own[0]}").json()["status"] == "WAITING_FOR_SHIPMENT"
    done = report(shipper, *items)
    assert tried.json()["results"] == done.json()["results"]
    report(shipper, {"id": UNKNOWN}, status=422, query="?dry_run=true")


def test_more_than_a_commits_worth_is_taken_in_and_no_more_than_a_thousand(shipper, shop):
    own = shop(*range(2 * intake.REPORTS_PER_COMMIT + 1))

    response = report(shipper, *({"id": each, "tracking_number": f"T{each[:8]}"} for each in own))

    assert [each.index for each in results(response)] == list(range(len(own)))
    assert {each.result for each in results(response)} == {"accepted"}
    report(shipper, *([{"id": own[0]}] * 1001), status=422)


# -- what is refused


@pytest.mark.parametrize(
    ("changes", "members", "fault"),
    [
        ({}, {"id": UNKNOWN}, ("unknown_order", "/shipments/0/id")),
        ({}, {"original_id": "402-9"}, ("unknown_order", "/shipments/0/original_id")),
        ({}, {"items": [{"item_original_id": "L9"}]}, ("unknown_line", "/shipments/0/items/0/item_original_id")),
        (
            {},
            {"items": [{"item_original_id": "L1", "item_quantity_shipped": 4}]},
            ("quantity_exceeds_remaining", "/shipments/0/items/0/item_quantity_shipped"),
        ),
        ({}, {"items": [{"item_original_id": "L1"}] * 2}, ("duplicate_item", "/shipments/0/items/1")),
        ({}, {"shipping_date": "2026-11-02T09:36:00Z"}, ("shipping_date_in_future", "/shipments/0/shipping_date")),
        ({"fulfilled_by": FulfilledBy.MARKETPLACE}, {}, ("fulfilled_by_marketplace", "/shipments/0/id")),
        ({"status": Status.CANCELED}, {}, ("order_canceled", "/shipments/0/id")),
        ({"status": Status.PENDING}, {}, ("order_pending", "/shipments/0/id")),
        ({"lines": lines(0)}, {}, ("nothing_remains", "/shipments/0/items")),
    ],
)
def test_a_shipment_that_cannot_be_is_refused_with_its_place(shipper, shop, changes, members, fault):
    (own_id,) = shop(1, **changes)
    named = {} if "id" in members or "original_id" in members else {"id": own_id}

    assert refused(shipper, **named, **members) == [fault]


def test_what_the_marketplace_needs_is_asked_for(shipper, shop, any_ledger, clock):
    (own_id,) = shop(1)
    needs = Requirements(
        needs_tracking_number=True,
        needs_carrier=True,
        carrier_rule=CarrierRule.LISTED,
        carriers=(Carrier(code="UPS", label="UPS"),),
    )
    with any_ledger.write() as connection:
        carriers.save_requirements(connection, "amazon_fr", needs, clock())

    assert refused(shipper, id=own_id) == [
        ("tracking_number_missing", "/shipments/0/tracking_number"),
        ("carrier_missing", "/shipments/0/carrier_code"),
    ]
    assert refused(shipper, id=own_id, tracking_number="T", carrier_code="WHO") == [
        ("carrier_unknown", "/shipments/0/carrier_code")
    ]


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({}, ""),
        ({"id": 7.5}, "/id"),
        ({"id": ""}, "/id"),
        ({"id": " "}, "/id"),
        ({"id": "x", "nonsense~/": 1}, "/nonsense~0~1"),
        ({"id": "x", "tracking_number": "a\u0000b"}, "/tracking_number"),
        ({"id": "x", "tracking_number": "a\nb"}, "/tracking_number"),
        ({"id": "x", "tracking_number": "T" * 201}, "/tracking_number"),
        ({"id": "x", "tracking_url": "javascript:alert(1)"}, "/tracking_url"),
        ({"id": "x", "shipping_date": 1793611800}, "/shipping_date"),
        ({"id": "x", "shipping_date": "2026-11-02"}, "/shipping_date"),
        ({"id": "x", "shipping_date": True}, "/shipping_date"),
        ({"id": "x", "items": [{"item_quantity_shipped": 1}]}, "/items/0"),
        ({"id": "x", "items": [{"item_id": "x", "item_quantity_shipped": 0}]}, "/items/0/item_quantity_shipped"),
        ({"id": "x", "items": [{"item_id": "x", "item_quantity_shipped": 1.5}]}, "/items/0/item_quantity_shipped"),
        ({"id": "x", "items": [{"item_id": "x", "item_quantity_shipped": True}]}, "/items/0/item_quantity_shipped"),
        ({"id": "x", "items": {}}, "/items"),
    ],
)
def test_a_malformed_member_is_refused_by_itself(reporter, members, place):
    assert refused(reporter, **members) == [("invalid_field", f"/shipments/0{place}")]


@pytest.mark.parametrize("given", ["6A\u200b12345", "\u202a6A12345\u202c", "\ufeff6A12\u00ad345\xa0"])
def test_invisible_characters_are_taken_out_of_identifiers(shipper, shop, given):
    (own_id,) = shop(1)
    (result,) = results(report(shipper, {"id": f"\u200b{own_id}", "tracking_number": given}))
    shown = shipper.get(f"/v1/shipments/{result.shipment_id}").json()
    assert (shown["order_id"], shown["tracking_number"]) == (own_id, "6A12345")


@pytest.mark.parametrize("given", ["6A\u0096", "6A\u20281", "6A\u20291", "6A\t1", "\u200b"])
def test_control_characters_and_line_separators_are_refused(reporter, given):
    assert refused(reporter, id="x", tracking_number=given) == [("invalid_field", "/shipments/0/tracking_number")]


def test_an_epoch_in_seconds_is_told_so(reporter):
    response = report(reporter, {"id": "x", "shipping_date": 1793611800}, status=422)

    assert "seconds" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"shipments": []}, "/shipments"),
        ({}, "/shipments"),
        ([], ""),
        ({"shipments": [{}], "more": 1}, "/more"),
    ],
)
def test_a_malformed_body_is_refused_as_a_whole(reporter, body, pointer):
    response = reporter.post(PATH, body)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"shipments": ["\\ud800"]}'])
def test_what_is_not_json_is_refused(reporter, content):
    response = reporter.request("POST", PATH, content=content, headers={"Content-Type": "application/json"})

    assert (response.status_code, response.json()["errors"][0]["message"]) == (422, "the body is not valid JSON")


def test_what_was_sent_is_not_repeated(reporter):
    response = report(reporter, {"id": "Zo\u00eb Canari", "shipping_date": "7654321"}, status=422)

    assert "Canari" not in response.text
    assert "7654321" not in response.text


def test_other_channels_orders_do_not_exist(any_app, any_ledger, any_erp, shop, clock, issued):
    (own_id,) = shop(1)
    token = issued(any_ledger, clock(), "german", Scope.SHIPMENTS_WRITE, channels=["mirakl_de"])
    german = type(any_erp)(any_app, token)

    assert refused(german, id=own_id) == [("unknown_order", "/shipments/0/id")]
    assert refused(german, original_id="402-0000001") == [("unknown_order", "/shipments/0/original_id")]
    assert german.post(f"/v1/orders/{own_id}/acceptance", {"accepted": True}).json()["code"] == "unknown_order"


# -- shipping dates


@pytest.mark.parametrize("value", [1793611800123, "1793611800123", "2026-11-02T10:30:00.123+01:00"])
def test_a_shipping_date_in_each_form(value):
    assert shipping_moment(value) == datetime(2026, 11, 2, 9, 30, 0, 123000, tzinfo=UTC)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary(), st.booleans(), st.just(10**5000)))
def test_any_shipping_date_is_an_instant_or_a_plain_refusal(value):
    try:
        found = shipping_moment(value).isoformat()[-6:]
    except ValueError as refusal:
        found = str(refusal)
    assert found.startswith(("+00:00", "should", "needs", "is out"))


# -- idempotency keys


def key_rows(ledger) -> int:
    with ledger.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(idempotency_keys)).scalar_one()


def test_an_answer_is_given_again_to_a_token_that_may_see_it_only(any_app, any_ledger, any_book, order, clock, issued):
    (own,) = any_book.put(order(1, channel="mirakl_de"))
    confirm(any_ledger, clock(), "mirakl_de")
    whole, other = (
        Api(any_app, issued(any_ledger, clock(), "erp", Scope.SHIPMENTS_WRITE, channels=channels))
        for channels in (None, ["amazon_fr"])
    )
    asked = {"id": own, "tracking_number": "T1"}
    assert [each.result for each in results(report(whole, asked, **{"Idempotency-Key": "1"}))] == ["accepted"]

    refusal = report(other, asked, status=422, **{"Idempotency-Key": "1"})

    assert refusal.json()["results"][0]["errors"][0]["code"] == "unknown_order"
    assert refusal.json()["results"][0]["shipment_id"] is None
    assert report(whole, asked, **{"Idempotency-Key": "1"}).headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF8 * 2])
def test_a_byte_order_mark_before_the_body_is_skipped(shipper, shop, mark):
    body = json.dumps({"shipments": [{"id": shop(1)[0], "tracking_number": "T1"}]}).encode()
    answer = shipper.request("POST", "/v1/shipments", content=mark + body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_another_encoding_is_named(shipper, encoding):
    body = "\ufeff".encode(encoding) if encoding == "utf-16-be" else b""
    body += json.dumps({"shipments": []}).encode(encoding)
    answer = shipper.request("POST", "/v1/shipments", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "UTF-16" in answer.json()["errors"][0]["message"]


def test_digits_without_quotes_are_digits_and_rounded_ones_are_not(shipper, shop):
    own = shop(1, 2)
    number = 12345678901234567890
    report(shipper, {"id": own[0], "tracking_number": number, "package_id": 7})
    (shown,) = shipper.get("/v1/shipments").json()["shipments"]
    assert (shown["tracking_number"], shown["package_id"]) == (str(number), "7")
    for wrong in (1.5, 1e20, True):
        refusal = report(shipper, {"id": own[0], "tracking_number": wrong}, status=422)
        assert refusal.json()["errors"][0]["pointer"] == "/shipments/0/tracking_number"


def test_a_request_under_the_same_key_is_answered_again(shipper, shop):
    own = shop(1, 2)
    key = {"Idempotency-Key": "order-1"}
    first = report(shipper, {"id": own[0], "tracking_number": "T1"}, **key)

    again = report(shipper, {"id": own[0], "tracking_number": "T1"}, **key)

    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


@pytest.mark.parametrize("other", ["body", "query"])
def test_another_request_under_the_same_key_is_refused(shipper, shop, other):
    own = shop(1, 2)
    key = {"Idempotency-Key": "order-1"}
    report(shipper, {"id": own[0]}, **key)

    changed = {"id": own[1 if other == "body" else 0]}
    response = report(shipper, changed, status=422, query="?dry_run=true" if other == "query" else "", **key)

    assert response.json()["code"] == "idempotency_key_reused"


def test_a_key_that_is_worked_on_is_in_flight(shipper, shop, any_ledger):
    (own_id,) = shop(1)
    report(shipper, {"id": own_id}, **{"Idempotency-Key": "k"})
    with any_ledger.write() as connection:
        connection.execute(sa.update(idempotency_keys).values(holder="elsewhere:1", status=None, body=None))

    response = report(shipper, {"id": own_id}, status=409, **{"Idempotency-Key": "k"})

    assert response.json()["code"] == "idempotency_key_in_flight"
    assert response.headers["retry-after"] == "1"


def test_after_its_holder_was_lost_the_key_works_and_nothing_is_doubled(shipper, shop, any_ledger, clock):
    (own_id,) = shop(1)
    report(shipper, {"id": own_id, "tracking_number": "T1"}, **{"Idempotency-Key": "k"})
    with any_ledger.write() as connection:
        connection.execute(sa.update(idempotency_keys).values(holder="elsewhere:1", status=None, body=None))
    clock.advance(minutes=5)

    response = report(shipper, {"id": own_id, "tracking_number": "T1"}, status=200, **{"Idempotency-Key": "k"})

    assert [each.result for each in results(response)] == ["already_known"]
    assert len(shipper.get(PATH).json()["shipments"]) == 1


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"shipments": [{"id": UNKNOWN}]}, ""),
        ({"shipments": [{"id": UNKNOWN}]}, "?dry_run=true"),
        ({"shipments": [{"id": 1}]}, ""),
        ({"shipments": []}, ""),
    ],
)
def test_a_refusal_as_a_whole_frees_the_key(shipper, any_ledger, body, query):
    assert shipper.post(PATH + query, body, headers={"Idempotency-Key": "k"}).status_code == 422

    assert key_rows(any_ledger) == 0


def test_a_dry_run_has_keys_too(shipper, shop):
    (own_id,) = shop(1)
    first, again = (
        report(shipper, {"id": own_id}, status=200, query="?dry_run=true", **{"Idempotency-Key": "k"}) for _ in "12"
    )
    assert first.content == again.content


@pytest.mark.parametrize("key", ["", "k" * 256, "caf\u00e9"])
def test_a_key_that_is_none_is_refused(reporter, key):
    response = reporter.post(PATH, {"shipments": [{"id": "x"}]}, headers={"Idempotency-Key": key.encode()})

    assert (response.status_code, response.json()["code"]) == (400, "invalid_idempotency_key")


def test_keys_of_two_consumers_are_not_the_same(shipper, any_app, any_ledger, any_erp, shop, clock, issued):
    own = shop(1, 2)
    other = type(any_erp)(any_app, issued(any_ledger, clock(), "second", Scope.SHIPMENTS_WRITE))
    for api, own_id in zip((shipper, other), own, strict=True):
        report(api, {"id": own_id}, **{"Idempotency-Key": "k"})


FAILING = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'too busy' USING ERRCODE = 'query_canceled'; END $$;
CREATE TRIGGER failing BEFORE INSERT ON shipments FOR EACH ROW WHEN (NEW.package_id = 'B') EXECUTE FUNCTION fail();
"""


@pytest.mark.parametrize("any_settings", ["postgresql"], indirect=True)
def test_a_report_that_was_cut_off_in_the_middle_says_so_and_may_be_sent_again(shipper, shop, any_ledger, monkeypatch):
    monkeypatch.setattr(intake, "REPORTS_PER_COMMIT", 1)
    own = shop(1, 2)
    items = [{"id": each, "package_id": name} for each, name in zip(own, "AB", strict=True)]
    key = {"Idempotency-Key": "k"}
    with any_ledger.write() as connection:
        connection.exec_driver_sql(FAILING)

    broken = report(shipper, *items, status=503, **key)
    untouched = report(shipper, items[1], status=503, **key)

    assert (broken.json()["code"], untouched.json()["code"]) == ("partly_recorded", "ledger_unavailable")
    assert key_rows(any_ledger) == 0
    with any_ledger.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER failing ON shipments")
    assert [each.result for each in results(report(shipper, *items, **key))] == ["already_known", "accepted"]


# -- many at once, through a real server


def flood(url: str, token: str, bodies: list[tuple[dict, dict[str, str]]]) -> list[httpx.Response]:
    """Send every body at once."""
    with httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=100)) as client:

        def send(each: tuple[dict, dict[str, str]]) -> httpx.Response:
            body, headers = each
            return client.post(PATH, json=body, headers={"Authorization": f"Bearer {token}", **headers})

        with ThreadPoolExecutor(len(bodies)) as pool:
            return list(pool.map(send, bodies))


def test_a_hundred_requests_at_once_never_ship_more_than_was_ordered(any_live, shipper, shop):
    (own_id,) = shop(1, lines=lines(30))
    bodies = [
        (
            {
                "shipments": [
                    {
                        "id": own_id,
                        "package_id": f"P{n}",
                        "items": [{"item_original_id": "L1", "item_quantity_shipped": 1}],
                    }
                ]
            },
            {},
        )
        for n in range(100)
    ]

    answers = flood(any_live, shipper.token, bodies)

    assert Counter(each.status_code for each in answers) == {202: 30, 422: 70}
    order = shipper.get(f"/v1/orders/{own_id}").json()
    assert (order["lines"][0]["quantity_shipped"], order["status"]) == (30, "SHIPPED")
    assert len(shipper.get(PATH, limit=1000).json()["shipments"]) == 30


def test_the_same_key_a_hundred_times_at_once_has_one_effect(any_live, shipper, shop, any_ledger):
    (own_id,) = shop(1)
    body = {"shipments": [{"id": own_id, "tracking_number": "T1"}]}

    answers = flood(any_live, shipper.token, [(body, {"Idempotency-Key": "k"})] * 100)

    counted = Counter(each.status_code for each in answers)
    assert set(counted) <= {202, 409}
    assert counted[202] >= 1
    assert len({each.content for each in answers if each.status_code == 202}) == 1
    assert sum("idempotent-replayed" not in each.headers for each in answers if each.status_code == 202) == 1
    with any_ledger.read() as connection:
        kinds = connection.execute(sa.select(order_events.c.kind)).scalars().all()
    assert kinds == ["shipment_reported"]


# -- reading


@pytest.fixture
def shipped(shipper, shop, clock):
    """Five shipments, reported a minute apart; their ids, the first reported first."""
    ids = []
    for number, own_id in enumerate(shop(1, 2, 3, 4, 5)):
        clock.advance(minutes=1)
        ids.append(one(shipper, id=own_id, package_id=f"P{number}", tracking_number=f"T{number}").shipment_id)
    return ids


def listed(api, **query) -> list[str]:
    response = api.get(PATH, **query)
    assert response.status_code == 200, response.text
    return [each.id for each in ShipmentPage.model_validate_json(response.content).shipments]


FILTERS = (
    ({}, [4, 3, 2, 1, 0]),
    ({"status": ["queued", "rejected"]}, [4, 3, 2, 1, 0]),
    ({"status": "verified"}, []),
    ({"channel": "amazon_fr"}, [4, 3, 2, 1, 0]),
    ({"channel": "mirakl_de"}, []),
    ({"original_id": "402-0000003"}, [2]),
    ({"tracking_number": "T1"}, [1]),
    ({"package_id": "P4"}, [4]),
    ({"reported_after": "2026-11-02T09:33:00Z"}, [4, 3, 2]),
    ({"reported_before": "2026-11-02T09:33:00Z"}, [1, 0]),
    ({"updated_after": "2026-11-02T09:35:00Z"}, [4]),
    ({"updated_before": "2026-11-02T09:32:00Z", "status": "queued"}, [0]),
    ({"order_id": UNKNOWN}, []),
    ({"report_id": UNKNOWN}, []),
)
"""Query, and which of the five shipments it finds."""


def test_filters(shipper, shipped):
    for query, chosen in FILTERS:
        assert listed(shipper, **query) == [shipped[each] for each in chosen], query


@pytest.mark.parametrize("query", ["channel=amazon_fr&", "updated_after=2026-01-01T00:00:00Z&"])
def test_pages_join_without_a_gap(shipper, shipped, query):
    found: list[str] = []
    following = f"{PATH}?{query}limit=2"
    while following:
        response = shipper.request("GET", following)
        found += [each["id"] for each in response.json()["shipments"]]
        assert (response.json()["next"] is not None) == ("link" in response.headers)
        following = response.json()["next"]
    assert found == shipped[::-1]


@pytest.mark.parametrize("cursor", ["nonsense", "WzEsMl0"])
def test_a_cursor_of_another_list_is_refused(shipper, shipped, cursor):
    of_another = shipper.get(PATH, limit=1).json()["next"].partition("cursor=")[2]
    for each in (cursor, of_another):
        response = shipper.get(PATH, status="queued", cursor=each)
        assert (response.status_code, response.json()["code"]) == (400, "unknown_cursor")


def test_a_channel_that_is_none_is_named(reporter):
    assert reporter.get(PATH, channel="nowhere").json()["code"] == "unknown_channel"


@pytest.mark.parametrize("own_id", [UNKNOWN, "nonsense"])
@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("POST", "/retry")])
def test_a_shipment_that_is_none_is_not_found(reporter, own_id, method, end):
    response = reporter.request(method, f"{PATH}/{own_id}{end}")

    assert (response.status_code, response.json()["code"]) == (404, "unknown_shipment")


def test_a_token_of_another_channel_sees_no_shipment(any_app, any_ledger, any_erp, shipped, clock, issued):
    token = issued(any_ledger, clock(), "german", Scope.SHIPMENTS_WRITE, channels=["mirakl_de"])
    german = type(any_erp)(any_app, token)

    assert listed(german) == []
    assert listed(german, tracking_number="T1") == []
    assert german.get(f"{PATH}/{shipped[0]}").status_code == 404
    assert german.request("POST", f"{PATH}/{shipped[0]}/retry").status_code == 404
    assert german.get("/v1/channels/amazon_fr/requirements").status_code == 404


def claim_one(ledger, now):
    with ledger.write() as connection:
        (claim,) = claims.claim(connection, ["amazon_fr"], 1, now)
    return claim


def test_every_attempt_is_shown_with_the_next_one(shipper, shop, any_ledger, clock):
    (own_id,) = shop(1)
    result = one(shipper, id=own_id, tracking_number="T1")
    outcomes = (
        Receipt(
            shipment_id=result.shipment_id,
            outcome=AttemptOutcome.RETRY,
            operation="confirmShipment",
            http_status=503,
            request_id="req-1",
            code="unavailable",
            message="Try later",
            wait=timedelta(minutes=10),
        ),
        Receipt(
            shipment_id=result.shipment_id,
            outcome=AttemptOutcome.REJECTED,
            operation="confirmShipment",
            http_status=400,
            request_id="req-2",
            code="invalid_carrier",
            message="Unknown carrier",
            hint="Map the carrier.",
        ),
    )
    for outcome in outcomes:
        claim = claim_one(any_ledger, clock())
        with any_ledger.write() as connection:
            confirmations.record(connection, [(claim, outcome)], clock())
        if outcome is outcomes[0]:
            waiting = shipper.get(f"{PATH}/{result.shipment_id}").json()
            assert waiting["next_attempt_at"] == "2026-11-02T09:40:00.000Z"
        clock.advance(minutes=10)

    read = ShipmentDetail.model_validate_json(shipper.get(f"{PATH}/{result.shipment_id}").content)

    assert (read.status, read.code, read.message, read.hint) == (
        "rejected",
        "invalid_carrier",
        "Unknown carrier",
        "Map the carrier.",
    )
    assert [(each.outcome, each.http_status, each.request_id, each.code) for each in read.attempts] == [
        ("retry", 503, "req-1", "unavailable"),
        ("rejected", 400, "req-2", "invalid_carrier"),
    ]
    assert read.next_attempt_at is None
    texts = [each["text"] for each in shipper.get(f"/v1/orders/{own_id}/events").json()["events"]]
    assert "Package 1 reported by shipper, 5 units" in texts
    assert "Package 1: the marketplace rejected the confirmation: Unknown carrier" in texts


def test_both_sides_of_a_difference_are_shown(shipper, shipped, any_ledger):
    with any_ledger.write() as connection:
        connection.execute(
            sa.update(table).where(table.c.id == shipped[0]).values(difference={"tracking_number": ["T0", "X"]})
        )
    assert shipper.get(f"{PATH}/{shipped[0]}").json()["difference"] == [
        {"member": "tracking_number", "ours": "T0", "theirs": "X"}
    ]


# -- trying again


def test_a_rejected_shipment_is_tried_again(shipper, shop, any_ledger, clock):
    (own_id,) = shop(1)
    result = one(shipper, id=own_id)
    claim = claim_one(any_ledger, clock())
    wrong = Receipt(shipment_id=claim.id, outcome=AttemptOutcome.REJECTED, code="no", message="No")
    with any_ledger.write() as connection:
        confirmations.record(connection, [(claim, wrong)], clock())

    response = shipper.request("POST", f"{PATH}/{result.shipment_id}/retry")

    assert (response.status_code, response.json()) == (202, {"id": result.shipment_id, "status": "queued"})
    assert response.headers["location"] == f"{PATH}/{result.shipment_id}"
    assert claim_one(any_ledger, clock()).id == result.shipment_id


def test_what_cannot_be_tried_again_says_why(shipper, shop, any_ledger, clock):
    (own_id,) = shop(1)
    result = one(shipper, id=own_id)
    claim_one(any_ledger, clock())

    response = shipper.request("POST", f"{PATH}/{result.shipment_id}/retry")

    assert (response.status_code, response.json()["code"]) == (409, "shipment_under_way")


# -- what a channel needs


def test_what_a_channel_needs_is_told_once_it_is_known(shipper, shop, any_ledger, clock):
    path = "/v1/channels/{}/requirements"
    unknown = ChannelRequirements.model_validate_json(shipper.get(path.format("mirakl_de")).content)
    assert (unknown.is_known, unknown.shipments, unknown.confirmation) == (False, None, False)
    needs = Requirements(
        needs_tracking_number=True,
        needs_carrier=False,
        carrier_rule=CarrierRule.LISTED,
        carriers=(Carrier(code="UPS", label="United Parcel"),),
        carrier_aliases={"BROWN": "UPS"},
        notes=("One package at a time.",),
        acceptance_state="WAITING",
        acceptance_within_hours=4,
        can_refuse=False,
        cancels=Cancels.WHOLE_ORDER,
        cancel_reasons=(CancelReason(code="STOCK", label="Out of stock"),),
    )
    entry = carriers.CarrierEntry(channel="amazon_fr", code="dpd01", carrier_code="DPD")
    with any_ledger.write() as connection:
        carriers.save_requirements(connection, "amazon_fr", needs, clock())
        carriers.save_carrier(connection, entry, clock())

    known = ChannelRequirements.model_validate_json(shipper.get(path.format("amazon_fr")).content)

    assert (known.is_known, known.confirmation, known.acceptance) == (True, True, "manual")
    assert known.shipments is not None
    assert known.decisions is not None
    assert known.decisions.model_dump(mode="json") == {
        "accepts": True,
        "refuses": False,
        "accept_within_hours": 4.0,
        "cancels": "whole_order",
        "cancel_reasons": [{"code": "STOCK", "label": "Out of stock"}],
        "answers_requests_to_cancel": False,
    }
    assert (known.shipments.tracking_number, known.shipments.carrier_rule) == (True, "listed")
    assert [(each.code, each.label) for each in known.shipments.carriers] == [("UPS", "United Parcel")]
    assert known.shipments.carrier_aliases == {"BROWN": "UPS"}
    assert [(each.code, each.carrier_code) for each in known.mapping] == [("DPD01", "DPD")]


def test_a_channel_that_is_none_needs_nothing(reporter):
    response = reporter.get("/v1/channels/nowhere/requirements")

    assert (response.status_code, response.json()["code"]) == (404, "unknown_channel")


# -- accepting


@pytest.fixture
def waiting(shop, any_ledger, clock):
    """An order that waits to be accepted at a marketplace that asks for it."""
    needs = Requirements(
        needs_tracking_number=False,
        needs_carrier=False,
        carrier_rule=CarrierRule.ANY,
        acceptance_state="WAITING_ACCEPTANCE",
    )
    with any_ledger.write() as connection:
        carriers.save_requirements(connection, "amazon_fr", needs, clock())
    return shop(1, status=Status.PENDING, marketplace_status="WAITING_ACCEPTANCE")[0]


def decide(api, own_id: str, body: object):
    return api.post(f"/v1/orders/{own_id}/acceptance", body)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        ({"accepted": True}, [True, True]),
        ({"accepted": False}, [False, False]),
        (
            {"lines": [{"line_original_id": "L1", "accepted": True}, {"line_original_id": "L2", "accepted": False}]},
            [True, False],
        ),
    ],
)
def test_an_order_is_decided(shipper, waiting, body, accepted):
    first, again = decide(shipper, waiting, body), decide(shipper, waiting, body)

    assert first.status_code == again.status_code == 202
    assert first.headers["location"] == f"/v1/orders/{waiting}"
    state = AcceptanceState.model_validate_json(first.content)
    assert (state.order_id, state.status) == (waiting, "queued")
    assert {each.item_id: each.accepted for each in state.lines} == {
        line_id(waiting, name): each for name, each in zip(("L1", "L2"), accepted, strict=True)
    }
    assert again.json() == first.json()
    texts = [each["text"] for each in shipper.get(f"/v1/orders/{waiting}/events").json()["events"]]
    units = f"{sum(accepted)} accepted, {2 - sum(accepted)} refused"
    assert [each for each in texts if "decided" in each] == [f"Acceptance decided by shipper: {units}"]


def test_what_waits_for_a_decision_is_listed_until_it_is_decided(shipper, shop, waiting, any_ledger, clock):
    until = datetime(2026, 10, 2, 12, tzinfo=UTC)
    (later,) = shop(2, status=Status.PENDING, marketplace_status="WAITING_ACCEPTANCE", accept_by=until)
    shop(3, status=Status.PENDING, marketplace_status="PENDING_PAYMENT")
    path = "/v1/acceptances?limit=1"
    first = AcceptancePage.model_validate_json(shipper.get(path).content)
    second = AcceptancePage.model_validate_json(shipper.get(first.next).content)
    assert [each.order_id for page in (first, second) for each in page.acceptances] == [waiting, later]
    assert (first.acceptances[0].accept_by, second.acceptances[0].accept_by, second.next) == (None, until, None)
    assert [(each.quantity, each.is_accepted) for each in first.acceptances[0].lines] == [(3, None), (2, None)]
    for each in (later, waiting):
        decide(shipper, each, {"accepted": True})
        clock.advance(seconds=1)
    assert shipper.get(path).json() == {"acceptances": [], "next": None}
    first = AcceptancePage.model_validate_json(shipper.get(f"{path}&stage=queued").content)
    second = AcceptancePage.model_validate_json(shipper.get(first.next).content)
    assert [each.order_id for page in (first, second) for each in page.acceptances] == [waiting, later]
    assert [each.is_accepted for each in second.acceptances[0].lines] == [True, True]
    with any_ledger.write() as connection:  # who decides by himself leaves nothing to the seller
        (channel, _) = channels.all_channels(connection)
        channels.save_channel(connection, replace(channel, acceptance="automatic"), clock())
    shop(4, status=Status.PENDING, marketplace_status="WAITING_ACCEPTANCE")
    assert shipper.get(path).json()["acceptances"] == []


def test_lines_may_be_named_by_our_id(shipper, waiting):
    named = [{"line_id": line_id(waiting, each), "accepted": True} for each in ("L1", "L2")]

    assert decide(shipper, waiting, {"lines": named}).status_code == 202


@pytest.mark.parametrize(
    ("named", "code"),
    [
        (["L1"], "line_undecided"),
        (["L1", "L2", "L3"], "unknown_line"),
        (["L1", "L2", "L2"], "duplicate_line"),
    ],
)
def test_every_line_is_decided_once(shipper, waiting, named, code):
    response = decide(shipper, waiting, {"lines": [{"line_original_id": each, "accepted": True} for each in named]})

    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["errors"][0]["pointer"].startswith("/lines")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"accepted": "yes"},
        {"accepted": True, "lines": [{"line_id": "x", "accepted": True}]},
        {"lines": []},
        {"lines": [{"accepted": True}]},
        {"lines": [{"line_id": "x", "line_original_id": "y", "accepted": True}]},
    ],
)
def test_a_malformed_decision_is_refused(reporter, body):
    response = decide(reporter, UNKNOWN, body)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_another_decision_is_refused(shipper, waiting):
    decide(shipper, waiting, {"accepted": True})

    response = decide(shipper, waiting, {"accepted": False})

    assert (response.status_code, response.json()["code"]) == (409, "already_decided")


def test_what_waits_for_no_decision_says_why(shipper, shop, waiting, any_ledger, clock):
    (other,) = shop(2)
    assert decide(shipper, other, {"accepted": True}).json()["code"] == "not_waiting_for_acceptance"
    with any_ledger.write() as connection:
        (channel, _) = channels.all_channels(connection)
        channels.save_channel(connection, replace(channel, acceptance="off"), clock())
    assert decide(shipper, waiting, {"accepted": True}).json()["code"] == "acceptance_off"


def test_a_marketplace_that_asks_for_no_decision_gets_none(shipper, shop):
    response = decide(shipper, shop(1)[0], {"accepted": True})

    assert (response.status_code, response.json()["code"]) == (409, "acceptance_not_offered")


@pytest.mark.parametrize("own_id", [UNKNOWN, "nonsense"])
def test_an_order_that_is_none_cannot_be_decided(reporter, own_id):
    response = decide(reporter, own_id, {"accepted": True})

    assert (response.status_code, response.json()["code"]) == (404, "unknown_order")


def test_two_reports_of_one_request_see_each_other(shipper, shop):
    (own_id,) = shop(1)
    part = {"item_original_id": "L1", "item_quantity_shipped": 2}

    response = report(shipper, *({"id": own_id, "package_id": each, "items": [part]} for each in "AB"))

    found = results(response)
    assert [each.result for each in found] == ["accepted", "refused"]
    assert [each.code for each in found[1].errors] == ["quantity_exceeds_remaining"]

"""The contract that every marketplace must keep, as a pytest plugin: a kind is tried against its own stand-in over HTTP.

    pytest -p orders_pipeline.marketplaces.acceptance --pyargs orders_pipeline.marketplaces.acceptance --marketplace KIND

Without `--marketplace` every kind that has a stand-in is tried. It needs pytest and hypothesis, which the extra `acceptance`
brings. What a stand-in must offer for it is in `orders_pipeline.sandbox.engine.Sandbox`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Unauthorised
from orders_pipeline.marketplaces.hints import HintFate
from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import ChannelContext, Unreadable
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.marketplaces.trials import (
    NO_LIMIT,
    OpenQuota,
    Shop,
    StandIn,
    read_all,
    stand_in,
    tracking_number,
    waiting_units,
    week,
)
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import FaultKind
from orders_pipeline.sandbox.registry import SANDBOXES
from warehouse.documents import facts
from warehouse.marketplace_kinds import MarketplaceKind, setting_problems
from warehouse.privacy import without_pii
from warehouse.shipments import AttemptOutcome, Cancels, CarrierRule, Idempotency, Requirements

_TRIED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which kinds are tried."""
    parser.addoption(
        "--marketplace", action="append", help="Kind to be tried; repeatable. Default: every one that has a stand-in."
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One trial of each kind; for what confirms, one in each of its stand-in's set-ups."""
    if metafunc.definition.stash.get(_TRIED, False):
        return  # asked as a plugin already, and now as the tests' own module
    metafunc.definition.stash[_TRIED] = True
    kinds = metafunc.config.getoption("--marketplace", None) or sorted(SANDBOXES)
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", kinds, scope="module")
    if "way" in metafunc.fixturenames:
        ways = [(kind, way) for kind in kinds for way in ("", *SANDBOXES[kind].ways)]
        metafunc.parametrize("way", ways, ids=lambda way: f"{way[0]}{'-' if way[1] else ''}{way[1]}")


@pytest.fixture(scope="module")
def place(kind: str) -> Iterator[StandIn]:
    """A marketplace to read from."""
    with stand_in(kind, 7) as (found, _):
        yield found


def test_two_readings_give_the_same_orders(place: StandIn) -> None:
    connect = place.connect
    first, second = read_all(connect()), read_all(connect())
    assert first
    assert first == second


def test_every_call_takes_quota_under_a_name_that_has_a_rate(place: StandIn) -> None:
    marketplace, connect = place.marketplace, place.connect
    quota = OpenQuota()
    read_all(connect(quota=quota))
    assert quota.taken
    assert {*quota.taken, *quota.learnt} <= set(marketplace.rates)


def test_a_wrong_credential_is_named_and_never_raises_in_the_test(place: StandIn) -> None:
    connect = place.connect
    client = connect(secret="wrong-secret-value")
    findings = client.test()
    client.close()
    assert [each.part for each in findings if not each.is_ok][:1] == ["credential"]
    assert "wrong-secret-value" not in repr(findings)


def test_a_wrong_credential_fails_a_pull_as_unauthorised(place: StandIn) -> None:
    connect = place.connect
    client = connect(secret="wrong-secret-value")
    with pytest.raises(Unauthorised) as refused:
        list(client.pull(week()))
    client.close()
    assert "wrong-secret-value" not in str(refused.value)


def test_a_good_connection_passes_its_test(place: StandIn) -> None:
    connect = place.connect
    client = connect()
    findings = client.test()
    client.close()
    assert findings
    assert all(each.is_ok for each in findings), findings


def test_a_listing_cut_off_by_the_page_limit_fails(place: StandIn) -> None:
    connect = place.connect
    client = connect(max_pages=0)
    with pytest.raises(MarketplaceError):
        list(client.pull(week()))
    client.close()


def test_orders_read_by_id_are_the_orders_listed(place: StandIn) -> None:
    connect = place.connect
    listed = read_all(connect())
    some = sorted(listed)[:5]
    client = connect()
    fetched = {
        raw.original_id: parse(raw.body) for page in client.fetch([*some, "no-such-order"]) for raw in page.orders
    }
    client.close()
    assert fetched == {each: parse(listed[each]) for each in some}


def test_every_order_is_read_and_belongs_to_its_channel(place: StandIn) -> None:
    marketplace, connect = place.marketplace, place.connect
    for original_id, body in read_all(connect()).items():
        for order in marketplace.normalise(parse(body), ChannelContext("ch", "Ch")):
            assert (order.original_id, order.channel) == (original_id, "ch")
            assert all(line.number > 0 for line in order.lines)


def test_personal_values_are_declared(place: StandIn) -> None:
    marketplace, connect = place.marketplace, place.connect
    for body in read_all(connect()).values():
        payload = parse(body)
        clear = orjson.dumps(without_pii(payload, marketplace.pii_paths)).decode()
        for order in marketplace.normalise(payload, ChannelContext("ch", "Ch")):
            people = (order.customer, order.shipping_address, order.billing_address)
            for value in (
                getattr(each, name) for each in people for name in ("name", "phone", "email") if hasattr(each, name)
            ):
                assert value is None or len(value) < 6 or value not in clear


def test_what_is_kept_in_clear_reads_the_same_after_the_purge(place: StandIn) -> None:
    marketplace, connect = place.marketplace, place.connect
    for body in read_all(connect()).values():
        payload = parse(body)
        whole = marketplace.normalise(payload, ChannelContext("ch", "Ch"))
        bare = marketplace.normalise(without_pii(payload, marketplace.pii_paths), ChannelContext("ch", "Ch"))
        assert [facts(each) for each in bare] == [facts(each) for each in whole]


@pytest.fixture
def shop(way: tuple[str, str]) -> Iterator[Shop]:
    """A marketplace to confirm to."""
    with stand_in(way[0], 11, way[1], mixed_share=0) as (place, state):
        made = Shop(place, state)
        yield made
        made.client.close()


def test_a_confirmation_is_read_back_as_it_was_sent(shop: Shop) -> None:
    (record,) = shop.waiting(1)
    parcel = shop.parcel(record)
    (receipt,) = shop.client.confirm([parcel])
    assert (receipt.shipment_id, receipt.outcome, receipt.operation) == (
        parcel.shipment_id,
        AttemptOutcome.SENT,
        shop.state.confirming,
    )
    (package,) = shop.packages(record)
    assert package.is_shipped
    assert package.tracking_number == parcel.tracking_number
    assert shop.carriers[0] in package.carriers
    assert sorted(package.quantities) == sorted(parcel.quantities)


def test_a_carrier_without_a_code_is_read_back_by_its_name(shop: Shop) -> None:
    if shop.needs.carrier_rule is CarrierRule.LISTED:
        return
    (record,) = shop.waiting(1)
    followed_at = "https://kurier.example/1" if shop.needs.needs_tracking_url_of_named else None
    named = shop.parcel(record, carrier_code=None, carrier_name="Kurier Muster", tracking_url=followed_at)
    (receipt,) = shop.client.confirm([named])
    assert receipt.outcome is AttemptOutcome.SENT
    assert shop.packages(record)[0].carriers == ("Kurier Muster",)


def test_as_many_packages_as_a_call_takes(shop: Shop) -> None:
    records = shop.waiting(min(shop.marketplace.parcels_per_call, 5))
    receipts = shop.client.confirm([shop.parcel(record) for record in records])
    assert {each.shipment_id for each in receipts} == {f"shipment-{record.id}" for record in records}
    assert {each.outcome for each in receipts} == {AttemptOutcome.SENT}
    assert all(len(shop.packages(record)) == 1 for record in records)


def test_no_packages_are_no_call(shop: Shop) -> None:
    assert list(shop.client.confirm([])) == []
    assert shop.calls() == 0


def test_a_part_is_confirmed_where_it_can_be(shop: Shop) -> None:
    (record,) = shop.waiting(1, units=3)
    line = max(waiting_units(record), key=lambda own: waiting_units(record)[own])
    (receipt,) = shop.client.confirm([shop.parcel(record, quantities=((line, 1),), is_whole=False)])
    if shop.client.requirements().takes_part:
        assert receipt.outcome is AttemptOutcome.SENT
        assert [each.quantities for each in shop.packages(record)] == [((line, 1),)]
    else:
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "partial_not_possible")
        assert shop.packages(record) == ()


def test_confirming_twice_never_ships_more(shop: Shop) -> None:
    """Whole orders: whatever is declared, the second confirmation adds nothing, and is not taken for a new one."""
    (record,) = shop.waiting(1)
    parcel = shop.parcel(record)
    shop.client.confirm([parcel])
    (again,) = shop.client.confirm([parcel])
    is_natural = shop.client.requirements().idempotency is Idempotency.NATURAL
    assert again.outcome is (AttemptOutcome.SENT if is_natural else AttemptOutcome.IN_DOUBT)
    (package,) = shop.packages(record)
    assert sorted(package.quantities) == sorted(parcel.quantities)


def test_a_part_sent_twice_is_what_is_declared(shop: Shop) -> None:
    (record,) = shop.waiting(1, units=3)
    needs = shop.client.requirements()
    line = max(waiting_units(record), key=lambda own: waiting_units(record)[own])
    part = shop.parcel(record, quantities=((line, 1),), is_whole=False)
    ordered = waiting_units(record)[line]
    for _ in range(ordered + 2):
        shop.client.confirm([part])
    shown = [units for each in shop.packages(record) for _, units in each.quantities]
    if not needs.takes_part:
        assert shown == []
    elif needs.idempotency is Idempotency.NATURAL:
        assert shown == [1]
    else:
        assert sum(shown) == ordered


def test_a_lost_answer_is_in_doubt_and_shows_when_read_back(shop: Shop) -> None:
    (record,) = shop.waiting(1)
    shop.break_next(FaultKind.DROPPED)
    (receipt,) = shop.client.confirm([shop.parcel(record)])
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.IN_DOUBT, "unanswered")
    (package,) = shop.packages(record)
    assert package.tracking_number == tracking_number(record)


def test_a_lost_request_is_in_doubt_and_does_not_show(shop: Shop) -> None:
    (record,) = shop.waiting(1)
    shop.break_next(FaultKind.DROPPED_BEFORE)
    (receipt,) = shop.client.confirm([shop.parcel(record)])
    assert receipt.outcome is AttemptOutcome.IN_DOUBT
    assert shop.packages(record) == ()
    (again,) = shop.client.confirm([shop.parcel(record)])
    assert again.outcome is AttemptOutcome.SENT
    assert len(shop.packages(record)) == 1


def test_tracking_that_changes_afterwards(shop: Shop) -> None:
    (record,) = shop.waiting(1)
    parcel = shop.parcel(record)
    (first,) = shop.client.confirm([parcel])
    update = replace(
        parcel,
        is_update=True,
        marketplace_package_id=first.marketplace_package_id,
        tracking_number="NEW1",
        carrier_code=shop.carriers[1],
    )
    (receipt,) = shop.client.confirm([update])
    (package,) = shop.packages(record)
    if shop.needs.takes_corrections:
        assert receipt.outcome is AttemptOutcome.SENT
        assert (package.tracking_number, shop.carriers[1] in package.carriers) == ("NEW1", True)
    else:
        assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "correction_not_offered")
        assert package.tracking_number == parcel.tracking_number


def test_a_refused_credential_stops_everything_and_tells_no_secret(shop: Shop) -> None:
    client = shop.place.connect(secret="")
    (record,) = shop.waiting(1)
    with pytest.raises(Unauthorised):
        client.confirm([shop.parcel(record)])
    client.close()


def test_receipts_hold_no_secret(shop: Shop) -> None:
    record, other = shop.waiting(2)
    receipts = list(shop.client.confirm([shop.parcel(record)]))
    for kind in (FaultKind.ERROR_HTML, FaultKind.OK_HTML, FaultKind.DROPPED):
        shop.break_next(kind)
        receipts += shop.client.confirm([shop.parcel(other)])
    receipts += shop.client.confirm([shop.parcel(other, original_id="no-such-order")])
    assert not any(secret in repr(receipts) for secret in shop.place.access.credentials.values())


def test_shipping_takes_quota_under_names_that_have_a_rate(shop: Shop) -> None:
    records = shop.waiting(2)
    (receipt,) = shop.client.confirm([shop.parcel(records[0])])
    shop.client.confirm(
        [shop.parcel(records[0], is_update=True, marketplace_package_id=receipt.marketplace_package_id)]
    )
    shop.client.requirements()
    shop.packages(records[0])
    with suppress(MarketplaceError):
        shop.client.accept(records[1].id, {"line": True})
    assert shop.state.confirming in shop.quota.taken
    assert set(shop.quota.taken) <= set(shop.marketplace.rates)


def test_requirements_are_given_and_survive_storage(shop: Shop) -> None:
    needs = shop.needs
    assert Requirements.from_json(needs.as_json()) == needs
    codes = {each.code for each in needs.carriers}
    assert bool(codes) or needs.carrier_rule is CarrierRule.ANY
    assert set(needs.carrier_aliases.values()) <= codes
    assert all(spelling == spelling.upper() for spelling in needs.carrier_aliases)
    if "UPS" in codes:
        assert needs.carrier_aliases["UNITED PARCEL SERVICE"] == "UPS"
    assert needs.idempotency is shop.marketplace.requirements.idempotency


def test_an_order_that_is_unknown_is_rejected(shop: Shop) -> None:
    (record,) = shop.waiting(1)
    (receipt,) = shop.client.confirm([shop.parcel(record, original_id="no-such-order")])
    assert (receipt.outcome, receipt.code) == (AttemptOutcome.REJECTED, "order_not_found")
    assert receipt.hint


def test_acceptance_is_offered_or_refused_in_words(shop: Shop) -> None:
    """An order that does not wait for it: to accept it again is harmless, or the answer is to read it again."""
    (record,) = shop.waiting(1)
    is_offered = shop.marketplace.requirements.acceptance_state is not None
    refused: MarketplaceError | None = None
    try:
        shop.client.accept(record.id, dict.fromkeys(waiting_units(record), True))
    except MarketplaceError as error:
        refused = error
    assert isinstance(refused, Permanent) is not is_offered
    assert is_offered or refused is not None
    assert waiting_units(shop.state.held([record.id])[0]) == waiting_units(record)


def test_cancelling_shows_with_the_order_or_is_refused_in_words_with_what_to_do(shop: Shop) -> None:
    (record,) = shop.waiting(1)
    units = waiting_units(record)
    is_offered = shop.needs.cancels is not Cancels.NONE
    reason = next((each.code for each in shop.needs.cancel_reasons), None)
    if is_offered:
        shop.client.cancel(record.id, units, reason)
        assert set(shop.quota.taken) <= set(shop.marketplace.rates)
    with pytest.raises(Permanent) as refused:
        shop.client.cancel(record.id, units, reason or "14")
    assert refused.value.code == ("cancellation_refused" if is_offered else "cancellation_not_offered")
    assert refused.value.hint


def test_a_request_to_cancel_is_answered_or_no_answer_is_taken(shop: Shop) -> None:
    (record,) = shop.waiting(1)
    if shop.needs.decides_cancellations:
        shop.state.advance(AdvanceRequest("request_cancellation", order_ids=(record.id,), by="BUYER"))
        shop.client.decide_cancellation(record.id, "BUYER", is_accepted=False, reason="packed")
        assert set(shop.quota.taken) <= set(shop.marketplace.rates)
    else:
        with pytest.raises(Permanent) as refused:
            shop.client.decide_cancellation(record.id, "BUYER", is_accepted=False, reason=None)
        assert refused.value.code == "cancellation_not_offered"


def test_changes_come_until_they_are_discarded(way: tuple[str, str]) -> None:
    with stand_in(way[0], 13, way[1]) as (place, state):
        hints, access = place.marketplace.hints, state.telling(place.url)
        assert (hints is None) is (access is None)
        if hints is None or access is None:
            return
        assert hints.listing in place.marketplace.rates
        assert hints.credentials >= set(access.credentials)
        assert not hints.credentials & {each.name for each in place.marketplace.credentials if each.is_required}
        assert (hints.is_on({}), hints.is_on(access.settings)) == (False, True)
        reader = hints.open(place.context(access.settings, access.credentials))
        assert reader.test().is_ok
        assert list(reader.receive()) == []
        state.advance(AdvanceRequest("touch", count=2))
        state.put_hint("nonsense")
        heard = list(reader.receive())
        assert sorted(each.fate for each in heard) == [HintFate.KEPT, HintFate.KEPT, HintFate.UNREADABLE]
        assert all(each.changed_at is None or each.changed_at.tzinfo is not None for each in heard)
        reader.discard([each.receipt for each in heard])
        assert list(reader.receive()) == []
        reader.close()


def test_a_kind_brings_what_is_said_of_it(kind: str) -> None:
    marketplace, sandbox = MARKETPLACES[kind], SANDBOXES[kind]
    described = marketplace.describe()
    assert MarketplaceKind.from_json(described.as_json()) == described
    assert all((described.name, described.description, described.help))
    assert setting_problems(described.settings, "settings", {"no_such_key": 1}) != []
    assert setting_problems(described.settings, "settings", {"rate_factor": 2}) == []
    assert sandbox.listing in {each.name for each in sandbox.operations}
    access = sandbox.in_foreground(1, NO_LIMIT).access()
    assert set(access.credentials) >= {each.name for each in marketplace.credentials if each.is_required}
    assert set(access.credentials) <= {each.name for each in marketplace.credentials}
    for selector in access.selectors or (None,):
        assert described.selectors.fault(selector, access.region) is None
        assert described.name_of(selector).startswith(described.name.split()[0])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(payload=JSON)
def test_any_json_gives_orders_or_a_refusal_with_its_path(kind: str, payload: Any) -> None:  # noqa: ANN401 - any JSON value
    path = "$"
    try:
        MARKETPLACES[kind].normalise(payload, ChannelContext("ch", "Ch"))
    except Unreadable as refused:
        path = refused.path
    assert path.startswith("$")

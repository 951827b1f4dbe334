"""What every marketplace module must keep, tried against its sandbox over HTTP. A new marketplace joins by one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Unauthorised
from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import (
    ChannelContext,
    ConnectionContext,
    Outcome,
    Parcel,
    Unreadable,
    Window,
)
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox.amazon.state import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from orders_pipeline.sandbox.commands import build
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.mirakl.state import API_KEY
from orders_pipeline.sandbox.server import running
from warehouse.documents import facts
from warehouse.privacy import without_pii
from warehouse.shipments import Cancels, Idempotency, Requirements

NO_LIMIT = float("inf")


def amazon_waiting(record: Any) -> dict[str, int]:
    """Units by line of an order that waits to be shipped by the merchant, nothing of it shipped yet; {} for any other."""
    order = record.order
    is_waiting = record.status == "UNSHIPPED" and record.fulfilled_by == "MERCHANT"
    if not is_waiting or "FBM_SHIP_PLUS" in order.get("programs", ()):
        return {}
    return {item["orderItemId"]: item["fulfillment"]["quantityUnfulfilled"] for item in order["orderItems"]}


def mirakl_waiting(record: Any) -> dict[str, int]:
    """The same of a Mirakl order."""
    is_waiting = record.state == "SHIPPING" and record.order["can_shop_ship"] and not record.shipment_ids
    if not is_waiting or any(line["cancelations"] for line in record.lines):
        return {}
    return {line["order_line_id"]: line["quantity"] for line in record.lines}


@dataclass(frozen=True)
class Trial:
    """A marketplace's sandbox as the contract needs it."""

    kind: str
    credentials: dict[str, str]
    secret: str
    selectors: tuple[str, ...]
    region: str | None
    waiting: Callable[[Any], dict[str, int]]
    selector_of: Callable[[Any], str | None]
    confirming: str
    """The operation that makes a shipment."""
    way: str = ""
    switches: dict[str, Any] = field(default_factory=dict)


TRIALS = [
    Trial(
        "amazon",
        {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN},
        "refresh_token",
        ("A13V1IB3VIYZZH", "A1PA6795UKMFR9"),
        "eu",
        amazon_waiting,
        lambda record: record.marketplace_id,
        "confirmShipment",
    ),
    Trial(
        "mirakl",
        {"api_key": API_KEY},
        "api_key",
        ("FR", "ES"),
        None,
        mirakl_waiting,
        lambda record: record.channel,
        "ST01",
    ),
]
WAYS = [*TRIALS, replace(TRIALS[1], way="-whole-orders", switches={"multi_shipment": False}, confirming="OR24")]


def test_every_marketplace_is_on_trial():
    assert {each.kind for each in TRIALS} == set(MARKETPLACES)


@pytest.fixture(scope="module", params=TRIALS, ids=lambda trial: trial.kind)
def place(request):
    """The trial, its sandbox with 120 orders, and how to connect to it."""
    trial: Trial = request.param
    state, app = build(trial.kind, 7, NO_LIMIT)
    state.generate(GenerateRequest(orders=120))
    with running(app) as url:

        def connect(max_pages: int = 100, taken: list[str] | None = None, **credentials: str):
            context = ConnectionContext(
                "contract", url, trial.region, {}, trial.selectors, {**trial.credentials, **credentials}
            )
            spent = [] if taken is None else taken
            return MARKETPLACES[trial.kind].connect(context, spent.append, max_pages)

        yield trial, MARKETPLACES[trial.kind], connect


def week() -> Window:
    now = datetime.now(UTC)
    return Window(now - timedelta(days=8), now - timedelta(minutes=3))


def read_all(client) -> dict[str, bytes]:
    try:
        return {raw.original_id: raw.body for page in client.pull(week()) for raw in page.orders}
    finally:
        client.close()


def test_two_readings_give_the_same_orders(place):
    _, _, connect = place
    first, second = read_all(connect()), read_all(connect())
    assert first
    assert first == second


def test_every_call_takes_quota_under_a_name_that_has_a_rate(place):
    _, marketplace, connect = place
    taken: list[str] = []
    read_all(connect(taken=taken))
    assert taken
    assert set(taken) <= set(marketplace.rates)


def test_a_wrong_credential_is_named_and_never_raises_in_the_test(place):
    trial, _, connect = place
    client = connect(**{trial.secret: "wrong-secret-value"})
    findings = client.test()
    client.close()
    assert [each.part for each in findings if not each.is_ok][:1] == ["credential"]
    assert "wrong-secret-value" not in repr(findings)


def test_a_wrong_credential_fails_a_pull_as_unauthorised(place):
    trial, _, connect = place
    client = connect(**{trial.secret: "wrong-secret-value"})
    with pytest.raises(Unauthorised) as refused:
        list(client.pull(week()))
    client.close()
    assert "wrong-secret-value" not in str(refused.value)


def test_a_good_connection_passes_its_test(place):
    _, _, connect = place
    client = connect()
    findings = client.test()
    client.close()
    assert findings
    assert all(each.is_ok for each in findings), findings


def test_a_listing_cut_off_by_the_page_limit_fails(place):
    _, _, connect = place
    client = connect(max_pages=0)
    with pytest.raises(MarketplaceError):
        list(client.pull(week()))
    client.close()


def test_orders_read_by_id_are_the_orders_listed(place):
    _, _, connect = place
    listed = read_all(connect())
    some = sorted(listed)[:5]
    client = connect()
    fetched = {
        raw.original_id: parse(raw.body) for page in client.fetch([*some, "no-such-order"]) for raw in page.orders
    }
    client.close()
    assert fetched == {each: parse(listed[each]) for each in some}


def test_every_order_is_read_and_belongs_to_its_channel(place):
    _, marketplace, connect = place
    for original_id, body in read_all(connect()).items():
        for order in marketplace.normalise(parse(body), ChannelContext("ch", "Ch")):
            assert (order.original_id, order.channel) == (original_id, "ch")
            assert all(line.number > 0 for line in order.lines)


def test_personal_values_are_declared(place):
    _, marketplace, connect = place
    for body in read_all(connect()).values():
        payload = parse(body)
        clear = orjson.dumps(without_pii(payload, marketplace.pii_paths)).decode()
        for order in marketplace.normalise(payload, ChannelContext("ch", "Ch")):
            people = (order.customer, order.shipping_address, order.billing_address)
            for value in (
                getattr(each, name) for each in people for name in ("name", "phone", "email") if hasattr(each, name)
            ):
                assert value is None or len(value) < 6 or value not in clear


def test_what_is_kept_in_clear_reads_the_same_after_the_purge(place):
    _, marketplace, connect = place
    for body in read_all(connect()).values():
        payload = parse(body)
        whole = marketplace.normalise(payload, ChannelContext("ch", "Ch"))
        bare = marketplace.normalise(without_pii(payload, marketplace.pii_paths), ChannelContext("ch", "Ch"))
        assert [facts(each) for each in bare] == [facts(each) for each in whole]


class Shop:
    """A sandbox of which packages are confirmed, and what the contract asks of it."""

    def __init__(self, trial: Trial, state: Any, url: str) -> None:
        self.trial = trial
        self.state = state
        self.marketplace = MARKETPLACES[trial.kind]
        self.taken: list[str] = []
        context = ConnectionContext("contract", url, trial.region, {}, trial.selectors, trial.credentials)
        self.client = self.marketplace.connect(context, self.taken.append, 100)

    def waiting(self, number: int, units: int = 1) -> list[Any]:
        """Orders of at least so many units that wait to be shipped."""
        fit = (each for each in self.state.records.values() if sum(self.trial.waiting(each).values()) >= units)
        found = [each for each, _ in zip(fit, range(number), strict=False)]
        assert len(found) == number
        return found

    def parcel(self, record: Any, **changes: Any) -> Parcel:
        """The package of a whole order, unless said otherwise."""
        values: dict[str, Any] = {
            "shipment_id": f"shipment-{record.id}",
            "original_id": record.id,
            "selector": self.trial.selector_of(record),
            "reference": 41,
            "package_id": "PACK-41",
            "known_as": None,
            "is_update": False,
            "is_whole": True,
            "carrier_code": "DHL",
            "carrier_name": None,
            "tracking_number": f"TR-{record.id}",
            "tracking_url": None,
            "shipping_method": None,
            "ship_from": None,
            "return_tracking_number": None,
            "return_carrier": None,
            "shipped_at": datetime.now(UTC),
            "quantities": tuple(self.trial.waiting(record).items()),
        }
        return Parcel(**{**values, **changes})

    def packages(self, record: Any) -> Any:
        """The packages of an order, as read back."""
        (raw,) = [raw for page in self.client.read_back([record.id]) for raw in page.orders]
        (order,) = self.marketplace.normalise(parse(raw.body), ChannelContext("ch", "Ch"))
        assert order.problems == ()
        return order.packages

    def calls(self) -> int:
        return len(self.state.journal)

    def break_next(self, kind: FaultKind) -> None:
        self.state.add_fault(Fault(kind, operation=self.trial.confirming))


@pytest.fixture(params=WAYS, ids=lambda trial: trial.kind + trial.way)
def shop(request):
    """A sandbox with 120 orders whose orders are to be shipped."""
    trial: Trial = request.param
    state, app = build(trial.kind, 11, NO_LIMIT)
    if trial.switches:
        state.configure(trial.switches)
    state.generate(GenerateRequest(orders=120, mixed_share=0))
    with running(app) as url:
        made = Shop(trial, state, url)
        yield made
        made.client.close()


def test_a_confirmation_is_read_back_as_it_was_told(shop):
    (record,) = shop.waiting(1)
    parcel = shop.parcel(record)
    (receipt,) = shop.client.confirm([parcel])
    assert (receipt.shipment_id, receipt.outcome, receipt.operation) == (
        parcel.shipment_id,
        Outcome.SENT,
        shop.trial.confirming,
    )
    (package,) = shop.packages(record)
    assert package.is_shipped
    assert package.tracking_number == parcel.tracking_number
    assert "DHL" in package.carriers
    assert sorted(package.quantities) == sorted(parcel.quantities)


def test_a_carrier_without_a_code_is_read_back_by_its_name(shop):
    (record,) = shop.waiting(1)
    (receipt,) = shop.client.confirm([shop.parcel(record, carrier_code=None, carrier_name="Kurier Muster")])
    assert receipt.outcome is Outcome.SENT
    assert shop.packages(record)[0].carriers == ("Kurier Muster",)


def test_as_many_packages_as_a_call_takes(shop):
    records = shop.waiting(min(shop.marketplace.parcels_per_call, 5))
    receipts = shop.client.confirm([shop.parcel(record) for record in records])
    assert {each.shipment_id for each in receipts} == {f"shipment-{record.id}" for record in records}
    assert {each.outcome for each in receipts} == {Outcome.SENT}
    assert all(len(shop.packages(record)) == 1 for record in records)


def test_no_packages_are_no_call(shop):
    assert list(shop.client.confirm([])) == []
    assert shop.calls() == 0


def test_a_part_is_told_where_it_can_be(shop):
    (record,) = shop.waiting(1, units=3)
    line = max(shop.trial.waiting(record), key=shop.trial.waiting(record).get)
    (receipt,) = shop.client.confirm([shop.parcel(record, quantities=((line, 1),), is_whole=False)])
    if shop.client.requirements().takes_part:
        assert receipt.outcome is Outcome.SENT
        assert [each.quantities for each in shop.packages(record)] == [((line, 1),)]
    else:
        assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "partial_not_possible")
        assert shop.packages(record) == ()


def test_confirming_twice_never_ships_more(shop):
    """Whole orders: whatever is declared, the second confirmation adds nothing, and is not taken for a new one."""
    (record,) = shop.waiting(1)
    parcel = shop.parcel(record)
    shop.client.confirm([parcel])
    (again,) = shop.client.confirm([parcel])
    is_natural = shop.client.requirements().idempotency is Idempotency.NATURAL
    assert again.outcome is (Outcome.SENT if is_natural else Outcome.IN_DOUBT)
    (package,) = shop.packages(record)
    assert sorted(package.quantities) == sorted(parcel.quantities)


def test_a_part_told_twice_is_what_is_declared(shop):
    (record,) = shop.waiting(1, units=3)
    needs = shop.client.requirements()
    line = max(shop.trial.waiting(record), key=shop.trial.waiting(record).get)
    part = shop.parcel(record, quantities=((line, 1),), is_whole=False)
    ordered = shop.trial.waiting(record)[line]
    for _ in range(ordered + 2):
        shop.client.confirm([part])
    shown = [units for each in shop.packages(record) for _, units in each.quantities]
    if not needs.takes_part:
        assert shown == []
    elif needs.idempotency is Idempotency.NATURAL:
        assert shown == [1]
    else:
        assert sum(shown) == ordered


def test_a_lost_answer_is_in_doubt_and_shows_when_read_back(shop):
    (record,) = shop.waiting(1)
    shop.break_next(FaultKind.DROPPED)
    (receipt,) = shop.client.confirm([shop.parcel(record)])
    assert (receipt.outcome, receipt.code) == (Outcome.IN_DOUBT, "unanswered")
    (package,) = shop.packages(record)
    assert package.tracking_number == f"TR-{record.id}"


def test_a_lost_request_is_in_doubt_and_does_not_show(shop):
    (record,) = shop.waiting(1)
    shop.break_next(FaultKind.DROPPED_BEFORE)
    (receipt,) = shop.client.confirm([shop.parcel(record)])
    assert receipt.outcome is Outcome.IN_DOUBT
    assert shop.packages(record) == ()
    (again,) = shop.client.confirm([shop.parcel(record)])
    assert again.outcome is Outcome.SENT
    assert len(shop.packages(record)) == 1


def test_tracking_that_changes_afterwards(shop):
    (record,) = shop.waiting(1)
    parcel = shop.parcel(record)
    (first,) = shop.client.confirm([parcel])
    update = replace(parcel, is_update=True, known_as=first.known_as, tracking_number="NEW-1", carrier_code="UPS")
    (receipt,) = shop.client.confirm([update])
    assert receipt.outcome is Outcome.SENT
    (package,) = shop.packages(record)
    assert (package.tracking_number, "UPS" in package.carriers) == ("NEW-1", True)


def test_a_refused_credential_stops_everything_and_tells_no_secret(shop):
    context = ConnectionContext(
        "contract",
        "http://127.0.0.1:9",
        shop.trial.region,
        {},
        shop.trial.selectors,
        {**shop.trial.credentials, shop.trial.secret: ""},
    )
    client = shop.marketplace.connect(context, shop.taken.append, 10)
    (record,) = shop.waiting(1)
    with pytest.raises(Unauthorised):
        client.confirm([shop.parcel(record)])
    client.close()


def test_receipts_hold_no_secret(shop):
    record, other = shop.waiting(2)
    told = list(shop.client.confirm([shop.parcel(record)]))
    for kind in (FaultKind.ERROR_HTML, FaultKind.OK_HTML, FaultKind.DROPPED):
        shop.break_next(kind)
        told += shop.client.confirm([shop.parcel(other)])
    told += shop.client.confirm([shop.parcel(other, original_id="no-such-order")])
    assert not any(secret in repr(told) for secret in shop.trial.credentials.values())


def test_shipping_takes_quota_under_names_that_have_a_rate(shop):
    records = shop.waiting(2)
    (receipt,) = shop.client.confirm([shop.parcel(records[0])])
    shop.client.confirm([shop.parcel(records[0], is_update=True, known_as=receipt.known_as)])
    shop.client.requirements()
    shop.packages(records[0])
    with pytest.raises(MarketplaceError):
        shop.client.accept(records[1].id, {"line": True})
    assert shop.trial.confirming in shop.taken
    assert set(shop.taken) <= set(shop.marketplace.rates)


def test_requirements_are_told_and_survive_storage(shop):
    needs = shop.client.requirements()
    assert Requirements.from_json(needs.as_json()) == needs
    codes = {each.code for each in needs.carriers}
    assert codes
    assert set(needs.carrier_aliases.values()) <= codes
    assert all(spelling == spelling.upper() for spelling in needs.carrier_aliases)
    assert needs.carrier_aliases["UNITED PARCEL SERVICE"] == "UPS"
    assert needs.idempotency is shop.marketplace.requirements.idempotency


def test_an_order_that_is_unknown_is_rejected(shop):
    (record,) = shop.waiting(1)
    (receipt,) = shop.client.confirm([shop.parcel(record, original_id="no-such-order")])
    assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "order_not_found")
    assert receipt.hint


def test_acceptance_is_offered_or_refused_in_words(shop):
    (record,) = shop.waiting(1)
    with pytest.raises(MarketplaceError) as refused:
        shop.client.accept(record.id, dict.fromkeys(shop.trial.waiting(record), True))
    is_offered = shop.marketplace.requirements.acceptance_state is not None
    assert isinstance(refused.value, Permanent) is not is_offered


def test_cancelling_shows_with_the_order_or_is_refused_in_words_with_what_to_do(shop):
    (record,) = shop.waiting(1)
    units = shop.trial.waiting(record)
    is_offered = shop.marketplace.requirements.cancels is not Cancels.NONE
    if is_offered:
        shop.client.cancel(record.id, units, None)
        assert set(shop.taken) <= set(shop.marketplace.rates)
    with pytest.raises(Permanent) as refused:
        shop.client.cancel(record.id, units, "14")
    assert refused.value.code == ("cancellation_refused" if is_offered else "cancellation_not_offered")
    assert refused.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", sorted(MARKETPLACES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(payload=JSON)
def test_any_json_gives_orders_or_a_refusal_with_its_path(kind, payload):
    path = "$"
    try:
        MARKETPLACES[kind].normalise(payload, ChannelContext("ch", "Ch"))
    except Unreadable as refused:
        path = refused.path
    assert path.startswith("$")

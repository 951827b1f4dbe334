"""What every marketplace module must keep, tried against its sandbox over HTTP. A new marketplace joins by one entry here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.marketplaces.errors import MarketplaceError, Unauthorised
from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import ChannelContext, ConnectionContext, Unreadable, Window
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.sandbox.amazon import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from orders_pipeline.sandbox.commands import Kind, build
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.mirakl import API_KEY
from orders_pipeline.sandbox.server import running
from warehouse.documents import facts
from warehouse.privacy import without_pii

NO_LIMIT = float("inf")


@dataclass(frozen=True)
class Trial:
    """A marketplace's sandbox as the contract needs it."""

    kind: str
    credentials: dict[str, str]
    secret: str
    selectors: tuple[str, ...]
    region: str | None


TRIALS = [
    Trial(
        "amazon",
        {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN},
        "refresh_token",
        ("A13V1IB3VIYZZH", "A1PA6795UKMFR9"),
        "eu",
    ),
    Trial("mirakl", {"api_key": API_KEY}, "api_key", ("FR", "ES"), None),
]


def test_every_marketplace_is_on_trial():
    assert {each.kind for each in TRIALS} == set(MARKETPLACES)


@pytest.fixture(scope="module", params=TRIALS, ids=lambda trial: trial.kind)
def place(request):
    """The trial, its sandbox with 120 orders, and how to connect to it."""
    trial: Trial = request.param
    state, app = build(Kind(trial.kind), 7, NO_LIMIT)
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

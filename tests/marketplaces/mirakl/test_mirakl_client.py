"""Pulling from a Mirakl instance over real HTTP: the sandbox for its faults, a bare server for single answers."""

from __future__ import annotations

import json
import math
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from orders_pipeline.marketplaces.errors import Permanent, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.mirakl import MARKETPLACE
from orders_pipeline.marketplaces.mirakl.capabilities import Capabilities
from orders_pipeline.marketplaces.mirakl.client import MiraklClient
from orders_pipeline.marketplaces.protocol import ConnectionContext, Window
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.faults import Damage, Fault, FaultKind
from orders_pipeline.sandbox.mirakl.state import Features, MiraklSandbox
from orders_pipeline.sandbox.server import running
from warehouse.order_states import Status

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
EVERYTHING = Window(NOW - timedelta(days=30), NOW + timedelta(minutes=1))
KEY = "sandbox-key"


class Connected:
    """Clients of one address, and what they took of the quota."""

    def __init__(self, url):
        self.url = url
        self.taken = []
        self.opened = []

    def __call__(self, *selectors, key=KEY, max_pages=50, **settings):
        credentials = {"api_key": key} if key is not None else {}
        context = ConnectionContext("garden", self.url, None, settings, selectors, credentials)
        client = MiraklClient(context, self.taken.append, max_pages, lambda: NOW)
        self.opened.append(client)
        return client

    def close(self):
        for client in self.opened:
            client.close()


@pytest.fixture
def sandbox():
    return MiraklSandbox(seed=7, rate_factor=math.inf, clock=lambda: NOW)


@pytest.fixture
def connected(sandbox):
    with running(create_app(sandbox)) as url:
        clients = Connected(url)
        yield clients
        clients.close()


def filled(sandbox, orders=230, channel=None, **more):
    ids = sandbox.generate(GenerateRequest(orders=orders, seed=3, channel=channel, mixed_share=0.0, **more))
    return sorted(ids)


def pulled(client, window=EVERYTHING):
    return [raw for page in client.pull(window) for raw in page.orders]


def operations(sandbox):
    return [entry.operation for entry in sandbox.journal]


class TestComplete:
    """What a good instance gives."""

    def test_every_order_once_over_several_pages(self, sandbox, connected):
        ids = filled(sandbox)
        raws = pulled(connected())
        assert sorted(raw.original_id for raw in raws) == ids
        assert operations(sandbox).count("OR11") == 3

    def test_an_empty_window_is_success(self, connected):
        assert pulled(connected()) == []

    def test_the_window_is_asked_for_by_update_time(self, sandbox, connected):
        pulled(connected(), Window(NOW - timedelta(hours=2), NOW - timedelta(hours=1)))
        (listing,) = [dict(entry.query) for entry in sandbox.journal if entry.operation == "OR11"]
        assert listing == {
            "start_update_date": "2026-11-02T10:00:00.000Z",
            "end_update_date": "2026-11-02T11:00:00.000Z",
            "sort": "dateCreated",
            "order": "asc",
            "max": "100",
            "offset": "0",
        }

    def test_quota_is_taken_before_every_call(self, sandbox, connected):
        filled(sandbox)
        pulled(connected())
        assert connected.taken == operations(sandbox)
        assert set(connected.taken) <= set(MARKETPLACE.rates)

    def test_only_the_selected_channels(self, sandbox, connected):
        french = set(filled(sandbox, 20, channel="FR"))
        filled(sandbox, 20, channel="ES")
        raws = pulled(connected("FR"))
        assert {raw.selector for raw in raws} == {"FR"}
        assert {raw.original_id for raw in raws} <= french

    def test_a_whole_instance_is_read_without_a_filter_and_tells_each_order_s_channel(self, sandbox, connected):
        filled(sandbox, 20, channel="FR")
        filled(sandbox, 20, channel="ES")
        assert {raw.selector for raw in pulled(connected())} >= {"FR", "ES"}

    def test_a_single_channel_has_no_filter_and_no_selector(self, sandbox, connected):
        ids = filled(sandbox, 20)
        raws = pulled(connected("FR", single_channel=True))
        assert sorted(raw.original_id for raw in raws) == ids
        assert {raw.selector for raw in raws} == {None}

    def test_the_shop_is_named_on_every_call(self, sandbox, connected):
        pulled(connected(key="sandbox-key-all", shop_id=2002, locale="fr_FR"))
        assert {entry.account for entry in sandbox.journal} == {"2002"}
        assert [dict(each.query).get("locale") for each in sandbox.journal if each.operation == "OR11"] == ["fr_FR"]

    def test_orders_by_id(self, sandbox, connected):
        ids = filled(sandbox, 150)
        wanted = [*ids[:130], "UNKNOWN-1", ids[0]]
        raws = [raw for page in connected().fetch(wanted) for raw in page.orders]
        assert sorted(raw.original_id for raw in raws) == ids[:130]
        assert operations(sandbox).count("OR11") == 2

    def test_the_instances_clock(self, sandbox, connected):
        client = connected()
        assert client.server_time() is None
        sandbox.clock.advance(timedelta(minutes=7))
        (page,) = client.pull(EVERYTHING)
        assert page.server_time == client.server_time() == NOW + timedelta(minutes=7)

    def test_everything_pulled_can_be_read(self, sandbox, connected, order_of):
        filled(sandbox)
        assert {order_of(json.loads(raw.body)).status for raw in pulled(connected())} > {Status.SHIPPED}


class TestShipments:
    """Shipped units come from ST11."""

    @pytest.fixture
    def open_order(self, sandbox):
        """An order in SHIPPING with a line of several units, its id, its line and the quantity."""
        filled(sandbox, 60)
        for record in sandbox.records.values():
            line = record.order["order_lines"][0]
            is_whole = not record.shipment_ids and not any(each["cancelations"] for each in record.order["order_lines"])
            if record.state == "SHIPPING" and line["quantity"] > 1 and is_whole and record.center == "DEFAULT":
                return record.id, line["order_line_id"], line["quantity"]
        raise AssertionError("the seed makes no such order")

    def test_a_shipment_in_part(self, sandbox, connected, open_order, order_of):
        order_id, line_id, quantity = open_order
        sandbox.advance(AdvanceRequest("ship", (order_id,), quantities={line_id: 1}))
        (raw,) = [raw for raw in pulled(connected()) if raw.original_id == order_id]
        order = order_of(json.loads(raw.body))
        assert order.status is Status.PARTIALLY_SHIPPED
        assert [line.quantity_shipped for line in order.lines if line.original_id == line_id] == [1]
        assert [line.quantity_remaining_to_ship for line in order.lines if line.original_id == line_id] == [
            quantity - 1
        ]

    def test_a_shipment_whose_order_is_not_in_the_window(self, sandbox, connected, open_order):
        order_id, line_id, _ = open_order
        sandbox.advance(AdvanceRequest("ship", (order_id,), quantities={line_id: 1}))
        sandbox.records[order_id].updated = NOW - timedelta(days=20)
        raws = pulled(connected(), Window(NOW - timedelta(seconds=5), NOW))
        assert order_id in {raw.original_id for raw in raws}
        (raw,) = [raw for raw in raws if raw.original_id == order_id]
        assert len(json.loads(raw.body)["shipments"]) == 1

    def test_orders_outside_shipping_are_not_asked_about(self, sandbox, connected):
        filled(sandbox)
        envelopes = [json.loads(raw.body) for raw in pulled(connected())]
        assert all(("shipments" in each) == (each["order"]["order_state"] == "SHIPPING") for each in envelopes)

    def test_without_multi_shipment_st11_is_never_called(self, sandbox, connected):
        sandbox.features = Features(multi_shipment=False)
        filled(sandbox, 40)
        assert {json.loads(raw.body)["shipments"] for raw in pulled(connected())} == {None}
        assert "ST11" not in operations(sandbox)

    def test_the_configuration_is_read_once(self, sandbox, connected):
        filled(sandbox)
        client = connected()
        pulled(client)
        pulled(client)
        assert operations(sandbox).count("PC01") == 1

    def test_a_repeated_page_of_shipments_fails(self, sandbox, connected):
        filled(sandbox)
        sandbox.add_fault(Fault(FaultKind.REPEATED_PAGE, "ST11", count=2))
        with pytest.raises(Transient, match="ST11"):
            pulled(connected())


class TestFaults:
    """Truncated is failed: nothing that goes wrong looks like 'no orders'."""

    @pytest.mark.parametrize("operation", ["OR11", "ST11", "PC01"])
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(FaultKind.ERROR_JSON, status=500),
            Fault(FaultKind.ERROR_HTML, status=503),
            Fault(FaultKind.ERROR_EMPTY, status=502),
            Fault(FaultKind.OK_HTML),
            Fault(FaultKind.OK_EMPTY),
            Fault(FaultKind.TRUNCATED),
            Fault(FaultKind.DROPPED),
            Fault(FaultKind.DROPPED_BEFORE),
        ],
        ids=lambda fault: fault.kind.value,
    )
    def test_transient(self, sandbox, connected, operation, fault):
        filled(sandbox, 40)
        sandbox.add_fault(Fault(fault.kind, operation, status=fault.status))
        client = connected()
        with pytest.raises(Transient):
            pulled(client)
        assert len(pulled(client)) == 40

    def test_a_slow_answer(self, sandbox, connected):
        filled(sandbox, 5)
        sandbox.add_fault(Fault(FaultKind.SLOW, "OR11", seconds=5))
        with pytest.raises(Transient) as caught:
            pulled(connected(read_timeout_seconds=0.2))
        assert caught.value.code == "timeout"

    def test_throttled_names_the_wait(self, sandbox, connected):
        sandbox.add_fault(Fault(FaultKind.THROTTLED, "OR11", seconds=17))
        with pytest.raises(Throttled) as caught:
            pulled(connected())
        assert caught.value.retry_after == 17

    def test_a_repeated_page(self, sandbox, connected):
        filled(sandbox)
        sandbox.add_fault(Fault(FaultKind.REPEATED_PAGE, "OR11", after=1))
        with pytest.raises(Transient) as caught:
            pulled(connected())
        assert caught.value.code == "repeated_page"

    def test_a_key_revoked_between_pages(self, sandbox, connected):
        filled(sandbox)
        sandbox.add_fault(Fault(FaultKind.REVOKE_TOKEN, "OR11", after=1))
        pages = connected().pull(EVERYTHING)
        assert len(next(pages).orders) == 100
        with pytest.raises(Unauthorised):
            list(pages)

    def test_more_pages_than_allowed(self, sandbox, connected):
        filled(sandbox)
        with pytest.raises(Transient) as caught:
            pulled(connected(max_pages=2))
        assert caught.value.code == "truncated"

    def test_as_many_pages_as_allowed(self, sandbox, connected):
        filled(sandbox)
        assert len(pulled(connected(max_pages=3))) == 230

    @pytest.mark.parametrize("damage", [Damage.REMOVED, Damage.NULL, Damage.WRONG_TYPE])
    def test_an_order_without_id_is_kept_to_be_quarantined(self, sandbox, connected, damage):
        sandbox.features = Features(multi_shipment=False)
        filled(sandbox, 9)
        sandbox.add_fault(Fault(FaultKind.MALFORMED_ORDER, "OR11", damage=damage))
        ids = [raw.original_id for raw in pulled(connected())]
        assert len(ids) == 9
        assert ids[0] == "?1"


class Instance:
    """What a bare HTTP server answers: `answers[path]` takes the query and gives status, headers and body."""

    def __init__(self):
        self.answers = {
            "/api/platform/configuration": lambda _: ok({"features": {"shipment": {"multi_shipment": False}}}),
        }
        self.asked = []

    def answer(self, target, headers):
        parts = urlsplit(target)
        query = parse_qsl(parts.query)
        self.asked.append((parts.path, query, headers))
        return self.answers[parts.path](dict(query))


def ok(value, **headers):
    return 200, headers, value if isinstance(value, bytes) else json.dumps(value).encode()


def rows(first, last):
    return [{"order_id": f"A-{number}"} for number in range(first, last + 1)]


@contextmanager
def served(instance):
    class Handler(BaseHTTPRequestHandler):
        """Hands every GET to the instance."""

        def do_GET(self):
            status, headers, body = instance.answer(self.path, dict(self.headers))
            self.send_response_only(status)  # without a Date of its own
            for name, value in ({"Content-Type": "application/json", "Content-Length": len(body)} | headers).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def instance():
    return Instance()


@pytest.fixture
def asking(instance):
    with served(instance) as url:
        clients = Connected(url)
        yield clients
        clients.close()


class TestAnswers:
    """Single answers, byte by byte."""

    def test_exact_bytes(self, instance, asking):
        order = b'{ "order_id": "A-1",\t"order_state": "SHIPPING", "price": 1.50, "name": "\\u00c9" }'
        shipment = b'{"id": 1.0, "order_id": "A-1"}'
        instance.answers["/api/platform/configuration"] = lambda _: ok(
            {"features": {"shipment": {"multi_shipment": True}}}
        )
        instance.answers["/api/orders"] = lambda _: ok(b'{"orders": [' + order + b' ], "total_count": 1}')
        instance.answers["/api/shipments"] = lambda _: ok(b'{"data": [ ' + shipment + b"]}")
        (raw,) = pulled(asking())
        assert raw.body == b'{"order":' + order + b',"shipments":[' + shipment + b"]}"

    def test_the_bare_key_is_sent(self, instance, asking):
        instance.answers["/api/orders"] = lambda _: ok({"orders": [], "total_count": 0})
        pulled(asking(key=" k-123 "))
        assert {headers["Authorization"] for _, _, headers in instance.asked} == {"k-123"}

    @pytest.mark.parametrize(
        "body",
        [
            {"orders": []},
            {"orders": [], "total_count": None},
            {"orders": [], "total_count": "0"},
            {"orders": [], "total_count": True},
            {"orders": [], "total_count": -1},
            {"total_count": 0},
            {"orders": None, "total_count": 0},
            {"orders": {}, "total_count": 0},
            [],
            None,
            "none",
            {"orders": [], "total_count": 3},
        ],
    )
    def test_no_orders_must_be_said_plainly(self, instance, asking, body):
        instance.answers["/api/orders"] = lambda _: ok(body)
        with pytest.raises(Transient):
            pulled(asking())

    @pytest.mark.parametrize("size", [30, 100])
    def test_smaller_pages_than_asked_for(self, instance, asking, size):
        def answer(query):
            start = int(query["offset"])
            return ok({"orders": rows(start + 1, min(start + size, 205)), "total_count": 205})

        instance.answers["/api/orders"] = answer
        assert len({raw.original_id for raw in pulled(asking())}) == 205

    def test_a_row_that_leaves_while_paging_hides_no_other(self, instance, asking):
        present = [f"A-{number}" for number in range(1, 251)]

        def answer(query):
            if query["offset"] == "100" and "A-5" in present:
                present.remove("A-5")
            start = int(query["offset"])
            page = present[start : start + 100]
            return ok({"orders": [{"order_id": each} for each in page], "total_count": len(present)})

        instance.answers["/api/orders"] = answer
        assert {raw.original_id for raw in pulled(asking())} == {f"A-{number}" for number in range(1, 251)}

    def test_a_row_that_comes_while_paging_is_read_too(self, instance, asking):
        present = [f"A-{number}" for number in range(1, 151)]

        def answer(query):
            if query["offset"] == "100" and "NEW" not in present:
                present.insert(3, "NEW")
            start = int(query["offset"])
            page = present[start : start + 100]
            return ok({"orders": [{"order_id": each} for each in page], "total_count": len(present)})

        instance.answers["/api/orders"] = answer
        found = {raw.original_id for raw in pulled(asking())}
        assert found == {*(f"A-{number}" for number in range(1, 151)), "NEW"}

    def test_fewer_orders_than_counted(self, instance, asking):
        """Rows sent twice in place of others: the second pass heals it, or the window fails."""
        instance.answers["/api/orders"] = lambda _: ok({"orders": [*rows(1, 4), *rows(1, 1)], "total_count": 5})
        with pytest.raises(Transient) as caught:
            pulled(asking())
        assert caught.value.code == "truncated"
        assert [path for path, *_ in instance.asked].count("/api/orders") == 2

    def test_a_second_pass_finds_what_the_first_missed(self, instance, asking):
        passes = [[*rows(1, 4), *rows(1, 1)], rows(1, 5)]
        instance.answers["/api/orders"] = lambda _: ok({"orders": passes.pop(0), "total_count": 5})
        client = asking()
        client.capabilities()
        assert {raw.original_id for raw in pulled(client)} == {"A-1", "A-2", "A-3", "A-4", "A-5"}

    def test_tokens_of_shipments_that_come_again(self, instance, asking):
        instance.answers["/api/platform/configuration"] = lambda _: ok(
            {"features": {"shipment": {"multi_shipment": True}}}
        )
        instance.answers["/api/orders"] = lambda _: ok({"orders": [], "total_count": 0})
        instance.answers["/api/shipments"] = lambda _: ok({"data": [], "next_page_token": "again"})
        with pytest.raises(Transient) as caught:
            pulled(asking())
        assert caught.value.code == "repeated_page"

    @pytest.mark.parametrize(
        ("sent", "seconds"),
        [
            ("5", 5),
            ("0", 0),
            ("Mon, 02 Nov 2026 12:00:30 GMT", 30),
            ("Mon, 02 Nov 2026 11:00:00 GMT", 0),
            ("soon", 60),
            ("", 60),
            ("-3", 60),
            ("99999999999", 86_400),
        ],
    )
    def test_retry_after(self, instance, asking, sent, seconds):
        instance.answers["/api/orders"] = lambda _: (429, {"Retry-After": sent}, b"")
        with pytest.raises(Throttled) as caught:
            pulled(asking())
        assert caught.value.retry_after == seconds

    def test_retry_after_is_read_by_the_instances_own_clock(self, instance, asking):
        headers = {"Retry-After": "Mon, 02 Nov 2026 09:00:45 GMT", "Date": "Mon, 02 Nov 2026 09:00:00 GMT"}
        instance.answers["/api/orders"] = lambda _: (429, headers, b"")
        with pytest.raises(Throttled) as caught:
            pulled(asking())
        assert caught.value.retry_after == 45

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, Permanent),
            (401, Unauthorised),
            (403, Unauthorised),
            (404, Permanent),
            (408, Transient),
            (500, Transient),
        ],
    )
    def test_statuses(self, instance, asking, status, kind):
        instance.answers["/api/orders"] = lambda _: (status, {}, b'{"message": "No, not with k-9"}')
        with pytest.raises(kind) as caught:
            pulled(asking(key="k-9"))
        assert "No, not with ***" in caught.value.message

    def test_a_redirect_is_not_followed(self, instance, asking):
        instance.answers["/api/orders"] = lambda _: (302, {"Location": "/elsewhere"}, b"")
        with pytest.raises(Permanent) as caught:
            pulled(asking())
        assert caught.value.code == "redirected"
        assert "/elsewhere" not in [path for path, _, _ in instance.asked]

    def test_broken_compression(self, instance, asking):
        instance.answers["/api/orders"] = lambda _: (200, {"Content-Encoding": "gzip"}, b"not gzip")
        with pytest.raises(Transient) as caught:
            pulled(asking())
        assert caught.value.code == "unreadable_answer"

    def test_an_answer_that_takes_too_long_as_a_whole(self, instance, asking):
        instance.answers["/api/orders"] = lambda _: ok({"orders": rows(1, 90), "total_count": 90})
        with pytest.raises(Transient) as caught:
            pulled(asking(total_timeout_seconds=1e-9))
        assert caught.value.code == "timeout"

    @pytest.mark.parametrize(
        ("features", "expected"),
        [
            ({"shipment": {"multi_shipment": True}}, Capabilities(multi_shipment=True, order_acceptance=None)),
            ({"shipment": {"multi_shipment": ""}}, Capabilities(multi_shipment=False, order_acceptance=None)),
            (
                {"order_workflows": {"order_acceptance": "AUTOMATIC"}},
                Capabilities(multi_shipment=False, order_acceptance="AUTOMATIC"),
            ),
        ],
    )
    def test_capabilities(self, instance, asking, features, expected):
        instance.answers["/api/platform/configuration"] = lambda _: ok({"features": features})
        assert asking().capabilities() == expected

    def test_an_instance_without_configuration_has_no_multi_shipment(self, instance, asking):
        instance.answers["/api/platform/configuration"] = lambda _: (404, {}, b"")
        assert asking().capabilities().multi_shipment is False

    def test_a_configuration_of_another_shape_is_no_answer(self, instance, asking):
        instance.answers["/api/platform/configuration"] = lambda _: ok({"configuration": {}})
        with pytest.raises(Transient):
            asking().capabilities()


class TestConnection:
    """What is wrong with a connection before anything is sent."""

    @pytest.mark.parametrize(
        ("url", "code"),
        [
            (None, "endpoint_missing"),
            ("  ", "endpoint_missing"),
            ("garden.mirakl.net", "endpoint_invalid"),
            ("ftp://garden.mirakl.net", "endpoint_invalid"),
            ("https://user:secret@garden.mirakl.net", "endpoint_invalid"),
            ("https://gar den", "endpoint_invalid"),
            ("http://garden.mirakl.net", "endpoint_insecure"),
        ],
    )
    def test_endpoints(self, url, code):
        with pytest.raises(Permanent) as caught:
            pulled(Connected(url)())
        assert caught.value.code == code

    @pytest.mark.parametrize(
        ("key", "code"),
        [
            (None, "credential_missing"),
            (" ", "credential_missing"),
            ("clé", "credential_malformed"),
            ("a\nb", "credential_malformed"),
        ],
    )
    def test_keys(self, key, code):
        with pytest.raises(Unauthorised) as caught:
            pulled(Connected("https://garden.example")(key=key))
        assert caught.value.code == code

    def test_nobody_listens(self):
        with served(Instance()) as url:
            gone = url
        with pytest.raises(Transient) as caught:
            pulled(Connected(gone)())
        assert caught.value.code == "unreachable"

    def test_a_proxy_that_is_none(self):
        with pytest.raises(Permanent) as caught:
            pulled(Connected("https://garden.example")(proxy="garbage"))
        assert caught.value.code == "settings_invalid"
        assert "proxy" in caught.value.message

    def test_the_api_path_may_be_part_of_the_endpoint(self, instance, asking):
        instance.answers["/api/orders"] = lambda _: ok({"orders": [], "total_count": 0})
        asking.url += "/api/"
        assert pulled(asking()) == []


class TestTest:
    """The connection test: it tells, and never raises."""

    @staticmethod
    def findings(client):
        return {(finding.part, finding.is_ok): finding for finding in client.test()}

    def test_all_is_well(self, connected):
        found = self.findings(connected("FR", "ES"))
        assert set(found) == {
            (part, True) for part in ("endpoint", "credential", "shop", "channel", "capability", "clock")
        }
        assert found["shop", True].message == "shop Sandbox Shop (2001), state OPEN"
        assert "NOT_AUTOMATIC" in found["capability", True].message

    def test_a_wrong_key(self, connected):
        found = self.findings(connected(key="wrong"))
        assert ("credential", False) in found
        assert ("endpoint", True) in found
        assert "api_key" in found["credential", False].hint

    def test_no_key(self, connected):
        assert list(self.findings(connected(key=None))) == [("credential", False)]

    def test_a_channel_that_the_shop_has_not(self, connected):
        found = self.findings(connected("FR", "PT"))
        assert found["channel", False].hint == "the shop's channels: FR, ES, DE"
        assert ("channel", True) in found

    def test_a_web_page_is_no_instance(self, sandbox, connected):
        sandbox.add_fault(Fault(FaultKind.OK_HTML, "version"))
        found = self.findings(connected())
        assert list(found) == [("endpoint", False)]
        assert "HTML" in found["endpoint", False].message

    @pytest.mark.parametrize("operation", ["A01", "PC01"])
    def test_an_instance_that_is_unwell(self, sandbox, connected, operation):
        sandbox.add_fault(Fault(FaultKind.ERROR_HTML, operation))
        part = {"A01": "credential", "PC01": "capability"}[operation]
        assert (part, False) in self.findings(connected())

    def test_clocks_apart(self, sandbox, connected):
        sandbox.clock.advance(timedelta(minutes=10))
        assert "600 s" in self.findings(connected())["clock", False].message

    def test_an_endpoint_that_is_none(self):
        (finding,) = Connected("garden")().test()
        assert (finding.part, finding.is_ok) == ("endpoint", False)
        assert "mirakl.net" in finding.hint

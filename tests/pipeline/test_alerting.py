"""Alerts: what is told to whom and how often, against a real mail server with TLS and against servers that fail."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy as sa

from orders_pipeline.alerts import plan
from tests.pipeline.mail_servers import Postbox, certificate, free_port, server_context, serving, silent_server
from warehouse.ledger.base import leases
from warehouse.ledger.base.schema import alert_messages, alert_recipients
from warehouse.ledger.settings import recipients
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection
from warehouse.ledger.settings.recipients import Recipient, RecipientError, RecipientKind
from warehouse.ledger.watch import alerts, incidents
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.ledger.watch.incidents import IncidentReport
from warehouse.settings import Settings

CREW = Recipient(code="crew", kind=RecipientKind.EMAIL, address="crew@shop.example", summary=False)


class Desk:
    """An installation with a mail server; problems are reported, passes are run, and mails are read."""

    def __init__(self, installation, clock, stack: ExitStack, folder) -> None:
        self.installation, self.clock, self.folder = installation, clock, folder
        self._stack, self.postbox = stack, Postbox()
        self.port = installation.settings.smtp_port

    def open(self, **options) -> None:
        self._stack.enter_context(serving(self.postbox, self.port, server_context(self.pair), **options))

    @property
    def pair(self):
        return self.folder / "mail.pem", self.folder / "mail.key"

    def add(self, recipient: Recipient) -> None:
        with self.installation.ledger.write() as transaction:
            recipients.save_recipient(transaction, recipient, self.clock())

    def report(self, times: int = 1, **changes) -> None:
        base = {
            "scope": "connection",
            "subject": "amazon_eu",
            "stage": "pull",
            "code": "throttled",
            "message": "Slow down.",
        }
        with self.installation.ledger.write() as transaction:
            incidents.report(transaction, IncidentReport(**(base | changes), occurrences=times), self.clock())

    def resolve(self, subject: str = "amazon_eu") -> None:
        with self.installation.ledger.write() as transaction:
            incidents.resolve(transaction, "connection", [subject], ["pull"], self.clock())

    def run(self, minutes: int = 0) -> plan.Sent:
        """A pass now, or one a minute for a while; the last one's result."""
        sent = plan.send_due(self.installation)
        for _ in range(minutes):
            self.clock.advance(minutes=1)
            sent = plan.send_due(self.installation)
        return sent

    def open_codes(self) -> list[tuple[str, str]]:
        with self.installation.ledger.read() as transaction:
            return [(row.subject, row.code) for row in find_incidents(transaction) if row.stage == "alerts"]


def configured(settings: Settings, folder, **changes) -> Settings:
    certificate(folder)
    values = {
        "smtp_host": "127.0.0.1",
        "smtp_port": free_port(),
        "smtp_from": "orders@shop.example",
        "smtp_user": "orders",
        "smtp_password": "secret",
        "smtp_ca_file": folder / "mail.pem",
        "smtp_timeout_seconds": 5,
    }
    base = {"home": settings.home, "keys": settings.keys, "database_url": settings.database_url}
    return Settings(_env_file=None, **(base | values | changes))


def connect(installation, now) -> None:
    with installation.ledger.write() as transaction:
        for code in ("amazon_eu", "shop"):
            save_connection(transaction, Connection(code=code, kind="amazon", label=code), now)
        for code, owner in (("amazon_fr", "amazon_eu"), ("amazon_de", "amazon_eu"), ("shop_fr", "shop")):
            save_channel(transaction, ConfiguredChannel(code=code, label=code, marketplace=code, connection=owner), now)


@pytest.fixture
def make_desk(open_installation, clock, tmp_path):
    with ExitStack() as stack:

        def make(settings, **changes) -> Desk:
            installation = open_installation(configured(settings, tmp_path, **changes))
            connect(installation, clock())
            return Desk(installation, clock, stack, tmp_path)

        yield make


@pytest.fixture
def desk(make_desk, settings) -> Desk:
    made = make_desk(settings)
    made.open()
    made.add(CREW)
    return made


@pytest.fixture
def any_desk(make_desk, any_settings) -> Desk:
    made = make_desk(any_settings)
    made.open()
    made.add(CREW)
    return made


# -- what is told, and how often


def test_notices_never_use_up_the_messages_of_outages(desk):
    for number in range(40):  # rows are refused all the time
        desk.report(scope="channel", subject="amazon_fr", stage="import_rows", code=f"rows_refused_{number}")
        desk.run(minutes=1)
    notices = len(desk.postbox.mails)
    assert notices == plan.MESSAGES_AN_HOUR
    desk.report(code="unreachable", message="Nobody answers.")
    desk.run()
    assert len(desk.postbox.mails) == notices + 1
    assert "unreachable" in desk.postbox.mails[-1]["Subject"]


def test_what_came_and_went_between_two_mails_is_told_in_the_next(desk):
    desk.report()
    desk.run()
    desk.clock.advance(minutes=1)
    desk.report(subject="shop", code="timeout", message="No answer.")
    desk.resolve("shop")
    desk.run(minutes=10)
    assert len(desk.postbox.mails) == 1
    desk.report(code="truncated", message="Too long.")
    desk.run()
    body = desk.postbox.mails[-1].get_content()
    assert "CAME AND WENT" in body
    assert "shop pull timeout" in body
    desk.report(code="repeated_page", message="Again.")
    desk.run(minutes=61)
    assert "CAME AND WENT" not in desk.postbox.mails[-1].get_content()


def test_what_arrives_late_counts_from_when_it_arrives(make_desk, settings):
    desk = make_desk(settings)
    desk.add(CREW)
    arrivals: list[int] = []

    def follow(minutes: int) -> None:
        for _ in range(minutes):
            desk.report(code=f"code_{len(arrivals)}_{desk.clock():%H%M}")
            desk.run(minutes=1)
            arrivals.extend([int(desk.clock().timestamp()) // 60] * (len(desk.postbox.mails) - len(arrivals)))

    follow(34)  # the mail server is down
    desk.open()
    follow(150)
    assert len(arrivals) >= 4
    assert min(later - first for first, later in zip(arrivals, arrivals[2:], strict=False)) >= 60


def test_a_process_that_stood_still_leaves_its_message_to_others(desk):
    desk.report()
    moments = iter([timedelta()] * 4)

    def late():
        return desk.clock() + next(moments, timedelta(minutes=11))

    assert plan.send_due(replace(desk.installation, clock=late)) == plan.Sent()
    assert desk.postbox.mails == []
    desk.clock.advance(minutes=22)
    assert desk.run().delivered == 1
    assert len(desk.postbox.mails) == 1


def test_a_clock_that_ran_ahead_silences_nobody(desk):
    ahead = replace(desk.installation, clock=lambda: desk.clock() + timedelta(days=3))
    desk.report()
    assert plan.send_due(ahead).delivered == 1
    desk.report(code="truncated", message="Too long.")
    with desk.installation.ledger.write() as transaction:
        transaction.execute(sa.insert(alert_messages).values(MESSAGE | {"due_at": desk.clock() + timedelta(days=3)}))
    assert desk.run().delivered == 2
    assert "truncated" in "".join(mail["Subject"] for mail in desk.postbox.mails)


MESSAGE = {
    "id": "crew-test-1",
    "recipient": "crew",
    "stream": "cancellations",
    "subject": "left by a clock that ran ahead",
    "body": "text",
    "created_at": datetime(2026, 11, 2, tzinfo=UTC),
    "state": "pending",
    "attempts": 1,
}


def test_a_domain_is_written_in_ascii_and_one_bad_address_delays_no_other(desk):
    desk.add(Recipient(code="abroad", kind=RecipientKind.EMAIL, address="crew@müller-shop.example", summary=False))
    with desk.installation.ledger.write() as transaction:  # as an older release kept it
        transaction.execute(
            sa.insert(alert_recipients).values(
                code="aaa",
                kind="email",
                address="jürgen@shop.example",
                channels=[],
                kinds=[],
                summary=False,
                requests_through=0,
                created_at=desk.clock(),
                updated_at=desk.clock(),
            )
        )
    desk.report()
    assert desk.run() == plan.Sent(3, 2, 1)
    assert {mail["To"] for mail in desk.postbox.mails} == {"crew@shop.example", "crew@xn--mller-shop-9db.example"}
    assert desk.open_codes() == [("aaa", "recipient_refused")]


@pytest.mark.parametrize(
    "address", ["jürgen@shop.example", "a b@shop.example", "x@-.example", "x@shop..example", "@shop.example"]
)
def test_an_address_that_cannot_be_sent_to_is_refused_when_it_is_entered(desk, address):
    with pytest.raises(RecipientError, match="email"):
        desk.add(Recipient(code="x", kind=RecipientKind.EMAIL, address=address))


def test_nothing_to_tell_sends_nothing(desk):
    assert desk.run() == plan.Sent(0, 0, 0)
    assert not plan.is_due(desk.installation)


def test_the_first_occurrence_is_told_at_once_with_counts_in_the_first_line(any_desk):
    any_desk.report(times=37, hint="Wait.")
    assert plan.is_due(any_desk.installation)
    assert any_desk.run() == plan.Sent(1, 1, 0)
    (mail,) = any_desk.postbox.mails
    assert mail["Subject"] == "[Orders] 1 new, 1 open: amazon_eu pull throttled ×37"
    assert mail["To"] == "crew@shop.example"
    assert mail["Message-ID"].endswith("@shop.example>")
    body = mail.get_content()
    assert body.splitlines()[0] == "1 new, 1 open; 37 times in all."
    assert "Slow down." in body
    assert "What to do: Wait." in body
    assert not plan.is_due(any_desk.installation)


def test_the_same_problem_again_is_not_told_again(desk):
    desk.report()
    desk.run()
    desk.report()
    desk.run(minutes=90)
    assert len(desk.postbox.mails) == 1


def test_a_problem_that_grows_tenfold_is_told_again_and_not_before(desk):
    desk.report(times=3)
    desk.run()
    desk.report(times=26)
    desk.run(minutes=10)
    assert len(desk.postbox.mails) == 1
    desk.report(times=1)
    desk.run()
    assert desk.postbox.subjects[1] == "[Orders] 1 growing, 1 open: amazon_eu pull throttled ×30"


def test_every_refused_file_is_told_and_many_in_one_mail(desk):
    def refuse(number: int) -> None:
        about = {"scope": "channel", "subject": "amazon_fr", "stage": "import_rows", "code": "file_refused"}
        desk.report(**about, file_id=str(number), message=f"the shipment file {number}.csv was refused")

    refuse(1)
    desk.run()
    desk.run(minutes=70)
    assert len(desk.postbox.mails) == 1
    for number in range(2, 300):
        refuse(number)
    desk.run(minutes=59)
    assert len(desk.postbox.mails) == 2
    assert "in 299 files" in desk.postbox.bodies[1]
    with desk.installation.ledger.write() as transaction:
        for number in range(1, 299):
            incidents.resolve_file(transaction, str(number), "settled", desk.clock())
    desk.run(minutes=70)
    assert len(desk.postbox.mails) == 2, "one of them is still open"


def test_another_order_in_trouble_is_told_though_an_earlier_one_is_open(desk):
    about = {"scope": "channel", "subject": "amazon_fr", "stage": "ship", "code": "shipped_despite_cancellation"}
    desk.report(**about, order_id="o1", message="order 1: stop the package")
    desk.run(minutes=70)
    desk.report(**about, order_id="o1", message="order 1: stop the package")
    desk.run(minutes=70)
    assert len(desk.postbox.mails) == 1
    desk.report(**about, order_id="o2", message="order 2: stop the package")
    desk.run()
    assert len(desk.postbox.mails) == 2
    assert "order 2: stop the package" in desk.postbox.bodies[1]


def test_what_somebody_looks_after_is_told_by_its_end_alone(any_desk):
    """Neither as news nor because it grows, until the time is over; another order in the same trouble is news."""
    desk = any_desk
    desk.report()
    with desk.installation.ledger.write() as transaction:
        (row,) = find_incidents(transaction)
        incidents.acknowledge(transaction, row.id, "anna", desk.clock() + timedelta(hours=8))
    desk.run()
    desk.report(times=500)
    desk.run(minutes=60)
    assert desk.postbox.subjects == []
    desk.run(minutes=8 * 60)
    assert len(desk.postbox.subjects) == 1
    with desk.installation.ledger.write() as transaction:
        incidents.acknowledge(transaction, row.id, "anna", desk.clock() + timedelta(hours=8))
    desk.report(times=9000)
    desk.run(minutes=60)
    desk.resolve()
    desk.run(minutes=60)
    assert desk.postbox.subjects[1:] == ["[Orders] 1 recovered, 0 open"]


def test_recovery_is_told_once(desk):
    desk.report()
    desk.run()
    desk.resolve()
    desk.run(minutes=30)
    assert desk.postbox.subjects[1:] == ["[Orders] 1 recovered, 0 open"]
    assert "RECOVERED\n* amazon_eu pull throttled: Slow down." in desk.postbox.bodies[1]


def test_what_was_over_before_anybody_was_told_is_not_told(desk):
    desk.report()
    desk.resolve()
    desk.run(minutes=10)
    assert desk.postbox.mails == []


@pytest.mark.slow
def test_a_thousand_failures_give_two_mails_an_hour_at_most(any_desk):
    arrivals = []
    for minute in range(0, 180, 2):
        for number in range(12):
            any_desk.report(code=f"code_{minute % 40}_{number % 3}", order_id=f"{minute}-{number}")
        before = len(any_desk.postbox.mails)
        any_desk.run()
        arrivals += [any_desk.clock()] * (len(any_desk.postbox.mails) - before)
        any_desk.clock.advance(minutes=2)
    assert 3 <= len(arrivals) <= 6
    windows = [sum(1 for other in arrivals if timedelta() <= other - each < timedelta(hours=1)) for each in arrivals]
    assert max(windows) <= 2
    assert "occurrences" not in any_desk.postbox.subjects[-1]
    assert "and 97 more" in any_desk.postbox.bodies[-1] or "more" in any_desk.postbox.bodies[-1]


def test_a_second_problem_is_told_minutes_later_and_a_third_in_the_digest(desk):
    desk.report()
    desk.run()
    desk.report(code="timeout")
    desk.run(minutes=4)
    assert len(desk.postbox.mails) == 1
    desk.run(minutes=1)
    assert len(desk.postbox.mails) == 2
    desk.report(code="unauthorised")
    desk.report(code="truncated")
    desk.run(minutes=54)
    assert len(desk.postbox.mails) == 2
    desk.run(minutes=1)
    assert desk.postbox.subjects[2].startswith("[Orders] 2 new, 4 open")


def test_recipients_are_told_their_channels_and_kinds_only(desk):
    desk.add(replace(CREW, code="shop", address="shop@shop.example", channels=("shop_fr",)))
    desk.add(replace(CREW, code="net", address="net@shop.example", kinds=("connectivity",)))
    desk.report(code="timeout")
    desk.report(subject="shop", code="truncated")
    desk.report(scope="system", subject="disk", stage="watch", code="disk_low")
    desk.run()
    told = {mail["To"]: mail.get_content() for mail in desk.postbox.mails}
    assert told["crew@shop.example"].startswith("3 new")
    assert told["shop@shop.example"].startswith("1 new")
    assert "shop pull truncated" in told["shop@shop.example"]
    assert told["net@shop.example"].startswith("1 new")
    assert "amazon_eu pull timeout" in told["net@shop.example"]


def test_a_narrowed_recipient_is_not_told_that_what_is_still_open_has_recovered(desk):
    desk.report()
    desk.run()
    desk.add(replace(CREW, kinds=("disk",)))
    desk.run(minutes=70)
    assert len(desk.postbox.mails) == 1


# -- the daily summary


def test_every_morning_there_is_a_summary_also_when_all_is_well(desk):
    desk.add(replace(CREW, summary=True))
    desk.run(minutes=30)
    assert desk.postbox.mails == []  # added after this morning's hour
    desk.clock.now = desk.clock().replace(hour=6, minute=59) + timedelta(days=1)
    desk.run(minutes=30)
    assert desk.postbox.subjects == ["[Orders] all is well; 0 orders in 24 hours"]
    assert "* amazon_fr: never" in desk.postbox.bodies[0]


def test_what_is_still_open_is_told_again_on_the_next_day(desk):
    desk.add(replace(CREW, summary=True))
    desk.report(times=5)
    desk.run()
    desk.clock.now = desk.clock().replace(hour=8) + timedelta(days=1)
    desk.run(minutes=5)
    assert desk.postbox.subjects[1:] == ["[Orders] 1 problem open; 0 orders in 24 hours"]
    assert "* amazon_eu pull throttled (retrieval): 5 times" in desk.postbox.bodies[1]


def test_the_hour_is_that_of_the_tenant(make_desk, settings):
    desk = make_desk(settings, time_zone="Asia/Tokyo", alert_summary_hour=9)
    desk.open()
    desk.add(replace(CREW, summary=True))
    desk.clock.now = desk.clock().replace(hour=23, minute=59)
    desk.run()
    assert desk.postbox.mails == []
    desk.run(minutes=2)
    assert len(desk.postbox.mails) == 1


# -- servers that fail


def test_while_the_server_is_down_nothing_is_lost_and_it_is_an_incident(make_desk, any_settings):
    desk = make_desk(any_settings)
    desk.add(CREW)
    desk.report()
    assert desk.run() == plan.Sent(1, 0, 1)
    assert desk.open_codes() == [("smtp", "mail_server_unreachable")]
    desk.report(code="timeout")
    desk.run(minutes=20)
    desk.open()
    desk.run(minutes=90)
    assert [each.split(":")[0] for each in desk.postbox.subjects] == [
        "[Orders] 1 new, 1 open",
        "[Orders] 1 new, 2 open",
    ]
    assert desk.open_codes() == []


def test_a_down_server_is_asked_once_a_pass_and_ever_more_rarely(make_desk, settings):
    desk = make_desk(settings)
    for number in range(5):
        desk.add(replace(CREW, code=f"crew{number}"))
    desk.report()
    assert desk.run() == plan.Sent(5, 0, 1)
    desk.run(minutes=180)
    with desk.installation.ledger.read() as transaction:
        attempts = transaction.execute(sa.select(sa.func.max(alert_messages.c.attempts))).scalar_one()
    assert attempts < 10


def test_a_greylisted_mail_arrives_once_by_trying_again(desk):
    desk.postbox.greylist = 2
    desk.report()
    assert desk.run() == plan.Sent(1, 0, 1)
    assert desk.open_codes() == [("crew", "recipient_refused")]
    desk.run(minutes=10)
    assert len(desk.postbox.mails) == 1
    assert desk.open_codes() == []


def test_one_refused_recipient_does_not_stop_the_others(desk):
    desk.add(replace(CREW, code="zz", address="other@shop.example"))
    desk.postbox.greylist = 1
    desk.report()
    assert desk.run() == plan.Sent(2, 1, 1)


def test_a_server_that_says_nothing_is_given_up_in_time(make_desk, settings):
    with silent_server() as port:
        desk = make_desk(settings, smtp_port=port, smtp_timeout_seconds=0.2)
        desk.add(CREW)
        desk.report()
        assert desk.run() == plan.Sent(1, 0, 1)
        assert desk.open_codes() == [("smtp", "mail_server_unreachable")]


def test_a_mail_whose_acknowledgement_got_lost_comes_again_with_the_same_id(desk):
    desk.postbox.drop_after_data = True
    desk.report()
    assert desk.run().failed == 1
    desk.postbox.drop_after_data = False
    desk.run(minutes=5)
    first, again = desk.postbox.mails
    assert first["Message-ID"] == again["Message-ID"]
    assert first.as_bytes() == again.as_bytes()


def test_a_wrong_password_is_an_incident(make_desk, settings):
    desk = make_desk(settings, smtp_password="wrong")
    desk.open()
    desk.add(CREW)
    desk.report()
    desk.run()
    assert desk.open_codes() == [("smtp", "mail_server_refused")]
    assert desk.postbox.mails == []


# -- TLS


def test_tls_from_the_start(make_desk, settings):
    desk = make_desk(settings, smtp_security="tls")
    desk.open(from_start=True)
    desk.add(CREW)
    desk.report()
    assert desk.run().delivered == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(make_desk, settings):
    desk = make_desk(settings, smtp_ca_file=None)
    desk.open()
    desk.add(CREW)
    desk.report()
    desk.run()
    assert desk.open_codes() == [("smtp", "mail_tls_failed")]
    assert desk.postbox.mails == []


def test_an_expired_certificate_is_refused(make_desk, settings, tmp_path):
    desk = make_desk(settings)
    certificate(tmp_path, expired=True)
    desk.open()
    desk.add(CREW)
    desk.report()
    desk.run()
    assert desk.open_codes() == [("smtp", "mail_tls_failed")]


def test_a_server_without_tls_gets_no_mail(make_desk, settings):
    desk = make_desk(settings)
    desk._stack.enter_context(serving(desk.postbox, desk.port, None))
    desk.add(CREW)
    desk.report()
    desk.run()
    assert desk.open_codes() == [("smtp", "mail_tls_failed")]
    assert desk.postbox.mails == []


def test_without_tls_mail_goes_to_this_machine_only(make_desk, settings):
    desk = make_desk(settings, smtp_security="loopback", smtp_user=None)
    desk._stack.enter_context(serving(desk.postbox, desk.port, None))
    desk.add(CREW)
    desk.report()
    assert desk.run().delivered == 1


def test_without_a_mail_server_it_is_said_so(make_desk, settings):
    desk = make_desk(settings, smtp_host=None)
    desk.add(CREW)
    desk.report()
    desk.run()
    assert desk.open_codes() == [("smtp", "mail_not_configured")]


# -- restarts


class Crash(BaseException):
    """A killed process."""


@pytest.mark.parametrize("place", ["put", "note_announced", "claim", "mark_sent"])
def test_a_restart_anywhere_tells_everything_and_the_outbox_once(any_desk, monkeypatch, place):
    any_desk.report()

    def die(*_arguments, **_options):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(alerts, place, die)
        with pytest.raises(Crash):
            any_desk.run()
    with any_desk.installation.ledger.write() as transaction:
        transaction.execute(sa.update(leases.leases).values(holder="another:1"))
    any_desk.clock.advance(minutes=11)
    any_desk.run(minutes=15)
    ids = [mail["Message-ID"] for mail in any_desk.postbox.mails]
    assert len(set(ids)) == 1
    assert len(ids) == (2 if place == "mark_sent" else 1)  # the one boundary that no restart can see across


def test_two_processes_at_once_send_each_mail_once(any_desk, open_installation):
    other = open_installation(any_desk.installation.settings)
    any_desk.report()
    threads = [threading.Thread(target=plan.send_due, args=[each]) for each in (any_desk.installation, other) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    any_desk.run()
    assert len(any_desk.postbox.mails) == 1


# -- webhooks


class Hook(BaseHTTPRequestHandler):
    """Takes a POST and keeps it; answers what it is told to."""

    def do_POST(self) -> None:
        self.server.taken.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_arguments) -> None:
        """Say nothing."""


@pytest.fixture
def hook():
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.taken, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_told_by_a_secret_address(desk, hook, monkeypatch, caplog):
    monkeypatch.setenv("TEST_HOOK", f"json://user:topsecret@127.0.0.1:{hook.server_port}/path")
    desk.add(Recipient(code="chat", kind=RecipientKind.URL, address="env:TEST_HOOK", summary=False))
    desk.report()
    assert desk.run() == plan.Sent(2, 2, 0)
    assert "amazon_eu pull throttled" in hook.taken[0]
    hook.status = 500
    desk.report(code="timeout")
    desk.run(minutes=5)
    assert ("chat", "target_refused") in desk.open_codes()
    assert "topsecret" not in caplog.text


def test_a_sealed_address_opens_only_for_its_recipient(desk, hook):
    sealed = recipients.seal_url(desk.installation.keys, "chat", f"json://127.0.0.1:{hook.server_port}/")
    desk.add(Recipient(code="chat", kind=RecipientKind.URL, address=sealed, summary=False))
    desk.add(Recipient(code="other", kind=RecipientKind.URL, address=sealed, summary=False))
    desk.report()
    desk.run()
    assert len(hook.taken) == 1
    assert desk.open_codes() == [("other", "credential_missing")]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("bogus://x", "target_invalid"),
        ("json://192.0.2.1/x", "target_insecure"),
        ("jsons://192.0.2.1/x?verify=no", "target_insecure"),
    ],
)
def test_an_address_that_is_none_or_not_safe_is_refused(desk, monkeypatch, url, code):
    monkeypatch.setenv("TEST_HOOK", url)
    desk.add(Recipient(code="chat", kind=RecipientKind.URL, address="env:TEST_HOOK", summary=False))
    desk.report()
    desk.run()
    assert desk.open_codes() == [("chat", code)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "no address"}, "email"),
        ({"address": "a@b\nBcc: c@d"}, "email"),
        ({"kinds": ("weather",)}, "kinds"),
        ({"channels": ("nowhere",)}, "channels"),
        ({"kind": RecipientKind.URL, "address": "slack://token"}, "url"),
    ],
)
def test_a_recipient_that_cannot_be_told_is_not_kept(desk, changes, field):
    with pytest.raises(RecipientError, match=field):
        desk.add(replace(CREW, **changes))


def test_a_removed_recipient_is_told_nothing_more(desk):
    desk.report()
    with desk.installation.ledger.write() as transaction:
        assert recipients.remove_recipient(transaction, "crew")
        assert not recipients.remove_recipient(transaction, "crew")
    assert desk.run() == plan.Sent(0, 0, 0)

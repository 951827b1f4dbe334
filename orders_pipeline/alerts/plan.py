"""Who is told of what, and when: the first occurrence at once, then at a bounded pace; recovery; a daily summary.

Planning reads incidents and what each recipient knows, and puts messages into the outbox together with the note of what they
tell; delivering takes them out one by one. Words are in `texts`, the wire in `delivery`. A plan is never made for a
recipient while an earlier message of the same stream has not arrived: what happens meanwhile is in the next one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from orders_pipeline.alerts import texts
from orders_pipeline.alerts.delivery import NotDelivered, deliver
from warehouse.incidents import IncidentKind, Severity, kind_of, severity_of
from warehouse.ledger.base import heartbeat, leases
from warehouse.ledger.book.cancellation_queries import requests_after
from warehouse.ledger.settings.channels import channels_served
from warehouse.ledger.settings.recipients import RecipientKind, all_recipients
from warehouse.ledger.status.day import DAY, figures_of_day
from warehouse.ledger.watch import activity, alerts, incidents
from warehouse.ledger.watch.alerts import Message, Pace, Stream
from warehouse.logs import Event, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from warehouse.ledger.base.leases import Lease
    from warehouse.ledger.settings.recipients import Recipient
    from warehouse.ledger.watch.alerts import AnnouncedTrouble, Trouble
    from warehouse.settings import Settings

logger = logging.getLogger("orders_pipeline.alerts.plan")

STAGE = "alerts"
LEASE = "alerts"

HOUR = timedelta(hours=1)
MESSAGES_AN_HOUR = 2
"""Of problems of one severity, to one recipient: the first at once, and a digest of what came since. Counted as they arrive."""
STREAMS = {Severity.OUTAGE: Stream.PROBLEMS, Severity.NOTICE: Stream.NOTICES}
"""Each severity has a budget of its own: what one order needs never uses up the messages about an outage."""
APART = timedelta(minutes=5)
"""Between two messages of one stream: what breaks together is told together."""
GROWN = 10
"""A condition that has happened so many times as often as was told is told again."""
REQUESTS_IN_A_MESSAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A message, and what its recipient knows once it is in the outbox."""

    message: Message
    current: Sequence[Trouble] = ()
    over: Sequence[AnnouncedTrouble] = ()
    requests_through: int | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What a recipient does not know yet: conditions that are new, have grown, or are over; and those that go on."""

    new: Sequence[Trouble]
    grown: Sequence[Trouble]
    over: Sequence[AnnouncedTrouble]
    going_on: Sequence[Trouble]

    @property
    def is_any(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.new or self.grown or self.over)


@dataclass(frozen=True, slots=True)
class Sent:
    """What one pass came to: messages planned, delivered, and put back."""

    planned: int = 0
    delivered: int = 0
    failed: int = 0


def is_due(installation: Installation) -> bool:
    """Whether a pass would plan or deliver anything; reads only."""
    now = installation.clock()
    with installation.ledger.read() as transaction:
        return bool(alerts.due(transaction, now) or plan(transaction, installation.settings, now))


def send_due(installation: Installation) -> Sent:
    """Plan what is to be told now and deliver what is due; does nothing when another process is at it."""
    with installation.ledger.write() as transaction:
        lease = leases.acquire(transaction, LEASE, installation.clock())
    if lease is None:
        return Sent()
    try:
        with heartbeat.renewing(installation.ledger, lease, installation.clock):
            planned = _plan(installation, lease)
            delivered, failed = _deliver(installation, lease)
    except leases.LeaseLost:
        return Sent()
    with installation.ledger.write() as transaction:
        leases.release(transaction, lease, installation.clock())
    return Sent(planned, delivered, failed)


# -- planning


def plan(transaction: Transaction, settings: Settings, now: datetime) -> list[Planned]:
    """Every message that is due to be written now."""
    recipients = all_recipients(transaction)
    if not recipients:
        return []
    found = _Facts(transaction, settings, now)
    planned: list[Planned] = []
    for recipient in recipients:
        messages = (
            *(found.problems(recipient, severity) for severity in Severity),
            found.cancellations(recipient),
            found.summary(recipient),
        )
        planned += [each for each in messages if each is not None]
    return planned


def news(open_now: Iterable[Trouble], known: Iterable[AnnouncedTrouble]) -> News:
    """What changed between what a recipient knows and what is open now; pure."""
    before = {each.key: each for each in known}
    present = {each.key: each for each in open_now}
    new = [each for key, each in present.items() if key not in before]
    grown = [each for key, each in present.items() if key in before and _has_grown(each, before[key])]
    over = [each for key, each in before.items() if key not in present]
    announced = {each.key for each in (*new, *grown)}
    return News(new, grown, over, [each for key, each in present.items() if key not in announced])


def _has_grown(trouble: Trouble, known: AnnouncedTrouble) -> bool:
    """Whether it is to be told again: another order or file is in it, or it has happened many times as often."""
    has_another = trouble.about != "" and trouble.newest > known.newest
    return has_another or trouble.occurrences >= GROWN * known.occurrences


def may_tell(pace: Pace, now: datetime, most: int) -> bool:
    """Whether a stream may have another message: at most so many in an hour, some minutes apart, none on its way."""
    newest = max(pace.recent, default=None)
    return not pace.is_waiting and len(pace.recent) < most and (newest is None or now - newest >= APART)


def concerns(recipient: Recipient, trouble: Trouble, serving: Mapping[str, frozenset[str]]) -> bool:
    """Whether a condition is any of the recipient's business.

    Args:
        recipient: Who may be told.
        trouble: The condition.
        serving: Connection → channels.
    """
    if recipient.kinds and trouble.kind not in recipient.kinds:
        return False
    if not recipient.channels:
        return True
    about = {"channel": frozenset({trouble.subject}), "connection": serving.get(trouble.subject, frozenset())}
    return not about.get(trouble.scope, frozenset()).isdisjoint(recipient.channels)


class _Facts:
    """What planning looks at, read once for all recipients."""

    def __init__(self, transaction: Transaction, settings: Settings, now: datetime) -> None:
        self._transaction = transaction
        self._now = now
        self._zone = ZoneInfo(settings.time_zone)
        self._hour = settings.alert_summary_hour
        self._troubles = alerts.troubles(transaction, now)
        self._announced = alerts.announced(transaction)
        self._paces = alerts.paces(transaction, now, HOUR)
        self._serving = channels_served(transaction)
        self._last = alerts.last_planned(transaction)

    def problems(self, recipient: Recipient, severity: Severity) -> Planned | None:
        """The message about incidents of one severity, when there is news and the pace allows one."""
        stream = STREAMS[severity]
        own = [each for each in self._of(recipient) if severity_of(each.kind) is severity and not each.is_muted]
        # What is open and none of its business any more, or looked after by somebody, has not recovered.
        elsewhere = {each.key for each in self._troubles} - {each.key for each in own}
        known = [
            each
            for each in self._announced.get(recipient.code, ())
            if each.key not in elsewhere and severity_of(kind_of(each.stage, each.code)) is severity
        ]
        found = news(own, known)
        if not found.is_any or not may_tell(self._pace(recipient, stream), self._now, MESSAGES_AN_HOUR):
            return None
        known_keys = {each.key for each in known}
        passed = [
            each
            for each in self._passed(recipient, stream)
            if severity_of(each.kind) is severity and each.key not in known_keys
        ]
        subject, body = texts.problems(found.new, found.grown, found.over, found.going_on, passed, self._zone)
        message = self._message(recipient, stream, subject, body)
        return Planned(message=message, current=[*found.new, *found.grown, *found.going_on], over=found.over)

    def cancellations(self, recipient: Recipient) -> Planned | None:
        """The message about requests to cancel that came since the last one."""
        if recipient.kinds and IncidentKind.CANCELLATION not in recipient.kinds:
            return None
        if not may_tell(self._pace(recipient, Stream.CANCELLATIONS), self._now, int(HOUR / APART)):
            return None
        rows = requests_after(self._transaction, recipient.requests_through, recipient.channels)
        if not rows:
            return None
        subject, body = texts.cancellations(rows[:REQUESTS_IN_A_MESSAGE], len(rows), self._zone)
        message = self._message(recipient, Stream.CANCELLATIONS, subject, body)
        return Planned(message=message, requests_through=rows[-1].number)

    def summary(self, recipient: Recipient) -> Planned | None:
        """The message of the day, once the hour has come."""
        local = self._now.astimezone(self._zone)
        since = datetime.combine(local.date(), time(self._hour), self._zone)
        is_early = local < since or (recipient.created_at is not None and recipient.created_at >= since)
        if not recipient.summary or is_early or self._pace(recipient, Stream.SUMMARY).is_waiting:
            return None
        own_id = f"{recipient.code}-summary-{local.date().isoformat()}"
        if alerts.exists(self._transaction, [own_id]):
            return None
        open_now = self._of(recipient)
        figures = figures_of_day(self._transaction, recipient.channels, self._now)
        subject, body = texts.summary(open_now, figures, self._zone)
        message = Message(
            id=own_id,
            recipient=recipient.code,
            stream=Stream.SUMMARY,
            subject=subject,
            body=body,
            created_at=self._now,
        )
        return Planned(message=message)

    def _passed(self, recipient: Recipient, stream: Stream) -> list[Trouble]:
        """What came and went since the last message of a stream, of the recipient's business."""
        since = max(
            min(self._last.get((recipient.code, stream.value), self._now - DAY), self._now),
            recipient.created_at or self._now - DAY,
            self._now - DAY,
        )
        found = alerts.passed(self._transaction, since)
        return [each for each in found if concerns(recipient, each, self._serving)]

    def _of(self, recipient: Recipient) -> list[Trouble]:
        return [each for each in self._troubles if concerns(recipient, each, self._serving)]

    def _pace(self, recipient: Recipient, stream: Stream) -> Pace:
        return self._paces.get((recipient.code, stream.value), Pace())

    def _message(self, recipient: Recipient, stream: Stream, subject: str, body: str) -> Message:
        return Message(
            id=f"{recipient.code}-{stream.value}-{self._now:%Y%m%dT%H%M%S%f}",
            recipient=recipient.code,
            stream=stream,
            subject=subject,
            body=body,
            created_at=self._now,
        )


def _plan(installation: Installation, lease: Lease) -> int:
    now = installation.clock()
    with installation.ledger.read() as transaction:
        planned = plan(transaction, installation.settings, now)
    if not planned:
        return 0
    with installation.ledger.write() as transaction:
        leases.hold(transaction, lease, now)
        for each in planned:
            alerts.put(transaction, each.message)
            alerts.note_announced(transaction, each.message.recipient, each.current, each.over, now)
            if each.requests_through is not None:
                alerts.note_requests_through(transaction, each.message.recipient, each.requests_through)
    return len(planned)


# -- delivering


def _deliver(installation: Installation, lease: Lease) -> tuple[int, int]:
    """Deliver what is due. A mail server that does not answer is asked once a pass, not once a recipient."""
    with installation.ledger.read() as transaction:
        recipients = {each.code: each for each in all_recipients(transaction)}
        messages = alerts.due(transaction, installation.clock())
    delivered = failed = 0
    silent: NotDelivered | None = None
    for message in messages:
        recipient = recipients[message.recipient]
        is_mail = recipient.kind is RecipientKind.EMAIL
        if silent is not None and is_mail:
            continue
        problem = _deliver_one(installation, lease, recipient, message)
        if problem is None:
            delivered += 1
        else:
            failed += 1
            silent = problem if problem.is_servers else silent
    return delivered, failed


def _deliver_one(
    installation: Installation, lease: Lease, recipient: Recipient, message: Message
) -> NotDelivered | None:
    claimed_at = installation.clock()
    with installation.ledger.write() as transaction:
        leases.hold(transaction, lease, claimed_at)
        if not alerts.claim(transaction, message, claimed_at):
            raise leases.LeaseLost(f"alert {message.id} was taken by another process")
    if installation.clock() - claimed_at >= alerts.CLAIM / 2:
        # This process stood still: by the time the message is out, another one may be sending it.
        raise leases.LeaseLost(f"alert {message.id} was claimed too long ago")
    problem = None
    try:
        deliver(installation.settings, installation.keys, recipient, message)
    except NotDelivered as error:
        problem = error
    except Exception as error:  # noqa: BLE001 - a defect must not stop the others; its message may quote an address
        logger.error(Event.UNEXPECTED_ERROR, extra={"alert": message.id, "exception": place_of(error)})  # noqa: TRY400 - as above
        problem = NotDelivered("internal_error", f"unexpected {type(error).__name__}", "", is_servers=False)
    now = installation.clock()
    with installation.ledger.write() as transaction:
        if problem is None:
            _arrived(transaction, recipient, message, now)
        else:
            alerts.mark_failed(transaction, message, problem.code, now)
            _report(transaction, recipient, problem, now)
    return problem


def _arrived(transaction: Transaction, recipient: Recipient, message: Message, now: datetime) -> None:
    alerts.mark_sent(transaction, message, now)
    incidents.resolve(transaction, "system", [recipient.code], [STAGE], now)
    if recipient.kind is RecipientKind.EMAIL:
        incidents.resolve(transaction, "system", [MAIL_SERVER], [STAGE], now)
    entry = activity.ActivityEntry(
        stage=STAGE,
        kind="alert_sent",
        text=f"Told {recipient.code}: {message.subject}",
        data={"message": message.id, "stream": message.stream.value},
    )
    activity.record(transaction, [entry], now)


MAIL_SERVER = "smtp"
"""The subject of incidents of the mail server itself."""


def _report(transaction: Transaction, recipient: Recipient, problem: NotDelivered, now: datetime) -> None:
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="system",
            subject=MAIL_SERVER if problem.is_servers else recipient.code,
            stage=STAGE,
            code=problem.code,
            message=f"an alert could not be delivered: {problem.message}",
            hint=problem.hint,
            details={"recipient": recipient.code},
        ),
        now,
    )

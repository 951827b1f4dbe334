"""Handing one message over: by SMTP with verified TLS, or to a chat or webhook service.

What is sent to whom, and when again after a failure, is decided in `plan`.
"""

from __future__ import annotations

import logging
import smtplib
import socket
import threading
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces import tls
from warehouse.ledger.base.credentials import SecretMissing
from warehouse.ledger.settings.recipients import EMAIL, RecipientKind, open_url, sendable
from warehouse.ledger.watch.alerts import Message, Stream
from warehouse.privacy import KeyRingError
from warehouse.web_addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from warehouse.ledger.settings.recipients import Recipient
    from warehouse.privacy import KeyRing
    from warehouse.settings import Settings

STEPS = 3
"""A delivery may take so many times the timeout of a step: a server that trickles would otherwise hold us for ever."""

PLAIN_SCHEMES = ("json://", "xml://", "form://")
"""Webhooks without TLS: they go to this machine only."""


class NotDelivered(Exception):
    """A message that was not taken.

    Attributes:
        code: Stable snake_case word, the incident's code.
        message: Plain sentence without a secret.
        hint: What to do.
        is_servers: Whether it is the mail server's or the configuration's fault, and so the same for every recipient.
    """

    def __init__(self, code: str, message: str, hint: str, *, is_servers: bool) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.is_servers = is_servers


def deliver(settings: Settings, keys: KeyRing, recipient: Recipient, message: Message) -> None:
    """Hand a message over.

    A mail server may have taken a mail whose acknowledgement got lost: then it gets the same mail, with the same Message-ID,
    once more.

    Raises:
        NotDelivered: It was not taken, or it is unknown whether it was.
    """
    match recipient.kind:
        case RecipientKind.EMAIL:
            _mail(settings, recipient.address, message)
        case RecipientKind.URL:
            _notify(keys, recipient, message)


def deliver_test(settings: Settings, keys: KeyRing, recipient: Recipient, now: datetime) -> None:
    """Hand a test message over; raises as `deliver` does."""
    message = Message(
        id=f"{recipient.code}-test-{now:%Y%m%dT%H%M%S%f}",
        recipient=recipient.code,
        stream=Stream.SUMMARY,
        subject="[Orders] a test: alerts arrive here",
        body="This is a test. Problems of the order flow are told here.\n",
        created_at=now,
    )
    deliver(settings, keys, recipient, message)


def compose(sender: str, address: str, message: Message) -> EmailMessage:
    """The mail of a message; composing it again gives the same one."""
    mail = EmailMessage()
    mail["From"] = Address("Orders", addr_spec=sender)
    mail["To"] = Address(addr_spec=address)
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body)
    return mail


def _mail(settings: Settings, address: str, message: Message) -> None:
    sender = settings.smtp_from
    if settings.smtp_host is None or sender is None or EMAIL.fullmatch(sender) is None:
        raise NotDelivered(
            "mail_not_configured",
            "there is no mail server to send alerts with",
            "set ORDERS_SMTP_HOST and ORDERS_SMTP_FROM",
            is_servers=True,
        )
    try:
        address = sendable(address)
    except ValueError as error:
        raise NotDelivered("recipient_refused", str(error), "correct the address", is_servers=False) from None
    mail = compose(sender, address, message)
    try:
        with _session(settings, settings.smtp_host) as server:
            server.send_message(mail, from_addr=sender, to_addrs=[address])
    except smtplib.SMTPRecipientsRefused as error:
        codes = "; ".join(f"{code}" for code, _ in error.recipients.values())
        raise NotDelivered(
            "recipient_refused",
            f"the mail server does not take mail for this recipient (SMTP {codes})",
            "correct the address; a 4xx answer passes by itself",
            is_servers=False,
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise _server_fault(
            "mail_tls_failed",
            "the mail server does not offer what is asked of it",
            "check ORDERS_SMTP_SECURITY and _PORT",
        ) from None
    except smtplib.SMTPResponseException as error:
        raise _server_fault(
            "mail_server_refused", f"the mail server answered SMTP {error.smtp_code}", "check log-in and sender"
        ) from None
    except tls.TlsError as error:
        raise _server_fault(
            "mail_tls_failed",
            f"no verified TLS with the mail server: {getattr(error, 'verify_message', '') or error.reason or 'failed'}",
            "check its certificate and name, or name its authority with ORDERS_SMTP_CA_FILE",
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        raise _server_fault(
            "mail_server_unreachable",
            f"the mail server does not answer ({type(error).__name__})",
            "check ORDERS_SMTP_HOST, ORDERS_SMTP_PORT and the network",
        ) from None


def _server_fault(code: str, message: str, hint: str) -> NotDelivered:
    return NotDelivered(code, message, hint, is_servers=True)


@contextmanager
def _session(settings: Settings, host: str) -> Iterator[smtplib.SMTP]:
    """A session with the mail server, logged in; cut when it takes too long as a whole."""
    seconds = settings.smtp_timeout_seconds
    if settings.smtp_security == "tls":
        context = tls.trusting(settings.smtp_ca_file)
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, settings.smtp_port, timeout=seconds, context=context)
    else:
        server = smtplib.SMTP(host, settings.smtp_port, timeout=seconds)
    watchdog = threading.Timer(STEPS * seconds, _cut, [server])
    watchdog.daemon = True
    watchdog.start()
    try:
        if settings.smtp_security == "starttls":
            server.starttls(context=tls.trusting(settings.smtp_ca_file))
        elif settings.smtp_security == "loopback" and not is_loopback(host):
            raise _server_fault(
                "mail_tls_failed",
                "mail without TLS goes to this machine only",
                "set ORDERS_SMTP_SECURITY to starttls or tls",
            )
        if settings.smtp_user is not None:
            password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
            server.login(settings.smtp_user, password)
        yield server
        _leave(server)
    finally:
        watchdog.cancel()
        server.close()


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye; the mail has been taken, whatever the server makes of that."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        return


def _cut(server: smtplib.SMTP) -> None:
    sock = server.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for an answer; closing would not


def _notify(keys: KeyRing, recipient: Recipient, message: Message) -> None:
    import apprise  # noqa: PLC0415 - a fifth of a second, needed only where there is such a recipient

    logging.getLogger("apprise").disabled = True  # its messages quote addresses, which are secrets
    try:
        url = open_url(keys, recipient).strip()
    except (SecretMissing, KeyRingError) as error:
        raise NotDelivered(
            "credential_missing", str(error), "set the variable or write the file", is_servers=False
        ) from None
    target = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if target is None:
        raise NotDelivered(
            "target_invalid", "the address is none that is known", "see docs/operations.md", is_servers=False
        )
    is_open = url.lower().startswith(PLAIN_SCHEMES) and not is_loopback(str(target.host))
    if is_open or not target.verify_certificate:
        raise NotDelivered(
            "target_insecure", "the address would be reached without verified TLS", "use https", is_servers=False
        )
    if not target.notify(body=message.body, title=message.subject, notify_type=apprise.NotifyType.INFO):
        raise NotDelivered(
            "target_refused",
            "the chat or webhook service did not take the message",
            "check the address",
            is_servers=False,
        )

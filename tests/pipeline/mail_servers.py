"""Real mail servers for the tests of alerts: with TLS from the start or on demand, and made to fail in the ways they do."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import ip_address
from typing import TYPE_CHECKING

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path


@dataclass
class Postbox:
    """What a server took, and how it answers.

    Attributes:
        mails: In order of arrival.
        refusal: Answer to every recipient, such as "451 4.7.1 try again later"; None: taken.
        greylist: How many times a recipient is deferred before it is taken.
        drop_after_data: Cut the connection when the mail is taken, before saying so.
    """

    mails: list[EmailMessage] = field(default_factory=list)
    refusal: str | None = None
    greylist: int = 0
    drop_after_data: bool = False

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802 - aiosmtpd's
        if self.greylist:
            self.greylist -= 1
            return "451 4.7.1 greylisted, try again later"
        if self.refusal is not None:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        if self.drop_after_data:
            server.transport.abort()
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        return [mail["Subject"] for mail in self.mails]

    @property
    def bodies(self) -> list[str]:
        return [mail.get_content().replace("\r\n", "\n") for mail in self.mails]


def certificate(folder: Path, *, expired: bool = False) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now - timedelta(days=1) if expired else now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "mail.pem", folder / "mail.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def server_context(pair: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(postbox: Postbox, port: int, context: ssl.SSLContext | None, *, from_start: bool = False) -> Iterator[None]:
    """A server with STARTTLS, with TLS from the start, or with neither; with TLS it takes the log-in orders:secret."""

    def log_in(server, session, envelope, mechanism, data: LoginPassword) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"orders", b"secret"), handled=False)

    options = {"authenticator": log_in} if context is not None else {}
    if context is not None and not from_start:
        options |= {"tls_context": context, "require_starttls": True}
    controller = Controller(
        postbox,
        hostname="127.0.0.1",
        port=port,
        ssl_context=context if from_start else None,
        auth_require_tls=not from_start,
        **options,
    )
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and never says a word; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                held.append(listener.accept()[0])

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for each in held:
            each.close()

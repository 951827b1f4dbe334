"""Real servers on loopback for storages: OpenSSH, vsftpd with TLS, pyftpdlib; and a proxy that spoils connections.

As root the servers serve a user of their own, who is removed afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import pwd
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orders_pipeline.storages.registry import open_storage

with warnings.catch_warnings():
    # Python 3.11's own asyncore warns of its end; later versions bring it along with pyftpdlib.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import FTPServer

LIMIT_SECONDS = 20.0
START_SECONDS = 15.0
PASSIVE_PORTS = 8


@dataclass(frozen=True)
class Account:
    """Who logs in at the servers. `folder` is on the server's side, and his."""

    name: str
    password: str
    private_key: str
    authorized_keys: Path
    home: Path
    folder: Path

    def make(self, path: str, mode: int = 0o755) -> Path:
        """A folder of his below his folder."""
        place = self.folder / path
        place.mkdir(parents=True, exist_ok=True)
        owner = pwd.getpwnam(self.name)
        for each in (place, *place.parents):
            if each == self.folder:
                break
            os.chown(each, owner.pw_uid, owner.pw_gid)
        place.chmod(mode)
        return place

    def put(self, path: str, content: bytes) -> Path:
        """A file of his below his folder."""
        place = self.make(str(Path(path).parent)) / Path(path).name
        place.write_bytes(content)
        owner = pwd.getpwnam(self.name)
        os.chown(place, owner.pw_uid, owner.pw_gid)
        return place


@dataclass(frozen=True)
class Served:
    """A server that runs, and how a storage reaches it."""

    kind: str
    settings: dict
    credentials: dict
    folder: Path
    more_ports: tuple[int, ...] = ()

    def open(self, **changed):
        return open_storage(self.kind, {**self.settings, **changed}, self.credentials)


def _program(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: the storage tests need a real server (Debian: {package})")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    for _ in range(int(START_SECONDS / 0.02)):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    pytest.fail(f"{process.args[0]} did not start: {log.read_text()[-2000:]}")


def _administer(*command: str, given: str | None = None) -> None:
    """Change the system's users; another process may hold the lock on their file for a moment."""
    for _ in range(100):
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail(f"{command[0]}: {done.stderr}")


@pytest.fixture(scope="session")
def root():
    """For what only root can do: users of their own, mounts, and vsftpd."""
    if os.geteuid() != 0:
        pytest.fail("this test needs a user of its own, a mount or vsftpd, and so must run as root")


@pytest.fixture(scope="session")
def account():
    """A user for this session; without root, who runs the tests."""
    home = Path(tempfile.mkdtemp(prefix="orders-files-"))
    home.chmod(0o755)
    key = home / "key"
    subprocess.run(
        [_program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True
    )
    password = secrets.token_hex(8)
    authorized = home / "authorized_keys"
    authorized.write_bytes(key.with_suffix(".pub").read_bytes())
    authorized.chmod(0o644)  # a command that ran in this process has left its umask; the server reads this as the user
    folder = home / "user"
    folder.mkdir()
    if os.geteuid() != 0:
        name = pwd.getpwuid(os.geteuid()).pw_name
        yield Account(name, "", key.read_text(), authorized, home, folder)
        shutil.rmtree(home)
        return
    name = f"ordt{secrets.token_hex(6)}"  # two of these fixtures may live at once: each plugin has its own
    _administer("useradd", "--no-create-home", "--home-dir", str(folder), "--shell", "/bin/sh", name)
    try:
        _administer("chpasswd", given=f"{name}:{password}")
        shutil.chown(folder, name, name)
        yield Account(name, password, key.read_text(), authorized, home, folder)
    finally:
        _administer("userdel", name)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def start_sshd(account):
    """Start an OpenSSH server with more lines of configuration; each call gives one with a host key of its own."""
    program = _program("sshd", "openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    running = []

    def start(*lines: str, internal: str = "internal-sftp") -> Served:
        home = Path(tempfile.mkdtemp(prefix="sshd-", dir=account.home))
        key, port, log = home / "host_key", _free_port(), home / "log"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        shown = subprocess.run(
            ["ssh-keygen", "-l", "-f", f"{key}.pub"], check=True, capture_output=True, text=True
        ).stdout.split()[1]
        config = home / "config"
        config.write_text(
            "\n".join(
                (
                    *lines,
                    f"Port {port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {key}",
                    "PidFile none",
                    "UsePAM no",
                    "StrictModes no",
                    f"AuthorizedKeysFile {account.authorized_keys}",
                    "MaxStartups 100",
                    f"Subsystem sftp {internal}",
                    "",
                )
            )
        )
        with log.open("wb") as output:
            process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stdout=output, stderr=output)
        running.append(process)
        _wait_for(port, process, log)
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "user": account.name,
            "root": str(account.folder),
            "host_key": [shown],
            "timeout_seconds": 10,
            "limit_seconds": LIMIT_SECONDS,
        }
        return Served("sftp", settings, {"private_key": account.private_key}, account.folder)

    yield start
    for process in running:
        process.kill()  # a server that inherited an ignored SIGTERM would never end
        process.wait()


@pytest.fixture(scope="session")
def sftp(start_sshd) -> Served:
    """OpenSSH as it comes."""
    return start_sshd()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    file: Path

    def issue(self, path: Path, *, names: tuple[str, ...], days: int = 2) -> Path:
        """A certificate with its key in one file; with negative `days` it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        alternatives = [x509.IPAddress(ipaddress.ip_address(each)) for each in names]
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "orders test server")]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=10))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
        return path


def _authority(path: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {path.name}")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=10))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return Authority(key, made, path)


@pytest.fixture(scope="session")
def authority(account) -> Authority:
    return _authority(account.home / "authority.pem")


@pytest.fixture(scope="session")
def other_authority(account) -> Authority:
    return _authority(account.home / "other_authority.pem")


@pytest.fixture(scope="session")
def start_vsftpd(root, account, authority):
    """Start vsftpd with TLS, session reuse required as it is by default, and more lines of configuration."""
    program = _program("vsftpd", "vsftpd")
    Path("/var/run/vsftpd/empty").mkdir(parents=True, exist_ok=True)
    running = []

    def start(*lines: str, days: int = 2, names: tuple[str, ...] = ("127.0.0.1", "127.0.0.2")) -> Served:
        home = Path(tempfile.mkdtemp(prefix="vsftpd-", dir=account.home))
        certificate = authority.issue(home / "server.pem", names=names, days=days)
        port, passive, log = _free_port(), _free_ports(PASSIVE_PORTS), home / "log"
        config = home / "config"
        config.write_text(
            "\n".join(
                (
                    "listen=YES",
                    "listen_address=127.0.0.1",
                    f"listen_port={port}",
                    "background=NO",
                    "seccomp_sandbox=NO",
                    "anonymous_enable=NO",
                    "local_enable=YES",
                    "write_enable=YES",
                    "ssl_enable=YES",
                    f"rsa_cert_file={certificate}",
                    "ssl_ciphers=HIGH",
                    f"pasv_min_port={passive}",
                    f"pasv_max_port={passive + PASSIVE_PORTS - 1}",
                    "pam_service_name=vsftpd",
                    *lines,
                    "",
                )
            )
        )
        with log.open("wb") as output:
            process = subprocess.Popen([program, str(config)], stdout=output, stderr=output)
        running.append(process)
        _wait_for(port, process, log)
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "user": account.name,
            "root": str(account.folder),
            "ca_file": str(authority.file),
            "timeout_seconds": 10,
            "limit_seconds": LIMIT_SECONDS,
        }
        ports = tuple(range(passive, passive + PASSIVE_PORTS))
        return Served("ftps", settings, {"password": account.password}, account.folder, ports)

    yield start
    for process in running:
        process.kill()  # a server that inherited an ignored SIGTERM would never end
        process.wait()


def _free_ports(count: int) -> int:
    """The first of so many free ports in a row, below those that the system gives away by itself."""
    chance = random.Random()
    for _ in range(200):
        first = chance.randrange(20_000, 32_000)
        with contextlib.ExitStack() as held:
            try:
                for port in range(first, first + count):
                    for address in ("127.0.0.1", "127.0.0.2"):
                        probe = held.enter_context(socket.socket())
                        probe.bind((address, port))
            except OSError:
                continue
            return first
    pytest.fail("no free ports in a row")


@pytest.fixture(scope="session")
def ftps(start_vsftpd) -> Served:
    """A vsftpd as it comes, with TLS."""
    return start_vsftpd()


@pytest.fixture
def start_ftp(tmp_path):
    """Start pyftpdlib, which speaks plain FTP; members of the handler are given by name."""
    stops = []

    def start(**members) -> Served:
        folder = tmp_path / f"ftp-{len(stops)}"
        folder.mkdir()
        authorizer = DummyAuthorizer()
        authorizer.add_user("erp", "s3cret", str(folder), perm=members.pop("perm", "elradfmwMT"))
        handler = type(
            "Handler",
            (FTPHandler,),
            {"authorizer": authorizer, "banner": "test server", "auth_failed_timeout": 0.01, **members},
        )
        server = FTPServer(("127.0.0.1", 0), handler)
        port = server.address[1]
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.is_set():
                server.serve_forever(timeout=0.02, blocking=False, handle_exit=False)
            server.close_all()

        thread = threading.Thread(target=serve)
        thread.start()
        stops.append((is_over, thread))
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "user": "erp",
            "allow_plaintext": True,
            "timeout_seconds": 5,
            "limit_seconds": LIMIT_SECONDS,
        }
        return Served("ftp", settings, {"password": "s3cret"}, folder)

    yield start
    for is_over, thread in stops:
        is_over.set()
        thread.join()


@pytest.fixture
def ftp(start_ftp) -> Served:
    return start_ftp()


@pytest.fixture
def folder(tmp_path) -> Served:
    place = tmp_path / "storage"
    place.mkdir()
    return Served("folder", {"path": str(place)}, {}, place)


@pytest.fixture(params=["sftp", "ftps", "ftp", "folder"])
def served(request) -> Served:
    """Each kind of storage on its server."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def place(served, account, request) -> str:
    """A fresh folder on the server, as the storage's paths name it."""
    name = f"place-{secrets.token_hex(4)}"
    if served.folder == account.folder:
        account.make(name)
    else:
        (served.folder / name).mkdir()
    return name


@pytest.fixture
def storage(served):
    opened = served.open()
    yield opened
    opened.close()


class Proxy:
    """Passes bytes on to a server of 127.0.0.1, from 127.0.0.2 and the same ports, until a number of bytes has passed.

    Then it cuts every connection (`cut_after`), or keeps them and passes nothing on (`stall_after`), until it is healed.
    """

    def __init__(self, ports: list[int]) -> None:
        self.passed = 0
        self.cut_after: int | None = None
        self.stall_after: int | None = None
        self._ports = ports
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._servers = self._do(self._start())

    def heal(self) -> None:
        self.cut_after = self.stall_after = None
        self.passed = 0

    def close(self) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self):
        return [await asyncio.start_server(self._serve(port), "127.0.0.2", port) for port in self._ports]

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        self._cut()
        pending = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for each in pending:
            each.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def _serve(self, port: int):
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.transport.abort()
                return
            self._writers |= {writer, to_writer}
            await asyncio.gather(self._pump(reader, to_writer), self._pump(to_reader, writer), return_exceptions=True)
            for each in (writer, to_writer):
                each.transport.abort()
                self._writers.discard(each)

        return handle

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(8192):
            if self.cut_after is not None and self.passed + len(data) > self.cut_after:
                writer.write(data[: max(self.cut_after - self.passed, 0)])
                self.passed += len(data)
                self._cut()
                return
            if self.stall_after is not None and self.passed + len(data) > self.stall_after:
                await asyncio.Event().wait()
            self.passed += len(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    def _cut(self) -> None:
        for each in self._writers:
            each.close()


@pytest.fixture
def spoil():
    """Put a proxy before a server: gives the proxy, and the server as it is reached through it."""
    proxies = []

    def through(served: Served) -> tuple[Proxy, Served]:
        proxy = Proxy([served.settings["port"], *served.more_ports])
        proxies.append(proxy)
        return proxy, replace(served, settings={**served.settings, "host": "127.0.0.2"})

    yield through
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def small_disk(root, account):
    """A folder of the servers' user that holds next to nothing."""
    place = account.make("small-disk")
    owner = pwd.getpwnam(account.name)
    options = f"size=100k,mode=755,uid={owner.pw_uid},gid={owner.pw_gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)

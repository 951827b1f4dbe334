"""FTP with TLS on vsftpd and without on pyftpdlib: verified certificates, and servers that differ or refuse."""

from __future__ import annotations

import os
import socket
import ssl

import pytest

from orders_pipeline.storages.errors import (
    AlreadyThere,
    LoginRefused,
    NoSpace,
    PermissionDenied,
    PlaintextRefused,
    RenameRefused,
    SettingsInvalid,
    TlsRefused,
    Unreachable,
)
from orders_pipeline.storages.probe import probe
from orders_pipeline.storages.registry import StorageVerdict, open_storage


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"x" * 300_000)
    return path


def test_plain_ftp_is_off_until_it_is_allowed_and_warns_then(ftp):
    with pytest.raises(PlaintextRefused, match=r"127\.0\.0\.1"):
        ftp.open(allow_plaintext=False)

    storage = ftp.open()
    warning = storage.connect()[0]
    storage.close()
    assert (warning.part, warning.verdict) == ("plaintext", StorageVerdict.WARNING)


def test_tls_is_verified_and_told(ftps):
    storage = ftps.open()
    finding = storage.connect()[0]
    storage.close()

    assert (finding.part, finding.verdict) == ("tls", StorageVerdict.OK)
    assert "TLSv1." in finding.message


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_session_reuse_works_with_each_version_of_tls(ftps, account, source, version):
    account.make("versions")
    storage = ftps.open()
    storage._trusted.minimum_version = storage._trusted.maximum_version = version

    assert version.name.removeprefix("TLSv").replace("_", ".") in storage.connect()[0].message
    for _ in range(3):
        storage.write_again("versions/a.csv", source)
    assert storage.exists("versions/a.csv") == 300_000
    storage.close()


def test_an_expired_certificate_is_refused(start_vsftpd):
    with pytest.raises(TlsRefused, match="expired"):
        start_vsftpd(days=-1).open().connect()


def test_a_certificate_of_another_authority_is_refused(ftps, other_authority):
    with pytest.raises(TlsRefused, match="not trusted"):
        ftps.open(ca_file=str(other_authority.file)).connect()
    with pytest.raises(TlsRefused, match="not trusted"):
        ftps.open(ca_file=None).connect()


def test_a_certificate_for_another_name_is_refused(start_vsftpd):
    with pytest.raises(TlsRefused, match="match"):
        start_vsftpd(names=("127.0.0.9",)).open().connect()


def test_a_server_without_tls_never_sees_the_password(start_ftp, authority):
    seen = []

    def listen(handler, line):
        seen.append(line)

    plain = start_ftp(ftp_USER=listen, ftp_PASS=listen)
    settings = {key: value for key, value in plain.settings.items() if key != "allow_plaintext"}

    storage = open_storage("ftps", {**settings, "ca_file": str(authority.file)}, plain.credentials)
    with pytest.raises(TlsRefused, match="offers no TLS"):
        storage.connect()
    assert seen == []


def test_a_ca_file_that_is_none_is_named(ftps, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SettingsInvalid, match="ca_file"):
        ftps.open(ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(SettingsInvalid, match="ca_file"):
        ftps.open(ca_file=str(tmp_path / "none.pem"))


@pytest.mark.parametrize("credentials", [{"password": "w0rds-of-a-canary"}, {}, {"password": "a\r\nDELE canary"}])
def test_a_wrong_password_is_refused_without_being_named(ftp, credentials):
    with pytest.raises(LoginRefused) as refusal:
        open_storage("ftp", ftp.settings, credentials).connect()
    assert "canary" not in str(refusal.value)


def test_no_server_is_unreachable(ftp, sftp):
    with pytest.raises(Unreachable, match="refused"):
        ftp.open(port=1).connect()
    with pytest.raises(Unreachable):
        ftp.open(port=sftp.settings["port"], timeout_seconds=0.5).connect()


def test_folders_that_may_not_be_written_are_named(ftps, account, source):
    account.make("ftp-read-only", 0o555)
    storage = ftps.open()

    with pytest.raises(PermissionDenied, match="ftp-read-only"):
        storage.write("ftp-read-only/a.csv", source)
    assert probe(storage, "ftp-read-only")[-1].code == "storage_permission_denied"
    with pytest.raises(PermissionDenied):
        storage.make_folder("ftp-read-only/new")
    account.put("ftp-kept/a.csv", b"x")
    (account.folder / "ftp-kept").chmod(0o555)
    with pytest.raises(PermissionDenied):
        storage.remove("ftp-kept/a.csv")
    with pytest.raises(RenameRefused):
        storage.move("ftp-kept/a.csv", "ftp-kept/b.csv")
    storage.close()


def test_a_full_disk_is_told_and_leaves_nothing(ftps, small_disk, source):
    storage = ftps.open()

    with pytest.raises(NoSpace, match="small-disk"):
        storage.write("small-disk/a.csv", source)
    assert list(small_disk.iterdir()) == []
    source.write_bytes(b"fits")
    storage.write("small-disk/a.csv", source)
    assert [each.name for each in small_disk.iterdir()] == ["a.csv"]
    storage.close()


def refusing(code: str):
    def refuse(handler, *_):
        handler.respond(code)

    return refuse


def test_a_used_up_quota_is_told(start_ftp, source):
    storage = start_ftp(ftp_STOR=refusing("552 Quota exceeded.")).open()
    with pytest.raises(NoSpace, match="552"):
        storage.write("a.csv", source)
    storage.close()


def test_a_server_that_cannot_rename_gets_nothing_and_a_test_says_so(start_ftp, source):
    served = start_ftp(ftp_RNFR=refusing("502 Not implemented."))
    storage = served.open()

    with pytest.raises(RenameRefused, match="502"):
        storage.write("a.csv", source)
    assert probe(storage, "")[-1].code == "storage_rename_refused"
    assert list(served.folder.iterdir()) == []
    storage.close()


def test_a_server_that_renames_nothing_over_an_existing_file_still_gets_the_repeat(start_ftp, source):
    def strict(handler, path):
        if os.path.exists(path):  # noqa: PTH110 - as pyftpdlib hands it over
            handler.respond("550 File exists.")
            handler._rnfr = None
            return None
        return original(handler, path)

    from pyftpdlib.handlers import FTPHandler  # noqa: PLC0415 - warns when it is first imported, in conftest

    original = FTPHandler.ftp_RNTO
    served = start_ftp(ftp_RNTO=strict)
    storage = served.open()
    storage.write("a.csv", source)
    source.write_bytes(b"again")
    storage.write_again("a.csv", source)
    storage.close()

    assert {each.name: each.read_bytes() for each in served.folder.iterdir()} == {"a.csv": b"again"}


@pytest.mark.parametrize("missing", [("MLSD",), ("MLSD", "MDTM"), ("SIZE",)])
def test_old_servers_are_listed_too(start_ftp, source, missing):
    from pyftpdlib.handlers import FTPHandler  # noqa: PLC0415 - as above

    gone = {"MLSD": ("MLSD", "MLST"), "MDTM": ("MDTM",), "SIZE": ("SIZE",)}
    known = {
        name: told
        for name, told in FTPHandler.proto_cmds.items()
        if name not in {each for group in missing for each in gone[group]}
    }
    served = start_ftp(proto_cmds=known)
    storage = served.open()
    assert storage.list("/") == ()
    storage.make_folder("in")
    storage.write("in/a.csv", source)
    (served.folder / "in" / "folder.csv").mkdir()

    (seen,) = storage.list("in")

    assert (seen.name, seen.size) == ("a.csv", 300_000)
    assert (seen.modified_at is None) == ("MDTM" in missing)
    assert storage.exists("in/a.csv") == 300_000
    assert storage.exists("in/b.csv") is None
    with pytest.raises(AlreadyThere):
        storage.write("in/a.csv", source)
    assert probe(storage, "in")[-1].verdict is StorageVerdict.OK
    storage.close()


def test_a_connection_that_the_server_dropped_while_idle_is_made_anew(start_ftp, monkeypatch):
    served = start_ftp(timeout=1)
    storage = served.open()
    storage.list("/")
    monkeypatch.setattr("orders_pipeline.storages.ftp.IDLE_SECONDS", 0.0)
    assert storage._client.sock.recv(1, socket.MSG_PEEK) == b"4", "the server says good-bye"

    assert storage.list("/") == ()
    storage.close()

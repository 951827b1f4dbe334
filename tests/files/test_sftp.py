"""SFTP on OpenSSH: trust in the host key, logins, and servers that cannot or may not do everything."""

from __future__ import annotations

import io
import os
import subprocess

import pytest

from orders_pipeline.storages.errors import (
    HostKeyChanged,
    HostKeyUnknown,
    LoginRefused,
    NoSpace,
    PermissionDenied,
    RenameRefused,
    SettingsInvalid,
    Unreachable,
)
from orders_pipeline.storages.probe import probe
from orders_pipeline.storages.registry import open_storage


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"x" * 300_000)
    return path


def test_an_unknown_host_key_is_refused_with_its_fingerprint_before_any_login(sftp):
    storage = open_storage("sftp", {**sftp.settings, "host_key": []}, {})

    with pytest.raises(HostKeyUnknown) as refusal:
        storage.connect()

    assert refusal.value.fingerprint == sftp.settings["host_key"][0]
    assert refusal.value.fingerprint in refusal.value.message
    (finding,) = probe(storage, "/")
    assert (finding.part, finding.code, finding.message) == ("host key", refusal.value.code, refusal.value.message)
    assert "orders storages trust" in refusal.value.hint


def test_a_changed_host_key_is_refused_until_it_is_trusted(sftp, start_sshd):
    moved = start_sshd()
    storage = moved.open(host_key=sftp.settings["host_key"])

    with pytest.raises(HostKeyChanged) as refusal:
        storage.list("/")
    assert refusal.value.fingerprint == moved.settings["host_key"][0]

    both = moved.open(host_key=[*sftp.settings["host_key"], *moved.settings["host_key"]])
    both.list("/")
    both.close()


def test_a_test_tells_of_host_key_and_login(sftp):
    storage = sftp.open()
    findings = storage.connect()
    storage.close()

    assert [each.part for each in findings] == ["host key", "login"]
    assert sftp.settings["host_key"][0] in findings[0].message


@pytest.mark.usefixtures("root")
def test_a_password_logs_in_and_a_wrong_one_is_refused_without_being_named(sftp, account):
    right = open_storage("sftp", sftp.settings, {"password": account.password})
    right.list("/")
    right.close()

    wrong = open_storage("sftp", sftp.settings, {"password": "w0rds-of-a-canary"})
    with pytest.raises(LoginRefused) as refusal:
        wrong.connect()
    assert "canary" not in str(refusal.value) + repr(refusal.value)
    assert account.name in refusal.value.message


def test_a_server_that_takes_no_passwords_says_what_it_takes(start_sshd):
    strict = start_sshd("PasswordAuthentication no", "KbdInteractiveAuthentication no")

    with pytest.raises(LoginRefused, match="publickey"):
        open_storage("sftp", strict.settings, {"password": "x"}).connect()


@pytest.mark.usefixtures("root")
def test_a_server_that_wants_key_and_password_gets_both(start_sshd, account):
    strict = start_sshd("AuthenticationMethods publickey,password")

    with pytest.raises(LoginRefused, match="password"):
        strict.open().connect()
    both = open_storage("sftp", strict.settings, {**strict.credentials, "password": account.password})
    both.list("/")
    both.close()


@pytest.mark.parametrize(
    ("credentials", "error", "said"),
    [
        ({}, LoginRefused, "neither"),
        ({"private_key": "nonsense"}, SettingsInvalid, "cannot be read"),
        ({"private_key": ""}, LoginRefused, "neither"),
    ],
)
def test_unusable_credentials_are_named(sftp, credentials, error, said):
    with pytest.raises(error, match=said):
        open_storage("sftp", sftp.settings, credentials).connect()


@pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa",), ("rsa", "-b", "2048"), ("rsa", "-m", "PEM", "-b", "2048")])
def test_keys_of_every_kind_are_read_with_and_without_a_passphrase(sftp, account, tmp_path, kind):
    key = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", *kind, "-N", "pass phrase", "-f", str(key)]
    subprocess.run(command, check=True)
    before = account.authorized_keys.read_bytes()
    account.authorized_keys.write_bytes(before + key.with_suffix(".pub").read_bytes())
    try:
        opened = open_storage("sftp", sftp.settings, {"private_key": key.read_text(), "passphrase": "pass phrase"})
        opened.list("/")
        opened.close()
    finally:
        account.authorized_keys.write_bytes(before)
    with pytest.raises(LoginRefused, match="no passphrase"):
        open_storage("sftp", sftp.settings, {"private_key": key.read_text()}).connect()
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        open_storage("sftp", sftp.settings, {"private_key": key.read_text(), "passphrase": "another"}).connect()


def test_a_key_that_the_server_does_not_know_is_refused(sftp, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)

    with pytest.raises(LoginRefused):
        open_storage("sftp", sftp.settings, {"private_key": key.read_text()}).connect()


def test_no_server_and_no_ssh_server_are_unreachable(sftp, ftp):
    with pytest.raises(Unreachable, match="refused"):
        sftp.open(port=1).connect()
    with pytest.raises(Unreachable):
        sftp.open(port=ftp.settings["port"], timeout_seconds=0.5).connect()
    with pytest.raises(Unreachable):
        sftp.open(host="no-such-host.invalid").connect()


def test_a_server_without_sftp_says_so(start_sshd):
    with pytest.raises(Unreachable, match="no SFTP"):
        start_sshd(internal="/nonexistent").open().connect()


def test_a_server_without_posix_rename_still_replaces(start_sshd, account, source):
    served, place = start_sshd(internal="internal-sftp -P posix-rename"), account.make("no-posix-rename")
    storage = served.open()
    storage.write("no-posix-rename/a.csv", source)
    source.write_bytes(b"again")
    storage.write_again("no-posix-rename/a.csv", source)
    storage.close()

    assert [each.name for each in place.iterdir()] == ["a.csv"]
    assert (place / "a.csv").read_bytes() == b"again"


def test_a_server_without_plain_rename_gets_the_other_one(start_sshd, account, source):
    served, place = start_sshd(internal="internal-sftp -P rename"), account.make("no-rename")
    storage = served.open()
    storage.write("no-rename/a.csv", source)
    storage.close()

    assert [each.name for each in place.iterdir()] == ["a.csv"]


def test_a_server_that_cannot_rename_gets_nothing_and_a_test_says_so(start_sshd, account, source):
    served, place = start_sshd(internal="internal-sftp -P rename,posix-rename"), account.make("cannot-rename")
    storage = served.open()

    with pytest.raises(RenameRefused, match=r"a\.csv\.part"):
        storage.write("cannot-rename/a.csv", source)
    last = probe(storage, "cannot-rename")[-1]
    storage.close()

    assert (last.part, last.code) == ("rename", "storage_rename_refused")
    assert list(place.iterdir()) == []


@pytest.mark.usefixtures("root")
def test_a_folder_that_may_not_be_written_is_named(sftp, account, source):
    account.make("read-only", 0o555)
    account.make("closed", 0o000)
    storage = sftp.open()

    with pytest.raises(PermissionDenied, match="read-only"):
        storage.write("read-only/a.csv", source)
    with pytest.raises(PermissionDenied, match="closed"):
        storage.list("closed")
    assert probe(storage, "read-only")[-1].code == "storage_permission_denied"
    with pytest.raises(PermissionDenied):
        storage.make_folder("read-only/new")
    storage.close()


@pytest.mark.usefixtures("root")
def test_a_full_disk_is_told_and_leaves_nothing(sftp, small_disk, source):
    storage = sftp.open()

    with pytest.raises(NoSpace, match="small-disk"):
        storage.write("small-disk/a.csv", source)
    assert storage.list("small-disk") == ()
    source.write_bytes(b"fits")
    storage.write("small-disk/a.csv", source)
    assert [each.name for each in small_disk.iterdir()] == ["a.csv"]
    storage.close()


def test_big_files_pass_in_pieces(sftp, account, tmp_path):
    account.make("big")
    source = tmp_path / "big"
    content = os.urandom(9_500_123)
    source.write_bytes(content)
    storage, sink = sftp.open(), io.BytesIO()
    storage.write("big/a.bin", source)

    assert storage.read("big/a.bin", sink, len(content)) == len(content)
    assert sink.getvalue() == content
    storage.close()

"""`orders storages …` as a person uses it, on real servers."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass

import pytest

from orders_pipeline.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def orders(tmp_path, monkeypatch, capfd):
    """Runs `orders storages` with what a shell would give it."""
    monkeypatch.setenv("ORDERS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["orders", "storages", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture
def erp(orders, sftp) -> str:
    """An SFTP storage that nobody has trusted and that has no secret yet."""
    names = ("host", "port", "user", "root")
    given = [option for name in names for option in ("--setting", f"{name}={sftp.settings[name]}")]
    assert orders("add", "erp", "--kind", "sftp", *given).code == 0
    return "erp"


def rows(done: Done) -> list[dict]:
    return [json.loads(line) for line in done.out.splitlines()]


def test_from_nothing_to_a_storage_that_works(orders, erp, sftp, account):
    account.make("commands")
    pin = sftp.settings["host_key"][0]

    refused = orders("test", erp, "--json")
    assert (refused.code, rows(refused)[0]["part"]) == (4, "host key")
    assert pin in refused.out

    wrong = orders("trust", erp, "--fingerprint", pin.replace(pin[10:14], "AAAA"))
    assert wrong.code == 7
    assert "nothing was changed" in wrong.err
    assert orders("trust", erp, "--fingerprint", pin).code == 0

    refused = orders("test", erp, "--json")
    assert (refused.code, rows(refused)[0]["part"]) == (5, "login")

    assert orders("secret", erp, "private_key", typed=account.private_key).code == 0
    tested = orders("test", erp, "--folder", "commands", "--json")
    assert tested.code == 0, tested
    assert {each["verdict"] for each in rows(tested)} == {"ok"}
    assert rows(tested)[-1]["part"] == "remove"

    (listed,) = rows(orders("list", "--json"))
    assert listed["credentials"] == ["private_key=sealed"]
    assert listed["settings"]["host_key"] == [pin]

    assert orders("remove", erp).code == 0
    assert orders("list", "--json").out == ""


def test_without_a_terminal_nothing_is_trusted_by_accident(orders, erp, sftp):
    done = orders("trust", erp)

    assert done.code == 2
    assert sftp.settings["host_key"][0] in done.err
    assert "host_key" not in rows(orders("list", "--json"))[0]["settings"]


def test_a_person_is_asked_and_may_say_no(orders, erp, sftp, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("io.StringIO", Terminal)
    assert orders("trust", erp, typed="n\n").code == 1
    assert "host_key" not in rows(orders("list", "--json"))[0]["settings"]
    assert orders("trust", erp, typed="y\n").code == 0
    assert rows(orders("list", "--json"))[0]["settings"]["host_key"] == sftp.settings["host_key"]


def test_a_folder_needs_no_secret(orders, tmp_path):
    (tmp_path / "share").mkdir()
    assert orders("add", "share", "--kind", "folder", "--setting", f"path={tmp_path / 'share'}").code == 0

    assert orders("test", "share").code == 0
    assert orders("test", "share", "--folder", "nowhere").code == 4
    assert orders("secret", "share", "password", typed="x").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("test", "nowhere"), 4, "there is no storage"),
        (("remove", "nowhere"), 2, "there is no storage"),
        (("trust", "nowhere"), 2, "there is no storage"),
        (("secret", "nowhere", "password"), 2, "there is no storage"),
        (("add", "x", "--kind", "sftp"), 4, "storages.x.settings.host"),
        (("add", "x", "--kind", "folder", "--setting", "path"), 2, "NAME=VALUE"),
        (("add", "x", "--kind", "ftp", "--credential", "password=s3cret-canary"), 4, "env:NAME"),
    ],
)
def test_a_mistake_is_told_in_one_plain_sentence(orders, arguments, code, said):
    assert orders("add", "known", "--kind", "folder", "--setting", "path=/srv").code == 0
    done = orders(*arguments, typed="x")

    assert done.code == code
    assert said in done.err
    assert "canary" not in done.err + done.out


def test_plain_ftp_that_is_not_allowed_and_a_server_that_is_away_have_their_own_exits(orders):
    settings = ("--setting", "host=127.0.0.1", "--setting", "port=1", "--setting", "user=erp")
    assert orders("add", "plain", "--kind", "ftp", *settings).code == 0
    assert orders("add", "away", "--kind", "ftps", *settings).code == 0

    refused = orders("test", "plain")
    assert refused.code == 4
    assert "plain FTP is off" in refused.err
    assert orders("test", "away").code == 6

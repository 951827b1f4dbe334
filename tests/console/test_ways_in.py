"""By an identity provider, and with an authenticator: who is let in, as whom, and who is not."""

from __future__ import annotations

import re
import shutil
import threading
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pyotp
import pytest
import sqlalchemy as sa
import uvicorn
from joserfc.jwk import OctKey, RSAKey
from starlette.routing import Mount

from orders_api.app import create_app
from orders_api.console.app import CONSOLE_PATH
from orders_api.console.kit.entrances import LogInAttempts
from orders_pipeline.commands.children import free_port
from tests.conftest import TEST_KEYS
from tests.console.conftest import NOW
from tests.console.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, running
from tests.console.test_log_in import form_token, make_user
from warehouse.ledger.base import schema
from warehouse.ledger.people import audit, codes, grants, sessions, users
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection
from warehouse.settings import Settings

GRANTS = "hub-admins=admin+pii, lyon=operator@amazon_fr, berlin=viewer@amazon_de"
ANNA = {"sub": "0815", "preferred_username": "Anna", "groups": ["hub-admins", "staff"]}
PASSWORD = "nine brown otters"


@pytest.fixture(scope="module")
def provider():
    with running(Provider(int(NOW.timestamp()))) as started:
        yield started


@pytest.fixture(scope="module")
def started(provider, new_sqlite_ledger, tmp_path_factory):
    """A console whose people come from the provider."""
    settings = Settings(
        _env_file=None,
        home=tmp_path_factory.mktemp("ways-in"),
        keys=TEST_KEYS,
        console_url=f"http://127.0.0.1:{free_port(0)}/console",
        oidc_issuer=provider.url,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_grants=GRANTS,
    )
    shutil.copy(new_sqlite_ledger, settings.home)
    with serving(settings) as app:
        with app.state.installation.ledger.write() as transaction:
            for code in ("amazon_fr", "amazon_de"):
                save_connection(transaction, Connection(code=f"{code}_seller", kind="amazon", label=code), NOW)
                channel = ConfiguredChannel(code=code, label=code, marketplace=code, connection=f"{code}_seller")
                save_channel(transaction, channel, NOW)
        yield Own(app)


@pytest.fixture
def own(started, provider):
    """The same, with nobody in it yet and nothing tried."""
    provider.claims, provider.header, provider.secret = dict(ANNA), {"alg": "RS256"}, None
    with started.ledger.write() as transaction:
        for table in (schema.sessions, schema.users):
            transaction.execute(sa.delete(table))
    (console,) = (route.app for route in started.app.routes if isinstance(route, Mount) and route.path == CONSOLE_PATH)
    console.state.attempts = LogInAttempts.none_yet()
    return started


@contextmanager
def serving(settings: Settings):
    """A console at its own address."""
    app = create_app(settings, lambda: NOW)
    port = httpx.URL(settings.console_url).port
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(timeout=0.02)
    try:
        yield app
    finally:
        server.should_exit = True
        thread.join()
        app.state.installation.ledger.close()


class Own:
    """The console, and browsers at it."""

    def __init__(self, app) -> None:
        self.app = app
        self.settings = app.state.installation.settings
        self.ledger = app.state.installation.ledger

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.settings.console_url, headers={"Sec-Fetch-Site": "same-origin"})

    def come(self, client, wanted: str = "", **changes: str) -> httpx.Response:
        """All the way to the provider and back."""
        return client.get("/sso/back", params=dict(self.way_back(client, wanted).params) | changes)

    def way_back(self, client, wanted: str = "") -> httpx.URL:
        """Where the provider sends somebody who has logged in there."""
        there = client.get("/sso", params={"next": wanted})
        assert there.status_code == 303, there.text
        back = httpx.get(there.headers["location"]).headers["location"]
        assert back.startswith(f"{self.settings.console_url}/sso/back?")
        return httpx.URL(back)


def test_whoever_the_provider_sends_is_let_in_with_the_rights_of_their_groups(own) -> None:
    with own.client() as client:
        assert "Log in at the identity provider" in client.get("/log-in").text
        entered = own.come(client, "/orders?status=SHIPPED")
        assert (entered.status_code, entered.headers["location"]) == (303, "/console/orders?status=SHIPPED")
        assert "There is no password here" in client.get("/account").text
    with own.ledger.read() as transaction:
        anna = users.find(transaction, "anna")
        newest = audit.newest(transaction, 1)[0].entry
    assert (anna.role, anna.may_see_personal_data, anna.channels) == (Role.ADMIN, True, None)
    assert (newest.action, newest.actor) == ("logged_in_by_provider", "anna")


def test_other_groups_are_other_rights_and_end_what_was_open(own, provider) -> None:
    with own.client() as before, own.client() as after:
        own.come(before)
        provider.claims = ANNA | {"groups": ["lyon", "berlin"], "preferred_username": "renamed"}
        own.come(after)
        assert before.get("/orders").status_code == 303
        assert after.get("/orders").status_code == 200
    with own.ledger.read() as transaction:
        (anna,) = users.listed(transaction)
    assert (anna.name, anna.role, anna.channels) == ("anna", Role.OPERATOR, ("amazon_de", "amazon_fr"))
    assert not anna.may_see_personal_data


def test_a_way_back_that_was_not_begun_here_lets_nobody_in(own) -> None:
    with own.client() as client, own.client() as other:
        assert own.come(client, state="made-up").status_code == 403
        assert own.come(client, state="erfunden: ö").status_code == 403
        assert other.get(own.way_back(client)).status_code == 403
        assert client.get("/sso/back?error=access_denied&state=x").status_code == 403
    assert nobody(own)


def nobody(own) -> bool:
    with own.ledger.read() as transaction:
        count = transaction.execute(sa.select(sa.func.count()).select_from(schema.sessions)).scalar_one()
    return count == 0


def test_a_code_is_good_once(own) -> None:
    with own.client() as client:
        back, cookie = own.way_back(client), client.cookies["orders_sso"]
        assert client.get(back).status_code == 303
        client.cookies.set("orders_sso", cookie, path="/console/sso/back")
        assert client.get(back).status_code == 502


NOW_SECONDS = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"nonce": "of another log-in"}, 502),
        ({"nonce": None}, 502),
        ({"aud": "somebody else"}, 502),
        ({"aud": [CLIENT_ID, "somebody else"], "azp": "somebody else"}, 502),
        ({"iss": "https://evil.example"}, 502),
        ({"exp": NOW_SECONDS - 120}, 502),
        ({"exp": None}, 502),
        ({"sub": None}, 502),
        ({"groups": ["staff"]}, 403),
        ({"groups": None}, 403),
        ({"groups": {"hub-admins": True}}, 403),
        ({"preferred_username": "no name of ours"}, 403),
        ({"preferred_username": None}, 403),
    ],
)
def test_what_the_provider_says_must_be_right(own, provider, claims, code, caplog) -> None:
    provider.claims = ANNA | claims
    with own.client() as client:
        answer = own.come(client)
    assert answer.status_code == code
    assert 'role="alert"' in answer.text
    assert nobody(own)
    assert [each.msg for each in caplog.records if each.levelname == "WARNING"] == ["log_in_refused"]


@pytest.mark.parametrize(
    ("alg", "secret"),
    [("HS256", OctKey.import_key(CLIENT_SECRET)), ("none", None), ("RS256", RSAKey.generate_key(2048))],
)
def test_only_the_providers_own_key_signs(own, provider, alg, secret) -> None:
    """Not the secret that we share, not nobody, and not another key by the same name."""
    provider.header, provider.secret = {"alg": alg}, secret
    with own.client() as client:
        assert own.come(client).status_code == 502
    assert nobody(own)


def test_a_key_that_the_provider_has_changed_is_fetched(own, provider) -> None:
    with own.client() as client:
        assert own.come(client).status_code == 303
        provider.key = RSAKey.generate_key(2048, {"kid": "second"})
        assert own.come(client).status_code == 303


def test_nobody_takes_over_somebody_local(own, provider) -> None:
    with own.ledger.write() as transaction:
        users.add(transaction, "anna", Role.ADMIN, None, NOW)
    with own.client() as client:
        answer = own.come(client)
    assert (answer.status_code, "there is a user anna here" in answer.text) == (403, True)
    assert nobody(own)


def test_passwords_can_be_shut_out_and_a_provider_may_be_away(own) -> None:
    with own.ledger.write() as transaction:
        user = users.add(transaction, "lars", Role.VIEWER, None, NOW)
        users.set_password(transaction, user, PASSWORD, NOW)
    changes = {"oidc_only": True, "oidc_issuer": "http://127.0.0.1:9"}
    settings = own.settings.model_copy(update={**changes, "console_url": f"http://127.0.0.1:{free_port(0)}/console"})
    with serving(settings) as app, Own(app).client() as client:
        assert 'type="password"' not in client.get("/log-in").text
        refused = client.post("/log-in", data={"name": "lars", "password": PASSWORD})
        away = client.get("/sso")
    assert refused.status_code == 403
    assert nobody(own)
    assert (away.status_code, "cannot be reached" in away.text) == (502, True)


def test_without_a_provider_there_is_no_such_page(console, stranger) -> None:
    assert stranger.get("/sso").status_code == 404
    assert "identity provider" not in stranger.get("/log-in").text


@pytest.mark.parametrize(
    ("text", "groups", "expected"),
    [
        ("a=viewer", ["b"], None),
        ("a=viewer, b=admin", ["a", "b"], (Role.ADMIN, False, None)),
        ("a=viewer@x, b=operator@y/z", ["a", "b"], (Role.OPERATOR, False, ("x", "y", "z"))),
        ("a=viewer+pii@x", ["a"], (Role.VIEWER, True, ("x",))),
    ],
)
def test_groups_together_give_what_each_gives(text, groups, expected) -> None:
    found = grants.granted(grants.read_grants(text), groups)
    assert expected == (None if found is None else (found.role, found.may_see_personal_data, found.channels))


@pytest.mark.parametrize("text", ["a", "a=emperor", "=viewer", "a=viewer@", "a=viewer+all", "a=viewer@x/"])
def test_a_grant_that_makes_no_sense_is_named(text) -> None:
    with pytest.raises(ValueError, match="is no grant"):
        Settings(_env_file=None, oidc_grants=text)


def test_an_authenticator_is_set_up_used_and_removed(console) -> None:
    user = make_user(console, "xaver")
    with console.ledger.write() as transaction:
        users.set_password(transaction, user, PASSWORD, NOW)
        console.people.secrets["xaver"] = sessions.open_session(transaction, user, "::1", NOW)
    with console.client("xaver") as client:
        token = form_token(client.get("/account").text)
        begun = client.post("/account/codes", data={"form_token": token}).text
        secret = re.search(r'name="secret" value="(\w+)"', begun)[1]
        assert "data:image/svg+xml" in begun
        now, before = (pyotp.TOTP(secret).at(NOW - timedelta(seconds=each)) for each in (0, 30))
        form = {"form_token": token, "secret": secret, "old": PASSWORD}
        assert "no code of this secret" in client.post("/account/codes/confirm", data=form | {"code": "000000"}).text
        assert "password is wrong" in client.post("/account/codes/confirm", data=form | {"code": now, "old": "x"}).text
        assert "no code of this secret" in client.post("/account/codes/confirm", data=form | {"secret": "AA"}).text
        assert client.post("/account/codes/confirm", data=form | {"code": before}).status_code == 303
    with console.ledger.read() as transaction:
        row = transaction.execute(sa.select(schema.users).where(schema.users.c.name == "xaver")).one()
    assert secret.encode() not in row.code_secret

    def come(**typed: str) -> int:
        with console.client(None) as client:
            return client.post("/log-in", data={"name": "xaver", "password": PASSWORD, **typed}).status_code

    assert come() == 401
    assert come(code="123456") == 401
    assert come(code=before) == 401  # was used up when the authenticator was set up
    assert come(code=now) == 303
    assert come(code=now) == 401  # and so is this one


def test_a_code_is_used_up_and_a_reset_takes_the_authenticator_away(any_ledger, keys, clock) -> None:
    with any_ledger.write() as transaction:
        user = users.add(transaction, "yara", Role.VIEWER, None, clock())
        secret = codes.new_secret()
        codes.keep(transaction, keys, user, secret, pyotp.TOTP(secret).at(clock()), clock())
        later = clock.advance(seconds=30)
        code = pyotp.TOTP(secret).at(later)
        assert codes.is_right(transaction, keys, user, f"{code[:3]} {code[3:]}", later)
        assert not codes.is_right(transaction, keys, user, code, later)
        assert not codes.is_right(transaction, keys, user, pyotp.TOTP(secret).at(later - timedelta(seconds=30)), later)
        assert not codes.is_right(transaction, keys, user, "", later)
        users.reset_password(transaction, "yara", later)
        assert codes.is_right(transaction, keys, user, "", later)

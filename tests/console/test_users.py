"""People are added, given other rights and removed on a page, and see where they are logged in."""

from __future__ import annotations

import re

import pytest

from tests.console.conftest import NOW
from tests.console.test_log_in import form_token, link_of, make_user
from warehouse.ledger.people import audit, sessions, users
from warehouse.ledger.people.users import Role, UserError

NOBODY_ELSE = ("vera", "anna")


def post(client, path: str, **fields):
    token = form_token(client.get("/account").text)
    return client.post(path, data={"form_token": token, **fields})


def find(console, name: str) -> users.User | None:
    with console.ledger.read() as transaction:
        return users.find(transaction, name)


def last_audited(console) -> tuple[str, str, dict]:
    with console.ledger.read() as transaction:
        newest = audit.newest(transaction, 1)[0].entry
    return newest.action, newest.subject, dict(newest.details)


def test_somebody_is_added_and_comes_in_by_the_link(console, anna) -> None:
    answer = post(anna, "/users", name="Rita", role="operator", channel=["amazon_fr", "mirakl_fr"], personal_data="on")
    assert answer.status_code == 200
    address = re.search(r'<code class="id">([^<]+/log-in/[^<]+)</code>', answer.text)[1]
    made = find(console, "rita")
    assert (made.role, made.channels, made.may_see_personal_data) == (Role.OPERATOR, ("amazon_fr", "mirakl_fr"), True)
    assert last_audited(console)[:2] == ("user_added", "rita")
    with console.client(None) as client:
        assert client.post(f"/log-in/{address.rpartition('/')[2]}", data={"next": ""}).status_code == 303
        assert "rita" in client.get("/account").text
    assert address not in anna.get("/users").text


def test_other_rights_count_from_the_next_log_in(console, anna) -> None:
    make_user(console, "sven")
    with console.client(None) as client:
        client.post(f"/log-in/{link_of(console, 'sven')}", data={"next": ""})
        assert client.get("/orders").status_code == 200
        assert post(anna, "/users/sven", role="configurator", channel="amazon_de").status_code == 303
        assert client.get("/orders").status_code == 303
    changed = find(console, "sven")
    assert (changed.role, changed.channels) == (Role.CONFIGURATOR, ("amazon_de",))
    action, _, details = last_audited(console)
    assert (action, details["old"]["role"], details["new"]["role"]) == ("user_changed", "viewer", "configurator")


def test_a_password_is_taken_away_and_a_link_shown(console, anna) -> None:
    user = make_user(console, "tina")
    with console.ledger.write() as transaction:
        users.set_password(transaction, user, "seven blue lanterns", NOW)
    assert "/log-in/" in post(anna, "/users/tina/reset").text
    assert not find(console, "tina").has_password


def test_nobody_removes_themselves_and_others_are_gone_at_once(console, anna) -> None:
    make_user(console, "ugo")
    assert post(anna, "/users/anna/remove").headers["location"] == "/console/users/anna"
    assert find(console, "anna") is not None
    assert post(anna, "/users/ugo/remove").headers["location"] == "/console/users"
    assert find(console, "ugo") is None


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/users", {"name": "a b", "role": "viewer"}, 303),
        ("/users", {"name": "anna", "role": "viewer"}, 303),
        ("/users", {"name": "wim", "role": "emperor"}, 422),
        ("/users", {"name": "wim", "role": "viewer", "channel": "no_such_channel"}, 303),
        ("/users/nobody-there", {"role": "viewer"}, 404),
        ("/account/sessions/00ff/end", {}, 404),
        ("/account/sessions/not-hex/end", {}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(console, anna, path, fields, status) -> None:
    assert post(anna, path, **fields).status_code == status
    assert find(console, "wim") is None


def test_the_last_administrator_stays_one(any_ledger, clock) -> None:
    with any_ledger.write() as transaction:
        users.add(transaction, "zoe", Role.ADMIN, None, clock())
        with pytest.raises(UserError) as removed:
            users.remove(transaction, "zoe")
        with pytest.raises(UserError) as demoted:
            users.change(transaction, "zoe", Role.VIEWER, None, clock(), may_see_personal_data=False)
        users.add(transaction, "yves", Role.ADMIN, None, clock())
        users.remove(transaction, "zoe")
    assert (removed.value.code, demoted.value.code) == ("last_admin", "last_admin")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/users", {"name": "xena", "role": "admin"}),  # without a channel: all that Adam sees
        ("/users", {"name": "xara", "role": "viewer", "channel": "mirakl_fr"}),
        ("/users", {"name": "xara", "role": "viewer", "personal_data": "on"}),
        ("/users/vera", {"role": "admin"}),
        ("/users/vera/link", {}),
        ("/users/vera/reset", {}),
        ("/users/vera/remove", {}),
        ("/users/paul/link", {}),
        ("/users/paul/reset", {}),
    ],
)
def test_an_administrator_of_one_channel_gives_nothing_else_away(console, path, fields) -> None:
    if find(console, "paul") is None:  # sees no other channel, but may reveal personal data
        with console.ledger.write() as transaction:
            users.add(transaction, "paul", Role.VIEWER, ["amazon_fr"], NOW, may_see_personal_data=True)
    with console.client("adam") as adam:
        shown = adam.get("/users").text
        answer = post(adam, path, **fields)
    assert not any(f'/users/{name}"' in shown for name in NOBODY_ELSE)
    if fields.get("name") == "xena":
        assert find(console, "xena").channels == ("amazon_fr",)
    else:
        assert answer.status_code in {403, 404}
        assert find(console, "xara") is None
        assert find(console, "vera") == users.User("vera", Role.VIEWER, False, None, False, NOW)


def test_somebody_sees_where_they_are_logged_in_and_ends_one_of_them(console) -> None:
    user = make_user(console, "willa")
    with console.ledger.write() as transaction:
        elsewhere = sessions.open_session(transaction, user, "198.51.100.7", NOW)
        foreign = sessions.find_session(transaction, console.people.secrets["vera"], NOW).key.hex()
    with console.client(None) as client:
        client.post(f"/log-in/{link_of(console, 'willa')}", data={"next": ""})
        page = client.get("/account").text
        assert "198.51.100.7" in page
        other = re.findall(r"/account/sessions/([0-9a-f]{64})/end", page)
        assert len(other) == 1
        assert post(client, f"/account/sessions/{foreign}/end").status_code == 404
        assert post(client, f"/account/sessions/{other[0]}/end").status_code == 303
        assert "198.51.100.7" not in client.get("/account").text
    with console.ledger.read() as transaction:
        assert sessions.find_session(transaction, elsewhere, NOW) is None

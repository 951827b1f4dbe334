"""Who is let in, with what, and what a session is good for."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.console.conftest import NOW, PASSWORD
from warehouse.ledger.base import schema
from warehouse.ledger.people import audit, links, sessions, users
from warehouse.ledger.people.users import Role

NOTHING = {"next": ""}


def log_in(client, name: str, password: str, **more):
    return client.post("/log-in", data={"name": name, "password": password, **more})


def make_user(console, name: str, **rights):
    with console.ledger.write() as transaction:
        return users.add(transaction, name, Role.VIEWER, None, NOW, **rights)


def test_a_stranger_is_sent_to_the_log_in_and_back(stranger) -> None:
    answer = stranger.get("/orders?status=SHIPPED")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/log-in?next=%2Forders%3Fstatus%3DSHIPPED",
    )

    entered = log_in(stranger, "anna", PASSWORD, next="/orders?status=SHIPPED")
    assert (entered.status_code, entered.headers["location"]) == (303, "/console/orders?status=SHIPPED")
    assert stranger.get("/orders").status_code == 200


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/log-in"])
def test_a_log_in_leads_nowhere_else(console, wanted) -> None:
    secret = link_of(console, "vera")
    with console.client(None) as client:
        answer = client.post(f"/log-in/{secret}", data={"next": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")


def test_a_cookie_is_out_of_reach_of_scripts_and_of_other_sites(console) -> None:
    with console.client(None) as client:
        secret = link_of(console, make_user(console, "cora").name)
        cookie = client.post(f"/log-in/{secret}", data=NOTHING).headers["set-cookie"]
    assert cookie.startswith("orders_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {each.strip() for each in cookie.split(";")}
    assert "Max-Age" not in cookie


def link_of(console, name: str) -> str:
    with console.ledger.write() as transaction:
        return links.make_link(transaction, name, NOW)


def test_a_link_is_good_once_and_looking_at_it_does_not_use_it_up(console) -> None:
    secret = link_of(console, make_user(console, "lina").name)
    with console.client(None) as client:
        assert [client.get(f"/log-in/{secret}").status_code for _ in range(2)] == [200, 200]
        assert client.post(f"/log-in/{secret}", data=NOTHING).status_code == 303
        assert "lina" in client.get("/account").text
        assert client.post(f"/log-in/{secret}", data=NOTHING).status_code == 410
        assert client.get(f"/log-in/{secret}").status_code == 410


def test_a_session_that_a_browser_brings_along_is_not_taken_over(console) -> None:
    """Whoever has planted a cookie does not know the session that the log-in opens."""
    secret = link_of(console, make_user(console, "nils").name)
    with console.client(None) as client:
        client.cookies.set("orders_session", "planted")
        cookie = client.post(f"/log-in/{secret}", data=NOTHING).cookies["orders_session"]
    assert cookie != "planted"
    with console.ledger.read() as transaction:
        assert sessions.find_session(transaction, "planted", NOW) is None
        assert sessions.find_session(transaction, cookie, NOW).user.name == "nils"


def test_logging_in_anew_ends_the_session_before(console) -> None:
    name = make_user(console, "olaf").name
    with console.client(None) as client:
        first = client.post(f"/log-in/{link_of(console, name)}", data=NOTHING).cookies["orders_session"]
        client.post(f"/log-in/{link_of(console, name)}", data=NOTHING)
    with console.ledger.read() as transaction:
        assert sessions.find_session(transaction, first, NOW) is None


def test_guessing_is_slow_and_tells_no_names(console) -> None:
    make_user(console, "greta")
    with console.client(None) as client:
        unknown = log_in(client, "no-such-name", "wrong")
        answers = [log_in(client, "greta", f"wrong {each}") for each in range(6)]
    assert [each.status_code for each in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert unknown.status_code == 401
    alert = 'role="alert">The name, the password or the code is wrong.'
    assert alert in unknown.text
    assert alert in answers[0].text


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
def test_another_origin_cannot_log_anybody_in_or_out(console, headers) -> None:
    with console.client("vera") as client:
        assert client.post("/log-out", data={}, headers=headers).status_code == 403
        assert log_in_with(client, headers).status_code == 403
        assert client.get("/orders").status_code == 200


def log_in_with(client, headers):
    return client.post("/log-in", data={"name": "anna", "password": PASSWORD}, headers=headers)


def test_without_sec_fetch_site_the_origin_decides(console) -> None:
    with console.client(None) as client:
        del client.headers["sec-fetch-site"]
        own = client.post("/theme", data={"theme": "dark"}, headers={"Origin": console.url})
        foreign = client.post("/theme", data={"theme": "dark"}, headers={"Origin": "https://evil.example"})
        neither = client.post("/theme", data={"theme": "dark"})
    assert [each.status_code for each in (own, foreign, neither)] == [303, 403, 403]


def test_a_form_needs_the_token_of_its_own_session(console, vera, fred) -> None:
    token = form_token(fred.get("/account").text)
    assert vera.post("/account/sessions", data={"form_token": token}).status_code == 403
    assert vera.post("/account/sessions", data=NOTHING).status_code == 403
    assert fred.post("/account/sessions", data={"form_token": token}).status_code == 303


def form_token(text: str) -> str:
    return text.partition('name="form_token" value="')[2].partition('"')[0]


def test_the_token_looks_different_in_each_page(vera) -> None:
    first, second = (form_token(vera.get("/account").text) for _ in range(2))
    assert first != second


def test_a_session_ends_after_two_idle_hours_or_half_a_day(any_ledger, clock) -> None:
    with any_ledger.write() as transaction:
        user = users.add(transaction, "iris", Role.VIEWER, None, clock())
        secret = sessions.open_session(transaction, user, "::1", clock())
    key = find(any_ledger, secret, clock()).key
    for _ in range(6):
        assert find(any_ledger, secret, clock.advance(hours=1.9)) is not None
        with any_ledger.write() as transaction:
            sessions.note_seen(transaction, key, clock())
    assert find(any_ledger, secret, clock.advance(hours=1)) is None
    with any_ledger.write() as transaction:
        other = sessions.open_session(transaction, user, "::1", clock())
        assert transaction.execute(sa.select(sa.func.count()).select_from(schema.sessions)).scalar_one() == 1
    assert find(any_ledger, other, clock.advance(hours=2)) is None


def find(ledger, secret, now):
    with ledger.read() as transaction:
        return sessions.find_session(transaction, secret, now)


def test_a_new_password_ends_every_session(any_ledger, clock) -> None:
    with any_ledger.write() as transaction:
        user = users.add(transaction, "jan", Role.VIEWER, None, clock())
        secret = sessions.open_session(transaction, user, "::1", clock())
        users.set_password(transaction, user, PASSWORD, clock())
    assert find(any_ledger, secret, clock()) is None
    with any_ledger.read() as transaction:
        assert users.verified(transaction, "jan", PASSWORD).name == "jan"
        assert users.verified(transaction, "jan", PASSWORD + "!") is None
        row = transaction.execute(sa.select(schema.users)).mappings().one()
    assert row["password_hash"].startswith("$argon2id$")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("password1234", "password_too_common"),
        ("aaaaaaaaaaaaab", "password_too_common"),
        ("kim-kim-kim-" * 100, "password_too_long"),
    ],
)
def test_a_weak_password_is_refused(ledger, clock, password, code) -> None:
    with ledger.write() as transaction:
        user = users.add(transaction, "kim", Role.VIEWER, None, clock())
        with pytest.raises(users.UserError) as caught:
            users.set_password(transaction, user, password, clock())
    assert caught.value.code == code


def test_removing_somebody_ends_their_session(any_ledger, clock) -> None:
    with any_ledger.write() as transaction:
        user = users.add(transaction, "mia", Role.VIEWER, None, clock())
        secret = sessions.open_session(transaction, user, "::1", clock())
        links.make_link(transaction, "mia", clock())
        users.remove(transaction, "mia")
        with pytest.raises(users.UserError) as caught:
            users.remove(transaction, "mia")
    assert caught.value.code == "unknown_user"
    assert find(any_ledger, secret, clock()) is None


def test_a_changed_audit_entry_breaks_the_chain(any_ledger, clock) -> None:
    with any_ledger.write() as transaction:
        for number in range(5):
            entry = audit.AuditEntry(
                actor="anna",
                origin="console ::1",
                action="tried",
                subject=f"s{number}",
                details={"b": 1, "a": [None, "é"]},
            )
            audit.record(transaction, entry, clock.advance(seconds=1.5))
    with any_ledger.read() as transaction:
        sound = audit.verify(transaction)
    assert (sound.entries, sound.broken_at) == (5, None)
    with any_ledger.write() as transaction:
        entries = schema.audit_entries
        transaction.execute(sa.update(entries).where(entries.c.id == 3).values(actor="somebody else"))
        changed = audit.verify(transaction)
        transaction.execute(sa.delete(entries).where(entries.c.id == 3))
        dropped = audit.verify(transaction)
    assert (changed.entries, changed.broken_at) == (2, 3)
    assert (dropped.entries, dropped.broken_at) == (2, 4)


def test_plain_http_is_for_this_machine_alone(console) -> None:
    with console.client(None) as client:
        answer = client.post("/log-in", data={"name": "anna", "password": PASSWORD}, headers={"Host": "hub.example"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers

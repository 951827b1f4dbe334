"""Views of the list that people keep: saving, editing, order, opening with one, and who sees those that are shared."""

from __future__ import annotations

import re

import pytest

from warehouse.ledger.people import saved_views, users
from warehouse.ledger.people.saved_views import ViewRefused
from warehouse.ledger.people.users import Role

PARIS = "country=FR&status=SHIPPED&columns=total&columns=errors&sort=purchased_at"


def token_of(client) -> str:
    return re.search(r'name="form_token" value="([^"]+)"', client.get("/orders/views").text)[1]


def send(client, path: str, **fields: str):
    return client.post(f"/orders/views{path}", data={"form_token": token_of(client), **fields})


def tabs(text: str) -> list[str]:
    bar = text.partition('aria-label="Views">')[2].partition("</nav>")[0]
    return re.findall(r">([^<]+)</a>", bar)


@pytest.fixture
def view(anna):
    """A view of anna's; the address that shows it."""
    kept = send(anna, "", name="  To  Paris ", query=f"{PARIS}&cursor=x&count=true", do="new")
    yield kept.headers["location"].removeprefix("/console")
    for own_id in re.findall(r"/orders/views/([^/]+)/remove", anna.get("/orders/views").text):
        send(anna, f"/{own_id}/remove")


def test_a_view_is_kept_edited_and_reset(anna, vera, view) -> None:
    own_id = view.rpartition("view=")[2]
    assert view == f"/orders?{PARIS}&view={own_id}"
    shown = anna.get(view).text
    assert tabs(shown)[-1] == "To Paris"
    assert 'aria-current="true">To Paris<' in shown
    edited = anna.get(f"/orders?country=DE&view={own_id}").text
    assert 'aria-current="true">To Paris · edited<' in edited
    assert f'href="/console/orders?{PARIS.replace("&", "&amp;")}&amp;view={own_id}">Reset' in edited
    answer = send(anna, "", own=own_id, query="country=DE", do="update")
    assert answer.headers["location"] == f"/console/orders?country=DE&view={own_id}"
    assert " · edited" not in anna.get(f"/orders?country=DE&view={own_id}").text
    assert "To Paris" not in vera.get("/orders").text
    assert send(vera, "", own=own_id, query="", do="update").status_code == 404
    assert send(vera, f"/{own_id}/remove").status_code == 404
    link = vera.get(f"/orders?country=DE&view={own_id}")  # a link that was passed on shows the same list
    assert (link.status_code, "No order matches." in link.text) == (200, True)


def test_built_in_views_are_edited_by_filters_and_not_by_looks(anna) -> None:
    assert 'aria-current="true">Errors<' in anna.get("/orders?has_errors=true&sort=purchased_at&columns=total").text
    assert "Errors · edited" in anna.get("/orders?has_errors=true&country=FR&view=errors").text
    assert "Save view" not in anna.get("/orders").text


def test_names_are_taken_once(anna, vera, view) -> None:
    assert send(anna, "", name="to paris", query="", do="new").headers["location"] == "/console/orders?"
    assert "You have a view of the name to paris already." in anna.get("/orders").text
    assert send(anna, "", name=" ", query="a=b", do="new").headers["location"] == "/console/orders?a=b"
    send(anna, "", name="Berlin", query="country=DE", do="new")
    berlin = tabs_ids(anna)["Berlin"]
    send(anna, f"/{berlin}/rename", name="TO PARIS")
    assert "already" in anna.get("/orders/views").text
    send(anna, f"/{berlin}/rename", name="To Berlin")
    send(anna, f"/{berlin}/up")
    assert tabs(anna.get("/orders").text)[-2:] == ["To Berlin", "To Paris"]
    send(anna, f"/{berlin}/down")
    assert tabs(anna.get("/orders").text)[-2:] == ["To Paris", "To Berlin"]
    assert send(anna, f"/{berlin}/explode").status_code == 404


def tabs_ids(client) -> dict[str, str]:
    rows = re.findall(r'href="/console(/orders\?[^"]*)">([^<]+)</a></th>', client.get("/orders/views").text)
    return {name: path.rpartition("view=")[2] for path, name in rows}


def test_orders_open_with_the_view_that_was_chosen(anna, view) -> None:
    own_id = view.rpartition("view=")[2]
    send(anna, f"/{own_id}/open")
    opened = anna.get("/orders")
    assert (opened.status_code, opened.headers["location"]) == (303, f"/console{view}")
    assert anna.get("/orders.json").status_code == 200
    text = anna.get("/orders?country=DE").text
    assert 'href="/console/orders?view=all">Clear all' in text
    assert 'href="/console/orders?view=all"' in text.partition('aria-label="Views"')[2].partition("</nav>")[0]
    assert 'aria-current="true">All<' in anna.get("/orders?view=all").text
    assert anna.get("/orders?search=402-0000005").status_code == 303
    send(anna, f"/{own_id}/close")
    assert anna.get("/orders").status_code == 200


def test_a_shared_view_is_seen_by_who_may_see_what_it_is_about(anna, vera, fred, view) -> None:
    send(anna, "", name="French Amazon", query="channel=amazon_fr", do="new", shared="yes")
    send(anna, "", name="Both", query="channel=amazon_fr&channel=mirakl_fr", do="new", shared="yes")
    send(anna, "", name="Everything", query="has_errors=true", do="new", shared="yes")
    assert tabs(vera.get("/orders").text)[-3:] == ["French Amazon", "Both", "Everything"]
    text = fred.get("/orders").text
    assert tabs(text)[-1] == "French Amazon"
    assert 'title="Shared by anna"' in text
    assert "Both" not in text + fred.get("/orders/views").text
    assert "Everything" not in text
    send(anna, f"/{tabs_ids(anna)['French Amazon']}/unshare")
    assert "French Amazon" not in fred.get("/orders").text


def test_views_on_both_databases(any_ledger, clock) -> None:
    with any_ledger.write() as transaction:
        anna = users.add(transaction, "anna", Role.VIEWER, None, clock())
        fred = users.add(transaction, "fred", Role.VIEWER, None, clock())
        first = saved_views.keep(transaction, anna, "One", "a=1", clock(), is_shared=True)
        second = saved_views.keep(transaction, anna, "Two", "", clock(), is_shared=False)
        for each in (first, second):
            assert saved_views.open_with(transaction, anna, each)
        assert saved_views.move(transaction, anna, second, -5)
        assert not saved_views.forget(transaction, fred, first)
        with pytest.raises(ViewRefused, match="too long"):
            saved_views.keep(transaction, fred, "Long", f"search={'x' * 5000}", clock(), is_shared=False)
        found = saved_views.views_for(transaction, anna)
        assert [(each.name, each.is_default) for each in found] == [("Two", True), ("One", False)]
        assert [each.name for each in saved_views.views_for(transaction, fred)] == ["One"]
        users.remove(transaction, "anna")
        assert saved_views.views_for(transaction, fred) == []
        for number in range(saved_views.MOST_VIEWS):
            saved_views.keep(transaction, fred, str(number), "", clock(), is_shared=False)
        with pytest.raises(ViewRefused, match="remove one first"):
            saved_views.keep(transaction, fred, "more", "", clock(), is_shared=False)

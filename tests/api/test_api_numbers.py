"""What is numbered through the whole book has an id for readers: a token of one channel learns no numbers from it."""

from __future__ import annotations

import base64
import re

import orjson
import pytest

from orders_api.app import create_app
from orders_pipeline.commands import files as file_commands
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.exchange import files
from warehouse.ledger.exchange.file_records import NewFile
from warehouse.ledger.exchange.numbering import Numbered, number_given, open_numbering
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import activity, incidents
from warehouse.ledger.watch.activity import ActivityEntry

ID = re.compile(r"(file|incident|entry|attempt)_[a-z2-7]{26}")


@pytest.fixture
def busy(api_ledger, clock, book, order):
    """Much goes on in one channel, little in the other. Returns the numbers of the other's files."""
    (own_id,) = book.put(order(1, channel="mirakl_de", marketplace="Mirakl DE"))
    numbers = []
    with api_ledger.write() as transaction:
        for channel in ["amazon_fr"] * 7 + ["mirakl_de"] + ["amazon_fr"] * 4 + ["mirakl_de"] * 2:
            new = NewFile(direction=JobKind.IMPORT, channel=channel, storage="erp", folder="in", name="b.csv")
            number = files.receive(transaction, new, None, clock())
            files.refused(transaction, number, "no_header", "No header.", clock())
            if channel == "mirakl_de":
                numbers.append(number)
            problem = incidents.IncidentReport(
                scope="channel",
                subject=channel,
                stage="import",
                code=f"code_{number}",
                message="Wrong.",
                hint="",
                file_id=str(number),
                order_id=own_id if channel == "mirakl_de" else "",
                details={"file": number, "raw_seq": number},
            )
            incidents.report(transaction, problem, clock())
            activity.record(
                transaction,
                [ActivityEntry(stage="import", kind="file_seen", text="Seen", channel=channel, data={"file": number})],
                clock(),
            )
    return numbers


@pytest.fixture
def other_ledger(settings, tmp_path):
    opened = open_ledger(settings.model_copy(update={"home": tmp_path / "other"}))
    yield opened
    opened.close()


@pytest.fixture
def seen(busy, german):
    """Everything that the token of one channel is told of them."""
    order_id = german.get("/v1/orders").json()["orders"][0]["id"]
    paths = ["/v1/files?limit=1", "/v1/incidents?limit=1", "/v1/logs?limit=1", f"/v1/orders/{order_id}/events"]
    answers = [german.request("GET", path).json() for path in paths]
    answers += [german.request("GET", each["next"]).json() for each in answers if each.get("next")]
    one = answers[0]["files"][0]["id"]
    return [*answers, german.get(f"/v1/files/{one}").json(), german.get(f"/v1/files/{one}/rows").json()]


def members(value, name=""):
    """Every member of an answer, by name."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from members(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from members(each, name)
    else:
        yield name, value


COUNTS = {"size", "rows", "orders", "applied", "known", "refused", "occurrences"}


def test_a_token_of_one_channel_is_told_no_numbers(seen):
    numbers = {(name, value) for name, value in members(seen) if isinstance(value, int) and name not in COUNTS}
    assert {each for each in numbers if not isinstance(each[1], bool)} == set()
    ids = {value for name, value in members(seen) if name in {"file", "file_id", "incident"} and value is not None}
    assert len(ids) > 3
    assert all(ID.fullmatch(each) for each in ids)


def test_a_cursor_tells_no_number_either(seen):
    cursors = [each["next"].partition("cursor=")[2] for each in seen if each.get("next")]
    assert len(cursors) > 3
    for cursor in cursors:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        assert isinstance(parts[2], str)
        assert parts[2].startswith("place_")


@pytest.mark.parametrize("kind", ["files", "incidents"])
def test_a_cursor_of_ones_own_making_counts_nothing(busy, german, kind):
    genuine = german.request("GET", f"/v1/{kind}?limit=1").json()["next"].partition("cursor=")[2]
    parts = orjson.loads(base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4)))
    for place in (busy[-1], str(busy[-1]), "place_" + "a" * 26):
        made = base64.urlsafe_b64encode(orjson.dumps([*parts[:2], place])).decode().rstrip("=")
        assert german.get(f"/v1/{kind}", limit="1", cursor=made).json()["code"] == "unknown_cursor"


def test_only_a_token_of_all_channels_may_name_a_number(busy, german, erp):
    (own, *_) = german.get("/v1/files").json()["files"]
    assert (own["number"], german.get(f"/v1/files/{busy[-1]}").status_code) == (None, 404)
    assert german.get(f"/v1/files/{own['id']}").status_code == 200
    found = erp.get(f"/v1/files/{busy[-1]}").json()
    assert (found["number"], found["id"]) == (busy[-1], own["id"])
    (trouble, *_) = german.get("/v1/incidents").json()["incidents"]
    number = erp.get(f"/v1/incidents/{trouble['id']}").json()["number"]
    assert (trouble["number"], german.get(f"/v1/incidents/{number}").status_code) == (None, 404)
    assert erp.get(f"/v1/incidents/{number}").json()["id"] == trouble["id"]


def test_an_id_of_another_kind_or_altered_is_unknown(busy, german):
    own = german.get("/v1/files").json()["files"][0]["id"]
    altered = own[:-1] + ("a" if own[-1] != "a" else "e")
    for each in (altered, own.upper(), own.replace("file_", "incident_"), own + "a", f"{own}="):
        assert german.get(f"/v1/files/{each}").status_code == 404
        assert german.get(f"/v1/incidents/{each}").status_code == 404


def test_the_ids_are_the_same_for_good_and_for_every_reader(
    busy, settings, clock, german, api_ledger, issued, as_token
):
    told = [each["id"] for each in german.get("/v1/files").json()["files"]]
    again = create_app(settings, clock)
    everything = as_token(issued(again.state.installation.ledger, clock(), "second", Scope.ORDERS_READ))
    everything.app = again
    assert set(told) <= {each["id"] for each in everything.get("/v1/files").json()["files"]}
    again.state.installation.ledger.close()


def test_an_operator_finds_what_a_reader_names(busy, german, api_ledger):
    own = german.get("/v1/files").json()["files"][0]["id"]
    with api_ledger.read() as connection:
        assert number_given(connection, Numbered.FILE, own) == busy[-1]
        assert number_given(connection, Numbered.FILE, str(busy[-1])) == busy[-1]
        assert number_given(connection, Numbered.INCIDENT, own) is None
        assert number_given(connection, Numbered.FILE, "nonsense") is None
        assert file_commands.named(connection, own).id == busy[-1]


def test_two_ledgers_number_differently(api_ledger, other_ledger):
    first, second = open_numbering(api_ledger), open_numbering(other_ledger)
    assert first.id(Numbered.FILE, 1) != second.id(Numbered.FILE, 1)
    assert open_numbering(api_ledger).id(Numbered.FILE, 1) == first.id(Numbered.FILE, 1)

"""Files: the list, one file, its rows, its bytes, and who may see which of it."""

from __future__ import annotations

import pytest

from orders_api.schemas.files import FileDocument, FilePage, FileRowPage
from warehouse.archive import open_archive
from warehouse.ledger.exchange import files
from warehouse.ledger.exchange.file_records import FileMember, NewFile, PlannedFile, RowFate, RowOutcome
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.privacy import open_key_ring

CONTENT = "order_id,customer_name\r\n402-1,Zoë Canari\r\n".encode()
SPLIT = {"split": {"country_code": "FR"}}
PATHS = ("/v1/files", "/v1/files/1", "/v1/files/1/rows", "/v1/files/1/content")


@pytest.fixture
def kept(settings):
    archive = open_archive(settings, open_key_ring(settings))
    with archive.writing() as writing:
        writing.write(CONTENT)
        return writing.keep()


@pytest.fixture
def exchanged(api_ledger, book, order, kept, clock) -> list[int]:
    """An exported file, one that is only being prepared, an import with refusals, and one of the other channel."""
    (own_id,) = book.put(order(1))
    common = {"storage": "erp", "folder": "out"}
    with api_ledger.write() as transaction:
        ids = []
        for name in ("a.csv", "preparing.csv"):
            new = NewFile(
                direction=JobKind.EXPORT,
                channel="amazon_fr",
                name=name,
                details={"split": {"country_code": "FR"}},
                **common,
            )
            ids.append(files.prepare(transaction, new, clock()))
        files.add_members(transaction, ids[0], [FileMember(own_id, 1, 1)])
        files.plan(transaction, "amazon_fr", [PlannedFile(id=ids[0], kept=kept, rows=1, orders=1)], [], 1, clock())
        files.uploaded(transaction, ids[0], clock())
        for channel in ("amazon_fr", "mirakl_de"):
            new = NewFile(direction=JobKind.IMPORT, channel=channel, name="b.csv", **common)
            ids.append(files.receive(transaction, new, kept, clock()))
            fates = [RowFate(number=number, outcome=RowOutcome.APPLIED, order_id=own_id) for number in (1, 2)]
            fates.append(
                RowFate(number=3, outcome=RowOutcome.REFUSED, code="unknown_order", column_name="id", message="No.")
            )
            files.record_rows(transaction, ids[-1], channel, fates, clock())
            files.applied(
                transaction, ids[-1], {"unknown_columns": ["x"], "encoding": "utf-8", "delimiter": ","}, clock()
            )
    return ids


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_sees_none_of_it(stranger, path):
    assert stranger.get(path).status_code == 401


def test_the_list_shows_what_is_final_and_visible(exchanged, erp, german):
    page = FilePage.model_validate_json(erp.get("/v1/files").content)
    assert [each.number for each in page.files] == [exchanged[3], exchanged[2], exchanged[0]]
    assert [each["id"] for each in german.get("/v1/files").json()["files"]] == [page.files[0].id]
    by_direction = erp.get("/v1/files", direction="export").json()["files"]
    assert [each["name"] for each in by_direction] == ["a.csv"]
    assert [each["number"] for each in erp.get("/v1/files", state="applied", channel="amazon_fr").json()["files"]] == [
        exchanged[2]
    ]


def test_pages_of_files(exchanged, erp):
    first = erp.get("/v1/files", limit="2")
    assert [each["number"] for each in first.json()["files"]] == [exchanged[3], exchanged[2]]
    assert first.headers["link"] == f'<{first.json()["next"]}>; rel="next"'
    second = erp.request("GET", first.json()["next"]).json()
    assert ([each["number"] for each in second["files"]], second["next"]) == ([exchanged[0]], None)
    assert erp.get("/v1/files", limit="2", cursor="nonsense").status_code == 400


def test_one_file(exchanged, erp, german, kept):
    answer = erp.get(f"/v1/files/{exchanged[0]}")
    document = FileDocument.model_validate_json(answer.content)
    assert (document.state, document.sha256, document.split) == ("uploaded", kept.sha256, {"country_code": "FR"})
    imported = FileDocument.model_validate_json(erp.get(f"/v1/files/{exchanged[2]}").content)
    assert (imported.rows, imported.applied, imported.refused, imported.unknown_columns) == (3, 2, 1, ["x"])
    assert german.get(f"/v1/files/{exchanged[0]}").json()["code"] == "unknown_file"


@pytest.mark.parametrize("number", ["0", "-1", "99", "x", "1e3", "9" * 30, "²"])
def test_there_is_no_such_file(exchanged, erp, number):
    answer = erp.get(f"/v1/files/{number}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_file")


def test_a_file_that_is_being_prepared_is_not_there(exchanged, erp):
    assert erp.get(f"/v1/files/{exchanged[1]}").status_code == 404


def test_rows_and_their_pages(exchanged, erp):
    path = f"/v1/files/{exchanged[2]}/rows"
    page = FileRowPage.model_validate_json(erp.get(path, limit="2").content)
    assert [each.number for each in page.rows] == [1, 2]
    rest = FileRowPage.model_validate_json(erp.request("GET", page.next).content)
    assert [(each.number, each.outcome, each.code, each.column) for each in rest.rows] == [
        (3, "refused", "unknown_order", "id")
    ]
    assert rest.next is None
    assert [each["number"] for each in erp.get(path, outcome="refused").json()["rows"]] == [3]


def test_the_bytes_need_the_scope_for_personal_data(exchanged, erp, support):
    path = f"/v1/files/{exchanged[0]}/content"
    refused = erp.get(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    answer = support.get(path)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a.csv"
    assert answer.headers["cache-control"] == "no-store"


def test_bytes_that_are_gone(exchanged, support, settings, kept):
    open_archive(settings, open_key_ring(settings)).shelf.path(kept.sha256).unlink()
    answer = support.get(f"/v1/files/{exchanged[0]}/content")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_content")


def test_the_timeline_names_the_files(exchanged, erp):
    order_id = erp.get("/v1/orders").json()["orders"][0]["id"]
    events = erp.get(f"/v1/orders/{order_id}/events").json()["events"]
    texts = [each["text"] for each in events if each["kind"] in {"exported", "imported"}]
    assert "Exported in the file a.csv to erp (revision 1)" in texts
    assert "Row 1 of the file b.csv: applied" in texts

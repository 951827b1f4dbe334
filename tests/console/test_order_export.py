"""The list as a file: the same orders and columns as on the page, personal data only by right, and written down."""

from __future__ import annotations

import csv
import io
import re

import sqlalchemy as sa

from tests.api.conftest import CANARY
from tests.console.conftest import HOSTILE
from warehouse.ledger.base import schema


def token_of(client, query: str = "") -> str:
    return re.search(r'name="form_token" value="([^"]+)"', client.get(f"/orders/export?list={query}").text)[1]


def download(client, **fields: str):
    fields = {"format": "csv", "columns": "summary", "list": "", **fields}
    return client.post("/orders/export", data={"form_token": token_of(client), **fields})


def rows(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_page_says_how_many_and_the_file_has_them(anna) -> None:
    text = anna.get("/orders/export?list=status%3DSHIPPED%26view%3Dall%26columns%3Dtotal").text
    count = int(re.search(r"<h1>Export (\d+) orders</h1>", text)[1])
    assert 'name="list" value="status=SHIPPED&amp;view=all&amp;columns=total"' in text
    found = rows(download(anna, list="status=SHIPPED&columns=total&limit=2"))
    assert len(found) == count
    assert list(found[0]) == ["original_id", "id", "total", "currency"]
    assert f"/orders/export?list={'status%3DSHIPPED'}" in anna.get("/orders?status=SHIPPED").text


def test_a_selection_is_a_search_of_ids(anna) -> None:
    ids = [each["id"] for each in anna.get("/orders.json?limit=3").json()["orders"]]
    found = rows(download(anna, list=f"search={'+'.join(ids)}"))
    assert [each["id"] for each in found] == ids


def test_hostile_cells_are_texts(anna) -> None:
    found = rows(download(anna, columns="source"))
    assert {each["order_id"] for each in found} >= {HOSTILE}
    assert not [cell for row in found for cell in row.values() if cell.startswith(("=", "+", "@"))]


def test_personal_data_takes_the_right_and_is_written_down(console, anna, vera) -> None:
    assert CANARY not in download(anna, columns="all").text
    assert CANARY in download(anna, columns="all", personal="yes").text
    refused = download(vera, columns="all", personal="yes")
    assert (refused.status_code, CANARY in refused.text) == (403, False)
    assert 'name="personal"' not in vera.get("/orders/export").text
    with console.ledger.read() as transaction:
        entries = schema.audit_entries
        query = sa.select(entries.c.details).where(entries.c.action == "orders_exported").order_by(entries.c.id)
        told = [each["personal_data"] for each in transaction.execute(query).scalars()]
    assert told[-2:] == [False, True]


def test_a_reader_of_one_channel_exports_no_other(fred) -> None:
    assert {each["channel"] for each in rows(download(fred))} == {"amazon_fr"}
    assert download(fred, list="channel=mirakl_fr").status_code == 404


def test_what_is_not_offered_is_refused(anna) -> None:
    assert download(anna, format="exe").status_code == 422
    assert download(anna, format="xlsx").content.startswith(b"PK")

"""A member of an order is described once: API, tables, downloads, filters and what is done about personal data follow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import orjson
from msgspec import structs
from pydantic import TypeAdapter

from orders_api.schemas.orders import OrderDocument, shape
from orders_api.v1.export_tables import whole_columns
from orders_api.v1.order_filters import OrderFilterQuery
from tests.documentation.test_coverage import ROOT
from warehouse import documents, personal
from warehouse.documents import StoredOrder
from warehouse.lake.definitions import dictionary
from warehouse.ledger.book.order_filter import Sort
from warehouse.members import Kind, described, leaves
from warehouse.order_lines import Line
from warehouse.order_states import PiiState
from warehouse.orders import Order, OwnFacts

NOW = datetime(2026, 11, 2, tzinfo=UTC)
MEMBERS = {each.name: each for each in (*described(Order), *described(OwnFacts))}
LINE = {each.name: each for each in described(Line)}


def test_every_meaning_is_a_sentence_and_every_example_is_one_of_its_kind() -> None:
    records = {each.type for each in (*MEMBERS.values(), *LINE.values()) if each.kind is Kind.RECORD}
    shapes = [OrderDocument, *(shape(of) for of in records)]
    for model in shapes:
        for name, field in model.model_fields.items():
            assert (field.description or "").endswith("."), (model, name)
            (example,) = field.examples or ()
            TypeAdapter(Annotated[field.annotation, "as the shape has it", *field.metadata]).validate_json(
                orjson.dumps(example)
            )


def test_what_can_be_filtered_and_sorted_is_what_the_description_says() -> None:
    parameters = {parameter for each in MEMBERS.values() for parameter in each.about.filters}
    assert set(OrderFilterQuery.model_fields) - {"sort", "search"} == parameters
    assert {each.value.removeprefix("-") for each in Sort} == {
        name for name, each in MEMBERS.items() if each.about.sorts
    }


def test_api_and_tables_say_the_same_of_the_same() -> None:
    schema = OrderDocument.model_json_schema()
    told = {("orders", name): about["description"] for name, about in schema["properties"].items()}
    told |= {
        ("order_lines", name): about["description"] for name, about in schema["$defs"]["Line"]["properties"].items()
    }
    columns = {(each.table, each.column): each.comment for each in dictionary()}
    shared = set(told) & set(columns)
    assert len(shared) > 50
    assert {place: columns[place] for place in shared} == {place: told[place] for place in shared}


def test_the_head_holds_our_own_facts() -> None:
    head = orjson.loads(f"{{{documents.head(row_of(an_order()))}}}")
    assert set(head) == documents.IN_HEAD | {each.name for each in described(OwnFacts)}


def test_the_parquet_has_a_column_for_every_member_of_the_document() -> None:
    names = {each.name for each in whole_columns()}
    expected = {f"line_{leaf.name}" for leaf in leaves(tuple(LINE.values()))}
    for each in MEMBERS.values():
        is_party = each.about.is_personal and each.kind is Kind.RECORD
        within = leaves(each.members) if is_party else leaves((each,))
        expected |= {f"{each.name if is_party else 'order'}_{leaf.name}" for leaf in within}
    assert names == expected - {"order_lines"}


def filled(of: type, mark: str) -> dict[str, object]:
    """A value for every described member that is kept: texts hold the mark and the member's name."""
    values: dict[str, object] = {}
    kept = {each.name for each in structs.fields(of) if (of, each.name) != (Order, "id")}
    for each in described(of):
        if each.attribute not in kept or each.name == "lines":
            continue
        if each.kind is Kind.RECORD:
            value: object = each.type(**filled(each.type, f"{mark}.{each.name}"))
        elif each.kind is Kind.TEXT and each.type is not str:
            value = next(iter(each.type))
        else:
            value = {
                Kind.TEXT: f"{mark}.{each.name}",
                Kind.NUMBER: 1,
                Kind.FLAG: True,
                Kind.MOMENT: NOW,
                Kind.AMOUNT: Decimal(1),
                Kind.JSON: {"a": f"{mark}.{each.name}"},
            }[each.kind]
        values[each.attribute] = (value,) if each.is_list else value
    return values


def an_order() -> Order:
    line = filled(Line, "line") | {"quantity_ordered": 3}
    return Order(**filled(Order, "order"), lines=(Line(**line),), personal_marketplace_data={"a": "order.wish"})


COUNTRY = "order.shipping_address.country_code"
"""Not personal: it stands among the facts as `shipping_country_code`."""
PERSONAL = {
    *(f"order.{'.'.join(part.name for part in leaf.path)}" for leaf in leaves(personal.personal_members())),
    *(f"line.{'.'.join(part.name for part in leaf.path)}" for leaf in personal.line_details()),
    "order.wish",
} - {COUNTRY}


def test_what_is_described_as_personal_is_in_the_parties_and_nowhere_else() -> None:
    order = an_order()
    facts, parties = documents.facts(order), personal.parties(personal.personal(order))
    row = row_of(order)._replace(facts=facts)
    whole, redacted = (documents.document(row, each).decode() for each in (parties, None))
    bare = personal.without_personal_data(order)
    assert len(PERSONAL) > 30
    for text in (facts, redacted, repr(bare), personal.parties(personal.personal(bare))):
        assert [mark for mark in PERSONAL if mark in text] == []
        assert COUNTRY in text
    for text in (parties, whole):
        assert [mark for mark in PERSONAL if mark not in text] == []


def test_what_is_not_described_as_personal_is_in_the_facts() -> None:
    texts = {f"order.{each.name}" for each in MEMBERS.values() if each.kind is Kind.TEXT and each.type is str}
    texts |= {f"line.{each.name}" for each in LINE.values() if each.kind is Kind.TEXT and each.type is str}
    plain = texts - PERSONAL - {"order.id", "line.id", "order.split_of", "order.shipping_country_code"}
    facts = documents.facts(an_order())
    assert {each for each in plain if each not in facts} == set()


def test_personal_members_are_read_back_as_they_were() -> None:
    told = personal.personal(an_order())
    assert personal.read_parties(personal.parties(told)) == told
    assert personal.pii_state(an_order()) is PiiState.PRESENT
    assert personal.pii_state(personal.without_personal_data(an_order())) is PiiState.WITHHELD


def row_of(order: Order) -> StoredOrder:
    known = {"status": order.status, "acknowledgements": "[]", "confirmation_status": "none", "pii_state": "present"}
    times = {"marketplace_updated_at": NOW, "received_at": NOW}
    return StoredOrder(**{**dict.fromkeys(StoredOrder._fields, 0), **known, **times})


NEW_MEMBER = """
    pickup_code: Annotated[str | None, Member("What the carrier is asked for at the counter.", "K-17")] = None
    sku: """
WHERE_IT_ARRIVES = """
import duckdb, json
from orders_api.schemas.orders import OrderDocument
from orders_api.v1.export_tables import whole_columns
from warehouse import documents, orders
from warehouse.lake import definitions, order_tables
from tests.documentation.test_members import an_order
from msgspec.structs import replace

order = an_order()
order = replace(order, lines=(replace(order.lines[0], pickup_code="P-1"),))
facts = documents.facts(order)
assert json.loads("{" + facts + "}")["lines"][0]["pickup_code"] == "P-1"
described = OrderDocument.model_json_schema()["$defs"]["Line"]["properties"]["pickup_code"]
assert (described["description"], described["examples"]) == ("What the carrier is asked for at the counter.", ["K-17"])
(column,) = [each for each in definitions.dictionary() if (each.table, each.column) == ("order_lines", "pickup_code")]
assert (column.comment, column.type) == (described["description"], "VARCHAR")
assert "line_pickup_code" in [each.name for each in whole_columns()]
with duckdb.connect() as duck:
    duck.execute(definitions.statement("conversions", "amount"))
    names = [each for each in order_tables.FROM_COLUMNS]
    row = ", ".join(f"NULL AS {name}" for name in names)
    duck.execute(f"CREATE TABLE told AS SELECT {row}, ? AS facts", [facts])
    read = order_tables.documents_statement().replace("FROM arrived", "FROM told AS arrived")
    duck.execute(f"CREATE TABLE arrived AS {read}")
    lines = order_tables.conversion_statement("order_lines")
    assert duck.sql(f"SELECT pickup_code FROM ({lines})").fetchall() == [("P-1",)]
print("everywhere")
"""


def test_a_new_member_takes_its_description_and_nothing_else(tmp_path) -> None:
    for package in ("warehouse", "orders_api", "tests/documentation", "orders_pipeline"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "sandbox"))
    source = tmp_path / "warehouse" / "order_lines.py"
    text = source.read_text(encoding="utf-8")
    assert text.count("\n    sku: ") == 1
    source.write_text(text.replace("\n    sku: ", NEW_MEMBER), encoding="utf-8")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{WHERE_IT_ARRIVES}"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ORDERS_HOME": str(tmp_path)},
    )
    assert (ran.stdout, ran.stderr) == ("everywhere\n", "")

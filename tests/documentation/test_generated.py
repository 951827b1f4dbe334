"""The generated parts of the documentation are what the code says now."""

from __future__ import annotations

import pytest

from tests.documentation import generate, texts

PAGES = sorted(generate.DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_up_to_date(page) -> None:
    text = page.read_text(encoding="utf-8")
    assert generate.rendered(text) == text, "run: python -m tests.documentation.generate"


def test_the_template_of_the_consoles_texts_is_up_to_date() -> None:
    assert texts.template() == texts.TEMPLATE.read_text("utf-8"), "run: python -m tests.documentation.generate"


def test_every_part_stands_in_a_page() -> None:
    found = [name for page in PAGES for _, name, _ in generate.PART.findall(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(generate.PARTS)


def test_every_column_has_a_meaning() -> None:
    assert [f"{each.table}.{each.column}" for each in generate.dictionary() if not each.comment] == []

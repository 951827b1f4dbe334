"""The pictures of the documentation: `make screenshots` takes them, and a page that has changed its shape wants a new one.

A page's shape is what stands around its data: headings, columns, labels, buttons.
"""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
SHAPES = Path(__file__).with_name("shapes.json")
SHOWING = frozenset({"h2", "h3", "th", "dt", "label", "legend", "summary", "button"})
PICTURES = {
    "console-overview": "/",
    "console-orders": "/orders?status=WAITING_FOR_SHIPMENT&status=PARTIALLY_SHIPPED",
    "console-order": "/orders/{order}",
    "console-incidents": "/incidents",
    "console-channel": "/channels/amazon_fr",
}


class Shape(HTMLParser):
    """The words of a page's headings, columns, labels and buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.words: set[str] = set()
        self._within: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        is_of_a_row = tag == "th" and ("scope", "row") in attrs
        if tag in SHOWING and not is_of_a_row:
            self._within.append(tag)

    def handle_endtag(self, tag) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data) -> None:
        if self._within and data.strip() and not data.strip().isdecimal():
            self.words.add(f"{self._within[-1]}: {' '.join(data.split())}")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_its_page_as_it_is(open_page, anna, name):
    order = anna.get("/orders.json?has_errors=true&limit=1").json()["orders"][0]["id"]
    path = PICTURES[name].replace("{order}", order)
    shape = Shape()
    shape.feed(anna.get(path).text.partition("<dialog")[0])
    shapes = json.loads(SHAPES.read_text()) if SHAPES.exists() else {}
    if os.environ.get("REFRESH_SCREENSHOTS"):
        page = open_page(path, color_scheme="light", viewport={"width": 1280, "height": 800})
        page.screenshot(path=IMAGES / f"{name}.png")
        shapes[name] = sorted(shape.words)
        SHAPES.write_text(json.dumps(shapes, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    assert (IMAGES / f"{name}.png").is_file()
    assert sorted(shape.words) == shapes.get(name), "the page has another shape: look at it, and run `make screenshots`"

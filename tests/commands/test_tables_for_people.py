"""Tables on terminals of several widths: what they look like, and that no word of them is ever cut."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orders_pipeline.commands import output

COLUMNS = ("channel", "order", "status", "placed", "what to do")
ROWS = [
    (
        "amazon_fr",
        "404-1234567-7654321",
        "waiting_for_shipment",
        datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        "ship it [today]",
    ),
    (
        "mirakl_home",
        "C-000-0001-A",
        "shipped",
        None,
        "nothing: the marketplace has the package PKG-000000000001",
    ),
]

AT_80 = """\
Orders
────────────────────────────────────────────────────────────────────────────────
channel     amazon_fr
order       404-1234567-7654321
status      waiting_for_shipment
placed      2026-11-02 09:30:00
what to do  ship it [today]
────────────────────────────────────────────────────────────────────────────────
channel     mirakl_home
order       C-000-0001-A
status      shipped
placed
what to do  nothing: the marketplace has the package PKG-000000000001
"""
AT_100 = """\
Orders
┏━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┓
┃ channel     ┃ order               ┃ status               ┃ placed              ┃ what to do         ┃
┡━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━┩
│ amazon_fr   │ 404-1234567-7654321 │ waiting_for_shipment │ 2026-11-02 09:30:00 │ ship it [today]    │
│ mirakl_home │ C-000-0001-A        │ shipped              │                     │ nothing: the       │
│             │                     │                      │                     │ marketplace has    │
│             │                     │                      │                     │ the package        │
│             │                     │                      │                     │ PKG-000000000001   │
└─────────────┴─────────────────────┴──────────────────────┴─────────────────────┴────────────────────┘
"""
AT_150 = """\
Orders
┏━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ channel     ┃ order               ┃ status               ┃ placed              ┃ what to do                                                ┃
┡━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ amazon_fr   │ 404-1234567-7654321 │ waiting_for_shipment │ 2026-11-02 09:30:00 │ ship it [today]                                           │
│ mirakl_home │ C-000-0001-A        │ shipped              │                     │ nothing: the marketplace has the package PKG-000000000001 │
└─────────────┴─────────────────────┴──────────────────────┴─────────────────────┴───────────────────────────────────────────────────────────┘
"""  # noqa: E501 - as wide as the terminal
GOLDEN = {80: AT_80, 100: AT_100, 150: AT_150}


def printed(width: int, columns, rows) -> str:
    sink = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "answers", Console(file=sink, width=width, soft_wrap=True))
        output.print_table("Orders", columns, rows)
    return sink.getvalue()


@pytest.mark.parametrize("width", [80, 100, 150])
def test_a_table_looks_the_same_again(width):
    assert printed(width, COLUMNS, ROWS) == GOLDEN[width]


@given(
    st.lists(
        st.lists(st.from_regex(r"[a-z0-9\[\]\-]{1,40}( [a-z]{1,9}){0,3}", fullmatch=True), min_size=3, max_size=3),
        min_size=1,
        max_size=4,
    ),
    st.integers(20, 160),
)
def test_no_word_is_cut(rows, width):
    shown = printed(width, ("a", "b", "c"), rows).replace("│", " ").replace("┃", " ").split()
    assert not {word for row in rows for text in row for word in text.split()}.difference(shown)

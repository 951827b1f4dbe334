"""The texts of the console as gettext's template, from which translations begin: `orders_api/console/locales/console.pot`.

`python -m tests.documentation.generate` writes it, `test_generated` says when it is old.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from orders_api.console.logs import STAGES
from orders_api.console.words import in_words
from orders_api.kit.errors import CODES, REFUSALS
from orders_api.v1.cancellation_requests import DETAILS
from warehouse.cancellations import RequestState
from warehouse.incidents import CAUSES, IncidentKind
from warehouse.ledger.exchange.file_records import FileState, RowOutcome
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings.file_schedules import Weekday
from warehouse.order_states import Bar, ConfirmationStatus, Status
from warehouse.personal import personal_members

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "orders_api/console/locales/console.pot"
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}}
PLACES = (
    (
        "orders_api/console",
        "**",
        {"_": None, "Later": None, "Sentence": None, "counted": (1, 2), "gettext": None, "ngettext": (1, 2)},
    ),
    ("warehouse", "**", {"Sentence": None, "Message": None}),
    ("orders_api/kit", "errors", {"Problem": (3,), "not_found": (2,)}),
)
"""Folders, their modules, and which functions there take texts."""
ENUMERATIONS = (Bar, FileState, IncidentKind, Weekday)
"""Words of ours that pages show as `in_words` has them."""
SAID = (Bar, ConfirmationStatus, RequestState, RowOutcome, Status)
"""Words of ours that stand within sentences, in small letters."""
WORDS = (
    *STAGES,
    *(each.name for each in personal_members()),
    "buyer",
    "seller",
    "marketplace",
    "tick",
    "backfill",
    "sweep",
)
"""More of them, which are no enumeration."""
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""In place of when it was written: the same texts are the same file."""


def extracted() -> Catalog:
    """Every text of the console, with the files that it stands in."""
    found = Catalog(project="Orders Syndication", version="1", charset="utf-8", creation_date=BEGINNING)
    for place, modules, keywords in PLACES:
        methods = [("templates/**.html", "jinja2"), (f"{modules}.py", "python")]
        for path, line, message, _comments, context in extract_from_dir(ROOT / place, methods, OPTIONS, keywords):
            found.add(message, locations=[(f"{place}/{path}", line)], context=context)
    for text in sorted(texts_of_tables()):
        found.add(text)
    return found


def texts_of_tables() -> set[str]:
    """Words and sentences that pages look up by what the ledger holds."""
    words = {*WORDS, *(each.value for kind in ENUMERATIONS for each in kind)}
    small = {each.replace("_", " ").lower() for kind in SAID for each in kind} | {"unknown"}
    phrases = {HTTPStatus(each).phrase.capitalize() for each in (*CODES, 409, 412, 428)}
    return {
        *map(in_words, words),
        *small,
        *(status.value for status in Status),
        *phrases,
        *(role.value for role in Role),
        *CAUSES.values(),
        *REFUSALS.values(),
        *DETAILS.values(),
    }


def template() -> str:
    """The file."""
    written = io.BytesIO()
    write_po(written, extracted(), sort_output=True, include_lineno=False, width=120)
    return "".join(each for each in written.getvalue().decode().splitlines(keepends=True) if "Generated-By" not in each)

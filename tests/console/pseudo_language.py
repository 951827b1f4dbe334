"""Languages that nobody speaks: every text of the console with accents, in brackets, and a third longer.

What is bare on a page in such a language, and no data, was never given to gettext. Values stand outside of the brackets, and so
are looked at too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from tests.documentation.texts import TEMPLATE

if TYPE_CHECKING:
    from pathlib import Path

LEFT_TO_RIGHT, RIGHT_TO_LEFT = "eo", "he"
"""What they stand for: the console takes languages that there are."""
ACCENTS = str.maketrans("AEIOUYaeiouycnsz", "ÀÉÎÕÜÝàéîõüýçñšž")
PLACES = re.compile(r"(%\(\w+\)s|%%)")
SAID = re.compile("⟦[^⟦⟧]*⟧")


def pseudo(message: str) -> str:
    """A text in these languages.

    >>> pseudo("%(count)s orders late")
    '%(count)s⟦ õrdérš làté ~~~~⟧'
    """
    return "".join(each if PLACES.fullmatch(each) else _accented(each) for each in PLACES.split(message) if each)


def _accented(text: str) -> str:
    return f"⟦{text.translate(ACCENTS)}{' ~~~~' * (1 + len(text) // 15)}⟧"


def write_pseudo_catalogues(home: Path) -> None:
    """Catalogues of both, in an installation's home."""
    with TEMPLATE.open("rb") as file:
        messages = list(read_po(file))
    for language in (LEFT_TO_RIGHT, RIGHT_TO_LEFT):
        made = Catalog(locale=language)
        for each in messages:
            if isinstance(each.id, tuple):
                one, many = each.id
                made.add(each.id, (pseudo(one), *[pseudo(many)] * (made.num_plurals - 1)))
            elif each.id:
                made.add(each.id, pseudo(each.id))
        folder = home / "locales" / language / "LC_MESSAGES"
        folder.mkdir(parents=True)
        with (folder / "console.mo").open("wb") as file:
            write_mo(file, made)

"""The console's own words in the language of whoever reads: gettext's catalogues, and English where there is none.

The English text is the message's id. Values stand in it by name, `%(count)s`; a percent sign of its own is `%%`. What is data
stays as it is kept: what a marketplace said, what an incident or the log tells. Catalogues are `LANG/LC_MESSAGES/console.mo` in
the console's folder `locales`, or in the folder of that name in the installation's home.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING

from babel.core import Locale, negotiate_locale
from markupsafe import escape
from starlette.datastructures import Headers

from warehouse import display
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

ENGLISH = "en"
SHIPPED = Path(__file__).parents[1] / "locales"
IN_A_FOLDER = "*/LC_MESSAGES/console.mo"
MOST_WANTED = 20
PLACE = re.compile(r"%\(\w+\)s|%%")

_catalogue: ContextVar[NullTranslations] = ContextVar("catalogue", default=NullTranslations())  # noqa: B039 - never changed


def _(message: str, /, **values: object) -> str:
    """A text for the reader.

    >>> _("%(count)s of them are late", count=3)
    '3 of them are late'
    """
    return gettext(message) % values


def counted(one: str, many: str, count: int, /, **values: object) -> str:
    """A text about so many things: `%(num)s` is their number as people read it.

    >>> counted("%(num)s order", "%(num)s orders", 1200)
    '1,200 orders'
    """
    return ngettext(one, many, count) % {"num": display.number(count), **values}


class Later(str):
    """A text of a table, which is made when there is no reader yet: whoever shows it reads it in their language."""

    __slots__ = ()

    def __str__(self) -> str:
        return gettext(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __html__(self) -> str:
        return escape(str(self))


def retold(said: str | Exception) -> str:
    """A sentence of the warehouse, or what it refuses something with, in the reader's language; any other text as it is."""
    text = said.args[0] if isinstance(said, Exception) else said
    if not isinstance(text, Sentence):
        return str(text)
    values = {name: retold(each) if isinstance(each, str) else each for name, each in text.values.items()}
    return gettext(text.message) % values


def gettext(message: str) -> str:
    """A message in the reader's language, as a plain text.

    >>> type(gettext(Later("Save")))
    <class 'str'>
    """
    plain = message[:]
    return _fitting(plain, _catalogue.get().gettext(plain)) if plain else ""


def ngettext(one: str, many: str, count: int) -> str:
    """The message for so many."""
    return _fitting(many, _catalogue.get().ngettext(one, many, count))


@lru_cache(maxsize=10_000)
def _fitting(message: str, translated: str) -> str:
    """A translation, or the message where that asks for a value that there is not: one wrong text breaks no page.

    >>> _fitting("%(count)s late", "%(count)s en retard"), _fitting("%(count)s late", "%(nombre)s en retard, 20 %")
    ('%(count)s en retard', '%(count)s late')
    """
    is_sound = "%" not in PLACE.sub("", translated)
    return translated if is_sound and {*PLACE.findall(translated)} <= {*PLACE.findall(message), "%%"} else message


@dataclass(frozen=True, slots=True)
class Language:
    """A language that the console speaks: how it writes figures and days, and its texts."""

    locale: Locale
    catalogue: NullTranslations


def read_languages(home: Path) -> dict[str, Language]:
    """The languages that the console speaks, by their codes: English, those it came with, and a merchant's own before these.

    Raises:
        babel.UnknownLocaleError: A folder of catalogues has a name that is no language.
    """
    found = {ENGLISH: Language(display.ENGLISH, NullTranslations())}
    for folder in (SHIPPED, home / SHIPPED.name):
        for path in sorted(folder.glob(IN_A_FOLDER)):
            code = path.parents[1].name
            with path.open("rb") as file:
                found[code] = Language(Locale.parse(code), GNUTranslations(file))
    return found


class Speaking:
    """Middleware: a request is answered in the language that its reader prefers among those that there are."""

    def __init__(self, app: ASGIApp, languages: Mapping[str, Language]) -> None:
        self._app = app
        self._languages = languages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            code = negotiate_locale(preferred(Headers(scope=scope).get("accept-language", "")), self._languages)
            language = self._languages[code or ENGLISH]
            _catalogue.set(language.catalogue)
            display.LOCALE.set(language.locale)
        await self._app(scope, receive, send)


def preferred(header: str) -> list[str]:
    """The languages of an Accept-Language header, the dearest first.

    >>> preferred("en;q=0.5, pt-BR, fr;q=0.9, de;q=0")
    ['pt_BR', 'fr', 'en']
    """
    wanted = []
    for part in header.split(",")[:MOST_WANTED]:
        language, _semicolon, weight = part.strip().partition(";q=")
        try:
            wanted.append((float(weight or 1), language.replace("-", "_")))
        except ValueError:
            continue
    return [language for weight, language in sorted(wanted, key=lambda each: -each[0]) if weight > 0]

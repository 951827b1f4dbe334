"""Which country an address means: marketplaces send ISO codes, codes that are merely in use, and names in many languages.

Codes and names are ISO 3166's as pycountry carries them, with its translations; here are only those that are in use beside
them. Which member of an order is looked at is each marketplace's knowledge, cleaning the rest of an address is in `addresses`.
"""

from __future__ import annotations

import gettext
import unicodedata
from functools import cache, lru_cache

import pycountry

CODES_IN_USE = {
    "UK": "GB",
    "XI": "GB",  # Northern Ireland in VAT numbers and customs
    "ENG": "GB",
    "NIR": "GB",
    "SCT": "GB",
    "WLS": "GB",
    "EL": "GR",
    "IC": "ES",  # the Canary Islands
    "EA": "ES",  # Ceuta and Melilla
    "FX": "FR",
    "CP": "FR",
    "AC": "SH",
    "TA": "SH",
    "DG": "IO",
    "XK": "XK",
    "XKX": "XK",
    "ROM": "RO",
}
"""Codes that ISO 3166 reserves, has given up, or leaves to its users, and the country whose post delivers there."""

EVERYDAY_NAMES = """
AE UAE
AT Oesterreich
BY Biélorussie|Weißrussland|Bielorrússia
CZ Tsjechische Republiek|Tschechische Republik
ES Canary Islands|Islas Canarias|Canarias|Îles Canaries|Kanarische Inseln|Ceuta|Melilla|Islas Baleares|Mallorca
FO Färöer
FR France métropolitaine|Metropolitan France|Corse|Corsica
GB Great Britain|England|Scotland|Wales|Northern Ireland|UK|U.K.|Grande-Bretagne|Angleterre|Écosse|Irlande du Nord
GB Großbritannien|Nordirland|Schottland|Gran Bretaña|Gran Bretagna|Inghilterra|Inglaterra|Groot-Brittannië|Grã-Bretanha
GF Guyane|Französisch-Guayana
HK Hong Kong SAR China
IE Republic of Ireland
KR Republic of Korea
LU Lëtzebuerg
MK Macedonia
NL The Netherlands|Holanda|Holland|Olanda
PT Madeira|Azores|Açores
RE La Réunion|Reunion Island
RU Russie|Fédération de Russie|Russische Federatie|Federazione Russa|Russland|Rusia
SA Saudi-Arabië
TR Turkey
US US|U.S.|America|EE. UU.|États-Unis d'Amérique
VA Vatican City|Holy See|Vatikanstadt|Ciudad del Vaticano|Città del Vaticano|Vaticaanstad|Cidade do Vaticano
XK Kosovo
"""
"""What people call a country where ISO 3166 and its translations have another name, and islands that have no code."""

LANGUAGES = (
    *("fr", "de", "es", "it", "nl", "pt", "pl", "sv", "da", "nb_NO", "fi", "cs", "sk", "hu", "ro", "bg", "el"),
    *("hr", "sl", "et", "lv", "lt", "tr", "ca", "ja"),
)
"""Languages in which names are understood, beside English."""

LONGEST_CODE = 6


def country_code(*sent: str | None) -> str | None:
    """The ISO 3166 alpha-2 code of the first of these codes or names that means a country; None when none does.

    >>> country_code("UK"), country_code("FRA"), country_code(None, "PAYS BAS"), country_code("Atlantis")
    ('GB', 'FR', 'NL', None)
    """
    return next((found for each in sent if each is not None and (found := _resolve(each)) is not None), None)


def from_alpha_3(code: str) -> str | None:
    """The alpha-2 code for an alpha-3 code as ISO 3166 writes it; None for anything else."""
    return _codes().get(code) if len(code) == 3 else None  # noqa: PLR2004 - alpha-3


def to_alpha_3(code: str) -> str | None:
    """The alpha-3 code for an alpha-2 code as ISO 3166 writes it; None for anything else.

    >>> to_alpha_3("DE"), to_alpha_3("XX")
    ('DEU', None)
    """
    found = pycountry.countries.get(alpha_2=code)
    return None if found is None else str(found.alpha_3)


@lru_cache(maxsize=4096)
def _resolve(text: str) -> str | None:
    code = text.strip().upper()
    found = _codes().get(code)
    if found is None and "-" in code and len(code) <= LONGEST_CODE:
        found = _of_subdivision(code)
    if found is not None:
        return found
    name = _plain(text)
    return _english_names().get(name) or _translated_names().get(name)


@cache
def _codes() -> dict[str, str]:
    found = dict(CODES_IN_USE)
    for country in pycountry.countries:
        found |= dict.fromkeys((country.alpha_2, country.alpha_3, country.numeric), country.alpha_2)
    return found


def _of_subdivision(code: str) -> str | None:
    """The country of a part of one (GB-NIR); a part that is a country of its own in ISO 3166 (US-PR) is that."""
    part = pycountry.subdivisions.get(code=code)  # type: ignore[no-untyped-call]
    if part is None:
        return None
    own = pycountry.countries.get(alpha_2=code.partition("-")[2])
    return str(own.alpha_2 if own is not None and _plain(own.name) == _plain(part.name) else part.country_code)


@cache
def _english_names() -> dict[str, str]:
    found = {_plain(name): country.alpha_2 for country in pycountry.countries for name in _names(country)}
    for row in EVERYDAY_NAMES.strip().splitlines():
        code, _, names = row.partition(" ")
        found |= {_plain(name): code for name in names.split("|")}
    return found


@cache
def _translated_names() -> dict[str, str]:
    """Names in every language; of one that two countries would have, the first language's country."""
    found: dict[str, str] = {}
    for language in LANGUAGES:
        translation = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language])
        for country in pycountry.countries:
            for name in _names(country):
                found.setdefault(_plain(translation.gettext(name)), country.alpha_2)
    return found


def _names(country: object) -> list[str]:
    names = (getattr(country, kind, None) for kind in ("name", "official_name", "common_name"))
    return [name for name in names if name]


def _plain(text: str) -> str:
    """A name without what people leave out: case, accents, punctuation."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if letter.isalnum())

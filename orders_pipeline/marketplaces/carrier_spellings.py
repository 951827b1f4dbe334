"""How carriers are written in ERPs: every usual spelling of a carrier, grouped by the carrier.

What lives here: knowledge of carriers, whatever the marketplace. What does not: a marketplace's own codes, which are in its
`carriers`; a channel's own table, which comes before all of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

SPELLINGS: dict[str, tuple[str, ...]] = {
    "BPOST": ("BPOST", "B POST", "BELGIAN POST"),
    "BRT": ("BRT", "BARTOLINI", "BRT BARTOLINI"),
    "CHRONOPOST": ("CHRONOPOST", "CHRONO", "CHRONO 13", "CHRONO 18", "CHRONOPOST INTERNATIONAL"),
    "COLIS PRIVE": ("COLIS PRIVE", "COLIS PRIVÉ"),
    "COLISSIMO": ("COLISSIMO", "COLISSIMO INTERNATIONAL", "COLISSIMO DOMICILE", "LA POSTE COLISSIMO"),
    "CORREOS": ("CORREOS", "CORREOS DE ESPAÑA"),
    "CORREOS EXPRESS": ("CORREOS EXPRESS", "CHRONOEXPRES"),
    "CTT": ("CTT", "CTT EXPRESS", "CORREIOS DE PORTUGAL"),
    "DEUTSCHE POST": ("DEUTSCHE POST", "DP", "DEUTSCHE POST BRIEF"),
    "DHL": ("DHL", "DHL PAKET", "DHL PARCEL"),
    "DHL EXPRESS": ("DHL EXPRESS", "DHLEX"),
    "DPD": ("DPD", "DPD FRANCE", "DPD GERMANY", "DPD UK"),
    "EVRI": ("EVRI", "HERMES UK", "MYHERMES"),
    "FEDEX": ("FEDEX", "FEDERAL EXPRESS", "FEDEX EXPRESS", "FEDEX GROUND"),
    "GEODIS": ("GEODIS", "CALBERSON"),
    "GLS": ("GLS", "GENERAL LOGISTICS SYSTEMS", "GLS EUROPE"),
    "HERMES": ("HERMES", "HERMES LOGISTIK GRUPPE", "HLG"),
    "INPOST": ("INPOST", "PACZKOMATY"),
    "LA POSTE": ("LA POSTE", "LAPOSTE", "POSTE FRANCE", "LETTRE SUIVIE"),
    "MONDIAL RELAY": ("MONDIAL RELAY", "MR"),
    "MRW": ("MRW",),
    "NACEX": ("NACEX",),
    "PARCELFORCE": ("PARCELFORCE", "PARCELFORCE WORLDWIDE"),
    "POSTE ITALIANE": ("POSTE ITALIANE", "CRONO", "SDA POSTE"),
    "POSTNL": ("POSTNL", "POST NL", "TNT POST"),
    "POSTNORD": ("POSTNORD", "POST NORD"),
    "ROYAL MAIL": ("ROYAL MAIL", "ROYALMAIL", "RM"),
    "SDA": ("SDA", "SDA EXPRESS COURIER"),
    "SEUR": ("SEUR",),
    "TNT": ("TNT", "TNT EXPRESS", "TNT FRANCE"),
    "UPS": ("UPS", "UNITED PARCEL SERVICE", "UPS STANDARD", "UPS EXPRESS"),
    "USPS": ("USPS", "US POSTAL SERVICE", "UNITED STATES POSTAL SERVICE"),
    "YODEL": ("YODEL",),
    "ZELERIS": ("ZELERIS",),
}
"""Spellings in capitals. No spelling stands for two carriers."""

_CARRIER_OF = {spelling: carrier for carrier, spellings in SPELLINGS.items() for spelling in spellings}


def aliases(codes: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Every spelling, in capitals and with its words also joined by nothing, `_` or `-`, to a marketplace's code.

    Args:
        codes: A marketplace's codes, and by what names else it calls each carrier. A name counts for the code that has it
            as its own before any spelling known here does.

    >>> found = aliases({"LP": ["La Poste"], "UPS": []})
    >>> found["LAPOSTE"], found["LA_POSTE"], found["UNITED PARCEL SERVICE"]
    ('LP', 'LP', 'UPS')
    """
    found: dict[str, str] = {}
    named = [(code, [code, *names]) for code, names in codes.items()]
    for code, names in named:
        for name in names:
            for spelling in _joined(name.upper()):
                found.setdefault(spelling, code)
    for code, names in named:
        for carrier in {_CARRIER_OF[name.upper()]: None for name in names if name.upper() in _CARRIER_OF}:
            for each in SPELLINGS[carrier]:
                for spelling in _joined(each):
                    found.setdefault(spelling, code)
    return found


def _joined(name: str) -> Iterator[str]:
    words = name.split()
    for between in (" ", "", "_", "-"):
        yield between.join(words)

"""Made-up orders: what both marketplaces' generators share.

What lives here: the product catalogue, made-up people and addresses, amounts, points in time. What does not: the shape
of any marketplace's order (each kind's ``orders``). Names are combinations of common first and last
names; e-mail addresses and links use the example domains that are reserved for this.
"""

from __future__ import annotations

import csv
import gc
from bisect import bisect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Generic, TypeVar
from zlib import crc32

from orders_pipeline.sandbox.clock import to_millis

T = TypeVar("T")

CATALOGUE_SIZE = 400

_ITEMS = (
    ("Rucksack", "Trinkflasche", "Laufschuh", "Regenjacke", "Stirnlampe"),
    ("Théière", "Poêle à crêpes", "Couette légère", "Étagère murale", "Bougie parfumée"),
    ("Cafetera", "Mochila escolar", "Zapatilla de montaña", "Lámpara de pie", "Paraguas"),
    ("Desk lamp", "Wool blanket", "Enamel mug", "Garden shears", "Bicycle bell"),
    ("Macchinetta da caffè", "Tovaglia", "Orologio da parete", "Grembiule", "Cuscino"),
    ("折りたたみ傘", "保温ボトル", "まな板", "座布団", "急須"),
)
_VARIANTS = ("black", "white", "blue", "rot", "vert", "gris", "S", "M", "L", "XL", "0,5 l", "1 l", "2er-Set", "3er-Set")


@dataclass(frozen=True)
class Product:
    """One article of the merchant's catalogue. ``price_cents`` is its price in hundredths of a euro."""

    sku: str
    gtin: str
    title: str
    url: str
    asin: str
    price_cents: int


@dataclass(frozen=True)
class Times:
    """When an order was placed and when it last changed."""

    created: datetime
    updated: datetime


@dataclass(frozen=True)
class Person:
    """A made-up customer."""

    first_name: str
    last_name: str
    company: str | None
    email_local_part: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class PostalPlace:
    """A made-up address."""

    street: str
    extra: str | None
    city: str
    state: str
    postal_code: str
    country: str
    phone: str


@dataclass(frozen=True)
class Country:
    """What addresses look like in a country."""

    alpha2: str
    alpha3: str
    label: str
    dial: str
    postal_pattern: str
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


COUNTRIES: dict[str, Country] = {
    country.alpha2: country
    for country in (
        Country(
            "FR",
            "FRA",
            "France",
            "+33 5 5501 ",
            "#####",
            ("rue des Tilleuls", "allée du Lac", "quai Été"),
            (("Lyon", "Rhône"), ("Béziers", "Hérault"), ("Nantes", "Loire-Atlantique"), ("Orléans", "Loiret")),
            ("Chloé", "Élodie", "Jérôme", "Maël", "Noémie"),
            ("Lefèvre", "Garçon", "Müller", "d'Été", "Petit"),
        ),
        Country(
            "DE",
            "DEU",
            "Deutschland",
            "+49 30 2312",
            "#####",
            ("Ahornweg", "Große Straße", "Am Mühlbach"),
            (("Köln", "NRW"), ("München", "Bayern"), ("Görlitz", "Sachsen"), ("Berlin", "Berlin")),
            ("Jürgen", "Anneliese", "Björn", "Käthe", "Max"),
            ("Groß", "Schäfer", "Öztürk", "Weiß", "Koch"),
        ),
        Country(
            "ES",
            "ESP",
            "España",
            "+34 600 000 ",
            "#####",
            ("Calle del Olmo", "Avenida de la Peña", "Plaza Año"),
            (("A Coruña", "Galicia"), ("Logroño", "La Rioja"), ("Cádiz", "Andalucía"), ("Madrid", "Madrid")),
            ("Íñigo", "María José", "Begoña", "Andrés", "Lucía"),
            ("Muñoz", "García Núñez", "Peña", "Ibáñez", "Gil"),
        ),
        Country(
            "IT",
            "ITA",
            "Italia",
            "+39 06 5550 ",
            "#####",
            ("Via delle Rose", "Corso Città Nuova", "Piazza Più"),
            (("Forlì", "FC"), ("Torino", "TO"), ("Cefalù", "PA"), ("Bari", "BA")),
            ("Nicolò", "Giosuè", "Zoë", "Chiara", "Luca"),
            ("D'Angelo", "Però", "Rossi", "Niccolò", "Fontana"),
        ),
        Country(
            "GB",
            "GBR",
            "United Kingdom",
            "+44 7700 900",
            "ZZ# #ZZ",
            ("Elm Row", "St. Agnes' Lane", "Mill Close"),
            (("Leeds", "West Yorkshire"), ("Bath", "Somerset"), ("Kingston upon Hull", ""), ("Truro", "Cornwall")),
            ("Siân", "Oliver", "Zara", "Niamh", "George"),
            ("O'Neill", "Smith-Jones", "Patel", "Brontë", "Hughes"),
        ),
        Country(
            "US",
            "USA",
            "United States",
            "+1 555 0100",
            "#####",
            ("Cedar Ave", "W 4th St", "Ocean Blvd"),
            (("Springfield", "IL"), ("Portland", "OR"), ("Austin", "TX"), ("Cañon City", "CO")),
            ("Renée", "Tyler", "José", "Hannah", "Dwayne"),
            ("O'Brien", "Nguyễn", "Washington", "De la Cruz", "Lee"),
        ),
        Country(
            "CA",
            "CAN",
            "Canada",
            "+1 555 0199",
            "Z#Z #Z#",
            ("Maple Cres", "rue Sainte-Thérèse", "King St W"),
            (("Montréal", "QC"), ("Calgary", "AB"), ("Trois-Rivières", "QC"), ("Halifax", "NS")),
            ("Benoît", "Emma", "Zoé", "Liam", "Aïcha"),
            ("Tremblay", "Côté", "MacLeod", "Singh", "Gagné"),
        ),
        Country(
            "JP",
            "JPN",
            "日本",
            "+81 3 5550 ",
            "###-####",
            ("桜町1丁目", "緑台2-3", "本町5-10"),
            (("札幌市", "北海道"), ("横浜市", "神奈川県"), ("京都市", "京都府"), ("那覇市", "沖縄県")),
            ("陽菜", "蓮", "さくら", "健太", "美咲"),
            ("佐藤", "鈴木", "渡邊", "髙橋", "山﨑"),
        ),
        Country(
            "AU",
            "AUS",
            "Australia",
            "+61 491 570",
            "####",
            ("Wattle St", "Harbour Rd", "Gum Tree Dr"),
            (("Geelong", "VIC"), ("Cairns", "QLD"), ("Hobart", "TAS"), ("Perth", "WA")),
            ("Matilda", "Jack", "Ruby", "Noah", "Isla"),
            ("Kelly", "Nguyen", "Walker", "O'Shea", "Chen"),
        ),
        Country(
            "SE",
            "SWE",
            "Sverige",
            "+46 70 1740",
            "### ##",
            ("Björkvägen", "Östra Ågatan", "Sjögränd"),
            (("Malmö", "Skåne"), ("Göteborg", "Västra Götaland"), ("Umeå", "Västerbotten"), ("Örebro", "Örebro")),
            ("Åsa", "Göran", "Linnéa", "Måns", "Elsa"),
            ("Öberg", "Ångström", "Nilsson", "Sjöström", "Lind"),
        ),
        Country(
            "PL",
            "POL",
            "Polska",
            "+48 500 000 ",
            "##-###",
            ("ul. Źródlana", "ul. Łąkowa", "al. Świętej Anny"),
            (("Łódź", "łódzkie"), ("Kraków", "małopolskie"), ("Gdańsk", "pomorskie"), ("Poznań", "wielkopolskie")),
            ("Łukasz", "Żaneta", "Małgorzata", "Paweł", "Zofia"),
            ("Wójcik", "Śliwa", "Dąbrowski", "Żak", "Nowak"),
        ),
    )
}

WISHES = ("Joyeux anniversaire 🎂", "Alles Gute, Käthe", "¡Felicidades!", "Happy birthday", "おめでとう")
COMPANIES = ("Atelier Exemple SARL", "Muster & Söhne GmbH", "Example Works Ltd", "Ejemplo y Cía. S.L.", "サンプル商事")
EXTRAS = ("2nd floor", "Appt. 12", "c/o Muster", "Bâtiment B", "Hinterhaus", "3º izq.")


class Choice(Generic[T]):
    """A weighted choice, quicker than ``random.choices`` with weights each time."""

    def __init__(self, weights: dict[T, float]) -> None:
        """``weights`` maps every value to its weight."""
        self._values = list(weights)
        self._cumulated = list(accumulate(weights.values()))
        self._total = self._cumulated[-1]

    def pick(self, rng: Random) -> T:
        """Return one value."""
        return self._values[bisect(self._cumulated, rng.random() * self._total)]


class Catalogue:
    """The merchant's products: the same for a seed, for every marketplace."""

    def __init__(self, seed: int, size: int = CATALOGUE_SIZE) -> None:
        """Make ``size`` products up."""
        rng = Random(f"catalogue:{seed}")
        self.products: tuple[Product, ...] = tuple(self._product(rng, index) for index in range(size))

    def pick(self, rng: Random, count: int) -> list[Product]:
        """Return ``count`` different products."""
        return rng.sample(self.products, count)

    def write_csv(self, path: Path) -> int:
        """Write the catalogue as CSV (sku, gtin, title, url) and return the number of products."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows(self.rows())
        return len(self.products)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return header and rows of the CSV."""
        return [("sku", "gtin", "title", "url"), *((p.sku, p.gtin, p.title, p.url) for p in self.products)]

    @staticmethod
    def _product(rng: Random, index: int) -> Product:
        title = f"{rng.choice(rng.choice(_ITEMS))}, {rng.choice(_VARIANTS)}"
        sku = f"SKU-{index:05d}-{rng.choice('ABCDEFGH')}{rng.randrange(10)}"
        return Product(
            sku=sku,
            gtin=_gtin13(200_000_000_000 + index * 7919),
            title=title,
            url=f"https://shop.example/p/{sku.lower()}",
            asin=f"B0{index:05d}{rng.choice('ABCDEFGHKLMN')}{rng.randrange(10)}{rng.choice('XYZ')}",
            price_cents=rng.choice((499, 990, 1250, 1999, 2495, 3990, 5900, 8999, 12900, 24950)) + rng.randrange(100),
        )


def person(rng: Random, country: str, *, is_business: bool = False) -> Person:
    """Make a customer of a country up."""
    home = COUNTRIES[country]
    return Person(
        first_name=rng.choice(home.first_names),
        last_name=rng.choice(home.last_names),
        company=rng.choice(COMPANIES) if is_business else None,
        email_local_part=f"{rng.getrandbits(56):014x}",
    )


def place(rng: Random, country: str) -> PostalPlace:
    """Make an address in a country up."""
    home = COUNTRIES[country]
    city, state = rng.choice(home.cities)
    return PostalPlace(
        street=f"{rng.choice(home.streets)} {rng.randrange(1, 200)}",
        extra=rng.choice(EXTRAS) if chance(rng, 0.25) else None,
        city=city,
        state=state,
        postal_code="".join(_postal_character(rng, character) for character in home.postal_pattern),
        country=country,
        phone=f"{home.dial}{rng.randrange(100, 1000)}",
    )


def chance(rng: Random, share: float) -> bool:
    """Return True in this share of the cases."""
    return rng.random() < share


def happens(subject: str, what: str, share: float) -> bool:
    """Return True for this share of the subjects: always the same ones, and without a draw of anybody's random numbers."""
    return crc32(f"{what}:{subject}".encode()) < share * 2**32


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause the garbage collector: making orders only adds objects, and walking them all again costs a third more."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def moments(rng: Random, count: int, newest: datetime, days: float) -> Sequence[datetime]:
    """Return points in time in ascending order, spread over ``days`` (two minutes when 0) before ``newest``."""
    span = days * 86400 if days > 0 else 120.0
    offsets = sorted((rng.random() * span for _ in range(count)), reverse=True)
    return [to_millis(newest - timedelta(seconds=offset)) for offset in offsets]


def decimal_text(minor_units: int, decimals: int) -> str:
    """Format an amount held in minor units, exactly and without floats."""
    if decimals == 0:
        return str(minor_units)
    sign = "-" if minor_units < 0 else ""
    digits = f"{abs(minor_units):0{decimals + 1}d}"
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def percentage_of(minor_units: int, basis_points: int) -> int:
    """Return a percentage (in hundredths of a percent) of an amount, rounded half up."""
    return (minor_units * basis_points + 5000) // 10000


def included_percentage(minor_units: int, basis_points: int) -> int:
    """Return the tax that is included in an amount, rounded half up."""
    whole = 10000 + basis_points
    return (minor_units * basis_points + whole // 2) // whole


def _postal_character(rng: Random, pattern: str) -> str:
    if pattern == "#":
        return str(rng.randrange(10))
    return rng.choice("ABCEHKLRT") if pattern == "Z" else pattern


def _gtin13(twelve_digits: int) -> str:
    digits = f"{twelve_digits:012d}"
    weighted = sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"
